"""`nuon-monitor run`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.common import load, run_async, with_config

if TYPE_CHECKING:
    from monitor.config import Config


@click.command("run")
@with_config
def command(config_path: Path | None) -> None:
    """Watch and tell, until SIGTERM or SIGINT.

    What is in hand then is finished first. Everything is kept in the store: a restart, at
    whatever moment, neither forgets nor repeats anything.
    """
    from monitor import logs
    from monitor.app import secrets_of

    config = load(config_path)
    logs.configure(config.log.level, config.log.format, secrets=secrets_of(config))
    run_async(_run(config))


async def _run(config: Config) -> None:
    import structlog

    from monitor import __version__
    from monitor.app import build
    from monitor.config import warnings
    from monitor.daemon import stop_on_signals

    log = structlog.get_logger(__name__)
    for sentence in warnings(config):
        log.warning("configuration", warning=sentence)
    async with build(config) as app:
        stop_on_signals(app.daemon.stop)
        log.info("started", version=__version__, watches=len(config.watch))
        await app.run()
    log.info("stopped")
