"""The outbox → Slack: in order for each destination, each notification until it is accepted.

A destination that fails never delays another: each has a lane of its own. Within a lane posts go
out strictly in order, and edits give way to posts. Nothing here decides what is told, and
nothing is forgotten: whatever goes wrong is written down with the time of the next try.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from monitor.compose import notifications, render
from monitor.errors import (
    CannotLook,
    DestinationError,
    DestinationRejected,
    DestinationUnavailable,
    Refusal,
    StoreError,
)
from monitor.metrics import Metrics
from monitor.model import EventKind, Form, Message, MessageRef, Outage
from monitor.store import Edit, QueuedNotification, StoreThread

log = structlog.get_logger(__name__)

_PROBE_CREDENTIALS = timedelta(seconds=30)
_PROBE_CHANNEL = timedelta(minutes=5)
_LONGEST_BACKOFF = 300.0
# A post whose answer never came may still be on its way: looking at once could miss it.
_BEFORE_LOOKING = timedelta(seconds=2)
_CLOCK_DIFFERENCE = timedelta(minutes=5)
_AFTER_STORE_ERROR = 5.0
# So often it looks for what another process wrote, such as `outbox retry`.
_IDLE = 5.0
# So long a post waits for an answer that we do not know to become one that we do.
_PUZZLED_FOR = timedelta(minutes=15)
_SCOPE = "channel/"


class Destination(Protocol):
    """A place that takes notifications. Every method raises SinkError only."""

    keeps_cards: bool

    async def post(
        self, message: Message, *, key: str, thread: MessageRef | None, is_broadcast: bool
    ) -> MessageRef: ...

    async def edit(self, message: Message, *, channel_id: str, ts: str) -> None: ...

    async def find(
        self, key: str, *, thread: MessageRef | None, since: datetime
    ) -> MessageRef | None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two posts of one destination, and between any two edits.

    Slack takes about one post a second and channel, and at least 50 edits a minute.
    """

    post: float = 1.0
    edit: float = 1.2


def backoff(attempts: int, *, jitter: float) -> float:
    """Return the seconds to wait after a number of failed attempts; `jitter` is in [0, 1)."""
    longest: float = min(_LONGEST_BACKOFF, 2.0 ** min(attempts, 16))
    return longest * (0.5 + jitter / 2)


