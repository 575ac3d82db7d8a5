"""What the simulated Slack refuses because of the token, the channel or the webhook."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from monitor.simulation.slack import SCOPES, SimulatedSlack
from tests.support.slack_calls import client, post, refusal, webhook

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
        ("chat:write", "chat.delete", {"channel": "C000000001", "ts": "1.0"}),
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
