"""Posts whose answer never came: searched for until found, or until they are to be sent again.

They are searched for beside the queues, several at once: a slow search delays no other message,
and a post in doubt holds up nothing but what is behind it in its own rollout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from monitor.deliver.health import DeliveryHealth
from monitor.deliver.reach import Reach
from monitor.deliver.retry import PROBE_CHANNEL, PROBE_CREDENTIALS
from monitor.deliver.search_times import SearchTimes
from monitor.deliver.sending import Destination
from monitor.errors import CannotLook, DestinationRejected, DestinationUnavailable
from monitor.metrics import Metrics
from monitor.model import MessageRef
from monitor.store import QueuedNotification, StoreThread

log = structlog.get_logger(__name__)

_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""How far the clocks of Slack and of this machine may be apart."""
_AT_ONCE = 8
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Searches:
    """The searches for posts in doubt. `jumped` is how far our clock was set ahead, in all.

    `has_news` is called when what is behind a post may go on.
    """

    store: StoreThread
    destination_for: Callable[[str], Destination | None]
    health: DeliveryHealth
    reach: Reach
    times: SearchTimes
    metrics: Metrics
    now: Callable[[], datetime]
    jumped: Callable[[], timedelta]
    has_news: Callable[[], None]

    async def search_due(self) -> bool:
        """Search for what is due; returns whether anything was."""
        due = await self.store.call(self.store.doubts.due_searches, self.now(), limit=_AT_ONCE)
        ends = await asyncio.gather(*map(self._search, due), return_exceptions=True)
        for error in ends:
            if error is not None:
                raise error
        return bool(due)

    async def next_at(self) -> datetime | None:
        """Return when the next search is due."""
        return await self.store.call(self.store.doubts.next_search_at)

    async def _search(self, queued: QueuedNotification) -> None:
        destination = self.destination_for(queued.destination)
        if destination is None:
            reason = "the configuration has no such destination now"
            await self._search_again(queued, self.now() + PROBE_CHANNEL, reason)
            return
        if destination.keeps_cards and self.reach.is_lost:
            at = self.now() + self.times.first
            await self._search_again(queued, at, queued.error)
            return
        since = min(queued.attempted_at or queued.created_at, self.now())
        try:
            found = await destination.find(
                queued.key, thread=queued.thread, since=self.earliest(queued.first_attempted_at)
            )
        except CannotLook as error:
            await self._send_again(queued, destination, str(error))
        except (DestinationUnavailable, DestinationRejected) as error:
            await self._take_failure(error, queued, destination, since)
        else:
            self.health.reached()
            await self._take_answer(found, queued, destination, since)

    async def _take_answer(
        self,
        found: MessageRef | None,
        queued: QueuedNotification,
        destination: Destination,
        since: datetime,
    ) -> None:
        log.info("searched_in_doubt", key=queued.key, found=found is not None)
        if found is not None:
            await self._mark_sent(queued, found)
        elif (search_at := self.times.next(since, self.now())) is not None:
            await self._search_again(queued, search_at, queued.error)
        else:
            await self._send_again(queued, destination)

    async def _take_failure(
        self,
        error: DestinationUnavailable | DestinationRejected,
        queued: QueuedNotification,
        destination: Destination,
        since: datetime,
    ) -> None:
        self.health.failed(error)
        is_limit = isinstance(error, DestinationUnavailable) and error.retry_after is not None
        if isinstance(error, DestinationRejected):
            pause = PROBE_CREDENTIALS
        elif error.retry_after is not None:
            pause = timedelta(seconds=error.retry_after)
        else:
            # For longer the longer it lasts. It counts as no attempt: nothing was sent.
            pause = min(max((self.now() - since) / 2, self.times.first), _LONGEST_PAUSE)
        # Counted from when the search was due: that it comes late is no limit of Slack's.
        due_at = queued.next_try_at or self.now()
        if is_limit and due_at + pause > since + self.times.longest:
            await self._send_again(queued, destination, str(error))
        else:
            at = self.now() + pause
            await self._search_again(queued, at, str(error))
        await self.reach.check_after(error, destination)

    async def _mark_sent(self, queued: QueuedNotification, found: MessageRef) -> None:
        now = self.now()
        await self.store.call(
            self.store.outbox.mark_sent,
            queued.id,
            now=now,
            channel_id=found.channel_id,
            ts=found.ts,
            # It has the content that it was sent with, which may be older.
            shown=None,
            look_again_at=now + self.times.once_more_after,
        )
        self.metrics.posts_in_doubt.labels("found").inc()
        self.metrics.sent.inc()
        log.info("sent", form=str(queued.form), destination=queued.destination, key=queued.key)
        self.has_news()

    async def _search_again(self, queued: QueuedNotification, at: datetime, error: str) -> None:
        await self.store.call(
            self.store.doubts.search_again,
            queued.id,
            now=self.now(),
            next_try_at=at,
            error=error,
        )

    async def _send_again(
        self, queued: QueuedNotification, destination: Destination, reason: str = ""
    ) -> None:
        """Let it be sent again; `reason` is why nobody knows whether that makes a copy."""
        await self.store.call(
            self.store.doubts.send_again,
            queued.id,
            # Nobody can look for copies where a webhook posts them.
            look_again_at=self.now() + self.times.once_more_after
            if destination.keeps_cards
            else None,
        )
        self.metrics.posts_in_doubt.labels("resent unsearched" if reason else "resent").inc()
        log.warning("resent_in_doubt", key=queued.key, reason=reason or "it did not arrive")
        self.has_news()

    def earliest(self, attempted_at: datetime | None) -> datetime:
        """Return a time by Slack's clock before which no message of such an attempt can be.

        Ours may have been set, before the attempt was written down or since.
        """
        known = min(attempted_at or self.now(), self.now())
        return known - abs(self.jumped()) - _CLOCK_DIFFERENCE
