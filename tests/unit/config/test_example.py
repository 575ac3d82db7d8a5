"""The example that the repository ships is right and complete."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from pydantic import SecretStr

from monitor.config import WATCH_KINDS, Config, Nuon, Slack, load_config, warnings
from monitor.config.tables import known_keys
from tests.support.config_texts import EXAMPLE, Directory


def test_the_example_is_a_valid_configuration_without_warnings() -> None:
    config = load_config(EXAMPLE, {"NUON_API_TOKEN": "t", "SLACK_BOT_TOKEN": "xoxb-t"})

    assert warnings(config) == ()


def test_the_example_shows_the_defaults(directory: Directory) -> None:
    environ = {"NUON_API_TOKEN": "t", "SLACK_BOT_TOKEN": "xoxb-t"}
    necessary = '[nuon]\norg_id = "org0123456789abcdefghijklm"\n[slack]\nchannel = "#releases"\n'
    watch = '[[watch]]\nrelease = "rel0123456789abcdefghijklm"\n'

    assert load_config(EXAMPLE, environ) == directory.load(necessary + watch, environ)


def shown_in_the_example() -> dict[str, Any]:
    """Return the example as if nothing in it were commented out."""
    marks = re.compile(r"^# (?=[\w.]+ = |\[\[)", flags=re.MULTILINE)
    return tomllib.loads(marks.sub("", EXAMPLE.read_text("utf-8")))


def test_the_example_shows_every_key_and_no_other() -> None:
    shown = shown_in_the_example()
    shown |= {name: table[0] for name, table in shown.items() if isinstance(table, list)}

    known = {section: set(known_keys(Config, (section,))) for section in Config.model_fields}

    assert {section: set(table) for section, table in shown.items()} == known
    assert set(shown["route"]["match"]) == set(known_keys(Config, ("route", 0, "match")))


def test_the_examples_that_are_commented_out_are_valid() -> None:
    shown = shown_in_the_example()
    (route,) = shown["route"]
    digest = shown["digest"][0] | {"every": "week"}
    nuon = Nuon(org_id="org1", api_token=SecretStr("t"))
    slack = Slack(bot_token=SecretStr("xoxb-t"), channel="#ops")
    watches = [
        {kind: shown["watch"][0][kind], "channel": "#ops", "interval": "1m"} for kind in WATCH_KINDS
    ]
    watches[list(WATCH_KINDS).index("install")] |= {"types": shown["watch"][0]["types"]}
    watches[1] |= {key: shown["watch"][0][key] for key in ("include", "exclude", "limit", "labels")}
    to_channel = {key: value for key, value in route.items() if not key.startswith("webhook")}
    to_webhook = {"webhook_url": "https://hooks.slack.com/services/x", "name": "other"}
    parts: dict[str, Any] = {
        "watch": watches,
        "route": [to_channel, to_webhook],
        "quiet": shown["quiet"],
        "digest": [digest],
        "templates": shown["templates"],
    }

    config = Config(nuon=nuon, slack=slack, **parts)

    assert warnings(config) == ()
