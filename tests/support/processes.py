"""`nuon-monitor` as processes of its own: daemons, and commands in a terminal or without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.orphans import ENDING_WITH_US
from tests.support.secret_scan import record_output

PATIENCE = 20.0
"""Seconds that a condition may take to come true, on a machine where much else is going on."""


def clean_environment(**more: str) -> dict[str, str]:
    """Return this environment without what a monitor reads in it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUON_", "SLACK_"))}
    return {**kept, "PYTHONIOENCODING": "utf-8", **more}


def give_children_default_signals() -> None:
    """Let what this process starts begin with every signal at its default.

    A shell starts what runs in its background with SIGINT ignored, `nohup` with SIGHUP, and a
    program started by another inherits that. Not so what is handled, even if by nothing.
    """
    # Python ignores these two for itself; `subprocess` resets them for its children.
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(holds: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Return once a condition holds; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Result:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


async def command(
    *arguments: str,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    module: str = "monitor",
) -> Result:
    """Run `nuon-monitor`, or a module that stands for it, to its end, not in a terminal."""
    process = await asyncio.create_subprocess_exec(
        *(*ENDING_WITH_US, sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=_environment(environment),
    )
    try:
        async with asyncio.timeout(2 * PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    result = Result(process.returncode or 0, out.decode(), err.decode())
    record_output(f"what `{' '.join(arguments)}` wrote", f"{result.out}{result.err}")
    return result


class Terminal:
    """A command in a terminal of its own; `written` is all that it wrote there so far."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self._process = process
        self._screen = screen
        self.written = b""

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    async def until(self, holds: Callable[[bytes], bool]) -> None:
        """Return once what was written fulfils a condition; raises TimeoutError."""
        await until(lambda: self._reads() and holds(self.written))

    async def end(self) -> int:
        """Read all that is written until its end, and return the exit code."""
        await until(lambda: self._reads() and self._process.poll() is not None)
        self._reads()
        return self._process.returncode

    def _reads(self) -> bool:
        # The end of a terminal is an error on Linux.
        with contextlib.suppress(BlockingIOError, OSError):
            while part := os.read(self._screen, 65536):
                self.written += part
        return True


@contextlib.contextmanager
def in_terminal(
    *arguments: str, folder: Path | None = None, **environment: str
) -> Iterator[Terminal]:
    """Start `nuon-monitor` in a terminal; it is killed in the end if it is still there."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = subprocess.Popen(
        (*ENDING_WITH_US, sys.executable, "-m", "monitor", *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=_environment(clean_environment(**{"TERM": "xterm", "COLUMNS": "100"} | environment)),
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        record_output(
            f"what `{' '.join(arguments)}` wrote", terminal.written.decode(errors="replace")
        )


def _environment(environment: dict[str, str] | None) -> dict[str, str]:
    given = clean_environment() if environment is None else environment
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, given.get("PYTHONPATH"))))}


_ROOT = str(Path(__file__).parent.parent.parent)


@dataclass
class Daemon:
    """A running `nuon-monitor run`; `lines` are the entries that it logged so far."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: str = ""

    async def logged(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait for a log entry and return it."""
        await until(lambda: any(_is(line, event, fields) for line in self.lines))
        return next(line for line in self.lines if _is(line, event, fields))

    def count(self, event: str) -> int:
        return sum(line["event"] == event for line in self.lines)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self, *, within: float = PATIENCE) -> int:
        """Wait for its end and return its exit code; raises TimeoutError."""
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = (await self.process.stderr.read()).decode()

    async def page(self, path: str) -> tuple[int, Any]:
        """Return the status and the content of a page of its HTTP side."""
        port = (await self.logged("listening"))["port"]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def answers(self, path: str, status: int) -> Any:
        """Wait until a page answers with a status, and return its content."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectorError):  # between two runs
                    found, content = await self.page(path)
                    if found == status:
                        return content
                await asyncio.sleep(0.05)


def _is(line: dict[str, Any], event: str, fields: dict[str, object]) -> bool:
    return line["event"] == event and fields.items() <= line.items()


@asynccontextmanager
async def started(file: Path, **environment: str) -> AsyncIterator[Daemon]:
    """Start a daemon with a configuration; it is killed in the end if it is still there."""
    process = await asyncio.create_subprocess_exec(
        *(*ENDING_WITH_US, sys.executable, "-m", "monitor", "run", "-c", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(clean_environment(**environment)),
    )
    daemon = Daemon(process)
    reading = asyncio.gather(daemon.read(), daemon.read_errors())
    try:
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
        record_output("what the daemon wrote", f"{daemon.lines}{daemon.errors}")
