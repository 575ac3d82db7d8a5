"""A simulated Slack on loopback: the Web API methods that a notifier uses, and a webhook.

It refuses what the real one refuses, with the real one's codes, forgives no repetition (as
the real one it knows no idempotency key), fails on request, and keeps everything that it was
given, so that a test can ask what a person saw. It is stricter than the real one in one
way: what it does not know (a block, a key) it refuses.

    python -m monitor.simulation.slack --port 0

runs it as a process of its own, for a parent that reads its first line (JSON: `api_url`,
`webhook_url`, `token`), asks `GET /_seen`, and sends faults with `POST /_fault`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import json
import math
import random
import re
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Literal, Self, TypeVar

import msgspec
from aiohttp import web
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from monitor.simulation import reading

Json = dict[str, Any]
T = TypeVar("T")

TOKEN = "xoxb-s3cret-simulated"  # noqa: S105 - opens nothing but the simulation
_WEBHOOK_PATH = "/services/T0SIMULATED/B0SIMULATED/s3cret-simulated"
_BOT = "U0SIMULATED"
_HOOK = "B0SIMULATED"

SCOPES = frozenset(
    {
        "channels:history",
        "channels:read",
        "chat:write",
        "chat:write.public",
        "groups:history",
        "groups:read",
        "users:read.email",
    }
)


class Refused(Exception):
    """What Slack answers instead of doing it; `code` is its own word, `detail` for people."""

    def __init__(self, code: str, detail: str = "", **facts: object) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.facts = facts


# What it is told


@dataclass(frozen=True)
class Rates:
    """How often something may be done, in seconds, and how many times in a burst.

    Messages count per channel, a webhook's among them; edits and reads per method. Slack
    allows 50 edits a minute, and to some kinds of app a single read of history a minute.
    """

    seconds_per_message: float = 1.0
    burst: int = 5
    seconds_per_edit: float = 1.2
    seconds_per_read: float = 1.2
    burst_of_reads: int = 5


REAL_RATES = Rates()


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong with the next calls.

    `kind` is an HTTP status (`429`, `500`, `502`, `503`, `504`), `reset` (the connection is
    cut), `hang` (no answer until the caller gives up or the server stops), `garbage` (half
    an answer) or `error:CODE`. With `_after`, as in `reset_after`, the call is carried out
    first, which its caller cannot know; else, as in `reset_before` or `reset`, it is not.

    `method` is one as `chat.postMessage`, or `webhook`, or None for any. It strikes `times`
    calls (None: until cleared), each with that `probability`.
    """

    kind: str
    method: str | None = None
    times: int | None = 1
    probability: float = 1.0
    retry_after: int = 1

    def __post_init__(self) -> None:
        if not _FAULT.fullmatch(self.kind):
            raise ValueError(f"no such fault: {self.kind}")

    @property
    def is_carried_out(self) -> bool:
        return self.kind.endswith("_after")

    @property
    def base(self) -> str:
        """The kind without the word on when it strikes."""
        return self.kind.removesuffix("_after").removesuffix("_before")


_FAULT = re.compile(r"(429|500|502|503|504|reset|hang|garbage|error:[a-z_]+)(_before|_after)?")


# What it was given


@dataclass(frozen=True)
class Version:
    """What a message said until it was edited."""

    text: str
    blocks: Sequence[Json]
    metadata: Json | None


@dataclass
class Posted:
    """A message, as it stands now. `edits` are its earlier versions, oldest first.

    A reply has the `thread_ts` of its thread's first message, which lists it in `replies`;
    a broadcast one stands in the channel as well. A deleted one stands in neither.
    Without `is_mrkdwn` the signs in `text` that format are shown as they are.
    """

    ts: str
    channel_id: str
    author: str
    text: str
    blocks: Sequence[Json] = ()
    metadata: Json | None = None
    thread_ts: str | None = None
    is_mrkdwn: bool = True
    is_broadcast: bool = False
    is_deleted: bool = False
    edits: list[Version] = field(default_factory=list)
    replies: list[Posted] = field(default_factory=list)

    @property
    def is_in_channel(self) -> bool:
        return self.thread_ts is None or self.is_broadcast

    @property
    def notification(self) -> str:
        """What a phone showed when it came; an edit changes nothing of that."""
        first = self.edits[0] if self.edits else self
        said = reading.plain_mrkdwn(first.text, is_formatted=self.is_mrkdwn)
        return said or reading.plain_text(first.blocks, text="")


