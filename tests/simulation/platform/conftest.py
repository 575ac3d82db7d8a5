"""A simulated platform on a clock that stands still, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from monitor.simulation.answers import Shape
from monitor.simulation.platform import SimulatedPlatform
from tests.support.clock import Clock, clock_at
from tests.support.simulated_client import client_of


@pytest.fixture
def clock() -> Clock:
    return clock_at()


@pytest.fixture
async def platform(clock: Clock) -> AsyncIterator[SimulatedPlatform]:
    async with SimulatedPlatform(clock, shape=Shape.DOCUMENTED) as platform:
        yield platform


@pytest.fixture
async def thin_platform(clock: Clock) -> AsyncIterator[SimulatedPlatform]:
    async with SimulatedPlatform(clock, shape=Shape.THIN) as platform:
        yield platform


@pytest.fixture
async def thin(thin_platform: SimulatedPlatform) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(thin_platform) as client:
        yield client


@pytest.fixture
async def client(platform: SimulatedPlatform) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(platform) as client:
        yield client
