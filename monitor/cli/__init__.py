"""The command line: arguments → app, errors → one line on stderr, results → exit codes.

Exit codes: 0 it went well, 1 it did not, 2 usage or configuration. What a command needs is
imported when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from monitor import __version__
from monitor.errors import ConfigError, MonitorError

# Command → its one-line help, shown without importing the command's module.
_COMMANDS = {
    "run": "Watch and tell, until stopped.",
    "demo": "See it work: a simulated rollout, told in this terminal.",
    "once": "Poll every watch once, deliver, and leave.",
    "check": "Check the configuration.",
    "status": "Show what is watched and how it stands.",
    "history": "Show what was seen and what was sent, in order.",
    "test-notification": "Send a real message to every channel in use.",
    "health": "Ask the running daemon whether it is alive.",
}


class _Commands(click.Group):
    """Finds each command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
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
    epilog="The configuration is --config, else NUON_MONITOR_CONFIG, else ./monitor.toml, else"
    " /etc/nuon-monitor/monitor.toml.",
)
@click.version_option(__version__, prog_name="nuon-monitor")
def cli() -> None:
    """Watch what is being rolled out on Nuon and tell people in Slack what happens."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="nuon-monitor",
            standalone_mode=False,
        )
    except click.exceptions.Abort:
        _complain("stopped")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        for problem in error.problems:
            _complain(str(problem))
        _complain("see `nuon-monitor check` and config.example.toml")
        sys.exit(2)
    except MonitorError as error:
        _complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left: nothing is wrong
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str) -> None:
    click.echo(f"nuon-monitor: {sentence}", err=True)
