"""Reading a channel of Slack: its id, and which of its messages are ours.

Slack limits reading harder than writing, for some kinds of app to one page of 15 messages a
minute: https://docs.slack.dev/apis/web-api/rate-limits/
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from monitor.deliver.sending import PostedMessage
from monitor.deliver.slack_errors import TOKEN_CODES, judged
from monitor.errors import CannotLook, DestinationRejected, DestinationUnavailable
from monitor.model import MessageRef

METADATA_EVENT = "nuon_monitor_notification"
_MOST_PAGES = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token belongs to; what Slack does not say is empty."""

    user_id: str
    bot_id: str

    def wrote(self, message: Mapping[str, Any]) -> bool:
        """Whether a message is by our own bot user: anybody may write metadata like ours.

        Messages of a person's token have the app's `bot_id`, so the user counts where there is one.
        """
        if user := message.get("user"):
            return bool(user == self.user_id)
        return bool(self.bot_id) and message.get("bot_id") == self.bot_id


class ChannelReader:
    """Reads one channel, by its ID or name. `whoami` says who we are, and raises as a post does."""

    def __init__(
        self, web: AsyncWebClient, channel: str, whoami: Callable[[], Awaitable[Identity]]
    ) -> None:
        self._web = web
        self._channel = channel
        self._whoami = whoami

    async def messages(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> AsyncIterator[PostedMessage]:
        """Yield our messages with a notification's key, in the channel or in a thread."""
        me = await self._whoami()
        channel_id = thread.channel_id if thread else await self.channel_id()
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
            for message in _items(page, "messages"):
                if _key_of(message) == key and me.wrote(message):
                    ref = MessageRef(channel_id=channel_id, ts=str(message.get("ts")))
                    yield PostedMessage(ref, _has_company(message))

    async def channel_id(self) -> str:
        """Return the ID of the channel; raises CannotLook where it is not to be found."""
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
            for channel in _items(page, "channels"):
                if channel.get("name") == name:
                    return str(channel.get("id"))
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
            metadata = page.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
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


def _items(page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list of an answer, which may have anything in it."""
    items = page.get(name)
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _key_of(message: Mapping[str, Any]) -> object:
    """Return the key of the notification that a message came from, if it says so."""
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != METADATA_EVENT:
        return None
    payload = metadata.get("event_payload")
    return payload.get("key") if isinstance(payload, dict) else None


def _has_company(message: Mapping[str, Any]) -> bool:
    return bool(message.get("reply_count") or message.get("reactions"))
