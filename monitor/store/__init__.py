"""The store: what was last seen of every target, and the outbox of what is to be told.

A snapshot and all that follows from it are written in one transaction, so that a crash at any
instant leaves the one with the other, or neither. The store reads no clock and decides
nothing: it keeps, orders and finds. Every method may raise StoreError, when the database or
its disk refuses; then nothing of the call has been written.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import xxhash
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)

from monitor.model import (
    Alteration,
    Card,
    EventKind,
    Form,
    HeldLine,
    Level,
    Message,
    MessageRef,
    Notification,
    Outage,
    Snapshot,
    Target,
    TargetState,
    Transition,
)
from monitor.store import opening
from monitor.store.digests import Digests
from monitor.store.finds import Find, Finds
from monitor.store.names import KeptNames, Name
from monitor.store.opening import SetAside, copy_of
from monitor.store.quiet import Quiet
from monitor.store.tables import (
    card,
    insert_into,
    is_edit_wanted,
    is_open,
    is_unsent,
    name,
    notification,
    outage,
    target,
    transition,
)
from monitor.store.thread import StoreThread

__all__ = [
    "Counts",
    "DeliveryState",
    "Edit",
    "Find",
    "Name",
    "Observation",
    "PastNotification",
    "QueuedNotification",
    "Seen",
    "SetAside",
    "Store",
    "StoreThread",
    "Stored",
    "Watched",
    "copy_of",
    "message_fingerprint",
]


def message_fingerprint(message: Message) -> bytes:
    """Return 16 bytes that are equal for equal messages."""
    return xxhash.xxh3_128_digest(msgspec.json.encode(message))


class DeliveryState(StrEnum):
    """How far a notification got."""

    PENDING = "pending"
    SENDING = "sending"
    """An attempt began. Found after a restart, the message may have arrived."""
    SENT = "sent"
    SET_ASIDE = "set aside"
    """Never to be sent unless a person asks for it; holds up nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a target; `fingerprint` is that of the answer it was decoded from."""

    snapshot: Snapshot
    state: TargetState
    fingerprint: bytes


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


@dataclass(frozen=True, slots=True)
class QueuedNotification:
    """A notification of the outbox. A smaller id was enqueued earlier.

    `next_try_at` is None when it may go at once. With `maybe_delivered` an earlier attempt's
    outcome is unknown. `thread` is the card that a reply belongs under, where it is posted.
    """

    id: int
    key: str
    destination: str
    form: Form
    target: Target | None
    attempt: int
    events: tuple[EventKind, ...]
    is_broadcast: bool
    message: Message
    state: DeliveryState
    attempts: int
    next_try_at: datetime | None
    maybe_delivered: bool
    created_at: datetime
    error: str
    thread: MessageRef | None


@dataclass(frozen=True, slots=True)
class Edit:
    """A posted card that shows something else than it ought to; `attempts` failed so far."""

    target: Target
    attempt: int
    destination: str
    channel_id: str
    ts: str
    message: Message
    fingerprint: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A target as it was last seen, polled and changed, by our clock."""

    target: Target
    snapshot: Snapshot
    state: TargetState
    polled_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A change of a target's history; `platform_at` is the platform's own time of it.

    `fact` is the name of the fact that changed; empty for the status.
    """

    at: datetime
    target: Target
    attempt: int
    level: Level
    kind: str
    entity_id: str
    name: str
    fact: str
    before: str | None
    after: str
    description: str
    platform_at: datetime | None


@dataclass(frozen=True, slots=True)
class PastNotification:
    """A notification of a target's history: enqueued `at`, sent or set aside at `done_at`."""

    at: datetime
    target: Target
    attempt: int
    id: int
    key: str
    destination: str
    form: Form
    events: tuple[EventKind, ...]
    is_broadcast: bool
    message: Message
    state: DeliveryState
    attempts: int
    done_at: datetime | None
    channel_id: str | None
    ts: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The outbox in numbers; `oldest_pending` is when the first that still waits was enqueued."""

    pending: int
    set_aside: int
    oldest_pending: datetime | None


class Store(Digests, Finds, KeptNames, Quiet):
    """The open database. Its methods are synchronous, and are called from one thread at a time."""

    def __init__(self, opened: opening.Opened) -> None:
        super().__init__(opened)
        dialect = self._dialect

        upsert = insert_into(dialect, target)
        self._save_target = upsert.on_conflict_do_update(
            index_elements=[target.c.kind, target.c.id],
            set_={
                column.name: upsert.excluded[column.name]
                for column in target.c
                if not column.primary_key
            },
        )
        upsert = insert_into(dialect, card)
        self._save_card = upsert.on_conflict_do_update(
            index_elements=[*card.primary_key],
            set_={
                "wanted": upsert.excluded.wanted,
                "wanted_fingerprint": upsert.excluded.wanted_fingerprint,
                "changed_at": case(
                    (
                        card.c.wanted_fingerprint == card.c.shown_fingerprint,
                        upsert.excluded.changed_at,
                    ),
                    else_=card.c.changed_at,
                ),
            },
        )
        self._enqueue = insert_into(dialect, notification).on_conflict_do_nothing(
            index_elements=[notification.c.key]
        )
        upsert = insert_into(dialect, outage)
        self._save_outage = upsert.on_conflict_do_update(
            index_elements=[outage.c.scope],
            set_={
                "kind": upsert.excluded.kind,
                "since": upsert.excluded.since,
                "reason": upsert.excluded.reason,
            },
        )

    # What was seen

    def load(self, wanted: Target) -> Stored | None:
        with self._transaction() as connection:
            row = connection.execute(_LOAD, _of(wanted)).one_or_none()
        return None if row is None else Stored(row.snapshot, row.state, row.fingerprint)

    def save(self, observation: Observation) -> None:
        """Write an observation with all that follows from it; a key enqueued before is skipped."""
        snapshot, state = observation.snapshot, observation.state
        seen = snapshot.target
        now = snapshot.taken_at
        with self._transaction() as connection:
            connection.execute(
                self._save_target,
                {
                    "kind": seen.kind,
                    "id": seen.id,
                    "snapshot": snapshot,
                    "state": state,
                    "fingerprint": observation.fingerprint,
                    "taken_at": now,
                    "polled_at": now,
                    "changed_at": state.changed_at,
                },
            )
            changes = [
                *(
                    _transition_row(one, seen, state.attempt, now)
                    for one in observation.transitions
                ),
                *(
                    _alteration_row(one, seen, state.attempt, now)
                    for one in observation.alterations
                ),
            ]
            if changes:
                connection.execute(_ADD_TRANSITIONS, changes)
            if observation.cards:
                connection.execute(
                    self._save_card, [_card_row(one, now) for one in observation.cards]
                )
            self.hold(connection, observation.held)
            self._enqueue_all(connection, observation.notifications, now)

    def touch(self, polled: Mapping[Target, datetime]) -> None:
        """Write down when targets were polled without any news."""
        if not polled:
            return
        with self._transaction() as connection:
            connection.execute(_TOUCH, [_of(one) | {"at": at} for one, at in polled.items()])

    def save_outage(
        self,
        scope: str,
        lost: Outage | None,
        notifications: Iterable[Notification] = (),
        *,
        now: datetime,
    ) -> None:
        """Write down that a scope was told as not visible, or with None that it is seen again."""
        with self._transaction() as connection:
            if lost is None:
                connection.execute(delete(outage).where(outage.c.scope == scope))
            else:
                connection.execute(
                    self._save_outage,
                    {
                        "scope": scope,
                        "kind": lost.kind,
                        "since": lost.since,
                        "reason": lost.reason,
                    },
                )
            self._enqueue_all(connection, notifications, now)

    def outages(self) -> dict[str, Outage]:
        with self._transaction() as connection:
            rows = connection.execute(select(outage)).all()
        return {row.scope: Outage(EventKind(row.kind), row.since, row.reason) for row in rows}

    def _enqueue_all(
        self, connection: Connection, notifications: Iterable[Notification], now: datetime
    ) -> None:
        rows = [_notification_row(one, now) for one in notifications]
        if rows:
            connection.execute(self._enqueue, rows)

    # What is to be told: posts

    def destinations_at_work(self, now: datetime) -> tuple[frozenset[str], datetime | None]:
        """Return the destinations with a post or an edit due now, and when the next is due."""
        with self._transaction() as connection:
            rows = connection.execute(_WORK).all()
        due = frozenset(
            row.destination for row in rows if row.next_try_at is None or row.next_try_at <= now
        )
        later = (row.next_try_at for row in rows if row.next_try_at and row.next_try_at > now)
        return due, min(later, default=None)

    def next_notification(self, destination: str) -> QueuedNotification | None:
        """Return a destination's oldest unsent notification, due or not: later ones wait for it.

        A reply whose card was lost lets the new card go first.
        """
        with self._transaction() as connection:
            row = connection.execute(_NEXT_NOTIFICATION, {"destination": destination}).one_or_none()
            if row is not None and row.form == Form.REPLY and row.thread_ts is None:
                its = {"its_kind": row.target_kind, "its_id": row.target_id}
                its |= {"its_attempt": row.attempt, "destination": destination}
                row = connection.execute(_NEXT_CARD, its).one_or_none() or row
        return None if row is None else _queued(row)

    def begin_attempt(self, id_: int, next_try_at: datetime) -> None:
        """Write down, before anything is sent, that an attempt begins.

        `next_try_at` is for whoever finds it unfinished after a crash.
        """
        self._update_notification(
            id_,
            state=DeliveryState.SENDING,
            attempts=notification.c.attempts + 1,
            next_try_at=next_try_at,
        )

    def mark_sent(
        self,
        id_: int,
        *,
        now: datetime,
        channel_id: str | None,
        ts: str | None,
        shown: bytes | None,
    ) -> None:
        """Write down that it was accepted; for a card, `shown` is what went out, hashed."""
        with self._transaction() as connection:
            connection.execute(
                _UPDATE_NOTIFICATION.values(
                    state=DeliveryState.SENT,
                    done_at=now,
                    next_try_at=None,
                    maybe_delivered=False,
                    channel_id=channel_id,
                    ts=ts,
                    error="",
                ),
                {"its_id": id_},
            )
            posted = connection.execute(_CARD_POSTED, {"its_id": id_}).one_or_none()
            if posted is None:
                return
            connection.execute(
                _UPDATE_CARD.values(
                    channel_id=channel_id,
                    ts=ts,
                    shown_fingerprint=shown,
                    changed_at=now,
                    posted_count=card.c.posted_count + 1,
                    attempts=0,
                    next_try_at=None,
                    error="",
                ),
                posted._asdict(),
            )

    def postpone(
        self,
        id_: int,
        *,
        next_try_at: datetime,
        error: str,
        maybe_delivered: bool = False,
        is_failure: bool = True,
    ) -> None:
        """Write down that it was not accepted, and when to try again.

        Only an attempt that was a failure counts as one.
        """
        self._update_notification(
            id_,
            state=DeliveryState.PENDING,
            attempts=notification.c.attempts - (0 if is_failure else 1),
            next_try_at=next_try_at,
            error=error,
            maybe_delivered=maybe_delivered,
        )

    def set_aside(self, id_: int, *, now: datetime, error: str) -> None:
        """Write down that it will not be sent, and why; those behind it go on."""
        self._update_notification(
            id_, state=DeliveryState.SET_ASIDE, done_at=now, next_try_at=None, error=error
        )

    def retry(self, ids: Iterable[int] | None, now: datetime) -> int:
        """Make what was set aside or postponed due now, all of it with None; return how many."""
        is_held_up = or_(
            notification.c.state == DeliveryState.SET_ASIDE,
            and_(notification.c.state == DeliveryState.PENDING, notification.c.next_try_at > now),
        )
        chosen = () if ids is None else (notification.c.id.in_(list(ids)),)
        with self._transaction() as connection:
            return connection.execute(
                update(notification)
                .where(is_unsent, is_held_up, *chosen)
                .values(state=DeliveryState.PENDING, attempts=0, next_try_at=None, done_at=None)
            ).rowcount

    def hurry(self, latest: datetime) -> None:
        """Let nothing wait longer than that."""
        with self._transaction() as connection:
            for table in (notification, card):
                connection.execute(
                    update(table).where(table.c.next_try_at > latest).values(next_try_at=latest)
                )

    def _update_notification(self, id_: int, **values: Any) -> None:
        with self._transaction() as connection:
            connection.execute(_UPDATE_NOTIFICATION.values(values), {"its_id": id_})

    # What is to be told: cards

    def wanted_card(
        self, of: Target, attempt: int, destination: str
    ) -> tuple[Message, bytes] | None:
        """Return what a card ought to show now, and the digest of that."""
        with self._transaction() as connection:
            row = connection.execute(_WANTED_CARD, _of_card(of, attempt, destination)).one_or_none()
        return None if row is None else (row.wanted, row.wanted_fingerprint)

    def posted_cards(self, of: Target, attempt: int) -> dict[str, MessageRef]:
        """Return where the cards of a target's attempt stand, by destination."""
        with self._transaction() as connection:
            rows = connection.execute(
                select(card.c.destination, card.c.channel_id, card.c.ts).where(
                    card.c.target_kind == of.kind,
                    card.c.target_id == of.id,
                    card.c.attempt == attempt,
                    card.c.ts.is_not(None),
                )
            ).all()
        return {row.destination: MessageRef(row.channel_id, row.ts) for row in rows}

    def next_edit(self, destination: str, now: datetime) -> Edit | None:
        """Return the due edit of a destination that has waited longest."""
        with self._transaction() as connection:
            row = connection.execute(
                _NEXT_EDIT, {"destination": destination, "now": now}
            ).one_or_none()
        if row is None:
            return None
        return Edit(
            target=Target(row.target_kind, row.target_id),
            attempt=row.attempt,
            destination=row.destination,
            channel_id=row.channel_id,
            ts=row.ts,
            message=row.wanted,
            fingerprint=row.wanted_fingerprint,
            attempts=row.attempts,
        )

    def mark_edited(self, edit: Edit, now: datetime) -> None:
        # Changed anew meanwhile, it queues up behind the cards that have waited longer.
        self._update_card(
            edit,
            shown_fingerprint=edit.fingerprint,
            changed_at=now,
            attempts=0,
            next_try_at=None,
            error="",
        )

    def postpone_edit(
        self, edit: Edit, next_try_at: datetime, error: str, *, is_failure: bool = True
    ) -> None:
        self._update_card(
            edit,
            attempts=card.c.attempts + (1 if is_failure else 0),
            next_try_at=next_try_at,
            error=error,
        )

    def lose_card(self, lost: Edit | QueuedNotification, *, now: datetime) -> None:
        """Enqueue a new card in place of one that is gone from Slack.

        `lost` is the edit, or the reply, that did not find it. Once a card is lost, losing it
        again changes nothing.
        """
        if isinstance(lost, Edit):
            of, ts = lost.target, lost.ts
        elif lost.target is not None and lost.thread is not None:
            of, ts = lost.target, lost.thread.ts
        else:
            return
        its = _of_card(of, lost.attempt, lost.destination)
        with self._transaction() as connection:
            row = connection.execute(_POSTED_CARD, its | {"its_ts": ts}).one_or_none()
            if row is None:
                return
            connection.execute(_UPDATE_CARD.values(ts=None, shown_fingerprint=None), its)
            again = Notification(
                key=f"{of.kind}/{of.id}/{lost.attempt}/card/{row.posted_count}/{lost.destination}",
                destination=lost.destination,
                form=Form.CARD,
                message=row.wanted,
                target=of,
                attempt=lost.attempt,
            )
            self._enqueue_all(connection, (again,), now)

    def _update_card(self, edit: Edit, **values: Any) -> None:
        """Change the card that an edit was made for, unless another took its place."""
        its = _of_card(edit.target, edit.attempt, edit.destination)
        with self._transaction() as connection:
            connection.execute(
                _UPDATE_CARD.where(card.c.ts == bindparam("its_ts")).values(values),
                its | {"its_ts": edit.ts},
            )

    # For people

    def targets(self) -> tuple[Watched, ...]:
        """Return every target that was ever seen and not pruned, in order of kind and id."""
        with self._transaction() as connection:
            rows = connection.execute(select(target).order_by(target.c.kind, target.c.id)).all()
        return tuple(
            Watched(
                Target(row.kind, row.id), row.snapshot, row.state, row.polled_at, row.changed_at
            )
            for row in rows
        )

    def history(self, target_id: str) -> tuple[Seen | PastNotification, ...]:
        """Return what was seen of a target and what was told of it, in the order of time.

        Each of the two is in its own order, even if the clock was set back meanwhile.
        """
        with self._transaction() as connection:
            seen = connection.execute(
                select(transition)
                .where(transition.c.target_id == target_id)
                .order_by(transition.c.id)
            ).all()
            told = connection.execute(
                select(notification)
                .where(notification.c.target_id == target_id)
                .order_by(notification.c.id)
            ).all()
        both: tuple[list[Seen | PastNotification], ...] = (
            list(map(_seen, seen)),
            list(map(_past_notification, told)),
        )
        return tuple(heapq.merge(*both, key=lambda entry: entry.at))

    def outbox(self, *, after: int = 0, limit: int | None = None) -> tuple[QueuedNotification, ...]:
        """Return what is not sent: pending, under way and set aside, oldest first.

        A long one is had page by page: those `after` an id, as many as `limit` says.
        """
        page = _OUTBOX.where(notification.c.id > after).limit(limit)
        with self._transaction() as connection:
            rows = connection.execute(page).all()
        return tuple(map(_queued, rows))

    def waiting(self, destination: str) -> int:
        """Return how many notifications of a destination are still to be sent."""
        with self._transaction() as connection:
            return connection.execute(_WAITING, {"destination": destination}).scalar_one()

    def notified_destinations(self, key: str) -> frozenset[str]:
        """Return the destinations with a notification whose key begins so, sent or not."""
        with self._transaction() as connection:
            its = notification.c.key.startswith(key, autoescape=True)
            return frozenset(connection.scalars(select(notification.c.destination).where(its)))

    def counts(self) -> Counts:
        with self._transaction() as connection:
            rows = connection.execute(_COUNTS).all()
            oldest = connection.execute(_OLDEST_PENDING).scalar()
        by_state: dict[str, int] = {row.state: row.total for row in rows}
        set_aside = by_state.pop(DeliveryState.SET_ASIDE, 0)
        return Counts(sum(by_state.values()), set_aside, oldest)

    def last_polled(self) -> datetime | None:
        """Return when any target was polled last; None if none ever was."""
        with self._transaction() as connection:
            return connection.execute(_LAST_POLLED).scalar()

    def prune(self, before: datetime, *, watched: Collection[Target] = ()) -> int:
        """Forget what is older, and targets not polled since; never what is still to be sent.

        A target that is watched stays, though it settled so long ago that it is polled no
        more: else it would be new after a restart. Returns how many rows were deleted, not
        counting those that went with their target.
        """
        newer = card.alias()
        statements = (
            delete(notification).where(notification.c.done_at < before),
            delete(transition).where(transition.c.seen_at < before),
            delete(name).where(name.c.fetched_at < before),
            # The card of a target's newest attempt stays as long as the target does.
            delete(card).where(
                card.c.changed_at < before,
                exists().where(
                    newer.c.target_kind == card.c.target_kind,
                    newer.c.target_id == card.c.target_id,
                    newer.c.destination == card.c.destination,
                    newer.c.attempt > card.c.attempt,
                ),
                ~is_edit_wanted,
                ~_is_told(card.c.target_kind, card.c.target_id),
            ),
        )
        unpolled = select(target.c.kind, target.c.id).where(
            target.c.polled_at < before,
            ~exists().where(
                card.c.target_kind == target.c.kind,
                card.c.target_id == target.c.id,
                is_edit_wanted,
            ),
            ~_is_told(target.c.kind, target.c.id),
        )
        with self._transaction() as connection:
            removed = sum(connection.execute(statement).rowcount for statement in statements)
            for row in connection.execute(unpolled).all():
                its = Target(row.kind, row.id)
                if its not in watched:
                    connection.execute(_FORGET, _of(its))
                    removed += 1
        return removed


