"""`nuon-monitor once`: one poll of every watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.common import console, load, log_to_stderr, report, run_async, with_config

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.model import Message
    from monitor.store import Edit, Outgoing, Store

_WIDEST = 100


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
    for outgoing in waiting:
        finding = f"not delivered: {outgoing.error or 'not tried yet'}"
        report(is_well=False, subject=outgoing.sink, finding=finding)
    click.echo(_polled(config, len(failures)))
    return 1 if failures or waiting else 0


async def _show(config: Config) -> int:
    """Poll on a copy of the store, and print what stands in its outbox afterwards."""
    import tempfile

    from monitor.app import build
    from monitor.sinks import Sinks
    from monitor.store import Store, copy_of

    with tempfile.TemporaryDirectory(prefix="nuon-monitor-") as folder:
        copy = Path(folder) / "store.db"
        copy_of(config.store.url, copy)
        trial = config.model_copy(
            update={"store": config.store.model_copy(update={"url": f"sqlite:///{copy}"})}
        )
        async with build(trial) as app:
            failures = await app.poll_once()
            posts = await app.store.call(Store.outbox)
            edits = [
                edit
                for sink in Sinks(config).configured
                for edit in await app.store.call(_edits, sink)
            ]
    _print(posts, edits)
    click.echo(_polled(config, len(failures)))
    return 1 if failures else 0


def _edits(copy: Store, sink: str) -> list[Edit]:
    """Return every edit that is due, each taken for made, which only a copy can bear."""
    from monitor.app import utc_now

    edits = []
    while (edit := copy.next_edit(sink, utc_now())) is not None:
        copy.mark_edited(edit, utc_now())
        edits.append(edit)
    return edits


def _polled(config: Config, failures: int) -> str:
    total = len(config.watch)
    return f"{total - failures} of {total} {'watch' if total == 1 else 'watches'} polled"


def _print(posts: tuple[Outgoing, ...], edits: list[Edit]) -> None:
    if not posts and not edits:
        click.echo("Nothing would be sent.")
    for post in posts:
        where = " · reply in the card's thread" if post.form == "reply" else ""
        _draw(f"{post.sink}{where}", post.message, is_broadcast=post.is_broadcast)
    for edit in edits:
        _draw(f"{edit.sink} · the card, edited", edit.message)


def _draw(heading: str, message: Message, *, is_broadcast: bool = False) -> None:
    from rich.rule import Rule
    from rich.text import Text

    from monitor.simulation.screen import draw_message
    from monitor.text import plain

    screen = console()
    width = min(screen.width, _WIDEST)
    screen.print(Rule(Text(plain(heading, width)), align="left", style="dim"), width=width)
    screen.print(
        draw_message(message.blocks, text=message.text, is_broadcast=is_broadcast, width=width)
    )
    screen.print()
