"""A simulated Slack for each test, and Slack's own client kept quiet."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from monitor.simulation.slack import SimulatedSlack


@pytest.fixture(autouse=True)
def _quiet_sdk() -> None:
    """The SDK logs each block that it does not know."""
    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)


@pytest.fixture
async def slack() -> AsyncIterator[SimulatedSlack]:
    async with SimulatedSlack(("releases", "ops"), rates=False) as running:
        yield running
