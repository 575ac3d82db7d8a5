"""Builds everything from a configuration: the only module that knows everybody."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import structlog

from monitor.compose import notifications, render
from monitor.compose.templates import MessageTemplates
from monitor.config import Config
from monitor.config import Watch as WatchEntry
from monitor.decide.dispatch import Dispatch
from monitor.decide.reachability import Reachability
from monitor.decide.stalls import StallRules
from monitor.deliver.destinations import Destinations, digests_of, home_of, plan_of
from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery, Destination, Pace
from monitor.errors import DestinationError, StoreError
from monitor.kinds import KINDS
from monitor.metrics import Metrics
from monitor.model import (
    EventKind,
    Named,
    NamePatterns,
    Outage,
    Snapshot,
    Target,
    Watch,
    WatchSettings,
)
from monitor.platform.client import NuonClient
from monitor.platform.lookups import Names
from monitor.service.health import Check, HealthServer, Probes
from monitor.service.heartbeat import Heartbeat
from monitor.service.scheduler import Daemon
from monitor.service.timers import Timers
from monitor.service.wall_clock import WallClock
from monitor.store import Store, StoreThread
from monitor.watch.closing import close_cards
from monitor.watch.context import ActiveSilences, Context
from monitor.watch.poller import Outcome
from monitor.watch.registry import Registry

log = structlog.get_logger(__name__)

_LONG_PATH = 16
"""Characters from which on a path is taken for a secret, rather than for a word."""

_STORE = "store"
"""The scope under which it is remembered that an earlier store was lost."""

_STUCK_AFTER = 60.0
"""Seconds beyond the time that a poll may take."""
_CHECK_TOKEN_EVERY = 15.0


def utc_now() -> datetime:
    """Return the time, aware and UTC."""
    return datetime.now(UTC)


def secrets_of(config: Config) -> tuple[str, ...]:
    """Return every secret of a configuration, for what has to keep them out of its output.

    Of an address also what makes it a secret: libraries name a path or a password alone.
    """
    values = (
        config.nuon.api_token,
        config.nuon.proxy,
        config.slack.bot_token,
        config.slack.webhook_url,
        config.heartbeat.url,
        *(route.webhook_url for route in config.route),
    )
    secrets = [value.get_secret_value() for value in values if value is not None]
    return (*secrets, *(part for secret in secrets for part in _revealing_parts(secret)))


def _revealing_parts(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.netloc and len(parts.path) >= _LONG_PATH:
        yield parts.path
    if parts.password:
        yield parts.password


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


def _fallbacks(config: Config, destinations: Destinations) -> tuple[str, ...]:
    """Return where it is told that some other destination refuses, the best place first."""
    default = config.slack.channel if config.slack.webhook_url is None else None
    return tuple(dict.fromkeys((*([default] if default else []), *destinations.homes)))


def destination_of(destinations: Destinations, slack: SlackClient, name: str) -> Destination | None:
    """Return a destination by its name; None for one that the configuration no longer has."""
    webhook = destinations.webhook(name)
    if webhook is not None:
        return slack.webhook(webhook)
    return slack.channel(name) if destinations.is_known(name) else None


@dataclass(frozen=True, slots=True)
class App:
    """A daemon and its parts, ready to run."""

    config: Config
    store: StoreThread
    context: Context
    registry: Registry
    timers: Timers
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
        # Beside the polls, which a Slack or a disk that hangs must not hold up.
        checking_token = asyncio.create_task(self._check_slack_token(), name="greet Slack")
        closing = asyncio.create_task(self._try_to_close_removed(), name="close cards")
        try:
            await self.daemon.run()
        finally:
            checking_token.cancel()
            closing.cancel()
            await asyncio.wait((checking_token, closing))
            if server is not None:
                await server.stop()

    async def _try_to_close_removed(self) -> None:
        try:
            await self.close_removed()
        except StoreError as error:
            log.error("cards_not_closed", error=str(error))

    async def close_removed(self) -> None:
        """Say on the cards of what the configuration leads to no more that it is not watched."""
        await close_cards(self.context, frozenset(self.registry.watched()))

    async def _check_slack_token(self) -> None:
        """Find out at the start, and not at the first failure, whether Slack takes the token.

        Until it does it is asked again and again: there may be nothing to send for long.
        """
        if self.config.slack.bot_token is None:
            return
        while True:
            try:
                await self.slack.check_token()
            except DestinationError as error:
                if self.delivery.problem != str(error):
                    log.error("slack_unusable", error=str(error))
                self.delivery.problem = str(error)
                await asyncio.sleep(_CHECK_TOKEN_EVERY)
            else:
                self.delivery.problem = None
                return

    async def poll_once(self) -> tuple[Target, ...]:
        """Poll every watch once, and tell what is due; returns those that could not be polled."""
        failed: list[Target] = []
        polled: set[Target] = set()
        # What a list leads to is polled after it, and so on.
        while due := [one for one in self.registry.pollers if one.watch.target not in polled]:
            outcomes = await asyncio.gather(*(one.poll() for one in due))
            targets = [one.watch.target for one in due]
            polled.update(targets)
            failed += (t for t, o in zip(targets, outcomes, strict=True) if o is Outcome.FAILED)
        await self.timers.send_due()
        return tuple(failed)


@asynccontextmanager
async def build(
    config: Config,
    *,
    pace: Pace | None = None,
    now: Callable[[], datetime] = utc_now,
    jumped: Callable[[], timedelta] | None = None,
    configuration_problem: Callable[[], str | None] = lambda: None,
    keep_secret: Callable[[str], None] = lambda _: None,
    decided: Callable[[Snapshot, Dispatch], None] = lambda _snapshot, _dispatch: None,
) -> AsyncIterator[App]:
    """Open the store and the connections; raises StoreError where the store cannot be had.

    `jumped` is how far the clock behind `now` was set ahead, in all; without it, the machine's.
    `keep_secret` is called with each secret that is learnt while watching, `decided` with who is
    told of what by each poll that has news.
    """
    jumped = jumped or WallClock().jumped
    async with AsyncExitStack() as stack:
        # Looking through a large file takes a while, in which signals have to be heard.
        opening = partial(Store.open, config.store.url, now=now(), replaces_damaged=True)
        store = StoreThread(await asyncio.to_thread(opening))
        stack.push_async_callback(store.aclose)
        last_polled = await store.call(store.snapshots.last_polled) or now()
        source = await stack.enter_async_context(nuon_client(config))
        slack = await stack.enter_async_context(slack_client(config))
        metrics = Metrics()
        destinations = Destinations(config, keep_secret)
        lost = await _own_up_to_loss(store, destinations.homes, now())
        outages = await store.call(store.outages.load)
        delivery = Delivery(
            store,
            partial(destination_of, destinations, slack),
            metrics=metrics,
            now=now,
            pace=pace,
            fallbacks=_fallbacks(config, destinations),
            outages=outages,
            jumped=jumped,
        )
        await delivery.hurry()
        active_silences = ActiveSilences()
        reachability = Reachability(
            unreachable_after=config.poll.unreachable_after, reported=outages
        )
        context = Context(
            source=source,
            store=store,
            name_source=Names(source, store, now),
            reachability=reachability,
            metrics=metrics,
            links=render.Links(config.nuon.dashboard_url, config.nuon.org_id or ""),
            stall_rules=StallRules(config.stall.after, config.stall.remind_every),
            permalink=slack.permalink,
            channels=destinations,
            directory=slack,
            destinations=destinations.homes,
            plan=plan_of(config),
            templates=templates_of(config),
            active_silences=active_silences,
            now=now,
            jumped=jumped,
            has_news=delivery.wake,
            decided=decided,
            # What was not polled any more, or not sent, by then: better twice than never.
            forgot_before=lost.since - config.poll.settled_interval if lost else None,
        )
        metrics.store_lost.set(lost.since.timestamp() if lost else 0.0)
        registry = _registry(config, context)
        await registry.resume()
        timers = Timers(context, registry, digests_of(config))
        await timers.take_silences()
        daemon = Daemon(
            registry,
            delivery,
            store,
            timers,
            keep=config.store.keep,
            metrics=metrics,
            now=now,
            jumped=jumped,
            unlived=max(now() - last_polled, timedelta(0)),
        )
        stuck_after = _STUCK_AFTER + config.nuon.timeout.total_seconds()
        watchman = _Watchman(
            registry,
            daemon,
            delivery,
            reachability,
            store,
            metrics,
            now,
            stuck_after,
            frozenset(destinations.homes),
            configuration_problem,
        )
        if config.heartbeat.url is not None:
            url = config.heartbeat.url.get_secret_value()
            daemon.beat = Heartbeat(url, watchman.is_alive).beat
        yield App(
            config,
            store,
            context,
            registry,
            timers,
            daemon,
            delivery,
            watchman.probes(),
            metrics,
            slack,
        )


async def _own_up_to_loss(
    store: StoreThread, destinations: tuple[str, ...], now: datetime
) -> Outage | None:
    """Say once in every channel that an earlier store was lost; returns until when it knew.

    That a damaged file stands beside the store is how it is known, whatever happened between
    setting it aside and this. Once a person has removed that file, all is forgotten.
    """
    known = (await store.call(store.outages.load)).get(_STORE)
    aside = await store.call(store.set_aside_file)
    if aside is None:
        if known is not None:
            await store.call(store.outages.save, _STORE, None, now=now)
        return None
    name = aside.file.name
    if known is not None and name in known.reason:
        return known
    reason = f"it was damaged and is kept as {name}; a new one was begun"
    lost = Outage(EventKind.REMOVED, aside.written_at, reason)
    log.error("store_was_damaged", kept_as=name, known_until=lost.since.isoformat())
    notices = notifications.of_outage(
        EventKind.REMOVED,
        render.store_lost(name, lost.since),
        key=f"{_STORE}/{name}",
        target=None,
        destinations=destinations,
    )
    await store.call(store.outages.save, _STORE, lost, notices, now=now)
    return lost


def templates_of(config: Config) -> MessageTemplates:
    """Return the user's own templates; raises ConfigError where they are not sound."""
    templates = config.templates
    return MessageTemplates.of(templates.title, templates.fields, templates.links)


