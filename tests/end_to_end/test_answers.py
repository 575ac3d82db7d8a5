"""Who answered an approval, and what can be done about a failure, from the answer to Slack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import command
from tests.support.served import (
    BRANCH,
    INSTALL_ID,
    OF_INSTALL,
    PARKED,
    RUN,
    RUN_ID,
    WORKFLOW_ID,
    Answers,
    Row,
    a_scene,
    a_status,
    a_step,
    a_workflow,
    run_in,
)

APPROVAL = {"id": "iwa1", "type": "helm_approval"}
ROBIN = "accr0b1n2m3x8c4b6n1z5w0y2a"
ANSWERS: dict[str, tuple[str, str, str]] = {
    "approved": ("approve", "approved", "was approved"),
    "denied": ("deny", "approval-denied", "was not approved"),
    "sent back": ("retry", "approval-retry", "was sent back for another plan"),
}
"""What is answered, what the step comes to, and what is said of it."""


def asked(status: Row, **approval: Any) -> Row:
    return a_step(status, name="sync and plan api", approval=APPROVAL | approval)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("is_named", [True, False])
async def test_who_answered_an_approval_is_told_with_the_note(
    tmp_path: Path, answer: str, *, is_named: bool
) -> None:
    word, status, says = ANSWERS[answer]
    who = {"created_by": {"email": "robin@example.com"}} if is_named else {"created_by_id": ROBIN}
    response = {"type": word, "note": "looks <right>", **who}
    async with a_scene(tmp_path) as scene:
        accounts = [{"id": ROBIN, "email": "robin@example.com"}]
        scene.platform.answers["/v1/orgs/current/accounts"] = accounts
        await scene.look(a_workflow(a_status("in-progress"), asked(a_status("approval-awaiting"))))
        whole = a_status("error" if answer == "denied" else "in-progress")
        posts = await scene.look(a_workflow(whole, asked(a_status(status), response=response)))

        whole_line = f"sync and plan api {says} by robin@example.com: looks <right>"
        assert whole_line in "\n".join(posts)
    set_by = tmp_path / "monitor.toml"
    told = await command("history", "--config", str(set_by), WORKFLOW_ID, folder=tmp_path)
    assert "was answered by robin@example.com" in told.out
    assert "looks <right>" in told.out


def own_step_in(status: str, **approval: Any) -> Answers:
    answers = run_in(a_status("in-progress"))
    path = f"/v1/workflows/{WORKFLOW_ID}"
    step = asked(a_status(status), **approval) | {"name": "plan approval"}
    return answers | {path: answers[path] | {"steps": [step]}}


def group_in(status: str, **approval: Any) -> Answers:
    answers = run_in(a_status("in-progress"))
    path = f"/v1/workflows/{WORKFLOW_ID}"
    step = asked(a_status(status), **approval) | {"name": "plan install group eu"}
    rollout = a_step(a_status("pending"), id="iws2", name="update install group eu", idx=1)
    no_rows = {f"{BRANCH}/runs/{RUN_ID}/install-group-runs": []}
    return answers | {path: answers[path] | {"steps": [step, rollout]}} | no_rows


def step_of_install_in(status: str, **approval: Any) -> Answers:
    step = asked(a_status(status), **approval)
    own = a_workflow(a_status("in-progress"), step, id=OF_INSTALL)
    return run_in(a_status("in-progress")) | {f"/v1/workflows/{OF_INSTALL}": own}


@pytest.mark.parametrize(
    ("documents", "subject"),
    [
        (own_step_in, "step plan approval"),
        (group_in, "group eu"),
        (step_of_install_in, "inlk2v9…"),
    ],
)
async def test_who_answered_is_told_wherever_in_a_run_it_was_waited_for(
    tmp_path: Path, documents: Callable[..., Answers], subject: str
) -> None:
    response = {"type": "approve", "note": "go", "created_by": {"email": "robin@example.com"}}
    async with a_scene(tmp_path, RUN) as scene:
        await scene.look_at(documents("pending"))
        waits = await scene.look_at(documents("approval-awaiting"))
        assert f"{subject} needs approval" in "\n".join(waits)
        # These documents have no times: that an earlier status is back is believed at the third.
        answered = documents("approved", response=response)
        went_on = [text for _ in range(3) for text in await scene.look_at(answered)]

        assert f"{subject} was approved by robin@example.com: go" in "\n".join(went_on)


# What can be done


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"retryable": True, "skippable": True}, "It can be retried or skipped."),
        ({"retryable": True}, "It can be retried."),
        ({"skippable": True, "retryable": False}, "It can be skipped."),
        ({}, ""),
        ({"retryable": "odd", "skippable": 7}, ""),
    ],
)
@pytest.mark.parametrize("status", [a_status("error"), a_status("failed-pending-retry")])
async def test_what_can_be_done_about_a_failure_is_told_where_it_is(
    tmp_path: Path, status: Row, flags: Row, says: str
) -> None:
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(a_status("in-progress"), a_step(a_status("in-progress"))))
        (told,) = await scene.look(a_workflow(status, a_step(status, **flags)))

        for text in (told, scene.card):
            assert (says in text) if says else ("It can be" not in text)
        page = f"/installs/{INSTALL_ID}/workflows/{WORKFLOW_ID}?panel=iws1"
        (card,) = scene.world.cards(WORKFLOW_ID)
        assert (page in json.dumps(card.blocks)) is bool(says)


@pytest.mark.parametrize("of_whole", [{}, {"stopped": True}], ids=["a step", "the whole"])
@pytest.mark.parametrize("of_step", [PARKED, PARKED | {"stopped": True}], ids=["", "both"])
async def test_nothing_can_be_done_about_what_was_stopped(
    tmp_path: Path, of_whole: Row, of_step: Row
) -> None:
    flags = {"retryable": True, "skippable": True}
    parked = a_status("error", **PARKED)
    is_over = bool(of_whole) or "stopped" in of_step
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(parked, a_step(parked, **flags)))
        assert "It can be retried or skipped." in scene.card
        whole, step = a_status("error", **of_whole), a_status("error", **of_step)
        await scene.look(a_workflow(whole, a_step(step, **flags)))

        assert ("It can be" not in scene.card) is is_over
