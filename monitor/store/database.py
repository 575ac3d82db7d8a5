"""The open database: how it is opened and closed, and how a transaction is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from monitor.model import Notification
from monitor.store import opening
from monitor.store.opening import SetAside


class Database:
    """What all parts of the store share."""

    def __init__(self, opened: opening.Opened) -> None:
        self._opened = opened
        self._engine = opened.engine
        self._dialect = self._engine.dialect.name

    @classmethod
    def open(cls, url: str, *, now: datetime, replaces_damaged: bool = False) -> Self:
        """Open for writing, alone; the file is made or brought up to date where needed.

        StoreError when another daemon has it, when it is damaged, made by a newer version, no
        store at all, or out of reach. A damaged one may be set aside for a new one instead.
        """
        opened = opening.open_for_writing(url, now=now, replaces_damaged=replaces_damaged)
        return cls(opened)

    @classmethod
    def open_readonly(cls, url: str) -> Self:
        """Open for reading, while a daemon writes or none does; StoreError when there is none."""
        return cls(opening.open_for_reading(url))

    @classmethod
    def open_beside(cls, url: str) -> Self:
        """Open for a short write by a person, while a daemon has the file or none does.

        StoreError when there is none. Meant for `retry` and its like: what a daemon does
        with a message in hand is not seen from here.
        """
        return cls(opening.open_beside(url))

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def set_aside_file(self) -> SetAside | None:
        """Return the damaged store that this one took the place of, while it is kept."""
        return opening.newest_set_aside(self._opened.path)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with opening.store_errors(self._opened.path), self._engine.begin() as connection:
            yield connection

    def _enqueue_all(
        self, connection: Connection, notifications: Iterable[Notification], now: datetime
    ) -> None:
        """Put notifications into the outbox, as part of a transaction."""
        raise NotImplementedError
