"""Mistakes in a configuration: pydantic's errors in our words, and contradictions."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from monitor.config.checks import is_loopback, shown, split_web_url
from monitor.config.sections import FINDING_KINDS, TYPED_KINDS, WATCH_KINDS, Match, Slack, Templates
from monitor.config.tables import (
    is_table,
    keys_set,
    known_keys,
    location_of,
    table_of,
    tables_in,
    toml_key,
    unknown,
)
from monitor.errors import ConfigError, Problem
from monitor.kinds.profile import WatchedBy

# Keys of which only one can be set. The secrets among them can each be in a file of their own.
ALTERNATIVES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("nuon", ("api_token", "api_token_file")),
    ("slack", ("bot_token", "bot_token_file", "webhook_url", "webhook_url_file")),
    ("heartbeat", ("url", "url_file")),
    ("heartbeat", ("fail_url", "fail_url_file")),
)
"""Each with the section that the keys are in."""
ROUTE_DESTINATIONS = ("channel", "webhook_url", "webhook_url_file")
"""The same for each [[route]]."""
_CONDITIONS = ("min_failed", "lasting", "group_interval")

_MISSING: Mapping[str, str] = {
    "nuon": "missing: set it or api_token_file, or NUON_API_TOKEN in the environment",
    "slack": (
        "missing: set it or webhook_url, or either as a …_file, or SLACK_BOT_TOKEN or"
        " SLACK_WEBHOOK_URL in the environment"
    ),
}

# Slack's own hosts for incoming webhooks, the second one that of GovSlack: docs.slack.dev/govslack
_WEBHOOK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})

_MATCHES = tuple(Match.model_fields)


def refusal(detail: ErrorDetails, given: Mapping[str, Any], root: type[BaseModel]) -> Problem:
    """Translate pydantic's error; only sentences of `expects` may quote the refused value."""
    keys = detail["loc"]
    if keys[-1] == "[key]":  # pydantic's way to say that a key of a table is wrong
        keys = keys[:-1]
    location = location_of(keys)
    match detail["type"]:
        case "value_error":
            location = _secret_location(keys, given)
            expected = str(detail["ctx"]["error"])
        case "extra_forbidden":
            name = str(keys[-1])
            location = location if keys[:-1] else toml_key(name)
            expected = unknown("key", name, known_keys(root, keys[:-1]))
        case "tuple_type" if len(keys) == 1:
            expected = f"expected a list of tables, each written as {location}"
        case "tuple_type":
            expected = f'expected a list such as ["…", "…"], found {shown(detail["input"])}'
        case "missing":
            expected = f"missing: each {location_of(keys[:1])} needs one"
        case _:  # the only case left: a section is no table
            expected = "expected a table with keys"
    return Problem(location, expected)


def _secret_location(keys: tuple[int | str, ...], given: Mapping[str, Any]) -> str:
    """Return the location of a value, or of the key that names its file."""
    holder: Any = given
    for key in keys[:-1]:
        holder = holder[key] if isinstance(key, int) else table_of(holder).get(key)
    file_key = f"{keys[-1]}_file"
    is_from_file = bool(keys_set(table_of(holder), (file_key,)))
    return location_of((*keys[:-1], file_key) if is_from_file else keys)


