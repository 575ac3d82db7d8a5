"""Quiet windows: when events are held or dropped instead of being sent at once. Pure.

A weekly window is read off the wall clock of its zone. A local time that comes twice, because
the clocks go back, counts when it comes first; one that is skipped counts as the moment of the
skip. So an earlier local time never turns into a later instant.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from monitor.model import EventKind

_DAY = timedelta(days=1)
_UTC = ZoneInfo("UTC")
EVERY_DAY = frozenset(range(7))


class Then(StrEnum):
    """What to do with events in a window. Alerts still active at its end are sent either way."""

    SUMMARY = "summary"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `begins` on, up to but without `ends`; aware and UTC. It may be empty."""

    begins: datetime
    ends: datetime

    def holds(self, now: datetime) -> bool:
        return self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class Weekly:
    """From `begins` to `ends` by the clocks of `zone`, on each of `days` (Monday is 0).

    One that does not end after it begins ends the next day. Days that follow one another
    without a gap are one span; but what would never close ends each day and begins anew, for
    somebody waits for the summary.
    """

    begins: time
    ends: time
    days: frozenset[int] = EVERY_DAY
    zone: ZoneInfo = _UTC

    def span_at(self, now: datetime) -> Span | None:
        return _weekly_span(self, now)

    def on(self, day: date) -> Span | None:
        """Return the span that begins on this day of the zone, taken by itself."""
        if day.weekday() not in self.days:
            return None
        last_day = day if self.ends > self.begins else day + _DAY
        return Span(
            instant(datetime.combine(day, self.begins), self.zone),
            instant(datetime.combine(last_day, self.ends), self.zone),
        )


@lru_cache(maxsize=128)
def _weekly_span(weekly: Weekly, now: datetime) -> Span | None:
    """A poll asks this for each of its events, and zones are slow: hence the cache."""
    today = now.astimezone(weekly.zone).date()
    # Where clocks go back just after midnight it is yesterday again, and today's has begun.
    for day in (today - _DAY, today, today + _DAY):
        span = weekly.on(day)
        if span is not None and span.holds(now):
            return _prolonged(weekly, day, span)
    return None


def _prolonged(weekly: Weekly, day: date, span: Span) -> Span:
    if weekly.begins == weekly.ends and weekly.days == EVERY_DAY:
        return span
    begins, ends = span.begins, span.ends
    earlier, later = day - _DAY, day + _DAY
    while (before := weekly.on(earlier)) is not None and before.ends >= begins:
        begins, earlier = before.begins, earlier - _DAY
    while (after := weekly.on(later)) is not None and after.begins <= ends:
        ends, later = after.ends, later + _DAY
    return Span(begins, ends)


@dataclass(frozen=True, slots=True)
class Once:
    """From one instant to another, both aware; `zone` is in whose time people speak of it."""

    begins: datetime
    ends: datetime
    zone: ZoneInfo = _UTC

    def span_at(self, now: datetime) -> Span | None:
        span = Span(self.begins.astimezone(UTC), self.ends.astimezone(UTC))
        return span if span.holds(now) else None


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which `events` of `routes` (by name) are held or dropped; empty means all."""

    when: Weekly | Once
    name: str = ""
    routes: tuple[str, ...] = ()
    events: tuple[EventKind, ...] = ()
    then: Then = Then.SUMMARY

    def is_open(self, now: datetime) -> bool:
        return self.when.span_at(now) is not None

    def opened_at(self, now: datetime) -> datetime | None:
        """Return since when it is open; None while it is closed."""
        span = self.when.span_at(now)
        return span.begins if span else None

    def ends_at(self, now: datetime) -> datetime | None:
        """Return the first instant at which it is open no longer; None while it is closed."""
        span = self.when.span_at(now)
        return span.ends if span else None

    def is_for(self, event: EventKind, route: str) -> bool:
        """Whether it holds such an event of a route; "" is a watch's own channel."""
        is_its_route = not self.routes or route in self.routes
        return is_its_route and (not self.events or event in self.events)


@dataclass(frozen=True, slots=True)
class Hold:
    """The windows that hold something now, one after another, and when all are over."""

    windows: tuple[Window, ...]
    until: datetime
    then: Then


def hold_at(windows: Sequence[Window], now: datetime) -> Hold | None:
    """Return what the windows make of this moment; None while all are closed.

    A window that has opened by the end of another goes on from there. As many windows may
    together never close, there are no more turns than windows: held is not for ever.
    """
    holding: list[Window] = []
    until, then = now, Then.DROP
    for _ in windows:
        spans = [(window, span) for window in windows if (span := window.when.span_at(until))]
        if not spans:
            break
        if not holding and any(window.then is Then.SUMMARY for window, _ in spans):
            then = Then.SUMMARY  # what one window promises to tell, another does not drop
        window, span = max(spans, key=lambda found: found[1].ends)
        holding.append(window)
        until = span.ends
    return Hold(tuple(dict.fromkeys(holding)), until, then) if holding else None


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return, in UTC, when a zone's clocks first show a naive local time or a later one."""
    there = local.replace(tzinfo=zone, fold=0)
    found = there.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # Skipped: of its two readings, one is before the skip and one after it.
    seconds = range(int(there.replace(fold=1).timestamp()), int(found.timestamp()) + 1)
    skip = bisect_left(seconds, local, key=lambda second: _wall_clock(second, zone))
    return datetime.fromtimestamp(seconds[skip], UTC)


def _wall_clock(second: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(second, zone).replace(tzinfo=None)
