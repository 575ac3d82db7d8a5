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