def contradictions(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is missing, and what contradicts something else."""
    nuon = given.get("nuon", {})
    slack = table_of(given.get("slack"))
    if is_table(nuon) and not keys_set(table_of(nuon), ("org_id",)):
        yield Problem("nuon.org_id", "missing: set it, or NUON_ORG_ID in the environment")
    for section, alternatives in ALTERNATIVES:
        if not is_table(given.get(section, {})):
            continue  # reported as a problem of its own
        table = table_of(given.get(section))
        if not keys_set(table, alternatives) and section in _MISSING:
            yield Problem(location_of((section, alternatives[0])), _MISSING[section])
        yield from _rivals((section,), table, alternatives)
    if given.get("watch", ()) in ((), []):
        yield Problem("[[watch]]", 'nothing to watch: add a [[watch]] with release = "rel…"')
    yield from _watch_contradictions(given, slack)
    yield from _route_contradictions(given, slack)
    yield from _quiet_contradictions(given)
    yield from _digest_contradictions(given, slack)
    yield from _heartbeat_contradictions(table_of(given.get("heartbeat")))


def _rivals(
    keys: tuple[int | str, ...], table: Mapping[str, Any], alternatives: tuple[str, ...]
) -> Iterator[Problem]:
    """Yield the keys that are set although another one is that excludes them."""
    present = keys_set(table, alternatives)
    for key in present[1:]:
        first = location_of((*keys, present[0]))
        yield Problem(location_of((*keys, key)), f"set together with {first}: keep one of the two")


def _heartbeat_contradictions(heartbeat: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield an address for failures alone: a daemon that is dead calls none."""
    alone = keys_set(heartbeat, ("fail_url", "fail_url_file"))
    if alone and not keys_set(heartbeat, ("url", "url_file")):
        location = location_of(("heartbeat", alone[0]))
        yield Problem(location, "needs heartbeat.url as well, which notices a daemon that is dead")


def _watch_contradictions(given: Mapping[str, Any], slack: Mapping[str, Any]) -> Iterator[Problem]:
    first_locations: dict[tuple[str, str], str] = {}
    for keys, watch in tables_in(given, "watch").items():
        location = location_of(keys)
        kinds = keys_set(watch, WATCH_KINDS)
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            kinds_known = ", ".join(WATCH_KINDS)
            yield Problem(location, f"expected exactly one of: {kinds_known}; found {found}")
        for kind in kinds:
            id_ = shown(watch[kind])
            first_location = first_locations.setdefault((kind, id_), location)
            if first_location != location:
                is_whole_org = WATCH_KINDS[kind].watched_by is WatchedBy.WHOLE_ORG
                what = f"the org's {kind} are" if is_whole_org else f"{id_} is"
                yield Problem(f"{location} {kind}", f"{what} watched by {first_location} already")
        if len(kinds) == 1:
            yield from _stray_choices(keys, watch, kinds[0])
        yield from _channel_contradictions(f"{location} channel", watch, slack)


_CHOICES = (
    (("include", "exclude", "limit"), FINDING_KINDS, "what finds things by itself"),
    (("types",), TYPED_KINDS, "what finds workflows"),
)
"""Keys that choose among what is found, what of `[[watch]]` they go with, and what that does."""


def _stray_choices(
    keys: tuple[int | str, ...], watch: Mapping[str, Any], kind: str
) -> Iterator[Problem]:
    for choices, kinds, what in _CHOICES:
        for key in keys_set(watch, choices) if kind not in kinds else ():
            expected = f"has no meaning with {kind}, only with {what}: {', '.join(kinds)}"
            yield Problem(location_of((*keys, key)), expected)


def _route_contradictions(given: Mapping[str, Any], slack: Mapping[str, Any]) -> Iterator[Problem]:
    first_locations: dict[str, str] = {}
    for keys, route in tables_in(given, "route").items():
        location = location_of(keys)
        yield from _rivals(keys, route, ROUTE_DESTINATIONS)
        yield from _drop_contradictions(keys, route)
        if keys_set(route, ("channel",)) and _has_only_a_webhook(slack):
            yield Problem(
                f"{location} channel",
                "a channel needs slack.bot_token: use one, or set webhook_url here instead",
            )
        if route.get("match") == {}:
            yield Problem(f"{location} match", f"expected at least one of: {', '.join(_MATCHES)}")
        name = route.get("name")
        if isinstance(name, str) and first_locations.setdefault(name, location) != location:
            first_location = first_locations[name]
            yield Problem(
                f"{location} name", f"{shown(name)} is the name of {first_location} already"
            )


def _drop_contradictions(
    keys: tuple[int | str, ...], route: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield mistakes in the destination of a route, or in its having none."""
    if route.get("drop") is True:
        for key in (*ROUTE_DESTINATIONS, "mention", "continue", *_CONDITIONS):
            if route.get(key):
                yield Problem(location_of((*keys, key)), "has no meaning with drop = true")
    elif not keys_set(route, ROUTE_DESTINATIONS):
        ways = ", ".join(ROUTE_DESTINATIONS)
        yield Problem(location_of(keys), f"leads nowhere: set one of {ways}, or drop = true")


def _quiet_contradictions(given: Mapping[str, Any]) -> Iterator[Problem]:
    names = [str(route["name"]) for route in tables_in(given, "route").values() if "name" in route]
    for keys, quiet in tables_in(given, "quiet").items():
        routes = quiet.get("routes")
        for index, name in enumerate(routes if isinstance(routes, list | tuple) else ()):
            if name not in names and isinstance(name, str):
                nearest = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean {shown(nearest[0])}?" if nearest else ""
                yield Problem(
                    location_of((*keys, "routes", index)),
                    f"there is no [[route]] with the name {shown(name)}{hint}",
                )


def _digest_contradictions(given: Mapping[str, Any], slack: Mapping[str, Any]) -> Iterator[Problem]:
    for keys, digest in tables_in(given, "digest").items():
        yield from _channel_contradictions(f"{location_of(keys)} channel", digest, slack)
        if keys_set(digest, ("on",)) and digest.get("every", "day") == "day":
            yield Problem(location_of((*keys, "on")), 'has no meaning without every = "week"')


def _channel_contradictions(
    location: str, table: Mapping[str, Any], slack: Mapping[str, Any]
) -> Iterator[Problem]:
    has_channel = bool(keys_set(table, ("channel",)))
    if has_channel and _has_only_a_webhook(slack):
        yield Problem(
            location, "a webhook cannot choose a channel: leave it out or use a bot token"
        )
    if (
        not has_channel
        and keys_set(slack, ("bot_token", "bot_token_file"))
        and not keys_set(slack, ("channel",))
    ):
        yield Problem(location, "missing: a bot token needs one, here or in slack.channel")


def _has_only_a_webhook(slack: Mapping[str, Any]) -> bool:
    return bool(keys_set(slack, ("webhook_url", "webhook_url_file"))) and not keys_set(
        slack, ("bot_token", "bot_token_file")
    )


def stray_webhooks(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each webhook that is not Slack's: it is a secret, and messages would go astray.

    Where `slack.api_url` is another host, a webhook may be there too, or on loopback.
    """
    slack = table_of(given.get("slack"))
    for keys, table in ((("slack",), slack), *tables_in(given, "route").items()):
        try:
            webhook = split_web_url(_revealed(table.get("webhook_url")))
            api = split_web_url(_revealed(slack.get("api_url", Slack().api_url)))
        except ValueError:
            continue  # reported as a problem of its own
        if webhook.scheme == "https" and webhook.hostname in _WEBHOOK_HOSTS:
            continue
        if api.geturl().rstrip("/") != Slack().api_url.rstrip("/") and (
            webhook.hostname == api.hostname or is_loopback(webhook.geturl())
        ):
            continue
        yield Problem(
            _secret_location((*keys, "webhook_url"), given),
            "expected a webhook of Slack's own, https://hooks.slack.com/…;"
            " one at another host needs slack.api_url to name that host",
        )


def unsound_templates(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each mistake in the templates of [templates] that have the right type."""
    templates = table_of(given.get("templates"))
    if not templates:
        return
    # Jinja2 takes a while to load, and most configurations have no templates.
    from monitor.compose.templates import MessageTemplates

    for key, value in templates.items():
        try:
            part = Templates.model_validate({key: value})
            MessageTemplates.of(part.title, part.fields, part.links)
        except ValidationError:
            continue  # reported as a problem of its own
        except ConfigError as error:
            yield from error.problems


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
