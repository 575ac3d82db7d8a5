"""The simulated Slack, asked by Slack's own client over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.metadata import Metadata
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor.simulation.slack import SCOPES, Rates, SimulatedSlack, plain_text

SLOW = 3600.0
"""Seconds: a rate at which nothing more is allowed while a test runs."""


@pytest.fixture(autouse=True)
def _quiet_sdk() -> None:
    """The SDK logs each block that it does not know."""
    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)


@pytest.fixture
async def slack() -> AsyncIterator[SimulatedSlack]:
    async with SimulatedSlack(("releases", "ops"), rates=False) as running:
        yield running


def client(slack: SimulatedSlack, token: str | None = None, timeout: int = 30) -> AsyncWebClient:
    return AsyncWebClient(
        slack.token if token is None else token,
        base_url=slack.api_url,
        retry_handlers=[],
        timeout=timeout,
    )


def webhook(slack: SimulatedSlack, url: str = "") -> AsyncWebhookClient:
    return AsyncWebhookClient(url or slack.webhook_url, retry_handlers=[])


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def post(slack: SimulatedSlack, text: str = "hello", **more: Any) -> str:
    """Post to #releases and return the message's `ts`."""
    answer = await client(slack).chat_postMessage(channel="releases", text=text, **more)
    return str(answer["ts"])


async def bare(slack: SimulatedSlack, method: str, **params: Any) -> None:
    """Call a method without the SDK's own opinion of its arguments."""
    await client(slack).api_call(method, json=params)


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def header(text: str, kind: str = "plain_text") -> dict[str, Any]:
    return {"type": "header", "text": {"type": kind, "text": text}}


def fields(count: int, length: int = 1) -> dict[str, Any]:
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * length}] * count}


def context(count: int) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * count}


