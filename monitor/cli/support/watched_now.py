"""What a watch leads to at this moment, asked of the platform and of nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from monitor.compose import render
from monitor.config import WATCH_KINDS, Watch, format_duration
from monitor.decide.selection import is_of_types
from monitor.errors import NuonError, NuonNotFound, NuonRejected
from monitor.kinds import FINDERS, KINDS, alternatives
from monitor.kinds.profile import WatchedBy
from monitor.kinds.wire import Memo, parse
from monitor.model import Found, NamePatterns, Snapshot, Target, TargetState
from monitor.platform.fetch import gather, located, pages
from monitor.platform.lookups import Names
from monitor.platform.source import Source
from monitor.service.wall_clock import utc_now
from monitor.text import counted
from monitor.watch.naming import meant


class Shown(NamedTuple):
    """What something is called, empty where that is not known, and how it stands."""

    name: str
    words: str


async def watched_now(source: Source, entry: Watch, forget_after: timedelta) -> Shown:
    """Return what an entry of the configuration leads to; raises NuonError."""
    if entry.target.kind in KINDS:
        return await _of_tree(source, entry.target)
    return await _of_list(source, entry, forget_after)


async def _of_tree(source: Source, target: Target) -> Shown:
    """Return the state of something with a tree of its own, whose document is its record."""
    kind = KINDS[target.kind]
    seen = await gather(source, kind, target.id)
    root = kind.decode(seen.main.body, target.id, Memo(), seen.beside)
    words = root.status or "no status yet"
    if root.kind.is_perpetual:
        words = counted(len(root.children), kind.profile.terms.step)
    if WATCH_KINDS[target.kind].watched_by is WatchedBy.WHOLE_ORG:
        return Shown("", words)
    snapshot, state = Snapshot(target, utc_now(), root), TargetState(utc_now())
    called = await Names(source, None, utc_now).called(render.shown_ids(snapshot, state))
    if not (root.name or called.names.get(root.component_id)):
        return Shown("", words)
    view = render.View(snapshot, state, render.Links("", ""), names=called.names, apps=called.apps)
    return Shown(render.title_of(view), words)


async def _of_list(source: Source, entry: Watch, forget_after: timedelta) -> Shown:
    """Return what a list is of, and what it would lead to now."""
    finder = FINDERS[entry.target.kind]
    identifier = await located(source, finder, entry.target.id)
    found = await _found(source, entry, finder.path(identifier), forget_after)
    if finder.record is None:
        return Shown("", found)
    try:
        answer = await source.get(finder.record(identifier))
        record = parse(answer.body, _record_decoder)
    except NuonNotFound:
        raise
    except NuonError as doubt:
        return Shown("", f"{found}; whether there is such a thing at all cannot be told: {doubt}")
    return Shown(record.display_name or record.name or "", found)


def _is_unserved(error: NuonError) -> bool:
    """Whether a platform does not serve what was asked for, whatever the id."""
    return isinstance(error, NuonRejected) and error.is_missing_route


class _Record(msgspec.Struct):
    name: str | None = None
    display_name: str | None = None


_record_decoder = msgspec.json.Decoder(_Record)


async def _found(source: Source, entry: Watch, path: str, forget_after: timedelta) -> str:
    """Return what a list would lead to now, or what finds the same on another version."""
    rows: tuple[Found, ...] = ()
    missing: NuonError | None = None
    try:
        rows = await _rows(source, entry, entry.target, path, utc_now() - forget_after)
    except NuonRejected as error:
        if not _is_unserved(error):
            raise
        missing = error
    if rows:
        return _words(rows, entry, forget_after)
    elsewhere = [
        words
        for target in alternatives(entry.target)
        if (words := await _words_elsewhere(source, entry, target, forget_after)) is not None
    ]
    if missing and not elsewhere:
        raise missing
    return "; ".join(filter(None, elsewhere)) or _words((), entry, forget_after)


async def _words_elsewhere(
    source: Source, entry: Watch, target: Target, forget_after: timedelta
) -> str | None:
    """Return what a list leads to that stands in for another; None where it is not served."""
    path = FINDERS[target.kind].path(target.id)
    try:
        rows = await _rows(source, entry, target, path, utc_now() - forget_after)
    except NuonError as error:
        if _is_unserved(error) or isinstance(error, NuonNotFound):
            return None
        raise
    if FINDERS[target.kind].is_of_app:
        names = Names(source, None, utc_now)
        rows = tuple((await meant(list(rows), NamePatterns(), names, app_id=target.id)).rows)
    return _words(rows, entry, forget_after) if rows else ""


def _words(rows: Sequence[Found], entry: Watch, forget_after: timedelta) -> str:
    span = f"in the last {format_duration(forget_after)}"
    horizon = utc_now() - forget_after
    recent = [row for row in rows if not row.is_over or _is_since(horizon, row)]
    if not recent:
        return f"nothing {span}"
    kinds = Counter(row.target.kind for row in recent)
    if kinds.keys() <= FINDERS.keys():
        return f"follows {counted(len(rows), 'further list')}"
    return ", ".join(_counts(kinds, sum(not row.is_over for row in rows), span, entry))


def _counts(kinds: Mapping[str, int], in_flight: int, span: str, entry: Watch) -> Iterator[str]:
    counts = [counted(count, kind) for kind, count in sorted(kinds.items())]
    yield f"{' and '.join(counts)} {span}"
    yield f"{in_flight:,} in flight"
    if in_flight > entry.limit:
        yield f"at most {entry.limit:,} of them followed at one time"
    if entry.include or entry.exclude:
        yield "before include and exclude"


async def _rows(
    source: Source, entry: Watch, target: Target, path: str, horizon: datetime
) -> tuple[Found, ...]:
    """Return the rows of a list, up to the first page on which all are too old."""
    finder, types = FINDERS[target.kind], frozenset(entry.types)
    rows: dict[Target, Found] = {}
    async for page in pages(source, path):
        on_page = finder.decode(page.body, target.id).found
        wanted = (row for row in on_page if is_of_types(row, types))
        rows.update((row.target, row) for row in wanted)
        if not any(_is_since(horizon, row) for row in on_page):
            break
    return tuple(rows.values())


def _is_since(horizon: datetime, row: Found) -> bool:
    return row.created_at is None or row.created_at >= horizon
