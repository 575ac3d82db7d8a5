"""What the monitor reports of itself: what it cannot reach, who refuses it, what it lost.

Every such report is written down together with the notifications that tell people of it, so that
after a crash it is neither forgotten nor repeated. What was reported is kept by its scope: the
platform, a target, a destination or the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog

from monitor.compose import notifications, render
from monitor.metrics import Metrics
from monitor.model import EventKind, Notification, Outage, OutageKey
from monitor.store import StoreThread

log = structlog.get_logger(__name__)

_OF_DESTINATION = "channel/"
_STORE = "store"


class OutageLog:
    """Writes the reports.

    A destination that refuses is reported in the first of the `fallbacks` that is another one
    and does not refuse as well.
    """

    def __init__(
        self,
        store: StoreThread,
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        fallbacks: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._now = now
        self._fallbacks = tuple(fallbacks)
        self.has_news: Callable[[], None] = lambda: None
        """Called after each report, to wake delivery."""

    async def report(
        self,
        scope: str,
        kind: EventKind,
        outage: Outage | None,
        notices: Iterable[Notification],
    ) -> None:
        """Write down that an outage began, or with None that it ended, and who is notified."""
        await self._store.call(self._store.outages.save, scope, outage, notices, now=self._now())
        self._metrics.events.labels(kind).inc()
        self.has_news()

    async def notified(self, scope: str, since: datetime, *kinds: EventKind) -> frozenset[str]:
        """Return the destinations that were notified of an outage, as one of these kinds."""
        found: frozenset[str] = frozenset()
        for kind in kinds:
            key = str(OutageKey(scope, kind, since))
            found |= await self._store.call(self._store.history.notified_destinations, key)
        return found

    # A destination

    async def destination_refuses(
        self, destination: str, reason: str, *, others_refusing: Collection[str]
    ) -> Outage:
        """Report, where it can be read, that a destination takes nothing."""
        log.error("destination_refuses", destination=destination, error=reason)
        outage = Outage(EventKind.UNREACHABLE, self._now(), reason)
        waiting = await self._store.call(self._store.outbox.waiting, destination)
        usable = [one for one in self._fallbacks if one not in (destination, *others_refusing)]
        scope = _OF_DESTINATION + destination
        notices = notifications.of_outage(
            outage.kind,
            render.refused(destination, reason, waiting, outage.since),
            key=str(OutageKey(scope, outage.kind, outage.since)),
            target=None,
            destinations=dict.fromkeys(usable[:1], ()),
        )
        await self.report(scope, outage.kind, outage, notices)
        return outage

    async def destination_accepts(self, destination: str, refusal: Outage) -> None:
        """Report that a destination takes messages again, where its refusal was reported."""
        log.info("destination_accepts_again", destination=destination)
        scope, kind = _OF_DESTINATION + destination, EventKind.REACHABLE
        notified = await self.notified(scope, refusal.since, EventKind.UNREACHABLE)
        notices = notifications.of_outage(
            kind,
            render.taken_again(destination, refusal.since, self._now()),
            key=str(OutageKey(scope, kind, refusal.since)),
            target=None,
            destinations={one: () for one in self._fallbacks if one in notified},
        )
        await self.report(scope, kind, None, notices)

    # The store

    async def lost_store(self, destinations: Sequence[str]) -> Outage | None:
        """Report once in every channel that an earlier store was lost; returns until when it knew.

        The damaged file beside the store is the evidence, even after a crash between setting it
        aside and this report. Once a person has removed that file, the loss is forgotten.
        """
        known = (await self._store.call(self._store.outages.load)).get(_STORE)
        aside = await self._store.call(self._store.set_aside_file)
        if aside is None:
            if known is not None:
                await self._store.call(self._store.outages.save, _STORE, None, now=self._now())
            return None
        name = aside.file.name
        if known is not None and known.since == aside.written_at:
            return known
        reason = f"it was damaged and is kept as {name}; a new one was begun"
        lost = Outage(EventKind.REMOVED, aside.written_at, reason)
        log.error("store_was_damaged", kept_as=name, known_until=lost.since.isoformat())
        notices = notifications.of_outage(
            lost.kind,
            render.store_lost(name, lost.since),
            key=f"{_STORE}/{name}",
            target=None,
            destinations=dict.fromkeys(destinations, ()),
        )
        await self.report(_STORE, lost.kind, lost, notices)
        return lost


def refusing_destinations(outages: Mapping[str, Outage]) -> dict[str, Outage]:
    """Return the destinations that refuse everything, of all outages by their scopes."""
    return {
        scope.removeprefix(_OF_DESTINATION): outage
        for scope, outage in outages.items()
        if scope.startswith(_OF_DESTINATION)
    }
