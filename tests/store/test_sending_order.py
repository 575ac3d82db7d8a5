"""What a destination is sent next: what matters first, and within a rollout in order."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

import pytest

from monitor.model import (
    Alert,
    EventKind,
    Form,
    Notification,
    Outage,
    Target,
    TargetState,
    Urgency,
)
from monitor.store import Observation, QueuedNotification, Store
from tests.support.clock import NOON
from tests.support.stores import MINUTE, card, message, next_edit, snapshot

IN_TROUBLE = TargetState(
    NOON, alerts=(Alert("ins1", EventKind.FAILED, NOON, NOON, notified_destinations=("ops",)),)
)
MOVING = TargetState(NOON)
OVER = TargetState(NOON, ended=EventKind.SUCCEEDED, ended_at=NOON)


def target(name: str) -> Target:
    return Target("release", name)


def of(name: str, number: int = 0, *, form: Form = Form.REPLY, to: str = "ops") -> Notification:
    """One of a rollout's notifications; its key is that of both."""
    return Notification(f"{name}{number}", to, form, message(name), target(name))


def commit(
    store: Store,
    name: str,
    *added: Notification,
    state: TargetState = MOVING,
    shows: str | None = None,
    at: datetime = NOON,
) -> None:
    """Commit a poll of a rollout: what it enqueues, and what its card ought to show."""
    cards = () if shows is None else (card(shows, of=target(name)),)
    seen = snapshot("executing", at=at, of=target(name))
    store.save(Observation(seen, state, b"", cards=cards, notifications=added))


def sent(store: Store, destination: str = "ops") -> Iterator[QueuedNotification]:
    """Send what is due, one after the other."""
    while (row := store.outbox.next_notification(destination, NOON)) is not None:
        store.outbox.mark_sent(row.id, now=NOON, channel_id="C1", ts=f"{row.id}.0", shown=None)
        yield row


def keys(rows: Iterable[QueuedNotification]) -> list[str]:
    return [row.key for row in rows]


def test_a_problem_goes_before_what_moves_and_that_before_history(store: Store) -> None:
    commit(store, "over", of("over"), state=OVER)
    commit(store, "moving", of("moving"))
    commit(store, "trouble", of("trouble"), state=IN_TROUBLE)

    assert keys(sent(store)) == ["trouble0", "moving0", "over0"]


def test_what_waits_becomes_as_urgent_as_its_rollout_is_now(store: Store) -> None:
    commit(store, "calmed", of("calmed"), state=IN_TROUBLE)
    commit(store, "failing", of("failing"), state=OVER)

    commit(store, "calmed", state=OVER)
    commit(store, "failing", of("failing", 1), state=IN_TROUBLE)

    assert keys(sent(store)) == ["failing0", "failing1", "calmed0"]


def test_what_the_monitor_cannot_see_and_can_again_is_said_first(store: Store) -> None:
    commit(store, "trouble", of("trouble"), state=IN_TROUBLE)
    lost = Outage(EventKind.UNREACHABLE, NOON, "no answer")
    said = Notification("unreachable", "ops", Form.MESSAGE, message("unreachable"))
    again = Notification("reachable", "ops", Form.MESSAGE, message("reachable"))
    store.outages.save("platform", lost, [said], now=NOON)
    store.outages.save("platform", None, [again], now=NOON)

    assert keys(sent(store)) == ["unreachable", "reachable", "trouble0"]


def test_that_something_can_be_seen_again_waits_for_the_report_that_it_cannot(store: Store) -> None:
    lost = Outage(EventKind.UNREACHABLE, NOON, "no answer")
    unseen = Notification("unreachable", "ops", Form.MESSAGE, message("unreachable"))
    again = Notification("reachable", "ops", Form.MESSAGE, message("reachable"))
    store.outages.save("platform", lost, [unseen], now=NOON)
    store.outages.save("platform", None, [again], now=NOON)
    commit(store, "moving", of("moving"))
    first = store.outbox.next_notification("ops", NOON)
    assert first is not None
    store.outbox.postpone(first.id, next_try_at=NOON + MINUTE, error="", in_doubt_since=NOON)

    assert keys(sent(store)) == ["moving0"]


def test_of_equally_urgent_rollouts_cards_go_before_replies(store: Store) -> None:
    commit(store, "a", of("a"))
    commit(store, "b", of("b", form=Form.CARD), of("b", 1))
    commit(store, "c", of("c", form=Form.CARD))

    assert keys(sent(store)) == ["b0", "c0", "a0", "b1"]


