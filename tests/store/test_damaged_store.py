"""A store that is damaged: set aside, begun anew, said loudly, and no flood."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.errors import StoreDamaged, StoreError
from monitor.simulation.slack import plain_text
from monitor.store import Name, Store
from tests.support.clock import NOON
from tests.support.processes import until
from tests.support.world import World, a_live_world, a_world

LOST = "⚠️ The release monitor lost its store"
PAGE = 4096


def store_file(folder: Path) -> Path:
    return folder / "nuon-monitor.db"


def url_of(folder: Path) -> str:
    return f"sqlite:///{store_file(folder)}"


def set_aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("nuon-monitor.db.damaged-*Z"))


def overwrite(start: int, length: int | None = None) -> Callable[[bytes], bytes]:
    def damaged(content: bytes) -> bytes:
        end = len(content) if length is None else start + length
        return content[:start] + b"\xa5" * (end - start) + content[end:]

    return damaged


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda content: content[: len(content) // 2],
    "cut to one page": lambda content: content[:PAGE],
    "cut to a few bytes": lambda content: content[:50],
    "emptied": lambda content: b"",
    "its header overwritten": overwrite(0, 100),
    "its first page overwritten": overwrite(0, PAGE),
    "all behind its first page overwritten": overwrite(PAGE),
    "zeros throughout": lambda content: bytes(len(content)),
}
any_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


def harm(folder: Path, damage: Callable[[bytes], bytes] = DAMAGES["cut in half"]) -> bytes:
    """Damage the store of a monitor that does not run; returns what it holds then."""
    file = store_file(folder)
    file.write_bytes(damaged := damage(file.read_bytes()))
    return damaged


def losses_told(world: World) -> int:
    return sum(text.startswith(LOST) for text in world.texts)


@any_damage
async def test_a_damaged_store_is_kept_as_it_is_and_a_new_one_begun(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    with Store.open(url_of(tmp_path), now=NOON):
        pass
    damaged = harm(tmp_path, damage)

    with Store.open(url_of(tmp_path), now=NOON, replaces_damaged=True) as store:
        assert store.snapshots.load_all() == ()

    (kept,) = set_aside(tmp_path)
    assert kept.name == "nuon-monitor.db.damaged-20251201T120000Z"
    assert kept.read_bytes() == damaged


async def test_of_what_was_in_flight_a_damaged_store_brings_the_card_again_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("approval", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            while not world.stored(release_id)[1].alerts:
                await world.look(app, after=15)
        before = len(world.texts)
        harm(tmp_path)

        async with world.monitor(release_id) as app:
            for _ in range(3):
                await world.look(app)

        told = world.texts[before:]
        assert len(told) == 2
        assert told[0].startswith(LOST)
        assert set_aside(tmp_path)[0].name in told[0]
        before_it, after_it = world.cards(release_id)
        assert after_it.blocks == before_it.blocks


@pytest.mark.parametrize("damage", [DAMAGES["emptied"], DAMAGES["cut in half"]])
async def test_what_ended_before_the_damage_is_not_told_again(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    async with a_world(tmp_path) as world:
        releases = [world.platform.add(name) for name in ("already-failed", "already-done")]
        async with world.monitor(*releases) as app:
            await world.look(app)
        before = len(world.texts)
        harm(tmp_path, damage)

        async with world.monitor(*releases) as app:
            await world.look(app)
            await world.look(app, after=3600)

        assert [text.startswith(LOST) for text in world.texts[before:]] == [True]


async def test_what_failed_after_the_damage_is_told(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("failure", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
        harm(tmp_path)
        seconds = world.clock.now().timestamp()  # the file system has no clock of our own
        os.utime(store_file(tmp_path), (seconds, seconds))

        world.clock.advance(world.platform.rollout(release_id).settles_after)
        async with world.monitor(release_id) as app:
            await world.look(app)

        assert plain_text(world.cards(release_id)[-1]).startswith("❌ ")
        assert "❌" in world.texts[-1]


async def test_what_failed_before_the_damage_is_told_anew_once_it_moves(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("retry", seed=1)
        rollout = world.platform.rollout(release_id)
        async with world.monitor(release_id) as app:
            await world.look(app)
            while world.stored(release_id)[1].ended is None:
                await world.look(app, after=15)
        before = len(world.texts)
        harm(tmp_path)

        async with world.monitor(release_id) as app:
            await world.look(app)
            quiet = len(world.texts) - before
            while world.platform.seconds_of(release_id) < rollout.settles_after + 60:
                await world.look(app, after=15)

        assert quiet == 1  # the loss alone
        assert plain_text(world.cards(release_id)[-1]).startswith("✅ ")


async def test_the_loss_is_told_once_over_restarts_and_forgotten_with_the_file(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with world.monitor(release_id) as app:
            await world.look(app)
        harm(tmp_path)
        for _ in range(3):
            async with world.monitor(release_id) as app:
                await world.look(app)
        assert losses_told(world) == 1
        assert app.metrics.registry.get_sample_value(
            "nuon_monitor_store_lost_timestamp_seconds"
        ) == pytest.approx(set_aside(tmp_path)[0].stat().st_mtime)

        set_aside(tmp_path)[0].unlink()
        async with world.monitor(release_id) as app:
            assert await app.store.call(app.store.outages.load) == {}

        assert losses_told(world) == 1


async def test_a_crash_between_setting_aside_and_telling_does_not_make_it_silent(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with world.monitor(release_id) as app:
            await world.look(app)
        harm(tmp_path)
        with Store.open(world.store_url, now=NOON, replaces_damaged=True):
            pass  # and here it ends
        before = len(world.texts)

        async with world.monitor(release_id) as app:
            await world.look(app)

        assert [text.startswith(LOST) for text in world.texts[before:]] == [True]


def test_a_disk_that_damages_again_and_again_is_not_filled(tmp_path: Path) -> None:
    for hour in range(5):
        with Store.open(url_of(tmp_path), now=NOON, replaces_damaged=True):
            pass
        harm(tmp_path)
        at = datetime(2026, 3, 2, hour, tzinfo=UTC)
        with Store.open(url_of(tmp_path), now=at, replaces_damaged=True):
            pass

    times = [file.name.rpartition("T")[2] for file in set_aside(tmp_path)]
    assert times == ["020000Z", "030000Z", "040000Z"]


def test_two_damages_in_one_second_are_both_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with Store.open(url_of(tmp_path), now=NOON):
            pass
        harm(tmp_path)
        with Store.open(url_of(tmp_path), now=NOON, replaces_damaged=True):
            pass

    assert len(set_aside(tmp_path)) == 2


# What is not ours


def a_database_of_another_program(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (x)")
    connection.executemany("INSERT INTO theirs VALUES (?)", [("x" * 1000,)] * 100)
    connection.commit()
    connection.close()


def a_damaged_database_of_another_program(file: Path) -> None:
    a_database_of_another_program(file)
    file.write_bytes(overwrite(PAGE)(file.read_bytes()))


def a_letter(file: Path) -> None:
    file.write_text("Dear Sir or Madam,\n" * 500)


@pytest.mark.parametrize(
    "theirs", [a_database_of_another_program, a_damaged_database_of_another_program, a_letter]
)
def test_what_is_not_ours_is_refused_and_left_where_it_is(
    tmp_path: Path, theirs: Callable[[Path], None]
) -> None:
    theirs(store_file(tmp_path))
    size = store_file(tmp_path).stat().st_size

    for _ in range(2):
        with pytest.raises(StoreError, match=r"use another store\.url"):
            Store.open(url_of(tmp_path), now=NOON, replaces_damaged=True)

    assert set_aside(tmp_path) == []
    assert store_file(tmp_path).stat().st_size == size


def test_a_store_that_was_deleted_on_purpose_is_begun_anew_without_a_word(tmp_path: Path) -> None:
    with Store.open(url_of(tmp_path), now=NOON):
        pass
    store_file(tmp_path).unlink()

    with Store.open(url_of(tmp_path), now=NOON, replaces_damaged=True) as store:
        assert store.set_aside_file() is None


def test_an_empty_file_that_was_no_store_is_taken_as_a_new_one(tmp_path: Path) -> None:
    store_file(tmp_path).touch()

    with Store.open(url_of(tmp_path), now=NOON, replaces_damaged=True) as store:
        assert store.set_aside_file() is None


def test_a_command_that_only_writes_a_little_refuses_a_damaged_store(tmp_path: Path) -> None:
    with Store.open(url_of(tmp_path), now=NOON):
        pass
    harm(tmp_path)

    with pytest.raises(StoreDamaged):
        Store.open(url_of(tmp_path), now=NOON)

    assert set_aside(tmp_path) == []


# While it runs


def harm_in_use(folder: Path) -> None:
    """Overwrite every page of a store that a stopped process has open, also those not merged yet.

    A write of another process comes first: the daemon has to read the pages anew then.
    """
    with Store.open_beside(url_of(folder)) as store:
        store.snapshots.touch({})
        store.names.save({"an id": Name("a name")}, NOON)
    file, wal = store_file(folder), folder / "nuon-monitor.db-wal"
    with file.open("r+b") as content:
        content.write(overwrite(100)(file.read_bytes()))
    frames = bytearray(wal.read_bytes())
    for start in range(32 + 24, len(frames), PAGE + 24):
        frames[start : start + PAGE] = b"\xa5" * PAGE
    with wal.open("r+b") as content:
        content.write(frames)


async def test_damage_that_shows_while_it_runs_ends_the_daemon_and_the_next_one_begins_anew(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("failure")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("sent")
            daemon.send(signal.SIGSTOP)
            harm_in_use(tmp_path)
            daemon.send(signal.SIGCONT)
            world.platform.clock.advance(60)

            assert await daemon.end() == 1
        assert daemon.errors.count("\n") == 1
        assert "aside when it starts" in daemon.errors

        channel = world.channel
        async with world.daemon(release_id) as daemon:
            await daemon.logged("store_was_damaged")
            await until(lambda: any(plain_text(p).startswith(LOST) for p in channel.posts))
            await daemon.answers("/readyz", 200)
            status = await world.command("status")

    assert "store is lost for" in status.out
    assert set_aside(tmp_path)[0].name in status.out.replace("\n", "")


async def test_once_begins_a_damaged_store_anew_as_well(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        world.write(release_id)
        await world.command("once")
        harm(tmp_path)

        again = await world.command("once")

        posts = [plain_text(post) for post in world.channel.posts]
    assert again.code == 0
    assert "store_was_damaged" in again.err
    assert posts[-1].startswith(LOST)
    assert len(set_aside(tmp_path)) == 1
