"""What is told of a rollout is the same whether its answers are thin or hold all that they can.

In CI some scenarios; with `NUON_MONITOR_LONG_TESTS=1` all that are watched from their beginning.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.simulation.platform import Shape
from monitor.simulation.scenarios import DIALECTS, SCENARIOS, Scenario
from monitor.simulation.slack import plain_text
from tests.support.long_tests import IS_LONG
from tests.support.world import a_world, watch

_IN_CI = {
    "release": "approval deep failure retry",
    "run": "approval failure",
    "workflow": "deep",
    "installer": "failure",
}
_NOT_FROM_THE_START = {"already-failed", "already-done", "deleted", "thin", "large", "fat"}
_DIFFERENT = {
    # By the time anybody can ask, the job is under way again and does not know any more.
    *(("release", "flicker"), ("workflow", "flicker")),
    # The workflows of its branches are in the documented answer only.
    *(("installer", "approval"), ("installer", "approval-denied")),
}


def lives() -> list[tuple[str, str]]:
    """Return dialects with scenarios."""
    if not IS_LONG:
        return [(dialect, name) for dialect, names in _IN_CI.items() for name in names.split()]
    names = sorted(SCENARIOS.keys() - _NOT_FROM_THE_START)
    return [(d, name) for d in sorted(DIALECTS) for name in names if (d, name) not in _DIFFERENT]


def small(name: str) -> Scenario:
    scenario = SCENARIOS[name]
    return replace(scenario, steps=tuple(min(size, 3) for size in scenario.steps[:2]))


async def told(folder: Path, dialect: str, name: str, shape: Shape) -> list[str]:
    """Return all that is posted in one life, the card as it is in the end."""
    folder.mkdir()
    async with a_world(folder, shape=shape) as world:
        await watch(world, small(name), seed=1, dialect=dialect, every=30)
        return [plain_text(post) for post in world.channel.posts]


@pytest.mark.parametrize(("dialect", "name"), lives())
async def test_thin_answers_tell_the_same_as_those_that_hold_all(
    tmp_path: Path, dialect: str, name: str
) -> None:
    thin = await told(tmp_path / "thin", dialect, name, Shape.THIN)

    assert thin == await told(tmp_path / "documented", dialect, name, Shape.DOCUMENTED)
    assert len(thin) > 1
