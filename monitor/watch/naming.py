"""Which rows of a list are meant by what they are called, or by the app that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monitor.model import Called, Found, NamePatterns
from monitor.watch.context import NameSource


class Meant(NamedTuple):
    """The rows that are meant; `is_certain` unless a name could not be had for the moment."""

    rows: list[Found]
    is_certain: bool


async def meant(
    rows: list[Found], names: NamePatterns, name_source: NameSource, *, app_id: str = ""
) -> Meant:
    """Return the rows with a name that is asked for, and of an app only what is of its installs."""
    if not rows or (names.are_all and not app_id):
        return Meant(rows, is_certain=True)
    ids = tuple(dict.fromkeys(i for row in rows for i in row.ids))
    called = await name_source.called(ids)
    of_app = (row for row in rows if not app_id or app_id in _apps_of(called, row))
    return Meant(
        [row for row in of_app if names.admit([*row.names, *_names_of(called, row)])],
        is_certain=_are_named(called, ids),
    )


def _are_named(called: Called, ids: Iterable[str]) -> bool:
    """Whether it is known what all ids are called; a build goes by its component."""
    return all(called.names.get(called.components.get(i, i)) for i in ids)


def _apps_of(called: Called, row: Found) -> set[str]:
    return {called.apps[i] for i in row.ids if i in called.apps}


def _names_of(called: Called, row: Found) -> Iterator[str]:
    """Yield what those are called that a row is of, and the apps that these belong to."""
    for i in row.ids:
        for named in (called.components.get(i, i), called.apps.get(i, "")):
            if name := called.names.get(named):
                yield name
