"""What goes wrong on request between the simulated Slack and its caller."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from monitor.simulation.slack.refusals import Refused, refusal


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong with the next calls.

    `kind` is an HTTP status (`429`, `500`, `502`, `503`, `504`), `reset` (the connection is
    cut), `hang` (no answer until the caller gives up or the server stops), `garbage` (half
    an answer) or `error:CODE`. With `_after`, as in `reset_after`, the call is carried out
    first, which its caller cannot know; else, as in `reset_before` or `reset`, it is not.
    `late` is no failure: the answer is the right one, at its time. `slow` is any of these by
    chance, each time another one, at most as late as it says.

    It strikes after `answered_after` seconds. A message that is carried out is stored after
    `stored_after` seconds, though the connection broke long ago; where the answer was there
    before, it can be edited and replied to, but is not found yet.

    `method` is one as `chat.postMessage`, or `webhook`, or None for any. It strikes `times`
    calls (None: until cleared), each with that `probability`.
    """

    kind: str
    method: str | None = None
    times: int | None = 1
    probability: float = 1.0
    retry_after: int = 1
    stored_after: float = 0.0
    answered_after: float = 0.0

    def __post_init__(self) -> None:
        if not _FAULT.fullmatch(self.kind):
            raise ValueError(f"no such fault: {self.kind}")

    @property
    def is_carried_out(self) -> bool:
        return self.is_answered or self.kind.endswith("_after")

    @property
    def is_answered(self) -> bool:
        """Whether the caller gets the right answer in the end."""
        return self.kind == "late"

    @property
    def base(self) -> str:
        """The kind without the word on when it strikes."""
        return self.kind.removesuffix("_after").removesuffix("_before")


_FAULT = re.compile(
    r"late|slow|(429|500|502|503|504|reset|hang|garbage|error:[a-z_]+)(_before|_after)?"
)
_SLOW: Mapping[str, int] = {
    "late": 10,
    "reset_after": 4,
    "reset_before": 1,
    "500_after": 2,
    "503_after": 2,
    "503_before": 1,
}
"""What a slow Slack does, and how often in twenty calls."""
_POSTS = frozenset({"chat.postMessage", "webhook"})
"""What is stored late: an edit that came after a newer one would never be made good."""


def strike(faults: list[Fault], method: str, chance: random.Random) -> Fault | None:
    """Return the fault that a call runs into, and leave one time fewer of it."""
    for index, fault in enumerate(faults):
        if fault.method not in (None, method) or chance.random() >= fault.probability:
            continue
        if fault.times is not None:
            left = msgspec.structs.replace(fault, times=fault.times - 1)
            faults[index : index + 1] = [left] if fault.times > 1 else []
        return _drawn(fault, method, chance) if fault.kind == "slow" else fault
    return None


def _drawn(slow: Fault, method: str, chance: random.Random) -> Fault:
    """Return what a slow Slack makes of one call."""
    (kind,) = chance.choices([*_SLOW], [*_SLOW.values()])
    return msgspec.structs.replace(
        slow,
        kind=kind,
        stored_after=chance.uniform(0, slow.stored_after) if method in _POSTS else 0.0,
        answered_after=chance.uniform(0, slow.answered_after),
    )


async def go_wrong(fault: Fault, request: web.Request, stopping: asyncio.Event) -> web.Response:
    """Answer as a fault has it; what hangs does so until `stopping` is set."""
    match fault.base:
        case "reset":
            _cut(request)
            return web.Response()
        case "hang":
            await stopping.wait()
            return web.Response()
        case "garbage":
            return web.Response(text='{"ok": tr', content_type="application/json")
        case "429":
            return refusal(Refused("ratelimited", retry_after=fault.retry_after))
        case status if status.isdigit():
            page = f"<html><h1>{HTTPStatus(int(status)).phrase}</h1></html>"
            return web.Response(status=int(status), text=page, content_type="text/html")
        case code:
            return refusal(Refused(code.removeprefix("error:")))


def _cut(request: web.Request) -> None:
    """Cut the connection the hard way: the other side sees it reset."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
