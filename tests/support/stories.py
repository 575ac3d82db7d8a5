"""The simulator's stories that are watched from their beginning, and the dialects of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitor.simulation.scenarios import ASKS_FIRST, SCENARIOS, SCENARIOS_OF_TODAY, Scenario

_NOT_FROM_THE_START = {"already-failed", "already-done", "deleted", "thin", "large", "fat"}
_OF_WORKFLOWS = (
    *("asks-first", "parked", "stopped", "exhausted"),
    *("skipped-group", "empty-group", "idless-step", "preview"),
)
_MORE: Mapping[str, tuple[str, ...]] = {
    "release": (),
    "installer": (),
    "run": (*_OF_WORKFLOWS, "superseded"),
    "workflow": (*_OF_WORKFLOWS, "drift", "runbook"),
}
"""What only some dialects can tell: a release has no groups, an installer has no end."""
ALL: Mapping[str, Scenario] = {
    **SCENARIOS,
    **SCENARIOS_OF_TODAY,
    ASKS_FIRST.name: ASKS_FIRST,
}


def stories(*dialects: str) -> list[tuple[str, str]]:
    """Return these dialects, each with the names of all stories that it can tell."""
    names = sorted(SCENARIOS.keys() - _NOT_FROM_THE_START)
    return [(dialect, name) for dialect in dialects for name in (*names, *_MORE[dialect])]


def small(name: str) -> Scenario:
    """Return a story with a few installs only."""
    scenario = ALL[name]
    if name in SCENARIOS_OF_TODAY:  # small as they are, and the number of their groups matters
        return scenario
    return replace(scenario, steps=tuple(min(size, 3) for size in scenario.steps[:2]))
