"""What `/healthz`, `/readyz` and `/metrics` report, gathered from the parts of the daemon."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from monitor.decide.reachability import Reachability
from monitor.deliver.worker import Delivery
from monitor.errors import StoreError
from monitor.metrics import Metrics
from monitor.service.greeting import Greeting
from monitor.service.health import Check
from monitor.service.lateness import Lateness
from monitor.service.scheduler import Daemon
from monitor.store import StoreThread
from monitor.watch.registry import Registry

_MOST_SHOWN = 5
"""How many watches are named in one finding."""
_LONGEST_POLL_SECONDS = 600.0
"""How long a poll may wait for its turn and for the platform, before it counts as not completed."""


@dataclass(frozen=True, slots=True)
class Probes:
    """The source of the pages that `health` serves."""

    registry: Registry
    daemon: Daemon
    delivery: Delivery
    greeting: Greeting
    lateness: Lateness
    reachability: Reachability
    store: StoreThread
    metrics: Metrics
    now: Callable[[], datetime]
    stuck_after_seconds: float
    """How long no poll may complete before the daemon counts as stuck."""
    destinations: frozenset[str]
    """The channels of the watches, one of which has to take messages."""
    configuration_problem: Callable[[], str | None]

    def work_problem(self) -> str | None:
        """Return why the monitor does not do its work: see, keep what it sees, notify people.

        What people are notified of in Slack is none: a single target that cannot be reached.
        """
        checks = (
            *self.alive(),
            Check("polls", self._polls_problem()),
            Check("platform", self._platform_problem()),
            Check("slack", self._slack_problem() or self._greeting_problem()),
            # One channel that refuses is reported in another.
            Check("outbox", self.lateness.problem(but_for=self.delivery.health.refusing)),
            Check("store", self.daemon.problem),
        )
        return "; ".join(f"{one.name}: {one.problem}" for one in checks if one.problem) or None

    def _polls_problem(self) -> str | None:
        """Return which polls were due and are not completed and committed."""
        unfinished = self.daemon.unfinished
        if unfinished:
            target, reason = next(iter(unfinished.items()))
            return f"{len(unfinished):,} not completed, such as that of {target}: {reason}"
        if (waits := self.daemon.longest_wait()) > _LONGEST_POLL_SECONDS:
            return f"one has been due for {waits:.0f} s"
        first = self.daemon.first_polls_left
        return f"{first:,} have not been made since the start" if first else None

    def _greeting_problem(self) -> str | None:
        return None if self.greeting.is_done else "has not answered since the start"

    def alive(self) -> tuple[Check, ...]:
        """Check what only a restart can repair."""
        overdue = self.daemon.overdue()
        is_stuck = overdue > self.stuck_after_seconds
        return (Check("polls", f"no poll completed for {overdue:.0f} s" if is_stuck else None),)

    def ready(self) -> tuple[Check, ...]:
        """Check also what the daemon needs of others."""
        return (
            *self.alive(),
            Check("platform", self._platform_problem()),
            Check("watches", self._watches_problem()),
            Check("slack", self._slack_problem()),
            Check("outbox", self.lateness.problem()),
            Check("store", self.daemon.problem),
            Check("configuration", self.configuration_problem()),
        )

    def _platform_problem(self) -> str | None:
        outage = self.reachability.present_outage(None)
        if outage is not None:
            return f"unreachable since {outage.since:%Y-%m-%d %H:%M:%S} UTC: {outage.reason}"
        return None if self.reachability.has_seen else "no poll came through yet"

    def _watches_problem(self) -> str | None:
        """Return which watches of the configuration cannot be seen, or lead to nothing.

        A find of a list may be deleted: nobody has to do anything about that.
        """
        named = (one.watch.target for one in self.registry.pollers if one.watch.found_in is None)
        problems = [
            f"{target}: {outage.reason}"
            for target in named
            if (outage := self.reachability.present_outage(target)) is not None
        ]
        left_out = len(problems) - _MOST_SHOWN
        more = [f"and {left_out:,} more"] if left_out > 0 else []
        return "; ".join([*problems[:_MOST_SHOWN], *more]) or None

    def _slack_problem(self) -> str | None:
        """Return why nobody can be notified.

        One channel that refuses is reported in another: it is a problem only if all refuse.
        """
        problem = self.delivery.health.problem or self.greeting.problem
        if problem is not None:
            return problem
        refusing = self.delivery.health.refusing
        if not self.destinations or self.destinations - refusing.keys():
            return None
        return "; ".join(f"{name}: {refusing[name].reason}" for name in sorted(self.destinations))

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date; those of the store keep their values where it fails."""
        metrics = self.metrics
        states = Counter(
            "settled" if poller.is_settled else "in flight"
            for poller in self.registry.rollout_pollers
        )
        for state in ("settled", "in flight"):
            metrics.watches.labels(state).set(states[state])
        metrics.platform_reachable.set(self._platform_problem() is None)
        metrics.configuration_problem.set(self.configuration_problem() is not None)
        metrics.slack_usable.set(self._slack_problem() is None)
        metrics.channels_refusing.set(len(self.delivery.health.refusing))
        with contextlib.suppress(StoreError):
            counts = await self.store.call(self.store.outbox.counts)
            metrics.pending.set(counts.pending)
            metrics.set_aside.set(counts.set_aside)
            oldest = counts.oldest_pending
            metrics.oldest_pending_seconds.set(
                max(0.0, (self.now() - oldest).total_seconds()) if oldest else 0.0
            )