def test_what_waits_holds_up_its_rollout_and_no_other(store: Store) -> None:
    commit(store, "a", of("a"), of("a", 1), state=IN_TROUBLE)
    commit(store, "b", of("b"))
    first = next(row for row in store.outbox.unsent() if row.key == "a0")
    store.outbox.postpone(first.id, next_try_at=NOON + MINUTE, error="cut off", in_doubt_since=NOON)

    assert keys(sent(store)) == ["b0"]
    assert store.outbox.due(NOON).later == NOON + MINUTE


def test_a_rollout_waits_in_one_destination_and_goes_on_in_another(store: Store) -> None:
    commit(store, "a", of("a"), of("a", 1), of("a", 2, to="dev"))
    first = store.outbox.unsent()[0]
    store.outbox.postpone(first.id, next_try_at=NOON + MINUTE, error="cut off")

    assert keys(sent(store)) == []
    assert keys(sent(store, "dev")) == ["a2"]


def test_what_is_about_no_rollout_waits_for_nothing(store: Store) -> None:
    for number in range(2):
        alone = Notification(f"alone{number}", "ops", Form.MESSAGE, message("alone"))
        store.digests.save_issue("daily", NOON, [alone], NOON)
    first = store.outbox.unsent()[0]
    store.outbox.postpone(first.id, next_try_at=NOON + MINUTE, error="cut off")

    assert keys(sent(store)) == ["alone1"]


def test_a_lost_card_goes_ahead_of_the_replies_that_need_it(store: Store) -> None:
    commit(store, "a", of("a", form=Form.CARD), shows="first")
    assert keys(sent(store)) == ["a0"]
    commit(store, "a", of("a", 1), of("a", 2))
    commit(store, "b", of("b"))

    store.outbox.lose_card(next_edit(store), now=NOON)

    assert keys(sent(store)) == ["release/a/1/card/1/ops", "a1", "a2", "b0"]


def test_cards_of_rollouts_in_trouble_are_edited_first_then_the_oldest(store: Store) -> None:
    states = {"oldest": OVER, "old": MOVING, "trouble": IN_TROUBLE, "late": IN_TROUBLE}
    for name in states:
        commit(store, name, of(name, form=Form.CARD), shows="first")
    for row in sent(store):
        store.cards.mark_edited(next_edit(store), row.created_at)
    for minutes, (name, state) in enumerate(states.items()):
        commit(store, name, state=state, shows="second", at=NOON + minutes * MINUTE)

    order = []
    for _ in states:
        edit = next_edit(store)
        store.cards.mark_edited(edit, NOON)
        order.append(edit.target.id)

    assert order == ["trouble", "late", "oldest", "old"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fails_and_changes_each_rollout_is_sent_in_order_and_the_most_urgent_first(
    store: Store, seed: int
) -> None:
    chance = random.Random(seed)
    states = {Urgency.PROBLEM: IN_TROUBLE, Urgency.MOVING: MOVING, Urgency.OVER: OVER}
    waiting: dict[str, list[str]] = defaultdict(list)
    urgency: dict[str, Urgency] = {}
    blocked: set[str] = set()
    for number in range(120):
        match chance.choice(("commit", "send", "send", "fail", "pass")):
            case "commit":
                name = chance.choice("abcde")
                urgency[name] = chance.choice(list(states))
                commit(store, name, of(name, number), state=states[urgency[name]])
                waiting[name].append(f"{name}{number}")
            case "pass":
                store.outbox.hurry(NOON)
                blocked.clear()
            case what:
                row = store.outbox.next_notification("ops", NOON)
                free = [name for name in waiting if waiting[name] and name not in blocked]
                assert (row is None) == (not free)
                if row is None or row.target is None:
                    continue
                name = row.target.id
                assert row.key == waiting[name][0]
                assert urgency[name] == min(urgency[one] for one in free)
                if what == "send":
                    store.outbox.mark_sent(row.id, now=NOON, channel_id="C", ts="1", shown=None)
                    waiting[name].pop(0)
                else:
                    store.outbox.postpone(row.id, next_try_at=NOON + MINUTE, error="no")
                    blocked.add(name)


@pytest.mark.parametrize(("rollouts", "each"), [(3_000, 1), (100, 30)])
def test_what_is_next_among_thousands_is_found_within_milliseconds(
    store: Store, rollouts: int, each: int
) -> None:
    history = (of(str(name), n) for name in range(rollouts) for n in range(each))
    commit(store, "history", *history, state=OVER)
    commit(store, "trouble", of("trouble"), state=IN_TROUBLE)

    began = time.thread_time()
    for _ in range(20):
        row = store.outbox.next_notification("ops", NOON)
    seconds = time.thread_time() - began

    assert row is not None
    assert row.key == "trouble0"
    assert seconds / 20 < 0.005
