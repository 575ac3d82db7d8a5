"""The daemon: the scheduler that polls, the loop that delivers, and an orderly end.

One job of the scheduler looks a few times a second at what is due. A job per watch would
cost ten times as much, and drift (jitter is only ever added to an interval).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor.deliver.worker import Delivery
from monitor.errors import StoreError
from monitor.metrics import Metrics
from monitor.model import Target
from monitor.service.due_queue import DueQueue, following, spread
from monitor.service.timers import Timers
from monitor.store import StoreThread
from monitor.watch.poller import Outcome, Poller
from monitor.watch.registry import Registry

log = structlog.get_logger(__name__)

# All in seconds.
_TICK_EVERY = 0.25
_SHORTEST_TICK = 0.01
_FLUSH_EVERY = 30.0
_PRUNE_EVERY = 3600.0
_TAKE_SILENCES_EVERY = 3.0
# First after the first polls, so that messages show the current state.
_SEND_DUE_EVERY = 10.0
_LOOK_AT_CLOCK_EVERY = 1.0
_START_WITHIN = 5.0
"""All watches are polled once in the first seconds, however long their interval."""
_FINISH_WITHIN = 6.0
"""How long polls and deliveries under way may take once the daemon is to stop."""
_CANCEL_WITHIN = 1.0
_DELIVERY_MAY_TAKE = 60.0
"""How long one round of the delivery may last: one request that waits for its time-out."""


class _Every(IntervalTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Counts from now: counted from the last run, a clock set ahead would bring many at once."""

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        interval: timedelta = self.interval
        return now + interval


def rouse(scheduler: AsyncIOScheduler) -> None:
    """Run at once every job that would wait longer than its interval.

    APScheduler uses the time of day: if the clock was set back since it planned a job, it would
    wait until that time comes again.
    """
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        if job.next_run_time - now > job.trigger.interval:
            job.modify(next_run_time=now)


