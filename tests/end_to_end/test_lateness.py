"""What waits to be sent for longer than a few minutes is on `/readyz`, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.service.app import App
from monitor.service.wall_clock import utc_now
from monitor.simulation.slack import SimulatedSlack
from monitor.store import Store
from tests.support.processes import PATIENCE, free_port
from tests.support.stores import note
from tests.support.world import CHANNEL, World, a_live_world, a_world

MINUTE = 60.0


async def late(app: App) -> str | None:
    """Return what `/readyz` says of what waits to be sent."""
    await app.lateness.look()
    return next(check.problem for check in app.probes.ready() if check.name == "outbox")


async def goes_on(world: World, app: App, minutes: int) -> None:
    for _ in range(minutes):
        await world.look(app, after=MINUTE)


def limited(slack: SimulatedSlack) -> None:
    slack.fail("429", "chat.postMessage", times=None, retry_after=3600)


def closed(slack: SimulatedSlack) -> None:
    slack.archive(CHANNEL)


def silent(slack: SimulatedSlack) -> None:
    """Cut every connection once the post has arrived, and take no searches."""
    slack.fail("reset_after", "chat.postMessage", times=None)
    slack.fail("500", "conversations.history", times=None)


REASONS = {"a rate limit": (limited, "ratelimited"), "a channel": (closed, "archived")}
REASONS |= {"in doubt": (silent, "")}


@pytest.mark.parametrize(("hinder", "reason"), REASONS.values(), ids=REASONS)
async def test_what_waits_too_long_is_said_with_the_reason(
    tmp_path: Path, hinder: Callable[[SimulatedSlack], None], reason: str
) -> None:
    async with a_world(tmp_path) as world:
        hinder(world.slack)
        async with world.monitor(world.platform.add("happy")) as app:
            await world.look(app)
            await goes_on(world, app, 4)
            assert await late(app) is None

            await goes_on(world, app, 3)
            found = await late(app)

    assert found is not None
    assert " since 2025-12-01 12:00:00 UTC (" in found
    assert reason in found
    assert not found.endswith(": ")


async def test_once_it_was_sent_nothing_is_late(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.slack.revoke_token()
        async with world.monitor(world.platform.add("happy")) as app:
            await world.look(app)
            await goes_on(world, app, 7)
            assert "token_revoked" in (await late(app) or "")

            world.slack.restore_token()
            await goes_on(world, app, 2)

            assert await late(app) is None


async def test_what_a_quiet_window_holds_back_is_not_late(tmp_path: Path) -> None:
    quiet = '[[quiet]]\nfrom = "08:00"\nto = "20:00"\n'
    async with a_world(tmp_path, more=quiet) as world:
        release_id = world.platform.add("failure")
        async with world.monitor(release_id) as app:
            await world.look(app)
            await goes_on(world, app, 60)
            held = await app.store.call(app.store.held.load)

            assert held
            assert await late(app) is None


async def test_the_daemon_is_not_ready_while_a_post_is_late(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-done")
        an_hour_ago = utc_now() - timedelta(hours=1)
        with Store.open(world.store_url, now=an_hour_ago) as store:
            post = note("digest/x", destination="#releases")
            store.digests.save_issue("x", an_hour_ago, (post,), an_hour_ago)
        world.slack.fail("429", "chat.postMessage", times=None, retry_after=3600)
        listen = f'listen = "127.0.0.1:{free_port()}"'
        async with world.daemon(release_id, http=listen) as daemon:
            await daemon.logged("postponed")
            async with asyncio.timeout(PATIENCE):
                page = await daemon.answers("/readyz", 503)
                while "ratelimited" not in page["checks"]["outbox"]:  # it looks now and then
                    await asyncio.sleep(0.1)
                    page = await daemon.answers("/readyz", 503)
            metrics = await daemon.answers("/metrics", 200)

    assert page["checks"]["outbox"].startswith("#releases since ")
    (oldest,) = (
        float(line.split()[1])
        for line in metrics.splitlines()
        if line.startswith("nuon_monitor_outbox_oldest_seconds ")
    )
    assert 3600 <= oldest < 4000
