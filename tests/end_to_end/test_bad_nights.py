"""A bad night, from the platform to the channel: many failures, and few posts that notify."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.model import Phase
from monitor.simulation.life import Course, Stage
from monitor.simulation.scenarios import Scenario
from monitor.simulation.slack import Posted, plain_text
from tests.support.delivery import FOR_PEOPLE
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


SIXTY = 60
SIXTY_OF_300 = Scenario(
    name="sixty-of-300",
    summary="a fifth of all installs fail within twenty minutes, and then the release",
    steps=(300,),
    courses={(1, n): _fails_after(20 * n) for n in range(1, SIXTY + 1)},
)


async def test_sixty_of_300_that_fail_in_twenty_minutes_are_a_handful_of_posts_and_a_card(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.pace = FOR_PEOPLE
        target_id = world.platform.add(SIXTY_OF_300, seed=1)
        rollout = world.platform.rollout(target_id)
        have_failed: list[tuple[float, int]] = []
        async with world.monitor(target_id) as app:
            while (now := world.platform.seconds_of(target_id)) < rollout.settles_after + 120:
                await world.look(app, after=15)
                snapshot, _ = world.stored(target_id)
                units = [unit for step in snapshot.root.children for unit in step.children]
                have_failed.append((now, sum(unit.phase is Phase.FAILED for unit in units)))
                (card,) = world.cards(target_id)
                shown = re.search(r"· (\d+) failed", plain_text(card))
                a_minute_ago = [failed for at, failed in have_failed if at <= now - 60]
                assert int(shown[1] if shown else 0) >= max(a_minute_ago, default=0)

        posts = notifying(world, target_id)
        assert 3 <= len(posts) <= 6
        assert f"{SIXTY} of 300" in plain_text(posts[-1])
        assert have_failed[-1][1] == SIXTY
        assert world.audit(target_id).is_clean


def _flipping(times: int, *, every: float) -> Course:
    """Return a deploy that fails so many times and then succeeds."""
    executing = Stage("executing", "applying the deploy plan", every, every)
    failed = Stage("error", "quota exceeded", every, every)
    return Course((executing, *(failed, executing) * times, Stage("active", "deploy is active")))


@pytest.mark.parametrize("restarts", [0.0, 0.2])
async def test_a_deploy_that_flips_twenty_times_is_a_handful_of_posts(
    tmp_path: Path, restarts: float
) -> None:
    flips = Scenario(
        name="flips",
        summary="a deploy fails and is tried again twenty times",
        steps=(4, 4),
        courses={(1, 2): _flipping(20, every=30)},
    )
    async with a_world(tmp_path) as world:
        target_id = await watch(
            world, flips, seed=1, dialect="workflow", restarts=restarts, beyond=40 * 60
        )

        assert len(notifying(world, target_id)) <= 6
        assert len(world.cards(target_id)) == 1
        told = [plain_text(post) for post in world.replies(target_id)]
        assert sum("is flapping" in text and " more " not in text for text in told) == 1
        assert sum("stable again, after it failed 20 times" in text for text in told) == 1
        assert any("is flapping: it has failed" in text for text in edits_of(world, target_id))


def edits_of(world: World, target_id: str) -> list[str]:
    """Return what the cards of a rollout showed, one after the other."""
    return [edit.text for card in world.cards(target_id) for edit in card.edits]


async def test_what_fails_and_recovers_three_times_is_told_each_time(tmp_path: Path) -> None:
    thrice = Scenario(
        name="thrice",
        summary="a deploy fails and is tried again three times",
        steps=(4, 4),
        courses={(1, 2): _flipping(3, every=30)},
    )
    async with a_world(tmp_path) as world:
        target_id = await watch(world, thrice, seed=1, dialect="workflow", beyond=40 * 60)

        findings = world.audit(target_id)
        assert findings.is_clean, findings
        assert "flapping" not in world.thread_text(target_id)
