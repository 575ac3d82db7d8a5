"""When a post in doubt is searched for, and when once more. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_AFTER = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 10, 18, 30))


@dataclass(frozen=True, slots=True)
class SearchTimes:
    """The times of the searches, counted from the last attempt whose outcome is unknown.

    Slack may store a post seconds after its connection broke. Most that arrive do so at once,
    so the first search is soon; most of the rest are there before the last one.
    """

    after: tuple[timedelta, ...] = _AFTER
    longest: timedelta = timedelta(minutes=2)
    """How long limits of Slack may put off the last search. Then the post is sent again unsearched:
    a copy is better than a message that comes too late."""
    once_more_after: timedelta = timedelta(minutes=5)
    """When what was sent again is searched for copies, counted from when it was sent."""

    @property
    def first(self) -> timedelta:
        return self.after[0]

    def next(self, since: datetime, now: datetime) -> datetime | None:
        """Return when to search next; None where the last search was made at or before `now`."""
        return next((since + after for after in self.after if since + after > now), None)

    def scaled(self, factor: float) -> SearchTimes:
        """Return the same times for a Slack that is so many times as slow."""
        return SearchTimes(
            tuple(factor * after for after in self.after),
            factor * self.longest,
            factor * self.once_more_after,
        )
