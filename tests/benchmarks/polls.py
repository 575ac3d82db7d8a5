"""What a poll costs beside a bare GET of the same document, over TLS and gzip.

    python -m tests.benchmarks.polls

Prints the CPU of this process for one poll or GET, as the median over rounds in which all
cases take turns, and the ratios of the medians. Everything is on loopback; the platform is a
process of its own, so that its work is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import multiprocessing
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import msgspec
import structlog
from aiohttp import web
from httpx_aiohttp import AiohttpTransport

from monitor.config import load_config
from monitor.deliver.pace import Pace
from monitor.service.build import build
from monitor.simulation.scenarios import SCENARIOS, timeline
from tests.support.faults import self_signed

_ORG, _TOKEN = "org" + "b" * 23, "benchmark-token"


def _documents(deploys: int) -> tuple[str, bytes, bytes]:
    """Return a release's id, its document, and the same with one deploy changed."""
    steps = (max(1, deploys // 4),) * (4 if deploys > 1 else 1)
    rollout = timeline(replace(SCENARIOS["large"], steps=steps), deploys)
    moment = rollout.settles_after * 0.55
    document = rollout.state_at(moment)
    first = msgspec.json.encode(document)
    deploy = document["release_steps"][0]["install_deploys"][0]
    # One install more that is done moves the card, so that each answer is committed and queued.
    deploy["status"] = deploy["status_v2"]["status"] = "executing"
    return rollout.id, first, msgspec.json.encode(document)


def _serve(folder: Path, ready: Connection) -> None:
    """Serve `/same/ID` always alike and `/turns/ID` in turns, until killed."""

    async def main() -> None:
        certificate = self_signed(folder)
        app = web.Application()
        ids: dict[str, str] = {}
        for name, count in (("small", 1), ("large", 1000), ("huge", 10_000)):
            release_id, *bodies = _documents(count)
            ids[name] = release_id
            packed = [gzip.compress(body, 6) for body in bodies]
            for prefix, turns in (("same", packed[:1]), ("turns", packed)):
                path = f"/{prefix}/v1/releases/{release_id}"
                app.router.add_get(path, _answering(turns))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server).start()
        ready.send((runner.addresses[0][1], str(certificate.ca_file), ids))
        await asyncio.Event().wait()

    asyncio.run(main())


def _answering(bodies: list[bytes]) -> Callable[[web.Request], Awaitable[web.Response]]:
    count = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=bodies[count % len(bodies)], headers=headers)

    return answer


async def _bare(client: httpx.AsyncClient, url: str) -> None:
    async with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as response:
        async for _ in response.aiter_bytes():
            pass


def _config(folder: Path, *, base: str, ca_file: str, release_id: str) -> Path:
    path = folder / f"{release_id}-{base.rpartition('/')[2]}.toml"
    path.write_text(
        f'[nuon]\napi_url = "{base}"\norg_id = "{_ORG}"\napi_token = "{_TOKEN}"\n'
        f'ca_file = "{ca_file}"\n'
        '[slack]\napi_url = "http://127.0.0.1:9/api/"\nbot_token = "xoxb-benchmark"\n'
        'channel = "C000000001"\n'
        f'[store]\nurl = "sqlite:///{path.with_suffix(".db")}"\n[http]\nlisten = ""\n'
        f'[[watch]]\nrelease = "{release_id}"\n'
    )
    return path


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def _measure(
    cases: Mapping[str, tuple[Callable[[], Awaitable[object]], int]], rounds: int
) -> dict[str, float]:
    """Return the median CPU of one call, in seconds."""
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(rounds + 1):  # the first one warms up
        for name, (call, times) in cases.items():
            began = time.process_time()
            for _ in range(times):
                await call()
            if round_:
                spent[name].append((time.process_time() - began) / times)
    return {name: statistics.median(values) for name, values in spent.items()}


async def _longest_hold(poll: Callable[[], Awaitable[object]], times: int) -> float:
    """Return how long the event loop was held at most during a poll, as a median, in seconds."""
    held: list[float] = []
    for _ in range(times):
        polling = asyncio.ensure_future(poll())
        longest, last = 0.0, time.perf_counter()
        while not polling.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        await polling
        held.append(longest)
    return statistics.median(held)


async def _run(folder: Path, port: int, ca_file: str, ids: Mapping[str, str], rounds: int) -> None:
    context = ssl.create_default_context(cafile=ca_file)
    base = f"https://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        stock = await stack.enter_async_context(httpx.AsyncClient(verify=context))
        transport = AiohttpTransport(verify=context)
        quick = await stack.enter_async_context(httpx.AsyncClient(transport=transport))

        async def poll_of(name: str, prefix: str) -> Callable[[], Awaitable[object]]:
            config = load_config(
                _config(folder, base=f"{base}/{prefix}", ca_file=ca_file, release_id=ids[name]), {}
            )
            app = await stack.enter_async_context(build(config, pace=Pace(0, 0)))
            (poller,) = app.registry.rollout_pollers
            await poller.poll()
            return poller.poll

        def url(name: str) -> str:
            return f"{base}/same/v1/releases/{ids[name]}"

        measured = await _measure(
            {
                "small: bare GET": (lambda: _bare(quick, url("small")), 200),
                "small: bare GET, httpx's own transport": (lambda: _bare(stock, url("small")), 200),
                "small: unchanged poll": (await poll_of("small", "same"), 200),
                "1,000 deploys: bare GET": (lambda: _bare(quick, url("large")), 20),
                "1,000 deploys: unchanged poll": (await poll_of("large", "same"), 20),
                "1,000 deploys: one deploy changed": (await poll_of("large", "turns"), 20),
            },
            rounds,
        )
        longest = await _longest_hold(await poll_of("huge", "turns"), 5)
    for name, seconds in measured.items():
        _say(f"{name:42} {seconds * 1e6:9.0f} µs of CPU")
    small, large = measured["small: bare GET"], measured["1,000 deploys: bare GET"]
    stock_small = measured["small: bare GET, httpx's own transport"]
    for what, ratio, goal in (
        ("unchanged small poll to a bare GET", measured["small: unchanged poll"] / small, 1.4),
        ("the same to httpx's own", measured["small: unchanged poll"] / stock_small, 0.6),
        (
            "unchanged poll of 1,000 deploys to a bare GET",
            measured["1,000 deploys: unchanged poll"] / large,
            1.2,
        ),
        (
            "one of 1,000 deploys changed to a bare GET",
            measured["1,000 deploys: one deploy changed"] / large,
            2.0,
        ),
    ):
        _say(f"{what:48} {ratio:5.2f}   to reach: {goal}")
    what = "10,000 deploys, one changed: event loop held"
    _say(f"{what:42} {longest * 1e3:7.0f} ms at most   to reach: 50")


def main() -> None:
    """Start the platform, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(folder, there), daemon=True
        )
        server.start()
        try:
            port, ca_file, ids = here.recv()
            asyncio.run(_run(folder, port, ca_file, ids, rounds))
        finally:
            server.kill()
            server.join()


if __name__ == "__main__":
    main()
