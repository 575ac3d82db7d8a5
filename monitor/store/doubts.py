"""What may be in Slack without our knowledge: posts in doubt, and copies of what was sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, func, literal, or_, select, update

from monitor.model import Form, Message, MessageRef
from monitor.store.database import Database
from monitor.store.queued import WITH_THREAD, DeliveryState, QueuedNotification, queued_of
from monitor.store.sending_order import is_of_same_card
from monitor.store.tables import Instant, card, is_open, notification


@dataclass(frozen=True, slots=True)
class Resent:
    """A notification that may be in Slack more than once: `posted` is the one we know of.

    `thread` is where a reply belongs. Of what is edited, `current` is where that is now:
    elsewhere than `posted` once that was lost, and None until another is posted.
    """

    id: int
    key: str
    destination: str
    form: Form
    message: Message
    posted: MessageRef
    first_attempted_at: datetime
    thread: MessageRef | None
    current: MessageRef | None


class Doubts:
    """The part of the store that knows what has to be searched for in Slack."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Posts in doubt

    def due_searches(self, now: datetime, *, limit: int) -> tuple[QueuedNotification, ...]:
        """Return posts in doubt that are to be searched for now, those that wait longest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(_DUE_SEARCHES, {"now": now, "most": limit}).all()
        return tuple(map(queued_of, rows))

    def next_search_at(self) -> datetime | None:
        """Return when a post in doubt is to be searched for next."""
        with self._database.transaction() as connection:
            at: datetime | None = connection.execute(_NEXT_SEARCH_AT).scalar_one_or_none()
        return at

    def search_again(self, id_: int, *, now: datetime, next_try_at: datetime, error: str) -> None:
        """Write down when to search again for what is in doubt, and why the last search failed.

        An attempt that seems to be later than now is from before our clock was set back.
        """
        self._update(
            id_,
            next_try_at=next_try_at,
            attempted_at=case(
                (notification.c.attempted_at > now, literal(now, Instant())),
                else_=notification.c.attempted_at,
            ),
            error=error,
        )

    def send_again(self, id_: int, *, look_again_at: datetime | None) -> None:
        """Write down that it is to be sent again though it may have arrived.

        With `look_again_at` copies are to be searched for, once it was sent.
        """
        self._update(
            id_,
            state=DeliveryState.PENDING,
            in_doubt=False,
            next_try_at=None,
            look_again_at=look_again_at,
        )

    def _update(self, id_: int, **values: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(_UPDATE.values(values), {"its_id": id_})

    # Copies

    def due_copies(self, now: datetime) -> Resent | None:
        """Return what is to be searched for copies now and has waited longest."""
        with self._database.transaction() as connection:
            row = connection.execute(_DUE, {"now": now}).one_or_none()
        if row is None:
            return None
        return Resent(
            id=row.id,
            key=row.key,
            destination=row.destination,
            form=Form(row.form),
            message=row.message,
            posted=MessageRef(row.channel_id, row.ts),
            first_attempted_at=row.first_attempted_at,
            thread=MessageRef(row.thread_channel_id, row.thread_ts) if row.thread_ts else None,
            current=MessageRef(row.own_channel_id, row.own_ts) if row.own_ts else None,
        )

    def next_copies_at(self) -> datetime | None:
        """Return when something is to be searched for copies next."""
        with self._database.transaction() as connection:
            at: datetime | None = connection.execute(_NEXT_AT).scalar_one_or_none()
        return at

    def look_again(self, id_: int, at: datetime | None) -> None:
        """Write down when to search for copies once more; None: all are removed."""
        self._update(id_, look_again_at=at)

    def move(self, resent: Resent, to: MessageRef) -> None:
        """Write down that a copy is the message from now on: the one that we knew of is not there.

        What is edited is edited there, for what the copy shows is not known.
        """
        known = {"its_channel": resent.posted.channel_id, "its_ts": resent.posted.ts}
        with self._database.transaction() as connection:
            connection.execute(_UPDATE.values(ts=to.ts), {"its_id": resent.id})
            if resent.current is not None:
                connection.execute(_MOVE_CARD, {**known, "to_ts": to.ts})


_UPDATE = update(notification).where(notification.c.id == bindparam("its_id"))
_is_in_doubt = and_(is_open, notification.c.in_doubt)
_DUE_SEARCHES = (
    WITH_THREAD.where(
        _is_in_doubt,
        or_(notification.c.next_try_at.is_(None), notification.c.next_try_at <= bindparam("now")),
    )
    .order_by(notification.c.next_try_at, notification.c.id)
    .limit(bindparam("most"))
)
# What a person wants tried now has no time: it is as due as what is oldest.
_NEXT_SEARCH_AT = select(
    func.min(func.coalesce(notification.c.next_try_at, notification.c.created_at))
).where(_is_in_doubt)
# Sent, and not about to be sent again: while it is, its own attempts are searched for.
_is_resent = and_(notification.c.look_again_at.is_not(None), notification.c.ts.is_not(None))
_own = card.alias("own")
_DUE = (
    WITH_THREAD.add_columns(_own.c.channel_id.label("own_channel_id"), _own.c.ts.label("own_ts"))
    .outerjoin(_own, and_(_own.c.form == notification.c.form, is_of_same_card(_own, notification)))
    .where(_is_resent, notification.c.look_again_at <= bindparam("now"))
    .order_by(notification.c.look_again_at, notification.c.id)
    .limit(1)
)
_NEXT_AT = select(func.min(notification.c.look_again_at)).where(_is_resent)
_MOVE_CARD = (
    update(card)
    .where(card.c.channel_id == bindparam("its_channel"), card.c.ts == bindparam("its_ts"))
    .values(ts=bindparam("to_ts"), shown_fingerprint=None)
)
