"""What explains a workflow's steps: the deploys that they work at, and what policies said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from monitor.errors import NuonNotFound, NuonUnavailable
from monitor.kinds import KINDS
from monitor.kinds.causes import reason_of
from monitor.kinds.profile import NOTHING_SEEN, LastSeen
from monitor.kinds.wire import Memo
from monitor.model import Entity
from monitor.platform.explanations import Explanations
from monitor.platform.fetch import gather
from tests.support.scripted_source import ScriptedSource

WORKFLOW_ID = "inw1"
MAIN = f"/v1/workflows/{WORKFLOW_ID}"
STEPS = f"{MAIN}/steps?limit=100&offset=0"
DEPLOY = "/v1/installs/inl1/deploys/dpl1"
HELM = "helm upgrade timed out after 5m0s waiting for condition"

Row = dict[str, Any]


@dataclass
class Platform(ScriptedSource):
    """Polls one workflow, or what it explains."""

    kind: str = "workflow"
    target_id: str = WORKFLOW_ID
    last_seen: LastSeen = NOTHING_SEEN

    def __post_init__(self) -> None:
        self.explanations = Explanations(self, KINDS[self.kind], lambda: 0.0)

    async def poll(self) -> Entity:
        kind = KINDS[self.kind]
        found = await gather(self, kind, self.target_id, self.last_seen, self.explanations)
        return kind.decode(found.main.body, self.target_id, Memo(), found.beside)


def step(status: str, **fields: Any) -> Row:
    return {
        "id": "iws1",
        "name": "deploy checkout-api",
        "group_idx": 1,
        "status": {"status": status},
        "step_target_type": "install_deploys",
        "step_target_id": "dpl1",
        **fields,
    }


def workflow(status: str, *steps: Row, **fields: Any) -> Row:
    ended = {"finished": True, "finished_at": "2026-07-01T12:30:00Z"}
    return {
        "id": WORKFLOW_ID,
        "type": "manual_deploy",
        "owner_type": "installs",
        "owner_id": "inl1",
        "status": {"status": status},
        "steps": list(steps),
        **(ended if status in ("error", "success") else {}),
        **fields,
    }


def deploy(status: str = "error", words: str = HELM, job: str = "failed") -> Row:
    return {
        "id": "dpl1",
        "install_id": "inl1",
        "status": status,
        "status_description": "unable to deploy",
        "runner_jobs": [{"id": "job1", "status": job, "status_description": words}],
    }


async def test_a_failed_step_is_explained_by_the_job_of_its_deploy() -> None:
    failed = workflow("error", step("error", status_description="step failed"))
    platform = Platform({MAIN: failed, DEPLOY: deploy()})

    assert reason_of(await platform.poll()) == HELM


async def test_a_step_that_goes_well_is_not_asked_about() -> None:
    platform = Platform({MAIN: workflow("in-progress", step("in-progress")), DEPLOY: deploy()})

    await platform.poll()

    assert platform.asked == [MAIN]


async def test_a_step_that_is_stalled_is_asked_about() -> None:
    platform = Platform({MAIN: workflow("in-progress", step("in-progress")), DEPLOY: deploy()})
    root = await platform.poll()
    platform.last_seen = LastSeen(root, frozenset({WORKFLOW_ID}))

    await platform.poll()

    assert platform.asked == [MAIN, MAIN, DEPLOY]


async def test_a_deploy_that_came_with_its_workflow_is_not_asked_for() -> None:
    fat = workflow("error", step("error"), install_deploys=[deploy()])
    platform = Platform({MAIN: fat})

    assert reason_of(await platform.poll()) == HELM
    assert DEPLOY not in platform.asked


@pytest.mark.parametrize(
    "answer",
    [
        NuonUnavailable("away"),
        NuonNotFound("none"),
        b"oops",
        {"id": "dpl9"},
        {"id": 7, "runner_jobs": 3},
        [],
    ],
    ids=str,
)
async def test_a_deploy_that_cannot_be_read_leaves_the_workflow_whole(answer: Any) -> None:
    failed = workflow("error", step("error", status_description="terraform apply failed"))
    platform = Platform({MAIN: failed, DEPLOY: answer})

    root = await platform.poll()

    assert root.status == "error"
    assert reason_of(root) == "terraform apply failed"


@pytest.mark.parametrize("word", ["active", "executing"])
async def test_a_deploy_changes_nothing_that_the_workflow_says_itself(word: str) -> None:
    document = workflow("error", step("error", status_description="terraform apply failed"))
    alone = await Platform({MAIN: document}).poll()

    explained = await Platform({MAIN: document, DEPLOY: deploy(word, job="finished")}).poll()

    assert explained.status == alone.status
    assert [unit.status for unit in explained.children[0].children] == ["error"]
    assert reason_of(explained) == "terraform apply failed"


# Policies, which only the list of the steps has


async def test_what_a_policy_denied_is_found_in_the_list_of_the_steps() -> None:
    denied = {"status": "error", "status_human_description": "no public buckets"}
    policy = {"id": "pol1", "status": denied}
    failed = step("error", step_target_type="", status_description="step failed")
    platform = Platform(
        {MAIN: workflow("error", failed), STEPS: [{**failed, "policy_validation": policy}]}
    )

    assert reason_of(await platform.poll()) == "no public buckets"


@pytest.mark.parametrize("answer", [NuonUnavailable("away"), b"oops", {}, [None, 3, {"id": 4}]])
async def test_a_list_of_steps_that_cannot_be_read_leaves_the_workflow_whole(answer: Any) -> None:
    failed = step("error", step_target_type="", status_description="terraform apply failed")
    platform = Platform({MAIN: workflow("error", failed), STEPS: answer})

    root = await platform.poll()

    assert [unit.id for unit in root.children[0].children] == ["iws1"]
    assert reason_of(root) == "terraform apply failed"


# Workflows that explain something themselves


async def test_an_install_of_a_run_is_explained_by_the_job_of_its_workflows_deploy() -> None:
    groups = "/v1/apps/app1/branches/abr1/runs/abu1/install-group-runs"
    branch_run = {
        "id": "abu1",
        "status": "failed",
        "app_branch_id": "abr1",
        "app_branch": {"id": "abr1", "app_id": "app1", "name": "main"},
    }
    main = workflow("error", id="inwrun", owner_type="app_branches", app_branch_runs=[branch_run])
    install = {"install_id": "inl1", "workflow_id": WORKFLOW_ID, "status": "error"}
    group = {
        "id": "igr1",
        "install_group_name": "canary",
        "status": {"status": "error"},
        "installs": [install],
    }
    platform = Platform(
        {
            "/v1/workflows/inwrun": main,
            groups: [group],
            MAIN: workflow("error", step("error", status_description="step failed")),
            DEPLOY: deploy(),
        },
        kind="run",
        target_id="inwrun",
    )

    (canary,) = (await platform.poll()).children

    assert reason_of(canary.children[0]) == HELM


@pytest.mark.parametrize("field", ["step_target_type", "step_target_id", "policy_validation"])
@pytest.mark.parametrize("value", [{}, [], 7, True])
async def test_a_step_with_nonsense_in_it_leaves_the_workflow_whole(field: str, value: Any) -> None:
    failed = step("error", status_description="terraform apply failed", **{field: value})

    root = await Platform({MAIN: workflow("error", failed)}).poll()

    assert reason_of(root) == "terraform apply failed"
