"""What a configuration means: what is watched, who is notified, when and in which words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr, ValidationError

from monitor.config import WATCH_KINDS, Config, Nuon, Slack, Watch
from monitor.errors import ConfigError
from monitor.model import EventKind, Target
from tests.support.config_texts import ACCESS, EXAMPLE, HOOK, NIGHT, ROUTE, WATCH, Directory

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
    assert config.poll.unreachable_after == timedelta(minutes=1)
    assert config.stall.after == timedelta(minutes=30)
    assert config.stall.remind_every == timedelta(hours=4)
    assert config.notify.group_interval == timedelta(minutes=5)
    assert config.notify.flapping_after == 3
    assert config.notify.flapping_window == timedelta(minutes=30)
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


def test_reading_a_configuration_imports_neither_the_database_nor_the_network_libraries() -> None:
    code = "import sys, monitor.config; print(*sys.modules)"

    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLE.parent, capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"sqlalchemy", "aiohttp", "httpx", "slack_sdk", "apscheduler", "alembic"}
    assert "pydantic" in modules
    assert heavy.isdisjoint(modules)
