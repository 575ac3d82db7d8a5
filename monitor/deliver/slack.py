"""Slack as a destination: posts, edits, and searches for posts in doubt.

It never retries: the outbox decides when to try again, so slack-sdk's own retries are off.
Limits, codes and behaviour: https://docs.slack.dev/reference
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor import __version__
from monitor.deliver.optional_blocks import OptionalBlocks
from monitor.deliver.slack_errors import TOKEN_CODES, judged, refuse_redirect, webhook_error
from monitor.deliver.validation import Block, Complaint, complaints_of
from monitor.errors import (
    CannotLook,
    DestinationRejected,
    DestinationUnavailable,
)
from monitor.model import Message, MessageRef

log = structlog.get_logger(__name__)

METADATA_EVENT = "nuon_monitor_notification"
_CONNECT_TIMEOUT_SECONDS = 10.0
# A connection that Slack closes while a post is on its way leaves in doubt whether it
# arrived, so idle ones are dropped before Slack would do so.
_KEEP_IDLE_SECONDS = 15.0
_WORKSPACE_URL = re.compile(r"https?://[\w.:-]+/?", re.ASCII)
_MOST_PAGES = 5
_LOOK_UP_WITHIN_SECONDS = 5.0

# slack-sdk logs every request at debug level, with a webhook's secret URL.
_SILENT = logging.getLogger(f"{__name__}.sdk")
_SILENT.disabled = True


class SlackClient:
    """One HTTP session to Slack, from which the destinations are made. Close it in the end.

    `timeout` is for a whole call, in seconds.
    """

    def __init__(self, *, api_url: str, token: str | None, timeout: float = 30.0) -> None:
        self._api_url = api_url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=_CONNECT_TIMEOUT_SECONDS)
        self._session: aiohttp.ClientSession | None = None
        self._web: AsyncWebClient | None = None
        self._workspace_url = ""
        self._users: dict[str, str] = {}
        self._optional_blocks = OptionalBlocks()
        # A webhook may lead to another workspace than the token.
        self._optional_blocks_of: dict[str, OptionalBlocks] = {}

    async def __aenter__(self) -> SlackClient:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(refuse_redirect)
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_IDLE_SECONDS),
            trace_configs=[tracing],
        )
        self._web = AsyncWebClient(
            token=self._token,
            base_url=self._api_url,
            session=self._session,
            retry_handlers=[],
            user_agent_prefix=f"nuon-release-monitor/{__version__}",
            logger=_SILENT,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()

    def channel(self, channel: str) -> SlackChannel:
        """Return the destination for one channel, by its ID or name."""
        return SlackChannel(self.web, channel, self._optional_blocks)

    def webhook(self, url: str) -> SlackWebhook:
        """Return the destination for one incoming webhook."""
        return SlackWebhook(
            AsyncWebhookClient(
                url,
                session=self._session,
                retry_handlers=[],
                user_agent_prefix=f"nuon-release-monitor/{__version__}",
                logger=_SILENT,
            ),
            self._optional_blocks_of.setdefault(url, OptionalBlocks()),
        )

    @property
    def web(self) -> AsyncWebClient:
        if self._web is None:
            raise RuntimeError("the client is used before it is entered")
        return self._web

    async def check_token(self) -> str:
        """Ask who the token belongs to; returns the workspace's name, raises DestinationError."""
        answer = await judged("auth.test", self.web.auth_test())
        self._workspace_url = str(answer.get("url") or "")
        return str(answer.get("team") or self._workspace_url)

    def permalink(self, message: MessageRef) -> str | None:
        """Return a message's address for people; None before Slack was greeted."""
        if not _WORKSPACE_URL.fullmatch(self._workspace_url):
            return None
        ts = message.ts.replace(".", "")
        return f"{self._workspace_url.rstrip('/')}/archives/{message.channel_id}/p{ts}"

    async def complaints_of(self, blocks: Sequence[Block]) -> tuple[Complaint, ...] | None:
        """Return what Slack would refuse of blocks; None where it does not say."""
        return await complaints_of(self.web, blocks)

    async def users_of(self, emails: Collection[str]) -> Mapping[str, str]:
        """Return Slack's ids of people by their e-mail addresses; leaves out unknown ones.

        Needs the scope users:read.email. A missing name must not delay a message: each is asked
        for once, with a short time-out.
        """
        if self._token is None:
            return {}
        for email in emails:
            if email not in self._users:
                await self._look_up(email)
        return {email: user for email in emails if (user := self._users.get(email))}

    async def _look_up(self, email: str) -> None:
        try:
            async with asyncio.timeout(_LOOK_UP_WITHIN_SECONDS):
                asked = self.web.users_lookupByEmail(email=email)
                answer = await judged("users.lookupByEmail", asked)
        except DestinationRejected as error:
            log.warning("person_not_found_in_slack", error=str(error))
            self._users[email] = ""
        except (DestinationUnavailable, TimeoutError) as error:
            log.warning("person_not_looked_up", error=str(error) or "no answer in time")
        else:
            user = answer.get("user")
            self._users[email] = str(user.get("id") or "") if isinstance(user, dict) else ""


