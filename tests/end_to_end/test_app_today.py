"""`app =` on a platform without releases: the app's branches lead to their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from monitor.config import load_config
from monitor.deliver.pace import Pace
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.clock import Clock, clock_at
from tests.support.configuration import configuration
from tests.support.small_platform import REMOVED, TOKEN, Refusal, SmallPlatform

BILL = {"id": "rel1", "status": "ready", "app_config_id": "apc1", "semantic_digest": "x"}
BRANCHES = "/v1/apps/app1/branches"
OFF = Refusal(400, "feature not enabled: app-branches", "This needs 'app-branches'")
NO_ROUTE = None


@dataclass
class Scene:
    """A platform of today with one app, a Slack, and a clock that is set by hand."""

    platform: SmallPlatform
    slack: SimulatedSlack
    folder: Path
    clock: Clock = field(default_factory=clock_at)
    watches: str = '[[watch]]\napp = "app1"'

    def add_branch(self, branch_id: str, *runs: str) -> None:
        answers = self.platform.answers
        answers.setdefault(BRANCHES, []).append({"id": branch_id, "name": f"branch-{branch_id}"})
        answers[f"{BRANCHES}/{branch_id}"] = {"id": branch_id}
        answers[f"{BRANCHES}/{branch_id}/runs"] = []
        for run in runs:
            self.add_run(branch_id, run)

    def add_run(self, branch_id: str, run_id: str) -> None:
        row = {
            "id": run_id,
            "type": "app_branches_manual_update",
            "owner_type": "app_branches",
            "owner_id": branch_id,
            "created_at": self.clock.now().isoformat(),
            "status": {"status": "in-progress"},
            "app_branch_runs": [{"id": f"run-{run_id}", "app_branch_id": branch_id}],
        }
        self.platform.answers[f"{BRANCHES}/{branch_id}/runs"].insert(0, row)
        self.platform.answers[f"/v1/workflows/{run_id}"] = row
        groups = f"{BRANCHES}/{branch_id}/runs/run-{run_id}/install-group-runs"
        self.platform.answers[groups] = []

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[App]:
        file = self.folder / "monitor.toml"
        file.write_text(
            configuration(
                self.watches,
                nuon={"api_url": self.platform.url, "org_id": "org1", "api_token": TOKEN},
                slack={
                    "api_url": self.slack.api_url,
                    "bot_token": self.slack.token,
                    "channel": "#releases",
                },
                poll={"interval": "15s"},
                store={"url": f"sqlite:///{self.folder}/nuon-monitor.db"},
            )
        )
        pace = Pace(post=0, edit=0)
        async with build(load_config(file, {}), pace=pace, now=self.clock.now) as app:
            await app.close_removed()
            yield app

    async def look(self, app: App, *, times: int = 2, every: float = 15.0) -> None:
        for _ in range(times):
            await app.poll_once()
            await app.delivery.drain()
            self.clock.advance(every)

    def said(self, channel: str = "releases") -> list[str]:
        return [plain_text(post) for post in self.slack.channel(channel).posts]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    answers: dict[str, Any] = {
        "/v1/apps": [{"id": "app1"}],
        "/v1/apps/app1": {"id": "app1", "name": "Storefront"},
        "/v1/apps/app1/releases": [BILL],
    }
    async with (
        SmallPlatform(answers) as platform,
        SimulatedSlack(("releases", "others"), rates=False) as slack,
    ):
        yield Scene(platform, slack, tmp_path)


def followed(app: App) -> set[str]:
    return {one.watch.target.id for one in app.registry.rollout_pollers}


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

    assert len(scene.said()) == 3
    assert not any(text.startswith("⚠") for text in scene.said())


async def test_a_restart_neither_forgets_a_run_nor_closes_its_card(scene: Scene) -> None:
    scene.add_branch("abr1", "inw1")
    async with scene.monitor() as app:
        await scene.look(app)
    cards = scene.said()
    scene.platform.answers["/v1/apps/app1/releases"] = Refusal(500, "timeout")
    async with scene.monitor() as app:
        assert followed(app) == {"inw1"}
        await scene.look(app, times=1)

    assert scene.said() == cards


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

    assert [len(scene.said(channel)) for channel in ("releases", "others")] == [1, 1]


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

    assert scene.said() == []


@pytest.mark.parametrize("releases", [[BILL], NO_ROUTE], ids=["bills", "no route"])
@pytest.mark.parametrize("branches", [OFF, NO_ROUTE], ids=["off", "no route"])
async def test_an_app_of_which_nothing_is_served_is_told_once(
    scene: Scene, releases: object, branches: object
) -> None:
    scene.platform.answers["/v1/apps/app1/releases"] = releases
    scene.platform.answers[BRANCHES] = branches
    async with scene.monitor() as app:
        await scene.look(app, times=20, every=60)

    (text,) = scene.said()
    assert "cannot be seen" in text


async def test_that_app_branches_are_off_is_no_outage_of_an_app_with_releases(
    scene: Scene,
) -> None:
    scene.platform.answers["/v1/apps/app1/releases"] = []
    scene.platform.answers[BRANCHES] = OFF
    async with scene.monitor() as app:
        await scene.look(app, times=20, every=60)

    assert scene.said() == []


async def test_app_branches_that_are_turned_off_later_are_no_outage(scene: Scene) -> None:
    scene.add_branch("abr1")
    async with scene.monitor() as app:
        await scene.look(app)
        scene.platform.answers["/v1/apps/app1/releases"] = []
        scene.platform.answers[BRANCHES] = NO_ROUTE
        scene.platform.answers[f"{BRANCHES}/abr1/runs"] = NO_ROUTE
        await scene.look(app, times=20, every=60)

    assert scene.said() == []


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
