"""What waits for an approval in an organisation: which rows of the list do, and how they stand."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.decide.diff import keep_absent
from monitor.decide.progress import progress_of
from monitor.errors import MalformedAnswer
from monitor.kinds import KINDS, approvals
from monitor.kinds.approvals import APPROVALS
from monitor.kinds.parts import APPROVAL, WORKFLOW
from monitor.kinds.wire import Beside, Document, Memo, Wanted
from monitor.model import Entity, Phase, Snapshot, Target
from tests.benchmarks import fuzz
from tests.support.clock import NOON

Row = dict[str, Any]
FIRST = "/v1/workflows/pending-approvals?limit=100"
SECOND = "/v1/workflows/pending-approvals?limit=100&offset=100"


def approval_row(identifier: str, status: str = "approval-awaiting", **step: Any) -> Row:
    return {
        "id": identifier,
        "type": "helm_approval",
        "created_at": "2026-07-01T12:00:00Z",
        "workflow_step": {
            "id": f"iws-{identifier}",
            "name": "sync and plan api",
            "status": {"status": status, "created_at_ts": 1_782_907_200},
            "workflow_id": "inw1",
            "owner_id": "inl1",
            "owner_type": "installs",
            **step,
        },
    }


def body_of(*rows: Row | None) -> bytes:
    return json.dumps(rows).encode()


def read(*rows: Row | None, beside: Beside | None = None) -> Entity:
    return approvals.decode(body_of(*rows), "org", Memo(), beside or {})


def pending(root: Entity) -> list[str]:
    return [approval.id for workflow in root.children for approval in workflow.children]


def test_an_approval_is_shown_with_what_is_to_be_approved() -> None:
    root = read(approval_row("apr1"))

    (workflow,) = root.children
    (approval,) = workflow.children
    assert (root.kind, root.id, root.name) == (APPROVALS, "org", "Pending approvals")
    assert (workflow.kind, workflow.id, workflow.install_id) == (WORKFLOW, "inw1", "inl1")
    assert (workflow.phase, workflow.created_at) == (
        Phase.WAITING,
        datetime(2026, 7, 1, 12, 0, tzinfo=UTC),
    )
    assert (approval.kind, approval.phase) == (APPROVAL, Phase.WAITING)
    assert (approval.workflow_id, approval.install_id) == ("inw1", "inl1")
    assert approval.description == "the Helm changes"


@pytest.mark.parametrize(
    "status", ["cancelled", "discarded", "approval-retry", "approval-expired", "approved", ""]
)
def test_an_approval_whose_step_does_not_wait_is_not_pending(status: str) -> None:
    assert pending(read(approval_row("apr1", status))) == []


def test_an_approval_that_was_answered_is_not_pending() -> None:
    answered = approval_row("apr1") | {"response": {"type": "approve"}}

    assert pending(read(answered)) == []


def test_several_approvals_of_one_workflow_all_count() -> None:
    rows = [approval_row("apr1"), approval_row("apr2"), approval_row("apr3", workflow_id="inw2")]

    root = read(*rows)

    assert [progress_of(workflow).waiting for workflow in root.children] == [2, 1]


def test_an_approval_of_an_app_branch_is_of_no_install() -> None:
    (workflow,) = read(approval_row("apr1", owner_type="app_branches")).children

    assert (workflow.install_id, workflow.children[0].install_id) == ("", "")


def test_the_order_of_the_list_means_nothing() -> None:
    rows = [approval_row(f"apr{n}", workflow_id=f"inw{n % 3}") for n in range(9)]

    assert read(*rows) == read(*reversed(rows))


def test_an_approval_that_is_no_longer_in_the_list_is_no_longer_pending() -> None:
    target = Target("approvals", "org")
    before = Snapshot(target, NOON, read(approval_row("apr1"), approval_row("apr2")))

    after = keep_absent(before, Snapshot(target, NOON, read(approval_row("apr2"))))

    assert pending(after.root) == ["apr2"]


@pytest.mark.parametrize("rows", [(), (None,), ({},), ({"id": "apr1", "workflow_step": []},)])
def test_nothing_is_pending_where_nothing_is_said_to_be(rows: tuple[Row | None, ...]) -> None:
    assert read(*rows).children == ()


# Pages


def test_a_short_list_is_one_request() -> None:
    assert KINDS["approvals"].path("org") == FIRST
    assert approvals.further(body_of(approval_row("apr1")), "org", {}, None) == ()


def test_a_long_list_is_read_page_by_page() -> None:
    full = body_of(*(approval_row(f"apr{n}") for n in range(100)))
    page = Document(full, has_more=True)
    last = Document(body_of(approval_row("apr100")))
    third = SECOND.replace("offset=100", "offset=200")

    assert approvals.further(full, "org", {}, None) == (Wanted(SECOND),)
    assert approvals.further(full, "org", {SECOND: page}, None) == (Wanted(third),)
    assert approvals.further(full, "org", {SECOND: page, third: last}, None) == ()


def test_a_platform_that_gives_the_whole_list_for_each_page_is_asked_no_more() -> None:
    rows = [approval_row(f"apr{n:03}") for n in range(150)]
    beside = {SECOND: Document(body_of(*rows))}

    assert approvals.further(body_of(*rows), "org", beside, None) == ()
    assert len(pending(read(*rows, beside=beside))) == 150


# What is refused


@pytest.mark.parametrize("body", [b"", b"{}", b'"[]"', b"[", b"\xff"])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        approvals.decode(body, "org", Memo())


def test_a_mutated_list_is_read_or_refused_and_each_id_stands_in_one_place() -> None:
    chance = random.Random(20_260_701)
    body = body_of(*(approval_row(f"apr{n}", workflow_id=f"inw{n % 2}") for n in range(4)))
    tally = {"read": 0, "refused": 0}

    for _ in range(400):
        try:
            root = approvals.decode(fuzz.mutated(body, chance), "org", Memo())
        except MalformedAnswer:
            tally["refused"] += 1
            continue
        tally["read"] += 1
        keys = [(entity.kind, entity.id) for _, entity in root.walk()]
        assert len(keys) == len(set(keys))
        assert all(identifier for _, identifier in keys)

    assert tally["read"] > 200
    assert tally["refused"] > 20
