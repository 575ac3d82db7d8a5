"""Watches whose ids lead to nothing on the platform, for every key of `[[watch]]`.

A list answers 200 and `[]` for any id: only the record says whether there is such a thing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.support import read_status
from monitor.cli.support.online_checks import ask
from monitor.config import WATCH_KINDS, Config, load_config
from monitor.deliver.pace import Pace
from monitor.kinds.profile import WatchedBy
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.slack import SimulatedSlack, plain_text
from monitor.watch import records
from tests.support.clock import Clock, clock_at
from tests.support.configuration import configuration
from tests.support.small_platform import NEVER, REMOVED, TOKEN, Refusal, SmallPlatform

CHANNEL = "releases"


@dataclass(frozen=True)
class Watched:
    """What is watched: where its record is, and what else the platform answers."""

    id: str
    record: str
    document: Mapping[str, object]
    others: Mapping[str, Any]
    """Of a list: itself, empty as it is for any id, and what leads to it."""

    @property
    def is_list(self) -> bool:
        return bool(self.others)


BRANCH = "/v1/apps/app1/branches/abr1"
WATCHED = {
    "release": Watched("rel1", "/v1/releases/rel1", {"id": "rel1", "status": "queued"}, {}),
    "workflow": Watched(
        "inw1",
        "/v1/workflows/inw1",
        {"id": "inw1", "status": {"status": "pending"}, "steps": []},
        {},
    ),
    "installer": Watched("int1", "/v1/installers/int1", {"id": "int1", "apps": []}, {}),
    "app": Watched(
        "app1",
        "/v1/apps/app1",
        {"id": "app1", "name": "Storefront"},
        {"/v1/apps/app1/releases": []},
    ),
    "component": Watched(
        "cmp1", "/v1/components/cmp1", {"id": "cmp1"}, {"/v1/components/cmp1/releases": []}
    ),
    "install": Watched(
        "inl1", "/v1/installs/inl1", {"id": "inl1"}, {"/v1/installs/inl1/workflows": []}
    ),
    "app_branch": Watched("app1/abr1", BRANCH, {"id": "abr1"}, {f"{BRANCH}/runs": []}),
}
_DEPLOY = {"id": "dpl1", "status": "queued", "component_name": "Storefront"}
NAMES: Mapping[str, Mapping[str, object]] = {
    "release": {"release_steps": [{"id": "rel2", "install_deploys": [_DEPLOY]}]},
    "workflow": {"type": "drift_run", "metadata": {"workflow-name-suffix": "Storefront"}},
    "installer": {"metadata": {"name": "Storefront"}},
}
"""Where it has its name, if not in `name`."""
ROUTES = dict.fromkeys(
    ("releases", "workflows", "installers", "apps", "components", "installs"), REMOVED
)

every_key = pytest.mark.parametrize("key", WATCHED)
every_list = pytest.mark.parametrize("key", [key for key, it in WATCHED.items() if it.is_list])


@dataclass
class Scene:
    """A platform on which one thing is watched, a Slack, and a clock that is set by hand."""

    platform: SmallPlatform
    slack: SimulatedSlack
    clock: Clock
    folder: Path
    key: str

    @property
    def watched(self) -> Watched:
        return WATCHED[self.key]

    @property
    def config(self) -> Config:
        file = self.folder / "monitor.toml"
        file.write_text(
            configuration(
                f'[[watch]]\n{self.key} = "{self.watched.id}"',
                nuon={"api_url": self.platform.url, "org_id": "org1", "api_token": TOKEN},
                slack={
                    "api_url": self.slack.api_url,
                    "bot_token": self.slack.token,
                    "channel": f"#{CHANNEL}",
                },
                poll={"interval": "15s"},
                store={"url": f"sqlite:///{self.folder}/nuon-monitor.db"},
            )
        )
        return load_config(file, {})

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[App]:
        async with build(self.config, pace=Pace(post=0, edit=0), now=self.clock.now) as app:
            yield app

    def answer(self, record: object) -> None:
        """Let the platform answer this to the record from now on."""
        self.platform.answers[self.watched.record] = record

    async def look(self, app: App, *, times: int = 4, every: float = 15.0) -> None:
        """Poll so often, and deliver what comes of it."""
        for _ in range(times):
            self.clock.advance(every)
            await app.poll_once()
            await app.delivery.drain()

    @property
    def said(self) -> list[str]:
        return [plain_text(post) for post in self.slack.channel(CHANNEL).posts]

    @property
    def notices(self) -> list[str]:
        """What was said of what can be seen, without the cards of what is."""
        return [text for text in self.said if text[0] in "❓⚠✅"]

    @property
    def outages(self) -> list[str]:
        """What `status` says is wrong with what is watched."""
        view = read_status.look(self.config, self.clock.now())
        return [row.outage.kind for row in view.rows if row.outage]

    def times_asked(self) -> int:
        """Return how often the record was asked for, and begin to count anew."""
        times = self.platform.asked.count(self.watched.record)
        self.platform.asked.clear()
        return times


@pytest.fixture
async def scene(tmp_path: Path, key: str) -> AsyncIterator[Scene]:
    answers = {f"/v1/{name}/*": answer for name, answer in ROUTES.items()}
    async with (
        SmallPlatform({**answers, **WATCHED[key].others}) as platform,
        SimulatedSlack((CHANNEL,), rates=False) as slack,
    ):
        scene = Scene(platform, slack, clock_at(), tmp_path, key)
        scene.answer(dict(scene.watched.document))
        yield scene


def test_every_key_that_takes_an_id_is_tried() -> None:
    keys = {key for key, it in WATCH_KINDS.items() if it.watched_by is not WatchedBy.WHOLE_ORG}

    assert set(WATCHED) == keys


def problems(app: App) -> dict[str, str]:
    """Return what `/readyz` says is wrong with the platform and the watches."""
    checks = {check.name: check.problem for check in app.probes.ready()}
    return {name: why for name in ("platform", "watches") if (why := checks[name])}


@every_key
async def test_what_exists_is_well(scene: Scene) -> None:
    async with scene.monitor() as app:
        await scene.look(app)

        assert problems(app) == {}
    assert scene.notices == []
    assert scene.outages == []


@every_key
async def test_what_does_not_exist_is_said_once_in_every_place_and_once_when_it_does(
    scene: Scene,
) -> None:
    scene.answer(REMOVED)
    async with scene.monitor() as app:
        await scene.look(app, times=12)

        (said,) = scene.said
        assert said.startswith(f"❓ {scene.key} {scene.watched.id} is not on Nuon\n")
        assert f"no such {scene.key}: check the id" in said
        assert list(problems(app)) == ["watches"]
        assert f"{scene.key} {scene.watched.id}: no such" in problems(app)["watches"]
        assert scene.outages == ["removed"]
    async with scene.monitor() as app:
        await scene.look(app)
        assert len(scene.said) == 1

        scene.answer(dict(scene.watched.document))
        await scene.look(app)

        assert problems(app) == {}
    (_, again) = scene.notices
    assert again.startswith("✅ ")
    assert scene.outages == []


@every_key
async def test_what_is_deleted_later_is_noticed_within_the_hour(scene: Scene) -> None:
    async with scene.monitor() as app:
        await scene.look(app)
        scene.answer(REMOVED)
        await scene.look(app, times=70, every=60)

        (said,) = scene.notices
        assert "is not on Nuon any more" in said
        assert scene.outages == ["removed"]


DOUBTS = {
    "forbidden": Refusal(403, "forbidden"),
    "an error of the platform": Refusal(500, "timeout"),
    "no such route": None,
}
every_doubt = pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)


@every_list
@every_doubt
async def test_a_record_that_cannot_be_asked_for_is_no_outage_of_its_list(
    scene: Scene, doubt: object
) -> None:
    scene.answer(doubt)
    async with scene.monitor() as app:
        await scene.look(app, times=12)

        assert problems(app) == {}
    assert scene.said == []
    assert scene.outages == []


@pytest.mark.parametrize("key", [key for key, it in WATCHED.items() if not it.is_list])
@every_doubt
async def test_what_has_no_list_cannot_be_seen_without_its_record(
    scene: Scene, doubt: object
) -> None:
    scene.answer(doubt)
    async with scene.monitor() as app:
        await scene.look(app, times=12)

    (said,) = scene.said
    assert said.startswith("⚠️ Nuon cannot be seen\n")


@every_list
@every_doubt
async def test_what_is_missing_stays_so_until_the_record_is_answered(
    scene: Scene, doubt: object
) -> None:
    scene.answer(REMOVED)
    async with scene.monitor() as app:
        await scene.look(app, times=1)
        scene.answer(doubt)
        await scene.look(app)
        scene.answer(REMOVED)
        await scene.look(app)
    scene.answer(doubt)
    async with scene.monitor() as app:
        await scene.look(app)

    (said,) = scene.said
    assert said.startswith("❓ ")
    assert scene.outages == ["removed"]


@every_list
async def test_what_exists_is_asked_for_seldom(scene: Scene) -> None:
    async with scene.monitor() as app:
        await scene.look(app, times=180, every=60)

    assert 3 <= scene.times_asked() <= 4


@every_list
async def test_what_cannot_be_asked_for_is_asked_for_less_and_less(scene: Scene) -> None:
    scene.answer(Refusal(403, "forbidden"))
    async with scene.monitor() as app:
        await scene.look(app, times=60, every=60)
        first_hour = scene.times_asked()
        await scene.look(app, times=240, every=60)

    assert 5 <= first_hour <= 7
    assert scene.times_asked() <= 5


@pytest.mark.parametrize("key", ["app"])
async def test_a_record_that_does_not_come_holds_up_no_list(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_PATIENCE_SECONDS", 0.05)
    scene.answer(NEVER)
    async with scene.monitor() as app:
        await scene.look(app)

    assert scene.said == []
    assert scene.outages == []


@pytest.mark.parametrize("key", ["app"])
async def test_what_is_found_is_followed_though_the_record_is_missing(scene: Scene) -> None:
    scene.answer(REMOVED)
    release = {"id": "rel1", "status": "queued", "build_id": "bld1"}
    scene.platform.answers["/v1/apps/app1/releases"] = [release]
    scene.platform.answers["/v1/releases/rel1"] = release
    async with scene.monitor() as app:
        await scene.look(app)

        assert [one.watch.target.id for one in app.registry.rollout_pollers] == ["rel1"]
    assert "❓ app app1 is not on Nuon any more" in "".join(scene.said)


@pytest.mark.parametrize("key", ["app"])
async def test_what_a_list_led_to_may_be_deleted_and_all_is_well(scene: Scene) -> None:
    release = {"id": "rel1", "status": "queued", "build_id": "bld1"}
    scene.platform.answers["/v1/apps/app1/releases"] = [release]
    scene.platform.answers["/v1/releases/rel1"] = release
    async with scene.monitor() as app:
        await scene.look(app)
        scene.platform.answers["/v1/releases/rel1"] = REMOVED
        await scene.look(app)

        assert problems(app) == {}
    assert scene.notices[-1].startswith("❓ ")


# Asked before anything is told


async def checked(scene: Scene, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Return whether `check --online` finds all well, and its line about what is watched."""
    is_well = await ask(scene.config)
    (line,) = (one for one in capsys.readouterr().out.splitlines() if one[2:].startswith(scene.key))
    return is_well, line


@every_key
async def test_check_names_what_exists(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    named = {**scene.watched.document, **NAMES.get(scene.key, {"name": "Storefront"})}
    scene.answer(named)

    is_well, line = await checked(scene, capsys)

    assert is_well
    assert re.match(rf"✓ {scene.key} (\w+ )*Storefront \({scene.watched.id}\): ", line)


@every_key
async def test_check_says_what_to_do_about_what_does_not_exist(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.answer(REMOVED)

    is_well, line = await checked(scene, capsys)

    assert not is_well
    assert line.startswith(f"✗ {scene.key} {scene.watched.id}: no such {scene.key}: check the id")


@every_list
@every_doubt
async def test_check_says_of_a_list_alone_that_it_proves_nothing(
    scene: Scene, doubt: object, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.answer(doubt)

    is_well, line = await checked(scene, capsys)

    assert is_well
    assert "nothing in the last 7d; whether there is such a thing at all cannot be told" in line
