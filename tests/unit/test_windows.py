"""When quiet windows are open: nights, weekends, and the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.compose.phrases import clock_words
from monitor.decide.windows import (
    EVERY_DAY,
    Once,
    Span,
    Then,
    Weekly,
    Window,
    hold_at,
    instant,
)
from tests.support.builders import fixed
from tests.support.clock import NOON

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
MOMENT = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(begins: str, ends: str, *days: int, zone: ZoneInfo = BERLIN) -> Weekly:
    return Weekly(
        time.fromisoformat(begins), time.fromisoformat(ends), frozenset(days) or EVERY_DAY, zone
    )


# In Berlin the clocks show one hour more than UTC in winter, two hours more in summer. They
# went from 02:00 to 03:00 on 2026-03-29, and go back from 03:00 to 02:00 on 2026-10-25.
NIGHT = weekly("22:00", "07:00")

OPEN: dict[str, tuple[Weekly, str, str, str]] = {
    "a night begins in the evening": (
        NIGHT, "2026-01-05 21:00", "2026-01-05 21:00", "2026-01-06 06:00"
    ),
    "a night lasts over midnight": (
        NIGHT, "2026-01-06 05:59", "2026-01-05 21:00", "2026-01-06 06:00"
    ),
    "a night lasts over the end of the year": (
        NIGHT, "2026-12-31 23:30", "2026-12-31 21:00", "2027-01-01 06:00"
    ),
    "a night leads into a leap day": (
        NIGHT, "2028-02-28 23:30", "2028-02-28 21:00", "2028-02-29 06:00"
    ),
    "a night leads out of a leap day": (
        NIGHT, "2028-02-29 23:30", "2028-02-29 21:00", "2028-03-01 06:00"
    ),
    "the night in which the clocks go forward is an hour shorter": (
        NIGHT, "2026-03-29 00:00", "2026-03-28 21:00", "2026-03-29 05:00"
    ),
    "the night in which the clocks go back is an hour longer": (
        NIGHT, "2026-10-25 00:00", "2026-10-24 20:00", "2026-10-25 06:00"
    ),
    "a night belongs to the day on which it begins": (
        weekly("22:00", "07:00", FRI), "2026-01-10 03:00", "2026-01-09 21:00", "2026-01-10 06:00"
    ),
    "what is open until a time that is skipped ends when it is skipped": (
        weekly("22:00", "02:30"), "2026-03-29 00:45", "2026-03-28 21:00", "2026-03-29 01:00"
    ),
    "what opens at a time that is skipped opens when it is skipped": (
        weekly("02:30", "03:15"), "2026-03-29 01:05", "2026-03-29 01:00", "2026-03-29 01:15"
    ),
    "what is open until a time that comes twice ends when it comes first": (
        weekly("22:00", "02:30"), "2026-10-25 00:15", "2026-10-24 20:00", "2026-10-25 00:30"
    ),
    "what opens at a time that comes twice opens when it comes first": (
        weekly("02:30", "03:30"), "2026-10-25 01:00", "2026-10-25 00:30", "2026-10-25 02:30"
    ),
    "a weekend of whole days is one": (
        weekly("00:00", "00:00", SAT, SUN), "2026-01-10 12:00", "2026-01-09 23:00",
        "2026-01-11 23:00",
    ),
    "a weekend from evening to evening is one": (
        weekly("18:00", "18:00", FRI, SAT, SUN), "2026-01-11 12:00", "2026-01-09 17:00",
        "2026-01-12 17:00",
    ),
    "days on both sides of a Sunday are one": (
        weekly("00:00", "00:00", MON, SUN), "2026-01-12 12:00", "2026-01-10 23:00",
        "2026-01-12 23:00",
    ),
    "a whole day on which the clocks go back has twenty-five hours": (
        weekly("00:00", "00:00", SUN), "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"
    ),
    "what would never close ends each day": (
        weekly("09:00", "09:00"), "2026-01-05 08:00", "2026-01-05 08:00", "2026-01-06 08:00"
    ),
    "all days but one are one span": (
        weekly("09:00", "09:00", MON, TUE, WED, THU, FRI, SAT), "2026-01-08 12:00",
        "2026-01-05 08:00", "2026-01-11 08:00",
    ),
    "what opens at midnight stays open when it is the evening before once more": (
        weekly("00:00", "06:00", SUN, zone=ZoneInfo("America/St_Johns")), "2010-11-07 02:40",
        "2010-11-07 02:30", "2010-11-07 09:30",
    ),
    "a lunch break is over on the same day": (
        weekly("12:00", "13:00", zone=NEW_YORK), "2026-07-01 16:30", "2026-07-01 16:00",
        "2026-07-01 17:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("window", "now", "begins", "ends"), OPEN.values(), ids=OPEN)
def test_a_window_is_open_from_and_until(window: Weekly, now: str, begins: str, ends: str) -> None:
    assert window.span_at(at(now)) == Span(at(begins), at(ends))


CLOSED: dict[str, tuple[Weekly, str]] = {
    "a night has not begun a moment before": (NIGHT, "2026-01-05 20:59:59.999999"),
    "a night is over at its end": (NIGHT, "2026-01-06 06:00"),
    "there is none on a day that is not named": (
        weekly("22:00", "07:00", FRI), "2026-01-08 22:00"
    ),
    "the morning of a named day is not yet its night": (
        weekly("22:00", "07:00", FRI), "2026-01-09 03:00"
    ),
    "what lies within the hour that is skipped does not take place": (
        weekly("02:10", "02:40"), "2026-03-29 01:00"
    ),
    "what is over does not begin again when the clocks go back": (
        weekly("22:00", "02:30"), "2026-10-25 01:15"
    ),
    "all of a week but one day leaves that day": (
        weekly("00:00", "00:00", MON, TUE, WED, THU, FRI, SAT), "2026-01-11 12:00"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("window", "now"), CLOSED.values(), ids=CLOSED)
def test_a_window_is_closed_when(window: Weekly, now: str) -> None:
    assert window.span_at(at(now)) is None


def test_a_window_for_once_is_open_from_its_beginning_until_its_end() -> None:
    window = Window(Once(NOON.astimezone(BERLIN), NOON + timedelta(hours=1), BERLIN))

    assert window.opened_at(NOON) == NOON
    assert window.ends_at(NOON) == NOON + timedelta(hours=1)
    assert not window.is_open(NOON - MOMENT)
    assert not window.is_open(NOON + timedelta(hours=1))


# Any window, at any time

CHANGES: tuple[tuple[str, str], ...] = (
    ("Europe/Berlin", "2026-03-29 01:00"),
    ("Europe/Berlin", "2026-10-25 01:00"),
    ("America/New_York", "2026-03-08 07:00"),
    ("America/New_York", "2026-11-01 06:00"),
    ("Australia/Lord_Howe", "2026-04-04 15:00"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ("America/St_Johns", "2010-03-14 03:31"),  # a minute after midnight
    ("America/St_Johns", "2010-11-07 02:31"),
    ("America/Sao_Paulo", "2018-02-18 02:00"),  # at midnight
    ("America/Sao_Paulo", "2018-11-04 03:00"),
    ("Pacific/Apia", "2011-12-30 10:00"),  # a whole day is skipped
    ("Asia/Kathmandu", "2026-06-01 00:00"),  # no change at all
    ("UTC", "2028-02-29 12:00"),
)
CLOCK_TIMES = st.one_of(
    st.times().map(lambda found: found.replace(second=0, microsecond=0)),
    st.sampled_from([time(hour, minute) for hour in (0, 1, 2, 3, 23) for minute in (0, 1, 30)]),
)
DAYS = st.frozensets(st.integers(0, 6), min_size=1)
AROUND = st.timedeltas(timedelta(days=-3), timedelta(days=3))


@st.composite
def windows_and_times(draw: st.DrawFn) -> tuple[Weekly, datetime]:
    zone, change = draw(st.sampled_from(CHANGES))
    window = Weekly(draw(CLOCK_TIMES), draw(CLOCK_TIMES), draw(DAYS), ZoneInfo(zone))
    return window, at(change) + draw(AROUND)


def goes_back_near(zone: ZoneInfo, now: datetime) -> bool:
    before, after = ((now + sign * timedelta(hours=30)).astimezone(zone) for sign in (-1, 1))
    return before.replace(tzinfo=None) + timedelta(hours=60) > after.replace(tzinfo=None)


def is_open_by_the_clock(window: Weekly, local: datetime) -> bool:
    """Read it off a clock on the wall, as a person would."""
    clock, today = local.time(), local.weekday() in window.days
    yesterday = (local.weekday() - 1) % 7 in window.days
    if window.begins < window.ends:
        return today and window.begins <= clock < window.ends
    return (today and clock >= window.begins) or (yesterday and clock < window.ends)


@fixed(250)
@given(windows_and_times())
def test_a_window_is_open_when_a_clock_on_the_wall_says_so(
    window_and_time: tuple[Weekly, datetime],
) -> None:
    window, now = window_and_time
    if goes_back_near(window.zone, now):
        return  # the same reading comes twice: the tables above say what then counts

    local = now.astimezone(window.zone).replace(tzinfo=None)

    assert Window(window).is_open(now) == is_open_by_the_clock(window, local)


@fixed(250)
@given(windows_and_times(), st.floats(0, 1, exclude_max=True))
def test_a_window_is_open_all_the_time_from_its_beginning_to_its_end(
    window_and_time: tuple[Weekly, datetime], part: float
) -> None:
    when, now = window_and_time
    window = Window(when)
    opened_at, ends_at = window.opened_at(now), window.ends_at(now)
    assert window.is_open(now) == (opened_at is not None) == (ends_at is not None)
    if opened_at is None or ends_at is None:
        return

    # Next to its end, a part of it is rounded to the end, which is outside.
    last = ends_at - timedelta(microseconds=1)
    between = min(opened_at + (ends_at - opened_at) * part, last)

    assert opened_at <= now < ends_at
    assert (window.opened_at(between), window.ends_at(between)) == (opened_at, ends_at)


@fixed(250)
@given(windows_and_times())
def test_the_end_of_a_window_is_the_first_instant_at_which_it_is_closed(
    window_and_time: tuple[Weekly, datetime],
) -> None:
    when, now = window_and_time
    window = Window(when)
    opened_at, ends_at = window.opened_at(now), window.ends_at(now)
    if opened_at is None or ends_at is None:
        return
    would_never_close = when.begins == when.ends and when.days == EVERY_DAY

    assert window.is_open(ends_at - MOMENT)
    assert window.is_open(opened_at - MOMENT) == would_never_close
    assert window.is_open(ends_at) == would_never_close


@fixed(250)
@given(st.sampled_from(CHANGES), AROUND)
def test_a_local_time_is_when_the_clocks_first_show_it_or_a_later_one(
    change: tuple[str, str], context: timedelta
) -> None:
    zone = ZoneInfo(change[0])
    local = (at(change[1]) + context).astimezone(zone).replace(tzinfo=None)
    # A time as read, and one beside it, which may be none that the clocks ever show.
    for asked in (local, local + timedelta(minutes=59)):
        found = instant(asked, zone)
        before = [found - timedelta(minutes=minutes) for minutes in range(1, 200, 10)]

        assert found.astimezone(zone).replace(tzinfo=None) >= asked
        assert all(
            earlier.astimezone(zone).replace(tzinfo=None) < asked
            for earlier in (found - MOMENT, *before)
        )


@fixed(200)
@given(st.sampled_from(CHANGES), AROUND, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_an_earlier_local_time_is_no_later_instant(
    change: tuple[str, str], context: timedelta, later: timedelta
) -> None:
    zone = ZoneInfo(change[0])
    local = (at(change[1]) + context).replace(tzinfo=None)

    assert instant(local, zone) <= instant(local + later, zone)


def test_a_time_of_a_day_that_was_skipped_is_when_it_was_skipped() -> None:
    noon = datetime.fromisoformat("2011-12-30 12:00")

    assert instant(noon, ZoneInfo("Pacific/Apia")) == at("2011-12-30 10:00")


# Several windows


def hours(begins: float, ends: float, name: str = "", then: Then = Then.SUMMARY) -> Window:
    return Window(
        Once(NOON + timedelta(hours=begins), NOON + timedelta(hours=ends)), name, then=then
    )


def test_nothing_is_held_while_all_windows_are_closed() -> None:
    assert hold_at((hours(-2, -1), hours(1, 2)), NOON) is None


def test_of_two_windows_the_longer_one_holds() -> None:
    short, long = hours(-1, 1), hours(-1, 3)

    hold = hold_at((short, long), NOON)

    assert hold is not None
    assert (hold.windows, hold.until) == ((long,), NOON + timedelta(hours=3))


def test_windows_that_follow_one_another_hold_until_the_last_is_over() -> None:
    first, second, later = hours(-1, 1), hours(1, 3), hours(4, 5)

    hold = hold_at((later, second, first), NOON)

    assert hold is not None
    assert (hold.windows, hold.until) == ((first, second), NOON + timedelta(hours=3))


def test_windows_that_together_never_close_do_not_hold_for_ever() -> None:
    day = Window(weekly("07:00", "22:00"))

    hold = hold_at((day, Window(NIGHT)), NOON)

    assert hold is not None
    assert NOON < hold.until <= NOON + timedelta(days=1)


@pytest.mark.parametrize(
    ("windows", "then"),
    [
        ((hours(-1, 1, then=Then.DROP),), Then.DROP),
        ((hours(-1, 1), hours(-1, 2, then=Then.DROP)), Then.SUMMARY),
        ((hours(-1, 1, then=Then.DROP), hours(0.5, 2)), Then.DROP),
    ],
    ids=["one that drops", "one that drops beside one that tells", "one that tells comes later"],
)
def test_it_is_dropped_only_where_no_open_window_promises_to_tell(
    windows: tuple[Window, ...], then: Then
) -> None:
    hold = hold_at(windows, NOON)

    assert hold is not None
    assert hold.then is then


@pytest.mark.parametrize(
    ("to_come", "zone", "words"),
    [
        (timedelta(hours=6), BERLIN, "19:00 Europe/Berlin"),
        (timedelta(hours=20), BERLIN, "09:00 Europe/Berlin"),
        (timedelta(days=1), NEW_YORK, "2025-12-02 07:00 America/New_York"),
    ],
)
def test_a_coming_time_is_said_in_the_time_of_its_zone(
    to_come: timedelta, zone: ZoneInfo, words: str
) -> None:
    assert clock_words(NOON + to_come, NOON, zone) == words
