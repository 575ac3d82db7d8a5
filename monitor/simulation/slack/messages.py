"""What the simulated Slack was given: messages in channels, as their readers see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.simulation import reading

Json = dict[str, Any]


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
    is_findable: bool = True
    """Whether history shows it already."""
    reactions: dict[str, list[str]] = field(default_factory=dict)
    """Who reacted, by the emoji's name."""
    edits: list[Version] = field(default_factory=list)
    replies: list[Posted] = field(default_factory=list)

    @property
    def is_in_channel(self) -> bool:
        return self.thread_ts is None or self.is_broadcast

    @property
    def notification(self) -> str:
        """What a phone showed when it came; an edit changes nothing of that."""
        first = self.edits[0] if self.edits else self
        content = reading.plain_mrkdwn(first.text, is_formatted=self.is_mrkdwn)
        return content or reading.plain_text(first.blocks, text="")


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


def plain_text(posted: Posted) -> str:
    """Return a message as its reader sees it, line by line; times are in UTC."""
    return reading.plain_text(posted.blocks, text=posted.text, is_mrkdwn=posted.is_mrkdwn)
