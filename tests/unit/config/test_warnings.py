"""What is allowed, but probably not meant."""

from __future__ import annotations

import pytest

from monitor.config import warnings
from tests.support.config_texts import ACCESS, HOOK, HOOKED_WATCH, WATCH, Directory


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
    "a type that no workflow has": (
        WATCH.replace("release", "install") + 'types = ["manual_deploys", "provision"]\n',
        ACCESS,
        [
            (
                '[[watch]] #1 types #1: no type of workflow is known as "manual_deploys";'
                ' did you mean "manual_deploy"?'
            )
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
    "an unencrypted heartbeat for failures": (
        WATCH
        + '[heartbeat]\nurl = "https://hc/s3cret"\nfail_url = "http://hc.internal/s3cret/fail"\n',
        ACCESS,
        ["heartbeat.fail_url: http sends secrets where others can read them; https does not"],
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
