"""The store on real files: what was saved is there, in order, and nothing is ever half written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

import monitor
from monitor.errors import StoreError
from monitor.kinds import release
from monitor.kinds.parts import DEPLOY
from monitor.kinds.release import RELEASE_STEP
from monitor.model import (
    Alert,
    Card,
    Entity,
    EventKind,
    Form,
    Level,
    Message,
    MessageRef,
    Notification,
    Outage,
    PastStatus,
    Snapshot,
    Target,
    TargetState,
    Transition,
)
from monitor.store import (
    Counts,
    DeliveryState,
    Edit,
    Name,
    Observation,
    PastNotification,
    PastTransition,
    QueuedNotification,
    Store,
    StoredTarget,
    StoreThread,
    copy_of,
    message_fingerprint,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
RELEASE = Target("release", "rel1")


def message(words: str) -> Message:
    return Message(words, ({"type": "section", "text": {"type": "plain_text", "text": words}},))


def snapshot(status: str = "executing", *, at: datetime = NOON, of: Target = RELEASE) -> Snapshot:
    return Snapshot(of, at, Entity(release.RELEASE, of.id, status))


def transition(entity_id: str = "dpl1", after: str = "active") -> Transition:
    return Transition(Level.UNIT, Entity(DEPLOY, entity_id, after), "executing", after)


def card(words: str, *, destination: str = "ops", attempt: int = 1, of: Target = RELEASE) -> Card:
    return Card(of, attempt, destination, message(words))


def note(
    key: str, *, destination: str = "ops", form: Form = Form.MESSAGE, attempt: int = 1
) -> Notification:
    return Notification(key, destination, form, message(key), RELEASE, attempt)


def observation(
    *notes: Notification,
    status: str = "executing",
    at: datetime = NOON,
    of: Target = RELEASE,
    transitions: tuple[Transition, ...] = (),
    cards: tuple[Card, ...] = (),
) -> Observation:
    return Observation(
        snapshot(status, at=at, of=of), TargetState(at), b"", transitions, cards, notes
    )


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monitor.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(url_of(path), now=NOON) as store:
        yield store


def next_notification(store: Store, destination: str = "ops") -> QueuedNotification:
    post = store.outbox.next_notification(destination)
    assert post is not None
    return post


def next_edit(store: Store, destination: str = "ops", *, now: datetime = NOON) -> Edit:
    edit = store.cards.next_edit(destination, now)
    assert edit is not None
    return edit


def send(store: Store, *, ts: str = "1.0", shown: bytes | None = None) -> QueuedNotification:
    """Deliver the next post as the daemon would."""
    post = next_notification(store)
    store.outbox.begin_attempt(post.id, NOON)
    store.outbox.mark_sent(post.id, now=NOON, channel_id="C1", ts=ts, shown=shown)
    return post


def post_card(store: Store, words: str = "first", *, ts: str = "1.0") -> None:
    store.save(observation(note(f"card {ts}", form=Form.CARD), cards=(card(words),)))
    send(store, ts=ts, shown=message_fingerprint(message(words)))


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(monitor.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )


# What was seen


def test_what_was_saved_is_loaded_by_the_next_run(path: Path) -> None:
    deploy = Entity(
        DEPLOY,
        "dpl1",
        "error",
        "helm timed out",
        status_at=NOON + timedelta(microseconds=1),
        history=(PastStatus("executing", NOON - MINUTE),),
    )
    root = Entity(
        release.RELEASE, "rel1", children=(Entity(RELEASE_STEP, "s1", children=(deploy,)),)
    )
    alert = Alert("dpl1", EventKind.FAILED, since=NOON, notified_at=NOON)
    seen = Observation(
        Snapshot(RELEASE, NOON, root), TargetState(NOON - MINUTE, 2, (alert,)), b"\x00\xff"
    )

    with Store.open(url_of(path), now=NOON) as store:
        store.save(seen)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.snapshots.load(RELEASE) == StoredTarget(
            seen.snapshot, seen.state, seen.fingerprint, polled_at=NOON, changed_at=NOON - MINUTE
        )


def test_the_newest_snapshot_takes_the_place_of_the_last(store: Store) -> None:
    store.save(observation(status="executing"))

    store.save(observation(status="active", at=NOON + MINUTE))

    assert [one.snapshot.root.status for one in store.snapshots.load_all()] == ["active"]


def test_a_target_never_seen_is_not_there(store: Store) -> None:
    assert store.snapshots.load(RELEASE) is None


def test_two_kinds_of_target_with_one_id_are_two(store: Store) -> None:
    other = Target("installer", "rel1")
    store.save(observation(status="active"))
    store.save(observation(status="error", of=other))

    loaded = store.snapshots.load(RELEASE)

    assert loaded is not None
    assert loaded.snapshot.root.status == "active"


def test_a_poll_without_news_moves_the_time_of_the_last_poll_only(store: Store) -> None:
    store.save(observation())

    store.snapshots.touch({RELEASE: NOON + MINUTE})

    (watched,) = store.snapshots.load_all()
    assert (watched.polled_at, watched.changed_at) == (NOON + MINUTE, NOON)
    assert watched.snapshot.taken_at == NOON


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="without a zone"):
        store.save(observation(at=datetime(2026, 3, 1, 12)))  # noqa: DTZ001

    assert store.snapshots.load_all() == ()


def test_what_is_told_as_not_visible_is_remembered_until_it_is_seen_again(path: Path) -> None:
    lost = Outage(EventKind.UNREACHABLE, NOON, "502 from a proxy")
    with Store.open(url_of(path), now=NOON) as store:
        store.outages.save("platform", lost, (note("lost"),), now=NOON)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.outages.load() == {"platform": lost}
        store.outages.save("platform", None, (note("found"),), now=NOON + MINUTE)

        assert store.outages.load() == {}
        assert [one.key for one in store.outbox.unsent()] == ["lost", "found"]


def test_names_are_kept_and_renewed(store: Store) -> None:
    store.names.save({"inl1": Name("acme"), "inl2": Name("globex")}, NOON)
    store.names.save({"inl2": Name("initech")}, NOON)

    found = store.names.of(["inl1", "inl2", "inl3"])

    assert found == {"inl1": "acme", "inl2": "initech"}


def test_the_names_of_forty_thousand_installs_are_found(store: Store) -> None:
    names = {f"inl{number}": f"customer {number}" for number in range(40_000)}
    store.names.save({id_: Name(its) for id_, its in names.items()}, NOON)

    assert store.names.of(names) == names


# Nothing half written


class Crash(Exception):
    """What ends a save between two of its statements."""


@pytest.mark.parametrize("survived", range(4))
def test_a_save_that_breaks_off_between_statements_leaves_nothing(
    path: Path, survived: int
) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(note("old"), status="executing", cards=(card("old"),)))
        left = survived

        def crash(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            nonlocal left
            if statement.startswith("BEGIN"):
                return
            if left == 0:
                raise Crash
            left -= 1

        event.listen(store._database.engine, "before_cursor_execute", crash)
        with pytest.raises(Crash):
            store.save(
                observation(
                    note("new"),
                    status="error",
                    at=NOON + MINUTE,
                    transitions=(transition(),),
                    cards=(card("new"),),
                )
            )

    with Store.open(url_of(path), now=NOON) as store:
        assert [one.snapshot.root.status for one in store.snapshots.load_all()] == ["executing"]
        assert [one.key for one in store.outbox.unsent()] == ["old"]
        assert store.cards.wanted(RELEASE, 1, "ops") == (
            message("old"),
            message_fingerprint(message("old")),
        )
        assert not any(isinstance(entry, PastTransition) for entry in store.history.load("rel1"))


ENDLESS_WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from monitor.kinds import release
from monitor.model import *
from monitor.store import Observation, Store

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
target = Target("release", "rel1")
with Store.open(sys.argv[1], now=noon) as store:
    number = len(store.outbox.unsent())
    while True:
        number += 1
        root = Entity(release.RELEASE, "rel1", str(number))
        news = Transition(Level.ROLLOUT, root, str(number - 1), str(number))
        told = Notification(str(number), "ops", Form.MESSAGE, Message("x" * 3000), target)
        card = Card(target, 1, "ops", Message(str(number)))
        at = noon + timedelta(seconds=number)
        snapshot = Snapshot(target, at, root)
        store.save(Observation(snapshot, TargetState(at), b"", (news,), (card,), (told,)))
        print(number, flush=True)
"""


