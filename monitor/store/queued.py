"""A notification as the outbox holds it: how far it got, and where it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, select

from monitor.model import EventKind, Form, Mention, Message, MessageRef, Target
from monitor.store.sending_order import IN_THREAD, is_of_same_card
from monitor.store.tables import UnreadableMessage, card, notification


class DeliveryState(StrEnum):
    """How far a notification got."""

    PENDING = "pending"
    SENDING = "sending"
    """An attempt began. Found after a restart, the message may have arrived."""
    SENT = "sent"
    SET_ASIDE = "set aside"
    """Never to be sent unless a person asks for it; holds up nothing."""
    FOLDED = "folded"
    """Told by another notification together with others, or dropped because it cancelled out."""


@dataclass(frozen=True, slots=True)
class QueuedNotification:
    """A notification of the outbox. A smaller id was enqueued earlier.

    `next_try_at` is None when it may go at once. With `in_doubt` an earlier attempt's outcome
    is unknown: the last one began, or failed, at `attempted_at`. `thread` is the card that a
    reply belongs under, where it is posted.
    Where it is stored in a form that cannot be read, `message` is an `UnreadableMessage`.
    `folded_count` is how many others it tells as well, which were never sent by themselves.
    """

    id: int
    key: str
    destination: str
    form: Form
    target: Target | None
    attempt: int
    events: tuple[EventKind, ...]
    is_broadcast: bool
    headline: str
    mentions: tuple[Mention, ...]
    message: Message
    state: DeliveryState
    attempts: int
    next_try_at: datetime | None
    in_doubt: bool
    created_at: datetime
    happened_at: datetime | None
    folded_into: int | None
    folded_count: int
    error: str
    thread: MessageRef | None
    attempted_at: datetime | None
    first_attempted_at: datetime | None


WITH_THREAD = select(
    notification,
    card.c.channel_id.label("thread_channel_id"),
    card.c.ts.label("thread_ts"),
).outerjoin(
    card,
    and_(
        notification.c.form.in_(IN_THREAD),
        card.c.form == Form.CARD,
        is_of_same_card(card, notification),
    ),
)
"""Notifications, each with the card that it belongs under."""


def queued_of(row: Row[Any]) -> QueuedNotification:
    """Return the notification that a row of `WITH_THREAD` is."""
    return QueuedNotification(
        id=row.id,
        key=row.key,
        destination=row.destination,
        form=Form(row.form),
        target=None if row.target_id is None else Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        events=row.events or (),
        is_broadcast=row.is_broadcast,
        headline=row.headline,
        mentions=row.mentions or (),
        message=_message_of(row),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        in_doubt=row.in_doubt or row.state == DeliveryState.SENDING,
        created_at=row.created_at,
        happened_at=row.happened_at,
        folded_into=row.folded_into,
        folded_count=row.folded_count,
        error=row.error,
        thread=MessageRef(row.thread_channel_id, row.thread_ts) if row.thread_ts else None,
        attempted_at=row.attempted_at,
        first_attempted_at=row.first_attempted_at,
    )


def _message_of(row: Row[Any]) -> Message:
    """Return the message of a row: none to be sent where not all of the row can be read."""
    message: Message = row.message
    if row.events is None or row.mentions is None:
        name = "events" if row.events is None else "mentions"
        return UnreadableMessage(message.text, reason=f"its {name} cannot be read")
    return message
