"""The methods of Slack's Web API that a notifier uses, and an incoming webhook.

They refuse what the real ones refuse, with the real ones' codes, and forgive no repetition (as
the real ones they know no idempotency key).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from monitor.simulation.slack.block_kit import RefusedBlock, check_blocks
from monitor.simulation.slack.messages import Channel, Json, Posted, Version
from monitor.simulation.slack.refusals import Refused
from monitor.simulation.slack.shown import flag, message_of, messages_of, page_of
from monitor.simulation.slack.workspace import BOT, HOOK, WEBHOOK_PATH, Workspace

# In characters.
_POST_LIMIT = 40_000
_EDIT_LIMIT = 4_000
_METADATA_LIMIT = 8_000


METHODS_ON_MESSAGES = (
    "chat.postMessage",
    "chat.update",
    "chat.delete",
    "conversations.history",
    "conversations.replies",
)


class WebApi:
    """Carries out the calls to one workspace; each raises `Refused` for what it does not do."""

    def __init__(self, workspace: Workspace, url: Callable[[], str]) -> None:
        """`url` is where the workspace is, as soon as somebody listens there."""
        self._workspace = workspace
        self._url = url
        self._methods: dict[str, tuple[str | None, Callable[[Json], Json]]] = {
            "auth.test": (None, self._auth_test),
            "blocks.validate": (None, self._validate),
            "chat.postMessage": ("chat:write", self._post_message),
            "chat.update": ("chat:write", self._update),
            "chat.delete": ("chat:write", self._delete),
            "conversations.info": ("channels:read", self._info),
            "conversations.list": ("channels:read", self._list),
            "conversations.history": ("channels:history", self._history),
            "conversations.replies": ("channels:history", self._replies),
            "users.lookupByEmail": ("users:read.email", self._lookup_by_email),
        }

    def call(self, method: str, params: Json, bearer: str) -> Json:
        """Carry out a method for whoever has the token, or names it among the arguments."""
        if method not in self._methods or method in self._workspace.unknown_methods:
            raise Refused("unknown_method")
        token = bearer or params.get("token")
        if not token:
            raise Refused("not_authed")
        if token != self._workspace.token:
            raise Refused("invalid_auth")
        if self._workspace.is_token_revoked:
            raise Refused("token_revoked")
        scope, carry_out = self._methods[method]
        if scope is not None:
            self._workspace.require(scope)
        return carry_out(params)

    def _auth_test(self, _: Json) -> Json:
        return {
            "url": f"{self._url()}/",
            "team": "Simulated",
            "user": "nuon_releases",
            "team_id": "T0SIMULATED",
            "user_id": BOT,
            "bot_id": HOOK,
        }

    def _validate(self, params: Json) -> Json:
        """Say what is wrong with blocks, or with those of a message."""
        given = [name for name in ("blocks", "message", "view") if params.get(name) is not None]
        if len(given) != 1 or given == ["view"]:  # no notifier has a view
            raise Refused("invalid_arguments", "exactly one of blocks, view or message")
        shown = _decoded(params[given[0]], "invalid_arguments")
        if given == ["message"]:
            shown = shown.get("blocks") if isinstance(shown, dict) else None
        try:
            check_blocks(shown, self._workspace.unknown_blocks)
        except RefusedBlock as refused:
            pointer = refused.pointer
            if given == ["blocks"]:
                pointer = pointer.removeprefix("/blocks")
            error = {
                "pointer": pointer,
                "code": "failed_constraint",
                "message": refused.complaint,
                "constraint": {},
            }
            raise Refused(f"invalid_{given[0]}", errors=[error]) from refused
        return {}

    def _post_message(self, params: Json) -> Json:
        channel = self._channel(params, by_name=True)
        if channel.is_archived:
            raise Refused("is_archived")
        if not channel.is_member and "chat:write.public" not in self._workspace.scopes:
            raise Refused("not_in_channel")
        post = self._post(channel, params, author=BOT)
        return {"channel": channel.id, "ts": post.ts, "message": message_of(post)}

    def _post(self, channel: Channel, params: Json, *, author: str) -> Posted:
        if self._workspace.rates:
            self._workspace.pace(
                channel.id, self._workspace.rates.seconds_per_message, self._workspace.rates.burst
            )
        text, blocks = self._content(params)
        if not text and not blocks:
            raise Refused("no_text")
        post = Posted(
            ts=self._workspace.next_ts(),
            channel_id=channel.id,
            author=author,
            text=text[:_POST_LIMIT],
            blocks=blocks or (),
            metadata=_metadata(params),
            is_mrkdwn=flag(params.get("mrkdwn", True)),
        )
        if params.get("thread_ts"):
            root = channel.find(params["thread_ts"])
            if root is None or root.thread_ts is not None:
                raise Refused("thread_not_found")
            post.thread_ts = root.ts
            post.is_broadcast = flag(params.get("reply_broadcast"))
            root.replies.append(post)
        channel.by_ts[post.ts] = post
        return post

    def _update(self, params: Json) -> Json:
        if self._workspace.rates:
            self._workspace.pace(
                "chat.update", self._workspace.rates.seconds_per_edit, self._workspace.rates.burst
            )
        channel = self._channel(params)
        if channel.is_archived:
            raise Refused("is_inactive")
        post = channel.find(params.get("ts"))
        if post is None:
            raise Refused("message_not_found")
        if post.author != BOT:
            raise Refused("cant_update_message")
        text, blocks = self._content(params)
        _check_edit(post, text, blocks)
        metadata = _metadata(params) if "metadata" in params else post.metadata
        post.edits.append(Version(post.text, post.blocks, post.metadata))
        post.text, post.metadata = text, metadata
        post.blocks = post.blocks if blocks is None else blocks
        return {"channel": channel.id, "ts": post.ts, "text": text, "message": message_of(post)}

    def _content(self, params: Json) -> tuple[str, list[Json] | None]:
        """Return the text and the blocks; None where there were none, which an edit keeps."""
        text = params.get("text") or ""
        if not isinstance(text, str):
            raise Refused("invalid_arguments", "text must be a string")
        if params.get("blocks") is None:
            return text, None
        blocks = _decoded(params["blocks"], "invalid_blocks_format")
        check_blocks(blocks, self._workspace.unknown_blocks)
        return text, blocks

    def _delete(self, params: Json) -> Json:
        if self._workspace.rates:
            self._workspace.pace(
                "chat.delete", self._workspace.rates.seconds_per_edit, self._workspace.rates.burst
            )
        channel = self._channel(params)
        post = channel.find(params.get("ts"))
        if post is None:
            raise Refused("message_not_found")
        if post.author != BOT:
            raise Refused("cant_delete_message")
        self._workspace.delete_message(post.ts)
        return {"channel": channel.id, "ts": post.ts}

    def _info(self, params: Json) -> Json:
        channel = self._channel(params)
        if channel.is_private:
            self._workspace.require("groups:read")
        return {"channel": _facts(channel)}

    def _list(self, params: Json) -> Json:
        asked = str(params.get("types") or "public_channel").split(",")
        if "private_channel" in asked:
            self._workspace.require("groups:read")
        leaves_out_archived = flag(params.get("exclude_archived"))
        listed = [
            channel
            for channel in self._workspace.channels.values()
            if _is_listed(channel, asked) and not (channel.is_archived and leaves_out_archived)
        ]
        shown, cursor = page_of(listed, params)
        return {
            "channels": [_facts(channel) for channel in shown],
            "response_metadata": {"next_cursor": cursor},
        }

    def _history(self, params: Json) -> Json:
        channel = self._readable(params, "conversations.history")
        return messages_of(channel.messages[::-1], params, limit=100, most=self._most_per_read)

    def _replies(self, params: Json) -> Json:
        channel = self._readable(params, "conversations.replies")
        root = channel.find(params.get("ts"))
        if root is None:
            raise Refused("thread_not_found")
        most = self._most_per_read
        return messages_of([root, *root.replies], params, limit=most, most=most)

    @property
    def _most_per_read(self) -> int:
        return self._workspace.rates.most_per_read if self._workspace.rates else 1_000

    def _lookup_by_email(self, params: Json) -> Json:
        email = str(params.get("email", ""))
        if email not in self._workspace.users:
            raise Refused("users_not_found")
        return {"user": {"id": self._workspace.users[email], "profile": {"email": email}}}

    def receive(self, path: str, body: bytes) -> str:
        """Carry out what was sent to the webhook; returns the `ts` of the message."""
        if (
            path.rpartition("/")[0] != WEBHOOK_PATH.rpartition("/")[0]
            or self._workspace.is_webhook_revoked
        ):
            raise Refused("no_service")
        if path != WEBHOOK_PATH:
            raise Refused("invalid_token")
        try:
            params = json.loads(body)
        except ValueError as wrong:
            raise Refused("invalid_payload") from wrong
        if not isinstance(params, dict):
            raise Refused("invalid_payload")
        channel = self._workspace.channels.get(self._workspace.webhook_channel)
        if channel is None:
            raise Refused("channel_not_found")
        if channel.is_archived:
            raise Refused("channel_is_archived")
        return self._post(channel, params, author=HOOK).ts

    def _channel(self, params: Json, *, by_name: bool = False) -> Channel:
        named = str(params.get("channel", ""))
        for channel in self._workspace.channels.values():
            is_meant = named == channel.id or (
                by_name and named in (channel.name, f"#{channel.name}")
            )
            if is_meant and (channel.is_member or not channel.is_private):
                return channel
        raise Refused("channel_not_found")

    def _readable(self, params: Json, method: str) -> Channel:
        if self._workspace.rates:
            self._workspace.pace(
                method, self._workspace.rates.seconds_per_read, self._workspace.rates.burst_of_reads
            )
        channel = self._channel(params)
        if channel.is_private:
            self._workspace.require("groups:history")
        if not channel.is_member:
            raise Refused("not_in_channel")
        return channel


def _is_listed(channel: Channel, kinds: list[str]) -> bool:
    kind = "private_channel" if channel.is_private else "public_channel"
    return kind in kinds and (channel.is_member or not channel.is_private)


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


def _metadata(params: Json) -> Json | None:
    metadata = _decoded(params.get("metadata"), "invalid_metadata_format")
    if not metadata:
        return None
    match metadata:
        case {"event_type": str(kind), "event_payload": dict()} if kind and len(metadata) == 2:
            pass
        case _:
            raise Refused("invalid_metadata_format")
    if len(json.dumps(metadata)) > _METADATA_LIMIT:
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


def _check_edit(post: Posted, text: str, blocks: list[Json] | None) -> None:
    if len(text) > _EDIT_LIMIT:
        raise Refused("msg_too_long")
    if not text and not blocks:
        raise Refused("no_text")
    if blocks is not None and _has_rich_text(post.blocks) and not _has_rich_text(blocks):
        raise Refused("block_mismatch")


def _has_rich_text(blocks: Sequence[Json]) -> bool:
    return any(block["type"] == "rich_text" for block in blocks)
