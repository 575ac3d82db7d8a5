"""What people type: moments, durations, and pairs such as `install=acme-*`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from monitor.text import plain

_SHOWN = 100


class Moment(click.ParamType[datetime]):
    """A date and time: of the zone that is named, else of the machine's own; aware and UTC."""

    name = "moment"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return _moment(value.strip())
        except (ValueError, LookupError, OverflowError, OSError):
            self.fail(
                f"{plain(value, _SHOWN)} is no date and time such as 2026-12-24T18:00,"
                ' 2026-12-24T18:00+01:00 or "2026-12-24 18:00 Europe/Berlin"',
                param,
                ctx,
            )


def _moment(text: str) -> datetime:
    from zoneinfo import ZoneInfo

    from monitor.decide.windows import instant

    local, _, zone = text.rpartition(" ")
    if zone[:1].isalpha():
        return instant(_naive(local), ZoneInfo(zone))
    return datetime.fromisoformat(text).astimezone(UTC)


def _naive(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError("two zones")
    return found


class Span(click.ParamType[timedelta]):
    """A duration as the configuration has them."""

    name = "duration"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        from monitor.config import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError:
            cleaned = plain(value, _SHOWN)
            self.fail(f"{cleaned} is no duration such as 90s, 30m, 2h, 1h30m or 7d", param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """Two words with an equals sign between them, neither of them empty."""

    name = "pair"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, _, word = (part.strip() for part in value.partition("="))
        if not key or not word:
            example = getattr(param, "metavar", "key=word")
            self.fail(f"{plain(value, _SHOWN)} is not of the form {example}", param, ctx)
        return key, word
