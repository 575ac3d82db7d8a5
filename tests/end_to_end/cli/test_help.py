"""The commands' help and usage, as people and shells ask for it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.commands import Runner
from tests.support.processes import Result, clean_environment, command

COMMANDS = (
    "init check run once status history wait outbox silence route render"
    " test-notification health demo"
).split()


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
