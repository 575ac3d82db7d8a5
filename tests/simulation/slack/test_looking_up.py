"""What can be looked up in the simulated Slack: histories, threads, channels, people."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.models.metadata import Metadata

from monitor.simulation.slack import SimulatedSlack
from tests.support.slack_calls import client, post, refusal


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
