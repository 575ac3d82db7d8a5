"""The store is read beside a daemon or without one, and copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.store import (
    Store,
    copy_of,
)
from tests.support.clock import NOON
from tests.support.stores import ENDLESS_WRITER, note, observation, python, url_of


def test_the_store_is_read_while_the_daemon_writes(path: Path, store: Store) -> None:
    store.save(observation(note("1")))

    with Store.open_readonly(url_of(path)) as reader:
        assert [one.key for one in reader.outbox.unsent()] == ["1"]
        store.save(observation(note("2")))
        assert [one.key for one in reader.outbox.unsent()] == ["1", "2"]


def test_the_store_is_read_when_no_daemon_runs(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(note("1")))

    with Store.open_readonly(url_of(path)) as reader:
        assert [one.key for one in reader.outbox.unsent()] == ["1"]


def test_the_store_is_read_after_the_daemon_was_killed(path: Path) -> None:
    with python(ENDLESS_WRITER, url_of(path)) as writer:
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        writer.kill()

    with Store.open_readonly(url_of(path)) as reader:
        assert len(reader.outbox.unsent()) >= acknowledged


def test_a_reader_cannot_write(path: Path, store: Store) -> None:
    with (
        Store.open_readonly(url_of(path)) as reader,
        pytest.raises(StoreError, match="cannot be written"),
    ):
        reader.save(observation())


def test_reading_where_no_daemon_has_run_says_so(path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store yet at .*monitor\.db"):
        Store.open_readonly(url_of(path))

    assert not path.exists()


def test_a_copy_is_made_while_the_daemon_writes(path: Path, store: Store) -> None:
    store.save(observation(note("1")))
    copy = path.with_name("copy.db")

    copy_of(url_of(path), copy)
    store.save(observation(note("2")))

    with Store.open(url_of(copy), now=NOON) as copied:
        assert [one.key for one in copied.outbox.unsent()] == ["1"]


def test_a_copy_of_no_store_is_none(path: Path) -> None:
    copy = path.with_name("copy.db")

    copy_of(url_of(path), copy)

    assert not copy.exists()
