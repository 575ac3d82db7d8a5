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
from monitor.compose.templates import Wording
from monitor.config import Config
from monitor.config import Watch as WatchEntry
from monitor.decide import events
from monitor.decide.dispatch import Dispatch
from monitor.decide.reachability import Sight
from monitor.deliver.destinations import Sinks, digests_of, home_of, plan_of
from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery, Pace, Sink
from monitor.errors import SinkError, StoreError
from monitor.kinds import KINDS
from monitor.metrics import Metrics
from monitor.model import Blindness, EventKind, Named, NamePatterns, Snapshot, Target
from monitor.platform.client import NuonClient
from monitor.platform.lookups import Names
from monitor.service.health import Check, HealthServer, Probes
from monitor.service.heartbeat import Heartbeat
from monitor.service.scheduler import Daemon
from monitor.service.timers import Clockwork
from monitor.service.wall_clock import WallClock
from monitor.store import Store, StoreThread
from monitor.watch.closing import close_cards
from monitor.watch.context import Hush, Outcome, Surroundings
from monitor.watch.list_poller import Discovery, Listing
from monitor.watch.registry import Roster
from monitor.watch.rollout_poller import Cycle, Watch

log = structlog.get_logger(__name__)

_LONG_PATH = 16
"""Characters from which on a path is taken for a secret, rather than for a word."""

_STORE = "store"
"""The scope under which it is remembered that an earlier store was lost."""

_STUCK_AFTER = 60.0
"""Seconds beyond the time that a poll may take."""
_GREET_EVERY = 15.0


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
    return (*secrets, *(part for secret in secrets for part in _telling_parts(secret)))


def _telling_parts(url: str) -> Iterator[str]:
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


def _fallbacks(config: Config, sinks: Sinks) -> tuple[str, ...]:
    """Return where it is told that some other sink refuses, the best place first."""
    default = config.slack.channel if config.slack.webhook_url is None else None
    return tuple(dict.fromkeys((*([default] if default else []), *sinks.homes)))


def sink_of(sinks: Sinks, slack: SlackClient, name: str) -> Sink | None:
    """Return a sink by its name; None for one that the configuration no longer has."""
    webhook = sinks.webhook(name)
    if webhook is not None:
        return slack.webhook(webhook)
    return slack.channel(name) if sinks.is_known(name) else None


@dataclass(frozen=True, slots=True)
class App:
    """A daemon and its parts, ready to run."""

    config: Config
    store: StoreThread
    around: Surroundings
    roster: Roster
    clockwork: Clockwork
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
        greeting = asyncio.create_task(self._greet_slack(), name="greet Slack")
        closing = asyncio.create_task(self._try_to_close_removed(), name="close cards")
        try:
            await self.daemon.run()
        finally:
            greeting.cancel()
            closing.cancel()
            await asyncio.wait((greeting, closing))
            if server is not None:
                await server.stop()

    async def _try_to_close_removed(self) -> None:
        try:
            await self.close_removed()
        except StoreError as error:
            log.error("cards_not_closed", error=str(error))

    async def close_removed(self) -> None:
        """Say on the cards of what the configuration leads to no more that it is not watched."""
        await close_cards(self.around, frozenset(self.roster.watched()))

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
        """Poll every watch once, and tell what is due; returns those that could not be polled."""
        failed: list[Target] = []
        polled: set[Target] = set()
        # What a list leads to is polled after it, and so on.
        while due := [one for one in self._all() if one.watch.target not in polled]:
            outcomes = await asyncio.gather(*(one.poll() for one in due))
            targets = [one.watch.target for one in due]
            polled.update(targets)
            failed += (t for t, o in zip(targets, outcomes, strict=True) if o is Outcome.FAILED)
        await self.clockwork.tell()
        return tuple(failed)

    def _all(self) -> tuple[Cycle | Discovery, ...]:
        return (*self.roster.discoveries, *self.roster.cycles)


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
        last_polled = await store.call(Store.last_polled) or now()
        source = await stack.enter_async_context(nuon_client(config))
        slack = await stack.enter_async_context(slack_client(config))
        metrics = Metrics()
        sinks = Sinks(config, keep_secret)
        lost = await _own_up_to_loss(store, sinks.homes, now())
        told = await store.call(Store.sights)
        delivery = Delivery(
            store,
            partial(sink_of, sinks, slack),
            metrics=metrics,
            now=now,
            pace=pace,
            fallbacks=_fallbacks(config, sinks),
            told=told,
            jumped=jumped,
        )
        await delivery.hurry()
        hush = Hush()
        sight = Sight(unreachable_after=config.poll.unreachable_after, told=told)
        around = Surroundings(
            source=source,
            store=store,
            namer=Names(source, store, now),
            sight=sight,
            metrics=metrics,
            links=render.Links(config.nuon.dashboard_url, config.nuon.org_id or ""),
            patience=events.Patience(config.stall.after, config.stall.remind_every),
            permalink=slack.permalink,
            channels=sinks,
            directory=slack,
            sinks=sinks.homes,
            plan=plan_of(config),
            wording=wording_of(config),
            hush=hush,
            now=now,
            jumped=jumped,
            has_news=delivery.wake,
            decided=decided,
            # What was not polled any more, or not sent, by then: better twice than never.
            forgot_before=lost.since - config.poll.settled_interval if lost else None,
        )
        metrics.store_lost.set(lost.since.timestamp() if lost else 0.0)
        roster = _roster(config, around)
        await roster.resume()
        clockwork = Clockwork(around, roster, digests_of(config))
        await clockwork.take_silences()
        daemon = Daemon(
            roster,
            delivery,
            store,
            clockwork,
            keep=config.store.keep,
            metrics=metrics,
            now=now,
            jumped=jumped,
            unlived=max(now() - last_polled, timedelta(0)),
        )
        stuck_after = _STUCK_AFTER + config.nuon.timeout.total_seconds()
        watchman = _Watchman(
            roster,
            daemon,
            delivery,
            sight,
            store,
            metrics,
            now,
            stuck_after,
            frozenset(sinks.homes),
            configuration_problem,
        )
        if config.heartbeat.url is not None:
            url = config.heartbeat.url.get_secret_value()
            daemon.beat = Heartbeat(url, watchman.is_alive).beat
        yield App(
            config,
            store,
            around,
            roster,
            clockwork,
            daemon,
            delivery,
            watchman.probes(),
            metrics,
            slack,
        )


