"""`workflows = true`: what of the whole organisation gets a card, and what does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.org_scene import CUSTOMERS_VALUE, Scene, a_scene, followed

OF_RUN = {"app_branch_run_id": "abr-run1"}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, "[[watch]]\nworkflows = true") as scene:
        scene.platform.answers["/v1/workflows"] = []
        yield scene


def add_everything(scene: Scene) -> None:
    """Let there be a run with an install of its own, and one workflow of each sort."""
    scene.add_branch("abr1", "inw-run")
    scene.platform.answers["/v1/workflows"].insert(
        0, scene.platform.answers["/v1/workflows/inw-run"]
    )
    scene.add_workflow("inw-of-run", "inl1", "app_branch_config_update", metadata=OF_RUN)
    scene.add_workflow("inw-provision", "inl2", "provision")
    scene.add_workflow("inw-secrets", "inl3", "sync_secrets")
    scene.add_workflow("inw-drift", "inl4", "drift_run_reprovision_sandbox")
    scene.add_workflow("inw-plan", "inl5", "reprovision", plan_only=True)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", {"inw-run", "inw-provision", "inw-secrets"}),
        ('types = ["provision"]', {"inw-provision"}),
        ('types = ["app_branches_manual_update"]', {"inw-run"}),
        ('types = ["app_branch_config_update"]', set()),
        ('types = ["drift_run_reprovision_sandbox"]', {"inw-drift"}),
        ('types = ["reprovision", "provision"]', {"inw-plan", "inw-provision"}),
        ('include = ["inl2-*"]', {"inw-provision"}),
        ('exclude = ["sync*"]', {"inw-run", "inw-provision"}),
        ('include = ["storefront"]', {"inw-provision", "inw-secrets"}),
        ('exclude = ["Storefront"]', {"inw-run"}),
        ("limit = 2", {"inw-run", "inw-provision"}),
    ],
)
async def test_what_is_followed_of_the_whole_organisation(
    scene: Scene, more: str, expected: set[str]
) -> None:
    scene.watches += f"\n{more}"
    add_everything(scene)
    async with scene.monitor() as app:
        await scene.look(app)

        assert followed(app) == expected
    assert len(scene.posts()) == len(expected)


async def test_the_filters_by_time_that_fail_for_an_organisation_are_not_used(
    scene: Scene,
) -> None:
    add_everything(scene)
    async with scene.monitor() as app:
        await scene.look(app, times=4)

    assert not any("created_at" in path for path in scene.platform.asked)


async def test_what_a_customer_entered_is_nowhere(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    add_everything(scene)
    async with scene.monitor() as app:
        await scene.look(app)
        for row in scene.platform.answers["/v1/workflows"]:
            scene.set_status(row, "error", "helm upgrade timed out")
        await scene.look(app)

    assert scene.posts()
    assert CUSTOMERS_VALUE not in "".join(map(str, scene.slack.channel("releases").messages))
    assert CUSTOMERS_VALUE not in "".join(capsys.readouterr())
    for file in scene.folder.iterdir():
        assert CUSTOMERS_VALUE.encode() not in file.read_bytes()


async def test_a_platform_without_the_list_is_told_once(scene: Scene) -> None:
    del scene.platform.answers["/v1/workflows"]
    async with scene.monitor() as app:
        await scene.look(app, times=10)

    (text,) = scene.posts()
    assert "can't reach the Nuon API" in text


async def test_a_workflow_that_an_install_leads_to_as_well_has_one_card_in_each_channel(
    scene: Scene,
) -> None:
    scene.watches += '\n[[watch]]\ninstall = "inl2"\nchannel = "#others"'
    scene.add_workflow("inw1", "inl2", "provision")
    scene.platform.answers["/v1/installs/inl2/workflows"] = scene.platform.answers["/v1/workflows"]
    async with scene.monitor() as app:
        await scene.look(app)

    assert [len(scene.posts(channel)) for channel in ("releases", "others")] == [1, 1]


async def test_a_row_without_an_id_is_counted_and_logged_once_and_costs_no_other(
    scene: Scene,
) -> None:
    scene.add_workflow("inw-one", "inl1")
    scene.platform.answers["/v1/workflows"].append({"type": "provision"})
    async with scene.monitor() as app:
        with capture_logs() as logs:
            await scene.look(app)
            scene.add_workflow("inw-two", "inl2")
            await scene.look(app, every=400)

        assert followed(app) == {"inw-one", "inw-two"}
        counted = app.metrics.registry.get_sample_value("nuon_monitor_rows_without_id_total")
    assert counted == 1
    assert [entry["rows"] for entry in logs if entry["event"] == "rows_without_id"] == [1]


async def test_routes_know_the_app_of_a_workflow_and_of_a_change_by_their_installs(
    scene: Scene,
) -> None:
    scene.watches += '\n[[route]]\nmatch.app = "storefront"\nchannel = "#others"'
    scene.platform.answers["/v1/apps/app2"] = {"id": "app2", "name": "Billing"}
    scene.add_install("inl9", app_id="app2")
    scene.add_workflow("inw-ours", "inl1", "provision")
    scene.add_workflow("inw-theirs", "inl9", "provision")
    for number in (2, 3):
        metadata = {"runbook_name": "rotate-keys", "runbook_config_id": "rbc1"}
        scene.add_workflow(f"inw-{number}", f"inl{number}", "runbook_run", metadata=metadata)
    async with scene.monitor() as app:
        await scene.look(app)

    assert len(scene.posts("others")) == 2
    assert any("rotate-keys" in text for text in scene.posts("others"))
    (theirs,) = scene.posts()
    assert "inl9-prod" in theirs
