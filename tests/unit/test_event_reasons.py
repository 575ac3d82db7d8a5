"""What is said of an event, and what is remembered of it."""

from __future__ import annotations

import pytest

from monitor.compose.phrases import phrase_of
from monitor.decide.events import is_settled
from monitor.model import Entity, Event, EventKind, Level, PastStatus, ReasonKind
from tests.support.builders import Reader, after, deploy, release, words
from tests.support.clock import NOON
from tests.support.one_step import DONE, FAILED, RUNNING, STALLED, on, rolling


def told_by(*polls: tuple[float, Entity]) -> list[Event]:
    reader = Reader()
    for minutes, root in polls:
        reader.poll(root, after(minutes))
    return [event for _, event in reader.reported]


def test_a_failure_is_told_with_the_platforms_own_reason() -> None:
    (*_, failed) = told_by((0, on("executing")), (1, on("error", description="helm timed out")))

    assert (failed.kind, failed.level, phrase_of(failed.reason)) == (
        EventKind.FAILED,
        Level.UNIT,
        "helm timed out",
    )


def test_a_failure_that_is_over_is_told_with_the_reason_it_had() -> None:
    history = (PastStatus("executing", after(0)), PastStatus("error", after(1), "lost the runner"))
    now = on("active", status_at=after(2), history=history)

    events = told_by((0, on("executing", status_at=after(0))), (5, now))

    assert [phrase_of(event.reason) for event in events if event.kind is EventKind.FAILED] == [
        "lost the runner"
    ]


def test_a_dead_end_is_told_with_the_words_that_the_platform_does_not_count() -> None:
    hung = rolling(deploy("a", "noop"), deploy("b", "cancelled"), deploy("c"))

    (*_, stalled) = told_by((0, hung), (1, hung))

    assert "cancelled or noop" in phrase_of(stalled.reason)


def test_a_reminder_repeats_what_was_told() -> None:
    waits = on("pending-approval", description="waiting for an approval of the plan")

    (*_, reminder) = told_by((0, waits), (240, waits))

    assert (reminder.is_reminder, phrase_of(reminder.reason)) == (
        True,
        "waiting for an approval of the plan",
    )


def test_each_kind_of_stall_is_remembered_as_such() -> None:
    reader = Reader()
    for minutes in (0, 30):
        reader.poll(on("executing"), after(minutes))
    assert reader.state is not None
    assert [alert.reason.kind for alert in reader.state.alerts] == [ReasonKind.QUIET]

    reader.poll(on("executing"), after(60))

    assert [alert.reason.kind for alert in reader.state.alerts] == [ReasonKind.GIVEN_UP]


def test_silence_counts_from_the_platforms_own_last_change_at_first_sight() -> None:
    assert words(told_by((45, on("executing", updated_at=after(10))))) == [
        "started release",
        "stalled release",
    ]


def test_silence_of_a_release_without_times_counts_from_first_sight() -> None:
    thin = release(RUNNING, created_at=None)

    assert words(told_by((45, thin), (74, thin))) == ["started release"]


def test_a_time_ahead_of_our_clock_does_not_postpone_silence() -> None:
    ahead = on("executing", updated_at=after(1000))

    assert words(told_by((0, ahead), (30, ahead))) == ["started release", "stalled release"]


@pytest.mark.parametrize(
    ("roots", "attempt", "has_card"),
    [
        ([DONE], 1, False),
        ([on("executing")], 1, True),
        ([FAILED], 1, True),
        ([FAILED, on("executing")], 2, True),
        ([FAILED, DONE], 2, True),
        ([FAILED, on("executing"), FAILED, on("executing")], 3, True),
        ([DONE, on("executing")], 1, True),
        ([on("executing"), DONE, FAILED], 2, True),
    ],
)
def test_each_attempt_that_was_shown_has_its_number(
    roots: list[Entity], attempt: int, has_card: bool
) -> None:
    reader = Reader()

    # So far apart that nothing flaps.
    for number, root in enumerate(roots):
        reader.poll(root, after(number * 40))

    assert reader.state is not None
    assert (reader.state.attempt, reader.state.has_card) == (attempt, has_card)


def test_every_event_is_counted() -> None:
    reader = Reader()
    for minutes, root in enumerate((on("executing"), on("error"), on("active"))):
        reader.poll(root, after(minutes))

    assert reader.state is not None
    assert reader.state.event_count == len(reader.reported) == 3


@pytest.mark.parametrize(
    ("root", "settled"),
    [
        (DONE, True),
        (FAILED, True),
        (on("executing"), False),
        (STALLED, False),
        (rolling(deploy("a", "error"), deploy("b", "executing"), root="error"), False),
        (rolling(deploy("a", "error"), deploy("b", "noop"), root="error"), True),
        (rolling(deploy("a", "executing"), root="active"), False),
    ],
)
def test_a_rollout_is_settled_when_nothing_can_move(root: Entity, settled: bool) -> None:
    reader = Reader()
    reader.poll(root, NOON)

    assert reader.seen is not None
    assert reader.state is not None
    assert is_settled(reader.seen, reader.state, NOON) == settled


def test_a_failed_rollout_with_a_deploy_that_never_ends_is_settled_after_an_hour() -> None:
    reader = Reader()
    left = rolling(deploy("a", "error"), deploy("b", "executing"), root="error")
    reader.poll(left, NOON)
    reader.poll(left, after(61))

    assert reader.seen is not None
    assert reader.state is not None
    assert not is_settled(reader.seen, reader.state, after(60))
    assert is_settled(reader.seen, reader.state, after(61))


def test_a_failure_that_is_missing_just_when_its_release_is_retried_is_not_told_again() -> None:
    reader = Reader()
    failed = deploy("a", "error", history=(PastStatus("executing", NOON),), status_at=after(1))
    reader.poll(rolling(failed, root="error"), after(1))

    back: list[Event] = []
    for minute, root in enumerate(
        (
            rolling(root="provisioning"),
            rolling(root="executing"),
            rolling(failed, root="executing"),
            rolling(root="executing"),
            rolling(failed, root="executing"),
        ),
        start=2,
    ):
        reader.restart()
        back.extend(reader.poll(root, after(minute)))

    assert words(back) == ["started release"]
