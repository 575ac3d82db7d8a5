"""A compressed month: hundreds of rollouts, restarts, outages of both sides, one store.

    python -m tests.benchmarks.soak [--releases N] [--picture FILE]

The real daemon runs as a process of its own against the simulated platform and Slack. Memory,
open files and the size of the store are measured all the while, and have to level off; what
was told is compared with what happened. Exit code 0 where all of it holds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import cycle, islice, pairwise
from pathlib import Path

from monitor.compose import render, terminal
from monitor.simulation.audit import audit
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import SCENARIOS, Scenario, Stage, install_of
from monitor.simulation.slack import Channel, Posted, plain_text
from tests.support.clock import clock_at
from tests.support.crashing import Birth, Life, Nursery, Rounds, a_nursery
from tests.support.processes import until
from tests.support.world import CHANNEL, World, a_world

_RELEASES = 500
_AT_A_TIME = 100
"""Releases that one configuration watches; the next one watches others."""
_SPREAD = 1500.0
"""Seconds of the platform's time over which the releases of one configuration begin."""
_SCENARIOS = (
    *("happy",) * 4,
    *"demo failure retry flicker approval vanishing unknown-words one-by-one".split(),
    *"hang noop approval-denied build-failed disagree teardown lagging".split(),
)
_SETTINGS = {
    "NUON_MONITOR_POLL__INTERVAL": "200ms",
    "NUON_MONITOR_POLL__SETTLED_INTERVAL": "400ms",
    "NUON_MONITOR_POLL__FORGET_AFTER": "5m",
    "NUON_MONITOR_POLL__UNREACHABLE_AFTER": "100ms",
    "NUON_MONITOR_STORE__KEEP": "30s",
}
_NAMES = dict(map(install_of, range(100)))
_PRUNE_EVERY = 5.0
_MISHAP_EVERY = 7.0
_SAMPLE_EVERY = 0.5
_WARMING_UP = 6.0
"""Seconds of a process that are not measured: it only begins to hold what it will hold."""
_LEVEL = 1.15
"""The fourth quarter's median may be so many times the third's."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one daemon held at one moment, in seconds since the beginning and in bytes."""

    at: float
    memory: int
    files: int
    store: int


