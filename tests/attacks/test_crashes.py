"""Killed with `kill -9` at random moments and at each named point: nothing lost or repeated.

The real daemon is a process of its own, the simulated platform and Slack are in this one.
What was told is read off the simulated Slack and judged by what happened on the platform.
With `NUON_MONITOR_LONG_TESTS=1` two hundred kills, over every scenario and many seeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from monitor.simulation.answers import Shape
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.simulation.scenarios import DIALECTS
from monitor.simulation.slack import plain_text
from tests.support.clock import clock_at
from tests.support.crashing import (
    FINDING_POINTS,
    OUTAGE_POINTS,
    POINTS,
    Birth,
    Life,
    Nursery,
    Rounds,
    a_nursery,
)
from tests.support.expected import card_of, truth_of, unmarked
from tests.support.long_tests import IS_LONG, long_only
from tests.support.processes import until
from tests.support.world import World, a_world, keys_of

_SETTINGS = {
    "NUON_MONITOR_POLL__INTERVAL": "50ms",
    "NUON_MONITOR_POLL__SETTLED_INTERVAL": "50ms",
    "NUON_MONITOR_POLL__UNREACHABLE_AFTER": "100ms",
    "NUON_MONITOR_HTTP__LISTEN": "127.0.0.1:0",
}
_AT_RANDOM = "at a random moment"
_DOWN = Fault(FaultKind.STATUS, status=503)
_SCENARIOS = (
    "demo failure retry flicker approval vanishing unknown-words hang disagree teardown"
    " one-by-one lagging happy build-failed"
).split()


@dataclass
class Stage:
    """One rollout from its beginning to its end, and a daemon that is killed on the way."""

    world: World
    target_id: str
    rounds: Rounds
    nursery: Nursery
    kills: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def life(self, at: str | None = None, passing: int = 1) -> AsyncIterator[Life]:
        file = str(self.world.write(self.target_id))
        async with self.nursery.life(Birth(file, at, passing, settings=_SETTINGS)) as life:
            yield life

    async def kill_at(self, point: str, *, passing: int = 1) -> bool:
        """Start a daemon that dies at a point; False where the rollout ended before that."""
        async with self.life(point, passing) as life:
            await until(lambda: life.has_ended or self._is_all_told(), seconds=300)
            # Its last mark may be readable before the signal that follows it has arrived.
            with contextlib.suppress(TimeoutError):
                await until(lambda: life.has_ended, seconds=2)
            if life.has_ended:
                assert life.exit_code == -signal.SIGKILL, life.errors.read_text()
                self.kills[point] += 1
            return life.has_ended

    async def kill_at_random(self, chance: random.Random) -> None:
        """Start a daemon and kill it: now and then before it ever polls, else a while later."""
        async with self.life() as life:
            if chance.random() < 0.8:
                await self.rounds.go_on(chance.randrange(1, 12), life)
            # At whatever moment: the point is that nobody knows at which.
            await asyncio.sleep(chance.uniform(0, 0.1))
            await life.kill()
            self.kills[_AT_RANDOM] += 1

    async def finish(self) -> Life:
        """Let a daemon go on to the end, then stop it in order."""
        async with self.life() as life:
            await self.rounds.go_on(2, life)
            await until(self._is_all_told, seconds=300)
            assert await life.stop() == 0
        return life

    def _is_all_told(self) -> bool:
        return self.rounds.is_over and self._is_delivered()

    def _is_delivered(self) -> bool:
        unsent = "SELECT count(*) FROM notification WHERE state != 'sent'"
        stale = "SELECT count(*) FROM card WHERE shown_fingerprint IS NOT wanted_fingerprint"
        return self.ask(unsent) == [(0,)] and self.ask(stale) == [(0,)]

    def is_reported_unreachable(self) -> bool:
        """Whether it told that it cannot see; before its first commit there is no store yet."""
        with contextlib.suppress(sqlite3.OperationalError):
            return bool(self.ask("SELECT 1 FROM outage"))
        return False

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Ask the monitor's own file."""
        file = f"file:{self.world.folder}/nuon-monitor.db?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True)) as connection:
            return connection.execute(query).fetchall()

    async def judge(self, *, may_repeat: bool = False) -> None:
        """Compare what people read with what happened, and with what the monitor believes."""
        world, target_id = self.world, self.target_id
        findings = world.audit(target_id)
        assert (findings.lost, findings.false) == ((), ())
        assert may_repeat or findings.repeated == ()
        recorded = [key for (key,) in self.ask("SELECT key FROM notification ORDER BY id")]
        posted = world.keys
        assert (list(dict.fromkeys(posted)) if may_repeat else posted) == recorded
        known, _ = world.stored(target_id)
        assert unmarked(known.root) == unmarked((await truth_of(world, known)).root)
        assert tuple(world.cards(target_id)[-1].blocks) == card_of(world, target_id)


