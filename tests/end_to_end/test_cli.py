"""The commands as their users meet them: words, exit codes, and what stays out of the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.text import Text

from monitor.cli import main
from monitor.model import (
    Alert,
    EventKind,
    Form,
    Level,
    Message,
    Notification,
    Reason,
    Snapshot,
    Target,
    Transition,
)
from monitor.store import Observation, Store
from tests.support.builders import deploy, release, state, step
from tests.support.configuration import configuration
from tests.support.processes import Result, a_place, clean_environment, command, in_terminal

HOSTILE = "acme \x1b[31mred\x1b]0;title\x07\nforged line \u202egnp.exe \x9b2J"
COMMANDS = (
    "init check run once status history wait outbox silence route render"
    " test-notification health demo"
).split()


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Runner:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("NUON_", "SLACK_")):
            monkeypatch.delenv(name)
    return Runner(capsys)


class Runner:
    """Runs commands in this process, where neither the platform nor Slack is needed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = self._capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)


def configured(folder: Path, *release_ids: str, more: str = "") -> str:
    watches = "".join(f'[[watch]]\nrelease = "{i}"\n' for i in release_ids or ("rel1",))
    file = folder / "monitor.toml"
    file.write_text(
        configuration(watches, more, store={"url": f"sqlite:///{folder}/nuon-monitor.db"})
    )
    return str(file)


def is_harmless(written: str) -> bool:
    return all(sign.isprintable() for sign in written.replace("\n", ""))


# Help and usage


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run: Runner, name: str) -> None:
    shown = run(name, "--help")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: nuon-monitor {name} ")


def test_help_lists_every_command(run: Runner) -> None:
    shown = run("--help")

    assert shown.code == 0
    assert re.findall(r"^  ([a-z][a-z-]*)  +[A-Z]", shown.out, re.MULTILINE) == COMMANDS


def test_help_loads_nothing_heavy() -> None:
    heavy = {
        *("pydantic", "sqlalchemy", "httpx", "aiohttp", "rich", "slack_sdk"),
        *("apscheduler", "structlog", "alembic", "prometheus_client"),
    }
    script = (
        "import sys; from monitor.cli import cli\n"
        f"for name in {COMMANDS!r}:\n"
        "    cli.main([name, '--help'], standalone_mode=False)\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        f"sys.exit(repr({heavy!r} & set(sys.modules)) if {heavy!r} & set(sys.modules) else 0)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "--bogus"), "No such option '--bogus'; see `nuon-monitor status --help`"),
        (
            ("statsu",),
            "No such command 'statsu', did you mean 'status'?; see `nuon-monitor --help`",
        ),
        (("xyzzy",), "No such command 'xyzzy'; see `nuon-monitor --help`"),
        (("history",), "Missing argument 'ID'; see `nuon-monitor history --help`"),
        (("run", "extra"), "Got unexpected extra argument (extra); see `nuon-monitor run --help`"),
    ],
)
def test_a_wrong_usage_is_one_line_that_names_the_help(
    run: Runner, arguments: tuple[str, ...], said: str
) -> None:
    assert run(*arguments) == Result(2, "", f"nuon-monitor: {said}\n")


def test_without_a_command_the_help_is_shown(run: Runner) -> None:
    shown = run()

    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("Usage: nuon-monitor ")


async def test_a_shell_can_complete_the_commands() -> None:
    environment = clean_environment(
        _NUON_MONITOR_COMPLETE="bash_complete", COMP_WORDS="nuon-monitor h", COMP_CWORD="1"
    )

    completed = await command(environment=environment)

    assert completed.out.split() == ["plain,history", "plain,health"]


# The configuration


@pytest.mark.parametrize("name", ["check", "run", "once", "status", "health", "test-notification"])
def test_without_a_configuration_every_command_says_where_it_looked(run: Runner, name: str) -> None:
    said = run(name)

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("nuon-monitor: no configuration file: looked for monitor.toml")


def test_every_mistake_is_said_at_once_each_with_its_place(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, more='interval = "soon"\n[pol]\n[log]\nlevel = "loud"\n')

    said = run("check", "-c", file)

    assert (said.code, said.out) == (2, "")
    places = [line.split(": ")[:2] for line in said.err.splitlines()]
    assert places == [
        ["nuon-monitor", "[[watch]] #1 interval"],
        ["nuon-monitor", "log.level"],
        ["nuon-monitor", "pol"],
    ]


def test_a_mistake_quotes_no_terminal_codes(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, more='interval = "\\u001b[31m\\u202e\\u009b2J"\n')

    said = run("check", "-c", file)

    assert said.code == 2
    assert is_harmless(said.err)


