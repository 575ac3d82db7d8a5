"""One world for all tests of the whole: simulations, a clock, a folder, and the real monitor.

Everything is real but other people's machines: HTTP over loopback, an SQLite file, the whole
path from a poll to a message.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from monitor.config import Config, load_config
from monitor.deliver.pace import Pace
from monitor.errors import DestinationError
from monitor.model import Snapshot, Target, TargetState
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.answers import Shape
from monitor.simulation.audit import Audit, audit
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import Scenario
from monitor.simulation.slack import Channel, Posted, SimulatedSlack, plain_text
from monitor.store import Store
from tests.support.clock import Clock, clock_at
from tests.support.configuration import configuration, keys
from tests.support.delivery import AT_ONCE
from tests.support.processes import Daemon, Result, command, started

CHANNEL = "releases"
SHAPE = Shape(os.environ.get("SIMULATED_SHAPE", Shape.THIN))
"""How much the platform's answers have where a test does not say."""
REPLICA_LAG = float(os.environ.get("SIMULATED_REPLICA_LAG", "0"))
"""Seconds by which one of the platform's replicas is behind where a test does not say."""

Sections = Mapping[str, Mapping[str, object]]

_BY_HAND: Sections = {
    "poll": {"interval": "15s", "unreachable_after": "2s"},
    "stall": {"after": "30m", "remind_every": "4h"},
}
_BY_ITSELF: Sections = {
    "poll": {"interval": "100ms", "settled_interval": "100ms", "unreachable_after": "100ms"},
    "http": {"listen": "127.0.0.1:0"},
}


@dataclass
class World:
    """Where one test takes place.

    Its monitor runs in this process, where the test makes it poll (`monitor`, `look`), or as
    the processes that people start (`daemon`, `started`, `command`).
    """

    clock: Clock
    platform: SimulatedPlatform
    slack: SimulatedSlack
    folder: Path
    usual: Sections = field(default_factory=dict)
    """The configuration's sections as this world has them."""
    own: dict[str, str] = field(default_factory=dict)
    """More keys of sections, as TOML."""
    more: str = ""
    """More tables."""
    channel_of: dict[str, str] = field(default_factory=dict)
    """The channels of watches that have one of their own, by target."""
    has_webhook: bool = False
    pace: Pace = AT_ONCE
    set_by: timedelta = timedelta(0)
    """How far the monitor's own clock was set ahead of the platform's; back is negative."""

    # Its configuration

    @property
    def file(self) -> Path:
        return self.folder / "monitor.toml"

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder}/nuon-monitor.db"

    def write(self, *target_ids: str, more: str = "", **own: str) -> Path:
        """Write the configuration of a monitor that watches these releases, runs, …

        `own` and `more` are like the world's, for this file only.
        """
        layers = (self._access(), self.usual, _parsed(self.own), _parsed(own))
        sections: dict[str, dict[str, object]] = {}
        for layer in layers:
            for name, values in layer.items():
                sections.setdefault(name, {}).update(values)
        watches = map(self.watch_of, target_ids)
        self.file.write_text(configuration(*watches, self.more, more, **sections))
        return self.file

    def config(self, *target_ids: str, more: str = "", **own: str) -> Config:
        return load_config(self.write(*target_ids, more=more, **own), {})

    def watch_of(self, target_id: str) -> str:
        """Return the table that has a target watched; a run is found by its branch.

        A preview is found there only if its type is asked for.
        """
        rollout = self.platform.find(target_id)
        types = ""
        kind, key = "release", target_id  # also where the platform does not know the id
        if rollout is not None and rollout.kind == "run":
            kind, key = "app_branch", f"{rollout.cast.app_id}/{rollout.cast.branch_id}"
            if rollout.scenario.is_preview:
                types = '\ntypes = ["app_branches_manual_update"]'
        elif rollout is not None:
            kind = rollout.kind
        channel = self.channel_of.get(target_id)
        words = f'[[watch]]\n{kind} = "{key}"{types}'
        return words + (f'\nchannel = "{channel}"' if channel else "")

    def _access(self) -> Sections:
        slack: dict[str, object] = {"bot_token": self.slack.token}
        if self.has_webhook:
            slack = {"bot_token": None, "channel": None, "webhook_url": self.slack.webhook_url}
        return {
            "nuon": {
                "api_url": self.platform.base_url,
                "org_id": self.platform.org_id,
                "api_token": self.platform.token,
            },
            "slack": {"api_url": self.slack.api_url, **slack},
            "store": {"url": self.store_url},
        }

    # The monitor in this process

    @asynccontextmanager
    async def monitor(self, *target_ids: str) -> AsyncIterator[App]:
        """Start the monitor, without its scheduler: `look` makes it poll."""
        config, at_start = self.config(*target_ids), self.set_by

        def jumped() -> timedelta:
            return self.set_by - at_start

        async with build(config, pace=self.pace, now=self.now, jumped=jumped) as app:
            if not self.has_webhook:
                with contextlib.suppress(DestinationError):  # as the daemon, which tries again
                    await app.slack.check_token()
            yield app

    async def look(self, app: App, *, after: float = 0) -> None:
        """Let so many seconds pass, poll every watch once, and deliver what comes of it."""
        self.clock.advance(after)
        await app.poll_once()
        for poller in app.registry.rollout_pollers:
            if poller.pause() is None:
                await app.registry.finish(poller)
        await app.delivery.drain()

    def now(self) -> datetime:
        """Return the time by the monitor's clock."""
        return self.clock.now() + self.set_by

    # The monitor as processes

    @asynccontextmanager
    async def daemon(self, *target_ids: str, more: str = "", **own: str) -> AsyncIterator[Daemon]:
        """Write the configuration and start a daemon with it."""
        self.write(*target_ids, more=more, **own)
        async with self.started() as daemon:
            yield daemon

    def started(self, **environment: str) -> AbstractAsyncContextManager[Daemon]:
        """Start a daemon with the configuration as it is."""
        return started(self.file, **environment)

    async def command(self, *arguments: str) -> Result:
        return await command(*arguments, "-c", str(self.file))

    # What was asked of the platform, and what people can read

    def polls(self, target_id: str) -> int:
        """Return how often the platform was asked for this alone."""
        return sum(r.path.endswith(f"/{target_id}") for r in self.platform.requests)

    @property
    def channel(self) -> Channel:
        return self.slack.channel(CHANNEL)

    @property
    def keys(self) -> list[str]:
        """The keys of all notifications in the channel, in order."""
        return keys_of(self.channel.posts)

    @property
    def texts(self) -> list[str]:
        """All that was posted in the channel, as text."""
        return [plain_text(post) for post in self.channel.posts]

    def cards(self, target_id: str) -> list[Posted]:
        """Return a rollout's cards as they are in the channel, one for each attempt.

        Where a card was lost, it is the one that took its place.
        """
        return [
            post
            for post in self.channel.messages
            if "/card/" in key_of(post) and f"/{target_id}/" in key_of(post)
        ]

    def replies(self, target_id: str) -> list[Posted]:
        """Return the replies in a rollout's threads, in order."""
        threads = {card.ts for card in self.cards(target_id)}
        return [post for post in self.channel.posts if post.thread_ts in threads]

    def thread_text(self, target_id: str) -> str:
        """Return the replies in a rollout's threads as one text."""
        return "\n".join(map(plain_text, self.replies(target_id)))

    def audit(self, target_id: str, *, knows_waits: bool = True) -> Audit:
        """Compare what happened to a rollout with what people can read of it."""
        rollout = self.platform.rollout(target_id)
        return audit(rollout, self.channel, knows_waits=knows_waits)

    def stored(self, target_id: str) -> tuple[Snapshot, TargetState]:
        """Return what the monitor knows of a rollout, from its file."""
        with Store.open_readonly(self.store_url) as store:
            stored = store.snapshots.load(Target(self.platform.rollout(target_id).kind, target_id))
        assert stored is not None
        return stored.snapshot, stored.state


