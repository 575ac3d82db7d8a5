"""A workflow's document → the tree, and where workflows are found."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import MalformedAnswer
from monitor.kinds import FINDERS, KINDS, sharing, workflow
from monitor.kinds.parts import WORKFLOW, WORKFLOW_STEP
from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.kinds.wire import Document, Memo
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import Entity, Found, Phase, Snapshot, Target, known_statuses
from tests.support import documents
from tests.support.builders import fixed
from tests.support.clock import NOON
from tests.support.statuses import Distinct
from tests.unit.test_release import JUNK, places_in, shuffled

Row = dict[str, Any]
WORKFLOW_ID = "inwk2v9q7m3x8c4b6n1z5w0y2a"
STEPS = f"/v1/workflows/{WORKFLOW_ID}/steps?limit=100&offset="


def read(document: Row, pages: Mapping[str, Document | None] | None = None) -> Entity:
    return workflow.decode(json.dumps(document).encode(), WORKFLOW_ID, Memo(), pages or {})


def document(*steps: Any, status: str = "in-progress", **fields: Any) -> Row:
    return {
        "id": WORKFLOW_ID,
        "status": {"status": status, **fields.pop("record", {})},
        "steps": list(steps),
        **fields,
    }


def step_row(name: str, status: str = "pending", group: int = 0, **fields: Any) -> Row:
    place = {"group_idx": group} if group else {}
    return {"id": f"iws-{name}", "name": name, "status": {"status": status}, **place, **fields}


def statuses(root: Entity) -> list[str]:
    return [group.status for group in root.children]


# What is read


def test_a_full_answer_is_read_with_all_that_is_shown() -> None:
    root = read(
        document(
            step_row("sync and plan api", "approved", idx=1),
            step_row("apply api", "in-progress", idx=2, started_at="2025-12-01T12:03:00Z"),
            step_row("apply worker", group=1),
            type="manual_deploy",
            name="Deploying to install (api)",
            metadata={"workflow-name-suffix": "api"},
            owner_type="installs",
            owner_id="inl1",
            created_by={"email": "robin@example.com"},
            created_at="2025-12-01T12:00:00Z",
            approval_option="prompt",
            plan_only=True,
        )
    )

    def group(place: int, status: str, *steps: Entity) -> Entity:
        return Entity(kind=STEP_GROUP, id=f"{WORKFLOW_ID}/{place}", status=status, children=steps)

    def step(name: str, status: str, slot: str, **fields: Any) -> Entity:
        return Entity(
            kind=WORKFLOW_STEP,
            id=f"iws-{name}",
            name=name,
            status=status,
            workflow_id=WORKFLOW_ID,
            slot=f"{slot}/{name}",
            **fields,
        )

    assert root == Entity(
        kind=WORKFLOW,
        id=WORKFLOW_ID,
        status="in-progress",
        name="deploy api",
        created_at=datetime(2025, 12, 1, 12, tzinfo=UTC),
        install_id="inl1",
        created_by="robin@example.com",
        plan_only=True,
        facts=(("type", "manual_deploy"), ("approval_option", "prompt")),
        children=(
            group(
                0,
                "in-progress",
                step("sync and plan api", "approved", "0"),
                step(
                    *("apply api", "in-progress", "0"),
                    created_at=datetime(2025, 12, 1, 12, 3, tzinfo=UTC),
                ),
            ),
            group(1, "pending", step("apply worker", "pending", "1")),
        ),
    )


def test_everything_with_a_status_in_the_documented_workflow_is_in_the_tree() -> None:
    deploy = documents.release()["release_steps"][0]["install_deploys"][0]
    distinct = Distinct(deploy["workflow"])
    key = distinct.document["id"]

    root = workflow.decode(json.dumps(distinct.document).encode(), key, Memo())

    assert distinct.missing_from(root) == []
    assert len(distinct.paths) == 8


@pytest.mark.parametrize("nameless", [{"name": "notify", "status": "success"}, 7])
def test_a_step_without_an_id_costs_that_step_alone(nameless: object) -> None:
    root = read(document(step_row("apply api", "in-progress"), nameless))

    (group,) = root.children
    assert [step.name for step in group.children] == ["apply api"]


def test_a_group_is_called_as_the_platform_calls_it() -> None:
    root = read(
        document(
            step_row("apply api", "in-progress"),
            step_groups=[
                {"id": "wsg1", "name": "api", "status": {"status": "in-progress"}},
                {"id": "wsg2", "name": "worker", "group_idx": 1},
            ],
        )
    )

    assert [(group.name, group.status) for group in root.children] == [
        ("api", "in-progress"),
        ("worker", "pending"),
    ]


def test_a_group_is_the_same_one_while_its_record_is_missing() -> None:
    groups = [{"id": "wsg1", "name": "api", "status": {"status": "in-progress"}}]
    step = step_row("apply api", "in-progress")

    without = read(document(step))
    whole = read(document(step, step_groups=groups))

    assert [group.id for group in without.children] == [group.id for group in whole.children]


def test_a_group_has_not_succeeded_while_its_steps_are_open() -> None:
    groups = [{"id": "wsg1", "status": {"status": "success"}}]

    root = read(document(step_row("a", "success"), step_row("b"), step_groups=groups))

    assert statuses(root) == ["in-progress"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("pending", "pending"), "pending"),
        (("success", "pending"), "in-progress"),
        (("approved", "in-progress"), "in-progress"),
        (("approval-awaiting", "pending"), "approval-awaiting"),
        (("error", "not-attempted"), "error"),
        (("approval-denied", "user-skipped"), "approval-denied"),
        (("cancelled", "not-attempted"), "cancelled"),
        (("approved", "not-attempted"), "not-attempted"),
        (("not-attempted", "not-attempted"), "not-attempted"),
        (("success", "auto-skipped"), "success"),
        (("success", "drifted"), "drifted"),
        (("reticulating", "success"), "reticulating"),
    ],
)
def test_a_group_stands_as_its_steps_do(words: tuple[str, str], status: str) -> None:
    rows = [step_row(f"step {place}", word, idx=place) for place, word in enumerate(words)]

    assert statuses(read(document(*rows))) == [status]


def test_a_step_that_went_well_the_second_time_leaves_no_failed_group() -> None:
    root = read(
        document(
            step_row("apply api", "error", retried=True),
            step_row("apply api (retry 1)", "success", created_at="2025-12-01T12:00:00Z"),
        )
    )

    assert statuses(root) == ["success"]
    assert len(root.children[0].children) == 2


def test_what_no_step_works_at_stands_below_the_last_step() -> None:
    root = read(
        document(
            step_row("a", "success"),
            step_row("b", "error", group=1),
            install_deploys=[{"id": "dpl1", "status": "error"}],
        )
    )

    (last,) = root.children[1].children
    assert [below.id for below in last.children] == ["dpl1"]


@pytest.mark.parametrize("steps", [None, [], [None], [{"name": "a step without an id"}]])
def test_a_workflow_without_steps_has_no_groups(steps: Any) -> None:
    assert read(document(steps=steps)).children == ()


@pytest.mark.parametrize("word", known_statuses(WORKFLOW))
def test_only_an_end_is_a_success_while_steps_are_open(word: str) -> None:
    assert read(document(step_row("a"), status=word)).phase is not Phase.SUCCEEDED


# What is refused


@pytest.mark.parametrize(
    ("malformed", "says"),
    [
        ({"id": "inwother", "status": {"status": "success"}}, "is about 'inwother'"),
        ({"id": 7, "status": {"status": "success"}}, "is about ''"),
        ({"id": WORKFLOW_ID}, "has no status"),
        (document(status=""), "has no status"),
        (document(steps={}), "no list"),
        (document(7), "no workflow step in the answer is an object"),
        ([], "promised shape"),
    ],
)
def test_a_malformed_workflow_is_refused(malformed: Any, says: str) -> None:
    with pytest.raises(MalformedAnswer, match=says):
        read(malformed)


@fixed(150)
@given(
    st.randoms(),
    st.lists(st.one_of(st.none(), JUNK.map(lambda junk: (junk,))), min_size=1, max_size=4),
)
def test_a_mutated_workflow_is_read_or_refused(
    chance: random.Random, mutations: list[tuple[Any] | None]
) -> None:
    deploy = documents.release()["release_steps"][0]["install_deploys"][0]
    state = Distinct(deploy["workflow"] | {"id": WORKFLOW_ID}).document
    state["steps"] += [{**state["steps"][0], "id": f"step{i}", "group_idx": i} for i in range(3)]
    for mutation in mutations:
        if places := places_in(state):
            container, key = chance.choice(places)
            if mutation is None:
                del container[key]
            else:
                container[key] = copy.deepcopy(mutation[0])

    try:
        root, again = read(state), read(shuffled(state, chance))
    except MalformedAnswer:
        return

    assert again == root
    seen = Snapshot(Target("workflow", root.id), NOON, root)
    assert decode_snapshot(encode_snapshot(seen)) == seen
    keys = sharing.keys([root])
    assert len(keys) == len(set(keys))


# Pages of steps


def wanted(body: Row, pages: Mapping[str, Document | None]) -> list[str]:
    encoded = json.dumps(body).encode()
    return [one.path for one in workflow.further(encoded, WORKFLOW_ID, pages, None)]


def page(*steps: Row, has_more: bool = False) -> Document:
    return Document(json.dumps(steps).encode(), has_more)


def test_a_workflow_with_its_steps_needs_nothing_else() -> None:
    assert wanted(document(step_row("a")), {}) == []


def test_steps_that_the_workflow_came_without_are_asked_for_page_by_page() -> None:
    pages: dict[str, Document | None] = {}

    asked = []
    for has_more in (True, False):
        (path,) = wanted(document(), pages)
        pages[path] = page(step_row(f"step {len(pages)}"), has_more=has_more)
        asked.append(path)

    assert asked == [f"{STEPS}0", f"{STEPS}100"]
    assert wanted(document(), pages) == []
    steps = [step.name for group in read(document(), pages).children for step in group.children]
    assert steps == ["step 0", "step 1"]


def test_a_step_on_two_pages_is_one_step() -> None:
    pages = {f"{STEPS}0": page(step_row("a")), f"{STEPS}100": page(step_row("a"))}

    assert [len(group.children) for group in read(document(), pages).children] == [1]


def test_steps_that_cannot_be_had_are_done_without() -> None:
    pages = {f"{STEPS}0": None}

    assert wanted(document(), pages) == []
    assert read(document(), pages).children == ()


def test_a_malformed_page_of_steps_is_refused() -> None:
    with pytest.raises(MalformedAnswer, match="a page of workflow steps"):
        read(document(), {f"{STEPS}0": Document(b"{}")})


# Where it is asked for, and found


def test_a_workflow_is_asked_for_by_its_id() -> None:
    assert KINDS["workflow"].path(WORKFLOW_ID) == f"/v1/workflows/{WORKFLOW_ID}"
    assert KINDS["workflow"].path("../x") == "/v1/workflows/..%2Fx"


def find(*rows: Any) -> tuple[Found, ...]:
    return FINDERS["install"].decode(json.dumps(rows).encode(), "inl1").found


def test_the_workflows_of_an_install_are_found() -> None:
    row = {
        "id": "inw1",
        "type": "manual_deploy",
        "metadata": {"workflow-name-suffix": "api"},
        "created_at": "2025-12-01T12:00:00Z",
        "owner_type": "installs",
        "owner_id": "inl1",
        "status": {"status": "in-progress"},
    }

    assert FINDERS["install"].path("inl1") == "/v1/installs/inl1/workflows"
    assert find(None, row) == (
        Found(
            target=Target("workflow", "inw1"),
            is_over=False,
            created_at=datetime(2025, 12, 1, 12, tzinfo=UTC),
            names=("deploy api", "manual_deploy"),
            ids=("inl1",),
            type="manual_deploy",
        ),
    )


@pytest.mark.parametrize(
    ("row", "is_over"),
    [
        ({"status": {"status": "success"}, "finished": True}, True),
        ({"status": {"status": "success"}}, False),
        ({"status": {"status": "in-progress"}, "finished": True}, False),
        ({"status": {"status": "error"}}, True),
        ({"status": {"status": "cancelled"}}, True),
        ({"status": {"status": "error", "metadata": {"awaiting_retry": True}}}, False),
        ({"status": {"status": "failed-pending-retry"}}, False),
        ({"status": {"status": "drifted"}, "finished_at": "2025-12-01T12:00:00Z"}, True),
        ({"status": {"status": "reticulating"}, "finished": True}, False),
        ({}, False),
    ],
)
def test_a_workflow_in_a_list_is_over_when_nothing_more_can_come(
    row: Row, *, is_over: bool
) -> None:
    (found,) = find({"id": "inw1", **row})

    assert found.is_over is is_over


@pytest.mark.parametrize("body", [b"{}", b'[{"type": "x"}]', b"[7]", b"nonsense"])
def test_a_list_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        workflow.find(body, "inl1")
