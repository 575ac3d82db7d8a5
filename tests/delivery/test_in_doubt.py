"""Posts whose answer never came: looked for before they are sent again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.model import Target
from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.clock import Clock
from tests.support.delivery import (
    ARRIVED,
    HISTORY,
    HOOK,
    NOT_ARRIVED,
    POST,
    TARGET,
    Monitor,
    card,
    first_card,
    kept_keys,
    keys,
    life,
    note,
    notes,
    outcomes,
    reply,
    running,
)

HOUR = 3600.0
OTHER = Target("release", "rel-other")


@pytest.mark.parametrize("kind", ARRIVED)
async def test_a_post_whose_answer_was_lost_is_found_and_not_posted_again(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.5) as monitor:
        slack.fail(kind, POST)
        await monitor.save(*notes("a", "b"))
        await monitor.deliver()
        await monitor.deliver(after=2)

        history = await monitor.store.call(monitor.store.history.load, TARGET.id)

    assert keys(slack.channel("releases")) == ["a", "b"]
    assert [one.ts for one in history if hasattr(one, "ts")] == [
        post.ts for post in slack.channel("releases").posts
    ]
    assert monitor.count("posts_in_doubt", outcome="found") == 1
    assert monitor.count("posts_in_doubt", outcome="resent") == 0


@pytest.mark.parametrize("kind", NOT_ARRIVED)
async def test_a_post_that_did_not_arrive_is_looked_for_and_then_posted_again(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.5) as monitor:
        slack.fail(kind, POST)
        await monitor.save(*notes("a", "b"))
        await monitor.deliver()
        await monitor.wait_for_searches()

    assert keys(slack.channel("releases")) == ["a", "b"]
    assert outcomes(slack, HISTORY) == ["ok"] * 5
    assert monitor.count("posts_in_doubt", outcome="found") == 0
    assert monitor.count("posts_in_doubt", outcome="resent") == 1


async def test_a_post_in_doubt_is_not_looked_for_at_once(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a"))

    await monitor.deliver()
    await monitor.deliver(after=1.9)

    assert outcomes(monitor.slack, HISTORY) == []


async def test_a_reply_in_doubt_is_looked_for_in_its_thread(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("reset_after", POST)
    await monitor.save(reply("r1"), reply("r2"))

    await monitor.deliver()
    await monitor.deliver(after=2)

    (root,) = monitor.slack.channel("releases").messages
    assert [plain_text(one) for one in root.replies] == ["r1", "r2"]
    assert outcomes(monitor.slack, "conversations.replies") == ["ok"]


async def test_a_card_in_doubt_is_found_and_shows_the_newest_all_the_same(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    monitor.slack.fail("reset_after", POST)
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    await monitor.save(reply("r1"), cards=[card("1 of 3")])
    await monitor.deliver(after=2)

    (root,) = monitor.slack.channel("releases").messages
    assert plain_text(root) == "1 of 3"
    assert [plain_text(one) for one in root.replies] == ["r1"]


@pytest.mark.parametrize("kind", ["429", "503", "reset", "502", "garbage"])
async def test_a_look_that_fails_is_repeated_before_anything_is_posted(
    monitor: Monitor, kind: str
) -> None:
    monitor.slack.fail("reset_after", POST)
    monitor.slack.fail(kind, HISTORY, times=2, retry_after=30)
    await monitor.save(*notes("a", "b"))

    await monitor.deliver()
    for _ in range(4):
        await monitor.deliver(after=30)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_where_nobody_can_look_it_is_posted_again_counted_and_logged(
    monitor: Monitor,
) -> None:
    monitor.slack.scopes.remove("channels:history")
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    with capture_logs() as logs:
        await monitor.deliver(after=2)

    assert keys(monitor.slack.channel("releases")) == ["a", "a", "b"]
    assert monitor.count("posts_in_doubt", outcome="resent unsearched") == 1
    (entry,) = [log for log in logs if log["event"] == "resent_in_doubt"]
    assert (entry["key"], "channels:history" in entry["reason"]) == ("a", True)


async def test_through_a_webhook_a_post_in_doubt_is_posted_again_and_counted(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("reset_after", "webhook")
    await monitor.save(*notes("a", "b", destination=HOOK))

    await monitor.deliver()
    await monitor.deliver(after=2)

    assert monitor.slack.channel("releases").notifications() == ["a", "a", "b"]
    assert monitor.count("posts_in_doubt", outcome="resent unsearched") == 1


async def test_a_doubt_outlives_a_token_that_is_revoked_meanwhile(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.deliver(after=2)
    await monitor.deliver(after=30)
    assert monitor.count("posts_in_doubt", outcome="resent unsearched") == 0

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert monitor.count("posts_in_doubt", outcome="found") == 1


async def test_each_time_that_a_post_in_doubt_is_sent_again_is_counted(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", "webhook")
    monitor.slack.fail("503", "webhook", times=5)
    await monitor.save(*notes("a", destination=HOOK))

    while await monitor.outbox():
        await monitor.deliver(after=60)

    first, second = monitor.slack.channel("releases").notifications()
    assert (first, second.startswith("a · happened")) == ("a", True)
    assert monitor.count("posts_in_doubt", outcome="resent unsearched") == 6


async def test_through_a_webhook_that_fails_on_it_is_tried_ever_more_rarely(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("503", "webhook", times=None)
    await monitor.save(*notes("a", destination=HOOK))

    for _ in range(150):
        await monitor.deliver(after=2)

    assert len(outcomes(monitor.slack, "webhook")) < 20


@pytest.mark.parametrize("kind", ["reset", "404", "500", "error:no_service", "hang"])
async def test_the_webhooks_url_is_neither_logged_nor_kept_with_an_error(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.1) as monitor:
        if kind == "404":
            slack.revoke_webhook()
        else:
            slack.fail(kind, "webhook")
        await monitor.save(*notes("a", destination=HOOK))

        with capture_logs() as logs:
            await monitor.deliver()

        (kept,) = await monitor.outbox()
        assert kept.error
        assert "/services/" not in f"{logs}{kept}{monitor.problem()}"


# What is stored late


@pytest.mark.parametrize("seconds", [1, 4, 9, 25])
@pytest.mark.parametrize("kind", ["reset_after", "500_after", "503_after"])
async def test_a_post_that_is_stored_late_is_found_and_not_posted_again(
    monitor: Monitor, kind: str, seconds: float
) -> None:
    monitor.slack.fail(kind, POST, stored_after=HOUR)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    for passed in range(1, 32):
        if passed > seconds:
            await monitor.slack.settle()
        await monitor.deliver(after=1)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert monitor.count("posts_in_doubt", outcome="found") == 1


async def test_a_post_in_doubt_holds_up_its_own_rollout_only(monitor: Monitor) -> None:
    other = msgspec.structs.replace(note("other"), target=OTHER)
    monitor.slack.fail("reset_before", POST)
    await monitor.save(*notes("a", "b"), other)

    await monitor.deliver()
    meanwhile = keys(monitor.slack.channel("releases"))
    await monitor.wait_for_searches()

    assert meanwhile == ["other"]
    assert keys(monitor.slack.channel("releases")) == ["other", "a", "b"]


async def test_a_search_that_is_not_answered_holds_up_no_post(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    monitor.slack.fail("hang", HISTORY)
    await monitor.save(*notes("a"))
    await monitor.deliver()

    async with running(monitor):
        monitor.clock.advance(2)
        monitor.delivery.wake()
        await monitor.slack.wait_until(lambda: outcomes(monitor.slack, HISTORY) == ["hang"])
        await monitor.save(msgspec.structs.replace(note("other"), target=OTHER))
        monitor.delivery.wake()
        await monitor.slack.wait_until(
            lambda: keys(monitor.slack.channel("releases")) == ["a", "other"]
        )
        await monitor.slack.stop()


async def test_what_others_wrote_with_our_metadata_is_not_taken_for_ours(monitor: Monitor) -> None:
    forged = {"event_type": "nuon_monitor_notification", "event_payload": {"key": "a"}}
    monitor.slack.write("releases", "not a", author="U0OTHER", metadata=forged)
    monitor.slack.fail("reset_before", POST)
    await monitor.save(*notes("a"))
    await monitor.deliver()
    await monitor.wait_for_searches()
    await monitor.deliver(after=300)

    assert [plain_text(post) for post in monitor.slack.channel("releases").messages] == [
        "not a",
        "a",
    ]


async def test_where_one_search_a_minute_is_allowed_one_is_enough(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    monitor.slack.fail("429", HISTORY, retry_after=60)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()
    await monitor.deliver(after=2)
    await monitor.deliver(after=59)
    assert outcomes(monitor.slack, HISTORY) == ["429"]

    await monitor.deliver(after=1)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_search_that_is_put_off_for_long_is_not_waited_for(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    monitor.slack.fail("429", HISTORY, retry_after=600)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    await monitor.deliver(after=2)
    before = kept_keys(monitor.slack.channel("releases"))
    await monitor.deliver(after=300)

    assert (before, kept_keys(monitor.slack.channel("releases"))) == (["a", "a", "b"], ["a", "b"])
    assert monitor.count("posts_in_doubt", outcome="resent unsearched") == 1


async def test_a_clock_that_is_set_back_begins_the_searches_anew(monitor: Monitor) -> None:
    monitor.slack.fail("reset_before", POST)
    await monitor.save(*notes("a"))
    await monitor.deliver()
    monitor.clock.advance(-3600)
    await monitor.delivery.hurry()

    await monitor.deliver(after=2)
    await monitor.wait_for_searches()

    assert keys(monitor.slack.channel("releases")) == ["a"]
