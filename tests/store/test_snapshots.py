"""The last snapshot of each target."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.kinds import release
from monitor.kinds.parts import DEPLOY
from monitor.kinds.release import RELEASE_STEP
from monitor.model import (
    Alert,
    Entity,
    EventKind,
    PastStatus,
    Snapshot,
    Target,
    TargetState,
)
from monitor.store import (
    Observation,
    Store,
    StoredTarget,
)
from tests.support.clock import NOON
from tests.support.stores import MINUTE, RELEASE, observation, url_of


def test_what_was_saved_is_loaded_by_the_next_run(path: Path) -> None:
    deploy = Entity(
        DEPLOY,
        "dpl1",
        "error",
        "helm timed out",
        status_at=NOON + timedelta(microseconds=1),
        history=(PastStatus("executing", NOON - MINUTE),),
    )
    root = Entity(
        release.RELEASE, "rel1", children=(Entity(RELEASE_STEP, "s1", children=(deploy,)),)
    )
    alert = Alert("dpl1", EventKind.FAILED, since=NOON, notified_at=NOON)
    seen = Observation(
        Snapshot(RELEASE, NOON, root), TargetState(NOON - MINUTE, 2, (alert,)), b"\x00\xff"
    )

    with Store.open(url_of(path), now=NOON) as store:
        store.save(seen)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.snapshots.load(RELEASE) == StoredTarget(
            seen.snapshot, seen.state, seen.fingerprint, polled_at=NOON, changed_at=NOON - MINUTE
        )


def test_the_newest_snapshot_takes_the_place_of_the_last(store: Store) -> None:
    store.save(observation(status="executing"))

    store.save(observation(status="active", at=NOON + MINUTE))

    assert [one.snapshot.root.status for one in store.snapshots.load_all()] == ["active"]


def test_a_target_never_polled_is_not_there(store: Store) -> None:
    assert store.snapshots.load(RELEASE) is None


def test_two_kinds_of_target_with_one_id_are_two(store: Store) -> None:
    other = Target("installer", "rel1")
    store.save(observation(status="active"))
    store.save(observation(status="error", of=other))

    loaded = store.snapshots.load(RELEASE)

    assert loaded is not None
    assert loaded.snapshot.root.status == "active"


def test_a_poll_without_news_moves_the_time_of_the_last_poll_only(store: Store) -> None:
    store.save(observation())

    store.snapshots.touch({RELEASE: NOON + MINUTE})

    (watched,) = store.snapshots.load_all()
    assert (watched.polled_at, watched.changed_at) == (NOON + MINUTE, NOON)
    assert watched.snapshot.taken_at == NOON


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="without a zone"):
        store.save(observation(at=datetime(2026, 3, 1, 12)))  # noqa: DTZ001

    assert store.snapshots.load_all() == ()


def test_a_snapshot_of_an_unknown_make_is_said_plainly(store: Store) -> None:
    store.save(observation())
    with store._database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE target SET snapshot = x'c0'")

    with pytest.raises(StoreError, match="this version cannot read"):
        store.snapshots.load(RELEASE)
