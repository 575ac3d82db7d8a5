"""Whatever goes wrong with Slack, from end to end: everything arrives, in order, each once.

The oracle is the one of `test_rollouts`: what the simulated platform knows that happened
against what the simulated Slack shows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.service.app import App
from monitor.simulation.audit import Audit, audit
from monitor.simulation.slack import Channel
from monitor.store import DeliveryState, Store
from tests.support.expected import card_of
from tests.support.long_tests import IS_LONG
from tests.support.world import CHANNEL, World, a_world, key_of

POST, EDIT = "chat.postMessage", "chat.update"
MINUTE, DAY = 60.0, 86400.0
_DAYS = 40 if IS_LONG else 4


def add(world: World, scenario: str, *, seed: int) -> str:
    """Add a release, a while after the one before."""
    world.clock.advance(90)
    return world.platform.add(scenario, seed=seed)


def judge(world: World, release_id: str) -> Audit:
    """Compare what happened to one release with what was told of it, in its own channel."""
    channel = world.slack.channel(world.channel_of.get(release_id, CHANNEL))
    its = {post.ts: post for post in channel.posts if release_id in key_of(post)}
    return audit(world.platform.rollout(release_id), replace(channel, by_ts=its))


def waiting(world: World) -> list[str]:
    """Return the keys of what is not sent, in order."""
    with Store.open_readonly(world.store_url) as store:
        return [queued.key for queued in store.outbox.unsent()]


class Life:
    """A monitor through the ages: it can be restarted, and goes on where it was."""

    def __init__(self, world: World, stack: AsyncExitStack, release_ids: list[str]) -> None:
        self._world = world
        self._stack = stack
        self.release_ids = release_ids
        self.app: App

    async def restart(self) -> None:
        await self._stack.aclose()
        self.app = await self._stack.enter_async_context(self._world.monitor(*self.release_ids))

    async def go_on(self, seconds: float, *, every: float = MINUTE) -> None:
        for _ in range(round(seconds / every)):
            await self._world.look(self.app, after=every)

    async def catch_up(self) -> None:
        """Go on until nothing waits; raises AssertionError where that never comes."""
        for _ in range(40):
            await self.go_on(5 * MINUTE, every=5 * MINUTE)
            if not waiting(self._world):
                return
        raise AssertionError(waiting(self._world))

    def slack_problem(self) -> str | None:
        return next(check.problem for check in self.app.probes.ready() if check.name == "slack")


@asynccontextmanager
async def living(world: World, *release_ids: str) -> AsyncIterator[Life]:
    async with AsyncExitStack() as stack:
        life = Life(world, stack, list(release_ids))
        await life.restart()
        yield life


def saying(channel: Channel, words: str) -> list[str]:
    return [text for text in channel.notifications() if words in text]


def clean(findings: Audit) -> bool:
    return findings.is_clean and findings.sentence_count > 0


# Slack is away


async def test_after_days_without_slack_all_arrives_in_order_and_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        everything: list[str] = []
        await world.slack.stop()
        for day in range(_DAYS):
            if day == _DAYS // 2:  # there again, but not well
                await world.slack.start()
                for kind in ("500", "502", "503", "504"):
                    world.slack.fail(kind, times=None, probability=0.4)
                world.slack.fail("502", times=None)
            scenarios = ("retry", "failure") if day % 2 else ("failure", "flicker")
            today = [add(world, scenario, seed=day) for scenario in scenarios]
            everything += today
            async with living(world, *today) as life:
                await life.go_on(8 * MINUTE)
                await life.restart()
                await life.go_on(8 * MINUTE)
                assert life.slack_problem() is not None
            world.clock.advance(DAY)
        queued = waiting(world)
        assert len(queued) > 8 * _DAYS

        world.slack.faults.clear()
        async with living(world, *everything) as life:
            await life.catch_up()
            assert life.slack_problem() is None

        # What matters most goes first, and each rollout's messages in their order.
        assert sorted(world.keys) == sorted(queued)
        for release_id in everything:
            assert of_rollout(world.keys, release_id) == of_rollout(queued, release_id)
        assert all(clean(judge(world, release_id)) for release_id in everything)


def of_rollout(keys: Iterable[str], release_id: str) -> list[str]:
    return [key for key in keys if release_id in key]


async def test_a_storm_of_limits_on_everything_costs_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "retry", seed=1)
        world.slack.fail("429", times=None, probability=0.7, retry_after=20)
        async with living(world, release_id) as life:
            await life.go_on(10 * MINUTE)
            await life.restart()
            await life.go_on(10 * MINUTE)
            await life.catch_up()

        assert clean(judge(world, release_id))


BROKEN = {
    "resets": ("reset_before", "reset_after"),
    "gateways": ("502", "502_after", "504", "504_after"),
    "errors of its own": ("error:internal_error", "error:fatal_error_after", "503"),
    "half answers": ("garbage", "garbage_after"),
}


@pytest.mark.parametrize("kinds", BROKEN.values(), ids=BROKEN.keys())
async def test_calls_that_break_before_or_after_they_were_read_repeat_nothing(
    tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "retry", seed=1)
        async with living(world, release_id) as life:
            for number, kind in enumerate(kinds * 4, start=1):
                for method in (POST, EDIT, "conversations.replies"):
                    world.slack.fail(kind, method, probability=0.7)
                await life.go_on(16 * MINUTE / len(kinds) / 4, every=30)
                if number % (2 * len(kinds)) == 0:
                    await life.restart()
            await life.catch_up()

        struck = {request.outcome for request in world.slack.requests}
        assert struck >= set(kinds)
        assert clean(judge(world, release_id))


async def test_a_code_that_nobody_knows_costs_nothing_when_it_passes(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "failure", seed=1)
        async with living(world, release_id) as life:
            await life.go_on(3 * MINUTE)
            world.slack.fail("error:moving_house", times=None)
            await life.go_on(12 * MINUTE)
            assert "moving_house" in str(life.slack_problem())

            world.slack.faults.clear()
            await life.catch_up()

        assert clean(judge(world, release_id))
        assert tuple(world.cards(release_id)[0].blocks) == card_of(world, release_id)


# The token


@pytest.mark.parametrize("mended", ["valid again", "a new one, by a restart"])
async def test_with_a_revoked_token_all_is_kept_until_it_is_mended(
    tmp_path: Path, mended: str
) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "failure", seed=1)
        async with living(world, release_id) as life:
            await life.go_on(3 * MINUTE)
            world.slack.revoke_token()
            await life.go_on(8 * MINUTE)
            await life.restart()
            await life.go_on(5 * MINUTE)
            assert "token_revoked" in str(life.slack_problem())

            world.slack.restore_token()
            if mended != "valid again":
                world.slack.token = "xoxb-rotated"
                await life.go_on(5 * MINUTE)
                assert "invalid_auth" in str(life.slack_problem())
                await life.restart()
            await life.catch_up()

            assert life.slack_problem() is None
        assert clean(judge(world, release_id))


# A channel


async def test_a_channel_that_refuses_is_told_once_elsewhere_and_again_when_it_works(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.slack.add_channel("ops")
        here, there = add(world, "retry", seed=1), add(world, "retry", seed=2)
        world.channel_of[there] = "#ops"
        async with living(world, here, there) as life:
            await life.go_on(3 * MINUTE)
            world.slack.archive("ops")
            for _ in range(3):
                await life.go_on(6 * MINUTE)
                await life.restart()
            (told,) = saying(world.channel, "#ops")
            assert told == "⚠️ Can't post to #ops: the channel is archived"
            assert life.slack_problem() is None
            await life.app.probes.refresh_metrics()
            assert sample(life.app, "channels_refusing") == 1

            world.slack.unarchive("ops")
            await life.catch_up()
            await life.restart()
            await life.catch_up()

            _, again = saying(world.channel, "#ops")
            assert again.startswith("✅ #ops takes messages again, after ")
            await life.app.probes.refresh_metrics()
            assert sample(life.app, "channels_refusing") == 0
        assert clean(judge(world, here))
        assert clean(judge(world, there))


async def test_a_second_outage_of_a_channel_is_told_again(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.slack.add_channel("ops")
        release_id = add(world, "approval", seed=2)
        world.channel_of[release_id] = "#ops"
        async with living(world, release_id) as life:
            for _ in range(2):
                await life.go_on(3 * MINUTE)
                world.slack.archive("ops")
                await life.go_on(4 * MINUTE)
                world.slack.unarchive("ops")
                await life.catch_up()

        firsts = [text.split(maxsplit=1)[0] for text in saying(world.channel, "#ops")]
        assert firsts == ["⚠️", "✅", "⚠️", "✅"]


async def test_the_only_channel_that_refuses_is_a_problem_of_the_whole(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "failure", seed=1)
        async with living(world, release_id) as life:
            await life.go_on(3 * MINUTE)
            world.slack.archive(CHANNEL)
            await life.go_on(10 * MINUTE)
            await life.restart()
            assert f"{world.channel.id}: Slack answered is_" in str(life.slack_problem())

            world.slack.unarchive(CHANNEL)
            await life.catch_up()

            assert life.slack_problem() is None
        assert saying(world.channel, "Cannot post") == []
        assert clean(judge(world, release_id))


async def test_when_every_channel_refuses_the_news_of_it_is_neither_lost_nor_false(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.slack.add_channel("ops")
        here, there = add(world, "retry", seed=1), add(world, "retry", seed=2)
        world.channel_of[there] = "#ops"
        async with living(world, here, there) as life:
            await life.go_on(3 * MINUTE)
            world.slack.archive("ops")
            world.slack.archive(CHANNEL)
            await life.go_on(10 * MINUTE)
            assert "#ops: Slack answered is_" in str(life.slack_problem())

            world.slack.unarchive("ops")
            await life.go_on(6 * MINUTE)
            assert life.slack_problem() is None
            world.slack.unarchive(CHANNEL)
            await life.catch_up()

        # The first that refused is told of in the other one, perhaps each in the other.
        told = [
            saying(world.channel, "#ops"),
            saying(world.slack.channel("ops"), world.channel.id),
        ]
        firsts = [[text.split(maxsplit=1)[0] for text in texts] for texts in told]
        assert firsts in ([["⚠️", "✅"], []], [[], ["⚠️", "✅"]], [["⚠️", "✅"], ["⚠️", "✅"]])
        assert clean(judge(world, here))
        assert clean(judge(world, there))


def sample(app: App, name: str) -> float | None:
    return app.metrics.registry.get_sample_value(f"nuon_monitor_{name}")


# A message


async def test_cards_that_people_delete_are_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "failure", seed=1)
        async with living(world, release_id) as life:
            deleted = 0
            for _ in range(5):
                await life.go_on(2 * MINUTE, every=30)
                for card in world.cards(release_id):
                    world.slack.delete_message(card.ts)
                    deleted += 1
            await life.go_on(5 * MINUTE)
            await life.catch_up()

        assert deleted > 1
        (card,) = world.cards(release_id)
        assert tuple(card.blocks) == card_of(world, release_id)
        assert clean(judge(world, release_id))


async def test_what_slack_will_not_draw_is_told_as_plain_text(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "failure", seed=1)
        async with living(world, release_id) as life:
            for _ in range(26):
                world.slack.faults.clear()
                world.slack.fail("error:invalid_blocks", POST)
                await life.go_on(30, every=30)

        assert not any(post.blocks for post in world.replies(release_id)[:2])
        assert clean(judge(world, release_id))


async def test_what_slack_refuses_twice_is_listed_and_goes_out_when_a_person_asks(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = add(world, "failure", seed=1)
        async with living(world, release_id) as life:
            await life.go_on(1 * MINUTE)
            world.slack.fail("error:invalid_blocks", POST, times=2)
            await life.go_on(12 * MINUTE)
            with Store.open_beside(world.store_url) as beside:
                (aside,) = beside.outbox.unsent()
                assert aside.state is DeliveryState.SET_ASIDE
                assert aside.error == "Slack answered invalid_blocks to chat.postMessage"
                assert judge(world, release_id).lost

                beside.outbox.retry([aside.id], world.clock.now())
            await life.catch_up()

        assert clean(judge(world, release_id))
