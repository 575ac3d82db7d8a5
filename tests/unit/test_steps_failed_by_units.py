"""A step that fails because a unit of it did: no news to those who were notified of the unit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.kinds import KINDS
from monitor.model import (
    Entity,
    Form,
    Matcher,
    Mention,
    MentionKind,
    Phase,
    known_statuses,
    phase_of,
)
from monitor.model.tree import Kind
from tests.support.watched import DEFAULT, WEBHOOK, Watched, watch_of

ENDING = sorted(name for name, kind in KINDS.items() if not kind.profile.root.is_perpetual)
HERE = Mention(MentionKind.HERE)
INTERVAL = timedelta(minutes=5)
RUNNING, FAILED = Phase.RUNNING, Phase.FAILED


def word(kind: Kind, phase: Phase) -> str:
    return next(one for one in known_statuses(kind) if phase_of(kind, one) is phase)


def rollout(step: Phase, *units: Phase, name: str = "run") -> Entity:
    """Return a rollout of a kind that is under way, with one step and these units."""
    profile = KINDS[name].profile
    children = tuple(
        Entity(profile.unit, f"u{n}", word(profile.unit, phase), name=f"unit-{n}", slot=f"u{n}")
        for n, phase in enumerate(units, 1)
    )
    below = Entity(profile.step, "step", word(profile.step, step), children=children)
    return Entity(profile.root, "root", word(profile.root, RUNNING), children=(below,))


def look_as_both_fail(watched: Watched, *, step_at: float, name: str = "run") -> None:
    """Let a unit fail after a minute, and its step in a later poll."""
    watched.look(rollout(RUNNING, RUNNING, RUNNING, name=name), 0)
    watched.look(rollout(RUNNING, FAILED, RUNNING, name=name), 1)
    watched.pass_time(step_at)
    watched.look(rollout(FAILED, FAILED, RUNNING, name=name), step_at)
    watched.pass_time(25)


@pytest.mark.parametrize("name", ENDING)
@pytest.mark.parametrize("step_at", [2, 15])
def test_a_step_that_fails_after_its_unit_did_is_told_in_the_thread_alone(
    name: str, step_at: float
) -> None:
    watched = Watched()

    look_as_both_fail(watched, step_at=step_at, name=name)

    assert [minutes for minutes, _ in watched.notifying()] == [1]
    assert len(watched.thread()) == 1


def test_where_there_is_no_thread_it_is_not_told() -> None:
    watched = Watched(watch=watch_of(WEBHOOK))

    look_as_both_fail(watched, step_at=15)

    assert [one.form for at, one in watched.sent if at >= 1] == [Form.MESSAGE]


@pytest.mark.parametrize("name", ENDING)
def test_a_step_that_fails_by_itself_is_told(name: str) -> None:
    watched = Watched()
    watched.look(rollout(RUNNING, RUNNING, name=name), 0)
    watched.look(rollout(FAILED, RUNNING, name=name), 1)

    assert [minutes for minutes, _ in watched.notifying()] == [1]


def test_a_step_that_fails_once_its_unit_is_well_again_is_told() -> None:
    watched = Watched()
    watched.look(rollout(RUNNING, RUNNING), 0)
    watched.look(rollout(RUNNING, FAILED), 1)
    watched.look(rollout(RUNNING, Phase.SUCCEEDED), 2)
    watched.look(rollout(FAILED, Phase.SUCCEEDED), 15)

    assert [minutes for minutes, _ in watched.notifying()] == [1, 15]


def test_who_waits_for_more_failures_is_notified_as_soon_as_there_are_as_many() -> None:
    rule = Rule(destination=DEFAULT, min_failed=2, group_interval=INTERVAL)
    watched = Watched(plan=Plan((rule,)))
    look_as_both_fail(watched, step_at=2)
    assert watched.notifying() == []

    watched.look(rollout(FAILED, FAILED, FAILED), 26)

    ((minutes, text),) = watched.notifying()
    assert minutes == 26
    assert text.endswith("failed on unit-2, unit-1 (2 of 2)")


def test_who_waits_until_it_has_lasted_is_notified_of_the_unit_alone() -> None:
    rule = Rule(destination=DEFAULT, lasting=timedelta(minutes=5))
    watched = Watched(plan=Plan((rule,)))

    look_as_both_fail(watched, step_at=3)

    ((minutes, text),) = watched.notifying()
    assert minutes == 6
    assert "unit-1" in text


OF_STEPS = Matcher({"kind": ("install group",)})


def test_a_destination_that_was_not_notified_of_the_unit_is_notified_of_the_step() -> None:
    watched = Watched(plan=Plan((Rule(destination="#groups", matcher=OF_STEPS),)))

    look_as_both_fail(watched, step_at=2)

    assert [minutes for minutes, _ in watched.notifying("#groups")] == [2]


def test_who_is_mentioned_for_steps_only_is_mentioned() -> None:
    rule = Rule(destination=DEFAULT, matcher=OF_STEPS, mentions=(HERE,))
    watched = Watched(plan=Plan((rule,)))

    look_as_both_fail(watched, step_at=2)

    assert [minutes for minutes, _ in watched.notifying()] == [1, 2]
    assert [one.mentions for _, one in watched.sent][-1] == (HERE,)