class Daemon:
    """Polls every watch when it is due and delivers the notifications, until stopped."""

    def __init__(
        self,
        registry: Registry,
        delivery: Delivery,
        store: StoreThread,
        timers: Timers,
        *,
        keep: timedelta,
        metrics: Metrics,
        now: Callable[[], datetime],
        jumped: Callable[[], timedelta] = timedelta,
        not_running_for: timedelta = timedelta(0),
    ) -> None:
        """`jumped` is how far the clock was set ahead since the start.

        `not_running_for` is how long there was no daemon before this one.
        """
        self._registry = registry
        self._delivery = delivery
        self._store = store
        self._timers = timers
        self._keep = keep
        self._metrics = metrics
        self._now = now
        self._jumped = jumped
        self._not_running_for = not_running_for
        self._due_queue: DueQueue[Poller] = DueQueue()
        self._second_polls: dict[Poller, float] = {}
        """When those that were polled once at most are due again: spread over their interval."""
        self._in_flight: dict[asyncio.Task[None], float] = {}
        self._completed_at = time.monotonic()
        self._flushed: dict[Target, datetime] = {}
        self._stopping = asyncio.Event()
        self.problem: str | None = None
        """Why results cannot be stored at present; None while they can."""
        self.unfinished: dict[Target, str] = {}
        """The targets whose last poll could not be completed and committed, and why."""
        self._first_polls: set[Poller] = set()
        """Those that were there at the start and have not been polled since."""

    async def run(self) -> None:
        """Run until `stop`; then finish what is under way, for a few seconds at most.

        Raises StoreDamaged if the store turned out to be damaged meanwhile: nothing can be stored
        then, so notifications would be repeated; the next start sets the file aside.
        """
        self._first_polls.update(self._registry.pollers)
        for poller in self._registry.pollers:
            self._begin(poller)
        self._registry.begin = self._begin
        delivering = asyncio.create_task(self._delivery.run(), name="delivery")
        scheduler = self._scheduler()
        scheduler.start()
        watching = asyncio.create_task(self._follow_clock(scheduler), name="clock")
        try:
            await self._stopping.wait()
        finally:
            watching.cancel()
            scheduler.shutdown(wait=False)
            await self._leave(delivering)
        if self._store.damage is not None:
            raise self._store.damage

    def _begin(self, poller: Poller) -> None:
        name, now = str(poller.watch.target), time.monotonic()
        interval = poller.watch.settings.interval.total_seconds()
        self._due_queue.put(poller, now + spread(name, min(interval, _START_WITHIN)))
        self._second_polls[poller] = now + spread(name, interval)

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stopping.set()

    def overdue(self) -> float:
        """Return for how many seconds a poll or a round of the delivery is overdue.

        While the platform does not answer, each of many polls waits long, and yet one after the
        other completes: so the time since the last one counts.
        """
        now = time.monotonic()
        waits = [now - self._delivery.turned_at - _DELIVERY_MAY_TAKE]
        due = [*self._in_flight.values()]
        if (next_due := self._due_queue.next_due()) is not None:
            due.append(next_due)
        if due:
            waits.append(now - max(min(due), self._completed_at))
        return max(0.0, *waits)

    @property
    def first_polls_left(self) -> int:
        """How many of the targets that were there at the start have not been polled since."""
        return len(self._first_polls)

    def longest_wait(self) -> float:
        """Return for how many seconds the poll that is due longest has not been completed."""
        due = [*self._in_flight.values()]
        if (next_due := self._due_queue.next_due()) is not None:
            due.append(next_due)
        return max(0.0, time.monotonic() - min(due)) if due else 0.0

    def _scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        intervals = [
            poller.watch.settings.interval.total_seconds() for poller in self._registry.pollers
        ]
        tick = max(_SHORTEST_TICK, min(_TICK_EVERY, min(intervals, default=_TICK_EVERY) / 10))
        jobs: list[tuple[Callable[[], object], float]] = [
            (self._tick, tick),
            (self._flush, _FLUSH_EVERY),
            (self._prune, _PRUNE_EVERY),
            (self._take_silences, _TAKE_SILENCES_EVERY),
            (self._send_due, _SEND_DUE_EVERY),
        ]
        for job, seconds in jobs:
            scheduler.add_job(job, _Every(seconds=seconds, timezone=UTC))
        return scheduler

    async def _follow_clock(self, scheduler: AsyncIOScheduler) -> None:
        """Wake APScheduler and the outbox when the clock was set: both use the time of day.

        After a clock was set back by a day, they would wait a day longer.
        """
        known = self._jumped()
        while True:
            await asyncio.sleep(_LOOK_AT_CLOCK_EVERY)
            rouse(scheduler)
            jumped = self._jumped()
            if jumped == known:
                continue
            self._metrics.clock_jumps.inc()
            log.warning("clock_was_set", seconds=round((jumped - known).total_seconds()))
            known = jumped
            with self._logged("clock"):
                await self._delivery.hurry()

    async def _tick(self) -> None:
        if self._store.damage is not None:
            self.stop()
            return
        now = time.monotonic()
        for poller, due in self._due_queue.take(now):
            self._metrics.lag_seconds.observe(now - due)
            task = asyncio.create_task(self._poll(poller, due), name=f"poll {poller.watch.target}")
            self._in_flight[task] = now
            task.add_done_callback(lambda task: self._in_flight.pop(task, None))

    async def _poll(self, poller: Poller, due: float) -> None:
        pause: timedelta | None = poller.watch.settings.interval
        target = poller.watch.target
        try:
            if await poller.poll() is Outcome.CHANGED:
                self.problem = None
            pause = poller.pause()
            if pause is None:
                await self._registry.finish(poller)
        except StoreError as error:
            self.problem = self.unfinished[target] = str(error)
            log.error("poll_not_saved", target=str(target), error=str(error))
        except Exception as error:
            self._metrics.bug.labels("poll").inc()
            self.unfinished[target] = f"an unexpected error ({type(error).__name__})"
            log.exception("poll_failed_unexpectedly", target=str(target))
        else:
            self.unfinished.pop(target, None)
            self._first_polls.discard(poller)
        self._completed_at = time.monotonic()
        if pause is None:
            log.info("settled_for_long", target=str(poller.watch.target), polled="no more")
            self._second_polls.pop(poller, None)
            return
        self._due_queue.put(poller, self._next_due(poller, due, pause))

    def _next_due(self, poller: Poller, due: float, pause: timedelta) -> float:
        """Return when to poll again: the first time as spread, later in steps of the pause."""
        now, planned = time.monotonic(), self._second_polls.pop(poller, due)
        if planned > now and pause <= poller.watch.settings.interval:
            return planned
        return following(planned, pause.total_seconds(), now)

    async def _flush(self) -> None:
        """Store when each target was polled last, which is not worth a commit at each poll."""
        fresh = {
            poller.watch.target: poller.polled_at
            for poller in self._registry.rollout_pollers
            if poller.polled_at is not None
            and self._flushed.get(poller.watch.target) != poller.polled_at
        }
        if not fresh:
            return
        with self._logged("flush"):
            await self._store.call(self._store.snapshots.touch, fresh)
            self._flushed.update(fresh)

    async def _prune(self) -> None:
        # Time that the clock skipped, or that passed without a daemon, does not count as age.
        age = self._keep + self._not_running_for + max(self._jumped(), timedelta(0))
        with self._logged("prune"):
            watched = frozenset(self._registry.watched())
            await self._store.call(self._store.finds.forget, self._now() - age)
            removed = await self._store.call(self._store.prune, self._now() - age, watched=watched)
            log.info("pruned", rows=removed)

    async def _take_silences(self) -> None:
        await self._by_the_clock(self._timers.take_silences)

    async def _send_due(self) -> None:
        await self._by_the_clock(self._timers.send_due)

    async def _by_the_clock(self, look: Callable[[], Awaitable[None]]) -> None:
        """Run a timer; if the store fails, the next run tries again."""
        try:
            await look()
        except StoreError as error:
            log.error("store_failed", during="timers", error=str(error))

    @contextlib.contextmanager
    def _logged(self, what: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self.problem = str(error)
            log.error("store_failed", during=what, error=str(error))
        else:
            self.problem = None

    async def _leave(self, delivering: asyncio.Task[None]) -> None:
        log.info("stopping", polls_in_flight=len(self._in_flight))
        self._delivery.stop()
        left = {delivering, *self._in_flight}
        _, late = await asyncio.wait(left, timeout=_FINISH_WITHIN)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_WITHIN)
        await self._flush()


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT, in the running event loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
