"""The cards of what has no end: installers and approvals."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.compose import render
from monitor.kinds.installer_configs import APP_CONFIG
from monitor.kinds.parts import APPROVAL, WORKFLOW
from monitor.model import Entity, EventKind, Level, Reason, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import after, state
from tests.support.rendering import (
    NAMES,
    alert,
    app,
    approvals,
    entity,
    event_of,
    installer,
    lines_of,
    view,
)


def config(number: int, status: str, description: str = "", **facts: Any) -> Entity:
    return entity(
        APP_CONFIG,
        f"cfg{number}",
        status,
        name=f"version {number}",
        slot="config",
        description=description,
        created_at=after(number),
        **facts,
    )


def test_an_installer_is_drawn_with_a_line_for_each_app_and_its_newest_config() -> None:
    commit = (("message", "Pay twice as fast\n\nAt last."), ("author_name", "Anna"))
    revision = "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e"
    newest = config(13, "active", revision=revision, facts=commit)
    root = installer(
        app("checkout", "active", config(12, "outdated"), newest),
        app("billing", "error", config(4, "active"), description="permission denied"),
        app("legacy", "active", is_absent=True),
        facts=(("homepage_url", "https://acme.example/"), ("demo_url", "javascript:alert(1)")),
    )
    removed = alert("app-legacy", EventKind.REMOVED)

    assert drawn(render.card(view(root, state(alerts=(removed,))))) == (
        "❌ Acme Cloud: billing is in error\n"
        "---\n"
        "❌ billing is in error\n"
        "> permission denied\n"
        "→ Check what the role that it runs with may do, then retry.\n"
        "---\n"
        "[Open billing] · [homepage]\n"
        "---\n"
        "✅ [checkout] · version 13 active · commit 3f2a9c1 · “Pay twice as fast” by Anna\n"
        "❌ [billing] · in error · version 4 active\n"
        "⊘ [legacy] · removed\n"
        "---\n"
        "installer intk2v9q7m3x8 · updated 2025-12-01 12:30 UTC"
    )


def branch_workflow(status: str) -> Entity:
    return entity(WORKFLOW, "inw1", status, name="manual run", slot="branch b1")


@pytest.mark.parametrize(
    ("apps", "headline"),
    [
        ([app("a", "active"), app("b", "active"), app("c", "active")], "✅ all 3 apps are active"),
        ([app("a", "active")], "✅ its app is active"),
        ([], "⚪ no apps"),
        ([app("a", "error"), app("b", "error")], "❌ a and b are in error"),
        ([app("a", "deprovisioning"), app("b", "active")], "🔵 a is deprovisioning"),
        ([app("a", "odd")], "❓ a has an unknown status, odd"),
        ([app("a", "active", config(7, "error"))], "❌ version 7 of a failed"),
        ([app("a", "active", branch_workflow("error"))], "❌ 1 branch workflow failed"),
        (
            [app("a", "active", branch_workflow("approval-awaiting"))],
            "✋ 1 branch workflow needs approval",
        ),
        ([app("a", "error", is_absent=True), app("b", "active")], "✅ its app is active"),
    ],
)
def test_the_headline_of_an_installer_says_the_worst(apps: list[Entity], headline: str) -> None:
    icon, _, words = headline.partition(" ")

    assert (
        drawn(render.card(view(installer(*apps)))).split("\n")[0] == f"{icon} Acme Cloud: {words}"
    )


def test_of_many_apps_those_in_trouble_are_shown_first() -> None:
    apps = [app(f"a{n:02}", "error" if n == 17 else "active") for n in range(20)]

    lines = lines_of(render.card(view(installer(*apps))))

    assert lines[3] == "❌ [a17] · in error"
    assert "… 10 more apps" in lines


def test_an_app_that_was_taken_away_is_told_with_its_page() -> None:
    root = installer(app("legacy", "active", is_absent=True))
    event = event_of(EventKind.REMOVED, Level.STEP, root.children[0], Reason(ReasonKind.REMOVED))

    assert drawn(render.reply(view(root), [event])) == (
        "⊘ legacy was removed · Acme Cloud\n---\n[Open legacy]"
    )


def pending(name: str, what: str, install_id: str, minutes: float) -> Entity:
    approval = entity(
        APPROVAL,
        f"apr-{name}",
        "approval-awaiting",
        name=name,
        description=what,
        install_id=install_id,
        workflow_id="inw1",
        created_at=after(minutes),
    )
    return entity(
        WORKFLOW,
        f"inw-{name}",
        "approval-awaiting",
        approval,
        name=name,
        install_id=install_id,
    )


def test_what_waits_in_the_whole_org_is_a_list_the_oldest_first() -> None:
    root = approvals(
        pending("sync and plan api", "the Helm changes", "inlhooli", 5),
        pending("plan sandbox", "the Terraform plan", "inlacme", 1),
    )

    assert drawn(render.card(view(root, names=NAMES))) == (
        "✋ 2 approvals pending\n"
        "---\n"
        "✋ [plan sandbox on acme-prod]: the Terraform plan · since 2025-12-01 12:01 UTC\n"
        "✋ [sync and plan api on hooli-prod]: the Helm changes · since 2025-12-01 12:05 UTC\n"
        "---\n"
        "updated 2025-12-01 12:05 UTC"
    )


def test_that_nothing_waits_in_the_org_is_said_too() -> None:
    assert drawn(render.card(view(approvals()))).startswith("✅ No approvals pending\n")
    assert drawn(render.card(view(approvals(), title="Prod"))).startswith(
        "✅ Prod: no approvals pending\n"
    )


def test_a_card_without_parts_has_rich_text_too_which_no_edit_may_take_away() -> None:
    types = [block["type"] for block in render.card(view(approvals())).blocks]

    assert types == ["header", "rich_text"]


def test_an_approval_that_came_is_told_with_its_workflow_and_install() -> None:
    root = approvals(pending("plan sandbox", "the Terraform plan", "inlacme", 1))
    waiting = root.children[0].children[0]
    event = event_of(EventKind.WAITING, Level.UNIT, waiting, waiting.description)

    assert drawn(render.reply(view(root, names=NAMES), [event])) == (
        "✋ plan sandbox on acme-prod needs approval · Pending approvals\n"
        "> the Terraform plan\n"
        "---\n"
        "[Open plan sandbox on acme-prod]"
    )
