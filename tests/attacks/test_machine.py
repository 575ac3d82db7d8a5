"""The machine under the daemon: its disk, its files, its signals, its limits."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from monitor.store import Store
from tests.support.clock import NOON
from tests.support.long_tests import long_only
from tests.support.processes import Daemon, clean_environment, until
from tests.support.world import World, a_live_world, a_world

_IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not _IS_ROOT, reason="mounts a file system of its own")


@contextmanager
def a_disk(folder: Path, size: str, *options: str) -> Iterator[Path]:
    """Mount a small disk in memory."""
    folder.mkdir()
    flags = ",".join((f"size={size}", *options))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", flags, "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Use up a disk with one file, and return it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


@contextmanager
def limited(daemon: Daemon, what: int, soft: int) -> Iterator[None]:
    """Lower a limit of a running daemon for a while."""
    pid = daemon.process.pid
    _, hard = resource.prlimit(pid, what)
    before = resource.prlimit(pid, what, (soft, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, what, before)


async def told_once_each(world: World, release_id: str) -> None:
    """Wait until a release's failure was told, and require all else to be told exactly once."""
    await until(lambda: not world.audit(release_id, knows_waits=False).lost)
    findings = world.audit(release_id, knows_waits=False)
    assert (findings.lost, findings.repeated, findings.false) == ((), (), ())
    assert len(world.keys) == len(set(world.keys))


def to_its_end(world: World, release_id: str) -> None:
    world.platform.clock.advance(world.platform.rollout(release_id).settles_after + 60)


# The disk


@needs_root
async def test_a_full_disk_is_said_and_all_is_told_once_there_is_space_again(
    tmp_path: Path,
) -> None:
    with a_disk(tmp_path / "disk", "1m") as disk:
        async with a_live_world(disk) as world:
            release_id = world.platform.add("failure")
            async with world.daemon(release_id) as daemon:
                await daemon.logged("sent")
                await daemon.answers("/readyz", 200)
                filler = fill(disk)
                to_its_end(world, release_id)

                said = await daemon.logged("poll_not_saved")
                assert "the disk is full; free some space" in said["error"]
                page = await daemon.answers("/readyz", 503)
                assert "free some space" in page["checks"]["store"]
                before = world.polls(release_id)
                await until(lambda: world.polls(release_id) > before + 3)
                assert world.keys == world.keys[:1]

                filler.unlink()
                await told_once_each(world, release_id)
                await daemon.answers("/readyz", 200)


