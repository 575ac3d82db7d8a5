"""`nuon-monitor check`: the configuration, and whether it works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.common import load, run_async, with_config

if TYPE_CHECKING:
    from monitor.config import Config


@click.command("check")
@with_config
@click.option("--online", is_flag=True, help="Also ask the platform and Slack.")
def command(config_path: Path | None, *, online: bool) -> int:
    """Check the configuration: every mistake at once, each with its place.

    Nothing is contacted and nothing is written, unless --online says to ask the platform
    for every watch, and Slack for the token and every channel. No message is sent.
    """
    from monitor.config import warnings

    config = load(config_path)
    for sentence in warnings(config):
        click.echo(f"warning: {sentence}")
    noun = "watch" if len(config.watch) == 1 else "watches"
    click.echo(f"The configuration is well formed: {len(config.watch)} {noun}.")
    return run_async(_ask(config)) if online else 0


async def _ask(config: Config) -> int:
    from monitor.app import addresses_of, nuon_client, slack_client
    from monitor.errors import MonitorError
    from monitor.kinds import KINDS

    is_well = True

    def report(subject: str, problem: str | None, found: str = "") -> None:
        nonlocal is_well
        is_well &= problem is None
        click.echo(f"{'✗' if problem else '✓'} {subject}: {problem or found}")

    async with nuon_client(config) as source, slack_client(config) as slack:
        for entry in config.watch:
            target = entry.target
            kind = KINDS[target.kind]
            try:
                answer = await source.get(kind.path(target.id))
                root = kind.decode(answer.body, target.id)
            except MonitorError as error:
                report(str(target), str(error))
            else:
                version = f", API {answer.api_version}" if answer.api_version else ""
                report(str(target), None, f"{root.status or 'no status yet'}{version}")
        if config.slack.bot_token is None:
            click.echo("– Slack: an incoming webhook can only be tried with test-notification")
            return 0 if is_well else 1
        try:
            report("Slack", None, f"the token is good for {await slack.greet()}")
        except MonitorError as error:
            report("Slack", str(error))
            return 1
        for address in addresses_of(config):
            try:
                name = await slack.channel(address.sink).check()
            except MonitorError as error:
                report(f"channel {address.sink}", str(error))
            else:
                report(f"channel {address.sink}", None, f"found as #{name}")
    return 0 if is_well else 1
