"""After Slack was away people find how things stand, not a replay of what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.model import EventKind, Form, Notification, OutageKey
from monitor.simulation.slack import Posted, SimulatedSlack, plain_text
from monitor.store import DeliveryState, PastNotification
from tests.support.clock import Clock
from tests.support.delivery import FOR_PEOPLE, HOOK, Monitor, blocks, life, note
from tests.support.rollouts import Release

HOUR = 3600.0
DAY = 24 * HOUR
INSTALLS = tuple(f"inl{number}" for number in range(12))


@pytest.fixture
async def monitor(slack: SimulatedSlack, tmp_path: Path, clock: Clock) -> AsyncIterator[Monitor]:
    async with life(slack, tmp_path, clock, pace=FOR_PEOPLE) as running:
        yield running


async def start(monitor: Monitor, name: str, *installs: str) -> Release:
    one = Release(monitor, name)
    await one.poll(dict.fromkeys(installs or INSTALLS, "executing"))
    await monitor.deliver(after=1)
    return one


def go_away(monitor: Monitor) -> None:
    monitor.slack.fail("error:service_unavailable", times=None)


async def come_back(monitor: Monitor, *, after: float) -> list[Posted]:
    """Let Slack be there again, and return what is posted then."""
    before = len(monitor.slack.channel("releases").posts)
    monitor.slack.faults.clear()
    await monitor.deliver(after=after)
    while await monitor.outbox():
        await monitor.deliver(after=20)
    return monitor.slack.channel("releases").posts[before:]


def in_channel(posts: list[Posted]) -> list[Posted]:
    """What notifies people: not cards, nor replies that are only in a thread."""
    return [
        post
        for post in posts
        if "/card/" not in key_of(post) and (post.thread_ts is None or post.is_broadcast)
    ]


def key_of(post: Posted) -> str:
    return str((post.metadata or {})["event_payload"]["key"])


async def test_what_failed_and_recovered_while_slack_was_away_pings_nobody(
    monitor: Monitor,
) -> None:
    shop = await start(monitor, "shop")
    other = await start(monitor, "other", "inl1")
    go_away(monitor)
    for failed in range(1, 7):
        await shop.poll(
            {one: "error" if n < failed else "executing" for n, one in enumerate(INSTALLS)}
        )
        await monitor.deliver(after=120)
    await shop.succeed(*INSTALLS)
    await other.succeed("inl1")

    posts = await come_back(monitor, after=HOUR)

    (summary,) = in_channel(posts)
    text = plain_text(summary)
    assert "<!here>" not in f"{summary.text}{summary.blocks}"
    assert "While Slack was away" in text
    assert "✅ shop" in text
    assert "6 failed, 6 recovered meanwhile" in text
    assert "✅ other" in text
    assert "1 failed" not in text
    (card, _) = monitor.slack.channel("releases").messages[:2]
    assert plain_text(card).startswith("✅ shop")


async def test_a_rollout_still_in_trouble_has_one_message_that_says_what_became_of_it(
    monitor: Monitor,
) -> None:
    shop = await start(monitor, "shop")
    go_away(monitor)
    for failed in range(1, 13):
        await shop.poll(
            {one: "error" if n < failed else "executing" for n, one in enumerate(INSTALLS)}
        )
        await monitor.deliver(after=60)
    await shop.poll({one: "active" if n else "error" for n, one in enumerate(INSTALLS)})

    posts = await come_back(monitor, after=HOUR)

    (told,) = in_channel(posts)
    assert told.is_broadcast
    assert "while Slack was away" in told.text
    assert "12 failed, 11 recovered, 1 still failing" in told.text
    assert "<!here>" in told.text
    assert "inl0" in plain_text(told)
    assert "helm timed out" in plain_text(told)


async def test_after_two_days_with_500_rollouts_people_find_how_all_of_them_stand(
    monitor: Monitor,
) -> None:
    known = [await start(monitor, f"known{number}", "a", "b") for number in range(20)]
    go_away(monitor)
    new = [Release(monitor, f"new{number}") for number in range(480)]
    for release in (*known, *new):
        await release.poll({"a": "executing", "b": "executing"})
        await release.poll({"a": "error", "b": "executing"})
    await monitor.deliver(after=DAY)
    failing = [*known[:2], *new[:5]]
    for release in (*known, *new):
        if release in failing:
            await release.poll({"a": "error", "b": "active"})
        else:
            await release.succeed("a", "b")

    posts = await come_back(monitor, after=DAY)

    loud = in_channel(posts)
    (summary,) = [post for post in loud if key_of(post).startswith("away/")]
    told = [key_of(post).split("/")[1] for post in loud if post is not summary]
    assert sorted(told) == sorted(release.id for release in failing)
    assert "493 rollouts with nothing to do now, 7 still in trouble" in plain_text(summary)
    new_cards = [post for post in posts if "/card/" in key_of(post)]
    assert len(new_cards) == 5
    cards = [
        plain_text(one)
        for one in monitor.slack.channel("releases").messages
        if "/card/" in key_of(one)
    ]
    standing = [text for text in cards if text.startswith(("✅ known", "❌ known", "❌ new"))]
    assert len(standing) >= 25
    assert not any("0 of 2" in text for text in standing)


async def test_what_is_folded_again_during_an_outage_is_told_once_and_as_it_is(
    monitor: Monitor,
) -> None:
    shop = await start(monitor, "shop")
    # Slack answers, but takes no messages.
    monitor.slack.fail("error:service_unavailable", "chat.postMessage", times=None)
    for failed in (1, 2, 3, 4):
        await shop.poll(
            {one: "error" if n < failed else "executing" for n, one in enumerate(INSTALLS)}
        )
        await monitor.deliver(after=HOUR)
    (waiting,) = [row for row in await monitor.outbox() if row.form is not Form.TABLE]
    await shop.poll(dict.fromkeys(INSTALLS, "executing"))
    await shop.succeed(*INSTALLS)

    posts = await come_back(monitor, after=10)

    assert waiting.folded_count == 4
    (told,) = in_channel(posts)
    assert "4 failed, 4 recovered" in plain_text(told)
    assert "still" not in plain_text(told)


async def test_what_is_folded_is_kept_with_the_message_that_tells_it(monitor: Monitor) -> None:
    shop = await start(monitor, "shop")
    go_away(monitor)
    await shop.poll({"inl0": "error", "inl1": "executing"})
    await monitor.deliver(after=60)
    await shop.poll({"inl0": "error", "inl1": "error"})

    await come_back(monitor, after=HOUR)

    past = await monitor.store.call(monitor.store.history.load, shop.id)
    posts = [entry for entry in past if isinstance(entry, PastNotification)]
    rows = [post for post in posts if post.form is Form.REPLY]
    *folded, told = rows
    assert [row.state for row in folded] == [DeliveryState.FOLDED] * 2
    assert {row.folded_into for row in folded} == {told.id}
    assert all(told.headline in row.error for row in folded)
    assert told.state is DeliveryState.SENT
    assert monitor.count("notifications_folded") == 2


async def test_an_outage_of_the_platform_that_came_and_went_meanwhile_is_not_told(
    monitor: Monitor,
) -> None:
    first, second, third = (monitor.clock.now() + timedelta(minutes=n) for n in range(3))
    go_away(monitor)
    for since in (first, second):
        for kind in (EventKind.UNREACHABLE, EventKind.REACHABLE):
            await monitor.save(outage(OutageKey("platform", kind, since)))
    lasting = outage(OutageKey("platform", EventKind.UNREACHABLE, third))
    await monitor.save(lasting)
    await monitor.deliver(after=1)

    posts = await come_back(monitor, after=HOUR)

    assert [key_of(post) for post in posts] == [lasting.key]


def outage(report: OutageKey) -> Notification:
    message = blocks(str(report.kind))
    key = f"{report}/#releases"
    return Notification(key, "#releases", Form.MESSAGE, message, events=(report.kind,))


async def test_one_message_that_slack_keeps_refusing_folds_none_of_the_others(
    monitor: Monitor,
) -> None:
    shop = await start(monitor, "shop")
    monitor.slack.fail("error:some_new_code", "chat.postMessage", times=2)
    await monitor.save(note("refused"))
    await monitor.deliver(after=1)
    monitor.slack.fail("error:some_new_code", "chat.postMessage", times=2)
    await monitor.deliver(after=400)
    await shop.poll({one: "error" if one == "inl0" else "executing" for one in INSTALLS})

    await monitor.deliver(after=1)

    assert monitor.count("notifications_folded") == 0


async def test_through_a_webhook_too_a_rollout_in_trouble_has_one_message(
    monitor: Monitor,
) -> None:
    plan = Plan((Rule(destination=HOOK),))
    shop, other = (Release(monitor, name, plan, HOOK) for name in ("shop", "other"))
    monitor.slack.fail("error:service_unavailable", times=None)
    for release in (shop, other):
        await release.poll({"a": "executing", "b": "executing"})
        await release.poll({"a": "error", "b": "executing"})
    await other.poll({"a": "executing", "b": "executing"})
    await other.succeed("a", "b")

    posts = await come_back(monitor, after=HOUR)

    retold, summary = [post.text for post in posts]
    assert "shop" in retold
    assert "while Slack was away" in retold
    assert "1 failed, 1 still failing" in retold
    assert "1 rollout with nothing to do now, 1 still in trouble" in summary
