"""The heartbeat is honest: it is sent while the monitor does its work, and at no other time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.text import Text

from monitor.errors import StoreError
from monitor.service.app import App
from monitor.service.build import build
from monitor.service.heartbeat import Heartbeat
from monitor.simulation.platform_faults import Fault, FaultKind
from tests.support.dead_mans_switch import Switch
from tests.support.delivery import AT_ONCE
from tests.support.processes import free_port, until
from tests.support.world import World, a_live_world

GRACE = 180.0


# When it is called, by a clock that the test moves


class Heart:
    """A heartbeat whose clock and whose monitor's state a test sets."""

    def __init__(self, switch: Switch, *, has_fail_url: bool = True) -> None:
        self.problem: str | None = None
        self._now = 0.0
        self._heartbeat = Heartbeat(
            switch.url,
            lambda: self.problem,
            fail_url=switch.fail_url if has_fail_url else None,
            seconds=lambda: self._now,
        )

    async def passes(self, seconds: float) -> None:
        """Let time pass; the heartbeat looks every second."""
        for _ in range(round(seconds)):
            await self._heartbeat.look()
            self._now += 1


async def test_the_heart_beats_once_a_minute_while_all_is_well() -> None:
    async with Switch() as switch:
        await Heart(switch).passes(180)

    assert (switch.beats, switch.failures) == (3, [])


async def test_the_heart_beats_on_through_trouble_shorter_than_the_grace() -> None:
    async with Switch() as switch:
        heart = Heart(switch)
        await heart.passes(60)
        heart.problem = "slack: reset"
        await heart.passes(GRACE - 1)
        heart.problem = None
        await heart.passes(60)

    assert (switch.beats, switch.failures) == (5, [])


async def test_after_the_grace_the_beats_stop_and_the_other_address_gets_the_reason() -> None:
    async with Switch() as switch:
        heart = Heart(switch)
        await heart.passes(1)
        heart.problem = "slack: token_revoked"
        await heart.passes(GRACE)
        beats = switch.beats

        await heart.passes(90)

    assert switch.beats == beats
    assert switch.failures == ["slack: token_revoked"] * 2


async def test_once_all_is_well_again_the_heart_beats_at_once() -> None:
    async with Switch() as switch:
        heart = Heart(switch)
        heart.problem = "store: the disk is full"
        await heart.passes(GRACE + 1)
        assert (switch.beats, switch.failures) == (0, ["store: the disk is full"])

        heart.problem = None
        await heart.passes(1)

    assert switch.beats == 1


async def test_without_another_address_the_beats_stop_and_the_log_has_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with Switch() as switch:
        heart = Heart(switch, has_fail_url=False)
        await heart.passes(1)
        heart.problem = "polls: no poll completed for 99 s"
        await heart.passes(GRACE)
        beats = switch.beats

        await heart.passes(600)

    assert (switch.beats, switch.failures) == (beats, [])
    assert "no_heartbeat" in capsys.readouterr().out


async def test_what_never_was_well_is_no_beat_but_a_failure_after_the_grace() -> None:
    async with Switch() as switch:
        heart = Heart(switch)
        heart.problem = "platform: no poll came through yet"
        await heart.passes(GRACE)
        assert (switch.beats, switch.failures) == (0, [])

        await heart.passes(1)

    assert (switch.beats, switch.failures) == (0, ["platform: no poll came through yet"])


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_a_heartbeat_that_is_refused_is_logged_without_its_address(
    capsys: pytest.CaptureFixture[str], status: int
) -> None:
    async with Switch(status) as switch:
        await Heart(switch).passes(1)

    written = Text.from_ansi(capsys.readouterr().out).plain
    assert f"status={status}" in written
    assert "secret-part" not in written


