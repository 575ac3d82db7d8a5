"""What the database or the disk refuses, as an error that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy.exc import DBAPIError, OperationalError

from monitor.errors import StoreDamaged, StoreError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
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
