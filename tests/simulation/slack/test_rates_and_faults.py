"""The limits and faults of the simulated Slack, and its life as a process."""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor.simulation.slack import Rates, SimulatedSlack
from tests.support.slack_calls import bare, client, post, refusal, webhook

SLOW = 3600.0
"""Seconds: a rate at which nothing more is allowed while a test runs."""


# Rates


async def test_a_channel_takes_a_burst_and_then_asks_to_wait() -> None:
    rates = Rates(seconds_per_message=SLOW, burst=2)
    async with SimulatedSlack(("releases", "ops"), rates=rates) as slack:
        await post(slack)
        await post(slack)

        with pytest.raises(SlackApiError) as refused:
            await post(slack)
        await client(slack).chat_postMessage(channel="ops", text="another channel")
        hooked = await webhook(slack).send(text="the same channel")

    answer = refused.value.response
    assert (answer.status_code, answer["error"]) == (429, "ratelimited")
    assert 0 < int(answer.headers["Retry-After"]) <= SLOW
    assert (hooked.status_code, "Retry-After" in hooked.headers) == (429, True)
    assert len(slack.channel("releases").messages) == 2


async def test_edits_and_reads_have_limits_of_their_own() -> None:
    rates = Rates(seconds_per_edit=SLOW, burst=1, seconds_per_read=SLOW, burst_of_reads=1)
    async with SimulatedSlack(rates=rates) as slack:
        ts = await post(slack)
        asking = client(slack)
        await asking.chat_update(channel="C000000001", ts=ts, text="x")
        await asking.conversations_history(channel="C000000001")

        edit = await refusal(asking.chat_update(channel="C000000001", ts=ts, text="x"))
        read = await refusal(asking.conversations_history(channel="C000000001"))
        await asking.conversations_replies(channel="C000000001", ts=ts)
        await asking.auth_test()

    assert (edit, read) == ("ratelimited", "ratelimited")


async def test_some_apps_may_read_few_messages_at_a_time() -> None:
    async with SimulatedSlack(rates=Rates(burst=20, most_per_read=15)) as slack:
        for _ in range(16):
            await post(slack)

        page = await client(slack).conversations_history(channel="C000000001", limit=200)

    assert (len(page["messages"]), page["has_more"]) == (15, True)


async def test_waiting_as_long_as_asked_is_enough() -> None:
    async with SimulatedSlack(rates=Rates(seconds_per_message=0.5, burst=1)) as slack:
        with pytest.raises(SlackApiError) as refused:
            await asyncio.gather(*(post(slack) for _ in range(10)))
        taken = len(slack.channel("releases").messages)

        await asyncio.sleep(float(refused.value.response.headers["Retry-After"]))
        await post(slack)

    assert len(slack.channel("releases").messages) > taken


# Faults


async def test_a_reset_before_the_post_stores_nothing(slack: SimulatedSlack) -> None:
    slack.fail("reset_before")

    with pytest.raises(aiohttp.ClientError):
        await post(slack)

    assert slack.channel("releases").messages == []