@dataclass
class Soak:
    """The simulations, the daemon of the moment, and what was measured so far."""

    world: World
    nursery: Nursery
    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    mishaps: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    polls: int = 0
    _lives: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _life: Life | None = None
    _started: float = 0.0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def _database(self) -> Path:
        return self.world.folder / "nuon-monitor.db"

    # The daemon

    async def start(self) -> None:
        self._started = self.elapsed
        self.restarts.append(self._started)
        file = str(self.world.folder / "monitor.toml")
        birth = Birth(file, prune_every=_PRUNE_EVERY, settings=_SETTINGS)
        self._life = await self._lives.enter_async_context(self.nursery.life(birth))

    async def stop(self) -> None:
        """End the daemon in order."""
        assert self._life is not None
        life, self._life = self._life, None
        if (code := await life.stop()) != 0:
            self.wrong.append(f"an orderly end had the exit code {code}")
        await self._lives.aclose()

    async def _kill(self) -> None:
        self._life = None
        await self._lives.aclose()

    # What goes wrong

    async def disturb(self) -> None:
        """Let one thing after the other go wrong, for ever."""
        mishaps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("Slack limits the rate", self._limit_the_rate),
            ("platform away", self._lose_the_platform),
            ("kill -9", self._kill_and_start),
            ("Slack away", self._lose_slack),
            ("answers of Slack lost", self._lose_answers),
            ("restart", self._restart),
        ]
        # Each configuration goes on where the one before it left off.
        for name, strike in islice(cycle(mishaps), self.mishaps.total() % len(mishaps), None):
            await asyncio.sleep(_MISHAP_EVERY)
            self.mishaps[name] += 1
            await strike()

    async def _limit_the_rate(self) -> None:
        self.world.slack.fail("429", times=3, retry_after=1)

    async def _lose_the_platform(self) -> None:
        await self.world.platform.stop()
        await asyncio.sleep(2.0)
        await self.world.platform.start()

    async def _lose_slack(self) -> None:
        await self.world.slack.stop()
        await asyncio.sleep(2.0)
        await self.world.slack.start()

    async def _lose_answers(self) -> None:
        self.world.slack.fail("reset_after", "chat.postMessage", times=2)
        self.world.slack.fail("502_after", "chat.postMessage", times=1)

    async def _kill_and_start(self) -> None:
        await self._kill()
        await self.start()

    async def _restart(self) -> None:
        await self.stop()
        await self.start()

    # What is measured

    async def measure(self) -> None:
        """Take a sample every now and then, for ever."""
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            life = self._life
            if life is None or not life.is_ready or self.elapsed - self._started < _WARMING_UP:
                continue
            with contextlib.suppress(FileNotFoundError):  # it ended in between
                self.samples.append(self._sample(life.pid))

    def _sample(self, pid: int) -> Sample:
        of = Path(f"/proc/{pid}")
        status = dict(
            line.split(":", 1) for line in (of / "status").read_text().splitlines() if ":" in line
        )
        files = [self._database, self._database.with_name(f"{self._database.name}-wal")]
        return Sample(
            at=self.elapsed,
            memory=int(status["VmRSS"].split()[0]) * 1024,
            files=sum(1 for _ in (of / "fd").iterdir()),
            store=sum(file.stat().st_size for file in files if file.exists()),
        )

    # What was told

    def is_all_told(self) -> bool:
        unsent = "SELECT count(*) FROM notification WHERE state != 'sent'"
        stale = "SELECT count(*) FROM card WHERE shown_fingerprint IS NOT wanted_fingerprint"
        with contextlib.closing(
            sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)
        ) as connection:
            rows = [connection.execute(query).fetchone() for query in (unsent, stale)]
        return rows == [(0,), (0,)]

    def judge(self, release_ids: Sequence[str]) -> None:
        """Compare what was told of each release with what happened to it."""
        for release_id in release_ids:
            rollout = self.world.platform.rollout(release_id)
            its = f"{rollout.scenario.name} {release_id}"
            replies = {post.ts: post for post in self.world.replies(release_id)}
            findings = audit(rollout, Channel(CHANNEL, CHANNEL, by_ts=replies))
            self.wrong += [f"{its}: lost: {one}" for one in findings.lost]
            self.wrong += [f"{its}: told twice: {one}" for one in findings.repeated]
            self.wrong += [f"{its}: not true: {one}" for one in findings.false]
            if not self._is_true(release_id, self.world.cards(release_id)[-1]):
                self.wrong.append(f"{its}: the last card is not the last snapshot")

    def _is_true(self, release_id: str, card: Posted) -> bool:
        """Whether the last card shows the last snapshot.

        A month's names and links to the cards before may be pruned here within a rollout.
        """
        snapshot, state = self.world.stored(release_id)
        links = render.Links("https://app.nuon.co", self.world.platform.org_id)
        view = render.View(snapshot, state, links, names=_NAMES)
        return plain_text(card).replace(" · the attempt before", "") == terminal.plain_text(
            render.card(view).blocks, text=""
        )

    def judge_all(self) -> None:
        """Look at what only shows in the end: keys that were posted twice, and the curves."""
        keys = Counter(
            str((post.metadata or {})["event_payload"]["key"]) for post in self.world.channel.posts
        )
        self.wrong += [f"posted {n} times: {key}" for key, n in keys.items() if n > 1]
        for name, values in self.curves().items():
            third, fourth = quarters(values)[2:]
            if fourth > _LEVEL * third:
                self.wrong.append(f"{name} does not level off: {third:.1f}, then {fourth:.1f}")

    def curves(self) -> dict[str, list[float]]:
        mebibyte = 2**20
        return {
            "memory, MiB": [sample.memory / mebibyte for sample in self.samples],
            "open files": [float(sample.files) for sample in self.samples],
            "store, MiB": [sample.store / mebibyte for sample in self.samples],
        }


def quarters(values: Sequence[float]) -> list[float]:
    """Return the median of each quarter of a curve."""
    bounds = [len(values) * number // 4 for number in range(5)]
    return [statistics.median(values[begin:end]) for begin, end in pairwise(bounds)]


@contextlib.asynccontextmanager
async def _meanwhile(*works: Awaitable[None]) -> AsyncIterator[None]:
    """Let works go on until the block ends; what goes wrong in one ends the block."""

    async def ended() -> None:
        await asyncio.gather(*works)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ended())
        yield
        task.cancel()


