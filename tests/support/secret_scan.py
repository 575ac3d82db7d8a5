"""Searches all that was said during a test for secrets; a hit fails that test.

Every secret in the tests' configurations contains one word, `MARK`. What is searched: what a
test wrote to stdout, stderr and the log, what processes of their own printed, all that any
simulated Slack was given, and the databases in the test's folder.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.simulation.slack import SimulatedSlack

MARK = "s3cret"
"""What is in every secret here, and in nothing else."""

_SHOWN = 80


class Said(NamedTuple):
    """Something that was said, and by whom."""

    where: str
    words: str


_said: list[Said] = []


def hear(where: str, words: str) -> None:
    """Note what was said by something that pytest does not listen to."""
    _said.append(Said(where, words))


def leaks(said: Said) -> Iterator[str]:
    """Yield a sentence for the first secret in what was said."""
    place = said.words.find(MARK)
    if place >= 0:
        context = said.words[max(0, place - _SHOWN) : place + _SHOWN]
        yield f"a secret in {said.where}: …{context}…"


@pytest.fixture(autouse=True)
def _listening(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Note what each Slack was given, what a test read off its capture, and what is kept."""
    workspaces: list[SimulatedSlack] = []
    start, readouterr = SimulatedSlack.start, pytest.CaptureFixture.readouterr

    async def noted_start(slack: SimulatedSlack) -> None:
        workspaces.append(slack)
        await start(slack)

    def noted_read(capture: pytest.CaptureFixture[Any]) -> Any:
        captured = readouterr(capture)
        hear("what a command wrote", f"{captured.out}{captured.err}")
        return captured

    monkeypatch.setattr(SimulatedSlack, "start", noted_start)
    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", noted_read)
    yield
    for slack in dict.fromkeys(workspaces):
        hear("what Slack was given", repr(slack.channels))
    if "tmp_path" in request.node.funcargs:
        folder: Path = request.node.funcargs["tmp_path"]
        for file in folder.glob("**/*.db*"):
            if file.is_file():
                hear(f"the file {file.name}", file.read_bytes().decode("latin-1"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test, once all of it is over, where a secret was said."""
    report = yield
    if call.when == "teardown":
        captured = [Said(title, words) for title, words in report.sections]
        found = [leak for said in (*captured, *_said) for leak in leaks(said)]
        _said.clear()
        if found and report.passed:
            report.outcome = "failed"
            report.longrepr = "\n".join(found)
    return report
