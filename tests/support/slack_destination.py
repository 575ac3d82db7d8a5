"""Calls of the Slack destination against scenes of a server, and how they are judged."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from monitor.deliver.slack import SlackChannel, SlackClient, SlackWebhook
from monitor.errors import DestinationError
from monitor.model import Message, MessageRef
from tests.support.faults import FaultyServer, Scene, answer

HELLO = Message("hello", ({"type": "section", "text": {"type": "plain_text", "text": "hello"}},))
SECRET_PATH = "/services/T0SECRET/B0SECRET/s3cretw0rd"
TOKEN = "xoxb-s3cretw0rd"
EARLIER = datetime.now(UTC) - timedelta(minutes=1)


async def post(
    destination: SlackChannel | SlackWebhook,
    message: Message = HELLO,
    *,
    key: str = "k1",
    thread: MessageRef | None = None,
    is_broadcast: bool = False,
) -> MessageRef:
    return await destination.post(message, key=key, thread=thread, is_broadcast=is_broadcast)


async def error_of(call: Awaitable[object]) -> DestinationError:
    with pytest.raises(DestinationError) as failed:
        await call
    return failed.value


def refused(code: str, **facts: object) -> Scene:
    """Answer as Slack does when it does not want to."""
    return json_answer({"ok": False, "error": code, **facts})


def json_answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Scene:
    return answer(
        json.dumps(body).encode(),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def page(status: int, body: bytes = b"<html><h1>Sorry</h1></html>", **headers: str) -> Scene:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(body, status=status, headers={"Content-Type": "text/html", **named})


async def verdict(
    *scenes: Scene, call: Callable[[SlackChannel], Awaitable[object]] = post, timeout: float = 30
) -> DestinationError:
    """Return how a call is judged that meets these scenes."""
    async with (
        FaultyServer(*scenes) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN, timeout=timeout) as client,
    ):
        error = await error_of(call(client.channel("#releases")))
        assert len(server.requests) <= len(scenes), "it is not for the destination to try again"
        return error


async def webhook_verdict(*scenes: Scene, timeout: float = 30) -> DestinationError:
    async with (
        FaultyServer(*scenes) as server,
        SlackClient(api_url=f"{server.url}/api/", token=None, timeout=timeout) as client,
    ):
        return await error_of(post(client.webhook(f"{server.url}{SECRET_PATH}")))


def find_by_id(destination: SlackChannel) -> Awaitable[object]:
    return destination.find("k1", thread=MessageRef("C1", "1.2"), since=EARLIER)


def whole_story(error: BaseException) -> str:
    """Return what a log would show of an error, with all that stands behind it."""
    return "".join(traceback.format_exception(error))
