"""The daemon: as a process, with its signals, and its schedule."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.watch.poller import Outcome
from monitor.watch.rollout_poller import RolloutPoller
from tests.support.clock import clock_at
from tests.support.daemons import Gate, delivered_outcome, ran
from tests.support.delivery import AT_ONCE
from tests.support.processes import until
from tests.support.world import a_live_world

# As a process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_daemon_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("baseline")

            daemon.send(number)

            assert await daemon.end(within=10) == 0
    assert daemon.errors == ""
    assert daemon.count("stopping") == 1
    assert daemon.lines[-1]["event"] == "stopped"


async def test_it_leaves_in_time_though_the_platform_and_slack_hang(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        world.slack.fail("hang", times=None)
        async with world.daemon(release_id, nuon='timeout = "1h"') as daemon:
            await daemon.logged("baseline")
            world.platform.next_faults.append(Fault(FaultKind.SLOW, delay=3600))
            await until(lambda: not world.platform.next_faults)
            await until(lambda: len(world.slack.requests) > 1)

            daemon.send(signal.SIGTERM)

            assert await daemon.end(within=10) == 0
            assert (await daemon.logged("stopping"))["polls_in_flight"] == 1


async def test_the_message_in_hand_is_finished_before_it_leaves(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with (
            Gate(world.slack) as gate,
            world.daemon(release_id, slack=f'api_url = "{gate.url}"') as daemon,
        ):
            await gate.reached.wait()
            daemon.send(signal.SIGTERM)
            await daemon.logged("stopping")
            assert world.keys == []

            gate.open()

            assert await daemon.end() == 0
            assert [line["key"] for line in daemon.lines if line["event"] == "sent"] == world.keys


async def test_nothing_is_told_twice_or_lost_after_kills(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("failure")
        half = world.platform.rollout(release_id).settles_after / 2
        for posts in range(3):  # the card, news on the way, the failure
            async with world.daemon(release_id) as daemon:
                await until(lambda n=posts: len(world.keys) > n)  # type: ignore[misc]
                daemon.send(signal.SIGKILL)
                await daemon.end()
            world.platform.clock.advance(half)
        async with world.daemon(release_id):
            await until(lambda: delivered_outcome(world, release_id) == "failed")

        keys = world.keys

    assert len(keys) == len(set(keys))
    assert sum("/card/" in key for key in keys) == 1


async def test_a_second_daemon_on_the_same_store_is_refused(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        async with world.daemon(release_id) as first:
            await first.logged("baseline")

            second = await world.command("run")

    assert (second.code, second.err.count("\n")) == (1, 1)
    assert f"another nuon-monitor (pid {first.process.pid}) uses" in second.err


async def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        taken = world.platform.base_url.removeprefix("http://")
        world.write(world.platform.add("happy"), http=f'listen = "{taken}"')

        refused = await world.command("run")

    assert refused.code == 1
    assert refused.err == (
        f"nuon-monitor: cannot listen on {taken}, address already in use: set http.listen to a"
        ' free address, or to "" for none\n'
    )


async def test_polls_that_bring_nothing_are_not_logged(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-done")
        async with world.daemon(release_id) as daemon:
            await until(lambda: world.polls(release_id) > 5)
            daemon.send(signal.SIGTERM)
            await daemon.end()

    events = [line["event"] for line in daemon.lines]
    assert events == ["started", "listening", "baseline", "stopping", "stopped"]


async def test_a_poll_that_brings_something_is_one_line(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("baseline")

            world.platform.clock.advance(60)

            entry = await daemon.logged("changed")
            assert entry["target"] == f"release {release_id}"
            assert entry["transitions"] > 0
            assert daemon.count("changed") == 1


async def test_the_log_holds_no_token_though_all_is_refused(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("sent")
            world.slack.revoke_token()
            world.platform.token = "another"
            await daemon.logged("unreachable")
            await daemon.logged("postponed")

            written = str(daemon.lines)

    assert "s3cret" not in written  # as it is in every token here


async def test_it_goes_on_though_nobody_reads_its_log(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("sent")
            # The reader's end of the pipe is closed, as when a log collector dies.
            daemon.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]

            world.platform.clock.advance(3600)

            await until(lambda: any("/news/" in key for key in world.keys))


# Its schedule


async def test_the_scheduler_runs_late_jobs_once_one_at_a_time_and_in_utc(tmp_path: Path) -> None:
    async with (
        a_live_world(tmp_path) as world,
        build(world.config(world.platform.add("happy"))) as app,
    ):
        scheduler = app.daemon._scheduler()
        scheduler.start(paused=True)
        jobs = scheduler.get_jobs()
        scheduler.shutdown(wait=False)

    assert {(job.coalesce, job.misfire_grace_time, job.max_instances) for job in jobs} == {
        (True, None, 1)
    }
    assert {job.trigger.timezone for job in jobs} == {UTC}


async def test_what_moves_is_polled_more_often_than_what_is_settled(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        moving, settled = world.platform.add("happy"), world.platform.add("already-done")
        config = world.config(moving, settled, poll='settled_interval = "1h"')
        async with build(config, pace=AT_ONCE) as app:
            await ran(app, lambda: world.polls(moving) > 10 and world.polls(settled) > 0)

        assert world.polls(settled) == 1


async def test_what_has_been_settled_for_long_is_polled_no_more(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        moving, settled = world.platform.add("happy"), world.platform.add("already-done")
        config = world.config(moving, settled, poll='forget_after = "1s"')
        clock = clock_at(datetime(2026, 3, 2, tzinfo=UTC))
        async with build(config, pace=AT_ONCE, now=clock.now) as app:
            await app.poll_once()
            clock.advance(2)
            await ran(app, lambda: world.polls(moving) > 10 and world.polls(settled) > 1)

        assert world.polls(settled) == 2  # the one before, and the one that finds it settled


async def test_a_platform_that_fails_is_asked_less_and_less(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        failing = world.platform.add("happy")
        config = world.config(failing, poll='settled_interval = "1m"\nunreachable_after = "1ms"')
        world.platform.fault = Fault(FaultKind.STATUS, status=500)
        async with build(config, pace=AT_ONCE) as app:
            (poller,) = app.registry.rollout_pollers
            pauses = []
            for _ in range(12):
                await poller.poll()
                await asyncio.sleep(0.002)  # by then it has failed for long enough to be told
                pauses.append(poller.pause())

    seconds = [pause.total_seconds() for pause in pauses if pause]
    assert seconds[:4] == [0.1, 0.2, 0.4, 0.8]
    assert seconds[-1] == 60


async def test_a_platform_is_not_asked_before_the_time_that_it_asks_for(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        limited, other = world.platform.add("happy"), world.platform.add("hang")
        world.platform.next_faults.append(Fault(FaultKind.STATUS, status=429, retry_after=3600))
        async with build(world.config(limited, other), pace=AT_ONCE) as app:
            await ran(app, lambda: len(world.platform.requests) > 10)

        counts = sorted((world.polls(limited), world.polls(other)))
        assert counts[0] == 1
        assert counts[1] > 5


class Buggy(RolloutPoller):
    """A watch with a bug in it."""

    attempts = 0

    async def poll(self) -> Outcome:
        self.attempts += 1
        raise RuntimeError("at fault")


async def test_a_bug_in_one_watch_does_not_stop_the_others(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        well, broken = world.platform.add("happy"), world.platform.add("hang")
        async with build(world.config(well, broken), pace=AT_ONCE) as app:
            _, second = app.registry.rollout_pollers
            buggy = Buggy(second.watch, second._context)
            app.registry._rollout_pollers[second.watch.target] = buggy

            await ran(app, lambda: world.polls(well) > 5 and buggy.attempts > 3)

            assert _metric(app, "nuon_monitor_unexpected_errors_total", where="poll") > 3


def _metric(app: App, name: str, **labels: str) -> float:
    return app.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_a_poll_that_hangs_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        releases = [world.platform.add("happy") for _ in range(2)]
        world.platform.next_faults.append(Fault(FaultKind.SLOW, delay=3600))
        async with build(world.config(*releases, nuon='timeout = "500ms"'), pace=AT_ONCE) as app:
            await ran(app, lambda: max(world.polls(one) for one in releases) > 3)


async def test_when_a_release_was_polled_last_is_kept(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-done")
        async with build(world.config(release_id), pace=AT_ONCE) as app:
            await ran(app, lambda: world.polls(release_id) > 5)
            (watched,) = await app.store.call(app.store.snapshots.load_all)
            (poller,) = app.registry.rollout_pollers

            assert watched.polled_at == poller.polled_at
            assert watched.polled_at > watched.changed_at


async def test_a_slack_that_hangs_does_not_hold_up_the_polls(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        world.slack.fail("hang", times=None)
        async with world.daemon(release_id) as daemon:
            await until(lambda: world.polls(release_id) > 3)
            assert daemon.count("sent") == 0