def button(text: str = "Open", kind: str = "plain_text", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": kind, "text": text}, **more}


def actions(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(buttons)}


def rich(*inline: Any, kind: str = "rich_text_section", **more: Any) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": kind, "elements": list(inline), **more}]}


def bullets(*items: Any, **more: Any) -> dict[str, Any]:
    return rich(*items, kind="rich_text_list", **more)


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


ITEM = {"type": "rich_text_section", "elements": [said("x")]}
DATE = {"type": "date", "timestamp": 1_700_000_000, "format": "{time}", "fallback": "x"}
LOGO = {"type": "image", "image_url": "https://app.nuon.co/a.png", "alt_text": "logo"}


# What arrives


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


# What it refuses: the token


async def test_a_call_without_a_token_is_refused(slack: SimulatedSlack) -> None:
    assert await refusal(client(slack, token="").auth_test()) == "not_authed"


async def test_a_wrong_token_is_refused(slack: SimulatedSlack) -> None:
    assert await refusal(client(slack, token="xoxb-other").auth_test()) == "invalid_auth"


async def test_a_revoked_token_is_refused_until_it_is_restored(slack: SimulatedSlack) -> None:
    slack.revoke_token()
    refused = await refusal(client(slack).auth_test())
    slack.restore_token()

    assert refused == "token_revoked"
    assert (await client(slack).auth_test())["team"] == "Simulated"


@pytest.mark.parametrize(
    ("scope", "method", "params"),
    [
        ("chat:write", "chat.postMessage", {"channel": "releases", "text": "x"}),
        ("chat:write", "chat.update", {"channel": "C000000001", "ts": "1.0", "text": "x"}),
        ("channels:read", "conversations.info", {"channel": "C000000001"}),
        ("channels:history", "conversations.history", {"channel": "C000000001"}),
        ("channels:history", "conversations.replies", {"channel": "C000000001", "ts": "1.0"}),
        ("users:read.email", "users.lookupByEmail", {"email": "ann@example.com"}),
        ("channels:read", "conversations.list", {}),
        ("groups:read", "conversations.list", {"types": "private_channel"}),
        ("groups:read", "conversations.info", {"channel": "C000000003"}),
        ("groups:history", "conversations.history", {"channel": "C000000003"}),
    ],
)
async def test_a_missing_scope_is_named(
    slack: SimulatedSlack, scope: str, method: str, params: dict[str, Any]
) -> None:
    slack.add_channel("secret", is_private=True)
    slack.scopes = set(SCOPES - {scope})

    with pytest.raises(SlackApiError) as refused:
        await client(slack).api_call(method, data=params)

    answer = refused.value.response
    assert (answer["error"], answer["needed"]) == ("missing_scope", scope)
    assert scope not in answer.headers["X-OAuth-Scopes"].split(",")


async def test_a_method_that_there_is_not_is_refused(slack: SimulatedSlack) -> None:
    assert await refusal(client(slack).api_call("chat.shout")) == "unknown_method"


# What it refuses: the channel


async def test_a_channel_that_is_not_there_is_refused(slack: SimulatedSlack) -> None:
    call = client(slack).chat_postMessage(channel="nowhere", text="x")

    assert await refusal(call) == "channel_not_found"


async def test_a_private_channel_without_the_bot_is_not_found(slack: SimulatedSlack) -> None:
    slack.add_channel("secret", is_private=True, is_member=False)

    call = client(slack).chat_postMessage(channel="secret", text="x")

    assert await refusal(call) == "channel_not_found"


async def test_a_public_channel_without_the_bot_needs_a_scope(slack: SimulatedSlack) -> None:
    slack.add_channel("public", is_member=False)
    await client(slack).chat_postMessage(channel="public", text="with the scope")

    slack.scopes.remove("chat:write.public")

    call = client(slack).chat_postMessage(channel="public", text="without")
    assert await refusal(call) == "not_in_channel"
    assert [seen.text for seen in slack.channel("public").messages] == ["with the scope"]


async def test_history_is_for_members_only(slack: SimulatedSlack) -> None:
    channel = slack.add_channel("public", is_member=False)

    call = client(slack).conversations_history(channel=channel.id)

    assert await refusal(call) == "not_in_channel"


async def test_an_archived_channel_takes_neither_posts_nor_edits(slack: SimulatedSlack) -> None:
    ts = await post(slack)
    slack.archive("releases")

    posting = client(slack).chat_postMessage(channel="releases", text="x")
    editing = client(slack).chat_update(channel="C000000001", ts=ts, text="x")

    assert await refusal(posting) == "is_archived"
    assert await refusal(editing) == "is_inactive"


async def test_an_edit_needs_the_id_of_the_channel(slack: SimulatedSlack) -> None:
    ts = await post(slack)

    call = client(slack).chat_update(channel="releases", ts=ts, text="x")

    assert await refusal(call) == "channel_not_found"


# What it refuses: the message


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([{"type": "divider"}] * 51, id="51 blocks"),
        pytest.param([{"type": "hologram"}], id="a block that there is not"),
        pytest.param(["divider"], id="no object"),
        pytest.param([{"text": "x"}], id="no type"),
        pytest.param([section("x", colour="red")], id="a key that there is not"),
        pytest.param([section("")], id="an empty text"),
        pytest.param([section("x" * 3001)], id="a section of 3001 characters"),
        pytest.param([{"type": "section"}], id="a section of nothing"),
        pytest.param([{"type": "section", "text": {"type": "html", "text": "x"}}], id="html"),
        pytest.param([section("x", accessory=header("x"))], id="a header as accessory"),
        pytest.param([fields(11)], id="11 fields"),
        pytest.param([fields(1, 2001)], id="a field of 2001 characters"),
        pytest.param([header("x" * 151)], id="a header of 151 characters"),
        pytest.param([header("x", "mrkdwn")], id="a header with markup"),
        pytest.param([header("")], id="an empty header"),
        pytest.param([context(11)], id="11 elements of context"),
        pytest.param([context(0)], id="no elements of context"),
        pytest.param([actions(*[button()] * 26)], id="26 buttons"),
        pytest.param([actions()], id="no buttons"),
        pytest.param([actions(button("x" * 76))], id="a button of 76 characters"),
        pytest.param([actions(button("x", "mrkdwn"))], id="a button with markup"),
        pytest.param([actions(button(value="x" * 2001))], id="a value of 2001 characters"),
        pytest.param([actions(button(style="loud"))], id="a style that there is not"),
        pytest.param([actions(button(url="app.nuon.co"))], id="a button to no address"),
        pytest.param([actions(button(action_id="x" * 256))], id="an action_id of 256 characters"),
        pytest.param([actions(button(action_id="a"), button(action_id="a"))], id="same action_id"),
        pytest.param([actions({**LOGO})], id="an image as an action"),
        pytest.param([section("x", block_id="x" * 256)], id="a block_id of 256 characters"),
        pytest.param([section("x", block_id="a"), section("y", block_id="a")], id="same block_id"),
        pytest.param([{**LOGO, "alt_text": ""}], id="an image without words"),
        pytest.param([{**LOGO, "image_url": "a.png"}], id="an image without address"),
        pytest.param([{"type": "rich_text", "elements": []}], id="rich text of nothing"),
        pytest.param([rich(said(""))], id="an empty rich text"),
        pytest.param([rich({"type": "text", "text": 5})], id="rich text that is a number"),
        pytest.param([rich({"type": "text"})], id="rich text without text"),
        pytest.param([rich(said("x", colour="red"))], id="an unknown key in rich text"),
        pytest.param([rich(said("x", style={"loud": True}))], id="an unknown style in rich text"),
        pytest.param([rich(said("x", style={"bold": "yes"}))], id="a style that is no bool"),
        pytest.param([rich({"type": "sparkle"})], id="an unknown rich element"),
        pytest.param([rich("x")], id="a rich element that is no object"),
        pytest.param([rich(ITEM)], id="a section in a section"),
        pytest.param([rich({"type": "link", "text": "x"})], id="a link to nowhere"),
        pytest.param([rich({"type": "link", "url": "nowhere"})], id="a link to no address"),
        pytest.param([rich({"type": "link", "url": "https://a.b", "text": ""})], id="empty link"),
        pytest.param([rich({**DATE, "timestamp": "soon"})], id="a date that is no number"),
        pytest.param([rich({**DATE, "format": "soon"})], id="a date without a token"),
        pytest.param([rich({"type": "date", "timestamp": 1})], id="a date without format"),
        pytest.param([rich({"type": "user", "user_id": "ann"})], id="a user by name"),
        pytest.param([rich({"type": "usergroup", "usergroup_id": "@x"})], id="a group by name"),
        pytest.param([rich({"type": "broadcast", "range": "all"})], id="an unknown broadcast"),
        pytest.param([rich({"type": "emoji", "name": ":x:"})], id="an emoji with colons"),
        pytest.param([rich(DATE, kind="rich_text_preformatted")], id="a date in a block of code"),
        pytest.param([rich(said("x"), kind="rich_text_poem")], id="an unknown rich block"),
        pytest.param([bullets(ITEM)], id="a list without style"),
        pytest.param([bullets(ITEM, style="stars")], id="a list of an unknown style"),
        pytest.param([bullets(ITEM, style="bullet", indent=9)], id="a list too deep"),
        pytest.param([bullets(said("x"), style="bullet")], id="a list of bare text"),
    ],
)
async def test_a_block_that_slack_would_refuse_is_refused(
    slack: SimulatedSlack, blocks: list[Any]
) -> None:
    assert await refusal(post(slack, blocks=blocks)) == "invalid_blocks"
    assert slack.channel("releases").messages == []


