"""The daemon as a process of its own, and a platform and a Slack that answer it from memory.

Both sides stand in the benchmark's process, so that neither their work nor the measuring counts
for the daemon, and all moments are by one clock (`time.monotonic`).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import clean_environment, free_port, until

_CHANNEL = "C000000001"
_ROOT = str(Path(__file__).parent.parent.parent)
_READY_WITHIN = 180.0


class PastNotification(NamedTuple):
    """One message or edit that reached Slack."""

    at: float
    method: str
    body: bytes


@dataclass
class Stage:
    """What the daemon is told, and what it asked and said."""

    answers: dict[str, bytes] = field(default_factory=dict)
    """Releases by id."""
    answered: dict[str, float] = field(default_factory=dict)
    """When the last byte of a release's answer went out, the last time."""
    polls: int = 0
    told: list[PastNotification] = field(default_factory=list)
    url: str = ""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/releases/{id}", self._release)
        app.router.add_post("/api/{method}", self._slack)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def notified_targets(self, release_id: str, *, since: float) -> float:
        """Wait for a message about a release, and return when it came; raises TimeoutError."""
        moments: list[float] = []

        def is_told() -> bool:
            moments.extend(
                one.at for one in self.told if one.at >= since and release_id.encode() in one.body
            )
            return bool(moments)

        await until(is_told)
        return moments[0]

    @property
    def is_quiet(self) -> bool:
        """Whether the first messages are out: a channel takes one a second."""
        return bool(self.told) and time.monotonic() - self.told[-1].at > 3.0

    async def _release(self, request: web.Request) -> web.StreamResponse:
        release_id = request.match_info["id"]
        self.polls += 1
        answer = web.Response(
            body=self.answers[release_id], headers={"Content-Type": "application/json"}
        )
        await answer.prepare(request)
        await answer.write_eof()
        self.answered[release_id] = time.monotonic()
        return answer

    async def _slack(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        method, body = request.match_info["method"], await request.read()
        if method.startswith("chat."):
            self.told.append(PastNotification(at, method, body))
        said = {"ok": True, "channel": _CHANNEL, "ts": f"{1_700_000_000 + len(self.told)}.000100"}
        if method.startswith("auth."):
            said |= {"team_id": "T1", "user_id": "U1", "bot_id": "B1", "url": f"{self.url}/"}
        elif method.startswith("conversations."):
            said |= {"channel": {"id": _CHANNEL, "name": "releases", "is_member": True}}
        return web.json_response(said)

    @asynccontextmanager
    async def daemon(
        self, folder: Path, release_ids: Sequence[str], interval: str
    ) -> AsyncIterator[Daemon]:
        """Run `nuon-monitor run` on these releases until the block ends."""
        port = free_port()
        file = folder / "monitor.toml"
        file.write_text(
            f'[nuon]\napi_url = "{self.url}"\norg_id = "org"\napi_token = "benchmark-token"\n'
            f'[slack]\napi_url = "{self.url}/api/"\nbot_token = "xoxb-benchmark"\n'
            f'channel = "{_CHANNEL}"\n[poll]\ninterval = "{interval}"\n'
            f'[store]\nurl = "sqlite:///{folder}/monitor.db"\n'
            f'[http]\nlisten = "127.0.0.1:{port}"\n'
            + "".join(f'[[watch]]\nrelease = "{one}"\n' for one in release_ids)
        )
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor", "run", "-c", str(file)),
            stdout=asyncio.subprocess.DEVNULL,
            env=clean_environment(PYTHONPATH=_ROOT),
        )
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                daemon = Daemon(process.pid, session)
                await daemon.says("/healthz")
                daemon.listens_after = time.monotonic() - began
                await daemon.says("/readyz")
                daemon.ready_after = time.monotonic() - began
                yield daemon
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@dataclass
class Daemon:
    """A running daemon, seen from outside."""

    pid: int
    session: aiohttp.ClientSession
    listens_after: float = 0.0
    ready_after: float = 0.0
    """Seconds from its start until it answered, and until it called itself ready."""

    async def says(self, page: str) -> None:
        """Wait until a page of its says that all is well; raises TimeoutError."""
        async with asyncio.timeout(_READY_WITHIN):
            while not await self._is_well(page):
                await asyncio.sleep(0.01)

    async def _is_well(self, page: str) -> bool:
        try:
            async with self.session.get(page) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    def cpu(self) -> float:
        """Return the seconds of CPU it has used, to a hundredth."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Return the MiB that it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def lags(self) -> dict[float, float]:
        """Return how many polls began with at most so much lag, by seconds."""
        async with self.session.get("/metrics") as answer:
            page = await answer.text()
        return {
            float(sample.labels["le"]): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == "nuon_monitor_poll_lag_seconds_bucket"
        }
