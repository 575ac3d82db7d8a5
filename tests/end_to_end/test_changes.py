"""Workflows of many installs that the platform ties to each other: one change, with one card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.simulation.platform import Age
from monitor.simulation.scenarios import SCENARIOS, SCENARIOS_OF_TODAY
from monitor.simulation.slack import plain_text
from tests.support.org_scene import CUSTOMERS_VALUE, Scene, a_scene, followed
from tests.support.small_platform import REMOVED, Refusal
from tests.support.world import a_world


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, "[[watch]]\nworkflows = true") as scene:
        scene.platform.answers["/v1/workflows"] = []
        yield scene


def deploy(scene: Scene, number: int, build_id: str = "bld1", **others: Any) -> dict[str, Any]:
    """Let a build be deployed to an install by hand."""
    install_id, deploy_id = f"inl{number:02}", f"dpl-{build_id}-{number:02}"
    path = f"/v1/installs/{install_id}/deploys/{deploy_id}"
    scene.platform.answers[path] = {"id": deploy_id, "build_id": build_id, "status": "executing"}
    metadata = {"workflow-name-suffix": "checkout-api", "install_deploy_id": deploy_id}
    return scene.add_workflow(
        f"inw-{build_id}-{number:02}", install_id, "manual_deploy", metadata=metadata, **others
    )


def threads(scene: Scene) -> list[list[str]]:
    """Return the texts of each thread, the card's first."""
    messages = scene.slack.channel("releases").messages
    cards = [one for one in messages if not one.thread_ts]
    return [
        [plain_text(card), *(plain_text(m) for m in messages if m.thread_ts == card.ts)]
        for card in cards
    ]


async def test_thirty_deploys_of_one_build_are_one_card(scene: Scene) -> None:
    rows = [deploy(scene, number) for number in range(30)]
    async with scene.monitor() as app:
        await scene.look(app, times=4)
        assert followed(app) == {"inw-bld1-00@build:bld1"}
        (thread,) = threads(scene)
        assert "deploy checkout-api" in thread[0]
        assert "30 installs" in thread[0]

        for row in rows:
            scene.set_status(row, "success")
        await scene.look(app, times=4)
        (thread,) = threads(scene)
        assert "✅" not in thread[0]  # more installs may come

        await scene.look(app, times=12, every=60)

    (thread,) = threads(scene)
    assert thread[0].startswith("✅")
    assert "30 installs" in thread[0]


async def test_one_of_many_that_fails_is_one_message_with_its_reason(scene: Scene) -> None:
    rows = [deploy(scene, number) for number in range(30)]
    async with scene.monitor() as app:
        await scene.look(app, times=3)
        scene.set_status(rows[7], "error", "helm upgrade timed out")
        await scene.look(app, times=3)
        for row in rows:
            if row is not rows[7]:
                scene.set_status(row, "success")
        await scene.look(app, times=15, every=60)

    (thread,) = threads(scene)
    assert thread[0].startswith("❌")
    failures = [text for text in thread[1:] if "inl07-prod" in text and "failed" in text]
    assert len(failures) == 1
    assert "helm upgrade timed out" in failures[0]


async def test_an_install_that_comes_later_joins_the_card_and_a_new_try_replaces_the_failed_one(
    scene: Scene,
) -> None:
    first = deploy(scene, 1)
    async with scene.monitor() as app:
        await scene.look(app)
        scene.set_status(first, "error", "helm upgrade timed out")
        scene.clock.advance(480)
        deploy(scene, 2)
        await scene.look(app)
        again = deploy(scene, 1)
        again["id"] = "inw-again"
        scene.platform.answers["/v1/workflows/inw-again"] = again
        scene.platform.answers["/v1/workflows/inw-again/steps"] = []
        scene.platform.answers["/v1/workflows/inw-bld1-01"] = first
        await scene.look(app)
        for row in scene.platform.answers["/v1/workflows"][:2]:
            scene.set_status(row, "success")
        await scene.look(app, times=15, every=60)

    (thread,) = threads(scene)
    assert thread[0].startswith("✅")
    assert "2 installs" in thread[0]