@dataclass
class Channel:
    """A channel; `by_ts` is everything ever posted to it, in order."""

    id: str
    name: str
    is_private: bool = False
    is_member: bool = True
    is_archived: bool = False
    by_ts: dict[str, Posted] = field(default_factory=dict)

    @property
    def posts(self) -> list[Posted]:
        """Everything ever posted, in order: replies and what was deleted included."""
        return list(self.by_ts.values())

    @property
    def messages(self) -> list[Posted]:
        """What a person sees in the channel, broadcast replies included."""
        return [post for post in self.posts if post.is_in_channel and not post.is_deleted]

    def notifications(self) -> list[str]:
        """What notified the people in the channel, in plain text and in order.

        Neither an edit nor a reply that stays in its thread does; a deletion undoes nothing.
        """
        return [post.notification for post in self.posts if post.is_in_channel]

    def find(self, ts: object) -> Posted | None:
        post = self.by_ts.get(str(ts))
        return None if post is None or post.is_deleted else post


@dataclass(frozen=True)
class Request:
    """One call; `outcome` is `ok`, Slack's error code or the kind of a fault."""

    method: str
    channel: str
    outcome: str


def plain_text(posted: Posted) -> str:
    """Return a message as its reader sees it, line by line; times are in UTC."""
    return reading.plain_text(posted.blocks, text=posted.text, is_mrkdwn=posted.is_mrkdwn)


# The server


