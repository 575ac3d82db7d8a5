"""`nuon-monitor check`: the configuration, and whether it works."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monitor.cli.support.common import log_to_stderr, run_async, with_config


@click.command("check")
@with_config
@click.option("--online", is_flag=True, help="Also ask the platform and Slack.")
def command(config_path: Path | None, *, online: bool) -> int:
    """Check the configuration: every mistake at once, each with its place.

    Nothing is contacted and nothing is written, unless --online says to ask the platform
    for its version, for what it serves and for every watch, and Slack for the token and every
    channel, and what it would refuse of a message of each form. What is watched is named, and
    what a watch finds by itself is counted. No message is sent.
    """
    from monitor.config import doubts, load_with_file

    loaded = load_with_file(config_path, os.environ)
    config = loaded.config
    for sentence in doubts(loaded):
        click.echo(f"warning: {sentence}")
    noun = "watch" if len(config.watch) == 1 else "watches"
    click.echo(f"The configuration is well formed: {len(config.watch)} {noun} ({loaded.source}).")
    if not online:
        return 0
    from monitor.cli.support.online_checks import ask

    log_to_stderr(config)
    return 0 if run_async(ask(config)) else 1