@asynccontextmanager
async def a_stage(
    folder: Path, scenario: str, *, seed: int, dialect: str = "release"
) -> AsyncIterator[Stage]:
    """Start both simulations; the platform's time goes on with each poll."""
    clock = clock_at(datetime.now(UTC))
    async with (
        # What explains thin answers is kept for a while only: the last tree is not the truth.
        a_world(folder, clock=clock, channels=("approvals",), shape=Shape.DOCUMENTED) as world,
        a_nursery() as nursery,
    ):
        target_id = world.platform.add(scenario, seed=seed, dialect=dialect)
        rounds = Rounds(world.platform, (target_id,))
        passing = asyncio.create_task(rounds.run())
        yield Stage(world, target_id, rounds, nursery)
        passing.cancel()


async def test_killed_once_at_each_point_nothing_is_lost_and_nothing_told_twice(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path, "retry", seed=1) as stage:
        for point in POINTS:
            assert await stage.kill_at(point), point
        await stage.kill_at_random(random.Random(1))
        life = await stage.finish()

        await stage.judge()
        assert life.errors.read_text() == ""


# In CI one kind has its turn at each point; which of them follow one another is the same for all.
_TURNS = [
    pytest.param("run", ("after the fetch", "in the middle of the commit"), id="run"),
    pytest.param("workflow", ("after the commit", "after Slack accepted a post"), id="workflow"),
    pytest.param(
        "installer", ("before the commit", "after Slack accepted an edit"), id="installer"
    ),
]


@pytest.mark.parametrize(("dialect", "points"), _TURNS)
async def test_whatever_is_watched_nothing_is_lost_and_nothing_told_twice(
    tmp_path: Path, dialect: str, points: tuple[str, ...]
) -> None:
    async with a_stage(tmp_path, "retry", seed=1, dialect=dialect) as stage:
        for point in POINTS if IS_LONG else points:
            assert await stage.kill_at(point), point
        life = await stage.finish()

        await stage.judge()
        assert life.errors.read_text() == ""


async def test_what_waits_for_a_person_is_told_once_however_often_it_is_killed(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path, "approval", seed=1, dialect="run") as stage:
        stage.world.more = '[[watch]]\napprovals = true\nchannel = "#approvals"'
        for point in POINTS if IS_LONG else ("after the commit", "after Slack accepted a post"):
            assert await stage.kill_at(point), point
        await stage.kill_at_random(random.Random(1))
        life = await stage.finish()

        posts = stage.world.slack.channel("approvals").posts
        keys = keys_of(posts)
        told = "\n".join(
            plain_text(post) for post in posts if post.thread_ts not in (None, post.ts)
        )
        assert len(set(keys)) == len(keys)
        assert told.count("waits for an approval") == told.count("waits no longer") == 1
        assert life.errors.read_text() == ""


async def test_killed_between_finding_and_following_it_is_followed_and_told_once(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path, "build-failed", seed=1, dialect="run") as stage:
        for point in FINDING_POINTS:
            assert await stage.kill_at(point), point
        life = await stage.finish()

        await stage.judge()
        assert len(stage.world.cards(stage.target_id)) == 1
        assert life.errors.read_text() == ""


async def test_killed_while_it_tells_of_its_sight_that_is_told_once(tmp_path: Path) -> None:
    async with a_stage(tmp_path, "build-failed", seed=1) as stage:
        stage.world.platform.fault = _DOWN
        assert await stage.kill_at("after the outage is saved")
        stage.world.platform.fault = None
        assert await stage.kill_at("before the outage is saved")
        await stage.finish()

        assert [key.split("/")[1] for key in _of_outage(stage)] == ["unreachable", "reachable"]
        await stage.judge()