async def soak(releases: int, folder: Path) -> Soak:
    """Play so many releases; what was measured and what is wrong stand in the result."""
    clock = clock_at(datetime.now(UTC))
    async with (
        a_world(folder, clock=clock, reshuffle=False) as world,
        a_nursery() as nursery,
    ):
        found = Soak(world, nursery)
        async with _meanwhile(found.measure()):
            for first in range(0, releases, _AT_A_TIME):
                count = min(_AT_A_TIME, releases - first)
                await _play(
                    found, [_add(world.platform, first + i, i / count) for i in range(count)]
                )
        found.judge_all()
    return found


def _add(platform: SimulatedPlatform, seed: int, late: float) -> str:
    """Add a release that at first only waits, for a share of `_SPREAD`."""
    chance = random.Random(seed)
    played: Scenario = SCENARIOS[chance.choice(_SCENARIOS)]
    waits = Stage("queued", "waiting for the build", late * _SPREAD, late * _SPREAD)
    return platform.add(replace(played, preparation=(waits, *played.preparation)), seed=seed)


async def _play(found: Soak, release_ids: list[str]) -> None:
    """Watch some releases from their beginnings to all their ends, then judge."""
    found.world.config(*release_ids)
    rounds = Rounds(found.world.platform, tuple(release_ids), every=60.0)
    await found.start()
    async with _meanwhile(rounds.run(), found.disturb()):
        await until(lambda: rounds.is_over, seconds=900)
    await _mend(found)
    await until(found.is_all_told, seconds=120)
    await found.stop()
    found.polls += rounds.polls
    found.judge(release_ids)
    _say(f"{found.elapsed:6.0f} s: {len(found.world.channel.posts)} messages so far")


async def _mend(found: Soak) -> None:
    """Undo what a mishap that was cut short left behind."""
    found.world.slack.faults.clear()
    await found.world.slack.stop()
    await found.world.slack.start()
    if found._life is None:
        await found.start()


# The picture

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 760, 120, 60, 30, 40


def picture(found: Soak) -> str:
    """Draw the curves, one above the other over the same minutes, as an SVG of its own."""
    lasts = found.samples[-1].at
    curves = found.curves()
    height = _TOP + len(curves) * (_HEIGHT + _GAP)
    box = f"0 0 {_LEFT + _WIDTH + 20} {height}"
    font = 'font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {font}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, (name, values) in enumerate(curves.items()):
        parts += _panel(found, name, values, lasts=lasts, top=_TOP + number * (_HEIGHT + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    found: Soak, name: str, values: Sequence[float], *, lasts: float, top: float
) -> list[str]:
    highest = max(values) * 1.1
    bottom = top + _HEIGHT

    def x(at: float) -> float:
        return _LEFT + _WIDTH * at / lasts

    def y(value: float) -> float:
        return bottom - _HEIGHT * value / highest

    points = " ".join(
        f"{x(sample.at):.1f},{y(value):.1f}"
        for sample, value in zip(found.samples, values, strict=True)
    )
    lines = [f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{name}</text>']
    lines += [f'<path d="M{x(at):.1f} {top}V{bottom}" stroke="#ddd"/>' for at in found.restarts]
    for value in (0.0, highest / 2, highest):
        lines += [
            f'<path d="M{_LEFT} {y(value):.1f}H{_LEFT + _WIDTH}" stroke="#bbb"/>',
            f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.0f}</text>',
        ]
    lines += [
        f'<text x="{x(minute * 60):.1f}" y="{bottom + 16}" text-anchor="middle">{minute} min</text>'
        for minute in range(int(lasts // 60) + 1)
    ]
    lines.append(f'<polyline points="{points}" fill="none" stroke="#3465a4" stroke-width="1.5"/>')
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--releases", type=int, default=_RELEASES)
    parser.add_argument("--picture", type=Path, help="where to draw the curves (SVG)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nuon-monitor-soak-") as folder:
        found = asyncio.run(soak(asked.releases, Path(folder)))
        errors = (Path(folder) / "monitor.err").read_text()
    found.wrong += errors.splitlines()
    posts = found.world.channel.posts
    _say(f"{asked.releases} releases in {found.elapsed / 60:.1f} min, {found.polls} polls")
    _say(f"{len(posts)} messages, {sum(len(post.edits) for post in posts)} edits of cards")
    _say(f"{len(found.restarts)} daemons, one after the other; {dict(found.mishaps)}")
    for name, values in found.curves().items():
        _say(f"{name}: " + ", ".join(f"{value:.1f}" for value in quarters(values)))
    _say("\n".join(found.wrong) or "nothing lost, nothing repeated, all levels off")
    if asked.picture:
        asked.picture.write_text(picture(found))
    return 1 if found.wrong else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