def test_check_finds_a_good_configuration_well_formed(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path, "rel1", "rel2")

    assert run("check", "-c", file) == Result(
        0, "The configuration is well formed: 2 watches.\n", ""
    )


def test_check_writes_nothing(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path)

    run("check", "-c", file)

    assert [found.name for found in tmp_path.iterdir()] == ["monitor.toml"]


async def test_check_online_reports_every_watch_and_channel(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        there = place.platform.add("already-done")
        more = '[[watch]]\nrelease = "relmissing"\nchannel = "#nowhere"\n'
        place.write(there, more=more)

        checked = await place.command("check", "--online")

    assert (checked.code, checked.err) == (1, "")
    marks = [line[:1] for line in checked.out.splitlines()[1:]]
    assert marks == ["✓", "✓", "✓", "✗", "✓", "✓", "✗"]
    assert "✓ platform: API 0.19.700" in checked.out
    assert f"✓ release {there}: active\n" in checked.out


async def test_check_online_sends_no_message(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("already-failed"))

        checked = await place.command("check", "--online")

        assert checked.code == 0
        assert place.slack.channel("releases").posts == []


async def test_check_online_says_that_the_tokens_are_refused(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("happy"))
        place.platform.token = "another"
        place.slack.revoke_token()

        checked = await place.command("check", "--online")

    assert checked.code == 1
    assert "check nuon.api_token" in checked.out
    assert "token_revoked" in checked.out
    assert "Traceback" not in checked.err


# init


def test_init_writes_a_configuration_that_passes_once_it_is_filled_in(
    run: Runner, tmp_path: Path
) -> None:
    written = run("init")
    unfilled = run("check")
    file = tmp_path / "monitor.toml"
    text = file.read_text()
    named = re.search(r"Fill in: (.*)\.\n", written.out)
    assert named is not None
    for value in ("org0123", "token", "xoxb-token", "#releases", "app0123"):
        text = re.sub(r'"< [^"]* >"', f'"{value}"', text, count=1)
    file.write_text(text)

    assert written.code == 0
    refused = [line.removeprefix("nuon-monitor: ") for line in unfilled.err.splitlines()]
    placeholders = named[1].split(", ")
    assert sorted(line.partition(": ")[0].replace("#1 ", "") for line in refused) == sorted(
        placeholders
    )
    assert run("check") == Result(0, "The configuration is well formed: 1 watch.\n", "")


def test_init_writes_few_lines_that_count(run: Runner) -> None:
    text = run("init", "-").out

    live = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert tomllib.loads(text)["watch"]
    assert len(live) <= 15


def test_init_never_overwrites(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "monitor.toml").write_text("precious")

    refused = run("init")

    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "is there already" in refused.err
    assert (tmp_path / "monitor.toml").read_text() == "precious"


def test_init_writes_for_its_owner_alone_where_it_is_told_to(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    assert run("init", "folder").code == 0
    assert run("init", "other.toml").code == 0

    assert (tmp_path / "folder" / "monitor.toml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "other.toml").exists()


def test_init_says_in_one_line_why_it_cannot_write(run: Runner) -> None:
    refused = run("init", "missing/monitor.toml")

    assert refused == Result(
        1, "", "nuon-monitor: missing/monitor.toml cannot be written: No such file or directory\n"
    )


# once


async def test_once_polls_delivers_and_leaves(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("happy"))

        ended = await place.command("once")

        assert ended == Result(0, "1 of 1 watch polled\n", "")
        assert len(place.slack.channel("releases").posts) == 1


async def test_once_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("happy"))

        await place.command("once")
        await place.command("once")

        assert len(place.slack.channel("releases").posts) == 1


async def test_once_fails_where_a_watch_cannot_be_polled(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("happy"), "relmissing")

        ended = await place.command("once")

    assert (ended.code, ended.out) == (1, "1 of 2 watches polled\n")
    assert json.loads(ended.err)["event"] == "poll_failed"


async def test_once_fails_where_a_message_is_not_accepted(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("happy"))
        place.slack.archive("releases")

        ended = await place.command("once")

    assert ended.code == 1
    assert ended.out.startswith("✗ #releases: not delivered: ")


async def test_a_dry_run_shows_what_would_be_sent_and_writes_nothing(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.write(place.platform.add("already-failed"))

        shown = await place.command("once", "--dry-run")

        assert (shown.code, shown.err) == (0, "")
        assert "#releases" in shown.out
        assert "failed" in shown.out
        assert place.slack.channel("releases").posts == []
    assert [file.name for file in tmp_path.iterdir()] == ["monitor.toml"]


async def test_a_dry_run_shows_how_a_card_would_be_edited_while_the_daemon_runs(
    tmp_path: Path,
) -> None:
    async with a_place(tmp_path) as place:
        release_id = place.platform.add("happy")
        place.write(release_id)
        await place.command("once")
        place.platform.clock.advance(120)
        with Store.open(f"sqlite:///{tmp_path}/nuon-monitor.db", now=datetime.now(UTC)):
            shown = await place.command("once", "--dry-run")

    assert (shown.code, shown.err) == (0, "")
    assert "#releases · the card, edited" in shown.out


# test-notification


async def test_a_test_reaches_every_channel_that_can_be_reached(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.slack.add_channel("payments")
        more = '[[watch]]\nrelease = "rel2"\nchannel = "#gone"\n'
        more += '[[watch]]\nrelease = "rel3"\nchannel = "#payments"\n'
        place.write("rel1", more=more)

        sent = await place.command("test-notification")

        assert (sent.code, sent.err) == (1, "")
        marks = [line.split()[:2] for line in sent.out.splitlines()]
        assert marks == [["✓", "#releases:"], ["✗", "#gone:"], ["✓", "#payments:"]]
        assert len(place.slack.channel("payments").posts) == 1


async def test_a_test_can_go_to_one_channel_alone(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.slack.add_channel("payments")
        place.write("rel1")

        sent = await place.command("test-notification", "--channel", "#payments")

        assert sent == Result(0, "✓ #payments: sent\n", "")
        assert place.slack.channel("releases").posts == []


# status and history


def stored(folder: Path, *releases: Any, notifications: tuple[Notification, ...] = ()) -> None:
    """Let the store know of releases: `(root, memory)` each."""
    now = datetime.now(UTC)
    with Store.open(f"sqlite:///{folder}/nuon-monitor.db", now=now) as store:
        for number, (root, remembered) in enumerate(releases):
            target = Target("release", root.id)
            transitions = tuple(
                Transition(Level.UNIT, unit, "executing", unit.status, unit.description)
                for one in root.children
                for unit in one.children
            )
            store.save(
                Observation(
                    snapshot=Snapshot(target, now, root),
                    state=remembered,
                    fingerprint=b"1",
                    transitions=transitions,
                    notifications=notifications if number == 0 else (),
                )
            )


def in_trouble(**facts: Any) -> Any:
    root = release(
        "error",
        step(1, "error", deploy("inl-a", "error", HOSTILE), deploy("inl-b", "active")),
        **({"id": "rel2", "name": "billing"} | facts),
    )
    now = datetime.now(UTC)
    alert = Alert(
        "rel-step-1/inl-a",
        EventKind.FAILED,
        now - timedelta(minutes=5),
        now,
        Reason(description=HOSTILE),
    )
    return root, state(changed_at=now, alerts=(alert,), ended=EventKind.FAILED, ended_at=now)


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


# Terminals and pipes


async def drawn(*arguments: str, **environment: str) -> str:
    """Run a command in a terminal of its own and return all that it wrote there."""
    with in_terminal(*arguments, TERM="xterm-256color", **environment) as terminal:
        assert await terminal.end() == 0
    return terminal.written.decode()


async def test_status_has_colours_in_a_terminal_unless_nobody_wants_them(tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())

    coloured = await drawn("status", "-c", file)
    plain = await drawn("status", "-c", file, NO_COLOR="1")

    assert "\x1b[1;31m" in coloured
    assert not re.search(r"\x1b\[[\d;]*3[0-7]m", plain)
    assert Text.from_ansi(coloured).plain == Text.from_ansi(plain).plain


@pytest.mark.parametrize("arguments", ["status --json", "status", "history rel2", "--help"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, arguments: str) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())
    config = "" if arguments == "--help" else f"-c {file}"

    ended = subprocess.run(
        f"{sys.executable} -m monitor {arguments} {config} | true",
        check=False,
        shell=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
    )

    assert ended.stderr == ""


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "monitor", "init", "-"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert (ended.returncode, ended.stderr) == (
        1,
        "nuon-monitor: the output: No space left on device\n",
    )


def test_a_terminal_that_knows_ascii_only_is_no_error(tmp_path: Path) -> None:
    file = configured(tmp_path, "rel2")
    stored(tmp_path, in_trouble())

    ended = subprocess.run(
        [sys.executable, "-m", "monitor", "status", "-c", file],
        check=False,
        capture_output=True,
        text=True,
        env=clean_environment() | {"PYTHONIOENCODING": "ascii"},
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "release rel2" in ended.stdout


async def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        place.slack.fail("hang", times=None)
        place.write("rel1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor", "test-notification", "-c", str(place.file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(),
        )
        await place.slack.wait_until(lambda: len(place.slack.requests) == 1)

        process.send_signal(2)

        out, err = await process.communicate()
    assert (process.returncode, out, err.strip()) == (130, b"", b"")
