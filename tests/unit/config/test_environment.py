"""What comes from the environment: our variables, and those of the platform's and Slack's tools."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from monitor.config import load_config
from monitor.model import Target
from tests.support.config_texts import ACCESS, HOOKED_WATCH, WATCH, Directory


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


def test_everything_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        **ACCESS,
        "NUON_MONITOR_WATCH": '[{"release": "rel1", "interval": "1m"}, {"release": "rel2"}]',
        "NUON_MONITOR_SLACK__CHANNEL": "#ops",
        "NUON_MONITOR_POLL__UNREACHABLE_AFTER": "5m",
        "NUON_MONITOR_HTTP__LISTEN": "",
    }

    config = load_config(None, environ)

    assert [watch.target.id for watch in config.watch] == ["rel1", "rel2"]
    assert config.watch[0].interval == timedelta(minutes=1)
    assert config.slack.channel == "#ops"
    assert config.poll.unreachable_after == timedelta(minutes=5)
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
