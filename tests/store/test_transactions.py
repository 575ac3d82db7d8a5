"""Nothing is ever half written, whatever ends a save."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from monitor.errors import StoreError
from monitor.store import (
    PastTransition,
    Store,
    message_fingerprint,
)
from tests.support.clock import NOON
from tests.support.stores import (
    ENDLESS_WRITER,
    MINUTE,
    RELEASE,
    card,
    message,
    note,
    observation,
    python,
    transition,
    url_of,
)


class Crash(Exception):
    """What ends a save between two of its statements."""


@pytest.mark.parametrize("survived", range(4))
def test_a_save_that_breaks_off_between_statements_leaves_nothing(
    path: Path, survived: int
) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation(note("old"), status="executing", cards=(card("old"),)))
        left = survived

        def crash(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            nonlocal left
            if statement.startswith("BEGIN"):
                return
            if left == 0:
                raise Crash
            left -= 1

        event.listen(store._database.engine, "before_cursor_execute", crash)
        with pytest.raises(Crash):
            store.save(
                observation(
                    note("new"),
                    status="error",
                    at=NOON + MINUTE,
                    transitions=(transition(),),
                    cards=(card("new"),),
                )
            )

    with Store.open(url_of(path), now=NOON) as store:
        assert [one.snapshot.root.status for one in store.snapshots.load_all()] == ["executing"]
        assert [one.key for one in store.outbox.unsent()] == ["old"]
        assert store.cards.wanted(RELEASE, 1, "ops") == (
            message("old"),
            message_fingerprint(message("old")),
        )
        assert not any(isinstance(entry, PastTransition) for entry in store.history.load("rel1"))


def test_twenty_kills_lose_nothing_and_leave_nothing_half_written(path: Path) -> None:
    for round_ in range(20):
        with python(ENDLESS_WRITER, url_of(path)) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(1 + round_ % 7)]
            writer.kill()

        with Store.open(url_of(path), now=NOON) as store:
            loaded = store.snapshots.load(RELEASE)
            assert loaded is not None
            last = int(loaded.snapshot.root.status)
            numbers = [str(number) for number in range(1, last + 1)]
            history = store.history.load("rel1")
            assert last >= int(lines[-1])
            assert [one.key for one in store.outbox.unsent()] == numbers
            assert [
                entry.after for entry in history if isinstance(entry, PastTransition)
            ] == numbers
            wanted = store.cards.wanted(RELEASE, 1, "ops")
            assert wanted is not None
            assert wanted[0].text == str(last)

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_full_disk_is_said_plainly_and_nothing_is_lost(store: Store) -> None:
    store.save(observation(note("before")))
    with store._database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreError, match="disk is full; free some space"):
        store.save(observation(*(note(f"{n} {'x' * 3000}") for n in range(100)), status="error"))

    assert [one.key for one in store.outbox.unsent()] == ["before"]
    assert [one.snapshot.root.status for one in store.snapshots.load_all()] == ["executing"]


LIMITED_WRITER = """
import resource, sys
from datetime import UTC, datetime
from monitor.errors import StoreError
from monitor.kinds import release
from monitor.model import *
from monitor.store import Observation, Store

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
target = Target("release", "rel1")
with Store.open(sys.argv[1], now=noon) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for number in range(1000):
        root = Entity(release.RELEASE, "rel1", str(number))
        queued = Notification(str(number), "ops", Form.MESSAGE, Message("x" * 3000), target)
        try:
            snapshot = Snapshot(target, noon, root)
            store.save(Observation(snapshot, TargetState(noon), b"", notifications=(queued,)))
        except StoreError as error:
            readable = store.snapshots.load(target).snapshot.root.status
            print(number, readable, len(store.outbox.unsent()), error, sep="|")
            break
"""


def test_a_disk_that_refuses_is_said_plainly_and_the_store_stays_readable(path: Path) -> None:
    with python(LIMITED_WRITER, url_of(path)) as writer:
        output, _ = writer.communicate(timeout=60)

    failed, readable, waiting, error = output.strip().split("|")
    assert int(readable) == int(failed) - 1
    assert int(waiting) == int(failed)
    assert str(path) in error
    assert "look at its space" in error
    with Store.open(url_of(path), now=NOON) as store:
        assert len(store.outbox.unsent()) == int(waiting)
