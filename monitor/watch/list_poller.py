"""Finding what is new: one pass over a growing list, and which of its rows to follow."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from monitor.decide.selection import Choice, choose, has_begun_since, is_news, is_of_types
from monitor.errors import NuonError, NuonNotFound, NuonRejected
from monitor.kinds import FINDERS, alternatives, change
from monitor.model import EventKind, Found, Target, Watch
from monitor.platform.fetch import located, pages
from monitor.store import Find
from monitor.watch.changes import Changes, Grouped
from monitor.watch.context import Context
from monitor.watch.followed import Followed
from monitor.watch.naming import meant
from monitor.watch.outages import OutageReporter
from monitor.watch.poller import Outcome
from monitor.watch.records import RecordCheck

log = structlog.get_logger(__name__)

_LOOK_DEEP_EVERY = timedelta(minutes=5)
"""How often more than the newest rows are read: an old one may have been retried."""
_MOST_LISTS = 100
"""How many lists a list may lead to: each costs a request in every poll."""


class ListPoller:
    """The pass over one list."""

    def __init__(
        self,
        watch: Watch,
        context: Context,
        follow: Callable[[Find], None],
        lead: Callable[[Target], None] = lambda _: None,
        *,
        followed: Followed | None = None,
        changes: Changes | None = None,
        since: datetime | None = None,
    ) -> None:
        """`follow` is called for each target that is followed from now on.

        `lead` is called with the lists that find the same on another version of the platform.
        `followed` is what this and other lists of the same watch lead to, `changes` what all
        lists lead to that consists of many rows, `since` when that watch began, where this list
        was found later.
        """
        self.watch = watch
        self._changes = changes or Changes(context.source)
        self._members: dict[Target, set[Target]] = {}
        self.followed = followed or Followed()
        self._since = since
        self._context = context
        self._follow = follow
        self._lead = lead
        self._finder = FINDERS[watch.target.kind]
        self._outage_reporter = OutageReporter(watch, context)
        self.began_at: datetime | None = None
        """Since when the list is watched; None until it was looked up."""
        self._is_elsewhere = False
        """Whether other lists find what this one is for, which this platform does not have."""
        self._is_removed = False
        self._known: dict[Target, bool] = {}
        self._id: str | None = None
        outage = context.reachability.outage_of(watch.target)
        is_missing = outage is not None and outage.kind is EventKind.REMOVED
        self._record = RecordCheck(
            context.source,
            context.now,
            missing=outage.reason if outage and is_missing else None,
        )
        self._fingerprint: bytes | None = None
        self._fingerprint_now: bytes | None = None
        self._looked_deep_at: datetime | None = None
        self.polled_at: datetime | None = None
        """When the last pass succeeded."""
        self.left_out = 0
        """How many rows in flight are not followed because of the limit."""
        self._without_id = 0
        """How many rows without an id were seen in one pass, at most."""

    @property
    def is_settled(self) -> bool:
        return not any(self._known.values())

    async def poll(self) -> Outcome:
        """Make one pass. Raises StoreError where the commit failed; the next pass finds anew."""
        started = time.perf_counter()
        began_at = self.began_at or await self._load()
        self._outage_reporter.asks()
        try:
            outcome = await self._look(began_at)
            if self._finder.record is not None:
                await self._record.require(self._finder.record(await self._located()))
        except NuonError as error:
            outcome = await self._fail(error)
        else:
            self.polled_at = self._context.now()
            await self._outage_reporter.succeed()
        self._context.metrics.polls.labels(outcome).inc()
        self._context.metrics.poll_seconds.observe(time.perf_counter() - started)
        return outcome

    def pause(self) -> timedelta | None:
        """Return how long to wait until the next pass; None for a find that was removed."""
        settings = self.watch.settings
        if self._is_removed:
            return None
        if self._outage_reporter.is_failing:
            return self._outage_reporter.pause()
        if self._is_elsewhere:
            return max(settings.interval, settings.settled_interval)
        return settings.interval

    def add_default_destinations(self, destinations: Sequence[str]) -> None:
        """Notify these by default as well, of whatever is found from now on."""
        self.watch = self._outage_reporter.watch = self.watch.with_default_destinations(
            destinations
        )

    def has_found(self, target: Target) -> bool:
        """Whether a target was found in this list, at any time."""
        return target in self._known

    def mark_finished(self, target: Target) -> None:
        """Take note that a target that was followed has ended."""
        self.followed.remove(target)
        self._changes.end(target)
        if target in self._known:
            self._known[target] = False
            self._known.update(dict.fromkeys(self._members.get(target, ()), False))
            self._fingerprint = None  # rows beyond the limit may be followed now

    async def _load(self) -> datetime:
        store, since = self._context.store, self._since or self._context.now()
        self.began_at = await store.call(store.finds.listed_since, self.watch.target, since)
        for find in await store.call(store.finds.load, self.watch.target):
            self._known[find.target] = find.is_followed
            if find.target.kind == change.NAME:
                members = await store.call(store.finds.load, find.target)
                self._note_members(find, members)
            if find.is_followed:
                self._begin(find)  # it was followed before a restart
        return self.began_at

    def _note_members(self, find: Find, members: Iterable[Find]) -> None:
        """Take note of the rows of a change: each is followed as long as the whole is."""
        targets = {one.target for one in members}
        self._members.setdefault(find.target, set()).update(targets)
        self._known.update(dict.fromkeys(targets, find.is_followed))

    def _begin(self, find: Find) -> None:
        if not _is_list(find.target):
            self.followed.add(find.target)
        if find.target.kind == change.NAME:
            self._changes.begin(find.target)
        self._follow(find)

    async def _fail(self, error: NuonError) -> Outcome:
        """Report why a pass failed, unless it is of a find: nobody asked for that by its name.

        A branch that was deleted is polled no more, and one that this platform does not serve to
        the organisation any more is nothing that anybody has to act upon.
        """
        is_found = self.watch.found_in is not None
        if is_found and (_is_missing_route(error) or isinstance(error, NuonNotFound)):
            self._is_removed = isinstance(error, NuonNotFound)
            self._is_elsewhere = not self._is_removed
            log.info("list_not_served", target=str(self.watch.target), error=str(error))
            return Outcome.UNCHANGED
        was_seen = self.polled_at is not None or bool(self._known)
        await self._outage_reporter.fail(error, was_seen=was_seen)
        return Outcome.FAILED

    async def _look(self, began_at: datetime) -> Outcome:
        now = self._context.now()
        since = self._looked_deep_at
        is_deep = since is None or not timedelta() <= now - since < _LOOK_DEEP_EVERY
        self._is_elsewhere = False
        try:
            news = [row async for row in self._news(began_at, is_deep=is_deep)]
        except NuonRejected as error:
            if not _is_missing_route(error) or not await self._lead_elsewhere():
                raise
            self._is_elsewhere = True
            return Outcome.UNCHANGED
        if is_deep:
            self._looked_deep_at = now
        wanted = await self._tied(await self._named(news))
        async with self.followed.lock:
            found = await self._follow_new(self._changes.grouped(wanted), began_at, now)
        self._fingerprint = self._fingerprint_now  # not before its rows are stored
        return Outcome.CHANGED if found else Outcome.UNCHANGED

    async def _tied(self, news: list[Found]) -> list[Found]:
        """Return the rows with what ties them to others, those of which that is known."""
        if self._finder.tie_of is None:
            return news
        tied, is_whole = await self._changes.tied(news, self._finder.tie_of)
        if not is_whole:
            # The next pass asks about the others, on whatever page they are.
            self._fingerprint_now = self._looked_deep_at = None
        return tied

    def _chosen(self, news: Sequence[Found]) -> Choice:
        """Return which rows to follow, as far as there is capacity."""
        if all(_is_list(row.target) for row in news):
            return choose(news, capacity=_MOST_LISTS - sum(self._known.values()))
        return choose(news, capacity=self.watch.settings.limit - self.followed.count)

    async def _follow_new(self, grouped: Grouped, began_at: datetime, now: datetime) -> bool:
        """Follow what there is capacity for; returns whether that is anything."""
        finds = (*self._finds(grouped.rows, began_at), *self._finds_joined(grouped))
        members = {
            find.target: [
                Find(row.target, find.target, is_new=False, is_followed=False)
                for row in grouped.members_of(find.target)
            ]
            for find in finds
        }
        to_store = [*(one for some in members.values() for one in some), *finds]
        if to_store:
            await self._context.store.call(self._context.store.finds.follow, to_store, now)
        for find in finds:
            if not self._known.get(find.target):
                log.info("found", target=str(find.target), listing=str(find.listing))
            self._known[find.target] = True
            self._note_members(find, members[find.target])
            self._begin(find)
            self._changes.take(grouped.members_of(find.target))
        return bool(finds)

    def _finds_joined(self, grouped: Grouped) -> Iterator[Find]:
        """Yield the changes that are followed already, and to which rows have come."""
        for target in grouped.joined:
            yield Find(target, self.watch.target, is_new=False, is_followed=True)

    def _finds(self, news: Sequence[Found], began_at: datetime) -> Iterator[Find]:
        choice = self._chosen(news)
        if choice.left_out > self.left_out:
            log.warning(
                "limit_reached",
                target=str(self.watch.target),
                limit=self.watch.settings.limit,
                not_followed=choice.left_out,
            )
        self.left_out = choice.left_out
        for row in choice.follow:
            is_new = has_begun_since(row, began_at) and row.target not in self._known
            yield Find(row.target, self.watch.target, is_new=is_new, is_followed=True)

    async def _lead_elsewhere(self) -> bool:
        """Follow the lists that find the same on this platform; returns whether it has any.

        Raises NuonError where that cannot be told.
        """
        served = []
        for target in alternatives(self.watch.target):
            try:
                await self._context.source.get(FINDERS[target.kind].path(target.id), _ONE_ROW)
            except NuonRejected as error:
                if not _is_missing_route(error):
                    raise
            else:
                served.append(target)
        for target in served:
            self._lead(target)
        return bool(served)

    async def _lead_beside(self) -> None:
        """Follow as well what stands in for this list, which is empty.

        What a newer platform has at the same path can be something else, of which there is none.
        """
        with suppress(NuonError):
            await self._lead_elsewhere()

    async def _news(self, began_at: datetime, *, is_deep: bool) -> AsyncIterator[Found]:
        """Yield the rows that may have to be followed, page by page."""
        horizon = self._context.now() - self.watch.settings.forget_after
        is_first = True
        without_id = 0
        path = self._finder.path(await self._located())
        async for page in pages(self._context.source, path):
            if is_first and self._is_as_before(page.fingerprint, is_deep=is_deep):
                return
            rows, unnamed = self._finder.decode(page.body, self.watch.target.id)
            without_id += unnamed
            self._note_rows_without_id(without_id)
            if not rows and is_deep:
                await self._lead_beside()
            is_first = False
            # A row that ended long ago may have been followed, reported and forgotten.
            news = self._news_among(rows, max(began_at, horizon))
            for row in news:
                yield row
            if _are_older(rows, horizon) or not (news or is_deep):
                return

    def _note_rows_without_id(self, count: int) -> None:
        """Say once that a list has rows of which nothing can be followed."""
        new = count - self._without_id
        if new > 0:
            self._without_id = count
            self._context.metrics.rows_without_id.inc(new)
            log.warning("rows_without_id", target=str(self.watch.target), rows=count)

    def _news_among(self, rows: Iterable[Found], since: datetime) -> list[Found]:
        types = self.watch.settings.types
        wanted = (row for row in rows if is_of_types(row, types))
        return [row for row in wanted if is_news(row, known=self._known, began_at=since)]

    async def _located(self) -> str:
        if self._id is None:
            self._id = await located(self._context.source, self._finder, self.watch.target.id)
        return self._id

    def _is_as_before(self, fingerprint: bytes, *, is_deep: bool) -> bool:
        """Whether nothing is to do: same first page, no row left out, no deeper look due."""
        self._fingerprint_now = fingerprint
        return fingerprint == self._fingerprint and not is_deep and not self.left_out

    async def _named(self, news: list[Found]) -> list[Found]:
        """Return the rows that are meant by their names; a list is not, but what it leads to."""
        if all(_is_list(row.target) for row in news):
            return news
        app_id = self.watch.target.id if self._finder.is_of_app else ""
        found = await meant(
            news, self.watch.settings.names, self._context.name_source, app_id=app_id
        )
        if not found.is_certain:
            self._fingerprint_now = None  # the next pass may find a name
        return found.rows


_ONE_ROW = {"limit": "1", "offset": "0"}


def _is_list(target: Target) -> bool:
    return target.kind in FINDERS


def _is_missing_route(error: NuonError) -> bool:
    return isinstance(error, NuonRejected) and error.is_missing_route


def _are_older(rows: Iterable[Found], horizon: datetime) -> bool:
    return all(row.created_at and row.created_at < horizon for row in rows)
