"""Whether a post whose answer never came has arrived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from monitor.deliver.sending import Destination
from monitor.metrics import Metrics
from monitor.model import MessageRef
from monitor.store import QueuedNotification

log = structlog.get_logger(__name__)

_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""How far the clocks of Slack and of this machine may be apart."""


@dataclass(frozen=True, slots=True)
class InDoubtSearch:
    """Looks for posts by their keys. `jumped` is how far our clock was set ahead, in all."""

    metrics: Metrics
    now: Callable[[], datetime]
    jumped: Callable[[], timedelta]

    async def find(self, destination: Destination, queued: QueuedNotification) -> MessageRef | None:
        """Return the message of an earlier attempt; None where none arrived.

        Raises `CannotLook` where it cannot be searched, other `DestinationError`s as a post does.
        """
        # By Slack's clock: ours may have been set, before the post was written down or since.
        enqueued_at = min(queued.created_at, self.now()) - abs(self.jumped())
        since = enqueued_at - _CLOCK_DIFFERENCE
        found = await destination.find(queued.key, thread=queued.thread, since=since)
        self.metrics.posts_in_doubt.labels("found" if found else "resent").inc()
        log.info("searched_in_doubt", key=queued.key, found=found is not None)
        return found
