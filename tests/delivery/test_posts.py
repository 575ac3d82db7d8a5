"""Posts, in order and at a pace that Slack takes, and failures that pass by themselves."""

from __future__ import annotations

from pathlib import Path

from monitor.deliver.pace import Pace
from monitor.simulation.slack import Rates, SimulatedSlack, plain_text
from tests.support.clock import Clock
from tests.support.delivery import (
    EDIT,
    HISTORY,
    HOOK,
    POST,
    Monitor,
    card,
    first_card,
    keys,
    life,
    notes,
    outcomes,
    reply,
    running,
)

# When all is well


async def test_posts_go_out_in_the_order_they_were_enqueued(monitor: Monitor) -> None:
    await monitor.save(*notes("a", "b"))
    await monitor.save(*notes("c"))

    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a", "b", "c"]
    assert await monitor.outbox() == ()
    assert monitor.count("notifications_sent") == 3


async def test_the_same_news_enqueued_twice_is_told_once(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    await monitor.deliver()

    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_reply_goes_into_its_cards_thread(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, reply("r1"), cards=[shown])

    await monitor.deliver()

    (root,) = monitor.slack.channel("releases").messages
    assert [plain_text(one) for one in root.replies] == ["r1"]


async def test_a_broadcast_reply_is_seen_in_the_channel(monitor: Monitor) -> None:
    posted, shown = first_card()
    failed = reply("r1", is_broadcast=True)
    await monitor.save(posted, failed, reply("r2"), cards=[shown])

    await monitor.deliver()

    assert monitor.slack.channel("releases").notifications() == ["0 of 3", "r1"]


async def test_through_a_webhook_messages_go_out_in_order(monitor: Monitor) -> None:
    await monitor.save(*notes("a", "b", destination=HOOK))

    await monitor.deliver()

    assert monitor.slack.channel("releases").notifications() == ["a", "b"]
    assert await monitor.outbox() == ()


async def test_the_loop_delivers_what_comes_in_while_it_runs(monitor: Monitor) -> None:
    async with running(monitor):
        for key in ("a", "b"):
            await monitor.save(*notes(key))
            monitor.delivery.wake()
            await monitor.slack.wait_until(
                lambda key=key: key in keys(monitor.slack.channel("releases"))  # type: ignore[misc]
            )

    assert await monitor.outbox() == ()


async def test_the_loop_tries_again_when_the_time_has_come(
    slack: SimulatedSlack, tmp_path: Path
) -> None:
    slack.fail("429", POST, retry_after=1)

    async with life(slack, tmp_path, Clock(speed=20)) as monitor, running(monitor):
        await monitor.save(*notes("a"))
        monitor.delivery.wake()
        await slack.wait_until(lambda: outcomes(slack, POST) == ["429", "ok"])


# Rates


async def test_over_the_rate_it_waits_as_long_as_slack_says(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, retry_after=30)
    await monitor.save(*notes("a", "b"))

    await monitor.deliver()
    await monitor.deliver(after=29.9)
    assert keys(monitor.slack.channel("releases")) == []

    await monitor.deliver(after=0.1)
    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_limit_on_one_channel_holds_up_no_other(monitor: Monitor) -> None:
    monitor.slack.rates = Rates(seconds_per_message=3600, burst=1)
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))

    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a"]
    assert keys(monitor.slack.channel("ops")) == ["c"]


async def test_a_limit_on_posts_holds_up_no_edit(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("429", POST, retry_after=60)

    await monitor.save(*notes("a"), cards=[card("1 of 3")])
    await monitor.deliver()

    assert outcomes(monitor.slack, EDIT) == ["ok"]


async def test_being_limited_is_no_failure_that_lengthens_later_waits(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, times=20, retry_after=60)
    monitor.slack.fail("error:service_unavailable", POST)
    await monitor.save(*notes("a"))
    for _ in range(20):
        await monitor.deliver(after=60)

    await monitor.deliver(after=60)
    await monitor.deliver(after=1)

    assert keys(monitor.slack.channel("releases")) == ["a"]


async def test_a_limited_edit_does_not_lengthen_later_waits(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[card("1 of 3")])
    (edit,) = await monitor.store.call(monitor.store.cards.next_edits, monitor.clock.now())

    await monitor.store.call(
        monitor.store.cards.postpone_edit,
        edit,
        next_try_at=monitor.clock.now(),
        error="429",
        is_failure=False,
    )

    again = await monitor.store.call(monitor.store.cards.next_edits, monitor.clock.now())
    assert again == (edit,)


async def test_being_limited_does_not_make_slack_unusable(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, retry_after=60)
    await monitor.save(*notes("a"))

    await monitor.deliver()

    assert monitor.problem() is None


async def test_a_storm_of_limits_costs_neither_a_message_nor_the_order(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, times=None, probability=0.7)
    expected = [f"n{number}" for number in range(20)]
    await monitor.save(*notes(*expected))

    while await monitor.outbox():
        await monitor.deliver(after=1)

    assert keys(monitor.slack.channel("releases")) == expected


async def test_a_limit_is_remembered_over_a_restart(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock) as monitor:
        slack.fail("429", POST, retry_after=60)
        await monitor.save(*notes("a"))
        await monitor.deliver()

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.deliver(after=59)
        assert outcomes(slack, POST) == ["429"]
        await monitor.deliver(after=1)

    assert keys(slack.channel("releases")) == ["a"]


async def test_two_posts_of_a_sink_keep_their_distance_and_sinks_do_not_wait_for_each_other(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=3600.0, edit=0.0)) as monitor:
        await monitor.save(*notes("a", "b"), *notes("c", "d", destination="#ops"))
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 2)
            for number in range(20):
                await monitor.save(*notes(f"later {number}"))
                monitor.delivery.wake()

        assert keys(slack.channel("releases")) == ["a"]
        assert keys(slack.channel("ops")) == ["c"]


async def test_at_its_real_pace_slack_never_has_to_limit_it(tmp_path: Path, clock: Clock) -> None:
    rates = Rates(seconds_per_message=0.05, burst=2, seconds_per_edit=0.05)
    async with (
        SimulatedSlack(("releases",), rates=rates) as slack,
        life(slack, tmp_path, clock, pace=Pace(post=0.05, edit=0.05)) as monitor,
    ):
        await monitor.save(*notes(*map(str, range(20))))
        await monitor.deliver()

        assert outcomes(slack, POST) == ["ok"] * 20


# What passes


async def test_a_passing_failure_is_tried_again_with_growing_waits(monitor: Monitor) -> None:
    monitor.slack.fail("error:service_unavailable", POST, times=3)
    await monitor.save(*notes("a", "b"))

    await monitor.deliver()
    await monitor.deliver(after=1)
    await monitor.deliver(after=1.9)
    await monitor.deliver(after=2)
    await monitor.deliver(after=4)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert outcomes(monitor.slack, HISTORY) == []


async def test_an_outage_of_slack_is_survived_with_everything_in_order(monitor: Monitor) -> None:
    await monitor.slack.stop()
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))
    for _ in range(5):
        await monitor.deliver(after=300)
    await monitor.save(*notes("d"))
    assert monitor.problem() is not None

    await monitor.slack.start()
    await monitor.deliver(after=300)

    assert keys(monitor.slack.channel("releases")) == ["a", "b", "d"]
    assert keys(monitor.slack.channel("ops")) == ["c"]
    assert monitor.problem() is None