@pytest.mark.parametrize("kind", ["reset_after", "502_after", "garbage_after", "hang_after"])
async def test_a_message_can_arrive_though_its_sender_cannot_know(
    slack: SimulatedSlack, kind: str
) -> None:
    slack.fail(kind, "chat.postMessage")

    with pytest.raises((aiohttp.ClientError, SlackApiError, TimeoutError)):
        await client(slack, timeout=1).chat_postMessage(channel="releases", text="hello")

    assert [seen.text for seen in slack.channel("releases").messages] == ["hello"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_outage_answers_with_a_page_and_stores_nothing(
    slack: SimulatedSlack, status: int
) -> None:
    slack.fail(str(status))

    with pytest.raises(SlackApiError) as refused:
        await post(slack)

    assert refused.value.response.status_code == status
    assert slack.channel("releases").messages == []


async def test_a_limit_can_be_feigned(slack: SimulatedSlack) -> None:
    slack.fail("429", retry_after=7)

    with pytest.raises(SlackApiError) as refused:
        await post(slack)

    assert (refused.value.response.status_code, refused.value.response["error"]) == (
        429,
        "ratelimited",
    )
    assert refused.value.response.headers["Retry-After"] == "7"


async def test_any_error_can_be_feigned(slack: SimulatedSlack) -> None:
    slack.fail("error:internal_error")

    assert await refusal(post(slack)) == "internal_error"


async def test_a_hanging_call_ends_when_the_server_stops(slack: SimulatedSlack) -> None:
    slack.fail("hang")
    call = asyncio.create_task(post(slack))
    await slack.wait_until(lambda: slack.faults == [])

    await slack.stop()

    with pytest.raises((aiohttp.ClientError, SlackApiError)):
        await call


async def test_faults_strike_their_method_as_often_as_told(slack: SimulatedSlack) -> None:
    slack.fail("error:fatal_error", "chat.postMessage", times=2)

    await client(slack).auth_test()
    refused = [await refusal(post(slack)) for _ in range(2)]
    await post(slack)

    assert refused == ["fatal_error", "fatal_error"]


async def test_faults_strike_the_webhook(slack: SimulatedSlack) -> None:
    slack.fail("503", "webhook")

    assert (await webhook(slack).send(text="x")).status_code == 503


async def test_faults_by_chance_are_the_same_in_every_run() -> None:
    async def outcomes() -> list[str]:
        async with SimulatedSlack(rates=False, seed=7) as slack:
            slack.fail("error:fatal_error", times=None, probability=0.5)
            for _ in range(20):
                await asyncio.gather(client(slack).auth_test(), return_exceptions=True)
        return [request.outcome for request in slack.requests]

    first = await outcomes()

    assert first == await outcomes()
    assert set(first) == {"ok", "error:fatal_error"}


async def test_a_fault_that_there_is_not_cannot_be_asked_for(slack: SimulatedSlack) -> None:
    with pytest.raises(ValueError, match="earthquake"):
        slack.fail("earthquake")


async def test_what_was_asked_is_kept_with_its_outcome(slack: SimulatedSlack) -> None:
    await post(slack)
    await refusal(bare(slack, "chat.postMessage", channel="releases"))
    slack.fail("error:fatal_error")
    await refusal(post(slack))
    await webhook(slack).send(text="x")

    assert [(call.method, call.channel, call.outcome) for call in slack.requests] == [
        ("chat.postMessage", "releases", "ok"),
        ("chat.postMessage", "releases", "no_text"),
        ("chat.postMessage", "releases", "error:fatal_error"),
        ("webhook", "releases", "ok"),
    ]


async def test_slack_can_go_down_and_come_back_with_everything_it_had(
    slack: SimulatedSlack,
) -> None:
    async with aiohttp.ClientSession() as session:
        keeping = AsyncWebClient(
            slack.token, base_url=slack.api_url, retry_handlers=[], session=session
        )
        await keeping.chat_postMessage(channel="releases", text="before")

        await slack.stop()
        with pytest.raises(aiohttp.ClientError):
            await keeping.chat_postMessage(channel="releases", text="meanwhile")
        await slack.start()
        await keeping.chat_postMessage(channel="releases", text="after")

    assert [seen.text for seen in slack.channel("releases").messages] == ["before", "after"]


# A process of its own


async def test_it_runs_as_a_process_that_its_parent_can_ask_and_disturb() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor.simulation.slack", "--port", "0", "--channel", "ops"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        at = json.loads(await process.stdout.readline())
        base = at["api_url"].removesuffix("/api/")
        asking = AsyncWebClient(at["token"], base_url=at["api_url"], retry_handlers=[])
        async with aiohttp.ClientSession() as session:
            fault = {"kind": "reset_after", "method": "chat.postMessage"}
            (await session.post(f"{base}/_fault", json=fault)).raise_for_status()
            wrong = await session.post(f"{base}/_fault", json={"kind": "earthquake"})
            with pytest.raises(aiohttp.ClientError):
                await asking.chat_postMessage(channel="ops", text="*card*")
            endless = {"kind": "500", "times": None}
            (await session.post(f"{base}/_fault", json=endless)).raise_for_status()
            (await session.delete(f"{base}/_fault")).raise_for_status()
            await AsyncWebhookClient(at["webhook_url"], retry_handlers=[]).send(text="hook")
            seen = await (await session.get(f"{base}/_seen")).json()
    finally:
        process.terminate()
        code = await process.wait()

    assert wrong.status == 400
    assert [said["plain"] for said in seen["channels"]["ops"]["posts"]] == ["card", "hook"]
    assert seen["channels"]["ops"]["notifications"] == ["card", "hook"]
    assert [call["outcome"] for call in seen["requests"]] == ["reset_after", "ok"]
    assert code == 0
