"""The open database that all parts of the store share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from monitor.store import opening
from monitor.store.refusals import store_errors


class Database:
    """One connection, used by one thread at a time."""

    def __init__(self, opened: opening.Opened) -> None:
        self._opened = opened
        self.path = opened.path
        self.engine = opened.engine
        self.dialect = opened.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit what is written within, or nothing of it when an exception leaves.

        StoreError when the database or its disk refuses.
        """
        with store_errors(self.path), self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self._opened.close()