class SimulatedSlack:
    """A Slack workspace with one app in it, which has a bot token and an incoming webhook.

    The webhook belongs to the first channel. `rates` False: as fast as one likes.
    Everything that is seen and set here may be seen and set while it runs.
    """

    def __init__(
        self,
        channels: Iterable[str] = ("releases",),
        *,
        rates: Rates | Literal[False] = REAL_RATES,
        scopes: Iterable[str] = SCOPES,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        self.channels: dict[str, Channel] = {}
        for name in channels:
            self.add_channel(name)
        self.webhook_channel = next(iter(self.channels), "")
        self.users: dict[str, str] = {}
        self.scopes = set(scopes)
        self.rates = rates
        self.faults: list[Fault] = []
        self.requests: deque[Request] = deque(maxlen=10_000)
        self.token = TOKEN
        self._is_token_revoked = False
        self._is_webhook_revoked = False
        self._port = port
        self._chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._due: dict[str, float] = {}
        self._last_ts = 0
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._methods: dict[str, tuple[str | None, Callable[[Json], Json]]] = {
            "auth.test": (None, self._auth_test),
            "chat.postMessage": ("chat:write", self._post_message),
            "chat.update": ("chat:write", self._update),
            "conversations.info": ("channels:read", self._info),
            "conversations.list": ("channels:read", self._list),
            "conversations.history": ("channels:history", self._history),
            "conversations.replies": ("channels:history", self._replies),
            "users.lookupByEmail": ("users:read.email", self._lookup_by_email),
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a `stop` on the same port again, with all that was there before."""
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/services/{secret:.*}", self._webhook)
        app.router.add_get("/_seen", self._seen)
        app.router.add_post("/_fault", self._add_fault)
        app.router.add_delete("/_fault", self._clear_faults)
        self._stopping.clear()
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and cut every connection: Slack is down until the next `start`."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        return f"{self.url}{_WEBHOOK_PATH}"

    # What a test or a person does to it

    def channel(self, name: str) -> Channel:
        return self.channels[name.removeprefix("#")]

    def add_channel(
        self, name: str, *, is_private: bool = False, is_member: bool = True
    ) -> Channel:
        """Add a channel, into which the bot was invited unless `is_member` says no."""
        channel_id = f"C{len(self.channels) + 1:09}"
        channel = Channel(channel_id, name, is_private=is_private, is_member=is_member)
        self.channels[name] = channel
        return channel

    def archive(self, name: str) -> None:
        self.channel(name).is_archived = True

    def unarchive(self, name: str) -> None:
        self.channel(name).is_archived = False

    def delete_message(self, ts: str) -> None:
        """Delete a message as a person would; raises KeyError where there is none."""
        for channel in self.channels.values():
            post = channel.find(ts)
            if post is not None:
                post.is_deleted = True
                root = channel.find(post.thread_ts)
                if root is not None:
                    root.replies.remove(post)
                return
        raise KeyError(ts)

    def revoke_token(self) -> None:
        self._is_token_revoked = True

    def restore_token(self) -> None:
        self._is_token_revoked = False

    def revoke_webhook(self) -> None:
        self._is_webhook_revoked = True

    def restore_webhook(self) -> None:
        self._is_webhook_revoked = False

    def fail(
        self,
        kind: str,
        method: str | None = None,
        *,
        times: int | None = 1,
        probability: float = 1.0,
        retry_after: int = 1,
    ) -> None:
        """Let the next calls go wrong, see `Fault`; several stand in line."""
        self.faults.append(Fault(kind, method, times, probability, retry_after))

    async def wait_until(self, is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
        """Return once a condition holds, asked after each call; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    # HTTP

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params, outcome, answer = {}, "ok", web.json_response({})
        fault = self._strike(method)
        try:
            params = await _params(request)
            if fault is None or fault.is_carried_out:
                answer = web.json_response({"ok": True, **self._call(method, params, request)})
        except Refused as refused:
            outcome, answer = refused.code, _refusal(refused)
        self._note(method, params.get("channel"), fault.kind if fault else outcome)
        if fault is not None:
            answer = await self._go_wrong(fault, request)
        answer.headers["X-OAuth-Scopes"] = ",".join(sorted(self.scopes))
        return answer

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        outcome, answer = "ok", web.Response(text="ok")
        fault = self._strike("webhook")
        body = await request.read()
        try:
            if fault is None or fault.is_carried_out:
                self._receive(request.path, body)
        except Refused as refused:
            outcome, answer = refused.code, _webhook_refusal(refused)
        self._note("webhook", self.webhook_channel, fault.kind if fault else outcome)
        return await self._go_wrong(fault, request) if fault else answer

    def _note(self, method: str, channel: object, outcome: str) -> None:
        self.requests.append(Request(method, str(channel or ""), outcome))
        self._changed.set()

    def _strike(self, method: str) -> Fault | None:
        """Return the fault that this call runs into, one time fewer left of it."""
        for index, fault in enumerate(self.faults):
            if fault.method not in (None, method) or self._chance.random() >= fault.probability:
                continue
            if fault.times is not None:
                left = msgspec.structs.replace(fault, times=fault.times - 1)
                self.faults[index : index + 1] = [left] if fault.times > 1 else []
            return fault
        return None

    async def _go_wrong(self, fault: Fault, request: web.Request) -> web.Response:
        match fault.base:
            case "reset":
                _cut(request)
                return web.Response()
            case "hang":
                await self._stopping.wait()
                return web.Response()
            case "garbage":
                return web.Response(text='{"ok": tr', content_type="application/json")
            case "429":
                return _refusal(Refused("ratelimited", retry_after=fault.retry_after))
            case status if status.isdigit():
                page = f"<html><h1>{HTTPStatus(int(status)).phrase}</h1></html>"
                return web.Response(status=int(status), text=page, content_type="text/html")
            case code:
                return _refusal(Refused(code.removeprefix("error:")))

    async def _seen(self, _: web.Request) -> web.Response:
        channels = {
            channel.name: {
                "id": channel.id,
                "is_archived": channel.is_archived,
                "notifications": channel.notifications(),
                "posts": [
                    {
                        **asdict(post),
                        "replies": [r.ts for r in post.replies],
                        "plain": plain_text(post),
                    }
                    for post in channel.posts
                ],
            }
            for channel in self.channels.values()
        }
        requests = [asdict(request) for request in self.requests]
        return web.json_response({"channels": channels, "requests": requests})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self.faults.append(msgspec.json.decode(await request.read(), type=Fault))
        except msgspec.DecodeError as wrong:
            raise web.HTTPBadRequest(text=str(wrong)) from wrong
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    # The methods

    def _call(self, method: str, params: Json, request: web.Request) -> Json:
        if method not in self._methods:
            raise Refused("unknown_method")
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = bearer or params.get("token")
        if not token:
            raise Refused("not_authed")
        if token != self.token:
            raise Refused("invalid_auth")
        if self._is_token_revoked:
            raise Refused("token_revoked")
        scope, carry_out = self._methods[method]
        if scope is not None:
            self._require(scope)
        return carry_out(params)

    def _require(self, scope: str) -> None:
        if scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise Refused("missing_scope", needed=scope, provided=provided)

    def _auth_test(self, _: Json) -> Json:
        return {
            "url": f"{self.url}/",
            "team": "Simulated",
            "user": "nuon_releases",
            "team_id": "T0SIMULATED",
            "user_id": _BOT,
            "bot_id": _HOOK,
        }

    def _post_message(self, params: Json) -> Json:
        channel = self._channel(params, by_name=True)
        if channel.is_archived:
            raise Refused("is_archived")
        if not channel.is_member and "chat:write.public" not in self.scopes:
            raise Refused("not_in_channel")
        post = self._post(channel, params, author=_BOT)
        return {"channel": channel.id, "ts": post.ts, "message": _message(post)}

    def _post(self, channel: Channel, params: Json, *, author: str) -> Posted:
        if self.rates:
            self._pace(channel.id, self.rates.seconds_per_message, self.rates.burst)
        text, blocks = _content(params)
        if not text and not blocks:
            raise Refused("no_text")
        post = Posted(
            ts=self._next_ts(),
            channel_id=channel.id,
            author=author,
            text=text[:40_000],
            blocks=blocks or (),
            metadata=_metadata(params),
            is_mrkdwn=_flag(params.get("mrkdwn", True)),
        )
        if params.get("thread_ts"):
            root = channel.find(params["thread_ts"])
            if root is None or root.thread_ts is not None:
                raise Refused("thread_not_found")
            post.thread_ts = root.ts
            post.is_broadcast = _flag(params.get("reply_broadcast"))
            root.replies.append(post)
        channel.by_ts[post.ts] = post
        return post

    def _update(self, params: Json) -> Json:
        if self.rates:
            self._pace("chat.update", self.rates.seconds_per_edit, self.rates.burst)
        channel = self._channel(params)
        if channel.is_archived:
            raise Refused("is_inactive")
        post = channel.find(params.get("ts"))
        if post is None:
            raise Refused("message_not_found")
        if post.author != _BOT:
            raise Refused("cant_update_message")
        text, blocks = _content(params)
        if len(text) > 4_000:
            raise Refused("msg_too_long")
        if not text and not blocks:
            raise Refused("no_text")
        metadata = _metadata(params) if "metadata" in params else post.metadata
        post.edits.append(Version(post.text, post.blocks, post.metadata))
        post.text, post.metadata = text, metadata
        post.blocks = post.blocks if blocks is None else blocks
        return {"channel": channel.id, "ts": post.ts, "text": text, "message": _message(post)}

    def _info(self, params: Json) -> Json:
        channel = self._channel(params)
        if channel.is_private:
            self._require("groups:read")
        return {"channel": _facts(channel)}

    def _list(self, params: Json) -> Json:
        asked = str(params.get("types") or "public_channel").split(",")
        if "private_channel" in asked:
            self._require("groups:read")
        listed = [
            channel
            for channel in self.channels.values()
            if ("private_channel" if channel.is_private else "public_channel") in asked
            and (channel.is_member or not channel.is_private)
            and not (channel.is_archived and _flag(params.get("exclude_archived")))
        ]
        shown, cursor = _page(listed, params, default_limit=100)
        return {
            "channels": [_facts(channel) for channel in shown],
            "response_metadata": {"next_cursor": cursor},
        }

    def _history(self, params: Json) -> Json:
        channel = self._readable(params)
        return _messages(channel.messages[::-1], params, default_limit=100)

    def _replies(self, params: Json) -> Json:
        channel = self._readable(params)
        root = channel.find(params.get("ts"))
        if root is None:
            raise Refused("thread_not_found")
        return _messages([root, *root.replies], params, default_limit=1000)

    def _lookup_by_email(self, params: Json) -> Json:
        email = str(params.get("email", ""))
        if email not in self.users:
            raise Refused("users_not_found")
        return {"user": {"id": self.users[email], "profile": {"email": email}}}

    def _receive(self, path: str, body: bytes) -> None:
        """Carry out what was sent to the webhook."""
        if path.rpartition("/")[0] != _WEBHOOK_PATH.rpartition("/")[0] or self._is_webhook_revoked:
            raise Refused("no_service")
        if path != _WEBHOOK_PATH:
            raise Refused("invalid_token")
        try:
            params = json.loads(body)
        except ValueError as wrong:
            raise Refused("invalid_payload") from wrong
        if not isinstance(params, dict):
            raise Refused("invalid_payload")
        channel = self.channels.get(self.webhook_channel)
        if channel is None:
            raise Refused("channel_not_found")
        if channel.is_archived:
            raise Refused("channel_is_archived")
        self._post(channel, params, author=_HOOK)

    def _channel(self, params: Json, *, by_name: bool = False) -> Channel:
        named = str(params.get("channel", ""))
        for channel in self.channels.values():
            is_meant = named == channel.id or (
                by_name and named in (channel.name, f"#{channel.name}")
            )
            if is_meant and (channel.is_member or not channel.is_private):
                return channel
        raise Refused("channel_not_found")

    def _readable(self, params: Json) -> Channel:
        if self.rates:
            self._pace("read", self.rates.seconds_per_read, self.rates.burst_of_reads)
        channel = self._channel(params)
        if channel.is_private:
            self._require("groups:history")
        if not channel.is_member:
            raise Refused("not_in_channel")
        return channel

    def _pace(self, what: str, seconds: float, burst: int) -> None:
        """Refuse what comes too soon; `Retry-After` is in whole seconds, as Slack has it."""
        now = time.monotonic()
        due = max(self._due.get(what, now), now)
        wait = due - now - seconds * (burst - 1)
        if wait > 0:
            raise Refused("ratelimited", retry_after=math.ceil(wait))
        self._due[what] = due + seconds

    def _next_ts(self) -> str:
        """Return the time as Slack writes it, which is a message's id: never the same twice."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1_000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"


# HTTP's side of it


async def _params(request: web.Request) -> Json:
    """Return the arguments of a call, from the query and from a form or a JSON body."""
    params: Json = dict(request.query)
    if request.content_type != "application/json":
        return params | dict(await request.post())
    try:
        body = await request.json()
    except ValueError as wrong:
        raise Refused("invalid_json") from wrong
    if not isinstance(body, dict):
        raise Refused("json_not_object")
    return params | body


def _refusal(refused: Refused) -> web.Response:
    """Return the usual way to fail: HTTP 200 with `ok` false."""
    facts = dict(refused.facts)
    body: Json = {"ok": False, "error": refused.code}
    if refused.detail:
        body["response_metadata"] = {"messages": [f"[ERROR] {refused.detail}"]}
    if "retry_after" in facts:
        headers = {"Retry-After": str(facts["retry_after"])}
        return web.json_response(body, status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers)
    return web.json_response(body | facts)


_WEBHOOK_STATUS = {
    "invalid_token": 403,
    "action_prohibited": 403,
    "no_service": 404,
    "channel_not_found": 404,
    "channel_is_archived": 410,
    "rollup_error": 500,
}


def _webhook_refusal(refused: Refused) -> web.Response:
    """Return a webhook's way to fail: a status, and the code as plain text."""
    if "retry_after" in refused.facts:
        return _refusal(refused)
    return web.Response(status=_WEBHOOK_STATUS.get(refused.code, 400), text=refused.code)


def _cut(request: web.Request) -> None:
    """Cut the connection the hard way: the other side sees it reset."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


def _flag(value: object) -> bool:
    return value in (True, "true", "1", 1)


def _message(post: Posted, *, with_metadata: bool = True) -> Json:
    """Return a message as the API shows it."""
    message: Json = {"type": "message", "user": post.author, "ts": post.ts, "text": post.text}
    if post.blocks:
        message["blocks"] = post.blocks
    if post.metadata and with_metadata:
        message["metadata"] = post.metadata
    if post.is_broadcast:
        message["subtype"] = "thread_broadcast"
    if post.thread_ts or post.replies:
        message["thread_ts"] = post.thread_ts or post.ts
    if post.replies:
        message["reply_count"] = len(post.replies)
    return message


def _facts(channel: Channel) -> Json:
    """Return a channel as the API shows it."""
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.is_private,
        "is_private": channel.is_private,
        "is_member": channel.is_member,
        "is_archived": channel.is_archived,
    }


def _messages(posts: Sequence[Posted], params: Json, *, default_limit: int) -> Json:
    """Return those that were asked for; `oldest` and `latest` themselves only if `inclusive`."""
    oldest, latest = _bound(params, "oldest", "0"), _bound(params, "latest", "Infinity")
    is_inclusive = _flag(params.get("inclusive"))
    asked = [
        post
        for post in posts
        if oldest < Decimal(post.ts) < latest
        or (is_inclusive and Decimal(post.ts) in (oldest, latest))
    ]
    shown, cursor = _page(asked, params, default_limit=default_limit)
    with_metadata = _flag(params.get("include_all_metadata"))
    return {
        "messages": [_message(post, with_metadata=with_metadata) for post in shown],
        "has_more": cursor != "",
        "response_metadata": {"next_cursor": cursor},
    }


def _page(items: Sequence[T], params: Json, *, default_limit: int) -> tuple[Sequence[T], str]:
    """Return one page and the cursor of the next, empty on the last."""
    start, limit = _start(params), min(int(params.get("limit") or default_limit), 1000)
    end = start + limit
    cursor = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return items[start:end], cursor


def _bound(params: Json, name: str, otherwise: str) -> Decimal:
    try:
        return Decimal(str(params.get(name) or otherwise))
    except InvalidOperation as wrong:
        raise Refused(f"invalid_ts_{name}") from wrong


def _start(params: Json) -> int:
    cursor = str(params.get("cursor") or "")
    if not cursor:
        return 0
    try:
        return int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
    except (binascii.Error, ValueError) as wrong:
        raise Refused("invalid_cursor") from wrong


# What a message may hold


def _content(params: Json) -> tuple[str, list[Json] | None]:
    """Return the text and the blocks; None where there were none, which an edit keeps."""
    text = params.get("text") or ""
    if not isinstance(text, str):
        raise Refused("invalid_arguments", "text must be a string")
    if params.get("blocks") is None:
        return text, None
    blocks = _decoded(params["blocks"], "invalid_blocks_format")
    check_blocks(blocks)
    return text, blocks


def _metadata(params: Json) -> Json | None:
    metadata = _decoded(params.get("metadata"), "invalid_metadata_format")
    if not metadata:
        return None
    match metadata:
        case {"event_type": str(kind), "event_payload": dict()} if kind and len(metadata) == 2:
            pass
        case _:
            raise Refused("invalid_metadata_format")
    if len(json.dumps(metadata)) > 8_000:
        raise Refused("metadata_too_large")
    return dict(metadata)


def _decoded(value: Any, code: str) -> Any:
    """Return an argument that a form holds as JSON, and a JSON body perhaps too."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as wrong:
        raise Refused(code) from wrong


def check_blocks(blocks: object) -> None:
    """Raise `Refused` with `invalid_blocks` or `msg_blocks_too_long`, as Slack would.

    How Slack counts all blocks together is not documented; text alone it is not, since
    each block and element counts some too. Here it is the JSON without spaces, which is
    more than Slack counts for long addresses.
    https://github.com/slackapi/bolt-js/issues/2867
    """
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    _expect(len(blocks) <= 50, "no more than 50 items allowed", "/blocks")
    for index, block in enumerate(blocks):
        _check_block(block, f"/blocks/{index}")
    block_ids = [block["block_id"] for block in blocks if "block_id" in block]
    _expect(len(block_ids) == len(set(block_ids)), "block_id must be unique", "/blocks")
    size = len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))
    if size > 13_200:
        raise Refused("msg_blocks_too_long", f"{size} characters")


