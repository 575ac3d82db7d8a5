"""The configuration changes while the daemon runs: by SIGHUP, by its file, by a secret's file."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

from monitor.simulation.audit import audit
from monitor.store import Store
from tests.support.daemons import Gate, delivered_outcome, outcome
from tests.support.processes import Daemon, free_port, until
from tests.support.world import World, a_live_world


async def metric(daemon: Daemon, name: str) -> float:
    page = await daemon.answers("/metrics", 200)
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


async def has_begun_anew(daemon: Daemon, times: int = 1) -> None:
    await until(lambda: daemon.count("started") == times + 1)


async def test_sighup_makes_it_watch_what_the_file_says_now(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        first, second = world.platform.add("already-failed"), world.platform.add("already-failed")
        async with world.daemon(first) as daemon:
            await daemon.logged("sent")
            world.write(second)

            daemon.send(signal.SIGHUP)

            await daemon.logged("baseline", target=f"release {second}")
            await until(lambda: len(world.keys) > 1)
            before = world.polls(first)
            await until(lambda: world.polls(second) > 5)
            assert world.polls(first) == before


async def test_a_bad_file_leaves_the_old_one_running_and_is_said_until_it_is_good_again(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id, port = world.platform.add("happy"), free_port()
        async with world.daemon(release_id, http=f'listen = "127.0.0.1:{port}"') as daemon:
            await daemon.logged("baseline")
            good = world.file.read_text()
            bad = good.replace('interval = "100ms"', 'interval = "often"', 1) + "\n[log]\nlevl = 1"
            world.file.write_text(bad)

            daemon.send(signal.SIGHUP)
            refused = await daemon.logged("configuration_refused")

            assert [problem.split(":")[0] for problem in refused["problems"]] == [
                "poll.interval",
                "log.levl",
            ]
            page = await daemon.answers("/readyz", 503)
            assert page["checks"]["configuration"].startswith("poll.interval: expected a duration")
            assert await metric(daemon, "nuon_monitor_configuration_problem") == 1
            before = world.polls(release_id)
            await until(lambda: world.polls(release_id) > before + 3)
            assert (daemon.count("started"), daemon.count("stopping")) == (1, 0)

            world.file.write_text(good)
            daemon.send(signal.SIGHUP)

            await daemon.answers("/readyz", 200)
            assert await metric(daemon, "nuon_monitor_configuration_problem") == 0


async def test_a_port_that_cannot_be_had_leaves_the_old_configuration_running(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id, port = world.platform.add("happy"), free_port()
        taken = world.platform.base_url.removeprefix("http://")
        async with world.daemon(release_id, http=f'listen = "127.0.0.1:{port}"') as daemon:
            await daemon.logged("baseline")
            world.write(release_id, http=f'listen = "{taken}"')

            daemon.send(signal.SIGHUP)
            await daemon.logged("configuration_refused")
            await has_begun_anew(daemon, times=2)

            page = await daemon.answers("/readyz", 503)
            assert page["checks"]["configuration"].startswith(f"cannot listen on {taken}, ")
            before = world.polls(release_id)
            await until(lambda: world.polls(release_id) > before + 3)


async def test_a_store_that_another_daemon_has_leaves_the_old_configuration_running(
    tmp_path: Path,
) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    async with a_live_world(tmp_path) as world:
        release_id, port = world.platform.add("happy"), free_port()
        with Store.open(other, now=datetime.now(UTC)):
            async with world.daemon(release_id, http=f'listen = "127.0.0.1:{port}"') as daemon:
                await daemon.logged("baseline")
                own = f"sqlite:///{tmp_path}/nuon-monitor.db"
                world.file.write_text(world.file.read_text().replace(own, other))

                daemon.send(signal.SIGHUP)
                refused = await daemon.logged("configuration_refused")
                await has_begun_anew(daemon)

                assert refused["problems"][0].startswith("another nuon-monitor (pid ")
                await daemon.answers("/readyz", 503)


async def test_a_revoked_token_is_made_good_by_a_new_one_in_its_file(tmp_path: Path) -> None:
    """As Kubernetes swaps a secret: a link to a link to a folder, changed while it runs."""
    async with a_live_world(tmp_path) as world:
        release_id, port = world.platform.add("failure"), free_port()
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
        (tmp_path / "old" / "slack-token").write_text(world.slack.token)
        (tmp_path / "new" / "slack-token").write_text("xoxb-s3cret-rotated\n")
        (tmp_path / "data").symlink_to("old")
        (tmp_path / "slack-token").symlink_to("data/slack-token")
        text = world.write(release_id, http=f'listen = "127.0.0.1:{port}"').read_text()
        in_file = f'bot_token_file = "{tmp_path}/slack-token"'
        world.file.write_text(text.replace(f'bot_token = "{world.slack.token}"', in_file))
        world.slack.revoke_token()
        async with world.started() as daemon:
            await daemon.logged("postponed")
            page = await daemon.answers("/readyz", 503)
            assert "token_revoked" in page["checks"]["slack"]
            world.platform.clock.advance(world.platform.rollout(release_id).settles_after + 1)
            await until(lambda: outcome(world, release_id) == "failed")

            world.slack.token = "xoxb-s3cret-rotated"
            world.slack.restore_token()
            (tmp_path / "swapped").symlink_to("new")
            (tmp_path / "swapped").replace(tmp_path / "data")

            await daemon.answers("/readyz", 200)
            await until(lambda: delivered_outcome(world, release_id) == "failed")
            daemon.send(signal.SIGTERM)
            await daemon.end()

        assert flaws(world, release_id) == []
    assert "s3cret" not in f"{daemon.lines}{daemon.errors}"


async def test_a_change_of_the_file_is_noticed_without_a_signal(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        first, second = world.platform.add("happy"), world.platform.add("happy")
        async with world.daemon(first) as daemon:
            await daemon.logged("baseline")
            with world.file.open("a") as file:
                file.write(f'[[watch]]\nrelease = "{second}"\n')

            await daemon.logged("reloading", reason="a file has changed")
            await daemon.logged("baseline", target=f"release {second}")


async def test_nothing_is_lost_or_told_twice_over_many_reloads(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("failure")
        life = world.platform.rollout(release_id).settles_after
        async with world.daemon(release_id) as daemon:
            await daemon.logged("baseline")
            for reloads in range(1, 9):
                world.platform.clock.advance(life / 7)
                daemon.send(signal.SIGHUP)
                await has_begun_anew(daemon, reloads)
            await until(lambda: delivered_outcome(world, release_id) == "failed")
            daemon.send(signal.SIGTERM)
            assert await daemon.end() == 0

        assert flaws(world, release_id) == []


def flaws(world: World, release_id: str) -> list[str]:
    """Return the failures that were not told, and what was told twice or is not true.

    Of what went well between two polls, the history tells nothing afterwards.
    """
    findings = audit(world.platform.rollout(release_id), world.channel, knows_waits=False)
    lost = [sentence for sentence in findings.lost if sentence.endswith(" failed")]
    keys = world.keys
    twice = sorted(key for key in set(keys) if keys.count(key) > 1)
    return [*lost, *findings.repeated, *findings.false, *twice]


async def test_sigterm_during_a_reload_ends_it_in_time(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("already-failed")
        async with (
            Gate(world.slack) as gate,
            world.daemon(release_id, slack=f'api_url = "{gate.url}"') as daemon,
        ):
            await gate.reached.wait()
            daemon.send(signal.SIGHUP)
            await daemon.logged("stopping")

            daemon.send(signal.SIGTERM)

            assert await daemon.end(within=10) == 0
    assert (daemon.count("started"), daemon.errors) == (1, "")
    assert daemon.lines[-1]["event"] == "stopped"


async def test_sigterm_at_the_first_moment_ends_it_in_order(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"))
        async with world.started() as daemon:
            status = Path(f"/proc/{daemon.process.pid}/status")
            async with asyncio.timeout(20):
                while not _catches(status.read_text(), signal.SIGTERM):
                    await asyncio.sleep(0.001)

            daemon.send(signal.SIGTERM)

            assert await daemon.end(within=10) == 0
    assert daemon.errors == ""


def _catches(status: str, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own, by its /proc/PID/status."""
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
