"""What is known of Slack: whether anything can be sent at all, and which destinations refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal
from monitor.model import Outage
from monitor.store import StoreThread


class RefusalReports(Protocol):
    """Reports to people that a destination refuses everything, and when it does so no longer."""

    async def destination_refuses(
        self, destination: str, reason: str, *, others_refusing: Collection[str]
    ) -> Outage: ...

    async def destination_accepts(self, destination: str, refusal: Outage) -> None: ...


class DeliveryHealth:
    """Takes note of each answer of Slack. `refusing` is what an earlier run has reported."""

    def __init__(
        self, store: StoreThread, reports: RefusalReports, refusing: Mapping[str, Outage]
    ) -> None:
        self._store = store
        self._reports = reports
        self.problem: str | None = None
        """Why nothing can be sent at present; None while Slack accepts messages."""
        # A post and an edit may both find out the same.
        self._reporting = asyncio.Lock()
        self.refusing = dict(refusing)
        """The destinations that refuse every message, since when and why; others go on."""

    def failed(self, error: DestinationUnavailable | DestinationRejected) -> None:
        """Distinguish what concerns all of Slack, one destination, and one message."""
        if isinstance(error, DestinationUnavailable):
            # A rate limit is an answer: Slack can be reached.
            self.problem = str(error) if error.retry_after is None else self.problem
            return
        nobody_gets_it = error.refusal in (Refusal.CREDENTIALS, Refusal.UNKNOWN)
        self.problem = str(error) if nobody_gets_it else None

    def reached(self) -> None:
        """Slack answered as expected, but no message was delivered."""
        self.problem = None

    async def accepted(self, destination: str, *, is_edit: bool) -> None:
        """A destination accepted a message; the end of an earlier refusal is reported."""
        self.problem = None
        async with self._reporting:
            if destination not in self.refusing:
                return
            # A destination that refuses posts may still accept edits.
            if is_edit and await self._store.call(self._store.outbox.waiting, destination) > 0:
                return
            await self._reports.destination_accepts(destination, self.refusing[destination])
            del self.refusing[destination]

    async def refused(self, destination: str, reason: str) -> None:
        """A destination refuses everything; this is reported once."""
        async with self._reporting:
            if destination in self.refusing:
                return
            self.refusing[destination] = await self._reports.destination_refuses(
                destination, reason, others_refusing=frozenset(self.refusing)
            )
