"""Since when posts fail that may yet pass, and whether others pass meanwhile.

What fails while others pass fails because of itself. This is kept in memory: a restart begins
counting again, which only makes a post wait longer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Failing:
    """What is known of a post that fails."""

    since: datetime
    """When it failed first or, if that was later, another post of its destination was given up."""
    others_pass: bool
    """Whether posts of its destination were accepted, and none failed, since it failed last."""


@dataclass(frozen=True, slots=True)
class _Failure:
    first_at: datetime
    accepted: int
    failed: int


@dataclass(slots=True)
class _Tally:
    """How the posts of one destination fared since the start."""

    accepted: int = 0
    failed: int = 0
    given_up_at: datetime | None = None
    failures: dict[str, _Failure] = field(default_factory=dict)


class Failures:
    """The failures of all destinations, by the keys of their notifications."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def note_failure(self, destination: str, key: str, now: datetime) -> Failing:
        """Take note of a failure; returns what is known of the post by now."""
        tally = self._tally(destination)
        last = tally.failures.get(key)
        first_at = last.first_at if last else now
        others_pass = (
            last is not None and tally.accepted > last.accepted and tally.failed == last.failed
        )
        tally.failed += 1
        tally.failures[key] = _Failure(first_at, tally.accepted, tally.failed)
        return Failing(max(first_at, tally.given_up_at or first_at), others_pass)

    def note_accepted(self, destination: str, key: str) -> None:
        tally = self._tally(destination)
        tally.accepted += 1
        tally.failures.pop(key, None)

    def note_given_up(self, destination: str, key: str, now: datetime) -> None:
        tally = self._tally(destination)
        tally.given_up_at = now
        tally.failures.pop(key, None)

    def forget(self) -> None:
        """Begin counting again: the clock was set."""
        self._tallies.clear()

    def _tally(self, destination: str) -> _Tally:
        return self._tallies.setdefault(destination, _Tally())
