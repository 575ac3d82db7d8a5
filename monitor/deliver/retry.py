"""What happens next to a notification or an edit that its destination did not accept.

Pure: an error, the attempt and the time go in, the next step comes out. The worker carries it
out. `jitter` is a random number in [0, 1), so that many waits do not end at the same instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from monitor.deliver.failures import Failing
from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal

PROBE_CREDENTIALS = timedelta(seconds=30)
"""The pause before a token or a webhook that was refused is tried again."""
PROBE_CHANNEL = timedelta(minutes=5)
"""The pause before a destination that refuses everything is tried again."""
BEFORE_LOOKING = timedelta(seconds=2)
"""A post whose answer never came may still arrive: searching at once could miss it."""
LONGEST_PAUSE = timedelta(minutes=1)
"""The longest that what did nothing wrong itself waits because of a limit, or of failures."""
_LONGEST_BEFORE_PROBE = timedelta(seconds=5)
_LONGEST_BACKOFF = timedelta(minutes=5)
_ENOUGH_ATTEMPTS = 6
_GIVE_UP_AFTER = timedelta(hours=1)
# Slack has read it, and has its reason: that seldom passes.
_GIVE_UP_UNKNOWN_AFTER = timedelta(minutes=15)
# Two to this power is far longer than the longest wait.
_MOST_DOUBLINGS = 16


class Kind(Enum):
    """What was sent."""

    POST = auto()
    """A new message in the channel, a card among them."""
    REPLY = auto()
    """A message in the thread of a card."""
    EDIT = auto()
    """A newer version of a card."""


class Affected(Enum):
    """What has to wait, besides the rollout or the card that the attempt was for."""

    NOTHING_ELSE = auto()
    QUEUE = auto()
    """What goes the same way: the other posts of the destination, or every edit."""
    DESTINATION = auto()
    """What goes there the same way: the destination refuses all of it, which is to be reported."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried. `earlier` is how many attempts at it have failed before."""

    kind: Kind
    earlier: int
    is_plain_text: bool = False
    is_probe: bool = False
    """Whether nothing cheaper says if its destination can be reached again: of a webhook."""
    failing: Failing | None = None
    """Of a post that failed for a reason that might pass: how long, and how the others fare."""
    queue_failures: int = 0
    """How many attempts of its queue have failed since the last one that was accepted."""
    queue_limits: int = 0
    """How many of them were stopped by a limit."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again at a time. `is_failure` says whether this makes later waits longer."""

    until: datetime
    is_failure: bool = True
    in_doubt: bool = False
    """Whether it may have arrived: then it is searched for before it is sent again."""
    affected: Affected = Affected.NOTHING_ELSE
    others_until: datetime | None = None
    """How long what else is affected waits; None: as long."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Give it up: a notification until a person asks for it, of a card this version."""


@dataclass(frozen=True, slots=True)
class LoseCard:
    """Post a new card in place of one that was removed from Slack."""

    reply: Wait
    """How long a reply to the old card waits before it is sent into the new one's thread."""


@dataclass(frozen=True, slots=True)
class AsPlainText:
    """Send it again at once, without its blocks."""


NextStep = Wait | SetAside | LoseCard | AsPlainText


def next_step(
    error: DestinationUnavailable | DestinationRejected,
    attempt: Attempt,
    now: datetime,
    *,
    jitter: float,
) -> NextStep:
    """Return what to do after an attempt that failed."""
    if isinstance(error, DestinationUnavailable):
        return _after_unavailable(error, attempt, now, jitter)
    return _after_refusal(error.refusal, attempt, now, jitter)


def backoff(failures: int, *, jitter: float, longest: timedelta = _LONGEST_BACKOFF) -> timedelta:
    """Return how long to wait after a number of attempts that failed before the last one."""
    grown: float = min(longest.total_seconds(), 2.0 ** min(failures, _MOST_DOUBLINGS))
    return timedelta(seconds=grown * (0.5 + jitter / 2))


def _after_unavailable(
    error: DestinationUnavailable, attempt: Attempt, now: datetime, jitter: float
) -> Wait | SetAside:
    if error.retry_after is not None:
        return _after_limit(error.retry_after, attempt, now, jitter)
    if _is_given_up(attempt, now, alone_after=_GIVE_UP_AFTER):
        return SetAside()
    if attempt.is_probe and not error.in_doubt:
        # The same post is the next to be tried: it shows as well as any other how it stands.
        grown = backoff(attempt.queue_failures, jitter=jitter, longest=_LONGEST_BEFORE_PROBE)
        return Wait(now + grown, affected=Affected.QUEUE)
    own = backoff(attempt.earlier, jitter=jitter)
    return Wait(
        now + own,
        in_doubt=error.in_doubt,
        affected=Affected.QUEUE,
        others_until=now + _pause(attempt, jitter),
    )


def _after_limit(retry_after: float, attempt: Attempt, now: datetime, jitter: float) -> Wait:
    """Wait as long as was asked, within reason, and longer where that does not help."""
    grown = backoff(attempt.queue_limits, jitter=jitter, longest=LONGEST_PAUSE)
    wait = min(max(timedelta(seconds=retry_after), grown), LONGEST_PAUSE)
    return Wait(
        now + wait,
        is_failure=False,
        affected=Affected.QUEUE,
    )


def _pause(attempt: Attempt, jitter: float) -> timedelta:
    """Return how long the queue waits: not at all for one failure, which may be of that one alone.

    Where whatever is tried fails, it grows.
    """
    if attempt.queue_failures == 0:
        return timedelta()
    return backoff(attempt.queue_failures - 1, jitter=jitter, longest=LONGEST_PAUSE)


def _after_refusal(refusal: Refusal, attempt: Attempt, now: datetime, jitter: float) -> NextStep:
    later = now + backoff(attempt.earlier, jitter=jitter)
    match refusal:
        case Refusal.MESSAGE | Refusal.UNKNOWN if not attempt.is_plain_text:
            return AsPlainText()
        case Refusal.CREDENTIALS:
            return Wait(now + PROBE_CREDENTIALS, affected=Affected.QUEUE)
        case Refusal.CHANNEL:
            until = now + PROBE_CHANNEL
            return Wait(until, affected=Affected.DESTINATION)
        case Refusal.UNKNOWN if not _is_given_up(attempt, now, alone_after=_GIVE_UP_UNKNOWN_AFTER):
            return Wait(
                later,
                affected=Affected.QUEUE,
                others_until=now + _pause(attempt, jitter),
            )
        case Refusal.CARD if attempt.kind is not Kind.POST:
            # If the new card takes no replies either, waiting keeps the channel from filling.
            return LoseCard(Wait(later))
        case Refusal.MESSAGE | Refusal.UNKNOWN | Refusal.CARD | Refusal.QUOTA:
            return SetAside()


def _is_given_up(attempt: Attempt, now: datetime, *, alone_after: timedelta) -> bool:
    """Whether a post that fails for a reason that might pass has failed for long enough.

    What fails again and again while all others pass will not pass: so neither an answer that nobody
    has foreseen nor a new error code silences a rollout for ever. Where nothing else passes, or
    there is nothing else, the reason may concern all of Slack: then one post of a destination is
    given up in `alone_after`, to see how the next one fares.
    """
    failing = attempt.failing
    if failing is None or attempt.earlier + 1 < _ENOUGH_ATTEMPTS:
        return False
    return failing.others_pass or (not attempt.is_probe and now - failing.since >= alone_after)
