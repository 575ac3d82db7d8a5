"""What the tests of delivery begin with: an empty store, a Slack, a clock and a monitor."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.simulation.slack import SimulatedSlack
from monitor.store import Store
from tests.support.clock import Clock, clock_at
from tests.support.delivery import Monitor, life


@pytest.fixture(autouse=True)
def _quiet_sdk() -> None:
    """The SDK logs each block that it does not know; the simulation checks with it."""
    logging.getLogger("slack_sdk.models").setLevel(logging.CRITICAL)


@pytest.fixture
async def slack() -> AsyncIterator[SimulatedSlack]:
    async with SimulatedSlack(("releases", "ops", "apps"), rates=False) as running:
        yield running


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once: to make one takes longer than most tests."""
    path = tmp_path_factory.mktemp("new") / "store.db"
    Store.open(f"sqlite:///{path}", now=datetime.now(UTC)).close()
    return path


@pytest.fixture(autouse=True)
def _has_store(new_store: Path, tmp_path: Path) -> None:
    shutil.copy(new_store, tmp_path / "store.db")


@pytest.fixture
def clock() -> Clock:
    return clock_at(datetime.now(UTC))  # Slack stamps messages by the real time


@pytest.fixture
async def monitor(slack: SimulatedSlack, tmp_path: Path, clock: Clock) -> AsyncIterator[Monitor]:
    async with life(slack, tmp_path, clock) as running:
        yield running
