"""Every way to get routes, quiet windows, digests, templates and the rest wrong."""

from __future__ import annotations

import pytest

from monitor.errors import ConfigError
from tests.support.config_texts import (
    COUNT,
    DURATION,
    EVENT,
    HOOK,
    HOOKED_WATCH,
    LIST,
    NEEDS_CHANNEL,
    NIGHT,
    PATTERN,
    ROUTE,
    SECRET_URL,
    STRAY_WEBHOOK,
    TEXT,
    WATCH,
    Directory,
)

LISTEN = 'expected "host:port" such as "127.0.0.1:8080", or "" for none'
MENTION = (
    'expected "@here", "@channel", "started_by", a user\'s id such as "U0123456789" or a user'
    ' group\'s such as "S0123456789"'
)
TIME = 'expected a time of day such as "22:00"'
TIME_OR_DATE = f"{TIME}, or a date and time such as 2026-12-24T18:00:00Z"
ZONE = 'expected a time zone such as "Europe/Berlin" or "UTC"'
DAY = 'expected "mon", "tue", "wed", "thu", "fri", "sat" or "sun"'


MISTAKES: dict[str, tuple[str | bytes, list[str]]] = {
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
        ROUTE + 'drop = true\nmention = ["@here"]\ncontinue = true\nmin_failed = 2\n'
        'group_interval = "1m"\n',
        [
            f"[[route]] #1 {key}: has no meaning with drop = true"
            for key in ("channel", "mention", "continue", "min_failed", "group_interval")
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


def test_a_channel_for_all_is_enough(directory: Directory) -> None:
    config = directory.load(HOOKED_WATCH + '[slack]\nchannel = "C0123456789"\n')

    assert (config.slack.channel, config.watch[0].channel) == ("C0123456789", None)
