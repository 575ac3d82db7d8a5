"""Posts that Slack refuses again and again, and limits that it repeats: neither is for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.deliver.sending import Destination
from monitor.model import Message, MessageRef
from monitor.simulation.slack import SimulatedSlack
from tests.support.clock import Clock
from tests.support.delivery import (
    POST,
    Monitor,
    ReplacedPost,
    about,
    keys,
    life,
    outcomes,
)
from tests.support.faults import FaultyServer, answer

ANSWERS = [
    "500",
    "502",
    "garbage",
    "error:internal_error",
    "error:fatal_error",
    "error:service_unavailable",
    "error:a_code_of_tomorrow",
]


async def states(monitor: Monitor) -> dict[str, str]:
    return {one.key: str(one.state) for one in await monitor.outbox()}


def refusing(slack: SimulatedSlack, real: Destination, words: str, kind: str) -> Destination:
    """A channel in which every post with these words meets a fault."""

    async def post(message: Message, **more: object) -> MessageRef:
        # A late one says of what time it is.
        if message.text.startswith(words):
            slack.fail(kind, POST)
        return await real.post(message, **more)  # type: ignore[arg-type]

    return ReplacedPost(real, post)


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_post_that_is_refused_again_and_again_is_passed_over_and_in_the_end_set_aside(
    monitor: Monitor, kind: str
) -> None:
    real = monitor.destinations["#releases"]
    monitor.destinations["#releases"] = refusing(monitor.slack, real, "poison", kind)
    await monitor.save(about("one", "poison"), about("one", "behind"), about("other", "n0"))

    await monitor.deliver()
    passed = keys(monitor.slack.channel("releases"))
    for number in range(1, 41):
        await monitor.save(about("other", f"n{number}"))
        await monitor.deliver(after=30)

    assert passed == ["n0"]
    assert await states(monitor) == {"poison": "set aside"}
    assert "behind" in keys(monitor.slack.channel("releases"))


@pytest.mark.parametrize("kind", ["503", "error:internal_error_before"])
async def test_while_everything_is_refused_nothing_is_set_aside_within_the_hour(
    monitor: Monitor, kind: str
) -> None:
    monitor.slack.fail(kind, POST, times=None)
    await monitor.save(*(about(f"r{n}", f"n{n}") for n in range(5)))

    for _ in range(58):
        await monitor.deliver(after=60)
    assert set((await states(monitor)).values()) == {"pending"}

    monitor.slack.faults.clear()
    for _ in range(10):
        await monitor.deliver(after=60)
    assert await states(monitor) == {}


async def test_with_a_slack_that_fails_half_the_time_nothing_is_set_aside(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("503", POST, times=None, probability=0.5)
    await monitor.save(*(about(f"r{n}", f"n{n}") for n in range(60)))

    for _ in range(200):
        await monitor.deliver(after=20)

    assert await states(monitor) == {}
    assert len(keys(monitor.slack.channel("releases"))) == 60


async def test_a_mistake_of_our_own_in_one_post_holds_up_no_other(monitor: Monitor) -> None:
    real = monitor.destinations["#releases"]

    async def post(message: Message, **more: object) -> MessageRef:
        if message.text == "poison":
            raise ZeroDivisionError
        return await real.post(message, **more)  # type: ignore[arg-type]

    monitor.destinations["#releases"] = ReplacedPost(real, post)
    await monitor.save(about("one", "poison"), about("other", "n"))
    with pytest.raises(ZeroDivisionError):
        await monitor.deliver()

    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["n"]
    (kept,) = await monitor.outbox()
    assert "the monitor's own" in kept.error


async def test_a_limit_of_an_hour_is_waited_for_a_minute(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, retry_after=3600)
    await monitor.save(about("one", "it failed"))

    await monitor.deliver()
    await monitor.deliver(after=60)

    assert keys(monitor.slack.channel("releases")) == ["it failed"]


async def test_a_limit_on_one_post_holds_up_all_posts_of_its_channel(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, retry_after=30)
    await monitor.save(about("one", "a"), about("other", "b"))

    await monitor.deliver()
    await monitor.deliver(after=29)
    assert outcomes(monitor.slack, POST) == ["429"]

    await monitor.deliver(after=1)
    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_limits_that_say_no_time_are_waited_for_longer_and_longer(
    tmp_path: Path, clock: Clock
) -> None:
    limited = answer(b'{"ok": false, "error": "ratelimited"}', status=429)
    async with (
        SimulatedSlack(("releases",), rates=False) as slack,
        FaultyServer(limited) as limiting,
        life(slack, tmp_path, clock, api_url=f"{limiting.url}/api/") as monitor,
    ):
        await monitor.save(*(about(f"r{n}", f"n{n}") for n in range(5)))
        for _ in range(600):
            await monitor.deliver(after=1)

    assert 10 <= len(limiting.requests) <= 30
