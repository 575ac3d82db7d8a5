"""Runs and workflows as thin as the real servers have them, and what their words hide."""

from __future__ import annotations

import httpx
import pytest

from monitor.simulation.answers import Document, Shape
from monitor.simulation.audit import summary_due
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import (
    ASKS_FIRST,
    BUILD_ERROR,
    HELM_ERROR,
    SCENARIOS,
    SCENARIOS_OF_TODAY,
    Rollout,
    timeline,
)
from monitor.simulation.truth import Meaning
from tests.support.clock import NOON, Clock
from tests.support.simulated_client import read


def branch_of(rollout: Rollout) -> str:
    return f"/v1/apps/{rollout.cast.app_id}/branches/{rollout.cast.branch_id}"


async def groups_of(client: httpx.AsyncClient, rollout: Rollout) -> list[Document]:
    run_id = rollout.state_at(0)["app_branch_runs"][0]["id"]
    rows: list[Document] = await read(
        client, f"{branch_of(rollout)}/runs/{run_id}/install-group-runs"
    )
    return rows


def words(rows: list[Document]) -> dict[str, str]:
    return {row["name"]: row["status"]["status"] for row in rows}


async def test_the_plan_of_a_run_stands_at_its_branch_and_only_where_it_is_asked_for(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("happy", dialect="run"))
    (run,) = (await read(thin, f"/v1/workflows/{rollout.id}"))["app_branch_runs"]

    plain = await read(thin, branch_of(rollout))
    (config,) = (await read(thin, f"{branch_of(rollout)}?latest_config=true"))["configs"]

    assert "install_groups" not in run["app_branch_config"]
    assert run["vcs_connection_commit"]["sha"] == rollout.cast.commit
    assert "configs" not in plain
    assert config["id"] == run["app_branch_config_id"] == run["app_branch_config"]["id"]
    planned = {group["id"]: group["install_ids"] for group in config["install_groups"]}
    assert planned == {step.id: list(step.install_ids) for step in rollout.steps}


async def test_the_steps_of_a_run_are_its_sync_its_build_its_plan_and_its_groups(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("happy", dialect="run"))
    clock.advance(rollout.settles_after)

    workflow = await read(thin, f"/v1/workflows/{rollout.id}")

    assert words(workflow["steps"]) == dict.fromkeys(
        [
            *("sync app config", "build components", "plan install groups"),
            *("update install group canary", "update install group early-adopters"),
            "update install group europe",
        ],
        "success",
    )
    assert workflow["created_by"]["email"] == "robin@example.com"


async def test_policies_are_only_among_a_workflows_own_steps(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("fat", dialect="workflow"))
    clock.advance(rollout.settles_after)

    workflow = await read(thin, f"/v1/workflows/{rollout.id}")
    steps = await read(thin, f"/v1/workflows/{rollout.id}/steps")

    assert all("policy_validation" not in step for step in workflow["steps"])
    assert all(step["policy_validation"]["status"]["status"] for step in steps)
    assert not any(name.startswith("install_") for name in workflow)


@pytest.mark.parametrize(
    ("name", "word", "note"),
    [("approval", "approve", "the plan looks right"), ("approval-denied", "deny", "not during")],
)
def test_an_approval_says_who_answered_it_and_their_note(name: str, word: str, note: str) -> None:
    rollout = timeline(SCENARIOS[name], 1, dialect="workflow", shape=Shape.THIN)
    answered = [
        row["approval"]["response"]
        for row in rollout.state_at(9e5)["steps"]
        if row.get("approval", {}).get("response", {}).get("type") == word
    ]

    (response,) = answered
    assert response["created_by"]["email"] == "robin@example.com"
    assert response["note"].startswith(note)


def test_a_parked_run_has_the_word_of_success_in_its_row_until_it_goes_on() -> None:
    rollout = timeline_of_today("parked")
    parked = next(o.at for o in rollout.life if o.status == "failed-pending-retry")
    state, later = rollout.state_at(parked), rollout.state_at(9e5)

    assert state["app_branch_runs"][0]["status"] == "success"
    assert state["status"]["status"] == "failed-pending-retry"
    assert state["status"]["metadata"]["awaiting_retry"] is True
    assert "finished_at" not in state
    step = next(row for row in state["steps"] if row["name"] == "build components")
    assert step["status"]["status"] == "failed-pending-retry"
    assert BUILD_ERROR in step["status"]["metadata"]["err_message"]
    assert words(later["steps"])["build components"] == "discarded"
    assert words(later["steps"])["build components (retry 1)"] == "success"
    assert later["app_branch_runs"][0]["status"] == later["status"]["status"] == "success"


