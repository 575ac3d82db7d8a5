"""The HTTP endpoints of the monitor, read only: `/healthz`, `/readyz`, `/metrics`.

Alive means that polls are being completed; ready, that the platform and Slack can be reached
as well. A daemon that is alive and not ready needs a person, not a restart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import msgspec
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from monitor.errors import MonitorError
from monitor.metrics import Metrics

_LEAVE_WITHIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `problem` is None when all is well."""

    name: str
    problem: str | None


class StatusSource(Protocol):
    """What the pages show; each answer is quick."""

    def alive(self) -> tuple[Check, ...]: ...

    def ready(self) -> tuple[Check, ...]: ...

    async def refresh_metrics(self) -> None: ...


class HealthServer:
    """Serves the findings of a source on one address."""

    def __init__(self, address: tuple[str, int], source: StatusSource, metrics: Metrics) -> None:
        self._address = address
        self._source = source
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; raises MonitorError where the address cannot be bound."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_LEAVE_WITHIN_SECONDS
        )
        await self._runner.setup()
        host, port = self._address
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            # asyncio puts the address before the reason.
            reason = (error.strerror or str(error)).rpartition(": ")[2]
            raise MonitorError(
                f"cannot listen on {host}:{port}, {reason}: set http.listen to a free address,"
                ' or to "" for none'
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _verdict(self._source.alive())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(self._source.ready())

    async def _metrics_page(self, _: web.Request) -> web.Response:
        await self._source.refresh_metrics()
        page = await asyncio.to_thread(generate_latest, self._metrics.registry)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _verdict(checks: tuple[Check, ...]) -> web.Response:
    is_well = all(check.problem is None for check in checks)
    page = {
        "status": "ok" if is_well else "not ok",
        "checks": {check.name: check.problem or "ok" for check in checks},
    }
    return web.Response(
        body=msgspec.json.encode(page),
        status=200 if is_well else 503,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
