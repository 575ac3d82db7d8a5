"""`nuon-monitor outbox`: what is not delivered yet, what was set aside, and `outbox retry`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.support.common import ago, as_json, console, echo_json, load, with_config

if TYPE_CHECKING:
    from rich.table import Table

    from monitor.store import QueuedNotification, Store

_ROWS_SHOWN = 50
_PAGE = 500


@dataclass(frozen=True, slots=True)
class _Entry:
    """A notification that is not sent. `is_first`: of its destination, the others wait for it."""

    queued: QueuedNotification
    is_set_aside: bool
    is_first: bool


@click.group("outbox", invoke_without_command=True)
@with_config
@as_json
@click.pass_context
def command(context: click.Context, config_path: Path | None, *, is_json: bool) -> None:
    """Show what is not delivered yet, and what was set aside and why.

    Works while the daemon runs and while it does not; the store is only read.
    """
    context.obj = config_path
    if context.invoked_subcommand is not None:
        return
    from monitor.store import Store

    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        entries = list(_entries(store))
    if is_json:
        echo_json([_as_dict(entry) for entry in entries])
    else:
        _print(entries, datetime.now(UTC))


@command.command("retry", short_help="Send again what is held up: all of it, or one ID.")
@with_config
@click.argument("notification_id", metavar="[ID]", type=int, required=False)
@click.pass_obj
def retry(given: Path | None, config_path: Path | None, notification_id: int | None) -> None:
    """Send again at once what was set aside or waits for its next try: all of it, or one ID.

    What stands before that one for the same destination, and still waits, goes first. A running
    daemon sends it within seconds; without one, the next `run` or `once` does.
    """
    from monitor.errors import MonitorError
    from monitor.store import Store

    config = load(config_path or given)
    with Store.open_beside(config.store.url) as store:
        ids = None if notification_id is None else _with_those_before(store, notification_id)
        if ids == []:
            raise MonitorError(f"nothing waits as {notification_id}: see `nuon-monitor outbox`")
        count = store.outbox.retry(ids, datetime.now(UTC))
    if count == 0:
        click.echo("Nothing was held up.")
    else:
        click.echo(f"{count:,} {'is' if count == 1 else 'are'} due now.")


def _entries(store: Store) -> Iterator[_Entry]:
    """Yield all that is not sent, oldest first and without what it says, which may be long."""
    from monitor.model import Message
    from monitor.store import DeliveryState

    begun: set[str] = set()
    last = 0
    while page := store.outbox.unsent(after=last, limit=_PAGE):
        for queued in page:
            is_set_aside = queued.state is DeliveryState.SET_ASIDE
            is_first = not is_set_aside and queued.destination not in begun
            if is_first:
                begun.add(queued.destination)
            yield _Entry(replace(queued, message=Message("")), is_set_aside, is_first)
        last = page[-1].id


def _with_those_before(store: Store, id_: int) -> list[int]:
    """Return an id and the waiting ones before it; none where no row has that id."""
    entries = list(_entries(store))
    destination = next(
        (entry.queued.destination for entry in entries if entry.queued.id == id_), None
    )
    own = (entry.queued for entry in entries if entry.queued.destination == destination)
    return [
        queued.id
        for queued in own
        if queued.id == id_ or (queued.id < id_ and queued.next_try_at is not None)
    ]


def _as_dict(entry: _Entry) -> dict[str, Any]:
    its = entry.queued
    return {
        "id": its.id,
        "key": its.key,
        "destination": its.destination,
        "form": str(its.form),
        "target": its.target and {"kind": its.target.kind, "id": its.target.id},
        "events": [str(event) for event in its.events],
        "headline": its.headline,
        "mentions": [str(mention) for mention in its.mentions],
        "folded_count": its.folded_count,
        "state": str(its.state),
        "created_at": its.created_at.isoformat(),
        "attempts": its.attempts,
        "next_try_at": its.next_try_at and its.next_try_at.isoformat(),
        "in_doubt": its.in_doubt,
        "error": its.error,
    }


# For people


def _print(entries: list[_Entry], now: datetime) -> None:
    aside = [entry for entry in entries if entry.is_set_aside]
    waiting = [entry for entry in entries if not entry.is_set_aside]
    if not entries:
        click.echo("Nothing waits, and nothing was set aside.")
        return
    screen = console()
    if aside:
        click.echo(f"{len(aside):,} set aside; `nuon-monitor outbox retry` sends again:\n")
        screen.print(_table(aside, now))
    if waiting:
        click.echo(f"{len(waiting):,} to be delivered, in this order for each destination:\n")
        screen.print(_table(waiting, now))


def _table(entries: list[_Entry], now: datetime) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("for", overflow="fold", ratio=1)
    table.add_column("from", no_wrap=True)
    table.add_column("tries", justify="right", no_wrap=True)
    table.add_column("next", no_wrap=True)
    for entry in entries[:_ROWS_SHOWN]:
        table.add_row(*_row(entry, now))
    if len(entries) > _ROWS_SHOWN:
        table.add_row("", f"and {len(entries) - _ROWS_SHOWN:,} more; `--json` has them all")
    table.add_row("")
    return table


def _row(entry: _Entry, now: datetime) -> Iterable[Any]:
    from rich.text import Text

    from monitor.text import join_names, plain

    its = entry.queued
    words = ", ".join(its.events) or str(its.form)
    what = f"{words} of {its.target}" if its.target else words
    described = Text.assemble(
        (plain(its.destination, 100), "bold"),
        f"  {plain(what, 200)}",
        (
            f"  {plain(pinged, 200)}"
            if (pinged := join_names(list(map(str, its.mentions))))
            else "",
            "cyan",
        ),
        (f"\n{plain(its.error, 300)}" if its.error else "", "red"),
    )
    return (
        str(its.id),
        described,
        ago(its.created_at, now),
        str(its.attempts),
        _next(entry, now),
    )


def _next(entry: _Entry, now: datetime) -> str:
    from monitor.text import duration_words

    due = entry.queued.next_try_at
    if entry.is_set_aside:
        return "–"
    if due is not None and due > now:
        return f"in {duration_words(due - now)}"
    return "now" if entry.is_first else "after those"
