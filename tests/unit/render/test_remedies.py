"""What can be done about a failure, in each kind of watch: which step is meant, and the link."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.compose import render
from monitor.compose.render import Links
from monitor.kinds.installer import APP, INSTALLER
from monitor.kinds.parts import DEPLOY, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.run import BRANCH_RUN
from monitor.kinds.run_groups import INSTALL_GROUP
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import Entity
from tests.support.block_kit import drawn
from tests.support.rendering import entity, view

BOTH = (("retryable", "true"), ("skippable", "true"))
SAYS = "It can be retried or skipped."


def step(status: str = "error", key: str = "iws1", **fields: Any) -> Entity:
    fields.setdefault("facts", BOTH)
    return entity(WORKFLOW_STEP, key, status, name="apply api", workflow_id="inw1", **fields)


def in_workflow(failed: Entity) -> Entity:
    group = entity(STEP_GROUP, "wsg1", failed.status, failed)
    return entity(WORKFLOW, "inw1", failed.status, group, name="deploy api", install_id="inl1")


def in_release(failed: Entity) -> Entity:
    flow = entity(WORKFLOW, "inw1", "error", failed)
    deploy = entity(DEPLOY, "dpl1", "error", flow, install_id="inl1")
    return entity(RELEASE, "rel1", "error", entity(RELEASE_STEP, "rst1", "error", deploy))


def in_run(failed: Entity) -> Entity:
    flow = entity(WORKFLOW, "inw1", failed.status, failed)
    install = entity(INSTALL_RUN, "igr1/inl1", failed.status, flow, install_id="inl1")
    group = entity(INSTALL_GROUP, "igp1", "error", install, name="eu")
    return entity(BRANCH_RUN, "inw9", "failed", group, name="main")


def in_installer(failed: Entity) -> Entity:
    flow = entity(WORKFLOW, "inw1", failed.status, failed, slot="branch abr1")
    return entity(INSTALLER, "int1", "", entity(APP, "app1", "active", flow, name="Storefront"))


PLACES = {
    "workflow": in_workflow,
    "release": in_release,
    "run": in_run,
    "installer": in_installer,
}
PAGE = "https://app.nuon.co/org1/installs/inl1/workflows/inw1?panel=iws1"


def card_of(root: Entity) -> tuple[str, str]:
    """Return a card as people see it, and its blocks."""
    message = render.card(view(root))
    return drawn(message), json.dumps(message.blocks)


@pytest.mark.parametrize("place", PLACES)
def test_a_failure_says_below_it_what_can_be_done(place: str) -> None:
    text, blocks = card_of(PLACES[place](step()))

    assert SAYS in text
    # Only the workflow of an install has a page of its own.
    assert (PAGE in blocks) is (place != "installer")


@pytest.mark.parametrize("place", ["workflow", "run"])
def test_what_waits_for_a_retry_says_so_as_well(place: str) -> None:
    text, _ = card_of(PLACES[place](step("failed-pending-retry")))

    assert SAYS in text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "facts",
    [(), (("retryable", "false"), ("skippable", "false")), (("retryable", "maybe"),)],
)
def test_where_nothing_can_be_done_nothing_is_said(
    place: str, facts: tuple[tuple[str, str], ...]
) -> None:
    text, blocks = card_of(PLACES[place](step(facts=facts)))

    assert "It can be" not in text
    assert "panel=" not in blocks


@pytest.mark.parametrize("status", ["in-progress", "pending", "success", "approval-awaiting"])
def test_what_did_not_fail_needs_no_remedy(status: str) -> None:
    assert "It can be" not in card_of(in_workflow(step(status)))[0]


def test_of_several_steps_the_last_that_failed_is_meant() -> None:
    group = entity(STEP_GROUP, "wsg1", "error", step(), step(key="iws2"))
    root = entity(WORKFLOW, "inw1", "error", group, name="deploy api", install_id="inl1")

    assert "panel=iws2" in card_of(root)[1]


@pytest.mark.parametrize(
    ("install_id", "workflow_id", "step_id", "url"),
    [
        ("inl1", "inw1", "iws1", PAGE),
        ("inl1", "inw1", "a&b#c", PAGE.replace("iws1", "a%26b%23c")),
        ("", "inw1", "iws1", None),
        ("inl1", "", "iws1", None),
        ("inl1", "inw1", "", None),
        ("inl1", "..", "iws1", None),
        ("inl1", "inw1", "x" * 501, None),
        ("inl1", "inw1", "ü" * 200, None),
    ],
)
def test_the_page_of_a_step_needs_all_of_its_ids(
    install_id: str, workflow_id: str, step_id: str, url: str | None
) -> None:
    assert Links("https://app.nuon.co", "org1").step(install_id, workflow_id, step_id) == url
