"""A store with observations, notifications and cards that need no platform."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import monitor
from monitor.kinds import release
from monitor.kinds.parts import DEPLOY
from monitor.model import (
    Card,
    Entity,
    Form,
    Level,
    Message,
    Notification,
    Snapshot,
    Target,
    TargetState,
    Transition,
)
from monitor.store import (
    Due,
    Edit,
    Observation,
    QueuedNotification,
    Store,
    message_fingerprint,
)
from tests.support.clock import NOON
from tests.support.orphans import ENDING_WITH_US

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


def next_notification(
    store: Store, destination: str = "ops", *, now: datetime = NOON
) -> QueuedNotification:
    post = store.outbox.next_notification(destination, now)
    assert post is not None
    return post


def due(*, posts: Iterable[str] = (), edits: int = 0, later: datetime | None = None) -> Due:
    return Due(frozenset(posts), edits, later)


def next_edit(store: Store, *, now: datetime = NOON) -> Edit:
    (edit,) = store.cards.next_edits(now, limit=1)
    return edit


def send(store: Store, *, ts: str = "1.0", shown: bytes | None = None) -> QueuedNotification:
    """Deliver the next post as the daemon would."""
    post = next_notification(store)
    store.outbox.begin_attempt(post.id, now=NOON, next_try_at=NOON)
    store.outbox.mark_sent(post.id, now=NOON, channel_id="C1", ts=ts, shown=shown)
    return post


def post_card(store: Store, words: str = "first", *, ts: str = "1.0") -> None:
    store.save(observation(note(f"card {ts}", form=Form.CARD), cards=(card(words),)))
    send(store, ts=ts, shown=message_fingerprint(message(words)))


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(monitor.__file__).parents[1])
    return subprocess.Popen(
        [*ENDING_WITH_US, sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )


ENDLESS_WRITER = """
import sys
from collections.abc import Iterable
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
        queued = Notification(str(number), "ops", Form.MESSAGE, Message("x" * 3000), target)
        card = Card(target, 1, "ops", Message(str(number)))
        at = noon + timedelta(seconds=number)
        snapshot = Snapshot(target, at, root)
        store.save(Observation(snapshot, TargetState(at), b"", (news,), (card,), (queued,)))
        print(number, flush=True)
"""
