"""`nuon-monitor run`: the daemon."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.support.common import run_async, with_config

if TYPE_CHECKING:
    from types import FrameType


@click.command("run")
@with_config
def command(config_path: Path | None) -> None:
    """Watch and tell, until SIGTERM or SIGINT.

    What is in hand then is finished first. Everything is kept in the store: a restart, at
    whatever moment, neither forgets nor repeats anything.

    SIGHUP, and a change of the configuration file or of a file with a secret, make it start
    anew with what they say; what cannot be used leaves the old configuration running.
    """
    # Before anything else is imported: there is nothing in hand yet.
    signal.signal(signal.SIGTERM, _leave_at_once)
    signal.signal(signal.SIGINT, _leave_at_once)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    work = _run(config_path)
    try:
        run_async(work)
    finally:
        work.close()  # a signal may come before it has begun


async def _run(config_path: Path | None) -> None:
    from monitor.config import load_with_file
    from monitor.service.reload import Service, control_signals

    await Service(lambda: load_with_file(config_path, os.environ), control_signals()).run()


def _leave_at_once(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
