"""The outbox → Slack: what matters most first, each notification until it is accepted.

A destination that fails never delays another: the posts of each are a queue of their own. The edits
of all cards are one more, for Slack limits them together; neither edits nor posts give way to the
others. Nothing here decides who is notified of what, and nothing is lost: every failure is stored
with the time of the next attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from enum import Enum
from functools import partial

import structlog

from monitor.deliver.attempts import Attempts
from monitor.deliver.budget import NotifyingBudget
from monitor.deliver.catch_up import CatchUp
from monitor.deliver.copies import Copies
from monitor.deliver.edits import Edits
from monitor.deliver.failures import Failures
from monitor.deliver.health import DeliveryHealth, RefusalReports
from monitor.deliver.in_doubt import Searches
from monitor.deliver.pace import Pace, Pacer
from monitor.deliver.posts import Posts
from monitor.deliver.reach import Probe, Reach
from monitor.deliver.retry import BEFORE_LOOKING
from monitor.deliver.search_times import SearchTimes
from monitor.deliver.sending import Destination
from monitor.errors import StoreError
from monitor.metrics import Metrics
from monitor.model import MessageRef, Outage
from monitor.store import StoreThread

log = structlog.get_logger(__name__)

_AFTER_STORE_ERROR_SECONDS = 5.0
# How often the outbox is read for rows of another process, such as `outbox retry`.
_IDLE_SECONDS = 5.0
# Enough to keep the pace of edits where each takes as long as Slack at its slowest.
_EDITS_AT_ONCE = 6


class _Work(Enum):
    """What there is a queue of."""

    POSTS = "posts"
    EDITS = "edits"
    PROBES = "probes"


_Queue = tuple[_Work, str]
"""Posts have one for each destination; edits have several, which share their work."""


class Delivery:
    """The loop that empties the outbox. `destination_for` returns None for one not known.

    What is for it waits while it `may_come`, and is set aside otherwise.

    `reports` is where it reports a destination that refuses everything; `refusing` are those that
    an earlier run reported. `probe` asks Slack for nothing but an answer; None without a token.
    `jumped` is how far the clock behind `now` was set ahead, in all, `permalink` the address of a
    message for people.
    """

    def __init__(
        self,
        store: StoreThread,
        destination_for: Callable[[str], Destination | None],
        reports: RefusalReports,
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        may_come: Callable[[str], bool] = lambda _: False,
        probe: Probe | None = None,
        pace: Pace | None = None,
        refusing: Mapping[str, Outage] | None = None,
        jumped: Callable[[], timedelta] = timedelta,
        search_times: SearchTimes | None = None,
        permalink: Callable[[MessageRef], str | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._destination_for = destination_for
        self._metrics = metrics
        self._now = now
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()
        self._queues: dict[_Queue, asyncio.Task[None]] = {}
        pace = pace or Pace()
        self._pacer = Pacer(pace)
        self._reach = Reach(probe)
        self.health = DeliveryHealth(store, reports, refusing or {})
        times = search_times or SearchTimes()
        self._posts = Posts(store, times, metrics=metrics, now=now, doubted=self.wake)
        self._edits = Edits(store, metrics=metrics, now=now)
        self._catch_up = CatchUp(
            store, pace.catch_up_after, metrics=metrics, now=now, permalink=permalink
        )
        self._budget = NotifyingBudget(store, pace, metrics=metrics, now=now, permalink=permalink)
        self._is_last = False
        self._taking_edit = asyncio.Lock()
        self._failures = Failures()
        self._attempts = Attempts(
            destination_for, may_come, self.health, self._reach, self._pacer, self._failures, now
        )
        self._searches = Searches(
            store,
            destination_for,
            self.health,
            self._reach,
            times,
            metrics=metrics,
            now=now,
            jumped=jumped,
            has_news=self.wake,
        )
        self._copies = Copies(store, destination_for, self._searches, metrics, now, permalink)
        self.turned_at = time.monotonic()

    def wake(self) -> None:
        """Wake the loop: the outbox may have new rows."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def hurry(self) -> None:
        """Check all queues again: after a start, and after the clock was set."""
        self._pacer.release()
        self._failures.forget()
        await self._store.call(self._store.outbox.hurry, self._now() + BEFORE_LOOKING)
        self.wake()

    def stop(self) -> None:
        """Finish the attempts under way and begin no more."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        """Deliver until stopped; attempts under way are then finished, unless this is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._search), name="search for posts in doubt")
            tasks.create_task(self._repeat(self._remove_copies), name="remove copies")
            await self._repeat(partial(self._open_queues, tasks))

    async def _repeat(self, step: Callable[[], Awaitable[float]]) -> None:
        """Take a step again and again, as soon as there is news or when it asks for it."""
        while not self._stopping.is_set():
            # Cleared before the outbox is read: a row that is added meanwhile is not missed.
            news = self._news
            try:
                wait = await step()
            except StoreError as error:
                log.error("outbox_unreadable", error=str(error))
                wait = _AFTER_STORE_ERROR_SECONDS
            except Exception:
                self._metrics.bug.labels("delivery").inc()
                log.exception("delivery_failed_unexpectedly")
                wait = _AFTER_STORE_ERROR_SECONDS
            await _wait(news, wait)

    async def _search(self) -> float:
        while not self._stopping.is_set() and await self._searches.search_due():
            pass
        return self._seconds_until(await self._searches.next_at())

    async def _remove_copies(self) -> float:
        while not self._stopping.is_set() and await self._copies.remove_next():
            pass
        return self._seconds_until(await self._copies.next_at())

    def _seconds_until(self, at: datetime | None) -> float:
        if at is None:
            return _IDLE_SECONDS
        return min(max((at - self._now()).total_seconds(), 0.0), _IDLE_SECONDS)

    async def drain(self, *, is_last: bool = False) -> None:
        """Deliver what is due now, then return: for a single pass without the loop.

        With `is_last` nothing waits for its share of what may notify people. Raises errors of our
        own side, once the other destinations are done.
        """
        self._is_last = is_last
        if self._reach.is_lost:
            await self._reach.check()
        while not self._stopping.is_set():
            has_searched = await self._searches.search_due()
            due, _ = await self._due()
            if not due and not has_searched:
                break
            ends = await asyncio.gather(*map(self._empty, due), return_exceptions=True)
            for error in ends:
                if error is not None:
                    raise error
        await self._remove_copies()

    async def _open_queues(self, queues: asyncio.TaskGroup) -> float:
        """Start the queues that have something due; returns how long the loop may sleep."""
        self.turned_at = time.monotonic()
        due, wait = await self._due()
        if self._reach.is_lost:
            due |= {(_Work.PROBES, "")}
        for queue in due - self._queues.keys():
            task = queues.create_task(self._work_on(queue), name=f"deliver {queue}")
            self._queues[queue] = task
            task.add_done_callback(partial(self._close_queue, queue))
        return wait

    async def _due(self) -> tuple[frozenset[_Queue], float]:
        """Return the queues that have something due and may go on, and when to look again."""
        now = self._now()
        due = await self._store.call(
            self._store.outbox.due, now, refused=self._pacer.refused_edits(now)
        )
        for name in due.posts:
            await self._release_retried(name)
        queues = {(_Work.POSTS, name) for name in due.posts if self._may_post(name)}
        if self._may_edit():
            at_once = min(due.edits, _EDITS_AT_ONCE)
            queues |= {(_Work.EDITS, str(number)) for number in range(at_once)}
        # A queue that was emptied, and Slack's return, wake the loop.
        ends = [now + timedelta(seconds=_IDLE_SECONDS), *((due.later,) if due.later else ())]
        ends += self._pacer.ends_of_pauses(now)
        return frozenset(queues), (min(ends) - now).total_seconds()

    async def _release_retried(self, name: str) -> None:
        """End the pause of a destination whose refused post a person wants to be tried again."""
        queue, now = self._pacer.posts(name), self._now()
        if queue.paused_until(now) is None or queue.refused_key is None:
            return
        outbox = self._store.outbox
        if not await self._store.call(outbox.is_postponed, queue.refused_key, now):
            queue.release()

    def _may_post(self, name: str) -> bool:
        if self._pacer.posts(name).paused_until(self._now()):
            return False
        destination = self._destination_for(name)
        # A webhook is another host, which is asked by posting.
        is_webhook = destination is not None and not destination.keeps_cards
        return is_webhook or not self._reach.is_lost

    def _may_edit(self) -> bool:
        return not (self._reach.is_lost or self._pacer.edits.paused_until(self._now()))

    def _close_queue(self, queue: _Queue, _: asyncio.Task[None]) -> None:
        self._queues.pop(queue, None)
        self.wake()

    # One queue

    async def _work_on(self, queue: _Queue) -> None:
        what, name = queue
        try:
            await self._empty(queue)
        except StoreError as error:
            log.error("outbox_unwritable", queue=what.value, destination=name, error=str(error))
            await self._pause(_AFTER_STORE_ERROR_SECONDS)
        except Exception:
            self._metrics.bug.labels("delivery").inc()
            log.exception("delivery_failed_unexpectedly", queue=what.value, destination=name)
            await self._pause(_AFTER_STORE_ERROR_SECONDS)

    async def _empty(self, queue: _Queue) -> None:
        what, name = queue
        if what is _Work.PROBES:
            await self._reach.regain(self._stopping)
            return
        while not self._stopping.is_set() and await (
            self._post_next(name) if what is _Work.POSTS else self._edit_next()
        ):
            pass

    async def _post_next(self, name: str) -> bool:
        """Send the next post of a destination that is due; returns whether there was one."""
        await self._posts.mark_accepted(name)
        if not self._may_post(name):
            return False
        queue = self._pacer.posts(name)
        # What is next is asked for when its turn has come: until then it may be something else.
        await self._pause(queue.seconds_to_next())
        if self._stopping.is_set():
            return False
        await self._catch_up.fold(name)
        posting = await self._posts.next(name)
        if posting is None:
            return False
        if not await self._budget.lets_through(posting.queued, is_last=self._is_last):
            return True
        queue.note_attempt()
        await self._attempts.make(posting)
        return True

    async def _edit_next(self) -> bool:
        """Make the next edit that is due; returns whether there was one."""
        async with AsyncExitStack() as turn:
            async with self._taking_edit:
                await self._pause(self._pacer.edits.seconds_to_next())
                if self._stopping.is_set() or not self._may_edit():
                    return False
                refused = self._pacer.refused_edits(self._now())
                editing = await turn.enter_async_context(self._edits.next(refused))
                if editing is None:
                    return False
                self._pacer.edits.note_attempt()
            await self._attempts.make(editing)
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait, but end at a request to stop."""
        if seconds > 0:
            await _wait(self._stopping, seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
