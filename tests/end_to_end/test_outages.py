"""Whatever goes wrong with Slack, from end to end: everything arrives, in order, each once.

The oracle is the one of `test_rollouts`: what the simulated platform knows that happened
against what the simulated Slack shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from monitor.config import Config
from monitor.deliver.pace import Pace
from monitor.errors import DestinationError
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.audit import Audit, audit
from monitor.simulation.slack import Channel, Posted
from monitor.store import DeliveryState, Store
from tests.support.long_tests import IS_LONG
from tests.support.world import CHANNEL, World, a_world

POST, EDIT = "chat.postMessage", "chat.update"
MINUTE, DAY = 60.0, 86400.0
_DAYS = 40 if IS_LONG else 4


@dataclass
class Town(World):
    """A world whose releases may have channels of their own, by their ids, and whose monitor
    starts without Slack as well.
    """

    channel_of: dict[str, str] = field(default_factory=dict)

    def config(self, *release_ids: str) -> Config:
        config = super().config(*release_ids)
        watches = tuple(
            watch.model_copy(update={"channel": self.channel_of.get(watch.target.id)})
            for watch in config.watch
        )
        return config.model_copy(update={"watch": watches})

    @asynccontextmanager
    async def monitor(self, *release_ids: str) -> AsyncIterator[App]:
        pace = Pace(post=0, edit=0)
        async with build(self.config(*release_ids), pace=pace, now=self.clock.now) as app:
            with contextlib.suppress(DestinationError):
                await app.slack.check_token()
            yield app

    def cards(self, release_id: str) -> list[Posted]:
        """Return a release's cards as they stand, also those in place of one that was lost."""
        posts = self.channel.messages
        return [post for post in posts if release_id in key_of(post) and "/card/" in key_of(post)]

    def add(self, scenario: str, *, seed: int) -> str:
        """Add a release, a while after the one before."""
        self.clock.advance(90)
        return self.platform.add(scenario, seed=seed)

    def judge(self, release_id: str) -> Audit:
        """Compare what happened to one release with what was told of it, in its own channel."""
        channel = self.slack.channel(self.channel_of.get(release_id, CHANNEL))
        its = {post.ts: post for post in channel.posts if release_id in key_of(post)}
        return audit(self.platform.rollout(release_id), replace(channel, by_ts=its))

    def waiting(self) -> list[str]:
        """Return the keys of what is not sent, in order."""
        with Store.open_readonly(self.store_url) as store:
            return [queued.key for queued in store.outbox.unsent()]


@asynccontextmanager
async def a_town(folder: Path) -> AsyncIterator[Town]:
    async with a_world(folder) as world:
        yield Town(world.clock, world.platform, world.slack, world.folder)


class Life:
    """A monitor through the ages: it can be restarted, and goes on where it was."""

    def __init__(self, town: Town, stack: AsyncExitStack, release_ids: list[str]) -> None:
        self._town = town
        self._stack = stack
        self.release_ids = release_ids
        self.app: App

    async def restart(self) -> None:
        await self._stack.aclose()
        self.app = await self._stack.enter_async_context(self._town.monitor(*self.release_ids))

    async def go_on(self, seconds: float, *, every: float = MINUTE) -> None:
        for _ in range(round(seconds / every)):
            await self._town.look(self.app, after=every)

    async def catch_up(self) -> None:
        """Go on until nothing waits; raises AssertionError where that never comes."""
        for _ in range(40):
            await self.go_on(5 * MINUTE, every=5 * MINUTE)
            if not self._town.waiting():
                return
        raise AssertionError(self._town.waiting())

    def slack_problem(self) -> str | None:
        return next(check.problem for check in self.app.probes.ready() if check.name == "slack")


@asynccontextmanager
async def living(town: Town, *release_ids: str) -> AsyncIterator[Life]:
    async with AsyncExitStack() as stack:
        life = Life(town, stack, list(release_ids))
        await life.restart()
        yield life


def key_of(post: Posted) -> str:
    return str(((post.metadata or {}).get("event_payload") or {}).get("key", ""))


def keys(posts: Sequence[Posted]) -> list[str]:
    return [key_of(post) for post in posts]


def saying(channel: Channel, words: str) -> list[str]:
    return [text for text in channel.notifications() if words in text]


def clean(findings: Audit) -> bool:
    return findings.is_clean and findings.sentence_count > 0


# Slack is away


