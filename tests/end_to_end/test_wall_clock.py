"""The machine's clock is set: ahead and back, by hours and by a year, once and again."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config import Config
from monitor.service.app import App
from monitor.service.build import build
from monitor.service.scheduler import rouse
from monitor.service.wall_clock import WallClock
from monitor.simulation.audit import audit
from monitor.simulation.slack import plain_text
from monitor.store import PastNotification, PastTransition, Store
from tests.support.delivery import AT_ONCE
from tests.support.long_tests import IS_LONG
from tests.support.processes import Daemon, until
from tests.support.world import World, a_live_world, a_world

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
HOURS = timedelta(hours=5)
ANY_WAY = [
    pytest.param(by, id=name)
    for name, by in {
        "a year ahead": YEAR,
        "hours ahead": HOURS,
        "a day back": -DAY,
        "a year back": -YEAR,
    }.items()
]


# How far it was set


class Hands:
    """A time of day and a clock that nobody sets, both in seconds, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.steady = 50.0

    def clock(self) -> WallClock:
        return WallClock(lambda: self.wall, lambda: self.steady)


def test_time_that_passes_is_no_jump() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 86_400
    hands.steady += 86_400

    assert clock.jumped() == timedelta(0)


@pytest.mark.parametrize("by", ANY_WAY)
def test_a_clock_that_is_set_jumps_by_as_much(by: timedelta) -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += by.total_seconds()

    assert clock.jumped() == by


def test_a_clock_that_is_set_and_set_right_again_has_jumped_by_nothing_in_all() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 3600
    clock.jumped()
    hands.wall -= 3600

    assert clock.jumped() == timedelta(0)


def test_small_steps_of_ntp_count_once_they_add_up() -> None:
    hands = Hands()
    clock = hands.clock()
    found = []
    for _ in range(4):
        hands.wall += 10
        found.append(clock.jumped().total_seconds())

    assert found == [0, 0, 30, 30]


# What is told


async def watch(
    world: World, scenario: str, *, jumps: list[timedelta], every: float = 15.0
) -> tuple[str, list[str]]:
    """Watch a release to its end while the clock is set at random moments, and at restarts.

    Returns the release and the jumps that it was still alive for.
    """
    release_id = world.platform.add(scenario, seed=1)
    life = world.platform.rollout(release_id).settles_after
    chance = random.Random(f"{scenario} {jumps}")
    moments = sorted(chance.uniform(0.05, 0.95) * life for _ in jumps)
    waiting = list(zip(moments, jumps, strict=True))
    async with world.monitor(release_id) as app:
        await world.look(app)
        while world.platform.seconds_of(release_id) < life + 120:
            while waiting and waiting[0][0] <= world.platform.seconds_of(release_id):
                world.set_by += waiting.pop(0)[1]
                await app.delivery.hurry()
            await world.look(app, after=every)
    return release_id, [str(jump) for _, jump in waiting]