def _expect(holds: bool, otherwise: str, place: str) -> None:
    if not holds:
        raise Refused("invalid_blocks", f"{otherwise} [json-pointer:{place}]")


def _check_block(block: Any, place: str) -> None:
    _expect(isinstance(block, dict), "must be an object", place)
    check = _BLOCKS.get(str(block.get("type")))
    _expect(check is not None, f"unsupported type: {block.get('type')}", place)
    _expect(_survives(block), "an unknown key, an empty value or one too long", place)
    if check is not None:
        check(block, place)


def _survives(block: Json) -> bool:
    """Return whether the SDK writes a block as it read it: it drops what it does not know."""
    try:
        parsed = Block.parse(block)
        return parsed is not None and bool(parsed.to_dict() == block)
    except (SlackObjectFormationError, TypeError, KeyError, AttributeError):
        return False


def _check_text(words: Any, place: str, *, limit: int, is_plain: bool = False) -> None:
    _expect(isinstance(words, dict), "must be a text object", place)
    allowed = ("plain_text",) if is_plain else ("plain_text", "mrkdwn")
    _expect(words.get("type") in allowed, f"type must be one of {allowed}", f"{place}/type")
    said = words.get("text")
    _expect(isinstance(said, str) and 0 < len(said) <= limit, f"1 to {limit} characters", place)


