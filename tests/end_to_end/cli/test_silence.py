"""`nuon-monitor silence` as its users meet it, beside a daemon and without one."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.model import EventKind
from monitor.store import Name, Observation, Store
from tests.support.builders import deploy, release, snapshot, state, step
from tests.support.commands import Runner
from tests.support.configuration import configuration
from tests.support.processes import Result

NOW = datetime.now(UTC)
CONFIG = configuration(
    '[[watch]]\nrelease = "rel1"\nname = "the shop"\nlabels = { team = "core" }',
    '[[watch]]\nrelease = "rel2"',
    '[[watch]]\napp_branch = "abr1"',
)
WHY = ("--reason", "database upgrade")
ANNA = ("--author", "anna")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Runner:
    """Run `nuon-monitor silence` in this process, in a folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("SUDO_USER", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "monitor.toml").write_text(CONFIG)
    return Runner(capsys, "silence", file="monitor.toml")


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release under way, one that has ended, and one that nobody watches any more."""
    file = tmp_path_factory.mktemp("store") / "first.db"
    units = (deploy("inl1", "executing"), deploy("inl2", "executing"))
    with Store.open(f"sqlite:///{file}", now=NOW) as store:
        for id_, its in (
            ("rel1", state()),
            ("rel2", state(ended=EventKind.SUCCEEDED)),
            ("rel3", state()),
        ):
            root = release("executing", step(1, "executing", *units), id=id_, component_id="cmp1")
            store.save(Observation(snapshot(root, NOW), its, b""))
        names = {"inl1": Name("acme-prod"), "inl2": Name("globex-eu"), "cmp1": Name("api", "app1")}
        store.names.save(names, NOW)
    return file


@pytest.fixture
def store(run: Runner, first_store: Path) -> Iterator[Store]:
    shutil.copy(first_store, "nuon-monitor.db")
    with Store.open_beside("sqlite:///nuon-monitor.db") as opened:
        yield opened


def kept(store: Store) -> list[dict[str, tuple[str, ...]]]:
    return [
        {key: tuple(its) for key, its in one.matcher.patterns.items()}
        for one in store.silences.load()
    ]


def refused(shown: Result, code: int) -> str:
    assert (shown.code, shown.out, shown.err.count("\n")) == (code, "", 1)
    return shown.err.removeprefix("nuon-monitor: ").rstrip("\n")


def listed(run: Runner, *arguments: str) -> list[dict[str, Any]]:
    shown = run("list", "--json", *arguments)
    assert (shown.code, shown.err) == (0, "")
    entries: list[dict[str, Any]] = json.loads(shown.out)
    return entries


# Adding one


def test_patterns_of_one_key_mean_any_and_of_several_keys_all(run: Runner, store: Store) -> None:
    matches = "install=acme-* install=globex-* labels.team=core".split()

    added = run("add", *(x for m in matches for x in ("--match", m)), "--for", "2h", *WHY, *ANNA)

    assert (added.code, added.err) == (0, "")
    assert kept(store) == [{"install": ("acme-*", "globex-*"), "labels.team": ("core",)}]


def test_it_says_what_it_silences_now_and_how_to_end_it(run: Runner, store: Store) -> None:
    added = run("add", "--match", "install=acme-*", "--for", "7d", *WHY, *ANNA)

    until = store.silences.load()[0].until
    words = f"silenced until {until:%Y-%m-%d %H:%M} UTC by anna: database upgrade"
    assert added.out.splitlines() == [
        f"Silence 1: install=acme-*, {words}",
        "It silences now:",
        "  acme-prod of the shop (release rel1)",
        "To end it sooner: nuon-monitor silence remove 1",
    ]


@pytest.mark.parametrize(
    ("given", "patterns", "found"),
    [
        ("rel1", {"rollout": ("rel1",)}, "  the shop (release rel1)"),
        ("relnew", {"rollout": ("relnew",)}, "Nothing that is under way or in trouble now"),
        ("inl2", {"install": ("inl2",)}, "  globex-eu of the shop (release rel1)"),
        ("app1", {"app": ("app1",)}, "  the shop (release rel1)"),
        ("cmp1", {"component": ("cmp1",)}, "  the shop (release rel1)"),
        ("abr1", {"watch": ("abr1",)}, "Nothing that is under way or in trouble now"),
    ],
)
def test_an_id_alone_says_what_is_meant(
    run: Runner, store: Store, given: str, patterns: dict[str, tuple[str, ...]], found: str
) -> None:
    added = run("add", given, "--for", "2h", *WHY, *ANNA)

    assert kept(store) == [patterns]
    assert found in added.out


def test_what_has_ended_or_is_not_watched_is_not_said_to_be_silenced(
    run: Runner, store: Store
) -> None:
    added = run("add", "--match", "kind=release", "--for", "2h", *WHY, *ANNA)

    assert "rel1" in added.out
    assert "rel2" not in added.out
    assert "rel3" not in added.out


def test_it_lasts_as_long_as_is_said(run: Runner, store: Store) -> None:
    before = datetime.now(UTC)
    run("add", "rel1", "--for", "1h30m", *WHY, *ANNA)
    until = before.replace(microsecond=0) + timedelta(days=3)
    run("add", "rel1", "--until", until.isoformat(), *WHY, *ANNA)

    first, second = store.silences.load()

    assert timedelta(hours=1.5) <= first.until - before <= timedelta(hours=1.6)
    assert second.until == until


def test_until_is_by_the_clock_of_the_machine_unless_a_zone_is_given(
    run: Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    tokyo = (NOW + timedelta(days=2, hours=9)).replace(tzinfo=None, microsecond=0)

    try:
        run("add", "rel1", "--until", tokyo.isoformat(sep=" "), *WHY, *ANNA)
        run("add", "rel1", "--until", f"{tokyo.isoformat(sep=' ')} Asia/Tokyo", *WHY, *ANNA)
        run("add", "rel1", "--until", f"{tokyo.isoformat()}Z", *WHY, *ANNA)
    finally:
        monkeypatch.undo()
        time.tzset()

    expected = NOW.replace(microsecond=0) + timedelta(days=2)
    until = [silence.until for silence in store.silences.load()]
    assert until == [expected, expected, expected + timedelta(hours=9)]


def test_the_author_is_who_is_at_the_keyboard(
    run: Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "root")
    monkeypatch.setenv("SUDO_USER", "berta")

    run("add", "rel1", "--for", "2h", *WHY)

    assert store.silences.load()[0].author == "berta"


def test_where_nobody_knows_who_is_at_the_keyboard_the_author_has_to_be_said(
    run: Runner, store: Store
) -> None:
    said = refused(run("add", "rel1", "--for", "2h", *WHY), 2)

    assert said == "Missing option '--author'; see `nuon-monitor silence add --help`"
    assert kept(store) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--for 2h --reason x", "Say what is to be silenced: an ID, or --match install=acme-*"),
        ("rel1 --reason x", "Say how long: either --for 2h or --until"),
        ("rel1 --for 2h --until 2100-01-01 --reason x", "Say how long: either"),
        ("rel1 --until 2020-01-01 --reason x", "--until is over already: it is"),
        ("rel1 --for 91d --reason x", "A silence lasts at most 90 days, until"),
        ("rel1 --for soon --reason x", "soon is no duration such as 90s, 30m, 2h, 1h30m or 7d"),
        ("rel1 --until soon --reason x", "soon is no date and time such as 2026-12-24T18:00"),
        ("rel1 --for 2h --reason ' '", "--reason says nothing"),
        ("rel1 --for 2h", "Missing option '--reason'"),
        ("acme-prod --for 2h --reason x", "as in --match install=acme-prod"),
        ("--match acme --for 2h --reason x", "acme is not of the form install=acme-*"),
        ("--match instal=x --for 2h --reason x", "--match knows no instal"),
        ("--match instal=x --for 2h --reason x", "did you mean install?"),
        ("--match labels.=x --for 2h --reason x", "labels of a watch are labels.NAME"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_type(
    run: Runner, store: Store, arguments: str, said: str
) -> None:
    assert said in refused(run("add", *shlex.split(arguments), *ANNA), 2)
    assert kept(store) == []


# Listing them


def add(store: Store, install: str, *, hours: float, reason: str = "known") -> None:
    until = NOW + timedelta(hours=hours)
    store.silences.add({"install": (install,)}, until=until, author="anna", reason=reason, now=NOW)


def test_those_that_hold_are_listed(run: Runner, store: Store) -> None:
    add(store, "acme-*", hours=2.5)
    add(store, "globex-*", hours=-1)

    head, one, left = (line.split() for line in run("list").out.splitlines())

    assert head == ["id", "what", "until", "by", "why"]
    assert one[:2] == ["1", "install=acme-*"]
    assert one[-4:] == [f"{NOW + timedelta(hours=2.5):%H:%M}", "UTC", "anna", "known"]
    assert left[:3] == ["in", "2", "h"]
    assert [one["id"] for one in listed(run)] == [1]


def test_those_that_are_over_are_listed_when_asked_for(run: Runner, store: Store) -> None:
    add(store, "acme-*", hours=-1)

    assert run("list").out == "Nothing is silenced.\n"
    assert "over" in run("list", "--all").out
    assert [one["is_active"] for one in listed(run, "--all")] == [False]


def test_a_list_of_none_says_so(run: Runner, store: Store) -> None:
    assert run("list", "--all") == Result(0, "Nothing was ever silenced.\n", "")
    assert listed(run, "--all") == []


def test_a_program_gets_all_of_it_as_json(run: Runner, store: Store) -> None:
    add(store, "acme-*", hours=1)

    assert listed(run) == [
        {
            "id": 1,
            "match": {"install": ["acme-*"]},
            "begins": NOW.isoformat(),
            "until": (NOW + timedelta(hours=1)).isoformat(),
            "author": "anna",
            "reason": "known",
            "is_active": True,
        }
    ]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_list_fits_the_terminal(
    run: Runner, store: Store, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    add(store, "a-rather-long-name-of-an-install-*", hours=100, reason="because " * 20)

    shown = run("list").out

    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


def test_foreign_words_stay_harmless(run: Runner, store: Store) -> None:
    add(store, "acme \x1b[31m*", hours=1, reason="red\x07\nforged \u202egnp.exe")

    shown = run("list").out

    assert "red forged gnp.exe" in shown
    assert all(sign.isprintable() for sign in shown.replace("\n", ""))


# Ending one


def test_one_can_be_ended(run: Runner, store: Store) -> None:
    add(store, "acme-*", hours=1)

    assert run("remove", "1") == Result(0, "Silence 1 is over.\n", "")

    assert store.silences.load(since=datetime.now(UTC)) == ()


def test_what_is_over_or_never_was_cannot_be_ended(run: Runner, store: Store) -> None:
    add(store, "acme-*", hours=-1)
    add(store, "globex-*", hours=1)

    assert refused(run("remove", "1"), 1) == (
        f"silence 1 is over since {NOW - timedelta(hours=1):%Y-%m-%d %H:%M} UTC: nothing to do"
    )
    assert refused(run("remove", "7"), 1) == (
        "there is no silence 7; those that hold: 2, see `nuon-monitor silence list --all`"
    )


def test_without_a_store_it_says_so_in_one_line(run: Runner, tmp_path: Path) -> None:
    for arguments in (("list",), ("remove", "1"), ("add", "rel1", "--for", "2h", *WHY, *ANNA)):
        assert refused(run(*arguments), 1) == (
            "no store yet at nuon-monitor.db: has nuon-monitor run?"
        )
    assert not (tmp_path / "nuon-monitor.db").exists()


def test_beside_a_daemon_silences_are_kept(run: Runner, store: Store) -> None:
    with Store.open("sqlite:///nuon-monitor.db", now=NOW) as of_daemon:
        added = run("add", "rel1", "--for", "2h", *WHY, *ANNA)

        assert added.code == 0
        assert [one.reason for one in of_daemon.silences.load(since=NOW)] == ["database upgrade"]
