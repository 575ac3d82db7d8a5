"""How workflows and runs of app branches are named and drawn."""

from __future__ import annotations

import pytest

from monitor.compose import render
from monitor.kinds.parts import JOB_EXECUTION, RUNNER_JOB, WORKFLOW_STEP
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import Entity, EventKind, Level, Reason, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import after, deploy
from tests.support.rendering import (
    HELM,
    NAMES,
    branch_run,
    entity,
    event_of,
    lines_of,
    under_way,
    view,
    workflow,
)


def workflow_step(name: str, status: str, description: str = "", *children: Entity) -> Entity:
    return entity(
        WORKFLOW_STEP,
        f"iws-{name}",
        status,
        *children,
        name=name,
        slot=name,
        description=description,
        created_at=after(1),
        updated_at=after(3),
    )


def group(number: int, status: str, *steps: Entity, name: str = "") -> Entity:
    return entity(STEP_GROUP, f"inw1/{number}", status, *steps, name=name)


def test_a_workflow_is_called_by_what_it_does_and_where_and_drawn_in_groups_and_steps() -> None:
    broken = workflow_step("apply api", "error", "no room left")
    root = workflow(
        "error",
        group(0, "success", workflow_step("apply sandbox", "success"), name="sandbox"),
        group(1, "error", workflow_step("sync and plan api", "approved"), broken),
        group(2, "not-attempted", workflow_step("apply web", "not-attempted")),
        group(3, "not-attempted", workflow_step("smoke test", "not-attempted")),
    )

    assert drawn(render.card(view(root, names=NAMES))) == (
        "❌ deploy of components on hooli-prod failed: 1 of 5 steps\n"
        "---\n"
        "stopped at group 2 of 4 · 2 steps not attempted · after 9 min\n"
        "---\n"
        "❌ apply api failed\n"
        "> no room left\n"
        "---\n"
        "[Open workflow]\n"
        "---\n"
        "🟩🟩🟩🟩🟥🟥⬜⬜⬜⬜  2 of 5 steps done · 1 failed · 2 not attempted\n"
        "✅ sandbox · 1/1 · 2 min\n"
        "❌ group 2 · 1/2 · 1 failed · 2 min\n"
        "⚪ groups 3 to 4 · 2 steps · not attempted\n"
        "---\n"
        "workflow inwk2v9q7m3x8c4b6n1z5w0y2a · started 2025-12-01 12:00 UTC"
        " · updated 2025-12-01 12:09 UTC · [Open install]"
    )


def test_a_workflow_that_was_cancelled_is_not_said_to_have_failed() -> None:
    root = workflow("cancelled", group(0, "cancelled", workflow_step("apply api", "cancelled")))

    assert lines_of(render.card(view(root, names=NAMES))) == [
        "❌ deploy of components on hooli-prod was cancelled",
        "after 9 min",
        "⊘ apply api was cancelled",
        "[Open workflow]",
        "🟨🟨🟨🟨🟨🟨🟨🟨🟨🟨  0 of 1 step done · 1 ended otherwise",
        "⊘ group 1 · 0/1 · 1 ended otherwise · 2 min",
    ]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("cancelled", "was cancelled"),
        ("approval-expired", "was not approved in time"),
        ("approval-denied", "was not approved"),
        ("error", "failed"),
    ],
)
def test_how_a_workflow_ended_badly_is_told_in_the_word_for_it(status: str, words: str) -> None:
    root = workflow(status)
    event = event_of(EventKind.FAILED, Level.ROLLOUT, root)

    assert drawn(render.reply(view(root, names=NAMES), [event])) == (
        f"❌ deploy of components on hooli-prod {words}\n---\n[Open workflow]"
    )


def test_a_step_that_waits_says_what_is_to_be_approved_and_its_name_once() -> None:
    step = workflow_step("sync and plan api", "approval-awaiting", "the Helm changes")
    root = workflow("in-progress", group(0, "approval-awaiting", step))

    assert lines_of(render.card(view(root)))[2:5] == [
        "✋ sync and plan api needs approval",
        "> the Helm changes",
        "→ Approve or deny it in Nuon.",
    ]


def test_what_waits_for_something_else_than_an_approval_says_for_what() -> None:
    steps = [workflow_step("stack", "awaiting-user-run"), workflow_step("api", "approval-awaiting")]
    root = workflow("in-progress", group(0, "awaiting-user-run", *steps))

    lines = lines_of(render.card(view(root, names=NAMES)))

    assert lines[0] == "✋ deploy of components on hooli-prod needs a person at 2 steps"
    assert "✋ stack needs a person to run it  [Open workflow]" in lines


def test_an_app_branch_run_is_drawn_like_a_release_with_its_groups_by_their_names() -> None:
    assert drawn(render.card(view(branch_run(), names=NAMES))) == (
        "❌ shop (main) failed: 1 of 4 installs\n"
        "---\n"
        "stopped at group europe · 2 installs not attempted · after 12 min\n"
        "---\n"
        "❌ hooli-prod failed\n"
        f"> {HELM}\n"
        "→ The deployment did not become ready: look at its pods in the install, then retry.\n"
        "---\n"
        "[Open hooli-prod] · [Open run]\n"
        "---\n"
        "🟩🟩🟥🟥⬜⬜⬜⬜⬜⬜  1 of 4 installs done · 1 failed · 2 not attempted\n"
        "✅ canary · 1/1 · 3 min\n"
        "❌ europe · 0/1 · 1 failed · 3 min\n"
        "⚪ rest · 2 installs · not attempted\n"
        "---\n"
        "app branch run inwrun9q7m3x8 · started 2025-12-01 12:00 UTC"
        " · updated 2025-12-01 12:12 UTC · [Open app]"
    )


def test_a_group_that_is_done_or_never_begun_is_told_by_its_name() -> None:
    root = branch_run()
    events = [
        event_of(EventKind.FAILED, Level.ROLLOUT, root, "stopped"),
        event_of(EventKind.PROGRESSED, Level.STEP, root.children[0], Reason(ReasonKind.DONE)),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "❌ main failed: 1 of 4 installs · group europe\n"
        "> stopped\n"
        "✅ group canary done (1 install, 3 min)\n"
        "---\n"
        "[Open run]\n"
        "---\n"
        "1 of 4 installs done · 1 failed · 2 not attempted · the app branch run has stopped"
    )


def test_what_failed_deep_down_is_the_reason_by_which_failures_are_told_together() -> None:
    def failed(install_id: str) -> Entity:
        execution = Entity(
            kind=JOB_EXECUTION, id=f"jex{install_id}", status="failed", description=HELM
        )
        job = entity(RUNNER_JOB, f"job{install_id}", "failed", execution)
        return deploy(install_id, "error", f"install deploy {install_id} failed", children=(job,))

    root = under_way(failed("hooli"), failed("stark"))

    assert lines_of(render.card(view(root)))[2:4] == [
        "❌ 2 installs failed (hooli and stark)",
        f"> {HELM}",
    ]


def test_of_a_long_output_the_line_that_names_the_error_comes_first() -> None:
    output = (
        "Initializing the backend...\n\n╷\n│ Error: no such bucket\n│   with aws_s3_bucket.logs\n╵"
    )
    root = under_way(deploy("hooli", "error", output))

    assert lines_of(render.card(view(root)))[2:4] == [
        "❌ hooli failed",
        "> Error: no such bucket with aws_s3_bucket.logs",
    ]
