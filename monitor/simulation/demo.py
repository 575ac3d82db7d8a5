"""The demo: the real daemon against a simulated platform and a simulated Slack, on loopback.

Only the platform and Slack are simulated. The daemon is a process of its own, started as
anybody would start it, killed and started again; what it tells is drawn as Slack would show
it, and in the end compared with what really happened.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from monitor.simulation.audit import Audit, audit, changes_of
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import SCENARIOS, Clock
from monitor.simulation.screen import draw_message
from monitor.simulation.slack import Channel, Posted, Rates, SimulatedSlack

CHANNEL = "releases"
_LASTS = 36.0
"""Seconds that a rollout's whole life is squeezed into."""
_SLOWEST, _FASTEST = 1.0, 400.0
_WIDTH = 100
_PATIENCE = 30.0

CONFIG = """\
[nuon]
api_url = "{platform}"
org_id = "{org_id}"
api_token = "{token}"

[slack]
api_url = "{slack}"
bot_token = "{slack_token}"
channel = "#{channel}"

[poll]
interval = "400ms"
settled_interval = "1s"
unreachable_after = 2

[stall]
after = "20s"

[store]
url = "sqlite:///{folder}/nuon-monitor.db"

[http]
listen = ""

{watches}
"""


@dataclass
class World:
    """Both simulations, and the folder with the configuration that leads to them."""

    platform: SimulatedPlatform
    slack: SimulatedSlack
    folder: Path
    release_ids: tuple[str, ...]

    @property
    def config_file(self) -> Path:
        return self.folder / "monitor.toml"

    @property
    def channel(self) -> Channel:
        return self.slack.channel(CHANNEL)

    def write_config(self) -> None:
        watches = "\n".join(f'[[watch]]\nrelease = "{i}"' for i in self.release_ids)
        self.config_file.write_text(
            CONFIG.format(
                platform=self.platform.base_url,
                org_id=self.platform.org_id,
                token=self.platform.token,
                slack=self.slack.api_url,
                slack_token=self.slack.token,
                channel=CHANNEL,
                folder=self.folder,
                watches=watches,
            )
        )


@asynccontextmanager
async def simulated_world(scenario: str, *, seed: int, lasts: float) -> AsyncIterator[World]:
    """Start both simulations, with one release squeezed into so many seconds."""
    slack = SimulatedSlack((CHANNEL,), rates=Rates(seconds_per_message=0.8, burst=3))
    probe = SimulatedPlatform(Clock(speed=0))
    life = probe.rollout(probe.add(scenario, seed=seed)).settles_after
    speed = min(_FASTEST, max(_SLOWEST, life / lasts))
    platform = SimulatedPlatform(Clock(speed=speed))
    async with slack, platform:
        with tempfile.TemporaryDirectory(prefix="nuon-monitor-demo-") as folder:
            release_id = platform.add(scenario, seed=seed)
            world = World(platform, slack, Path(folder), (release_id,))
            world.write_config()
            yield world


async def play(scenario: str, *, seed: int, console: Console, lasts: float = _LASTS) -> bool:
    """Show one scenario from its beginning to its end; returns whether all was told rightly."""
    async with simulated_world(scenario, seed=seed, lasts=lasts) as world:
        stage = _Stage(world, console)
        stage.say(f"{SCENARIOS[scenario].summary}. Everything runs on this machine.")
        daemon = _Daemon(world)
        await daemon.start()
        try:
            with stage.curtain():
                await _perform(world, daemon, stage, lasts)
        finally:
            await daemon.stop()
        return stage.finish()


