"""What a newer rollout heals of an older one's trouble: of the same thing, by platform times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from monitor.decide import healing
from monitor.kinds import KINDS, change, release, run, workflow
from monitor.kinds.parts import WORKFLOW, WORKFLOW_STEP
from monitor.kinds.run_groups import INSTALL_GROUP
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.model import Alert, Entity, EventKind, Reason, Snapshot, Target, TargetState
from tests.support.builders import after, deploy, state, step
from tests.support.clock import NOON

Make = Callable[..., Entity]


def a_release(status: str, unit_status: str, install: str = "a", **facts: Any) -> Entity:
    facts = {"component_id": "cmp1"} | facts
    parts = (step(1, status, deploy(install, unit_status, id=f"{facts['id']}/d")),)
    return Entity(release.RELEASE, status=status, children=parts, **facts)


def a_run(status: str, unit_status: str, install: str = "a", **facts: Any) -> Entity:
    facts = {"facts": (("app_branch_id", "abr1"),)} | facts
    unit = Entity(INSTALL_RUN, f"{facts['id']}/u", unit_status, install_id=install)
    group = Entity(INSTALL_GROUP, "eu", status, planned=(install,), children=(unit,))
    return Entity(run.BRANCH_RUN, status=status, children=(group,), **facts)


def a_workflow(status: str, unit_status: str, install: str = "a", **facts: Any) -> Entity:
    facts = {"facts": (("type", "manual_deploy"),), "name": "deploy checkout-api"} | facts
    unit = Entity(WORKFLOW_STEP, f"{facts['id']}/s", unit_status)
    group = Entity(workflow.STEP_GROUP, "0", status, children=(unit,))
    return Entity(WORKFLOW, status=status, install_id=install, children=(group,), **facts)


def a_change(status: str, unit_status: str, install: str = "a", **facts: Any) -> Entity:
    facts = {"facts": (("type", "manual_deploy"),), "name": "deploy checkout-api"} | facts
    unit = Entity(change.INSTALL_WORKFLOW, f"{facts['id']}/w", unit_status, install_id=install)
    installs = Entity(change.INSTALLS, "installs", status, children=(unit,))
    return Entity(change.CHANGE, status=status, children=(installs,), **facts)


WORDS = {"release": "active", "run": "success", "workflow": "success", "change": "success"}
MAKERS: dict[str, Make] = {
    "release": a_release,
    "run": a_run,
    "workflow": a_workflow,
    "change": a_change,
}
OF_ANOTHER: dict[str, dict[str, Any]] = {
    "release": {"component_id": "cmp2"},
    "run": {"facts": (("app_branch_id", "abr2"),)},
    "workflow": {"name": "deploy web"},
    "change": {"name": "deploy web"},
}
every_kind = pytest.mark.parametrize("kind", MAKERS)


def failing(
    kind: str,
    identifier: str = "old",
    created_at: datetime = NOON,
    *,
    failed: float = 5,
    attempt: int = 1,
    **facts: Any,
) -> Any:
    times = {"created_at": created_at, "updated_at": after(failed)}
    root = MAKERS[kind]("error", "error", id=identifier, **times, **facts)
    unit = root.children[0].children[0]
    key = f"{root.children[0].id}/{unit.work}"
    alerts = (Alert(key, EventKind.FAILED, after(5), after(5)),)
    remembered = {"ended": EventKind.FAILED, "ended_at": after(failed), "attempt": attempt}
    return taken(kind, root, state(alerts=alerts, **remembered))


def well(kind: str, identifier: str = "new", created: float = 10, **facts: Any) -> Any:
    word = WORDS[kind]
    root = MAKERS[kind](
        word,
        word,
        **{"id": identifier, "created_at": after(created), "updated_at": after(created + 5)}
        | facts,
    )
    return taken(kind, root, state(ended=EventKind.SUCCEEDED, ended_at=after(created + 5)))


def taken(kind: str, root: Entity, its: TargetState) -> healing.Rollout:
    return healing.rollout_of(Snapshot(Target(kind, root.id), NOON, root), its)


def healed_by(*rollouts: healing.Rollout) -> str:
    """Return the id of what healed the older one; empty where nothing did."""
    return next((one.id for old, one in healing.healed(rollouts).items() if old.id == "old"), "")


def test_every_kind_that_ends_says_what_it_is_about() -> None:
    silent = {name for name, kind in KINDS.items() if kind.profile.root.is_perpetual}

    assert set(KINDS) - silent == set(MAKERS)
    assert all(failing(kind).subject for kind in MAKERS)


@every_kind
def test_a_newer_success_of_the_same_thing_heals(kind: str) -> None:
    assert healed_by(well(kind), failing(kind)) == "new"


@every_kind
def test_a_success_of_another_thing_heals_nothing(kind: str) -> None:
    assert healed_by(failing(kind), well(kind, **OF_ANOTHER[kind])) == ""


@every_kind
def test_an_older_success_heals_nothing(kind: str) -> None:
    assert healed_by(failing(kind), well(kind, created=-10)) == ""
    assert healed_by(failing(kind), well(kind, created=0)) == ""


@every_kind
def test_a_newer_one_that_failed_too_or_is_in_flight_heals_nothing(kind: str) -> None:
    failed = failing(kind, "new", created_at=after(1))
    in_flight = MAKERS[kind]("executing", "executing", id="new", created_at=after(10))

    assert healed_by(failing(kind), failed) == ""
    assert healed_by(failing(kind), taken(kind, in_flight, state())) == ""


@every_kind
def test_the_first_that_succeeded_is_named(kind: str) -> None:
    later = well(kind, "later", created=30)

    assert healed_by(later, failing(kind), well(kind)) == "new"


@every_kind
def test_what_is_not_in_trouble_is_not_healed(kind: str) -> None:
    assert healing.healed([well(kind, "old", created=0), well(kind)]) == {}


@every_kind
def test_what_failed_by_a_retry_after_the_newer_success_is_in_trouble_anew(kind: str) -> None:
    retried = failing(kind, failed=60, attempt=2)

    assert healed_by(retried, well(kind)) == ""
    assert healed_by(retried, well(kind, created=70)) == "new"


@every_kind
def test_what_was_given_up_after_the_newer_success_is_healed(kind: str) -> None:
    given_up = failing(kind, failed=60)

    assert healed_by(given_up, well(kind)) == "new"


@every_kind
def test_without_a_time_of_its_creation_nothing_is_healed(kind: str) -> None:
    assert healed_by(failing(kind), well(kind, created_at=None)) == ""


@pytest.mark.parametrize("kind", ["release", "run"])
def test_a_newer_one_that_left_out_the_install_that_failed_has_not_healed_it(kind: str) -> None:
    assert healed_by(failing(kind), well(kind, install="b")) == ""


def test_a_group_that_failed_before_its_installs_began_is_healed_at_all_that_it_is_for() -> None:
    group = Entity(INSTALL_GROUP, "eu", "approval-denied", planned=("a", "b"))
    facts = (("app_branch_id", "abr1"),)
    root = Entity(run.BRANCH_RUN, "old", "error", created_at=NOON, facts=facts, children=(group,))
    alerts = (Alert("eu", EventKind.FAILED, NOON, NOON),)
    older = taken("run", root, state(ended=EventKind.FAILED, alerts=alerts))
    newer = well("run")

    assert healed_by(older, newer) == ""
    assert healed_by(older, newer._replace(done_at=frozenset({"a", "b", "c"}))) == "new"


def test_a_stalled_one_is_healed_and_one_that_waits_is_not() -> None:
    root = a_release("executing", "executing", id="old", created_at=NOON)

    def with_alert(kind: EventKind) -> healing.Rollout:
        alerts = (Alert("rel-step-1/a", kind, NOON, NOON, Reason()),)
        return taken("release", root, state(alerts=alerts))

    assert healed_by(with_alert(EventKind.STALLED), well("release")) == "new"
    assert healed_by(with_alert(EventKind.WAITING), well("release")) == ""


def test_a_preview_neither_heals_nor_is_healed() -> None:
    assert healed_by(failing("run"), well("run", plan_only=True)) == ""
    assert healed_by(failing("run", plan_only=True), well("run", plan_only=True)) == ""


def test_a_plan_at_an_install_heals_a_plan_alone() -> None:
    assert healed_by(failing("workflow"), well("workflow", plan_only=True)) == ""
    assert healed_by(failing("workflow", plan_only=True), well("workflow", plan_only=True)) == "new"
    assert healed_by(failing("workflow"), well("workflow", install="b")) == ""


def test_a_release_whose_component_nobody_knows_is_about_nothing_known() -> None:
    assert healed_by(failing("release", component_id=""), well("release", component_id="")) == ""
    named = {"component_id": "", "name": "checkout-api"}
    assert healed_by(failing("release", **named), well("release", **named)) == "new"


def test_only_what_is_in_trouble_or_succeeded_since_has_to_be_looked_at() -> None:
    assert healing.may_matter(state(ended=EventKind.FAILED), NOON)
    assert healing.may_matter(state(ended=EventKind.SUCCEEDED, ended_at=after(1)), NOON)
    assert not healing.may_matter(state(ended=EventKind.SUCCEEDED, ended_at=after(-1)), NOON)
    assert not healing.may_matter(state(), NOON)
