"""Posts whose answer never came: looked for before they are sent again."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

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
    keys,
    life,
    notes,
    outcomes,
    reply,
)


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
    assert monitor.count("posts_in_doubt", resolution="found") == 1
    assert monitor.count("posts_in_doubt", resolution="resent") == 0


@pytest.mark.parametrize("kind", NOT_ARRIVED)
async def test_a_post_that_did_not_arrive_is_looked_for_and_then_posted_again(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.5) as monitor:
        slack.fail(kind, POST)
        await monitor.save(*notes("a", "b"))
        await monitor.deliver()
        await monitor.deliver(after=2)

    assert keys(slack.channel("releases")) == ["a", "b"]
    assert monitor.count("posts_in_doubt", resolution="found") == 0
    assert monitor.count("posts_in_doubt", resolution="resent") == 1


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
    assert monitor.count("posts_in_doubt", resolution="unknown") == 1
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
    assert monitor.count("posts_in_doubt", resolution="unknown") == 1


async def test_a_doubt_outlives_a_token_that_is_revoked_meanwhile(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.deliver(after=2)
    await monitor.deliver(after=30)
    assert monitor.count("posts_in_doubt", resolution="unknown") == 0

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert monitor.count("posts_in_doubt", resolution="found") == 1


async def test_one_post_in_doubt_through_an_outage_is_counted_once(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", "webhook")
    monitor.slack.fail("503", "webhook", times=5)
    await monitor.save(*notes("a", destination=HOOK))

    while await monitor.outbox():
        await monitor.deliver(after=60)

    assert monitor.slack.channel("releases").notifications() == ["a", "a"]
    assert monitor.count("posts_in_doubt", resolution="unknown") == 1


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
