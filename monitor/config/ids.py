"""Ids of the platform that say themselves that they are of another kind than is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.config.sections import WATCH_KINDS
from monitor.config.tables import keys_set, location_of, table_of, tables_in
from monitor.errors import Problem
from monitor.kinds.profile import WatchedBy
from monitor.text import with_article

# What the platform's ids begin with, by its public source of December 2025.
_KEYS: Mapping[str, str] = {behind.id_prefix: key for key, behind in WATCH_KINDS.items()}
_KINDS: Mapping[str, str] = {
    **{prefix: key.replace("_", " ") for prefix, key in _KEYS.items()},
    "org": "org",
    "dpl": "install deploy",
    "bld": "build",
    "iws": "workflow step",
    "job": "runner job",
    "iar": "action workflow run",
}
_APP, _ORG = "app", "org"
_PLATFORM_ID = re.compile(r"([a-z]{3})[a-z0-9]{23}")


def ids_of_other_kinds(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each id that is one of another kind; what begins in no known way may be anything."""
    org_id = table_of(given.get("nuon")).get("org_id")
    if isinstance(org_id, str) and (kind := _other_kind(org_id, _ORG)):
        expected = f"{_is_of(org_id, kind)}; expected that of your org, which begins with {_ORG}"
        yield Problem("nuon.org_id", expected)
    for keys, watch in tables_in(given, "watch").items():
        for key in keys_set(watch, WATCH_KINDS):
            for sentence in _mistakes(key, watch[key]):
                yield Problem(location_of((*keys, key)), sentence)


def _mistakes(key: str, value: object) -> Iterator[str]:
    """Yield what is wrong with the ids that a watch is written with."""
    behind = WATCH_KINDS[key]
    if not isinstance(value, str) or behind.watched_by is WatchedBy.WHOLE_ORG:
        return
    app, slash, identifier = value.rpartition("/")
    if kind := _other_kind(identifier, behind.id_prefix):
        yield f"{_is_of(identifier, kind)}; {_instead(key, identifier, is_whole=not slash)}"
    if kind := _other_kind(app, _APP):
        yield f"{_is_of(app, kind)}; expected that of an app, which begins with {_APP}"


def _other_kind(identifier: str, prefix: str) -> str | None:
    """Return what an id is one of, where its prefix is known and another one."""
    match = _PLATFORM_ID.fullmatch(identifier)
    return None if match is None or match[1] == prefix else _KINDS.get(match[1])


def _is_of(identifier: str, kind: str) -> str:
    return f"{identifier} is {with_article(kind)}'s id"


def _instead(key: str, identifier: str, *, is_whole: bool) -> str:
    """Say which key the id would be right for, or else which id for the key."""
    meant = _KEYS.get(identifier[:3])
    if meant is not None and is_whole and WATCH_KINDS[meant].watched_by is not WatchedBy.WHOLE_ORG:
        return f'did you mean {meant} = "{identifier}"?'
    kind, prefix = key.replace("_", " "), WATCH_KINDS[key].id_prefix
    return f"expected that of {with_article(kind)}, which begins with {prefix}"
