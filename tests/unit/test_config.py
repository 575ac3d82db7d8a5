"""The configuration: what it means, where it comes from, and every way to get it wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from monitor.config import (
    WATCH_KINDS,
    Config,
    Nuon,
    Slack,
    Watch,
    find_config,
    format_duration,
    load_config,
    parse_duration,
    warnings,
)
from monitor.config.tables import known_keys
from monitor.errors import ConfigError
from monitor.model import EventKind, Target

EXAMPLE = Path(__file__).parent.parent.parent / "config.example.toml"

ACCESS = {"NUON_ORG_ID": "org1", "NUON_API_TOKEN": "t0p-s3cret", "SLACK_BOT_TOKEN": "xoxb-s3cret"}
HOOK = {
    "NUON_ORG_ID": "org1",
    "NUON_API_TOKEN": "t0p-s3cret",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/s3cret",
}
WATCH = '[[watch]]\nrelease = "rel1"\nchannel = "#ops"\n'
HOOKED_WATCH = '[[watch]]\nrelease = "rel1"\n'
ROUTE = f'{WATCH}[[route]]\nchannel = "#x"\n'
NIGHT = f'{WATCH}[[quiet]]\nfrom = "22:00"\nto = "07:00"\n'

DURATION = 'expected a duration such as "250ms", "15s", "5m", "1h30m" or "7d"'
ID = 'expected an id, up to 200 signs without spaces, "/", "?", "#" and ".."'
URL = "expected an http or https URL with a host, without a user, password or query"
SECRET_URL = "expected an http or https URL with a host"
COUNT = "expected a whole number, at least 1"
CHANNEL = 'expected a channel such as "#releases" or "C0123456789"'
LISTEN = 'expected "host:port" such as "127.0.0.1:8080", or "" for none'
TOKEN = "expected a token without spaces and line breaks"
NO_TOKEN = "missing: set it or api_token_file, or NUON_API_TOKEN in the environment"
NO_SLACK = (
    "missing: set it or webhook_url, or either as a …_file, or SLACK_BOT_TOKEN or"
    " SLACK_WEBHOOK_URL in the environment"
)
ONE_KIND = (
    "expected exactly one of: release, app, component, installer, workflow, install, app_branch,"
    " approvals"
)
FINDS = "only with what finds things by itself: app, component, installer, install, app_branch"
BRANCH = (
    'expected the id of an app branch, up to 200 signs without spaces, "?", "#" and "..", or those'
    ' of its app and its own as in "app…/abr…"'
)
PATTERN = 'expected a pattern such as "checkout-*"'
EVENT = (
    'expected "started", "progressed", "waiting", "stalled", "failed", "recovered", "succeeded",'
    ' "removed", "unreachable" or "reachable"'
)
MENTION = (
    'expected "@here", "@channel", "started_by", a user\'s id such as "U0123456789" or a user'
    ' group\'s such as "S0123456789"'
)
TIME = 'expected a time of day such as "22:00"'
TIME_OR_DATE = f"{TIME}, or a date and time such as 2026-12-24T18:00:00Z"
ZONE = 'expected a time zone such as "Europe/Berlin" or "UTC"'
DAY = 'expected "mon", "tue", "wed", "thu", "fri", "sat" or "sun"'
TEXT = "expected a text of 1 to 500 characters that are not all blank"
LIST = 'expected a list such as ["…", "…"]'
NEEDS_CHANNEL = "missing: a bot token needs one, here or in slack.channel"


class Directory:
    """A directory in which a configuration is written and loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def load(self, text: str | bytes, environ: Mapping[str, str] = ACCESS) -> Config:
        return load_config(self.write("monitor.toml", text), environ)

    def problems(self, text: str | bytes, environ: Mapping[str, str] = ACCESS) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, environ)
        return [str(problem).replace(f"{self.path}/", "") for problem in caught.value.problems]


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


# What it means


def test_a_watch_and_the_access_are_all_that_must_be_said(directory: Directory) -> None:
    config = directory.load(WATCH)

    assert [watch.target for watch in config.watch] == [Target("release", "rel1")]
    assert config.nuon.api_url == "https://api.nuon.co"
    assert config.nuon.dashboard_url == "https://app.nuon.co"
    assert config.nuon.timeout == timedelta(seconds=30)
    assert config.nuon.max_concurrent_requests == 8
    assert config.slack.api_url == "https://slack.com/api/"
    assert config.poll.interval == timedelta(seconds=15)
    assert config.poll.settled_interval == timedelta(minutes=5)
    assert config.poll.forget_after == timedelta(days=7)
    assert config.poll.unreachable_after == 3
    assert config.stall.after == timedelta(minutes=30)
    assert config.stall.remind_every == timedelta(hours=4)
    assert config.store.url == "sqlite:///nuon-monitor.db"
    assert config.store.keep == timedelta(days=90)
    assert config.http.address == ("127.0.0.1", 8080)
    assert (config.log.level, config.log.format) == ("info", "auto")
    assert config.heartbeat.url is None


def test_a_watch_can_say_more_of_itself(directory: Directory) -> None:
    config = directory.load(
        WATCH + 'name = "checkout-api"\ninterval = "1m"\nlabels = { team = "core" }\n'
    )

    (watch,) = config.watch
    assert (watch.name, watch.channel) == ("checkout-api", "#ops")
    assert watch.interval == timedelta(minutes=1)
    assert watch.labels == {"team": "core"}


def test_the_configuration_cannot_be_changed_once_it_is_loaded(directory: Directory) -> None:
    config = directory.load(WATCH + 'labels = { team = "core" }\n')

    with pytest.raises(ValidationError, match="frozen"):
        config.poll = config.poll
    with pytest.raises(ValidationError, match="frozen"):
        config.poll.interval = timedelta(1)
    with pytest.raises(TypeError):
        config.watch[0].labels["team"] = "x"  # type: ignore[index]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/nuon", "http://127.0.0.1:9/nuon/"])
def test_a_slash_at_the_end_of_a_url_makes_no_difference(directory: Directory, url: str) -> None:
    config = directory.load(f'{WATCH}[nuon]\napi_url = "{url}"\n[slack]\napi_url = "{url}"\n')

    assert config.nuon.api_url == "http://127.0.0.1:9/nuon"
    assert config.slack.api_url == "http://127.0.0.1:9/nuon/"


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_an_address_to_listen_on_is_a_host_and_a_port(
    directory: Directory, listen: str, address: tuple[str, int] | None
) -> None:
    config = directory.load(f'{WATCH}[http]\nlisten = "{listen}"\n')

    assert config.http.address == address


def test_a_file_saved_with_a_byte_order_mark_is_read(directory: Directory) -> None:
    config = directory.load(b"\xef\xbb\xbf" + WATCH.encode())

    assert len(config.watch) == 1


def test_a_configuration_can_be_made_of_its_parts() -> None:
    nuon = Nuon(org_id="org1", api_token=SecretStr("t"))
    slack = Slack(bot_token=SecretStr("xoxb-t"), channel="#ops")

    config = Config(nuon=nuon, slack=slack, watch=(Watch(release="rel1"),))

    assert config.watch[0].target == Target("release", "rel1")
    with pytest.raises(ConfigError, match="nothing to watch"):
        Config(nuon=nuon, slack=slack)


# What is watched


@pytest.mark.parametrize(
    ("watch", "target"),
    [
        ('release = "rel1"', Target("release", "rel1")),
        ('app = "app1"', Target("app", "app1")),
        ('component = "cmp1"', Target("component", "cmp1")),
        ('installer = "int1"', Target("installer", "int1")),
        ('workflow = "inw1"', Target("workflow", "inw1")),
        ('install = "inl1"', Target("install", "inl1")),
        ('app_branch = "abr1"', Target("app_branch", "abr1")),
        ('app_branch = "app1/abr1"', Target("app_branch", "app1/abr1")),
        ("approvals = true", Target("approvals", "org")),
    ],
)
def test_a_watch_names_a_thing_or_where_to_find_them(
    directory: Directory, watch: str, target: Target
) -> None:
    config = directory.load(f'[slack]\nchannel = "#ops"\n[[watch]]\n{watch}\n')

    assert config.watch[0].target == target
    assert target.kind in WATCH_KINDS


