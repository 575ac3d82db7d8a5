"""Commands run in an empty folder, with nothing of the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.commands import Runner


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Runner:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("NUON_", "SLACK_")):
            monkeypatch.delenv(name)
    return Runner(capsys)
