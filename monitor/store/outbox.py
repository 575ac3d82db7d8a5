"""The outbox: what is to be posted, in which order, and what became of each attempt."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from monitor.model import (
    Form,
    Notification,
    Target,
    Urgency,
)
from monitor.store.cards import Cards, Edit, LostCard
from monitor.store.database import Database
from monitor.store.queued import WITH_THREAD, DeliveryState, QueuedNotification, queued_of
from monitor.store.sending_order import (
    CARD_KEY,
    DESTINATIONS,
    EDITS,
    NEXT_ID,
    NEXT_POST_AT,
)
from monitor.store.tables import Instant, card, insert_into, is_open, is_unsent, notification


@dataclass(frozen=True, slots=True)
class Counts:
    """The outbox in numbers; `oldest_pending` is when the first that still waits was enqueued."""

    pending: int
    set_aside: int
    oldest_pending: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """The destinations with a post that is due, how many edits are, and when more will be."""

    posts: frozenset[str]
    edits: int
    later: datetime | None


class Outbox:
    """The part of the store that keeps notifications until they are sent, and for a while after.

    The order in which they are sent is that of `sending_order`.
    """

    def __init__(self, database: Database, cards: Cards) -> None:
        self._database = database
        self._cards = cards
        self._enqueue = insert_into(database.dialect, notification).on_conflict_do_nothing(
            index_elements=[notification.c.key]
        )

    # What is to be sent

    def due(self, now: datetime, *, refused: Collection[str] = ()) -> Due:
        """Return what is due now, and when more will be.

        Edits of destinations that have `refused` them are left out.
        """
        with self._database.transaction() as connection:
            destinations = connection.execute(DESTINATIONS).scalars().all()
            due = [one for one in destinations if _next_id(connection, one, now) is not None]
            post_at = connection.execute(NEXT_POST_AT, {"now": now}).scalar()
            edits = connection.execute(EDITS, {"now": now, "refused": list(refused)}).one()
        later = (at for at in (post_at, edits.later) if at is not None)
        return Due(
            posts=frozenset(due),
            edits=edits.due_count or 0,
            later=min(later, default=None),
        )

    def next_notification(self, destination: str, now: datetime) -> QueuedNotification | None:
        """Return what a destination is sent next; None where nothing is due."""
        with self._database.transaction() as connection:
            id_ = _next_id(connection, destination, now)
            if id_ is None:
                return None
            return queued_of(connection.execute(_BY_ID, {"its_id": id_}).one())

    def is_postponed(self, key: str, now: datetime) -> bool:
        """Whether a notification is to be tried again, but not yet."""
        with self._database.transaction() as connection:
            found = connection.execute(_POSTPONED, {"its_key": key, "now": now}).one_or_none()
        return found is not None

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
        return tuple(map(queued_of, rows))

    def counts(self) -> Counts:
        with self._database.transaction() as connection:
            rows = connection.execute(_COUNTS).all()
            oldest = connection.execute(_OLDEST_PENDING).scalar()
        by_state: dict[str, int] = {row.state: row.total for row in rows}
        set_aside = by_state.pop(DeliveryState.SET_ASIDE, 0)
        return Counts(sum(by_state.values()), set_aside, oldest)

    # What became of it

    def begin_attempt(
        self,
        id_: int,
        *,
        now: datetime,
        next_try_at: datetime,
    ) -> None:
        """Write down, before anything is sent, that an attempt begins.

        `next_try_at` is for whoever finds it unfinished after a crash.
        """
        self._update(
            id_,
            state=DeliveryState.SENDING,
            attempts=notification.c.attempts + 1,
            next_try_at=next_try_at,
            attempted_at=now,
            first_attempted_at=func.coalesce(
                notification.c.first_attempted_at, literal(now, Instant())
            ),
        )

    def mark_sent(
        self,
        id_: int,
        *,
        now: datetime,
        channel_id: str | None,
        ts: str | None,
        shown: bytes | None,
        look_again_at: datetime | None = None,
    ) -> None:
        """Write down that Slack accepted it; `shown` is the fingerprint of a card as it went out.

        If it was sent again while in doubt, copies are to be searched for at `look_again_at`. A
        card is marked as posted together with its notification.
        """
        with self._database.transaction() as connection:
            connection.execute(
                _UPDATE.values(
                    state=DeliveryState.SENT,
                    done_at=now,
                    next_try_at=None,
                    in_doubt=False,
                    look_again_at=case(
                        (
                            notification.c.look_again_at.is_not(None),
                            literal(look_again_at, Instant()),
                        )
                    ),
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
                    Form(posted.form),
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
        in_doubt_since: datetime | None = None,
        is_failure: bool = True,
    ) -> None:
        """Write down that Slack did not accept it, and when to try again or to search for it.

        Only a failure counts as an attempt. With `in_doubt_since` it may have arrived.
        """
        since = {} if in_doubt_since is None else {"attempted_at": in_doubt_since}
        self._update(
            id_,
            state=DeliveryState.PENDING,
            attempts=notification.c.attempts - (0 if is_failure else 1),
            next_try_at=next_try_at,
            error=error,
            in_doubt=in_doubt_since is not None,
            **since,
        )

    def doubt(self, id_: int) -> None:
        """Write down that nobody knows what became of an attempt that a crash interrupted."""
        self._update(id_, state=DeliveryState.PENDING, in_doubt=True)

    def set_aside(self, id_: int, *, now: datetime, error: str) -> None:
        """Write down that it will not be sent, and why; those behind it go on."""
        self._update(id_, state=DeliveryState.SET_ASIDE, done_at=now, next_try_at=None, error=error)

    def lose_card(self, lost: Edit | QueuedNotification, *, now: datetime) -> None:
        """Enqueue a new card in place of one that is not in Slack any more.

        `lost` is the edit, or the reply, that did not find it. Once a card is lost, losing it
        again changes nothing. A table that was lost is posted again into its card's thread, and one
        whose card was lost into that of the new card.
        """
        form = Form.CARD
        if isinstance(lost, Edit):
            of, ts, form = lost.target, lost.ts, lost.form
        elif lost.target is not None and lost.thread is not None:
            of, ts = lost.target, lost.thread.ts
        else:
            return
        with self._database.transaction() as connection:
            former = self._cards.mark_lost(
                connection, of, lost.attempt, lost.destination, ts, form=form
            )
            if former is None:
                return
            self.enqueue(connection, (_again(lost, of, form, former),), now, former.urgency)
            table = None
            if form is Form.CARD:
                table = self._cards.mark_table_lost(connection, of, lost.attempt, lost.destination)
            if table is not None:
                its = (_again(lost, of, Form.TABLE, table),)
                self.enqueue(connection, its, now, table.urgency)

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
        self,
        connection: Connection,
        notifications: Iterable[Notification],
        now: datetime,
        urgency: Urgency,
    ) -> None:
        """Add notifications at the end; one whose key was enqueued before is skipped."""
        rows = [_row(one, now, urgency) for one in notifications]
        if rows:
            connection.execute(self._enqueue, rows)

    def set_urgency(self, connection: Connection, of: Target, urgency: Urgency) -> None:
        """Let what is still to be sent about a target be of this urgency."""
        connection.execute(
            _SET_URGENCY, {"its_kind": of.kind, "its_target": of.id, "its_urgency": urgency}
        )

    def prune(self, connection: Connection, before: datetime) -> int:
        """Forget what was sent or set aside before."""
        return connection.execute(_PRUNE, {"before": before}).rowcount


_UPDATE = update(notification).where(notification.c.id == bindparam("its_id"))
_SET_URGENCY = (
    update(notification)
    .where(
        is_open,
        notification.c.target_id == bindparam("its_target"),
        notification.c.target_kind == bindparam("its_kind"),
        notification.c.urgency != bindparam("its_urgency"),
    )
    .values(urgency=bindparam("its_urgency"))
)
_PRUNE = delete(notification).where(notification.c.done_at < bindparam("before"))

_CARD_OF = select(notification.c.form, *(notification.c[column] for column in CARD_KEY)).where(
    notification.c.id == bindparam("its_id"), notification.c.form.in_((Form.CARD, Form.TABLE))
)

_UNSENT = WITH_THREAD.where(is_unsent).order_by(notification.c.id)
_BY_ID = WITH_THREAD.where(notification.c.id == bindparam("its_id"))
_POSTPONED = select(notification.c.id).where(
    is_open,
    notification.c.key == bindparam("its_key"),
    notification.c.next_try_at > bindparam("now"),
)
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


def _again(
    lost: Edit | QueuedNotification, of: Target, form: Form, former: LostCard
) -> Notification:
    prefix = f"{of.kind}/{of.id}/{lost.attempt}/{form}/{former.posted_count}"
    return Notification(
        key=f"{prefix}/{lost.destination}",
        destination=lost.destination,
        form=form,
        message=former.message,
        target=of,
        attempt=lost.attempt,
    )


def _next_id(connection: Connection, destination: str, now: datetime) -> int | None:
    id_: int | None = connection.execute(
        NEXT_ID, {"destination": destination, "now": now}
    ).scalar_one_or_none()
    return id_


def _row(one: Notification, now: datetime, urgency: Urgency) -> dict[str, object]:
    return {
        "key": one.key,
        "destination": one.destination,
        "form": one.form,
        "target_kind": one.target.kind if one.target else None,
        "target_id": one.target.id if one.target else None,
        "attempt": one.attempt,
        "events": one.events,
        "is_broadcast": one.is_broadcast,
        "headline": one.headline,
        "mentions": one.mentions,
        "message": one.message,
        "urgency": urgency,
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "in_doubt": False,
        "created_at": now,
        "happened_at": one.happened_at,
        "folded_count": 0,
        "error": "",
    }
