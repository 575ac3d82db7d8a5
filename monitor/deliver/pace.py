"""How fast posts and edits may follow one another, and until when none of them is to be tried."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.deliver.retry import Affected, Wait


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two posts of one destination, and between any two edits.

    Slack takes about one post a second and channel, and at least 50 edits a minute:
    https://docs.slack.dev/apis/web-api/rate-limits/
    People take less: of posts that notify them, a destination gets so many at once and then one
    more from time to time; and what waited for longer than `catch_up_after` is told together.
    """

    post: float = 1.0
    edit: float = 1.2
    most_at_once: int = 20
    one_more_every: timedelta = timedelta(seconds=15)
    catch_up_after: timedelta = timedelta(minutes=5)
    settle_for: timedelta = timedelta(seconds=30)
    """How long what happened long ago waits for more of its kind, if nothing is wrong."""


@dataclass(slots=True)
class QueuePace:
    """The pace of one queue: of the posts of a destination, or of all edits.

    The pace is measured by the monotonic clock, from the beginning of an attempt to that of the
    next; what Slack asked for by the time of day, as the times in the outbox are.
    """

    distance: float
    """Seconds."""
    failures: int = 0
    """How many attempts failed since the last one that was accepted, limits left out."""
    limits: int = 0
    """How many were stopped by a limit of Slack since then."""
    refused_key: str | None = None
    """What was refused when the destination began to refuse everything: to be tried next."""
    _next: float = 0.0
    _paused_until: datetime | None = None

    def seconds_to_next(self) -> float:
        """Return how long the next attempt has to wait; zero or less: not at all."""
        return self._next - time.monotonic()

    def note_attempt(self) -> None:
        """Take note that an attempt is about to be made."""
        self._next = time.monotonic() + self.distance

    def note_accepted(self) -> None:
        self.failures = self.limits = 0

    def take_note(self, step: Wait, key: str | None = None) -> None:
        """Take note of the failure of a post, by its key, or of an edit; and of what follows."""
        if step.affected is Affected.NOTHING_ELSE:
            return
        self.refused_key = key if step.affected is Affected.DESTINATION else None
        if step.is_failure:
            self.failures += 1
        else:
            self.limits += 1
        self._paused_until = step.others_until or step.until

    def paused_until(self, now: datetime) -> datetime | None:
        """Return until when nothing is to be tried; None where something may be."""
        until = self._paused_until
        return until if until is not None and now < until else None

    def release(self) -> None:
        self._paused_until = None


@dataclass(slots=True)
class Pacer:
    """Keeps the pace of each queue."""

    pace: Pace
    edits: QueuePace = field(init=False)
    _posts: dict[str, QueuePace] = field(default_factory=dict)
    _edits: dict[str, QueuePace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.edits = QueuePace(self.pace.edit)

    def posts(self, destination: str) -> QueuePace:
        """Return the pace of a destination's posts."""
        return self._posts.setdefault(destination, QueuePace(self.pace.post))

    def edits_of(self, destination: str) -> QueuePace:
        """Return the pauses of the edits of one destination, which keep the pace of all edits."""
        return self._edits.setdefault(destination, QueuePace(0.0))

    def refused_edits(self, now: datetime) -> frozenset[str]:
        """Return the destinations whose edits are not to be tried now."""
        return frozenset(name for name, queue in self._edits.items() if queue.paused_until(now))

    def ends_of_pauses(self, now: datetime) -> list[datetime]:
        """Return when queues that are paused now may go on."""
        queues = (self.edits, *self._posts.values(), *self._edits.values())
        return [until for queue in queues if (until := queue.paused_until(now))]

    def release(self) -> None:
        """Let every queue be tried again."""
        for queue in (self.edits, *self._posts.values(), *self._edits.values()):
            queue.release()
