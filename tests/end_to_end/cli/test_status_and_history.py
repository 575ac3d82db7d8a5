"""`nuon-monitor status` and `history`: words, exit codes, and what programs read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from monitor.model import EventKind, Form, Message, Notification, Target
from monitor.store import Store
from tests.support.builders import deploy, release, state, step
from tests.support.commands import HOSTILE, Runner, configured, in_trouble, is_harmless, stored
from tests.support.processes import Result


def under_way(**facts: Any) -> Any:
    root = release(
        "executing_release_steps",
        step(1, "polling_install_deploys", deploy("inl-c", "executing")),
        **({"id": "rel1"} | facts),
    )
    return root, state(changed_at=datetime.now(UTC))


def told(text: str, **facts: Any) -> Notification:
    return Notification(
        key="release/rel2/1/card/#releases",
        destination="#releases",
        form=Form.CARD,
        message=Message(text),
        target=Target("release", "rel2"),
        events=(EventKind.STARTED,),
        **facts,
    )


def test_status_shows_what_is_in_trouble_first(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel1", "rel2", "rel3")
    stored(tmp_path, under_way(), in_trouble())

    shown = run("status", "-c", file)

    assert (shown.code, shown.err) == (0, "")
    order = [shown.out.index(f"release {i}") for i in ("rel2", "rel1", "rel3")]
    assert order == sorted(order)
    assert "inl-a failed for 5 min: acme red" in shown.out
    assert "3 watched: 1 in trouble, 1 under way, 1 not seen." in shown.out


def test_status_for_programs_says_how_each_watch_stands(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel1", "rel2", "rel3")
    stored(tmp_path, under_way(), in_trouble())

    page = json.loads(run("status", "--json", "-c", file).out)

    assert [(one["id"], one["state"], one["status"]) for one in page["watches"]] == [
        ("rel1", "under way", "executing_release_steps"),
        ("rel2", "in trouble", "error"),
        ("rel3", "not seen", None),
    ]
    units = page["watches"][1]["units"]
    assert {state: count for state, count in units.items() if count} == {
        "total": 2,
        "succeeded": 1,
        "failed": 1,
    }
    assert page["outbox"] == {"pending": 0, "set_aside": 0}


def test_status_says_what_is_not_delivered(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble(), notifications=(told("hello"),))

    assert "1 to be delivered" in run("status", "-c", file).out


def test_status_says_that_nobody_polls(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel1")
    stored(tmp_path, under_way())
    with Store.open(f"sqlite:///{tmp_path}/nuon-monitor.db", now=datetime.now(UTC)) as store:
        store.snapshots.touch({Target("release", "rel1"): datetime.now(UTC) - timedelta(hours=2)})

    assert "last polled 2 h ago: is `nuon-monitor run` at work?" in run("status", "-c", file).out


def test_status_without_a_store_says_what_to_do(run: Runner, tmp_path: Path) -> None:
    said = run("status", "-c", configured(tmp_path))

    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert "has nuon-monitor run?" in said.err


@pytest.mark.parametrize("columns", [20, 80, 160])
def test_status_fits_the_terminal(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    file = configured(tmp_path, "rel1", "rel2")
    stored(tmp_path, under_way(name="a name so long that it fits nowhere " * 3), in_trouble())

    shown = run("status", "-c", file)

    assert shown.code == 0
    assert max(cell_len(line) for line in shown.out.splitlines()) <= columns
    assert "rel2" in shown.out


@pytest.mark.parametrize("arguments", [("status",), ("history", "rel2")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_foreign_text_cannot_reach_the_terminal_raw(
    run: Runner, tmp_path: Path, arguments: tuple[str, ...], form: tuple[str, ...]
) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble(name=HOSTILE), notifications=(told(HOSTILE),))

    shown = run(*arguments, *form, "-c", file)

    assert "acme" in shown.out
    assert is_harmless(shown.out)


def test_history_reads_like_a_diary(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble(), notifications=(told("🔵 billing &amp; co\nmore of it"),))

    lines = [line.rstrip() for line in run("history", "rel2", "-c", file).out.splitlines()]

    assert re.fullmatch(r"\w+day, \d\d? \w+ \d{4}, UTC", lines[0])
    assert re.fullmatch(r"  \d\d:\d\d:\d\d  inl-a failed: acme red .*  executing → error", lines[1])
    assert "            inl-b succeeded  executing → active" in lines
    assert "            ✉ #releases card  🔵 billing & co" in lines
    assert "              not sent yet" in lines


def test_history_for_programs_has_all_of_it(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble(), notifications=(told("hello"),))

    entries = json.loads(run("history", "rel2", "--json", "-c", file).out)

    assert [(entry["type"], entry.get("after")) for entry in entries] == [
        ("transition", "error"),
        ("transition", "active"),
        ("notification", None),
    ]
    assert entries[0]["description"] == HOSTILE


def test_history_of_an_unknown_id_says_so(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())

    assert run("history", "rel9", "-c", file) == Result(
        1,
        "",
        "nuon-monitor: nothing is known of rel9: known are rel2; see `nuon-monitor status --all`\n",
    )