def test_twenty_kills_lose_nothing_and_leave_nothing_half_written(path: Path) -> None:
    for round_ in range(20):
        with python(ENDLESS_WRITER, url_of(path)) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(1 + round_ % 7)]
            writer.kill()

        with Store.open(url_of(path), now=NOON) as store:
            loaded = store.snapshots.load(RELEASE)
            assert loaded is not None
            last = int(loaded.snapshot.root.status)
            numbers = [str(number) for number in range(1, last + 1)]
            history = store.history.load("rel1")
            assert last >= int(lines[-1])
            assert [one.key for one in store.outbox.unsent()] == numbers
            assert [
                entry.after for entry in history if isinstance(entry, PastTransition)
            ] == numbers
            wanted = store.cards.wanted(RELEASE, 1, "ops")
            assert wanted is not None
            assert wanted[0].text == str(last)

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_full_disk_is_said_plainly_and_nothing_is_lost(store: Store) -> None:
    store.save(observation(note("before")))
    with store._database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreError, match="disk is full; free some space"):
        store.save(observation(*(note(f"{n} {'x' * 3000}") for n in range(100)), status="error"))

    assert [one.key for one in store.outbox.unsent()] == ["before"]
    assert [one.snapshot.root.status for one in store.snapshots.load_all()] == ["executing"]


