"""The time of the tests: one noon, and one clock, which stands still there until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.simulation.scenarios import Clock

__all__ = ["NOON", "Clock", "clock_at"]

NOON = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
"""A Monday in winter: the same hour in UTC and in London, an hour later in Berlin."""


def clock_at(start: datetime = NOON) -> Clock:
    """Return a clock that stands still but for `advance`."""
    return Clock(speed=0, start=start)
