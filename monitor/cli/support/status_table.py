"""The table of `nuon-monitor status`: trouble first, legible from a distance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.cli.support.common import ago
from monitor.cli.support.read_status import Row, TargetStatus, View
from monitor.compose.phrases import why_of
from monitor.config import Config
from monitor.decide.reachability import scope_of
from monitor.model import EventKind, Outage
from monitor.text import duration_words, plain

_ALERTS_SHOWN = 3
_LATE = timedelta(minutes=2)
"""Added to an interval: the times of polls without news are stored every half minute only."""

_WIDE = 120
"""Columns from which on an id is beside its title, not below."""
_NARROW = 60
"""Columns below which all cells are below each other."""
_WIDEST_NAME = 32
_CELLS = 10

# Colours that stand out on a dark and on a light ground; a mark and a word say the same.
_STYLES: Mapping[TargetStatus, str] = {
    TargetStatus.IN_TROUBLE: "bold red",
    TargetStatus.WAITING: "bold magenta",
    TargetStatus.UNDER_WAY: "bold",
    TargetStatus.NOT_SEEN: "",
    TargetStatus.SETTLED: "green",
    TargetStatus.ENDED: "green",
}
_MARKS: Mapping[TargetStatus, str] = {
    TargetStatus.IN_TROUBLE: "✗",
    TargetStatus.WAITING: "◆",
    TargetStatus.UNDER_WAY: "●",
    TargetStatus.NOT_SEEN: "·",
    TargetStatus.SETTLED: "✓",
    TargetStatus.ENDED: "✓",
}


@dataclass(frozen=True, slots=True)
class StatusTable:
    """The table as it fits the terminal that it is drawn in."""

    config: Config
    view: View
    is_all: bool

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        rows, now = self.view.rows, self.view.now
        replaced = [] if self.is_all else [row for row in rows if row.is_replaced(now)]
        left_out = {row.target for row in replaced}
        shown = sorted((row for row in rows if row.target not in left_out), key=_urgency)
        yield from _groups(shown, _columns(shown, options.max_width, now), now)
        if replaced:
            yield Text(_words_for_replaced(replaced))
        yield Text(_total(rows), style="bold")
        for warning in warnings(self.config, self.view):
            yield Text(f"⚠ {warning}", style="bold red")


def _groups(rows: list[Row], columns: _Columns, now: datetime) -> Iterator[RenderableType]:
    """Draw rows, sorted by how urgent they are, below a heading for each status."""
    for status, group in groupby(rows, key=lambda row: row.status):
        drawn = [columns.draw(row, now) for row in group]
        heading = f" {status.words.upper()} {len(drawn):,} "
        yield Text(heading, style=f"{_STYLES[status]} reverse".strip())
        yield from drawn
        yield ""


def _urgency(row: Row) -> tuple[TargetStatus, float]:
    """The most urgent first; of these what changed last."""
    return row.status, -row.watched.changed_at.timestamp() if row.watched else 0.0


@dataclass(frozen=True, slots=True)
class _Columns:
    """How wide each column is: the same in all groups, so that these are aligned."""

    width: int
    name: int
    what: int
    progress: int
    changed: int

    def draw(self, row: Row, now: datetime) -> RenderableType:
        """Draw one row, and below it what is wrong."""
        style = _STYLES[row.status]
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=1)
        cells = [Text(_MARKS[row.status], style=style)]
        if self.width < _NARROW:
            table.add_column(ratio=1, overflow="fold")
            words = (_progress(row), row.summary, _changed(row, now))
            cells.append(Text.assemble((row.title, style), "  ", " · ".join(filter(None, words))))
        else:
            table.add_column(width=self.name, overflow="fold")
            cells.append(Text(row.title, style=style))
            if self.what:
                table.add_column(width=self.what, overflow="fold")
                table.add_column(width=_CELLS)
                cells += [Text(str(row.target), style="dim"), Text(_bar(row), style=style)]
            table.add_column(width=self.progress, justify="right")
            table.add_column(ratio=1, overflow="fold")
            table.add_column(width=self.changed, justify="right")
            cells += [Text(_progress(row)), Text(row.summary), Text(_changed(row, now))]
        table.add_row(*cells)
        below = list(_troubles(row, now))
        if not self.what:
            below.append(Text(str(row.target), style="dim", overflow="fold"))
        return Group(table, Padding(Group(*below), (0, 0, 0, 3))) if below else table


def _columns(rows: list[Row], width: int, now: datetime) -> _Columns:
    def widest(*texts: str) -> int:
        return max(map(cell_len, texts), default=0)

    name = min(widest(*(row.title for row in rows)), _WIDEST_NAME, width // 3)
    return _Columns(
        width=width,
        name=name,
        what=widest(*(str(row.target) for row in rows)) if width >= _WIDE else 0,
        progress=widest(*(_progress(row) for row in rows)),
        changed=widest(*(_changed(row, now) for row in rows)),
    )


def _progress(row: Row) -> str:
    progress = row.progress
    return f"{progress.succeeded:,}/{progress.total:,}" if progress.total else ""


def _bar(row: Row) -> str:
    """Full only when all are done, empty only when none is."""
    progress = row.progress
    if not progress.total:
        return ""
    cells = max(progress.succeeded * _CELLS // progress.total, 1 if progress.succeeded else 0)
    return "▓" * cells + "░" * (_CELLS - cells)


def _changed(row: Row, now: datetime) -> str:
    return ago(row.watched.changed_at, now) if row.watched else ""


def _troubles(row: Row, now: datetime) -> Iterator[Text]:
    """Yield what is wrong and since when, in a line each."""
    if (outage := row.outage) is not None:
        yield Text(f"{outage.kind} {_lasts(outage, now)}: {plain(outage.reason, 600)}")
    if row.healed_by is not None:
        yield Text(f"healed by the newer {row.healed_by}")
    for alert in row.troubles[:_ALERTS_SHOWN]:
        since = f"{alert.kind} for {duration_words(now - alert.since)}"
        reason = plain(why_of(alert.reason), 200, fallback="")
        yield Text.assemble(
            (row.names.get(alert.alert_key, "a part"), "bold"),
            f" {since}{reason and f': {reason}'}",
        )
    if len(row.troubles) > _ALERTS_SHOWN:
        yield Text(f"and {len(row.troubles) - _ALERTS_SHOWN:,} more")


def _words_for_replaced(rows: list[Row]) -> str:
    failed = sum(row.status is TargetStatus.IN_TROUBLE for row in rows)
    of_them = f", {failed:,} of them failed" if failed else ""
    return f"+ {len(rows):,} settled over a day ago{of_them}; --all shows them"


def _total(rows: tuple[Row, ...]) -> str:
    counted = Counter(row.status for row in rows)
    parts = ", ".join(f"{counted[s]:,} {s.words}" for s in TargetStatus if counted[s])
    return f"{len(rows):,} watched: {parts}."


def warnings(config: Config, view: View) -> Iterator[str]:
    """Yield what is wrong with the monitor itself."""
    yield from _outages_of_no_row(view)
    yield from _silence_of_the_daemon(config, view)
    counts = view.counts
    if counts.oldest_pending:
        waits = ago(counts.oldest_pending, view.now)
        late = f"{counts.pending:,} to be delivered, the oldest from {waits}"
        yield f"{late}: see `nuon-monitor outbox`"
    if counts.set_aside:
        yield f"{counts.set_aside:,} set aside: see `nuon-monitor outbox`"


def _outages_of_no_row(view: View) -> Iterator[str]:
    of_rows = {scope_of(row.target) for row in view.rows}
    for scope, outage in view.outages.items():
        if scope not in of_rows:
            word = "lost" if outage.kind is EventKind.REMOVED else "unreachable"
            since = f"{plain(scope, 200)} is {word} {_lasts(outage, view.now)}"
            yield f"{since}: {plain(outage.reason, 300)}"


def _lasts(outage: Outage, now: datetime) -> str:
    comes_and_goes = " (it comes and goes)" if outage.is_flapping else ""
    return f"for {duration_words(now - outage.since)}{comes_and_goes}"


def _silence_of_the_daemon(config: Config, view: View) -> Iterator[str]:
    """Yield that nothing was polled for longer than any interval."""
    polled = [row.watched.polled_at for row in view.rows if row.watched]
    if not polled:
        return
    last = max(polled)
    intervals = [row.entry.interval or config.poll.interval for row in view.rows]
    longest = max(config.poll.settled_interval, *intervals)
    # What has finished so long ago is not polled at all any more.
    is_forgotten = last <= view.now - config.poll.forget_after
    if last < view.now - longest - _LATE and not is_forgotten:
        yield f"last polled {ago(last, view.now)}: is `nuon-monitor run` at work?"
