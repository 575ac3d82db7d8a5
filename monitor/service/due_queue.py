"""When which watch is due. Pure: times in seconds on any one clock go in and come out."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar
from zlib import crc32

K = TypeVar("K", bound=Hashable)


class DueQueue(Generic[K]):
    """A heap of due times. An item that is taken is not due again until it is planned again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, key: K, due: float) -> None:
        """Plan an item that is not planned yet."""
        self._serial += 1
        heapq.heappush(self._heap, (due, self._serial, key))

    def take(self, now: float) -> list[tuple[K, float]]:
        """Take all that is due, each with the time it was planned for, earliest first."""
        taken: list[tuple[K, float]] = []
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            taken.append((key, due))
        return taken

    def next_due(self) -> float | None:
        """Return the earliest time planned; None if nothing is."""
        return self._heap[0][0] if self._heap else None


def following(due: float, interval: float, now: float) -> float:
    """Return the first time from `now` on that is a whole number of intervals after `due`.

    Missed times are made up for once only, and being late does not shift later times.
    """
    if due + interval > now:
        return due + interval
    return due + interval * ((now - due) // interval + 1)


def spread(name: str, interval: float) -> float:
    """Return when in its first interval a watch is polled, always the same for one name.

    This spreads the requests of a thousand watches, at the start and later.
    """
    return interval * (crc32(name.encode()) / 2**32)
