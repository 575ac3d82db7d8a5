"""What stands in the log, and what must not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from monitor.service import logs

SECRET = "xoxb-very-secret"
HOSTILE = "red \x1b[31malert\x1b]0;title\x07\nevent=forged \u202egnp.exe \x9b2J end"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def fail(sentence: str) -> None:
    raise RuntimeError(sentence)


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(level: str = "info", form: str = "auto") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, form, stream=stream, secrets=[SECRET])
    return stream


def test_an_entry_is_one_line_of_json_where_no_terminal_is() -> None:
    stream = configured()

    structlog.get_logger().info("changed", transitions=3, events=["started"])

    (entry,) = entries(stream)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "changed", "level": "info", "transitions": 3, "events": ["started"]}


def test_an_entry_is_text_on_a_terminal() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream=stream)

    structlog.get_logger().info("changed", transitions=3)

    assert "\x1b[" in stream.getvalue()
    assert "changed" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_text_has_no_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    logs.configure("info", "auto", stream=stream)

    structlog.get_logger().info("changed", transitions=3)

    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("value", [HOSTILE, ValueError(HOSTILE), [HOSTILE], {"key": HOSTILE}])
def test_foreign_text_can_neither_forge_a_line_nor_a_terminal(form: str, value: object) -> None:
    stream = configured(form=form)

    structlog.get_logger().warning("poll_failed", error=value)

    written = stream.getvalue()
    assert written.count("\n") == 1
    assert all(sign.isprintable() for sign in written.rstrip("\n"))
    assert "alert" in written


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_in_no_field_and_no_traceback(form: str) -> None:
    stream = configured(form=form)
    log = structlog.get_logger()

    log.warning("poll_failed", error=f"Bearer {SECRET} refused", seen=[SECRET], at={"a": SECRET})
    try:
        fail(f"cannot send {SECRET}")
    except RuntimeError:
        log.exception("bug")
    logging.getLogger("library").error("said %s", SECRET)

    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count("•••" if form == "text" else r"\u2022" * 3) == 5


def test_a_bug_is_logged_with_its_traceback_as_one_entry() -> None:
    stream = configured()

    try:
        fail("at fault")
    except RuntimeError:
        structlog.get_logger().exception("poll_failed_unexpectedly")

    (entry,) = entries(stream)
    assert entry["level"] == "error"
    assert entry["exception"].splitlines()[-1] == "RuntimeError: at fault"


def test_a_bug_is_readable_on_a_terminal() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream=stream)

    try:
        fail("at fault")
    except RuntimeError:
        structlog.get_logger().exception("poll_failed_unexpectedly")

    assert "RuntimeError: at fault" in stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["a", "b", "c", "d"]),
        ("info", ["b", "c", "d"]),
        ("warning", ["c", "d"]),
        ("error", ["d"]),
    ],
)
def test_what_is_below_the_level_is_not_logged(level: str, written: list[str]) -> None:
    stream = configured(level)
    log = structlog.get_logger()

    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")

    assert [entry["event"] for entry in entries(stream)] == written


async def test_the_scheduler_says_nothing_of_its_runs() -> None:
    stream = configured("debug")
    ran = asyncio.Event()

    async def job() -> None:
        ran.set()

    # On this thread, and never too late: a busy machine gives it nothing more to say.
    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None})
    scheduler.start()
    scheduler.add_job(job)
    await ran.wait()
    scheduler.shutdown()
    await asyncio.sleep(0)  # it shuts down in its loop's next turn

    assert not scheduler.running
    assert stream.getvalue() == ""


def test_what_a_library_warns_of_is_logged_in_the_same_form() -> None:
    stream = configured()

    logging.getLogger("library").warning("odd: %s", HOSTILE)

    (entry,) = entries(stream)
    assert entry["level"] == "warning"
    assert entry["event"].startswith("odd: red alert event=forged")


def test_a_log_that_cannot_be_written_does_no_harm() -> None:
    logs.configure("info", "json", stream=FullDisk())

    structlog.get_logger().info("changed")
    logging.getLogger("library").error("said")
