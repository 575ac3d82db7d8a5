"""`nuon-monitor status`: what is watched and how it stands, from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.common import ago, as_json, console, echo_json, load, part_names, with_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.console import RenderableType

    from monitor.config import Config, Watch
    from monitor.model import Blindness
    from monitor.rollout import Progress
    from monitor.store import Counts, Store, Watched

_ALERTS_SHOWN = 3
_WIDE = 60
_LATE = timedelta(minutes=2)  # the store hears of polls that bring nothing every half minute


class _Standing(IntEnum):
    """How something stands, the most urgent first."""

    IN_TROUBLE = 0
    WAITING = 1
    UNDER_WAY = 2
    NOT_SEEN = 3
    ENDED = 4

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class _Row:
    """One watch, with what the store knows of it."""

    entry: Watch
    watched: Watched | None
    blindness: Blindness | None
    names: Mapping[str, str]
    """Of its parts, where any is in trouble."""

    @property
    def title(self) -> str:
        return self.entry.name or str(self.entry.target)

    @property
    def headline(self) -> str:
        from monitor import render
        from monitor.text import plain

        if self.watched is None:
            return f"· {plain(self.title, 200)} was not seen yet"
        return render.headline(self.watched.snapshot, self.watched.memory, title=self.entry.name)

    @property
    def progress(self) -> Progress:
        from monitor import rollout

        steps = self.watched.snapshot.root.children if self.watched else ()
        return rollout.add_up(tuple(rollout.progress_of(step) for step in steps))

    @property
    def standing(self) -> _Standing:
        from monitor.model import EventKind

        if self.blindness is not None:
            return _Standing.IN_TROUBLE
        if self.watched is None:
            return _Standing.NOT_SEEN
        memory = self.watched.memory
        kinds = {alert.kind for alert in memory.alerts}
        if memory.ended is EventKind.FAILED or kinds & {EventKind.FAILED, EventKind.STALLED}:
            return _Standing.IN_TROUBLE
        if self.watched.snapshot.root.phase.is_terminal:
            return _Standing.ENDED
        return _Standing.WAITING if kinds else _Standing.UNDER_WAY


@click.command("status")
@with_config
@as_json
def command(config_path: Path | None, *, is_json: bool) -> None:
    """Show what is watched and how it stands, while the daemon runs or not.

    What is in trouble comes first. The store is only read, and nothing is asked of the
    platform or of Slack.
    """
    from monitor.app import utc_now
    from monitor.store import Store

    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        seen = {watched.target: watched for watched in store.targets()}
        counts, sights = store.counts(), store.sights()
        rows = [_row(entry, seen.get(entry.target), sights, store) for entry in config.watch]
    if is_json:
        echo_json(_page(rows, counts, sights))
    else:
        _print(config, rows, counts, sights, utc_now())


def _row(
    entry: Watch, watched: Watched | None, sights: Mapping[str, Blindness], store: Store
) -> _Row:
    from monitor.sight import scope_of

    names = part_names(store, watched.snapshot.root) if watched and watched.memory.alerts else {}
    return _Row(entry, watched, sights.get(scope_of(entry.target)), names)


# For programs


def _page(rows: list[_Row], counts: Counts, sights: Mapping[str, Blindness]) -> dict[str, Any]:
    return {
        "watches": [_as_dict(row) for row in rows],
        "outbox": {"pending": counts.pending, "set_aside": counts.set_aside},
        "not_visible": {
            scope: {"kind": str(b.kind), "since": b.since.isoformat(), "reason": b.reason}
            for scope, b in sights.items()
        },
    }


def _as_dict(row: _Row) -> dict[str, Any]:
    entry, watched = row.entry, row.watched
    page: dict[str, Any] = {
        "kind": entry.target.kind,
        "id": entry.target.id,
        "name": entry.name,
        "labels": dict(entry.labels),
        "standing": row.standing.words,
        "status": None,
    }
    if watched is None:
        return page
    root, memory, progress = watched.snapshot.root, watched.memory, row.progress
    return page | {
        "status": root.status,
        "phase": str(root.phase),
        "description": root.description,
        "summary": row.headline,
        "attempt": memory.attempt,
        "ended": memory.ended and str(memory.ended),
        "installs": {
            "total": progress.total,
            "succeeded": progress.succeeded,
            "failed": progress.failed,
            "waiting": progress.waiting,
        },
        "alerts": [
            {"event": str(alert.kind), "since": alert.since.isoformat(), "reason": alert.reason}
            for alert in memory.alerts
        ],
        "polled_at": watched.polled_at.isoformat(),
        "changed_at": watched.changed_at.isoformat(),
    }


# For people


def _print(
    config: Config,
    rows: list[_Row],
    counts: Counts,
    sights: Mapping[str, Blindness],
    now: datetime,
) -> None:
    from rich.table import Table
    from rich.text import Text

    from monitor.text import duration_words, plain

    screen = console()
    is_wide = screen.width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=is_wide)
    table.add_column("", overflow="fold", ratio=1)
    if is_wide:
        table.add_column("installs", justify="right", no_wrap=True)
        table.add_column("changed", justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: row.standing):
        progress = row.progress
        beside = (
            f"{progress.succeeded:,}/{progress.total:,}" if progress.total else "",
            ago(row.watched.changed_at, now) if row.watched else "",
        )
        table.add_row(_described(row, now), *(beside if is_wide else ()))
    screen.print(table)
    counted = Counter(row.standing for row in rows)
    total = ", ".join(f"{counted[s]:,} {s.words}" for s in _Standing if counted[s])
    screen.print(Text(f"\n{len(rows):,} watched: {total}.", style="bold"))
    for scope, blindness in sights.items():
        waits = duration_words(now - blindness.since)
        since = f"{plain(scope, 200)} is {blindness.kind} for {waits}"
        screen.print(Text(f"⚠ {since}: {plain(blindness.reason, 300)}", style="bold red"))
    for warning in _warnings(config, rows, counts, now):
        screen.print(Text(f"⚠ {warning}", style="bold red"))


def _described(row: _Row, now: datetime) -> RenderableType:
    """Say how it stands, what troubles it, and by which id its history is found."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from monitor.text import duration_words, plain

    style = {_Standing.IN_TROUBLE: "bold red", _Standing.WAITING: "bold"}.get(row.standing, "")
    alerts = row.watched.memory.alerts if row.watched else ()
    below = [
        Text(
            f"{row.names.get(alert.place, 'a part')} {alert.kind}"
            f" for {duration_words(now - alert.since)}"
            + (f": {plain(alert.reason, 200)}" if alert.reason else "")
        )
        for alert in alerts[:_ALERTS_SHOWN]
    ]
    if len(alerts) > _ALERTS_SHOWN:
        below.append(Text(f"and {len(alerts) - _ALERTS_SHOWN:,} more"))
    below.append(Text(str(row.entry.target), style="dim"))
    return Group(Text(row.headline, style=style), Padding(Group(*below), (0, 0, 0, 3)))


def _warnings(config: Config, rows: list[_Row], counts: Counts, now: datetime) -> Iterator[str]:
    polled = [row.watched.polled_at for row in rows if row.watched]
    intervals = [row.entry.interval or config.poll.interval for row in rows]
    longest = max(config.poll.settled_interval, *intervals)
    forgotten = now - config.poll.forget_after
    if polled and forgotten < max(polled) < now - longest - _LATE:
        yield f"last polled {ago(max(polled), now)}: is `nuon-monitor run` at work?"
    if counts.oldest_pending:
        waits = ago(counts.oldest_pending, now)
        yield f"{counts.pending:,} to be delivered, the oldest from {waits}"
    if counts.set_aside:
        yield f"{counts.set_aside:,} set aside: see `nuon-monitor outbox`"
