"""The lock of a store, which says also that a store was kept here before."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from monitor.errors import StoreError
from monitor.store.refusals import store_errors

_WAS_HERE = "a store of nuon-monitor"
"""What the lock file says below the process number, once the file was found to be a store."""


def take_lock(path: Path) -> TextIO:
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
        write_lock(file, is_ours=reads_as_ours(file))
        undo.pop_all()
    return file


def reads_as_ours(lock: TextIO) -> bool:
    lock.seek(0)
    return _WAS_HERE in lock.read()


def write_lock(lock: TextIO, *, is_ours: bool) -> None:
    lock.seek(0)
    lock.write(f"{os.getpid()}\n" + (f"{_WAS_HERE}\n" if is_ours else ""))
    lock.truncate()
    lock.flush()
