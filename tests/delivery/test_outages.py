"""Slack that cannot be reached, or answers but takes nothing, and what happens when it is back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from monitor.deliver.pace import Pace
from monitor.model import Form, Target
from monitor.simulation.slack import SimulatedSlack
from tests.support.clock import Clock
from tests.support.delivery import (
    EDIT,
    HOOK,
    IN_TROUBLE,
    OVER,
    POST,
    TARGET,
    Monitor,
    about,
    blocks,
    card,
    first_card,
    keys,
    life,
    outcomes,
    running,
)
from tests.support.faults import FaultyServer, never_answer

PROBE = "auth.test"


async def test_when_slack_is_back_an_active_failure_is_out_within_seconds_however_much_is_queued(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace()) as monitor:
        await slack.stop()
        await monitor.save(*(about(f"old{n}", f"n{n}") for n in range(3_000)), state=OVER)
        await monitor.save(about("failing", "it failed"), state=IN_TROUBLE)
        for _ in range(20):
            await monitor.deliver(after=10)
        async with running(monitor):
            await slack.start()
            began = time.monotonic()
            await slack.wait_until(lambda: len(keys(slack.channel("releases"))) == 2, seconds=30)
            seconds = time.monotonic() - began

    assert keys(slack.channel("releases"))[0] == "it failed"
    assert seconds < 10


async def test_while_slack_is_away_one_cheap_call_asks_for_it_and_nothing_is_tried(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("503", times=None)
    await monitor.save(*(about(f"r{n}", f"n{n}") for n in range(100)), about("x", "a", "#ops"))

    for _ in range(60):
        await monitor.deliver(after=60)

    asked = outcomes(monitor.slack, POST)
    assert len(asked) == 2  # one in each channel
    assert len(outcomes(monitor.slack, PROBE)) >= 60


async def test_where_slack_answers_but_takes_no_posts_they_are_tried_about_once_a_minute(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("503", POST, times=None)
    await monitor.save(*(about(f"r{n}", f"n{n}") for n in range(100)))

    for _ in range(600):
        await monitor.deliver(after=1)

    assert 10 <= len(outcomes(monitor.slack, POST)) <= 30


async def test_posts_that_fail_hold_up_no_edit(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("503", POST, times=None)
    await monitor.save(*(about(f"r{n}", f"n{n}") for n in range(10)))
    for _ in range(30):
        await monitor.deliver(after=1)

    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()

    assert outcomes(monitor.slack, EDIT) == ["ok"]


async def test_a_post_that_fails_lets_those_of_other_rollouts_pass(monitor: Monitor) -> None:
    monitor.slack.fail("503", POST)
    await monitor.save(about("one", "a"), about("one", "b"), about("other", "c"))

    await monitor.deliver()
    assert keys(monitor.slack.channel("releases")) == ["c"]

    await monitor.deliver(after=60)
    assert keys(monitor.slack.channel("releases")) == ["c", "a", "b"]


async def test_a_slack_that_swallows_everything_is_asked_again_and_again(
    tmp_path: Path, clock: Clock
) -> None:
    async with (
        SimulatedSlack(("releases",), rates=False) as slack,
        FaultyServer(never_answer()) as silent,
        life(slack, tmp_path, clock, timeout=0.3, api_url=f"{silent.url}/api/") as monitor,
    ):
        await monitor.save(about("one", "a"), about("other", "b"))
        async with running(monitor):
            await silent.until(lambda: len(silent.requests) >= 4)

    posts = [request.target for request in silent.requests if POST in request.target]
    assert len(posts) == 1


async def test_a_webhook_is_tried_every_few_seconds_with_the_same_post(monitor: Monitor) -> None:
    await monitor.slack.stop()
    await monitor.save(*(about(f"r{n}", f"n{n}", HOOK) for n in range(10)))
    for _ in range(600):
        await monitor.deliver(after=1)
    tried = {one.key: one.attempts for one in await monitor.outbox() if one.attempts}

    await monitor.slack.start()
    await monitor.deliver(after=5)

    assert tried.keys() == {"n0"}
    assert len(monitor.slack.channel("releases").notifications()) == 10


async def test_slow_edits_are_made_side_by_side(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=0.0, edit=0.01)) as monitor:
        targets = [Target(TARGET.kind, f"r{n}") for n in range(12)]
        for target in targets:
            posted = about(target.id, f"card {target.id}", form=Form.CARD, message=blocks("first"))
            await monitor.save(posted, cards=[card("first", target=target)], target=target)
        await monitor.deliver()
        for target in targets:
            await monitor.save(cards=[card("second", target=target)], target=target)
        slack.fail("late", EDIT, times=None, answered_after=0.5)
        began = time.monotonic()

        async with running(monitor), asyncio.timeout(20):
            while await monitor.store.call(monitor.store.cards.next_edits, clock.now()):
                await asyncio.sleep(0.05)
        seconds = time.monotonic() - began

    assert len(outcomes(slack, EDIT)) == len(targets)
    assert seconds < 0.5 * len(targets) / 2