# Statements that are used all the time, built once.

_LOAD = select(target.c.snapshot, target.c.state, target.c.fingerprint).where(
    target.c.kind == bindparam("its_kind"), target.c.id == bindparam("its_id")
)
_TOUCH = (
    update(target)
    .where(target.c.kind == bindparam("its_kind"), target.c.id == bindparam("its_id"))
    .values(polled_at=bindparam("at"))
)
_FORGET = delete(target).where(
    target.c.kind == bindparam("its_kind"), target.c.id == bindparam("its_id")
)
_ADD_TRANSITIONS = transition.insert()

_is_its_card = and_(
    card.c.target_kind == bindparam("its_kind"),
    card.c.target_id == bindparam("its_id"),
    card.c.attempt == bindparam("its_attempt"),
    card.c.destination == bindparam("its_sink"),
)
_WANTED_CARD = select(card.c.wanted, card.c.wanted_fingerprint).where(_is_its_card)
_POSTED_CARD = select(card.c.wanted, card.c.posted_count).where(
    _is_its_card, card.c.ts == bindparam("its_ts")
)
_UPDATE_CARD = update(card).where(_is_its_card)
_NEXT_EDIT = (
    select(card)
    .where(
        is_edit_wanted,
        card.c.destination == bindparam("destination"),
        or_(card.c.next_try_at.is_(None), card.c.next_try_at <= bindparam("now")),
    )
    .order_by(card.c.changed_at)
    .limit(1)
)

