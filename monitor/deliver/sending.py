"""What posts and edits have in common on their way to a destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitor.deliver.retry import Attempt, LoseCard, Wait
from monitor.errors import DestinationRejected, DestinationUnavailable
from monitor.model import Message, MessageRef


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """A message of ours as Slack shows it; in company, people replied or reacted to it."""

    ref: MessageRef
    has_company: bool


class Destination(Protocol):
    """A channel or webhook. Its methods raise no error but `DestinationError`."""

    keeps_cards: bool

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef: ...

    async def edit(self, message: Message, *, channel_id: str, ts: str) -> None: ...

    async def delete(self, ref: MessageRef) -> None: ...

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None: ...

    async def find_all(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> tuple[PostedMessage, ...]: ...


class Sending(Protocol):
    """One post or one edit that is due: how it is sent, and how the outcome is stored."""

    is_edit: bool

    @property
    def destination(self) -> str:
        """The destination's name."""

    @property
    def log_fields(self) -> Mapping[str, str]:
        """The fields that identify it in the log."""

    def attempt(
        self, error: DestinationUnavailable | DestinationRejected, *, is_plain_text: bool
    ) -> Attempt:
        """Return the attempt that ended in this error, for `next_step`."""

    async def begin(self) -> None:
        """Store that an attempt begins, where that matters after a crash."""

    async def send(self, destination: Destination, *, is_plain_text: bool) -> None: ...

    async def finish(self) -> None:
        """Store that it is done."""

    async def wait(self, step: Wait, reason: str) -> None: ...

    async def lose_card(self, step: LoseCard, reason: str) -> None: ...

    async def set_aside(self, reason: str) -> None: ...
