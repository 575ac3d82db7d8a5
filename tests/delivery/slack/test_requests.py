"""What is sent to Slack, over real HTTP."""

from __future__ import annotations

import json

from monitor.deliver.slack import SlackClient
from monitor.errors import CannotLook, DestinationRejected, Refusal
from monitor.model import Message, MessageRef
from monitor.simulation.slack import SimulatedSlack
from tests.support.faults import FaultyServer
from tests.support.slack_destination import HELLO, TOKEN, error_of, json_answer, post

# What is sent


async def test_a_post_shows_blocks_and_text_in_the_channel(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.channel("#releases"))

    (seen,) = slack.channel("releases").messages
    assert (seen.channel_id, seen.ts) == (posted.channel_id, posted.ts)
    assert (seen.text, list(seen.blocks)) == ("hello", list(HELLO.blocks))


async def test_a_channel_is_named_by_id_or_by_name_with_or_without_its_sign(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    for channel in ("#ops", "ops", slack.channel("ops").id):
        await post(client.channel(channel))

    assert len(slack.channel("ops").messages) == 3


async def test_a_reply_stands_in_its_thread_only(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    card = await post(client.channel("#releases"))

    await post(client.channel("#releases"), thread=card)

    (root,) = slack.channel("releases").messages
    assert [reply.text for reply in root.replies] == ["hello"]


async def test_a_broadcast_reply_stands_in_the_channel_as_well(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    card = await post(client.channel("#releases"))

    await post(client.channel("#releases"), thread=card, is_broadcast=True)

    root, reply = slack.channel("releases").messages
    assert reply.thread_ts == root.ts


async def test_an_edit_replaces_blocks_and_text(slack: SimulatedSlack, client: SlackClient) -> None:
    destination = client.channel("#releases")
    posted = await post(destination)

    await destination.edit(Message("just text"), channel_id=posted.channel_id, ts=posted.ts)

    (seen,) = slack.channel("releases").messages
    assert (seen.text, list(seen.blocks)) == ("just text", [])


async def test_a_webhook_message_arrives_and_has_no_address(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.webhook(slack.webhook_url))

    assert posted == MessageRef("", "")
    assert [seen.text for seen in slack.channel("releases").messages] == ["hello"]


async def test_text_is_never_formatted_linked_or_unfurled() -> None:
    async with (
        FaultyServer(json_answer({"ok": True, "channel": "C1", "ts": "1.2"})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        await post(client.channel("#releases"))

    sent = json.loads(server.requests[0].body)
    off = ("mrkdwn", "link_names", "unfurl_links", "unfurl_media")
    assert [sent[name] for name in off] == [False] * 4
    assert sent["parse"] == "none"


async def test_greeting_tells_whose_token_it_is_and_lets_messages_be_linked(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    assert client.permalink(MessageRef("C1", "12.34")) is None

    assert await client.check_token() == "Simulated"

    link = client.permalink(MessageRef("C1", "12.34"))
    assert link == f"{slack.url}/archives/C1/p1234"


async def test_a_bad_token_does_not_greet(slack: SimulatedSlack, client: SlackClient) -> None:
    slack.revoke_token()

    error = await error_of(client.check_token())

    assert isinstance(error, DestinationRejected)
    assert error.refusal is Refusal.CREDENTIALS
    assert str(error) == "Slack answered token_revoked to auth.test"


# Asking for a channel


async def test_a_channel_is_checked_without_a_message(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    assert await client.channel(slack.channel("ops").id).check() == "ops"
    assert await client.channel("#ops").check() == "ops"
    assert isinstance(await error_of(client.channel("#nowhere").check()), CannotLook)
    assert isinstance(await error_of(client.channel("C0NOWHERE").check()), DestinationRejected)
    assert slack.channel("ops").messages == []
