"""Builds everything from a configuration: the only module that knows everybody."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from monitor import notify, policy, render
from monitor.config import Config
from monitor.config import Watch as WatchEntry
from monitor.cycle import Cycle, Outcome, Surroundings, Watch
from monitor.daemon import Daemon
from monitor.delivery import Delivery, Pace, Sink
from monitor.errors import SinkError, StoreError
from monitor.health import Check, HealthServer, Probes
from monitor.heartbeat import Heartbeat
from monitor.metrics import Metrics
from monitor.model import Target
from monitor.names import Names
from monitor.nuon import NuonClient
from monitor.sight import Sight
from monitor.slack import SlackClient
from monitor.store import Store, StoreThread

log = structlog.get_logger(__name__)

WEBHOOK = "webhook"
"""The name of the sink behind `slack.webhook_url`, whose address is a secret."""

_STUCK_AFTER = 60.0
"""Seconds beyond the time that a poll may take."""
_GREET_EVERY = 15.0


def utc_now() -> datetime:
    """Return the time, aware and UTC."""
    return datetime.now(UTC)


def secrets_of(config: Config) -> tuple[str, ...]:
    """Return every secret of a configuration, for what has to keep them out of its output."""
    values = (
        config.nuon.api_token,
        config.nuon.proxy,
        config.slack.bot_token,
        config.slack.webhook_url,
        config.heartbeat.url,
    )
    return tuple(value.get_secret_value() for value in values if value is not None)


def nuon_client(config: Config) -> NuonClient:
    """Return the client of the configured platform."""
    nuon = config.nuon
    return NuonClient(
        api_url=nuon.api_url,
        org_id=nuon.org_id or "",
        api_token=nuon.api_token.get_secret_value() if nuon.api_token else "",
        timeout=nuon.timeout,
        max_concurrent_requests=nuon.max_concurrent_requests,
        ca_file=nuon.ca_file,
        proxy=nuon.proxy.get_secret_value() if nuon.proxy else None,
    )


def slack_client(config: Config) -> SlackClient:
    """Return the client of the configured Slack; enter it before use."""
    token = config.slack.bot_token
    return SlackClient(
        api_url=config.slack.api_url, token=token.get_secret_value() if token else None
    )


def address_of(config: Config, entry: WatchEntry) -> notify.Address:
    """Return where a watch's news go."""
    if config.slack.webhook_url is not None:
        return notify.Address(WEBHOOK, keeps_cards=False)
    return notify.Address(entry.channel or config.slack.channel or "", keeps_cards=True)


def addresses_of(config: Config) -> tuple[notify.Address, ...]:
    """Return every sink in use, each once."""
    return tuple(dict.fromkeys(address_of(config, entry) for entry in config.watch))


def sink_of(config: Config, slack: SlackClient, name: str) -> Sink | None:
    """Return a sink by its name; None for one that the configuration no longer has."""
    webhook = config.slack.webhook_url
    if name == WEBHOOK:
        return slack.webhook(webhook.get_secret_value()) if webhook else None
    return slack.channel(name) if config.slack.bot_token else None


@dataclass(frozen=True, slots=True)
class App:
    """A daemon and its parts, ready to run."""

    config: Config
    store: StoreThread
    daemon: Daemon
    delivery: Delivery
    probes: Probes
    metrics: Metrics
    slack: SlackClient

    async def run(self) -> None:
        """Run until `daemon.stop()`, with the HTTP side where one is configured."""
        address = self.config.http.address
        server = HealthServer(address, self.probes, self.metrics) if address else None
        if server is not None:
            await server.start()
            log.info("listening", port=server.port)
        # Beside the polls, which a Slack that hangs must not hold up.
        greeting = asyncio.create_task(self._greet_slack(), name="greet Slack")
        try:
            await self.daemon.run()
        finally:
            greeting.cancel()
            await asyncio.wait((greeting,))
            if server is not None:
                await server.stop()

    async def _greet_slack(self) -> None:
        """Find out at the start, and not at the first failure, whether Slack takes the token.

        Until it does it is asked again and again: there may be nothing to send for long.
        """
        if self.config.slack.bot_token is None:
            return
        while True:
            try:
                await self.slack.greet()
            except SinkError as error:
                if self.delivery.problem != str(error):
                    log.error("slack_unusable", error=str(error))
                self.delivery.problem = str(error)
                await asyncio.sleep(_GREET_EVERY)
            else:
                self.delivery.problem = None
                return

    async def poll_once(self) -> tuple[Target, ...]:
        """Poll every watch once; returns those that could not be polled."""
        outcomes = await asyncio.gather(*(cycle.poll() for cycle in self.daemon.cycles))
        return tuple(
            cycle.watch.target
            for cycle, outcome in zip(self.daemon.cycles, outcomes, strict=True)
            if outcome is Outcome.FAILED
        )


