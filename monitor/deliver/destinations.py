"""The destinations of a configuration by their names, and the plan of who is told of what.

A channel is named as the configuration names it. A webhook's address is a secret, so it gets
a name of ours. The webhooks that the platform holds for apps are learnt while watching, and
kept nowhere but in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time, timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr

from monitor.compose.digest import Digest, Timetable
from monitor.config import DAYS, Config, Match, Quiet, Route
from monitor.config import Digest as DigestEntry
from monitor.config import Watch as WatchEntry
from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.decide.windows import EVERY_DAY, Once, Then, Weekly, Window
from monitor.model import LABEL, Matcher, Mention

WEBHOOK = "webhook"
"""The name of the destination behind `slack.webhook_url`."""

_OF_APP = "webhook of app "
_SLACK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})


class Destinations:
    """Every destination in use. `homes` are those of the watches, the default one first."""

    def __init__(self, config: Config, keep_secret: Callable[[str], None] = lambda _: None) -> None:
        """`keep_secret` is called with each address that is learnt."""
        self._keep_secret = keep_secret
        slack = config.slack
        self._has_token = slack.bot_token is not None
        self._is_for_apps = slack.use_app_webhooks
        self._own_host = urlsplit(slack.api_url).netloc
        self._webhooks: dict[str, SecretStr] = {}
        self._apps: dict[str, str] = {}
        if slack.webhook_url is not None:
            self._webhooks[WEBHOOK] = slack.webhook_url
        for number, entry in enumerate(config.route, start=1):
            if entry.webhook_url is not None:
                self._webhooks[_webhook_of(entry, number)] = entry.webhook_url
        self.homes = tuple(dict.fromkeys(home_of(config, entry) for entry in config.watch))
        digests = (_destination_of_digest(config, entry) for entry in config.digest)
        self.configured = tuple(dict.fromkeys((*_watch_and_route_destinations(config), *digests)))

    def keeps_cards(self, destination: str) -> bool:
        """Whether a message there can be edited and replied to."""
        return destination not in self._webhooks

    def webhook(self, destination: str) -> str | None:
        """Return the address of a webhook; None for a channel."""
        secret = self._webhooks.get(destination)
        return secret.get_secret_value() if secret else None

    def is_known(self, destination: str) -> bool:
        """Whether it can be sent to: a channel always can be tried, with a token."""
        if destination.startswith(_OF_APP) or destination in self._webhooks:
            return destination in self._webhooks
        return self._has_token

    @property
    def of_apps(self) -> Mapping[str, str]:
        """The destinations that vendors set for their apps on the platform, by the apps' ids."""
        return self._apps

    @property
    def learns_of_apps(self) -> bool:
        return self._is_for_apps

    def learn(self, webhooks: Mapping[str, str]) -> tuple[str, ...]:
        """Take up the webhooks of apps by the apps' ids; returns those that are no webhooks.

        Only Slack's own hosts are posted to: whoever can change an app could name any address.
        """
        refused = []
        for app_id, url in webhooks.items():
            self._keep_secret(url)
            if self._is_slacks(url):
                self._webhooks[_OF_APP + app_id] = SecretStr(url)
                self._apps[app_id] = _OF_APP + app_id
            else:
                refused.append(app_id)
        return tuple(refused)

    def _is_slacks(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        if parts.netloc == self._own_host:
            return parts.scheme in {"http", "https"}
        return parts.scheme == "https" and parts.netloc in _SLACK_HOSTS


def home_of(config: Config, entry: WatchEntry) -> str:
    """Return the destination of a watch's own channel."""
    if config.slack.webhook_url is not None:
        return WEBHOOK
    return entry.channel or config.slack.channel or ""


def destination_of_route(entry: Route, number: int) -> str | None:
    """Return the destination that a route leads to; None for one that drops."""
    if entry.webhook_url is not None:
        return _webhook_of(entry, number)
    return entry.channel


def plan_of(config: Config) -> Plan:
    """Return the routes and quiet windows of a configuration as decisions use them."""
    return Plan(
        rules=tuple(_rule(entry, n) for n, entry in enumerate(config.route, start=1)),
        windows=tuple(map(_window, config.quiet)),
    )


def digests_of(config: Config) -> tuple[Digest, ...]:
    """Return the digests of a configuration.

    A digest covers what its destination is notified of; where that is nothing, all there is.
    """
    told = frozenset(_watch_and_route_destinations(config))
    return tuple(
        Digest(destination, _timetable(entry), of_all=destination not in told)
        for entry in config.digest
        for destination in (_destination_of_digest(config, entry),)
    )


def _watch_and_route_destinations(config: Config) -> tuple[str, ...]:
    """Return the destinations of watches and routes, the default one first."""
    homes = (home_of(config, entry) for entry in config.watch)
    routed = (destination_of_route(entry, n) for n, entry in enumerate(config.route, start=1))
    return tuple(dict.fromkeys(filter(None, (*homes, *routed))))


def _destination_of_digest(config: Config, entry: DigestEntry) -> str:
    if config.slack.webhook_url is not None:
        return WEBHOOK
    return entry.channel or config.slack.channel or ""


def _timetable(entry: DigestEntry) -> Timetable:
    days = EVERY_DAY if entry.every == "day" else frozenset({DAYS.index(entry.on)})
    return Timetable(entry.at, days, entry.zone)


def _webhook_of(entry: Route, number: int) -> str:
    return f"webhook of route {entry.name or number}"


def _rule(entry: Route, number: int) -> Rule:
    return Rule(
        destination=destination_of_route(entry, number),
        name=entry.name or "",
        events=entry.events,
        matcher=_matcher(entry.match),
        mentions=tuple(map(Mention.of, entry.mention)),
        continues=entry.continues,
        min_failed=entry.min_failed,
        lasting=entry.lasting or timedelta(),
    )


def _matcher(match: Match) -> Matcher:
    keys = (key for key in Match.model_fields if key != "labels")
    patterns = {key: getattr(match, key) for key in keys if getattr(match, key)}
    labels = {LABEL + name: patterns for name, patterns in match.labels.items()}
    return Matcher(patterns | labels)


def _window(entry: Quiet) -> Window:
    days = frozenset(DAYS.index(day) for day in entry.days)
    when: Weekly | Once
    if entry.once is not None:
        when = Once(*entry.once, zone=entry.zone)
    else:
        when = Weekly(*(entry.hours or (time(), time())), days=days, zone=entry.zone)
    return Window(
        when=when,
        name=entry.name or "",
        routes=entry.routes,
        events=entry.events,
        then=Then(entry.then),
    )
