"""Looking in Slack whether a post arrived."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.deliver.slack import SlackClient
from monitor.errors import CannotLook, DestinationRejected, DestinationUnavailable, Refusal
from monitor.simulation.slack import Rates, SimulatedSlack
from tests.support.faults import FaultyServer, Scene, answer, reset
from tests.support.slack_destination import (
    EARLIER,
    TOKEN,
    error_of,
    find_by_id,
    json_answer,
    page,
    post,
    verdict,
)

SLOW = 3600.0
ME = json_answer({"ok": True, "user_id": "U0ME", "bot_id": "B0ME"})


def ours(**more: object) -> dict[str, object]:
    """Return a message with the key that is searched for."""
    metadata = {"event_type": "nuon_monitor_notification", "event_payload": {"key": "k1"}}
    return {"ts": "1.2", "metadata": metadata, **more}


async def test_a_post_is_found_by_its_key_in_a_channel_named_either_way(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.channel("#releases"), key="k7")
    await post(client.channel("#releases"), key="k8")

    for channel in ("#releases", "releases", posted.channel_id):
        found = await client.channel(channel).find("k7", thread=None, since=EARLIER)
        assert found == posted


async def test_what_did_not_arrive_is_not_found(client: SlackClient) -> None:
    await post(client.channel("#releases"), key="k7")

    assert await client.channel("#releases").find("k8", thread=None, since=EARLIER) is None


async def test_a_reply_is_found_in_its_thread(client: SlackClient) -> None:
    destination = client.channel("#releases")
    card = await post(destination, key="card")
    reply = await post(destination, key="reply", thread=card)

    assert await destination.find("reply", thread=card, since=EARLIER) == reply


async def test_what_a_person_wrote_does_not_disturb_the_look(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    await post(client.webhook(slack.webhook_url))

    assert await client.channel("#releases").find("k1", thread=None, since=EARLIER) is None


async def test_a_post_is_found_on_a_later_page(client: SlackClient) -> None:
    destination = client.channel("#releases")
    posted = await post(destination, key="old")
    for number in range(250):
        await post(destination, key=f"newer {number}")

    assert await destination.find("old", thread=None, since=EARLIER) == posted


async def test_a_public_channel_is_found_by_name_without_the_scope_for_private_ones(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.channel("#releases"))
    slack.scopes -= {"groups:read", "groups:history"}

    found = await client.channel("#releases").find("k1", thread=None, since=EARLIER)

    assert found == posted


async def test_a_private_channel_is_found_by_name(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.add_channel("secret-plans", is_private=True)
    posted = await post(client.channel("#secret-plans"))

    found = await client.channel("#secret-plans").find("k1", thread=None, since=EARLIER)

    assert found == posted


@pytest.mark.parametrize("scope", ["channels:history", "channels:read"])
async def test_without_the_scope_nobody_can_look(
    slack: SimulatedSlack, client: SlackClient, scope: str
) -> None:
    slack.scopes -= {scope, "groups:read"}

    error = await error_of(client.channel("#releases").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, CannotLook)
    assert scope in str(error)


async def test_a_look_with_a_bad_token_says_nothing_of_what_may_be_read(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.revoke_token()

    error = await error_of(client.channel("#releases").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, DestinationRejected)
    assert error.refusal is Refusal.CREDENTIALS


async def test_nobody_can_look_into_a_channel_without_the_bot(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.add_channel("elsewhere", is_member=False)

    error = await error_of(client.channel("#elsewhere").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, CannotLook)


async def test_nobody_can_look_through_a_webhook(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    destination = client.webhook(slack.webhook_url)

    assert isinstance(
        await error_of(destination.find("k1", thread=None, since=EARLIER)), CannotLook
    )


async def test_a_look_over_the_rate_is_for_later(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.fail("429", "conversations.history", retry_after=60)

    error = await error_of(client.channel("#releases").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, DestinationUnavailable)
    assert error.retry_after == 60.0


@pytest.mark.parametrize("scene", [reset(), page(503), answer(b"")])
async def test_a_look_that_broke_is_for_later(scene: Scene) -> None:
    error = await verdict(ME, scene, call=find_by_id)

    assert isinstance(error, DestinationUnavailable)


async def test_a_look_that_may_read_one_page_a_minute_does_not_begin_anew_for_ever(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    destination = client.channel("#releases")
    for number in range(201):
        await post(destination, key=f"newer {number}")
    slack.rates = Rates(seconds_per_read=SLOW, burst_of_reads=1)

    error = await error_of(destination.find("k1", thread=None, since=EARLIER))

    assert isinstance(error, CannotLook)


async def test_a_look_at_a_part_only_is_no_proof_that_a_post_is_not_there() -> None:
    more = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}
    error = await verdict(ME, *[json_answer(more)] * 5, call=find_by_id)

    assert isinstance(error, CannotLook)


@pytest.mark.parametrize(
    "messages",
    [
        [{"ts": "1.2"}],
        [{"ts": "1.2", "metadata": None}],
        [{"ts": "1.2", "metadata": {"event_payload": None}}],
        [{"ts": "1.2", "metadata": "k1"}],
        [None, "k1", []],
        {"ts": "1.2"},
        [{"ts": "1.2", "metadata": {"event_payload": {"key": "other"}}}],
        None,
    ],
)
async def test_messages_of_others_are_not_taken_for_ours(messages: Any) -> None:
    async with (
        FaultyServer(ME, json_answer({"ok": True, "messages": messages})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        assert await find_by_id(client.channel("#releases")) is None


@pytest.mark.parametrize(
    ("author", "is_ours"),
    [
        ({"user": "U0ME", "bot_id": "B0ME"}, True),
        ({"bot_id": "B0ME"}, True),
        ({"user": "U0OTHER"}, False),
        ({"user": "U0PERSON", "bot_id": "B0ME"}, False),
        ({"bot_id": "B0OTHER"}, False),
        ({}, False),
    ],
    ids=[
        "our bot",
        "our bot without a user",
        "another",
        "a person's token",
        "another bot",
        "nobody",
    ],
)
async def test_only_what_our_own_bot_wrote_is_believed(
    author: dict[str, str], is_ours: bool
) -> None:
    async with (
        FaultyServer(ME, json_answer({"ok": True, "messages": [ours(**author)]})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        assert (await find_by_id(client.channel("#releases")) is not None) is is_ours


async def test_metadata_of_another_event_is_not_ours(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    destination = client.channel("#releases")
    await client.web.chat_postMessage(
        channel="releases",
        text="x",
        metadata={"event_type": "another", "event_payload": {"key": "k1"}},
    )

    assert await destination.find("k1", thread=None, since=EARLIER) is None


async def test_all_copies_are_found_with_whether_people_replied_or_reacted(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    destination = client.channel("#releases")
    plain, reacted, answered = [await post(destination, key="k1") for _ in range(3)]
    slack.react(reacted.ts, "eyes")
    slack.write("releases", "on it", thread_ts=answered.ts)

    found = await destination.find_all("k1", thread=None, since=EARLIER)

    assert {one.ref: one.has_company for one in found} == {
        plain: False,
        reacted: True,
        answered: True,
    }
