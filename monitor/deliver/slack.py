"""Slack as a destination: posts, edits, looks whether a post arrived, and judges every answer.

It sends once and never again by itself: when to try again is for the outbox to decide, so
slack-sdk's own retries are off. Limits, codes and behaviour: docs.slack.dev/reference.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import re
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor import __version__
from monitor.errors import (
    CannotLook,
    DestinationError,
    DestinationRejected,
    DestinationUnavailable,
    Refusal,
)
from monitor.model import Message, MessageRef
from monitor.text import plain

T = TypeVar("T")

log = structlog.get_logger(__name__)

METADATA_EVENT = "nuon_monitor_notification"
_CONNECT_TIMEOUT = 10.0
# A connection that Slack closes while a post is on its way leaves in doubt whether it
# arrived, so idle ones are dropped before Slack would do so.
_KEEP_IDLE = 15.0
_WORKSPACE_URL = re.compile(r"https?://[\w.:-]+/?", re.ASCII)
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 3600.0
_PAGES = 5
_LOOK_UP_WITHIN = 5.0

# slack-sdk writes every request down at debug level, a webhook's secret URL included.
_SILENT = logging.getLogger(f"{__name__}.sdk")
_SILENT.disabled = True


def _codes(refusal: Refusal, codes: str) -> dict[str, Refusal]:
    return dict.fromkeys(codes.split(), refusal)


_REFUSALS: Mapping[str, Refusal] = {
    **_codes(
        Refusal.CREDENTIALS,
        "invalid_auth not_authed token_revoked token_expired account_inactive missing_scope"
        " no_permission not_allowed_token_type access_denied org_login_required"
        " ekm_access_denied team_access_not_granted two_factor_setup_required accesslimited"
        " enterprise_is_restricted"
        # Of an incoming webhook.
        " action_prohibited invalid_token no_service no_service_id no_team team_disabled"
        " no_active_hooks posting_to_general_channel_denied",
    ),
    **_codes(
        Refusal.CHANNEL,
        "channel_not_found not_in_channel is_archived channel_is_archived restricted_action"
        " restricted_action_read_only_channel restricted_action_thread_only_channel"
        " restricted_action_non_threadable_channel channel_is_limited_access messages_tab_disabled"
        " user_not_in_channel is_inactive",
    ),
    **_codes(
        Refusal.MESSAGE,
        "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text"
        " invalid_arg_name invalid_arguments invalid_array_arg invalid_charset"
        " invalid_form_data invalid_post_type missing_post_type invalid_json json_not_object"
        " metadata_too_large metadata_must_be_sent_from_app invalid_metadata_format"
        " invalid_metadata_schema invalid_payload",
    ),
    **_codes(
        Refusal.CARD,
        "message_not_found cant_update_message edit_window_closed thread_not_found"
        " restricted_action_thread_locked cannot_reply_to_message block_mismatch",
    ),
    **_codes(Refusal.QUOTA, "message_limit_exceeded"),
}
_TOKEN_ITSELF = frozenset(
    "invalid_auth not_authed token_revoked token_expired account_inactive".split()
)
_RATE = frozenset({"ratelimited", "rate_limited"})
_PASSING = frozenset(
    "service_unavailable team_added_to_org external_channel_migrating update_failed"
    " rollup_error".split()
)
_AMBIGUOUS = frozenset({"internal_error", "fatal_error", "request_timeout"})
# An answer without a code is not Slack's own, or not all of it. These leave open whether
# the call was carried out; of the others some will not go away by themselves.
_DOUBTFUL = frozenset({200, 201, 202, 204, 408, 502, 504})
_WORDLESS: Mapping[int, Refusal] = {
    **dict.fromkeys((401, 403, 404, 410), Refusal.CREDENTIALS),
    **dict.fromkeys((400, 413), Refusal.MESSAGE),
}


class SlackClient:
    """One HTTP session to Slack, from which the destinations are made. Close it in the end.

    `timeout` is for a whole call, in seconds.
    """

    def __init__(self, *, api_url: str, token: str | None, timeout: float = 30.0) -> None:
        self._api_url = api_url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=_CONNECT_TIMEOUT)
        self._session: aiohttp.ClientSession | None = None
        self._web: AsyncWebClient | None = None
        self._workspace_url = ""
        self._users: dict[str, str] = {}

    async def __aenter__(self) -> SlackClient:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_refuse_redirect)
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_IDLE),
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
        return SlackChannel(self.web, channel)

    def webhook(self, url: str) -> SlackWebhook:
        """Return the destination for one incoming webhook."""
        return SlackWebhook(
            AsyncWebhookClient(
                url,
                session=self._session,
                retry_handlers=[],
                user_agent_prefix=f"nuon-release-monitor/{__version__}",
                logger=_SILENT,
            )
        )

    @property
    def web(self) -> AsyncWebClient:
        if self._web is None:
            raise RuntimeError("the client is used before it is entered")
        return self._web

    async def check_token(self) -> str:
        """Ask who the token belongs to; returns the workspace's name, raises SinkError."""
        answer = await _judged("auth.test", self.web.auth_test())
        self._workspace_url = str(answer.get("url") or "")
        return str(answer.get("team") or self._workspace_url)

    def permalink(self, message: MessageRef) -> str | None:
        """Return a message's address for people; None before Slack was greeted."""
        if not _WORKSPACE_URL.fullmatch(self._workspace_url):
            return None
        ts = message.ts.replace(".", "")
        return f"{self._workspace_url.rstrip('/')}/archives/{message.channel_id}/p{ts}"

    async def users_of(self, emails: Collection[str]) -> Mapping[str, str]:
        """Return Slack's ids of people by their e-mail addresses; leaves out whom it has not.

        Needs the scope users:read.email. A name that cannot be found must not hold up a message:
        each is asked for once, and only briefly.
        """
        if self._token is None:
            return {}
        for email in emails:
            if email not in self._users:
                await self._look_up(email)
        return {email: user for email in emails if (user := self._users.get(email))}

    async def _look_up(self, email: str) -> None:
        try:
            async with asyncio.timeout(_LOOK_UP_WITHIN):
                asked = self.web.users_lookupByEmail(email=email)
                answer = await _judged("users.lookupByEmail", asked)
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

    def __init__(self, web: AsyncWebClient, channel: str) -> None:
        self._web = web
        self._channel = channel

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef:
        """Post a message, or a reply where a thread is given; raises SinkError."""
        arguments: dict[str, Any] = {
            "channel": thread.channel_id if thread else self._channel,
            **_content(message),
            "metadata": {"event_type": METADATA_EVENT, "event_payload": {"key": key}},
        }
        if thread is not None:
            arguments |= {"thread_ts": thread.ts, "reply_broadcast": is_broadcast}
        call = self._web.api_call("chat.postMessage", json=arguments)
        return await _judged("chat.postMessage", _reference(call), is_post=True)

    async def edit(self, message: Message, *, channel_id: str, ts: str) -> None:
        """Replace what a message of ours shows; raises SinkError."""
        arguments = {"channel": channel_id, "ts": ts, **_content(message)}
        await _judged("chat.update", self._web.api_call("chat.update", json=arguments))

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None:
        """Look for a message by its notification's key.

        Raises CannotLook where the token may not read, SinkUnavailable to look later, and
        SinkRejected where the token is not taken at all.
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
                metadata = found.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("key") == key:
                    return MessageRef(channel_id=channel_id, ts=str(found["ts"]))
        return None

    async def check(self) -> str:
        """Ask Slack for the channel without posting; returns its name, raises SinkError."""
        channel_id = await self._channel_id()
        call = self._web.conversations_info(channel=channel_id)
        answer = await _judged("conversations.info", call)
        return str((answer.get("channel") or {}).get("name") or channel_id)

    async def _channel_id(self) -> str:
        name = self._channel.removeprefix("#")
        if not self._channel.startswith("#") and name.isalnum() and name.isupper():
            return name
        # One kind after the other: each has a scope of its own, which the token may lack.
        reason = "it is not among those that the bot may see"
        for kind in ("public_channel", "private_channel"):
            try:
                async for page in self._pages("conversations.list", {"types": kind, "limit": 1000}):
                    for channel in page.get("channels") or ():
                        if channel.get("name") == name:
                            return str(channel["id"])
            except CannotLook as error:
                reason = str(error)
        raise CannotLook(f"the ID of the channel {self._channel} is not to be found: {reason}")

    async def _pages(
        self, method: str, arguments: Mapping[str, Any]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield one page after the other; raises CannotLook where not all can be read."""
        cursor = ""
        for number in range(_PAGES):
            try:
                params = {**arguments, **({"cursor": cursor} if cursor else {})}
                answer = await _judged(method, self._web.api_call(method, params=params))
            except DestinationRejected as error:
                if error.code in _TOKEN_ITSELF:
                    raise
                raise CannotLook(str(error)) from error
            except DestinationUnavailable as error:
                # Where one page a minute is allowed, to begin anew each time would never end.
                if number == 0 or error.retry_after is None:
                    raise
                raise CannotLook(str(error)) from error
            yield answer.data if isinstance(answer.data, dict) else {}
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return
        raise CannotLook(f"{method} has more than {_PAGES} pages")


