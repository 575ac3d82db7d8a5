"""A simulated Slack that stores and answers late, or fails and stores all the same."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from monitor.simulation.slack import SimulatedSlack
from tests.support.slack_calls import client, post, refusal, webhook

POST = "chat.postMessage"
HOUR = 3600.0
CHANNEL = "C000000001"


def seen(slack: SimulatedSlack) -> list[str]:
    return [message.text for message in slack.channel("releases").messages]


async def found(slack: SimulatedSlack) -> list[str]:
    page = await client(slack).conversations_history(channel=CHANNEL)
    return [message["text"] for message in page["messages"]]


async def test_a_post_can_be_stored_long_after_its_connection_broke(slack: SimulatedSlack) -> None:
    slack.fail("reset_after", POST, stored_after=HOUR)
    with pytest.raises(aiohttp.ClientError):
        await post(slack, "card")
    before = seen(slack)

    await slack.settle()

    assert (before, seen(slack)) == ([], ["card"])


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_can_be_answered_before_the_post_is_stored(
    slack: SimulatedSlack, status: int
) -> None:
    slack.fail(f"{status}_after", POST, stored_after=0.05)

    with pytest.raises(SlackApiError) as refused:
        await post(slack, "card")

    assert (refused.value.response.status_code, seen(slack)) == (status, [])
    await slack.wait_until(lambda: seen(slack) == ["card"])


async def test_an_answer_can_come_late(slack: SimulatedSlack) -> None:
    slack.fail("late", POST, answered_after=HOUR)
    asking = asyncio.create_task(post(slack, "card"))
    await slack.wait_until(lambda: seen(slack) == ["card"])

    assert not asking.done()
    asking.cancel()


async def test_who_does_not_wait_for_a_late_answer_has_posted_all_the_same(
    slack: SimulatedSlack,
) -> None:
    slack.fail("late", POST, stored_after=HOUR, answered_after=HOUR)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await post(slack, "card")
    before = seen(slack)

    await slack.settle()

    assert (before, seen(slack)) == ([], ["card"])


async def test_what_is_answered_before_it_is_stored_can_be_edited_but_not_found(
    slack: SimulatedSlack,
) -> None:
    slack.fail("late", POST, stored_after=HOUR)
    ts = await post(slack, "card")
    await client(slack).chat_update(channel=CHANNEL, ts=ts, text="1 of 2")
    before = await found(slack)

    await slack.settle()

    assert (before, await found(slack)) == ([], ["1 of 2"])


async def test_what_a_stopping_slack_has_taken_is_stored(slack: SimulatedSlack) -> None:
    slack.fail("reset_after", POST, stored_after=HOUR)
    with pytest.raises(aiohttp.ClientError):
        await post(slack, "card")

    await slack.stop()

    assert seen(slack) == ["card"]


async def test_a_refusal_can_come_late_too(slack: SimulatedSlack) -> None:
    slack.fail("late", POST, stored_after=0.01, answered_after=0.02)

    assert await refusal(client(slack).chat_postMessage(channel="nowhere", text="x")) == (
        "channel_not_found"
    )


async def test_a_webhook_stores_late_as_well(slack: SimulatedSlack) -> None:
    slack.fail("503_after", "webhook", stored_after=HOUR)
    answer = await webhook(slack).send(text="card")
    before = seen(slack)

    await slack.settle()

    assert (answer.status_code, before, seen(slack)) == (503, [], ["card"])


async def test_a_slow_slack_stores_most_and_answers_every_second_call() -> None:
    async with SimulatedSlack(rates=False, seed=3) as slack:
        slack.slow_down(0.01)

        answers = await asyncio.gather(
            *(post(slack, str(number)) for number in range(200)), return_exceptions=True
        )
        await slack.settle()

    kinds = Counter(request.outcome for request in slack.requests)
    answered = {answer for answer in answers if isinstance(answer, str)}
    assert kinds.keys() == {
        *("late", "reset_after", "reset_before", "500_after", "503_after", "503_before")
    }
    assert answered <= {message.ts for message in slack.channel("releases").messages}
    assert len(answered) == kinds["late"]
    assert 200 - len(seen(slack)) == kinds["reset_before"] + kinds["503_before"]


# What is deleted, and what people and others add


async def test_an_own_message_can_be_deleted_and_nobody_elses(slack: SimulatedSlack) -> None:
    own = await post(slack, "card")
    theirs = slack.write("releases", "mine").ts
    calls = client(slack)

    await calls.chat_delete(channel=CHANNEL, ts=own)

    assert await refusal(calls.chat_delete(channel=CHANNEL, ts=theirs)) == "cant_delete_message"
    assert await refusal(calls.chat_delete(channel=CHANNEL, ts=own)) == "message_not_found"
    assert seen(slack) == ["mine"]


async def test_reactions_and_replies_are_shown_with_a_message(slack: SimulatedSlack) -> None:
    ts = await post(slack, "card")
    slack.react(ts, "eyes")
    slack.write("releases", "on it", thread_ts=ts)

    page = await client(slack).conversations_history(channel=CHANNEL)

    (card,) = page["messages"]
    assert card["reply_count"] == 1
    assert card["reactions"] == [{"name": "eyes", "users": ["U0PERSON"], "count": 1}]


async def test_who_wrote_a_message_is_shown_and_metadata_can_be_anybodys(
    slack: SimulatedSlack,
) -> None:
    metadata = {"event_type": "x", "event_payload": {"key": "k"}}
    await post(slack, "bot", metadata=metadata)
    await webhook(slack).send(text="hook")
    slack.write("releases", "other", author="U0OTHER", metadata=metadata)

    page = await client(slack).conversations_history(channel=CHANNEL, include_all_metadata=True)
    me = await client(slack).auth_test()

    authors = {one["text"]: (one.get("user"), one.get("bot_id")) for one in page["messages"]}
    assert authors == {
        "bot": (me["user_id"], me["bot_id"]),
        "hook": (None, me["bot_id"]),
        "other": ("U0OTHER", None),
    }
    assert [one.get("metadata") for one in page["messages"]] == [metadata, None, metadata]
