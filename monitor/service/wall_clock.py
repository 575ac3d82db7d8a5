"""How far the time of day was set while this process ran: by hand, by NTP, by a paused machine.

The rest of the program uses the time of day, which people read and which is stored beyond the
life of a process. Code that waits by it learns here how far it was set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_NOTICEABLE_SECONDS = 30.0
"""Smaller differences, a leap second among them, do no harm and are ignored."""


def utc_now() -> datetime:
    """Return the time of day, aware and UTC."""
    return datetime.now(UTC)


def seconds_awake_or_asleep() -> float:
    """Return seconds on a clock that cannot be set; on Linux it counts a machine's sleep."""
    # Of Linux only. https://man7.org/linux/man-pages/man2/clock_gettime.2.html
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class WallClock:
    """Compares the time of day with a clock that cannot be set; both give seconds."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = seconds_awake_or_asleep,
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._start = wall() - steady()
        self._jumped = 0.0

    def jumped(self) -> timedelta:
        """Return how far ahead the time of day was set in all since the start; back is negative.

        It stays the same to the microsecond until the time of day is set again.
        """
        found = self._wall() - self._steady() - self._start
        if abs(found - self._jumped) >= _NOTICEABLE_SECONDS:
            self._jumped = found
        return timedelta(seconds=self._jumped)
