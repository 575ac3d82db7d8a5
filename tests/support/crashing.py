"""The real daemon as a process that ends itself, as `kill -9` would, at a named point.

    python -m tests.support.crashing

is a nursery: for each line that it reads (JSON: a `Birth`) it forks a daemon, says its process
id, and in the end its exit code. All is imported once only, which is most of what a start
costs. The daemon is the real one but for its pace, which is as fast as Slack takes it.

`Rounds` is the simulated platform's time, which goes on with what was polled.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import monitor.service.scheduler
from monitor.config import load_config
from monitor.deliver.pace import Pace
from monitor.deliver.search_times import SearchTimes
from monitor.service import logs
from monitor.service.build import build
from monitor.service.mapping import secrets_of
from monitor.service.scheduler import stop_on_signals
from tests.support.orphans import ENDING_WITH_US, die_with_parent
from tests.support.processes import clean_environment, until

if TYPE_CHECKING:
    from monitor.simulation.platform import SimulatedPlatform

_ROOT = Path(__file__).parent.parent.parent
_LIST = "runs"
_LOOKS = 4
_PATIENCE = 120.0
"""Seconds, on a machine where much else is going on."""


class Point:
    """Before or after a method of `monitor` that one pass goes through."""

    def __init__(self, when: str, owner: str, method: str) -> None:
        self.is_before = when == "before"
        self.owner = owner
        self.method = method


POINTS: Mapping[str, Point] = {
    "after the fetch": Point("after", "platform.client.NuonClient", "get"),
    "before the commit": Point("before", "store.Store", "save"),
    "in the middle of the commit": Point("before", "store.outbox.Outbox", "enqueue"),
    "after the commit": Point("after", "store.Store", "save"),
    "after the attempt began": Point("after", "store.outbox.Outbox", "begin_attempt"),
    "after Slack accepted a post": Point("after", "deliver.slack.SlackChannel", "post"),
    "after a post was marked": Point("after", "store.outbox.Outbox", "mark_sent"),
    "before an edit": Point("before", "deliver.slack.SlackChannel", "edit"),
    "after Slack accepted an edit": Point("after", "deliver.slack.SlackChannel", "edit"),
    "after an edit was marked": Point("after", "store.cards.Cards", "mark_edited"),
}
"""Between the poll, the commit, the message and its mark."""

OUTAGE_POINTS: Mapping[str, Point] = {
    "before the outage is saved": Point("before", "store.outages.Outages", "save"),
    "after the outage is saved": Point("after", "store.outages.Outages", "save"),
}
"""Passed only where the platform becomes unreachable or reachable again."""

DOUBT_POINTS: Mapping[str, Point] = {
    "before a search": Point("before", "deliver.slack.SlackChannel", "find"),
    "after a search": Point("after", "deliver.slack.SlackChannel", "find"),
}
"""Passed only where a post is in doubt."""

FINDING_POINTS: Mapping[str, Point] = {
    "before a find is kept": Point("before", "store.finds.Finds", "follow"),
    "after a find is kept": Point("after", "store.finds.Finds", "follow"),
    "before it is finished": Point("before", "store.finds.Finds", "mark_finished"),
    "after it is finished": Point("after", "store.finds.Finds", "mark_finished"),
}
"""Passed only where a list leads to something, and where that has come to its end."""


@dataclass(frozen=True)
class Birth:
    """What a daemon is started with; it dies when it passes the point `at` the n-th time."""

    config: str
    at: str | None = None
    passing: int = 1
    prune_every: float | None = None
    slowness: float = 1.0
    """How much of the usual time a slow Slack takes, and posts in doubt are searched for."""
    settings: Mapping[str, str] = field(default_factory=dict)


# The process that dies


def _serve() -> None:
    for line in sys.stdin:
        birth = Birth(**json.loads(line))
        child = os.fork()
        if child == 0:
            die_with_parent()
            _live(birth)
        _print_number(child)
        _, status = os.waitpid(child, 0)
        _print_number(os.waitstatus_to_exitcode(status))


def _print_number(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _live(birth: Birth) -> NoReturn:
    config = Path(birth.config)
    for number, file in ((1, config.with_suffix(".log")), (2, config.with_suffix(".err"))):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(birth.settings)
    try:
        if birth.at is not None:
            _arm(
                {**POINTS, **OUTAGE_POINTS, **DOUBT_POINTS, **FINDING_POINTS}[birth.at],
                birth.passing,
            )
        if birth.prune_every is not None:
            # An hour, which a compressed month cannot wait for.
            monitor.service.scheduler._PRUNE_EVERY = birth.prune_every
        asyncio.run(_run(config, birth.slowness))
    except BaseException:  # noqa: BLE001 - nothing may return into the nursery
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


async def _run(config_path: Path, slowness: float) -> None:
    config = load_config(config_path, os.environ)
    logs.configure(config.log.level, "json", secrets=secrets_of(config))
    search_times = SearchTimes().scaled(slowness)
    async with build(config, pace=Pace(post=0, edit=0), search_times=search_times) as app:
        stop_on_signals(app.daemon.stop)
        _pid_file(config_path).write_text(str(os.getpid()))
        await app.run()


def _pid_file(config_path: Path) -> Path:
    """Return where a daemon says that it is built and listens to signals."""
    return config_path.with_suffix(".pid")


def _arm(point: Point, passing: int) -> None:
    module, _, name = point.owner.rpartition(".")
    owner = getattr(importlib.import_module(f"monitor.{module}"), name)
    setattr(owner, point.method, _deadly(getattr(owner, point.method), point, passing))


def _deadly(method: Callable[..., Any], point: Point, passing: int) -> Callable[..., Any]:
    left = passing

    def passed(*, is_before: bool) -> None:
        nonlocal left
        if is_before is point.is_before:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(method)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        passed(is_before=True)
        result = await method(*args, **kwargs)
        passed(is_before=False)
        return result

    @functools.wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        passed(is_before=True)
        result = method(*args, **kwargs)
        passed(is_before=False)
        return result

    return awaited if inspect.iscoroutinefunction(method) else called


# For whoever starts it


class Life:
    """One life of the daemon; what it writes is appended to `log` and `errors`."""

    def __init__(self, pid: int, config: Path) -> None:
        self.pid = pid
        self.log = config.with_suffix(".log")
        self.errors = config.with_suffix(".err")
        self.exit_code: int | None = None
        self._pid_file = _pid_file(config)

    @property
    def has_ended(self) -> bool:
        return self.exit_code is not None

    @property
    def is_ready(self) -> bool:
        try:
            return self._pid_file.read_text() == str(self.pid)
        except FileNotFoundError:
            return False

    async def kill(self) -> None:
        """Kill it, unless it did so itself."""
        self._send(signal.SIGKILL)
        await until(lambda: self.has_ended, seconds=_PATIENCE)

    async def stop(self) -> int | None:
        """Ask for an orderly end, once it listens, and return the exit code."""
        await until(lambda: self.is_ready or self.has_ended, seconds=_PATIENCE)
        self._send(signal.SIGTERM)
        await until(lambda: self.has_ended, seconds=_PATIENCE)
        return self.exit_code

    def _send(self, number: signal.Signals) -> None:
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def entries(self, event: str) -> list[dict[str, Any]]:
        """Return what was logged of an event in all lives so far; a kill may cut a line short."""
        found = []
        for line in self.log.read_bytes().splitlines():
            if f'"{event}"'.encode() in line and line.endswith(b"}"):
                entry = json.loads(line)
                if entry["event"] == event:
                    found.append(entry)
        return found


class Nursery:
    """Where daemons are born, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @asynccontextmanager
    async def life(self, birth: Birth) -> AsyncIterator[Life]:
        """Start a daemon; it is killed in the end if it is still there."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(birth)).encode() + b"\n")
        life = Life(await self._hear(), Path(birth.config))
        ending = asyncio.create_task(self._see_end_of(life))
        try:
            yield life
        finally:
            await life.kill()
            await ending

    async def _see_end_of(self, life: Life) -> None:
        life.exit_code = await self._hear()

    async def _hear(self) -> int:
        assert self._process.stdout is not None
        return int(await self._process.stdout.readline())


@asynccontextmanager
async def a_nursery() -> AsyncIterator[Nursery]:
    process = await asyncio.create_subprocess_exec(
        *(*ENDING_WITH_US, sys.executable, "-m", "tests.support.crashing"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env=clean_environment(),
    )
    assert process.stdin is not None
    try:
        yield Nursery(process)
    finally:
        process.stdin.close()
        await process.wait()


class Rounds:
    """The platform's time: `every` seconds pass whenever all that is under way was polled.

    So what can be seen does not depend on how fast this machine is. A rollout is under way
    until `beyond` seconds after the last thing happened to it. What a list leads to rests
    once it is over: there a few looks at the list count as well.
    """

    def __init__(
        self,
        platform: SimulatedPlatform,
        target_ids: tuple[str, ...],
        *,
        every: float = 15.0,
        beyond: float = 120.0,
    ) -> None:
        self._platform = platform
        self._target_ids = target_ids
        self._every = every
        self._beyond = beyond
        self._seen: Counter[str] = Counter()
        self.polls = 0
        self.is_over = False

    async def run(self) -> None:
        """Let time pass until nothing more happens; polls are counted on."""
        while True:
            await asyncio.sleep(0.01)
            self._look()

    def _look(self) -> None:
        requests = self._platform.requests
        while requests:
            request = requests.popleft()
            last = request.path.rpartition("/")[2]
            if request.status == 200 and last in (*self._target_ids, _LIST):
                self.polls += 1
                self._seen[last] += 1
        under_way = {i for i in self._target_ids if self._is_under_way(i)}
        self.is_over = not under_way
        if under_way and (under_way <= self._seen.keys() or self._seen[_LIST] >= _LOOKS):
            self._seen.clear()
            self._platform.clock.advance(self._every)

    def _is_under_way(self, target_id: str) -> bool:
        life = self._platform.rollout(target_id).settles_after
        return self._platform.seconds_of(target_id) < life + self._beyond

    async def go_on(self, polls: int, life: Life) -> None:
        """Wait for so many more polls; the daemon that makes them must not end before."""
        enough = self.polls + polls
        await until(lambda: self.polls >= enough or life.has_ended, seconds=_PATIENCE)
        assert not life.has_ended, life.errors.read_text()


if __name__ == "__main__":
    _serve()
