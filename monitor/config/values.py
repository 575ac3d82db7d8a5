"""What stands behind a key: durations, ids, addresses, secrets, each with its own sentence.

A type here reads one value and refuses whatever else is written there. What is wrong between
two keys is for `mistakes`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sized
from datetime import datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from monitor.model import EventKind

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Sized)

_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[_Day, ...] = get_args(_Day)
"""In the order of `date.weekday`."""

_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,5})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?"
    r"(?:(?P<seconds>[0-9]{1,9})s)?(?:(?P<milliseconds>[0-9]{1,9})ms)?"
)
# A date further away than this may not exist any more for Python.
_LONGEST_DURATION = timedelta(days=36_500)
_LONGEST_TEMPLATE = 500
_MOST = 10
_UNITS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("m", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", timedelta(milliseconds=1)),
)


def parse_duration(text: str) -> timedelta:
    """Read a duration as people write it: `250ms`, `15s`, `5m`, `1h30m`, `7d`.

    Raises ValueError for anything else, for zero and for more than 36500d.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration")
    duration = timedelta(**{unit: int(number or 0) for unit, number in match.groupdict().items()})
    if not timedelta(0) < duration <= _LONGEST_DURATION:
        raise ValueError("not a positive duration of at most 36500d")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads it; less than a millisecond is left out."""
    parts = []
    for unit, size in _UNITS:
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def expects(phrase: str, *, hides_value: bool = False) -> WrapValidator:
    """Refuse whatever the type refuses with one sentence of ours.

    pydantic's own sentences speak to programmers, and may quote a secret.
    """

    def validate(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValueError:
            pass  # raised below, so that the refused value is not in the new error's context
        raise ValueError(f"expected {phrase}" + ("" if hides_value else f", found {shown(value)}"))

    return WrapValidator(validate)


def shown(value: object) -> str:
    """Write a value as a message can bear it: short, on one line, nothing unprintable."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def one_of(words: Iterable[str]) -> str:
    """Write a choice for a sentence of `expects`: `"a", "b" or "c"`."""
    *others, last = (f'"{word}"' for word in words)
    return f"{', '.join(others)} or {last}"


def _as_duration(value: object) -> timedelta:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("neither a text nor a duration")