def _parsed(own: Mapping[str, str]) -> Sections:
    return {name: keys(text) for name, text in own.items()}


def key_of(post: Posted) -> str:
    """Return the key of the notification that a post is; empty where a person wrote it."""
    return str(((post.metadata or {}).get("event_payload") or {}).get("key", ""))


def keys_of(posts: Iterable[Posted]) -> list[str]:
    return [key_of(post) for post in posts]


@asynccontextmanager
async def a_world(
    folder: Path,
    *,
    clock: Clock | None = None,
    channels: tuple[str, ...] = (),
    more: str = "",
    has_webhook: bool = False,
    shape: Shape = SHAPE,
    replica_lag: float = REPLICA_LAG,
    reshuffle: bool = True,
) -> AsyncIterator[World]:
    """Start both simulations for a monitor that the test makes poll.

    Their clock stands still but for `advance`, and begins at noon unless another is given.
    `shape` and `replica_lag` are `SimulatedPlatform`'s.
    """
    clock = clock or clock_at()
    async with (
        SimulatedSlack((CHANNEL, *channels), rates=False) as slack,
        SimulatedPlatform(
            clock, shape=shape, replica_lag=replica_lag, reshuffle=reshuffle
        ) as platform,
    ):
        usual = {"slack": {"channel": slack.channel(CHANNEL).id}, **_BY_HAND}
        world = World(clock, platform, slack, folder, usual, more=more, has_webhook=has_webhook)
        yield world


@asynccontextmanager
async def a_live_world(folder: Path) -> AsyncIterator[World]:
    """Start both simulations for a monitor that polls by itself, as quickly as it can.

    It goes by the machine's clock, and so the simulations begin now; rollouts stand still but
    for `advance`.
    """
    clock = Clock(speed=0)
    async with (
        SimulatedSlack((CHANNEL,), rates=False) as slack,
        SimulatedPlatform(clock, shape=SHAPE) as platform,
    ):
        yield World(clock, platform, slack, folder, _BY_ITSELF)


async def watch(
    world: World,
    scenario: str | Scenario,
    *,
    seed: int,
    dialect: str = "release",
    every: float = 15.0,
    restarts: float = 0.0,
    beyond: float = 120.0,
) -> str:
    """Watch a rollout from its beginning to beyond its end; some polls follow a restart."""
    target_id = world.platform.add(scenario, seed=seed, dialect=dialect)
    rollout = world.platform.rollout(target_id)
    chance = random.Random(f"{rollout.scenario.name} {seed}")
    stack = AsyncExitStack()
    app = await stack.enter_async_context(world.monitor(target_id))
    await world.look(app)
    while world.platform.seconds_of(target_id) < rollout.settles_after + beyond:
        if chance.random() < restarts:
            await stack.aclose()
            app = await stack.enter_async_context(world.monitor(target_id))
        await world.look(app, after=every)
    await stack.aclose()
    return target_id
