"""What the tests of a daemon on its own schedule share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

import aiohttp
from aiohttp import web

from monitor.model import Target
from monitor.service.app import App
from monitor.simulation.slack import SimulatedSlack
from monitor.store import Store
from tests.support.processes import until
from tests.support.world import World


async def ran(app: App, holds: Callable[[], bool]) -> None:
    """Run a daemon in this process until a condition holds."""
    running = asyncio.create_task(app.run())
    try:
        await until(lambda: holds() or running.done())
    finally:
        app.daemon.stop()
        await running
    assert holds()


class Gate:
    """Stands before Slack and holds back every message until it is opened."""

    def __init__(self, slack: SimulatedSlack) -> None:
        self.reached = asyncio.Event()
        self._slack = slack
        self._opened = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/api"

    def open(self) -> None:
        self._opened.set()

    async def _pass(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method == "chat.postMessage":
            self.reached.set()
            await self._opened.wait()
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self._slack.api_url + method, data=await request.read(), headers=headers
            ) as answer,
        ):
            return web.json_response(await answer.json(), status=answer.status)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/api/{method}", self._pass)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._opened.set()
        await self._runner.cleanup()


def outcome(world: World, release_id: str) -> str | None:
    """Return how the release ended as far as the monitor knows, notified of or not."""
    with Store.open_readonly(world.store_url) as store:
        stored = store.snapshots.load(Target("release", release_id))
    return str(stored.state.ended) if stored and stored.state.ended else None


def delivered_outcome(world: World, release_id: str) -> str | None:
    """Return the same once nothing is left in the outbox."""
    with Store.open_readonly(world.store_url) as store:
        left = store.outbox.counts().pending
    return None if left else outcome(world, release_id)
