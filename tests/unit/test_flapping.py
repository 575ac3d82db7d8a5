"""What goes back to failing again and again: said once, counted on the card, and its end once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.decide.windows import Once, Then, Window
from monitor.model import Entity, EventKind, Form
from tests.support.builders import after, deploy, fixed, release, step
from tests.support.watched import DEFAULT, WEBHOOK, Watched, watch_of

WINDOW = 30
ERROR = "helm upgrade timed out"


def flipping(status: str, *, root: str = "executing_release_steps", **facts: str) -> Entity:
    reason = ERROR if status == "error" else ""
    units = [deploy("inl1", status, reason, **facts), deploy("inl2", "executing")]
    return release(root, step(1, "polling_install_deploys", *units))


def flip(watched: Watched, times: int, *, every: float) -> float:
    """Let a deploy fail and be tried again so many times; returns when that was over."""
    watched.look(flipping("executing"), 0)
    now = 0.0
    for number in range(1, times + 1):
        now = number * every
        watched.pass_time(now)
        watched.look(flipping("error" if number % 2 else "executing"), now)
    return now


def flip_rollout(watched: Watched, times: int, *, every: float) -> float:
    watched.look(flipping("executing"), 0)
    now = 0.0
    for number in range(1, times + 1):
        now = number * every
        watched.pass_time(now)
        root = "error" if number % 2 else "executing_release_steps"
        watched.look(flipping("executing", root=root), now)
    return now


def flip_both(watched: Watched, times: int, *, every: float) -> float:
    """Let a deploy and its rollout fail, and be tried again, in the same poll."""
    watched.look(flipping("executing"), 0)
    now = 0.0
    for number in range(1, times + 1):
        now = number * every
        watched.pass_time(now)
        watched.look(failing_whole() if number % 2 else flipping("executing"), now)
    return now


def flip_one_after_the_other(watched: Watched, times: int, *, every: float) -> float:
    """Let a deploy fail, and a poll later its rollout, and both be tried again."""
    watched.look(flipping("executing"), 0)
    now = 0.0
    for number in range(1, times + 1):
        now = number * every
        watched.pass_time(now)
        watched.look(flipping("error" if number % 2 else "executing"), now)
        now += 0.1
        watched.pass_time(now)
        watched.look(failing_whole() if number % 2 else flipping("executing"), now)
    return now


def failing_whole() -> Entity:
    return flipping("error", root="error")


def kinds(watched: Watched, destination: str = DEFAULT) -> list[str]:
    """Return the news in order, but for the beginning and what a summary repeats."""
    return [
        str(kind)
        for _, one in watched.sent
        for kind in one.events
        if one.destination == destination
        and kind is not EventKind.STARTED
        and "/group/" not in one.key
    ]


@pytest.mark.parametrize("every", [0.25, 3])
@pytest.mark.parametrize(("times", "restarts"), [(16, True), (100, False)])
@pytest.mark.parametrize("flips", [flip, flip_rollout, flip_both, flip_one_after_the_other])
def test_however_often_it_flips_a_handful_of_posts_notify(
    flips: object, times: int, every: float, restarts: bool
) -> None:
    watched = Watched(restarts=restarts)
    end = flips(watched, times, every=every)  # type: ignore[operator]
    watched.pass_time(end + WINDOW)

    assert len(watched.notifying()) <= 6
    assert kinds(watched).count("flapping") == 1
    cards = [one for _, one in watched.sent if one.form is Form.CARD]
    assert len(cards) <= 2  # the first retry of a rollout has a card of its own
    assert not watched.state.is_flapping


def test_while_a_rollout_flaps_its_parts_are_not_told_of() -> None:
    watched = Watched()
    end = flip_one_after_the_other(watched, 40, every=2)
    flapping = next(at for at, one in watched.sent if EventKind.FLAPPING in one.events)

    assert flapping < 11
    assert [at for at, _ in watched.sent if at > flapping] == []

    # The deploy fails on while the rollout is under way: nobody has heard of that.
    watched.look(flipping("error"), end + 2)
    watched.pass_time(end + 2 + WINDOW)
    assert kinds(watched)[-3:] == ["recovered", "stalled", "failed"]


def test_it_is_flapping_once_it_has_gone_back_to_failing_more_than_three_times() -> None:
    watched = Watched()
    flip(watched, 7, every=1)
    before = kinds(watched)
    watched.look(flipping("executing"), 8)
    watched.look(flipping("error"), 9)

    assert "flapping" not in before
    assert before.count("failed") == 4
    assert kinds(watched)[len(before) :] == ["progressed", "flapping"]
    assert "inl1 is flapping: it has failed 5 times" in watched.sent[-1][1].message.text


def test_the_card_counts_on_while_it_flaps() -> None:
    watched = Watched()
    flip(watched, 21, every=1)

    assert "is flapping: it has failed 11 times" in watched.cards[-1][1].message.text


def test_what_went_well_in_the_end_is_stable_again_once() -> None:
    watched = Watched()
    end = flip(watched, 20, every=1)
    watched.look(flipping("active"), end + 1)
    quiet = len(watched.sent)
    watched.pass_time(end + 1 + WINDOW)

    ((_, one),) = watched.sent[quiet:]
    assert one.events == (EventKind.STALLED, EventKind.RECOVERED)  # the other install still waits
    assert "stable again, after it failed 10 times" in str(watched.sent[-1][1].message.blocks)
    assert "flapping" not in str(watched.cards[-1][1].message.blocks)


def test_what_fails_in_the_end_is_said_to_have_failed_once() -> None:
    watched = Watched()
    end = flip(watched, 21, every=1)
    before = len(watched.sent)
    watched.pass_time(end + WINDOW - 0.1)
    quiet = len(watched.sent)
    watched.pass_time(end + WINDOW)

    assert quiet - before <= 1  # the summary of what was put together
    assert [one.events for _, one in watched.sent[quiet:]] == [
        (EventKind.STALLED, EventKind.FAILED)  # the other install still waits
    ]
    assert watched.sent[-1][1].is_broadcast


def test_a_unit_that_is_replaced_with_each_answer_flaps_as_well() -> None:
    watched = Watched()
    watched.look(flipping("executing", id="dpl0"), 0)
    for number in range(1, 12):
        watched.pass_time(number)
        watched.look(flipping("error", id=f"dpl{number}"), number)

    assert kinds(watched).count("flapping") == 1
    assert len(watched.notifying()) <= 4


def test_slow_failures_are_no_flapping() -> None:
    watched = Watched()
    end = flip(watched, 19, every=10)
    watched.pass_time(end)

    assert "flapping" not in kinds(watched)


def test_it_is_told_who_was_told_of_the_failure_that_it_is_tried_again() -> None:
    rule = Rule(destination="#oncall", lasting=timedelta(minutes=5), continues=True)
    watched = Watched(Plan((rule,)))
    flip(watched, 2, every=1)
    watched.look(flipping("active"), 3)

    assert kinds(watched, "#oncall") == []
    assert kinds(watched) == ["failed", "progressed", "recovered"]


def test_a_failure_that_came_and_went_between_two_polls_is_over_for_those_who_heard_of_it() -> None:
    rule = Rule(destination="#oncall", lasting=timedelta(minutes=5), continues=True)
    watched = Watched(Plan((rule,)))
    watched.look(flipping("executing"), 0)
    watched.look(flipping("error"), 1)
    watched.look(flipping("executing"), 7)
    watched.look(flipping("active"), 8)

    assert kinds(watched, "#oncall") == []


def test_what_must_last_counts_from_the_first_failure_of_what_flaps() -> None:
    rule = Rule(destination="#oncall", lasting=timedelta(minutes=20))
    watched = Watched(Plan((rule,)))
    flip(watched, 40, every=1)

    told = [(minutes, one.events) for minutes, one in watched.sent if one.destination == "#oncall"]
    assert [one for one in told if EventKind.STARTED not in one[1]] == [(21, (EventKind.FLAPPING,))]


def test_a_quiet_window_keeps_what_flaps_until_its_end() -> None:
    window = Window(when=Once(after(0.5), after(15)), name="night", then=Then.DROP)
    watched = Watched(Plan(windows=(window,)))
    flip(watched, 30, every=1)

    assert [(m, k) for m, k in zip(*_times(watched), strict=True)] == [(15, "flapping")]


def _times(watched: Watched) -> tuple[list[float], list[str]]:
    told = [
        (minutes, str(kind))
        for minutes, one in watched.sent
        for kind in one.events
        if kind is not EventKind.STARTED
    ]
    return [minutes for minutes, _ in told], [kind for _, kind in told]


def test_a_webhook_gets_one_message_about_what_flaps() -> None:
    watched = Watched(watch=watch_of(WEBHOOK))
    end = flip(watched, 40, every=1)
    watched.pass_time(end + WINDOW)

    posts = [one for _, one in watched.sent if one.form is Form.MESSAGE]
    assert len(posts) <= 8


STATUS = st.sampled_from(("executing", "error", "active"))


@given(st.lists(st.tuples(STATUS, st.floats(0.25, 12)), max_size=40), st.booleans())
@fixed(40)
def test_whatever_it_does_flapping_begins_and_ends_once_each(
    polls: list[tuple[str, float]], restarts: bool
) -> None:
    watched, now = Watched(restarts=restarts), 0.0
    watched.look(flipping("executing"), 0)
    for status, pause in polls:
        now += pause
        watched.pass_time(now)
        watched.look(flipping(status), now)
        assert sum(alert.kind is EventKind.FLAPPING for alert in watched.state.alerts) <= 1
    watched.pass_time(now + WINDOW + 1)

    assert not watched.state.is_flapping
    begun = kinds(watched).count("flapping")
    assert begun <= 1 + now / WINDOW
    if polls and polls[-1][0] == "error":  # whatever happened before: it is known to fail
        failed = [alert for alert in watched.state.alerts if alert.kind is EventKind.FAILED]
        assert [alert.notified_destinations for alert in failed] == [(DEFAULT,)]
