"""A configuration is checked, and a first one is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.commands import Runner, configured, is_harmless
from tests.support.processes import Result
from tests.support.world import a_live_world

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

    well = f"The configuration is well formed: 2 watches ({file}, from --config).\n"
    assert run("check", "-c", file) == Result(0, well, "")


def test_check_writes_nothing(run: Runner, tmp_path: Path) -> None:
    file = configured(tmp_path)

    run("check", "-c", file)

    assert [found.name for found in tmp_path.iterdir()] == ["monitor.toml"]


async def test_check_online_reports_every_watch_and_channel(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        there = world.platform.add("already-done")
        more = '[[watch]]\nrelease = "relmissing"\nchannel = "#nowhere"\n'
        world.write(there, more=more)

        checked = await world.command("check", "--online")

    assert (checked.code, checked.err) == (1, "")
    marks = [line[:1] for line in checked.out.splitlines()[1:]]
    assert marks == ["✓", "✓", "✓", "✗", "✓", "✓", "✗", "✓"]
    assert "✓ platform: API 0.19.700" in checked.out
    assert f" ({there}): active\n" in checked.out
    assert "✗ release relmissing: no such release: check the id" in checked.out


async def test_check_online_sends_no_message(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("already-failed"))

        checked = await world.command("check", "--online")

        assert checked.code == 0
        assert world.channel.posts == []


async def test_check_online_says_that_the_tokens_are_refused(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"))
        world.platform.token = "another"
        world.slack.revoke_token()

        checked = await world.command("check", "--online")

    assert checked.code == 1
    assert "check nuon.api_token" in checked.out
    assert "token_revoked" in checked.out
    assert "Traceback" not in checked.err


# init


def test_init_writes_a_configuration_that_passes_once_it_is_filled_in(
    run: Runner, tmp_path: Path
) -> None:
    written = run("init")
    unfilled = run("check", "-c", "monitor.toml")
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
    well = "The configuration is well formed: 1 watch (./monitor.toml of the working directory).\n"
    assert run("check") == Result(0, well, "")


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
