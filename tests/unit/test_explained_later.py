"""A reason that comes after its failure: it changes what is shown, and is no news of its own."""

from __future__ import annotations

import pytest

from monitor.compose.render import View, card
from monitor.decide.diff import diff
from monitor.kinds.parts import JOB_EXECUTION, RUNNER_JOB
from monitor.model import Alert, Entity, EventKind, Reason, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import (
    RELEASE_ID,
    Reader,
    after,
    deploy,
    release,
    snapshot,
    state,
    step,
    words,
)
from tests.support.clock import NOON
from tests.support.rendering import LINKS

STALL = Alert(
    RELEASE_ID, EventKind.STALLED, since=NOON, notified_at=NOON, reason=Reason(ReasonKind.QUIET)
)
POLLING = "polling_install_deploys"


def a_job(status: str = "failed", description: str = "", *below: Entity, name: str = "") -> Entity:
    return Entity(
        RUNNER_JOB, f"job{name}", status, description, created_at=after(1), children=below
    )


def unit(status: str, *below: Entity, description: str = "") -> Entity:
    return deploy("inl-a", status, description, children=below)


def running(*deploys: Entity, **facts: object) -> Entity:
    return release("executing_release_steps", step(1, POLLING, *deploys), **facts)


def failed(*below: Entity, description: str = "unable to deploy") -> Entity:
    return release("error", step(1, "error", unit("error", *below, description=description)))


@pytest.mark.parametrize(
    ("before", "now", "has_moved"),
    [
        # What became known may be old.
        (unit("executing"), unit("executing", a_job("in-progress")), False),
        (unit("error"), unit("error", a_job("failed", "no quota")), False),
        (unit("error"), unit("error", description="no quota"), False),
        (unit("error", a_job()), unit("error", a_job(description="no quota")), False),
        # What is known moves.
        (unit("executing", a_job("queued")), unit("executing", a_job("in-progress")), True),
        (unit("executing", a_job("queued", "")), unit("executing", a_job("queued", "x")), True),
        (unit("executing"), unit("executing", description="helm upgrade"), True),
        (unit("executing"), unit("error"), True),
    ],
)
def test_what_became_known_is_no_movement(before: Entity, now: Entity, *, has_moved: bool) -> None:
    difference = diff(snapshot(running(before)), snapshot(running(now)))

    assert difference.has_moved is has_moved


@pytest.mark.parametrize(("was", "has_moved"), [("", False), ("v1", True)])
def test_a_fact_that_there_was_none_of_is_no_movement(was: str, *, has_moved: bool) -> None:
    before = running(facts=(("message", was),) if was else ())

    assert diff(snapshot(before), snapshot(running(facts=(("message", "v2"),)))).has_moved is (
        has_moved
    )


def test_a_stall_that_is_looked_into_does_not_move_again_because_of_that() -> None:
    reader = Reader()
    for minutes in (0, 1, 32):
        reader.poll(running(unit("executing")), after(minutes))
    explained = running(unit("executing", a_job("in-progress", "applying")))
    events = [words(reader.poll(explained, after(33 + n))) for n in range(20)]

    assert words(event for _, event in reader.reported) == ["started release", "stalled release"]
    assert not any(events)

    moved = running(unit("executing", a_job("finished")))
    assert words(reader.poll(moved, after(60))) == ["recovered release"]


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        ([a_job("available", "waiting for runner to reserve job")] * 2, "waiting for runner to"),
        ([a_job("queued"), None], "too long: no runner has taken its job"),
        ([a_job("queued", "waiting"), a_job("in-progress", "applying")], ""),
        ([a_job("queued", "waiting"), a_job("queued", "paused")], ""),
        ([None, None], ""),
    ],
)
def test_a_card_says_what_the_jobs_of_a_stalled_release_wait_for(
    jobs: list[Entity | None], why: str
) -> None:
    units = [
        deploy(f"inl-{n}", "executing", children=(job,) if job else ())
        for n, job in enumerate(jobs)
    ]
    stalled = state(alerts=(STALL,))

    shown = drawn(card(View(snapshot(running(*units)), stalled, LINKS)))

    assert "> No change for too long" in shown
    assert why in shown
    assert ("for too long:" in shown) is bool(why)


def test_a_reason_that_comes_later_is_no_event() -> None:
    reader = Reader()
    reader.poll(running(unit("executing")), after(0))
    assert words(reader.poll(failed(), after(1))) == [
        "failed release",
        "failed step 1",
        "failed inl-a",
    ]

    executed = Entity(JOB_EXECUTION, "exe", "failed", "no quota", created_at=after(1))
    for later in (a_job(), a_job("failed", "job failed"), a_job("failed", "job failed", executed)):
        assert reader.poll(failed(later), after(2)) == ()
        reader.restart()

    assert reader.seen is not None
    assert reader.state is not None
    assert "no quota" in drawn(card(View(reader.seen, reader.state, LINKS)))
    assert {alert.reason.description for alert in reader.state.alerts} == {"no quota"}


def test_a_reason_that_was_seen_is_kept_where_it_cannot_be_had_for_a_while() -> None:
    reader = Reader()
    reader.poll(failed(a_job("failed", "no quota")), after(0))
    reader.restart()

    assert reader.poll(failed(), after(1)) == ()

    assert reader.seen is not None
    assert reader.state is not None
    assert "no quota" in drawn(card(View(reader.seen, reader.state, LINKS)))