async def test_a_refused_block_is_pointed_at(slack: SimulatedSlack) -> None:
    with pytest.raises(SlackApiError) as refused:
        await post(slack, blocks=[header("x"), header("x", "mrkdwn")])

    assert "/blocks/1/text" in refused.value.response["response_metadata"]["messages"][0]


async def test_a_message_at_every_limit_is_taken(slack: SimulatedSlack) -> None:
    inline = [
        said("x", style={"bold": True, "code": False}),
        {"type": "link", "url": "https://app.nuon.co", "text": "x"},
        {"type": "emoji", "name": "white_check_mark"},
        {"type": "user", "user_id": "U1"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "channel", "channel_id": "C1"},
        {"type": "broadcast", "range": "here"},
        DATE,
    ]
    blocks = [
        header("x" * 150),
        section("x" * 3000, block_id="x" * 255, accessory=button(url="https://app.nuon.co/x")),
        fields(10),
        fields(1, 2000),
        context(10),
        {"type": "context", "elements": [LOGO]},
        LOGO,
        actions(*[button(style="danger")] * 23, button("x" * 75), button(value="x" * 2000)),
        rich(*inline),
        rich(*inline, kind="rich_text_quote"),
        rich(said("x"), kind="rich_text_preformatted"),
        bullets(ITEM, ITEM, style="ordered", indent=8, offset=3),
        *[{"type": "divider"}] * 38,
    ]

    await post(slack, blocks=blocks)

    assert slack.channel("releases").messages[0].blocks == blocks
    assert len(blocks) == 50


