"""The store: the last snapshot of every target, and the outbox of what is to be sent.

A snapshot and all that follows from it are written in one transaction, so that a crash at any
instant leaves the one with the other, or neither. The store reads no clock and decides
nothing: it keeps, orders and finds. Every method may raise StoreError, when the database or
its disk refuses; then nothing of the call has been written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from monitor.model import (
    Alteration,
    Card,
    HeldLine,
    Notification,
    Snapshot,
    Target,
    TargetState,
    Transition,
    urgency_of,
)
from monitor.store import opening
from monitor.store.backlog import Backlog, Waiting
from monitor.store.cards import Cards, Edit, message_fingerprint
from monitor.store.database import Database
from monitor.store.digests import Digests
from monitor.store.doubts import Doubts, Resent
from monitor.store.files import SetAside, newest_set_aside
from monitor.store.finds import Find, Finds
from monitor.store.folding import Fold, Folding, Overdue, WaitingRow
from monitor.store.history import History, PastNotification, PastTransition
from monitor.store.moving import Move, Moving, SetAsideStray, Stray
from monitor.store.names import Name, Names
from monitor.store.opening import copy_of
from monitor.store.outages import Outages
from monitor.store.outbox import Counts, Due, Outbox
from monitor.store.queued import DeliveryState, QueuedNotification
from monitor.store.quiet import HeldLines, Silences
from monitor.store.snapshots import Snapshots, StoredTarget
from monitor.store.tables import UnreadableMessage
from monitor.store.thread import StoreThread

__all__ = [
    "Cards",
    "Counts",
    "DeliveryState",
    "Doubts",
    "Due",
    "Edit",
    "Find",
    "Fold",
    "Move",
    "Name",
    "Names",
    "Observation",
    "Overdue",
    "PastNotification",
    "PastTransition",
    "QueuedNotification",
    "Resent",
    "SetAside",
    "SetAsideStray",
    "Store",
    "StoreThread",
    "StoredTarget",
    "Stray",
    "UnreadableMessage",
    "Waiting",
    "WaitingRow",
    "copy_of",
    "message_fingerprint",
]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one poll brought, and all that follows from it; saved whole or not at all."""

    snapshot: Snapshot
    state: TargetState
    fingerprint: bytes
    transitions: tuple[Transition, ...] = ()
    cards: tuple[Card, ...] = ()
    notifications: tuple[Notification, ...] = ()
    alterations: tuple[Alteration, ...] = ()
    held: tuple[HeldLine, ...] = ()


class Store:
    """The open database, by its parts; what concerns several of them at once is written here.

    All methods, its own and those of the parts, are synchronous, and are called from one
    thread at a time.
    """

    def __init__(self, opened: opening.Opened) -> None:
        database = Database(opened)
        self._database = database
        self.snapshots = Snapshots(database)
        self.history = History(database)
        self.cards = Cards(database)
        self.outbox = Outbox(database, self.cards)
        self.backlog = Backlog(database)
        self.folding = Folding(database, self.outbox)
        self.moving = Moving(database)
        self.doubts = Doubts(database)
        self.held = HeldLines(database, self.outbox)
        self.silences = Silences(database)
        self.digests = Digests(database, self.outbox)
        self.outages = Outages(database, self.outbox)
        self.finds = Finds(database)
        self.names = Names(database)

    @classmethod
    def open(cls, url: str, *, now: datetime, replaces_damaged: bool = False) -> Self:
        """Open for writing, alone; the file is made or brought up to date where needed.

        StoreError when another daemon has it, when it is damaged, made by a newer version, no
        store at all, or out of reach. A damaged one may be set aside for a new one instead.
        """
        opened = opening.open_for_writing(url, now=now, replaces_damaged=replaces_damaged)
        return cls(opened)

    @classmethod
    def open_readonly(cls, url: str) -> Self:
        """Open for reading, while a daemon writes or none does; StoreError when there is none."""
        return cls(opening.open_for_reading(url))

    @classmethod
    def open_beside(cls, url: str) -> Self:
        """Open for a short write by a person, while a daemon has the file or none does.

        StoreError when there is none. Meant for `retry` and its like: what a daemon does
        with a message in hand is not seen from here.
        """
        return cls(opening.open_beside(url))

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def set_aside_file(self) -> SetAside | None:
        """Return the damaged store that this one took the place of, while it is kept."""
        return newest_set_aside(self._database.path)

    def save(self, observation: Observation) -> None:
        """Write an observation with all that follows from it, or nothing of it.

        The promise of the whole monitor: whatever was seen is known together with what is to
        be sent because of it. A notification whose key was enqueued before is skipped.
        """
        snapshot, state = observation.snapshot, observation.state
        of, now, urgency = snapshot.target, snapshot.taken_at, urgency_of(state)
        changes: tuple[Transition | Alteration, ...] = (
            *observation.transitions,
            *observation.alterations,
        )
        with self._database.transaction() as connection:
            # The target first: the rows of its changes and cards refer to it.
            self.snapshots.write(connection, snapshot, state, observation.fingerprint)
            self.history.write(connection, of, state.attempt, changes, now)
            # What waits from earlier polls is worth what the rollout is now.
            self.cards.set_urgency(connection, of, urgency)
            self.cards.write(connection, observation.cards, now, urgency)
            self.held.write(connection, observation.held)
            self.outbox.set_urgency(connection, of, urgency)
            self.outbox.enqueue(connection, observation.notifications, now, urgency)

    def prune(self, before: datetime, *, watched: Collection[Target] = ()) -> int:
        """Forget what is older, and targets not polled since; never what is still to be sent.

        A target that is watched stays, though it settled so long ago that it is polled no
        more: else it would be new after a restart. Returns how many rows were deleted, not
        counting those that went with their target.
        """
        with self._database.transaction() as connection:
            return (
                self.outbox.prune(connection, before)
                + self.history.prune(connection, before)
                + self.names.prune(connection, before)
                + self.cards.prune(connection, before)
                + self.outages.prune(connection, before)
                + self.snapshots.prune(connection, before, watched)
            )
