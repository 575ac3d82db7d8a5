"""Opens the database file: alone, undamaged and of this version's shape, or says why not.

Whoever writes holds the lock file as long as it lives, so that a second daemon cannot send
everything twice; a lock dies with its process. Reading needs no lock. The lock file also
says that a store of ours was here: only then is a damaged file set aside for a new one.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, text

from monitor.errors import StoreDamaged, StoreError
from monitor.files import open_private
from monitor.store.files import (
    COPIES_KEPT,
    begin_file,
    database_file,
    keep_private,
    set_aside,
    written_at,
)
from monitor.store.lock import reads_as_ours, take_lock, write_lock
from monitor.store.refusals import store_errors
from monitor.store.tables import HEAD

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 5.0


_WRITER_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;  -- an outbox has to survive a power cut
    PRAGMA foreign_keys = ON;
"""


@dataclass(frozen=True)
class Opened:
    """An open database file; `lock`, held while it is open for writing, is closed last."""

    path: Path
    engine: Engine
    lock: TextIO | None = None

    def close(self) -> None:
        self.engine.dispose()
        if self.lock is not None:
            self.lock.close()


def open_for_writing(url: str, *, now: datetime, replaces_damaged: bool = False) -> Opened:
    """Open the store's file, made or brought to the newest shape where needed.

    Raises StoreError when another process writes it, when it is of a newer version,
    something else than a store, or out of reach; StoreDamaged when it is damaged, unless a
    store that was here before may be set aside for a new one.
    """
    path = database_file(url)
    with ExitStack() as undo:
        lock = take_lock(path)
        undo.callback(lock.close)
        with store_errors(path):
            was_here = reads_as_ours(lock)
            last_written = written_at(path)
            try:
                engine = _open_sound(path, was_here=was_here)
            except StoreDamaged as error:
                if not replaces_damaged:
                    raise
                if not was_here:
                    raise StoreDamaged(
                        f"{error}; no store was kept here before, so it is left alone:"
                        " move it away, or use another store.url"
                    ) from error
                set_aside(path, now, last_written)
                # Should the new one not come about, what is left of it is not set aside too.
                write_lock(lock, is_ours=False)
                engine = _open_sound(path, was_here=False)
            undo.callback(engine.dispose)
            write_lock(lock, is_ours=True)
        undo.pop_all()
    return Opened(path, engine, lock)


def _open_sound(path: Path, *, was_here: bool) -> Engine:
    """Return an engine on the file, sound and up to date; StoreDamaged if it cannot be."""
    if was_here and path.exists() and path.stat().st_size == 0:
        raise StoreDamaged(f"{path} is damaged: it is empty, and was a store")
    with store_errors(path):
        begin_file(path)
    engine = _engine(path, mode="rwc", pragmas=_WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        with store_errors(path):
            _refuse_damage(engine, path)
            _migrate(engine, path)
            keep_private(path)
        undo.pop_all()
    return engine


def open_for_reading(url: str) -> Opened:
    """Open the store's file as it is, whether or not a daemon is writing it."""
    return _open_as_it_is(url, mode="ro", pragmas="", begin="BEGIN")


def open_beside(url: str) -> Opened:
    """Open the store's file as it is for a short write, whether or not a daemon has its lock.

    SQLite lets one write at a time; who waits for the other too long gets a StoreError.
    """
    return _open_as_it_is(url, mode="rw", pragmas=_WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")


def _open_as_it_is(url: str, *, mode: str, pragmas: str, begin: str) -> Opened:
    path = database_file(url)
    if not path.exists():
        raise StoreError(f"no store yet at {path}: has nuon-monitor run?")
    engine = _engine(path, mode=mode, pragmas=pragmas, begin=begin)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        with store_errors(path), engine.begin() as connection:
            revision = _revision(connection, path)
        if revision is None:
            raise StoreError(f"no store yet in {path}: has nuon-monitor run?")
        if revision < HEAD:
            raise StoreError(
                f"{path} was made by an older version: run this version's daemon once,"
                " it brings the file up to date"
            )
        undo.pop_all()
    return Opened(path, engine)


def copy_of(url: str, copy: Path) -> None:
    """Copy the store as it is now, whether or not a daemon is writing it; none is no copy."""
    path = database_file(url)
    if not path.exists():
        return
    engine = _engine(path, mode="ro", pragmas="", begin="BEGIN")
    try:
        with store_errors(path):
            _copy(engine, copy)
    finally:
        engine.dispose()


def _engine(path: Path, *, mode: str, pragmas: str, begin: str) -> Engine:
    """Return an engine of one connection, which any one thread at a time may use.

    `begin` opens each transaction: the driver's own way begins at the first write only.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.executescript(pragmas)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=0
    )

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _refuse_damage(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise StoreDamaged(f"{path} is damaged ({found})")


def _migrate(engine: Engine, path: Path) -> None:
    """Bring the file to HEAD in one transaction, with a copy of what it was."""
    with engine.begin() as connection:
        revision = _revision(connection, path)
    if revision == HEAD:
        return
    if revision is not None:
        _keep_copy(engine, path)

    # Alembic takes longer to import than the rest of the store, and is hardly ever needed.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection:
        # SQLite changes a table by making it anew, and dropping the old one would cascade. The
        # driver's own connection, because inside a transaction the pragma is silently ignored.
        pragma = connection.connection.cursor()
        pragma.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        pragma.execute("PRAGMA foreign_keys = ON")


def _revision(connection: Connection, path: Path) -> str | None:
    """Return the revision of the file, None for a new one; refuse what is no store of ours."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreError(f"{path} is the database of something else: use another store.url")
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    if revision > HEAD:
        raise StoreError(
            f"{path} was made by a newer version (its revision is {revision}, this version knows"
            f" {HEAD}): run that version, or go back to a copy {path.name}.before-…"
        )
    return str(revision)


def _keep_copy(engine: Engine, path: Path) -> None:
    """Copy the file as `….before-REVISION`, under that name only once it is complete."""
    copy = path.with_name(f"{path.name}.before-{HEAD}")
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)
    _copy(engine, partial)
    partial.replace(copy)
    copies = sorted(path.parent.glob(f"{glob.escape(path.name)}.before-????"))
    for old in copies[:-COPIES_KEPT]:
        old.unlink()


def _copy(engine: Engine, copy: Path) -> None:
    os.close(open_private(copy, os.O_RDWR | os.O_CREAT))
    with engine.connect() as connection, closing(sqlite3.connect(copy)) as destination:
        driver_connection = connection.connection.driver_connection
        assert isinstance(driver_connection, sqlite3.Connection)  # noqa: S101  (for the types)
        driver_connection.backup(destination)
