"""What the simulated platform answers: the documents, field by field."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import Any

import pytest

from monitor.simulation.answers import Document, Shape, go_duration
from monitor.simulation.scenarios import SCENARIOS, Occurrence, Rollout, install_of
from tests.support.documents import contradictions, installer, omissions, release, served_release
from tests.support.timelines import EVERY_SCENARIO, deploys_of, play

ID = re.compile(r"[a-z]{3}[a-z0-9]{23}")


def last_moment(rollout: Rollout) -> float:
    """The last moment at which the release exists and something changes."""
    deleted = rollout.scenario.deleted_after
    return rollout.settles_after if deleted is None else deleted - 1


def moments(rollout: Rollout) -> list[float]:
    """Every moment at which something happens while the release exists."""
    return [o.at for o in rollout.occurrences if rollout.exists_at(o.at)]


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


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_every_served_field_is_in_the_document_with_its_type(name: str, shape: Shape) -> None:
    rollout = play(name, shape=shape)
    for at in moments(rollout)[:: 500 if name == "large" else 7]:
        assert list(contradictions(rollout.state_at(at), served_release())) == []


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
