"""Finding what is new: one pass over a growing list, and which of its rows to follow."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from monitor.decide.selection import Choice, choose, has_begun_since, is_news
from monitor.errors import NuonError
from monitor.kinds import FINDERS
from monitor.model import EventKind, Found, Target, Watch
from monitor.platform.fetch import located, pages
from monitor.store import Find
from monitor.watch.context import Context
from monitor.watch.outages import OutageReporter
from monitor.watch.poller import Outcome
from monitor.watch.records import RecordCheck

log = structlog.get_logger(__name__)

_LOOK_DEEP_EVERY = timedelta(minutes=5)
"""How often more than the newest rows are read: an old one may have been retried."""


class ListPoller:
    """The pass over one list."""

    def __init__(self, watch: Watch, context: Context, follow: Callable[[Find], None]) -> None:
        """`follow` is called for each target that is followed from now on."""
        self.watch = watch
        self._context = context
        self._follow = follow
        self._finder = FINDERS[watch.target.kind]
        self._outage_reporter = OutageReporter(watch, context)
        self._began_at: datetime | None = None
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

    @property
    def is_settled(self) -> bool:
        return not any(self._known.values())

    async def poll(self) -> Outcome:
        """Make one pass. Raises StoreError where the commit failed; the next pass finds anew."""
        started = time.perf_counter()
        began_at = self._began_at or await self._load()
        self._outage_reporter.asks()
        try:
            outcome = await self._look(began_at)
            await self._record.require(self._finder.record(await self._located()))
        except NuonError as error:
            was_seen = self.polled_at is not None or bool(self._known)
            await self._outage_reporter.fail(error, was_seen=was_seen)
            outcome = Outcome.FAILED
        else:
            self.polled_at = self._context.now()
            await self._outage_reporter.succeed()
        self._context.metrics.polls.labels(outcome).inc()
        self._context.metrics.poll_seconds.observe(time.perf_counter() - started)
        return outcome

    def pause(self) -> timedelta | None:
        """Return how long to wait until the next pass; a list has no end."""
        if self._outage_reporter.is_failing:
            return self._outage_reporter.pause()
        return self.watch.settings.interval

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
        if target in self._known:
            self._known[target] = False
            self._fingerprint = None  # rows beyond the limit may be followed now

    async def _load(self) -> datetime:
        store, now = self._context.store, self._context.now()
        began_at = await store.call(store.finds.listed_since, self.watch.target, now)
        for find in await store.call(store.finds.load, self.watch.target):
            self._known[find.target] = find.is_followed
            if find.is_followed:
                self._follow(find)  # it was followed before a restart
        self._began_at = began_at
        return began_at

    async def _look(self, began_at: datetime) -> Outcome:
        now = self._context.now()
        since = self._looked_deep_at
        is_deep = since is None or not timedelta() <= now - since < _LOOK_DEEP_EVERY
        news = [row async for row in self._news(began_at, is_deep=is_deep)]
        if is_deep:
            self._looked_deep_at = now
        choice = await self._choose(news)
        if choice.left_out > self.left_out:
            log.warning(
                "limit_reached",
                target=str(self.watch.target),
                limit=self.watch.settings.limit,
                not_followed=choice.left_out,
            )
        self.left_out = choice.left_out
        finds = tuple(
            Find(
                row.target,
                self.watch.target,
                is_new=has_begun_since(row, began_at) and row.target not in self._known,
                is_followed=True,
            )
            for row in choice.follow
        )
        if finds:
            await self._context.store.call(self._context.store.finds.follow, finds, now)
        self._fingerprint = self._fingerprint_now  # not before its rows are stored
        for find in finds:
            self._known[find.target] = True
            log.info("found", target=str(find.target), listing=str(find.listing))
            self._follow(find)
        return Outcome.CHANGED if finds else Outcome.UNCHANGED

    async def _news(self, began_at: datetime, *, is_deep: bool) -> AsyncIterator[Found]:
        """Yield the rows that may have to be followed, page by page."""
        horizon = self._context.now() - self.watch.settings.forget_after
        is_first = True
        path = self._finder.path(await self._located())
        async for page in pages(self._context.source, path):
            if is_first and self._is_as_before(page.fingerprint, is_deep=is_deep):
                return
            is_first = False
            rows = self._finder.decode(page.body, self.watch.target.id)
            # A row that ended long ago may have been followed, reported and forgotten.
            since = max(began_at, horizon)
            news = [row for row in rows if is_news(row, known=self._known, began_at=since)]
            for row in news:
                yield row
            if _are_older(rows, horizon) or not (news or is_deep):
                return

    async def _located(self) -> str:
        if self._id is None:
            self._id = await located(self._context.source, self._finder, self.watch.target.id)
        return self._id

    def _is_as_before(self, fingerprint: bytes, *, is_deep: bool) -> bool:
        """Whether nothing is to do: same first page, no row left out, no deeper look due."""
        self._fingerprint_now = fingerprint
        return fingerprint == self._fingerprint and not is_deep and not self.left_out

    async def _choose(self, news: list[Found]) -> Choice:
        names = self.watch.settings.names
        if news and not names.are_all:
            ids = tuple(dict.fromkeys(i for row in news for i in row.ids))
            called = await self._context.name_source.called(ids)
            named = {i: called.names.get(called.components.get(i, i)) for i in ids}
            if not all(named.values()):
                self._fingerprint_now = None  # the next pass may find a name
            news = [
                row
                for row in news
                if names.admit([*row.names, *filter(None, map(named.get, row.ids))])
            ]
        followed = sum(self._known.values())
        return choose(news, capacity=self.watch.settings.limit - followed)


def _are_older(rows: Iterable[Found], horizon: datetime) -> bool:
    return all(row.created_at and row.created_at < horizon for row in rows)
