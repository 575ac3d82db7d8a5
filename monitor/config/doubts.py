"""Warnings of what is allowed in a configuration, but probably not meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from monitor.config.checks import format_duration, is_loopback, shown
from monitor.config.loading import Config, Loaded
from monitor.config.permissions import loose_files
from monitor.config.sections import Slack
from monitor.config.tables import location_of
from monitor.kinds.workflow_words import TYPES

_GENTLE_INTERVAL = timedelta(seconds=5)


def doubts(loaded: Loaded) -> tuple[str, ...]:
    """Return what is allowed, but probably not meant, and what others may do to the files."""
    return (*warnings(loaded.config), *loose_files(loaded))


def warnings(config: Config) -> tuple[str, ...]:
    """Return what is allowed, but probably not meant."""
    return (
        *_interval_warnings(config),
        *_connection_warnings(config),
        *_slack_warnings(config.slack),
        *_type_warnings(config),
    )


def _interval_warnings(config: Config) -> Iterator[str]:
    poll = config.poll
    intervals = [
        ("poll.interval", poll.interval),
        ("poll.settled_interval", poll.settled_interval),
        *(
            (location_of(("watch", index, "interval")), watch.interval)
            for index, watch in enumerate(config.watch)
            if watch.interval is not None
        ),
    ]
    if not is_loopback(config.nuon.api_url):
        for location, interval in intervals:
            if interval < _GENTLE_INTERVAL:
                yield (
                    f"{location}: {format_duration(interval)} burdens the platform;"
                    f" {format_duration(_GENTLE_INTERVAL)} or more is gentler"
                )
    if poll.settled_interval < poll.interval:
        yield "poll.settled_interval: shorter than poll.interval, so what is settled is polled more"
    if config.stall.after < poll.interval:
        yield "stall.after: shorter than poll.interval, so what merely waits for a poll is told"


def _connection_warnings(config: Config) -> Iterator[str]:
    urls = [("nuon.api_url", config.nuon.api_url), ("slack.api_url", config.slack.api_url)]
    if config.slack.webhook_url:
        urls.append(("slack.webhook_url", config.slack.webhook_url.get_secret_value()))
    urls += (
        (location_of(("route", index, "webhook_url")), route.webhook_url.get_secret_value())
        for index, route in enumerate(config.route)
        if route.webhook_url
    )
    heartbeat = {"url": config.heartbeat.url, "fail_url": config.heartbeat.fail_url}
    urls += ((f"heartbeat.{key}", url.get_secret_value()) for key, url in heartbeat.items() if url)
    for location, url in urls:
        if urlsplit(url).scheme == "http" and not is_loopback(url):
            yield f"{location}: http sends secrets where others can read them; https does not"


def _slack_warnings(slack: Slack) -> Iterator[str]:
    if slack.webhook_url and slack.channel:
        yield "slack.channel: has no effect, because a webhook always posts to its own channel"
    if slack.bot_token and not slack.bot_token.get_secret_value().startswith("xoxb-"):
        yield "slack.bot_token: does not look like a bot's token, which begins with xoxb-"


def _type_warnings(config: Config) -> Iterator[str]:
    """Yield types of workflows that no version of the platform is known to have."""
    for number, watch in enumerate(config.watch):
        for index, word in enumerate(watch.types):
            if word not in TYPES:
                nearest = difflib.get_close_matches(word, sorted(TYPES), n=1, cutoff=0.0)
                location = location_of(("watch", number, "types", index))
                yield (
                    f"{location}: no type of workflow is known as {shown(word)};"
                    f" did you mean {shown(nearest[0])}?"
                )
