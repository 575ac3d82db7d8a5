"""What happens next to a notification or an edit that its destination did not accept.

Pure: an error, the attempt and the time go in, the next step comes out. The worker carries it
out. `jitter` is a random number in [0, 1), so that many waits do not end at the same instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal

PROBE_CREDENTIALS = timedelta(seconds=30)
"""The pause before a token or a webhook that was refused is tried again."""
PROBE_CHANNEL = timedelta(minutes=5)
"""The pause before a destination that refuses everything is tried again."""
BEFORE_LOOKING = timedelta(seconds=2)
"""A post whose answer never came may still arrive: searching at once could miss it."""
_LONGEST_BACKOFF_SECONDS = 300.0
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
    """What has to wait, besides the queue or the card that the attempt was for."""

    NOTHING_ELSE = auto()
    DESTINATION = auto()
    """All messages for this destination: it refuses everything, which is to be reported."""
    EDITS = auto()
    """Every edit: the limit that stopped this one holds for all cards."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried. `earlier` is how many attempts at it have failed before."""

    kind: Kind
    earlier: int
    is_plain_text: bool = False
    in_doubt: bool = False
    """Whether an attempt before this one may have arrived."""
    unknown_since: datetime | None = None
    """When it was first refused for a reason that we do not know; None if never before."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again at a time. `is_failure` says whether this makes later waits longer."""

    until: datetime
    is_failure: bool = True
    in_doubt: bool = False
    """Whether to look for it before it is sent again."""
    affected: Affected = Affected.NOTHING_ELSE


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


def backoff(failures: int, *, jitter: float) -> timedelta:
    """Return how long to wait after a number of attempts that failed before the last one."""
    longest: float = min(_LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures, _MOST_DOUBLINGS))
    return timedelta(seconds=longest * (0.5 + jitter / 2))


def _after_unavailable(
    error: DestinationUnavailable, attempt: Attempt, now: datetime, jitter: float
) -> Wait:
    if error.retry_after is None:
        wait, is_limit = backoff(attempt.earlier, jitter=jitter), False
    else:
        wait, is_limit = timedelta(seconds=error.retry_after), True
    in_doubt = attempt.in_doubt or error.in_doubt
    # Slack limits the posts of each channel, but the edits of all cards together.
    is_limit_of_edits = is_limit and attempt.kind is Kind.EDIT
    return Wait(
        now + (max(wait, BEFORE_LOOKING) if in_doubt else wait),
        is_failure=not is_limit,
        in_doubt=in_doubt,
        affected=Affected.EDITS if is_limit_of_edits else Affected.NOTHING_ELSE,
    )


def _after_refusal(refusal: Refusal, attempt: Attempt, now: datetime, jitter: float) -> NextStep:
    is_edit, in_doubt = attempt.kind is Kind.EDIT, attempt.in_doubt
    later = now + backoff(attempt.earlier, jitter=jitter)
    match refusal:
        case Refusal.MESSAGE | Refusal.UNKNOWN if not attempt.is_plain_text:
            return AsPlainText()
        case Refusal.CREDENTIALS:
            affected = Affected.EDITS if is_edit else Affected.NOTHING_ELSE
            return Wait(now + PROBE_CREDENTIALS, in_doubt=in_doubt, affected=affected)
        case Refusal.CHANNEL:
            until = now + PROBE_CHANNEL
            return Wait(until, in_doubt=in_doubt, affected=Affected.DESTINATION)
        case Refusal.UNKNOWN if is_edit or _may_yet_pass(attempt.unknown_since, now):
            return Wait(later, in_doubt=in_doubt)
        case Refusal.CARD if attempt.kind is not Kind.POST:
            # If the new card takes no replies either, waiting keeps the channel from filling.
            return LoseCard(Wait(later, in_doubt=in_doubt))
        case Refusal.MESSAGE | Refusal.UNKNOWN | Refusal.CARD | Refusal.QUOTA:
            return SetAside()


def _may_yet_pass(since: datetime | None, now: datetime) -> bool:
    """Whether a refusal for an unknown reason may still end by itself.

    The reason may concern the message or all of Slack. So the post waits a while, which delays
    its own destination only, and is then set aside, so that a new error code of Slack does not
    silence a channel for ever. While all posts are refused, one is set aside in that time.
    """
    return since is None or now - since < _GIVE_UP_UNKNOWN_AFTER
