"""A bad night, from the platform to the channel: many failures, and few posts that notify."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.simulation.life import Course, Stage
from monitor.simulation.scenarios import Scenario
from monitor.simulation.slack import Posted, plain_text
from tests.support.world import World, a_world, watch

_FAILING = 13


def _fails_after(seconds: float) -> Course:
    executing = Stage("executing", "applying the deploy plan", seconds, seconds)
    return Course((executing, Stage("error", "quota exceeded")))


ONE_BY_ONE = Scenario(
    name="one-by-one",
    summary="installs fail one after the other",
    steps=(48,),
    courses={(1, number): _fails_after(40 + 16 * number) for number in range(1, _FAILING + 1)},
)


def notifying(world: World, target_id: str) -> list[Posted]:
    """Return the replies that are shown in the channel as well."""
    return [post for post in world.replies(target_id) if post.is_broadcast]


@pytest.mark.parametrize("dialect", ["release", "run"])
async def test_twelve_more_that_fail_one_by_one_are_one_post(tmp_path: Path, dialect: str) -> None:
    async with a_world(tmp_path) as world:
        target_id = await watch(
            world, ONE_BY_ONE, seed=1, dialect=dialect, restarts=0.1, beyond=600
        )

        posts = notifying(world, target_id)
        assert len(posts) <= 3  # the first, the end, and what was put together
        assert any("13 of 48" in plain_text(post) for post in posts)
        findings = world.audit(target_id)
        assert findings.is_clean, findings
        assert findings.sentence_count > _FAILING