class Delivery:
    """The loop that empties the outbox. `destination_for` returns None for one no longer known.

    A destination that refuses everything is told of once in the first of the `fallbacks` that is
    another one and does not refuse, and there once more when it takes messages again.
    `outages` is what the store remembers of that from an earlier run.
    """

    def __init__(
        self,
        store: StoreThread,
        destination_for: Callable[[str], Destination | None],
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        pace: Pace | None = None,
        fallbacks: Sequence[str] = (),
        outages: Mapping[str, Outage] | None = None,
        jumped: Callable[[], timedelta] = timedelta,
    ) -> None:
        self._store = store
        self._destination_for = destination_for
        self._metrics = metrics
        self._now = now
        self._jumped = jumped
        self._pace = pace or Pace()
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()
        self._queues: dict[str, asyncio.Task[None]] = {}
        self._next_notification: dict[str, float] = {}
        self._next_edit = 0.0
        self._no_edits_before: datetime | None = None
        self.problem: str | None = None
        """Why nothing can be sent at present; None while Slack takes what it is given."""
        self._fallbacks = tuple(fallbacks)
        self._puzzling: dict[str, tuple[int, datetime]] = {}
        self._unmarked: dict[str, Callable[[], Awaitable[None]]] = {}
        """What a destination accepted, the store did not: written before anything else is sent."""
        self.refusing: dict[str, Outage] = {
            scope.removeprefix(_SCOPE): outage
            for scope, outage in (outages or {}).items()
            if scope.startswith(_SCOPE)
        }
        """The destinations that refuse whatever is for them, since when and why. Others go on."""
        self.turned_at = time.monotonic()

    def wake(self) -> None:
        """Say that the outbox may hold something new."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def hurry(self) -> None:
        """Try everything anew: after a start, and where the clock that it waits by was set."""
        self._no_edits_before = None
        self._puzzling.clear()
        await self._store.call(self._store.outbox.hurry, self._now() + _BEFORE_LOOKING)
        self.wake()

    def stop(self) -> None:
        """Finish what is in hand and begin nothing more."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        """Deliver until stopped; what is in hand then is finished. Cancelled, it is not."""
        async with asyncio.TaskGroup() as queues:
            while not self._stopping.is_set():
                self.turned_at = time.monotonic()
                # Taken before the look at the outbox: what comes in meanwhile is not missed.
                news = self._news
                try:
                    wait = await self._open_queues(queues)
                except StoreError as error:
                    log.error("outbox_unreadable", error=str(error))
                    wait = _AFTER_STORE_ERROR
                except Exception:
                    self._metrics.bug.labels("delivery").inc()
                    log.exception("delivery_failed_unexpectedly")
                    wait = _AFTER_STORE_ERROR
                await _wait(news, wait)

    async def drain(self) -> None:
        """Deliver what is due now, then return: for a single pass without the loop.

        Raises what goes wrong on our own side, once the other destinations are done.
        """
        while not self._stopping.is_set():
            due, _ = await self._store.call(self._store.outbox.due_destinations, self._now())
            if not due:
                return
            ends = await asyncio.gather(*map(self._empty, due), return_exceptions=True)
            for error in ends:
                if error is not None:
                    raise error

    async def _open_queues(self, queues: asyncio.TaskGroup) -> float:
        now = self._now()
        due, next_due = await self._store.call(self._store.outbox.due_destinations, now)
        for name in due:
            if name not in self._queues:
                task = queues.create_task(self._work_on(name), name=f"deliver to {name}")
                self._queues[name] = task
                task.add_done_callback(partial(self._close_queue, name))
        if next_due is None:
            return _IDLE  # a lane that ends wakes the loop
        return min(_IDLE, (next_due - now).total_seconds())

    def _close_queue(self, name: str, _: asyncio.Task[None]) -> None:
        self._queues.pop(name, None)
        self.wake()

    # One lane: everything for one destination

    async def _work_on(self, name: str) -> None:
        try:
            await self._empty(name)
        except StoreError as error:
            log.error("outbox_unwritable", destination=name, error=str(error))
            await self._pause(_AFTER_STORE_ERROR)
        except Exception:
            self._metrics.bug.labels("delivery").inc()
            log.exception("delivery_failed_unexpectedly", destination=name)
            await self._pause(_AFTER_STORE_ERROR)

    async def _empty(self, name: str) -> None:
        while not self._stopping.is_set() and await self._deliver_next(name):
            pass

    async def _deliver_next(self, name: str) -> bool:
        """Send the next post that is due, or else an edit; returns whether there was one."""
        news = self._news
        await self._mark(name)
        queued = await self._store.call(self._store.outbox.next_notification, name)
        if queued is not None and self._is_due(queued):
            await self._pause(self._next_notification.get(name, 0.0) - time.monotonic())
            if self._stopping.is_set():
                return False
            await self._post(name, queued)
            self._next_notification[name] = time.monotonic() + self._pace.post
            return True
        edit = await self._store.call(self._store.cards.next_edit, name, self._now())
        if edit is None or self._stopping.is_set():
            return False
        if self._no_edits_before is not None and self._now() < self._no_edits_before:
            await self._store.call(
                self._store.cards.postpone_edit,
                edit,
                next_try_at=self._no_edits_before,
                error="Slack takes no edits at present",
                is_failure=False,
            )
            return True
        if (wait := self._next_edit - time.monotonic()) > 0:
            # While an edit waits for its turn, a post that comes in goes first.
            await _wait(news, wait)
            return True
        self._next_edit = time.monotonic() + self._pace.edit
        await self._edit(name, edit)
        return True

    def _is_due(self, queued: QueuedNotification) -> bool:
        return queued.next_try_at is None or queued.next_try_at <= self._now()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond a request to stop."""
        if seconds > 0:
            await _wait(self._stopping, seconds)

    # What is known of Slack

    async def _accepted(self, name: str, *, is_edit: bool = False) -> None:
        self.problem = None
        if name not in self.refusing:
            return
        # Where posts are refused, edits may pass all the same.
        if is_edit and await self._store.call(self._store.outbox.waiting, name) > 0:
            return
        await self._takes_again(name)

    def _failed(self, error: DestinationUnavailable | DestinationRejected) -> None:
        """Tell what concerns all from what concerns one destination or one message."""
        if isinstance(error, DestinationUnavailable):
            # Where it asks to be left alone for a while, Slack is there.
            self.problem = str(error) if error.retry_after is None else self.problem
            return
        nobody_gets_it = error.refusal in (Refusal.CREDENTIALS, Refusal.UNKNOWN)
        self.problem = str(error) if nobody_gets_it else None

    async def _refuses(self, name: str, error: DestinationRejected) -> None:
        """Remember that a destination takes nothing, and say so once where it can be read."""
        if name in self.refusing:
            return
        log.error("sink_refuses", destination=name, error=str(error))
        now = self._now()
        lost = Outage(EventKind.UNREACHABLE, now, str(error))
        waiting = await self._store.call(self._store.outbox.waiting, name)
        message = render.refused(name, str(error), waiting, now)
        others = [
            destination
            for destination in self._fallbacks
            if destination not in (name, *self.refusing)
        ]
        await self._notify(name, lost, EventKind.UNREACHABLE, message, others[:1])
        self.refusing[name] = lost

    async def _takes_again(self, name: str) -> None:
        """Forget that a destination took nothing, and say so where that was said."""
        log.info("sink_takes_again", destination=name)
        lost = self.refusing[name]
        notified = await self._store.call(
            self._store.history.notified_destinations, _key(name, lost, EventKind.UNREACHABLE)
        )
        message = render.taken_again(name, lost.since, self._now())
        others = [destination for destination in self._fallbacks if destination in notified]
        await self._notify(name, lost, EventKind.REACHABLE, message, others)
        self.refusing.pop(name)

    async def _notify(
        self,
        name: str,
        lost: Outage,
        kind: EventKind,
        message: Message,
        destinations: Sequence[str],
    ) -> None:
        key = _key(name, lost, kind)
        notes = notifications.of_outage(
            kind, message, key=key, target=None, destinations=destinations
        )
        stands = lost if kind is EventKind.UNREACHABLE else None
        await self._store.call(
            self._store.outages.save, _SCOPE + name, stands, notes, now=self._now()
        )
        self._metrics.events.labels(kind).inc()
        self.wake()

    # A post

    async def _post(self, name: str, queued: QueuedNotification) -> None:
        destination = self._destination_for(name)
        if destination is None:
            await self._postpone(
                queued,
                _PROBE_CHANNEL,
                "the configuration has no such destination now",
                in_doubt=queued.maybe_delivered,
            )
            return
        queued, fingerprint = await self._newest(queued)
        # Found unfinished after a crash, it is not looked for at once either.
        await self._store.call(
            self._store.outbox.begin_attempt, queued.id, self._now() + _BEFORE_LOOKING
        )
        in_doubt = queued.maybe_delivered
        found: MessageRef | None = None
        cannot_look: CannotLook | None = None
        try:
            if in_doubt:
                found, cannot_look = await self._look(destination, queued)
                in_doubt = cannot_look is not None
            posted = found or await self._send(destination, queued)
            self._unmarked[name] = partial(
                self._store.call,
                self._store.outbox.mark_sent,
                queued.id,
                now=self._now(),
                channel_id=posted.channel_id,
                ts=posted.ts,
                # What was found shows what it was sent with, which may be older.
                shown=None if found else fingerprint,
            )
            # Before it is marked: after a crash in between it is found, which says nothing
            # of what the destination takes by now.
            if found is None:
                await self._accepted(name)
            self.problem = None
        except DestinationUnavailable as error:
            self._failed(error)
            await self._put_off(queued, error, in_doubt=in_doubt or error.maybe_delivered)
            return
        except DestinationRejected as error:
            self._failed(error)
            await self._refused(queued, error, in_doubt=in_doubt)
            return
        await self._mark(name)
        self._puzzling.pop(name, None)
        self._metrics.sent.inc()
        if cannot_look is not None:
            self._metrics.ambiguous.labels("unknown").inc()
            log.warning("sent_again_perhaps_twice", key=queued.key, reason=str(cannot_look))
        log.info("sent", destination=name, form=str(queued.form), key=queued.key)

    async def _mark(self, name: str) -> None:
        """Write down what a destination accepted, now or, where the disk was full, before."""
        if (mark := self._unmarked.get(name)) is not None:
            await mark()
            del self._unmarked[name]

    async def _newest(self, queued: QueuedNotification) -> tuple[QueuedNotification, bytes | None]:
        """Return a card with what it ought to show by now, and the digest of that."""
        if queued.form is not Form.CARD or queued.target is None:
            return queued, None
        wanted = await self._store.call(
            self._store.cards.wanted, queued.target, queued.attempt, queued.destination
        )
        if wanted is None:
            return queued, None
        message, fingerprint = wanted
        return replace(queued, message=message), fingerprint

    async def _look(
        self, destination: Destination, queued: QueuedNotification
    ) -> tuple[MessageRef | None, CannotLook | None]:
        """Look whether an earlier attempt arrived, or say why nobody can know."""
        # By Slack's clock: ours may have been set, before the post was written down or since.
        enqueued_at = min(queued.created_at, self._now()) - abs(self._jumped())
        since = enqueued_at - _CLOCK_DIFFERENCE
        try:
            found = await destination.find(queued.key, thread=queued.thread, since=since)
        except CannotLook as error:
            return None, error
        self._metrics.ambiguous.labels("found" if found else "resent").inc()
        log.info("looked_for", key=queued.key, found=found is not None)
        return found, None

    async def _send(self, destination: Destination, queued: QueuedNotification) -> MessageRef:
        post = partial(
            destination.post,
            key=queued.key,
            thread=queued.thread,
            is_broadcast=queued.is_broadcast,
        )
        try:
            return await post(queued.message)
        except DestinationRejected as error:
            if error.refusal not in (Refusal.MESSAGE, Refusal.UNKNOWN):
                raise
            log.warning("sent_as_plain_text", key=queued.key, error=str(error))
            return await post(render.plain(queued.message))

    async def _put_off(
        self, queued: QueuedNotification, error: DestinationUnavailable, *, in_doubt: bool
    ) -> None:
        wait = _wait_after(error, queued.attempts)
        if in_doubt:
            wait = max(wait, _BEFORE_LOOKING)
        is_failure = error.retry_after is None
        await self._postpone(queued, wait, str(error), in_doubt=in_doubt, is_failure=is_failure)

    async def _refused(
        self, queued: QueuedNotification, error: DestinationRejected, *, in_doubt: bool
    ) -> None:
        match error.refusal:
            case Refusal.CREDENTIALS:
                await self._postpone(queued, _PROBE_CREDENTIALS, str(error), in_doubt=in_doubt)
            case Refusal.CHANNEL:
                await self._postpone(queued, _PROBE_CHANNEL, str(error), in_doubt=in_doubt)
                # Should it die before this, the next attempt is refused as well.
                await self._refuses(queued.destination, error)
            case Refusal.UNKNOWN if self._is_worth_waiting(queued):
                wait = timedelta(seconds=backoff(queued.attempts, jitter=random.random()))  # noqa: S311
                await self._postpone(queued, wait, str(error), in_doubt=in_doubt)
            case Refusal.CARD if queued.thread is not None:
                await self._store.call(self._store.outbox.lose_card, queued, now=self._now())
                # Should the new one take no replies either, this does not flood the channel.
                wait = timedelta(seconds=backoff(queued.attempts, jitter=random.random()))  # noqa: S311
                await self._postpone(queued, wait, str(error), in_doubt=in_doubt)
            case Refusal.CARD | Refusal.MESSAGE | Refusal.UNKNOWN | Refusal.QUOTA:
                await self._set_aside(queued, error)

    def _is_worth_waiting(self, queued: QueuedNotification) -> bool:
        """Whether a refusal that we do not understand may yet pass by itself.

        It may be about the message or about all of Slack. So the post waits a while, which
        holds up its own destination only, and is set aside then, so that no word that Slack invents
        silences a channel for ever. How long is counted anew after a restart, and for each
        post: while all are refused, a quarter of an hour sets no more than one aside.
        """
        id_, since = self._puzzling.get(queued.destination, (None, self._now()))
        if id_ != queued.id:
            since = self._now()
            self._puzzling[queued.destination] = (queued.id, since)
        return self._now() - since < _PUZZLED_FOR

    async def _set_aside(self, queued: QueuedNotification, error: DestinationError) -> None:
        self._metrics.delivery_failures.labels("set aside").inc()
        log.error("set_aside", destination=queued.destination, key=queued.key, error=str(error))
        await self._store.call(
            self._store.outbox.set_aside, queued.id, now=self._now(), error=str(error)
        )

    async def _postpone(
        self,
        queued: QueuedNotification,
        wait: timedelta,
        error: str,
        *,
        in_doubt: bool,
        is_failure: bool = True,
    ) -> None:
        self._metrics.delivery_failures.labels("again later").inc()
        seconds = round(wait.total_seconds(), 3)
        log.warning(
            "postponed", destination=queued.destination, key=queued.key, error=error, wait=seconds
        )
        await self._store.call(
            self._store.outbox.postpone,
            queued.id,
            next_try_at=self._now() + wait,
            error=error,
            maybe_delivered=in_doubt,
            is_failure=is_failure,
        )

    # An edit

    async def _edit(self, name: str, edit: Edit) -> None:
        destination = self._destination_for(name)
        if destination is None:
            await self._postpone_edit(
                edit, _PROBE_CHANNEL, "the configuration has no such destination now"
            )
            return
        try:
            await self._update(destination, edit)
        except DestinationUnavailable as error:
            self._failed(error)
            wait, is_failure = _wait_after(error, edit.attempts), error.retry_after is None
            if not is_failure:
                self._no_edits_before = self._now() + wait  # the limit is one for all cards
            await self._postpone_edit(edit, wait, str(error), is_failure=is_failure)
        except DestinationRejected as error:
            self._failed(error)
            await self._edit_refused(edit, error)
        else:
            await self._store.call(self._store.cards.mark_edited, edit, self._now())
            await self._accepted(name, is_edit=True)
            self._metrics.edits.inc()
            log.debug("edited", destination=name, target=str(edit.target))

    async def _update(self, destination: Destination, edit: Edit) -> None:
        try:
            await destination.edit(edit.message, channel_id=edit.channel_id, ts=edit.ts)
        except DestinationRejected as error:
            if error.refusal not in (Refusal.MESSAGE, Refusal.UNKNOWN):
                raise
            log.warning("edited_as_plain_text", target=str(edit.target), error=str(error))
            plain = render.plain(edit.message)
            await destination.edit(plain, channel_id=edit.channel_id, ts=edit.ts)

    async def _edit_refused(self, edit: Edit, error: DestinationRejected) -> None:
        match error.refusal:
            case Refusal.CARD:
                await self._store.call(self._store.outbox.lose_card, edit, now=self._now())
                log.warning("card_is_gone", destination=edit.destination, target=str(edit.target))
            case Refusal.CREDENTIALS:
                self._no_edits_before = self._now() + _PROBE_CREDENTIALS
                await self._postpone_edit(edit, _PROBE_CREDENTIALS, str(error))
            case Refusal.CHANNEL:
                await self._postpone_edit(edit, _PROBE_CHANNEL, str(error))
                await self._refuses(edit.destination, error)
            case Refusal.UNKNOWN:
                wait = timedelta(seconds=backoff(edit.attempts, jitter=random.random()))  # noqa: S311
                await self._postpone_edit(edit, wait, str(error))
            case Refusal.MESSAGE | Refusal.QUOTA:
                # Not this version; the next one may pass.
                log.error("edit_refused", target=str(edit.target), error=str(error))
                await self._store.call(self._store.cards.mark_edited, edit, self._now())

    async def _postpone_edit(
        self, edit: Edit, wait: timedelta, error: str, *, is_failure: bool = True
    ) -> None:
        self._metrics.delivery_failures.labels("again later").inc()
        log.warning(
            "edit_postponed", destination=edit.destination, target=str(edit.target), error=error
        )
        await self._store.call(
            self._store.cards.postpone_edit,
            edit,
            next_try_at=self._now() + wait,
            error=error,
            is_failure=is_failure,
        )


def _key(name: str, lost: Outage, kind: EventKind) -> str:
    return f"{_SCOPE}{name}/{kind}/{lost.since.isoformat()}"


def _wait_after(error: DestinationUnavailable, attempts: int) -> timedelta:
    """Return what the destination asked for, or else the longer the more attempts failed before."""
    seconds = error.retry_after
    if seconds is None:
        seconds = backoff(attempts, jitter=random.random())  # noqa: S311
    return timedelta(seconds=seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
