"""Silences, and what quiet windows hold back until their summaries."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from monitor.model import EventKind, HeldLine
from monitor.store import Store
from tests.support.clock import NOON
from tests.support.stores import MINUTE, RELEASE, note, observation

LINE = HeldLine(
    destination="ops",
    window="night",
    until=NOON + 2 * MINUTE,
    target=RELEASE,
    event=EventKind.FAILED,
    alert_key="dpl1",
    title="checkout-api",
    words="acme failed",
    url="https://nuon.example/rel1",
    at=NOON,
)
EARLIER = msgspec.structs.replace(LINE, window="lunch", until=NOON + MINUTE)


def hold(store: Store, *lines: HeldLine) -> tuple[HeldLine, ...]:
    store.save(replace(observation(), held=lines))
    return store.held.load()


def test_what_is_held_back_is_had_in_its_order(store: Store) -> None:
    held = hold(store, LINE, EARLIER)

    assert [msgspec.structs.replace(line, id=0) for line in held] == [LINE, EARLIER]
    assert store.held.next_summary() == EARLIER.until


def test_nothing_held_back_makes_no_summary(store: Store) -> None:
    assert store.held.next_summary() is None


def test_lines_are_let_go_with_the_notification_that_sums_them_up(store: Store) -> None:
    later, earlier = hold(store, LINE, EARLIER)

    store.held.release([earlier], (note("summary"),), NOON + MINUTE)

    assert store.held.load() == (later,)
    assert [one.key for one in store.outbox.unsent()] == ["summary"]


def test_a_window_that_goes_on_holds_its_lines_longer(store: Store) -> None:
    later, earlier = hold(store, LINE, EARLIER)

    store.held.extend([earlier], later.until)

    assert [line.until for line in store.held.load()] == [later.until, later.until]


def test_a_silence_is_kept_until_it_is_over(store: Store) -> None:
    added = store.silences.add(
        {"install": ("acme-*", "globex")},
        until=NOON + MINUTE,
        author="ada",
        reason="maintenance",
        now=NOON,
    )

    assert store.silences.load(since=NOON) == (added,)
    assert store.silences.load(since=NOON + MINUTE) == ()
    assert store.silences.load() == (added,)


def test_a_silence_is_ended_once(store: Store) -> None:
    added = store.silences.add({}, until=NOON + 2 * MINUTE, author="ada", reason="", now=NOON)

    assert store.silences.end(added.id, NOON + MINUTE)
    assert not store.silences.end(added.id, NOON + MINUTE)
    assert not store.silences.end(added.id + 1, NOON)
    assert [silence.until for silence in store.silences.load()] == [NOON + MINUTE]
