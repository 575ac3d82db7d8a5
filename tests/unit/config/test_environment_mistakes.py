"""Mistakes in variables of the environment."""

from __future__ import annotations

import pytest

from tests.support.config_texts import (
    ACCESS,
    COUNT,
    DURATION,
    EVENT,
    TEXT,
    TOKEN,
    URL,
    WATCH,
    Directory,
)


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
        {"NUON_MONITOR_NUON__MAX_CONCURRENT_REQUESTS": "three"},
        [f'NUON_MONITOR_NUON__MAX_CONCURRENT_REQUESTS: {COUNT}, found "three"'],
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


def test_an_unknown_variable_is_told_even_if_the_file_cannot_be_read(directory: Directory) -> None:
    problems = directory.problems("=", {"NUON_MONITOR_POL__INTERVAL": "1m"})

    assert [problem.split(":")[0] for problem in problems] == [
        "monitor.toml",
        "NUON_MONITOR_POL__INTERVAL",
    ]
