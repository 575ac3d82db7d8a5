"""`nuon-monitor check`: the configuration, and whether it works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.common import load, log_to_stderr, report, run_async, with_config

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
    if not online:
        return 0
    log_to_stderr(config)
    return run_async(_ask(config))


async def _ask(config: Config) -> int:
    sees_all = await _ask_platform(config)
    speaks_to_all = await _ask_slack(config)
    return 0 if sees_all and speaks_to_all else 1


async def _ask_platform(config: Config) -> bool:
    """Ask for every watch, and report each in the order of the configuration."""
    import asyncio

    from monitor.app import nuon_client
    from monitor.errors import NuonError
    from monitor.fetch import gather
    from monitor.kinds import KINDS, explained
    from monitor.kinds.wire import Memo
    from monitor.model import Target

    async def ask(target: Target) -> tuple[bool, str]:
        kind = KINDS[target.kind]
        try:
            seen = await gather(source, kind, target.id)
            root = kind.decode(seen.main.body, target.id, Memo(), seen.beside)
        except NuonError as error:
            return False, str(explained(error, target, was_seen=False))
        version = f", API {source.api_version}" if source.api_version else ""
        return True, f"{root.status or 'no status yet'}{version}"

    targets = [entry.target for entry in config.watch]
    async with nuon_client(config) as source:
        answers = await asyncio.gather(*map(ask, targets))
    for target, (is_well, finding) in zip(targets, answers, strict=True):
        report(is_well=is_well, subject=str(target), finding=finding)
    return all(is_well for is_well, _ in answers)


async def _ask_slack(config: Config) -> bool:
    from monitor.app import addresses_of, slack_client
    from monitor.errors import SinkError

    if config.slack.bot_token is None:
        click.echo("– Slack: an incoming webhook can only be tried with test-notification")
        return True
    finds_all = True
    async with slack_client(config) as slack:
        try:
            workspace = await slack.greet()
        except SinkError as error:
            report(is_well=False, subject="Slack", finding=str(error))
            return False
        report(is_well=True, subject="Slack", finding=f"the token is good for {workspace}")
        for address in addresses_of(config):
            subject = f"channel {address.sink}"
            try:
                name = await slack.channel(address.sink).check()
            except SinkError as error:
                report(is_well=False, subject=subject, finding=str(error))
                finds_all = False
            else:
                report(is_well=True, subject=subject, finding=f"found as #{name}")
    return finds_all
