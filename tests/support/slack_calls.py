"""Calls of Slack's own client to the simulated Slack, and the blocks to post."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor.simulation.slack import SimulatedSlack


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


def inline_text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}
