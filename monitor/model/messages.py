"""What goes to Slack: messages, cards, mentions, and the notifications that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from monitor.model.events import EventKind
from monitor.model.tree import Target
from monitor.text import plain

_SHOWN = 60
"""Characters of a name that are shown."""


OPTIONAL_BLOCKS = frozenset({"data_table"})
"""The types of blocks that are so new that a workspace may refuse a message because of them."""


class Message(msgspec.Struct, frozen=True):
    """One Slack message: the Block Kit blocks and their plain-text twin, both complete.

    A workspace may refuse a message because of `OPTIONAL_BLOCKS`. It is then sent `instead`, or
    without any the same blocks but those.
    """

    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    instead: tuple[dict[str, Any], ...] = ()

    @property
    def has_optional_blocks(self) -> bool:
        return any(block.get("type") in OPTIONAL_BLOCKS for block in self.blocks)

    def without_optional_blocks(self) -> Message:
        """Return the same message for a workspace that refuses them."""
        others = (block for block in self.blocks if block.get("type") not in OPTIONAL_BLOCKS)
        return Message(self.text, self.instead or tuple(others))


class MessageRef(msgspec.Struct, frozen=True):
    """Where a message is in Slack; a thread has the reference of its first message.

    Both are empty for a message through an incoming webhook, which does not say.
    """

    channel_id: str
    ts: str


class Form(StrEnum):
    """How a notification appears in its destination."""

    CARD = "card"
    """The rollout's card, posted once and edited from then on."""
    REPLY = "reply"
    """A reply in the card's thread."""
    TABLE = "table"
    """A reply in the card's thread with all that fails, posted once and edited from then on."""
    MESSAGE = "message"
    """A message outside of any thread, never edited."""


class HeldLine(msgspec.Struct, frozen=True):
    """What happened in a quiet window, as its summary will say it: words of a title, and a page.

    `id` is the store's, 0 before it has one.
    """

    destination: str
    window: str
    until: datetime
    target: Target
    event: EventKind
    alert_key: str
    title: str
    words: str
    url: str
    at: datetime
    id: int = 0


class Card(msgspec.Struct, frozen=True):
    """What a rollout's card, or its table, in one destination ought to show now."""

    target: Target
    attempt: int
    destination: str
    message: Message
    form: Form = Form.CARD


class MentionKind(StrEnum):
    """Whom a mention pings."""

    HERE = "@here"
    CHANNEL = "@channel"
    STARTED_BY = "started_by"
    USER = "user"
    GROUP = "user group"


_WORDS = {str(kind): kind for kind in list(MentionKind)[:3]}


_LETTERS = {"U": MentionKind.USER, "W": MentionKind.USER, "S": MentionKind.GROUP}


@dataclass(frozen=True, slots=True)
class Mention:
    """A ping. `id` is Slack's id of a user or a group; of who started it, an e-mail address."""

    kind: MentionKind
    id: str = ""

    @classmethod
    def of(cls, word: str) -> Mention:
        """Return what a configuration's word means, such as `@here` or `U024BE7LH`.

        Raises ValueError for a word that means nothing.
        """
        if word in _WORDS:
            return cls(_WORDS[word])
        if word[:1] in _LETTERS:
            return cls(_LETTERS[word[0]], word)
        raise ValueError(f"{word!r} is nobody that can be mentioned")

    def __str__(self) -> str:
        match self.kind:
            case MentionKind.USER | MentionKind.GROUP:
                return f"@{self.id}"
            case MentionKind.STARTED_BY if self.id:
                return plain(self.id, _SHOWN)
            case _:
                return self.kind.value


class Notification(msgspec.Struct, frozen=True):
    """Events addressed to one destination. `key` is stable: the same news never has two keys.

    `headline` is one plain sentence that names the rollout, for where several are told together.
    `message` is drawn without the mentions, which are put in when it is sent. `happened_at` is by
    the platform's clock, where that was long before it was seen.
    """

    key: str
    destination: str
    form: Form
    message: Message
    target: Target | None = None
    attempt: int = 1
    events: tuple[EventKind, ...] = ()
    is_broadcast: bool = False
    headline: str = ""
    mentions: tuple[Mention, ...] = ()
    happened_at: datetime | None = None