def _check_header(block: Json, place: str) -> None:
    _check_text(block.get("text"), f"{place}/text", limit=150, is_plain=True)


def _check_section(block: Json, place: str) -> None:
    if "text" in block:
        _check_text(block["text"], f"{place}/text", limit=3_000)
    fields = block.get("fields", [])
    _expect(len(fields) <= 10, "no more than 10 items allowed", f"{place}/fields")
    for index, words in enumerate(fields):
        _check_text(words, f"{place}/fields/{index}", limit=2_000)
    _expect("text" in block or bool(fields), "text or fields required", place)
    if "accessory" in block:
        _check_element(block["accessory"], f"{place}/accessory", allowed=("button", "image"))


def _check_context(block: Json, place: str) -> None:
    elements = block.get("elements", [])
    _expect(1 <= len(elements) <= 10, "1 to 10 items allowed", f"{place}/elements")
    for index, element in enumerate(elements):
        where = f"{place}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            _check_image(element, where)
        else:
            _check_text(element, where, limit=3_000)


def _check_actions(block: Json, place: str) -> None:
    elements = block.get("elements", [])
    _expect(1 <= len(elements) <= 25, "1 to 25 items allowed", f"{place}/elements")
    for index, element in enumerate(elements):
        _check_element(element, f"{place}/elements/{index}", allowed=("button",))
    ids = [element["action_id"] for element in elements if "action_id" in element]
    _expect(len(ids) == len(set(ids)), "action_id must be unique", f"{place}/elements")


