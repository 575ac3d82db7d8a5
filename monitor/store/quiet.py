"""What is kept from people for a while: silences, and what quiet windows hold back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from monitor.decide.verdicts import Silence
from monitor.model import EventKind, HeldLine, Matcher, Notification, Target, Urgency
from monitor.store.database import Database
from monitor.store.outbox import Outbox
from monitor.store.tables import held, silence

# SQLite takes some 32,000 parameters in one statement.
_IDS_AT_ONCE = 1000


class Silences:
    """The part of the store that keeps silences, those that are over among them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, *, since: datetime | None = None) -> tuple[Silence, ...]:
        """Return the silences that were not over at a time; without one all of them."""
        wanted = select(silence).order_by(silence.c.id)
        if since is not None:
            wanted = wanted.where(silence.c.until > since)
        with self._database.transaction() as connection:
            rows = connection.execute(wanted).all()
        return tuple(map(_silence, rows))

    def add(
        self,
        patterns: Mapping[str, tuple[str, ...]],
        *,
        until: datetime,
        author: str,
        reason: str,
        now: datetime,
    ) -> Silence:
        """Keep a new silence, from now on, and return it."""
        row = {
            "patterns": dict(patterns),
            "begins": now,
            "until": until,
            "author": author,
            "reason": reason,
        }
        with self._database.transaction() as connection:
            (id_,) = connection.execute(insert(silence).values(row)).inserted_primary_key or (0,)
        return Silence(
            id=id_,
            matcher=Matcher(patterns),
            until=until,
            author=author,
            reason=reason,
            created_at=now,
        )

    def end(self, id_: int, now: datetime) -> bool:
        """End a silence now; False where there is none, or it is over."""
        with self._database.transaction() as connection:
            ended = connection.execute(
                update(silence).where(silence.c.id == id_, silence.c.until > now).values(until=now)
            )
        return ended.rowcount > 0


class HeldLines:
    """The part of the store that keeps what windows hold back, until their summaries."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    def load(self) -> tuple[HeldLine, ...]:
        """Return all that is held back, the oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(held).order_by(held.c.id)).all()
        return tuple(map(_line, rows))

    def next_summary(self) -> datetime | None:
        """Return when the first of the windows that hold something back is over."""
        with self._database.transaction() as connection:
            due: datetime | None = connection.execute(select(func.min(held.c.until))).scalar()
        return due

    def release(
        self, lines: Iterable[HeldLine], notifications: Iterable[Notification], now: datetime
    ) -> None:
        """Let go of lines, and enqueue the notifications that sum them up: both or neither."""
        ids = [line.id for line in lines]
        with self._database.transaction() as connection:
            self._outbox.enqueue(connection, notifications, now, Urgency.MOVING)
            for start in range(0, len(ids), _IDS_AT_ONCE):
                some = held.c.id.in_(ids[start : start + _IDS_AT_ONCE])
                connection.execute(delete(held).where(some))

    def extend(self, lines: Iterable[HeldLine], until: datetime) -> None:
        """Write down that what holds these back ends later than it was to."""
        ids = [line.id for line in lines]
        with self._database.transaction() as connection:
            for start in range(0, len(ids), _IDS_AT_ONCE):
                some = held.c.id.in_(ids[start : start + _IDS_AT_ONCE])
                connection.execute(update(held).where(some).values(until=until))

    # As part of a larger transaction

    def write(self, connection: Connection, lines: Iterable[HeldLine]) -> None:
        """Write down what is held back from now on."""
        rows = [_row(line) for line in lines]
        if rows:
            connection.execute(insert(held), rows)


def _row(line: HeldLine) -> dict[str, object]:
    return {
        "destination": line.destination,
        "window": line.window,
        "until": line.until,
        "target_kind": line.target.kind,
        "target_id": line.target.id,
        "event": line.event,
        "alert_key": line.alert_key,
        "title": line.title,
        "words": line.words,
        "url": line.url,
        "held_at": line.at,
    }


def _line(row: Row[Any]) -> HeldLine:
    return HeldLine(
        id=row.id,
        destination=row.destination,
        window=row.window,
        until=row.until,
        target=Target(row.target_kind, row.target_id),
        event=EventKind(row.event),
        alert_key=row.alert_key,
        title=row.title,
        words=row.words,
        url=row.url,
        at=row.held_at,
    )


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        id=row.id,
        matcher=Matcher(row.patterns),
        until=row.until,
        author=row.author,
        reason=row.reason,
        created_at=row.begins,
    )
