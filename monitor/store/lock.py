"""The lock of a store, which says also that a store was kept here before.

Anybody who may open a file may lock it, so the lock is for its owner alone. One that is not, as
somebody else made it or opened it up, does not keep a daemon out unless another one has it: it
is replaced.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from monitor.errors import StoreError
from monitor.files import Access, open_private, open_regular, tighten
from monitor.store.refusals import store_errors

_WAS_HERE = "a store of nuon-monitor"
"""What the lock file says below the process number, once the file was found to be a store."""

_TRIES = 3
"""Another daemon may replace the lock between two looks."""


def take_lock(path: Path) -> TextIO:
    """Take the lock of the file, or say who has it; closing it gives it back."""
    if not path.parent.is_dir():
        raise StoreError(
            f"the directory {path.parent} of the store does not exist:"
            " create it, or use another store.url"
        )
    name = path.with_name(f"{path.name}.lock")
    with store_errors(path):
        for _ in range(_TRIES):
            file = _taken(path, name)
            if os.path.samestat(os.fstat(file.fileno()), name.stat()):
                return file
            file.close()
    raise _held_by(path, "unknown")


def _taken(path: Path, name: Path) -> TextIO:
    with ExitStack() as undo:
        # Neither truncated nor removed: whoever holds it has its number in there.
        descriptor = open_regular(name, os.O_RDWR | os.O_CREAT)
        file = undo.enter_context(os.fdopen(descriptor, "r+", errors="replace"))
        if not _is_of_this_store(os.fstat(descriptor), path.parent.stat()):
            return _replaced(path, name, was_here=False)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = file.readline().strip()
            others_may_take_it = stat.S_IMODE(os.fstat(descriptor).st_mode) & stat.S_IRWXO
            if not others_may_take_it or _may_run(pid):
                raise _held_by(path, pid or "unknown") from None
            return _replaced(path, name, was_here=reads_as_ours(file))
        tighten(descriptor)
        write_lock(file, is_ours=reads_as_ours(file))
        undo.pop_all()
    return file


def _is_of_this_store(status: os.stat_result, directory: os.stat_result) -> bool:
    """Whether those may have made it who rule here anyway, and it is the file's only name."""
    is_made_here = Access.of(status).is_ours or status.st_uid == directory.st_uid
    return is_made_here and status.st_nlink == 1


def _may_run(pid: str) -> bool:
    """Whether a process may have this number; one of another container has it in vain."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _replaced(path: Path, name: Path, *, was_here: bool) -> TextIO:
    """Put a new lock, which is taken already, in the place of one that others may take."""
    new = name.with_name(f"{name.name}.new")
    with ExitStack() as undo:
        file = os.fdopen(open_private(new, os.O_RDWR | os.O_CREAT), "r+")
        undo.callback(file.close)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held_by(path, file.readline().strip() or "unknown") from None
        write_lock(file, is_ours=was_here)
        try:
            new.replace(name)
        except PermissionError as error:
            raise StoreError(
                f"{name} belongs to another user, who may keep nuon-monitor from starting:"
                " use a store.url in a directory of your own"
            ) from error
        undo.pop_all()
    return file


def _held_by(path: Path, pid: str) -> StoreError:
    return StoreError(
        f"another nuon-monitor (pid {pid}) uses {path}; stop it or use another store.url"
    )


def reads_as_ours(lock: TextIO) -> bool:
    lock.seek(0)
    return _WAS_HERE in lock.read()


def write_lock(lock: TextIO, *, is_ours: bool) -> None:
    lock.seek(0)
    lock.write(f"{os.getpid()}\n" + (f"{_WAS_HERE}\n" if is_ours else ""))
    lock.truncate()
    lock.flush()