_UPDATE_NOTIFICATION = update(notification).where(notification.c.id == bindparam("its_id"))
_CARD_POSTED = select(
    notification.c.target_kind.label("its_kind"),
    notification.c.target_id.label("its_id"),
    notification.c.attempt.label("its_attempt"),
    notification.c.destination.label("its_sink"),
).where(notification.c.id == bindparam("its_id"), notification.c.form == Form.CARD)
_WITH_THREAD = select(
    notification,
    card.c.channel_id.label("thread_channel_id"),
    card.c.ts.label("thread_ts"),
).outerjoin(
    card,
    and_(
        notification.c.form == Form.REPLY,
        card.c.target_kind == notification.c.target_kind,
        card.c.target_id == notification.c.target_id,
        card.c.attempt == notification.c.attempt,
        card.c.destination == notification.c.destination,
    ),
)
_OUTBOX = _WITH_THREAD.where(is_unsent).order_by(notification.c.id)
_NEXT_NOTIFICATION = (
    _WITH_THREAD.where(is_open, notification.c.destination == bindparam("destination"))
    .order_by(notification.c.id)
    .limit(1)
)
_NEXT_CARD = (
    _WITH_THREAD.where(
        is_open,
        notification.c.destination == bindparam("destination"),
        notification.c.form == Form.CARD,
        notification.c.target_kind == bindparam("its_kind"),
        notification.c.target_id == bindparam("its_id"),
        notification.c.attempt == bindparam("its_attempt"),
    )
    .order_by(notification.c.id)
    .limit(1)
)
_HEADS = select(func.min(notification.c.id)).where(is_open).group_by(notification.c.destination)
# A reply whose card was lost is due when the new card is, which stands behind it.
_new_card = notification.alias()
_WORK = union_all(
    select(
        notification.c.destination,
        case(
            (_new_card.c.id.is_not(None), _new_card.c.next_try_at),
            else_=notification.c.next_try_at,
        ).label("next_try_at"),
    )
    .select_from(
        notification.outerjoin(
            card,
            and_(
                card.c.target_kind == notification.c.target_kind,
                card.c.target_id == notification.c.target_id,
                card.c.attempt == notification.c.attempt,
                card.c.destination == notification.c.destination,
            ),
        ).outerjoin(
            _new_card,
            and_(
                notification.c.form == Form.REPLY,
                card.c.ts.is_(None),
                _new_card.c.form == Form.CARD,
                _new_card.c.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)),
                _new_card.c.target_kind == notification.c.target_kind,
                _new_card.c.target_id == notification.c.target_id,
                _new_card.c.attempt == notification.c.attempt,
                _new_card.c.destination == notification.c.destination,
            ),
        )
    )
    .where(notification.c.id.in_(_HEADS)),
    select(card.c.destination, card.c.next_try_at).where(is_edit_wanted).distinct(),
)
_COUNTS = (
    select(notification.c.state, func.count().label("total"))
    .where(is_unsent)
    .group_by(notification.c.state)
)
_WAITING = (
    select(func.count())
    .select_from(notification)
    .where(is_open, notification.c.destination == bindparam("destination"))
)
_LAST_POLLED = select(func.max(target.c.polled_at))
_OLDEST_PENDING = select(notification.c.created_at).where(
    notification.c.id == select(func.min(notification.c.id)).where(is_open).scalar_subquery()
)


