"""`nuon-monitor status`: what is watched and how it stands, from the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.common import ago, as_json, console, load, with_config

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.config import Config
    from monitor.store import Watched


@click.command("status")
@with_config
@as_json
def command(config_path: Path | None, *, is_json: bool) -> None:
    """Show what is watched and how it stands, while the daemon runs or not.

    The store is only read. Nothing is asked of the platform or of Slack.
    """
    from monitor.app import utc_now
    from monitor.store import Store

    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        seen = {watched.target: watched for watched in store.targets()}
        counts, sights = store.counts(), store.sights()
    if is_json:
        page = {
            "watches": [_as_dict(config, index, seen) for index in range(len(config.watch))],
            "outbox": {"pending": counts.pending, "set_aside": counts.set_aside},
            "not_visible": {
                scope: {"kind": str(b.kind), "since": b.since.isoformat(), "reason": b.reason}
                for scope, b in sights.items()
            },
        }
        click.echo(json.dumps(page, indent=2, ensure_ascii=False))
        return
    _print(config, seen, utc_now())
    for scope, blindness in sights.items():
        click.echo(f"{scope} is {blindness.kind}: {blindness.reason}")
    if counts.pending or counts.set_aside:
        click.echo(f"Outbox: {counts.pending} to be delivered, {counts.set_aside} set aside.")


def _as_dict(config: Config, index: int, seen: dict[Any, Watched]) -> dict[str, Any]:
    from monitor import render, rollout

    entry = config.watch[index]
    page: dict[str, Any] = {
        "kind": entry.target.kind,
        "id": entry.target.id,
        "name": entry.name,
        "labels": dict(entry.labels),
        "status": None,
    }
    watched = seen.get(entry.target)
    if watched is None:
        return page
    root, memory = watched.snapshot.root, watched.memory
    total = rollout.add_up(tuple(rollout.progress_of(step) for step in root.children))
    return page | {
        "status": root.status,
        "phase": str(root.phase),
        "description": root.description,
        "summary": render.headline(watched.snapshot, memory, title=entry.name),
        "attempt": memory.attempt,
        "ended": memory.ended and str(memory.ended),
        "installs": {
            "total": total.total,
            "succeeded": total.succeeded,
            "failed": total.failed,
            "waiting": total.waiting,
        },
        "alerts": [
            {"event": str(alert.kind), "since": alert.since.isoformat(), "reason": alert.reason}
            for alert in memory.alerts
        ],
        "polled_at": watched.polled_at.isoformat(),
        "changed_at": watched.changed_at.isoformat(),
    }


def _print(config: Config, seen: dict[Any, Watched], now: datetime) -> None:
    from rich.table import Table
    from rich.text import Text

    from monitor import render, rollout
    from monitor.text import plain

    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("what", overflow="fold")
    table.add_column("installs", justify="right", no_wrap=True)
    table.add_column("changed", no_wrap=True)
    table.add_column("polled", no_wrap=True)
    for entry in config.watch:
        watched = seen.get(entry.target)
        if watched is None:
            title = entry.name or str(entry.target)
            table.add_row(Text(f"· {plain(title, 200)}: not seen yet"), "", "", "")
            continue
        root = watched.snapshot.root
        total = rollout.add_up(tuple(rollout.progress_of(step) for step in root.children))
        headline = render.headline(watched.snapshot, watched.memory, title=entry.name)
        table.add_row(
            Text(headline),
            f"{total.succeeded}/{total.total}" if total.total else "",
            ago(watched.changed_at, now),
            ago(watched.polled_at, now),
        )
    console().print(table)
