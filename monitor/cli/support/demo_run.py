"""The demo: the real daemon against a simulated platform and a simulated Slack, on loopback.

Only the platform and Slack are simulated. The daemon is a process of its own, started as
anybody would start it, killed and started again; it watches an app and a branch of it, and
finds what is rolled out by itself. What it tells is drawn as Slack would show it, and in the
end compared with what really happened.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from monitor.compose.terminal import draw_message
from monitor.simulation.audit import Audit, audit, changes_of
from monitor.simulation.cast import Cast
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import (
    FAILS_DEEP,
    SCENARIOS,
    TERRAFORM_ERROR,
    Clock,
    Course,
    Deploy,
    Occurrence,
    Rollout,
    Scenario,
    Stage,
    timeline,
)
from monitor.simulation.slack import Channel, Posted, Rates, SimulatedSlack, plain_text
from monitor.simulation.truth import Meaning, meaning_of

CHANNEL = "releases"
STORIES: Mapping[str, Scenario] = {
    name: scenario
    for name, scenario in SCENARIOS.items()
    if not scenario.age and scenario.deleted_after is None
}
"""What a release may go through here: what was over before the monitor came is not found, and
what is deleted before its end cannot be compared with what was told."""
_HISTORY = SCENARIOS["already-done"]
"""What the app has behind it, and nobody is told of."""
BRANCH_STORY = Scenario(
    name="branch",
    summary="an install fails, and only its own workflow says why",
    steps=(2, 4, 6),
    courses={
        (2, 2): Course(
            (*FAILS_DEEP.stages[:-1], Stage("error", "job failed", cause=TERRAFORM_ERROR))
        )
    },
)
"""What the app branch run goes through that follows the release."""
_RUN_BEGINS = 0.8
"""When the run begins, as a part of the release's life."""
_LASTS = 42.0
"""Seconds that both lives are squeezed into."""
_BEGINS_IN = 1.5
"""Seconds from the monitor's first look to the beginning of the release."""
_SLOWEST, _FASTEST = 1.0, 400.0
_WIDTH = 100
_FOR_CARDS = 0.6
"""How much of the terminal the cards may fill together; above them what is told scrolls by."""
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

[[watch]]
app = "{app_id}"

[[watch]]
app_branch = "{app_id}/{branch_id}"
"""


@dataclass
class World:
    """Both simulations, what goes on in them, and the configuration that leads to them.

    `speed` is how many seconds of the platform's time pass in one.
    """

    platform: SimulatedPlatform
    slack: SimulatedSlack
    folder: Path
    speed: float
    cast: Cast
    rollouts: list[Rollout] = field(default_factory=list)
    _asides: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def config_file(self) -> Path:
        return self.folder / "monitor.toml"

    @property
    def channel(self) -> Channel:
        return self.slack.channel(CHANNEL)

    def is_watched_since(self, moment: datetime) -> bool:
        """Whether a monitor has looked at both lists: what begins then, it sees begin."""
        lists = {
            f"/v1/apps/{self.cast.app_id}/releases",
            f"/v1/apps/{self.cast.app_id}/branches/{self.cast.branch_id}/runs",
        }
        return lists <= {each.path for each in self.platform.requests if each.at >= moment}

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen on the platform."""
        return all(self.platform.seconds_of(r.id) >= r.settles_after for r in self.rollouts)

    def add_release(self, scenario: str, *, seed: int, begins_in: float) -> Rollout:
        """Let a release begin in so many seconds."""
        starts_in = begins_in * self.speed
        return self._with(self.platform.add(scenario, seed=seed, starts_in=starts_in))

    def add_run(self, *, seed: int, begins_in: float = 0.0) -> Rollout:
        """Let a run of the app's branch begin in so many seconds."""
        starts_in = begins_in * self.speed
        return self._with(
            self.platform.add(BRANCH_STORY, seed=seed, starts_in=starts_in, dialect="run")
        )

    def _with(self, rollout_id: str) -> Rollout:
        rollout = self.platform.rollout(rollout_id)
        self.rollouts.append(rollout)
        self._asides += ((rollout.moment(at), said) for at, said in asides(rollout))
        self._asides.sort()
        return rollout

    def happened(self) -> Iterator[str]:
        """Yield what has happened on the platform since it was last asked."""
        while self._asides and self._asides[0][0] <= self.platform.clock.now():
            yield self._asides.pop(0)[1]

    def rollout_of(self, post: Posted) -> Rollout | None:
        """Return what a card or a reply in its thread is about; None for any other message."""
        first = self.channel.by_ts[post.thread_ts or post.ts]
        return next((r for r in self.rollouts if f"/{r.id}/" in _card_key(first)), None)

    def cards_of(self, rollout: Rollout) -> list[Posted]:
        """Return a rollout's cards, one for each attempt at it."""
        return [post for post in self.notified_targets(rollout).posts if post.thread_ts is None]

    def notified_targets(self, rollout: Rollout) -> Channel:
        """Return the channel with a rollout's threads alone."""
        own = (post for post in self.channel.posts if self.rollout_of(post) is rollout)
        return replace(self.channel, by_ts={post.ts: post for post in own})

    def write_config(self) -> None:
        self.config_file.write_text(
            CONFIG.format(
                platform=self.platform.base_url,
                org_id=self.platform.org_id,
                token=self.platform.token,
                slack=self.slack.api_url,
                slack_token=self.slack.token,
                channel=CHANNEL,
                folder=self.folder,
                app_id=self.cast.app_id,
                branch_id=self.cast.branch_id,
            )
        )


