"""Commands in this process, and what they find: a configuration and a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.cli import main
from monitor.model import (
    Alert,
    EventKind,
    Level,
    Notification,
    Reason,
    Snapshot,
    Target,
    Transition,
)
from monitor.store import Observation, Store
from tests.support.builders import deploy, release, state, step
from tests.support.configuration import configuration
from tests.support.processes import Result

HOSTILE = "acme \x1b[31mred\x1b]0;title\x07\nforged line \u202egnp.exe \x9b2J"


class Runner:
    """Runs `nuon-monitor`, or one of its commands, in this process.

    `file` is the configuration that each run names.
    """

    def __init__(
        self, capsys: pytest.CaptureFixture[str], *command: str, file: str | None = None
    ) -> None:
        self._capsys = capsys
        self._command = command
        self._named = ("-c", file) if file else ()

    def __call__(self, *arguments: str) -> Result:
        try:
            with pytest.raises(SystemExit) as ended:
                main((*self._command, *arguments, *self._named))
        finally:
            structlog.reset_defaults()  # the log goes to what is captured for this test alone
        written = self._capsys.readouterr()
        return Result(int(ended.value.code or 0), written.out, written.err)


def configured(folder: Path, *release_ids: str, more: str = "") -> str:
    watches = "".join(f'[[watch]]\nrelease = "{i}"\n' for i in release_ids or ("rel1",))
    file = folder / "monitor.toml"
    file.write_text(
        configuration(watches, more, store={"url": f"sqlite:///{folder}/nuon-monitor.db"})
    )
    return str(file)


def is_harmless(written: str) -> bool:
    return all(sign.isprintable() for sign in written.replace("\n", ""))


def stored(folder: Path, *releases: Any, notifications: tuple[Notification, ...] = ()) -> None:
    """Let the store know of releases: `(root, state)` each."""
    now = datetime.now(UTC)
    with Store.open(f"sqlite:///{folder}/nuon-monitor.db", now=now) as store:
        for number, (root, remembered) in enumerate(releases):
            target = Target("release", root.id)
            transitions = tuple(
                Transition(Level.UNIT, unit, "executing", unit.status, unit.description)
                for one in root.children
                for unit in one.children
            )
            store.save(
                Observation(
                    snapshot=Snapshot(target, now, root),
                    state=remembered,
                    fingerprint=b"1",
                    transitions=transitions,
                    notifications=notifications if number == 0 else (),
                )
            )


def in_trouble(**facts: Any) -> Any:
    root = release(
        "error",
        step(1, "error", deploy("inl-a", "error", HOSTILE), deploy("inl-b", "active")),
        **({"id": "rel2", "name": "billing"} | facts),
    )
    now = datetime.now(UTC)
    alert = Alert(
        "rel-step-1/inl-a",
        EventKind.FAILED,
        now - timedelta(minutes=5),
        now,
        Reason(description=HOSTILE),
    )
    return root, state(changed_at=now, alerts=(alert,), ended=EventKind.FAILED, ended_at=now)
