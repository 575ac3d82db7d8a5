"""`nuon-monitor status`: what is watched and how it stands, from the store."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from monitor.cli.support.common import as_json, console, echo_json, load, with_config

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.cli.support.read_status import Row, View
    from monitor.config import Config
    from monitor.store import StoredTarget

_EVERY_SECONDS = 2.0
"""How often the store is read with --watch."""

_LAST_SEEN = ("status", "phase", "description", "attempt", "ended", "polled_at", "changed_at")


@click.command("status")
@with_config
@as_json
@click.option("--all", "is_all", is_flag=True, help="Also what was found and settled long ago.")
@click.option("--watch", "is_watched", is_flag=True, help="Refresh it until Ctrl-C.")
def command(
    config_path: Path | None, *, is_json: bool, is_all: bool, is_watched: bool
) -> int | None:
    """Show what is watched and how it stands, while the daemon runs or not.

    What is in trouble comes first. The store is only read, and nothing is asked of the
    platform or of Slack. With --watch it is drawn anew every 2 seconds; where the output is
    no terminal, once for each change.
    """
    if is_json and is_watched:
        raise click.UsageError("--json shows one moment: leave out --watch, or call it again")
    from monitor.cli.support.status_table import StatusTable

    config = load(config_path)
    if is_watched:
        return _watch(config, is_all=is_all)
    view = _look(config)
    if is_json:
        echo_json(_page(view))
    else:
        console().print(StatusTable(config, view, is_all))
    return None


def _look(config: Config) -> View:
    from monitor.cli.support.read_status import look

    return look(config, datetime.now(UTC))


# For programs: docs/json.md says what each field means


def _page(view: View) -> dict[str, Any]:
    return {
        "watches": [_as_dict(row) for row in view.rows],
        "outbox": {"pending": view.counts.pending, "set_aside": view.counts.set_aside},
        "outages": {
            scope: {
                "kind": str(b.kind),
                "since": b.since.isoformat(),
                "reason": b.reason,
                "is_flapping": b.is_flapping,
            }
            for scope, b in view.outages.items()
        },
    }


def _as_dict(row: Row) -> dict[str, Any]:
    from monitor.compose.phrases import why_of

    progress = row.progress
    return {
        "kind": row.target.kind,
        "id": row.target.id,
        "name": row.entry.name,
        "title": row.title,
        "labels": dict(row.entry.labels),
        "found_by": row.found_by and {"kind": row.found_by.kind, "id": row.found_by.id},
        "state": row.status.words,
        "summary": row.summary,
        **_last_seen(row.watched),
        "units": {
            "total": progress.total,
            "pending": progress.pending,
            "running": progress.running,
            "waiting": progress.waiting,
            "succeeded": progress.succeeded,
            "failed": progress.failed,
            "ended_otherwise": progress.ended,
            "unknown": progress.unknown,
        },
        "healed_by": row.healed_by and {"kind": row.healed_by.kind, "id": row.healed_by.id},
        "alerts": [
            {
                "event": str(alert.kind),
                "of": row.names.get(alert.alert_key, ""),
                "since": alert.since.isoformat(),
                "reason": why_of(alert.reason),
            }
            for alert in row.alerts
        ],
    }


def _last_seen(watched: StoredTarget | None) -> dict[str, Any]:
    """Return what its last snapshot says; all null for what was not polled yet."""
    if watched is None:
        return dict.fromkeys(_LAST_SEEN)
    root, state = watched.snapshot.root, watched.state
    values = (
        root.status,
        str(root.phase),
        root.description,
        state.attempt,
        str(state.ended) if state.ended else None,
        watched.polled_at.isoformat(),
        watched.changed_at.isoformat(),
    )
    return dict(zip(_LAST_SEEN, values, strict=True))


# For people


def _watch(config: Config, *, is_all: bool) -> int:
    """Draw it anew whenever there is something to see, until Ctrl-C."""
    screen = console()
    is_live = sys.stdout.isatty() and not screen.is_dumb_terminal
    try:
        if is_live:
            _refresh(config, screen, is_all=is_all)
        _print_changes(config, screen, is_all=is_all)
    except KeyboardInterrupt:
        return 0


def _refresh(config: Config, screen: Console, *, is_all: bool) -> NoReturn:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from monitor.cli.support.status_table import StatusTable
    from monitor.errors import StoreError
    from monitor.text import plain

    table = StatusTable(config, _look(config), is_all)
    with Live(console=screen, auto_refresh=False) as live:
        while True:
            below = Text(f"{table.view.now:%H:%M:%S} UTC, until Ctrl-C", style="dim")
            live.update(Group(table, below), refresh=True)
            time.sleep(_EVERY_SECONDS)
            try:
                table = StatusTable(config, _look(config), is_all)
            except StoreError as error:  # a daemon that starts may be changing the file
                live.update(Group(table, Text(f"⚠ {plain(str(error), 300)}")), refresh=True)
                time.sleep(_EVERY_SECONDS)


def _print_changes(config: Config, screen: Console, *, is_all: bool) -> NoReturn:
    from rich.text import Text

    from monitor.cli.support.status_table import StatusTable

    shown: object = None
    while True:
        view = _look(config)
        news = _news(config, view)
        if news != shown:
            shown = news
            screen.print(Text(f"{view.now:%Y-%m-%d %H:%M:%S} UTC", style="bold"), end="\n\n")
            screen.print(StatusTable(config, view, is_all))
            sys.stdout.flush()
        time.sleep(_EVERY_SECONDS)


def _news(config: Config, view: View) -> object:
    """Return what makes another table worth printing: not that time passed."""
    from monitor.cli.support.status_table import warnings

    page = _page(view)
    for row in page["watches"]:
        del row["polled_at"]
    return page, len(tuple(warnings(config, view)))
