"""Posts: each notification of the outbox, from its first attempt to its mark as sent or set aside.

A post is stored as begun before it is sent, and as sent after it was accepted. One that is
still begun after a crash, or whose answer never came, is in doubt: `in_doubt` searches for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog

from monitor.compose import render
from monitor.deliver.late import message_to_send
from monitor.deliver.retry import Attempt, Kind, LoseCard, Wait
from monitor.deliver.search_times import SearchTimes
from monitor.deliver.sending import Destination
from monitor.errors import DestinationRejected, DestinationUnavailable
from monitor.metrics import Metrics
from monitor.model import Form, MessageRef
from monitor.store import DeliveryState, QueuedNotification, StoreThread, UnreadableMessage

log = structlog.get_logger(__name__)


class Posts:
    """The posts of all destinations, and what is known of them but not stored."""

    def __init__(
        self,
        store: StoreThread,
        times: SearchTimes,
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        doubted: Callable[[], None],
    ) -> None:
        """`doubted` is called when a post is to be searched for."""
        self.store = store
        self.times = times
        self.metrics = metrics
        self.now = now
        self.doubted = doubted
        self._unmarked: dict[str, Callable[[], Awaitable[None]]] = {}

    async def next(self, destination: str) -> Posting | None:
        """Return the next post of a destination that is due; what cannot be read is set aside."""
        outbox = self.store.outbox
        while queued := await self.store.call(outbox.next_notification, destination, self.now()):
            if queued.state is DeliveryState.SENDING:
                await self.store.call(outbox.doubt, queued.id)
                self.doubted()
                continue
            posting = Posting(self, queued)
            await posting.take_newest()
            if (reason := posting.why_unreadable) is None:
                return posting
            await posting.set_aside(f"it is stored in a form that cannot be read: {reason}")
        return None

    def note_accepted(self, destination: str, mark: Callable[[], Awaitable[None]]) -> None:
        """Take note of a post that was accepted and is not yet stored as sent."""
        self._unmarked[destination] = mark

    async def mark_accepted(self, destination: str) -> None:
        """Store what was accepted: at once or, after a full disk, before the next is sent there."""
        if (mark := self._unmarked.get(destination)) is not None:
            await mark()
            del self._unmarked[destination]


class Posting:
    """One attempt at a post."""

    is_edit = False

    def __init__(self, posts: Posts, queued: QueuedNotification) -> None:
        self._posts = posts
        self._queued = queued
        self._fingerprint: bytes | None = None
        self._can_be_searched_for = True

    @property
    def queued(self) -> QueuedNotification:
        return self._queued

    @property
    def destination(self) -> str:
        return self._queued.destination

    @property
    def log_fields(self) -> Mapping[str, str]:
        return {"destination": self._queued.destination, "key": self._queued.key}

    def attempt(
        self, error: DestinationUnavailable | DestinationRejected, *, is_plain_text: bool
    ) -> Attempt:
        queued = self._queued
        del error
        return Attempt(
            Kind.POST if queued.thread is None else Kind.REPLY,
            queued.attempts,
            is_plain_text=is_plain_text,
        )

    @property
    def why_unreadable(self) -> str | None:
        message = self._queued.message
        return message.reason if isinstance(message, UnreadableMessage) else None

    async def begin(self) -> None:
        now = self._posts.now()
        # One that a crash left unfinished may still arrive: it is not searched for at once.
        await self._posts.store.call(
            self._posts.store.outbox.begin_attempt,
            self._queued.id,
            now=now,
            next_try_at=now + self._posts.times.first,
        )

    async def take_newest(self) -> None:
        """Bring a card to its newest content."""
        queued = self._queued
        if queued.form not in (Form.CARD, Form.TABLE) or queued.target is None:
            return
        store = self._posts.store
        wanted = await store.call(
            store.cards.wanted, queued.target, queued.attempt, queued.destination, queued.form
        )
        if wanted is not None:
            message, self._fingerprint = wanted
            self._queued = replace(queued, message=message)

    async def send(self, destination: Destination, *, is_plain_text: bool) -> None:
        self._can_be_searched_for = destination.keeps_cards
        posted = await self._post(destination, is_plain_text=is_plain_text)
        now = self._posts.now()
        mark = partial(
            self._posts.store.call,
            self._posts.store.outbox.mark_sent,
            self._queued.id,
            now=now,
            channel_id=posted.channel_id,
            ts=posted.ts,
            shown=self._fingerprint,
            look_again_at=now + self._posts.times.once_more_after,
        )
        self._posts.note_accepted(self.destination, mark)

    async def _post(self, destination: Destination, *, is_plain_text: bool) -> MessageRef:
        queued = self._queued
        message = await message_to_send(self._posts.store, queued, self._posts.now())
        return await destination.post(
            render.plain(message) if is_plain_text else message,
            key=queued.key,
            thread=queued.thread,
            is_broadcast=queued.is_broadcast,
        )

    async def finish(self) -> None:
        queued = self._queued
        await self._posts.mark_accepted(queued.destination)
        self._posts.metrics.sent.inc()
        log.info("sent", form=str(queued.form), **self.log_fields)

    async def wait(self, step: Wait, reason: str) -> None:
        self._posts.metrics.delivery_failures.labels("again later").inc()
        now, until = self._posts.now(), step.until
        if step.in_doubt:
            search_at = now + self._posts.times.first
            until = search_at if self._can_be_searched_for else max(until, search_at)
        log.warning(
            "postponed",
            error=reason,
            wait=round((until - now).total_seconds(), 3),
            in_doubt=step.in_doubt,
            **self.log_fields,
        )
        store = self._posts.store
        await store.call(
            store.outbox.postpone,
            self._queued.id,
            next_try_at=until,
            error=reason,
            in_doubt_since=now if step.in_doubt else None,
            is_failure=step.is_failure,
        )
        if step.in_doubt:
            self._posts.doubted()

    async def lose_card(self, step: LoseCard, reason: str) -> None:
        await self._posts.store.call(
            self._posts.store.outbox.lose_card, self._queued, now=self._posts.now()
        )
        await self.wait(step.reply, reason)

    async def set_aside(self, reason: str) -> None:
        self._posts.metrics.delivery_failures.labels("set aside").inc()
        log.error("set_aside", error=reason, **self.log_fields)
        now = self._posts.now()
        await self._posts.store.call(
            self._posts.store.outbox.set_aside, self._queued.id, now=now, error=reason
        )
