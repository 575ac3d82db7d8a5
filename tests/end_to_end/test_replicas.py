"""A platform with two replicas, one of them behind: what is told is what happened, each once.

In CI one scenario of each kind; with `NUON_MONITOR_LONG_TESTS=1` all that are watched from their
beginning.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.model import Entity, Level
from monitor.simulation.audit import audit
from monitor.simulation.scenarios import DIALECTS, Scenario
from monitor.simulation.slack import plain_text
from tests.support.clock import NOON
from tests.support.expected import truth_of
from tests.support.long_tests import IS_LONG
from tests.support.small_platform import SmallPlatform
from tests.support.stories import ALL, small, stories
from tests.support.world import a_world, watch

_SCENARIOS = {"release": "retry", "run": "approval", "workflow": "retry", "installer": "failure"}
_WORKFLOW_ID = "inwk2v9q7m3x8c4b6n1z5w0y2a"


def lives() -> list[tuple[str, str, float]]:
    """Return dialects with scenarios, and by how many seconds the replica is behind."""
    if not IS_LONG:
        return [(dialect, name, 20.0) for dialect, name in _SCENARIOS.items()]
    return [(*story, lag) for story in stories(*sorted(DIALECTS)) for lag in (3.0, 20.0)]


def of(name: str) -> Scenario:
    return ALL[name] if IS_LONG else small(name)


def statuses_of(root: Entity) -> dict[tuple[str, str], str]:
    """Return what a rollout and its parts came to.

    What explains or describes them is left out: thin answers leave that to other documents,
    which are asked for only while they are needed, and may have been behind by then.
    """
    parts = (part for level, part in root.walk() if level < Level.DETAIL)
    return {(part.kind, part.id): part.status for part in (root, *parts)}


@pytest.mark.parametrize(("dialect", "name", "lag"), lives())
async def test_what_is_told_is_what_happened_each_once(
    tmp_path: Path, dialect: str, name: str, lag: float
) -> None:
    async with a_world(tmp_path) as world:
        world.platform.replica_lag = lag
        target_id = await watch(world, of(name), seed=1, dialect=dialect, restarts=0.1)

        found = audit(world.platform.rollout(target_id), world.channel)
        assert (found.lost, found.repeated, found.false) == ((), (), ())
        world.platform.replica_lag = 0.0
        known, _ = world.stored(target_id)
        assert statuses_of(known.root) == statuses_of((await truth_of(world, known)).root)


async def test_an_approval_that_waits_anywhere_is_told_once_and_so_is_its_end(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.platform.replica_lag = 20.0
        world.platform.add("approval", seed=1, dialect="run")
        world.more = "[[watch]]\napprovals = true"

        async with world.monitor() as app:
            for _ in range(60):
                await world.look(app, after=15)

        (card, *replies) = world.channel.posts
        told = "\n".join(plain_text(post) for post in replies)
        assert "No approvals pending" in plain_text(card)
        assert told.count("needs approval") == 2
        assert told.count("no longer needs approval") == 1


async def test_older_answers_are_counted(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.platform.replica_lag = 20.0
        target_id = world.platform.add("happy", seed=1)
        async with world.monitor(target_id) as app:
            for _ in range(120):  # more often than the replica is behind: all is answered twice
                await world.look(app, after=5)

            counted = app.metrics.registry.get_sample_value("nuon_monitor_stale_answers_total")
            assert counted is not None
            assert counted > 0


async def test_what_the_platform_shows_again_for_good_is_believed_and_said_to_be_older(
    tmp_path: Path,
) -> None:
    """A restored database gives the same bytes again and again; each poll is a new process."""
    begun = NOON - timedelta(minutes=5)

    def workflow(status: str, minutes: int) -> dict[str, Any]:
        updated_at = (begun + timedelta(minutes=minutes)).isoformat()
        row = {"id": _WORKFLOW_ID, "type": "manual_deploy", "created_at": begun.isoformat()}
        step = {"id": "iws1", "name": "apply", "status": status, "updated_at": updated_at}
        finished = {"finished": True} if status == "success" else {}
        return row | finished | {"status": status, "updated_at": updated_at, "steps": [step]}

    answers = [
        workflow("in-progress", 1),
        workflow("success", 2),
        *[workflow("in-progress", 1)] * 3,
    ]
    told = []
    async with a_world(tmp_path) as world, SmallPlatform() as platform:
        world.own["nuon"] = f'api_url = "{platform.url}"'
        world.more = f'[[watch]]\nworkflow = "{_WORKFLOW_ID}"'
        for answer in answers:
            platform.answers[f"/v1/workflows/{_WORKFLOW_ID}"] = answer
            before = len(world.channel.posts)
            async with world.monitor() as app:
                await world.look(app, after=15)
            told.append([plain_text(post) for post in world.channel.posts[before:]])

    assert [len(one) for one in told] == [1, 1, 0, 0, 2]
    assert "times went back" in told[-1][-1]
