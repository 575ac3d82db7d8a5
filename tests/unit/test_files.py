"""There is one place that opens files, so that none is opened without its care."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import monitor

ROOT = Path(monitor.__file__).parent

ELSEWHERE = {
    "cli/__init__.py: os.open": "the null device, in place of a closed output",
    "cli/support/demo_run.py: self.log.open": "in the demo's own temporary folder",
    "cli/support/demo_run.py: world.config_file.read_text": "the same",
    "cli/support/demo_world.py: self.config_file.write_text": "the same",
    "store/opening.py: sqlite3.connect": "files that store/files.py has made or looked at",
}
OPENING = ("read_text", "read_bytes", "write_text", "write_bytes", "sqlite3.connect", "os.open")
NO_FILES = ("Store.open", "opener.open", "gzip.open", "webbrowser.open")


def calls() -> Iterator[str]:
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{file.relative_to(ROOT)}: {ast.unparse(node.func)}"


def opens_a_file(call: str) -> bool:
    called = call.partition(": ")[2]
    return (
        called == "open"
        or called.endswith(OPENING)
        or (called.endswith(".open") and called not in NO_FILES)
    )


def test_files_are_opened_in_one_place_and_where_it_is_said_why_not() -> None:
    found = {call for call in calls() if opens_a_file(call)}

    assert {call for call in found if not call.startswith("files.py: ")} == set(ELSEWHERE)
