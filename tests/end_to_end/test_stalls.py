"""What hangs on the platform, from its silence to what a person reads, over restarts."""

from __future__ import annotations

import random
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from monitor.simulation.scenarios import SCENARIOS, Course, Occurrence, Scenario, Stage, install_of
from monitor.simulation.slack import plain_text
from tests.support.world import World, a_world

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Reply:
    """What was told in a release's thread, and after how many minutes of its life."""

    minute: float
    text: str
    is_broadcast: bool


async def replies(
    world: World, scenario: str | Scenario, *, hours: float, every: float = MINUTE
) -> list[Reply]:
    """Watch a release for so long and return what was told; some polls follow a restart."""
    release_id = world.platform.add(scenario, seed=1)
    chance = random.Random(release_id)
    told: list[Reply] = []
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(world.monitor(release_id))
        while world.platform.seconds_of(release_id) < hours * HOUR:
            if chance.random() < 0.05:
                await stack.aclose()
                app = await stack.enter_async_context(world.monitor(release_id))
            await world.look(app, after=every)
            minute = world.platform.seconds_of(release_id) / MINUTE
            told += [
                Reply(minute, plain_text(post), post.is_broadcast)
                for post in world.replies(release_id)[len(told) :]
            ]
    return told


def about(told: list[Reply], words: str) -> list[Reply]:
    return [reply for reply in told if words in reply.text]


def occurrence(world: World, status: str) -> Occurrence:
    """Return when a status was first set, and on what, as the platform knows it."""
    (rollout,) = world.platform._rollouts.values()
    return next(o for o in rollout.occurrences if o.status == status)


_NAMES = dict(map(install_of, range(100)))


@pytest.mark.parametrize(
    ("scenario", "status"),
    [("hang", "cancelled"), ("noop", "noop"), ("approval-denied", "approval-denied")],
)
async def test_a_dead_end_is_told_with_its_install_its_status_and_that_it_never_goes_on(
    tmp_path: Path, scenario: str, status: str
) -> None:
    async with a_world(tmp_path) as world:
        told = await replies(world, scenario, hours=0.5, every=2 * MINUTE)

        (dead_end,) = about(told, "does not move past that")
        assert dead_end.is_broadcast
        assert f"an install ended as {status}, and Nuon does not move past that" in dead_end.text
        install = _NAMES[occurrence(world, status).install_id]
        assert f"Deploy to {install} again, or start a new release" in dead_end.text