async def test_blocks_that_are_too_long_together_are_refused(slack: SimulatedSlack) -> None:
    call = post(slack, blocks=[section("x" * 2900)] * 5)

    assert await refusal(call) == "msg_blocks_too_long"


async def test_blocks_that_are_no_json_are_refused(slack: SimulatedSlack) -> None:
    assert await refusal(post(slack, blocks="[{")) == "invalid_blocks_format"


async def test_a_message_of_nothing_is_refused(slack: SimulatedSlack) -> None:
    assert await refusal(bare(slack, "chat.postMessage", channel="releases")) == "no_text"


async def test_an_edit_of_more_than_4000_characters_is_refused(slack: SimulatedSlack) -> None:
    ts = await post(slack, "x" * 5000)

    call = client(slack).chat_update(channel="C000000001", ts=ts, text="x" * 4001)

    assert await refusal(call) == "msg_too_long"


async def test_an_edit_to_nothing_is_refused(slack: SimulatedSlack) -> None:
    ts = await post(slack)

    call = bare(slack, "chat.update", channel="C000000001", ts=ts, text="", blocks=[])

    assert await refusal(call) == "no_text"


@pytest.mark.parametrize(
    "metadata",
    [
        {"event_type": "x"},
        {"event_type": "", "event_payload": {}},
        {"event_type": "x", "event_payload": "y"},
        {"event_type": "x", "event_payload": {}, "more": 1},
        "no json",
    ],
)
async def test_malformed_metadata_is_refused(slack: SimulatedSlack, metadata: Any) -> None:
    assert await refusal(post(slack, metadata=metadata)) == "invalid_metadata_format"


async def test_metadata_that_is_too_large_is_refused(slack: SimulatedSlack) -> None:
    metadata = {"event_type": "x", "event_payload": {"key": "x" * 8000}}

    assert await refusal(post(slack, metadata=metadata)) == "metadata_too_large"


async def test_an_edit_of_a_message_that_is_not_there_is_refused(slack: SimulatedSlack) -> None:
    ts = await post(slack)
    slack.delete_message(ts)

    for absent in (ts, "1700000000.000001"):
        call = client(slack).chat_update(channel="C000000001", ts=absent, text="x")
        assert await refusal(call) == "message_not_found"


async def test_an_edit_of_someone_elses_message_is_refused(slack: SimulatedSlack) -> None:
    await webhook(slack).send(text="not the bot's")
    ts = slack.channel("releases").messages[0].ts

    call = client(slack).chat_update(channel="C000000001", ts=ts, text="x")

    assert await refusal(call) == "cant_update_message"


