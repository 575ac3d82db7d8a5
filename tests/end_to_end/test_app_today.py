"""`app =` on a platform without releases: the app's branches lead to their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.org_scene import BILL, BRANCHES, NO_ROUTE, OFF, Scene, a_scene, followed
from tests.support.small_platform import REMOVED, Refusal


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, '[[watch]]\napp = "app1"') as scene:
        yield scene


@pytest.mark.parametrize("releases", [[BILL], [], NO_ROUTE], ids=["bills", "none yet", "no route"])
async def test_the_runs_of_all_branches_of_an_app_are_found_also_of_a_later_branch(
    scene: Scene, releases: object
) -> None:
    scene.platform.answers["/v1/apps/app1/releases"] = releases
    scene.add_branch("abr1", "inw1")
    scene.add_branch("abr2", "inw2")
    async with scene.monitor() as app:
        await scene.look(app)
        assert followed(app) == {"inw1", "inw2"}

        scene.add_branch("abr3", "inw3")
        await scene.look(app)
        assert followed(app) == {"inw1", "inw2", "inw3"}

    assert len(scene.posts()) == 3
    assert not any(text.startswith("⚠") for text in scene.posts())


async def test_a_restart_neither_forgets_a_run_nor_closes_its_card(scene: Scene) -> None:
    scene.add_branch("abr1", "inw1")
    async with scene.monitor() as app:
        await scene.look(app)
    cards = scene.posts()
    scene.platform.answers["/v1/apps/app1/releases"] = Refusal(500, "timeout")
    async with scene.monitor() as app:
        assert followed(app) == {"inw1"}
        await scene.look(app, times=1)

    assert scene.posts() == cards


async def test_the_limit_holds_for_all_branches_together(scene: Scene) -> None:
    scene.watches += "\nlimit = 3"
    for n in range(5):
        scene.add_branch(f"abr{n}", f"inw{n}")
    async with scene.monitor() as app:
        await scene.look(app)
        assert len(followed(app)) == 3

        for n in range(5):
            row = scene.platform.answers[f"/v1/workflows/inw{n}"]
            row["status"], row["finished"] = {"status": "cancelled"}, True
        await scene.look(app, times=1)
        for n in range(5, 8):
            scene.add_branch(f"abr{n}", f"inw{n}")
        await scene.look(app)

    assert len(scene.slack.channel("releases").posts) >= 6


async def test_a_run_that_its_branch_leads_to_as_well_has_one_card_in_each_channel(
    scene: Scene,
) -> None:
    scene.watches = (
        '[[watch]]\napp = "app1"\n[[watch]]\napp_branch = "app1/abr1"\nchannel = "#others"'
    )
    scene.add_branch("abr1", "inw1")
    async with scene.monitor() as app:
        await scene.look(app)

    assert [len(scene.posts(channel)) for channel in ("releases", "others")] == [1, 1]


async def test_a_branch_that_is_deleted_is_polled_no_more_and_is_no_news(scene: Scene) -> None:
    scene.add_branch("abr1")
    async with scene.monitor() as app:
        await scene.look(app)
        scene.platform.answers[BRANCHES] = []
        scene.platform.answers[f"{BRANCHES}/abr1"] = REMOVED
        scene.platform.answers[f"{BRANCHES}/abr1/runs"] = REMOVED
        await scene.look(app, times=5)
        branch = next(one for one in app.registry.list_pollers if "abr1" in one.watch.target.id)
        assert branch.pause() is None

        await app.registry.finish(branch)
        assert not any("abr1" in one.watch.target.id for one in app.registry.list_pollers)

    assert scene.posts() == []


@pytest.mark.parametrize("releases", [[BILL], NO_ROUTE], ids=["bills", "no route"])
@pytest.mark.parametrize("branches", [OFF, NO_ROUTE], ids=["off", "no route"])
async def test_an_app_of_which_nothing_is_served_is_told_once(
    scene: Scene, releases: object, branches: object
) -> None:
    scene.platform.answers["/v1/apps/app1/releases"] = releases
    scene.platform.answers[BRANCHES] = branches
    async with scene.monitor() as app:
        await scene.look(app, times=20, every=60)

    (text,) = scene.posts()
    assert ("can't be polled" if releases == [BILL] else "can't reach the Nuon API") in text


async def test_that_app_branches_are_off_is_no_outage_of_an_app_with_releases(
    scene: Scene,
) -> None:
    scene.platform.answers["/v1/apps/app1/releases"] = []
    scene.platform.answers[BRANCHES] = OFF
    async with scene.monitor() as app:
        await scene.look(app, times=20, every=60)

    assert scene.posts() == []


async def test_app_branches_that_are_turned_off_later_are_no_outage(scene: Scene) -> None:
    scene.add_branch("abr1")
    async with scene.monitor() as app:
        await scene.look(app)
        scene.platform.answers["/v1/apps/app1/releases"] = []
        scene.platform.answers[BRANCHES] = NO_ROUTE
        scene.platform.answers[f"{BRANCHES}/abr1/runs"] = NO_ROUTE
        await scene.look(app, times=20, every=60)

    assert scene.posts() == []


async def test_an_app_is_asked_for_its_releases_seldom_where_its_branches_stand_in(
    scene: Scene,
) -> None:
    scene.add_branch("abr1")
    async with scene.monitor() as app:
        await scene.look(app)
        (listed,) = (one for one in app.registry.list_pollers if one.watch.target.kind == "app")
        (branch,) = (one for one in app.registry.list_pollers if "/" in one.watch.target.id)

        pauses = listed.pause(), branch.pause()

    assert [pause.total_seconds() for pause in pauses if pause] == [300, 15]


# The workflows of its installs


async def test_the_workflows_of_an_apps_installs_that_belong_to_no_run_are_found(
    scene: Scene,
) -> None:
    scene.add_branch("abr1", "inw1")
    scene.add_workflow("inw2", "inl1")
    scene.add_workflow("inw3", "inl1", "app_branch_config_update", metadata=OF_RUN)
    scene.add_install("inl2", app_id="app2")
    scene.add_workflow("inw4", "inl2")
    async with scene.monitor() as app:
        await scene.look(app)

        assert followed(app) == {"inw1", "inw2"}


async def test_an_app_whose_branches_are_off_is_known_by_the_workflows_of_its_installs(
    scene: Scene,
) -> None:
    scene.platform.answers[BRANCHES] = OFF
    scene.add_workflow("inw1", "inl1")
    async with scene.monitor() as app:
        await scene.look(app, times=6)

        assert followed(app) == {"inw1"}
    assert len(scene.posts()) == 1


OF_RUN = {"app_branch_run_id": "abr-run1"}
