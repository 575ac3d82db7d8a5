"""`nuon-monitor test-notification`: a real message by the real path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.support.common import load, log_to_stderr, report, run_async, with_config

if TYPE_CHECKING:
    from monitor.config import Config


@click.command("test-notification")
@with_config
@click.option("--channel", metavar="CHANNEL", help="Only to this channel, in use or not.")
def command(config_path: Path | None, *, channel: str | None) -> int:
    """Send a real message to every channel in use, and report each.

    One that fails does not keep the others from being tried. Exits 1 where any failed.
    """
    config = load(config_path, is_warning=True)
    log_to_stderr(config)
    return run_async(_send(config, channel))


async def _send(config: Config, channel: str | None) -> int:
    from uuid import uuid4

    from monitor.compose import render
    from monitor.deliver.destinations import Destinations
    from monitor.errors import ConfigError, DestinationError, Problem
    from monitor.service.build import destination_of, slack_client
    from monitor.service.wall_clock import utc_now

    if channel is not None and config.slack.bot_token is None:
        problem = Problem("--channel", "leave it out: an incoming webhook has a channel of its own")
        raise ConfigError((problem,))
    destinations = Destinations(config)
    names = destinations.configured if channel is None else (channel,)
    failed = 0
    async with slack_client(config) as slack:
        for name in names:
            destination = destination_of(destinations, slack, name)
            if destination is None:
                continue
            message = render.test_message(name, utc_now())
            key = f"test/{uuid4()}"
            try:
                await destination.post(message, key=key, thread=None, is_broadcast=False)
            except DestinationError as error:
                failed += 1
                report(is_well=False, subject=name, finding=str(error))
            else:
                report(is_well=True, subject=name, finding="sent")
    return 1 if failed else 0
