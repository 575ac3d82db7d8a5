"""A simulated platform, a simulated Slack and the real monitor, on a clock that tests set.

Everything is real but time: HTTP over loopback, an SQLite file, the whole path from a poll
to a message. A restart closes the monitor and builds it anew from the same file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from monitor import render
from monitor.app import App, build
from monitor.config import Config, load_config
from monitor.delivery import Pace
from monitor.diff import keep_absent
from monitor.kinds import release as release_kind
from monitor.kinds.wire import Memo
from monitor.model import Memory, Snapshot, Target
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import Clock
from monitor.simulation.slack import Channel, Posted, SimulatedSlack
from monitor.store import Store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CHANNEL = "releases"

_CONFIG = """
[nuon]
api_url = "{platform}"
{nuon}
org_id = "{org_id}"
api_token = "{token}"
[slack]
api_url = "{slack}"
{sink}
[poll]
interval = "15s"
[stall]
after = "30m"
remind_every = "4h"
[store]
url = "{store}"
[http]
listen = ""
{watches}
"""


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

    @property
    def channel(self) -> Channel:
        return self.slack.channel(CHANNEL)

    def config(self, *release_ids: str) -> Config:
        """Return the configuration of a monitor that watches these releases."""
        sink = f'webhook_url = "{self.slack.webhook_url}"'
        if not self.has_webhook:
            sink = f'bot_token = "{self.slack.token}"\nchannel = "{self.channel.id}"'
        path = self.folder / "monitor.toml"
        path.write_text(
            _CONFIG.format(
                platform=self.api_url or self.platform.base_url,
                nuon=self.nuon,
                org_id=self.platform.org_id,
                token=self.platform.token,
                slack=self.slack.api_url,
                sink=sink,
                store=self.store_url,
                watches="\n".join(f'[[watch]]\nrelease = "{i}"' for i in release_ids),
            )
        )
        return load_config(path, {})

    @asynccontextmanager
    async def monitor(self, *release_ids: str) -> AsyncIterator[App]:
        """Start the monitor, without its scheduler: `look` makes it poll."""
        config, at_start = self.config(*release_ids), self.set_by

        def jumped() -> timedelta:
            return self.set_by - at_start

        async with build(config, pace=Pace(post=0, edit=0), now=self.now, jumped=jumped) as app:
            if not self.has_webhook:
                await app.slack.greet()
            yield app

    async def look(self, app: App, *, after: float = 0) -> None:
        """Let so many seconds pass, poll every watch once, and deliver what comes of it."""
        self.clock.advance(after)
        await app.poll_once()
        await app.delivery.drain()

    def now(self) -> datetime:
        """Return the time by the monitor's clock."""
        return self.clock.now() + self.set_by

    def cards(self, release_id: str) -> list[Posted]:
        """Return a release's cards as they stand in the channel, one for each attempt."""
        return [post for post in self.channel.messages if f"/{release_id}/" in _key(post, "/card/")]

    def replies(self, release_id: str) -> list[Posted]:
        """Return what was told of a release in its threads, in order."""
        threads = {card.ts for card in self.cards(release_id)}
        return [post for post in self.channel.posts if post.thread_ts in threads]

    def stored(self, release_id: str) -> tuple[Snapshot, Memory]:
        """Return what the monitor knows of a release, from its file."""
        with Store.open_readonly(self.store_url) as store:
            stored = store.load(Target("release", release_id))
        assert stored is not None
        return stored.snapshot, stored.memory

    def truth(self, release_id: str, known: Snapshot) -> Snapshot:
        """Return the release as the platform has it now, with what is known and missing there."""
        rollout = self.platform.rollout(release_id)
        document = rollout.state_at(self.platform.seconds_of(release_id))
        root = release_kind.decode(msgspec.json.encode(document), release_id, Memo())
        return keep_absent(known, Snapshot(known.target, known.taken_at, root))

    def card_of(self, release_id: str) -> tuple[dict[str, object], ...]:
        """Return the blocks of the card that what is stored draws."""
        snapshot, memory = self.stored(release_id)
        cards = self.cards(release_id)
        link = None
        if len(cards) > 1:
            ts = cards[-2].ts.replace(".", "")
            link = f"{self.slack.url}/archives/{self.channel.id}/p{ts}"
        with Store.open_readonly(self.store_url) as store:
            named = store.named(render.shown_ids(snapshot, memory))
        links = render.Links("https://app.nuon.co", self.platform.org_id)
        names = {id_: one.name for id_, one in named.items() if one.name}
        apps = {id_: one.app_id for id_, one in named.items() if one.app_id}
        view = render.View(snapshot, memory, links, names=names, apps=apps, previous_url=link)
        return render.card(view).blocks

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder}/nuon-monitor.db"


def _key(post: Posted, containing: str) -> str:
    key = ((post.metadata or {}).get("event_payload") or {}).get("key", "")
    return str(key) if containing in str(key) else ""


@asynccontextmanager
async def a_world(folder: Path, *, has_webhook: bool = False) -> AsyncIterator[World]:
    """Start both simulations on a clock that stands still but for `advance`."""
    clock = Clock(speed=0, start=NOON)
    platform = SimulatedPlatform(clock, reshuffle=True)
    async with SimulatedSlack((CHANNEL,), rates=False) as slack, platform:
        yield World(clock, platform, slack, folder, has_webhook=has_webhook)
