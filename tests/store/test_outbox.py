"""The outbox: each notification goes out once, in its order, and a reply below its card."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.model import (
    EventKind,
    Form,
    Notification,
)
from monitor.store import (
    Counts,
    DeliveryState,
    Store,
)
from tests.support.clock import NOON
from tests.support.stores import (
    DAY,
    MINUTE,
    RELEASE,
    due,
    message,
    next_notification,
    note,
    observation,
    send,
    url_of,
)


def test_the_same_news_is_enqueued_once(store: Store) -> None:
    store.save(observation(note("failed/1")))
    send(store)

    store.save(observation(note("failed/1"), note("failed/2")))

    assert [one.key for one in store.outbox.unsent()] == ["failed/2"]


def test_a_post_goes_out_as_it_was_decided(store: Store) -> None:
    queued = Notification(
        "k",
        "ops",
        Form.MESSAGE,
        message("it failed"),
        RELEASE,
        3,
        (EventKind.FAILED, EventKind.WAITING),
        is_broadcast=True,
    )
    store.save(observation(queued))

    post = next_notification(store)

    assert (post.key, post.destination, post.form, post.message) == (
        "k",
        "ops",
        queued.form,
        queued.message,
    )
    assert (post.target, post.attempt, post.events) == (RELEASE, 3, queued.events)
    assert post.is_broadcast
    assert (post.state, post.attempts, post.next_try_at) == (DeliveryState.PENDING, 0, None)
    assert (post.created_at, post.thread, post.in_doubt) == (NOON, None, False)


def test_posts_of_a_destination_go_out_in_the_order_they_were_enqueued(store: Store) -> None:
    store.save(observation(note("1"), note("a", destination="dev"), note("2")))
    store.save(observation(note("3")))

    assert [send(store).key for _ in range(3)] == ["1", "2", "3"]
    assert next_notification(store, "dev").key == "a"
    assert store.outbox.next_notification("ops", NOON) is None


def test_a_postponed_post_holds_up_those_behind_it_and_no_other_destination(store: Store) -> None:
    store.save(observation(note("1"), note("2"), note("a", destination="dev")))

    store.outbox.begin_attempt(next_notification(store).id, now=NOON, next_try_at=NOON)
    store.outbox.postpone(next_notification(store).id, next_try_at=NOON + MINUTE, error="429")

    assert store.outbox.next_notification("ops", NOON) is None
    assert store.outbox.due(NOON) == due(posts={"dev"}, later=NOON + MINUTE)
    first = next_notification(store, now=NOON + MINUTE)
    assert (first.key, first.attempts, first.error) == ("1", 1, "429")
    assert store.outbox.due(NOON + MINUTE) == due(posts={"dev", "ops"})


def test_a_post_set_aside_lets_those_behind_it_go_on(store: Store) -> None:
    store.save(observation(note("1"), note("2")))

    store.outbox.set_aside(next_notification(store).id, now=NOON, error="invalid_blocks")

    assert next_notification(store).key == "2"
    aside, _ = store.outbox.unsent()
    assert (aside.key, aside.state, aside.error) == ("1", DeliveryState.SET_ASIDE, "invalid_blocks")


def test_nothing_to_do_is_no_work(store: Store) -> None:
    store.save(observation(note("1")))
    send(store)

    assert store.outbox.due(NOON + DAY) == due()


def test_a_post_under_way_when_the_daemon_was_killed_may_have_arrived(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(note("1"), note("2")))
        store.outbox.begin_attempt(next_notification(store).id, now=NOON, next_try_at=NOON)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.outbox.due(NOON) == due(posts={"ops"})
        assert next_notification(store).key == "1"
        assert next_notification(store).in_doubt
        assert next_notification(store).attempts == 1


@pytest.mark.parametrize("in_doubt", [True, False])
def test_whether_a_post_may_have_arrived_is_remembered(store: Store, in_doubt: bool) -> None:
    store.save(observation(note("1")))
    store.outbox.begin_attempt(next_notification(store).id, now=NOON, next_try_at=NOON)

    store.outbox.postpone(
        next_notification(store).id,
        next_try_at=NOON,
        error="cut off",
        in_doubt_since=NOON if in_doubt else None,
    )

    searched = store.doubts.due_searches(NOON, limit=2)
    assert [one.in_doubt for one in searched] == [True] * in_doubt
    assert (store.doubts.next_search_at() == NOON) is in_doubt


def test_retry_makes_everything_held_up_due_now(store: Store) -> None:
    store.save(observation(note("1"), note("2"), note("3"), note("4")))
    one, two, three, _ = store.outbox.unsent()
    store.outbox.set_aside(one.id, now=NOON, error="quota")
    store.outbox.postpone(two.id, next_try_at=NOON + DAY, error="archived")
    store.outbox.begin_attempt(three.id, now=NOON, next_try_at=NOON)

    retried = store.outbox.retry(None, NOON)

    assert retried == 2
    assert [(post.state, post.next_try_at) for post in store.outbox.unsent()] == [
        (DeliveryState.PENDING, None),
        (DeliveryState.PENDING, None),
        (DeliveryState.SENDING, NOON),
        (DeliveryState.PENDING, None),
    ]
    assert next_notification(store).key == "1"


def test_retry_of_one_leaves_the_others_aside(store: Store) -> None:
    store.save(observation(note("1"), note("2")))
    one, two = store.outbox.unsent()
    store.outbox.set_aside(one.id, now=NOON, error="quota")
    store.outbox.set_aside(two.id, now=NOON, error="quota")

    retried = store.outbox.retry([two.id, 12345], NOON)

    assert retried == 1
    assert next_notification(store).key == "2"


def test_what_was_sent_is_never_retried(store: Store) -> None:
    store.save(observation(note("1")))
    sent = send(store)

    assert store.outbox.retry([sent.id], NOON) == 0
    assert store.outbox.next_notification("ops", NOON) is None


def test_the_outbox_in_numbers(store: Store) -> None:
    store.save(observation(note("1"), note("2"), note("3"), note("4")))
    store.outbox.set_aside(next_notification(store).id, now=NOON, error="quota")
    send(store)
    store.outbox.begin_attempt(next_notification(store).id, now=NOON, next_try_at=NOON)
    store.save(observation(note("5"), at=NOON + MINUTE))

    assert store.outbox.counts() == Counts(pending=3, set_aside=1, oldest_pending=NOON)


def test_an_empty_outbox_in_numbers(store: Store) -> None:
    assert store.outbox.counts() == Counts(0, 0, None)
