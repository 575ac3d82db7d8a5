"""How fast posts and edits may follow one another, so that Slack rarely limits them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two posts of one destination, and between any two edits.

    Slack takes about one post a second and channel, and at least 50 edits a minute:
    https://docs.slack.dev/apis/web-api/rate-limits/
    """

    post: float = 1.0
    edit: float = 1.2


class Pacer:
    """Keeps the pace, and remembers until when edits are not to be tried at all.

    The pace is measured by the monotonic clock; what Slack asked for by the time of day, as the
    times in the outbox are.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._next_post: dict[str, float] = {}
        self._next_edit = 0.0
        self._no_edits_before: datetime | None = None

    def seconds_to_post(self, destination: str) -> float:
        """Return how long the next post of a destination has to wait; zero or less: not at all."""
        return self._next_post.get(destination, 0.0) - time.monotonic()

    def note_post(self, destination: str) -> None:
        """Take note that a post to a destination was just tried."""
        self._next_post[destination] = time.monotonic() + self._pace.post

    def seconds_to_edit(self) -> float:
        """Return how long the next edit has to wait; zero or less: not at all."""
        return self._next_edit - time.monotonic()

    def note_edit(self) -> None:
        """Take note that an edit is about to be tried."""
        self._next_edit = time.monotonic() + self._pace.edit

    def hold_edits(self, until: datetime) -> None:
        """Let no edit be tried before a time."""
        self._no_edits_before = until

    def edits_held_until(self, now: datetime) -> datetime | None:
        """Return until when no edit is to be tried; None if they are not held up."""
        until = self._no_edits_before
        return until if until is not None and now < until else None

    def release_edits(self) -> None:
        self._no_edits_before = None
