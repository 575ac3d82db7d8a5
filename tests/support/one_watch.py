"""One thing that is watched on a platform of a few answers, for each key of `[[watch]]`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.support import read_status
from monitor.config import Config, load_config
from monitor.deliver.pace import Pace
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.clock import Clock, clock_at
from tests.support.configuration import configuration
from tests.support.small_platform import REMOVED, TOKEN, SmallPlatform

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
        {"/v1/apps/app1/releases": [], "/v1/apps/app1/branches": []},
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
        return self.config_of(self.watched.id)

    def config_of(self, target_id: str) -> Config:
        file = self.folder / "monitor.toml"
        file.write_text(
            configuration(
                f'[[watch]]\n{self.key} = "{target_id}"',
                nuon={"api_url": self.platform.url, "org_id": "org1", "api_token": TOKEN},
                slack={
                    "api_url": self.slack.api_url,
                    "bot_token": self.slack.token,
                    "channel": f"#{CHANNEL}",
                },
                poll={"interval": "15s", "unreachable_after": "30s"},
                store={"url": f"sqlite:///{self.folder}/nuon-monitor.db"},
            )
        )
        return load_config(file, {})

    @asynccontextmanager
    async def monitor(self, target_id: str | None = None) -> AsyncIterator[App]:
        """Start the monitor of what is watched, or of another id of the same kind."""
        config = self.config_of(target_id or self.watched.id)
        async with build(config, pace=Pace(post=0, edit=0), now=self.clock.now) as app:
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
    def posted(self) -> list[str]:
        return [plain_text(post) for post in self.slack.channel(CHANNEL).posts]

    @property
    def notices(self) -> list[str]:
        """What was said of what can be seen, without the cards of what is."""
        return [text for text in self.posted if text[0] in "❓⚠✅"]

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


@asynccontextmanager
async def a_scene(folder: Path, key: str) -> AsyncIterator[Scene]:
    """Start a platform on which the thing of a key exists, and a Slack."""
    answers = {f"/v1/{name}/*": answer for name, answer in ROUTES.items()}
    async with (
        SmallPlatform({**answers, **WATCHED[key].others}) as platform,
        SimulatedSlack((CHANNEL,), rates=False) as slack,
    ):
        scene = Scene(platform, slack, clock_at(), folder, key)
        scene.answer(dict(scene.watched.document))
        yield scene


def problems(app: App) -> dict[str, str]:
    """Return what `/readyz` says is wrong with the platform and the watches."""
    checks = {check.name: check.problem for check in app.probes.ready()}
    return {name: why for name in ("platform", "watches") if (why := checks[name])}
