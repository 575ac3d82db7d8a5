"""Who is notified of an event, and why, in the words of `route test`; and where cards go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.cli.support.verdict_words import verdict_words
from monitor.decide.routing import card_destinations, route
from tests.support.clock import NOON
from tests.support.situations import SITUATIONS
from tests.support.situations.parts import (
    DEFAULT,
    FIVE,
    MIDNIGHT,
    NIGHT,
    ONCALL,
    PATIENT,
    Situation,
    of,
    of_all,
    outcome,
    silence,
    to,
)


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_who_is_told_and_why(situation: Situation) -> None:
    verdict = situation.verdict()

    assert (outcome(verdict), list(verdict_words(verdict, situation.at))) == (
        situation.notified,
        situation.why,
    )


# What goes along with a verdict


def test_a_destination_names_the_routes_that_lead_to_it() -> None:
    rules = (to("#ops", name="a", continues=True), to("#ops", name="b", continues=True))

    told = route(of("failed"), rules, default_destination=DEFAULT, now=NOON).recipients

    assert [(one.destination, one.routes) for one in told] == [("#ops", ("a", "b")), (DEFAULT, ())]


def test_what_waited_is_told_once_it_is_due() -> None:
    waiting = route(of("failed"), (PATIENT,), default_destination=DEFAULT, now=NOON).waiting[0]
    assert waiting.due is not None

    later = of("failed", age=waiting.due - NOON, notified_destinations=())
    told = route(later, (PATIENT,), default_destination=DEFAULT, now=waiting.due).recipients

    assert told == (waiting.recipient,)


def test_what_was_held_and_still_stands_is_told_when_the_window_is_over() -> None:
    held = route(
        of("failed"), (ONCALL,), default_destination=DEFAULT, now=MIDNIGHT, windows=(NIGHT,)
    ).held[0]

    still = of("failed", notified_destinations=())
    told = route(
        still, (ONCALL,), default_destination=DEFAULT, now=held.hold.until, windows=(NIGHT,)
    ).recipients

    assert told == (held.recipient,)


def test_what_was_silenced_and_still_stands_is_told_when_the_silence_is_over() -> None:
    quiet = silence(NOON + timedelta(hours=6))

    still = of("failed", notified_destinations=())
    told = route(
        still, (ONCALL,), default_destination=DEFAULT, now=quiet.until, silences=(quiet,)
    ).recipients

    assert [one.destination for one in told] == ["#oncall"]


# Cards


def test_a_card_stands_where_the_start_is_told() -> None:
    rules = (to("#oncall", "failed"), to("#log", continues=True), to("#team", app="shop"))

    assert card_destinations(of_all("failed"), rules, default_destination=DEFAULT) == (
        "#log",
        "#team",
    )


def test_without_a_route_for_it_a_card_stands_in_the_watchs_own_channel() -> None:
    assert card_destinations(of_all("succeeded"), (ONCALL,), default_destination=DEFAULT) == (
        DEFAULT,
    )


def test_a_card_waits_for_no_threshold_and_for_no_count_of_what_was_told() -> None:
    rules = (to("#ops", min_failed=5, lasting=FIVE),)

    assert card_destinations(
        of_all("failed", notified_destinations=("#ops",)), rules, default_destination=DEFAULT
    ) == ("#ops",)


def test_a_release_whose_start_is_dropped_has_no_card() -> None:
    assert (
        card_destinations(of_all("failed"), (to(None, "started"),), default_destination=DEFAULT)
        == ()
    )


def test_a_channel_to_which_two_routes_lead_has_one_card() -> None:
    rules = (to("#ops", continues=True), to("#ops"))

    assert card_destinations(of_all("started"), rules, default_destination=DEFAULT) == ("#ops",)