@pytest.mark.parametrize("scenario", ["hang", "noop", "approval-denied"])
async def test_a_dead_end_is_told_by_the_second_poll_that_sees_it_and_not_by_the_first(
    tmp_path: Path, scenario: str
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add(scenario, seed=1)
        hangs_after = world.platform.rollout(release_id).settles_after
        async with world.monitor(release_id) as app:
            await world.look(app)
            await world.look(app, after=hangs_after + 1)
            first = [plain_text(post) for post in world.replies(release_id)]
        async with world.monitor(release_id) as app:
            await world.look(app, after=15)
            second = [plain_text(post) for post in world.replies(release_id)][len(first) :]
            await world.look(app, after=15)

        assert "does not move past that" not in "".join(first)
        assert "does not move past that" in "".join(second)
        assert len(world.replies(release_id)) == len(first) + len(second)


async def test_a_dead_end_is_reminded_of_every_four_hours_as_still_standing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        told = await replies(world, "hang", hours=13, every=10 * MINUTE)

        first, *reminders = about(told, "does not move past that")
        assert "still" not in first.text
        assert [round((r.minute - first.minute) / 60) for r in reminders] == [4, 8, 12]
        for reminder, hours in zip(reminders, (4, 8, 12), strict=True):
            assert reminder.is_broadcast
            assert f"⏸️ still, for {hours} h" in reminder.text


async def test_an_approval_is_waited_for_aloud_reminded_of_and_then_goes_on(
    tmp_path: Path,
) -> None:
    waits = Course(
        (
            Stage("queued", "waiting for the install's runner", 1, 6),
            Stage("pending-approval", "waiting for an approval of the plan", 9 * HOUR, 9 * HOUR),
            Stage("executing", "applying the deploy plan", 50, 300),
            Stage("active", "deploy is active"),
        )
    )
    scenario = replace(SCENARIOS["approval"], steps=(2,), courses={(1, 2): waits})
    async with a_world(tmp_path) as world:
        told = await replies(world, scenario, hours=10, every=5 * MINUTE)

        install = _NAMES[occurrence(world, "pending-approval").install_id]
        first, *reminders = about(told, f"{install} needs approval")
        assert [round((r.minute - first.minute) / 60) for r in reminders] == [4, 8]
        assert [re.match(r"✋ still, for \d h", r.text) is not None for r in reminders] == [
            True
        ] * 2
        (goes_on,) = about(told, f"{install} was approved by robin@example.com")
        # It waits for a person: that nothing moves meanwhile is no news.
        quiet = about(told, "has stalled")
        assert [reply for reply in quiet if reply.minute <= goes_on.minute] == []


async def test_silence_is_told_after_half_an_hour_and_as_dead_after_an_hour(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        told = await replies(world, "slow", hours=1.2, every=2 * MINUTE)

        moved = occurrence(world, "active").at / MINUTE  # of the last deploy but the slow one
        (quiet,) = about(told, "has stalled")
        (dead,) = about(told, "timed out")
        assert "Nuon has stopped processing it" in dead.text
        assert quiet.is_broadcast
        assert dead.is_broadcast
        assert moved + 30 <= quiet.minute <= moved + 37
        assert dead.minute - quiet.minute == 30
        install = _NAMES[next(o.install_id for o in _unfinished(world, at=quiet.minute * MINUTE))]
        assert f"Still open: {install} (" in quiet.text
        assert f"Look at {install} and the runner there" in quiet.text


def _unfinished(world: World, *, at: float) -> list[Occurrence]:
    (rollout,) = world.platform._rollouts.values()
    lives = [d.life for step in rollout.steps for d in step.deploys if d.life[0].at <= at]
    return [life[0] for life in lives if life[-1].at > at]


async def test_what_was_dead_and_moves_again_is_told_to_move_and_may_fall_silent_again(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        told = await replies(world, "slow", hours=2.9, every=2 * MINUTE)

        (moves,) = about(told, "is moving again")
        assert not moves.is_broadcast
        assert 0 <= moves.minute - occurrence_of_last_deploy(world) <= 2
        quiet = [round(r.minute - moves.minute) for r in about(told, "has stalled")]
        dead = [round(r.minute - moves.minute) for r in about(told, "timed out")]
        assert [minute for minute in quiet if minute > 0] == [30]
        assert [minute for minute in dead if minute > 0] == [60]


def occurrence_of_last_deploy(world: World) -> float:
    """Return when the last deploy came to its end, in minutes."""
    (rollout,) = world.platform._rollouts.values()
    return max(d.life[-1].at for step in rollout.steps for d in step.deploys) / MINUTE


async def test_a_steps_own_delay_is_no_silence(tmp_path: Path) -> None:
    scenario = replace(SCENARIOS["happy"], steps=(2, 2), delays={2: 50 * MINUTE})
    async with a_world(tmp_path) as world:
        told = await replies(world, scenario, hours=1.3, every=2 * MINUTE)

        assert about(told, "has stalled") == []
        assert len(about(told, "is on all")) == 1


async def test_a_release_that_says_it_succeeded_while_a_deploy_is_under_way_is_not_believed(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        told = await replies(world, "disagree", hours=0.6, every=2 * MINUTE)

        (success,) = about(told, "is on all")
        (rollout,) = world.platform._rollouts.values()
        claimed = next(o.at for o in rollout.life if o.status == "active") / MINUTE
        assert claimed + 10 < occurrence_of_last_deploy(world) <= success.minute


async def test_a_release_that_says_it_succeeded_and_whose_deploy_then_failed_is_told_to_disagree(
    tmp_path: Path,
) -> None:
    fails_late = Course(
        (
            Stage("queued", "waiting for the install's runner", 1, 6),
            Stage("executing", "applying the deploy plan", 1200, 1300),
            Stage("error", "the pod was evicted"),
        ),
        is_awaited=False,
    )
    scenario = replace(SCENARIOS["disagree"], courses={(2, 2): fails_late})
    async with a_world(tmp_path) as world:
        told = await replies(world, scenario, hours=0.6, every=2 * MINUTE)

        assert about(told, "is on all") == []
        assert [reply for reply in about(told, "✅") if reply.is_broadcast] == []
        (disagrees,) = about(told, "has not succeeded everywhere")
        install = _NAMES[occurrence(world, "error").install_id]
        assert f"Look at {install} before you rely on this release" in disagrees.text
        assert len(about(told, f"{install} failed")) == 1
