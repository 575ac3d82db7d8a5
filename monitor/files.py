"""The one place that opens files, with what others may do to a file in mind.

What is read is a regular file of a limited size, and reading it ends in time: a path may be that
of a pipe, a device or a disk that no longer answers. What is written is for its owner alone,
and never through a link.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SECRET_LIMIT = 64 * 1024
DOCUMENT_LIMIT = 1024 * 1024
"""Both in bytes; the second one for a configuration, or certificates."""

_DEADLINE_SECONDS = 3.0
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what to a file: its owner, and its permissions."""

    owner: int
    group: int
    mode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Access:
        return cls(status.st_uid, status.st_gid, status.st_mode)

    @property
    def is_ours(self) -> bool:
        """Whether it belongs to us, or to root, who may do anything already."""
        return self.owner in {0, os.geteuid()}

    @property
    def is_loose(self) -> bool:
        """Whether it is a file that more is allowed with than its owner to read and write it."""
        return stat.S_ISREG(self.mode) and stat.S_IMODE(self.mode) != OWNER_ONLY

    @property
    def others_may_write(self) -> bool:
        """A group of the owner alone, as many systems give each user, is no other."""
        by_group = self.mode & stat.S_IWGRP and not _is_private(self.group, self.owner)
        return bool(self.mode & stat.S_IWOTH or by_group)

    @property
    def others_may_read(self) -> bool:
        """Anybody, that is: a group is meant, as Kubernetes' is that a volume belongs to."""
        return bool(self.mode & stat.S_IROTH)

    def __str__(self) -> str:
        return f"{stat.S_IMODE(self.mode):04o}"


def _is_private(group: int, owner: int) -> bool:
    try:
        user, of = pwd.getpwuid(owner), grp.getgrgid(group)
    except KeyError:
        return False
    return user.pw_gid == group and of.gr_name == user.pw_name and not {*of.gr_mem} - {of.gr_name}


@dataclass(frozen=True, slots=True)
class Content:
    """What was in a file, and who may change or read it."""

    bytes: bytes = field(repr=False)
    access: Access


def read(path: Path, *, limit: int, within: float = _DEADLINE_SECONDS) -> Content:
    """Return the content of a regular file, or of one that links lead to.

    Raises OSError, its `strerror` fit for people: also for anything else than a file, for more
    than `limit` bytes, and where it is not read `within` so many seconds.
    """
    outcome: list[Content | OSError] = []

    def attempt() -> None:
        try:
            outcome.append(_read(path, limit))
        except OSError as error:
            outcome.append(error)

    # A read that a disk does not answer cannot be ended. One at most waits for each file.
    name = f"read {path}"
    late = TimeoutError(errno.ETIMEDOUT, f"not read within {within:g} s")
    if any(thread.name == name for thread in threading.enumerate()):
        raise late
    reading = threading.Thread(target=attempt, name=name, daemon=True)
    reading.start()
    reading.join(within)
    if not outcome:
        raise late
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _read(path: Path, limit: int) -> Content:
    # A pipe would wait for its other end to be opened.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _refuse_irregular(status)
        os.set_blocking(descriptor, True)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit // 1024} KB")
    return Content(content, Access.of(status))


def _refuse_irregular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def open_regular(path: Path, flags: int) -> int:
    """Open a regular file, and no link; a new one is for its owner. Returns its descriptor.

    Raises OSError.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, OWNER_ONLY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link, which is not followed", str(path)) from error
        raise
    try:
        _refuse_irregular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def tighten(descriptor: int) -> None:
    """Let nobody but its owner read or write a file, unless it is somebody else's."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != OWNER_ONLY:
        with suppress(PermissionError):
            os.fchmod(descriptor, OWNER_ONLY)


def open_private(path: Path, flags: int) -> int:
    """Open a file as `open_regular` does, and tighten it, whatever the umask."""
    descriptor = open_regular(path, flags)
    tighten(descriptor)
    return descriptor


def write_private(path: Path, text: str, *, replaces: bool = False) -> None:
    """Write a file for its owner alone; one that is there is replaced only if that is meant."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replaces else os.O_EXCL)
    with os.fdopen(open_private(path, flags), "w", encoding="utf-8") as file:
        file.write(text)