def _registry(config: Config, context: Context) -> Registry:
    registry = Registry(context)
    for entry in config.watch:
        watch = Watch(entry.target, settings_of(config, entry))
        if entry.target.kind in KINDS:
            registry.watch(watch)
        else:
            registry.list(watch)
    return registry


def settings_of(config: Config, entry: WatchEntry) -> WatchSettings:
    """Return how an entry's target is watched, and all that it leads to."""
    return WatchSettings(
        entry=Named(entry.target.id, entry.name or ""),
        homes=(home_of(config, entry),),
        labels=entry.labels,
        interval=entry.interval or config.poll.interval,
        settled_interval=config.poll.settled_interval,
        # What the store has forgotten by then would be news.
        forget_after=min(config.poll.forget_after, config.store.keep),
        limit=entry.limit,
        names=NamePatterns(entry.include, entry.exclude),
    )


@dataclass(frozen=True, slots=True)
class _Watchman:
    """Answers what the pages of `health` ask, from the parts that know."""

    registry: Registry
    daemon: Daemon
    delivery: Delivery
    reachability: Reachability
    store: StoreThread
    metrics: Metrics
    now: Callable[[], datetime]
    stuck_after: float
    destinations: frozenset[str]
    configuration_problem: Callable[[], str | None]

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
            Check("slack", self._slack_problem()),
            Check("store", self.daemon.problem),
            Check("configuration", self.configuration_problem()),
        )

    def _slack_problem(self) -> str | None:
        """One channel that refuses is told in another; only where all do, nobody reads a word."""
        refusing = self.delivery.refusing
        if (
            self.delivery.problem is None
            and self.destinations
            and self.destinations <= refusing.keys()
        ):
            return "; ".join(
                f"{destination}: {refusing[destination].reason}"
                for destination in sorted(self.destinations)
            )
        return self.delivery.problem

    def _platform_problem(self) -> str | None:
        outage = self.reachability.platform_outage
        if outage is not None:
            return f"unreachable since {outage.since:%Y-%m-%d %H:%M:%S} UTC: {outage.reason}"
        return None if self.reachability.has_seen else "no poll came through yet"

    async def refresh(self) -> None:
        """Bring the gauges up to date; they keep their last values where the store fails."""
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
        metrics.channels_refusing.set(len(self.delivery.refusing))
        with contextlib.suppress(StoreError):
            counts = await self.store.call(self.store.outbox.counts)
            metrics.pending.set(counts.pending)
            metrics.set_aside.set(counts.set_aside)
            oldest = counts.oldest_pending
            metrics.oldest_pending_seconds.set(
                max(0.0, (self.now() - oldest).total_seconds()) if oldest else 0.0
            )