def _check_element(element: Any, place: str, *, allowed: tuple[str, ...]) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    _expect(kind in allowed, f"unsupported type: {kind}", place)
    if kind == "image":
        _check_image(element, place)
        return
    _check_text(element.get("text"), f"{place}/text", limit=75, is_plain=True)
    if "url" in element:
        _check_address(element["url"], f"{place}/url")


def _check_image(image: Json, place: str) -> None:
    _expect(bool(image.get("alt_text")), "alt_text required", place)
    _check_address(image.get("image_url"), f"{place}/image_url")


def _check_address(address: object, place: str) -> None:
    is_one = isinstance(address, str) and _ADDRESS.fullmatch(address) and len(address) <= 3_000
    _expect(bool(is_one), "must be a URL", place)


_ADDRESS = re.compile(r"https?://[^\s<>/?#]+\S*")


def _check_nothing(_: Json, __: str) -> None:
    """A divider has nothing more to check."""


def _check_rich_text(block: Json, place: str) -> None:
    elements = block.get("elements", [])
    _expect(len(elements) > 0, "elements required", place)
    for index, element in enumerate(elements):
        where = f"{place}/elements/{index}"
        kind = element["type"]
        _expect(kind in _RICH_CONTAINERS, f"unsupported type: {kind}", where)
        if kind == "rich_text_list":
            _check_rich_list(element, where)
        else:
            _check_inline(element["elements"], where, _RICH_CONTAINERS[kind])


