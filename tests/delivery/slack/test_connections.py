"""Connections to Slack: those that fail before the request was sent, and many at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from monitor.deliver.slack import SlackClient
from monitor.errors import DestinationUnavailable
from tests.support.faults import FaultyServer, never_answer, raw, self_signed
from tests.support.slack_destination import TOKEN, error_of, json_answer, page, post, whole_story

# Before the request was sent


async def test_a_refused_connection_did_not_deliver() -> None:
    async with FaultyServer() as server:
        url = server.url
    async with SlackClient(api_url=f"{url}/api/", token=TOKEN) as client:
        error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt


async def test_a_name_that_does_not_resolve_did_not_deliver() -> None:
    # A name this long is refused by the resolver itself, without asking anybody.
    name = ".".join(["a" * 60] * 5)
    async with SlackClient(api_url=f"http://{name}/api/", token=TOKEN) as client:
        error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt


async def test_a_certificate_that_is_not_trusted_did_not_deliver(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    async with (
        FaultyServer(tls=certificate.server) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt
    assert "certificate" in str(error)


async def test_a_server_that_speaks_no_tls_did_not_deliver() -> None:
    async with FaultyServer() as server:
        url = server.url.replace("http", "https")
        server.on_connect = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        async with SlackClient(api_url=f"{url}/api/", token=TOKEN) as client:
            error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt


async def test_a_proxy_that_refuses_did_not_deliver(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultyServer(page(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:s3cretw0rd@"))
        async with SlackClient(api_url="https://slack.invalid/api/", token=TOKEN) as client:
            error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt
    assert "s3cretw0rd" not in whole_story(error)


# Many at once


async def test_a_hundred_posts_share_a_few_connections() -> None:
    async with (
        FaultyServer(json_answer({"ok": True, "channel": "C1", "ts": "1.2"})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        for _ in range(100):
            await post(client.channel("#releases"))

    assert server.connections == 1


async def test_a_cancelled_post_is_cancelled() -> None:
    async with (
        FaultyServer(never_answer()) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        posting = asyncio.create_task(post(client.channel("#releases")))
        await server.until(lambda: server.in_flight == 1)
        posting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await posting