def _is_told(kind: ColumnElement[str], id_: ColumnElement[str]) -> ColumnElement[bool]:
    """Say in SQL that something of this target is still to be sent."""
    return exists().where(
        is_open, notification.c.target_kind == kind, notification.c.target_id == id_
    )


# Values to rows, rows to values


def _of(its: Target) -> dict[str, Any]:
    return {"its_kind": its.kind, "its_id": its.id}


def _of_card(its: Target, attempt: int, destination: str) -> dict[str, Any]:
    return _of(its) | {"its_attempt": attempt, "its_sink": destination}


def _transition_row(
    one: Transition, seen: Target, attempt: int, now: datetime
) -> dict[str, object]:
    return {
        "target_kind": seen.kind,
        "target_id": seen.id,
        "attempt": attempt,
        "level": int(one.level),
        "kind": one.entity.kind,
        "entity_id": one.entity.id,
        "name": one.entity.name,
        "fact": "",
        "before": one.before,
        "after": one.after,
        "description": one.description,
        "platform_at": one.at,
        "seen_at": now,
    }


def _alteration_row(
    one: Alteration, seen: Target, attempt: int, now: datetime
) -> dict[str, object]:
    return {
        "target_kind": seen.kind,
        "target_id": seen.id,
        "attempt": attempt,
        "level": int(one.level),
        "kind": one.entity.kind,
        "entity_id": one.entity.id,
        "name": one.entity.name,
        "fact": one.fact,
        "before": one.before,
        "after": one.after,
        "description": "",
        "platform_at": None,
        "seen_at": now,
    }


