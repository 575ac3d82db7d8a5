"""The simulated platform as thin as the real servers: what is left out, and where it is instead."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from monitor.simulation.answers import Shape
from monitor.simulation.audit import audit
from monitor.simulation.deploys import GENERIC_REASONS
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import BUILD_ERROR, FAILS, SCENARIOS, Rollout, timeline
from monitor.simulation.slack import Channel
from tests.support import documents
from tests.support.clock import Clock
from tests.support.documents import contradictions, documented_deploy
from tests.support.simulated_client import read
from tests.support.timelines import deploys_of, play

QUICK = sorted(set(SCENARIOS) - {"large"})
BELOW_A_DEPLOY = {
    *("component_name", "created_by", "component_build", "runner_jobs", "action_workflow_runs"),
    *("log_stream", "oci_artifact", "workflow"),
}


def thin_life(name: str, *, dialect: str = "release") -> Rollout:
    return play(name, dialect=dialect, shape=Shape.THIN)


def last_moment(rollout: Rollout) -> float:
    deleted = rollout.scenario.deleted_after
    return rollout.settles_after if deleted is None else deleted - 1


# The same life


@pytest.mark.parametrize("dialect", ["release", "run", "workflow"])
@pytest.mark.parametrize("name", QUICK)
def test_the_same_happens_whatever_the_answers_have_of_it(name: str, dialect: str) -> None:
    documented = play(name, dialect=dialect)

    def life_of(rollout: Rollout) -> list[tuple[float, str, str]]:
        return [(o.at, o.id, o.status) for o in rollout.occurrences]

    assert life_of(thin_life(name, dialect=dialect)) == life_of(documented)


# A release


@pytest.mark.parametrize("name", QUICK)
def test_nothing_that_belongs_to_a_deploy_is_below_it(name: str) -> None:
    rollout = thin_life(name)
    for deploy in deploys_of(rollout.state_at(last_moment(rollout) / 2)).values():
        assert BELOW_A_DEPLOY.isdisjoint(deploy)


@pytest.mark.parametrize("name", ["failure", "deep", "retry"])
def test_a_failed_deploy_says_only_that_it_failed(name: str) -> None:
    rollout = thin_life(name)
    failed = [o.at for o in rollout.occurrences if o.cause]
    for at in failed:
        descriptions = {d["status_description"] for d in deploys_of(rollout.state_at(at)).values()}
        assert not descriptions.isdisjoint(GENERIC_REASONS)
        assert "helm" not in str(rollout.state_at(at))


def test_the_workflow_of_some_deploys_is_an_empty_text() -> None:
    deploys = deploys_of(thin_life("demo").state_at(9e5)).values()
    ids = [deploy["workflow_id"] for deploy in deploys]

    assert ids == [deploy["install_workflow_id"] for deploy in deploys]
    assert 0 < ids.count("") < len(ids)


async def test_why_a_deploy_failed_is_known_to_its_job_or_to_its_workflow(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    known_to = {"job": 0, "workflow": 0}
    targets = [thin_platform.add("failure", seed=seed) for seed in range(12)]
    clock.advance(9e5)

    for target_id in targets:
        state = await read(thin, f"/v1/releases/{target_id}")
        (failed,) = (d for d in deploys_of(state).values() if d["status"] == "error")
        path = f"/v1/installs/{failed['install_id']}/deploys/{failed['id']}"
        (job,) = (await read(thin, path))["runner_jobs"]
        if "helm upgrade timed out" in job["status_description"]:
            known_to["job"] += 1
            continue
        workflow = await read(thin, f"/v1/workflows/{failed['workflow_id']}")
        (row,) = (r for r in workflow["steps"] if r["status"]["status"] == "error")
        assert "helm upgrade timed out" in row["status"]["metadata"]["err_message"]
        known_to["workflow"] += 1

    assert min(known_to.values()) > 0


@pytest.mark.parametrize("name", ["happy", "retry", "hang", "fat"])
@pytest.mark.parametrize("dialect", ["release", "workflow", "run"])
async def test_a_deploys_own_route_has_what_belongs_to_it_with_the_documents_types(
    thin_platform: SimulatedPlatform,
    thin: httpx.AsyncClient,
    clock: Clock,
    name: str,
    dialect: str,
) -> None:
    rollout = thin_platform.rollout(thin_platform.add(name, dialect=dialect))
    clock.advance(rollout.settles_after)
    for deploy in list(rollout.deploys.values())[:3]:
        path = f"/v1/installs/{deploy.install_id}/deploys/{deploy.id}"
        answer = await read(thin, path)

        assert list(contradictions(answer, documented_deploy())) == []
        assert answer["component_build"]["vcs_connection_commit"]["sha"] == rollout.cast.commit
        (job,) = answer["runner_jobs"]
        assert job.keys() >= {"status", "status_description", "started_at", "execution_count"}
        assert job.keys() >= {"runner_id", "outputs"}
        assert answer.keys() >= {"log_stream", "oci_artifact", "component_name"}
        elsewhere = f"/v1/installs/inl{'x' * 23}/deploys/{deploy.id}"
        assert (await thin.get(elsewhere)).status_code == 404


@pytest.mark.parametrize("shape", Shape)
def test_a_release_has_its_build_and_that_knows_why_it_failed(shape: Shape) -> None:
    rollout = play("build-failed", shape=shape)
    waiting, failed = rollout.state_at(5), rollout.state_at(9e5)

    assert (waiting["status"], waiting["build"]["status"]) == ("queued", "building")
    assert (failed["status_description"], failed["build"]["status"]) == ("build failed", "error")
    assert failed["build"]["status_description"] == BUILD_ERROR


def test_a_release_can_fail_in_a_step_that_goes_on_creating_deploys_for_ever() -> None:
    state = thin_life("broken-step").state_at(9e5)
    done, broken, later = sorted(state["release_steps"], key=lambda step: str(step["created_at"]))

    assert state["status"] == "error"
    assert (done["status"], broken["status"]) == ("active", "creating_install_deploys")
    assert later["status"] == "queued"
    assert [deploy["status"] for deploy in broken["install_deploys"]] == ["queued"]


# An installer


@pytest.mark.parametrize("name", ["happy", "retry", "fat"])
def test_an_installer_has_neither_the_configs_of_its_apps_nor_their_webhooks(name: str) -> None:
    rollout = thin_life(name, dialect="installer")
    state = rollout.state_at(rollout.settles_after)

    assert [app["app_configs"] for app in state["apps"]] == [None] * len(rollout.steps)
    assert all("notifications_config" not in app for app in state["apps"])
    assert list(contradictions(state, documents.installer())) == []


async def test_an_apps_own_route_has_its_three_newest_configs_and_another_all_of_them(
    thin_platform: SimulatedPlatform, thin: httpx.AsyncClient, clock: Clock
) -> None:
    rollout = thin_platform.rollout(thin_platform.add("failure", dialect="installer"))
    clock.advance(rollout.settles_after)
    app_id = rollout.steps[1].id

    app = await read(thin, f"/v1/apps/{app_id}")
    configs = await read(thin, f"/v1/apps/{app_id}/configs?limit=100")

    assert list(contradictions(app, documents.installer()["apps"][0])) == []
    assert [config["version"] for config in configs] == list(range(2008, 2000, -1))
    assert app["app_configs"] == configs[:3]
    assert configs[5]["status"] == "error"
    assert "helm upgrade timed out" in configs[5]["status_description"]
    assert configs[0]["app_branch"]["name"] == "main"
    assert "sha" in configs[0]["vcs_connection_commit"]
    assert app["notifications_config"]["slack_webhook_url"].startswith("https://")


def test_of_configs_those_have_to_be_told_that_no_newer_one_has_pushed_out() -> None:
    channel = Channel("C0THIN", "releases")
    newest = replace(SCENARIOS["failure"], steps=(2, 2), courses={(2, 2): FAILS})
    rollout = timeline(newest, 1, dialect="installer", shape=Shape.THIN)

    assert audit(thin_life("failure", dialect="installer"), channel).lost == ()
    assert audit(rollout, channel).lost == ("version 2002 failed",)
