"""When a run has succeeded: its row, its workflow and the workflow's own steps have to agree."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.decide.progress import is_in_agreement, progress_of, units_of
from monitor.kinds.causes import reason_of
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.model import Phase, phase_of
from tests.unit.test_run import (
    GROUP_RUNS,
    Row,
    group_row,
    install_row,
    platform,
    run_row,
    step_row,
)

BUILD = "building components and sandbox"
PLAN = "/v1/apps/app1/branches/brn1?latest_config=true"


def build_row(status: str, **fields: Any) -> Row:
    return step_row(status, BUILD, idx=1, group_idx=1, **fields)


def rolled_out(*others: Row, status: str = "success", workflow: str = "", **fields: Any) -> Row:
    """Build a run that says `success`, with the steps of its two groups."""
    steps = (
        build_row("success"),
        step_row("success", "plan install group: canary", idx=2, group_idx=2),
        step_row("success", "deploy install group: canary", idx=3, group_idx=3),
    )
    document = run_row(status, steps=(*steps, *others), **fields)
    if workflow:
        document["status"]["status"] = workflow
    return document


CANARY = group_row(install_row(1, "success"), install_row(2, "success"), status="success")
FLEET = group_row(
    install_row(3, "success"), install_row(4, "success"), status="success", group="grp2", attempt=2
)
FLEET_DONE = step_row("success", "deploy install group: fleet", idx=4, group_idx=4)


async def test_a_run_has_succeeded_where_all_agree() -> None:
    root = await platform(CANARY, FLEET, document=rolled_out(FLEET_DONE)).poll()

    assert root.phase is Phase.SUCCEEDED
    assert is_in_agreement(root)


@pytest.mark.parametrize("workflow", ["failed-pending-retry", "error", "in-progress", "success"])
async def test_a_run_whose_build_waits_for_a_retry_waits_whatever_its_row_says(
    workflow: str,
) -> None:
    parked = build_row("failed-pending-retry", status_description="exit code 1")
    document = run_row("success", steps=(parked,))
    document["status"]["status"] = workflow

    root = await platform(document=document).poll()

    assert (root.status, root.phase) == ("failed-pending-retry", Phase.WAITING)


@pytest.mark.parametrize(
    ("workflow", "phase"),
    [("in-progress", Phase.RUNNING), ("error", Phase.FAILED), ("cancelled", Phase.FAILED)],
)
async def test_a_row_that_says_success_is_not_believed_against_its_workflow(
    workflow: str, phase: Phase
) -> None:
    root = await platform(CANARY, FLEET, document=rolled_out(FLEET_DONE, workflow=workflow)).poll()

    assert root.phase is phase


async def test_a_step_that_failed_contradicts_a_run_that_says_it_succeeded() -> None:
    failed = step_row("error", "run post-deploy runbooks: canary", idx=9, group_idx=9)

    root = await platform(CANARY, FLEET, document=rolled_out(FLEET_DONE, failed)).poll()

    assert root.phase is Phase.SUCCEEDED
    assert not is_in_agreement(root)


# Steps are parts


async def test_what_prepares_a_run_is_a_part_of_it_and_counts_no_install() -> None:
    document = rolled_out(step_row("pending", "deploy install group: fleet", idx=4, group_idx=4))

    root = await platform(CANARY, document=document).poll()

    assert [(part.name, part.status) for part in root.children] == [
        (BUILD, "success"),
        ("canary", "success"),
        ("fleet", ""),
    ]
    assert [progress_of(part).total for part in root.children] == [0, 2, 2]


async def test_a_step_that_is_retried_stays_the_same_part() -> None:
    failed = build_row("error", status_description="exit code 1")
    again = step_row("in-progress", f"{BUILD} (retry 1)", idx=1, group_idx=1, retry_index=1)
    nuon = platform(document=run_row(steps=(failed,)))
    (before,) = [part for part in (await nuon.poll()).children if part.name == BUILD]

    nuon.answers["/v1/workflows/inwrun"] = run_row(steps=(failed, again))

    (after,) = [part for part in (await nuon.poll()).children if part.name == BUILD]
    assert (before.id, before.phase) == (after.id, Phase.FAILED)
    assert after.phase is Phase.RUNNING


async def test_why_a_run_failed_is_what_its_step_says() -> None:
    why = "component checkout-api: docker build exit code 1"
    status = {"status": "error", "metadata": {"err_message": why}}
    document = run_row(
        "failed",
        steps=({"name": BUILD, "status": status},),
        error_message="workflow completed with errors",
    )

    root = await platform(document=document).poll()

    assert reason_of(root) == why


# Groups that have no row


@pytest.mark.parametrize("name", ["update install group fleet", "deploy install group: fleet"])
@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("user-skipped", Phase.ENDED),
        ("auto-skipped", Phase.ENDED),
        ("approval-denied", Phase.FAILED),
        ("not-attempted", Phase.PENDING),
        ("pending", Phase.PENDING),
    ],
)
async def test_a_group_that_was_left_out_is_named_and_counted(
    name: str, status: str, phase: Phase
) -> None:
    step = step_row(status, name, idx=4, group_idx=4)

    root = await platform(CANARY, document=rolled_out(step)).poll()

    fleet = root.children[-1]
    assert (fleet.name, fleet.phase, fleet.planned) == ("fleet", phase, ("inl3", "inl4"))
    assert (progress_of(fleet).total, progress_of(fleet).succeeded) == (2, 0)


async def test_a_group_of_which_only_the_step_is_known_is_named() -> None:
    step = step_row("user-skipped", "update install group eu", idx=4, group_idx=4)
    document = rolled_out(step, app_branch_config={"id": "abc1"})

    root = await platform(CANARY, document=document).poll()

    assert [(part.name, part.status) for part in root.children][1:] == [
        ("canary", "success"),
        ("eu", "user-skipped"),
    ]


async def test_a_group_whose_plan_waits_for_an_approval_waits() -> None:
    waits = step_row(
        "approval-awaiting",
        "plan install group: fleet",
        idx=4,
        group_idx=4,
        approval={"id": "apr1", "type": "app_branch_plan"},
    )

    root = await platform(CANARY, document=rolled_out(waits, status="running")).poll()

    assert root.children[-1].phase is Phase.WAITING
    assert root.children[-1].description == "the plan of the app branch"


async def test_a_group_is_one_part_before_and_after_its_row_and_its_plan_are_known() -> None:
    steps = (step_row("pending", "deploy install group: canary"),)
    nuon = platform(document=run_row(steps=steps, app_branch_config={"id": "abc1"}))
    names = [[part.id for part in (await nuon.poll()).children]]

    nuon.answers[GROUP_RUNS] = [CANARY]
    names.append([part.id for part in (await nuon.poll()).children])
    nuon.answers[PLAN] = plan_row("abc1")
    nuon.now += 600
    names.append([part.id for part in (await nuon.poll()).children])

    assert names == [["canary"], ["canary"], ["canary", "fleet"]]


# The plan, which the branch has


def plan_row(config: str) -> Row:
    groups = [
        {"id": "grp1", "name": "canary", "order": 0, "install_ids": ["inl1", "inl2"]},
        {"id": "grp2", "name": "fleet", "order": 1, "install_ids": ["inl3", "inl4", "inl5"]},
    ]
    return {
        "id": "brn1",
        "app_id": "app1",
        "configs": [{"id": config, "config_number": 7, "install_groups": groups}],
    }


@pytest.mark.parametrize(("newest", "total"), [("abc1", 5), ("abc2", 2)])
async def test_the_plan_is_that_of_the_branch_where_it_is_the_one_of_the_run(
    newest: str, total: int
) -> None:
    nuon = platform(CANARY, document=rolled_out(app_branch_config={"id": "abc1"}))
    nuon.answers[PLAN] = plan_row(newest)

    root = await nuon.poll()

    assert sum(progress_of(part).total for part in root.children) == total


@pytest.mark.parametrize("answer", [None, "oops", [], {"id": 7}, {"configs": [None, 3]}])
async def test_a_branch_that_says_nothing_of_use_leaves_the_run_whole(answer: Any) -> None:
    nuon = platform(CANARY, document=rolled_out(app_branch_config={"id": "abc1"}))
    nuon.answers[PLAN] = answer

    assert [part.name for part in (await nuon.poll()).children] == [BUILD, "canary"]


async def test_the_plan_is_not_asked_for_where_the_run_has_it() -> None:
    nuon = platform(CANARY, document=rolled_out())
    await nuon.poll()

    assert PLAN not in nuon.asked


# Installs that another run takes over, or that a customer holds up


async def test_an_install_that_a_newer_run_took_over_has_not_failed() -> None:
    taken_over = install_row(1, "superseded", superseded_by_run_id="abunewer0123456789")
    row = group_row(taken_over, install_row(2, "success"), status="error")

    root = await platform(row, document=run_row("failed")).poll()

    group = root.children[0]
    assert (group.status, group.phase) == ("superseded", Phase.ENDED)
    (first, _) = units_of(group)
    assert (first.phase, first.description) == (Phase.ENDED, "by the newer run abunewe…")


async def test_a_group_with_a_failed_install_beside_one_that_was_taken_over_has_failed() -> None:
    row = group_row(install_row(1, "superseded"), install_row(2, "error"), status="error")

    root = await platform(row, document=run_row("failed")).poll()

    assert root.children[0].phase is Phase.FAILED


async def test_an_install_that_waits_for_its_customer_says_for_what() -> None:
    held_up = install_row(1, "pending_customer", reason="runner_offline")

    root = await platform(group_row(held_up, install_row(2))).poll()

    (first, _) = units_of(root.children[0])
    assert (first.phase, first.description) == (Phase.WAITING, "runner_offline")


@pytest.mark.parametrize("word", ["superseded", "pending_customer", "queued"])
def test_the_words_of_an_install_in_a_run_are_known(word: str) -> None:
    assert phase_of(INSTALL_RUN, word) is not Phase.UNKNOWN