async def test_a_heartbeat_that_nobody_hears_is_logged_without_its_address(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"http://127.0.0.1:{free_port()}/secret-part"

    await Heartbeat(url, lambda: None).look()

    written = capsys.readouterr().out
    assert "heartbeat_failed" in written
    assert "secret-part" not in written


# What the daemon takes for well


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the heart beat, and Slack be greeted, many times a second."""
    for name, seconds in (
        ("heartbeat._LOOK_EVERY_SECONDS", 0.02),
        ("heartbeat._CALL_EVERY_SECONDS", 0.02),
        ("heartbeat._GRACE_SECONDS", 0.3),
        ("greeting._GREET_EVERY_SECONDS", 0.05),
        ("greeting._GREET_AGAIN_SECONDS", 0.05),
    ):
        monkeypatch.setattr(f"monitor.service.{name}", seconds)


@asynccontextmanager
async def watching(world: World, switch: Switch, *target_ids: str) -> AsyncIterator[App]:
    """Run a daemon in this process, with a heartbeat."""
    config = world.config(*target_ids, heartbeat=_heartbeat(switch))
    async with build(config, pace=AT_ONCE) as app:
        running = asyncio.create_task(app.run())
        try:
            yield app
        finally:
            app.daemon.stop()
            await running


def _heartbeat(switch: Switch) -> str:
    return f'url = "{switch.url}"\nfail_url = "{switch.fail_url}"'


async def beats(switch: Switch, times: int = 3) -> None:
    before = switch.beats
    await until(lambda: switch.beats >= before + times)


async def failures(switch: Switch, is_named: Callable[[str], bool]) -> None:
    """Wait until the beats have stopped and the reason is the expected one."""
    await until(lambda: any(map(is_named, switch.failures)))
    before = switch.beats
    failed = len(switch.failures)
    await until(lambda: len(switch.failures) > failed + 3)
    assert switch.beats == before


async def test_the_heart_beats_as_soon_as_all_was_polled_and_slack_was_greeted(
    tmp_path: Path,
) -> None:
    async with Switch() as switch, a_live_world(tmp_path) as world:
        heartbeat = _heartbeat(switch)
        async with world.daemon(world.platform.add("happy"), heartbeat=heartbeat) as daemon:
            await until(lambda: switch.beats == 1)

            assert daemon.count("baseline") == 1
            assert daemon.count("heartbeat_failed") == 0


@pytest.mark.usefixtures("quick")
async def test_nothing_due_counts_as_well(tmp_path: Path) -> None:
    async with Switch() as switch, a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-done")
        world.usual = {**world.usual, "poll": {"interval": "1d", "settled_interval": "1d"}}
        async with watching(world, switch, release_id) as app:
            await until(lambda: app.daemon.first_polls_left == 0)

            await beats(switch, times=20)


@pytest.mark.usefixtures("quick")
async def test_a_platform_that_is_down_stops_the_heart_until_it_is_back(tmp_path: Path) -> None:
    async with (
        Switch() as switch,
        a_live_world(tmp_path) as world,
        watching(world, switch, world.platform.add("happy")),
    ):
        await beats(switch)

        world.platform.fault = Fault(FaultKind.UNAUTHORIZED)
        await failures(switch, lambda reason: "platform: unreachable since" in reason)
        world.platform.fault = None

        await beats(switch)


@pytest.mark.usefixtures("quick")
async def test_a_revoked_token_stops_the_heart_though_there_is_nothing_to_send(
    tmp_path: Path,
) -> None:
    async with (
        Switch() as switch,
        a_live_world(tmp_path) as world,
        watching(world, switch, world.platform.add("already-done")),
    ):
        await beats(switch)

        world.slack.revoke_token()
        await failures(switch, lambda reason: "token_revoked" in reason)
        world.slack.restore_token()

        await beats(switch)
    assert "secret-part" not in "".join(switch.failures)


@pytest.mark.usefixtures("quick")
async def test_polls_that_cannot_be_committed_stop_the_heart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Switch() as switch, a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        async with watching(world, switch, release_id) as app:
            await beats(switch)

            def full(*_: object) -> None:
                raise StoreError("the disk is full")

            with monkeypatch.context() as disk:
                disk.setattr(app.store, "save", full)
                world.platform.clock.advance(60)
                await failures(switch, lambda reason: "the disk is full" in reason)

            await beats(switch)


@pytest.mark.usefixtures("quick")
async def test_one_target_that_cannot_be_seen_leaves_the_heart_beating(tmp_path: Path) -> None:
    """People are notified of it in Slack."""
    async with (
        Switch() as switch,
        a_live_world(tmp_path) as world,
        watching(world, switch, world.platform.add("happy"), "relnotthere"),
    ):
        await until(lambda: any("relnotthere" in text for text in world.texts))
        await beats(switch, times=1)
        switch.failures.clear()

        await beats(switch, times=30)

    assert switch.failures == []


async def test_a_daemon_that_dies_at_each_start_never_beats(tmp_path: Path) -> None:
    async with Switch() as switch, a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        world.platform.fault = Fault(FaultKind.SLOW, delay=60)
        for _ in range(3):
            async with world.daemon(release_id, heartbeat=_heartbeat(switch)) as daemon:
                await daemon.logged("started")
                await asyncio.sleep(1.5)  # polls are under way, and the heartbeat has looked

    assert (switch.beats, switch.failures) == (0, [])
