"""Folding: notifications of the outbox that are told together, by one that takes their place.

Nothing is lost by it: a folded row stays for as long as others do, with the row that tells it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, and_, case, func, or_, select, update

from monitor.model import EventKind, Form, Mention, Message, Notification, Target, Urgency
from monitor.store.database import Database
from monitor.store.outbox import Outbox
from monitor.store.queued import DeliveryState
from monitor.store.tables import is_open, notification


@dataclass(frozen=True, slots=True)
class Overdue:
    """What waits for a destination: its newest row, and how many rows are old.

    `held_up` of the old ones were never tried, or tell others that were not.
    """

    newest_id: int | None
    old: int
    held_up: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A notification that may be folded, without its message.

    `folded_into` is the row that tells it, where it is folded already.
    """

    id: int
    key: str
    form: Form
    target: Target | None
    attempt: int
    events: tuple[EventKind, ...]
    is_broadcast: bool
    headline: str
    mentions: tuple[Mention, ...]
    urgency: Urgency
    created_at: datetime
    happened_at: datetime | None
    folded_into: int | None
    folded_count: int

    @property
    def is_history(self) -> bool:
        """Whether it happened long before it was seen, and nothing is wrong now."""
        return self.happened_at is not None and self.urgency > Urgency.PROBLEM

    @property
    def is_edited(self) -> bool:
        """Whether it shows what holds by then, whenever it is sent."""
        return self.form in (Form.CARD, Form.TABLE)

    @property
    def is_loud(self) -> bool:
        """Whether it notifies people, as neither a card nor a reply in its thread alone does."""
        return self.form is Form.MESSAGE or self.is_broadcast


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows that `into` takes the place of; with None they are dropped, for a reason.

    `muted` are told by it as well, and go into their threads quietly all the same. `since` is
    since when the oldest of them waits.
    """

    ids: tuple[int, ...]
    into: Notification | None
    reason: str
    since: datetime
    urgency: Urgency = Urgency.OVER
    muted: tuple[int, ...] = ()
    not_before: datetime | None = None


class Folding:
    """The part of the store that folds what waits. One destination is folded by one at a time."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    def overdue(self, destination: str, *, old_before: datetime) -> Overdue:
        """Return how much waits for a destination; old is what was enqueued before a time."""
        is_old = notification.c.created_at < old_before
        is_held_up = and_(
            is_old, or_(notification.c.attempts == 0, notification.c.folded_count > 0)
        )
        wanted = select(
            func.max(notification.c.id).label("newest_id"),
            func.coalesce(func.sum(case((is_old, 1), else_=0)), 0).label("old"),
            func.coalesce(func.sum(case((is_held_up, 1), else_=0)), 0).label("held_up"),
        ).where(is_open, notification.c.destination == destination)
        with self._database.transaction() as connection:
            row = connection.execute(wanted).one()
        return Overdue(row.newest_id, row.old, row.held_up)

    def rows(self, destination: str) -> tuple[WaitingRow, ...]:
        """Return what waits untried or refused, and what it tells already, in order.

        What is in doubt may have arrived, and is not among them.
        """
        its = and_(
            is_open,
            notification.c.destination == destination,
            notification.c.state == DeliveryState.PENDING,
            notification.c.in_doubt.is_(False),
        )
        into_ids = select(notification.c.id).where(its, notification.c.folded_count > 0)
        wanted = _ROWS.where(or_(its, notification.c.folded_into.in_(into_ids)))
        return self._found(wanted)

    def message(self, id_: int) -> Message:
        """Return what a row was to say."""
        wanted = select(notification.c.message).where(notification.c.id == id_)
        with self._database.transaction() as connection:
            message: Message = connection.execute(wanted).scalar_one()
        return message

    def has_notified_failure(self, row_id: int, of: Target, attempt: int, destination: str) -> bool:
        """Whether an earlier notification of an attempt, not folded into this, told a failure."""
        wanted = _ROWS.where(
            notification.c.target_kind == of.kind,
            notification.c.target_id == of.id,
            notification.c.attempt == attempt,
            notification.c.destination == destination,
            notification.c.id < row_id,
            notification.c.state != DeliveryState.FOLDED,
        )
        return any(EventKind.FAILED in row.events for row in self._found(wanted))

    def write(self, folds: Iterable[Fold], now: datetime) -> None:
        """Fold, all of it or nothing."""
        with self._database.transaction() as connection:
            for fold in folds:
                into = self._enqueue(connection, fold, now) if fold.into else None
                self._mark(connection, fold, into, now)

    def put_off(self, id_: int, until: datetime | None) -> None:
        """Let a row wait, untried, until a time."""
        with self._database.transaction() as connection:
            its = update(notification).where(notification.c.id == id_, is_open)
            connection.execute(its.values(next_try_at=until))

    def _found(self, wanted: Select[tuple[object, ...]]) -> tuple[WaitingRow, ...]:
        with self._database.transaction() as connection:
            rows = connection.execute(wanted).all()
        return tuple(
            WaitingRow(
                id=row.id,
                key=row.key,
                form=Form(row.form),
                target=None if row.target_id is None else Target(row.target_kind, row.target_id),
                attempt=row.attempt,
                events=row.events or (),
                is_broadcast=row.is_broadcast,
                headline=row.headline,
                mentions=row.mentions or (),
                urgency=Urgency(row.urgency),
                created_at=row.created_at,
                happened_at=row.happened_at,
                folded_into=row.folded_into,
                folded_count=row.folded_count,
            )
            for row in rows
        )

    def _enqueue(self, connection: Connection, fold: Fold, now: datetime) -> int | None:
        if fold.into is None:
            return None
        self._outbox.enqueue(connection, (fold.into,), now, fold.urgency)
        its = notification.c.key == fold.into.key
        id_: int = connection.execute(select(notification.c.id).where(its)).scalar_one()
        # It waits for as long as what it tells: a further fold does not begin anew.
        changes = {"created_at": fold.since, "next_try_at": fold.not_before}
        connection.execute(update(notification).where(its).values(changes))
        return id_

    def _mark(self, connection: Connection, fold: Fold, into: int | None, now: datetime) -> None:
        known = select(notification.c.id).where(notification.c.folded_into.in_(fold.ids))
        before = [row.id for row in connection.execute(known)]
        connection.execute(
            update(notification)
            .where(notification.c.id.in_(fold.ids), is_open)
            .values(
                state=DeliveryState.FOLDED,
                done_at=now,
                next_try_at=None,
                folded_into=into,
                error=fold.reason,
            )
        )
        included = notification.c.id.in_([*before, *fold.muted])
        connection.execute(update(notification).where(included).values(folded_into=into))
        connection.execute(
            update(notification).where(notification.c.id.in_(fold.muted)).values(is_broadcast=False)
        )
        if into is not None:
            # A row that told others itself does not count beside these.
            count = select(func.count()).where(
                notification.c.folded_into == into, notification.c.folded_count == 0
            )
            total: int = connection.execute(count).scalar_one()
            connection.execute(
                update(notification).where(notification.c.id == into).values(folded_count=total)
            )


_ROWS = select(
    notification.c.id,
    notification.c.key,
    notification.c.form,
    notification.c.target_kind,
    notification.c.target_id,
    notification.c.attempt,
    notification.c.events,
    notification.c.is_broadcast,
    notification.c.headline,
    notification.c.mentions,
    notification.c.urgency,
    notification.c.created_at,
    notification.c.happened_at,
    notification.c.folded_into,
    notification.c.folded_count,
).order_by(notification.c.id)