def _card_key(post: Posted) -> str:
    """Return the key that the monitor gave to a card; empty for any other message."""
    key = str(((post.metadata or {}).get("event_payload") or {}).get("key", ""))
    return key if post.thread_ts is None and "/card/" in key else ""


def asides(rollout: Rollout) -> list[tuple[float, str]]:
    """Return what happens on the platform, in sentences and in order; moments in seconds."""
    beats = [(0.0, _beginning(rollout))]
    for before, now in pairwise(rollout.life):
        if _meaning(before) is Meaning.BAD_END:
            beats.append((now.at, f"somebody tries the {rollout.kind} again"))
    for step in rollout.steps:
        for deploy in step.deploys:
            beats += _of_unit(deploy)
    return sorted(beats)


def _beginning(rollout: Rollout) -> str:
    cast, count = rollout.cast, sum(len(step.install_ids) for step in rollout.steps)
    if rollout.kind == "release":
        return (
            f"a release of {cast.component_name} to {count} installs begins; "
            "nobody names it to the monitor"
        )
    groups = len(rollout.steps)
    return (
        f"a commit to the branch {cast.branch_name} of {cast.app_name} sets off a run: "
        f"{count} installs in {groups} groups"
    )


def _of_unit(deploy: Deploy) -> Iterator[tuple[float, str]]:
    for before, now in pairwise(deploy.life):
        match _meaning(before), _meaning(now):
            case _, Meaning.ASKS:
                yield now.at, f"{deploy.work} asks for a person's approval"
            case Meaning.ASKS, Meaning.OPEN:
                yield now.at, f"somebody approves what {deploy.work} asked for"
            case _, Meaning.BAD_END if now.cause:
                yield now.at, f"{deploy.work} fails; why, only its own workflow says"
            case _, Meaning.BAD_END:
                yield now.at, f"{deploy.work} fails"
            case _, Meaning.OTHER_END:
                yield now.at, f"{deploy.work} ends as {now.status!r}; its step waits on for ever"


def _meaning(occurrence: Occurrence) -> Meaning:
    return meaning_of(occurrence.kind, occurrence.status)


@asynccontextmanager
async def simulated_world(scenario: str, *, seed: int, lasts: float) -> AsyncIterator[World]:
    """Start both simulations, as fast as squeezes a story into so many seconds."""
    slack = SimulatedSlack((CHANNEL,), rates=Rates(seconds_per_message=0.8, burst=3))
    speed = min(_FASTEST, max(_SLOWEST, _length(scenario, seed) / lasts))
    platform = SimulatedPlatform(Clock(speed=speed))
    async with slack, platform:
        with tempfile.TemporaryDirectory(prefix="nuon-monitor-demo-") as folder:
            cast = platform.rollout(platform.add(_HISTORY, seed=seed)).cast
            world = World(platform, slack, Path(folder), speed, cast)
            world.write_config()
            yield world


def _length(scenario: str, seed: int) -> float:
    """Return how long a release and the run after it take, in seconds of the platform's time."""
    release = timeline(STORIES[scenario], seed).settles_after
    run = timeline(BRANCH_STORY, seed, dialect="run").settles_after
    return max(release, _RUN_BEGINS * release + run)