async def test_other_builds_and_what_comes_after_the_end_are_other_changes(scene: Scene) -> None:
    first = deploy(scene, 1)
    deploy(scene, 2, "bld2")
    async with scene.monitor() as app:
        await scene.look(app)
        assert len(threads(scene)) == 2
        scene.set_status(first, "success")
        await scene.look(app, times=15, every=60)
        for poller in app.registry.rollout_pollers:
            if poller.pause() is None:
                await app.registry.finish(poller)
        assert followed(app) == {"inw-bld2-02@build:bld2"}

        deploy(scene, 3)
        await scene.look(app)

        assert followed(app) == {"inw-bld2-02@build:bld2", "inw-bld1-03@build:bld1"}
    assert len(threads(scene)) == 3


async def test_a_restart_keeps_what_belongs_together(scene: Scene) -> None:
    for number in range(3):
        deploy(scene, number)
    async with scene.monitor() as app:
        await scene.look(app)
    deploy(scene, 3)
    async with scene.monitor() as app:
        await scene.look(app)
        assert followed(app) == {"inw-bld1-00@build:bld1"}

    (thread,) = threads(scene)
    assert "4 installs" in thread[0]


async def test_what_has_left_the_list_is_asked_for_by_its_id(scene: Scene) -> None:
    rows = [deploy(scene, number) for number in range(2)]
    async with scene.monitor() as app:
        await scene.look(app)
        scene.platform.answers["/v1/workflows"] = []
        await scene.look(app)
        for row in rows:
            scene.set_status(row, "success")
        await scene.look(app, times=15, every=60)

    (thread,) = threads(scene)
    assert thread[0].startswith("✅")


async def test_a_workflow_that_waits_for_an_approval_is_told_with_what_is_to_be_approved(
    scene: Scene,
) -> None:
    rows = [deploy(scene, number) for number in range(2)]
    async with scene.monitor() as app:
        await scene.look(app)
        step = {
            "id": "iws1",
            "name": "apply checkout-api",
            "status": {"status": "approval-awaiting"},
            "approval": {"id": "apr1", "type": "helm_approval"},
        }
        rows[0]["steps"] = [step]
        await scene.look(app)

    (thread,) = threads(scene)
    assert any("the Helm changes" in text for text in thread)


TIED = {
    "a config made by hand": ("app_branch_config_update", {"new_app_config_id": "apc1"}, 600.0),
    "a runbook": ("runbook_run", {"runbook_config_id": "rbc1", "runbook_name": "rotate"}, 60.0),
    "a component switched off": ("component_disabled", {"component_id": "cmp1"}, 60.0),
    "an action": (
        "action_workflow_run",
        {"install_action_workflow_name": "healthcheck", "triggerred_by_id": "acc1"},
        60.0,
    ),
}


@pytest.mark.parametrize(("kind", "metadata", "apart"), TIED.values(), ids=TIED)
async def test_what_the_platform_ties_is_one_card(
    scene: Scene, kind: str, metadata: dict[str, str], apart: float
) -> None:
    async with scene.monitor() as app:
        await scene.look(app, times=1)
        for number in range(3):
            scene.add_workflow(f"inw{number}", f"inl{number}", kind, metadata=metadata)
            scene.clock.advance(apart)
        await scene.look(app)

    (thread,) = threads(scene)
    assert "3 installs" in thread[0]


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [("deploy_components", {}), ("manual_deploy", {}), ("runbook_run", {"runbook_name": "rotate"})],
)
async def test_what_nothing_ties_has_a_card_each(
    scene: Scene, kind: str, metadata: dict[str, str]
) -> None:
    for number in range(3):
        scene.add_workflow(f"inw{number}", f"inl{number}", kind, metadata=metadata)
    async with scene.monitor() as app:
        await scene.look(app)

    assert len(threads(scene)) == 3


