"""What the daemon costs while it watches, and how soon it tells.

    python -m tests.benchmarks.daemon [--watches N …] [--seconds S] [--changes N]

It runs as a process of its own against a platform and a Slack that answer from memory. CPU is
that of its process; lag is by its own histogram, so a percentile is given as a bucket's bound.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from monitor.simulation.scenarios import SCENARIOS, Rollout, timeline
from tests.benchmarks.stage import Daemon, Stage
from tests.support.processes import clean_environment, until

_INTERVAL = 30.0
_SCALED = 3.0
_IDLE_FOR = 20.0


def _say(what: str, figure: str, goal: str) -> None:
    sys.stdout.write(f"{what:52} {figure:>26}{goal and f'   to reach: {goal}'}\n")
    sys.stdout.flush()


def _rollout(seed: int) -> Rollout:
    """Return a release of two installs in one step, whose answers are of about 2.5 KB."""
    return timeline(replace(SCENARIOS["happy"], steps=(2,)), seed)


def _answer(rollout: Rollout, part: float) -> bytes:
    return msgspec.json.encode(rollout.state_at(rollout.settles_after * part))


async def watching(count: int, seconds: float) -> None:
    """Measure so many watches at 30 s, none of which brings news, once all are polled twice."""
    document = _answer(_rollout(1), 0.5)
    own_id = _rollout(1).id
    ids = [f"rel{number:023}" for number in range(count)]
    with tempfile.TemporaryDirectory() as name:
        async with Stage() as stage:
            stage.answers = {one: document.replace(own_id.encode(), one.encode()) for one in ids}
            async with stage.daemon(Path(name), ids, f"{_INTERVAL:g}s") as daemon:
                await until(lambda: stage.polls >= 2 * count, seconds=600)
                polls, cpu, lags = stage.polls, daemon.cpu(), await daemon.lags()
                began = time.monotonic()
                await asyncio.sleep(seconds)
                lasted = time.monotonic() - began
                used, done = daemon.cpu() - cpu, stage.polls - polls
                lag = _percentile(lags, await daemon.lags(), 0.99)
                memory = daemon.memory()
    is_many = count > 1_000
    name = f"{count:,} watches at 30 s"
    _say(f"{name}: polls a second", f"{done / lasted:.1f}", f"{count / _INTERVAL:.1f}")
    _say(f"{name}: CPU", f"{used / lasted:.1%} of a core", "one core" if is_many else "3 %")
    _say(f"{name}: CPU of one poll", f"{used / done * 1e3:.2f} ms", "")
    _say(f"{name}: memory", f"{memory:.0f} MiB", "250 MiB" if is_many else "120 MiB")
    _say(f"{name}: lag, 99th percentile", f"at most {lag:g} s", "1 s")


def _percentile(before: Mapping[float, float], after: Mapping[float, float], part: float) -> float:
    """Return the bound below which this part of what came between two scrapes lies."""
    grown = {bound: count - before[bound] for bound, count in sorted(after.items())}
    wanted = part * grown[float("inf")]
    return next(bound for bound, count in grown.items() if count >= wanted)


async def telling(changes: int) -> None:
    """Measure how long a failure takes to reach Slack, at an interval scaled down to 3 s.

    One release fails at a time, at a random moment, so that no message waits for another.
    """
    rollouts = [_failing(seed) for seed in range(changes)]
    after_change: list[float] = []
    after_answer: list[float] = []
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        async with Stage() as stage:
            stage.answers = {one.id: _answer(one, 0.5) for one in rollouts}
            ids = list(stage.answers)
            async with stage.daemon(Path(name), ids, f"{_SCALED:g}s"):
                await until(lambda: stage.is_quiet, seconds=60 + 5 * changes)
                for rollout in rollouts:
                    await asyncio.sleep(1.5 + chance.random() * _SCALED)
                    changed_at = time.monotonic()
                    stage.answers[rollout.id] = _answer(rollout, 1.0)
                    notified_at = await stage.notified_targets(rollout.id, since=changed_at)
                    after_change.append(notified_at - changed_at)
                    after_answer.append(notified_at - stage.answered[rollout.id])
    low, middle, high = min(after_change), statistics.median(after_change), max(after_change)
    _say(
        f"change → message, {changes} at {_SCALED:g} s: min/median/max",
        f"{low:.2f} / {middle:.2f} / {high:.2f} s",
        f"{_SCALED / 2:g} s at the median, within 0.5 s",
    )
    _say(
        "last byte of an answer → request to Slack, median",
        f"{statistics.median(after_answer) * 1e3:.1f} ms",
        "20 ms",
    )


def _failing(seed: int) -> Rollout:
    return timeline(replace(SCENARIOS["failure"], steps=(2, 3), delays={}), seed)


async def starting(rounds: int = 7) -> None:
    """Measure how soon it is there, and what it uses while nothing happens."""
    helped = [await _help() for _ in range(rounds)]
    _say("--help, median", f"{statistics.median(helped):.2f} s", "0.2 s")
    rollout = _rollout(1)
    starts: list[tuple[float, float]] = []
    for round_ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            async with Stage() as stage:
                stage.answers = {rollout.id: _answer(rollout, 0.5)}
                async with stage.daemon(Path(name), [rollout.id], "15s") as daemon:
                    starts.append((daemon.listens_after, daemon.ready_after))
                    if round_ == 0:
                        await _idle(daemon)
    listens, ready = (statistics.median(times) for times in zip(*starts, strict=True))
    _say("run: listens after, median", f"{listens:.2f} s", "1 s")
    _say("run: has seen the platform and is ready after", f"{ready:.2f} s", "1 s")


async def _idle(daemon: Daemon) -> None:
    await asyncio.sleep(5)  # the card goes out first
    cpu = daemon.cpu()
    await asyncio.sleep(_IDLE_FOR)
    idle = (daemon.cpu() - cpu) / _IDLE_FOR
    _say("idle, one watch: CPU", f"{idle:.2%} of a core", "0.5 %")
    _say("idle, one watch: memory", f"{daemon.memory():.0f} MiB", "")


async def _help() -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor", "--help"),
        stdout=asyncio.subprocess.DEVNULL,
        env=clean_environment(),
    )
    await process.wait()
    return time.monotonic() - began


def main() -> None:
    """Measure, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--watches", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--changes", type=int, default=20)
    given = parser.parse_args()
    asyncio.run(starting())
    asyncio.run(telling(given.changes))
    for count in given.watches:
        asyncio.run(watching(count, given.seconds))


if __name__ == "__main__":
    main()
