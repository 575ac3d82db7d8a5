"""The simulated platform: what it serves, what it runs, and how it misbehaves."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any

import httpx
import pytest
from nuon.api.apps_api import AppsApi
from nuon.api.components_api import ComponentsApi
from nuon.api.installs_api import InstallsApi
from nuon.api.releases_api import ReleasesApi
from nuon.api_client import ApiClient
from nuon.configuration import Configuration

from monitor.simulation.answers import Document, go_duration
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.simulation.scenarios import (
    GIVES_UP_AFTER,
    ORG_ID,
    SCENARIOS,
    Occurrence,
    Rollout,
    Step,
    install_of,
    timeline,
)
from monitor.simulation.truth import Meaning, Thing, meaning_of
from tests.support.clock import NOON, Clock, clock_at
from tests.support.documents import contradictions, installer, omissions, release

EVERY_SCENARIO = sorted(SCENARIOS)
ID = re.compile(r"[a-z]{3}[a-z0-9]{23}")


def play(name: str, seed: int = 1) -> Rollout:
    return timeline(SCENARIOS[name], seed, begins_at=NOON)


def last_moment(rollout: Rollout) -> float:
    """The last moment at which the release exists and something changes."""
    deleted = rollout.scenario.deleted_after
    return rollout.settles_after if deleted is None else deleted - 1


def moments(rollout: Rollout) -> list[float]:
    """Every moment at which something happens while the release exists."""
    return [o.at for o in rollout.occurrences if rollout.exists_at(o.at)]


def deploys_of(state: Document) -> dict[str, Document]:
    return {
        deploy["id"]: deploy
        for step in state.get("release_steps") or []
        for deploy in step.get("install_deploys") or []
    }


def ends(step: Step) -> list[str]:
    return [deploy.life[-1].status for deploy in step.deploys]


# What happens


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_the_same_seed_plays_the_same_release(name: str) -> None:
    assert play(name, seed=5) == play(name, seed=5)


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_another_seed_plays_another_release(name: str) -> None:
    one, other = play(name, seed=5), play(name, seed=6)

    assert one.id != other.id
    assert [o.at for o in one.occurrences] != [o.at for o in other.occurrences]


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_what_happens_is_told_in_order(name: str) -> None:
    times = [o.at for o in play(name).occurrences]

    assert times == sorted(times)


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_a_step_begins_only_after_the_one_before_has_ended_well(name: str) -> None:
    for seed in range(20):
        steps = play(name, seed).steps
        for before, after in pairwise(steps):
            if len(after.life) > 1:
                assert before.life[-1].status == "active"
                assert before.life[-1].at < after.life[1].at


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_a_step_is_active_only_when_each_install_it_looks_at_is(name: str) -> None:
    overlooked = {"disagree"}
    for step in play(name).steps:
        if step.life[-1].status == "active" and name not in overlooked:
            newest = {deploy.install_id: deploy.life[-1] for deploy in step.deploys}
            assert {end.status for end in newest.values()} == {"active"}
            assert max(end.at for end in newest.values()) < step.life[-1].at


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_a_deploy_begins_after_its_step_creates_deploys(name: str) -> None:
    for step in play(name).steps:
        for deploy in step.deploys:
            created = [o.at for o in step.life if o.status == "creating_install_deploys"]
            assert min(created) < deploy.life[0].at


@pytest.mark.parametrize("name", ["failure", "already-failed"])
def test_the_first_error_ends_the_release_and_later_steps_stay_queued(name: str) -> None:
    rollout = play(name)

    assert [step.life[-1].status for step in rollout.steps] == ["active", "error", "queued"]
    assert Counter(ends(rollout.steps[1])) == {"active": 7, "error": 1}
    assert rollout.steps[2].deploys == ()
    assert (rollout.life[-1].status, rollout.life[-1].description) == (
        "error",
        "release step errored",
    )


@pytest.mark.parametrize(
    ("name", "end"),
    [("hang", "cancelled"), ("noop", "noop"), ("approval-denied", "approval-denied")],
)
def test_a_step_waits_for_ever_for_a_deploy_that_ended_otherwise(name: str, end: str) -> None:
    rollout = play(name)
    years_later = rollout.state_at(5e8)

    assert years_later["status"] == "executing_release_steps"
    assert [d["status"] for d in deploys_of(years_later).values() if d["status"] != "active"] == [
        end
    ]
    assert "polling_install_deploys" in {s["status"] for s in years_later["release_steps"]}


@pytest.mark.parametrize(
    "name",
    [
        *("happy", "demo", "approval", "retry", "flicker", "unknown-words", "vanishing", "thin"),
        *("fat", "large", "one-by-one", "already-done", "disagree", "teardown", "lagging"),
    ],
)
def test_a_release_that_is_said_to_go_well_is_active_in_the_end(name: str) -> None:
    for seed in range(2 if name == "large" else 20):
        rollout = play(name, seed)
        assert rollout.life[-1].status == "active"
        assert {step.life[-1].status for step in rollout.steps} == {"active"}


def test_a_release_fails_when_its_build_does() -> None:
    state = play("build-failed").state_at(600)

    assert (state["status"], state["status_description"]) == ("error", "build failed")
    assert {step["status"] for step in state["release_steps"]} == {"queued"}
    assert deploys_of(state) == {}


def test_the_platform_gives_up_after_an_hour_without_a_word() -> None:
    rollout = play("slow")
    last_of_deploys = max(deploy.life[-1].at for deploy in rollout.steps[0].deploys)

    assert last_of_deploys > GIVES_UP_AFTER
    assert set(ends(rollout.steps[0])) == {"active"}
    assert rollout.life[-1].status == "executing_release_steps"
    assert rollout.steps[0].life[-1].status == "polling_install_deploys"
    times = [o.at for o in rollout.occurrences]
    quiet = max(after - before for before, after in pairwise(times))
    assert quiet > GIVES_UP_AFTER


@pytest.mark.parametrize("name", ["demo", "retry"])
def test_a_retry_replaces_the_failed_deploy_by_a_new_one_of_the_same_install(name: str) -> None:
    rollout = play(name)
    words = [o.status for o in rollout.life]
    (step,) = [s for s in rollout.steps if "error" in {o.status for o in s.life}]
    (failed,) = [d for d in step.deploys if d.life[-1].status == "error"]
    (again,) = [d for d in step.deploys if d.install_id == failed.install_id and d.id != failed.id]

    assert words[words.index("error") + 1] == "provisioning"
    assert again.life[0].at > failed.life[-1].at
    assert again.life[-1].status == "active"
    assert deploys_of(rollout.state_at(rollout.settles_after))[failed.id]["status"] == "error"


def test_the_demo_rolls_out_to_48_installs_and_waits_five_minutes_before_the_last_step() -> None:
    rollout = play("demo")
    third = rollout.steps[2]
    waits, creates = third.life[1], third.life[2]

    assert [len(step.install_ids) for step in rollout.steps] == [16, 16, 16]
    assert waits.status == "waiting_for_delay"
    assert creates.at - waits.at == pytest.approx(300)
    assert rollout.state_at(0)["release_steps"][2]["delay"] == "5m0s"
    assert "pending-approval" in {o.status for o in rollout.occurrences}


def test_a_flicker_is_over_within_seconds() -> None:
    rollout = play("flicker")
    (deploy,) = [
        d for s in rollout.steps for d in s.deploys if "error" in {o.status for o in d.life}
    ]
    words = [o.status for o in deploy.life]
    error = words.index("error")

    assert words[error - 1 : error + 3] == ["executing", "error", "executing", "active"]
    assert deploy.life[error + 2].at - deploy.life[error].at < 7


def test_unknown_words_are_seen_at_the_release_and_at_a_deploy() -> None:
    unknown = {
        o.kind
        for o in play("unknown-words").occurrences
        if meaning_of(o.kind, o.status) is Meaning.NOT_KNOWN
    }

    assert unknown == {Thing.RELEASE, Thing.INSTALL_DEPLOY}


@pytest.mark.parametrize("name", [n for n in EVERY_SCENARIO if n != "unknown-words"])
def test_every_other_scenario_uses_the_known_words(name: str) -> None:
    for o in play(name).occurrences:
        assert meaning_of(o.kind, o.status) is not Meaning.NOT_KNOWN, o


def test_what_vanishes_returns() -> None:
    rollout = play("vanishing")
    whole = {step.id for step in rollout.steps}
    seen_steps = [
        {step["id"] for step in rollout.state_at(at).get("release_steps") or []}
        for at in range(0, int(rollout.settles_after) + 60, 5)
    ]

    assert seen_steps[0] == seen_steps[-1] == whole
    assert set() in seen_steps
    assert whole - {rollout.steps[1].id} in seen_steps
    lost = rollout.steps[0].deploys[1]
    gap = next(gap for gap in rollout.gaps if lost.id in gap.ids)
    assert lost.id in deploys_of(rollout.state_at(gap.begins - 1))
    assert lost.id not in deploys_of(rollout.state_at(gap.begins))
    assert lost.id in deploys_of(rollout.state_at(gap.ends))


def test_a_release_can_be_active_while_a_deploy_still_executes() -> None:
    rollout = play("disagree")
    state = rollout.state_at(rollout.life[-1].at)

    assert state["status"] == "active"
    assert Counter(d["status"] for d in deploys_of(state).values()) == {
        "active": 7,
        "executing": 1,
    }


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_every_scenario_says_in_a_line_what_it_is(name: str) -> None:
    summary = SCENARIOS[name].summary

    assert summary
    assert len(summary) < 90


# What is answered


@pytest.mark.parametrize("name", [n for n in EVERY_SCENARIO if n not in {"large", "lagging"}])
def test_the_state_at_a_moment_is_the_newest_of_what_has_happened(name: str) -> None:
    rollout = play(name)
    newest: dict[str, Occurrence] = {}
    for at, together in groupby(rollout.occurrences, key=lambda o: o.at):
        if not rollout.exists_at(at):
            break
        newest |= {occurrence.id: occurrence for occurrence in together}
        state = rollout.state_at(at)
        parts = {state["id"]: state, **deploys_of(state)}
        parts |= {step["id"]: step for step in state.get("release_steps") or []}
        assert rollout.gaps or parts.keys() == newest.keys()
        for part_id, part in parts.items():
            assert part.get("status", "") == newest[part_id].status


@pytest.mark.parametrize("name", [n for n in EVERY_SCENARIO if n != "large"])
def test_the_state_changes_only_with_its_version(name: str) -> None:
    rollout = play(name)
    last = last_moment(rollout)
    seen: dict[int, Document] = {}
    for at in (last * part / 200 for part in range(201)):
        state = rollout.state_at(at)
        assert seen.setdefault(rollout.version_at(at), state) == state
    assert len(seen) > 1


@pytest.mark.parametrize(
    "name", [n for n in EVERY_SCENARIO if SCENARIOS[n].detail.value != "thin" and n != "large"]
)
def test_the_history_holds_what_a_slow_reader_missed(name: str) -> None:
    rollout = play(name)
    at = last_moment(rollout)
    for deploy_id, deploy in deploys_of(rollout.state_at(at)).items():
        newest = deploy["status_v2"]
        told = [
            (each["status"], each["created_at_ts"]) for each in [*newest.get("history", []), newest]
        ]
        happened = [
            (o.status, int(rollout.moment(o.at).timestamp()))
            for o in rollout.occurrences
            if o.id == deploy_id and o.at <= at
        ]
        assert told == happened


def test_with_lagging_statuses_only_status_v2_is_up_to_date() -> None:
    rollout = play("lagging")
    deploys = deploys_of(rollout.state_at(rollout.settles_after)).values()

    assert {d["status"] for d in deploys} == {"executing"}
    assert {d["status_v2"]["status"] for d in deploys} == {"active"}


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_every_served_field_is_in_the_document_with_its_type(name: str) -> None:
    rollout = play(name)
    for at in moments(rollout)[:: 500 if name == "large" else 7]:
        assert list(contradictions(rollout.state_at(at), release())) == []


def test_a_fat_answer_has_every_documented_field() -> None:
    rollout = play("fat")
    for at in (rollout.steps[0].life[-1].at, rollout.settles_after):
        assert list(omissions(rollout.state_at(at), release())) == []


def test_a_thin_answer_has_ids_statuses_and_nulls_only() -> None:
    state = play("thin").state_at(30)
    step = next(s for s in state["release_steps"] if not s["install_deploys"])

    assert state.keys() == {"id", "status", "release_steps"}
    assert step == {
        "id": step["id"],
        "status": "queued",
        "install_deploys": None,
        "requested_install_ids": None,
    }


def test_a_thin_deploy_begins_with_an_empty_status() -> None:
    rollout = play("thin")
    deploy = rollout.steps[0].deploys[0]

    first = deploys_of(rollout.state_at(deploy.life[0].at))[deploy.id]

    assert first == {"id": deploy.id, "status": ""}


def test_zero_values_are_left_out() -> None:
    state = play("happy").state_at(0)

    def values(document: Any) -> list[Any]:
        if isinstance(document, dict):
            return [v for value in document.values() for v in [value, *values(value)]]
        if isinstance(document, list):
            return [v for row in document for v in values(row)]
        return []

    assert all(value not in (None, "", 0, False, [], {}) for value in values(state))


def test_a_deploy_has_the_size_of_a_real_one() -> None:
    def size_of_a_deploy(name: str) -> float:
        rollout = play(name)
        deploys = deploys_of(rollout.state_at(rollout.settles_after))
        return len(json.dumps(list(deploys.values()), separators=(",", ":"))) / len(deploys)

    assert 1600 < size_of_a_deploy("happy") < 2000
    assert 25_000 < size_of_a_deploy("fat") < 35_000


def test_ids_look_like_the_platforms() -> None:
    state = play("demo").state_at(400)
    step = state["release_steps"][0]
    deploy = step["install_deploys"][0]
    kinds = {
        "rel": [state["id"], step["id"]],
        "dpl": [deploy["id"]],
        "inl": step["requested_install_ids"],
        "cmp": [deploy["component_id"]],
        "bld": [state["build_id"]],
        "inw": [deploy["workflow_id"]],
    }

    for kind, ids in kinds.items():
        assert all(i.startswith(kind) and ID.fullmatch(i) for i in ids)


def test_a_deploys_release_id_is_the_id_of_its_step() -> None:
    for step in play("happy").state_at(400)["release_steps"]:
        for deploy in step.get("install_deploys", []):
            assert deploy["release_id"] == step["id"]


def test_steps_are_created_in_the_order_in_which_they_run() -> None:
    rollout = play("one-by-one")
    created = {s["id"]: s["created_at"] for s in rollout.state_at(0)["release_steps"]}

    assert sorted(created, key=lambda i: created[i]) == [step.id for step in rollout.steps]


def test_a_thousand_installs_have_a_thousand_names() -> None:
    assert len({install_of(number)[1] for number in range(1000)}) == 1000
    assert len({install_of(number)[0] for number in range(1000)}) == 1000
    assert install_of(0)[1] == "acme-prod"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (45, "45s"), (60, "1m0s"), (300, "5m0s"), (5400, "1h30m0s")],
)
def test_a_delay_is_written_as_go_writes_it(seconds: float, written: str) -> None:
    assert go_duration(seconds) == written


def test_the_installers_document_can_be_read() -> None:
    assert {"apps", "metadata", "type"} <= installer().keys()


# Over HTTP


@pytest.fixture
def clock() -> Clock:
    return clock_at()


@pytest.fixture
async def platform(clock: Clock) -> AsyncIterator[SimulatedPlatform]:
    async with SimulatedPlatform(clock) as platform:
        yield platform


@pytest.fixture
async def client(platform: SimulatedPlatform) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": platform.org_id}
    async with httpx.AsyncClient(base_url=platform.base_url, headers=headers) as client:
        yield client


def in_id_order(document: Any) -> Any:
    """The same document with its lists of records in one order."""
    if isinstance(document, dict):
        return {key: in_id_order(value) for key, value in document.items()}
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return sorted(map(in_id_order, document), key=lambda row: str(row.get("id")))
    return document


async def test_a_release_is_served_as_it_stands(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    release_id = platform.add("demo")
    clock.advance(400)

    answer = await client.get(f"/v1/releases/{release_id}")

    assert answer.status_code == 200
    assert answer.headers["X-Nuon-API-Version"]
    assert answer.headers["X-Nuon-Trace-ID"]
    assert in_id_order(answer.json()) == in_id_order(platform.rollout(release_id).state_at(400))


async def test_the_same_bytes_come_while_nothing_changes(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    clock.advance(86_400)
    first = await client.get(path)
    clock.advance(86_400)

    assert (await client.get(path)).content == first.content


async def test_lists_come_in_another_order_when_something_changed(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    release_id = platform.add("one-by-one")
    seen = set()
    for _ in range(20):
        clock.advance(60)
        answer = (await client.get(f"/v1/releases/{release_id}")).json()
        seen.add(tuple(step["id"] for step in answer["release_steps"]))

    assert len(seen) > 1


async def test_a_platform_can_reshuffle_every_answer(clock: Clock) -> None:
    async with SimulatedPlatform(clock, reshuffle=True) as platform:
        release_id = platform.add("one-by-one")
        headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": ORG_ID}
        url = f"{platform.base_url}/v1/releases/{release_id}"
        async with httpx.AsyncClient(headers=headers) as client:
            seen = {(await client.get(url)).content for _ in range(10)}

    assert len(seen) > 1


async def test_a_platform_can_keep_the_order_of_creation(clock: Clock) -> None:
    async with SimulatedPlatform(clock, shuffle=False) as platform:
        release_id = platform.add("one-by-one")
        headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": ORG_ID}
        async with httpx.AsyncClient(base_url=platform.base_url, headers=headers) as client:
            answer = (await client.get(f"/v1/releases/{release_id}")).json()

    assert answer == platform.rollout(release_id).state_at(0)


async def test_a_deleted_release_is_not_found(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('deleted')}"
    before = await client.get(path)
    clock.advance(3600)
    after = await client.get(path)

    assert before.status_code == 200
    assert after.status_code == 404
    assert after.json().keys() == {"error", "user_error", "description"}


async def test_a_release_is_not_there_before_it_begins(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('happy', starts_in=60)}"
    before = await client.get(path)
    clock.advance(61)

    assert before.status_code == 404
    assert (await client.get(path)).json()["status"] == "queued"


@pytest.mark.parametrize(
    ("name", "status"), [("already-failed", "error"), ("already-done", "active")]
)
async def test_some_releases_are_over_when_they_are_first_seen(
    platform: SimulatedPlatform, client: httpx.AsyncClient, name: str, status: str
) -> None:
    answer = await client.get(f"/v1/releases/{platform.add(name)}")

    assert answer.json()["status"] == status


async def test_steps_are_listed_newest_first_in_pages(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    release_id = platform.add("one-by-one")
    path = f"/v1/releases/{release_id}/steps"
    newest_first = [step.id for step in reversed(platform.rollout(release_id).steps)]

    first = await client.get(path, params={"limit": 4})
    second = await client.get(path, params={"limit": 4, "offset": 4})

    assert [step["id"] for step in first.json() + second.json()] == newest_first
    assert [page.headers["X-Nuon-Page-Next"] for page in (first, second)] == ["true", "false"]
    assert second.headers["X-Nuon-Page-Offset"] == "4"
    assert second.headers["X-Nuon-Page-Limit"] == "4"


@pytest.mark.parametrize("owner", ["apps", "components"])
async def test_releases_are_listed_newest_first_in_pages(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock, owner: str
) -> None:
    added = []
    for _ in range(12):
        added.append(platform.add("happy"))
        clock.advance(1)
    cast = platform.rollout(added[0]).cast
    path = f"/v1/{owner}/{cast.app_id if owner == 'apps' else cast.component_id}/releases"

    first = await client.get(path)
    second = await client.get(path, params={"page": 2})

    assert len(first.json()) == 10
    assert [row["id"] for row in first.json() + second.json()] == added[::-1]
    assert [page.headers["X-Nuon-Page-Next"] for page in (first, second)] == ["true", "false"]


async def test_a_new_release_pushes_the_old_ones_down(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    old = [platform.add("happy"), platform.add("failure")]
    path = f"/v1/apps/{platform.rollout(old[0]).cast.app_id}/releases"
    clock.advance(1)
    new = platform.add("happy")

    pushed = (await client.get(path, params={"offset": 1})).json()

    assert {row["id"] for row in pushed} == set(old)
    assert (await client.get(path, params={"limit": 1})).json()[0]["id"] == new


async def test_a_listed_release_tells_nothing_of_its_steps(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    cast = platform.rollout(platform.add("happy")).cast

    (row,) = (await client.get(f"/v1/apps/{cast.app_id}/releases")).json()

    assert row["status"] == "queued"
    assert not row.keys() & {"release_steps", "total_release_steps"}


async def test_at_most_a_hundred_rows_make_a_page(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    cast = platform.rollout(platform.add("happy")).cast

    page = await client.get(f"/v1/apps/{cast.app_id}/releases", params={"limit": 1000})

    assert page.headers["X-Nuon-Page-Limit"] == "100"


async def test_names_are_served_for_installs_apps_and_components(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    rollout = platform.rollout(platform.add("happy"))
    install_id = rollout.steps[0].install_ids[0]

    install = (await client.get(f"/v1/installs/{install_id}")).json()
    app = (await client.get(f"/v1/apps/{rollout.cast.app_id}")).json()
    component = (await client.get(f"/v1/components/{rollout.cast.component_id}")).json()

    assert (install["name"], install["app_id"]) == ("acme-prod", app["id"])
    assert app["name"] == "storefront"
    assert (component["name"], component["app_id"]) == ("checkout-api", app["id"])


@pytest.mark.parametrize("kind", ["releases", "apps", "components", "installs"])
async def test_what_is_not_there_is_answered_by_the_platforms_own_404(
    client: httpx.AsyncClient, kind: str
) -> None:
    answer = await client.get(f"/v1/{kind}/abc")

    assert answer.status_code == 404
    assert answer.json()["user_error"] is True


async def test_an_unknown_route_is_answered_by_a_plain_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/nothing-of-the-kind")

    assert (answer.status_code, answer.text) == (404, "404 page not found")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"X-Nuon-Org-ID": ""}, 403),
        ({"X-Nuon-Org-ID": "orgother"}, 403),
    ],
)
async def test_a_wrong_token_or_org_is_refused(
    platform: SimulatedPlatform, client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.get(f"/v1/releases/{platform.add('happy')}", headers=headers)

    assert answer.status_code == status
    assert answer.json().keys() == {"error", "user_error", "description"}


async def test_the_same_release_cannot_be_added_twice(platform: SimulatedPlatform) -> None:
    platform.add("happy", seed=3)

    with pytest.raises(ValueError, match="happy with seed 3"):
        platform.add("happy", seed=3)


async def test_requests_are_remembered(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    await client.get(path)
    await client.get("/v1/releases/unknown")

    remembered = [(record.path, record.status) for record in platform.requests]

    assert remembered == [(path, 200), ("/v1/releases/unknown", 404)]


# With the platform's public client library


def public_library(platform: SimulatedPlatform) -> ApiClient:
    return ApiClient(
        Configuration(
            host=platform.base_url,
            api_key={"APIKey": platform.token, "OrgID": platform.org_id},
            api_key_prefix={"APIKey": "Bearer"},
        )
    )


@pytest.mark.parametrize(
    ("name", "at"), [("happy", 0), ("happy", 400), ("failure", 9e5), ("fat", 400), ("demo", 9e5)]
)
async def test_the_platforms_own_client_reads_a_release(
    platform: SimulatedPlatform, clock: Clock, name: str, at: float
) -> None:
    # The library is of 2024 and refuses the deploy types of today.
    release_id = platform.add(replace(SCENARIOS[name], deploy_type="release"))
    clock.advance(at)

    with public_library(platform) as api:
        read = await asyncio.to_thread(ReleasesApi(api).get_release, release_id)

    state = platform.rollout(release_id).state_at(at)
    assert (read.id, read.status) == (release_id, state["status"])
    read_deploys = {
        deploy.id: (deploy.status, deploy.install_id)
        for step in read.release_steps or []
        for deploy in step.install_deploys or []
    }
    assert read_deploys == {
        deploy_id: (deploy["status"], deploy["install_id"])
        for deploy_id, deploy in deploys_of(state).items()
    }


async def test_the_platforms_own_client_reads_names_and_lists(
    platform: SimulatedPlatform,
) -> None:
    release_id = platform.add(replace(SCENARIOS["happy"], deploy_type="release"))
    rollout = platform.rollout(release_id)

    def read() -> tuple[Any, ...]:
        with public_library(platform) as api:
            return (
                InstallsApi(api).get_install(rollout.steps[0].install_ids[0]).name,
                AppsApi(api).get_app(rollout.cast.app_id).name,
                ComponentsApi(api).get_component(rollout.cast.component_id).name,
                [row.id for row in ReleasesApi(api).get_app_releases(rollout.cast.app_id)],
                len(ReleasesApi(api).get_release_steps(release_id)),
            )

    assert await asyncio.to_thread(read) == (
        "acme-prod",
        "storefront",
        "checkout-api",
        [release_id],
        3,
    )


# How it misbehaves


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(FaultKind.STATUS, status=500), 500),
        (Fault(FaultKind.STATUS, status=502), 502),
        (Fault(FaultKind.STATUS, status=503, retry_after=7), 503),
        (Fault(FaultKind.STATUS, status=429, retry_after=7), 429),
        (Fault(FaultKind.UNAUTHORIZED), 401),
        (Fault(FaultKind.NO_ROUTE), 404),
        (Fault(FaultKind.SLOW, delay=0.01), 200),
    ],
)
async def test_a_fault_holds_until_it_is_mended(
    platform: SimulatedPlatform, client: httpx.AsyncClient, fault: Fault, status: int
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.fault = fault
    answers = [await client.get(path) for _ in range(2)]
    platform.fault = None

    assert [answer.status_code for answer in answers] == [status] * 2
    assert (await client.get(path)).status_code == 200


async def test_a_load_balancer_speaks_html_and_says_when_to_come_again(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    platform.fault = Fault(FaultKind.STATUS, status=503, retry_after=7)

    answer = await client.get("/v1/releases/any")

    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_a_queued_fault_meets_one_request(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.next_faults.extend([Fault(FaultKind.EMPTY), Fault(FaultKind.TRUNCATED)])

    empty, truncated, whole = [await client.get(path) for _ in range(3)]

    assert (empty.status_code, empty.content) == (200, b"")
    assert truncated.status_code == 200
    assert truncated.content == whole.content[: len(whole.content) // 2]
    assert whole.json()["status"] == "queued"


async def test_a_reset_breaks_the_connection(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    platform.next_faults.append(Fault(FaultKind.RESET))

    with pytest.raises(httpx.TransportError):
        await client.get("/v1/releases/any")

    assert [record.status for record in platform.requests] == [0]


async def test_a_stopped_platform_refuses_connections_and_returns_at_its_address(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    before = await client.get(path)
    await platform.stop()
    with pytest.raises(httpx.ConnectError):
        await client.get(path)
    await platform.start()

    assert (await client.get(path)).content == before.content


async def test_a_fault_with_a_probability_meets_some_requests(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.fault = Fault(FaultKind.STATUS, status=502, probability=0.5)

    statuses = {(await client.get(path)).status_code for _ in range(60)}

    assert statuses == {200, 502}


async def test_an_outage_begins_and_ends_by_virtual_time(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.plan_outage(Fault(FaultKind.STATUS, status=503), begins_in=60, lasts=120)
    statuses = []
    for _ in range(4):
        statuses.append((await client.get(path)).status_code)
        clock.advance(60)

    assert statuses == [200, 503, 503, 200]


# Time, and a process of its own


def test_virtual_time_stands_still_until_it_is_advanced() -> None:
    clock = clock_at()
    before = clock.now()
    clock.advance(90)

    assert before == NOON
    assert clock.now() == NOON + timedelta(seconds=90)


def test_virtual_time_runs_ahead_of_real_time() -> None:
    clock = Clock(speed=1e6, start=NOON)
    seen = [clock.now() for _ in range(1000)]

    assert seen == sorted(seen)
    assert seen[-1] - seen[0] > timedelta(seconds=1)


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor.simulation.platform"),
        *("--scenario", "already-failed", "--scenario", "happy", "--speed", "60"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        about = json.loads(await process.stdout.readline())
        headers = {"Authorization": f"Bearer {about['token']}", "X-Nuon-Org-ID": about["org_id"]}
        async with httpx.AsyncClient(base_url=about["base_url"], headers=headers) as client:
            answers = {
                name: (await client.get(f"/v1/releases/{release_id}")).json()
                for name, release_id in about["releases"].items()
            }
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert code == 0
    assert answers["already-failed"]["status"] == "error"
    assert answers["happy"]["id"] == about["releases"]["happy"]
