"""A simulated platform on a clock that stands still, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from monitor.simulation.platform import SimulatedPlatform
from tests.support.clock import Clock, clock_at


@pytest.fixture
def clock() -> Clock:
    return clock_at()


@pytest.fixture
async def platform(clock: Clock) -> AsyncIterator[SimulatedPlatform]:
    async with SimulatedPlatform(clock) as platform:
        yield platform


@pytest.fixture
async def client(platform: SimulatedPlatform) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": platform.org_id}
    async with httpx.AsyncClient(base_url=platform.base_url, headers=headers) as client:
        yield client
