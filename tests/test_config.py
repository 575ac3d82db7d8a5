"""The configuration: what it means, where it comes from, and every way to get it wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from monitor.config import (
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
from monitor.errors import ConfigError
from monitor.model import Target

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"

ACCESS = {"NUON_ORG_ID": "org1", "NUON_API_TOKEN": "t0p-s3cret", "SLACK_BOT_TOKEN": "xoxb-s3cret"}
HOOK = {
    "NUON_ORG_ID": "org1",
    "NUON_API_TOKEN": "t0p-s3cret",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/s3cret",
}
WATCH = '[[watch]]\nrelease = "rel1"\nchannel = "#ops"\n'
HOOKED_WATCH = '[[watch]]\nrelease = "rel1"\n'

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
            " see --config"
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
                "POLL: unknown key; known are nuon, slack, poll, stall, watch, store, http, log,"
                " heartbeat"
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
        ["[[watch]] #1: expected exactly one of: release; found none"],
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
        "[[watch]] #2: expected exactly one of: release; found none",
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


def test_the_example_shows_every_key_and_no_other() -> None:
    # Each key is there, commented out or not; with the marks removed the whole is TOML again.
    text = re.sub(r"^# (?=\w+ = )", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    shown = tomllib.loads(text)
    shown["watch"] = shown["watch"][0]

    known = {
        section: set((Watch if section == "watch" else type(field.default)).model_fields)
        for section, field in Config.model_fields.items()
    }

    assert {section: set(table) for section, table in shown.items()} == known


def test_reading_a_configuration_imports_neither_the_database_nor_the_network_libraries() -> None:
    code = "import sys, monitor.config; print(*sys.modules)"

    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLE.parent, capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"sqlalchemy", "aiohttp", "httpx", "slack_sdk", "apscheduler", "alembic"}
    assert "pydantic" in modules
    assert heavy.isdisjoint(modules)