LIMITED_WRITER = """
import resource, sys
from datetime import UTC, datetime
from monitor.errors import StoreError
from monitor.kinds import release
from monitor.model import *
from monitor.store import Observation, Store

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
target = Target("release", "rel1")
with Store.open(sys.argv[1], now=noon) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for number in range(1000):
        root = Entity(release.RELEASE, "rel1", str(number))
        told = Notification(str(number), "ops", Form.MESSAGE, Message("x" * 3000), target)
        try:
            snapshot = Snapshot(target, noon, root)
            store.save(Observation(snapshot, TargetState(noon), b"", notifications=(told,)))
        except StoreError as error:
            readable = store.snapshots.load(target).snapshot.root.status
            print(number, readable, len(store.outbox.unsent()), error, sep="|")
            break
"""


def test_a_disk_that_refuses_is_said_plainly_and_the_store_stays_readable(path: Path) -> None:
    with python(LIMITED_WRITER, url_of(path)) as writer:
        output, _ = writer.communicate(timeout=60)

    failed, readable, waiting, error = output.strip().split("|")
    assert int(readable) == int(failed) - 1
    assert int(waiting) == int(failed)
    assert str(path) in error
    assert "look at its space" in error
    with Store.open(url_of(path), now=NOON) as store:
        assert len(store.outbox.unsent()) == int(waiting)


def test_a_snapshot_of_an_unknown_make_is_said_plainly(store: Store) -> None:
    store.save(observation())
    with store._database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE target SET snapshot = x'c0'")

    with pytest.raises(StoreError, match="this version cannot read"):
        store.snapshots.load(RELEASE)


# The outbox: posts


def test_the_same_news_is_enqueued_once(store: Store) -> None:
    store.save(observation(note("failed/1")))
    send(store)

    store.save(observation(note("failed/1"), note("failed/2")))

    assert [one.key for one in store.outbox.unsent()] == ["failed/2"]


def test_a_post_goes_out_as_it_was_decided(store: Store) -> None:
    told = Notification(
        "k",
        "ops",
        Form.MESSAGE,
        message("it failed"),
        RELEASE,
        3,
        (EventKind.FAILED, EventKind.WAITING),
        is_broadcast=True,
    )
    store.save(observation(told))

    post = next_notification(store)

    assert (post.key, post.destination, post.form, post.message) == (
        "k",
        "ops",
        told.form,
        told.message,
    )
    assert (post.target, post.attempt, post.events) == (RELEASE, 3, told.events)
    assert post.is_broadcast
    assert (post.state, post.attempts, post.next_try_at) == (DeliveryState.PENDING, 0, None)
    assert (post.created_at, post.thread, post.maybe_delivered) == (NOON, None, False)


def test_news_of_no_target_can_be_told(store: Store) -> None:
    news = Notification("blind", "ops", Form.MESSAGE, message("cannot see"))

    store.outages.save("platform", Outage(EventKind.UNREACHABLE, NOON, ""), (news,), now=NOON)

    assert next_notification(store).target is None


