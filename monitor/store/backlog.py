"""What waits to be sent: how much for each destination, since when, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from monitor.store.database import Database
from monitor.store.tables import is_open, notification


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one destination. `error` is that of the last attempt, empty without one."""

    destination: str
    count: int
    since: datetime
    error: str


class Backlog:
    """The part of the store that says what waits to be sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> tuple[Waiting, ...]:
        """Return what waits, that which has waited longest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(_WAITING).all()
        return tuple(
            Waiting(row.destination, row.total, row.since, row.error or "") for row in rows
        )


_tried = notification.alias("tried")
# Of those that were tried, the one that was put off for longest was tried last, as a rule.
_last_error = (
    select(_tried.c.error)
    .where(
        _tried.c.destination == notification.c.destination,
        _tried.c.done_at.is_(None),
        _tried.c.error != "",
    )
    .order_by(_tried.c.next_try_at.desc())
    .limit(1)
    .correlate(notification)
    .scalar_subquery()
)
_WAITING = (
    select(
        notification.c.destination,
        func.count().label("total"),
        func.min(notification.c.created_at).label("since"),
        _last_error.label("error"),
    )
    .where(is_open)
    .group_by(notification.c.destination)
    .order_by(func.min(notification.c.created_at))
)