async def test_a_name_ties_only_what_is_close_in_time(scene: Scene) -> None:
    metadata = {"runbook_config_id": "rbc1", "runbook_name": "rotate"}
    async with scene.monitor() as app:
        await scene.look(app, times=1)
        for number in range(2):
            scene.add_workflow(f"inw{number}", f"inl{number}", "runbook_run", metadata=metadata)
            await scene.look(app, times=1)
            scene.clock.advance(1200)

    assert len(threads(scene)) == 2


@pytest.mark.parametrize("answer", [REMOVED, Refusal(500, "timeout"), {"id": "dpl1"}])
async def test_a_deploy_whose_build_cannot_be_had_has_a_card_of_its_own(
    scene: Scene, answer: object
) -> None:
    deploy(scene, 1)
    scene.platform.answers["/v1/installs/inl01/deploys/dpl-bld1-01"] = answer
    async with scene.monitor() as app:
        await scene.look(app, times=4)

        assert followed(app) == {"inw-bld1-01"}


async def test_an_organisation_and_an_app_that_lead_to_the_same_change_have_one_card_of_it(
    scene: Scene,
) -> None:
    scene.watches += '\n[[watch]]\napp = "app1"\nchannel = "#others"'
    async with scene.monitor() as app:
        await scene.look(app)
        for number in range(3):
            deploy(scene, number)
        await scene.look(app, times=3)

        assert followed(app) == {"inw-bld1-00@build:bld1"}
    assert [len(scene.posts(channel)) for channel in ("releases", "others")] == [1, 1]


async def test_an_install_that_is_left_out_by_its_name_is_no_part_of_a_change(
    scene: Scene,
) -> None:
    scene.watches += '\nexclude = ["inl01-*"]'
    for number in range(3):
        deploy(scene, number)
    async with scene.monitor() as app:
        await scene.look(app)

    (thread,) = threads(scene)
    assert "2 installs" in thread[0]


async def test_a_fleet_that_spans_pages_is_whole_after_a_few_passes(scene: Scene) -> None:
    scene.watches += "\nlimit = 1"
    for number in range(90):
        deploy(scene, number)
    async with scene.monitor() as app:
        await scene.look(app, times=8)

    (thread,) = threads(scene)
    assert "90 installs" in thread[0]


async def test_what_a_customer_entered_is_nowhere(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [deploy(scene, number) for number in range(3)]
    async with scene.monitor() as app:
        await scene.look(app)
        scene.set_status(rows[0], "error", "helm upgrade timed out")
        await scene.look(app)

    assert len(threads(scene)[0]) > 1
    assert CUSTOMERS_VALUE in str(rows)
    assert CUSTOMERS_VALUE not in "".join(map(str, scene.slack.channel("releases").messages))
    assert CUSTOMERS_VALUE not in "".join(capsys.readouterr())
    for file in scene.folder.iterdir():
        assert CUSTOMERS_VALUE.encode() not in file.read_bytes()


# The simulated platform


async def test_on_the_simulated_platform_a_run_and_a_runbook_at_many_installs_are_two_cards(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.platform.age = Age.TODAY
        run_id = world.platform.add(SCENARIOS["happy"], seed=1, dialect="run")
        for number in range(4):
            scenario = replace(SCENARIOS_OF_TODAY["runbook"], owner=number)
            world.platform.add(scenario, seed=10 + number, dialect="workflow")
        world.more = "[[watch]]\nworkflows = true"
        async with world.monitor() as app:
            for _ in range(60):
                await world.look(app, after=60)
            assert app.registry.rollout_pollers == ()

        assert len(world.cards(run_id)) == 1
        cards = [plain_text(one) for one in world.channel.messages if not one.thread_ts]
        assert len(cards) == 2
        assert sum(card.startswith("✅ runbook") for card in cards) == 1
        assert sum("is on all 4 installs" in card for card in cards) == 1