class SlackWebhook:
    """An incoming webhook: messages only, which can neither be edited nor looked for."""

    keeps_cards = False

    def __init__(self, client: AsyncWebhookClient) -> None:
        self._client = client

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef:
        """Post a message; raises SinkError. A webhook knows no threads and no keys."""
        del key, thread, is_broadcast
        call = self._client.send_dict(_content(message))
        answer = await _judged("the incoming webhook", call, is_post=True)
        if answer.status_code == 200 and answer.body.strip() == "ok":
            return MessageRef(channel_id="", ts="")
        raise _webhook_error(answer.status_code, answer.headers, answer.body)

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
    """Return what every kind of message sends: nothing in it may ping, link or unfurl."""
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
    """Return where a post stands; without both, no edit and no reply would ever find it."""
    answer = await call
    if not (answer["channel"] and answer["ts"]):
        raise ValueError("no channel or no ts")
    return MessageRef(channel_id=str(answer["channel"]), ts=str(answer["ts"]))


async def _judged(what: str, call: Awaitable[T], *, is_post: bool = False) -> T:
    """Make a call; whatever goes wrong becomes a SinkError that says what happens next."""
    try:
        return await call
    except DestinationError:
        raise
    except Exception as error:  # noqa: BLE001 - slack-sdk fails in many ways on odd answers
        failure = _destination_error(what, error, is_post=is_post)
    # Not within the `except`: the libraries' errors hold addresses and headers, which are
    # secrets here, and would stay with this one as its context.
    raise failure


