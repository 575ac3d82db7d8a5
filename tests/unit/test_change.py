"""Which listed workflows belong together, and how those of one change are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.kinds import change, org_workflows
from monitor.kinds.profile import LastSeen
from monitor.kinds.wire import MEMBERS, Beside, Document, Memo, members_document
from monitor.model import Entity

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def row(kind: str = "manual_deploy", **others: Any) -> dict[str, Any]:
    metadata = {"install_id": "inl1", **others.pop("metadata", {})}
    return {"id": "inw1", "type": kind, "status": "in-progress", "metadata": metadata, **others}


TIES: Mapping[str, tuple[dict[str, Any], str]] = {
    "a config by hand": (
        row("app_branch_config_update", metadata={"new_app_config_id": "apc1"}),
        "config:apc1",
    ),
    "a runbook": (row("runbook_run", metadata={"runbook_config_id": "rbc1"}), "runbook:rbc1"),
    "a component": (
        row("component_disabled", metadata={"component_id": "cmp1"}),
        "component_disabled:cmp1",
    ),
    "an action and who began it": (
        row(
            "action_workflow_run",
            metadata={"install_action_workflow_name": "check/all", "triggerred_by_id": "acc1"},
        ),
        "action:check%2Fall:acc1",
    ),
    "an action of nobody": (
        row("action_workflow_run", metadata={"install_action_workflow_name": "check"}),
        "",
    ),
    "a plan only": (
        row("runbook_run", plan_only=True, metadata={"runbook_config_id": "rbc1"}),
        "plan:runbook:rbc1",
    ),
    "an id of another type": (row("provision", metadata={"runbook_config_id": "rbc1"}), ""),
    "no text": (row("runbook_run", metadata={"runbook_config_id": 7}), ""),
    "no metadata": ({**row("runbook_run"), "metadata": None}, ""),
}


@pytest.mark.parametrize(("listed", "tie"), TIES.values(), ids=TIES)
def test_what_ties_a_workflow_to_others(listed: dict[str, Any], tie: str) -> None:
    (found,) = org_workflows.find(json.dumps([listed]).encode(), "org").found

    assert (found.tie, found.question) == (tie, "")


@pytest.mark.parametrize(
    ("listed", "question"),
    [
        (row(metadata={"install_deploy_id": "dpl1"}), "/v1/installs/inl1/deploys/dpl1"),
        (
            row("drift_run", metadata={"install_deploy_id": "dpl1"}),
            "/v1/installs/inl1/deploys/dpl1",
        ),
        (row(plan_only=True, metadata={"install_deploy_id": "dpl1"}), ""),
        (row(metadata={"install_deploy_id": ""}), ""),
        (row("provision", metadata={"install_deploy_id": "dpl1"}), ""),
    ],
)
def test_of_a_deploy_its_build_is_asked_for(listed: dict[str, Any], question: str) -> None:
    (found,) = org_workflows.find(json.dumps([listed]).encode(), "org").found

    assert (found.tie, found.question) == ("", question)


@pytest.mark.parametrize(
    ("body", "tie"),
    [(b'{"build_id": "bld1"}', "build:bld1"), (b'{"build_id": ""}', ""), (b"[]", ""), (b"x", "")],
)
def test_the_tie_of_a_deploy(body: bytes, tie: str) -> None:
    assert org_workflows.build_of_deploy(body) == tie


# How a change is read


def member(
    number: int, status: str, minutes: float = 0, install: int = 0, **others: Any
) -> dict[str, Any]:
    """Return the workflow of a change that came to a status so many minutes after NOW."""
    return {
        "id": f"inw{number}",
        "type": "manual_deploy",
        "created_at": at(number - 60),
        "updated_at": at(minutes),
        "status": {"status": status},
        "finished": status in ("success", "error"),
        "metadata": {"install_id": f"inl{install or number}"},
        **others,
    }


def read(
    *listed: dict[str, Any], alone: tuple[dict[str, Any], ...] = (), now: float = 60
) -> Entity:
    return change.decode(_body(listed), "inw1@build:bld1", Memo(), _beside(listed, alone, now))


def _body(listed: tuple[dict[str, Any], ...]) -> bytes:
    return json.dumps([*listed, member(99, "error")]).encode()


def _beside(
    listed: tuple[dict[str, Any], ...], alone: tuple[dict[str, Any], ...], now: float = 60
) -> Beside:
    ids = {one["id"] for one in (*listed, *alone)}
    documents = {f"/v1/workflows/{one['id']}": Document(json.dumps(one).encode()) for one in alone}
    return {MEMBERS: members_document(ids, NOW + timedelta(minutes=now)), **documents}


@pytest.mark.parametrize(
    ("listed", "now", "status"),
    [
        ([member(1, "success"), member(2, "success")], 10, "success"),
        ([member(1, "success"), member(2, "success", minutes=5)], 14, "in-progress"),
        ([member(1, "success"), member(2, "success", minutes=5)], 15, "success"),
        ([member(1, "success"), member(2, "in-progress")], 60, "in-progress"),
        ([member(1, "success"), member(2, "error")], 60, "error"),
        ([member(1, "success"), member(2, "cancelled")], 60, "error"),
        ([member(1, "success"), member(2, "a-new-word")], 60, "in-progress"),
        ([member(1, "error", install=1), member(2, "success", install=1)], 60, "success"),
        ([member(1, "success", install=1), member(2, "error", install=1)], 60, "error"),
    ],
)
def test_a_change_has_ended_once_all_have_and_no_more_come(
    listed: list[dict[str, Any]], now: float, status: str
) -> None:
    root = read(*listed, now=now)

    assert root.status == status
    assert [unit.id for unit in root.children[0].children] == ["inw1", "inw2"]


def test_a_change_is_called_by_its_first_workflow_and_knows_its_build() -> None:
    root = read(member(1, "success", metadata={"workflow-name-suffix": "checkout-api"}))

    assert (root.name, root.build_id) == ("deploy checkout-api", "bld1")


@pytest.mark.parametrize(("listed_at", "alone_at", "status"), [(1, 2, "error"), (3, 2, "success")])
def test_the_newer_of_the_list_and_the_workflow_itself_counts(
    listed_at: float, alone_at: float, status: str
) -> None:
    listed = member(1, "success", minutes=listed_at)
    root = read(listed, alone=(member(1, "error", minutes=alone_at),))

    assert root.children[0].children[0].status == status


@pytest.mark.parametrize(("minutes", "status"), [(59, "in-progress"), (60, "success")])
def test_a_workflow_that_cannot_be_had_is_awaited_for_an_hour(minutes: float, status: str) -> None:
    members = members_document(["inw1", "inw2"], NOW + timedelta(minutes=minutes))
    body = _body((member(1, "success"),))

    assert change.decode(body, "inw1@build:bld1", Memo(), {MEMBERS: members}).status == status


def test_what_failed_is_asked_about_first_and_what_is_well_and_listed_not_at_all() -> None:
    listed = (member(1, "success"), member(2, "in-progress"), member(3, "error"))
    seen = read(*listed, member(4, "success"), member(5, "in-progress"))
    beside = _beside((*listed, member(4, ""), member(5, ""), member(6, "")), ())

    asked = change.questions(_body(listed), "inw1@build:bld1", beside, LastSeen(seen))

    assert [one.path.removeprefix("/v1/workflows/") for one in asked] == [
        *("inw3", "inw5", "inw6", "inw2", "inw4")
    ]
    assert [one.subject is None for one in asked] == [False, True, True, True, False]