async def test_a_disk_that_refuses_to_write_is_survived_and_all_is_told_afterwards(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("failure")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("sent")
            with limited(daemon, resource.RLIMIT_FSIZE, 0):
                to_its_end(world, release_id)
                said = await daemon.logged("poll_not_saved")
                assert "look at its space, quota and health" in said["error"]

            await told_once_each(world, release_id)


@needs_root
async def test_a_store_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    with a_disk(tmp_path / "disk", "1m", "ro"):
        async with a_live_world(tmp_path) as world:
            file = world.write(world.platform.add("happy"))
            file.write_text(file.read_text().replace("/nuon-monitor.db", "/disk/nuon-monitor.db"))

            refused = await world.command("run")

    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "check the disk and who owns it" in refused.err


async def test_what_takes_a_disk_long_delays_and_loses_nothing(tmp_path: Path) -> None:
    """Another program, such as a backup, holds the file for longer than SQLite waits for it."""
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("failure")
        async with world.daemon(release_id) as daemon:
            await daemon.logged("sent")
            with closing(sqlite3.connect(tmp_path / "nuon-monitor.db")) as backup:
                backup.isolation_level = None
                backup.execute("BEGIN IMMEDIATE")
                to_its_end(world, release_id)
                said = await daemon.logged("poll_not_saved")
                assert "another program keeps it locked" in said["error"]
                assert (await daemon.page("/healthz"))[0] == 200

            await told_once_each(world, release_id)


async def test_what_slack_took_while_the_disk_was_full_is_not_sent_again(tmp_path: Path) -> None:
    """By a webhook, through which nobody can look whether a message arrived."""
    async with a_world(tmp_path, has_webhook=True) as world:
        release_id = world.platform.add("already-failed")
        async with world.monitor(release_id) as app:
            with closing(sqlite3.connect(tmp_path / "nuon-monitor.db")) as disk:
                disk.execute(_NOTHING_IS_MARKED)
                with pytest.raises(IntegrityError):
                    await world.look(app)
                disk.execute("DROP TRIGGER full")
            await world.look(app, after=60)

            assert await app.store.call(app.store.outbox.unsent) == ()
        assert len(world.channel.notifications()) == 1


_NOTHING_IS_MARKED = """
    CREATE TRIGGER full BEFORE UPDATE ON notification WHEN new.state = 'sent'
    BEGIN SELECT RAISE(ABORT, 'as on a full disk'); END
"""


# Limits


async def test_without_file_descriptors_it_waits_and_goes_on_when_there_are_some(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("failure")
        async with world.daemon(release_id, http='listen = ""') as daemon:
            await daemon.logged("sent")
            with limited(daemon, resource.RLIMIT_NOFILE, 3):
                # What was connected is not any more, and nothing can be connected anew.
                await world.platform.stop()
                await world.platform.start()
                to_its_end(world, release_id)
                said = await daemon.logged("poll_failed")

            await told_once_each(world, release_id)
    assert "Too many open files" in said["error"]


@long_only
async def test_a_release_to_a_thousand_installs_needs_little_more_memory(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("large")
        async with world.daemon(release_id, http='listen = ""') as daemon:
            await daemon.logged("sent")
            in_use = int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[0])
            allowed = in_use * os.sysconf("SC_PAGESIZE") + (128 << 20)
            with limited(daemon, resource.RLIMIT_AS, allowed):
                to_its_end(world, release_id)

                await told_once_each(world, release_id)
            assert daemon.count("poll_failed") == 0


# Signals


async def test_a_signal_while_it_still_starts_ends_it_in_order(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        with Store.open(f"sqlite:///{tmp_path}/nuon-monitor.db", now=NOON):
            pass
        with closing(sqlite3.connect(tmp_path / "nuon-monitor.db")) as backup:
            backup.isolation_level = None
            backup.execute("BEGIN IMMEDIATE")
            async with world.daemon(world.platform.add("happy")) as daemon:
                lock = tmp_path / "nuon-monitor.db.lock"
                await until(lambda: lock.read_text().startswith(f"{daemon.process.pid}\n"))

                daemon.send(signal.SIGTERM)

                assert await daemon.end(within=10) == 0
    assert daemon.errors == ""
    assert daemon.count("started") == 0


async def test_terminated_at_any_moment_of_its_start_it_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        file = str(world.write(release_id, http='listen = ""'))
        codes = set()
        for tenths in (4, 7, 11):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "monitor", "run", "-c", file),
                stdout=asyncio.subprocess.DEVNULL,
                env=clean_environment(),
            )
            await asyncio.sleep(tenths / 10)
            process.terminate()
            async with asyncio.timeout(10):
                codes.add(await process.wait())
        async with world.daemon(release_id):
            await until(lambda: len(world.keys) == 2)

        # Before Python itself is ready for them, a signal ends a process in the old way.
        assert codes <= {0, -signal.SIGTERM}
        assert len(set(world.keys)) == len(world.keys) == 2


@needs_root
async def test_as_a_containers_first_process_it_leaves_on_sigterm(tmp_path: Path) -> None:
    unshare = ("unshare", "--pid", "--fork", "--kill-child")
    if subprocess.run((*unshare, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no namespaces here")
    async with a_live_world(tmp_path) as world:
        file = str(world.write(world.platform.add("happy")))
        context = await asyncio.create_subprocess_exec(
            *(*unshare, sys.executable, "-m", "monitor", "run", "-c", file),
            stdout=asyncio.subprocess.DEVNULL,
            env=clean_environment(),
        )
        try:
            await until(lambda: len(world.keys) == 1)
            children = Path(f"/proc/{context.pid}/task/{context.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
            async with asyncio.timeout(10):
                code = await context.wait()
        finally:
            if context.returncode is None:
                context.kill()
                await context.wait()

    assert code == 0
