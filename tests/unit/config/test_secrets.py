"""Where secrets come from, and that none of them is ever shown."""

from __future__ import annotations

import pytest

from tests.support.config_texts import (
    ACCESS,
    HOOKED_WATCH,
    SECRET_URL,
    STRAY_WEBHOOK,
    WATCH,
    Directory,
)


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
        "NUON_MONITOR_HEARTBEAT__FAIL_URL_FILE": f"{directory.path}/url",
    }

    config = directory.load(WATCH, environ)

    heartbeat = config.heartbeat
    secrets = (config.nuon.api_token, config.slack.bot_token, heartbeat.url, heartbeat.fail_url)
    assert [secret and secret.get_secret_value() for secret in secrets] == [
        "token-in-file",
        "token-in-file",
        "https://hooks.slack.com/in-file",
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


def test_a_secrets_file_that_is_empty_is_a_mistake(directory: Directory) -> None:
    token = directory.write("token", " \n")

    assert directory.problems(f'{WATCH}[nuon]\napi_token_file = "{token}"\n') == [
        "nuon.api_token_file: token is empty"
    ]


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


def test_no_secret_is_shown_by_the_configuration(directory: Directory) -> None:
    text = (
        f'{WATCH}[nuon]\nproxy = "http://me:s3cret@proxy:3128"\n'
        '[heartbeat]\nurl = "https://hc/s3cret"\n'
    )

    config = directory.load(text)

    assert "s3cret" not in f"{config!r} {config} {config.nuon!r}"
