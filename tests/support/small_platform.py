"""A platform that serves a handful of answers over HTTP, and lacks every other route."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from aiohttp import web

from monitor.platform.client import NuonClient

TOKEN = "s3cret-token-of-the-vendor"
REMOVED = object()
"""The answer where the platform knows the route, but has no such record."""
NEVER = object()
"""The answer that does not come as long as the platform is there."""


@dataclass
class Refusal:
    """The platform's own error."""

    status: int
    error: str
    description: str = ""


@dataclass
class SmallPlatform:
    """`answers` are JSON values by their paths; a list comes in pages.

    A path that ends in `*` stands for all that begin with what is before it.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The paths of all requests, with their queries."""

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._over = asyncio.Event()
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._runner.cleanup()

    def client(self) -> NuonClient:
        return NuonClient(
            api_url=self.url,
            org_id="orgw6bnjkqxtb7mzdvd0y2hs9a",
            api_token=TOKEN,
            timeout=timedelta(seconds=10),
            max_concurrent_requests=8,
        )

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        answer = self._of(request.path)
        if answer is None:
            return web.Response(status=404, text="404 page not found", headers=self.headers)
        if answer is NEVER:
            await self._over.wait()
            return web.Response(status=503)
        if answer is REMOVED:
            answer = Refusal(404, "record not found", "there is no such record")
        if isinstance(answer, Refusal):
            body = {"error": answer.error, "user_error": True, "description": answer.description}
            return self._json(body, status=answer.status)
        if isinstance(answer, list):
            begin = int(request.query.get("offset", 0))
            end = begin + int(request.query.get("limit", 10))
            more = {"X-Nuon-Page-Next": "true" if end < len(answer) else "false"}
            return self._json(answer[begin:end], headers=more)
        return self._json(answer)

    def _of(self, path: str) -> Any:
        if path in self.answers:
            return self.answers[path]
        stars = (known for known in self.answers if known.endswith("*"))
        fits = [known for known in stars if path.startswith(known[:-1])]
        return self.answers[max(fits, key=len)] if fits else None

    def _json(
        self, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        return web.Response(
            status=status,
            body=json.dumps(value).encode(),
            headers={**self.headers, **(headers or {})},
            content_type="application/json",
        )