async def _own_up_to_loss(
    store: StoreThread, sinks: tuple[str, ...], now: datetime
) -> Blindness | None:
    """Say once in every channel that an earlier store was lost; returns until when it knew.

    That a damaged file stands beside the store is how it is known, whatever happened between
    setting it aside and this. Once a person has removed that file, all is forgotten.
    """
    known = (await store.call(Store.sights)).get(_STORE)
    aside = await store.call(Store.set_aside_file)
    if aside is None:
        if known is not None:
            await store.call(Store.save_sight, _STORE, None, now=now)
        return None
    name = aside.file.name
    if known is not None and name in known.reason:
        return known
    reason = f"it was damaged and is kept as {name}; a new one was begun"
    lost = Blindness(EventKind.GONE, aside.written_at, reason)
    log.error("store_was_damaged", kept_as=name, known_until=lost.since.isoformat())
    told = notifications.of_sight(
        EventKind.GONE,
        render.store_lost(name, lost.since),
        key=f"{_STORE}/{name}",
        target=None,
        sinks=sinks,
    )
    await store.call(Store.save_sight, _STORE, lost, told, now=now)
    return lost


def wording_of(config: Config) -> Wording:
    """Return the user's own templates; raises ConfigError where they are not sound."""
    templates = config.templates
    return Wording.of(templates.title, templates.fields, templates.links)


def _roster(config: Config, around: Surroundings) -> Roster:
    roster = Roster(around)
    for entry in config.watch:
        if entry.target.kind in KINDS:
            roster.watch(_watch(config, entry))
        else:
            roster.list(_listing(config, entry))
    return roster


def _forget_after(config: Config) -> timedelta:
    """Return for how long what has settled is looked at: what the store forgot would be news."""
    return min(config.poll.forget_after, config.store.keep)


def _watch(config: Config, entry: WatchEntry) -> Watch:
    return Watch(
        target=entry.target,
        homes=(home_of(config, entry),),
        interval=entry.interval or config.poll.interval,
        settled_interval=config.poll.settled_interval,
        forget_after=_forget_after(config),
        title=entry.name,
        entry=Named(entry.target.id, entry.name or ""),
        labels=entry.labels,
        limit=entry.limit,
        names=NamePatterns(entry.include, entry.exclude),
    )


def _listing(config: Config, entry: WatchEntry) -> Listing:
    return Listing(
        target=entry.target,
        homes=(home_of(config, entry),),
        interval=entry.interval or config.poll.interval,
        settled_interval=config.poll.settled_interval,
        forget_after=_forget_after(config),
        limit=entry.limit,
        names=NamePatterns(entry.include, entry.exclude),
        title=entry.name,
        labels=entry.labels,
    )


@dataclass(frozen=True, slots=True)
class _Watchman:
    """Answers what the pages of `health` ask, from the parts that know."""

    roster: Roster
    daemon: Daemon
    delivery: Delivery
    sight: Sight
    store: StoreThread
    metrics: Metrics
    now: Callable[[], datetime]
    stuck_after: float
    sinks: frozenset[str]
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
        if self.delivery.problem is None and self.sinks and self.sinks <= refusing.keys():
            return "; ".join(f"{sink}: {refusing[sink].reason}" for sink in sorted(self.sinks))
        return self.delivery.problem

    def _platform_problem(self) -> str | None:
        blindness = self.sight.platform_blindness
        if blindness is not None:
            return f"unreachable since {blindness.since:%Y-%m-%d %H:%M:%S} UTC: {blindness.reason}"
        return None if self.sight.has_seen else "no poll came through yet"

    async def refresh(self) -> None:
        """Bring the gauges up to date; they keep their last values where the store fails."""
        metrics = self.metrics
        states = Counter(
            "settled" if cycle.is_settled else "in flight" for cycle in self.roster.cycles
        )
        for state in ("settled", "in flight"):
            metrics.watches.labels(state).set(states[state])
        metrics.platform_reachable.set(self._platform_problem() is None)
        metrics.configuration_problem.set(self.configuration_problem() is not None)
        metrics.slack_usable.set(self._slack_problem() is None)
        metrics.channels_refusing.set(len(self.delivery.refusing))
        with contextlib.suppress(StoreError):
            counts = await self.store.call(Store.counts)
            metrics.pending.set(counts.pending)
            metrics.set_aside.set(counts.set_aside)
            oldest = counts.oldest_pending
            metrics.oldest_pending_seconds.set(
                max(0.0, (self.now() - oldest).total_seconds()) if oldest else 0.0
            )
