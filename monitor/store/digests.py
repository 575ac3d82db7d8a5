"""The digests: until when each has reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import delete, select

from monitor.model import Notification, Urgency
from monitor.store.database import Database
from monitor.store.outbox import Outbox
from monitor.store.tables import digest, replace_into


class Digests:
    """The part of the store that keeps how far each digest got."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._save = replace_into(database.dialect, digest)

    def last_issues(self) -> dict[str, datetime]:
        """Return for each digest, by its name, the end of the time that it reported last."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(digest)).all()
        return {row.name: row.issued_until for row in rows}

    def save_issue(
        self, name: str, until: datetime, notifications: Iterable[Notification], now: datetime
    ) -> None:
        """Write down until when a digest has reported, and enqueue the report: both or neither."""
        with self._database.transaction() as connection:
            self._outbox.enqueue(connection, notifications, now, Urgency.OVER)
            connection.execute(self._save, {"name": name, "issued_until": until})

    def forget(self, names: Collection[str]) -> None:
        """Forget until when these have reported: once they come back, they begin anew."""
        with self._database.transaction() as connection:
            connection.execute(delete(digest).where(digest.c.name.in_(list(names))))
