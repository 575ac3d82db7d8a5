"""The simulated platform of today over HTTP: workflows, runs, lists, approvals, its ages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from nuon.api.apps_api import AppsApi
from nuon.api.components_api import ComponentsApi
from nuon.api.installers_api import InstallersApi
from nuon.api_client import ApiClient
from nuon.configuration import Configuration

from monitor.simulation.answers import Document, Shape
from monitor.simulation.platform import Age, SimulatedPlatform
from monitor.simulation.scenarios import (
    ASKS_FIRST,
    DIALECTS,
    HELM_ERROR,
    SCENARIOS,
    Occurrence,
    Rollout,
    install_of,
)
from tests.support.clock import Clock
from tests.support.simulated_client import client_of, read, read_all

QUICK = sorted(set(SCENARIOS) - {"large"})


def end_of(rollout: Rollout) -> float:
    """The last moment at which it exists and something changes."""
    deleted = rollout.scenario.deleted_after
    return rollout.settles_after if deleted is None else deleted - 1


def first(rollout: Rollout, status: str) -> Occurrence:
    return next(o for o in rollout.occurrences if o.status == status)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_target_of_each_kind_is_served_as_it_stands(clock: Clock, dialect: str) -> None:
    routes = {"release": "releases", "installer": "installers"}
    async with (
        SimulatedPlatform(clock, shape=Shape.DOCUMENTED, shuffle=False) as platform,
        client_of(platform) as client,
    ):
        target_id = platform.add("one-by-one", dialect=dialect)
        clock.advance(300)

        answer = await read(client, f"/v1/{routes.get(dialect, 'workflows')}/{target_id}")

        assert answer == platform.rollout(target_id).state_at(300)
        assert answer["id"] == target_id


async def test_a_run_leads_to_its_groups_and_these_to_the_installs_workflows(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    target_id = platform.add("deep", dialect="run")
    rollout = platform.rollout(target_id)
    clock.advance(rollout.settles_after)
    run = (await read(client, f"/v1/workflows/{target_id}"))["app_branch_runs"][0]
    branches = {branch["id"]: branch for branch in await read_all(client, "/v1/branches")}
    app_id = branches[run["app_branch_id"]]["app_id"]
    base = f"/v1/apps/{app_id}/branches/{run['app_branch_id']}/runs"

    (group,) = await read(client, f"{base}/{run['id']}/install-group-runs")
    (failed,) = [install for install in group["installs"] if install["status"] == "error"]
    workflow = await read(client, f"/v1/workflows/{failed['workflow_id']}")

    assert group["status"]["status_human_description"] == "3/4 installs deployed (1 failed)"
    assert (group["total_installs"], group["failed_installs"]) == (4, 1)
    assert workflow["owner_id"] == failed["install_id"]
    plan, apply_ = workflow["steps"]
    assert (plan["status"]["status"], apply_["status"]["status"]) == ("approved", "error")
    assert apply_["status"]["status_human_description"] == "Step failed"
    assert HELM_ERROR in apply_["status"]["metadata"]["err_message"]
    assert (await client.get(f"{base}/{target_id}/install-group-runs")).status_code == 404
    assert await read(client, f"{base}/{run['id']}") == await read(client, f"{base}/{target_id}")


@pytest.mark.parametrize("name", sorted(set(QUICK) - {"vanishing", "lagging"}))
async def test_installs_are_in_their_groups_as_they_stand(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock, name: str
) -> None:
    scenario = SCENARIOS[name]
    rollout = platform.rollout(platform.add(scenario, dialect="run"))
    cast = rollout.cast
    run_id = rollout.state_at(scenario.age)["app_branch_runs"][0]["id"]
    path = f"/v1/apps/{cast.app_id}/branches/{cast.branch_id}/runs/{run_id}/install-group-runs"
    end = end_of(rollout)
    for _ in range(6):
        at = platform.seconds_of(rollout.id)
        newest = {
            (step.id, d.install_id): [o.status for o in d.life if o.at <= at][-1]
            for step in rollout.steps
            for d in step.deploys
            if d.life[0].at <= at
        }
        known = {"approval-awaiting": "in-progress", "cancelled": "in-progress"}

        served = {
            (group["install_group_id"], install["install_id"]): install["status"]
            for group in await read(client, path)
            for install in group.get("installs") or []
        }

        assert served == {key: known.get(status, status) for key, status in newest.items()}
        clock.advance(end / 6.5)


async def test_a_retried_group_has_a_second_row(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    rollout = platform.rollout(platform.add("retry", dialect="run"))
    clock.advance(rollout.settles_after)
    cast = rollout.cast
    run_id = rollout.state_at(0)["app_branch_runs"][0]["id"]
    path = f"/v1/apps/{cast.app_id}/branches/{cast.branch_id}/runs/{run_id}/install-group-runs"

    groups = await read(client, path)

    assert [(g["install_group_name"], g["status"]["status"]) for g in groups] == [
        ("canary", "error"),
        ("canary", "success"),
        ("early-adopters", "success"),
    ]
    assert len({group["install_group_id"] for group in groups}) == 2
    assert [len(group["installs"]) for group in groups] == [6, 6, 6]


async def test_runs_are_listed_newest_first_once_they_have_begun(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    old = platform.add("happy", dialect="run")
    new = platform.add("happy", dialect="run", starts_in=60)
    cast = platform.rollout(old).cast
    path = f"/v1/apps/{cast.app_id}/branches/{cast.branch_id}/runs"
    before = await read(client, path)
    clock.advance(61)

    after = await read(client, path)

    assert [row["id"] for row in before] == [old]
    assert [row["id"] for row in after] == [new, old]
    assert after[0]["app_branch_runs"][0]["status"] == "pending"


async def test_a_list_moves_while_it_is_read(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    platform.seconds_per_answer = 10
    ids = [platform.add("happy", dialect="workflow", starts_in=5 * i) for i in range(5)]
    path = f"/v1/installs/{install_of(0)[0]}/workflows"
    await read(client, path)
    read_in_pages = []
    for page in range(3):
        read_in_pages += [row["id"] for row in await read(client, path, limit=1, offset=page)]

    assert len(set(read_in_pages)) < len(read_in_pages)
    assert set(read_in_pages) <= set(ids)


async def test_an_installs_workflows_are_its_own_and_those_of_all_have_no_steps(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    workflow_id = platform.add("happy", dialect="workflow")
    run = platform.rollout(platform.add("happy", dialect="run"))
    clock.advance(200)
    install_id, _ = install_of(0)

    own = await read_all(client, f"/v1/installs/{install_id}/workflows")
    everything = await read_all(client, "/v1/workflows", limit=7)

    deployed = next(d.id for d in run.steps[0].deploys if d.install_id == install_id)
    assert {row["id"] for row in own} == {workflow_id, deployed}
    assert {row["id"] for row in everything} > {workflow_id, run.id, deployed}
    assert all("steps" in row for row in own)
    assert not any("steps" in row for row in everything)
    (listed,) = [row for row in everything if row["id"] == run.id]
    assert listed["app_branch_runs"][0]["app_branch"]["app_id"] == run.cast.app_id
    times = [row["created_at"] for row in everything]
    assert times == sorted(times, reverse=True)


async def test_workflows_can_be_asked_for_by_type_end_and_time(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    over = platform.add("already-done", dialect="workflow")
    clock.advance(100)
    under_way = platform.add("happy", dialect="workflow")

    async def ask(**query: str) -> list[str]:
        return [row["id"] for row in await read(client, "/v1/workflows", **query)]

    assert await ask(finished="true") == [over]
    assert await ask(finished="false") == [under_way]
    assert await ask(created_at_gte="2025-12-01T12:00:00Z") == [under_way]
    assert await ask(created_at_lte="2025-12-01T12:00:00Z") == [over]
    assert await ask(type="manual_deploy") == []
    assert await ask(type="deploy_components") == [under_way, over]


async def test_a_workflows_steps_come_in_pages_of_ten_in_their_order(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    workflow_id = platform.add("happy", dialect="workflow")
    clock.advance(100)

    some = await read(client, f"/v1/workflows/{workflow_id}/steps")
    steps = await read_all(client, f"/v1/workflows/{workflow_id}/steps", limit=10)

    assert (len(some), len(steps)) == (10, 24)
    assert steps == (await read(client, f"/v1/workflows/{workflow_id}"))["steps"]
    assert [step.get("idx", 0) for step in steps] == list(range(24))


@pytest.mark.parametrize("dialect", ["run", "workflow"])
async def test_what_waits_is_among_the_pending_approvals_and_so_is_what_is_stale(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock, dialect: str
) -> None:
    rollout = platform.rollout(platform.add("approval", dialect=dialect))
    waits = first(rollout, "approval-awaiting")
    clock.advance(waits.at + 1)

    def waiting(rows: list[Document]) -> list[str]:
        status = "approval-awaiting"
        return [row["id"] for row in rows if row["workflow_step"]["status"]["status"] == status]

    pending = await read_all(client, "/v1/workflows/pending-approvals", limit=3)
    clock.advance(600)
    later = await read_all(client, "/v1/workflows/pending-approvals")

    (asked,) = waiting(pending)
    (step,) = [row["workflow_step"] for row in pending if row["id"] == asked]
    assert {row["workflow_step"]["status"]["status"] for row in pending} >= {
        *("cancelled", "discarded", "approval-expired"),
    }
    assert step["name"]
    assert step["owner_type"] == "installs"
    assert waiting(later) == []
    workflow = await read(client, f"/v1/workflows/{step['workflow_id']}")
    (answered,) = [s["approval"] for s in workflow["steps"] if s["id"] == step["id"]]
    assert answered["response"]["type"] == "approve"


async def test_a_run_can_wait_for_a_person_as_a_whole(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    rollout = platform.rollout(platform.add(ASKS_FIRST, dialect="run"))
    clock.advance(first(rollout, "awaiting_approval").at + 1)

    workflow = await read(client, f"/v1/workflows/{rollout.id}")
    (branch,) = await read(client, "/v1/branches")
    pending = await read(client, "/v1/workflows/pending-approvals")

    (run,) = workflow["app_branch_runs"]
    assert (workflow["status"]["status"], run["status"]) == ("approval-awaiting", "running")
    assert "awaiting_approval" not in run
    assert branch["latest_run"]["awaiting_approval"] is True
    *_, plan = workflow["steps"]
    assert plan["status"]["status"] == "approval-awaiting"
    assert plan["approval"]["id"] in {row["id"] for row in pending}
    clock.advance(600)
    (branch,) = await read(client, "/v1/branches")
    assert "awaiting_approval" not in branch["latest_run"]


async def test_a_branch_is_found_by_its_app_and_nowhere_else(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    cast = platform.rollout(platform.add("happy", dialect="run")).cast
    other = platform.rollout(
        platform.add(replace(SCENARIOS["happy"], app_name="other"), dialect="run")
    ).cast

    apps = {app["id"] for app in await read_all(client, "/v1/apps")}
    (branch,) = await read_all(client, f"/v1/apps/{cast.app_id}/branches")
    elsewhere = await client.get(f"/v1/apps/{other.app_id}/branches/{cast.branch_id}")

    assert apps == {cast.app_id, other.app_id}
    assert (branch["id"], branch["name"]) == (cast.branch_id, "main")
    assert await read(client, f"/v1/apps/{cast.app_id}/branches/{cast.branch_id}") == branch
    assert elsewhere.status_code == 404
    assert elsewhere.json()["user_error"] is True


async def test_a_build_is_awaited_and_then_there(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    good = platform.rollout(platform.add("happy")).cast
    bad = platform.rollout(platform.add("build-failed", dialect="run")).cast
    before = await read(client, f"/v1/components/builds/{good.build_id}")
    clock.advance(600)

    after = await read(client, f"/v1/components/builds/{good.build_id}")
    failed = await read(client, f"/v1/components/builds/{bad.build_id}")

    assert [b["status"] for b in (before, after, failed)] == ["building", "active", "error"]
    assert after["vcs_connection_commit"]["sha"] == good.commit


# Its ages

OF_OLD = {
    "releases/{release}": 200,
    "apps/{app}/releases": 200,
    "components/{component}/releases": 200,
    "installers/{installer}": 200,
}
OF_TODAY = {
    "workflows/{workflow}": 200,
    "workflows/{workflow}/steps": 200,
    "workflows": 200,
    "workflows/pending-approvals": 200,
    "installs/{install}/workflows": 200,
    "branches": 200,
    "apps/{app}/branches": 200,
    "apps/{app}/branches/{branch}": 200,
    "apps/{app}/branches/{branch}/runs": 200,
    "apps/{app}/releases": 200,
}
OF_BOTH = {
    "apps": 200,
    "apps/{app}": 200,
    "components/{component}": 200,
    "components/builds/{build}": 200,
    "installs/{install}": 200,
}


@pytest.mark.parametrize(
    ("age", "served"),
    [
        (Age.OLD, {**OF_OLD, **OF_BOTH}),
        (Age.TODAY, {**OF_TODAY, **OF_BOTH}),
        (Age.ALL, {**OF_OLD, **OF_TODAY, **OF_BOTH}),
    ],
)
async def test_each_age_has_its_routes_and_a_plain_404_for_the_others(
    platform: SimulatedPlatform, client: httpx.AsyncClient, age: Age, served: dict[str, int]
) -> None:
    ids = {kind: platform.add("happy", dialect=kind) for kind in DIALECTS}
    cast = platform.rollout(ids["run"]).cast
    names = ids | {
        "app": cast.app_id,
        "branch": cast.branch_id,
        "component": cast.component_id,
        "build": cast.build_id,
        "install": install_of(0)[0],
    }
    platform.age = age
    found = {}
    for path in {**OF_OLD, **OF_TODAY, **OF_BOTH}:
        answer = await client.get(f"/v1/{path.format(**names)}")
        if answer.text != "404 page not found":
            found[path] = answer.status_code

    assert found == served


async def test_todays_releases_of_an_app_are_bills_of_materials(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    cast = platform.rollout(platform.add("happy", dialect="run")).cast
    platform.age = Age.TODAY

    (bill,) = await read(client, f"/v1/apps/{cast.app_id}/releases")

    assert bill["status"] == "ready"
    assert bill.keys() >= {"semantic_digest", "app_config_id", "members"}
    assert not bill.keys() & {"build_id", "release_steps"}


@pytest.mark.parametrize(
    ("age", "version"), [(Age.OLD, "0.19.700"), (Age.TODAY, "0.19.1125"), (Age.ALL, "0.19.700")]
)
async def test_the_version_is_told_to_everybody(
    platform: SimulatedPlatform, age: Age, version: str
) -> None:
    platform.age = age

    async with httpx.AsyncClient(base_url=platform.base_url) as stranger:
        answer = await stranger.get("/version")

    assert answer.json()["version"] == version


async def test_todays_header_holds_a_git_reference_and_no_version(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    platform.age = Age.TODAY

    answer = await client.get("/version")

    assert answer.headers["X-Nuon-API-Version"] == answer.json()["git_ref"]


# With the platform's public client library


@pytest.mark.parametrize("name", ["happy", "failure", "fat", "thin"])
async def test_the_platforms_own_client_reads_an_installer(
    platform: SimulatedPlatform, clock: Clock, name: str
) -> None:
    installer_id = platform.add(name, dialect="installer")
    rollout = platform.rollout(installer_id)
    clock.advance(rollout.settles_after + 1)

    def look() -> tuple[Any, Any]:
        with public_library(platform) as api:
            return InstallersApi(api).get_installer(installer_id), AppsApi(api).get_apps()

    found, apps = await asyncio.to_thread(look)

    known = {step.id: step.life[-1].status for step in rollout.steps if step.life}
    assert {app.id: app.status for app in found.apps} == known
    assert known.keys() <= {app.id for app in apps}


@pytest.mark.parametrize("name", ["happy", "build-failed"])
async def test_the_platforms_own_client_reads_a_build(
    platform: SimulatedPlatform, clock: Clock, name: str
) -> None:
    cast = platform.rollout(platform.add(name, dialect="run")).cast
    clock.advance(600)

    def look() -> Any:
        with public_library(platform) as api:
            return ComponentsApi(api).get_build(cast.build_id)

    build = await asyncio.to_thread(look)

    assert (build.component_name, build.vcs_connection_commit.sha) == ("checkout-api", cast.commit)


def public_library(platform: SimulatedPlatform) -> ApiClient:
    return ApiClient(
        Configuration(
            host=platform.base_url,
            api_key={"APIKey": platform.token, "OrgID": platform.org_id},
            api_key_prefix={"APIKey": "Bearer"},
        )
    )
