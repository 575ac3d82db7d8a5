"""What is known of Slack: whether anything can be sent at all, and which destinations refuse."""

from __future__ import annotations

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
    """Learns from each answer of Slack. `refusing` is what an earlier run has reported."""

    def __init__(
        self, store: StoreThread, reports: RefusalReports, refusing: Mapping[str, Outage]
    ) -> None:
        self._store = store
        self._reports = reports
        self.problem: str | None = None
        """Why nothing can be sent at present; None while Slack takes what it is given."""
        self.refusing = dict(refusing)
        """The destinations that refuse whatever is for them, since when and why. Others go on."""

    def failed(self, error: DestinationUnavailable | DestinationRejected) -> None:
        """Tell what concerns all from what concerns one destination or one message."""
        if isinstance(error, DestinationUnavailable):
            # Where it asks to be left alone for a while, Slack is there.
            self.problem = str(error) if error.retry_after is None else self.problem
            return
        nobody_gets_it = error.refusal in (Refusal.CREDENTIALS, Refusal.UNKNOWN)
        self.problem = str(error) if nobody_gets_it else None

    def reached(self) -> None:
        """Slack answered as it should, though a destination took nothing new."""
        self.problem = None

    async def accepted(self, destination: str, *, is_edit: bool) -> None:
        """A destination took something; where it refused before, that is reported."""
        self.problem = None
        if destination not in self.refusing:
            return
        # Where posts are refused, edits may pass all the same.
        if is_edit and await self._store.call(self._store.outbox.waiting, destination) > 0:
            return
        await self._reports.destination_accepts(destination, self.refusing[destination])
        del self.refusing[destination]

    async def refused(self, destination: str, reason: str) -> None:
        """A destination takes nothing; this is reported once."""
        if destination in self.refusing:
            return
        self.refusing[destination] = await self._reports.destination_refuses(
            destination, reason, others_refusing=frozenset(self.refusing)
        )
