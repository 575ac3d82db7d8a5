"""Blocks that a workspace may not know: sent while it takes them, and left out where it does not.

Slack refuses the whole message for a block that it does not know. That is no failure of the
message: it goes out at once with what stands instead of the block, and keeps its shape.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from monitor.errors import DestinationRejected, Refusal
from monitor.model import Message

log = structlog.get_logger(__name__)

T = TypeVar("T")

_ASK_AGAIN_AFTER_SECONDS = 24 * 60 * 60.0
"""A workspace may learn to know a block; each question costs a call that is refused."""


class OptionalBlocks:
    """Whether one workspace takes them; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused_at: float | None = None

    async def send(self, message: Message, call: Callable[[Message], Awaitable[T]]) -> T:
        """Make a call with a message, or with the same message without its optional blocks.

        Raises DestinationError as the call does. A refusal is remembered only once the message
        passed without them: else they were not the reason.
        """
        if not message.has_optional_blocks:
            return await call(message)
        if self._are_refused():
            return await call(message.without_optional_blocks())
        try:
            return await call(message)
        except DestinationRejected as error:
            if error.refusal not in (Refusal.MESSAGE, Refusal.UNKNOWN):
                raise
            refusal = str(error)
        answer = await call(message.without_optional_blocks())
        self._refused_at = self._clock()
        log.warning("optional_blocks_refused", error=refusal)
        return answer

    def _are_refused(self) -> bool:
        since = self._refused_at
        return since is not None and self._clock() - since < _ASK_AGAIN_AFTER_SECONDS
