"""Opens the database file: alone, undamaged and of this version's shape, or says why not.

Whoever writes holds the lock file as long as it lives, so that a second daemon cannot send
everything twice; a lock dies with its process. Reading needs no lock. The lock file also
says that a store of ours was here: only then is a damaged file set aside for a new one.
"""

from __future__ import annotations

import fcntl
import glob
import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import msgspec
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from monitor.errors import StoreDamaged, StoreError
from monitor.store.tables import HEAD

_MIGRATIONS = Path(__file__).parent / "migrations"
_COPIES_KEPT = 3
_BUSY_SECONDS = 5.0

_WAS_HERE = "a store of nuon-monitor"
"""What the lock file says below the process number, once the file was found to be a store."""
_PARTS = ("", "-wal", "-shm")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_WRITER_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;  -- an outbox has to survive a power cut
    PRAGMA foreign_keys = ON;
"""

# By SQLite's primary result codes, https://www.sqlite.org/rescode.html
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk refuses; look at its space, quota and health",
    sqlite3.SQLITE_READONLY: "it cannot be written; check who owns the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check who owns the file and its directory",
    sqlite3.SQLITE_PERM: "it cannot be opened; check who owns the file and its directory",
    sqlite3.SQLITE_BUSY: "another program keeps it locked; end that program",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked; end that program",
    sqlite3.SQLITE_CORRUPT: "it is damaged; `nuon-monitor run` sets it aside when it starts",
    sqlite3.SQLITE_NOTADB: "it is not a database; use another store.url, unless it was a store:"
    " `nuon-monitor run` sets that aside when it starts",
}


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


@dataclass(frozen=True, slots=True)
class SetAside:
    """A damaged store's file; what happened after it was last written is not in it."""

    file: Path
    written_at: datetime


def open_for_writing(url: str, *, now: datetime, replaces_damaged: bool = False) -> Opened:
    """Open the store's file, made or brought to the newest shape where needed.

    Raises StoreError when another process writes it, when it is of a newer version,
    something else than a store, or out of reach; StoreDamaged when it is damaged, unless a
    store that was here before may be set aside for a new one.
    """
    path = _database_file(url)
    with ExitStack() as undo:
        lock = _lock(path)
        undo.callback(lock.close)
        with store_errors(path):
            was_here = _reads_as_ours(lock)
            written_at = _written_at(path)
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
                _set_aside(path, now, written_at)
                # Should the new one not come about, what is left of it is not set aside too.
                _write_lock(lock, is_ours=False)
                engine = _open_sound(path, was_here=False)
            undo.callback(engine.dispose)
            _write_lock(lock, is_ours=True)
        undo.pop_all()
    return Opened(path, engine, lock)


def newest_set_aside(path: Path) -> SetAside | None:
    """Return the damaged store that was last set aside, while its file is still there."""
    with store_errors(path):
        files = _all_set_aside(path)
        return SetAside(files[-1], _written_at(files[-1])) if files else None