async def test_a_reply_to_what_is_no_first_message_is_refused(slack: SimulatedSlack) -> None:
    reply = await post(slack, thread_ts=await post(slack))

    for thread in (reply, "1700000000.000001"):
        assert await refusal(post(slack, thread_ts=thread)) == "thread_not_found"


# What it refuses: the webhook


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/services/T0SIMULATED/B0SIMULATED/guessed", 403, "invalid_token"),
        ("/services/T0SIMULATED/B0OTHER/simulated", 404, "no_service"),
    ],
)
async def test_another_webhook_is_refused(
    slack: SimulatedSlack, path: str, status: int, code: str
) -> None:
    answer = await webhook(slack, slack.url + path).send(text="x")

    assert (answer.status_code, answer.body) == (status, code)


async def test_a_revoked_webhook_is_refused_until_it_is_restored(slack: SimulatedSlack) -> None:
    slack.revoke_webhook()
    refused = await webhook(slack).send(text="x")
    slack.restore_webhook()

    assert (refused.status_code, refused.body) == (404, "no_service")
    assert (await webhook(slack).send(text="x")).status_code == 200


async def test_a_webhook_to_an_archived_or_lost_channel_is_refused(slack: SimulatedSlack) -> None:
    slack.archive("releases")
    archived = await webhook(slack).send(text="x")
    del slack.channels["releases"]
    lost = await webhook(slack).send(text="x")

    assert (archived.status_code, archived.body) == (410, "channel_is_archived")
    assert (lost.status_code, lost.body) == (404, "channel_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"hello", "invalid_payload"),
        (b"[]", "invalid_payload"),
        (b"{}", "no_text"),
        (b'{"blocks": [{"type": "hologram"}]}', "invalid_blocks"),
    ],
)
async def test_a_webhook_takes_no_nonsense(slack: SimulatedSlack, body: bytes, code: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.webhook_url, data=body) as answer,
    ):
        assert (answer.status, await answer.text()) == (400, code)


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
        read = await refusal(asking.conversations_replies(channel="C000000001", ts=ts))
        await asking.auth_test()

    assert (edit, read) == ("ratelimited", "ratelimited")


async def test_waiting_as_long_as_asked_is_enough() -> None:
    async with SimulatedSlack(rates=Rates(seconds_per_message=0.5, burst=1)) as slack:
        with pytest.raises(SlackApiError) as refused:
            await asyncio.gather(*(post(slack) for _ in range(10)))
        taken = len(slack.channel("releases").messages)

        await asyncio.sleep(float(refused.value.response.headers["Retry-After"]))
        await post(slack)

    assert len(slack.channel("releases").messages) > taken


# Looking things up


async def test_history_shows_metadata_only_when_it_is_asked_for(slack: SimulatedSlack) -> None:
    metadata = Metadata(event_type="nuon_release", event_payload={"key": "k1"})
    await post(slack, metadata=metadata)

    plain = await client(slack).conversations_history(channel="C000000001")
    whole = await client(slack).conversations_history(
        channel="C000000001", include_all_metadata=True
    )

    assert "metadata" not in plain["messages"][0]
    assert whole["messages"][0]["metadata"] == metadata.to_dict()


async def test_an_edit_keeps_the_metadata_unless_it_brings_its_own(slack: SimulatedSlack) -> None:
    first, second = ({"event_type": "x", "event_payload": {"n": n}} for n in (1, 2))
    ts = await post(slack, metadata=first)
    (seen,) = slack.channel("releases").messages

    await client(slack).chat_update(channel="C000000001", ts=ts, text="x")
    kept = seen.metadata
    await client(slack).chat_update(channel="C000000001", ts=ts, text="x", metadata=second)

    assert (kept, seen.metadata) == (first, second)