async def play(scenario: str, *, seed: int, console: Console, lasts: float = _LASTS) -> bool:
    """Show one story from its beginning to its end; returns whether all was told rightly."""
    async with simulated_world(scenario, seed=seed, lasts=lasts) as world:
        terminal = Terminal(world, console)
        terminal.say(
            f"the monitor is started. It watches the app {world.cast.app_name} and its branch "
            f"{world.cast.branch_name}, where nothing goes on. All of this is on your machine"
        )
        daemon = _Daemon(world)
        await daemon.start()
        try:
            with terminal.curtain():
                await _until_watched(world, terminal)
                await _perform(world, daemon, terminal, scenario, seed)
        finally:
            await daemon.stop()
        return terminal.finish()


async def _until_watched(
    world: World, terminal: Terminal, *, stall_rules: float = _PATIENCE
) -> None:
    """Wait until a monitor looks at the platform from now on."""
    since = world.platform.clock.now()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + stall_rules
    while not world.is_watched_since(since) and loop.time() < deadline:
        await terminal.watch(0.1)


async def _perform(
    world: World, daemon: _Daemon, terminal: Terminal, scenario: str, seed: int
) -> None:
    """Let a release run, things go wrong on the way, and a run begin; then all be told."""
    release = world.add_release(scenario, seed=seed, begins_in=_BEGINS_IN)

    async def limit_the_rate() -> None:
        terminal.say("Slack limits the rate for 2 s: what is to be said waits, in order")
        world.slack.fail("429", "chat.postMessage", times=1, retry_after=2)

    async def kill() -> None:
        terminal.say("kill -9: the monitor is gone in the middle of its work …")
        await daemon.kill()
        await terminal.watch(1.5)
        terminal.say("… and started again: it goes on from what it had committed")
        await daemon.start()
        await _until_watched(world, terminal)

    async def outage() -> None:
        terminal.say("the platform refuses connections …")
        await world.platform.stop()
        await terminal.watch(2.5)
        await world.platform.start()
        terminal.say("… and answers again")
        await _until_watched(world, terminal)

    async def push() -> None:
        world.add_run(seed=seed)

    acts: list[tuple[float, Callable[[], Awaitable[None]]]] = [
        (0.16, limit_the_rate),
        (0.46, kill),
        (0.70, outage),
        (_RUN_BEGINS, push),
    ]
    while acts or not world.is_over:
        if acts and world.platform.seconds_of(release.id) >= acts[0][0] * release.settles_after:
            await acts.pop(0)[1]()
        await terminal.watch(0.1)
    await _settle(world, terminal)