def test_posts_of_a_sink_go_out_in_the_order_they_were_enqueued(store: Store) -> None:
    store.save(observation(note("1"), note("a", destination="dev"), note("2")))
    store.save(observation(note("3")))

    assert [send(store).key for _ in range(3)] == ["1", "2", "3"]
    assert next_notification(store, "dev").key == "a"
    assert store.outbox.next_notification("ops") is None


def test_a_postponed_post_holds_up_those_behind_it_and_no_other_sink(store: Store) -> None:
    store.save(observation(note("1"), note("2"), note("a", destination="dev")))

    store.outbox.begin_attempt(next_notification(store).id, NOON)
    store.outbox.postpone(next_notification(store).id, next_try_at=NOON + MINUTE, error="429")

    first = next_notification(store)
    assert (first.key, first.attempts, first.error) == ("1", 1, "429")
    assert store.outbox.due_destinations(NOON) == (frozenset({"dev"}), NOON + MINUTE)
    assert store.outbox.due_destinations(NOON + MINUTE) == (frozenset({"dev", "ops"}), None)


def test_a_post_set_aside_lets_those_behind_it_go_on(store: Store) -> None:
    store.save(observation(note("1"), note("2")))

    store.outbox.set_aside(next_notification(store).id, now=NOON, error="invalid_blocks")

    assert next_notification(store).key == "2"
    aside, _ = store.outbox.unsent()
    assert (aside.key, aside.state, aside.error) == ("1", DeliveryState.SET_ASIDE, "invalid_blocks")


def test_nothing_to_do_is_no_work(store: Store) -> None:
    store.save(observation(note("1")))
    send(store)

    assert store.outbox.due_destinations(NOON + DAY) == (frozenset(), None)


def test_a_post_under_way_when_the_daemon_was_killed_may_have_arrived(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(note("1"), note("2")))
        store.outbox.begin_attempt(next_notification(store).id, NOON)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.outbox.due_destinations(NOON) == (frozenset({"ops"}), None)
        assert next_notification(store).key == "1"
        assert next_notification(store).maybe_delivered
        assert next_notification(store).attempts == 1


@pytest.mark.parametrize("maybe_delivered", [True, False])
def test_whether_a_post_may_have_arrived_is_remembered(store: Store, maybe_delivered: bool) -> None:
    store.save(observation(note("1")))
    store.outbox.begin_attempt(next_notification(store).id, NOON)

    store.outbox.postpone(
        next_notification(store).id,
        next_try_at=NOON,
        error="cut off",
        maybe_delivered=maybe_delivered,
    )

    assert next_notification(store).maybe_delivered is maybe_delivered


def test_retry_makes_everything_held_up_due_now(store: Store) -> None:
    store.save(observation(note("1"), note("2"), note("3"), note("4")))
    one, two, three, _ = store.outbox.unsent()
    store.outbox.set_aside(one.id, now=NOON, error="quota")
    store.outbox.postpone(two.id, next_try_at=NOON + DAY, error="archived")
    store.outbox.begin_attempt(three.id, NOON)

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
    assert store.outbox.next_notification("ops") is None


def test_the_outbox_in_numbers(store: Store) -> None:
    store.save(observation(note("1"), note("2"), note("3"), note("4")))
    store.outbox.set_aside(next_notification(store).id, now=NOON, error="quota")
    send(store)
    store.outbox.begin_attempt(next_notification(store).id, NOON)
    store.save(observation(note("5"), at=NOON + MINUTE))

    assert store.outbox.counts() == Counts(pending=3, set_aside=1, oldest_pending=NOON)


def test_an_empty_outbox_in_numbers(store: Store) -> None:
    assert store.outbox.counts() == Counts(0, 0, None)


# The outbox: cards


def test_a_card_is_edited_only_once_it_is_posted_and_shows_something_else(store: Store) -> None:
    store.save(observation(note("card", form=Form.CARD), cards=(card("first"),)))
    assert store.cards.next_edit("ops", NOON) is None

    send(store, ts="1.0", shown=message_fingerprint(message("first")))
    assert store.cards.next_edit("ops", NOON) is None

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
    assert store.outbox.due_destinations(NOON) == (frozenset({"ops"}), None)

    store.cards.mark_edited(edit, NOON)
    assert store.cards.next_edit("ops", NOON) is None
    assert store.outbox.due_destinations(NOON) == (frozenset(), None)


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

    assert store.cards.next_edit("ops", NOON) is None


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
    assert store.cards.next_edit("ops", NOON) is None
    assert store.outbox.due_destinations(NOON) == (frozenset(), NOON + MINUTE)
    again = next_edit(store, now=NOON + MINUTE)
    assert (again.attempt, again.attempts) == (1, 1)


