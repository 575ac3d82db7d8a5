"""After a time in which nothing could be sent, or nobody looked, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.simulation.audit import Audit, audit, summary_due, summary_on
from monitor.simulation.slack import plain_text
from tests.support.delivery import FOR_PEOPLE
from tests.support.world import World, a_world

HOUR = 3600.0


def judge(world: World, release_id: str, channel: str) -> Audit:
    return audit(world.platform.rollout(release_id), world.slack.channel(channel))


@pytest.mark.parametrize("scenario", ["failure", "retry", "flicker"])
async def test_what_happened_while_slack_was_away_is_all_told_in_a_message_or_two(
    tmp_path: Path, scenario: str
) -> None:
    async with a_world(tmp_path) as world:
        world.pace = FOR_PEOPLE
        release = world.platform.add(scenario, seed=1)
        async with world.monitor(release) as app:
            await world.look(app)
            before = len(world.channel.posts)
            world.slack.fail("error:service_unavailable", times=None)
            while world.platform.seconds_of(release) < HOUR:
                await world.look(app, after=30)
            world.slack.faults.clear()
            for _ in range(10):
                await world.look(app, after=60)

        findings = audit(world.platform.rollout(release), world.channel)
        assert findings.is_clean, findings
        loud = [post for post in world.channel.posts[before:] if post.is_broadcast]
        assert len(loud) <= 2
        if scenario != "retry":  # whose new attempt was over before its card was posted
            (card,) = world.cards(release)
            assert summary_on(card) == summary_due(world.platform.rollout(release))


async def test_what_happened_while_the_monitor_was_away_says_when_and_pings_for_what_is_active(
    tmp_path: Path,
) -> None:
    route = '[[route]]\nevents = ["failed", "succeeded"]\nchannel = "{}"\nmention = ["@here"]\n'
    async with a_world(tmp_path) as world:
        world.more = route.format(world.channel.id)
        failure, well = (world.platform.add(name, seed=1) for name in ("failure", "happy"))
        async with world.monitor(failure, well) as app:
            await world.look(app)
        world.clock.advance(5 * HOUR)
        async with world.monitor(failure, well) as app:
            await world.look(app)
            await world.look(app, after=15)

        (failed,) = [post for post in world.replies(failure) if post.is_broadcast]
        (succeeded,) = [post for post in world.replies(well) if post.is_broadcast]
        assert " · happened <!date^" in failed.text
        assert " · happened <!date^" in succeeded.text
        assert "<!here>" in failed.text
        assert "<!here>" not in succeeded.text
        assert "happened " in plain_text(failed)
