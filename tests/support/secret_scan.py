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


class Output(NamedTuple):
    """Something that was said, and by whom."""

    where: str
    words: str


_outputs: list[Output] = []


def record_output(where: str, words: str) -> None:
    """Note what was said by something that pytest does not listen to."""
    _outputs.append(Output(where, words))


def leaks(output: Output) -> Iterator[str]:
    """Yield a sentence for the first secret in what was said."""
    found_at = output.words.find(MARK)
    if found_at >= 0:
        context = output.words[max(0, found_at - _SHOWN) : found_at + _SHOWN]
        yield f"a secret in {output.where}: …{context}…"


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
        record_output("what a command wrote", f"{captured.out}{captured.err}")
        return captured

    monkeypatch.setattr(SimulatedSlack, "start", noted_start)
    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", noted_read)
    yield
    for slack in dict.fromkeys(workspaces):
        record_output("what Slack was given", repr(slack.channels))
    if "tmp_path" in request.node.funcargs:
        folder: Path = request.node.funcargs["tmp_path"]
        for file in folder.glob("**/*.db*"):
            if file.is_file():
                record_output(f"the file {file.name}", file.read_bytes().decode("latin-1"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test, once all of it is over, where a secret was said."""
    report = yield
    if call.when == "teardown":
        captured = [Output(title, words) for title, words in report.sections]
        found = [leak for output in (*captured, *_outputs) for leak in leaks(output)]
        _outputs.clear()
        if found and report.passed:
            report.outcome = "failed"
            report.longrepr = "\n".join(found)
    return report