async def _settle(world: World, terminal: Terminal) -> None:
    """Wait until nothing more comes: neither a message nor an edit for a while."""
    loop = asyncio.get_running_loop()
    deadline, calm_since, seen = loop.time() + _PATIENCE, loop.time(), -1
    while loop.time() < deadline and loop.time() - calm_since < 4.0:
        await terminal.watch(0.1)
        count = len(world.slack.requests)
        if count != seen:
            seen, calm_since = count, loop.time()


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
class Terminal:
    """What was said scrolls by; the cards of what goes on stay below, changing in place."""

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
        """Return the frame in which the cards live; without a terminal there is none."""
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

    async def watch(self, seconds: float) -> None:
        """Show what happens for a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self.look()
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, 0.1))
            self.look()

    def look(self) -> None:
        """Print what happened and what is new in the channel, and draw the cards as they are."""
        for sentence in self.world.happened():
            self.say(sentence)
        for post in self.channel.posts:
            if post.ts in self._shown or (_card_key(post) and self.console.is_terminal):
                continue
            self._shown.add(post.ts)
            self.console.print(self._draw(post))
        if self._live is not None and self.console.is_terminal:
            self._live.update(self.frame(), refresh=True)

    def frame(self) -> RenderableType:
        """Draw the cards of the last two rollouts; without room, the older is its title alone."""
        cards = self._newest_cards()[-2:]
        if not cards:
            return Text("waiting for the first message …", style="dim")
        drawn = [self._draw_card(rollout, card) for rollout, card in cards]
        if len(self.console.render_lines(Group(*drawn))) > _FOR_CARDS * self.console.height:
            drawn[:-1] = [_title(rollout, card) for rollout, card in cards[:-1]]
        return Group(*drawn)

    def _newest_cards(self) -> list[tuple[Rollout, Posted]]:
        """Return each rollout that has a card, with that of the last attempt at it."""
        cards = ((rollout, self.world.cards_of(rollout)) for rollout in self.world.rollouts)
        return [(rollout, attempts[-1]) for rollout, attempts in cards if attempts]

    def _draw_card(self, rollout: Rollout, card: Posted, when: str = "") -> RenderableType:
        count = len(card.edits)
        edits = f", edited {count} times" if count > 1 else ", edited once" if count else ""
        title = f"#{CHANNEL} · the card of the {rollout.kind}{when}{edits}"
        return Group(self._rule(title), self._draw(card))

    def _rule(self, title: str) -> RenderableType:
        return Constrain(Rule(title, style="dim", align="left"), self.width)

    def _draw(self, post: Posted) -> RenderableType:
        rollout = self.world.rollout_of(post) if post.thread_ts else None
        drawn = draw_message(
            post.blocks,
            text=post.text,
            at=datetime.fromtimestamp(float(post.ts)).astimezone(),
            is_mrkdwn=post.is_mrkdwn,
            is_broadcast=post.is_broadcast,
            thread=f"the {rollout.kind}" if rollout else "",
            width=self.width - 4,
            zone=self.zone,
        )
        return Padding(drawn, (0, 0, 1, 4 if post.thread_ts else 0))

    def finish(self) -> bool:
        """Print how it stands in the end, and whether it was told rightly."""
        self._live = None
        self.look()
        for rollout, card in self._newest_cards():
            self.console.print(self._draw_card(rollout, card, " in the end"))
        findings = [audit(each, self.world.notified_targets(each)) for each in self.world.rollouts]
        self.console.print(self._rule("what happened, what was told"))
        self.console.print(Constrain(self._balance(findings), self.width))
        for sentence in _complaints(findings):
            self.console.print(Text(sentence, style="bold red"))
        self.console.print(_NEXT)
        return all(finding.is_clean for finding in findings)

    def _balance(self, findings: list[Audit]) -> Table:
        posts = self.channel.posts
        cards = [post for post in posts if _card_key(post)]
        replies = [post for post in posts if post.thread_ts is not None]
        changes = sum(map(changes_of, self.world.rollouts), Counter())
        edits = sum(len(card.edits) for card in cards)
        loud = sum(post.is_in_channel for post in posts)
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_row(
            "status changes on the platform",
            ", ".join(f"{count} of {kind}s" for kind, count in changes.items()),
        )
        table.add_row(
            "messages in Slack", f"{len(posts)}: {len(cards)} cards, {len(replies)} replies"
        )
        table.add_row("that notified the channel", str(loud))
        table.add_row("edits of cards, which notify nobody", str(edits))
        table.add_row("lost", str(sum(len(finding.lost) for finding in findings)))
        table.add_row("told twice", str(sum(len(finding.repeated) for finding in findings)))
        table.add_row("told, but not true", str(sum(len(finding.false) for finding in findings)))
        return table


def _title(rollout: Rollout, card: Posted) -> Text:
    line = Text(f"the {rollout.kind}: ", style="dim", no_wrap=True, overflow="ellipsis")
    return line.append(plain_text(card).partition("\n")[0], style="bold not dim")


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
    """Keep both simulations up, for a configuration of one's own, until interrupted.

    A story begins as soon as somebody watches; when it is over, another one, of other ids.
    """
    async with simulated_world(scenario, seed=seed, lasts=_LASTS * 5) as world:
        kept = Path.cwd() / "monitor.demo.toml"
        config = world.config_file.read_text()
        kept.write_text(config)
        console.print(f"The simulated platform is at {world.platform.base_url}")
        console.print(f"The simulated Slack is at {world.slack.api_url}")
        console.print(f"Both stand in {kept.name}, and what is watched there:")
        console.print(f"\n{config[config.index('[[watch]]') :]}")
        console.print("In another terminal:")
        console.print(f"  nuon-monitor run -c {kept.name}", style="bold")
        console.print("Ctrl-C ends it.\n")
        terminal = Terminal(world, console)
        with terminal.curtain():
            await _until_watched(world, terminal, stall_rules=math.inf)
            while True:
                release = world.add_release(scenario, seed=seed, begins_in=_BEGINS_IN)
                run_in = _BEGINS_IN + _RUN_BEGINS * release.settles_after / world.speed
                world.add_run(seed=seed, begins_in=run_in)
                while not world.is_over:
                    await terminal.watch(0.2)
                seed += 1
