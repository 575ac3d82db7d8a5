"""The outbox → Slack: in order for each destination, each notification until it is accepted.

A destination that fails never delays another: each has a queue of its own. Within a queue posts
go out strictly in order, and edits give way to posts. Nothing here decides who is notified of
what, and nothing is lost: every failure is stored with the time of the next attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from monitor.deliver.edits import Edits
from monitor.deliver.health import DeliveryHealth, RefusalReports
from monitor.deliver.in_doubt import InDoubtSearch
from monitor.deliver.pace import Pace, Pacer, QueuePace
from monitor.deliver.posts import Posts
from monitor.deliver.retry import (
    BEFORE_LOOKING,
    PROBE_CHANNEL,
    Affected,
    AsPlainText,
    LoseCard,
    SetAside,
    Wait,
    next_step,
)
from monitor.deliver.sending import Destination, Sending
from monitor.errors import DestinationRejected, DestinationUnavailable, StoreError
from monitor.metrics import Metrics
from monitor.model import Outage
from monitor.store import StoreThread

log = structlog.get_logger(__name__)

_AFTER_STORE_ERROR_SECONDS = 5.0
# How often the outbox is read for rows of another process, such as `outbox retry`.
_IDLE_SECONDS = 5.0


class Delivery:
    """The loop that empties the outbox. `destination_for` returns None for one no longer known.

    `reports` is where it reports a destination that refuses everything; `refusing` are those that
    an earlier run reported. `jumped` is how far the clock behind `now` was set ahead, in all.
    """

    def __init__(
        self,
        store: StoreThread,
        destination_for: Callable[[str], Destination | None],
        reports: RefusalReports,
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        pace: Pace | None = None,
        refusing: Mapping[str, Outage] | None = None,
        jumped: Callable[[], timedelta] = timedelta,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._destination_for = destination_for
        self._metrics = metrics
        self._now = now
        self._jitter = jitter
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()
        self._queues: dict[str, asyncio.Task[None]] = {}
        self._pacer = Pacer(pace or Pace())
        search = InDoubtSearch(metrics, now, jumped)
        self._posts = Posts(store, search, metrics=metrics, now=now)
        self._edits = Edits(store, metrics, now)
        self.health = DeliveryHealth(store, reports, refusing or {})
        self.turned_at = time.monotonic()

    def wake(self) -> None:
        """Wake the loop: the outbox may have new rows."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def hurry(self) -> None:
        """Check all queues again: after a start, and after the clock was set."""
        self._pacer.release()
        self._posts.forget_unknown()
        await self._store.call(self._store.outbox.hurry, self._now() + BEFORE_LOOKING)
        self.wake()

    def stop(self) -> None:
        """Finish the attempts under way and begin no more."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        """Deliver until stopped; attempts under way are then finished, unless this is cancelled."""
        async with asyncio.TaskGroup() as queues:
            while not self._stopping.is_set():
                self.turned_at = time.monotonic()
                # Cleared before the outbox is read: a row that is added meanwhile is not missed.
                news = self._news
                try:
                    wait = await self._open_queues(queues)
                except StoreError as error:
                    log.error("outbox_unreadable", error=str(error))
                    wait = _AFTER_STORE_ERROR_SECONDS
                except Exception:
                    self._metrics.bug.labels("delivery").inc()
                    log.exception("delivery_failed_unexpectedly")
                    wait = _AFTER_STORE_ERROR_SECONDS
                await _wait(news, wait)

    async def drain(self) -> None:
        """Deliver what is due now, then return: for a single pass without the loop.

        Raises errors of our own side, once the other destinations are done.
        """
        while not self._stopping.is_set():
            due, _ = await self._due()
            if not due:
                return
            ends = await asyncio.gather(*map(self._empty, due), return_exceptions=True)
            for error in ends:
                if error is not None:
                    raise error

    async def _open_queues(self, queues: asyncio.TaskGroup) -> float:
        """Start the queues that have something due; returns how long the loop may sleep."""
        due, wait = await self._due()
        for name in due:
            if name not in self._queues:
                task = queues.create_task(self._work_on(name), name=f"deliver to {name}")
                self._queues[name] = task
                task.add_done_callback(partial(self._close_queue, name))
        return wait

    async def _due(self) -> tuple[frozenset[str], float]:
        """Return the queues that have something due and are not paused, and when to look again."""
        now = self._now()
        due = await self._store.call(self._store.outbox.due, now)
        paused = {
            name: until
            for name in due.posts
            if (until := self._pacer.posts(name).paused_until(now))
        }
        names, ends = due.posts - paused.keys(), [*paused.values()]
        if (until := self._pacer.edits.paused_until(now)) is None:
            names |= due.edits
        elif due.edits:
            ends.append(until)
        # A queue that was emptied wakes the loop.
        ends += [now + timedelta(seconds=_IDLE_SECONDS), *((due.later,) if due.later else ())]
        return names, (min(ends) - now).total_seconds()

    def _close_queue(self, name: str, _: asyncio.Task[None]) -> None:
        self._queues.pop(name, None)
        self.wake()

    # One queue: everything for one destination

    async def _work_on(self, name: str) -> None:
        try:
            await self._empty(name)
        except StoreError as error:
            log.error("outbox_unwritable", destination=name, error=str(error))
            await self._pause(_AFTER_STORE_ERROR_SECONDS)
        except Exception:
            self._metrics.bug.labels("delivery").inc()
            log.exception("delivery_failed_unexpectedly", destination=name)
            await self._pause(_AFTER_STORE_ERROR_SECONDS)

    async def _empty(self, name: str) -> None:
        while not self._stopping.is_set() and await self._deliver_next(name):
            pass

    async def _deliver_next(self, name: str) -> bool:
        """Send the next post that is due, or else an edit; returns whether there was one."""
        # Cleared before the outbox is read, as in `run`.
        news = self._news
        await self._posts.mark_accepted(name)
        queue = self._pacer.posts(name)
        posting = None if queue.paused_until(self._now()) else await self._posts.next(name)
        if posting is not None:
            await self._pause(queue.seconds_to_next())
            if self._stopping.is_set():
                return False
            queue.note_attempt()
            await self._attempt(posting, queue)
            return True
        queue = self._pacer.edits
        editing = None if queue.paused_until(self._now()) else await self._edits.next(name)
        if editing is None or self._stopping.is_set():
            return False
        if (wait := queue.seconds_to_next()) > 0:
            # A post that is added while an edit waits for its turn goes first.
            await _wait(news, wait)
        else:
            queue.note_attempt()
            await self._attempt(editing, queue)
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait, but end at a request to stop."""
        if seconds > 0:
            await _wait(self._stopping, seconds)

    # One attempt

    async def _attempt(self, sending: Sending, queue: QueuePace) -> None:
        """Send a post or an edit, and carry out the next step."""
        destination = self._destination_for(sending.destination)
        if destination is None:
            until = self._now() + PROBE_CHANNEL
            affected = Affected.NOTHING_ELSE if sending.is_edit else Affected.QUEUE
            step = Wait(until, in_doubt=sending.in_doubt, affected=affected)
            await self._take(step, sending, queue, "the configuration has no such destination now")
            return
        await sending.begin()
        await self._send(sending, destination, queue, is_plain_text=False)

    async def _send(
        self, sending: Sending, destination: Destination, queue: QueuePace, *, is_plain_text: bool
    ) -> None:
        try:
            is_new = await sending.send(destination, is_plain_text=is_plain_text)
        except (DestinationUnavailable, DestinationRejected) as error:
            failure = error
        else:
            # Before it is marked: after a crash in between, a post that is found does not show that
            # the destination accepts messages now.
            if is_new:
                queue.note_accepted()
                await self.health.accepted(sending.destination, is_edit=sending.is_edit)
            else:
                self.health.reached()
            await sending.finish()
            return
        attempt = replace(
            sending.attempt(failure, is_plain_text=is_plain_text),
            queue_failures=queue.failures,
            queue_limits=queue.limits,
        )
        step = next_step(failure, attempt, self._now(), jitter=self._jitter())
        if isinstance(step, AsPlainText):
            log.warning("sent_as_plain_text", error=str(failure), **sending.log_fields)
            await self._send(sending, destination, queue, is_plain_text=True)
        else:
            self.health.failed(failure)
            await self._take(step, sending, queue, str(failure))

    async def _take(
        self, step: Wait | LoseCard | SetAside, sending: Sending, queue: QueuePace, reason: str
    ) -> None:
        match step:
            case Wait():
                # The queue of edits is that of all destinations.
                if step.affected is Affected.QUEUE or not sending.is_edit:
                    queue.take_note(step)
                await sending.wait(step, reason)
                if step.affected is Affected.DESTINATION:
                    # After a crash before this, the next attempt is refused again.
                    await self.health.refused(sending.destination, reason)
            case LoseCard():
                await sending.lose_card(step, reason)
            case SetAside():
                await sending.set_aside(reason)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