async def _perform(world: World, daemon: _Daemon, stage: _Stage, lasts: float) -> None:
    """Let things go wrong on the way, then wait until everything has been told."""
    rollout = world.platform.rollout(world.release_ids[0])

    async def limit_the_rate() -> None:
        stage.say("Slack limits the rate for 2 s: what is to be said waits, in order")
        world.slack.fail("429", "chat.postMessage", times=1, retry_after=2)

    async def kill() -> None:
        stage.say("kill -9: the monitor is gone in the middle of its work …")
        await daemon.kill()
        await asyncio.sleep(1.5)
        stage.say("… and started again: it goes on from what it had committed")
        await daemon.start()

    async def outage() -> None:
        stage.say("the platform refuses connections …")
        await world.platform.stop()
        await asyncio.sleep(2.5)
        await world.platform.start()
        stage.say("… and answers again")

    mishaps: list[tuple[float, Callable[[], Awaitable[None]]]] = [
        (0.17, limit_the_rate),
        (0.45, kill),
        (0.72, outage),
    ]
    loop = asyncio.get_running_loop()
    began = loop.time()
    while world.platform.seconds_of(rollout.id) < rollout.settles_after:
        if mishaps and loop.time() - began >= mishaps[0][0] * lasts:
            await mishaps.pop(0)[1]()
        stage.look()
        await asyncio.sleep(0.1)
    await _settle(world, stage)


async def _settle(world: World, stage: _Stage) -> None:
    """Wait until nothing more comes: neither a message nor an edit for a while."""
    loop = asyncio.get_running_loop()
    deadline, calm_since, seen = loop.time() + _PATIENCE, loop.time(), -1
    while loop.time() < deadline and loop.time() - calm_since < 4.0:
        stage.look()
        count = len(world.slack.requests)
        if count != seen:
            seen, calm_since = count, loop.time()
        await asyncio.sleep(0.1)


