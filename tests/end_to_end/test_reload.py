"""The configuration changes while the daemon runs: by SIGHUP, by its file, by a secret's file."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

from monitor.model import Target
from monitor.simulation.audit import audit
from monitor.store import Store
from tests.end_to_end.test_run import Gate, polls, told
from tests.end_to_end.test_run import _shown as shown
from tests.support.processes import Daemon, Place, a_place, free_port, until


async def metric(daemon: Daemon, name: str) -> float:
    page = await daemon.answers("/metrics", 200)
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


def outcome(place: Place, release_id: str) -> str | None:
    """Return how the release ended as far as the monitor knows, told or not."""
    with Store.open_readonly(f"sqlite:///{place.folder}/nuon-monitor.db") as store:
        stored = store.snapshots.load(Target("release", release_id))
    return str(stored.state.ended) if stored and stored.state.ended else None


async def has_begun_anew(daemon: Daemon, times: int = 1) -> None:
    await until(lambda: daemon.count("started") == times + 1)


async def test_sighup_makes_it_watch_what_the_file_says_now(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        first, second = place.platform.add("already-failed"), place.platform.add("already-failed")
        async with place.daemon(first) as daemon:
            await daemon.logged("sent")
            place.write(second)

            daemon.send(signal.SIGHUP)

            await daemon.logged("baseline", target=f"release {second}")
            await until(lambda: len(told(place)) > 1)
            before = polls(place, first)
            await until(lambda: polls(place, second) > 5)
            assert polls(place, first) == before


async def test_a_bad_file_leaves_the_old_one_running_and_is_said_until_it_is_good_again(
    tmp_path: Path,
) -> None:
    async with a_place(tmp_path) as place:
        release_id, port = place.platform.add("happy"), free_port()
        async with place.daemon(release_id, listen=f"127.0.0.1:{port}") as daemon:
            await daemon.logged("baseline")
            good = place.file.read_text()
            bad = good.replace('interval = "100ms"', 'interval = "often"', 1) + "\n[log]\nlevl = 1"
            place.file.write_text(bad)

            daemon.send(signal.SIGHUP)
            refused = await daemon.logged("configuration_refused")

            assert [problem.split(":")[0] for problem in refused["problems"]] == [
                "poll.interval",
                "log.levl",
            ]
            page = await daemon.answers("/readyz", 503)
            assert page["checks"]["configuration"].startswith("poll.interval: expected a duration")
            assert await metric(daemon, "nuon_monitor_configuration_problem") == 1
            before = polls(place, release_id)
            await until(lambda: polls(place, release_id) > before + 3)
            assert (daemon.count("started"), daemon.count("stopping")) == (1, 0)

            place.file.write_text(good)
            daemon.send(signal.SIGHUP)

            await daemon.answers("/readyz", 200)
            assert await metric(daemon, "nuon_monitor_configuration_problem") == 0


async def test_a_port_that_cannot_be_had_leaves_the_old_configuration_running(
    tmp_path: Path,
) -> None:
    async with a_place(tmp_path) as place:
        release_id, port = place.platform.add("happy"), free_port()
        taken = place.platform.base_url.removeprefix("http://")
        async with place.daemon(release_id, listen=f"127.0.0.1:{port}") as daemon:
            await daemon.logged("baseline")
            place.write(release_id, listen=taken)

            daemon.send(signal.SIGHUP)
            await daemon.logged("configuration_refused")
            await has_begun_anew(daemon, times=2)

            page = await daemon.answers("/readyz", 503)
            assert page["checks"]["configuration"].startswith(f"cannot listen on {taken}, ")
            before = polls(place, release_id)
            await until(lambda: polls(place, release_id) > before + 3)


async def test_a_store_that_another_daemon_has_leaves_the_old_configuration_running(
    tmp_path: Path,
) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    async with a_place(tmp_path) as place:
        release_id, port = place.platform.add("happy"), free_port()
        with Store.open(other, now=datetime.now(UTC)):
            async with place.daemon(release_id, listen=f"127.0.0.1:{port}") as daemon:
                await daemon.logged("baseline")
                own = f"sqlite:///{tmp_path}/nuon-monitor.db"
                place.file.write_text(place.file.read_text().replace(own, other))

                daemon.send(signal.SIGHUP)
                refused = await daemon.logged("configuration_refused")
                await has_begun_anew(daemon)

                assert refused["problems"][0].startswith("another nuon-monitor (pid ")
                await daemon.answers("/readyz", 503)


async def test_a_revoked_token_is_made_good_by_a_new_one_in_its_file(tmp_path: Path) -> None:
    """As Kubernetes swaps a secret: a link to a link to a folder, changed while it runs."""
    async with a_place(tmp_path) as place:
        release_id, port = place.platform.add("failure"), free_port()
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
        (tmp_path / "old" / "slack-token").write_text(place.slack.token)
        (tmp_path / "new" / "slack-token").write_text("xoxb-s3cret-rotated\n")
        (tmp_path / "data").symlink_to("old")
        (tmp_path / "slack-token").symlink_to("data/slack-token")
        text = place.write(release_id, listen=f"127.0.0.1:{port}").read_text()
        in_file = f'bot_token_file = "{tmp_path}/slack-token"'
        place.file.write_text(text.replace(f'bot_token = "{place.slack.token}"', in_file))
        place.slack.revoke_token()
        async with place.started() as daemon:
            await daemon.logged("postponed")
            page = await daemon.answers("/readyz", 503)
            assert "token_revoked" in page["checks"]["slack"]
            place.platform.clock.advance(place.platform.rollout(release_id).settles_after + 1)
            await until(lambda: outcome(place, release_id) == "failed")

            place.slack.token = "xoxb-s3cret-rotated"
            place.slack.restore_token()
            (tmp_path / "swapped").symlink_to("new")
            (tmp_path / "swapped").replace(tmp_path / "data")

            await daemon.answers("/readyz", 200)
            await until(lambda: shown(place, release_id) == {"failed"})
            daemon.send(signal.SIGTERM)
            await daemon.end()

        assert flaws(place, release_id) == []
    assert "s3cret" not in f"{daemon.lines}{daemon.errors}"


async def test_a_change_of_the_file_is_noticed_without_a_signal(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        first, second = place.platform.add("happy"), place.platform.add("happy")
        async with place.daemon(first) as daemon:
            await daemon.logged("baseline")
            with place.file.open("a") as file:
                file.write(f'[[watch]]\nrelease = "{second}"\n')

            await daemon.logged("reloading", reason="a file has changed")
            await daemon.logged("baseline", target=f"release {second}")


async def test_nothing_is_lost_or_told_twice_over_many_reloads(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        release_id = place.platform.add("failure")
        life = place.platform.rollout(release_id).settles_after
        async with place.daemon(release_id) as daemon:
            await daemon.logged("baseline")
            for reloads in range(1, 9):
                place.platform.clock.advance(life / 7)
                daemon.send(signal.SIGHUP)
                await has_begun_anew(daemon, reloads)
            await until(lambda: shown(place, release_id) == {"failed"})
            daemon.send(signal.SIGTERM)
            assert await daemon.end() == 0

        assert flaws(place, release_id) == []


def flaws(place: Place, release_id: str) -> list[str]:
    """Return the failures that were not told, and what was told twice or is not true.

    Of what went well between two polls, the history tells nothing afterwards.
    """
    findings = audit(
        place.platform.rollout(release_id), place.slack.channel("releases"), knows_waits=False
    )
    lost = [sentence for sentence in findings.lost if sentence.endswith(" failed")]
    keys = told(place)
    twice = sorted(key for key in set(keys) if keys.count(key) > 1)
    return [*lost, *findings.repeated, *findings.false, *twice]


async def test_sigterm_during_a_reload_ends_it_in_time(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        release_id = place.platform.add("already-failed")
        async with Gate(place.slack) as gate, place.daemon(release_id, slack=gate.url) as daemon:
            await gate.reached.wait()
            daemon.send(signal.SIGHUP)
            await daemon.logged("stopping")

            daemon.send(signal.SIGTERM)

            assert await daemon.end(within=10) == 0
    assert (daemon.count("started"), daemon.errors) == (1, "")
    assert daemon.lines[-1]["event"] == "stopped"


async def test_sigterm_at_the_first_moment_ends_it_in_order(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("happy"))
        async with place.started() as daemon:
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
