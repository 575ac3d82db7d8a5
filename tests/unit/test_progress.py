"""How a rollout stands: its units counted, its parts compared, its time estimated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decide import progress
from monitor.decide.progress import Progress
from monitor.kinds.parts import DEPLOY
from monitor.model import Level, known_statuses
from tests.support.builders import after, deploy, fixed, release, step


def counted(*statuses: str, planned: tuple[str, ...] = ()) -> Progress:
    deploys = [deploy(str(number), status) for number, status in enumerate(statuses)]
    return progress.progress_of(step(1, "polling_install_deploys", *deploys, planned=planned))


# Places and units


def test_an_install_keeps_its_place_when_another_deploy_takes_over() -> None:
    first, second = deploy("a", "error", id="dpl1"), deploy("a", "queued", id="dpl2")

    (alert_key,) = progress.keyed_units_of(step(1, "queued", first, second))

    assert (alert_key.key, alert_key.unit) == ("rel-step-1/a", second)


def test_an_install_has_a_place_of_its_own_in_each_step() -> None:
    root = release("executing", step(1, "active", deploy("a")), step(2, "active", deploy("a")))

    assert [
        alert_key.key for one in root.children for alert_key in progress.keyed_units_of(one)
    ] == [
        "rel-step-1/a",
        "rel-step-2/a",
    ]


def test_deploys_of_unknown_installs_are_kept_apart() -> None:
    units = progress.units_of(step(1, "active", deploy("", id="dpl1"), deploy("", id="dpl2")))

    assert [unit.id for unit in units] == ["dpl1", "dpl2"]


def test_a_newer_deploy_speaks_for_its_install_even_while_it_is_missing() -> None:
    failed = deploy("a", "error", id="dpl1")
    retried = deploy("a", "executing", id="dpl2", is_absent=True)

    assert progress.units_of(step(1, "queued", failed, retried)) == (retried,)


def test_what_stands_at_a_place_is_found_again() -> None:
    unit = deploy("a")
    parent = step(1, "active", unit)
    root = release("active", parent)
    book = progress.AlertKeys(root)

    assert book.entity(book.alert_key(Level.ROLLOUT, root)) == (Level.ROLLOUT, root)
    assert book.entity(book.alert_key(Level.STEP, parent)) == (Level.STEP, parent)
    assert book.entity(book.alert_key(Level.UNIT, unit)) == (Level.UNIT, unit)
    assert book.entity("elsewhere") is None


# Progress


def test_units_are_counted_by_how_they_stand() -> None:
    assert counted(
        *("active", "error", "pending-approval", "executing", "noop", "strange", "queued", "")
    ) == Progress(total=8, succeeded=1, failed=1, waiting=1, running=1, ended=1, unknown=1)


def test_what_has_not_begun_is_pending() -> None:
    assert counted("queued", "", "active").pending == 2


def test_planned_installs_without_a_deploy_are_counted_once() -> None:
    progress = counted("active", planned=("0", "8", "9"))

    assert (progress.total, progress.pending) == (3, 2)


def test_a_replaced_deploy_is_not_counted() -> None:
    replaced = step(1, "active", deploy("a", "error", id="dpl1"), deploy("a", "active", id="dpl2"))

    assert progress.progress_of(replaced) == Progress(total=1, succeeded=1)


@fixed(100)
@given(st.lists(st.sampled_from([*known_statuses(DEPLOY), "strange"])), st.integers(0, 30))
def test_every_unit_is_counted_exactly_once(statuses: list[str], planned: int) -> None:
    progress = counted(*statuses, planned=tuple(str(number) for number in range(planned)))

    assert progress.total == max(len(statuses), planned)
    assert progress.total == progress.pending + sum(
        (
            *(progress.succeeded, progress.failed, progress.waiting),
            *(progress.running, progress.ended, progress.unknown),
        )
    )


def test_the_progress_of_steps_adds_up() -> None:
    parts = (counted("active", "error", "noop"), counted("active", "strange", "executing", "x"))

    assert progress.add_up(parts) == counted(
        "active", "error", "noop", "active", "strange", "executing", "x"
    )


# Agreement


@pytest.mark.parametrize(
    ("status", "is_absent", "agrees"),
    [
        ("active", False, True),
        ("executing", False, False),
        ("error", False, False),
        ("noop", False, False),
        ("strange", False, False),
        ("executing", True, True),
        ("strange", True, True),
        ("error", True, False),
        ("cancelled", True, False),
    ],
)
@pytest.mark.parametrize("of", ["deploy", "step"])
def test_a_part_agrees_with_success_or_not(
    of: str, status: str, is_absent: bool, agrees: bool
) -> None:
    if of == "deploy":
        root = release("active", step(1, "active", deploy("a", status, is_absent=is_absent)))
    else:
        status = {"noop": "queued", "cancelled": "error"}.get(status, status)
        root = release("active", step(1, status, is_absent=is_absent))

    assert progress.is_in_agreement(root) == agrees


def test_a_failure_that_was_made_good_agrees_with_success() -> None:
    deploys = deploy("a", "error", id="dpl1"), deploy("a", "active", id="dpl2")

    assert progress.is_in_agreement(release("active", step(1, "active", *deploys)))


@pytest.mark.parametrize(
    ("status", "can_move"),
    [
        *(("executing", True), ("", True), ("pending-approval", True), ("strange", True)),
        *(("active", False), ("error", False), ("cancelled", False)),
    ],
)
def test_a_unit_can_still_move_or_not(status: str, can_move: bool) -> None:
    root = release("error", step(1, "error", deploy("a", status)))

    assert progress.has_units_in_flight(root) == can_move


def test_a_missing_unit_is_not_waited_for() -> None:
    root = release("error", step(1, "error", deploy("a", "executing", is_absent=True)))

    assert not progress.has_units_in_flight(root)


# Time


def test_the_last_change_is_the_newest_time_anywhere() -> None:
    units = deploy("a", updated_at=after(3)), deploy("b", status_at=after(5))

    assert progress.last_change(release("active", step(1, "active", *units))) == after(5)


def test_without_any_time_there_is_no_last_change() -> None:
    assert progress.last_change(release("active", created_at=None)) is None


def test_a_step_lasts_from_its_first_deploy_on() -> None:
    deploys = [
        deploy("a", created_at=after(10), updated_at=after(12)),
        deploy("b", created_at=after(11), updated_at=after(14)),
    ]

    (stage,) = progress.stages_of(release("active", step(1, "active", *deploys)))

    assert stage.duration == timedelta(minutes=4)


def test_a_step_without_deploys_has_no_duration() -> None:
    (stage,) = progress.stages_of(release("active", step(1, "queued", updated_at=after(5))))

    assert stage.duration is None


def lasting(number: int, status: str, minutes: float) -> progress.Stage:
    unit = deploy("a", updated_at=after(minutes))
    return progress.stages_of(release("executing", step(number, status, unit)))[0]


def waiting_step(delay: float = 0.0) -> progress.Stage:
    return progress.stages_of(release("executing", step(9, "queued", delay=delay)))[0]


def test_no_time_is_estimated_before_a_step_is_done() -> None:
    assert progress.time_left([lasting(1, "polling_install_deploys", 3), waiting_step()]) is None


def test_a_step_to_come_takes_as_long_as_the_median_and_its_delay() -> None:
    done = [lasting(number, "active", minutes) for number, minutes in enumerate((4, 30, 5))]

    assert progress.time_left([*done, waiting_step(delay=60)]) == timedelta(minutes=6)


def test_what_a_running_step_has_spent_is_no_longer_left() -> None:
    stages = [lasting(1, "active", 5), lasting(2, "polling_install_deploys", 3)]

    assert progress.time_left(stages) == timedelta(minutes=2)


def test_a_step_that_takes_longer_than_others_leaves_nothing() -> None:
    stages = [lasting(1, "active", 5), lasting(2, "polling_install_deploys", 9)]

    assert progress.time_left(stages) == timedelta()


# Who started it


@pytest.mark.parametrize(
    ("created_by", "people", "starter"),
    [
        ("ana@example.com", {}, "ana@example.com"),
        ("acc1", {"acc1": "ana@example.com"}, "ana@example.com"),
        ("acc1", {}, ""),
        ("", {}, ""),
    ],
)
def test_who_started_a_rollout_is_said_by_e_mail_or_not_at_all(
    created_by: str, people: dict[str, str], starter: str
) -> None:
    root = release("queued", created_by=created_by)

    assert progress.starter_of(root, people) == starter
