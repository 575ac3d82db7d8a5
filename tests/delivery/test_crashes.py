"""Killed, cancelled and failed at any moment: everything is notified once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import random
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery
from monitor.metrics import Metrics
from monitor.simulation.slack import SimulatedSlack, plain_text
from monitor.store import Observation, Store, StoreThread
from monitor.watch.outage_log import OutageLog
from tests.support.builders import release, snapshot, state
from tests.support.clock import Clock
from tests.support.delivery import (
    ARRIVED,
    AT_ONCE,
    HISTORY,
    NOT_ARRIVED,
    POST,
    Interrupted,
    card,
    first_card,
    kept_keys,
    keys,
    life,
    note,
    notes,
    outcomes,
    reply,
)
from tests.support.orphans import die_with_parent

# Crashes


@pytest.mark.parametrize(
    "moment",
    ["next_notification", "wanted", "begin_attempt", "mark_sent", "next_edits", "mark_edited"],
)
async def test_whenever_it_dies_everything_is_told_once(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, moment: str
) -> None:
    posted, shown = first_card()
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(posted, reply("r1"), *notes("a"), cards=[shown])
        if moment in ("next_edits", "mark_edited"):
            await monitor.deliver()
            await monitor.save(*notes("b"), cards=[card("1 of 3")])
        monitor.store.broken[moment] = Interrupted()
        with pytest.raises(Interrupted):
            await monitor.deliver()

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("b"), cards=[card("1 of 3")])
        await monitor.deliver(after=31)

    assert keys(slack.channel("releases")) == ["card/0/#releases", "r1", "a", "b"]
    assert plain_text(slack.channel("releases").messages[0]) == "1 of 3"


async def test_after_a_crash_a_post_under_way_is_not_looked_for_at_once(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a"))
        monitor.store.broken["mark_sent"] = Interrupted()
        with pytest.raises(Interrupted):
            await monitor.deliver()

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.deliver(after=1.9)

    assert outcomes(slack, HISTORY) == []


async def test_cancelled_while_slack_has_the_request_it_looks_after_the_restart(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    slack.fail("hang_after", POST)
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"))
        task = asyncio.create_task(monitor.delivery.run())
        await slack.wait_until(lambda: outcomes(slack, POST) == ["hang_after"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [one for one in asyncio.all_tasks() if one.get_name().startswith("deliver ")]

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.deliver(after=2)

    assert keys(slack.channel("releases")) == ["a", "b"]


CHANNELS = ("releases", "ops", "apps")
FASTER = 100


def live(folder: str, api_url: str, token: str, born: float) -> None:
    """Deliver until the outbox is empty, by a clock that runs a hundred times as fast."""
    die_with_parent()

    def now() -> datetime:
        return datetime.fromtimestamp(born + (time.time() - born) * FASTER, UTC)

    async def deliver() -> None:
        store = StoreThread(Store.open(f"sqlite:///{folder}/store.db", now=now()))
        async with SlackClient(api_url=api_url, token=token) as client:
            metrics = Metrics()
            log = OutageLog(store, metrics=metrics, now=now)
            delivery = Delivery(
                store,
                client.channel,
                log,
                metrics=metrics,
                now=now,
                jumped=lambda: now() - datetime.now(UTC),
                pace=AT_ONCE,
            )
            task = asyncio.create_task(delivery.run())
            while (await store.call(store.outbox.counts)).pending:
                await asyncio.sleep(0.01)
                delivery.wake()
            delivery.stop()
            await task
        await store.aclose()

    logging.disable()
    asyncio.run(deliver())


async def test_killed_again_and_again_it_tells_everything_once_and_in_order(
    tmp_path: Path,
) -> None:
    kills, expected = 30, [f"n{number}" for number in range(50)]
    chance = random.Random(7)
    born = time.time()
    async with SimulatedSlack(CHANNELS, rates=False) as slack:
        with Store.open(f"sqlite:///{tmp_path}/store.db", now=datetime.now(UTC)) as store:
            told = [note(f"{one}/{key}", f"#{one}") for key in expected for one in CHANNELS]
            store.save(
                Observation(
                    snapshot(release(), datetime.now(UTC)), state(), b"", notifications=tuple(told)
                )
            )
        spawner = multiprocessing.get_context("forkserver")
        spawner.set_forkserver_preload([__name__])
        for life_number in range(kills + 1):
            process = spawner.Process(
                target=live, args=(str(tmp_path), slack.api_url, slack.token, born)
            )
            await asyncio.to_thread(process.start)
            if life_number < kills:
                enough = len(slack.requests) + chance.randint(1, 7)
                await slack.wait_until(lambda enough=enough: len(slack.requests) >= enough)  # type: ignore[misc]
                await asyncio.sleep(chance.random() * 0.003)
                process.kill()
            await asyncio.to_thread(process.join)
            assert process.exitcode == (0 if life_number == kills else -9)

        assert "ok" in outcomes(slack, HISTORY), "no kill came between a post and its mark"
        for one in CHANNELS:
            assert keys(slack.channel(one)) == [f"{one}/{key}" for key in expected]


# Anything at all


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_goes_wrong_everything_is_told_once_and_in_order(
    tmp_path: Path, clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = [*ARRIVED, *NOT_ARRIVED, "429", "500", "503", "error:service_unavailable"]
    kinds += ["error:token_revoked", "error:rate_limited"]
    expected = [f"n{number}" for number in range(12)]
    async with (
        SimulatedSlack(CHANNELS, rates=False, seed=seed) as slack,
        AsyncExitStack() as lives,
    ):
        slack.fail("error:not_in_channel", POST, times=None, probability=0.05)
        for kind in chance.sample(kinds, 7):
            probability = 0.02 if kind.startswith("hang") else 0.08
            slack.fail(kind, times=None, probability=probability, retry_after=2)
        monitor = await lives.enter_async_context(life(slack, tmp_path, clock, timeout=0.3))
        for key in expected:
            await monitor.save(*(note(f"{one}/{key}", f"#{one}") for one in CHANNELS))
        for _ in range(1000):
            if not await monitor.outbox():
                break
            if chance.random() < 0.1:
                monitor.store.broken["mark_sent"] = Interrupted()
            with contextlib.suppress(Interrupted):
                await monitor.deliver(after=chance.choice((1, 5, 60, 400)))
            monitor.store.broken.clear()
        slack.faults.clear()
        await monitor.deliver(after=400)

        for one in CHANNELS:
            assert kept_keys(slack.channel(one)) == [f"{one}/{key}" for key in expected]
