"""The history of a target."""

from __future__ import annotations

from monitor.kinds.parts import DEPLOY
from monitor.model import (
    Level,
)
from monitor.store import (
    DeliveryState,
    PastNotification,
    PastTransition,
    Store,
)
from tests.support.clock import NOON
from tests.support.stores import MINUTE, note, observation, send, transition


def test_history_has_what_was_seen_and_what_was_sent_in_order(store: Store) -> None:
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
    seen, sent = history[3], history[2]
    assert isinstance(seen, PastTransition)
    assert (seen.level, seen.kind, seen.before, seen.after) == (
        Level.UNIT,
        DEPLOY,
        "executing",
        "error",
    )
    assert isinstance(sent, PastNotification)
    assert (sent.state, sent.done_at, sent.ts) == (DeliveryState.SENT, NOON, "5.5")


def test_history_of_an_id_never_seen_is_empty(store: Store) -> None:
    assert store.history.load("rel404") == ()
