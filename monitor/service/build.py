"""Builds a daemon from a configuration: the only module that knows all of its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import structlog

from monitor.config import Config
from monitor.decide.dispatch import Dispatch
from monitor.decide.flapping import FlappingRules
from monitor.decide.reachability import Reachability
from monitor.decide.stalls import StallRules
from monitor.deliver.destinations import Destinations, destinations_of_entries
from monitor.deliver.pace import Pace
from monitor.deliver.relocation import relocate
from monitor.deliver.search_times import SearchTimes
from monitor.deliver.sending import Destination
from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery
from monitor.kinds import KINDS
from monitor.metrics import Metrics
from monitor.model import Snapshot, Watch
from monitor.platform.client import NuonClient
from monitor.platform.lookups import Names
from monitor.service.app import App
from monitor.service.greeting import Greeting
from monitor.service.heartbeat import Heartbeat
from monitor.service.lateness import Lateness
from monitor.service.mapping import (
    digests_of,
    links_of,
    plan_of,
    settings_of,
    templates_of,
)
from monitor.service.probes import Probes
from monitor.service.scheduler import Daemon
from monitor.service.timers import Timers
from monitor.service.wall_clock import WallClock, utc_now
from monitor.store import Store, StoreThread
from monitor.watch.context import ActiveSilences, Context
from monitor.watch.outage_log import OutageLog, refusing_destinations
from monitor.watch.registry import Registry

log = structlog.get_logger(__name__)

_STUCK_AFTER_SECONDS = 60.0
"""Added to the time that a poll may take."""


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


def destination_of(destinations: Destinations, slack: SlackClient, name: str) -> Destination | None:
    """Return a destination by its name; None for one that the configuration no longer has."""
    webhook = destinations.webhook(name)
    if webhook is not None:
        return slack.webhook(webhook)
    return slack.channel(name) if destinations.is_known(name) else None


@asynccontextmanager
async def build(
    config: Config,
    *,
    pace: Pace | None = None,
    search_times: SearchTimes | None = None,
    now: Callable[[], datetime] = utc_now,
    jumped: Callable[[], timedelta] | None = None,
    configuration_problem: Callable[[], str | None] = lambda: None,
    keep_secret: Callable[[str], None] = lambda _: None,
    decided: Callable[[Snapshot, Dispatch], None] = lambda _snapshot, _dispatch: None,
) -> AsyncIterator[App]:
    """Open the store and the connections; raises StoreError where the store cannot be had.

    `jumped` is how far the clock behind `now` was set ahead, in all; without it, the machine's.
    `keep_secret` is called with each secret that is learnt while polling, `decided` with the
    dispatch of each poll that has events.
    """
    jumped = jumped or WallClock().jumped
    async with AsyncExitStack() as stack:
        # Checking a large file takes a while, in which signals must be handled.
        opening = partial(Store.open, config.store.url, now=now(), replaces_damaged=True)
        store = StoreThread(await asyncio.to_thread(opening))
        stack.push_async_callback(store.aclose)
        last_polled = await store.call(store.snapshots.last_polled) or now()
        source = await stack.enter_async_context(nuon_client(config))
        slack = await stack.enter_async_context(slack_client(config))
        metrics = Metrics()
        destinations = Destinations(config, keep_secret)
        fallbacks = _fallbacks(config, destinations)
        outage_log = OutageLog(store, metrics=metrics, now=now, fallbacks=fallbacks)
        outages = await store.call(store.outages.load)
        delivery = Delivery(
            store,
            partial(destination_of, destinations, slack),
            outage_log,
            metrics=metrics,
            now=now,
            may_come=destinations.may_come,
            probe=slack.check_token if config.slack.bot_token else None,
            pace=pace,
            refusing=refusing_destinations(outages),
            jumped=jumped,
            search_times=search_times,
            permalink=slack.permalink,
        )
        outage_log.has_news = delivery.wake
        lost = await outage_log.lost_store(destinations.default_destinations)
        metrics.store_lost.set(lost.since.timestamp() if lost else 0.0)
        await delivery.hurry()
        flapping_rules = FlappingRules(config.notify.flapping_after, config.notify.flapping_window)
        reachability = Reachability(
            unreachable_after=config.poll.unreachable_after,
            reported=outages,
            reports=await store.call(store.outages.reports),
            flapping_rules=flapping_rules,
        )
        context = Context(
            source=source,
            store=store,
            name_source=Names(source, store, now),
            reachability=reachability,
            outage_log=outage_log,
            metrics=metrics,
            links=links_of(config),
            stall_rules=StallRules(config.stall.after, config.stall.remind_every),
            flapping_rules=flapping_rules,
            permalink=slack.permalink,
            channels=destinations,
            directory=slack,
            destinations=destinations.default_destinations,
            plan=plan_of(config),
            templates=templates_of(config),
            active_silences=ActiveSilences(),
            now=now,
            jumped=jumped,
            has_news=delivery.wake,
            decided=decided,
            # Ends that were not polled or sent by then: better notified twice than never.
            forgot_before=lost.since - config.poll.settled_interval if lost else None,
        )
        registry = await _registry(config, context)
        # Before anything is polled or sent, and after what leads to each target is known.
        await relocate(
            store,
            destinations,
            destinations_of_entries(config),
            configured={*destinations.configured, *fallbacks},
            watch_of=registry.watch_of,
            refusing=refusing_destinations(outages),
            metrics=metrics,
            now=now(),
        )
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
            not_running_for=max(now() - last_polled, timedelta(0)),
        )
        greeting = Greeting(slack, has_token=config.slack.bot_token is not None)
        lateness = Lateness(store, delivery.health, now)
        probes = Probes(
            registry=registry,
            daemon=daemon,
            delivery=delivery,
            greeting=greeting,
            lateness=lateness,
            reachability=reachability,
            store=store,
            metrics=metrics,
            now=now,
            stuck_after_seconds=_STUCK_AFTER_SECONDS + config.nuon.timeout.total_seconds(),
            destinations=frozenset(destinations.default_destinations),
            configuration_problem=configuration_problem,
        )
        yield App(
            config=config,
            store=store,
            context=context,
            registry=registry,
            timers=timers,
            daemon=daemon,
            delivery=delivery,
            probes=probes,
            metrics=metrics,
            slack=slack,
            greeting=greeting,
            lateness=lateness,
            heartbeat=_heartbeat(config, probes),
        )


def _heartbeat(config: Config, probes: Probes) -> Heartbeat | None:
    url, fail_url = config.heartbeat.url, config.heartbeat.fail_url
    if url is None:
        return None
    return Heartbeat(
        url.get_secret_value(),
        probes.work_problem,
        fail_url=fail_url.get_secret_value() if fail_url else None,
    )


def _fallbacks(config: Config, destinations: Destinations) -> tuple[str, ...]:
    """Return where to report that another destination refuses, the best one first."""
    default = config.slack.channel if config.slack.webhook_url is None else None
    return tuple(
        dict.fromkeys((*([default] if default else []), *destinations.default_destinations))
    )


async def _registry(config: Config, context: Context) -> Registry:
    """Return all that is polled: configured targets, and the finds of their lists."""
    registry = Registry(context)
    for entry in config.watch:
        watch = Watch(entry.target, settings_of(config, entry))
        if entry.target.kind in KINDS:
            registry.watch(watch)
        else:
            registry.list(watch)
    await registry.resume()
    return registry