def _is_one_word(text: str) -> bool:
    """Tell whether a text can stand in a header or a URL as it is: printable ASCII, no spaces."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def _checked_word(text: str) -> str:
    if not _is_one_word(text):
        raise ValueError("not one word")
    return text


def _checked_line(text: str) -> str:
    if not text.isprintable() or not text.strip() or len(text) > 200:
        raise ValueError("not a line of text")
    return text


def _checked_id(text: str) -> str:
    if not _is_one_word(text) or len(text) > 200 or text == "." or ".." in text:
        raise ValueError("not an id")
    if any(sign in text for sign in "/?#"):
        raise ValueError("would change the path of a request")
    return text


def _checked_branch(text: str) -> str:
    for part in text.split("/", maxsplit=1):
        _checked_id(part)
    return text


def _checked_template(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_TEMPLATE:
        raise ValueError("blank or too long")
    return text


def _checked_mention(text: str) -> str:
    if not re.fullmatch(r"@here|@channel|started_by|[UWS][A-Z0-9]{8,20}", text):
        raise ValueError("nobody")
    return text


def _as_patterns(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return value
    raise ValueError(
        f'expected a pattern such as "checkout-*", or a list of them, found {shown(value)}'
    )


def _checked_true(value: object) -> object:
    if value is not True:
        raise ValueError("not true")
    return value


def _as_time_of_day(value: object) -> time:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{2}:[0-9]{2}", value):
        return time.fromisoformat(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError("not a time of day")


def _as_time_or_date(value: object) -> time | datetime:
    # Where there are texts only, as in a variable, a date and time is one too.
    if isinstance(value, str) and re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", value):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return _as_time_of_day(value)
    if not 1970 <= value.year <= 9000:
        raise ValueError("may not exist in another zone")
    return value


def _as_zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (ValueError, LookupError, OSError):
        pass  # raised below, without what the operating system said
    known = [name for name in available_timezones() if "/" in name]
    nearest = difflib.get_close_matches(str(value), known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise ValueError(
        f'expected a time zone such as "Europe/Berlin" or "UTC", found {shown(value)}{hint}'
    )


def _checked_some(values: S) -> S:
    if not values:
        raise ValueError("expected at least one")
    return values


def _checked_few(values: S) -> S:
    if len(values) > _MOST:
        raise ValueError(f"expected at most {_MOST}, found {len(values)}")
    return values


def _frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


def _checked_channel(text: str) -> str:
    if not text.isprintable() or text.strip("#") == "" or " " in text or len(text) > 100:
        raise ValueError("not a channel")
    return text


def split_web_url(text: str) -> SplitResult:
    """Take an http or https URL apart; raises ValueError for what is none."""
    parts = urlsplit(text)
    if not _is_one_word(text) or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http or https URL with a host")
    if parts.port == 0:  # reading it also raises ValueError for what is no port at all
        raise ValueError("not a port")
    return parts


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _checked_web_url(text: str) -> str:
    split_web_url(text)
    return text


def _checked_base_url(text: str) -> str:
    parts = split_web_url(text)
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("more than a base URL")
    return text.rstrip("/")


def _checked_file(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError("not a readable file") from error
    return path


def _checked_store_url(text: str) -> str:
    if not re.fullmatch(r"sqlite:///[^?#]+", text) or text == "sqlite:///:memory:":
        raise ValueError("not a database file")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port`, an IPv6 address being in brackets; raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65_535:
        raise ValueError("not host:port")
    return match[1] or match[2], int(match[3])


def _checked_listen(text: str) -> str:
    if text:
        split_address(text)
    return text


def _for_secret(check: Callable[[str], str]) -> AfterValidator:
    def validate(secret: SecretStr) -> SecretStr:
        check(secret.get_secret_value())
        return secret

    return AfterValidator(validate)


Duration = Annotated[
    timedelta,
    BeforeValidator(_as_duration),
    expects('a duration such as "250ms", "15s", "5m", "1h30m" or "7d"'),
]
Id = Annotated[
    str,
    AfterValidator(_checked_id),
    expects('an id, up to 200 signs without spaces, "/", "?", "#" and ".."'),
]
Line = Annotated[str, AfterValidator(_checked_line), expects("a line of text in quotes")]
Channel = Annotated[
    str,
    AfterValidator(_checked_channel),
    expects('a channel such as "#releases" or "C0123456789"'),
]
Count = Annotated[int, Field(strict=True, ge=1), expects("a whole number, at least 1")]
BaseUrl = Annotated[
    str,
    AfterValidator(_checked_base_url),
    expects(
        "an http or https URL with a host, without a user, password or query", hides_value=True
    ),
]
Token = Annotated[
    SecretStr,
    _for_secret(_checked_word),
    expects("a token without spaces and line breaks", hides_value=True),
]
SecretUrl = Annotated[
    SecretStr,
    _for_secret(_checked_web_url),
    expects("an http or https URL with a host", hides_value=True),
]
SecretFile = Annotated[Path, expects("the path of a file in quotes")]
ReadableFile = Annotated[
    Path, AfterValidator(_checked_file), expects("the path of a readable file")
]
StoreUrl = Annotated[
    str,
    AfterValidator(_checked_store_url),
    expects('a database file such as "sqlite:///nuon-monitor.db"', hides_value=True),
]
Listen = Annotated[
    str,
    AfterValidator(_checked_listen),
    expects('"host:port" such as "127.0.0.1:8080", or "" for none'),
]
BranchId = Annotated[
    str,
    AfterValidator(_checked_branch),
    expects(
        'the id of an app branch, up to 200 signs without spaces, "?", "#" and "..",'
        ' or those of its app and its own as in "app…/abr…"'
    ),
]
Yes = Annotated[Literal[True], BeforeValidator(_checked_true), expects("true, or no such key")]
Flag = Annotated[bool, Field(strict=True), expects("true or false")]
Pattern = Annotated[
    str,
    AfterValidator(_checked_line),
    expects('a pattern such as "checkout-*", in which * and ? stand for anything'),
]
"""A glob, compared without regard to case."""
Some = AfterValidator(_checked_some)
"""For a list or table that says nothing if it is empty."""
Few = AfterValidator(_checked_few)
"""For a table whose entries all have to fit into a message."""
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_as_patterns), Some]
"""Of which any may fit; a single one is written without a list."""
Event = Annotated[EventKind, expects(one_of(EventKind))]
Day = Annotated[_Day, expects(one_of(DAYS))]
TimeOfDay = Annotated[
    time, BeforeValidator(_as_time_of_day), expects('a time of day such as "22:00"')
]
TimeOrDate = Annotated[
    time | datetime,
    BeforeValidator(_as_time_or_date),
    expects('a time of day such as "22:00", or a date and time such as 2026-12-24T18:00:00Z'),
]
Zone = Annotated[ZoneInfo, BeforeValidator(_as_zone)]
Mention = Annotated[
    str,
    AfterValidator(_checked_mention),
    expects(
        '"@here", "@channel", "started_by", a user\'s id such as "U0123456789" or a user'
        ' group\'s such as "S0123456789"'
    ),
]
Template = Annotated[
    str,
    AfterValidator(_checked_template),
    expects(f"a text of 1 to {_LONGEST_TEMPLATE} characters that are not all blank"),
]
Frozen = AfterValidator(_frozen)
"""For a table whose keys are the user's own."""
