"""The outages that people were notified of, and that are not over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select

from monitor.model import EventKind, Notification, Outage, Urgency
from monitor.store.database import Database
from monitor.store.outbox import Outbox
from monitor.store.tables import outage, replace_into


class Outages:
    """The part of the store that keeps one outage for each scope: a target, the platform, …"""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._save = replace_into(database.dialect, outage)

    def load(self) -> dict[str, Outage]:
        with self._database.transaction() as connection:
            rows = connection.execute(select(outage)).all()
        return {row.scope: Outage(EventKind(row.kind), row.since, row.reason) for row in rows}

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
            if lost is None:
                connection.execute(delete(outage).where(outage.c.scope == scope))
            else:
                row = {
                    "scope": scope,
                    "kind": lost.kind,
                    "since": lost.since,
                    "reason": lost.reason,
                }
                connection.execute(self._save, row)
            urgency = Urgency.OVER if lost is None else Urgency.MONITOR
            self._outbox.enqueue(connection, notifications, now, urgency)
