"""A directory to load configurations from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.config_texts import Directory


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)
