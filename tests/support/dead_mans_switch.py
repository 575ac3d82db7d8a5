"""A dead man's switch on loopback, as others run one: it counts calls and keeps reasons."""

from __future__ import annotations

from aiohttp import web


class Switch:
    """Counts the calls that say that all is well, and keeps the reasons of the others."""

    def __init__(self, status: int = 200) -> None:
        self.beats = 0
        self.failures: list[str] = []
        self._status = status

    @property
    def fail_url(self) -> str:
        return f"{self.url}/fail"

    async def __aenter__(self) -> Switch:
        app = web.Application()
        app.router.add_get("/ping/secret-part", self._hear)
        app.router.add_post("/ping/secret-part/fail", self._hear_of_failure)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/ping/secret-part"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _hear(self, _: web.Request) -> web.Response:
        self.beats += 1
        return self._answer()

    async def _hear_of_failure(self, request: web.Request) -> web.Response:
        self.failures.append(await request.text())
        return self._answer()

    def _answer(self) -> web.Response:
        return web.Response(status=self._status, headers={"Location": "/elsewhere"})
