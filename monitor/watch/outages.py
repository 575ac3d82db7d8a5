"""What the polls of one watch say of the monitor's own sight: told once, and once when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from monitor.compose import notifications, render
from monitor.decide.reachability import SightNews
from monitor.decide.routing import route
from monitor.errors import NuonError, NuonUnavailable
from monitor.kinds import explained
from monitor.model import EventKind, Mention, Message, Named, Subject, Target
from monitor.store import Store
from monitor.watch.context import Surroundings

log = structlog.get_logger(__name__)


class Lookout:
    """Takes note of whether one target can be seen, and tells when that changes."""

    def __init__(
        self,
        target: Target,
        around: Surroundings,
        homes: Sequence[str],
        *,
        title: str | None,
        entry: Named,
        labels: Mapping[str, str],
    ) -> None:
        """`entry` and `labels` are those of the configuration's watch."""
        self._entry = entry
        self._labels = labels
        self.homes = tuple(homes)
        self._target = target
        self._around = around
        self._title = title or str(target)
        self._retry_after: float | None = None

    @property
    def is_failing(self) -> bool:
        return self._around.sight.failures_of(self._target) > 0

    @property
    def is_gone(self) -> bool:
        """Whether it was told that the platform has no such record."""
        blindness = self._around.sight.blindness_of(self._target)
        return blindness is not None and blindness.kind is EventKind.GONE

    def pause(self, interval: timedelta, *, longest: timedelta) -> timedelta:
        """Return how long to wait after a failed poll: longer each time, as long as was asked."""
        failures = self._around.sight.failures_of(self._target)
        slower = interval * float(2 ** min(failures - 1, 16))
        asked = timedelta(seconds=self._retry_after or 0)
        return max(min(slower, max(longest, interval)), asked)

    def asks(self) -> None:
        """A poll begins."""
        self._around.sight.asks(self._target)

    async def succeed(self) -> None:
        """A poll came through."""
        self._retry_after = None
        async with self._around.sight_lock:
            for news in self._around.sight.succeeded(self._target):
                await self._tell(news)
                log.info("reachable", scope=news.scope, since=news.since.isoformat())

    async def fail(self, error: NuonError, *, was_seen: bool) -> None:
        """A poll failed; `was_seen` says whether the target was there before."""
        around, target = self._around, self._target
        self._retry_after = error.retry_after if isinstance(error, NuonUnavailable) else None
        error = explained(error, target, was_seen=was_seen)
        async with around.sight_lock:
            news = around.sight.failed(target, error, around.now())
            log.warning(
                "poll_failed",
                target=str(target),
                in_a_row=around.sight.failures_of(target),
                error=str(error),
            )
            if news is not None:
                log.error(str(news.kind), scope=news.scope, reason=news.reason)
                await self._tell(news, was_seen=was_seen)

    async def _sinks(self, news: SightNews) -> Mapping[str, tuple[Mention, ...]]:
        """Return whom to tell, and whom to ping there.

        Neither hours nor silences may hide that nothing is watched.
        """
        homes = self.homes if news.target else self._around.sinks
        if news.kind is EventKind.REACHABLE:
            return dict.fromkeys(await self._told(news) or homes, ())
        subject = Subject(event=news.kind, name="Nuon")
        if news.target is not None:
            subject = Subject(
                event=news.kind,
                kind=self._target.kind,
                rollout=Named(self._target.id),
                watch=self._entry,
                labels=self._labels,
                name=self._title,
            )
        rules, now = self._around.plan.rules, self._around.now()
        verdicts = [route(subject, rules, home=home, now=now) for home in homes]
        return {d.sink: d.mentions for verdict in verdicts for d in verdict.told}

    async def _told(self, news: SightNews) -> frozenset[str]:
        """Return the sinks that were told of what is over now."""
        store = self._around.store
        told: frozenset[str] = frozenset()
        for kind in (EventKind.UNREACHABLE, EventKind.GONE):
            told |= await store.call(Store.sinks_told, _key(news.scope, kind, news.since))
        return told

    async def _tell(self, news: SightNews, *, was_seen: bool = True) -> None:
        around, now = self._around, self._around.now()
        key = _key(news.scope, news.kind, news.since)
        notifications = [
            notification
            for sink, mentions in (await self._sinks(news)).items()
            for notification in notifications.of_sight(
                news.kind,
                self._message(news, mentions, was_seen=was_seen),
                key=key,
                target=news.target,
                sinks=(sink,),
            )
        ]
        await around.store.call(
            Store.save_sight, news.scope, news.blindness, notifications, now=now
        )
        around.sight.adopt(news)
        around.metrics.events.labels(news.kind).inc()
        around.has_news()

    def _message(self, news: SightNews, mentions: Sequence[Mention], *, was_seen: bool) -> Message:
        title = self._title if news.target else "Nuon"
        match news.kind:
            case EventKind.GONE:
                return render.gone(title, news.reason, news.since, mentions, was_seen=was_seen)
            case EventKind.UNREACHABLE:
                return render.unreachable(title, news.reason, news.since, mentions)
            case _:
                return render.reachable(title, news.since, self._around.now())


def _key(scope: str, kind: EventKind, since: datetime) -> str:
    return f"{scope}/{kind}/{since.isoformat()}"
