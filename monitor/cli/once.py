"""`nuon-monitor once`: one poll of every watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.common import console, load, log_to_stderr, run_async, with_config

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.store import Outgoing


@click.command("once")
@with_config
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send and write nothing.")
def command(config_path: Path | None, *, dry_run: bool) -> int:
    """Poll every watch once, deliver, and leave: for a cron job or a first look.

    Exits 1 where a watch could not be polled or a message not be delivered.
    """
    config = load(config_path)
    log_to_stderr(config)
    return run_async(_show(config) if dry_run else _deliver(config))


async def _deliver(config: Config) -> int:
    from monitor.app import build
    from monitor.store import Store

    async with build(config) as app:
        failures = await app.poll_once()
        await app.delivery.drain()
        waiting = await app.store.call(Store.outbox)
    screen = console()
    for outgoing in waiting:
        screen.print(f"not delivered to {outgoing.sink}: {outgoing.error or 'not tried yet'}")
    screen.print(f"{len(config.watch) - len(failures)} of {len(config.watch)} watches polled")
    return 1 if failures or waiting else 0


async def _show(config: Config) -> int:
    """Poll on a copy of the store, and print what stands in its outbox afterwards."""
    import tempfile

    from monitor.app import build
    from monitor.store import Store, copy_of

    with tempfile.TemporaryDirectory(prefix="nuon-monitor-") as folder:
        copy = Path(folder) / "store.db"
        copy_of(config.store.url, copy)
        trial = config.model_copy(
            update={"store": config.store.model_copy(update={"url": f"sqlite:///{copy}"})}
        )
        async with build(trial) as app:
            failures = await app.poll_once()
            outgoing = await app.store.call(Store.outbox)
    _print(outgoing)
    return 1 if failures else 0


def _print(outgoing: tuple[Outgoing, ...]) -> None:
    from monitor.simulation.screen import draw_message

    screen = console()
    if not outgoing:
        screen.print("Nothing would be sent.")
    for message in outgoing:
        where = " · reply in the card's thread" if message.form == "reply" else ""
        screen.rule(f"{message.sink}{where}")
        screen.print(
            draw_message(
                message.message.blocks,
                text=message.message.text,
                is_broadcast=message.is_broadcast,
                width=min(screen.width, 100),
            )
        )
