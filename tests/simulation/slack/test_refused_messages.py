"""What the simulated Slack refuses because of the message."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from monitor.simulation.slack import SimulatedSlack
from tests.support.slack_calls import (
    bare,
    client,
    header,
    inline_text,
    post,
    refusal,
    section,
    webhook,
)


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


ITEM = {"type": "rich_text_section", "elements": [inline_text("x")]}
DATE = {"type": "date", "timestamp": 1_700_000_000, "format": "{time}", "fallback": "x"}
LOGO = {"type": "image", "image_url": "https://app.nuon.co/a.png", "alt_text": "logo"}


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
        pytest.param([rich(inline_text(""))], id="an empty rich text"),
        pytest.param([rich({"type": "text", "text": 5})], id="rich text that is a number"),
        pytest.param([rich({"type": "text"})], id="rich text without text"),
        pytest.param([rich(inline_text("x", colour="red"))], id="an unknown key in rich text"),
        pytest.param(
            [rich(inline_text("x", style={"loud": True}))], id="an unknown style in rich text"
        ),
        pytest.param([rich(inline_text("x", style={"bold": "yes"}))], id="a style that is no bool"),
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
        pytest.param([rich(inline_text("x"), kind="rich_text_poem")], id="an unknown rich block"),
        pytest.param([bullets(ITEM)], id="a list without style"),
        pytest.param([bullets(ITEM, style="stars")], id="a list of an unknown style"),
        pytest.param([bullets(ITEM, style="bullet", indent=9)], id="a list too deep"),
        pytest.param([bullets(inline_text("x"), style="bullet")], id="a list of bare text"),
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
        inline_text("x", style={"bold": True, "code": False}),
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
        rich(inline_text("x"), kind="rich_text_preformatted"),
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


async def test_an_edit_may_not_replace_rich_text_by_other_blocks(slack: SimulatedSlack) -> None:
    ts = await post(slack, blocks=[rich(inline_text("x"))])
    edit = client(slack).chat_update

    await edit(channel="C000000001", ts=ts, text="y", blocks=[rich(inline_text("y"))])
    for blocks in ([section("z")], []):
        call = edit(channel="C000000001", ts=ts, text="z", blocks=blocks)
        assert await refusal(call) == "block_mismatch"


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
