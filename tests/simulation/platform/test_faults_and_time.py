"""How the simulated platform misbehaves; its time, and its life as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import timedelta

import httpx
import pytest

from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.platform_faults import Fault, FaultKind
from tests.support.clock import NOON, Clock, clock_at

# How it misbehaves


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(FaultKind.STATUS, status=500), 500),
        (Fault(FaultKind.STATUS, status=502), 502),
        (Fault(FaultKind.STATUS, status=503, retry_after=7), 503),
        (Fault(FaultKind.STATUS, status=429, retry_after=7), 429),
        (Fault(FaultKind.UNAUTHORIZED), 401),
        (Fault(FaultKind.NO_ROUTE), 404),
        (Fault(FaultKind.SLOW, delay=0.01), 200),
    ],
)
async def test_a_fault_holds_until_it_is_mended(
    platform: SimulatedPlatform, client: httpx.AsyncClient, fault: Fault, status: int
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.fault = fault
    answers = [await client.get(path) for _ in range(2)]
    platform.fault = None

    assert [answer.status_code for answer in answers] == [status] * 2
    assert (await client.get(path)).status_code == 200


async def test_a_load_balancer_speaks_html_and_says_when_to_come_again(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    platform.fault = Fault(FaultKind.STATUS, status=503, retry_after=7)

    answer = await client.get("/v1/releases/any")

    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_a_queued_fault_meets_one_request(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.next_faults.extend([Fault(FaultKind.EMPTY), Fault(FaultKind.TRUNCATED)])

    empty, truncated, whole = [await client.get(path) for _ in range(3)]

    assert (empty.status_code, empty.content) == (200, b"")
    assert truncated.status_code == 200
    assert truncated.content == whole.content[: len(whole.content) // 2]
    assert whole.json()["status"] == "queued"


async def test_a_reset_breaks_the_connection(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    platform.next_faults.append(Fault(FaultKind.RESET))

    with pytest.raises(httpx.TransportError):
        await client.get("/v1/releases/any")

    assert [record.status for record in platform.requests] == [0]


async def test_a_stopped_platform_refuses_connections_and_returns_at_its_address(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    before = await client.get(path)
    await platform.stop()
    with pytest.raises(httpx.ConnectError):
        await client.get(path)
    await platform.start()

    assert (await client.get(path)).content == before.content


async def test_a_fault_with_a_probability_meets_some_requests(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.fault = Fault(FaultKind.STATUS, status=502, probability=0.5)

    statuses = {(await client.get(path)).status_code for _ in range(60)}

    assert statuses == {200, 502}


async def test_an_outage_begins_and_ends_by_virtual_time(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    platform.plan_outage(Fault(FaultKind.STATUS, status=503), begins_in=60, lasts=120)
    statuses = []
    for _ in range(4):
        statuses.append((await client.get(path)).status_code)
        clock.advance(60)

    assert statuses == [200, 503, 503, 200]


# Time, and a process of its own


def test_virtual_time_stands_still_until_it_is_advanced() -> None:
    clock = clock_at()
    before = clock.now()
    clock.advance(90)

    assert before == NOON
    assert clock.now() == NOON + timedelta(seconds=90)


def test_virtual_time_runs_ahead_of_real_time() -> None:
    clock = Clock(speed=1e6, start=NOON)
    seen = [clock.now() for _ in range(1000)]

    assert seen == sorted(seen)
    assert seen[-1] - seen[0] > timedelta(seconds=1)


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor.simulation.platform"),
        *("--scenario", "already-failed", "--scenario", "happy", "--speed", "60"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        about = json.loads(await process.stdout.readline())
        headers = {"Authorization": f"Bearer {about['token']}", "X-Nuon-Org-ID": about["org_id"]}
        async with httpx.AsyncClient(base_url=about["base_url"], headers=headers) as client:
            answers = {
                name: (await client.get(f"/v1/releases/{release_id}")).json()
                for name, release_id in about["releases"].items()
            }
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert code == 0
    assert answers["already-failed"]["status"] == "error"
    assert answers["happy"]["id"] == about["releases"]["happy"]
