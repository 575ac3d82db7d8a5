"""Terminals that cannot show everything, pipes that end early, full disks, interrupts."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from tests.support.commands import configured, in_trouble, stored
from tests.support.processes import clean_environment, in_terminal
from tests.support.world import a_live_world


async def drawn(*arguments: str, **environment: str) -> str:
    """Run a command in a terminal of its own and return all that it wrote there."""
    with in_terminal(*arguments, TERM="xterm-256color", **environment) as terminal:
        assert await terminal.end() == 0
    return terminal.written.decode()


async def test_status_has_colours_in_a_terminal_unless_nobody_wants_them(tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())

    coloured = await drawn("status", "-c", file)
    plain = await drawn("status", "-c", file, NO_COLOR="1")

    assert "\x1b[1;31m" in coloured
    assert not re.search(r"\x1b\[[\d;]*3[0-7]m", plain)
    assert Text.from_ansi(coloured).plain == Text.from_ansi(plain).plain


@pytest.mark.parametrize("arguments", ["status --json", "status", "history rel2", "--help"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, arguments: str) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())
    config = "" if arguments == "--help" else f"-c {file}"

    ended = subprocess.run(
        f"{sys.executable} -m monitor {arguments} {config} | true",
        check=False,
        shell=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
    )

    assert ended.stderr == ""


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "monitor", "init", "-"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert (ended.returncode, ended.stderr) == (
        1,
        "nuon-monitor: the output: No space left on device\n",
    )


def test_a_terminal_that_knows_ascii_only_is_no_error(tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())

    ended = subprocess.run(
        [sys.executable, "-m", "monitor", "status", "-c", file],
        check=False,
        capture_output=True,
        text=True,
        env=clean_environment() | {"PYTHONIOENCODING": "ascii"},
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "release rel2" in ended.stdout


async def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.slack.fail("hang", times=None)
        world.write("rel1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor", "test-notification", "-c", str(world.file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(),
        )
        await world.slack.wait_until(lambda: len(world.slack.requests) == 1)

        process.send_signal(2)

        out, err = await process.communicate()
    assert (process.returncode, out, err.strip()) == (130, b"", b"")
