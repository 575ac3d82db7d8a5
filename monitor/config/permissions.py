"""What others may do to the files of the configuration, its secrets and its store: warnings."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from monitor.config.loading import Config, Loaded
from monitor.config.origins import SENT_TO
from monitor.config.sections import LISTS, Store
from monitor.config.tables import location_of
from monitor.files import Access

_Keys = tuple[int | str, ...]


def loose_files(loaded: Loaded) -> Iterator[str]:
    """Yield a warning for each file that others may change, or read a secret in."""
    if loaded.file is not None:
        yield from _loose("the configuration", loaded.file.path, is_secret=loaded.file_has_secrets)
    for keys, path in _secret_files(loaded.config):
        yield from _loose(location_of(keys), path, is_secret=True)
    if loaded.has_store:
        yield from _loose_store(loaded.config.store)


def _secret_files(config: Config) -> Iterator[tuple[_Keys, Path]]:
    for section, secret in SENT_TO:
        key, part = f"{secret}_file", getattr(config, section)
        rows = enumerate(part) if section in LISTS else [(None, part)]
        for index, table in rows:
            keys: _Keys = (section, key) if index is None else (section, index, key)
            path = getattr(table, key, None)
            if path is not None:
                yield keys, path


def _loose_store(store: Store) -> Iterator[str]:
    # What belongs to the store, and copies of it. A directory in which each may remove only
    # files of their own, as in /tmp, is well enough.
    path = Path(store.url.removeprefix("sqlite:///"))
    try:
        beside = sorted(file.name for file in path.parent.iterdir())
        directory = Access.of(path.parent.stat())
    except OSError:
        return  # opening the store will say what is wrong
    if directory.others_may_write and not directory.mode & stat.S_ISVTX:
        yield (
            f"store.url: others may write the directory {path.parent} (mode {directory}), and so"
            f" replace the store: chmod go-w {path.parent}"
        )
    for name in beside:
        if name == path.name or name.startswith((f"{path.name}-", f"{path.name}.")):
            yield from _loose("store.url", path.with_name(name), is_secret=True)


def _loose(location: str, path: Path, *, is_secret: bool) -> Iterator[str]:
    try:
        access = Access.of(path.stat())
    except OSError:
        return  # it is gone by now
    verbs = [
        *(["read"] if is_secret and access.others_may_read else []),
        *(["write"] if access.others_may_write else []),
    ]
    if verbs:
        remedy = "600" if is_secret else "go-w"
        yield (
            f"{location}: others may {' and '.join(verbs)} {path} (mode {access}):"
            f" chmod {remedy} {path}"
        )
