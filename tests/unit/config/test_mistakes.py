"""Every way to get the access and the watches wrong."""

from __future__ import annotations

import pytest

from monitor.errors import ConfigError
from tests.support.config_texts import (
    COUNT,
    DURATION,
    HOOKED_WATCH,
    LIST,
    NEEDS_CHANNEL,
    PATTERN,
    SECRET_URL,
    TOKEN,
    URL,
    WATCH,
    Directory,
)

ID = 'expected an id, up to 200 signs without spaces, "/", "?", "#" and ".."'
CHANNEL = 'expected a channel such as "#releases" or "C0123456789"'
NO_TOKEN = "missing: set it or api_token_file, or NUON_API_TOKEN in the environment"
NO_SLACK = (
    "missing: set it or webhook_url, or either as a …_file, or SLACK_BOT_TOKEN or"
    " SLACK_WEBHOOK_URL in the environment"
)
ONE_KIND = (
    "expected exactly one of: release, app, component, installer, workflow, install, workflows,"
    " app_branch, approvals"
)
FINDS = (
    "only with what finds things by itself: app, component, installer, install, workflows,"
    " app_branch"
)
BRANCH = (
    'expected the id of an app branch, up to 200 signs without spaces, "?", "#" and "..", or those'
    ' of its app and its own as in "app…/abr…"'
)


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
                "POLL: unknown key; known are nuon, slack, poll, stall, notify, watch, route,"
                " quiet, digest, templates, store, http, log, heartbeat"
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
        WATCH + "[nuon]\nmax_concurrent_requests = 0\n",
        [f"nuon.max_concurrent_requests: {COUNT}, found 0"],
    ),
    "a count in quotes": (
        WATCH + '[nuon]\nmax_concurrent_requests = "3"\n',
        [f'nuon.max_concurrent_requests: {COUNT}, found "3"'],
    ),
    "a count as a duration": (
        WATCH + "[poll]\nunreachable_after = 3\n",
        [f"poll.unreachable_after: {DURATION}, found 3"],
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
    "a heartbeat's failures in two forms": (
        WATCH
        + '[heartbeat]\nurl = "https://h/s3cret"\n'
        + 'fail_url = "https://h/s3cret/fail"\nfail_url_file = "/dev/null"\n',
        ["heartbeat.fail_url_file: set together with heartbeat.fail_url: keep one of the two"],
    ),
    "a heartbeat that is called for failures alone": (
        WATCH + '[heartbeat]\nfail_url = "https://h/s3cret/fail"\n',
        ["heartbeat.fail_url: needs heartbeat.url as well, which notices a daemon that is dead"],
    ),
    "a secret's file that is missing": (
        WATCH + '[nuon]\napi_token_file = "/nowhere/token"\n',
        ["nuon.api_token_file: cannot read /nowhere/token: No such file or directory"],
    ),
    "a secret's file that is a device": (
        WATCH + '[nuon]\napi_token_file = "/dev/null"\n',
        ["nuon.api_token_file: cannot read /dev/null: not a regular file"],
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
    "types of releases": (
        WATCH.replace("release", "component") + 'types = ["provision"]\n',
        [
            (
                "[[watch]] #1 types: has no meaning with component, only with what finds"
                " workflows: app, install, workflows, app_branch"
            )
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
