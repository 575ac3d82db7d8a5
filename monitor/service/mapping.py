"""The configuration, as the values that polls, decisions and messages work with.

Nothing is opened, read or remembered here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from urllib.parse import urlsplit

from monitor.compose.digest import Digest, Timetable
from monitor.compose.render import Links
from monitor.compose.templates import MessageTemplates
from monitor.config import DAYS, Config, Match, Quiet, Route
from monitor.config import Digest as DigestEntry
from monitor.config import Watch as WatchEntry
from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.decide.windows import EVERY_DAY, Once, Then, Weekly, Window
from monitor.deliver.destinations import (
    destination_of_entry,
    destination_of_route,
    notified_destinations,
)
from monitor.model import LABEL, Matcher, Mention, Named, NamePatterns, WatchSettings

_SECRET_PATH_LENGTH = 16
"""Characters from which on the path of a secret address is taken for a secret by itself.

Shorter ones are words such as `/ping`, which would be blotted out all over the log.
"""


def secrets_of(config: Config) -> tuple[str, ...]:
    """Return every secret of a configuration, to keep them out of all output.

    Of a secret address also the path and the password: libraries log these by themselves.
    """
    values = (
        config.nuon.api_token,
        config.nuon.proxy,
        config.slack.bot_token,
        config.slack.webhook_url,
        config.heartbeat.url,
        config.heartbeat.fail_url,
        *(route.webhook_url for route in config.route),
    )
    secrets = [value.get_secret_value() for value in values if value is not None]
    return (*secrets, *(part for secret in secrets for part in _revealing_parts(secret)))


def _revealing_parts(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.netloc and len(parts.path) >= _SECRET_PATH_LENGTH:
        yield parts.path
    if parts.password:
        yield parts.password


def links_of(config: Config) -> Links:
    """Return the addresses of the dashboard's pages."""
    return Links(config.nuon.dashboard_url, config.nuon.org_id or "")


def templates_of(config: Config) -> MessageTemplates:
    """Return the user's own templates; raises ConfigError where they are not sound."""
    templates = config.templates
    return MessageTemplates.of(templates.title, templates.fields, templates.links)


def settings_of(config: Config, entry: WatchEntry) -> WatchSettings:
    """Return the settings of an entry, for its target and all targets that it leads to."""
    return WatchSettings(
        entry=Named(entry.target.id, entry.name or ""),
        default_destinations=(destination_of_entry(config, entry),),
        labels=entry.labels,
        interval=entry.interval or config.poll.interval,
        settled_interval=config.poll.settled_interval,
        # A target that the store has pruned by then would be news again.
        forget_after=min(config.poll.forget_after, config.store.keep),
        limit=entry.limit,
        names=NamePatterns(entry.include, entry.exclude),
        types=frozenset(entry.types),
    )


# Routes and quiet windows


def plan_of(config: Config) -> Plan:
    """Return the routes and quiet windows, in their order."""
    return Plan(
        rules=tuple(_rule(config, entry, n) for n, entry in enumerate(config.route, start=1)),
        windows=tuple(map(_window, config.quiet)),
        group_interval=config.notify.group_interval,
    )


def _rule(config: Config, entry: Route, number: int) -> Rule:
    return Rule(
        destination=destination_of_route(entry, number),
        name=entry.name or "",
        events=entry.events,
        matcher=_matcher(entry.match),
        mentions=tuple(map(Mention.of, entry.mention)),
        continues=entry.continues,
        min_failed=entry.min_failed,
        lasting=entry.lasting or timedelta(),
        group_interval=entry.group_interval or config.notify.group_interval,
    )


def _matcher(match: Match) -> Matcher:
    keys = (key for key in Match.model_fields if key != "labels")
    patterns = {key: getattr(match, key) for key in keys if getattr(match, key)}
    labels = {LABEL + name: patterns for name, patterns in match.labels.items()}
    return Matcher(patterns | labels)


def _window(entry: Quiet) -> Window:
    return Window(
        when=_when(entry),
        name=entry.name or "",
        routes=entry.routes,
        events=entry.events,
        then=Then(entry.then),
    )


def _when(entry: Quiet) -> Weekly | Once:
    if entry.once is not None:
        return Once(*entry.once, zone=entry.zone)
    days = frozenset(DAYS.index(day) for day in entry.days)
    return Weekly(*(entry.hours or (time(), time())), days=days, zone=entry.zone)


# Digests


def digests_of(config: Config) -> tuple[Digest, ...]:
    """Return the digests.

    A digest covers what its destination is notified of; where that is nothing, all there is.
    """
    notified = frozenset(notified_destinations(config))
    return tuple(
        Digest(destination, _timetable(entry), of_all=destination not in notified)
        for entry in config.digest
        for destination in (destination_of_entry(config, entry),)
    )


def _timetable(entry: DigestEntry) -> Timetable:
    days = EVERY_DAY if entry.every == "day" else frozenset({DAYS.index(entry.on)})
    return Timetable(entry.at, days, entry.zone)
