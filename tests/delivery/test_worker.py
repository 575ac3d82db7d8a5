"""The loop and its queues: how they stop, survive errors of our own, and never wait for others."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.deliver import worker as module
from monitor.deliver.pace import Pace
from monitor.deliver.slack import SlackClient
from monitor.errors import StoreError
from monitor.model import (
    Message,
    MessageRef,
)
from monitor.simulation.slack import SimulatedSlack
from monitor.store import Store
from tests.support.clock import Clock
from tests.support.delivery import (
    POST,
    Monitor,
    ReplacedPost,
    keys,
    life,
    note,
    notes,
    outcomes,
    running,
)
from tests.support.faults import FaultyServer, never_answer

# Stopping


async def test_asked_to_stop_it_finishes_what_is_in_hand_and_begins_nothing(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"), *notes("c", "d", destination="#ops"))
        task = asyncio.create_task(monitor.delivery.run())
        await slack.wait_until(lambda: len(slack.requests) >= 1)
        monitor.delivery.stop()
        await task
        sent = len(slack.requests)

        left = await monitor.outbox()

    assert sent in (1, 2)
    assert len(left) == 4 - sent
    assert {str(one.state) for one in left} == {"pending"}


async def test_asked_to_stop_while_it_waits_it_stops_at_once(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=3600, edit=3600)) as monitor:
        await monitor.save(*notes("a", "b"))
        async with asyncio.timeout(10), running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)


async def test_stopped_before_it_began_a_single_pass_ends(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    monitor.delivery.stop()

    async with asyncio.timeout(5):
        await monitor.deliver()

    assert len(await monitor.outbox()) == 1


# What breaks on our own side


@pytest.mark.parametrize("call", ["next_notification", "begin_attempt", "mark_sent", "due"])
async def test_a_store_that_fails_for_a_while_costs_nothing(
    monitor: Monitor, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)
    monitor.store.broken[call] = StoreError("the disk is full")
    await monitor.save(*notes("a", "b"))
    with capture_logs() as logs:
        async with running(monitor):
            while not monitor.store.failures:
                await asyncio.sleep(0)
            monitor.store.broken.clear()
            monitor.clock.advance(2)
            monitor.delivery.wake()
            await monitor.slack.wait_until(lambda: "b" in keys(monitor.slack.channel("releases")))

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert {log["error"] for log in logs if log["log_level"] == "error"} == {"the disk is full"}


async def test_a_store_that_became_read_only_stops_sending_and_nothing_is_told_twice(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"))
        await monitor.store.call(query_only, monitor.store._store, True)
        async with running(monitor):
            while monitor.store.failures < 3:
                await asyncio.sleep(0)
            assert outcomes(slack, POST) == []
            await monitor.store.call(query_only, monitor.store._store, False)
            await slack.wait_until(lambda: "b" in keys(slack.channel("releases")))

        assert keys(slack.channel("releases")) == ["a", "b"]


def query_only(store: Store, is_on: bool) -> None:
    """Let SQLite refuse every write, as on a disk that was mounted read only."""
    connection = store._database.engine.raw_connection()
    connection.cursor().execute(f"PRAGMA query_only = {int(is_on)}")
    connection.close()


async def test_a_bug_in_one_lane_is_counted_and_survived(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)

    async def broken(*_: object, **__: object) -> MessageRef:
        raise ZeroDivisionError

    real = monitor.destinations["#releases"]
    monitor.destinations["#releases"] = ReplacedPost(real, broken)
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))
    async with running(monitor):
        await monitor.slack.wait_until(lambda: keys(monitor.slack.channel("ops")) == ["c"])
        while not monitor.count("unexpected_errors", where="delivery"):
            await asyncio.sleep(0)
        monitor.destinations["#releases"] = real
        monitor.clock.advance(31)
        monitor.delivery.wake()
        await monitor.slack.wait_until(lambda: "b" in keys(monitor.slack.channel("releases")))

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_bug_in_the_loop_itself_is_counted_and_survived(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)
    monitor.store.broken["due"] = ZeroDivisionError()
    await monitor.save(*notes("a"))
    async with running(monitor):
        while not monitor.count("unexpected_errors", where="delivery"):
            await asyncio.sleep(0)
        monitor.store.broken.clear()
        await monitor.slack.wait_until(lambda: keys(monitor.slack.channel("releases")) == ["a"])


async def test_a_bug_in_a_single_pass_is_raised_when_the_other_sinks_are_done(
    monitor: Monitor,
) -> None:
    async def broken(*_: object, **__: object) -> MessageRef:
        raise ZeroDivisionError

    monitor.destinations["#releases"] = ReplacedPost(monitor.destinations["#releases"], broken)
    await monitor.save(*notes("a"), *notes("b", "c", destination="#ops"))

    with pytest.raises(ZeroDivisionError):
        await monitor.deliver()

    assert keys(monitor.slack.channel("ops")) == ["b", "c"]


# Queues


async def test_a_channel_that_hangs_delays_no_other(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with (
        FaultyServer(never_answer()) as hanging,
        life(slack, tmp_path, clock) as monitor,
        SlackClient(api_url=f"{hanging.url}/api/", token="xoxb-x", timeout=5) as stuck,
    ):
        monitor.destinations["#apps"] = stuck.channel("#apps")
        await monitor.save(
            *notes("a", destination="#apps"), *notes("b"), *notes("c", destination="#ops")
        )
        task = asyncio.create_task(monitor.delivery.run())
        await hanging.until(lambda: hanging.in_flight == 1)
        for number in range(5):
            await monitor.save(*notes(f"b{number}"), *notes(f"c{number}", destination="#ops"))
            monitor.delivery.wake()
        await slack.wait_until(lambda: len(outcomes(slack, POST)) == 12)
        assert hanging.in_flight == 1
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_long_queue_is_not_loaded_at_once(monitor: Monitor) -> None:
    words = "x" * 2_000
    queue = (note(str(number), message=Message(words)) for number in range(20_000))
    await monitor.save(*queue)
    monitor.slack.fail("429", POST, times=None)
    tracemalloc.start()
    try:
        await monitor.deliver()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(outcomes(monitor.slack, POST)) == 1
    assert peak < 5 * 2**20
