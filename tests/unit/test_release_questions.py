"""What is asked about a release whose answer is as thin as the real one, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.kinds import release
from monitor.kinds.causes import reason_of
from monitor.kinds.profile import NOTHING_SEEN, LastSeen
from monitor.kinds.release_questions import questions
from monitor.kinds.wire import Beside, Document, Memo
from monitor.model import Entity
from tests.support.builders import RELEASE_ID, fixed

Row = dict[str, Any]
DEPLOY_PATH = "/v1/installs/inl1/deploys/dpl1"
WORKFLOW_PATH = "/v1/workflows/inw1"
BUILD_PATH = "/v1/components/builds/bld1"


def row(number: int = 1, status: str = "error", **fields: Any) -> Row:
    """Return a deploy as the real handler of a release has it."""
    return {
        "id": f"dpl{number}",
        "install_id": f"inl{number}",
        "workflow_id": f"inw{number}",
        "install_workflow_id": "",
        "status": status,
        "status_description": "unable to deploy",
        "created_at": f"2025-12-01T12:{number:02}:00Z",
        "updated_at": "2025-12-01T13:00:00Z",
        **fields,
    }


def body(*deploys: Row, **fields: Any) -> bytes:
    step = {"id": "stp1", "status": "error", "install_deploys": list(deploys)}
    document = {"id": RELEASE_ID, "status": "error", "build_id": "bld1", "release_steps": [step]}
    return json.dumps(document | fields).encode()


def documents(answers: Mapping[str, Any]) -> Beside:
    return {path: Document(json.dumps(answer).encode()) for path, answer in answers.items()}


def asked(
    main: bytes, answers: Mapping[str, Any] | None = None, seen: LastSeen = NOTHING_SEEN
) -> list[str]:
    return [one.path for one in questions(main, RELEASE_ID, documents(answers or {}), seen)]


def read(main: bytes, answers: Mapping[str, Any] | None = None) -> Entity:
    return release.decode(main, RELEASE_ID, Memo(), documents(answers or {}))


def unit_of(root: Entity, number: int = 1) -> Entity:
    return next(u for step in root.children for u in step.children if u.id == f"dpl{number}")


def deploy_document(*jobs: Row, **fields: Any) -> Row:
    return row() | {"runner_jobs": list(jobs), **fields}


def job(description: str, **fields: Any) -> Row:
    return {"id": "job1", "status": "failed", "status_description": description, **fields}


def workflow_document(message: str, target: str = "dpl1", **fields: Any) -> Row:
    status = {"status": "error", "metadata": {"err_message": message}}
    step = {"id": f"iws-{target}", "name": "apply", "step_target_id": target, "status": status}
    return {"id": "inw1", "type": "manual_deploy", "status": {"status": "error"}, "steps": [step]}


def build_document(description: str, **fields: Any) -> Row:
    return {"id": "bld1", "status": "error", "status_description": description, **fields}


SILENT = {
    DEPLOY_PATH: deploy_document(job("job did not succeed"), component_build=build_document("")),
    WORKFLOW_PATH: workflow_document("error while executing steps"),
}
EXIT_1 = {BUILD_PATH: build_document("exit 1")}
EARLY = "2025-12-01T12:00:00Z"
LATE_JOB = job("late", created_at="2025-12-01T13:00:00Z")


# What is asked


def test_what_goes_well_is_not_asked_about_but_for_what_is_rolled_out() -> None:
    rows = [row(number, status) for number, status in ((3, "active"), (1, "executing"), (2, ""))]

    assert asked(body(*rows)) == [DEPLOY_PATH]


def test_what_failed_is_asked_about_first_then_what_waits_then_what_is_stalled() -> None:
    rows = [
        *(row(1, "active"), row(2, "executing"), row(3, "pending-approval")),
        *(row(4, "error"), row(5, "cancelled")),
    ]
    stalled = LastSeen(None, frozenset({"stp1"}))

    paths = asked(body(*rows), seen=stalled)

    of_deploys = [path[-4:] for path in paths if "deploys" in path]
    assert of_deploys == ["dpl4", "dpl3", "dpl2", "dpl5", "dpl1"]
    assert [path[-4:] for path in paths if "workflows" in path] == ["inw4", "inw3", "inw2", "inw5"]


@pytest.mark.parametrize("stalled", [RELEASE_ID, "stp1", "dpl2"])
def test_what_is_stalled_is_asked_about_unless_it_ended_well(stalled: str) -> None:
    main = body(row(1, "active"), row(2, "executing"), row(3, "active"))

    assert asked(main, seen=LastSeen(None, frozenset({stalled}))) == [
        "/v1/installs/inl2/deploys/dpl2",
        "/v1/workflows/inw2",
        DEPLOY_PATH,
    ]


def test_what_was_explained_once_is_asked_about_until_it_ends_well() -> None:
    own = {"/v1/installs/inl2/deploys/dpl2": row(2) | {"runner_jobs": [{"id": "j", "status": "x"}]}}
    seen = LastSeen(read(body(row(1, "active"), row(2)), own))

    going_on, ended = (
        asked(body(row(1), row(2, word)), seen=seen) for word in ("queued", "active")
    )

    assert "/v1/installs/inl2/deploys/dpl2" in going_on
    assert "/v1/installs/inl2/deploys/dpl2" not in ended


@pytest.mark.parametrize(
    ("answers", "more"),
    [
        ({}, [WORKFLOW_PATH, BUILD_PATH]),
        ({DEPLOY_PATH: deploy_document(job("helm timed out"))}, [WORKFLOW_PATH]),
        ({DEPLOY_PATH: deploy_document(job("job failed"))}, [WORKFLOW_PATH, BUILD_PATH]),
        ({WORKFLOW_PATH: workflow_document("no quota")}, [WORKFLOW_PATH]),
        (SILENT, [WORKFLOW_PATH, BUILD_PATH]),
        (
            SILENT
            | {DEPLOY_PATH: deploy_document(component_build={"id": "b", "status": "active"})},
            [WORKFLOW_PATH],
        ),
        ({DEPLOY_PATH: "no deploy"}, [WORKFLOW_PATH, BUILD_PATH]),
        ({DEPLOY_PATH: deploy_document(job("of another"), id="dpl9")}, [WORKFLOW_PATH, BUILD_PATH]),
    ],
)
def test_a_build_is_asked_for_only_where_nothing_else_says_why(
    answers: Row, more: list[str]
) -> None:
    assert asked(body(row()), answers) == [DEPLOY_PATH, *more]


def test_a_workflow_that_only_the_deploy_itself_names_is_asked_for() -> None:
    main = body(row(workflow_id=""))

    assert WORKFLOW_PATH not in asked(main)
    assert WORKFLOW_PATH in asked(main, {DEPLOY_PATH: deploy_document()})


@pytest.mark.parametrize("field", ["runner_jobs", "workflow"])
def test_nothing_is_asked_about_a_deploy_that_came_with_its_details(field: str) -> None:
    assert asked(body(row(**{field: [{"id": "x"}]}))) == []


@pytest.mark.parametrize("field", ["id", "install_id"])
def test_a_deploy_without_its_ids_is_not_asked_for(field: str) -> None:
    assert asked(body(row(**{field: ""}))) == []


def test_the_subject_moves_with_the_deploy() -> None:
    def subject(**fields: Any) -> str | None:
        return questions(body(row(**fields)), RELEASE_ID, {}, NOTHING_SEEN)[0].subject

    subjects = [
        subject(),
        subject(status_v2={"status": "active"}),
        subject(updated_at="2025-12-01T14:00:00Z"),
    ]
    assert len(set(subjects)) == 3
    assert subject() == subject(status_description="another", status_v2={})


def test_an_answer_that_cannot_be_read_calls_for_nothing() -> None:
    assert asked(b"{") == asked(b'{"release_steps": 1}') == []


# What is read


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({}, "unable to deploy"),
        ({DEPLOY_PATH: deploy_document(job("helm timed out"))}, "helm timed out"),
        (
            {DEPLOY_PATH: deploy_document(job("early", id="a", created_at=EARLY), LATE_JOB)},
            "late",
        ),
        (SILENT | {WORKFLOW_PATH: workflow_document("no quota")} | EXIT_1, "no quota"),
        (SILENT | EXIT_1, "exit 1"),
        (
            SILENT | {BUILD_PATH: build_document("", runner_job=job("npm ci failed", id="job9"))},
            "npm ci failed",
        ),
    ],
)  # fmt: skip
def test_the_reason_of_a_failed_deploy_is_found_wherever_it_is(answers: Row, reason: str) -> None:
    root = read(body(row()), answers)

    assert reason_of(unit_of(root)) == reason_of(root) == reason


def test_of_a_workflow_the_steps_that_work_at_the_deploy_explain_it() -> None:
    flow = workflow_document("no quota")
    flow["steps"] += workflow_document("of another", "dpl7")["steps"]

    root = read(body(row()), SILENT | {WORKFLOW_PATH: flow})

    assert reason_of(unit_of(root)) == "no quota"


def test_what_a_deploy_says_itself_is_not_contradicted() -> None:
    main = body(row(runner_jobs=[{"id": "job1", "status": "in-progress"}], status="executing"))
    other = deploy_document(job("failed"), status="error", status_description="late")

    unit = unit_of(read(main, {DEPLOY_PATH: other}))

    assert (unit.status, unit.description) == ("executing", "unable to deploy")
    assert [(one.id, one.status) for one in unit.children] == [("job1", "in-progress")]


def test_a_thin_release_says_what_is_rolled_out_once_a_deploy_was_asked_about() -> None:
    commit = {"sha": "c0ffee", "message": "Raise replicas", "author_name": "Robin"}
    own = deploy_document(
        component_name="api",
        component_id="cmp1",
        oci_artifact={"id": "art1", "tag": "v7"},
        component_build=build_document("", status="active", vcs_connection_commit=commit),
    )

    root = read(body(row(1, "active")), {DEPLOY_PATH: own})

    assert (root.name, root.component_id, root.revision) == ("api", "cmp1", "c0ffee")
    assert root.fact("message") == "Raise replicas"
    assert "v7" in [part.fact("tag") for part in unit_of(root).children]


MALFORMED = [b"", b"{", b"[]", b"null", b'"x"', b'{"id": "dpl1", "runner_jobs": 1e999}']


@pytest.mark.parametrize("junk", MALFORMED)
def test_an_explanation_that_cannot_be_read_is_none(junk: bytes) -> None:
    main = body(row())
    beside = {path: Document(junk) for path in (DEPLOY_PATH, WORKFLOW_PATH, BUILD_PATH)}

    assert release.decode(main, RELEASE_ID, Memo(), beside) == read(main)
    assert len(questions(main, RELEASE_ID, beside, NOTHING_SEEN)) == 3


_names = st.sampled_from(
    [
        *("id", "status", "steps", "runner_jobs", "component_build", "oci_artifact"),
        *("status_v2", "metadata", "executions", "vcs_connection_commit"),
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
)


@fixed(200)
@given(st.dictionaries(_names, _json, max_size=5))
def test_whatever_explains_a_deploy_it_stays_in_the_state_that_the_release_says(junk: Row) -> None:
    answers = {
        DEPLOY_PATH: junk | {"id": "dpl1"},
        WORKFLOW_PATH: junk | {"id": "inw1"},
        BUILD_PATH: junk | {"id": "bld1"},
    }
    main = body(row())

    asked(main, answers)
    root, plain = read(main, answers), read(main)

    without = [
        (one.status, one.description, one.updated_at, one.history)
        for one in (root, root.children[0], unit_of(root))
    ]
    assert without == [
        (one.status, one.description, one.updated_at, one.history)
        for one in (plain, plain.children[0], unit_of(plain))
    ]
