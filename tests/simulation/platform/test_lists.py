"""Lists as the real servers have them: of any id, of all workflows, by a replica that lags."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest

from monitor.simulation.answers import Document, Shape
from monitor.simulation.audit import summary_due
from monitor.simulation.flows import CUSTOMERS_VALUE
from monitor.simulation.platform import Age, Branches, SimulatedPlatform
from monitor.simulation.scenarios import SCENARIOS, SCENARIOS_OF_TODAY, install_of, timeline
from monitor.simulation.truth import Meaning
from tests.support.clock import Clock
from tests.support.simulated_client import read

UNKNOWN = "x" * 23


@pytest.mark.parametrize(
    ("rows", "record"),
    [
        ("/v1/apps/app{0}/releases", "/v1/apps/app{0}"),
        ("/v1/components/cmp{0}/releases", "/v1/components/cmp{0}"),
        ("/v1/installs/inl{0}/workflows", "/v1/installs/inl{0}"),
    ],
)
@pytest.mark.parametrize("age", Age)
async def test_a_list_is_empty_for_an_id_that_only_its_record_does_not_know(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, rows: str, record: str, age: Age
) -> None:
    thin_platform.add("happy")
    thin_platform.age = age

    listed = await thin.get(rows.format(UNKNOWN))
    answer = await thin.get(record.format(UNKNOWN))

    if listed.text != "404 page not found":
        assert (listed.status_code, listed.json()) == (200, [])
    assert (answer.status_code, answer.json()["user_error"]) == (404, True)


async def test_the_workflows_of_all_are_bare_and_cannot_be_asked_for_by_time(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    for dialect in ("run", "workflow"):
        thin_platform.add("fat", dialect=dialect)
    clock.advance(300)

    rows = await read(thin, "/v1/workflows?limit=100")
    by_time = [
        (await thin.get("/v1/workflows", params={name: "2025-12-01T12:00:00Z"})).status_code
        for name in ("created_at_gte", "created_at_lte")
    ]

    assert {row["type"] for row in rows} == {
        *("app_branches_manual_update", "app_branch_config_update", "deploy_components"),
    }
    for row in rows:
        assert not row.keys() & {"steps", "step_groups", "install_deploys", "install", "app"}
        assert all(isinstance(value, str) for value in row["metadata"].values())
        assert row["created_by"]["email"]
    assert by_time == [500, 500]
    own = f"/v1/installs/{install_of(0)[0]}/workflows?created_at_gte=2025-12-01T12:00:00Z"
    assert await read(thin, own)


async def test_what_ties_workflows_stands_in_their_metadata_beside_customers_values(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    run = thin_platform.rollout(thin_platform.add("happy", dialect="run"))
    thin_platform.add("drift", dialect="workflow")
    thin_platform.add("runbook", dialect="workflow")
    clock.advance(9e5)

    rows: dict[str, Document] = {
        row["type"]: row["metadata"] for row in await read(thin, "/v1/workflows?limit=100")
    }

    whole, install = rows["app_branches_manual_update"], rows["app_branch_config_update"]
    assert whole.keys() >= {"run_id", "config_id", "app_branch_id", "app_id", "commit_sha"}
    assert install["app_branch_run_id"] == whole["run_id"]
    assert install["install_group_id"] in {step.id for step in run.steps}
    assert install.keys() >= {"new_app_config_id", "install_id", "owner_name"}
    assert rows["runbook_run"]["runbook_name"] == "rotate-keys"
    drift = rows["drift_run"]
    path = f"/v1/installs/{drift['install_id']}/deploys/{drift['install_deploy_id']}"
    assert (await read(thin, path))["build_id"].startswith("bld")
    assert CUSTOMERS_VALUE in drift["changed_input_values"]
    assert CUSTOMERS_VALUE not in str(whole)


async def test_workflows_of_many_installs_can_deploy_one_build(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    story = replace(
        SCENARIOS["happy"], steps=(1,), workflow_type="manual_deploy", build="checkout-api 43"
    )
    for number in range(3):
        of_one = replace(story, owner=number, name=f"fleet {number}")
        thin_platform.add(of_one, dialect="workflow")
    clock.advance(600)

    builds = set()
    for row in await read(thin, "/v1/workflows"):
        data = row["metadata"]
        path = f"/v1/installs/{data['install_id']}/deploys/{data['install_deploy_id']}"
        builds.add((await read(thin, path))["build_id"])

    owners = {row["owner_id"] for row in await read(thin, "/v1/workflows")}
    assert owners == {install_of(number)[0] for number in range(3)}
    assert len(builds) == 1


async def test_the_installs_of_an_app_are_listed_by_its_id_or_name(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("one-by-one", dialect="run"))

    by_id = await read(thin, f"/v1/apps/{rollout.cast.app_id}/installs")
    by_name = await read(thin, "/v1/apps/storefront/installs")
    unknown = await thin.get(f"/v1/apps/app{UNKNOWN}/installs")

    assert [row["id"] for row in by_id] == [install_of(number)[0] for number in range(6)]
    assert by_name == by_id
    assert (unknown.status_code, unknown.json()["user_error"]) == (404, True)


async def test_pages_of_approvals_repeat_rows_and_miss_others(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    waits = replace(
        SCENARIOS["approval"],
        steps=(40,),
        courses={(1, n): SCENARIOS["approval"].courses[1, 2] for n in range(1, 41)},
    )
    thin_platform.add(waits, dialect="run")
    clock.advance(120)

    read_in_pages: list[str] = []
    for offset in range(0, 50, 10):
        page = await read(thin, f"/v1/workflows/pending-approvals?offset={offset}&limit=10")
        read_in_pages += [row["id"] for row in page]

    everything = await read(thin, "/v1/workflows/pending-approvals?limit=100")
    counted = Counter(read_in_pages)
    assert max(counted.values()) > 1
    assert set(counted) < {row["id"] for row in everything}


# Replicas


async def test_one_of_two_replicas_is_behind(clock: Clock) -> None:
    async with SimulatedPlatform(clock, replica_lag=20) as platform:
        headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": platform.org_id}
        async with httpx.AsyncClient(base_url=platform.base_url, headers=headers) as client:
            rollout = platform.rollout(platform.add("happy"))
            just_created = {await status_of(client, rollout.id) for _ in range(20)}
            clock.advance(rollout.settles_after + 5)

            statuses = [await status_of(client, rollout.id) for _ in range(20)]
            clock.advance(30)
            caught_up = {await status_of(client, rollout.id) for _ in range(20)}

    assert just_created == {"queued"}
    assert set(statuses) == {"active", "executing_release_steps"}
    changes = sum(one != then for one, then in pairwise(statuses))
    assert changes > 2
    assert caught_up == {"active"}


async def status_of(client: httpx.AsyncClient, release_id: str) -> str:
    return str((await read(client, f"/v1/releases/{release_id}"))["status"])


# What there is not


@pytest.mark.parametrize(
    ("branches", "status", "error"),
    [
        (Branches.NOT_ENABLED, 400, "feature not enabled"),
        (Branches.BROKEN, 500, "app branches feature not enabled for this organization"),
    ],
)
async def test_an_org_without_app_branches_says_so(
    thin_platform: SimulatedPlatform,
    thin: httpx.AsyncClient,
    branches: Branches,
    status: int,
    error: str,
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("happy", dialect="run"))
    branch = f"/v1/apps/{rollout.cast.app_id}/branches/{rollout.cast.branch_id}"
    thin_platform.branches = branches

    for path in (branch.rpartition("/")[0], branch, f"{branch}/runs"):
        answer = await thin.get(path)
        assert answer.status_code == status
        assert answer.json()["error"].startswith(error)
    assert (await thin.get(f"/v1/apps/{rollout.cast.app_id}")).status_code == 200


async def test_no_server_lists_all_branches(thin: httpx.AsyncClient) -> None:
    answer = await thin.get("/v1/branches")

    assert (answer.status_code, answer.text) == (404, "404 page not found")


@pytest.mark.parametrize("path", ["/v1/branches", "/v1/never-heard-of", "/v1/installers/intx"])
async def test_a_wrong_token_is_said_before_a_missing_route(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, path: str
) -> None:
    thin_platform.age = Age.TODAY

    answer = await thin.get(path, headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401
    assert answer.headers["X-Nuon-API-Version"]


# Other stories


def test_a_drift_check_that_found_some_is_written_as_a_good_end() -> None:
    rollout = timeline(SCENARIOS_OF_TODAY["drift"], 1, dialect="workflow", shape=Shape.THIN)
    state = rollout.state_at(9e5)

    assert (state["type"], state["status"]["status"]) == ("drift_run", "success")
    assert sorted(row["status"]["status"] for row in state["steps"]) == [
        *("drifted", "success", "success"),
    ]
    assert summary_due(rollout).verdict is Meaning.BAD_END


def test_one_step_can_be_without_an_id() -> None:
    rollout = timeline(SCENARIOS_OF_TODAY["idless-step"], 1, dialect="workflow")

    assert sum("id" not in row for row in rollout.state_at(9e5)["steps"]) == 1


def test_a_build_has_words_of_its_own() -> None:
    rollout = timeline(SCENARIOS["build-cancelled"], 1, shape=Shape.THIN)

    words = [rollout.state_at(at)["build"]["status"] for at in (1, 9e5)]
    assert words == ["in-progress", "cancelled"]
