"""What the monitor itself can see: when it says that it is blind, and when it sees again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from monitor.decide.flapping import FlappingRules
from monitor.decide.reachability import PLATFORM, Reachability, ReachabilityChange, scope_of
from monitor.errors import (
    MalformedAnswer,
    NuonError,
    NuonNotFound,
    NuonRejected,
    NuonUnavailable,
    Unserved,
)
from monitor.model import EventKind, Outage, Target
from tests.support.builders import after
from tests.support.clock import NOON

ONE, OTHER = Target("release", "rel1"), Target("release", "rel2")
DOWN = NuonUnavailable("the platform answers 503")
REMOVED = NuonNotFound("release not found")
BROKEN = MalformedAnswer("no id")


def reachability(told: dict[str, Outage] | None = None) -> Reachability:
    return Reachability(unreachable_after=timedelta(minutes=2), reported=told or {})


def failing(
    seer: Reachability, target: Target, times: int, error: NuonError = DOWN
) -> list[ReachabilityChange | None]:
    return [fail(seer, target, error, after(number)) for number in range(times)]


def fail(
    seer: Reachability, target: Target, error: NuonError, now: datetime
) -> ReachabilityChange | None:
    """Let a poll fail, and what is to be told of it be kept."""
    news = seer.failed(target, error, now)
    if news is not None:
        seer.adopt(news, now)
    return news


def succeed(
    seer: Reachability, target: Target, now: datetime = NOON
) -> tuple[ReachabilityChange, ...]:
    """Let a poll come through, and what is to be told of it be kept."""
    again = seer.succeeded(target, now)
    for news in again:
        seer.adopt(news, now)
    return again


def test_a_few_failures_are_not_told() -> None:
    assert failing(reachability(), ONE, 2) == [None, None]


def test_one_failure_proves_nothing_however_short_the_patience() -> None:
    seer = Reachability(unreachable_after=timedelta(milliseconds=1), reported={})

    assert fail(seer, ONE, DOWN, NOON) is None
    assert fail(seer, ONE, DOWN, after(1)) is not None


def test_it_knows_how_much_longer_polls_must_fail_to_be_told() -> None:
    seer = reachability()

    assert seer.unreported_for(ONE, NOON) is None
    fail(seer, ONE, DOWN, NOON)
    assert seer.unreported_for(ONE, after(1)) == timedelta(minutes=1)
    assert seer.unreported_for(ONE, after(2)) is None


def test_a_platform_that_nobody_sees_is_told_once_with_the_time_it_began() -> None:
    news = ReachabilityChange(EventKind.UNREACHABLE, None, NOON, "the platform answers 503")

    assert failing(reachability(), ONE, 5) == [None, None, news, None, None]


def test_a_platform_that_nobody_sees_is_told_once_for_all_watches() -> None:
    seer = reachability()
    failing(seer, ONE, 3)

    assert failing(seer, OTHER, 5) == [None] * 5


def test_a_refused_token_is_told_of_the_platform() -> None:
    (*_, news) = failing(reachability(), ONE, 3, NuonRejected("the token is refused"))

    assert news == ReachabilityChange(EventKind.UNREACHABLE, None, NOON, "the token is refused")


def test_an_answer_from_before_an_outage_does_not_make_the_outage_one_watch_s_own() -> None:
    seer = reachability()
    seer.asks(OTHER)
    fail(seer, ONE, DOWN, NOON)
    succeed(seer, OTHER)

    *_, news = failing(seer, ONE, 3)

    assert news == ReachabilityChange(EventKind.UNREACHABLE, None, NOON, "the platform answers 503")


def test_what_ails_one_watch_while_others_come_through_is_told_of_that_one() -> None:
    seer = reachability()
    fail(seer, ONE, DOWN, NOON)
    succeed(seer, OTHER)

    assert fail(seer, ONE, DOWN, after(1)) is None
    assert fail(seer, ONE, DOWN, after(2)) == ReachabilityChange(
        EventKind.UNREACHABLE, ONE, NOON, "the platform answers 503"
    )


def test_a_success_before_the_failures_says_nothing_about_the_platform() -> None:
    seer = reachability()
    succeed(seer, OTHER)

    (*_, news) = failing(seer, ONE, 3)

    assert news is not None
    assert news.target is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (REMOVED, EventKind.REMOVED),
        (BROKEN, EventKind.UNREACHABLE),
        (NuonRejected("no such path", unserved=Unserved.ROUTE), EventKind.UNREACHABLE),
        (NuonRejected("not turned on", unserved=Unserved.FEATURE), EventKind.UNREACHABLE),
    ],
)
def test_an_answer_about_one_watch_is_told_of_that_one(error: NuonError, kind: EventKind) -> None:
    assert failing(reachability(), ONE, 5, error)[2:] == [
        ReachabilityChange(kind, ONE, NOON, str(error)),
        None,
        None,
    ]


def test_what_was_unreachable_and_is_now_gone_is_told_to_be_gone() -> None:
    seer = reachability()
    failing(seer, ONE, 3, BROKEN)

    assert fail(seer, ONE, REMOVED, after(9)) == ReachabilityChange(
        EventKind.REMOVED, ONE, NOON, str(REMOVED)
    )
    assert failing(seer, ONE, 3, REMOVED) == [None] * 3


def test_what_is_gone_is_not_told_to_be_unreachable() -> None:
    seer = reachability()
    failing(seer, ONE, 3, REMOVED)

    assert failing(seer, ONE, 3, BROKEN) == [None] * 3


def test_one_success_ends_a_row_of_failures() -> None:
    seer = reachability()
    failing(seer, ONE, 2)
    succeed(seer, ONE)

    assert failing(seer, ONE, 2) == [None, None]
    assert seer.failures_of(ONE) == 2


def test_a_success_that_follows_few_failures_is_not_told() -> None:
    seer = reachability()
    failing(seer, ONE, 2)

    assert succeed(seer, ONE) == ()


def test_a_platform_that_is_seen_again_is_told_once_with_the_gap() -> None:
    seer = reachability()
    failing(seer, ONE, 3)

    assert succeed(seer, OTHER) == (
        ReachabilityChange(EventKind.REACHABLE, None, NOON, "the platform answers 503"),
    )
    assert succeed(seer, ONE) == ()


def test_a_watch_that_is_seen_again_is_told_once() -> None:
    seer = reachability()
    failing(seer, ONE, 3, BROKEN)

    assert succeed(seer, OTHER) == ()
    assert succeed(seer, ONE) == (ReachabilityChange(EventKind.REACHABLE, ONE, NOON, "no id"),)
    assert succeed(seer, ONE) == ()


def test_blindness_that_comes_back_is_told_again() -> None:
    seer = reachability()
    failing(seer, ONE, 3)
    succeed(seer, ONE)

    assert [news is not None for news in failing(seer, ONE, 3)] == [False, False, True]


def test_a_watch_that_stays_blind_when_the_platform_is_back_is_told() -> None:
    seer = reachability()
    failing(seer, ONE, 3)
    succeed(seer, OTHER)

    news = fail(seer, ONE, DOWN, after(9))

    assert news == ReachabilityChange(EventKind.UNREACHABLE, ONE, NOON, "the platform answers 503")


def test_what_an_earlier_run_told_is_not_told_again() -> None:
    told = {
        PLATFORM: Outage(EventKind.UNREACHABLE, NOON, "down"),
        scope_of(OTHER): Outage(EventKind.REMOVED, NOON, "not found"),
    }
    seer = reachability(told)

    assert failing(seer, ONE, 5) == [None] * 5
    assert failing(seer, OTHER, 5, REMOVED) == [None] * 5


def test_what_an_earlier_run_told_ends_with_the_first_success() -> None:
    seer = reachability({PLATFORM: Outage(EventKind.UNREACHABLE, NOON, "down")})

    assert succeed(seer, ONE) == (ReachabilityChange(EventKind.REACHABLE, None, NOON, "down"),)


def test_it_knows_what_it_cannot_see() -> None:
    seer = reachability()
    failing(seer, ONE, 3, BROKEN)

    assert seer.outage_of(ONE) == Outage(EventKind.UNREACHABLE, NOON, "no id")
    assert seer.outage_of(OTHER) is None
    assert seer.platform_outage is None


@pytest.mark.parametrize("error", [REMOVED, NuonRejected("off", unserved=Unserved.FEATURE)])
def test_that_there_is_no_such_thing_is_an_answer_all_the_same(error: NuonError) -> None:
    seer = reachability()
    failing(seer, ONE, 1, error)

    assert seer.has_seen


def test_an_address_that_may_be_something_else_s_is_told_of_the_platform() -> None:
    seer = reachability()

    (*_, news) = failing(seer, ONE, 3, NuonRejected("what?", unserved=Unserved.ADDRESS))

    assert news is not None
    assert news.target is None
    assert not seer.has_seen


def test_it_has_seen_nothing_before_the_first_success() -> None:
    seer = reachability()
    failing(seer, ONE, 1)

    assert not seer.has_seen
    succeed(seer, ONE)
    assert seer.has_seen


def test_blindness_that_could_not_be_kept_is_told_at_the_next_failure() -> None:
    seer = reachability()
    failing(seer, ONE, 2)

    assert seer.failed(ONE, DOWN, after(2)) is not None
    assert seer.platform_outage is None
    assert fail(seer, ONE, DOWN, after(4)) == ReachabilityChange(
        EventKind.UNREACHABLE, None, NOON, "the platform answers 503"
    )
    assert fail(seer, ONE, DOWN, after(5)) is None


def test_sight_that_could_not_be_kept_is_told_at_the_next_success() -> None:
    seer = reachability()
    failing(seer, ONE, 3)

    assert len(seer.succeeded(ONE, NOON)) == 1
    assert seer.platform_outage is not None
    assert len(succeed(seer, ONE)) == 1
    assert succeed(seer, ONE) == ()


# What comes and goes


def coming_and_going(
    seer: Reachability, times: range, *, every: float = 5, error: NuonError = DOWN
) -> list[ReachabilityChange]:
    """Let the platform be away for three minutes of each span; returns what is told."""
    told: list[ReachabilityChange] = []
    for number in times:
        begun = number * every
        news = [fail(seer, ONE, error, after(begun + minute)) for minute in range(3)]
        told += [one for one in news if one is not None]
        told += succeed(seer, ONE, after(begun + 3))
    return told


def kinds(told: list[ReachabilityChange]) -> list[str]:
    return [str(one.kind) for one in told]


@pytest.mark.parametrize("every", [4, 5, 10])
@pytest.mark.parametrize("error", [DOWN, REMOVED], ids=["unreachable", "removed"])
def test_what_comes_and_goes_is_told_once_until_it_stays(error: NuonError, every: float) -> None:
    seer = reachability()

    told = coming_and_going(seer, range(100), every=every, error=error)
    last_failed = 99 * every + 2
    assert succeed(seer, ONE, after(last_failed + 29)) == ()
    told += succeed(seer, ONE, after(last_failed + 30))
    assert succeed(seer, ONE, after(last_failed + 31)) == ()

    kind = "removed" if error is REMOVED else "unreachable"
    assert kinds(told) == [kind, "reachable"] * 3
    assert [one.flapping_since for one in told[:4]] == [None] * 4
    assert told[4].flapping_since == after(2)  # the first report
    assert told[5].flapping_since == told[4].since


def test_a_restart_counts_on_what_came_and_went() -> None:
    first = reachability()
    told = coming_and_going(first, range(2))
    reports = {PLATFORM: [after(2), after(3), after(7), after(8)]}

    second = Reachability(unreachable_after=timedelta(minutes=2), reported={}, reports=reports)
    told += coming_and_going(second, range(2, 10))

    assert kinds(told) == ["unreachable", "reachable"] * 2 + ["unreachable"]
    assert told[-1].flapping_since == after(2)


def test_after_a_restart_what_came_and_went_has_to_stay_for_the_whole_window() -> None:
    flapping = Outage(EventKind.UNREACHABLE, NOON, "503", is_flapping=True)
    seer = reachability({PLATFORM: flapping})

    assert succeed(seer, ONE, after(100)) == ()
    assert succeed(seer, ONE, after(129)) == ()
    assert kinds(list(succeed(seer, ONE, after(130)))) == ["reachable"]


def test_what_comes_and_goes_is_no_outage_at_the_moments_at_which_it_answers() -> None:
    flapping = Outage(EventKind.UNREACHABLE, NOON, "503", is_flapping=True)
    seer = reachability({PLATFORM: flapping})
    assert seer.present_outage(None) == flapping

    succeed(seer, ONE, after(1))
    assert seer.present_outage(None) is None
    assert seer.platform_outage == flapping

    fail(seer, ONE, DOWN, after(2))
    assert seer.present_outage(None) == flapping


def test_one_watch_that_cannot_be_reached_does_not_keep_the_platform_away() -> None:
    seer = reachability({PLATFORM: Outage(EventKind.UNREACHABLE, NOON, "503", is_flapping=True)})
    fail(seer, ONE, DOWN, after(0))
    told: list[ReachabilityChange] = []
    for minute in range(1, 32):
        told += succeed(seer, OTHER, after(minute))
        fail(seer, ONE, DOWN, after(minute))

    assert [one.target for one in told] == [None]


def test_what_comes_and_goes_rarely_is_told_each_time() -> None:
    seer = Reachability(
        unreachable_after=timedelta(minutes=2),
        reported={},
        flapping_rules=FlappingRules(after=3, window=timedelta(minutes=7)),
    )

    told = coming_and_going(seer, range(9))

    assert kinds(told) == ["unreachable", "reachable"] * 9
    assert not any(one.flapping_since for one in told)
