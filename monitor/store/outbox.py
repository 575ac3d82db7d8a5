"""The outbox: what is to be posted, in which order, and what became of each attempt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    union_all,
    update,
)

from monitor.model import EventKind, Form, Message, MessageRef, Notification, Target
from monitor.store.cards import Cards, Edit
from monitor.store.database import Database
from monitor.store.tables import (
    card,
    insert_into,
    is_edit_wanted,
    is_open,
    is_unsent,
    notification,
)


class DeliveryState(StrEnum):
    """How far a notification got."""

    PENDING = "pending"
    SENDING = "sending"
    """An attempt began. Found after a restart, the message may have arrived."""
    SENT = "sent"
    SET_ASIDE = "set aside"
    """Never to be sent unless a person asks for it; holds up nothing."""


@dataclass(frozen=True, slots=True)
class QueuedNotification:
    """A notification of the outbox. A smaller id was enqueued earlier.

    `next_try_at` is None when it may go at once. With `in_doubt` an earlier attempt's
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
    in_doubt: bool
    created_at: datetime
    error: str
    thread: MessageRef | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The outbox in numbers; `oldest_pending` is when the first that still waits was enqueued."""

    pending: int
    set_aside: int
    oldest_pending: datetime | None


class Outbox:
    """The part of the store that keeps notifications until they are sent, and for a while after.

    A destination's notifications are sent in the order of their ids.
    """

    def __init__(self, database: Database, cards: Cards) -> None:
        self._database = database
        self._cards = cards
        self._enqueue = insert_into(database.dialect, notification).on_conflict_do_nothing(
            index_elements=[notification.c.key]
        )

    # What is to be sent

    def due_destinations(self, now: datetime) -> tuple[frozenset[str], datetime | None]:
        """Return the destinations with a post or an edit due now, and when the next is due."""
        with self._database.transaction() as connection:
            rows = connection.execute(_HEADS).all()
        due = frozenset(
            row.destination for row in rows if row.next_try_at is None or row.next_try_at <= now
        )
        later = (row.next_try_at for row in rows if row.next_try_at and row.next_try_at > now)
        return due, min(later, default=None)

    def next_notification(self, destination: str) -> QueuedNotification | None:
        """Return a destination's oldest unsent notification, due or not: later ones wait for it.

        A reply whose card was lost lets the new card go first.
        """
        with self._database.transaction() as connection:
            row = connection.execute(_NEXT, {"destination": destination}).one_or_none()
            if row is not None and row.form == Form.REPLY and row.thread_ts is None:
                its = {f"its_{column}": getattr(row, column) for column in _CARD_KEY}
                row = connection.execute(_NEXT_CARD, its).one_or_none() or row
        return None if row is None else _queued(row)

    def waiting(self, destination: str) -> int:
        """Return how many notifications of a destination are still to be sent."""
        with self._database.transaction() as connection:
            return connection.execute(_WAITING, {"destination": destination}).scalar_one()

    def unsent(self, *, after: int = 0, limit: int | None = None) -> tuple[QueuedNotification, ...]:
        """Return what is not sent: pending, under way and set aside, oldest first.

        A long outbox is had page by page: those `after` an id, as many as `limit` says.
        """
        page = _UNSENT.where(notification.c.id > after).limit(limit)
        with self._database.transaction() as connection:
            rows = connection.execute(page).all()
        return tuple(map(_queued, rows))

    def counts(self) -> Counts:
        with self._database.transaction() as connection:
            rows = connection.execute(_COUNTS).all()
            oldest = connection.execute(_OLDEST_PENDING).scalar()
        by_state: dict[str, int] = {row.state: row.total for row in rows}
        set_aside = by_state.pop(DeliveryState.SET_ASIDE, 0)
        return Counts(sum(by_state.values()), set_aside, oldest)

    # What became of it

    def begin_attempt(self, id_: int, next_try_at: datetime) -> None:
        """Write down, before anything is sent, that an attempt begins.

        `next_try_at` is for whoever finds it unfinished after a crash.
        """
        self._update(
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
        """Write down that Slack accepted it; `shown` is the fingerprint of a card as it went out.

        A card is marked as posted together with its notification.
        """
        with self._database.transaction() as connection:
            connection.execute(
                _UPDATE.values(
                    state=DeliveryState.SENT,
                    done_at=now,
                    next_try_at=None,
                    in_doubt=False,
                    channel_id=channel_id,
                    ts=ts,
                    error="",
                ),
                {"its_id": id_},
            )
            posted = connection.execute(_CARD_OF, {"its_id": id_}).one_or_none()
            if posted is not None:
                self._cards.mark_posted(
                    connection,
                    Target(posted.target_kind, posted.target_id),
                    posted.attempt,
                    posted.destination,
                    channel_id=channel_id,
                    ts=ts,
                    shown=shown,
                    now=now,
                )

    def postpone(
        self,
        id_: int,
        *,
        next_try_at: datetime,
        error: str,
        in_doubt: bool = False,
        is_failure: bool = True,
    ) -> None:
        """Write down that Slack did not accept it, and when to try again.

        Only a failure counts as an attempt.
        """
        self._update(
            id_,
            state=DeliveryState.PENDING,
            attempts=notification.c.attempts - (0 if is_failure else 1),
            next_try_at=next_try_at,
            error=error,
            in_doubt=in_doubt,
        )

    def set_aside(self, id_: int, *, now: datetime, error: str) -> None:
        """Write down that it will not be sent, and why; those behind it go on."""
        self._update(id_, state=DeliveryState.SET_ASIDE, done_at=now, next_try_at=None, error=error)

    def lose_card(self, lost: Edit | QueuedNotification, *, now: datetime) -> None:
        """Enqueue a new card in place of one that is not in Slack any more.

        `lost` is the edit, or the reply, that did not find it. Once a card is lost, losing it
        again changes nothing.
        """
        if isinstance(lost, Edit):
            of, ts = lost.target, lost.ts
        elif lost.target is not None and lost.thread is not None:
            of, ts = lost.target, lost.thread.ts
        else:
            return
        with self._database.transaction() as connection:
            former = self._cards.mark_lost(connection, of, lost.attempt, lost.destination, ts)
            if former is None:
                return
            prefix = f"{of.kind}/{of.id}/{lost.attempt}/card/{former.posted_count}"
            again = Notification(
                key=f"{prefix}/{lost.destination}",
                destination=lost.destination,
                form=Form.CARD,
                message=former.message,
                target=of,
                attempt=lost.attempt,
            )
            self.enqueue(connection, (again,), now)

    def retry(self, ids: Iterable[int] | None, now: datetime) -> int:
        """Make what was set aside or postponed due now, all of it with None; return how many."""
        is_held_up = or_(
            notification.c.state == DeliveryState.SET_ASIDE,
            and_(notification.c.state == DeliveryState.PENDING, notification.c.next_try_at > now),
        )
        chosen = () if ids is None else (notification.c.id.in_(list(ids)),)
        with self._database.transaction() as connection:
            return connection.execute(
                update(notification)
                .where(is_unsent, is_held_up, *chosen)
                .values(state=DeliveryState.PENDING, attempts=0, next_try_at=None, done_at=None)
            ).rowcount

    def hurry(self, latest: datetime) -> None:
        """Let no post and no edit wait for its next attempt longer than that."""
        with self._database.transaction() as connection:
            for table in (notification, card):
                connection.execute(
                    update(table).where(table.c.next_try_at > latest).values(next_try_at=latest)
                )

    def _update(self, id_: int, **values: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(_UPDATE.values(values), {"its_id": id_})

    # As part of a larger transaction

    def enqueue(
        self, connection: Connection, notifications: Iterable[Notification], now: datetime
    ) -> None:
        """Add notifications at the end; one whose key was enqueued before is skipped."""
        rows = [_row(one, now) for one in notifications]
        if rows:
            connection.execute(self._enqueue, rows)

    def prune(self, connection: Connection, before: datetime) -> int:
        """Forget what was sent or set aside before."""
        return connection.execute(_PRUNE, {"before": before}).rowcount


_UPDATE = update(notification).where(notification.c.id == bindparam("its_id"))
_PRUNE = delete(notification).where(notification.c.done_at < bindparam("before"))

# What names a card: its notifications have the same columns.
_CARD_KEY = ("target_kind", "target_id", "attempt", "destination")
_CARD_OF = select(*(notification.c[column] for column in _CARD_KEY)).where(
    notification.c.id == bindparam("its_id"), notification.c.form == Form.CARD
)


def _is_of_same_card(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(*(one.c[column] == other.c[column] for column in _CARD_KEY))


_WITH_THREAD = select(
    notification,
    card.c.channel_id.label("thread_channel_id"),
    card.c.ts.label("thread_ts"),
).outerjoin(card, and_(notification.c.form == Form.REPLY, _is_of_same_card(card, notification)))
_UNSENT = _WITH_THREAD.where(is_unsent).order_by(notification.c.id)
_NEXT = _UNSENT.where(is_open, notification.c.destination == bindparam("destination")).limit(1)
_NEXT_CARD = (
    _UNSENT.where(is_open, notification.c.form == Form.CARD)
    .where(*(notification.c[column] == bindparam(f"its_{column}") for column in _CARD_KEY))
    .limit(1)
)

_head_ids = select(func.min(notification.c.id)).where(is_open).group_by(notification.c.destination)
_new_card = notification.alias()
_HEADS = union_all(
    # A reply whose card was lost is due when the new card is, which was enqueued after it.
    select(
        notification.c.destination,
        case(
            (_new_card.c.id.is_not(None), _new_card.c.next_try_at),
            else_=notification.c.next_try_at,
        ).label("next_try_at"),
    )
    .select_from(
        notification.outerjoin(card, _is_of_same_card(card, notification)).outerjoin(
            _new_card,
            and_(
                notification.c.form == Form.REPLY,
                card.c.ts.is_(None),
                _new_card.c.form == Form.CARD,
                _new_card.c.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)),
                _is_of_same_card(_new_card, notification),
            ),
        )
    )
    .where(notification.c.id.in_(_head_ids)),
    select(card.c.destination, card.c.next_try_at).where(is_edit_wanted).distinct(),
)
"""What each destination has first in its queue, and its edits, with when each is due."""

_COUNTS = (
    select(notification.c.state, func.count().label("total"))
    .where(is_unsent)
    .group_by(notification.c.state)
)
_WAITING = select(func.count(notification.c.id)).where(
    is_open, notification.c.destination == bindparam("destination")
)
_OLDEST_PENDING = select(notification.c.created_at).where(
    notification.c.id == select(func.min(notification.c.id)).where(is_open).scalar_subquery()
)


def _row(one: Notification, now: datetime) -> dict[str, object]:
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
        "in_doubt": False,
        "created_at": now,
        "error": "",
    }


def _queued(row: Row[Any]) -> QueuedNotification:
    return QueuedNotification(
        id=row.id,
        key=row.key,
        destination=row.destination,
        form=Form(row.form),
        target=None if row.target_id is None else Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        events=row.events,
        is_broadcast=row.is_broadcast,
        message=row.message,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        in_doubt=row.in_doubt or row.state == DeliveryState.SENDING,
        created_at=row.created_at,
        error=row.error,
        thread=MessageRef(row.thread_channel_id, row.thread_ts) if row.thread_ts else None,
    )