def test_what_is_found_can_be_chosen_by_name_and_limited(directory: Directory) -> None:
    choice = 'include = ["checkout-*"]\nexclude = ["*-dev", "*-sandbox"]\nlimit = 5\n'

    (watch,) = directory.load(WATCH.replace("release", "app") + choice).watch

    assert watch.include == ("checkout-*",)
    assert watch.exclude == ("*-dev", "*-sandbox")
    assert watch.limit == 5


def test_without_a_choice_up_to_twenty_of_all_are_followed(directory: Directory) -> None:
    (watch,) = directory.load(WATCH.replace("release", "component")).watch

    assert (watch.include, watch.exclude, watch.limit) == ((), (), 20)


# Who is told, when, and in which words


def test_a_route_says_for_what_it_is_and_who_is_told(directory: Directory) -> None:
    config = directory.load(
        f"""{WATCH}
        [[route]]
        name = "on-call"
        events = ["failed", "stalled"]
        match = {{ kind = "release", install = ["*-prod", "acme*"], labels = {{ team = "core" }} }}
        channel = "#on-call"
        mention = ["@here", "started_by", "S0123456789"]
        continue = true
        min_failed = 3
        lasting = "5m"
        """
    )

    (route,) = config.route
    assert (route.name, route.channel, route.drop) == ("on-call", "#on-call", False)
    assert route.events == (EventKind.FAILED, EventKind.STALLED)
    assert route.match.kind == ("release",)
    assert route.match.install == ("*-prod", "acme*")
    assert route.match.labels == {"team": ("core",)}
    assert route.match.component == ()
    assert route.mention == ("@here", "started_by", "S0123456789")
    assert route.continues is True
    assert (route.min_failed, route.lasting) == (3, timedelta(minutes=5))


def test_a_route_that_says_only_where_to_is_for_everything(directory: Directory) -> None:
    (route,) = directory.load(ROUTE).route

    assert (route.events, route.match.kind, route.match.labels) == ((), (), {})
    assert (route.mention, route.continues, route.min_failed, route.lasting) == ((), False, 1, None)


def test_a_route_can_drop_what_it_is_for(directory: Directory) -> None:
    (route,) = directory.load(f'{WATCH}[[route]]\nevents = ["progressed"]\ndrop = true\n').route

    assert (route.drop, route.channel, route.webhook_url) == (True, None, None)


@pytest.mark.parametrize("environ", [ACCESS, HOOK], ids=["bot token", "webhook"])
def test_a_route_can_lead_to_a_webhook_whatever_else_is_used(
    directory: Directory, environ: Mapping[str, str]
) -> None:
    hook = directory.write("hook", "https://hooks.slack.com/services/s3cret\n")
    watch = '[[watch]]\nrelease = "rel1"\n'
    slack = '[slack]\nchannel = "#ops"\n' if environ is ACCESS else ""

    config = directory.load(
        f'{slack}{watch}[[route]]\nwebhook_url = "https://hooks.slack.com/s3cret"\n'
        f'[[route]]\nwebhook_url_file = "{hook}"\n',
        environ,
    )

    assert [
        route.webhook_url and route.webhook_url.get_secret_value() for route in config.route
    ] == [
        "https://hooks.slack.com/s3cret",
        "https://hooks.slack.com/services/s3cret",
    ]
    assert "s3cret" not in f"{config!r} {config.route}"


def test_quiet_hours_are_those_of_a_zone_on_some_days(directory: Directory) -> None:
    (quiet,) = directory.load(
        NIGHT + 'name = "night"\ndays = ["mon", "sun"]\nzone = "Europe/Berlin"\nthen = "drop"\n'
    ).quiet

    assert quiet.hours == (time(22), time(7))
    assert quiet.once is None
    assert (quiet.name, quiet.days, quiet.then) == ("night", ("mon", "sun"), "drop")
    assert quiet.zone == ZoneInfo("Europe/Berlin")


def test_quiet_hours_are_each_days_and_end_in_a_summary_of_everything(directory: Directory) -> None:
    (quiet,) = directory.load(NIGHT).quiet

    assert quiet.days == ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    assert (quiet.zone, quiet.then) == (ZoneInfo("UTC"), "summary")
    assert (quiet.routes, quiet.events) == ((), ())


@pytest.mark.parametrize(
    "times",
    [
        "from = 2026-07-01T18:00:00Z\nto = 2026-07-02T08:00:00+02:00",
        'from = 2026-07-01T20:00:00\nto = 2026-07-02T08:00:00\nzone = "Europe/Berlin"',
        'from = "2026-07-01T18:00:00Z"\nto = "2026-07-02 06:00"',
    ],
    ids=["with an offset", "by the clocks of a zone", "as texts"],
)
def test_a_quiet_window_can_be_once(directory: Directory, times: str) -> None:
    (quiet,) = directory.load(f"{WATCH}[[quiet]]\n{times}\n").quiet

    assert quiet.once == (datetime(2026, 7, 1, 18, tzinfo=UTC), datetime(2026, 7, 2, 6, tzinfo=UTC))
    assert quiet.hours is None


def test_a_quiet_window_can_be_for_some_events_of_some_routes(directory: Directory) -> None:
    (quiet,) = directory.load(
        f'{NIGHT}routes = ["on-call"]\nevents = ["progressed"]\n'
        '[[route]]\nname = "on-call"\nchannel = "#x"\n'
    ).quiet

    assert (quiet.routes, quiet.events) == (("on-call",), (EventKind.PROGRESSED,))


def test_a_digest_is_daily_at_nine_unless_it_says_otherwise(directory: Directory) -> None:
    weekly = 'every = "week"\non = "fri"\nat = "16:30"\nzone = "Asia/Tokyo"\nchannel = "#all"\n'

    daily, friday = directory.load(
        f'{WATCH}[slack]\nchannel = "#ops"\n[[digest]]\n[[digest]]\n{weekly}'
    ).digest

    assert (daily.every, daily.at, daily.channel) == ("day", time(9), None)
    assert daily.zone == ZoneInfo("UTC")
    assert (friday.every, friday.on, friday.at) == ("week", "fri", time(16, 30))
    assert (friday.zone, friday.channel) == (ZoneInfo("Asia/Tokyo"), "#all")


def test_templates_are_kept_as_they_are_written(directory: Directory) -> None:
    templates = directory.load(
        f"""{WATCH}
        [templates]
        title = "{{{{ component }}}} <b>"
        fields = {{ "Team" = "{{{{ labels.team }}}}", "On call" = "x" }}
        links = {{ "Runbook" = "https://runbooks/{{{{ component }}}}" }}
        """
    ).templates

    assert templates.title == "{{ component }} <b>"
    assert templates.fields == {"Team": "{{ labels.team }}", "On call": "x"}
    assert templates.links == {"Runbook": "https://runbooks/{{ component }}"}


