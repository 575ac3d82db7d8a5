"""`nuon-monitor outbox` as its users meet it, beside a daemon and without one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.model import EventKind, Form, Message, Notification
from monitor.store import Observation, Store
from tests.support.builders import release, snapshot, state
from tests.support.commands import Runner
from tests.support.configuration import configuration
from tests.support.processes import Result, until
from tests.support.world import CHANNEL, a_live_world

TARGET = snapshot(release()).target
CONFIG = configuration('[[watch]]\nrelease = "rel1"')
HOSTILE = "Slack answered \x1b[31mred\x07\nforged line \u202egnp.exe"


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Runner:
    """Run `nuon-monitor outbox` in this process, in a folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "monitor.toml").write_text(CONFIG)
    return Runner(capsys, "outbox", file="monitor.toml")


@pytest.fixture
def store(run: Runner, tmp_path: Path) -> Iterator[Store]:
    """The store as a daemon has it: open for writing, its lock taken."""
    with Store.open(f"sqlite:///{tmp_path}/nuon-monitor.db", now=now()) as opened:
        yield opened


def now() -> datetime:
    return datetime.now(UTC)


def enqueue(store: Store, *keys: str, destination: str = "#releases", ago: float = 0) -> None:
    notes = [
        Notification(
            key, destination, Form.REPLY, Message("words"), TARGET, events=(EventKind.FAILED,)
        )
        for key in keys
    ]
    at = now() - timedelta(seconds=ago)
    seen = snapshot(release(), at)
    store.save(Observation(seen, state(), b"", notifications=tuple(notes)))


def listed(run: Runner) -> list[dict[str, Any]]:
    shown = run("--json")
    assert (shown.code, shown.err) == (0, "")
    entries: list[dict[str, Any]] = json.loads(shown.out)
    return entries


def test_an_empty_outbox_says_so(run: Runner, store: Store) -> None:
    assert run() == Result(0, "Nothing waits, and nothing was set aside.\n", "")
    assert listed(run) == []


def test_what_waits_is_shown_with_its_age_its_next_try_and_why(run: Runner, store: Store) -> None:
    enqueue(store, "a", "b", ago=7200)
    store.outbox.begin_attempt(1, now=now(), next_try_at=now())
    store.outbox.postpone(1, next_try_at=now() + timedelta(minutes=5.5), error="Slack answered no")

    shown = run()

    assert (shown.code, shown.err) == (0, "")
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[0] == "2 to be delivered, in this order for each destination:"
    assert lines[3:6] == [
        f"1 #releases failed of {TARGET} 2 h ago 1 in 5 min",
        "Slack answered no",
        f"2 #releases failed of {TARGET} 2 h ago 0 after those",
    ]


def test_what_was_set_aside_comes_first_with_the_reason(run: Runner, store: Store) -> None:
    enqueue(store, "a", "b")
    store.outbox.set_aside(2, now=now(), error="Slack answered msg_too_long to chat.postMessage")

    shown = run().out

    assert shown.startswith("1 set aside; `nuon-monitor outbox retry` sends again:\n")
    assert shown.index("msg_too_long") < shown.index("1 to be delivered")


def test_a_program_gets_all_of_it_as_json(run: Runner, store: Store) -> None:
    enqueue(store, "a", "b")
    store.outbox.set_aside(1, now=now(), error="no")

    first, second = listed(run)

    assert (first["id"], first["state"], first["error"]) == (1, "set aside", "no")
    assert {
        key: second[key] for key in ("id", "key", "destination", "form", "target", "events")
    } == {
        "id": 2,
        "key": "b",
        "destination": "#releases",
        "form": "reply",
        "target": {"kind": "release", "id": TARGET.id},
        "events": ["failed"],
    }
    assert (second["state"], second["attempts"], second["next_try_at"]) == ("pending", 0, None)