def _destination_error(what: str, error: Exception, *, is_post: bool) -> DestinationError:
    match error:
        case SlackApiError():
            return _api_error(what, error, is_post=is_post)
        case (
            aiohttp.ClientConnectorError()
            | aiohttp.ConnectionTimeoutError()
            | aiohttp.ClientHttpProxyError()
        ):
            return DestinationUnavailable(f"cannot connect to Slack: {_reason(error)}")
        case aiohttp.ClientError() | TimeoutError() | OSError():
            return DestinationUnavailable(
                f"the connection to Slack broke during {what}: {_reason(error)}",
                maybe_delivered=is_post,
            )
        case _:
            # An AttributeError on plain text, a UnicodeDecodeError on bytes, and so on.
            return DestinationUnavailable(
                f"Slack's answer to {what} cannot be understood ({type(error).__name__})",
                maybe_delivered=is_post,
            )


async def _refuse_redirect(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    redirect: aiohttp.TraceRequestRedirectParams,
) -> None:
    """Follow none: the token and what is posted are for the configured host only."""
    where = plain(redirect.response.headers.get("Location", ""), 500).split("?")[0]
    host = urlsplit(where).hostname if "//" in where else None
    raise DestinationRejected(
        f"Slack's address redirects to {host or 'another path'}, and redirects are not followed:"
        " check slack.api_url or slack.webhook_url",
        refusal=Refusal.CREDENTIALS,
        code="redirected",
    )


def _api_error(what: str, error: SlackApiError, *, is_post: bool) -> DestinationError:
    response = error.response
    # The SDK's own answer, or aiohttp's where the SDK could not read it.
    status: int = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    headers = getattr(response, "headers", None) or {}
    needed = data.get("needed") if isinstance(data, dict) else None
    detail = f" (the app needs the scope {plain(str(needed), 80)})" if needed else ""
    return _verdict(what, status, code, headers, is_post=is_post, detail=detail)


def _webhook_error(status: int, headers: Mapping[str, str], body: str) -> DestinationError:
    return _verdict("the incoming webhook", status, _webhook_code(body), headers, is_post=True)


def _webhook_code(body: str) -> str:
    """Return the code of a webhook's answer: plain text, or JSON from what stands before it."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(body).get("error") or "")
    words = body.strip()
    return words if words.replace("_", "").isalnum() and len(words) < 60 else ""


def _verdict(
    what: str,
    status: int,
    code: str,
    headers: Mapping[str, str],
    *,
    is_post: bool,
    detail: str = "",
) -> DestinationError:
    shown = plain(code, 80) if code else f"HTTP {status}"
    said = f"Slack answered {shown} to {what}{detail}"
    if status == 429 or code in _RATE:
        return DestinationUnavailable(said, retry_after=_retry_after(headers) or _SHORTEST_WAIT)
    if code in _AMBIGUOUS or (not code and status in _DOUBTFUL):
        return DestinationUnavailable(said, maybe_delivered=is_post)
    if code in _REFUSALS:
        return DestinationRejected(said, refusal=_REFUSALS[code], code=code)
    refusal = Refusal.UNKNOWN if code else _WORDLESS.get(status)
    if code in _PASSING or status >= 500 or refusal is None:
        return DestinationUnavailable(said, retry_after=_retry_after(headers))
    return DestinationRejected(said, refusal=refusal, code=code or f"http_{status}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that were asked for, within reason; None where none were."""
    try:
        seconds = float(headers.get("Retry-After") or "")
    except ValueError:
        return None
    return None if math.isnan(seconds) else min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT)


def _reason(error: BaseException) -> str:
    """Name an error without its text, which can hold a webhook's URL."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return plain(str(error.os_error), 120) or "connection refused"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
