"""Cards: posted once, edited when they ought to show something else, posted anew when lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from monitor.model import (
    Form,
    Message,
    MessageRef,
    Notification,
    Target,
)
from monitor.store import (
    Edit,
    Store,
    message_fingerprint,
)
from tests.support.clock import NOON
from tests.support.stores import (
    MINUTE,
    RELEASE,
    card,
    due,
    message,
    next_edit,
    next_notification,
    note,
    observation,
    post_card,
    send,
)


def test_a_card_is_edited_only_once_it_is_posted_and_shows_something_else(store: Store) -> None:
    store.save(observation(note("card", form=Form.CARD), cards=(card("first"),)))
    assert store.cards.next_edits(NOON) == ()

    send(store, ts="1.0", shown=message_fingerprint(message("first")))
    assert store.cards.next_edits(NOON) == ()

    store.save(observation(cards=(card("second"),)))
    edit = next_edit(store)
    assert edit == Edit(
        target=RELEASE,
        attempt=1,
        destination="ops",
        channel_id="C1",
        ts="1.0",
        message=message("second"),
        fingerprint=message_fingerprint(message("second")),
        attempts=0,
    )
    assert store.outbox.due(NOON) == due(edits=1)

    store.cards.mark_edited(edit, NOON)
    assert store.cards.next_edits(NOON) == ()
    assert store.outbox.due(NOON) == due()


def test_a_card_that_changed_before_it_was_posted_is_posted_as_it_is_wanted_now(
    store: Store,
) -> None:
    store.save(observation(note("card", form=Form.CARD), cards=(card("first"),)))
    store.save(observation(cards=(card("second"),)))

    assert store.cards.wanted(RELEASE, 1, "ops") == (
        message("second"),
        message_fingerprint(message("second")),
    )
    assert store.cards.wanted(RELEASE, 2, "ops") is None


def test_a_card_posted_with_what_is_no_longer_wanted_is_edited(store: Store) -> None:
    store.save(observation(note("card", form=Form.CARD), cards=(card("first"),)))
    store.save(observation(cards=(card("second"),)))

    send(store, shown=message_fingerprint(message("first")))

    assert next_edit(store).message == message("second")


def test_only_the_newest_of_several_changes_is_edited_in(store: Store) -> None:
    post_card(store)
    store.save(observation(cards=(card("second"),)))
    store.save(observation(cards=(card("third"),)))

    store.cards.mark_edited(next_edit(store), NOON)

    assert store.cards.next_edits(NOON) == ()


def test_a_change_during_an_edit_is_edited_in_afterwards(store: Store) -> None:
    post_card(store)
    store.save(observation(cards=(card("second"),)))
    edit = next_edit(store)
    store.save(observation(cards=(card("third"),)))

    store.cards.mark_edited(edit, NOON)

    assert next_edit(store).message == message("third")


def test_a_postponed_edit_waits_and_lets_others_go(store: Store) -> None:
    store.save(
        observation(
            note("card 1", form=Form.CARD),
            note("card 2", form=Form.CARD, attempt=2),
            cards=(card("first"), card("first", attempt=2)),
        )
    )
    send(store, ts="1.0", shown=b"nothing")
    send(store, ts="2.0", shown=b"nothing")

    store.cards.postpone_edit(next_edit(store), NOON + MINUTE, "429")
    other = next_edit(store)
    store.cards.mark_edited(other, NOON)

    assert other.attempt == 2
    assert store.cards.next_edits(NOON) == ()
    assert store.outbox.due(NOON) == due(later=NOON + MINUTE)
    again = next_edit(store, now=NOON + MINUTE)
    assert (again.attempt, again.attempts) == (1, 1)


def post_two_cards(store: Store) -> tuple[Target, Target]:
    one, two = Target("release", "rel1"), Target("release", "rel2")
    for of in (one, two):
        queued = Notification(str(of), "ops", Form.CARD, message("first"), of)
        store.save(observation(queued, cards=(card("first", of=of),), of=of))
        send(store, ts=of.id, shown=message_fingerprint(message("first")))
    return one, two


def change_card(store: Store, of: Target, words: str, *, at: datetime) -> None:
    store.save(observation(cards=(card(words, of=of),), of=of, at=at))


def test_the_card_that_has_waited_longest_is_edited_first(store: Store) -> None:
    one, two = post_two_cards(store)
    change_card(store, two, "second", at=NOON + MINUTE)
    change_card(store, one, "second", at=NOON + 2 * MINUTE)
    change_card(store, two, "third", at=NOON + 3 * MINUTE)

    edit = next_edit(store)

    assert (edit.target, edit.message) == (two, message("third"))


def test_a_card_that_always_changes_does_not_hold_up_the_others(store: Store) -> None:
    one, two = post_two_cards(store)
    change_card(store, one, "second", at=NOON + MINUTE)
    change_card(store, two, "second", at=NOON + 2 * MINUTE)
    edit = next_edit(store)
    change_card(store, one, "third", at=NOON + 3 * MINUTE)

    store.cards.mark_edited(edit, NOON + 4 * MINUTE)

    assert edit.target == one
    assert next_edit(store).target == two


def test_a_reply_goes_into_the_thread_of_its_card(store: Store) -> None:
    post_card(store, ts="7.7")
    store.save(
        observation(
            note("reply", form=Form.REPLY),
            note("of another attempt", form=Form.REPLY, attempt=2),
            note("alone", form=Form.MESSAGE),
        )
    )

    assert [post.thread for post in store.outbox.unsent()] == [MessageRef("C1", "7.7"), None, None]


def test_the_posted_cards_of_an_attempt_are_found(store: Store) -> None:
    post_card(store, ts="7.7")
    store.save(observation(cards=(card("not posted", destination="dev"), card("later", attempt=2))))

    assert store.cards.posted(RELEASE, 1) == {"ops": MessageRef("C1", "7.7")}
    assert store.cards.posted(RELEASE, 2) == {}


def test_a_card_deleted_in_slack_is_posted_anew_once(store: Store) -> None:
    post_card(store, ts="1.0")
    store.save(observation(note("reply", form=Form.REPLY), cards=(card("second"),)))
    edit = next_edit(store)

    store.outbox.lose_card(edit, now=NOON + MINUTE)
    store.outbox.lose_card(edit, now=NOON + MINUTE)

    reply, again = store.outbox.unsent()
    assert reply.thread is None
    assert (again.key, again.form) == ("release/rel1/1/card/1/ops", Form.CARD)
    assert (again.message, again.created_at) == (message("second"), NOON + MINUTE)
    assert store.cards.next_edits(NOON) == ()


def test_a_card_lost_again_is_posted_again(store: Store) -> None:
    post_card(store, ts="1.0")
    store.save(observation(cards=(card("second"),)))
    store.outbox.lose_card(next_edit(store), now=NOON)
    send(store, ts="2.0", shown=message_fingerprint(message("second")))
    store.save(observation(note("reply", form=Form.REPLY)))

    store.outbox.lose_card(next_notification(store), now=NOON)

    assert [one.key for one in store.outbox.unsent()] == ["reply", "release/rel1/1/card/2/ops"]


def test_the_end_of_an_edit_does_not_touch_the_card_that_took_its_place(store: Store) -> None:
    post_card(store, ts="1.0")
    store.save(observation(cards=(card("second"),)))
    stale = next_edit(store)
    store.outbox.lose_card(stale, now=NOON)
    send(store, ts="2.0", shown=message_fingerprint(message("first")))

    store.cards.mark_edited(stale, NOON)

    assert next_edit(store).ts == "2.0"


def test_equal_messages_have_equal_fingerprints() -> None:
    cases: Mapping[str, Message] = {word: message(word) for word in ("a", "b", "")}

    assert len({message_fingerprint(one) for one in cases.values()}) == 3
    assert message_fingerprint(message("a")) == message_fingerprint(message("a"))
