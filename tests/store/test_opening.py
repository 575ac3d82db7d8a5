"""One daemon at a time, and only where a store can be."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.store import (
    Store,
)
from tests.support.clock import NOON
from tests.support.stores import note, observation, python, url_of

HOLDER = """
import sys
from datetime import UTC, datetime
from monitor.store import Store

with Store.open(sys.argv[1], now=datetime(2026, 3, 1, 12, tzinfo=UTC)):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_daemon_is_refused_until_the_first_has_ended(path: Path) -> None:
    with python(HOLDER, url_of(path)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"

        with pytest.raises(StoreError, match=rf"another nuon-monitor \(pid {holder.pid}\) uses"):
            Store.open(url_of(path), now=NOON)
        holder.kill()

    with Store.open(url_of(path), now=NOON) as store:
        assert store.snapshots.load_all() == ()


def test_a_refused_opener_leaves_the_name_of_the_holder_for_the_next(path: Path) -> None:
    with Store.open(url_of(path), now=NOON):
        for _ in range(2):
            with pytest.raises(StoreError, match=f"pid {os.getpid()}"):
                Store.open(url_of(path), now=NOON)


def test_a_failed_opening_gives_the_lock_back(path: Path) -> None:
    path.write_text("not a database, though it is long enough to look like one" * 100)
    with pytest.raises(StoreError, match="it is not a database; use another"):
        Store.open(url_of(path), now=NOON)
    path.unlink()

    with Store.open(url_of(path), now=NOON) as store:
        assert store.snapshots.load_all() == ()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file:x?mode=memory&uri=true", "use sqlite:///FILE alone"),
        ("postgresql://user:hunter2@db/monitor", "cannot be postgresql"),
        ("monitor.db", "not a URL"),
        ("sqlite:////nowhere/monitor.db", "directory /nowhere of the store does not exist"),
        ("sqlite:////proc/monitor.db", "check the disk and who owns it"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as refused:
        Store.open(url, now=NOON)

    assert "hunter2" not in str(refused.value)


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "monitor.db").mkdir()

    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(url_of(tmp_path / "monitor.db"), now=NOON)


def test_a_path_with_special_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a 100% [ü]#1.db"

    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation())

    assert path.exists()


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    with pytest.raises(StoreError, match="something else"):
        Store.open(url_of(path), now=NOON)

    connection = sqlite3.connect(path)
    tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert tables == [("theirs",)]


def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(*(note(f"{n} {'x' * 1000}") for n in range(200))))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8192] = b"\xa5" * 8192
    path.write_bytes(content)

    with pytest.raises(StoreError, match="damaged"):
        Store.open(url_of(path), now=NOON)

    assert path.read_bytes() == content