def post_two_cards(store: Store) -> tuple[Target, Target]:
    one, two = Target("release", "rel1"), Target("release", "rel2")
    for of in (one, two):
        told = Notification(str(of), "ops", Form.CARD, message("first"), of)
        store.save(observation(told, cards=(card("first", of=of),), of=of))
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


def test_a_card_gone_from_slack_is_posted_anew_once(store: Store) -> None:
    post_card(store, ts="1.0")
    store.save(observation(note("reply", form=Form.REPLY), cards=(card("second"),)))
    edit = next_edit(store)

    store.outbox.lose_card(edit, now=NOON + MINUTE)
    store.outbox.lose_card(edit, now=NOON + MINUTE)

    reply, again = store.outbox.unsent()
    assert reply.thread is None
    assert (again.key, again.form) == ("release/rel1/1/card/1/ops", Form.CARD)
    assert (again.message, again.created_at) == (message("second"), NOON + MINUTE)
    assert store.cards.next_edit("ops", NOON) is None


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


# For people


def test_history_tells_what_was_seen_and_what_was_told_in_order(store: Store) -> None:
    store.save(observation(note("1"), transitions=(transition("dpl1"), transition("dpl2"))))
    send(store, ts="5.5")
    store.save(observation(note("2"), at=NOON + MINUTE, transitions=(transition("dpl1", "error"),)))

    history = store.history.load("rel1")

    assert [
        entry.entity_id if isinstance(entry, PastTransition) else entry.key for entry in history
    ] == [
        "dpl1",
        "dpl2",
        "1",
        "dpl1",
        "2",
    ]
    seen, told = history[3], history[2]
    assert isinstance(seen, PastTransition)
    assert (seen.level, seen.kind, seen.before, seen.after) == (
        Level.UNIT,
        DEPLOY,
        "executing",
        "error",
    )
    assert isinstance(told, PastNotification)
    assert (told.state, told.done_at, told.ts) == (DeliveryState.SENT, NOON, "5.5")


def test_history_of_an_id_never_seen_is_empty(store: Store) -> None:
    assert store.history.load("rel404") == ()


def test_the_store_is_read_while_the_daemon_writes(path: Path, store: Store) -> None:
    store.save(observation(note("1")))

    with Store.open_readonly(url_of(path)) as reader:
        assert [one.key for one in reader.outbox.unsent()] == ["1"]
        store.save(observation(note("2")))
        assert [one.key for one in reader.outbox.unsent()] == ["1", "2"]


def test_the_store_is_read_when_no_daemon_runs(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(note("1")))

    with Store.open_readonly(url_of(path)) as reader:
        assert [one.key for one in reader.outbox.unsent()] == ["1"]


def test_the_store_is_read_after_the_daemon_was_killed(path: Path) -> None:
    with python(ENDLESS_WRITER, url_of(path)) as writer:
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        writer.kill()

    with Store.open_readonly(url_of(path)) as reader:
        assert len(reader.outbox.unsent()) >= acknowledged


def test_a_reader_cannot_write(path: Path, store: Store) -> None:
    with (
        Store.open_readonly(url_of(path)) as reader,
        pytest.raises(StoreError, match="cannot be written"),
    ):
        reader.save(observation())