class SlackChannel:
    """A channel that a bot token posts to: messages can be edited and have threads."""

    keeps_cards = True

    def __init__(self, web: AsyncWebClient, channel: str, optional_blocks: OptionalBlocks) -> None:
        self._web = web
        self._channel = channel
        self._optional_blocks = optional_blocks

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef:
        """Post a message, or a reply where a thread is given; raises DestinationError."""
        return await self._optional_blocks.send(
            message,
            lambda shown: self._post(shown, key=key, thread=thread, is_broadcast=is_broadcast),
        )

    async def _post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef:
        arguments: dict[str, Any] = {
            "channel": thread.channel_id if thread else self._channel,
            **_content(message),
            "metadata": {"event_type": METADATA_EVENT, "event_payload": {"key": key}},
        }
        if thread is not None:
            arguments |= {"thread_ts": thread.ts, "reply_broadcast": is_broadcast}
        call = self._web.api_call("chat.postMessage", json=arguments)
        return await judged("chat.postMessage", _reference(call), is_post=True)

    async def edit(self, message: Message, *, channel_id: str, ts: str) -> None:
        """Replace what a message of ours shows; raises DestinationError."""

        async def edit_to(shown: Message) -> None:
            arguments = {"channel": channel_id, "ts": ts, **_content(shown)}
            await judged("chat.update", self._web.api_call("chat.update", json=arguments))

        await self._optional_blocks.send(message, edit_to)

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None:
        """Look for a message by its notification's key.

        Raises CannotLook where the token may not read, DestinationUnavailable to search later, and
        DestinationRejected where the token is refused.
        """
        channel_id = thread.channel_id if thread else await self._channel_id()
        arguments = {
            "channel": channel_id,
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        method = "conversations.history"
        if thread is not None:
            method, arguments["ts"] = "conversations.replies", thread.ts
        async for page in self._pages(method, arguments):
            for found in page.get("messages") or ():
                if _key_of(found) == key:
                    return MessageRef(channel_id=channel_id, ts=str(found["ts"]))
        return None

    async def check(self) -> str:
        """Ask Slack for the channel without posting; returns its name, raises DestinationError."""
        channel_id = await self._channel_id()
        call = self._web.conversations_info(channel=channel_id)
        answer = await judged("conversations.info", call)
        return str((answer.get("channel") or {}).get("name") or channel_id)

    async def _channel_id(self) -> str:
        name = self._channel.removeprefix("#")
        if not self._channel.startswith("#") and name.isalnum() and name.isupper():
            return name
        # One kind after the other: each has a scope of its own, which the token may lack.
        reason = "it is not among those that the bot may see"
        for kind in ("public_channel", "private_channel"):
            try:
                if (channel_id := await self._find_channel(kind, name)) is not None:
                    return channel_id
            except CannotLook as error:
                reason = str(error)
        raise CannotLook(f"the ID of the channel {self._channel} is not to be found: {reason}")

    async def _find_channel(self, kind: str, name: str) -> str | None:
        arguments = {"types": kind, "limit": 1000}
        async for page in self._pages("conversations.list", arguments):
            for channel in page.get("channels") or ():
                if channel.get("name") == name:
                    return str(channel["id"])
        return None

    async def _pages(
        self, method: str, arguments: Mapping[str, Any]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield one page after the other; raises CannotLook where not all can be read."""
        cursor = ""
        for number in range(_MOST_PAGES):
            params = {**arguments, **({"cursor": cursor} if cursor else {})}
            page = await self._page(method, params, is_first=number == 0)
            yield page
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return
        raise CannotLook(f"{method} has more than {_MOST_PAGES} pages")

    async def _page(
        self, method: str, params: dict[str, Any], *, is_first: bool
    ) -> Mapping[str, Any]:
        try:
            answer = await judged(method, self._web.api_call(method, params=params))
        except DestinationRejected as error:
            if error.code in TOKEN_CODES:
                raise
            raise CannotLook(str(error)) from error
        except DestinationUnavailable as error:
            # Where one page a minute is allowed, starting again each time would never end.
            if is_first or error.retry_after is None:
                raise
            raise CannotLook(str(error)) from error
        return answer.data if isinstance(answer.data, dict) else {}


class SlackWebhook:
    """An incoming webhook: messages only, which can neither be edited nor looked for."""

    keeps_cards = False

    def __init__(self, client: AsyncWebhookClient, optional_blocks: OptionalBlocks) -> None:
        self._client = client
        self._optional_blocks = optional_blocks

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef:
        """Post a message; raises DestinationError. A webhook knows no threads and no keys."""
        del key, thread, is_broadcast
        return await self._optional_blocks.send(message, self._post)

    async def _post(self, message: Message) -> MessageRef:
        call = self._client.send_dict(_content(message))
        answer = await judged("the incoming webhook", call, is_post=True)
        if answer.status_code == 200 and answer.body.strip() == "ok":
            return MessageRef(channel_id="", ts="")
        raise webhook_error(answer.status_code, answer.headers, answer.body)

    async def edit(self, message: Message, *, channel_id: str, ts: str) -> None:
        """Never called: a webhook keeps no cards."""
        raise NotImplementedError

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None:
        """A webhook can only write."""
        del key, thread, since
        raise CannotLook("an incoming webhook cannot read")


def _content(message: Message) -> dict[str, Any]:
    """Return the arguments of every kind of message: nothing may ping, link or unfurl."""
    return {
        "text": message.text,
        "blocks": list(message.blocks),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _key_of(message: Mapping[str, Any]) -> object:
    """Return the key of the notification that a message came from, if it is one of ours."""
    metadata = message.get("metadata") or {}
    return (metadata.get("event_payload") or {}).get("key")


async def _reference(call: Awaitable[AsyncSlackResponse]) -> MessageRef:
    """Return where a post is; without both, no edit and no reply would ever find it."""
    answer = await call
    if not (answer["channel"] and answer["ts"]):
        raise ValueError("no channel or no ts")
    return MessageRef(channel_id=str(answer["channel"]), ts=str(answer["ts"]))
