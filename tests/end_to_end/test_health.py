"""What the running monitor says of itself, and what of that `nuon-monitor health` makes."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.service.build import build
from monitor.service.health import Check
from monitor.simulation.platform_faults import Fault, FaultKind
from tests.support.delivery import AT_ONCE
from tests.support.faults import FaultyServer, answer
from tests.support.processes import PATIENCE, command, free_port, until
from tests.support.world import World, a_live_world

CHECKS = ("polls", "platform", "watches", "slack", "outbox", "store", "configuration")


class Pages:
    """What a daemon serves."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def page(self, path: str) -> tuple[int, Any]:
        async with self._session.get(self._url + path) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def answers(self, path: str, status: int) -> Any:
        """Wait until a page answers with a status, and return its content."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found, content = await self.page(path)
                if found == status:
                    return content
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(world: World, scenario: str) -> AsyncIterator[Pages]:
    """Run a daemon in this process, with the pages that it serves over HTTP."""
    listen = f"127.0.0.1:{free_port()}"
    config = world.config(world.platform.add(scenario), http=f'listen = "{listen}"')
    async with build(config, pace=AT_ONCE) as app, aiohttp.ClientSession() as session:
        running = asyncio.create_task(app.run())
        try:
            await until(lambda: app.probes.ready()[1].problem is None or running.done())
            yield Pages(f"http://{listen}", session)
        finally:
            app.daemon.stop()
            await running


async def test_a_daemon_that_polls_is_alive_and_ready(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world, serving(world, "happy") as pages:
        ready = await pages.answers("/readyz", 200)
        alive = await pages.answers("/healthz", 200)

    assert alive == {"status": "ok", "checks": {"polls": "ok"}}
    assert ready == {
        "status": "ok",
        "checks": dict.fromkeys(CHECKS, "ok"),
    }


async def test_the_metrics_count_polls_and_say_that_all_is_well(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world, serving(world, "happy") as pages:
        await until(lambda: len(world.channel.posts) == 1)
        page = await pages.answers("/metrics", 200)

    values = _values(page)
    assert values['nuon_monitor_polls_total{outcome="changed"}'] == 1
    assert values["nuon_monitor_notifications_sent_total"] == 1
    assert values['nuon_monitor_watches{state="in flight"}'] == 1
    assert values["nuon_monitor_platform_reachable"] == 1
    assert values["nuon_monitor_slack_usable"] == 1
    assert values["nuon_monitor_outbox_pending"] == 0


def _values(page: str) -> Mapping[str, float]:
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def test_a_page_that_does_not_exist_is_not_served(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world, serving(world, "happy") as pages:
        assert (await pages.page("/etc"))[0] == 404


async def test_it_is_not_ready_while_the_platform_is_down_and_stays_alive(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world, serving(world, "happy") as pages:
        await pages.answers("/readyz", 200)

        await world.platform.stop()
        down = await pages.answers("/readyz", 503)
        assert (await pages.page("/healthz"))[0] == 200
        await world.platform.start()

        await pages.answers("/readyz", 200)

    assert down["status"] == "not ok"
    assert down["checks"]["platform"].startswith("unreachable since ")
    assert down["checks"]["slack"] == "ok"


async def test_it_is_not_ready_while_the_platform_refuses_the_token(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world, serving(world, "happy") as pages:
        await pages.answers("/readyz", 200)

        world.platform.fault = Fault(FaultKind.UNAUTHORIZED)
        refused = await pages.answers("/readyz", 503)
        world.platform.fault = None

        await pages.answers("/readyz", 200)

    assert "check nuon.api_token" in refused["checks"]["platform"]


async def test_it_is_not_ready_until_slack_takes_the_token_though_there_is_nothing_to_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.service.greeting._GREET_AGAIN_SECONDS", 0.05)
    async with a_live_world(tmp_path) as world:
        world.slack.revoke_token()
        config = world.config(world.platform.add("already-done"))
        async with build(config, pace=AT_ONCE) as app:
            running = asyncio.create_task(app.run())
            await until(lambda: _problem(app.probes.ready(), "slack") is not None)
            refused = _problem(app.probes.ready(), "slack")

            world.slack.restore_token()

            await until(lambda: _problem(app.probes.ready(), "slack") is None)
            app.daemon.stop()
            await running

    assert refused
    assert "token_revoked" in refused


def _problem(checks: tuple[Check, ...], name: str) -> str | None:
    return next(check.problem for check in checks if check.name == name)


async def test_it_is_not_alive_when_polls_no_longer_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.service.build._STUCK_AFTER_SECONDS", 0.2)
    may_go_on = threading.Event()
    async with a_live_world(tmp_path) as world:
        config = world.config(world.platform.add("happy"), nuon='timeout = "100ms"')
        async with build(config, pace=AT_ONCE) as app:
            # As on a disk that hangs: whoever needs the store waits for ever.
            disk = asyncio.create_task(app.store.call(may_go_on.wait))
            running = asyncio.create_task(app.run())
            try:
                await until(lambda: _problem(app.probes.alive(), "polls") is not None)
                assert _problem(app.probes.ready(), "polls") is not None
            finally:
                may_go_on.set()

            await until(lambda: _problem(app.probes.alive(), "polls") is None)
            await disk
            app.daemon.stop()
            await running


async def test_a_platform_that_hangs_does_not_make_the_monitor_seem_dead(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        releases = [world.platform.add("happy") for _ in range(20)]
        nuon = 'timeout = "100ms"\nmax_concurrent_requests = 1'
        world.platform.fault = Fault(FaultKind.SLOW, delay=60)
        async with build(world.config(*releases, nuon=nuon), pace=AT_ONCE) as app:
            running = asyncio.create_task(app.run())
            began, longest = time.monotonic(), 0.0
            while app.metrics.registry.get_sample_value(*_FAILED) != 20:
                longest = max(longest, app.daemon.overdue())
                await asyncio.sleep(0.01)
            app.daemon.stop()
            await running

    assert longest < (time.monotonic() - began) / 2


_FAILED = ("nuon_monitor_polls_total", {"outcome": "failed"})


async def test_health_exits_with_0_while_the_daemon_is_well(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        listen = f"127.0.0.1:{free_port()}"
        async with world.daemon(world.platform.add("happy"), http=f'listen = "{listen}"') as daemon:
            await daemon.answers("/readyz", 200)

            alive, ready = await asyncio.gather(
                world.command("health"), world.command("health", "--ready")
            )

    assert (alive.code, alive.out, alive.err) == (0, "✓ polls: ok\n", "")
    assert (ready.code, ready.err) == (0, "")
    lines = [f"✓ {name}: ok" for name in CHECKS]
    assert ready.out.splitlines() == lines


async def test_health_says_what_is_not_ready(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        listen = f"127.0.0.1:{free_port()}"
        world.platform.fault = Fault(FaultKind.UNAUTHORIZED)
        async with world.daemon(world.platform.add("happy"), http=f'listen = "{listen}"') as daemon:
            await daemon.logged("unreachable")

            alive, ready = await asyncio.gather(
                world.command("health"), world.command("health", "--ready")
            )

    assert alive.code == 0
    assert ready.code == 1
    assert "✗ platform: unreachable since" in ready.out


async def test_health_exits_with_1_when_the_daemon_is_frozen(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        listen = f"127.0.0.1:{free_port()}"
        async with world.daemon(world.platform.add("happy"), http=f'listen = "{listen}"') as daemon:
            await daemon.answers("/healthz", 200)
            daemon.send(signal.SIGSTOP)

            asked = await world.command("health")

    assert (asked.code, asked.out) == (1, "")
    assert asked.err == (
        f"nuon-monitor: no answer from http://{listen}/healthz (timed out):"
        " is nuon-monitor running?\n"
    )


async def test_health_exits_with_1_where_no_daemon_is(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"), http=f'listen = "127.0.0.1:{free_port()}"')

        asked = await world.command("health")

    assert (asked.code, asked.err.count("\n")) == (1, 1)
    assert "is nuon-monitor running?" in asked.err


@pytest.mark.parametrize("body", [b"<html>", b'{"checks": 1}'])
async def test_health_is_not_taken_in_by_something_else_on_its_port(
    tmp_path: Path, body: bytes
) -> None:
    async with FaultyServer(answer(body)) as other:
        file = _config(tmp_path, listen=other.url.removeprefix("http://"))

        asked = await command("health", "-c", str(file))

    assert (asked.code, asked.err.count("\n")) == (1, 1)
    assert "is not a nuon-monitor" in asked.err


@pytest.mark.parametrize("listen", ["", "127.0.0.1:0"])
async def test_health_says_when_nobody_can_be_asked(tmp_path: Path, listen: str) -> None:
    asked = await command("health", "-c", str(_config(tmp_path, listen=listen)))

    assert (asked.code, asked.err.count("\n")) == (1, 1)
    assert asked.err.startswith("nuon-monitor: http.listen ")


def _config(folder: Path, *, listen: str) -> Path:
    file = folder / "monitor.toml"
    file.write_text(
        '[nuon]\norg_id = "org1"\napi_token = "t"\n[slack]\nbot_token = "xoxb-1"\n'
        f'channel = "#r"\n[http]\nlisten = "{listen}"\n[[watch]]\nrelease = "rel1"\n'
    )
    return file