async def test_history_shows_the_newest_first_with_broadcasts_and_without_replies(
    slack: SimulatedSlack,
) -> None:
    ts = await post(slack, "card")
    await post(slack, "quiet", thread_ts=ts)
    await post(slack, "loud", thread_ts=ts, reply_broadcast=True)

    history = await client(slack).conversations_history(channel="C000000001")

    assert [(said["text"], said.get("subtype")) for said in history["messages"]] == [
        ("loud", "thread_broadcast"),
        ("card", None),
    ]
    assert history["messages"][1]["reply_count"] == 2


async def test_replies_show_the_thread_from_its_first_message(slack: SimulatedSlack) -> None:
    ts = await post(slack, "card")
    await post(slack, "quiet", thread_ts=ts, metadata={"event_type": "x", "event_payload": {}})

    thread = await client(slack).conversations_replies(
        channel="C000000001", ts=ts, include_all_metadata=True
    )
    absent = client(slack).conversations_replies(channel="C000000001", ts="1700000000.000001")

    assert [said["text"] for said in thread["messages"]] == ["card", "quiet"]
    assert thread["messages"][1]["metadata"]["event_type"] == "x"
    assert await refusal(absent) == "thread_not_found"


async def test_history_comes_in_pages(slack: SimulatedSlack) -> None:
    for number in range(5):
        await post(slack, str(number))

    pages = [
        [said["text"] for said in page["messages"]]
        async for page in await client(slack).conversations_history(channel="C000000001", limit=2)
    ]

    assert pages == [["4", "3"], ["2", "1"], ["0"]]


async def test_history_can_be_bounded_in_time(slack: SimulatedSlack) -> None:
    first, second, third = [await post(slack, str(number)) for number in range(3)]

    async def texts(**bounds: Any) -> list[str]:
        history = await client(slack).conversations_history(channel="C000000001", **bounds)
        return [said["text"] for said in history["messages"]]

    assert await texts(oldest=first) == ["2", "1"]
    assert await texts(oldest=second, inclusive=True) == ["2", "1"]
    assert await texts(latest=third) == ["1", "0"]


@pytest.mark.parametrize(
    ("bound", "code"),
    [
        ({"oldest": "yesterday"}, "invalid_ts_oldest"),
        ({"latest": "today"}, "invalid_ts_latest"),
        ({"cursor": "no cursor"}, "invalid_cursor"),
    ],
)
async def test_history_refuses_nonsense(
    slack: SimulatedSlack, bound: dict[str, Any], code: str
) -> None:
    call = client(slack).conversations_history(channel="C000000001", **bound)

    assert await refusal(call) == code


async def test_a_channel_can_be_looked_up(slack: SimulatedSlack) -> None:
    slack.archive("ops")

    answer = await client(slack).conversations_info(channel="C000000002")

    assert (answer["channel"]["name"], answer["channel"]["is_archived"]) == ("ops", True)


async def test_channels_are_listed_in_pages_private_ones_only_to_their_members(
    slack: SimulatedSlack,
) -> None:
    slack.add_channel("ours", is_private=True)
    slack.add_channel("theirs", is_private=True, is_member=False)
    slack.archive("ops")

    async def names(**params: Any) -> list[str]:
        answer = await client(slack).conversations_list(limit=2, **params)
        return [channel["name"] async for page in answer for channel in page["channels"]]

    assert await names() == ["releases", "ops"]
    assert await names(types="public_channel,private_channel") == ["releases", "ops", "ours"]
    assert await names(exclude_archived=True) == ["releases"]


async def test_a_person_can_be_looked_up_by_address(slack: SimulatedSlack) -> None:
    slack.users["ann@example.com"] = "U1"

    found = await client(slack).users_lookupByEmail(email="ann@example.com")
    absent = client(slack).users_lookupByEmail(email="bob@example.com")

    assert found["user"]["id"] == "U1"
    assert await refusal(absent) == "users_not_found"


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