def test_an_apps_own_webhook_is_used_only_if_one_says_so(directory: Directory) -> None:
    assert directory.load(WATCH).slack.use_app_webhooks is False
    assert directory.load(f"{WATCH}[slack]\nuse_app_webhooks = true\n").slack.use_app_webhooks


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("15s", 15), ("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("90m", 5400)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "0s", "5", "s", "-5s", "1.5h", "5 m", "30m1h", "1m1m", "5M", "1w", "٣s", "36501d", "5s\n"],
)
def test_what_is_no_positive_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=36_500 * 86_400_000))
def test_a_duration_that_is_written_is_read_as_the_same(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=5400), "1h30m"),
        (timedelta(milliseconds=1250), "1s250ms"),
        (timedelta(days=7), "7d"),
        (timedelta(0), "0s"),
    ],
)
def test_durations_are_written_in_the_largest_units(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


# Where it comes from


def test_our_variable_counts_before_the_file_and_the_file_before_the_tools_variable(
    directory: Directory,
) -> None:
    text = WATCH + '[nuon]\napi_url = "https://file"\norg_id = "orgfile"\n'
    environ = {
        **ACCESS,
        "NUON_MONITOR_NUON__API_URL": "https://ours",
        "NUON_API_URL": "https://tool",
        "NUON_ORG_ID": "orgtool",
    }

    config = directory.load(text, environ)

    assert config.nuon.api_url == "https://ours"
    assert config.nuon.org_id == "orgfile"


def test_a_tools_variable_counts_where_the_configuration_says_nothing(directory: Directory) -> None:
    config = directory.load(WATCH, {**ACCESS, "NUON_API_URL": "https://tool"})

    assert config.nuon.api_url == "https://tool"
    assert config.nuon.org_id == "org1"
    assert config.nuon.api_token is not None
    assert config.nuon.api_token.get_secret_value() == "t0p-s3cret"
    assert config.slack.bot_token is not None
    assert config.slack.bot_token.get_secret_value() == "xoxb-s3cret"


def test_an_empty_variable_of_a_tool_says_nothing(directory: Directory) -> None:
    config = directory.load(WATCH, {**ACCESS, "NUON_API_URL": "", "SLACK_WEBHOOK_URL": ""})

    assert config.nuon.api_url == "https://api.nuon.co"
    assert config.slack.webhook_url is None


def test_a_tools_variable_does_not_count_where_a_secrets_file_is_named(
    directory: Directory,
) -> None:
    directory.write("token", "from-file\n")
    text = f'{WATCH}[nuon]\napi_token_file = "{directory.path}/token"\n'

    config = directory.load(text)

    assert config.nuon.api_token is not None
    assert config.nuon.api_token.get_secret_value() == "from-file"


def test_slacks_variables_do_not_count_where_the_file_says_how_to_reach_slack(
    directory: Directory,
) -> None:
    config = directory.load(HOOKED_WATCH + '[slack]\nwebhook_url = "https://hooks.slack.com/x"\n')

    assert config.slack.bot_token is None
    assert config.slack.webhook_url is not None


def test_a_secret_from_the_environment_takes_the_place_of_the_file_that_the_toml_names(
    directory: Directory,
) -> None:
    text = WATCH + '[nuon]\napi_token_file = "/nowhere"\n'

    config = directory.load(text, {**ACCESS, "NUON_MONITOR_NUON__API_TOKEN": "ours"})

    assert config.nuon.api_token is not None
    assert config.nuon.api_token.get_secret_value() == "ours"


def test_every_secret_can_be_in_a_file_and_is_trimmed(directory: Directory) -> None:
    directory.write("token", "  token-in-file \n")
    directory.write("url", "https://hooks.slack.com/in-file\n")
    environ = {
        "NUON_ORG_ID": "org1",
        "NUON_MONITOR_NUON__API_TOKEN_FILE": f"{directory.path}/token",
        "NUON_MONITOR_SLACK__BOT_TOKEN_FILE": f"{directory.path}/token",
        "NUON_MONITOR_HEARTBEAT__URL_FILE": f"{directory.path}/url",
    }

    config = directory.load(WATCH, environ)

    secrets = (config.nuon.api_token, config.slack.bot_token, config.heartbeat.url)
    assert [secret and secret.get_secret_value() for secret in secrets] == [
        "token-in-file",
        "token-in-file",
        "https://hooks.slack.com/in-file",
    ]


def test_a_webhook_can_be_in_a_file(directory: Directory) -> None:
    directory.write("url", "https://hooks.slack.com/in-file\n")
    environ = {
        "NUON_ORG_ID": "org1",
        "NUON_API_TOKEN": "t",
        "NUON_MONITOR_SLACK__WEBHOOK_URL_FILE": f"{directory.path}/url",
    }

    config = directory.load(HOOKED_WATCH, environ)

    assert config.slack.webhook_url is not None
    assert config.slack.webhook_url.get_secret_value() == "https://hooks.slack.com/in-file"


STRAY_WEBHOOK = (
    "expected a webhook of Slack's own, https://hooks.slack.com/…;"
    " one at another host needs slack.api_url to name that host"
)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/s3cret",
        "http://hooks.slack.com/s3cret",
        "https://hooks.slack.com.example.com/s3cret",
        "https://hooks.slack.com@example.com/s3cret",
        "https://example.com/https://hooks.slack.com/s3cret",
        "http://127.0.0.1:9/s3cret",
    ],
)
def test_a_webhook_that_is_not_slacks_is_refused_without_being_shown(
    directory: Directory, url: str
) -> None:
    text = f'{HOOKED_WATCH}[slack]\nwebhook_url = "{url}"\n'

    assert directory.problems(text) == [f"slack.webhook_url: {STRAY_WEBHOOK}"]


def test_a_webhook_in_a_file_is_held_to_the_same(directory: Directory) -> None:
    directory.write("hook", "https://hooks.example.com/s3cret")
    text = f'{HOOKED_WATCH}[slack]\nwebhook_url_file = "{directory.path}/hook"\n'

    assert directory.problems(text) == [f"slack.webhook_url_file: {STRAY_WEBHOOK}"]


@pytest.mark.parametrize(
    ("api_url", "url"),
    [
        ("https://slack.com/api", "https://hooks.slack-gov.com/services/s3cret"),
        ("https://slack.example.com/api", "https://slack.example.com/services/s3cret"),
        ("https://slack.example.com/api", "https://hooks.slack.com/services/s3cret"),
        ("http://127.0.0.1:8/api", "http://localhost:9/services/s3cret"),
    ],
)
def test_a_webhook_may_lead_to_slack_or_where_its_api_is_said_to_be(
    directory: Directory, api_url: str, url: str
) -> None:
    text = f'{HOOKED_WATCH}[slack]\napi_url = "{api_url}"\nwebhook_url = "{url}"\n'

    webhook = directory.load(text).slack.webhook_url

    assert webhook is not None
    assert webhook.get_secret_value() == url


def test_everything_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        **ACCESS,
        "NUON_MONITOR_WATCH": '[{"release": "rel1", "interval": "1m"}, {"release": "rel2"}]',
        "NUON_MONITOR_SLACK__CHANNEL": "#ops",
        "NUON_MONITOR_POLL__UNREACHABLE_AFTER": "5",
        "NUON_MONITOR_HTTP__LISTEN": "",
    }

    config = load_config(None, environ)

    assert [watch.target.id for watch in config.watch] == ["rel1", "rel2"]
    assert config.watch[0].interval == timedelta(minutes=1)
    assert config.slack.channel == "#ops"
    assert config.poll.unreachable_after == 5
    assert config.http.address is None


def test_lists_tables_and_flags_in_the_environment_are_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        **ACCESS,
        "NUON_MONITOR_WATCH": '[{"approvals": true, "channel": "#ops"}]',
        "NUON_MONITOR_ROUTE": '[{"drop": true, "match": {"app": "shop"}}]',
        "NUON_MONITOR_QUIET": '[{"from": "22:00", "to": "07:00"}]',
        "NUON_MONITOR_DIGEST": '[{"channel": "#ops", "at": "10:00"}]',
        "NUON_MONITOR_TEMPLATES__FIELDS": '{"Team": "{{ labels.team }}"}',
        "NUON_MONITOR_SLACK__USE_APP_WEBHOOKS": "true",
    }

    config = load_config(None, environ)

    assert config.watch[0].target == Target("approvals", "org")
    assert config.route[0].match.app == ("shop",)
    assert config.quiet[0].hours == (time(22), time(7))
    assert config.digest[0].at == time(10)
    assert config.templates.fields == {"Team": "{{ labels.team }}"}
    assert config.slack.use_app_webhooks is True


