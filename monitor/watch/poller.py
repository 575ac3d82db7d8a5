"""What the scheduler polls, whether a rollout or a list."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from monitor.model import Watch


class Outcome(StrEnum):
    """How a poll went."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class Poller(Hashable, Protocol):
    """Makes one pass after another over one target."""

    @property
    def watch(self) -> Watch: ...

    @property
    def polled_at(self) -> datetime | None:
        """When the last pass succeeded."""

    async def poll(self) -> Outcome:
        """Make one pass. Raises StoreError where it could not be kept; the next begins anew."""

    def pause(self) -> timedelta | None:
        """Return how long to wait until the next pass; None to make no more."""

    def add_default_destinations(self, destinations: Sequence[str]) -> None:
        """Notify these by default as well."""
