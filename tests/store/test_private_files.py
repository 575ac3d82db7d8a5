"""Every file that the store makes is for its owner alone, and none is written through a link."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.store import Store, copy_of
from tests.support.clock import NOON
from tests.support.stores import observation, python, url_of

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")

HOLDER = """
import fcntl, sys
with open(sys.argv[1]) as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("taken", flush=True)
    sys.stdin.read()
"""
"""Somebody who may read the lock, and keeps it."""


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=lambda umask: f"umask {umask:04o}")
def any_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {
        file.name: f"{stat.S_IMODE(file.stat().st_mode):04o}" for file in sorted(folder.iterdir())
    }


def outdated(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.commit()
    connection.close()


@pytest.mark.usefixtures("any_umask")
def test_every_file_that_the_store_makes_is_for_its_owner_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation())
        copy_of(url_of(path), path.with_name("copy.db"))
        open_files = modes(path.parent)
    path.write_bytes(path.read_bytes()[:5000])
    with Store.open(url_of(path), now=NOON, replaces_damaged=True):
        pass
    outdated(path)
    monkeypatch.setattr("alembic.command.upgrade", lambda *_: None)
    with Store.open(url_of(path), now=NOON + timedelta(hours=1)):
        made = open_files | modes(path.parent)

    assert {*made} >= {
        path.name,
        f"{path.name}-wal",
        f"{path.name}-shm",
        f"{path.name}.lock",
        f"{path.name}.before-0001",
        "copy.db",
    }
    assert any(".damaged-" in name for name in made)
    assert set(made.values()) == {"0600"}


def test_what_was_opened_up_is_for_its_owner_again_and_so_is_what_is_set_aside(path: Path) -> None:
    with Store.open(url_of(path), now=NOON) as store:
        store.save(observation())
    for file in path.parent.iterdir():
        file.chmod(0o644)

    with Store.open(url_of(path), now=NOON):
        assert set(modes(path.parent).values()) == {"0600"}
    path.write_bytes(b"")
    path.chmod(0o644)
    with Store.open(url_of(path), now=NOON, replaces_damaged=True):
        assert set(modes(path.parent).values()) == {"0600"}


def test_the_directory_of_a_store_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)

    with Store.open(url_of(tmp_path / "data" / "monitor.db"), now=NOON):
        pass

    assert modes(tmp_path)["data"] == "0755"


def test_the_database_of_another_program_keeps_its_permissions(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    path.chmod(0o644)

    with pytest.raises(StoreError, match="something else"):
        Store.open(url_of(path), now=NOON)

    assert modes(path.parent)[path.name] == "0644"


# Links


@pytest.mark.parametrize("part", ["", "-wal", "-shm", ".lock"])
@pytest.mark.parametrize("is_dangling", [False, True])
def test_no_file_of_the_store_may_be_a_link(path: Path, part: str, *, is_dangling: bool) -> None:
    victim = path.with_name("victim")
    if not is_dangling:
        victim.write_text("precious")
    path.with_name(path.name + part).symlink_to(victim)

    for attempt in (
        lambda: Store.open(url_of(path), now=NOON),
        lambda: Store.open_readonly(url_of(path)),
        lambda: Store.open_beside(url_of(path)),
        lambda: copy_of(url_of(path), path.with_name("copy")),
    ):
        with pytest.raises(StoreError, match="is a link"):
            attempt()
    assert victim.exists() != is_dangling
    assert is_dangling or victim.read_text() == "precious"


def test_the_directory_of_a_store_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "data").symlink_to("real")

    with Store.open(url_of(tmp_path / "data" / "monitor.db"), now=NOON) as store:
        store.save(observation())


def test_a_pipe_is_no_store(path: Path) -> None:
    os.mkfifo(path)

    with pytest.raises(StoreError, match="is no regular file"):
        Store.open(url_of(path), now=NOON)


# The lock


def lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def assert_held(path: Path) -> None:
    with pytest.raises(StoreError, match=f"pid {os.getpid()}"):
        Store.open(url_of(path), now=NOON)


def test_who_may_read_an_older_lock_does_not_keep_a_daemon_out(path: Path) -> None:
    lock = lock_of(path)
    lock.write_text("999999999\na store of nuon-monitor\n")
    lock.chmod(0o644)

    with python(HOLDER, str(lock)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        with Store.open(url_of(path), now=NOON):
            assert modes(path.parent)[lock.name] == "0600"
            assert_held(path)
        with Store.open(url_of(path), now=NOON):
            assert_held(path)
        holder.kill()
    assert "a store of nuon-monitor" in lock.read_text()


def test_a_daemon_whose_lock_was_opened_up_keeps_it(path: Path) -> None:
    with Store.open(url_of(path), now=NOON):
        lock_of(path).chmod(0o666)

        assert_held(path)
        assert_held(path)


def test_a_lock_that_nobody_else_may_open_is_respected_whoever_holds_it(path: Path) -> None:
    """Its process may be in another container, where its number means another."""
    lock = lock_of(path)
    lock.write_text("999999999\n")
    lock.chmod(0o600)

    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="pid 999999999"):
            Store.open(url_of(path), now=NOON)


@needs_root
def test_a_lock_that_somebody_else_has_put_there_is_replaced(path: Path) -> None:
    lock = lock_of(path)
    lock.write_text(f"{os.getpid()}\n")
    lock.chmod(0o666)
    os.chown(lock, 12345, 12345)

    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with Store.open(url_of(path), now=NOON):
            assert lock.stat().st_uid == os.geteuid()
            assert_held(path)


def test_a_lock_that_is_another_name_of_a_file_does_not_change_that_file(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    lock_of(path).hardlink_to(victim)

    with Store.open(url_of(path), now=NOON):
        assert_held(path)

    assert victim.read_text() == "precious"
