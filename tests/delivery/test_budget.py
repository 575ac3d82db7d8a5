"""A channel is not flooded: what exceeds its share is told quietly, and named in one message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.model import EventKind, Form, Mention, MentionKind, Notification, Target
from monitor.simulation.slack import Posted, SimulatedSlack, plain_text
from tests.support.clock import Clock
from tests.support.delivery import FOR_PEOPLE, Monitor, blocks, life
from tests.support.delivery import card as card_of

HERE, ANNA = Mention(MentionKind.HERE), Mention(MentionKind.USER, "U0000000001")


@pytest.fixture
async def monitor(slack: SimulatedSlack, tmp_path: Path, clock: Clock) -> AsyncIterator[Monitor]:
    async with life(slack, tmp_path, clock, pace=FOR_PEOPLE) as running:
        yield running


def news(number: int, **facts: object) -> Notification:
    """A broadcast about a rollout of its own."""
    values = {
        "key": f"release/rel{number}/1/news/0/#releases",
        "destination": "#releases",
        "form": Form.REPLY,
        "message": blocks(f"stalled {number}"),
        "target": Target("release", f"rel{number}"),
        "events": (EventKind.STALLED,),
        "is_broadcast": True,
        "headline": f"⚠ rollout {number} is stalled",
    }
    return Notification(**(values | facts))  # type: ignore[arg-type]


async def tell(monitor: Monitor, told: Iterable[Notification]) -> None:
    for one in told:
        assert one.target is not None
        card = Notification(
            f"release/{one.target.id}/1/card/0/#releases",
            "#releases",
            Form.CARD,
            blocks("card"),
            one.target,
        )
        cards = [card_of("card", target=one.target)]
        await monitor.save(card, one, cards=cards, target=one.target)


def loud(monitor: Monitor) -> list[Posted]:
    posts = monitor.slack.channel("releases").posts
    replies = [post for post in posts if "/card/" not in key_of(post)]
    return [post for post in replies if post.thread_ts is None or post.is_broadcast]


def key_of(post: Posted) -> str:
    return str((post.metadata or {})["event_payload"]["key"])


async def test_twenty_at_once_are_told_each_by_itself(monitor: Monitor) -> None:
    await tell(monitor, [news(number) for number in range(20)])

    await monitor.deliver(after=1)

    assert [plain_text(post) for post in loud(monitor)] == [f"stalled {n}" for n in range(20)]


async def test_what_exceeds_it_is_named_in_one_message_and_is_in_its_thread(
    monitor: Monitor,
) -> None:
    many = [news(number, mentions=(HERE,) if number % 2 else (ANNA,)) for number in range(60)]
    await tell(monitor, many)

    await monitor.deliver(after=1)
    await monitor.deliver(after=20)

    *single, gathered = loud(monitor)
    assert len(single) == 20
    assert "40 rollouts have news" in gathered.text
    assert "<!here>" in gathered.text
    assert "<@U0000000001>" in gathered.text
    assert "⚠ rollout 20 is stalled" in plain_text(gathered)
    assert "… and 30 more" in plain_text(gathered)
    quiet = [post for post in monitor.slack.channel("releases").posts if "stalled" in post.text]
    assert len([post for post in quiet if post.thread_ts]) == 60
    assert not await monitor.outbox()


async def test_over_an_hour_no_more_than_the_share_is_told(monitor: Monitor) -> None:
    for minute in range(60):
        await tell(monitor, [news(1000 * minute + number) for number in range(10)])
        for _ in range(4):
            await monitor.deliver(after=15)

    assert len(loud(monitor)) <= 20 + 4 * 60 + 1
    assert len(loud(monitor)) >= 60


async def test_a_single_one_beyond_it_waits_for_its_turn(monitor: Monitor) -> None:
    await tell(monitor, [news(number) for number in range(21)])

    await monitor.deliver(after=1)
    before = len(loud(monitor))
    await monitor.deliver(after=16)

    assert before == 20
    assert plain_text(loud(monitor)[-1]) == "stalled 20"


async def test_the_first_failure_of_a_rollout_that_somebody_is_pinged_for_goes_out_at_once(
    monitor: Monitor,
) -> None:
    await tell(monitor, [news(number) for number in range(40)])
    failure = {"events": (EventKind.FAILED,), "mentions": (HERE,)}
    await tell(monitor, [news(100, **failure)])
    again = news(100, key="release/rel100/1/news/1/#releases", message=blocks("again"), **failure)
    await monitor.save(again, target=again.target or Target("", ""))

    await monitor.deliver(after=1)

    texts = [plain_text(post) for post in loud(monitor)]
    assert any("stalled 100" in text for text in texts)
    assert not any("again" in text for text in texts)


async def test_with_nobody_to_come_back_all_of_it_is_sent_at_once(monitor: Monitor) -> None:
    await tell(monitor, [news(number) for number in range(60)])

    await monitor.delivery.drain(is_last=True)

    assert len(loud(monitor)) == 21
    assert not await monitor.outbox()


async def test_when_the_monitor_is_back_what_is_over_is_told_in_one_message(
    monitor: Monitor,
) -> None:
    long_ago = monitor.clock.now() - timedelta(days=2)
    for number in range(12):
        await tell(monitor, [news(number, happened_at=long_ago)])
        await monitor.deliver(after=1)
    at_first = len(loud(monitor))
    await monitor.deliver(after=30)

    assert at_first == 0
    (gathered,) = loud(monitor)
    assert "12 rollouts have news" in gathered.text
    assert not await monitor.outbox()


async def test_a_single_thing_that_is_over_is_told_by_itself_soon_after(monitor: Monitor) -> None:
    long_ago = monitor.clock.now() - timedelta(days=2)
    await tell(monitor, [news(1, happened_at=long_ago)])

    await monitor.deliver(after=1)
    at_first = len(loud(monitor))
    await monitor.deliver(after=31)

    assert at_first == 0
    assert "stalled 1" in plain_text(loud(monitor)[0])