@asynccontextmanager
async def build(
    config: Config,
    *,
    pace: Pace | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[App]:
    """Open the store and the connections; raises StoreError where the store cannot be had."""
    async with AsyncExitStack() as stack:
        store = StoreThread(Store.open(config.store.url, now=now()))
        stack.push_async_callback(store.aclose)
        source = await stack.enter_async_context(nuon_client(config))
        slack = await stack.enter_async_context(slack_client(config))
        metrics = Metrics()
        delivery = Delivery(
            store, partial(sink_of, config, slack), metrics=metrics, now=now, pace=pace
        )
        sight = Sight(
            unreachable_after=config.poll.unreachable_after, told=await store.call(Store.sights)
        )
        around = Surroundings(
            source=source,
            store=store,
            namer=Names(source, store, now),
            sight=sight,
            metrics=metrics,
            links=render.Links(config.nuon.dashboard_url, config.nuon.org_id or ""),
            patience=policy.Patience(config.stall.after, config.stall.remind_every),
            addresses=addresses_of(config),
            permalink=slack.permalink,
            now=now,
            has_news=delivery.wake,
        )
        daemon = Daemon(
            tuple(Cycle(_watch(config, entry), around) for entry in config.watch),
            delivery,
            store,
            keep=config.store.keep,
            metrics=metrics,
            now=now,
        )
        stuck_after = _STUCK_AFTER + config.nuon.timeout.total_seconds()
        watchman = _Watchman(daemon, delivery, sight, store, metrics, now, stuck_after)
        if config.heartbeat.url is not None:
            url = config.heartbeat.url.get_secret_value()
            daemon.beat = Heartbeat(url, watchman.is_alive).beat
        yield App(config, store, daemon, delivery, watchman.probes(), metrics, slack)


def _watch(config: Config, entry: WatchEntry) -> Watch:
    interval = entry.interval or config.poll.interval
    return Watch(
        target=entry.target,
        addresses=(address_of(config, entry),),
        interval=interval,
        settled_interval=config.poll.settled_interval,
        forget_after=config.poll.forget_after,
        title=entry.name,
    )


@dataclass(frozen=True, slots=True)
class _Watchman:
    """Answers what the pages of `health` ask, from the parts that know."""

    daemon: Daemon
    delivery: Delivery
    sight: Sight
    store: StoreThread
    metrics: Metrics
    now: Callable[[], datetime]
    stuck_after: float

    def probes(self) -> Probes:
        return Probes(alive=self.alive, ready=self.ready, refresh_metrics=self.refresh)

    def is_alive(self) -> bool:
        return all(check.problem is None for check in self.alive())

    def alive(self) -> tuple[Check, ...]:
        overdue = self.daemon.overdue()
        problem = f"no poll completed for {overdue:.0f} s" if overdue > self.stuck_after else None
        return (Check("polls", problem),)

    def ready(self) -> tuple[Check, ...]:
        return (
            *self.alive(),
            Check("platform", self._platform_problem()),
            Check("slack", self.delivery.problem),
            Check("store", self.daemon.problem),
        )

    def _platform_problem(self) -> str | None:
        blindness = self.sight.platform_blindness
        if blindness is not None:
            return f"unreachable since {blindness.since:%Y-%m-%d %H:%M:%S} UTC: {blindness.reason}"
        return None if self.sight.has_seen else "no poll came through yet"

    async def refresh(self) -> None:
        """Bring the gauges up to date; they keep their last values where the store fails."""
        metrics = self.metrics
        states = Counter(
            "settled" if cycle.is_settled else "in flight" for cycle in self.daemon.cycles
        )
        for state in ("settled", "in flight"):
            metrics.watches.labels(state).set(states[state])
        metrics.platform_reachable.set(self._platform_problem() is None)
        metrics.slack_usable.set(self.delivery.problem is None)
        with contextlib.suppress(StoreError):
            counts = await self.store.call(Store.counts)
            metrics.pending.set(counts.pending)
            metrics.set_aside.set(counts.set_aside)
            oldest = counts.oldest_pending
            metrics.oldest_pending_seconds.set(
                max(0.0, (self.now() - oldest).total_seconds()) if oldest else 0.0
            )