class _Daemon:
    """`nuon-monitor run` as a process of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._process: asyncio.subprocess.Process | None = None
        self.log = world.folder / "monitor.log"

    async def start(self) -> None:
        # Whatever is set here for another monitor must not reach this one.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NUON_", "SLACK_"))
        }
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "monitor", "run", "-c", str(self._world.config_file)),
                stdout=log,
                stderr=log,
                env=environment,
            )

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()


@dataclass
class _Stage:
    """The terminal: what was said scrolls by, the newest card stays below, changing in place."""

    world: World
    console: Console
    _shown: set[str] = field(default_factory=set)
    _live: Live | None = None

    @property
    def zone(self) -> tzinfo:
        return datetime.now().astimezone().tzinfo or UTC

    @property
    def width(self) -> int:
        return min(self.console.width, _WIDTH)

    @property
    def channel(self) -> Channel:
        return self.world.channel

    def curtain(self) -> Live:
        """Return the frame in which the card lives; without a terminal there is none."""
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )
        return self._live

    def say(self, sentence: str) -> None:
        """Print one line of what happens off stage."""
        line = Text(f"{datetime.now().astimezone():%H:%M:%S}  {sentence}", style="italic dim")
        self.console.print(Padding(line, (0, 0, 1, 0)))

    def look(self) -> None:
        """Print what is new in the channel, and draw the card as it is now."""
        for post in self.channel.posts:
            if post.ts in self._shown or (self._is_card(post) and self.console.is_terminal):
                continue
            self._shown.add(post.ts)
            self.console.print(self._draw(post))
        if self._live is not None and self.console.is_terminal:
            self._live.update(self._frame(), refresh=True)

    def _frame(self) -> RenderableType:
        cards = [post for post in self.channel.posts if self._is_card(post)]
        if not cards:
            return Text("waiting for the first message …", style="dim")
        card = cards[-1]
        edits = len(card.edits)
        title = (
            f"#{CHANNEL} · the card, edited {edits} times" if edits else f"#{CHANNEL} · the card"
        )
        return Group(Rule(title, style="dim", align="left"), self._draw(card))

    def _draw(self, post: Posted) -> RenderableType:
        drawn = draw_message(
            post.blocks,
            text=post.text,
            at=datetime.fromtimestamp(float(post.ts)).astimezone(),
            is_mrkdwn=post.is_mrkdwn,
            is_broadcast=post.is_broadcast,
            width=self.width - 4,
            zone=self.zone,
        )
        return Padding(drawn, (0, 0, 1, 4 if post.thread_ts else 0))

    def _is_card(self, post: Posted) -> bool:
        key = ((post.metadata or {}).get("event_payload") or {}).get("key", "")
        return post.thread_ts is None and "/card/" in key

    def finish(self) -> bool:
        """Print how it stands in the end, and whether it was told rightly."""
        self._live = None
        self.look()
        cards = [post for post in self.channel.posts if self._is_card(post)]
        for number, card in enumerate(cards, start=1):
            which = f" {number} of {len(cards)}" if len(cards) > 1 else ""
            edits = f"edited {len(card.edits)} times"
            self.console.print(Rule(f"card{which} in the end, {edits}", style="dim", align="left"))
            self.console.print(self._draw(card))
        findings = [
            audit(self.world.platform.rollout(release_id), self.channel)
            for release_id in self.world.release_ids
        ]
        self.console.print(Rule("what happened, what was told", style="dim", align="left"))
        self.console.print(self._balance(cards, findings))
        for sentence in _complaints(findings):
            self.console.print(Text(sentence, style="bold red"))
        self.console.print(_NEXT)
        return all(finding.is_clean for finding in findings)

    def _balance(self, cards: list[Posted], findings: list[Audit]) -> Table:
        posts = self.channel.posts
        replies = [post for post in posts if post.thread_ts is not None]
        changes = [
            f"{count} of {kind}s"
            for release_id in self.world.release_ids
            for kind, count in changes_of(self.world.platform.rollout(release_id)).items()
        ]
        edits = sum(len(card.edits) for card in cards)
        loud = sum(post.is_in_channel for post in posts)
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_row("status changes on the platform", ", ".join(changes))
        table.add_row(
            "messages in Slack", f"{len(posts)}: {len(cards)} cards, {len(replies)} replies"
        )
        table.add_row("that notified the channel", str(loud))
        table.add_row("edits of cards, which notify nobody", str(edits))
        table.add_row("lost", str(sum(len(finding.lost) for finding in findings)))
        table.add_row("told twice", str(sum(len(finding.repeated) for finding in findings)))
        table.add_row("told, but not true", str(sum(len(finding.false) for finding in findings)))
        return table


def _complaints(findings: list[Audit]) -> Iterator[str]:
    for finding in findings:
        yield from (f"lost: {sentence}" for sentence in finding.lost)
        yield from (f"told twice: {sentence}" for sentence in finding.repeated)
        yield from (f"not true: {sentence}" for sentence in finding.false)


_NEXT = Text.assemble(
    "\nNext, for releases of your own: ",
    ("nuon-monitor init", "bold"),
    " writes a configuration, ",
    ("nuon-monitor check --online", "bold"),
    " tries it.",
)


async def serve(scenario: str, *, seed: int, console: Console) -> None:
    """Keep both simulations up, for a configuration of one's own, until interrupted."""
    async with simulated_world(scenario, seed=seed, lasts=_LASTS * 5) as world:
        kept = Path.cwd() / "monitor.demo.toml"
        kept.write_text(
            world.config_file.read_text().replace(
                f"sqlite:///{world.folder}/nuon-monitor.db", "sqlite:///nuon-monitor.demo.db"
            )
        )
        console.print(f"The simulated platform is at {world.platform.base_url}")
        console.print(f"The simulated Slack is at {world.slack.api_url}")
        console.print(f"Both stand in {kept.name}. In another terminal:")
        console.print(f"  nuon-monitor run -c {kept.name}", style="bold")
        console.print("Ctrl-C ends it.")
        stage = _Stage(world, console)
        with stage.curtain():
            while True:
                stage.look()
                await asyncio.sleep(0.2)