def test_a_long_outbox_is_counted_and_its_beginning_shown(run: Runner, store: Store) -> None:
    enqueue(store, *(str(number) for number in range(1203)))

    shown = run().out

    assert "1,203 to be delivered" in shown
    assert "and 1,153 more; `--json` has them all" in shown
    assert len(listed(run)) == 1203


def test_a_foreign_word_in_a_reason_stays_harmless(run: Runner, store: Store) -> None:
    enqueue(store, "a")
    store.outbox.set_aside(1, now=now(), error=HOSTILE)

    shown = run().out

    assert "Slack answered red forged line gnp.exe" in shown
    assert all(sign.isprintable() for sign in shown.replace("\n", ""))


def test_all_that_is_held_up_can_be_made_due(run: Runner, store: Store) -> None:
    enqueue(store, "a", "b", "c")
    store.outbox.set_aside(1, now=now(), error="no")
    store.outbox.postpone(2, next_try_at=now() + timedelta(hours=1), error="later")

    assert run("retry") == Result(0, "2 are due now.\n", "")

    assert [(one.state.value, one.next_try_at) for one in store.outbox.unsent()] == [
        ("pending", None),
        ("pending", None),
        ("pending", None),
    ]
    assert run("retry") == Result(0, "Nothing was held up.\n", "")


def test_one_alone_can_be_made_due(run: Runner, store: Store) -> None:
    enqueue(store, "a", "b")
    store.outbox.set_aside(1, now=now(), error="no")
    store.outbox.set_aside(2, now=now(), error="no")

    assert run("retry", "2") == Result(0, "1 is due now.\n", "")

    assert [one.state.value for one in store.outbox.unsent()] == ["set aside", "pending"]


def test_what_one_waits_for_is_made_due_with_it(run: Runner, store: Store) -> None:
    enqueue(store, "a", "b")
    enqueue(store, "elsewhere", destination="#ops")
    in_an_hour = now() + timedelta(hours=1)
    store.outbox.postpone(1, next_try_at=in_an_hour, error="later")
    store.outbox.postpone(2, next_try_at=in_an_hour, error="later")
    store.outbox.postpone(3, next_try_at=in_an_hour, error="later")

    run("retry", "2")

    assert [one.next_try_at for one in store.outbox.unsent()] == [None, None, in_an_hour]


def test_an_id_that_does_not_wait_is_a_mistake(run: Runner, store: Store) -> None:
    said = "nuon-monitor: nothing waits as 7: see `nuon-monitor outbox`\n"

    assert run("retry", "7") == Result(1, "", said)


def test_without_a_store_it_says_so_in_one_line(run: Runner, tmp_path: Path) -> None:
    for arguments in ((), ("retry",)):
        shown = run(*arguments)

        assert (shown.code, shown.out) == (1, "")
        assert shown.err == "nuon-monitor: no store yet at nuon-monitor.db: has nuon-monitor run?\n"
    assert not (tmp_path / "nuon-monitor.db").exists()


def test_a_store_that_somebody_keeps_locked_is_named(
    run: Runner, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.opening._BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(tmp_path / "nuon-monitor.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        shown = run("retry")

    assert (shown.code, shown.out) == (1, "")
    assert "another program keeps it locked" in shown.err


async def test_a_running_daemon_sends_within_seconds_what_a_person_asks_for(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        world.slack.archive(CHANNEL)
        async with world.daemon(world.platform.add("already-failed")) as daemon:
            await daemon.logged("destination_refuses")
            first, *_ = json.loads((await world.command("outbox", "--json")).out)
            assert first["error"] == "Slack answered is_archived to chat.postMessage"
            status = await world.command("status")
            assert "channel/#releases is unreachable" in status.out
            world.slack.unarchive(CHANNEL)

            said = await world.command("outbox", "retry")

            assert said.code == 0
            await until(lambda: daemon.count("sent") == 2)
            assert daemon.count("destination_accepts_again") == 1
