"""The destinations of a configuration by their names.

A channel is named as the configuration names it. A webhook's address is a secret, so it gets
a name of ours. The webhooks that the platform holds for apps are learnt while polling, and
kept in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from monitor.config import Config, Digest, Route, Watch

WEBHOOK = "webhook"
"""The name of the destination behind `slack.webhook_url`."""

_OF_APP = "webhook of app "
_SLACK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})


class Destinations:
    """Every destination in use.

    `default_destinations` are the channels of the watches, in the order of the configuration.
    """

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
        self.default_destinations = tuple(
            dict.fromkeys(destination_of_entry(config, entry) for entry in config.watch)
        )
        digests = (destination_of_entry(config, entry) for entry in config.digest)
        self.configured = tuple(dict.fromkeys((*notified_destinations(config), *digests)))

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

    def is_channel(self, destination: str) -> bool:
        """Whether it is a channel that can be sent to."""
        return self.keeps_cards(destination) and self.is_known(destination)

    def may_come(self, destination: str) -> bool:
        """Whether it is the webhook of an app, learnt while polling, and these are in use."""
        return self._is_for_apps and destination.startswith(_OF_APP)

    @property
    def of_apps(self) -> Mapping[str, str]:
        """The destinations that vendors set for their apps on the platform, by the apps' ids."""
        return self._apps

    @property
    def learns_of_apps(self) -> bool:
        return self._is_for_apps

    def learn(self, webhooks: Mapping[str, str]) -> tuple[str, ...]:
        """Add the webhooks of apps by the apps' ids; returns the apps whose address is refused.

        Only Slack's own hosts are posted to: anybody who can change an app could name any address.
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


def destination_of_entry(config: Config, entry: Watch | Digest) -> str:
    """Return the destination of an entry, which may name a channel of its own."""
    if config.slack.webhook_url is not None:
        return WEBHOOK
    return entry.channel or config.slack.channel or ""


def destination_of_route(entry: Route, number: int) -> str | None:
    """Return the destination that a route leads to; None for one that drops."""
    if entry.webhook_url is not None:
        return _webhook_of(entry, number)
    return entry.channel


def notified_destinations(config: Config) -> tuple[str, ...]:
    """Return the destinations of watches and routes, the default one first."""
    own = (destination_of_entry(config, entry) for entry in config.watch)
    routed = (destination_of_route(entry, n) for n, entry in enumerate(config.route, start=1))
    return tuple(dict.fromkeys(filter(None, (*own, *routed))))


def destinations_of_entries(config: Config) -> dict[str, tuple[str, ...]]:
    """Return where each entry leads to, by a name that it keeps while its destination changes.

    An entry without a name of its own is known by its number only while their count is the same.
    """
    found: dict[str, tuple[str, ...]] = {}
    for watch in config.watch:
        name = name_of_watch(watch.target.id)
        found[name] = (*found.get(name, ()), destination_of_entry(config, watch))
    for number, route in enumerate(config.route, start=1):
        destination = destination_of_route(route, number)
        if destination is not None:
            found[f"route {route.name or f'{number} of {len(config.route)}'}"] = (destination,)
    for number, digest in enumerate(config.digest, start=1):
        found[f"digest {number} of {len(config.digest)}"] = (destination_of_entry(config, digest),)
    return found


def name_of_watch(target_id: str) -> str:
    """Return the name of the entries that watch a target."""
    return f"watch {target_id}"


def _webhook_of(entry: Route, number: int) -> str:
    return f"webhook of route {entry.name or number}"
