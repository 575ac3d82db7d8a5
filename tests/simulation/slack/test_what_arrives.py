"""What arrives at the simulated Slack, and how people see it."""

from __future__ import annotations

import json

import pytest

from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.slack_calls import client, header, post, section, webhook


async def test_a_posted_message_is_seen_in_its_channel(slack: SimulatedSlack) -> None:
    await post(slack, "*3 of 4* installs &amp; counting")

    assert [plain_text(seen) for seen in slack.channel("releases").messages] == [
        "3 of 4 installs & counting"
    ]
    assert slack.channel("#ops").messages == []


async def test_a_message_is_seen_as_its_blocks_and_notifies_with_its_text(
    slack: SimulatedSlack,
) -> None:
    await post(slack, "for the phone", blocks=[header("for the reader"), section("*and* more")])

    channel = slack.channel("releases")
    assert plain_text(channel.messages[0]) == "for the reader\nand more"
    assert channel.notifications() == ["for the phone"]


async def test_a_text_posted_without_formatting_is_shown_as_it_is(slack: SimulatedSlack) -> None:
    await post(slack, "*3 of 4*", mrkdwn=False)

    assert plain_text(slack.channel("releases").messages[0]) == "*3 of 4*"
    assert slack.channel("releases").notifications() == ["*3 of 4*"]


async def test_a_repeated_post_is_a_second_message(slack: SimulatedSlack) -> None:
    first, second = await post(slack, "same"), await post(slack, "same")

    assert first < second
    assert len(slack.channel("releases").messages) == 2


@pytest.mark.parametrize("name", ["releases", "#releases", "C000000001"])
async def test_a_channel_can_be_named_or_given_by_its_id(slack: SimulatedSlack, name: str) -> None:
    answer = await client(slack).chat_postMessage(channel=name, text="hello")

    assert answer["channel"] == "C000000001"


async def test_a_form_is_taken_as_well_as_json(slack: SimulatedSlack) -> None:
    form = {"channel": "releases", "blocks": json.dumps([header("from a form")])}

    await client(slack).api_call("chat.postMessage", data=form)

    assert plain_text(slack.channel("releases").messages[0]) == "from a form"


async def test_an_edit_replaces_the_message_and_notifies_nobody(slack: SimulatedSlack) -> None:
    ts = await post(slack, "1 of 2", blocks=[header("1 of 2")])

    await client(slack).chat_update(
        channel="C000000001", ts=ts, text="2 of 2", blocks=[header("2 of 2")]
    )

    (seen,) = slack.channel("releases").messages
    assert (seen.text, plain_text(seen)) == ("2 of 2", "2 of 2")
    assert [version.text for version in seen.edits] == ["1 of 2"]
    assert slack.channel("releases").notifications() == ["1 of 2"]


async def test_an_edit_without_blocks_keeps_them_and_one_with_none_drops_them(
    slack: SimulatedSlack,
) -> None:
    ts = await post(slack, blocks=[header("kept")])
    (seen,) = slack.channel("releases").messages

    await client(slack).chat_update(channel="C000000001", ts=ts, text="new")
    kept = plain_text(seen)
    await client(slack).chat_update(channel="C000000001", ts=ts, text="new", blocks=[])

    assert (kept, plain_text(seen)) == ("kept", "new")


async def test_a_reply_is_seen_in_its_thread_only(slack: SimulatedSlack) -> None:
    ts = await post(slack, "card")

    await post(slack, "step 1 done", thread_ts=ts)

    (card,) = slack.channel("releases").messages
    assert [reply.text for reply in card.replies] == ["step 1 done"]
    assert slack.channel("releases").notifications() == ["card"]


async def test_a_broadcast_reply_is_seen_in_the_channel_and_notifies(slack: SimulatedSlack) -> None:
    ts = await post(slack, "card")

    await post(slack, "acme failed", thread_ts=ts, reply_broadcast=True)

    channel = slack.channel("releases")
    assert [(seen.text, seen.is_broadcast) for seen in channel.messages] == [
        ("card", False),
        ("acme failed", True),
    ]
    assert channel.messages[0].replies == [channel.messages[1]]
    assert channel.notifications() == ["card", "acme failed"]


async def test_a_deleted_message_is_not_seen_but_has_notified(slack: SimulatedSlack) -> None:
    card = await post(slack, "card")
    reply = await post(slack, "reply", thread_ts=card)

    slack.delete_message(reply)
    replies_left = list(slack.channel("releases").messages[0].replies)
    slack.delete_message(card)

    assert replies_left == []
    assert slack.channel("releases").messages == []
    assert [seen.is_deleted for seen in slack.channel("releases").posts] == [True, True]
    assert slack.channel("releases").notifications() == ["card"]


async def test_a_text_too_long_to_post_is_cut(slack: SimulatedSlack) -> None:
    await post(slack, "x" * 40_001)

    assert len(slack.channel("releases").messages[0].text) == 40_000


async def test_the_webhook_posts_to_the_first_channel(slack: SimulatedSlack) -> None:
    answer = await webhook(slack).send(text="hello", blocks=[section("*hello*")])

    assert (answer.status_code, answer.body) == (200, "ok")
    assert [plain_text(seen) for seen in slack.channel("releases").messages] == ["hello"]
