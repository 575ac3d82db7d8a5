"""What is old is forgotten, and never what is still to be sent."""

from __future__ import annotations

from monitor.model import (
    Form,
)
from monitor.store import (
    Name,
    Store,
)
from tests.support.clock import NOON
from tests.support.stores import (
    DAY,
    MINUTE,
    RELEASE,
    card,
    message,
    next_edit,
    next_notification,
    note,
    observation,
    post_card,
    send,
    transition,
)


def test_prune_forgets_what_is_older(store: Store) -> None:
    store.save(observation(note("1"), note("2"), transitions=(transition(),), cards=(card("c"),)))
    store.outbox.set_aside(next_notification(store).id, now=NOON, error="quota")
    send(store)
    store.names.save({"inl1": Name("acme")}, NOON)

    kept = store.prune(NOON)
    forgotten = store.prune(NOON + MINUTE)

    assert (kept, forgotten) == (0, 5)
    assert (store.snapshots.load_all(), store.history.load("rel1"), store.outbox.unsent()) == (
        (),
        (),
        (),
    )
    assert store.names.of(["inl1"]) == {}
    assert store.cards.wanted(RELEASE, 1, "ops") is None


def test_prune_keeps_a_target_that_is_still_polled_with_its_newest_card(store: Store) -> None:
    store.save(observation(cards=(card("old", attempt=1), card("new", attempt=2))))
    store.snapshots.touch({RELEASE: NOON + DAY})

    store.prune(NOON + DAY)

    assert store.snapshots.load(RELEASE) is not None
    assert store.cards.wanted(RELEASE, 1, "ops") is None
    assert store.cards.wanted(RELEASE, 2, "ops") is not None


def test_prune_never_forgets_what_is_still_to_be_sent(store: Store) -> None:
    store.save(observation(note("card", form=Form.CARD), note("1"), cards=(card("c"),)))
    store.outbox.begin_attempt(next_notification(store).id, now=NOON, next_try_at=NOON)

    store.prune(NOON + 365 * DAY)

    assert [one.key for one in store.outbox.unsent()] == ["card", "1"]
    assert store.cards.wanted(RELEASE, 1, "ops") is not None


def test_prune_never_forgets_an_edit_that_is_still_to_be_made(store: Store) -> None:
    post_card(store)
    store.save(observation(cards=(card("second"),)))

    store.prune(NOON + 365 * DAY)

    assert next_edit(store).message == message("second")


def test_the_number_of_a_forgotten_notification_is_never_given_out_again(store: Store) -> None:
    store.save(observation(note("1")))
    first = send(store)
    store.prune(NOON + MINUTE)

    store.save(observation(note("2")))

    assert next_notification(store).id > first.id
