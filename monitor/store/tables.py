"""The tables, and how our values become columns.

Portable between SQLite and PostgreSQL: integers, texts and bytes only, and one function where
the two dialects differ. Each part of the store has its statements in its own file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    and_,
    exists,
    literal_column,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.model import EventKind, Mention, Message, TargetState

HEAD = "0001"
"""The newest migration; revisions are four digits that count up."""

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware time as whole microseconds since 1970, UTC when read; a naive one is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a time without a zone cannot be stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class UnreadableMessage(Message, frozen=True):
    """What stands for a message that is stored in a form that cannot be read, and why."""

    reason: str = ""


class Encoded(TypeDecorator[T]):
    """A value as the bytes that `encode` makes of it."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, encode: Callable[[T], bytes], decode: Callable[[bytes], T]) -> None:
        super().__init__()
        self.encode = encode
        self.decode = decode

    def process_bind_param(self, value: T | None, _dialect: Dialect) -> bytes | None:
        return None if value is None else self.encode(value)

    def process_result_value(self, value: bytes | None, _dialect: Dialect) -> T | None:
        return None if value is None else self.decode(value)


def _json(type_: Any) -> Encoded[Any]:
    return Encoded(msgspec.json.encode, msgspec.json.Decoder(type_).decode)


def _message() -> Encoded[Message]:
    """A message; one that cannot be read is no reason to fail all that is read with it."""
    decoder = msgspec.json.Decoder(Message)

    def decode(stored: bytes) -> Message:
        try:
            return decoder.decode(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return UnreadableMessage(
                "(it is stored in a form that cannot be read)", reason=str(error)
            )

    return Encoded(msgspec.json.encode, decode)


def _list_of(type_: Any) -> Encoded[tuple[Any, ...] | None]:
    """Several values, or None where what is stored cannot be read."""
    decoder = msgspec.json.Decoder(tuple[type_, ...])

    def decode(stored: bytes) -> tuple[Any, ...] | None:
        try:
            values: tuple[Any, ...] = decoder.decode(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return values

    return Encoded(msgspec.json.encode, decode)


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that knows ON CONFLICT, which each dialect has as a construct of its own."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def replace_into(dialect: str, table: Table, *columns: str) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that changes these columns, by default all, where the key is there."""
    adding = insert_into(dialect, table)
    changed = columns or [column.name for column in table.c if not column.primary_key]
    return adding.on_conflict_do_update(
        index_elements=[*table.primary_key],
        set_={column: adding.excluded[column] for column in changed},
    )


metadata = MetaData()

# INTEGER PRIMARY KEY is SQLite's own row number; AUTOINCREMENT never gives one out twice.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")

target = Table(
    "target",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column(
        "snapshot",
        Encoded(encode_snapshot, decode_snapshot),
        nullable=False,
    ),
    Column("state", _json(TargetState), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("taken_at", Instant, nullable=False),
    Column("polled_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

transition = Table(
    "transition",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    # The name of the fact that changed; empty for the status.
    Column("fact", Text, nullable=False, server_default=""),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("platform_at", Instant),
    Column("seen_at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["target_kind", "target_id"], ["target.kind", "target.id"], ondelete="CASCADE"
    ),
    Index("transition_target", "target_id", "target_kind"),
)

card = Table(
    "card",
    metadata,
    Column("target_kind", Text, primary_key=True),
    Column("target_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("destination", Text, primary_key=True),
    # `card`, or `table` for the reply in its thread that is edited as well.
    Column("form", Text, primary_key=True),
    Column("channel_id", Text),
    Column("ts", Text),
    Column("wanted", _message(), nullable=False),
    Column("wanted_fingerprint", LargeBinary, nullable=False),
    Column("shown_fingerprint", LargeBinary),
    Column("urgency", Integer, nullable=False),
    # Since when it shows something else than it ought to, or when it was last made to fit.
    Column("changed_at", Instant, nullable=False),
    Column("posted_count", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Instant),
    Column("error", Text, nullable=False),
    ForeignKeyConstraint(
        ["target_kind", "target_id"], ["target.kind", "target.id"], ondelete="CASCADE"
    ),
)

notification = Table(
    "notification",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("destination", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("target_kind", Text),
    Column("target_id", Text),
    Column("attempt", Integer, nullable=False),
    Column("events", _list_of(EventKind), nullable=False),
    Column("is_broadcast", Boolean, nullable=False),
    Column("headline", Text, nullable=False),
    Column("mentions", _list_of(Mention), nullable=False),
    Column("message", _message(), nullable=False),
    # Of its rollout, changed with it: what is sent next is found by an index.
    Column("urgency", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Instant),
    Column("in_doubt", Boolean, nullable=False),
    # When the last attempt began or, if that left it in doubt, when it failed; and the first.
    Column("attempted_at", Instant),
    Column("first_attempted_at", Instant),
    # When to search for copies of what was sent again while in doubt.
    Column("look_again_at", Instant),
    Column("created_at", Instant, nullable=False),
    # By the platform's clock, where that was long before it was seen.
    Column("happened_at", Instant),
    # When it was sent, set aside or folded; NULL while it is still to be sent.
    Column("done_at", Instant),
    # The notification that tells it together with others, and how many this one tells.
    Column("folded_into", BigInteger),
    Column("folded_count", Integer, nullable=False),
    Column("channel_id", Text),
    Column("ts", Text),
    Column("error", Text, nullable=False),
    Index("notification_target", "target_id", "target_kind"),
    sqlite_autoincrement=True,
)

outage = Table(
    "outage",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_flapping", Boolean, nullable=False),
    # The last reports of it, those of its end as well, and when it ended: NULL while it lasts.
    Column("reported_at", _json(tuple[datetime, ...]), nullable=False),
    Column("ended_at", Instant),
)

name = Table(
    "name",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    # NULL where it was not asked for.
    Column("app_id", Text),
    Column("message", Text, nullable=False, server_default=""),
    Column("author", Text, nullable=False, server_default=""),
)

# A list that is watched, and since when; and what it led to.
listing = Table(
    "listing",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("began_at", Instant, nullable=False),
)

find = Table(
    "find",
    metadata,
    Column("target_kind", Text, primary_key=True),
    Column("target_id", Text, primary_key=True),
    Column("listing_kind", Text, primary_key=True),
    Column("listing_id", Text, primary_key=True),
    Column("found_at", Instant, nullable=False),
    # Began while the list was watched.
    Column("is_new", Boolean, nullable=False),
    Column("is_followed", Boolean, nullable=False),
)

held = Table(
    "held",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("window", Text, nullable=False),
    # When the window is over.
    Column("until", Instant, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("alert_key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("held_at", Instant, nullable=False),
)

silence = Table(
    "silence",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("patterns", _json(dict[str, tuple[str, ...]]), nullable=False),
    Column("begins", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_autoincrement=True,
)

digest = Table(
    "digest",
    metadata,
    Column("name", Text, primary_key=True),
    Column("issued_until", Instant, nullable=False),
)

# Where each entry of the configuration led to when it was last in use.
leads_to = Table(
    "leads_to",
    metadata,
    Column("entry", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("destination", Text, nullable=False),
)

# The words stand in the statement itself, not as parameters, so that the partial index serves.
is_unsent = notification.c.state.not_in(
    [literal_column("'sent'", Text), literal_column("'folded'", Text)]
)
is_open = notification.c.done_at.is_(None)
"""Still to be sent: pending, or under way when it was last written down."""


def has_open_notification(kind: ColumnElement[str], id_: ColumnElement[str]) -> ColumnElement[bool]:
    """Say in SQL that a message about this target is still to be sent."""
    return exists().where(
        is_open, notification.c.target_kind == kind, notification.c.target_id == id_
    )


is_edit_wanted = and_(
    card.c.ts.is_not(None), card.c.wanted_fingerprint.is_distinct_from(card.c.shown_fingerprint)
)

Index(
    "notification_unsent",
    notification.c.destination,
    notification.c.id,
    notification.c.state,
    sqlite_where=is_unsent,
    postgresql_where=is_unsent,
)
# In the order of sending, with what is ahead of each in its rollout.
Index(
    "notification_next",
    notification.c.destination,
    notification.c.urgency,
    notification.c.form,
    notification.c.id,
    # What decides whether it is next is read from the index alone.
    notification.c.in_doubt,
    notification.c.next_try_at,
    notification.c.target_id,
    notification.c.target_kind,
    notification.c.done_at,
    sqlite_where=is_open,
    postgresql_where=is_open,
)
Index(
    "notification_later",
    notification.c.next_try_at,
    sqlite_where=is_open,
    postgresql_where=is_open,
)
Index(
    "notification_of_rollout",
    notification.c.destination,
    notification.c.target_id,
    notification.c.target_kind,
    notification.c.id,
    notification.c.done_at,
    sqlite_where=is_open,
    postgresql_where=is_open,
)
Index(
    "notification_folded",
    notification.c.folded_into,
    sqlite_where=notification.c.folded_into.is_not(None),
    postgresql_where=notification.c.folded_into.is_not(None),
)
Index(
    "notification_in_doubt",
    notification.c.next_try_at,
    sqlite_where=and_(is_open, notification.c.in_doubt),
    postgresql_where=and_(is_open, notification.c.in_doubt),
)
Index(
    "notification_look_again",
    notification.c.look_again_at,
    sqlite_where=notification.c.look_again_at.is_not(None),
    postgresql_where=notification.c.look_again_at.is_not(None),
)
Index(
    "card_edit_wanted",
    card.c.destination,
    card.c.urgency,
    card.c.changed_at,
    card.c.next_try_at,
    sqlite_where=text("ts IS NOT NULL AND wanted_fingerprint IS NOT shown_fingerprint"),
    postgresql_where=text(
        "ts IS NOT NULL AND wanted_fingerprint IS DISTINCT FROM shown_fingerprint"
    ),
)
