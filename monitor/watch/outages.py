"""Whether a target, and the platform as a whole, can be reached: notified once, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from monitor.compose import notifications, render
from monitor.decide.reachability import ReachabilityChange, subject_of_outage
from monitor.decide.routing import route
from monitor.errors import NuonError, NuonUnavailable
from monitor.kinds import explained
from monitor.model import EventKind, Mention, Message, OutageKey, Subject, Watch
from monitor.watch.context import Context

log = structlog.get_logger(__name__)


class OutageReporter:
    """Takes note of each poll of one target; reports when it becomes unreachable and reachable."""

    def __init__(self, watch: Watch, context: Context) -> None:
        self.watch = watch
        self._target = watch.target
        self._context = context
        self._retry_after: float | None = None

    @property
    def is_failing(self) -> bool:
        return self._context.reachability.failures_of(self._target) > 0

    @property
    def is_removed(self) -> bool:
        """Whether it was reported that the platform has no such record."""
        outage = self._context.reachability.outage_of(self._target)
        return outage is not None and outage.kind is EventKind.REMOVED

    def pause(self) -> timedelta:
        """Return how long to wait after a failed poll: longer each time, or as was asked for."""
        settings = self.watch.settings
        failures = self._context.reachability.failures_of(self._target)
        slower = settings.interval * float(2 ** min(failures - 1, 16))
        unreported_for = self._context.reachability.unreported_for(
            self._target, self._context.now()
        )
        if unreported_for is not None:  # it is reported when its time has come, and not later
            slower = min(slower, max(unreported_for, settings.interval))
        asked = timedelta(seconds=self._retry_after or 0)
        return max(min(slower, max(settings.settled_interval, settings.interval)), asked)

    def asks(self) -> None:
        """A poll begins."""
        self._context.reachability.asks(self._target)

    async def succeed(self) -> None:
        """A poll succeeded."""
        self._retry_after = None
        async with self._context.reachability_lock:
            for news in self._context.reachability.succeeded(self._target, self._context.now()):
                await self._notify(news)
                log.info("reachable", scope=news.scope, since=news.since.isoformat())

    async def fail(self, error: NuonError, *, was_seen: bool) -> None:
        """A poll failed; `was_seen` says whether the target was there before."""
        context, target = self._context, self._target
        self._retry_after = error.retry_after if isinstance(error, NuonUnavailable) else None
        error = explained(error, target, was_seen=was_seen)
        async with context.reachability_lock:
            news = context.reachability.failed(target, error, context.now())
            log.warning(
                "poll_failed",
                target=str(target),
                in_a_row=context.reachability.failures_of(target),
                error=str(error),
            )
            if news is not None:
                log.error(str(news.kind), scope=news.scope, reason=news.reason)
                await self._notify(news, was_seen=was_seen)

    async def _destinations(self, news: ReachabilityChange) -> Mapping[str, tuple[Mention, ...]]:
        """Return which destinations to notify, and whom to mention there.

        Neither quiet hours nor silences may hide that nothing is watched.
        """
        default_destinations = (
            self.watch.settings.default_destinations if news.target else self._context.destinations
        )
        if news.kind is EventKind.REACHABLE:
            notified = await self._context.outage_log.notified(
                news.scope, news.since, EventKind.UNREACHABLE, EventKind.REMOVED
            )
            return dict.fromkeys(notified or default_destinations, ())
        subject = self._subject(news)
        rules, now = self._context.plan.rules, self._context.now()
        verdicts = [
            route(subject, rules, default_destination=destination, now=now)
            for destination in default_destinations
        ]
        return {d.destination: d.mentions for verdict in verdicts for d in verdict.recipients}

    def _subject(self, news: ReachabilityChange) -> Subject:
        return subject_of_outage(news.kind, self.watch if news.target else None)

    async def _notify(self, news: ReachabilityChange, *, was_seen: bool = True) -> None:
        key = str(OutageKey(news.scope, news.kind, news.since))
        notices = notifications.of_outage(
            news.kind,
            self._message(news, was_seen=was_seen),
            key=key,
            target=news.target,
            destinations=await self._destinations(news),
        )
        await self._context.outage_log.report(news.scope, news.kind, news.outage, notices)
        self._context.reachability.adopt(news, self._context.now())

    def _message(self, news: ReachabilityChange, *, was_seen: bool) -> Message:
        title, flapping_since = self._subject(news).name, news.flapping_since
        is_platform = news.target is None
        window = self._context.flapping_rules.window
        match news.kind:
            case EventKind.REACHABLE if flapping_since is not None:
                return render.stays_reachable(
                    title, flapping_since, window, is_platform=is_platform
                )
            case _ if flapping_since is not None:
                return render.comes_and_goes(
                    title, news.reason, flapping_since, window, is_platform=is_platform
                )
            case EventKind.REMOVED:
                return render.removed(title, news.reason, news.since, was_seen=was_seen)
            case EventKind.UNREACHABLE:
                return render.unreachable(title, news.reason, news.since, is_platform=is_platform)
            case _:
                return render.reachable(
                    title, news.since, self._context.now(), is_platform=is_platform
                )
