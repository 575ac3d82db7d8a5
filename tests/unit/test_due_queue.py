"""When which watch is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.service.due_queue import DueQueue, following, spread
from tests.support.builders import fixed


def test_nothing_is_due_on_an_empty_agenda() -> None:
    due_queue = DueQueue[str]()

    assert due_queue.take(1e9) == []
    assert due_queue.next_due() is None


def test_what_is_due_is_taken_earliest_first() -> None:
    due_queue = DueQueue[str]()
    for key, due in (("late", 3.0), ("later", 9.0), ("early", 1.0)):
        due_queue.put(key, due)

    assert due_queue.take(3.0) == [("early", 1.0), ("late", 3.0)]
    assert due_queue.next_due() == 9.0


def test_what_is_due_at_once_is_taken_in_the_order_of_planning() -> None:
    due_queue = DueQueue[str]()
    for key in "cab":
        due_queue.put(key, 1.0)

    assert [key for key, _ in due_queue.take(1.0)] == ["c", "a", "b"]


def test_keys_need_not_be_comparable() -> None:
    due_queue = DueQueue[complex]()
    due_queue.put(1j, 1.0)
    due_queue.put(2j, 1.0)

    assert len(due_queue.take(1.0)) == 2


def test_what_is_taken_is_not_due_again_until_it_is_put_back() -> None:
    due_queue = DueQueue[str]()
    due_queue.put("watch", 1.0)
    due_queue.take(5.0)

    assert due_queue.take(5.0) == []
    due_queue.put("watch", 6.0)
    assert (len(due_queue), due_queue.take(6.0)) == (1, [("watch", 6.0)])


@pytest.mark.parametrize(
    ("now", "next_due"),
    [(10.0, 25.0), (24.0, 25.0), (25.0, 40.0), (26.0, 40.0), (100.0, 115.0), (3.0, 25.0)],
)
def test_the_rhythm_holds_however_late_it_is(now: float, next_due: float) -> None:
    assert following(10.0, 15.0, now) == next_due


@fixed(200)
@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(0, 10**7))
def test_the_next_time_is_the_first_of_the_rhythm_to_come(due: int, every: int, late: int) -> None:
    next_due = following(float(due), float(every), float(due + late))

    assert due + late < next_due <= due + late + every
    assert (next_due - due) % every == 0


def test_a_watch_begins_at_the_same_place_of_its_interval_in_every_run() -> None:
    assert spread("release rel1", 30.0) == pytest.approx(0.0647116)


def test_many_watches_do_not_knock_at_once() -> None:
    seconds = [int(spread(f"release rel{number}", 30.0)) for number in range(3000)]

    assert set(seconds) == set(range(30))
    assert max(seconds.count(second) for second in range(30)) < 200
