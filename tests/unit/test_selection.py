"""Which rows of a list are followed: nothing in flight is forgotten, nothing old is told."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decide.selection import choose, has_begun_since, is_news
from monitor.model import Found, NamePatterns, Target
from tests.support.builders import after, fixed
from tests.support.clock import NOON


def found(name: str, *, is_over: bool = False, at: datetime | None = NOON) -> Found:
    return Found(Target("release", name), is_over, at)


TIMES = {
    f"rel{number}": None if minutes is None else after(minutes)
    for number, minutes in enumerate((None, None, -60, -1, -1, 0, 0, 1, 60))
}
rows = st.lists(
    st.builds(
        lambda name, is_over: found(name, is_over=is_over, at=TIMES[name]),
        st.sampled_from(sorted(TIMES)),
        st.booleans(),
    ),
    max_size=12,
)
lists = rows.map(lambda all_: list({row.target: row for row in all_}.values()))
"""Rows with one id each, as a list has them while nothing shifts."""
capacities = st.integers(-2, 10)


# What is news


@pytest.mark.parametrize(
    ("is_over", "minutes", "is_followed", "expected"),
    [
        pytest.param(False, -60, None, True, id="in flight, however old"),
        pytest.param(False, None, None, True, id="in flight, nobody knows since when"),
        pytest.param(False, 1, True, False, id="followed already"),
        pytest.param(False, -60, False, True, id="in flight again after it rested"),
        pytest.param(True, -60, None, False, id="over before the watch"),
        pytest.param(True, None, None, False, id="over, nobody knows since when"),
        pytest.param(True, 0, None, True, id="begun and ended between two polls"),
        pytest.param(True, 1, False, False, id="over, told and rests"),
        pytest.param(True, 1, True, False, id="over while it is followed"),
    ],
)
def test_what_is_in_flight_or_began_while_the_list_was_watched_is_news(
    is_over: bool, minutes: float | None, is_followed: bool | None, expected: bool
) -> None:
    row = found("rel1", is_over=is_over, at=None if minutes is None else after(minutes))
    known = {} if is_followed is None else {row.target: is_followed}

    assert is_news(row, known=known, began_at=NOON) is expected


def test_what_has_no_time_of_its_own_did_not_begin_under_the_watch() -> None:
    assert not has_begun_since(found("rel1", at=None), NOON)
    assert has_begun_since(found("rel1", at=NOON), NOON)


# What is chosen


@fixed(200)
@given(rows, capacities, st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(all_: list[Found], capacity: int, chance: object) -> None:
    shuffled = list(all_)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    one, other = choose(all_, capacity=capacity), choose(shuffled, capacity=capacity)

    assert [row.target for row in one.follow] == [row.target for row in other.follow]
    assert one.left_out == other.left_out


@fixed(200)
@given(rows, capacities)
def test_nothing_in_flight_is_forgotten_and_no_more_followed_than_there_is_room(
    all_: list[Found], capacity: int
) -> None:
    choice = choose(all_, capacity=capacity)

    in_flight = {row.target for row in all_ if not row.is_over}
    followed = {row.target for row in choice.follow if not row.is_over}
    assert len(followed) == min(len(in_flight), max(capacity, 0))
    assert followed <= in_flight
    assert choice.left_out == len(in_flight - followed)


@fixed(100)
@given(rows, capacities)
def test_what_is_over_is_told_whatever_room_there_is(all_: list[Found], capacity: int) -> None:
    over = {row.target for row in all_} - {row.target for row in all_ if not row.is_over}

    assert {row.target for row in choose(all_, capacity=capacity).follow if row.is_over} == over


@fixed(100)
@given(lists, st.integers(1, 3))
def test_whoever_found_no_room_is_followed_once_others_came_to_their_end(
    all_: list[Found], limit: int
) -> None:
    known: dict[Target, bool] = {}
    waited = []
    for _ in all_:
        news = [row for row in all_ if is_news(row, known=known, began_at=NOON)]
        choice = choose(news, capacity=limit - sum(known.values()))
        known |= {row.target: True for row in choice.follow}
        assert sum(not row.is_over and known.get(row.target, False) for row in all_) <= limit
        waited.append(choice.left_out)
        ended = {target for target, is_followed in known.items() if is_followed}
        all_ = [row._replace(is_over=row.is_over or row.target in ended) for row in all_]
        known |= dict.fromkeys(ended, False)

    assert waited == sorted(waited, reverse=True)
    assert all(row.is_over for row in all_)


def test_what_began_first_is_followed_first() -> None:
    late, early, unknown = found("a", at=after(5)), found("b", at=after(1)), found("c", at=None)

    assert choose([unknown, late, early], capacity=2).follow == (early, late)


def test_a_row_that_two_pages_show_counts_once_and_as_in_flight() -> None:
    retried, failed = found("a"), found("a", is_over=True)

    assert choose([failed, retried], capacity=5).follow == (retried,)
    assert choose([retried, retried], capacity=5).follow == (retried,)


# Names


@pytest.mark.parametrize(
    ("include", "exclude", "names", "expected"),
    [
        ((), (), [], True),
        (("api-*",), (), ["API-prod"], True),
        (("api-*",), (), ["web", "api-prod"], True),
        (("api-*",), (), ["web"], False),
        (("api-*",), (), [], False),
        ((), ("*-test",), ["api-test"], False),
        ((), ("*-test",), [], True),
        (("api-*",), ("*-test",), ["api-test"], False),
        (("a?i",), (), ["api"], True),
        (("a?i",), (), ["apii"], False),
        (("[prod]",), (), ["p"], True),
    ],
)
def test_names_that_match_are_followed_unless_another_pattern_excludes_them(
    include: tuple[str, ...], exclude: tuple[str, ...], names: list[str], expected: bool
) -> None:
    assert NamePatterns(include, exclude).admit(names) is expected


def test_without_any_pattern_no_name_is_asked_for() -> None:
    assert NamePatterns((), ()).are_all
    assert not NamePatterns((), ("a",)).are_all