def test_reading_where_no_daemon_has_run_says_so(path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store yet at .*monitor\.db"):
        Store.open_readonly(url_of(path))

    assert not path.exists()


def test_a_copy_is_made_while_the_daemon_writes(path: Path, store: Store) -> None:
    store.save(observation(note("1")))
    copy = path.with_name("copy.db")

    copy_of(url_of(path), copy)
    store.save(observation(note("2")))

    with Store.open(url_of(copy), now=NOON) as copied:
        assert [one.key for one in copied.outbox.unsent()] == ["1"]


def test_a_copy_of_no_store_is_none(path: Path) -> None:
    copy = path.with_name("copy.db")

    copy_of(url_of(path), copy)

    assert not copy.exists()


# Growing old


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
    store.outbox.begin_attempt(next_notification(store).id, NOON)

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


# Alone


HOLDER = """
import sys
from datetime import UTC, datetime
from monitor.store import Store

with Store.open(sys.argv[1], now=datetime(2026, 3, 1, 12, tzinfo=UTC)):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_daemon_is_refused_until_the_first_is_gone(path: Path) -> None:
    with python(HOLDER, url_of(path)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"

        with pytest.raises(StoreError, match=rf"another nuon-monitor \(pid {holder.pid}\) uses"):
            Store.open(url_of(path), now=NOON)
        holder.kill()

    with Store.open(url_of(path), now=NOON) as store:
        assert store.snapshots.load_all() == ()


def test_a_refused_opener_leaves_the_name_of_the_holder_for_the_next(path: Path) -> None:
    with Store.open(url_of(path), now=NOON):
        for _ in range(2):
            with pytest.raises(StoreError, match=f"pid {os.getpid()}"):
                Store.open(url_of(path), now=NOON)


def test_a_failed_opening_gives_the_lock_back(path: Path) -> None:
    path.write_text("not a database, though it is long enough to look like one" * 100)
    with pytest.raises(StoreError, match="it is not a database; use another"):
        Store.open(url_of(path), now=NOON)
    path.unlink()

    with Store.open(url_of(path), now=NOON) as store:
        assert store.snapshots.load_all() == ()


# Places that cannot hold a store


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file:x?mode=memory&uri=true", "use sqlite:///FILE alone"),
        ("postgresql://user:hunter2@db/monitor", "cannot be postgresql"),
        ("monitor.db", "not a URL"),
        ("sqlite:////nowhere/monitor.db", "directory /nowhere of the store does not exist"),
        ("sqlite:////proc/monitor.db", "check the disk and who owns it"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as refused:
        Store.open(url, now=NOON)

    assert "hunter2" not in str(refused.value)


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "monitor.db").mkdir()

    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(url_of(tmp_path / "monitor.db"), now=NOON)


def test_a_path_with_special_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a 100% [ü]#1.db"

    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation())

    assert path.exists()


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    with pytest.raises(StoreError, match="something else"):
        Store.open(url_of(path), now=NOON)

    connection = sqlite3.connect(path)
    tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert tables == [("theirs",)]


def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(*(note(f"{n} {'x' * 1000}") for n in range(200))))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8192] = b"\xa5" * 8192
    path.write_bytes(content)

    with pytest.raises(StoreError, match="damaged"):
        Store.open(url_of(path), now=NOON)

    assert path.read_bytes() == content


# The thread


async def test_calls_are_carried_out_in_order_and_by_one_thread(store: Store) -> None:
    thread = StoreThread(store)
    done: list[tuple[int, int]] = []

    def do(number: int) -> None:
        done.append((number, threading.get_ident()))

    await asyncio.gather(*(thread.call(do, number) for number in range(50)))
    await thread.aclose()

    assert [number for number, _ in done] == list(range(50))
    assert len({ident for _, ident in done} - {threading.get_ident()}) == 1


async def test_what_the_store_refuses_reaches_the_caller(path: Path, store: Store) -> None:
    thread = StoreThread(Store.open_readonly(url_of(path)))

    with pytest.raises(StoreError, match="cannot be written"):
        await thread.call(thread.save, observation())

    await thread.aclose()


async def test_a_call_made_before_its_caller_was_cancelled_is_carried_out(path: Path) -> None:
    thread = StoreThread(Store.open(url_of(path), now=NOON))
    may_go_on = threading.Event()
    before = asyncio.create_task(thread.call(may_go_on.wait))
    saving = asyncio.create_task(thread.call(thread.save, observation(note("1"))))
    await asyncio.sleep(0)

    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    may_go_on.set()
    await before
    await thread.aclose()

    with Store.open(url_of(path), now=NOON) as store:
        assert [one.key for one in store.outbox.unsent()] == ["1"]


def test_equal_messages_have_equal_digests() -> None:
    cases: Mapping[str, Message] = {word: message(word) for word in ("a", "b", "")}

    assert len({message_fingerprint(one) for one in cases.values()}) == 3
    assert message_fingerprint(message("a")) == message_fingerprint(message("a"))
