"""A post that goes out late says when it happened, and pings only for what is active still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.model import EventKind, Mention, MentionKind, Outage, OutageKey
from monitor.simulation.slack import Posted, SimulatedSlack, plain_text
from tests.support.clock import Clock
from tests.support.delivery import FOR_PEOPLE, Monitor, blocks, life, note
from tests.support.rollouts import Release

HERE = (Mention(MentionKind.HERE),)


@pytest.fixture
async def monitor(slack: SimulatedSlack, tmp_path: Path, clock: Clock) -> AsyncIterator[Monitor]:
    async with life(slack, tmp_path, clock, pace=FOR_PEOPLE) as running:
        yield running


async def failed_while_away(monitor: Monitor) -> Release:
    shop = Release(monitor, "shop")
    await shop.poll({"a": "executing", "b": "executing"})
    await monitor.deliver(after=1)
    monitor.slack.fail("error:service_unavailable", times=None)
    await shop.poll({"a": "error", "b": "executing"})
    return shop


async def last_reply(monitor: Monitor, *, after: float) -> Posted:
    monitor.slack.faults.clear()
    await monitor.deliver(after=after)
    return [post for post in monitor.slack.channel("releases").posts if post.is_broadcast][-1]


async def test_a_failure_that_is_active_still_pings_and_says_when_it_was(monitor: Monitor) -> None:
    await failed_while_away(monitor)

    told = await last_reply(monitor, after=180)

    assert "<!here>" in told.text
    assert " · happened <!date^" in told.text
    assert "happened " in plain_text(told)


async def test_a_failure_that_is_over_pings_nobody(monitor: Monitor) -> None:
    shop = await failed_while_away(monitor)
    await shop.poll({"a": "executing", "b": "executing"})

    told = await last_reply(monitor, after=180)

    assert "<!here>" not in f"{told.text}{told.blocks}"
    assert " · happened <!date^" in told.text


async def test_what_goes_out_soon_says_no_time(monitor: Monitor) -> None:
    await failed_while_away(monitor)

    told = await last_reply(monitor, after=90)

    assert "<!here>" in told.text
    assert "happened" not in told.text


@pytest.mark.parametrize("is_active", [True, False])
async def test_that_the_platform_cannot_be_reached_pings_while_it_cannot(
    monitor: Monitor, is_active: bool
) -> None:
    since = monitor.clock.now()
    key = f"{OutageKey('platform', EventKind.UNREACHABLE, since)}/#releases"
    outage = Outage(EventKind.UNREACHABLE, since, "503") if is_active else None
    await monitor.store.call(monitor.store.outages.save, "platform", outage, now=since)
    told = note(key, message=blocks("cannot be reached"), mentions=HERE)
    await monitor.save(told)

    await monitor.deliver(after=180)

    (post,) = monitor.slack.channel("releases").posts
    assert ("<!here>" in post.text) == is_active
