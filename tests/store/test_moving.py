"""What is queued for a destination moves to another one, each row under one key."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from monitor.model import Form, Group, Message
from monitor.store import DeliveryState, Move, SetAsideStray, Store, Stray
from tests.support.clock import NOON
from tests.support.stores import MINUTE, RELEASE, card, note, observation

OLD, NEW = "#old", "#new"
STRAY = Stray(OLD, RELEASE)
TO_CHANNEL = Move(STRAY, NEW, keeps_cards=True)
TO_WEBHOOK = Move(STRAY, NEW, keeps_cards=False)
LEADS = {"watch rel1": (NEW,)}


def queue(store: Store, **forms: Form) -> None:
    """Enqueue rows for the old destination, one for each name; a card with what it shows."""
    rows = [
        msgspec.structs.replace(
            note(f"r/{name}/{OLD}", destination=OLD, form=form), is_broadcast=form is Form.REPLY
        )
        for name, form in forms.items()
    ]
    cards = (card("newest", destination=OLD),) if Form.CARD in forms.values() else ()
    seen = observation(*rows, cards=cards)
    state = msgspec.structs.replace(seen.state, has_card=True, card_destinations=(OLD,))
    store.save(replace(seen, state=state))


def post_card(store: Store) -> None:
    """Let the card in the old destination be posted."""
    queue(store, card=Form.CARD)
    (queued,) = store.outbox.unsent()
    store.outbox.mark_sent(queued.id, now=NOON, channel_id="C1", ts="1.0", shown=b"")


def move(store: Store, *moves: Move | SetAsideStray) -> None:
    store.moving.move(moves, LEADS, NOON)


def rows(store: Store) -> list[tuple[str, str, Form, bool]]:
    return [(one.key, one.destination, one.form, one.is_broadcast) for one in store.outbox.unsent()]


def card_destinations(store: Store) -> tuple[str, ...]:
    stored = store.snapshots.load(RELEASE)
    assert stored is not None
    return stored.state.card_destinations


def test_a_card_that_is_not_posted_moves_with_its_replies(store: Store) -> None:
    queue(store, card=Form.CARD, news=Form.REPLY)

    move(store, TO_CHANNEL)

    assert rows(store) == [
        ("r/card/#new", NEW, Form.CARD, False),
        ("r/news/#new", NEW, Form.REPLY, True),
    ]
    assert store.cards.wanted(RELEASE, 1, OLD) is None
    assert store.cards.wanted(RELEASE, 1, NEW) is not None
    assert card_destinations(store) == (NEW,)


def test_a_card_that_was_posted_stays_and_what_is_said_of_it_moves(store: Store) -> None:
    post_card(store)
    queue(store, news=Form.REPLY)

    move(store, TO_CHANNEL)

    assert rows(store) == [("r/news/#new", NEW, Form.MESSAGE, False)]
    assert list(store.cards.posted(RELEASE, 1)) == [OLD]
    assert card_destinations(store) == (OLD,)


def test_where_there_is_a_card_already_it_is_not_posted_twice(store: Store) -> None:
    queue(store, card=Form.CARD, news=Form.REPLY)
    store.save(observation(cards=(card("running", destination=NEW),)))
    queue(store)

    move(store, TO_CHANNEL)

    assert rows(store) == [("r/news/#new", NEW, Form.REPLY, True)]
    assert store.cards.wanted(RELEASE, 1, OLD) is None
    assert card_destinations(store) == (NEW,)


def test_through_a_webhook_a_card_is_a_message_with_its_newest_content(store: Store) -> None:
    queue(store, card=Form.CARD, news=Form.REPLY)

    move(store, TO_WEBHOOK)

    assert rows(store) == [
        ("r/card/#new", NEW, Form.MESSAGE, False),
        ("r/news/#new", NEW, Form.MESSAGE, False),
    ]
    assert store.outbox.unsent()[0].message == card("newest").message
    assert store.cards.wanted(RELEASE, 1, NEW) is None


def test_a_group_of_failures_is_summed_up_in_the_new_destination(store: Store) -> None:
    queue(store, news=Form.MESSAGE)
    groups = (Group(OLD, NOON, ("a", "b")), Group(NEW, NOON + MINUTE, ("b", "c")))
    seen = observation()
    store.save(replace(seen, state=msgspec.structs.replace(seen.state, groups=groups)))

    move(store, TO_CHANNEL)

    stored = store.snapshots.load(RELEASE)
    assert stored is not None
    assert stored.state.groups == (Group(NEW, NOON, ("a", "b", "c")),)


def test_the_same_news_is_there_once(store: Store) -> None:
    queue(store, news=Form.MESSAGE)
    store.save(observation(note("r/news/#new", destination=NEW)))

    move(store, TO_CHANNEL)

    assert rows(store) == [("r/news/#new", NEW, Form.MESSAGE, False)]


def test_what_failed_before_is_due_at_once_in_its_new_destination(store: Store) -> None:
    queue(store, news=Form.MESSAGE)
    (queued,) = store.outbox.unsent()
    store.outbox.begin_attempt(queued.id, now=NOON, next_try_at=NOON)
    later = NOON.replace(hour=20)
    store.outbox.postpone(queued.id, next_try_at=later, error="channel is archived")

    move(store, TO_CHANNEL)

    (moved,) = store.outbox.unsent()
    assert (moved.next_try_at, moved.attempts, moved.error) == (None, 0, "")


def test_what_may_have_arrived_is_a_stray_of_its_own(store: Store) -> None:
    queue(store, first=Form.MESSAGE, second=Form.MESSAGE)
    first, _ = store.outbox.unsent()
    store.outbox.begin_attempt(first.id, now=NOON, next_try_at=NOON)

    assert set(store.moving.strays([NEW])) == {STRAY, Stray(OLD, RELEASE, in_doubt=True)}

    move(store, TO_CHANNEL)

    assert [one.destination for one in store.outbox.unsent()] == [OLD, NEW]


def test_what_is_sent_set_aside_or_configured_is_no_stray(store: Store) -> None:
    post_card(store)
    queue(store, news=Form.MESSAGE)
    (queued,) = store.outbox.unsent()
    store.outbox.set_aside(queued.id, now=NOON, error="refused")
    store.save(observation(note("r/x/#new", destination=NEW)))

    assert store.moving.strays([NEW]) == ()


def test_what_can_go_nowhere_is_set_aside_with_the_reason(store: Store) -> None:
    queue(store, news=Form.MESSAGE)

    move(store, SetAsideStray(STRAY, "nothing took its place"))

    (queued,) = store.outbox.unsent()
    assert (queued.state, queued.error) == (DeliveryState.SET_ASIDE, "nothing took its place")


def test_where_entries_led_to_is_remembered_in_order(store: Store) -> None:
    assert store.moving.last_destinations() == {}

    store.moving.move((), {"watch rel1": (OLD, NEW), "route ops": (OLD,)}, NOON)
    store.moving.move((), {"watch rel1": (NEW, "#b", "#a")}, NOON)

    assert store.moving.last_destinations() == {"watch rel1": (NEW, "#b", "#a")}


def test_nothing_moves_where_the_move_breaks_off(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(store, card=Form.CARD, news=Form.REPLY)
    monkeypatch.setattr("monitor.store.moving._move_row", _breaks)

    with pytest.raises(RuntimeError):
        move(store, TO_CHANNEL)

    assert {destination for _, destination, _, _ in rows(store)} == {OLD}
    assert card_destinations(store) == (OLD,)
    assert store.moving.last_destinations() == {}


def _breaks(*_: object, **__: Message) -> None:
    raise RuntimeError
