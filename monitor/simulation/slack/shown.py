"""Messages and pages of them as the simulated Slack's methods show them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from monitor.simulation.slack import workspace
from monitor.simulation.slack.messages import Json, Posted
from monitor.simulation.slack.refusals import Refused

T = TypeVar("T")


def message_of(post: Posted, *, with_metadata: bool = True) -> Json:
    """Return a message as the API shows it."""
    shown: Json = {"type": "message", "ts": post.ts, "text": post.text, **_author(post)}
    if post.blocks:
        shown["blocks"] = post.blocks
    if post.metadata and with_metadata:
        shown["metadata"] = post.metadata
    if post.is_broadcast:
        shown["subtype"] = "thread_broadcast"
    if post.thread_ts or post.replies:
        shown["thread_ts"] = post.thread_ts or post.ts
    if post.replies:
        shown["reply_count"] = len(post.replies)
    if post.reactions:
        shown["reactions"] = [
            {"name": emoji, "users": users, "count": len(users)}
            for emoji, users in post.reactions.items()
        ]
    return shown


def _author(post: Posted) -> Json:
    """Return who wrote it: a webhook is a bot without a user, a bot's user has both."""
    match post.author:
        case workspace.BOT:
            return {"user": post.author, "bot_id": workspace.HOOK, "app_id": workspace.APP}
        case workspace.HOOK:
            return {"subtype": "bot_message", "bot_id": post.author}
        case _:
            return {"user": post.author}


def messages_of(posts: Sequence[Posted], params: Json, *, limit: int, most: int) -> Json:
    """Return those that were asked for; `oldest` and `latest` themselves only if `inclusive`."""
    oldest, latest = _bound(params, "oldest", "0"), _bound(params, "latest", "Infinity")
    is_inclusive = flag(params.get("inclusive"))
    asked = [
        post
        for post in posts
        if post.is_findable
        and (
            oldest < Decimal(post.ts) < latest
            or (is_inclusive and Decimal(post.ts) in (oldest, latest))
        )
    ]
    shown, cursor = page_of(asked, params, limit=limit, most=most)
    with_metadata = flag(params.get("include_all_metadata"))
    return {
        "messages": [message_of(post, with_metadata=with_metadata) for post in shown],
        "has_more": cursor != "",
        "response_metadata": {"next_cursor": cursor},
    }


def page_of(
    items: Sequence[T], params: Json, *, limit: int = 100, most: int = 1_000
) -> tuple[Sequence[T], str]:
    """Return one page and the cursor of the next, empty on the last.

    `limit` is for callers that ask for none, `most` for those that ask for more.
    """
    start = _start(params)
    end = start + min(int(params.get("limit") or limit), most)
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


def flag(value: object) -> bool:
    """Return what an argument says that is true or false, in a form or in JSON."""
    return value in (True, "true", "1", 1)
