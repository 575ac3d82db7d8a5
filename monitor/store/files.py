"""The files of a store: where it is, what belongs to it, and damaged ones that were set aside."""

from __future__ import annotations

import glob
import itertools
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from monitor.errors import StoreError
from monitor.files import OWNER_ONLY, Access, open_private
from monitor.store.refusals import store_errors

COPIES_KEPT = 3
_PARTS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class SetAside:
    """A damaged store's file; what happened after it was last written is not in it."""

    file: Path
    written_at: datetime


def database_file(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("store.url is not a URL: use sqlite:///FILE") from None
    if parsed.drivername != "sqlite" or parsed.query or parsed.host:
        raise StoreError(f"store.url cannot be {parsed.drivername}: use sqlite:///FILE alone")
    if parsed.database in (None, "", ":memory:"):
        raise StoreError("store.url names no file, and so would forget: use sqlite:///FILE")
    path = Path(str(parsed.database))
    with store_errors(path):
        for part in (*_PARTS, ".lock"):
            _refuse_stray(_part(path, part))
    return path


def _refuse_stray(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise StoreError(
            f"{file} is a link, which somebody else may have put there: remove it, or name the"
            " file that it leads to in store.url"
        )
    # SQLite itself refuses a directory.
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise StoreError(f"{file} is no regular file: use another store.url")


def begin_file(path: Path) -> None:
    """Make a new, empty file for its owner alone, unless there is one.

    SQLite gives what it makes beside the file the same permissions.
    """
    with suppress(FileExistsError):
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))


def keep_private(path: Path) -> None:
    """Let nobody but its owner read or write the store, and what belongs to it.

    Nothing is opened for that: closing it again would give up the locks that SQLite has on it.
    """
    for part in _PARTS:
        file = _part(path, part)
        with suppress(FileNotFoundError, PermissionError):  # a stranger's is warned of
            if Access.of(file.lstat()).is_loose:
                file.chmod(OWNER_ONLY)


def newest_set_aside(path: Path) -> SetAside | None:
    """Return the damaged store that was last set aside, while its file is still there."""
    with store_errors(path):
        files = _all_set_aside(path)
        return SetAside(files[-1], written_at(files[-1])) if files else None


def set_aside(path: Path, now: datetime, last_written: datetime) -> None:
    """Rename the file as `….damaged-TIME`, with what belongs to it; the newest few are kept.

    The file goes first: without it SQLite throws the rest away, and never the other way round.
    """
    times = (now + timedelta(seconds=number) for number in itertools.count())
    names = (path.with_name(f"{path.name}.damaged-{time:%Y%m%dT%H%M%SZ}") for time in times)
    aside = next(name for name in names if not name.exists())
    for part in _PARTS:
        with suppress(FileNotFoundError):
            _part(path, part).rename(_part(aside, part))
    keep_private(aside)
    # Closing it may have written to it.
    os.utime(aside, (last_written.timestamp(), last_written.timestamp()))
    for old in _all_set_aside(path)[:-COPIES_KEPT]:
        for part in _PARTS:
            _part(old, part).unlink(missing_ok=True)


def _all_set_aside(path: Path) -> list[Path]:
    """Return the damaged stores, oldest first."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.damaged-{'[0-9]' * 8}T*Z"))


def _part(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def written_at(path: Path) -> datetime:
    """Return when the database was last written, the beginning of time if there is none."""
    files = (_part(path, part) for part in ("", "-wal"))
    newest = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    return datetime.fromtimestamp(newest, UTC)
