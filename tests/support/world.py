"""A simulated platform, a simulated Slack and the real monitor, on a clock that tests set.

Everything is real but time: HTTP over loopback, an SQLite file, the whole path from a poll
to a message. A restart closes the monitor and builds it anew from the same file.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from monitor.compose import render
from monitor.compose.assembly import view_of
from monitor.config import Config, load_config
from monitor.decide.diff import keep_absent
from monitor.deliver.pace import Pace
from monitor.kinds import KINDS
from monitor.kinds.wire import Memo
from monitor.model import Entity, Snapshot, Target, TargetState
from monitor.platform.client import NuonClient
from monitor.platform.fetch import gather
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.answers import Shape
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import Scenario
from monitor.simulation.slack import Channel, Posted, SimulatedSlack
from monitor.store import Store
from tests.support.clock import Clock, clock_at
from tests.support.configuration import configuration, keys

CHANNEL = "releases"


@dataclass
class World:
    """Where one test takes place."""

    clock: Clock
    platform: SimulatedPlatform
    slack: SimulatedSlack
    folder: Path
    has_webhook: bool = False
    set_by: timedelta = timedelta(0)
    """How far the monitor's own clock was set ahead of the platform's; back is negative."""
    api_url: str | None = None
    """Where the platform is taken to be, if not where the simulated one is."""
    nuon: str = ""
    """More keys of `[nuon]`."""
    store: str = ""
    """More keys of `[store]`."""
    more: str = ""
    """More tables."""

    @property
    def channel(self) -> Channel:
        return self.slack.channel(CHANNEL)

    def config(self, *target_ids: str) -> Config:
        """Return the configuration of a monitor that watches these releases, runs, …"""
        slack: dict[str, object] = {"bot_token": self.slack.token, "channel": self.channel.id}
        if self.has_webhook:
            slack = {"bot_token": None, "channel": None, "webhook_url": self.slack.webhook_url}
        path = self.folder / "monitor.toml"
        path.write_text(
            configuration(
                *map(self.watch_of, target_ids),
                self.more,
                nuon={
                    "api_url": self.api_url or self.platform.base_url,
                    "org_id": self.platform.org_id,
                    "api_token": self.platform.token,
                    **keys(self.nuon),
                },
                slack={"api_url": self.slack.api_url, **slack},
                poll={"interval": "15s"},
                stall={"after": "30m", "remind_every": "4h"},
                store={"url": self.store_url, **keys(self.store)},
            )
        )
        return load_config(path, {})

    def watch_of(self, target_id: str) -> str:
        """Return the table that has a target watched; a run is found by its branch."""
        rollout = self.platform.find(target_id)
        if rollout is None:  # an id that the platform does not know
            return f'[[watch]]\nrelease = "{target_id}"'
        if rollout.kind == "run":
            cast = rollout.cast
            return f'[[watch]]\napp_branch = "{cast.app_id}/{cast.branch_id}"'
        return f'[[watch]]\n{rollout.kind} = "{target_id}"'

    @asynccontextmanager
    async def monitor(self, *target_ids: str) -> AsyncIterator[App]:
        """Start the monitor, without its scheduler: `look` makes it poll."""
        config, at_start = self.config(*target_ids), self.set_by

        def jumped() -> timedelta:
            return self.set_by - at_start

        async with build(config, pace=Pace(post=0, edit=0), now=self.now, jumped=jumped) as app:
            if not self.has_webhook:
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

    def cards(self, target_id: str) -> list[Posted]:
        """Return a rollout's cards as they stand in the channel, one for each attempt."""
        return [post for post in self.channel.messages if f"/{target_id}/" in _key(post, "/card/")]

    def replies(self, target_id: str) -> list[Posted]:
        """Return what was told of a rollout in its threads, in order."""
        threads = {card.ts for card in self.cards(target_id)}
        return [post for post in self.channel.posts if post.thread_ts in threads]

    def stored(self, target_id: str) -> tuple[Snapshot, TargetState]:
        """Return what the monitor knows of a rollout, from its file."""
        with Store.open_readonly(self.store_url) as store:
            stored = store.snapshots.load(Target(self.platform.rollout(target_id).kind, target_id))
        assert stored is not None
        return stored.snapshot, stored.state

    async def truth(self, known: Snapshot) -> Snapshot:
        """Return a target as the platform has it now, with what is known and missing there."""
        target = known.target
        kind = KINDS[target.kind]
        async with NuonClient(
            api_url=self.platform.base_url,
            org_id=self.platform.org_id,
            api_token=self.platform.token,
            timeout=timedelta(seconds=30),
            max_concurrent_requests=8,
        ) as client:
            found = await gather(client, kind, target.id)
        root = kind.decode(found.main.body, target.id, Memo(), found.beside)
        return keep_absent(known, Snapshot(target, known.taken_at, root))

    def card_of(self, target_id: str) -> tuple[dict[str, object], ...]:
        """Return the blocks of the card that what is stored draws."""
        snapshot, state = self.stored(target_id)
        cards = self.cards(target_id)
        link = None
        if len(cards) > 1:
            ts = cards[-2].ts.replace(".", "")
            link = f"{self.slack.url}/archives/{self.channel.id}/p{ts}"
        with Store.open_readonly(self.store_url) as store:
            called = store.names.called(render.shown_ids(snapshot, state))
        view = view_of(
            snapshot,
            state,
            called,
            links=render.Links("https://app.nuon.co", self.platform.org_id),
            watch=None,
            previous_url=link,
        )
        return render.card(view).blocks

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder}/nuon-monitor.db"


def unmarked(root: Entity) -> Entity:
    """Return a tree without the marks of what was not asked for again, once it had ended."""
    children = tuple(map(unmarked, root.children))
    return msgspec.structs.replace(root, children=children, is_absent=False)


def _key(post: Posted, containing: str) -> str:
    key = ((post.metadata or {}).get("event_payload") or {}).get("key", "")
    return str(key) if containing in str(key) else ""


@asynccontextmanager
async def a_world(
    folder: Path, *, has_webhook: bool = False, shape: Shape = Shape.DOCUMENTED
) -> AsyncIterator[World]:
    """Start both simulations on a clock that stands still but for `advance`."""
    clock = clock_at()
    platform = SimulatedPlatform(clock, shape=shape, reshuffle=True)
    async with SimulatedSlack((CHANNEL,), rates=False) as slack, platform:
        yield World(clock, platform, slack, folder, has_webhook=has_webhook)


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
