"""What every list has in common: what one bad row costs, and what is followed only if asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.decide.selection import is_of_types
from monitor.errors import MalformedAnswer
from monitor.kinds import FINDERS
from monitor.model import Found

ROW = {"owner_type": "installs", "owner_id": "inl1", "status": {"status": "in-progress"}}
RUN = {"type": "app_branches_manual_update", "owner_type": "app_branches"}

ROWS: dict[str, dict[str, Any]] = {
    "app": {"id": "rel1", "status": "executing"},
    "component": {"id": "rel1", "status": "executing"},
    "install": {"id": "inw1", **ROW},
    "workflows": {"id": "inw1", **ROW},
    "app_workflows": {"id": "inw1", **ROW},
    "app_branches": {"id": "abr1", "name": "main"},
    "app_branch": {"id": "inw1", **RUN},
}
"""A row of each list."""

CHANGES_NOTHING = {
    "a plan only": {"type": "manual_deploy", "plan_only": True},
    "a check for drift": {"type": "drift_run"},
    "a check of the sandbox for drift": {"type": "drift_run_reprovision_sandbox"},
}
PREVIEWS = {
    "a preview": [{"id": "r", "run_type": "git-preview-run"}],
    "a run with a preview": [{"id": "r", "preview": {"id": "p"}}],
    "a plan of a run": [{"id": "r", "plan_only": True}],
}


def test_the_table_has_every_list() -> None:
    assert ROWS.keys() == FINDERS.keys()


@pytest.mark.parametrize("name", FINDERS)
@pytest.mark.parametrize("bad", [{}, {"id": ""}, {"id": None}, {"id": 7}, "row", 7, []])
def test_a_row_without_an_id_costs_that_row_alone(name: str, bad: object) -> None:
    body = json.dumps([bad, ROWS[name], None, bad])

    page = FINDERS[name].decode(body.encode(), "x")

    assert [row.target.id.rpartition("/")[2] for row in page.found] == [ROWS[name]["id"]]
    assert page.without_id == 2


@pytest.mark.parametrize("name", FINDERS)
def test_a_list_in_which_no_row_has_an_id_is_another_answer_than_was_promised(name: str) -> None:
    with pytest.raises(MalformedAnswer, match="has an id"):
        FINDERS[name].decode(b'[{"status": "active"}]', "x")


@pytest.mark.parametrize("name", FINDERS)
@pytest.mark.parametrize("body", [b"[]", b"null", b"[null]"])
def test_an_empty_list_leads_to_nothing(name: str, body: bytes) -> None:
    assert FINDERS[name].decode(body, "x") == ((), 0)


def one_of(name: str, **more: object) -> Found:
    (found,) = FINDERS[name].decode(json.dumps([{**ROWS[name], **more}]).encode(), "x").found
    return found


@pytest.mark.parametrize("name", ["install", "workflows", "app_workflows"])
@pytest.mark.parametrize("what", CHANGES_NOTHING)
def test_what_changes_nothing_is_followed_only_where_its_type_is_asked_for(
    name: str, what: str
) -> None:
    row = one_of(name, **CHANGES_NOTHING[what])

    assert not is_of_types(row, ())
    assert is_of_types(row, [row.type])
    assert not is_of_types(row, ["provision"])


@pytest.mark.parametrize("name", ["app_branch", "workflows"])
@pytest.mark.parametrize("what", PREVIEWS)
def test_a_preview_is_followed_only_where_its_type_is_asked_for(name: str, what: str) -> None:
    row = one_of(name, **RUN, app_branch_runs=PREVIEWS[what])

    assert row.target.kind == "run"
    assert not is_of_types(row, ())
    assert is_of_types(row, [row.type])


@pytest.mark.parametrize("name", ROWS)
def test_what_is_rolled_out_is_followed_without_being_asked_for(name: str) -> None:
    assert is_of_types(one_of(name), ())
