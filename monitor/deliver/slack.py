"""Slack as a destination: posts, edits, deletions, and searches for posts in doubt.

It never retries: the outbox decides when to try again, so slack-sdk's own retries are off.
Limits, codes and behaviour: https://docs.slack.dev/reference
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor import __version__
from monitor.deliver.optional_blocks import OptionalBlocks
from monitor.deliver.sending import PostedMessage
from monitor.deliver.slack_errors import judged, refuse_redirect, webhook_error
from monitor.deliver.slack_reading import METADATA_EVENT, ChannelReader, Identity
from monitor.deliver.validation import Block, Complaint, complaints_of
from monitor.errors import (
    CannotLook,
    DestinationRejected,
    DestinationUnavailable,
)
from monitor.model import Message, MessageRef

log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_SECONDS = 10.0
# A connection that Slack closes while a post is on its way leaves in doubt whether it
# arrived, so idle ones are dropped before Slack would do so.
_KEEP_IDLE_SECONDS = 15.0
_WORKSPACE_URL = re.compile(r"https?://[\w.:-]+/?", re.ASCII)
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
        self._identity: Identity | None = None
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
        return SlackChannel(self.web, channel, self._optional_blocks, self.whoami)

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
        self._identity = Identity(
            user_id=str(answer.get("user_id") or ""), bot_id=str(answer.get("bot_id") or "")
        )
        return str(answer.get("team") or self._workspace_url)

    async def whoami(self) -> Identity:
        """Return who we are in Slack, which is asked for once; raises DestinationError."""
        if self._identity is None:
            await self.check_token()
        return self._identity or Identity("", "")

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

    def __init__(
        self,
        web: AsyncWebClient,
        channel: str,
        optional_blocks: OptionalBlocks,
        whoami: Callable[[], Awaitable[Identity]],
    ) -> None:
        self._web = web
        self._channel = channel
        self._optional_blocks = optional_blocks
        self._reader = ChannelReader(web, channel, whoami)

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

    async def delete(self, ref: MessageRef) -> None:
        """Delete a message of ours; raises DestinationError."""
        await judged("chat.delete", self._web.chat_delete(channel=ref.channel_id, ts=ref.ts))

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None:
        """Look for a message of ours by its notification's key.

        Raises CannotLook where the token may not read, DestinationUnavailable to search later, and
        DestinationRejected where the token is refused.
        """
        async for found in self._reader.messages(key, thread=thread, since=since):
            return found.ref
        return None

    async def find_all(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> tuple[PostedMessage, ...]:
        """Look for all messages of ours with a notification's key; raises as `find` does."""
        found = self._reader.messages(key, thread=thread, since=since)
        return tuple([one async for one in found])

    async def check(self) -> str:
        """Ask Slack for the channel without posting; returns its name, raises DestinationError."""
        channel_id = await self._reader.channel_id()
        call = self._web.conversations_info(channel=channel_id)
        answer = await judged("conversations.info", call)
        return str((answer.get("channel") or {}).get("name") or channel_id)


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

    async def delete(self, ref: MessageRef) -> None:
        """Never called: a webhook does not say where its messages are."""
        raise NotImplementedError

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None:
        """A webhook can only write."""
        del key, thread, since
        raise CannotLook("an incoming webhook cannot read")

    async def find_all(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> tuple[PostedMessage, ...]:
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


async def _reference(call: Awaitable[AsyncSlackResponse]) -> MessageRef:
    """Return where a post is; without both, no edit and no reply would ever find it."""
    answer = await call
    if not (answer["channel"] and answer["ts"]):
        raise ValueError("no channel or no ts")
    return MessageRef(channel_id=str(answer["channel"]), ts=str(answer["ts"]))
