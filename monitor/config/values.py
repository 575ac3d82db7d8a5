"""The types of the keys: durations, ids, addresses, secrets, each with what it expects in words.

A type here reads one value and refuses all others. Mistakes that concern two keys are checked
in `mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from monitor.config.checks import (
    TEMPLATE_LIMIT,
    as_duration,
    as_patterns,
    as_time_of_day,
    as_time_or_date,
    as_zone,
    checked_base_url,
    checked_branch,
    checked_channel,
    checked_few,
    checked_file,
    checked_id,
    checked_line,
    checked_listen,
    checked_mention,
    checked_some,
    checked_store_url,
    checked_template,
    checked_true,
    checked_web_url,
    checked_word,
    frozen,
    shown,
)
from monitor.model import EventKind

_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[_Day, ...] = get_args(_Day)
"""In the order of `date.weekday`."""


def expects(phrase: str, *, hides_value: bool = False) -> WrapValidator:
    """Replace pydantic's error of a type by a sentence of ours.

    pydantic's own sentences are for programmers, and may quote a secret.
    """

    def validate(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValueError:
            pass  # raised below, so that the refused value is not in the new error's context
        raise ValueError(f"expected {phrase}" + ("" if hides_value else f", found {shown(value)}"))

    return WrapValidator(validate)


def one_of(words: Iterable[str]) -> str:
    """Write a choice for a sentence of `expects`: `"a", "b" or "c"`."""
    *others, last = (f'"{word}"' for word in words)
    return f"{', '.join(others)} or {last}"


def _for_secret(check: Callable[[str], str]) -> AfterValidator:
    def validate(secret: SecretStr) -> SecretStr:
        check(secret.get_secret_value())
        return secret

    return AfterValidator(validate)


Duration = Annotated[
    timedelta,
    BeforeValidator(as_duration),
    expects('a duration such as "250ms", "15s", "5m", "1h30m" or "7d"'),
]
Id = Annotated[
    str,
    AfterValidator(checked_id),
    expects('an id, up to 200 signs without spaces, "/", "?", "#" and ".."'),
]
Line = Annotated[str, AfterValidator(checked_line), expects("a line of text in quotes")]
Channel = Annotated[
    str,
    AfterValidator(checked_channel),
    expects('a channel such as "#releases" or "C0123456789"'),
]
Count = Annotated[int, Field(strict=True, ge=1), expects("a whole number, at least 1")]
BaseUrl = Annotated[
    str,
    AfterValidator(checked_base_url),
    expects(
        "an http or https URL with a host, without a user, password or query", hides_value=True
    ),
]
Token = Annotated[
    SecretStr,
    _for_secret(checked_word),
    expects("a token without spaces and line breaks", hides_value=True),
]
SecretUrl = Annotated[
    SecretStr,
    _for_secret(checked_web_url),
    expects("an http or https URL with a host", hides_value=True),
]
SecretFile = Annotated[Path, expects("the path of a file in quotes")]
ReadableFile = Annotated[Path, AfterValidator(checked_file), expects("the path of a readable file")]
StoreUrl = Annotated[
    str,
    AfterValidator(checked_store_url),
    expects('a database file such as "sqlite:///nuon-monitor.db"', hides_value=True),
]
Listen = Annotated[
    str,
    AfterValidator(checked_listen),
    expects('"host:port" such as "127.0.0.1:8080", or "" for none'),
]
BranchId = Annotated[
    str,
    AfterValidator(checked_branch),
    expects(
        'the id of an app branch, up to 200 signs without spaces, "?", "#" and "..",'
        ' or those of its app and its own as in "app…/abr…"'
    ),
]
Yes = Annotated[Literal[True], BeforeValidator(checked_true), expects("true, or no such key")]
Flag = Annotated[bool, Field(strict=True), expects("true or false")]
Pattern = Annotated[
    str,
    AfterValidator(checked_line),
    expects('a pattern such as "checkout-*", in which * and ? stand for anything'),
]
"""A glob, compared without regard to case."""
WorkflowType = Annotated[
    str,
    AfterValidator(checked_word),
    expects('the type of a workflow such as "manual_deploy"'),
]
Some = AfterValidator(checked_some)
"""For a list or table that says nothing if it is empty."""
Few = AfterValidator(checked_few)
"""For a table whose entries all have to fit into a message."""
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(as_patterns), Some]
"""Patterns of which any may match; a single one is written without a list."""
Event = Annotated[EventKind, expects(one_of(EventKind))]
Day = Annotated[_Day, expects(one_of(DAYS))]
TimeOfDay = Annotated[
    time, BeforeValidator(as_time_of_day), expects('a time of day such as "22:00"')
]
TimeOrDate = Annotated[
    time | datetime,
    BeforeValidator(as_time_or_date),
    expects('a time of day such as "22:00", or a date and time such as 2026-12-24T18:00:00Z'),
]
Zone = Annotated[ZoneInfo, BeforeValidator(as_zone)]
Mention = Annotated[
    str,
    AfterValidator(checked_mention),
    expects(
        '"@here", "@channel", "started_by", a user\'s id such as "U0123456789" or a user'
        ' group\'s such as "S0123456789"'
    ),
]
Template = Annotated[
    str,
    AfterValidator(checked_template),
    expects(f"a text of 1 to {TEMPLATE_LIMIT} characters that are not all blank"),
]
Frozen = AfterValidator(frozen)
"""For a table whose keys are the user's own."""
