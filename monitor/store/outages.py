"""The outages that people were notified of, and for a while those that are over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from monitor.model import EventKind, Notification, Outage, Urgency
from monitor.store.database import Database
from monitor.store.outbox import Outbox
from monitor.store.tables import outage, replace_into

_MOST_REPORTS = 100


class Outages:
    """The part of the store that keeps one outage for each scope: a target, the platform, …"""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._save = replace_into(database.dialect, outage)

    def load(self) -> dict[str, Outage]:
        """Return the outages that are not over."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(outage).where(outage.c.ended_at.is_(None))).all()
        return {
            row.scope: Outage(EventKind(row.kind), row.since, row.reason, row.is_flapping)
            for row in rows
        }

    def reports(self) -> dict[str, tuple[datetime, ...]]:
        """Return when outages, and their ends, were last reported, oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(outage.c.scope, outage.c.reported_at)).all()
        return {row.scope: row.reported_at for row in rows}

    def save(
        self,
        scope: str,
        lost: Outage | None,
        notifications: Iterable[Notification] = (),
        *,
        now: datetime,
    ) -> None:
        """Write down the outage of a scope, None once it is over, and enqueue what is said of it.

        Both are written, or neither.
        """
        with self._database.transaction() as connection:
            reports = connection.execute(_REPORTS, {"its_scope": scope}).scalar_one_or_none()
            row: dict[str, object] = {
                "reported_at": (*(reports or ()), now)[-_MOST_REPORTS:],
                "ended_at": now if lost is None else None,
            }
            if lost is None:
                connection.execute(_UPDATE.values(row), {"its_scope": scope})
            else:
                row |= {
                    "scope": scope,
                    "kind": lost.kind,
                    "since": lost.since,
                    "reason": lost.reason,
                    "is_flapping": lost.is_flapping,
                }
                connection.execute(self._save, row)
            self._outbox.enqueue(connection, notifications, now, Urgency.MONITOR)

    def prune(self, connection: Connection, before: datetime) -> int:
        """Forget what was over before."""
        return connection.execute(_PRUNE, {"before": before}).rowcount


_REPORTS = select(outage.c.reported_at).where(outage.c.scope == bindparam("its_scope"))
_UPDATE = update(outage).where(outage.c.scope == bindparam("its_scope"))
_PRUNE = delete(outage).where(outage.c.ended_at < bindparam("before"))