def _open_sound(path: Path, *, was_here: bool) -> Engine:
    """Return an engine on the file, sound and up to date; StoreDamaged if it cannot be."""
    if was_here and path.exists() and path.stat().st_size == 0:
        raise StoreDamaged(f"{path} is damaged: it is empty, and was a store")
    engine = _engine(path, mode="rwc", pragmas=_WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        with store_errors(path):
            _refuse_damage(engine, path)
            _migrate(engine, path)
        undo.pop_all()
    return engine


def _set_aside(path: Path, now: datetime, written_at: datetime) -> None:
    """Rename the file as `….damaged-TIME`, with what belongs to it; the newest few are kept.

    The file goes first: without it SQLite throws the rest away, and never the other way round.
    """
    times = (now + timedelta(seconds=number) for number in itertools.count())
    names = (path.with_name(f"{path.name}.damaged-{time:%Y%m%dT%H%M%SZ}") for time in times)
    aside = next(name for name in names if not name.exists())
    for part in _PARTS:
        with suppress(FileNotFoundError):
            _part(path, part).rename(_part(aside, part))
    # Closing it may have written to it.
    os.utime(aside, (written_at.timestamp(), written_at.timestamp()))
    for old in _all_set_aside(path)[:-_COPIES_KEPT]:
        for part in _PARTS:
            _part(old, part).unlink(missing_ok=True)


def _all_set_aside(path: Path) -> list[Path]:
    """Return the damaged stores, oldest first."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.damaged-{'[0-9]' * 8}T*Z"))


def _part(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def _written_at(path: Path) -> datetime:
    """Return when the database was last written, the beginning of time if there is none."""
    files = (_part(path, part) for part in ("", "-wal"))
    newest = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    return datetime.fromtimestamp(newest, UTC)


def open_for_reading(url: str) -> Opened:
    """Open the store's file as it is, whether or not a daemon is writing it."""
    return _open_as_it_is(url, mode="ro", pragmas="", begin="BEGIN")


def open_beside(url: str) -> Opened:
    """Open the store's file as it is for a short write, whether or not a daemon has its lock.

    SQLite lets one write at a time; who waits for the other too long gets a StoreError.
    """
    return _open_as_it_is(url, mode="rw", pragmas=_WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")


def _open_as_it_is(url: str, *, mode: str, pragmas: str, begin: str) -> Opened:
    path = _database_file(url)
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
    path = _database_file(url)
    if not path.exists():
        return
    engine = _engine(path, mode="ro", pragmas="", begin="BEGIN")
    try:
        with store_errors(path):
            _copy(engine, copy)
    finally:
        engine.dispose()


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn what the database or the disk refuses into a StoreError that says what to do.

    A wrong statement is a bug of ours and passes as it is.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        refusal = _refusal(path, error)
        if refusal is None:
            raise
        raise refusal from error
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}; check the disk and who owns it"
        ) from error
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"{path} holds something that this version cannot read ({error}):"
            " go back to the version that wrote it, or move the file away"
        ) from error


def _refusal(path: Path, error: DBAPIError | sqlite3.Error) -> StoreError | None:
    """Return what the database refuses, and what to do about it; None for a wrong statement."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The low byte is the primary code, the rest says more of the circumstances.
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    advice = _ADVICE.get(code)
    is_operational = isinstance(error, OperationalError | sqlite3.OperationalError)
    if advice is None and (not is_operational or code == sqlite3.SQLITE_ERROR):
        return None
    kind = StoreDamaged if code in _DAMAGED else StoreError
    return kind(f"{path}: {advice or 'the database refuses'} ({cause})")


def _database_file(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("store.url is not a URL: use sqlite:///FILE") from None
    if parsed.drivername != "sqlite" or parsed.query or parsed.host:
        raise StoreError(f"store.url cannot be {parsed.drivername}: use sqlite:///FILE alone")
    if parsed.database in (None, "", ":memory:"):
        raise StoreError("store.url names no file, and so would forget: use sqlite:///FILE")
    return Path(str(parsed.database))


def _lock(path: Path) -> TextIO:
    """Take the lock of the file, or say who has it; closing it gives it back."""
    if not path.parent.is_dir():
        raise StoreError(
            f"the directory {path.parent} of the store does not exist:"
            " create it, or use another store.url"
        )
    with ExitStack() as undo, store_errors(path):
        # Neither truncated nor removed: whoever holds it has its number in there.
        file = os.fdopen(os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644), "r+")
        undo.callback(file.close)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = file.readline().strip() or "unknown"
            raise StoreError(
                f"another nuon-monitor (pid {pid}) uses {path}; stop it or use another store.url"
            ) from None
        _write_lock(file, is_ours=_reads_as_ours(file))
        undo.pop_all()
    return file


def _reads_as_ours(lock: TextIO) -> bool:
    lock.seek(0)
    return _WAS_HERE in lock.read()


def _write_lock(lock: TextIO, *, is_ours: bool) -> None:
    lock.seek(0)
    lock.write(f"{os.getpid()}\n" + (f"{_WAS_HERE}\n" if is_ours else ""))
    lock.truncate()
    lock.flush()


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
    for old in copies[:-_COPIES_KEPT]:
        old.unlink()


def _copy(engine: Engine, copy: Path) -> None:
    with engine.connect() as connection, closing(sqlite3.connect(copy)) as destination:
        driver_connection = connection.connection.driver_connection
        assert isinstance(driver_connection, sqlite3.Connection)  # noqa: S101  (for the types)
        driver_connection.backup(destination)
