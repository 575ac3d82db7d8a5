"""What an answer costs once it is there: decode, questions, diff, render, and the memory it takes.

    python -m tests.benchmarks.decoding [--deploys N] [--rounds N]

Answers as thin as they come (ids and statuses), as the platform really fills them, and with
every documented field. "Changed" is the next answer, in which one deploy moved.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import msgspec

from monitor.compose import render
from monitor.decide.diff import diff, keep_absent
from monitor.kinds import release
from monitor.kinds.profile import LastSeen
from monitor.kinds.release_questions import questions
from monitor.kinds.wire import Memo
from monitor.model import Snapshot, Target, TargetState
from monitor.simulation.answers import Detail
from monitor.simulation.scenarios import SCENARIOS, timeline

_NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_LINKS = render.Links("https://app.nuon.co", "org")


@dataclass(frozen=True)
class Case:
    """Two answers about one release, of which the second has one deploy in another status."""

    release_id: str
    first: bytes
    second: bytes


def _case(deploys: int, detail: Detail) -> Case:
    steps = (max(1, deploys // 4),) * 4
    rollout = timeline(replace(SCENARIOS["large"], steps=steps, detail=detail), deploys)
    document = rollout.state_at(rollout.settles_after)
    first = msgspec.json.encode(document)
    deploy = document["release_steps"][-1]["install_deploys"][-1]
    deploy["status"] = "executing"
    if "status_v2" in deploy:
        deploy["status_v2"]["status"] = "executing"
    return Case(rollout.id, first, msgspec.json.encode(document))


def _snapshot(case: Case, body: bytes, memo: Memo[release.Parsed]) -> Snapshot:
    root = release.decode(body, case.release_id, memo)
    return Snapshot(Target("release", case.release_id), _NOW, root)


def _drawn(snapshot: Snapshot) -> None:
    render.card(render.View(snapshot, TargetState(changed_at=_NOW, has_card=True), _LINKS))


def _compared(before: Snapshot, after: Snapshot) -> Snapshot:
    whole = keep_absent(before, after)
    diff(before, whole)
    return whole


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU of a piece of work."""
    spent = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent) * 1e3


def _times(case: Case, rounds: int) -> dict[str, float]:
    memo: Memo[release.Parsed] = Memo()
    before = _snapshot(case, case.first, memo)
    after = _snapshot(case, case.second, Memo(memo))
    return {
        "first decode": _milliseconds(lambda: _snapshot(case, case.first, Memo()), rounds),
        "changed: decode": _milliseconds(lambda: _snapshot(case, case.second, Memo(memo)), rounds),
        "questions": _milliseconds(
            lambda: questions(case.second, case.release_id, {}, LastSeen(before.root)), rounds
        ),
        "diff": _milliseconds(partial(_compared, before, after), rounds),
        "render": _milliseconds(partial(_drawn, after), rounds),
    }


def _memory(case: Case) -> tuple[int, int]:
    """Return the bytes that a decoded answer holds, and the most while it is decoded."""
    gc.collect()
    tracemalloc.start()
    held = Memo[release.Parsed]()
    kept = _snapshot(case, case.first, held)
    traced = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del held, kept
    return traced


def _measure(name: str, case: Case, rounds: int) -> None:
    figures = _times(case, rounds)
    now, peak = _memory(case)
    size = len(case.first)
    said = "  ".join(f"{what} {value:.1f} ms" for what, value in figures.items())
    total = figures["first decode"] + figures["diff"] + figures["render"]
    sys.stdout.write(
        f"{name} ({size / 1e6:.2f} MB): {said}\n"
        f"    first decode + diff + render {total:.0f} ms   to reach: 60 (10,000 thin ones)\n"
        f"    memory: {now / size:.1f} times the answer held, {peak / size:.1f} at most"
        "   to reach: 3\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Measure each sort of answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--deploys", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for detail, count in (
        (Detail.THIN, given.deploys),
        (Detail.USUAL, given.deploys),
        (Detail.FAT, given.deploys // 10),  # 31 KB each
    ):
        name = f"{count:,} {detail.value} deploys"
        _measure(name, _case(count, detail), given.rounds)


if __name__ == "__main__":
    main()
