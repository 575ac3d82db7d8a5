"""A new store on a real file for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.store import (
    Store,
)
from tests.support.clock import NOON
from tests.support.stores import url_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monitor.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(url_of(path), now=NOON) as store:
        yield store
