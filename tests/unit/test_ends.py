"""Failures that wait for a retry, and those for which that is over, wherever they stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from monitor.kinds import FINDERS, release, run, workflow
from monitor.kinds.wire import Document, Memo
from monitor.model import Entity, Phase

Row = dict[str, Any]
Record = dict[str, Any]

WORKFLOW_ID = "inwk2v9q7m3x8c4b6n1z5w0y2a"
RUN_ID = "abr1"
GROUPS = f"/v1/apps/app1/branches/brn1/runs/{RUN_ID}/install-group-runs"
OF_INSTALL = "/v1/workflows/inw-a"


def a_workflow(record: Record, *steps: Row, **fields: Any) -> Row:
    return {"id": WORKFLOW_ID, "status": record, "steps": list(steps), **fields}


def a_step(record: Record, **fields: Any) -> Row:
    return {"id": "iws1", "name": "apply api", "status": record, **fields}


def read(document: Row) -> Entity:
    return workflow.decode(json.dumps(document).encode(), WORKFLOW_ID, Memo())


def read_run(
    row: Row, whole: Row, *, group: Row | None = None, install: Row | None = None
) -> Entity:
    document = whole | {
        "id": WORKFLOW_ID,
        "owner_type": "app_branches",
        "owner_id": "brn1",
        "app_branch_runs": [
            {"id": RUN_ID, "app_branch": {"id": "brn1", "app_id": "app1", "name": "main"}, **row}
        ],
    }
    installs = [{"install_id": "inl-a", "status": "in-progress", "workflow_id": "inw-a"}]
    of_group = {"id": "agr1", "install_group_id": "grp1", "installs": installs, "total_installs": 1}
    beside = {
        GROUPS: Document(json.dumps([of_group | (group or {"status": "in-progress"})]).encode()),
        OF_INSTALL: Document(json.dumps({"id": "inw-a"} | install).encode()) if install else None,
    }
    return run.decode(json.dumps(document).encode(), WORKFLOW_ID, Memo(), beside)


def of_workflow(record: Record) -> Entity:
    return read(a_workflow(record))


def of_step(record: Record) -> Entity:
    return read(a_workflow({"status": "in-progress"}, a_step(record))).children[0].children[0]


def of_step_group(record: Record) -> Entity:
    groups = [{"id": "wsg1", "status": record}]
    return read(a_workflow({"status": "in-progress"}, step_groups=groups)).children[0]


def of_run(record: Record) -> Entity:
    return read_run({"status": record}, {"status": {"status": "in-progress"}})


def of_run_by_its_workflow(record: Record) -> Entity:
    return read_run({"status": "running"}, {"status": record})


def of_run_by_a_step(record: Record) -> Entity:
    whole = {"status": {"status": "in-progress"}, "steps": [a_step(record)]}
    return read_run({"status": "running"}, whole)


def of_install_group(record: Record) -> Entity:
    under_way = {"status": {"status": "in-progress"}}
    return read_run({"status": "running"}, under_way, group={"status": record}).children[0]


def of_install_of_a_run(record: Record) -> Entity:
    under_way = {"status": {"status": "in-progress"}}
    root = read_run({"status": "running"}, under_way, install={"status": record})
    return root.children[0].children[0]


def of_deploy(record: Record) -> Entity:
    return read_release({"status": "executing", "status_v2": record})


def of_workflow_of_a_deploy(record: Record) -> Entity:
    flow = {"id": "inw1", "status": record}
    return read_release({"status": "executing", "workflow": flow}).children[0]


def of_sandbox_run(record: Record) -> Entity:
    whole = a_workflow({"status": "in-progress"}, a_step({"status": "in-progress"}))
    runs = [{"id": "isr1", "status": "provisioning", "status_v2": record}]
    step = read(whole | {"install_sandbox_runs": runs}).children[0].children[0]
    return step.children[0]


def read_release(deploy: Row) -> Entity:
    step = {"id": "rel-step", "install_deploys": [{"id": "dpl1", "install_id": "inl1", **deploy}]}
    document = {"id": "rel1", "status": "executing", "release_steps": [step]}
    return release.decode(json.dumps(document).encode(), "rel1", Memo()).children[0].children[0]


PLACES: dict[str, Callable[[Record], Entity]] = {
    "workflow": of_workflow,
    "workflow step": of_step,
    "step group": of_step_group,
    "run": of_run,
    "run, by its workflow": of_run_by_its_workflow,
    "install group": of_install_group,
    "install of a run": of_install_of_a_run,
    "deploy": of_deploy,
    "workflow of a deploy": of_workflow_of_a_deploy,
    "sandbox run": of_sandbox_run,
}
every_place = pytest.mark.parametrize("place", PLACES)

AWAITS = {"awaiting_retry": True}
OVER = {
    "stopped": AWAITS | {"stopped": True},
    "stopped, as a word": AWAITS | {"stopped": "true"},
    "stopped, as a number": AWAITS | {"stopped": 1},
    "exhausted": AWAITS | {"retries_exhausted": True},
    "exhausted, as a word": {"awaiting_retry": "true", "retries_exhausted": "True"},
    "stopped, and never waited": {"stopped": True},
    "exhausted, and never waited": {"retries_exhausted": 1},
}
NOT_OVER = {
    "awaits": AWAITS,
    "awaits, as a word": {"awaiting_retry": "true"},
    "awaits, as a number": {"awaiting_retry": 1},
    "not stopped": AWAITS | {"stopped": False, "retries_exhausted": "false"},
    "no word of it": AWAITS | {"stopped": None, "retries_exhausted": ""},
    "odd": AWAITS | {"stopped": [], "retries_exhausted": {"deep": 1}},
}
FAILURES = ("error", "failed-pending-retry")


@every_place
@pytest.mark.parametrize("metadata", OVER.values(), ids=OVER)
@pytest.mark.parametrize("word", FAILURES)
def test_a_failure_that_is_stopped_is_an_end(place: str, word: str, metadata: Row) -> None:
    entity = PLACES[place]({"status": word, "metadata": metadata | {"err_message": "no quota"}})

    assert entity.phase is Phase.FAILED
    assert entity.description == "no quota"


@every_place
@pytest.mark.parametrize("metadata", NOT_OVER.values(), ids=NOT_OVER)
@pytest.mark.parametrize("word", FAILURES)
def test_a_failure_that_awaits_a_retry_waits(place: str, word: str, metadata: Row) -> None:
    entity = PLACES[place]({"status": word, "metadata": metadata})

    assert (entity.status, entity.phase) == ("failed-pending-retry", Phase.WAITING)


@every_place
@pytest.mark.parametrize("metadata", [*OVER.values(), *NOT_OVER.values()])
def test_what_is_back_in_flight_is_so_whatever_is_left_of_its_failure(
    place: str, metadata: Row
) -> None:
    entity = PLACES[place]({"status": "in-progress", "metadata": metadata})

    assert entity.phase is Phase.RUNNING


@every_place
@pytest.mark.parametrize("metadata", [{}, None, "odd", 7, {"awaiting_retry": False}])
def test_an_error_that_says_nothing_of_retries_is_an_end(place: str, metadata: Any) -> None:
    assert PLACES[place]({"status": "error", "metadata": metadata}).phase is Phase.FAILED


@pytest.mark.parametrize("metadata", OVER.values(), ids=OVER)
def test_a_run_waits_for_no_step_that_is_stopped(metadata: Row) -> None:
    stopped = of_run_by_a_step({"status": "failed-pending-retry", "metadata": metadata})
    parked = of_run_by_a_step({"status": "failed-pending-retry"})

    assert (stopped.status, parked.status) == ("running", "failed-pending-retry")


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"status": "error", "metadata": {"stopped": True}}, "error"),
        ({"status": "failed-pending-retry", "metadata": {"retries_exhausted": True}}, "error"),
        ({"status": "cancelled"}, "error"),
        ({"status": "expired"}, "error"),
        ({"status": "failed-pending-retry"}, "failed-pending-retry"),
        ({"status": "error"}, "failed-pending-retry"),
        ({"status": "in-progress", "metadata": {"stopped": True}}, "failed-pending-retry"),
    ],
)
def test_no_part_of_a_workflow_that_was_given_up_waits_for_a_retry(
    record: Record, status: str
) -> None:
    parked = {"status": "failed-pending-retry"}
    groups = [{"id": "wsg1", "status": parked}]

    (group,) = read(a_workflow(record, a_step(parked), step_groups=groups)).children

    assert (group.status, group.children[0].status) == (status, status)


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"auto_retried": True}, "retrying"),
        ({"auto_retried": True, "awaiting_retry": True}, "retrying"),
        ({"auto_retried": True, "retries_exhausted": True}, "error"),
        ({"auto_retried": "true", "stopped": "true"}, "error"),
        ({"skipped_on_failure": True, "retries_exhausted": True}, "auto-skipped"),
    ],
)
def test_a_step_is_tried_again_by_itself_until_that_is_over(metadata: Row, status: str) -> None:
    assert of_step({"status": "error", "metadata": metadata}).status == status


def test_the_history_has_a_wait_for_a_wait_and_an_end_for_an_end() -> None:
    history = [
        {"status": "in-progress", "created_at_ts": 1764590400},
        {"status": "error", "created_at_ts": 1764590401, "metadata": AWAITS},
        {"status": "retrying", "created_at_ts": 1764590402, "metadata": AWAITS},
        {"status": "error", "created_at_ts": 1764590403, "metadata": OVER["stopped"]},
    ]

    read_back = of_workflow({"status": "in-progress", "history": history}).history

    words = ["in-progress", "failed-pending-retry", "retrying", "error"]
    assert [past.status for past in read_back] == words


@pytest.mark.parametrize("metadata", [*OVER.values(), *NOT_OVER.values()])
@pytest.mark.parametrize("word", FAILURES)
def test_a_list_has_a_workflow_for_over_when_nobody_is_waited_for(word: str, metadata: Row) -> None:
    row = {"id": "inw1", "status": {"status": word, "metadata": metadata}}

    (found,) = FINDERS["install"].decode(json.dumps([row]).encode(), "inl1").found

    assert found.is_over is (metadata in OVER.values())


# Drift

DRIFT_CHECKS = ("drift_run", "drift_run_reprovision_sandbox")


def steps_in(*words: str) -> list[Row]:
    return [a_step({"status": word}, id=word, name=word, idx=at) for at, word in enumerate(words)]


@pytest.mark.parametrize(
    ("kind", "words", "status"),
    [
        *((kind, ("success", "drifted"), "drifted") for kind in DRIFT_CHECKS),
        *((kind, ("success", "no-drift"), "success") for kind in DRIFT_CHECKS),
        *((kind, ("drifted", "error"), "drifted") for kind in DRIFT_CHECKS),
        ("manual_deploy", ("success", "drifted"), "success"),
        (7, ("success", "drifted"), "success"),
    ],
)
def test_a_check_for_drift_is_drifted_where_a_step_of_it_is(
    kind: Any, words: tuple[str, ...], status: str
) -> None:
    root = read(a_workflow({"status": "success"}, *steps_in(*words), finished=True, type=kind))

    assert root.status == status


def test_a_check_for_drift_has_the_words_of_the_step_that_found_some() -> None:
    step = a_step({"status": "drifted", "status_human_description": "2 resources changed"})
    done = {"status": "success", "status_human_description": "successfully executed workflow"}

    root = read(a_workflow(done, step, finished=True, type="drift_run"))

    assert (root.phase, root.description) == (Phase.FAILED, "2 resources changed")


def test_a_check_for_drift_under_way_has_found_none_yet() -> None:
    under_way = a_workflow({"status": "success"}, *steps_in("drifted", "pending"), type="drift_run")

    assert read(under_way).status == "in-progress"