def _card_row(one: Card, now: datetime) -> dict[str, object]:
    return {
        "target_kind": one.target.kind,
        "target_id": one.target.id,
        "attempt": one.attempt,
        "destination": one.destination,
        "wanted": one.message,
        "wanted_fingerprint": message_fingerprint(one.message),
        "changed_at": now,
        "posted_count": 0,
        "attempts": 0,
        "error": "",
    }


def _notification_row(one: Notification, now: datetime) -> dict[str, object]:
    return {
        "key": one.key,
        "destination": one.destination,
        "form": one.form,
        "target_kind": one.target.kind if one.target else None,
        "target_id": one.target.id if one.target else None,
        "attempt": one.attempt,
        "events": one.events,
        "is_broadcast": one.is_broadcast,
        "message": one.message,
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "maybe_delivered": False,
        "created_at": now,
        "error": "",
    }


def _target_of(row: Row[Any]) -> Target | None:
    return None if row.target_id is None else Target(row.target_kind, row.target_id)


def _queued(row: Row[Any]) -> QueuedNotification:
    return QueuedNotification(
        id=row.id,
        key=row.key,
        destination=row.destination,
        form=Form(row.form),
        target=_target_of(row),
        attempt=row.attempt,
        events=row.events,
        is_broadcast=row.is_broadcast,
        message=row.message,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        maybe_delivered=row.maybe_delivered or row.state == DeliveryState.SENDING,
        created_at=row.created_at,
        error=row.error,
        thread=MessageRef(row.thread_channel_id, row.thread_ts) if row.thread_ts else None,
    )


def _seen(row: Row[Any]) -> Seen:
    return Seen(
        at=row.seen_at,
        target=Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        level=Level(row.level),
        kind=row.kind,
        entity_id=row.entity_id,
        name=row.name,
        fact=row.fact,
        before=row.before,
        after=row.after,
        description=row.description,
        platform_at=row.platform_at,
    )


def _past_notification(row: Row[Any]) -> PastNotification:
    return PastNotification(
        at=row.created_at,
        target=Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        id=row.id,
        key=row.key,
        destination=row.destination,
        form=Form(row.form),
        events=row.events,
        is_broadcast=row.is_broadcast,
        message=row.message,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        done_at=row.done_at,
        channel_id=row.channel_id,
        ts=row.ts,
        error=row.error,
    )
