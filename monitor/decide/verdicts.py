"""What routes make of an event: who is notified now, who later and who never, step by step."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from monitor.decide.windows import Hold
from monitor.model import EventKind, Matcher, Mention, Mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A person's word that what matches is known: nobody is notified of it until then."""

    id: int
    matcher: Matcher
    until: datetime
    author: str
    reason: str
    created_at: datetime

    def is_active(self, now: datetime) -> bool:
        return now < self.until


@dataclass(frozen=True, slots=True)
class Recipient:
    """A destination, whom to mention there, and the names of the routes that lead to it.

    The watch's own channel has no route; a route without a name counts as "".
    `group_interval` is how long after a failure further ones are put together there.
    """

    destination: str
    mentions: tuple[Mention, ...] = ()
    routes: tuple[str, ...] = ()
    group_interval: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Held:
    """What quiet windows keep from a destination until all of them are over."""

    recipient: Recipient
    hold: Hold


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is under a threshold: not before `due` (None: at once) and so many failed installs."""

    recipient: Recipient
    due: datetime | None
    needs_failed: int | None


class Decision(StrEnum):
    """What becomes of an event at one route."""

    NO_MATCH = "no match"
    DROPPED = "dropped"
    """The route has no destination."""
    NOTIFIED = "notified"
    NOTIFIED_BEFORE = "notified before"
    PROBLEM_UNKNOWN = "problem unknown"
    """A problem is over of which the destination was never notified."""
    UNDER_THRESHOLD = "under threshold"
    HELD = "held"
    """A quiet window keeps it for its summary."""
    DROPPED_BY_WINDOW = "dropped by window"
    DELAYED_BY_WINDOW = "delayed by window"
    """A quiet window drops it, but the destination is notified if it is active afterwards."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What an event lacks to reach a threshold; None for what it does not lack."""

    min_failed: int | None
    failed: int
    lasting: timedelta | None
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one route made of an event, or the watch's own channel, which has no `number`.

    `lacks_starter` says that who started it should be mentioned, but is not known.
    """

    decision: Decision
    number: int | None = None
    name: str = ""
    destination: str | None = None
    looks_further: bool = False
    mentions: tuple[Mention, ...] = ()
    lacks_starter: bool = False
    mismatch: Mismatch | None = None
    shortfall: Shortfall | None = None
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one event. No destination is both notified and kept waiting or held.

    `steps` are all that was looked at, in order. `follows` is another event, where this one
    goes wherever that one went.
    """

    recipients: tuple[Recipient, ...] = ()
    held: tuple[Held, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    silence: Silence | None = None
    steps: tuple[Step, ...] = ()
    follows: EventKind | None = None

    def recipient_at(self, destination: str) -> Recipient | None:
        """Return the recipient at a destination that is notified now."""
        return next((one for one in self.recipients if one.destination == destination), None)

    def is_kept_from(self, destination: str) -> bool:
        """Whether a threshold, a window or a silence keeps the event from a destination for now."""
        kept = {one.recipient.destination for one in self.waiting}
        kept |= {one.recipient.destination for one in self.held}
        return self.silence is not None or destination in kept

    def look_again_at(self, waiting: Iterable[Waiting]) -> datetime | None:
        """Return when a destination not notified yet may be; None where time does not decide it.

        `waiting` are those that still wait.
        """
        times = [one.due for one in waiting if one.due is not None]
        times += [one.hold.until for one in self.held]
        if self.silence is not None:
            times.append(self.silence.until)
        return min(times, default=None)


def joined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return as one what was decided for several default destinations: any may notify."""
    all_ = tuple(verdicts)
    if len(all_) == 1:
        return all_[0]
    recipients = {d.destination: d for verdict in all_ for d in verdict.recipients}
    return Verdict(
        recipients=tuple(recipients.values()),
        held=_last_of_each((one for verdict in all_ for one in verdict.held), recipients),
        waiting=_last_of_each((one for verdict in all_ for one in verdict.waiting), recipients),
        silence=next((verdict.silence for verdict in all_ if verdict.silence), None),
        steps=tuple(dict.fromkeys(step for verdict in all_ for step in verdict.steps)),
    )


_Kept = TypeVar("_Kept", Held, Waiting)


def _last_of_each(kept: Iterable[_Kept], notified: Container[str]) -> tuple[_Kept, ...]:
    """Return what is kept from each destination that is not notified already."""
    by_destination = {one.recipient.destination: one for one in kept}
    return tuple(one for key, one in by_destination.items() if key not in notified)