async def test_after_days_without_slack_all_arrives_in_order_and_once(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        everything: list[str] = []
        await town.slack.stop()
        for day in range(_DAYS):
            if day == _DAYS // 2:  # there again, but not well
                await town.slack.start()
                for kind in ("500", "502", "503", "504"):
                    town.slack.fail(kind, times=None, probability=0.4)
                town.slack.fail("502", times=None)
            scenarios = ("retry", "failure") if day % 2 else ("failure", "flicker")
            today = [town.add(scenario, seed=day) for scenario in scenarios]
            everything += today
            async with living(town, *today) as life:
                await life.go_on(8 * MINUTE)
                await life.restart()
                await life.go_on(8 * MINUTE)
                assert life.slack_problem() is not None
            town.clock.advance(DAY)
        queued = town.waiting()
        assert len(queued) > 8 * _DAYS

        town.slack.faults.clear()
        async with living(town, *everything) as life:
            await life.catch_up()
            assert life.slack_problem() is None

        assert keys(town.channel.posts) == queued
        assert all(clean(town.judge(release_id)) for release_id in everything)


async def test_a_storm_of_limits_on_everything_costs_nothing(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("retry", seed=1)
        town.slack.fail("429", times=None, probability=0.7, retry_after=20)
        async with living(town, release_id) as life:
            await life.go_on(10 * MINUTE)
            await life.restart()
            await life.go_on(10 * MINUTE)
            await life.catch_up()

        assert clean(town.judge(release_id))


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
    async with a_town(tmp_path) as town:
        release_id = town.add("retry", seed=1)
        async with living(town, release_id) as life:
            for number, kind in enumerate(kinds * 4, start=1):
                for method in (POST, EDIT, "conversations.replies"):
                    town.slack.fail(kind, method, probability=0.7)
                await life.go_on(16 * MINUTE / len(kinds) / 4, every=30)
                if number % (2 * len(kinds)) == 0:
                    await life.restart()
            await life.catch_up()

        struck = {request.outcome for request in town.slack.requests}
        assert struck >= set(kinds)
        assert clean(town.judge(release_id))


async def test_a_code_that_nobody_knows_costs_nothing_when_it_passes(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("failure", seed=1)
        async with living(town, release_id) as life:
            await life.go_on(3 * MINUTE)
            town.slack.fail("error:moving_house", times=None)
            await life.go_on(12 * MINUTE)
            assert "moving_house" in str(life.slack_problem())

            town.slack.faults.clear()
            await life.catch_up()

        assert clean(town.judge(release_id))
        assert tuple(town.cards(release_id)[0].blocks) == town.card_of(release_id)


# The token


@pytest.mark.parametrize("mended", ["valid again", "a new one, by a restart"])
async def test_with_a_revoked_token_all_is_kept_until_it_is_mended(
    tmp_path: Path, mended: str
) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("failure", seed=1)
        async with living(town, release_id) as life:
            await life.go_on(3 * MINUTE)
            town.slack.revoke_token()
            await life.go_on(8 * MINUTE)
            await life.restart()
            await life.go_on(5 * MINUTE)
            assert "token_revoked" in str(life.slack_problem())

            town.slack.restore_token()
            if mended != "valid again":
                town.slack.token = "xoxb-rotated"
                await life.go_on(5 * MINUTE)
                assert "invalid_auth" in str(life.slack_problem())
                await life.restart()
            await life.catch_up()

            assert life.slack_problem() is None
        assert clean(town.judge(release_id))


# A channel


async def test_a_channel_that_refuses_is_told_once_elsewhere_and_again_when_it_works(
    tmp_path: Path,
) -> None:
    async with a_town(tmp_path) as town:
        town.slack.add_channel("ops")
        here, there = town.add("retry", seed=1), town.add("retry", seed=2)
        town.channel_of[there] = "#ops"
        async with living(town, here, there) as life:
            await life.go_on(3 * MINUTE)
            town.slack.archive("ops")
            for _ in range(3):
                await life.go_on(6 * MINUTE)
                await life.restart()
            (told,) = saying(town.channel, "#ops")
            assert told.startswith("⚠️ Cannot post to #ops\nSince Dec 1, 2025 12:")
            assert "Slack answered is_" in told
            assert life.slack_problem() is None
            await life.app.probes.refresh_metrics()
            assert sample(life.app, "channels_refusing") == 1

            town.slack.unarchive("ops")
            await life.catch_up()
            await life.restart()
            await life.catch_up()

            _, again = saying(town.channel, "#ops")
            assert again.startswith("✅ #ops takes messages again\nIt refused them for ")
            await life.app.probes.refresh_metrics()
            assert sample(life.app, "channels_refusing") == 0
        assert clean(town.judge(here))
        assert clean(town.judge(there))


async def test_a_second_outage_of_a_channel_is_told_again(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        town.slack.add_channel("ops")
        release_id = town.add("approval", seed=2)
        town.channel_of[release_id] = "#ops"
        async with living(town, release_id) as life:
            for _ in range(2):
                await life.go_on(3 * MINUTE)
                town.slack.archive("ops")
                await life.go_on(4 * MINUTE)
                town.slack.unarchive("ops")
                await life.catch_up()

        firsts = [text.split(maxsplit=1)[0] for text in saying(town.channel, "#ops")]
        assert firsts == ["⚠️", "✅", "⚠️", "✅"]


async def test_the_only_channel_that_refuses_is_a_problem_of_the_whole(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("failure", seed=1)
        async with living(town, release_id) as life:
            await life.go_on(3 * MINUTE)
            town.slack.archive(CHANNEL)
            await life.go_on(10 * MINUTE)
            await life.restart()
            assert f"{town.channel.id}: Slack answered is_" in str(life.slack_problem())

            town.slack.unarchive(CHANNEL)
            await life.catch_up()

            assert life.slack_problem() is None
        assert saying(town.channel, "Cannot post") == []
        assert clean(town.judge(release_id))


async def test_when_every_channel_refuses_the_news_of_it_is_neither_lost_nor_false(
    tmp_path: Path,
) -> None:
    async with a_town(tmp_path) as town:
        town.slack.add_channel("ops")
        here, there = town.add("retry", seed=1), town.add("retry", seed=2)
        town.channel_of[there] = "#ops"
        async with living(town, here, there) as life:
            await life.go_on(3 * MINUTE)
            town.slack.archive("ops")
            town.slack.archive(CHANNEL)
            await life.go_on(10 * MINUTE)
            assert "#ops: Slack answered is_" in str(life.slack_problem())

            town.slack.unarchive("ops")
            await life.go_on(6 * MINUTE)
            assert life.slack_problem() is None
            town.slack.unarchive(CHANNEL)
            await life.catch_up()

        # The first that refused is told of in the other one, perhaps each in the other.
        told = [
            saying(town.channel, "#ops"),
            saying(town.slack.channel("ops"), town.channel.id),
        ]
        firsts = [[text.split(maxsplit=1)[0] for text in texts] for texts in told]
        assert firsts in ([["⚠️", "✅"], []], [[], ["⚠️", "✅"]], [["⚠️", "✅"], ["⚠️", "✅"]])
        assert clean(town.judge(here))
        assert clean(town.judge(there))


def sample(app: App, name: str) -> float | None:
    return app.metrics.registry.get_sample_value(f"nuon_monitor_{name}")


# A message


async def test_cards_that_people_delete_are_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("failure", seed=1)
        async with living(town, release_id) as life:
            deleted = 0
            for _ in range(5):
                await life.go_on(2 * MINUTE, every=30)
                for card in town.cards(release_id):
                    town.slack.delete_message(card.ts)
                    deleted += 1
            await life.go_on(5 * MINUTE)
            await life.catch_up()

        assert deleted > 1
        (card,) = town.cards(release_id)
        assert tuple(card.blocks) == town.card_of(release_id)
        assert clean(town.judge(release_id))


async def test_what_slack_will_not_draw_is_told_as_plain_text(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("failure", seed=1)
        async with living(town, release_id) as life:
            for _ in range(26):
                town.slack.faults.clear()
                town.slack.fail("error:invalid_blocks", POST)
                await life.go_on(30, every=30)

        assert not any(post.blocks for post in town.replies(release_id)[:2])
        assert clean(town.judge(release_id))


async def test_what_slack_refuses_twice_is_listed_and_goes_out_when_a_person_asks(
    tmp_path: Path,
) -> None:
    async with a_town(tmp_path) as town:
        release_id = town.add("failure", seed=1)
        async with living(town, release_id) as life:
            await life.go_on(1 * MINUTE)
            town.slack.fail("error:invalid_blocks", POST, times=2)
            await life.go_on(12 * MINUTE)
            with Store.open_beside(town.store_url) as beside:
                (aside,) = beside.outbox.unsent()
                assert aside.state is DeliveryState.SET_ASIDE
                assert aside.error == "Slack answered invalid_blocks to chat.postMessage"
                assert town.judge(release_id).lost

                beside.outbox.retry([aside.id], town.clock.now())
            await life.catch_up()

        assert clean(town.judge(release_id))
