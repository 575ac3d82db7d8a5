"""A Slack workspace with one app in it: its channels, its people, and how fast it may be used."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from monitor.simulation.slack.messages import Channel, Json, Posted
from monitor.simulation.slack.refusals import Refused

TOKEN = "xoxb-s3cret-simulated"  # noqa: S105 - opens nothing but the simulation
WEBHOOK_PATH = "/services/T0SIMULATED/B0SIMULATED/s3cret-simulated"
BOT = "U0SIMULATED"
HOOK = "B0SIMULATED"
APP = "A0SIMULATED"
PERSON = "U0PERSON"

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


@dataclass(frozen=True)
class Rates:
    """How often something may be done, in seconds, and how many times in a burst.

    Messages count per channel, a webhook's among them; edits, deletions and reads per method.
    Slack allows 50 edits a minute, and to some kinds of app a single read of history a minute,
    of 15 messages at most.
    """

    seconds_per_message: float = 1.0
    burst: int = 5
    seconds_per_edit: float = 1.2
    seconds_per_read: float = 1.2
    burst_of_reads: int = 5
    most_per_read: int = 1_000


REAL_RATES = Rates()


class Workspace:
    """A workspace whose app has a bot token, and an incoming webhook into the first channel.

    `rates` False: as fast as one likes. All that is public may be read and set at any time.
    """

    def __init__(
        self,
        channels: Iterable[str] = ("releases",),
        *,
        rates: Rates | Literal[False] = REAL_RATES,
        scopes: Iterable[str] = SCOPES,
    ) -> None:
        self.channels: dict[str, Channel] = {}
        for name in channels:
            self.add_channel(name)
        self.webhook_channel = next(iter(self.channels), "")
        self.users: dict[str, str] = {}
        """The ids of people by their e-mail addresses."""
        self.scopes = set(scopes)
        self.rates = rates
        self.token = TOKEN
        self.is_token_revoked = False
        self.is_webhook_revoked = False
        self.unknown_blocks: set[str] = set()
        """The types of blocks that it does not take."""
        self.unknown_methods: set[str] = set()
        self._due: dict[str, float] = {}
        self._last_ts = 0

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
        channel, post = self._find(ts)
        post.is_deleted = True
        root = channel.find(post.thread_ts)
        if root is not None:
            root.replies.remove(post)

    def react(self, ts: str, emoji: str, *, user: str = PERSON) -> None:
        """React to a message as a person would; raises KeyError where there is none."""
        self.find(ts).reactions.setdefault(emoji, []).append(user)

    def write(
        self,
        channel: str,
        text: str,
        *,
        author: str = PERSON,
        thread_ts: str | None = None,
        metadata: Json | None = None,
    ) -> Posted:
        """Write a message as a person or another app would; raises KeyError for no such thread."""
        where = self.channel(channel)
        post = Posted(self.next_ts(), where.id, author, text, metadata=metadata)
        if thread_ts is not None:
            root = self.find(thread_ts)
            post.thread_ts = root.ts
            root.replies.append(post)
        where.by_ts[post.ts] = post
        return post

    def find(self, ts: str) -> Posted:
        """Return a message that was not deleted; raises KeyError where there is none."""
        return self._find(ts)[1]

    def _find(self, ts: str) -> tuple[Channel, Posted]:
        for channel in self.channels.values():
            post = channel.find(ts)
            if post is not None:
                return channel, post
        raise KeyError(ts)

    def revoke_token(self) -> None:
        self.is_token_revoked = True

    def restore_token(self) -> None:
        self.is_token_revoked = False

    def revoke_webhook(self) -> None:
        self.is_webhook_revoked = True

    def restore_webhook(self) -> None:
        self.is_webhook_revoked = False

    def require(self, scope: str) -> None:
        """Refuse what the token's scopes do not allow."""
        if scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise Refused("missing_scope", needed=scope, provided=provided)

    def pace(self, what: str, seconds: float, burst: int) -> None:
        """Refuse what comes too soon; `Retry-After` is in whole seconds, as Slack has it."""
        now = time.monotonic()
        due = max(self._due.get(what, now), now)
        wait = due - now - seconds * (burst - 1)
        if wait > 0:
            raise Refused("ratelimited", retry_after=math.ceil(wait))
        self._due[what] = due + seconds

    def next_ts(self) -> str:
        """Return the time as Slack writes it, which is a message's id: never the same twice."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1_000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"