def _of_outage(stage: Stage) -> list[str]:
    return [key for key in stage.world.keys if "reachable/" in key]


async def test_where_history_may_not_be_read_a_post_in_doubt_is_sent_again_once_and_counted(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path, "build-failed", seed=1) as stage:
        stage.world.slack.scopes.discard("channels:history")
        assert await stage.kill_at("after Slack accepted a post", passing=2)
        async with stage.life() as life:
            await until(stage._is_all_told, seconds=60)
            port = life.entries("listening")[-1]["port"]
            counted = await _page(f"http://127.0.0.1:{port}/metrics")
            await life.stop()

        await stage.judge(may_repeat=True)
        (twice,) = (key for key, times in Counter(stage.world.keys).items() if times > 1)
        assert stage.world.keys.count(twice) == 2
        assert [entry["key"] for entry in life.entries("resent_in_doubt")] == [twice]
        assert 'nuon_monitor_posts_in_doubt_total{outcome="resent unsearched"} 1.0' in counted


async def _page(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


@long_only
async def test_killed_two_hundred_times_nothing_is_lost_and_nothing_told_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, at_once = 200, 2
    kills: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    seeds = iter(range(1_000))

    async def play_on() -> None:
        while kills.total() < wanted:
            seed = next(seeds)
            scenario = _SCENARIOS[seed % len(_SCENARIOS)]
            dialect = sorted(DIALECTS)[seed % len(DIALECTS)]
            folder = tmp_path / str(seed)
            folder.mkdir()
            async with a_stage(folder, scenario, seed=seed, dialect=dialect) as stage:
                await _torment(stage, random.Random(seed), kills, wanted)
                life = await stage.finish()
                await stage.judge()
                assert _takes_turns(_of_outage(stage)), (scenario, dialect)
                assert life.errors.read_text() == ""
                looked = life.entries("searched_in_doubt")
                figures["rollouts"] += 1
                figures["messages"] += len(stage.world.keys)
                figures["edits"] += sum(len(post.edits) for post in stage.world.channel.posts)
                figures["in doubt, found"] += sum(bool(one["found"]) for one in looked)
                figures["in doubt, sent again"] += sum(not one["found"] for one in looked)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(play_on())

    with capsys.disabled():
        print(f"\n{kills.total()} kills: {dict(kills)}\n{dict(figures)}")  # noqa: T201
    assert kills.total() >= wanted
    assert kills.keys() == {*POINTS, *OUTAGE_POINTS, _AT_RANDOM}


async def _torment(stage: Stage, chance: random.Random, kills: Counter[str], wanted: int) -> None:
    """Kill the daemon over and over for as long as the rollout is under way."""
    platform = stage.world.platform
    for _ in range(chance.randrange(8, 16)):
        if stage.rounds.is_over or kills.total() >= wanted:
            break
        before = stage.kills.copy()
        match chance.random():
            case x if x < 0.3:
                await stage.kill_at_random(chance)
            case x if x < 0.45:
                await _kill_at_the_outage(stage, chance)
            case _:
                await stage.kill_at(chance.choice([*POINTS]), passing=chance.randrange(1, 8))
        kills.update(stage.kills - before)
    platform.fault = None


async def _kill_at_the_outage(stage: Stage, chance: random.Random) -> None:
    """Kill it where it cannot see any more, and again where it can."""
    platform = stage.world.platform
    if not stage.is_reported_unreachable():
        platform.fault = _DOWN
        await stage.kill_at(chance.choice([*OUTAGE_POINTS]))
        platform.fault = None
    if stage.is_reported_unreachable():
        await stage.kill_at(chance.choice([*OUTAGE_POINTS]))


def _takes_turns(keys: list[str]) -> bool:
    """Whether it was told to be blind and to see in turns, and to see in the end."""
    kinds = [key.split("/")[1] for key in keys]
    return kinds == ["unreachable", "reachable"] * (len(kinds) // 2)
