"""`nuon-monitor history ID`: what was seen and what was sent, in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from monitor.cli.common import as_json, console, load, with_config


@click.command("history")
@with_config
@as_json
@click.argument("target_id", metavar="ID")
def command(config_path: Path | None, target_id: str, *, is_json: bool) -> int:
    """Show what was seen of a watched ID and what was sent, in order.

    Times are our own clock's, in UTC. Exits 1 where nothing is known of the ID.
    """
    from monitor.store import Seen, Store

    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        entries = store.history(target_id)
        is_known = any(watched.target.id == target_id for watched in store.targets())
    if is_json:
        rows = [_seen(e) if isinstance(e, Seen) else _told(e) for e in entries]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0 if entries or is_known else 1
    if not entries:
        known = "seen, and nothing has changed since" if is_known else "not known"
        click.echo(f"{target_id} is {known}.")
        return 0 if is_known else 1
    _print(entries)
    return 0


def _seen(entry: Any) -> dict[str, Any]:
    return {
        "type": "transition",
        "at": entry.at.isoformat(),
        "platform_at": entry.platform_at and entry.platform_at.isoformat(),
        "attempt": entry.attempt,
        "kind": entry.kind,
        "id": entry.entity_id,
        "name": entry.name,
        "before": entry.before,
        "after": entry.after,
        "description": entry.description,
    }


def _told(entry: Any) -> dict[str, Any]:
    return {
        "type": "notification",
        "at": entry.at.isoformat(),
        "done_at": entry.done_at and entry.done_at.isoformat(),
        "attempt": entry.attempt,
        "sink": entry.sink,
        "form": str(entry.form),
        "events": [str(event) for event in entry.events],
        "state": str(entry.state),
        "text": entry.message.text,
        "error": entry.error,
    }


def _print(entries: tuple[Any, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    from monitor.store import Seen
    from monitor.text import plain

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    day = None
    screen = console()
    for entry in entries:
        if entry.at.date() != day:
            day = entry.at.date()
            table.add_row("", Text(f"{day:%A, %d %B %Y}", style="bold"))
        if isinstance(entry, Seen):
            was = f"{entry.before or 'new'} → {entry.after or 'no status yet'}"
            name = entry.name or entry.entity_id
            line = f"{entry.kind} {plain(name, 80)}: {plain(was, 120)}"
            if entry.description:
                line += f" ({plain(entry.description, 200)})"
            table.add_row(f"{entry.at:%H:%M:%S}", Text(line))
        else:
            events = ", ".join(str(event) for event in entry.events) or str(entry.form)
            line = f"→ {plain(entry.sink, 80)}: {events} ({entry.state})"
            table.add_row(f"{entry.at:%H:%M:%S}", Text(line, style="cyan"))
    screen.print(table)