def _check_rich_list(element: Json, place: str) -> None:
    _expect(element.get("style") in ("bullet", "ordered"), "bullet or ordered", f"{place}/style")
    _expect(element.get("indent", 0) in range(9), "0 to 8", f"{place}/indent")
    for index, item in enumerate(element["elements"]):
        where = f"{place}/elements/{index}"
        _expect(item["type"] == "rich_text_section", "must be a rich_text_section", where)
        _check_inline(item["elements"], where, _INLINE)


def _check_inline(elements: Iterable[Json], place: str, allowed: Iterable[str]) -> None:
    for index, element in enumerate(elements):
        where = f"{place}/elements/{index}"
        kind = element["type"]
        _expect(kind in allowed, f"unsupported type: {kind}", where)
        for key, is_right in _INLINE[kind].items():
            _expect(is_right(element.get(key)), f"{key} is missing or wrong", where)
        style = element.get("style", {})
        is_style = isinstance(style, dict) and all(
            mark in _STYLES and isinstance(is_on, bool) for mark, is_on in style.items()
        )
        _expect(is_style, "not a style", f"{where}/style")


_STYLES = frozenset({"bold", "italic", "strike", "code", "underline"})


def _is_words(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_words_or_absent(value: object) -> bool:
    return value is None or _is_words(value)


def _matches(pattern: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


_INLINE: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "text": {"text": _is_words},
    "link": {"url": _matches(r"(https?://[^\s<>/?#]+|mailto:)\S*"), "text": _is_words_or_absent},
    "emoji": {"name": _matches(r"[a-z0-9_+'\-]+")},
    "user": {"user_id": _matches(r"[UW][A-Z0-9]+")},
    "usergroup": {"usergroup_id": _matches(r"S[A-Z0-9]+")},
    "channel": {"channel_id": _matches(r"C[A-Z0-9]+")},
    "broadcast": {"range": _matches("here|channel|everyone")},
    "date": {
        "timestamp": lambda value: type(value) is int,
        "format": _matches(r"(?s).*\{[a-z_]+\}.*"),
        "fallback": _is_words_or_absent,
    },
}
_RICH_CONTAINERS: Mapping[str, Iterable[str]] = {
    "rich_text_section": _INLINE,
    "rich_text_quote": _INLINE,
    "rich_text_preformatted": ("text", "link"),
    "rich_text_list": (),
}
_BLOCKS: Mapping[str, Callable[[Json, str], None]] = {
    "header": _check_header,
    "section": _check_section,
    "context": _check_context,
    "actions": _check_actions,
    "image": _check_image,
    "divider": _check_nothing,
    "rich_text": _check_rich_text,
}


# A process of its own


async def _serve(slack: SimulatedSlack) -> None:
    stop_requested = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_requested.set)
    async with slack:
        urls = {"api_url": slack.api_url, "webhook_url": slack.webhook_url, "token": slack.token}
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        await stop_requested.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A simulated Slack on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--channel", action="append", help="a channel's name; several may be given")
    parser.add_argument(
        "--seconds-per-message", type=float, default=1.0, help="the rate per channel; 0: no limits"
    )
    given = parser.parse_args()
    rates: Rates | Literal[False] = False
    if seconds := given.seconds_per_message:
        rates = Rates(seconds_per_message=seconds, seconds_per_edit=1.2 * seconds)
    slack = SimulatedSlack(given.channel or ("releases",), rates=rates, port=given.port)
    asyncio.run(_serve(slack))


if __name__ == "__main__":
    main()