async def test_what_was_planned_by_a_clock_that_was_wrong_for_an_instant_runs_all_the_same(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world, world.monitor(world.platform.add("happy")) as app:
        scheduler = app.daemon._scheduler()
        scheduler.start(paused=True)
        first, *others = scheduler.get_jobs()
        first.modify(next_run_time=datetime.now(UTC) + DAY)
        planned = [job.next_run_time for job in others]

        rouse(scheduler)

        assert first.next_run_time <= datetime.now(UTC)
        assert [job.next_run_time for job in others] == planned
        scheduler.shutdown(wait=False)


@pytest.mark.parametrize("by", [HOURS, YEAR, -HOURS, -YEAR], ids=str)
async def test_a_clock_that_is_set_while_an_answer_is_waited_for_makes_nothing_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: timedelta
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            before = len(world.channel.posts)
            get = app.context.source.get

            async def get_while_the_clock_is_set(*args: Any, **kwargs: Any) -> Any:
                answer = await get(*args, **kwargs)
                world.set_by += by
                return answer

            monkeypatch.setattr(app.context.source, "get", get_while_the_clock_is_set)
            for _ in range(4):
                await world.look(app, after=1)

        assert len(world.channel.posts) == before


@pytest.mark.parametrize("scenario", ["failure", *(["demo", "happy", "retry"] if IS_LONG else ())])
async def test_a_clock_that_is_set_makes_nothing_lost_repeated_or_false(
    tmp_path: Path, scenario: str
) -> None:
    async with a_world(tmp_path) as world:
        jumps = [HOURS, -DAY, YEAR, -YEAR, -YEAR, DAY]
        release_id, left = await watch(world, scenario, jumps=jumps)

        found = audit(world.platform.rollout(release_id), world.channel)
        assert (found.lost, found.repeated, found.false, left) == ((), (), (), [])


@pytest.mark.parametrize("by", [HOURS, YEAR])
async def test_what_moves_is_not_told_to_hang_because_the_clock_was_set(
    tmp_path: Path, by: timedelta
) -> None:
    async with a_world(tmp_path) as world:
        release_id, _ = await watch(world, "happy", jumps=[by, by], every=60)

        assert "nothing has changed" not in world.thread_text(release_id)


@pytest.mark.parametrize("by", ANY_WAY)
async def test_what_hangs_is_told_once_and_in_time_though_the_clock_was_set(
    tmp_path: Path, by: timedelta
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("slow", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            while "No change for " not in world.thread_text(release_id):
                world.set_by = by - world.set_by  # to and fro, at each poll
                await world.look(app, after=60)
                assert world.platform.seconds_of(release_id) < 2 * 3600
            since_then = world.platform.seconds_of(release_id)
            await world.look(app, after=60)

        text = world.thread_text(release_id)
        assert text.count("No change for ") == 1
        assert since_then > 30 * 60


@pytest.mark.parametrize("by", ANY_WAY)
async def test_reminders_keep_their_rhythm_though_the_clock_was_set(
    tmp_path: Path, by: timedelta
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("hang", seed=1)
        async with world.monitor(release_id) as app:
            world.clock.advance(world.platform.rollout(release_id).settles_after)
            for _ in range(3):
                await world.look(app, after=15)
            told_at_first = len(world.replies(release_id))
            world.set_by += by
            for _ in range(16):  # 8 hours; the jump comes first, and is no time that passed
                await world.look(app, after=1800)

        reminders = world.replies(release_id)[told_at_first:]
        assert [plain_text(post).count("still") for post in reminders] == [1, 1]


async def test_a_clock_that_was_set_back_while_nothing_ran_keeps_no_stall_quiet(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("slow", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            while world.now() - world.stored(release_id)[1].changed_at < timedelta(minutes=20):
                await world.look(app, after=60)
        world.set_by -= YEAR
        async with world.monitor(release_id) as app:
            for _ in range(32):
                await world.look(app, after=60)

        assert world.thread_text(release_id).count("No change for ") == 1


# What is delivered


@pytest.mark.parametrize("by", [YEAR, -DAY])
async def test_a_message_that_is_due_does_not_wait_for_the_clock_after_a_restart(
    tmp_path: Path, by: timedelta
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with world.monitor(release_id) as app:
            world.slack.fail("429", "chat.postMessage", retry_after=60)
            await world.look(app)
            assert world.channel.posts == []
        world.set_by += by
        async with world.monitor(release_id) as app:
            await world.look(app, after=15)

        assert len(world.cards(release_id)) == 1


class SetClock:
    """The machine's clock, and how far it was set."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by

    def jumped(self) -> timedelta:
        return self.by


async def ran(config: Config, clock: SetClock, act: Callable[[App], object]) -> None:
    """Run a daemon in this process until what `act` returns, awaited, is done."""
    async with build(config, pace=AT_ONCE, now=clock.now, jumped=clock.jumped) as app:
        running = asyncio.create_task(app.run())
        try:
            await act(app)  # type: ignore[misc]  # any coroutine
        finally:
            app.daemon.stop()
            await running


async def test_a_message_that_is_due_does_not_wait_for_a_clock_that_was_set_back(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        world.slack.fail("error:service_unavailable", "chat.postMessage")
        clock = SetClock()

        async def set_it(_: App) -> None:
            await until(lambda: not world.slack.faults)
            clock.by -= DAY
            await until(lambda: len(world.channel.posts) > 0)

        await ran(world.config(release_id), clock, set_it)


@pytest.mark.parametrize("by", [YEAR, -DAY])
async def test_a_post_whose_answer_was_lost_is_found_by_slacks_clock(
    tmp_path: Path, by: timedelta
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        world.slack.fail("reset_after", "chat.postMessage")
        clock = SetClock()

        async def lose_an_answer(app: App) -> None:
            await until(lambda: len(app.registry.rollout_pollers) == 1)
            clock.by += by  # before the post is written down
            await until(lambda: app.metrics.sent._value.get() > 1)

        await ran(world.config(release_id), clock, lose_an_answer)

        assert sorted(world.keys) == sorted(set(world.keys))


# What is kept


async def _known(world: World, release_id: str) -> tuple[PastTransition | PastNotification, ...]:
    with Store.open_readonly(world.store_url) as store:
        return store.history.load(release_id)


@pytest.mark.parametrize("restarts", [False, True])
async def test_nothing_is_forgotten_because_the_clock_was_set_ahead(
    tmp_path: Path, *, restarts: bool
) -> None:
    async with a_world(tmp_path) as world:
        release_id, _ = await watch(world, "failure", jumps=[], every=120)
        before = await _known(world, release_id)
        if restarts:
            world.set_by += YEAR
        async with world.monitor(release_id) as app:
            world.set_by += YEAR
            await app.daemon._prune()

        assert await _known(world, release_id) == before


async def test_what_is_old_is_forgotten_though_the_clock_was_set_back_and_right_again(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id, _ = await watch(world, "failure", jumps=[], every=120)
        async with world.monitor(release_id) as app:
            world.set_by -= DAY
            await world.look(app, after=15)
            world.set_by += DAY
            world.clock.advance(YEAR.total_seconds())
            await app.daemon._prune()

        assert await _known(world, release_id) == ()


async def test_a_history_is_in_the_order_of_events_though_the_clock_was_set_back(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id, _ = await watch(world, "failure", jumps=[-DAY, -DAY], every=120)

        known = await _known(world, release_id)
        ids = [entry.id for entry in known if isinstance(entry, PastNotification)]
        assert ids == sorted(ids)


# The schedule


async def test_a_clock_that_is_set_ahead_by_a_year_is_one_run_of_each_job(tmp_path: Path) -> None:
    async with (
        a_live_world(tmp_path) as world,
        build(world.config(world.platform.add("happy"))) as app,
    ):
        scheduler = app.daemon._scheduler()
        scheduler.start(paused=True)
        runs = [len(job._get_run_times(datetime.now(UTC) + YEAR)) for job in scheduler.get_jobs()]
        scheduler.shutdown(wait=False)

    assert set(runs) == {1}


def faketime_library() -> str | None:
    """Return the library that fakes a process's clock, of Debian's package `faketime`.

    The one for threads: the other gives two threads that read the time at once a wrong one.
    """
    if shutil.which("faketime") is None:
        return None
    print_environment = ["faketime", "-m", "-f", "+0s", "sh", "-c", "echo $LD_PRELOAD"]
    found = subprocess.run(print_environment, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


async def _goes_on(world: World, release_id: str, daemon: Daemon) -> None:
    """Wait until polls were made and the daemon says that it is well."""
    before = world.polls(release_id)
    await until(lambda: world.polls(release_id) > before + 2)
    await daemon.answers("/readyz", 200)


def _until_summer_ends() -> timedelta:
    """Return how far it is to three seconds before Berlin sets its clocks back."""
    return datetime(2026, 10, 25, 0, 59, 57, tzinfo=UTC) - datetime.now(UTC)


def _until_summer_begins() -> timedelta:
    return datetime(2026, 3, 29, 0, 59, 57, tzinfo=UTC) - datetime.now(UTC)


@pytest.mark.skipif(faketime_library() is None, reason="needs Debian's package faketime")
@pytest.mark.parametrize("is_monotonic_too", [False, True] if IS_LONG else [False])
async def test_a_process_goes_on_though_its_clock_is_set(
    tmp_path: Path, *, is_monotonic_too: bool
) -> None:
    offset = tmp_path / "offset"
    jumps = [-DAY, YEAR, _until_summer_ends()]
    if IS_LONG:
        jumps += [-HOURS, _until_summer_begins(), DAY, timedelta(0)]
    if is_monotonic_too:  # as after a sleep, which such a clock only ever counts up
        jumps = [DAY, 2 * DAY]
    library = faketime_library()
    assert library is not None
    async with a_live_world(tmp_path) as world:
        file = world.write(release_id := world.platform.add("happy"))
        # A fake clock is a slow one.
        file.write_text(file.read_text().replace('"100ms"', '"500ms"'))
        offset.write_text("+0s\n")
        environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "TZ": "Europe/Berlin",
            **({} if is_monotonic_too else {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}),
        }
        async with world.started(**environment) as daemon:
            await daemon.logged("sent")
            for by in jumps:
                offset.with_suffix(".new").write_text(f"{by.total_seconds():+.0f}s\n")
                offset.with_suffix(".new").replace(offset)
                await _goes_on(world, release_id, daemon)
            if is_monotonic_too:  # by every clock it stalled, and a day later people are reminded
                await until(lambda: len(world.channel.posts) == 3)
            told_meanwhile = len(world.channel.posts)
            life = world.platform.rollout(release_id).settles_after
            world.platform.clock.advance(life + 60)
            await until(lambda: len(world.channel.posts) > told_meanwhile)
            daemon.send(signal.SIGTERM)

            assert await daemon.end(within=10) == 0

    assert told_meanwhile == (3 if is_monotonic_too else 1)  # the card: nothing hangs, none twice
    assert daemon.count("delivery_failed_unexpectedly") == 0
    if not is_monotonic_too:
        assert daemon.count("clock_was_set") == len(jumps)
