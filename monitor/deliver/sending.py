"""What posts and edits have in common on their way to a destination."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from monitor.deliver.retry import Attempt, LoseCard, Wait
from monitor.errors import DestinationRejected, DestinationUnavailable
from monitor.model import Message, MessageRef


class Destination(Protocol):
    """A place that takes notifications. Every method raises `DestinationError` only."""

    keeps_cards: bool

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef: ...

    async def edit(self, message: Message, *, channel_id: str, ts: str) -> None: ...

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None: ...


class Sending(Protocol):
    """One post or one edit that is due: how it is sent, and how the outcome is written down."""

    is_edit: bool

    @property
    def in_doubt(self) -> bool:
        """Whether an earlier attempt may have arrived."""

    @property
    def destination(self) -> str:
        """The destination's name."""

    @property
    def log_fields(self) -> Mapping[str, str]:
        """What tells it apart in the log."""

    def attempt(
        self, error: DestinationUnavailable | DestinationRejected, *, is_plain_text: bool
    ) -> Attempt:
        """Return what was tried, for `next_step`, now that it ended in this error."""

    async def begin(self) -> None:
        """Write down that an attempt begins, where that matters after a crash."""

    async def send(self, destination: Destination, *, is_plain_text: bool) -> bool:
        """Send it; returns whether the destination took it now, rather than earlier."""

    async def finish(self) -> None:
        """Write down that it is done."""

    async def wait(self, step: Wait, reason: str) -> None: ...

    async def lose_card(self, step: LoseCard, reason: str) -> None: ...

    async def set_aside(self, reason: str) -> None: ...
