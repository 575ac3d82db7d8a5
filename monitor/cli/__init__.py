"""The command line: arguments → app, errors → one line on stderr, results → exit codes.

Exit codes: 0 it went well, 1 it did not, 2 usage or configuration. What a command needs is
imported when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from monitor import __version__
from monitor.cli.support.common import complain
from monitor.errors import ConfigError, MonitorError

# Command → its one-line help, shown without importing the command's module.
_COMMANDS = {
    "init": "Write a configuration to begin with.",
    "check": "Check the configuration.",
    "run": "Watch and tell, until stopped.",
    "once": "Poll every watch once, deliver, and leave.",
    "status": "Show what is watched and how it stands.",
    "history": "Show what was seen and what was sent, in order.",
    "wait": "Follow one rollout to its end, here or in a CI job.",
    "outbox": "Show what is not delivered yet; send it again.",
    "silence": "Keep quiet about what is known, until a time.",
    "route": "Show where an event would go, and why.",
    "render": "Show how a message will look.",
    "test-notification": "Send a real message to every channel in use.",
    "health": "Ask the running daemon whether it is alive.",
    "demo": "See it work: a simulated rollout, told in this terminal.",
}

_EPILOG = """\
\b
Configuration: --config FILE, else NUON_MONITOR_CONFIG, else ./monitor.toml,
  else /etc/nuon-monitor/monitor.toml.
Exit codes: 0 well, 1 it did not go well, 2 usage or configuration.
Completion, by a line in the file that the shell reads at its start:
  bash  eval "$(_NUON_MONITOR_COMPLETE=bash_source nuon-monitor)"
  zsh   eval "$(_NUON_MONITOR_COMPLETE=zsh_source nuon-monitor)"
  fish  _NUON_MONITOR_COMPLETE=fish_source nuon-monitor | source
"""

_INTERRUPTED = 130


class _Commands(click.Group):
    """Finds each command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            nearest = difflib.get_close_matches(cmd_name, _COMMANDS, n=1)
            if nearest and not ctx.resilient_parsing:
                ctx.fail(f"No such command {cmd_name!r}, did you mean {nearest[0]!r}?")
            return None
        module = importlib.import_module(f"monitor.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="nuon-monitor")
def cli() -> None:
    """Watch what is being rolled out on Nuon and tell people in Slack what happens."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except OSError as error:
        code = _cannot_write(error)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="nuon-monitor",
            standalone_mode=False,
        )
    except click.exceptions.Abort:
        return _INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        complain(_usage(error))
        return error.exit_code
    except ConfigError as error:
        if error.file:
            complain(f"configuration: {error.file}")
        for problem in error.problems:
            complain(str(problem))
        return 2
    except MonitorError as error:
        complain(str(error))
        return 1
    return code if isinstance(code, int) else 0


def _usage(error: click.ClickException) -> str:
    """Return click's message in one line instead of four."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return error.format_message()
    return f"{error.format_message().removesuffix('.')}; see `{context.command_path} --help`"


def _cannot_write(error: OSError) -> int:
    """Ignore that the reader has closed the pipe, as `head` does; report other errors."""
    # The interpreter must not try to write the rest of the buffer again when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        where = error.filename or "the output"
        complain(f"{where}: {error.strerror or error}")
    return 1