def test_only_the_environment_that_is_handed_in_counts(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLL", '{"interval": "1s"}')
    monkeypatch.setenv("NUON_MONITOR_POLL__INTERVAL", "1s")
    monkeypatch.setenv("NUON_API_URL", "https://elsewhere")

    config = directory.load(WATCH)

    assert config.poll.interval == timedelta(seconds=15)
    assert config.nuon.api_url == "https://api.nuon.co"


def test_the_variables_that_kubernetes_adds_for_a_service_are_no_mistake(
    directory: Directory,
) -> None:
    environ = {
        **ACCESS,
        "NUON_MONITOR_SERVICE_HOST": "10.0.0.1",
        "NUON_MONITOR_SERVICE_PORT": "8080",
        "NUON_MONITOR_SERVICE_PORT_HTTP": "8080",
        "NUON_MONITOR_PORT": "tcp://10.0.0.1:8080",
        "NUON_MONITOR_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "NUON_MONITOR_PORT_8080_TCP_ADDR": "10.0.0.1",
    }

    assert directory.load(WATCH, environ).http.address == ("127.0.0.1", 8080)


# Which file


def test_the_file_on_the_command_line_counts_before_the_one_in_the_environment(
    directory: Directory,
) -> None:
    named = directory.write("named.toml", "")
    other = directory.write("other.toml", "")

    assert find_config(named, {"NUON_MONITOR_CONFIG": str(other)}) == named
    assert find_config(None, {"NUON_MONITOR_CONFIG": str(other)}) == other


def test_the_file_in_the_working_directory_is_found(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write("monitor.toml", "")
    monkeypatch.chdir(directory.path)

    assert find_config(None, {"NUON_MONITOR_CONFIG": ""}) == Path("monitor.toml")


def test_a_file_that_is_named_but_missing_is_a_mistake(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    with pytest.raises(ConfigError, match=f"^--config: there is no file {missing}$"):
        find_config(missing, {})
    with pytest.raises(ConfigError, match=f"^NUON_MONITOR_CONFIG: there is no file {missing}$"):
        find_config(None, {"NUON_MONITOR_CONFIG": str(missing)})


def test_without_a_file_and_without_a_watch_the_missing_file_is_told_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load_config(None, ACCESS)

    assert [str(problem) for problem in caught.value.problems] == [
        (
            "no configuration file: looked for monitor.toml and /etc/nuon-monitor/monitor.toml;"
            " `nuon-monitor init` writes one"
        ),
        '[[watch]]: nothing to watch: add a [[watch]] with release = "rel…"',
    ]


def test_a_directory_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load_config(tmp_path, ACCESS)


# Every way to get it wrong

MISTAKES: dict[str, tuple[str | bytes, list[str]]] = {
    "not TOML": (
        "[nuon]\nx =\n",
        ["monitor.toml: expected TOML: Invalid value (at line 2, column 4)"],
    ),
    "not UTF-8": (
        b"[nuon]\n# \xe9\n",
        ["monitor.toml: expected UTF-8, found other bytes at line 2"],
    ),
    "an unknown section": (WATCH + "[pol]\n", ["pol: unknown key; did you mean poll?"]),
    "a section in capitals": (
        WATCH + '[POLL]\ninterval = "1m"\n',
        [
            (
                "POLL: unknown key; known are nuon, slack, poll, stall, watch, route, quiet,"
                " digest, templates, store, http, log, heartbeat"
            )
        ],
    ),
    "an unknown key": (
        WATCH + '[poll]\nintervall = "1m"\n',
        ["poll.intervall: unknown key; did you mean interval?"],
    ),
    "an unknown key like no other": (
        WATCH + "[poll]\nxyz = 1\n",
        [
            (
                "poll.xyz: unknown key; known are interval, settled_interval, forget_after,"
                " unreachable_after"
            )
        ],
    ),
    "an unknown key with a line break": (
        WATCH + '[poll]\n"inter\\nval" = 1\n',
        ['poll."inter\\nval": unknown key; did you mean interval?'],
    ),
    "an unknown key of a watch": (
        WATCH + 'chanel = "#x"\n',
        ["[[watch]] #1 chanel: unknown key; did you mean channel?"],
    ),
    "a value in place of a section": ("poll = 3\n" + WATCH, ["[poll]: expected a table with keys"]),
    "a value in place of [slack]": ("slack = 3\n" + WATCH, ["[slack]: expected a table with keys"]),
    "[watch] for [[watch]]": (
        '[watch]\nrelease = "rel1"\n',
        ["[[watch]]: expected a list of tables, each written as [[watch]]"],
    ),
    "a watch that is no table": (
        'watch = ["rel1"]\n',
        ["[[watch]] #1: expected a table with keys"],
    ),
    "no watch": ("", ['[[watch]]: nothing to watch: add a [[watch]] with release = "rel…"']),
    "a watch of nothing": (
        '[[watch]]\nchannel = "#x"\n',
        [f"[[watch]] #1: {ONE_KIND}; found none"],
    ),
    "a target twice": (
        WATCH + WATCH,
        ['[[watch]] #2 release: "rel1" is watched by [[watch]] #1 already'],
    ),
    "a duration without a unit": (
        WATCH + "interval = 15\n",
        [f"[[watch]] #1 interval: {DURATION}, found 15"],
    ),
    "a duration of zero": (
        WATCH + '[poll]\ninterval = "0s"\n',
        [f'poll.interval: {DURATION}, found "0s"'],
    ),
    "a time of day as a duration": (
        WATCH + "[stall]\nafter = 00:30:00\n",
        [f'stall.after: {DURATION}, found "00:30:00"'],
    ),
    "a count of zero": (
        WATCH + "[poll]\nunreachable_after = 0\n",
        [f"poll.unreachable_after: {COUNT}, found 0"],
    ),
    "a count in quotes": (
        WATCH + '[poll]\nunreachable_after = "3"\n',
        [f'poll.unreachable_after: {COUNT}, found "3"'],
    ),
    "true as a count": (
        WATCH + "[nuon]\nmax_concurrent_requests = true\n",
        [f"nuon.max_concurrent_requests: {COUNT}, found true"],
    ),
    "an id with a slash": (
        WATCH.replace("rel1", "rel/1"),
        [f'[[watch]] #1 release: {ID}, found "rel/1"'],
    ),
    "an id that climbs": (WATCH.replace("rel1", ".."), [f'[[watch]] #1 release: {ID}, found ".."']),
    "an empty id": (WATCH.replace("rel1", ""), [f'[[watch]] #1 release: {ID}, found ""']),
    "an id with a line break": (
        WATCH.replace("rel1", "rel\\n1"),
        [f'[[watch]] #1 release: {ID}, found "rel\\n1"'],
    ),
    "an id that is too long": (
        WATCH.replace("rel1", "r" * 201),
        [f'[[watch]] #1 release: {ID}, found "{"r" * 76}…'],
    ),
    "an org with a space": (
        WATCH + '[nuon]\norg_id = "my org"\n',
        [f'nuon.org_id: {ID}, found "my org"'],
    ),
    "a channel with a space": (
        WATCH.replace("#ops", "the ops"),
        [f'[[watch]] #1 channel: {CHANNEL}, found "the ops"'],
    ),
    "a channel that is none": (
        WATCH + '[slack]\nchannel = "#"\n',
        [f'slack.channel: {CHANNEL}, found "#"'],
    ),
    "an empty name": (
        WATCH + 'name = " "\n',
        ['[[watch]] #1 name: expected a line of text in quotes, found " "'],
    ),
    "labels that are no texts": (
        WATCH + "labels = { team = 3 }\n",
        ['[[watch]] #1 labels: expected a table of texts such as { team = "core" }'],
    ),
    "a URL of another kind": (
        WATCH + '[nuon]\napi_url = "ftp://api.nuon.co"\n',
        [f"nuon.api_url: {URL}"],
    ),
    "a URL without a host": (WATCH + '[nuon]\napi_url = "https:///v1"\n', [f"nuon.api_url: {URL}"]),
    "a URL with a bad port": (
        WATCH + '[nuon]\ndashboard_url = "https://host:99999"\n',
        [f"nuon.dashboard_url: {URL}"],
    ),
    "a URL with a password": (
        WATCH + '[slack]\napi_url = "https://me:s3cret@host/"\n',
        [f"slack.api_url: {URL}"],
    ),
    "a URL that is a number": (WATCH + "[nuon]\napi_url = 3\n", [f"nuon.api_url: {URL}"]),
    "a proxy that is none": (WATCH + '[nuon]\nproxy = "s3cret"\n', [f"nuon.proxy: {SECRET_URL}"]),
    "a heartbeat that is none": (
        WATCH + '[heartbeat]\nurl = "s3cret"\n',
        [f"heartbeat.url: {SECRET_URL}"],
    ),
    "a missing certificate": (
        WATCH + '[nuon]\nca_file = "/nowhere/ca.pem"\n',
        ['nuon.ca_file: expected the path of a readable file, found "/nowhere/ca.pem"'],
    ),
    "a token with a line break": (
        WATCH + '[nuon]\napi_token = "s3cret\\nx"\n',
        [f"nuon.api_token: {TOKEN}"],
    ),
    "an empty token": (WATCH + '[nuon]\napi_token = ""\n', [f"nuon.api_token: {TOKEN}"]),
    "a token that is a number": (WATCH + "[nuon]\napi_token = 53\n", [f"nuon.api_token: {TOKEN}"]),
    "a token in two forms": (
        WATCH + '[nuon]\napi_token = "s3cret"\napi_token_file = "/dev/null"\n',
        [
            "nuon.api_token_file: set together with nuon.api_token: keep one of the two",
        ],
    ),
    "a bot token and a webhook": (
        WATCH + '[slack]\nbot_token = "s3cret"\nwebhook_url = "https://hooks.slack.com/s3cret"\n',
        ["slack.webhook_url: set together with slack.bot_token: keep one of the two"],
    ),
    "a heartbeat in two forms": (
        WATCH + '[heartbeat]\nurl = "https://h/s3cret"\nurl_file = "/dev/null"\n',
        ["heartbeat.url_file: set together with heartbeat.url: keep one of the two"],
    ),
    "a secret's file that is missing": (
        WATCH + '[nuon]\napi_token_file = "/nowhere/token"\n',
        ["nuon.api_token_file: cannot read /nowhere/token: No such file or directory"],
    ),
    "a secret's file that is empty": (
        WATCH + '[nuon]\napi_token_file = "/dev/null"\n',
        ["nuon.api_token_file: /dev/null is empty"],
    ),
    "a secret's file that is a number": (
        WATCH + "[nuon]\napi_token_file = 3\n",
        ["nuon.api_token_file: expected the path of a file in quotes, found 3"],
    ),
    "a watch without a channel": (HOOKED_WATCH, [f"[[watch]] #1 channel: {NEEDS_CHANNEL}"]),
    "nothing that is found to choose from": (
        WATCH + 'include = ["x"]\nexclude = []\nlimit = 3\n',
        [
            f"[[watch]] #1 {key}: has no meaning with release, {FINDS}"
            for key in ("include", "exclude", "limit")
        ],
    ),
    "a limit on approvals": (
        '[[watch]]\napprovals = true\nchannel = "#x"\nlimit = 3\n',
        [f"[[watch]] #1 limit: has no meaning with approvals, {FINDS}"],
    ),
    "a choice that is no list": (
        WATCH.replace("release", "app") + 'include = "x"\nlimit = 0\n',
        [
            f'[[watch]] #1 include: {LIST}, found "x"',
            f"[[watch]] #1 limit: {COUNT}, found 0",
        ],
    ),
    "an empty pattern": (
        WATCH.replace("release", "app") + 'exclude = ["x", " "]\n',
        [f'[[watch]] #1 exclude #2: {PATTERN}, in which * and ? stand for anything, found " "'],
    ),
    "approvals that are not true": (
        '[[watch]]\napprovals = false\nchannel = "#x"\n',
        ["[[watch]] #1 approvals: expected true, or no such key, found false"],
    ),
    "approvals in numbers": (
        '[[watch]]\napprovals = 1\nchannel = "#x"\n',
        ["[[watch]] #1 approvals: expected true, or no such key, found 1"],
    ),
    "approvals twice": (
        '[[watch]]\napprovals = true\nchannel = "#x"\n' * 2,
        ["[[watch]] #2 approvals: the org's approvals are watched by [[watch]] #1 already"],
    ),
    "two kinds in one watch": (
        WATCH + 'app = "app1"\n',
        [f"[[watch]] #1: {ONE_KIND}; found release and app"],
    ),
    "a branch of a branch": (
        WATCH.replace('release = "rel1"', 'app_branch = "app1/abr1/x"'),
        [f'[[watch]] #1 app_branch: {BRANCH}, found "app1/abr1/x"'],
    ),
    "a branch without an id": (
        WATCH.replace('release = "rel1"', 'app_branch = "app1/"'),
        [f'[[watch]] #1 app_branch: {BRANCH}, found "app1/"'],
    ),
    "a flag in quotes": (
        WATCH + '[slack]\nuse_app_webhooks = "true"\n',
        ['slack.use_app_webhooks: expected true or false, found "true"'],
    ),
    "[route] for [[route]]": (
        WATCH + '[route]\nchannel = "#x"\n',
        ["[[route]]: expected a list of tables, each written as [[route]]"],
    ),
    "a route to nowhere": (
        WATCH + "[[route]]\ndrop = false\n",
        [
            (
                "[[route]] #1: leads nowhere: set one of channel, webhook_url, webhook_url_file,"
                " or drop = true"
            )
        ],
    ),
    "a route to two places": (
        ROUTE + 'webhook_url = "https://hooks.slack.com/s3cret"\n',
        ["[[route]] #1 webhook_url: set together with [[route]] #1 channel: keep one of the two"],
    ),
    "a dropping route that tells someone": (
        ROUTE + 'drop = true\nmention = ["@here"]\ncontinue = true\nmin_failed = 2\n',
        [
            f"[[route]] #1 {key}: has no meaning with drop = true"
            for key in ("channel", "mention", "continue", "min_failed")
        ],
    ),
    "an unknown key of a route": (
        ROUTE + "continues = true\n",
        ["[[route]] #1 continues: unknown key; did you mean continue?"],
    ),
    "an event that does not exist": (
        ROUTE + 'events = ["stalled", "faild"]\n',
        [f'[[route]] #1 events #2: {EVENT}, found "faild"'],
    ),
    "an event that is no list": (
        ROUTE + 'events = "failed"\n',
        [f'[[route]] #1 events: {LIST}, found "failed"'],
    ),
    "a match of nothing": (
        ROUTE + "match = {}\n",
        [
            (
                "[[route]] #1 match: expected at least one of: kind, app, component, install,"
                " installer, watch, name, started_by, labels"
            )
        ],
    ),
    "an unknown key of a match": (
        ROUTE + 'match = { instal = "x" }\n',
        ["[[route]] #1 match.instal: unknown key; did you mean install?"],
    ),
    "a match that is no table": (
        ROUTE + 'match = "prod"\n',
        ["[[route]] #1 match: expected a table with keys"],
    ),
    "matches without a pattern": (
        ROUTE + 'match = { app = [], name = 3, install = ["x", ""], labels = {} }\n',
        [
            "[[route]] #1 match.app: expected at least one",
            (
                f"[[route]] #1 match.install #2: {PATTERN}, in which * and ? stand for anything,"
                ' found ""'
            ),
            f"[[route]] #1 match.name: {PATTERN}, or a list of them, found 3",
            "[[route]] #1 match.labels: expected at least one",
        ],
    ),
    "a match of labels that are no patterns": (
        ROUTE + 'match.labels = { team = 3, "a\\nb" = "x" }\n',
        [
            f"[[route]] #1 match.labels.team: {PATTERN}, or a list of them, found 3",
            ('[[route]] #1 match.labels."a\\nb": expected a line of text in quotes, found "a\\nb"'),
        ],
    ),
    "a mention of nobody": (
        ROUTE + 'mention = ["@here", "@anna"]\n',
        [f'[[route]] #1 mention #2: {MENTION}, found "@anna"'],
    ),
    "thresholds that are none": (
        ROUTE + 'min_failed = 0\nlasting = "long"\ncontinue = 1\n',
        [
            "[[route]] #1 continue: expected true or false, found 1",
            f"[[route]] #1 min_failed: {COUNT}, found 0",
            f'[[route]] #1 lasting: {DURATION}, found "long"',
        ],
    ),
    "a route's webhook that is no URL": (
        WATCH + '[[route]]\nwebhook_url = "s3cret"\n',
        [f"[[route]] #1 webhook_url: {SECRET_URL}"],
    ),
    "a route's webhook elsewhere": (
        WATCH + '[[route]]\nwebhook_url = "https://hooks.example.com/s3cret"\n',
        [f"[[route]] #1 webhook_url: {STRAY_WEBHOOK}"],
    ),
    "a route's webhook in a file that is missing": (
        ROUTE + '[[route]]\nwebhook_url_file = "/nowhere/hook"\n',
        [("[[route]] #2 webhook_url_file: cannot read /nowhere/hook: No such file or directory")],
    ),
    "two routes of one name": (
        f'{ROUTE}name = "x"\n[[route]]\nname = "x"\ndrop = true\n',
        ['[[route]] #2 name: "x" is the name of [[route]] #1 already'],
    ),
    "a quiet window without times": (
        WATCH + '[[quiet]]\nname = "night"\n',
        [
            "[[quiet]] #1 from: missing: each [[quiet]] needs one",
            "[[quiet]] #1 to: missing: each [[quiet]] needs one",
        ],
    ),
    "a time without its zero, and a date without a time": (
        WATCH + '[[quiet]]\nfrom = "7:00"\nto = 2026-12-24\n',
        [
            f'[[quiet]] #1 from: {TIME_OR_DATE}, found "7:00"',
            f'[[quiet]] #1 to: {TIME_OR_DATE}, found "2026-12-24"',
        ],
    ),
    "times that do not exist": (
        WATCH + '[[quiet]]\nfrom = "24:00"\nto = "2026-02-30T10:00:00"\n',
        [
            f'[[quiet]] #1 from: {TIME_OR_DATE}, found "24:00"',
            f'[[quiet]] #1 to: {TIME_OR_DATE}, found "2026-02-30T10:00:00"',
        ],
    ),
    "a year that no other zone may have": (
        WATCH + "[[quiet]]\nfrom = 0001-01-01T00:00:00Z\nto = 2026-12-24T10:00:00Z\n",
        [f'[[quiet]] #1 from: {TIME_OR_DATE}, found "0001-01-01 00:00:00+00:00"'],
    ),
    "a time and a date": (
        WATCH + '[[quiet]]\nfrom = "22:00"\nto = 2026-12-24T10:00:00Z\n',
        ['[[quiet]] #1: expected "from" and "to" both as times of day, or both as dates'],
    ),
    "a window that ends before it begins": (
        WATCH + "[[quiet]]\nfrom = 2026-12-24T10:00:00Z\nto = 2026-12-24T11:00:00+01:00\n",
        ['[[quiet]] #1: expected a "to" that is later than "from"'],
    ),
    "days of what is only once": (
        WATCH
        + "[[quiet]]\nfrom = 2026-12-24T10:00:00Z\nto = 2026-12-25T10:00:00Z\ndays = ['mon']\n",
        ['[[quiet]] #1: "days" has no meaning where "from" and "to" are dates'],
    ),
    "no days": (NIGHT + "days = []\n", ["[[quiet]] #1 days: expected at least one"]),
    "a day that does not exist": (
        NIGHT + 'days = ["monday"]\n',
        [f'[[quiet]] #1 days #1: {DAY}, found "monday"'],
    ),
    "a zone that does not exist": (
        NIGHT + 'zone = "Europe/Belin"\n',
        [f'[[quiet]] #1 zone: {ZONE}, found "Europe/Belin"; did you mean Europe/Berlin?'],
    ),
    "a zone that is a path": (
        NIGHT + 'zone = "../x"\n',
        [f'[[quiet]] #1 zone: {ZONE}, found "../x"'],
    ),
    "a zone that is a number": (NIGHT + "zone = 1\n", [f"[[quiet]] #1 zone: {ZONE}, found 1"]),
    "an end that does not exist": (
        NIGHT + 'then = "forget"\n',
        ['[[quiet]] #1 then: expected "summary" or "drop", found "forget"'],
    ),
    "a quiet window of a route that does not exist": (
        f'{NIGHT}routes = ["on-call", "oncall", "x"]\n[[route]]\nname = "on-call"\ndrop = true\n',
        [
            (
                '[[quiet]] #1 routes #2: there is no [[route]] with the name "oncall";'
                ' did you mean "on-call"?'
            ),
            '[[quiet]] #1 routes #3: there is no [[route]] with the name "x"',
        ],
    ),
    "a digest that is too rare": (
        WATCH + '[[digest]]\nchannel = "#x"\nevery = "month"\n',
        ['[[digest]] #1 every: expected "day" or "week", found "month"'],
    ),
    "a day of a daily digest": (
        WATCH + '[[digest]]\nchannel = "#x"\non = "mon"\n',
        ['[[digest]] #1 on: has no meaning without every = "week"'],
    ),
    "a digest at a time that does not exist": (
        WATCH + '[[digest]]\nchannel = "#x"\nat = "9 am"\n',
        [f'[[digest]] #1 at: {TIME}, found "9 am"'],
    ),
    "a digest without a channel": (
        WATCH + "[[digest]]\n",
        [f"[[digest]] #1 channel: {NEEDS_CHANNEL}"],
    ),
    "templates that are no texts": (
        WATCH + '[templates]\ntitle = " "\nfields = { Team = 3 }\nlinks = "https://x"\n',
        [
            f'templates.title: {TEXT}, found " "',
            f"templates.fields.Team: {TEXT}, found 3",
            "templates.links: expected a table with keys",
        ],
    ),
    "a template that is too long": (
        f'{WATCH}[templates]\ntitle = "{"x" * 501}"\n',
        [f'templates.title: {TEXT}, found "{"x" * 76}…'],
    ),
    "a field without a name": (
        WATCH + '[templates]\nfields = { "" = "x" }\n',
        ['templates.fields."": expected a line of text in quotes, found ""'],
    ),
    "too many fields": (
        WATCH + "[templates]\n" + "".join(f'fields.f{number} = "x"\n' for number in range(11)),
        ["templates.fields: expected at most 10, found 11"],
    ),
    "an unknown template": (
        WATCH + '[templates]\ntitel = "x"\n',
        ["templates.titel: unknown key; did you mean title?"],
    ),
    "a database that is none": (
        WATCH + '[store]\nurl = "postgresql://me:s3cret@host/db"\n',
        ['store.url: expected a database file such as "sqlite:///nuon-monitor.db"'],
    ),
    "a database in memory": (
        WATCH + '[store]\nurl = "sqlite://"\n',
        ['store.url: expected a database file such as "sqlite:///nuon-monitor.db"'],
    ),
    "a port without a host": (
        WATCH + '[http]\nlisten = "8080"\n',
        [f'http.listen: {LISTEN}, found "8080"'],
    ),
    "a port that is too large": (
        WATCH + '[http]\nlisten = "localhost:65536"\n',
        [f'http.listen: {LISTEN}, found "localhost:65536"'],
    ),
    "a level that does not exist": (
        WATCH + '[log]\nlevel = "loud"\n',
        ['log.level: expected "debug", "info", "warning" or "error", found "loud"'],
    ),
    "a format that does not exist": (
        WATCH + '[log]\nformat = ["json"]\n',
        ['log.format: expected "auto", "text" or "json", found a list'],
    ),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_place_and_what_was_expected(
    directory: Directory, text: str | bytes, expected: list[str]
) -> None:
    assert directory.problems(text) == expected


@pytest.mark.parametrize("text", [text for text, _ in MISTAKES.values()], ids=MISTAKES.keys())
def test_no_mistake_makes_a_secret_visible(directory: Directory, text: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        directory.load(text)

    assert "s3cret" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("NUON_MONITOR_POLL__INTERVALL", "NUON_MONITOR_POLL__INTERVAL"),
        ("NUON_MONITOR_NUON_API_TOKEN", "NUON_MONITOR_NUON__API_TOKEN"),
        ("NUON_MONITOR_poll__interval", "NUON_MONITOR_POLL__INTERVAL"),
        ("NUON_MONITOR_WATCHES", "NUON_MONITOR_WATCH"),
        ("NUON_MONITOR_CONFIG_FILE", "NUON_MONITOR_CONFIG"),
    ],
)
def test_an_unknown_variable_is_told_with_the_nearest_known_one(
    directory: Directory, variable: str, nearest: str
) -> None:
    assert directory.problems(WATCH, ACCESS | {variable: "s3cret"}) == [
        f"{variable}: unknown variable; did you mean {nearest}?"
    ]


VARIABLE_MISTAKES: dict[str, tuple[dict[str, str], list[str]]] = {
    "a bad value": (
        {"NUON_MONITOR_POLL__INTERVAL": "15"},
        [f'NUON_MONITOR_POLL__INTERVAL: {DURATION}, found "15"'],
    ),
    "a bad count": (
        {"NUON_MONITOR_POLL__UNREACHABLE_AFTER": "three"},
        [f'NUON_MONITOR_POLL__UNREACHABLE_AFTER: {COUNT}, found "three"'],
    ),
    "a bad value of a tool": ({"NUON_API_URL": "s3cret"}, [f"NUON_API_URL: {URL}"]),
    "a bad token of a tool": ({"NUON_API_TOKEN": "s3cret x"}, [f"NUON_API_TOKEN: {TOKEN}"]),
    "both ways to Slack": (
        {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/s3cret"},
        ["SLACK_WEBHOOK_URL: set together with SLACK_BOT_TOKEN: keep one of the two"],
    ),
    "a secret's file that is missing": (
        {"NUON_MONITOR_NUON__API_TOKEN_FILE": "/nowhere/nuon.api_token_file"},
        [
            (
                "NUON_MONITOR_NUON__API_TOKEN_FILE: cannot read /nowhere/nuon.api_token_file:"
                " No such file or directory"
            )
        ],
    ),
    "watches that are no JSON": (
        {"NUON_MONITOR_WATCH": "rel1"},
        ["NUON_MONITOR_WATCH: expected a list of tables, each written as NUON_MONITOR_WATCH"],
    ),
    "a bad route": (
        {"NUON_MONITOR_ROUTE": '[{"drop": true, "name": "a", "events": ["x"]}]'},
        [f'NUON_MONITOR_ROUTE #1 events #1: {EVENT}, found "x"'],
    ),
    "a bad field": (
        {"NUON_MONITOR_TEMPLATES__FIELDS": '{"Team": 3}'},
        [f"NUON_MONITOR_TEMPLATES__FIELDS.Team: {TEXT}, found 3"],
    ),
    "a flag that is none": (
        {"NUON_MONITOR_SLACK__USE_APP_WEBHOOKS": "yes"},
        ['NUON_MONITOR_SLACK__USE_APP_WEBHOOKS: expected true or false, found "yes"'],
    ),
    "a bad watch": (
        {"NUON_MONITOR_WATCH": '[{"release": "rel1", "channel": "#x", "interval": 5}]'},
        [f"NUON_MONITOR_WATCH #1 interval: {DURATION}, found 5"],
    ),
}


@pytest.mark.parametrize(
    ("environ", "expected"), VARIABLE_MISTAKES.values(), ids=VARIABLE_MISTAKES.keys()
)
def test_a_mistake_in_a_variable_is_told_with_the_variables_name(
    directory: Directory, environ: dict[str, str], expected: list[str]
) -> None:
    assert directory.problems(WATCH, ACCESS | environ) == expected


def test_a_mistake_inside_a_secrets_file_is_told_at_the_key_that_names_it(
    directory: Directory,
) -> None:
    directory.write("hook", "s3cret")
    directory.write("token", b"\xff\xfe")
    text = (
        f'{HOOKED_WATCH}[slack]\nwebhook_url_file = "{directory.path}/hook"\n'
        f'[nuon]\napi_token_file = "{directory.path}/token"\n'
    )

    assert directory.problems(text, {"NUON_ORG_ID": "org1"}) == [
        "nuon.api_token_file: cannot read token: not UTF-8 text",
        f"slack.webhook_url_file: {SECRET_URL}",
    ]


def test_all_mistakes_are_told_at_once(directory: Directory) -> None:
    text = """
        [nuon]
        api_url = "nuon"
        api_tokn = "s3cret"
        [slack]
        chanel = "#ops"
        [poll]
        interval = 15
        [[watch]]
        release = "rel 1"
        [[watch]]
        interval = "soon"
    """

    assert directory.problems(
        text, {"NUON_MONITOR_LOG__LEVEL": "loud", "NUON_MONITOR_POL__INTERVAL": "x"}
    ) == [
        "NUON_MONITOR_POL__INTERVAL: unknown variable; did you mean NUON_MONITOR_POLL__INTERVAL?",
        f"nuon.api_url: {URL}",
        "nuon.api_tokn: unknown key; did you mean api_token?",
        "slack.chanel: unknown key; did you mean channel?",
        f"poll.interval: {DURATION}, found 15",
        f'[[watch]] #1 release: {ID}, found "rel 1"',
        f'[[watch]] #2 interval: {DURATION}, found "soon"',
        'NUON_MONITOR_LOG__LEVEL: expected "debug", "info", "warning" or "error", found "loud"',
        "nuon.org_id: missing: set it, or NUON_ORG_ID in the environment",
        f"nuon.api_token: {NO_TOKEN}",
        f"slack.bot_token: {NO_SLACK}",
        f"[[watch]] #2: {ONE_KIND}; found none",
    ]


def test_an_unknown_variable_is_told_even_if_the_file_cannot_be_read(directory: Directory) -> None:
    problems = directory.problems("=", {"NUON_MONITOR_POL__INTERVAL": "1m"})

    assert [problem.split(":")[0] for problem in problems] == [
        "monitor.toml",
        "NUON_MONITOR_POL__INTERVAL",
    ]


def test_a_webhook_cannot_choose_a_channel(directory: Directory) -> None:
    assert directory.problems(WATCH, HOOK) == [
        "[[watch]] #1 channel: a webhook cannot choose a channel: leave it out or use a bot token"
    ]


def test_a_channels_route_and_digest_need_a_bot_token(directory: Directory) -> None:
    text = f'{HOOKED_WATCH}[[route]]\nchannel = "#x"\n[[digest]]\nchannel = "#x"\n'

    assert directory.problems(text, HOOK) == [
        (
            "[[route]] #1 channel: a channel needs slack.bot_token: use one, or set webhook_url"
            " here instead"
        ),
        "[[digest]] #1 channel: a webhook cannot choose a channel: leave it out or use a bot token",
    ]


def test_a_digest_goes_through_the_webhook_if_there_is_no_bot_token(directory: Directory) -> None:
    (digest,) = directory.load(f"{HOOKED_WATCH}[[digest]]\n", HOOK).digest

    assert digest.channel is None


def test_a_mistake_inside_a_routes_secret_file_is_told_at_the_key_that_names_it(
    directory: Directory,
) -> None:
    hook = directory.write("hook", "s3cret")
    stray = directory.write("stray", "https://hooks.example.com/s3cret")
    text = (
        f'{WATCH}[[route]]\nwebhook_url_file = "{hook}"\n[[route]]\nwebhook_url_file = "{stray}"\n'
    )

    assert directory.problems(text) == [
        f"[[route]] #1 webhook_url_file: {SECRET_URL}",
        f"[[route]] #2 webhook_url_file: {STRAY_WEBHOOK}",
    ]


def test_a_channel_for_all_is_enough(directory: Directory) -> None:
    config = directory.load(HOOKED_WATCH + '[slack]\nchannel = "C0123456789"\n')

    assert (config.slack.channel, config.watch[0].channel) == ("C0123456789", None)


def test_no_secret_is_shown_by_the_configuration(directory: Directory) -> None:
    text = (
        f'{WATCH}[nuon]\nproxy = "http://me:s3cret@proxy:3128"\n'
        '[heartbeat]\nurl = "https://hc/s3cret"\n'
    )

    config = directory.load(text)

    assert "s3cret" not in f"{config!r} {config} {config.nuon!r}"


# What is allowed, but probably not meant


def test_a_plain_configuration_has_no_warnings(directory: Directory) -> None:
    assert warnings(directory.load(WATCH)) == ()


WARNINGS: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "a short interval": (
        WATCH + 'interval = "1s"\n[poll]\ninterval = "4s"\n',
        ACCESS,
        [
            "poll.interval: 4s burdens the platform; 5s or more is gentler",
            "[[watch]] #1 interval: 1s burdens the platform; 5s or more is gentler",
        ],
    ),
    "a short interval on loopback": (
        WATCH + 'interval = "50ms"\n[nuon]\napi_url = "http://127.0.0.1:1"\n',
        ACCESS,
        [],
    ),
    "what is settled is polled more often": (
        WATCH + '[poll]\ninterval = "10m"\n',
        ACCESS,
        ["poll.settled_interval: shorter than poll.interval, so what is settled is polled more"],
    ),
    "a stall sooner than the next poll": (
        WATCH + '[stall]\nafter = "10s"\n',
        ACCESS,
        ["stall.after: shorter than poll.interval, so what merely waits for a poll is told"],
    ),
    "an install's id as a release": (
        WATCH.replace("rel1", "inl0123456789abcdefghijklm"),
        ACCESS,
        [
            (
                "[[watch]] #1 release: inl0123456789abcdefghijklm looks like the id of another"
                " kind: install"
            )
        ],
    ),
    "ids of other kinds all over": (
        """
        [slack]
        channel = "#ops"
        [[watch]]
        app = "cmp0123456789abcdefghijklm"
        [[watch]]
        component = "app0123456789abcdefghijklm"
        [[watch]]
        installer = "inl0123456789abcdefghijklm"
        [[watch]]
        install = "int0123456789abcdefghijklm"
        [[watch]]
        workflow = "iws0123456789abcdefghijklm"
        [[watch]]
        app_branch = "abr0123456789abcdefghijklm/app0123456789abcdefghijklm"
        """,
        ACCESS,
        [
            f"[[watch]] #{number} {key}: {id_} looks like the id of another kind: {kind}"
            for number, key, id_, kind in (
                (1, "app", "cmp0123456789abcdefghijklm", "component"),
                (2, "component", "app0123456789abcdefghijklm", "app"),
                (3, "installer", "inl0123456789abcdefghijklm", "install"),
                (4, "install", "int0123456789abcdefghijklm", "installer"),
                (5, "workflow", "iws0123456789abcdefghijklm", "workflow step"),
                (6, "app_branch", "abr0123456789abcdefghijklm", "app branch"),
                (6, "app_branch", "app0123456789abcdefghijklm", "app"),
            )
        ],
    ),
    "ids of the right kinds": (
        """
        [slack]
        channel = "#ops"
        [[watch]]
        app = "app0123456789abcdefghijklm"
        [[watch]]
        component = "cmp0123456789abcdefghijklm"
        [[watch]]
        installer = "int0123456789abcdefghijklm"
        [[watch]]
        install = "inl0123456789abcdefghijklm"
        [[watch]]
        workflow = "inw0123456789abcdefghijklm"
        [[watch]]
        app_branch = "app0123456789abcdefghijklm/abr0123456789abcdefghijklm"
        [[watch]]
        app_branch = "abr0123456789abcdefghijklm"
        [[watch]]
        approvals = true
        """,
        ACCESS,
        [],
    ),
    "a route's unencrypted webhook": (
        f"""{WATCH}
        [slack]
        api_url = "https://slack.internal/api"
        [[route]]
        webhook_url = "http://slack.internal/s3cret"
        """,
        ACCESS,
        [
            (
                "[[route]] #1 webhook_url: http sends secrets where others can read them;"
                " https does not"
            )
        ],
    ),
    "an app's id as an org": (
        WATCH,
        ACCESS | {"NUON_ORG_ID": "app0123456789abcdefghijklm"},
        ["nuon.org_id: app0123456789abcdefghijklm looks like the id of another kind: app"],
    ),
    "an unencrypted platform": (
        WATCH + '[nuon]\napi_url = "http://nuon.internal"\n',
        ACCESS,
        ["nuon.api_url: http sends secrets where others can read them; https does not"],
    ),
    "an unencrypted heartbeat": (
        WATCH + '[heartbeat]\nurl = "http://hc.internal/s3cret"\n',
        ACCESS,
        ["heartbeat.url: http sends secrets where others can read them; https does not"],
    ),
    "a channel for a webhook": (
        HOOKED_WATCH + '[slack]\nchannel = "#ops"\n',
        HOOK,
        ["slack.channel: has no effect, because a webhook always posts to its own channel"],
    ),
    "a token of another kind": (
        WATCH,
        ACCESS | {"SLACK_BOT_TOKEN": "xapp-s3cret"},
        ["slack.bot_token: does not look like a bot's token, which begins with xoxb-"],
    ),
}


@pytest.mark.parametrize(("text", "environ", "expected"), WARNINGS.values(), ids=WARNINGS.keys())
def test_what_is_probably_not_meant_is_warned_of(
    directory: Directory, text: str, environ: dict[str, str], expected: list[str]
) -> None:
    assert list(warnings(directory.load(text, environ))) == expected


# The example


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


def test_reading_a_configuration_imports_neither_the_database_nor_the_network_libraries() -> None:
    code = "import sys, monitor.config; print(*sys.modules)"

    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLE.parent, capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"sqlalchemy", "aiohttp", "httpx", "slack_sdk", "apscheduler", "alembic"}
    assert "pydantic" in modules
    assert heavy.isdisjoint(modules)
