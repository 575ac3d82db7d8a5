"""Killed with `kill -9`, or cut off from a slow Slack, at any moment: nothing lost or repeated.

The real daemon is a process of its own, the simulated platform and Slack are in this one.
What was told is read off the simulated Slack and judged by what happened on the platform.
With `NUON_MONITOR_LONG_TESTS=1` two hundred kills and two hundred cuts, over every scenario and
many seeds, with a Slack that stores and answers late, and fails after it stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from monitor.simulation.answers import Shape
from monitor.simulation.audit import audit
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.simulation.scenarios import DIALECTS
from monitor.simulation.slack import plain_text
from tests.support.clock import clock_at
from tests.support.crashing import (
    DOUBT_POINTS,
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
from tests.support.long_tests import IS_LONG, LONG_DEADLINE_SECONDS, long_only
from tests.support.processes import until
from tests.support.world import World, a_world, key_of, keys_of

_SETTINGS = {
    "NUON_MONITOR_POLL__INTERVAL": "50ms",
    "NUON_MONITOR_POLL__SETTLED_INTERVAL": "50ms",
    "NUON_MONITOR_POLL__UNREACHABLE_AFTER": "100ms",
    "NUON_MONITOR_HTTP__LISTEN": "127.0.0.1:0",
}
_AT_RANDOM = "at a random moment"
_SLOWNESS = 0.02
"""A slow Slack is fifty times as fast as the real one, and so are the searches."""
_SLOW_SECONDS = 10 * _SLOWNESS
_WANTED = 200
"""Kills, and cut connections, where there is time for them."""
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
    slowness: float = 1.0
    kills: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def life(self, at: str | None = None, passing: int = 1) -> AsyncIterator[Life]:
        file = str(self.world.write(self.target_id))
        birth = Birth(file, at, passing, slowness=self.slowness, settings=_SETTINGS)
        async with self.nursery.life(birth) as life:
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
        stale = "SELECT count(*) FROM card WHERE shown_fingerprint IS NOT wanted_fingerprint"
        return self._is_posted() and self.ask(stale) == [(0,)]

    def _is_posted(self) -> bool:
        return self.ask("SELECT count(*) FROM notification WHERE state != 'sent'") == [(0,)]

    async def finish_slowly(self) -> Life:
        """Let Slack recover, and a daemon go on until no copy can come any more; then stop it.

        An edit that failed often waits for minutes, which are not scaled.
        """
        self.world.slack.faults.clear()
        async with self.life() as life:
            await self.rounds.go_on(2, life)
            await until(lambda: self._is_all_told() and self._has_no_copies(), seconds=300)
            assert await life.stop() == 0
        return life

    async def live_through(self) -> None:
        """Let a daemon see the rollout to its end, and send all that there is to be sent."""
        async with self.life() as life:
            await until(lambda: self.rounds.is_over and self._is_posted(), seconds=300)
            await life.stop()

    def _has_no_copies(self) -> bool:
        doubted = "SELECT count(*) FROM notification WHERE look_again_at IS NOT NULL"
        return self.ask(doubted) == [(0,)]

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

    async def judge_what_is_there(self) -> None:
        """Judge as `judge` does, but by what was not deleted: copies come and go."""
        world, target_id = self.world, self.target_id
        kept = {ts: post for ts, post in world.channel.by_ts.items() if not post.is_deleted}
        findings = audit(world.platform.rollout(target_id), replace(world.channel, by_ts=kept))
        assert (findings.lost, findings.false, findings.repeated) == ((), (), ())
        recorded = [str(key) for (key,) in self.ask("SELECT key FROM notification ORDER BY id")]
        posted = keys_of(kept.values())
        assert sorted(posted) == sorted(recorded)
        # What is of one rollout stays in order; what is not may overtake it.
        assert _of(target_id, posted) == _of(target_id, recorded)
        cards = {ts for (ts,) in self.ask("SELECT ts FROM card")}
        assert {ts for ts, post in kept.items() if "/card/" in key_of(post)} == cards
        assert {post.thread_ts for post in kept.values() if post.thread_ts} <= cards
        known, _ = world.stored(target_id)
        assert unmarked(known.root) == unmarked((await truth_of(world, known)).root)
        assert tuple(world.cards(target_id)[-1].blocks) == card_of(world, target_id)


def _of(target_id: str, keys: list[str]) -> list[str]:
    return [key for key in keys if f"/{target_id}/" in key]


@asynccontextmanager
async def a_stage(
    folder: Path, scenario: str, *, seed: int, dialect: str = "release", slowness: float = 1.0
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
        yield Stage(world, target_id, rounds, nursery, slowness)
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
        assert told.count("needs approval") == 2
        assert told.count("no longer needs approval") == 1
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


# A slow Slack


async def test_killed_with_a_slow_slack_nothing_is_lost_and_no_copy_stays(tmp_path: Path) -> None:
    async with a_stage(tmp_path, "build-failed", seed=1, slowness=_SLOWNESS) as stage:
        stage.world.slack.slow_down(_SLOW_SECONDS)
        for point in ("after the attempt began", "before a search", "after a search"):
            assert await stage.kill_at(point), point
        life = await stage.finish_slowly()

        await stage.judge_what_is_there()
        assert life.errors.read_text() == ""


async def test_cut_off_from_a_slow_slack_nothing_is_lost_and_no_copy_stays(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path, "build-failed", seed=2, slowness=_SLOWNESS) as stage:
        _cut_off(stage, seed=2)
        await stage.live_through()
        life = await stage.finish_slowly()

        assert _cuts(stage) > 0
        await stage.judge_what_is_there()
        assert life.errors.read_text() == ""


def _cut_off(stage: Stage, *, seed: int) -> None:
    """Let every second connection be cut, before or after what it carried is stored."""
    chance = random.Random(seed)
    for _ in range(1_000):
        stored_after = chance.choice((0.0, chance.uniform(0, _SLOW_SECONDS)))
        kind = chance.choice(("reset_after", "reset_after", "reset_before", "late", "late", "late"))
        stage.world.slack.fail(
            kind,
            "chat.postMessage",
            stored_after=stored_after,
            answered_after=chance.uniform(0, _SLOW_SECONDS),
        )
    stage.world.slack.slow_down(_SLOW_SECONDS)


def _cuts(stage: Stage) -> int:
    return sum(request.outcome.startswith("reset") for request in stage.world.slack.requests)


@long_only
@pytest.mark.timeout(LONG_DEADLINE_SECONDS)
async def test_killed_two_hundred_times_nothing_is_lost_and_no_copy_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kills: Counter[str] = Counter()

    async def torment(stage: Stage, seed: int) -> None:
        stage.world.slack.slow_down(_SLOW_SECONDS)
        await _torment(stage, random.Random(seed), kills, _WANTED)

    figures = await _play(tmp_path, torment, lambda: kills.total() >= _WANTED)

    with capsys.disabled():
        print(f"\n{kills.total()} kills: {dict(kills)}\n{dict(figures)}")  # noqa: T201
    assert kills.total() >= _WANTED
    assert kills.keys() == {*POINTS, *OUTAGE_POINTS, *DOUBT_POINTS, _AT_RANDOM}


@long_only
@pytest.mark.timeout(LONG_DEADLINE_SECONDS)
async def test_cut_off_two_hundred_times_nothing_is_lost_and_no_copy_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = 0

    async def torment(stage: Stage, seed: int) -> None:
        nonlocal cuts
        _cut_off(stage, seed=seed)
        await stage.live_through()
        cuts += _cuts(stage)

    figures = await _play(tmp_path, torment, lambda: cuts >= _WANTED)

    with capsys.disabled():
        print(f"\n{cuts} cuts\n{dict(figures)}")  # noqa: T201
    assert cuts >= _WANTED


async def _play(
    folder: Path, torment: Callable[[Stage, int], Awaitable[None]], is_enough: Callable[[], bool]
) -> Counter[str]:
    """Torment rollouts of every scenario and dialect, two at once, and judge each in the end."""
    figures: Counter[str] = Counter()
    seeds = iter(range(1_000))

    async def play_on() -> None:
        while not is_enough():
            seed = next(seeds)
            scenario = _SCENARIOS[seed % len(_SCENARIOS)]
            dialect = sorted(DIALECTS)[seed % len(DIALECTS)]
            its = folder / str(seed)
            its.mkdir()
            async with a_stage(
                its, scenario, seed=seed, dialect=dialect, slowness=_SLOWNESS
            ) as stage:
                await torment(stage, seed)
                life = await stage.finish_slowly()
                await stage.judge_what_is_there()
                assert _takes_turns(_of_outage(stage)), (scenario, dialect)
                assert life.errors.read_text() == ""
                looked = life.entries("searched_in_doubt")
                figures["rollouts"] += 1
                figures["messages"] += len(stage.world.keys)
                figures["edits"] += sum(len(post.edits) for post in stage.world.channel.posts)
                figures["in doubt, found"] += sum(bool(one["found"]) for one in looked)
                figures["in doubt, sent again"] += len(life.entries("resent_in_doubt"))
                figures["copies removed"] += len(life.entries("copy_found"))

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(play_on())
    return figures


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
                points = [*POINTS, *DOUBT_POINTS]
                await stage.kill_at(chance.choice(points), passing=chance.randrange(1, 8))
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
