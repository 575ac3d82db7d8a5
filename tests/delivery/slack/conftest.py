"""A client of the simulated Slack for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from monitor.deliver.slack import SlackClient
from monitor.simulation.slack import SimulatedSlack


@pytest.fixture
async def client(slack: SimulatedSlack) -> AsyncIterator[SlackClient]:
    async with SlackClient(api_url=slack.api_url, token=slack.token) as entered:
        yield entered
