"""Reads one value of the configuration, of any type; raises ValueError for mistakes.

The types in `values` have the sentences for mistakes: an error here has a text only where
there is more to say than what the type expects.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Mapping, Sized
from datetime import datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from monitor import files

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Sized)

# In characters.
_LINE_LIMIT = 200
_ID_LIMIT = 200
_CHANNEL_LIMIT = 100
_SHOWN_LIMIT = 80
TEMPLATE_LIMIT = 500

_MOST_ENTRIES = 10
"""For a table whose entries all have to fit into a message."""

_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,5})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?"
    r"(?:(?P<seconds>[0-9]{1,9})s)?(?:(?P<milliseconds>[0-9]{1,9})ms)?"
)
# Python may not be able to represent a date further away than this.
_LONGEST_DURATION = timedelta(days=36_500)
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


def shown(value: object) -> str:
    """Write a value for an error message: short, on one line, nothing unprintable."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_LIMIT else f"{text[: _SHOWN_LIMIT - 3]}…"


def as_duration(value: object) -> timedelta:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("neither a text nor a duration")


def _is_one_word(text: str) -> bool:
    """Whether a text can be used in a header or a URL unchanged: printable ASCII, no spaces."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def checked_word(text: str) -> str:
    if not _is_one_word(text):
        raise ValueError("not one word")
    return text


def checked_line(text: str) -> str:
    if not text.isprintable() or not text.strip() or len(text) > _LINE_LIMIT:
        raise ValueError("not a line of text")
    return text


def checked_id(text: str) -> str:
    if not _is_one_word(text) or len(text) > _ID_LIMIT or text == "." or ".." in text:
        raise ValueError("not an id")
    if any(sign in text for sign in "/?#"):
        raise ValueError("would change the path of a request")
    return text


def checked_branch(text: str) -> str:
    for part in text.split("/", maxsplit=1):
        checked_id(part)
    return text


def checked_template(text: str) -> str:
    if not text.strip() or len(text) > TEMPLATE_LIMIT:
        raise ValueError("blank or too long")
    return text


def checked_mention(text: str) -> str:
    if not re.fullmatch(r"@here|@channel|started_by|[UWS][A-Z0-9]{8,20}", text):
        raise ValueError("nobody")
    return text


def as_patterns(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return value
    raise ValueError(
        f'expected a pattern such as "checkout-*", or a list of them, found {shown(value)}'
    )


def checked_true(value: object) -> object:
    if value is not True:
        raise ValueError("not true")
    return value


def as_time_of_day(value: object) -> time:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{2}:[0-9]{2}", value):
        return time.fromisoformat(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError("not a time of day")


def as_time_or_date(value: object) -> time | datetime:
    # Where there are texts only, as in a variable, a date and time is one too.
    if isinstance(value, str) and re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", value):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return as_time_of_day(value)
    if not 1970 <= value.year <= 9000:
        raise ValueError("may not exist in another zone")
    return value


def as_zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (ValueError, LookupError, OSError):
        pass  # raised below, without the text of the operating system
    known = [name for name in available_timezones() if "/" in name]
    nearest = difflib.get_close_matches(str(value), known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise ValueError(
        f'expected a time zone such as "Europe/Berlin" or "UTC", found {shown(value)}{hint}'
    )


def checked_some(values: S) -> S:
    if not values:
        raise ValueError("expected at least one")
    return values


def checked_few(values: S) -> S:
    if len(values) > _MOST_ENTRIES:
        raise ValueError(f"expected at most {_MOST_ENTRIES}, found {len(values)}")
    return values


def frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


def checked_channel(text: str) -> str:
    if not text.isprintable() or text.strip("#") == "" or " " in text or len(text) > _CHANNEL_LIMIT:
        raise ValueError("not a channel")
    return text


def split_web_url(text: str) -> SplitResult:
    """Parse an http or https URL; raises ValueError for anything else."""
    parts = urlsplit(text)
    if not _is_one_word(text) or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http or https URL with a host")
    if parts.port == 0:  # reading it also raises ValueError for what is no port at all
        raise ValueError("not a port")
    return parts


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def checked_web_url(text: str) -> str:
    split_web_url(text)
    return text


def checked_base_url(text: str) -> str:
    parts = split_web_url(text)
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("more than a base URL")
    return text.rstrip("/")


def checked_file(path: Path) -> Path:
    try:
        files.read(path, limit=files.DOCUMENT_LIMIT)
    except OSError as error:
        raise ValueError("not a readable file") from error
    return path


def checked_store_url(text: str) -> str:
    if not re.fullmatch(r"sqlite:///[^?#]+", text) or text == "sqlite:///:memory:":
        raise ValueError("not a database file")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port`, an IPv6 address being in brackets; raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65_535:
        raise ValueError("not host:port")
    return match[1] or match[2], int(match[3])


def checked_listen(text: str) -> str:
    if text:
        split_address(text)
    return text