@pytest.mark.parametrize(
    ("name", "row", "workflow"),
    [("stopped", "failed", "error"), ("exhausted", "success", "failed-pending-retry")],
)
def test_an_end_can_look_like_a_wait(name: str, row: str, workflow: str) -> None:
    rollout = timeline_of_today(name)
    state = rollout.state_at(9e5)
    key = {"stopped": "stopped", "exhausted": "retries_exhausted"}[name]
    (build,) = (row for row in state["steps"] if row["name"] == "build components")

    assert state["app_branch_runs"][0]["status"] == row
    for status in (state["status"], build["status"]):
        assert status["status"] == workflow
        assert status["metadata"].keys() >= {"awaiting_retry", key}
    assert state["finished_at"]
    assert summary_due(rollout).verdict is Meaning.BAD_END


def test_a_runs_row_says_success_before_its_workflow_has_ended() -> None:
    rollout = timeline(SCENARIOS["happy"], 1, dialect="run", shape=Shape.THIN)
    early = rollout.state_at(rollout.settles_after - 10)

    assert early["app_branch_runs"][0]["status"] == "success"
    assert "finished_at" not in early


@pytest.mark.parametrize(
    ("name", "word"), [("skipped-group", "user-skipped"), ("empty-group", "auto-skipped")]
)
async def test_a_group_that_is_passed_over_has_a_step_and_no_row(
    thin_platform: SimulatedPlatform,
    thin: httpx.AsyncClient,
    clock: Clock,
    name: str,
    word: str,
) -> None:
    rollout = thin_platform.rollout(thin_platform.add(name, dialect="run"))
    clock.advance(rollout.settles_after)

    groups = await groups_of(thin, rollout)
    workflow = await read(thin, f"/v1/workflows/{rollout.id}")

    assert [row["install_group_name"] for row in groups] == ["canary", "europe"]
    assert words(workflow["steps"])["update install group early-adopters"] == word
    assert workflow["status"]["status"] == "success"
    due = summary_due(rollout)
    assert (due.succeeded, due.total) == (8, 12 if name == "skipped-group" else 8)


async def test_a_superseded_install_names_the_run_that_took_it_over(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("superseded", dialect="run"))
    clock.advance(rollout.settles_after)

    installs = [i for row in await groups_of(thin, rollout) for i in row["installs"]]

    (superseded,) = (i for i in installs if i["status"] == "superseded")
    assert superseded["superseded_by_run_id"].startswith("abu")
    assert sum("superseded_by_run_id" in install for install in installs) == 1


def test_why_a_run_failed_is_said_by_its_step_and_by_its_row_only_at_times() -> None:
    messages = set()
    for seed in range(12):
        rollout = timeline(
            SCENARIOS["failure"], seed, begins_at=NOON, dialect="run", shape=Shape.THIN
        )
        state = rollout.state_at(9e5)
        messages.add(state["app_branch_runs"][0]["error_message"].partition(": ")[0])
        (failed,) = (row for row in state["steps"] if row["status"]["status"] == "error")
        assert HELM_ERROR in failed["status"]["metadata"]["err_message"]

    assert messages == {
        "workflow completed with errors",
        "error while executing steps",
        "workflow execution failed",
    }


def test_a_plan_that_waits_for_a_person_comes_after_the_build() -> None:
    rollout = timeline(ASKS_FIRST, 1, dialect="run", shape=Shape.THIN)
    asked = next(o.at for o in rollout.life if o.status == "awaiting_approval")

    assert words(rollout.state_at(asked)["steps"]) == {
        "sync app config": "success",
        "build components": "success",
        "plan install groups": "approval-awaiting",
    }


def timeline_of_today(name: str) -> Rollout:
    return timeline(SCENARIOS_OF_TODAY[name], 1, begins_at=NOON, dialect="run", shape=Shape.THIN)
