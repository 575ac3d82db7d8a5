"""What becomes of an attempt that failed, row by row: kind, error and past → the next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from monitor.deliver.failures import Failing
from monitor.deliver.retry import (
    Affected,
    AsPlainText,
    Attempt,
    Kind,
    LoseCard,
    NextStep,
    SetAside,
    Wait,
    backoff,
    next_step,
)
from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
JITTER = 0.5
"""With it, a first wait is three quarters of a second, and each is twice the one before."""


def post(earlier: int = 0, **more: object) -> Attempt:
    return _attempt(Kind.POST, earlier, more)


def reply(earlier: int = 0, **more: object) -> Attempt:
    return _attempt(Kind.REPLY, earlier, more)


def edit(earlier: int = 0, **more: object) -> Attempt:
    return _attempt(Kind.EDIT, earlier, more)


def _attempt(kind: Kind, earlier: int, more: dict[str, object]) -> Attempt:
    return Attempt(kind, earlier, **more)  # type: ignore[arg-type]


def failing(since: datetime, *, others_pass: bool = False) -> Failing:
    return Failing(since, others_pass)


def passing(*, retry_after: float | None = None, in_doubt: bool = False) -> DestinationUnavailable:
    return DestinationUnavailable("503", retry_after=retry_after, in_doubt=in_doubt)


def refused(refusal: Refusal) -> DestinationRejected:
    return DestinationRejected("no", refusal=refusal, code="no")


def after(seconds: float, *, others: float | None = None, **more: object) -> Wait:
    """A wait; with `others`, what goes the same way waits too, for that long."""
    if others is not None:
        more |= {
            "affected": Affected.QUEUE,
            "others_until": NOW + timedelta(seconds=others),
        }
    return Wait(NOW + timedelta(seconds=seconds), **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Row:
    error: DestinationUnavailable | DestinationRejected
    attempt: Attempt
    step: NextStep


_AT_ONCE_AGAIN = AsPlainText()
_A_WHILE_AGO = NOW - timedelta(minutes=15) + timedelta(seconds=1)
_LONG_AGO = NOW - timedelta(minutes=15)

ROWS = {
    # What passes by itself
    "a first failure waits for about a second": Row(passing(), post(), after(0.75, others=0)),
    "each further failure waits for twice as long": Row(passing(), post(3), after(6, others=0)),
    "and for some minutes at most": Row(passing(), post(100), after(225, others=0)),
    "of a reply it is the same": Row(passing(), reply(3), after(6, others=0)),
    "of an edit it is the same": Row(passing(), edit(3), after(6, others=0)),
    "where another failed just before, the others wait too": Row(
        passing(), post(queue_failures=1), after(0.75, others=0.75)
    ),
    "and for longer the more of them fail": Row(
        passing(), edit(1, queue_failures=4), after(1.5, others=6)
    ),
    "but for a minute at most": Row(passing(), post(queue_failures=50), after(0.75, others=45)),
    # Where nothing but a post says whether its destination can be reached
    "a webhook is tried again with the same post": Row(
        passing(), post(is_probe=True), after(0.75, affected=Affected.QUEUE)
    ),
    "every few seconds, however long it was away": Row(
        passing(), post(50, is_probe=True, queue_failures=50), after(3.75, affected=Affected.QUEUE)
    ),
    "but not so often with what may arrive twice": Row(
        passing(in_doubt=True),
        post(5, is_probe=True, queue_failures=50),
        after(24, others=45, in_doubt=True),
    ),
    # Limits
    "a limit waits as long as was asked and is no failure": Row(
        passing(retry_after=50), post(3), after(50, is_failure=False, affected=Affected.QUEUE)
    ),
    "on a reply it is the same": Row(
        passing(retry_after=50), reply(3), after(50, is_failure=False, affected=Affected.QUEUE)
    ),
    "and on an edit": Row(
        passing(retry_after=50), edit(3), after(50, is_failure=False, affected=Affected.QUEUE)
    ),
    "an hour is not waited for": Row(
        passing(retry_after=3600), post(), after(60, is_failure=False, affected=Affected.QUEUE)
    ),
    "limit upon limit is waited for longer than was asked": Row(
        passing(retry_after=1),
        post(queue_limits=4),
        after(12, is_failure=False, affected=Affected.QUEUE),
    ),
    "but not for ever": Row(
        passing(retry_after=1),
        post(queue_limits=50),
        after(45, is_failure=False, affected=Affected.QUEUE),
    ),
    # Posts in doubt
    "a post that may have arrived is searched for": Row(
        passing(in_doubt=True), post(), after(0.75, others=0, in_doubt=True)
    ),
    "and waits for longer the more often it failed": Row(
        passing(in_doubt=True), post(5), after(24, others=0, in_doubt=True)
    ),
    # Credentials
    "credentials that are refused are tried twice a minute, however often": Row(
        refused(Refusal.CREDENTIALS), post(50), after(30, affected=Affected.QUEUE)
    ),
    "for a reply too": Row(
        refused(Refusal.CREDENTIALS), reply(50), after(30, affected=Affected.QUEUE)
    ),
    "and no edit is tried meanwhile": Row(
        refused(Refusal.CREDENTIALS), edit(50), after(30, affected=Affected.QUEUE)
    ),
    # A channel
    "a channel that refuses is tried every five minutes and reported": Row(
        refused(Refusal.CHANNEL), post(50), after(300, affected=Affected.DESTINATION)
    ),
    "by a reply too": Row(
        refused(Refusal.CHANNEL), reply(50), after(300, affected=Affected.DESTINATION)
    ),
    "and by an edit": Row(
        refused(Refusal.CHANNEL), edit(50), after(300, affected=Affected.DESTINATION)
    ),
    # The message
    "a message that is refused goes out as plain text": Row(
        refused(Refusal.MESSAGE), post(), _AT_ONCE_AGAIN
    ),
    "so does a reply": Row(refused(Refusal.MESSAGE), reply(), _AT_ONCE_AGAIN),
    "so does an edit": Row(refused(Refusal.MESSAGE), edit(), _AT_ONCE_AGAIN),
    "refused as plain text as well it is set aside": Row(
        refused(Refusal.MESSAGE), post(is_plain_text=True), SetAside()
    ),
    "so is a reply": Row(refused(Refusal.MESSAGE), reply(is_plain_text=True), SetAside()),
    "and this version of a card": Row(
        refused(Refusal.MESSAGE), edit(is_plain_text=True), SetAside()
    ),
    # What nobody knows
    "for a reason that we do not know plain text is tried first": Row(
        refused(Refusal.UNKNOWN), post(), _AT_ONCE_AGAIN
    ),
    "in an edit too": Row(refused(Refusal.UNKNOWN), edit(), _AT_ONCE_AGAIN),
    "then the post waits, at first": Row(
        refused(Refusal.UNKNOWN), post(2, is_plain_text=True), after(3, others=0)
    ),
    "and within a quarter of an hour": Row(
        refused(Refusal.UNKNOWN),
        reply(5, is_plain_text=True, failing=failing(_A_WHILE_AGO)),
        after(24, others=0),
    ),
    "and is set aside then": Row(
        refused(Refusal.UNKNOWN),
        post(5, is_plain_text=True, failing=failing(_LONG_AGO)),
        SetAside(),
    ),
    "but not if it was hardly tried": Row(
        refused(Refusal.UNKNOWN),
        post(4, is_plain_text=True, failing=failing(_LONG_AGO)),
        after(12, others=0),
    ),
    "or before that, when it failed again and again while others passed": Row(
        refused(Refusal.UNKNOWN),
        post(5, is_plain_text=True, failing=failing(NOW, others_pass=True)),
        SetAside(),
    ),
    "so is what fails for a reason that should pass, while others pass": Row(
        passing(in_doubt=True), post(5, failing=failing(NOW, others_pass=True)), SetAside()
    ),
    "while nothing passes it waits, for it may be Slack": Row(
        passing(), post(5, failing=failing(_LONG_AGO)), after(24, others=0)
    ),
    "but not for more than an hour": Row(
        passing(), post(5, failing=failing(NOW - timedelta(hours=1))), SetAside()
    ),
    "a webhook that is away for hours loses nothing": Row(
        passing(in_doubt=True),
        post(5, is_probe=True, failing=failing(NOW - timedelta(hours=9))),
        after(24, others=0, in_doubt=True),
    ),
    "while an edit waits on, for it holds up nothing": Row(
        refused(Refusal.UNKNOWN), edit(50, is_plain_text=True), after(225, others=0)
    ),
    # The card
    "an edit that does not find its card has a new one posted": Row(
        refused(Refusal.CARD), edit(2), LoseCard(after(3))
    ),
    "so does a reply, which waits": Row(refused(Refusal.CARD), reply(2), LoseCard(after(3))),
    "what is no reply has no card to lose": Row(refused(Refusal.CARD), post(2), SetAside()),
    # The workspace
    "a workspace that is full sets a post aside": Row(refused(Refusal.QUOTA), post(), SetAside()),
    "and a reply": Row(refused(Refusal.QUOTA), reply(), SetAside()),
    "and this version of a card too": Row(refused(Refusal.QUOTA), edit(), SetAside()),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_becomes_of_an_attempt_that_failed(row: Row) -> None:
    assert next_step(row.error, row.attempt, NOW, jitter=JITTER) == row.step


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("refusal", Refusal)
def test_each_refusal_of_each_kind_leads_somewhere_and_plain_text_is_tried_once(
    kind: Kind, refusal: Refusal
) -> None:
    step = next_step(refused(refusal), Attempt(kind, 0, is_plain_text=True), NOW, jitter=JITTER)

    assert isinstance(step, Wait | SetAside | LoseCard)


def test_waits_grow_to_some_minutes_and_no_further() -> None:
    longest = [_seconds(attempts, 0.999_999) for attempts in (0, 1, 2, 8, 9, 10_000)]
    shortest = [_seconds(attempts, 0.0) for attempts in (0, 1, 2, 8, 9, 10_000)]

    assert longest == pytest.approx([1, 2, 4, 256, 300, 300], rel=1e-3)
    assert shortest == pytest.approx([0.5, 1, 2, 128, 150, 150])


def _seconds(attempts: int, jitter: float) -> float:
    return backoff(attempts, jitter=jitter).total_seconds()
