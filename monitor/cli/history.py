"""`nuon-monitor history ID`: what was seen and what was sent, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from monitor.cli.common import as_json, console, echo_json, load, part_names, with_config

if TYPE_CHECKING:
    from rich.text import Text

    from monitor.store import Seen, Told

_Entry: TypeAlias = "Seen | Told"

_NAMES_SHOWN = 6
_LINES_OF_A_REPLY = 3


@click.command("history")
@with_config
@as_json
@click.argument("target_id", metavar="ID")
def command(config_path: Path | None, target_id: str, *, is_json: bool) -> None:
    """Show what was seen of a watched ID and what was sent, in order.

    Times are our own clock's, in UTC. Exits 1 where nothing is known of the ID.
    """
    from monitor.errors import MonitorError
    from monitor.store import Store

    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        entries = store.history(target_id)
        known = {watched.target.id: watched for watched in store.targets()}
        watched = known.get(target_id)
        names = part_names(store, watched.snapshot.root) if watched else {}
    if watched is None and not entries:
        raise MonitorError(f"nothing is known of {target_id}: see `nuon-monitor status`")
    if is_json:
        echo_json([_as_dict(entry) for entry in entries])
    elif entries:
        _print(entries, names)
    elif watched is not None:
        since = watched.changed_at
        click.echo(f"Nothing has changed since it was first seen, {since:%Y-%m-%d %H:%M:%S} UTC.")


def _as_dict(entry: _Entry) -> dict[str, Any]:
    from monitor.store import Seen

    if isinstance(entry, Seen):
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


# As a diary: a heading for each day and attempt, and the time where a new moment begins


def _print(entries: tuple[_Entry, ...], names: Mapping[str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = console()
    attempt = 1
    for day, of_day in groupby(entries, key=lambda entry: entry.at.date()):
        screen.print(Text(f"{day:%A, %d %B %Y}, UTC", style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for time, of_time in groupby(of_day, key=lambda entry: f"{entry.at:%H:%M:%S}"):
            moment = tuple(of_time)
            begun = max(entry.attempt for entry in moment)
            if begun > attempt:
                attempt = begun
                table.add_row("", Text(f"attempt {attempt}", style="bold"))
            for line in _lines(moment, names):
                table.add_row(time, line)
                time = ""  # noqa: PLW2901 - said once
        screen.print(table)
        screen.print()


def _lines(moment: tuple[_Entry, ...], names: Mapping[str, str]) -> Iterator[Text]:
    from monitor.store import Seen

    yield from _seen_lines([entry for entry in moment if isinstance(entry, Seen)], names)
    for entry in moment:
        if not isinstance(entry, Seen):
            yield _told_line(entry)


def _seen_lines(seen: list[Seen], names: Mapping[str, str]) -> Iterator[Text]:
    """Yield what changed; entities that went the same way at once share a line."""
    from rich.text import Text

    from monitor.text import join_names, plain, short_id

    ways: dict[str, list[Seen]] = {}
    for entry in seen:
        ways.setdefault(entry.entity_id, []).append(entry)
    together: dict[tuple[str, str], list[str]] = {}
    for entity_id, steps in ways.items():
        statuses = [steps[0].before or "", *(step.after for step in steps)]
        way = " → ".join(plain(status, 60, fallback="·") for status in statuses)
        name = names.get(entity_id) or f"{steps[0].kind} {short_id(entity_id)}"
        reason = plain(steps[-1].description, 300, fallback="")
        together.setdefault((way.removeprefix("· → "), reason), []).append(name)
    for (way, reason), of_them in together.items():
        who = join_names(of_them[:_NAMES_SHOWN], len(of_them))
        yield Text.assemble(who, "  ", (way, "bold"), (f"  {reason}" if reason else "", "dim"))


def _told_line(told: Told) -> Text:
    """Write what was sent by its first words, as its readers see them."""
    from rich.text import Text

    from monitor.model import Form
    from monitor.simulation.screen import plain_text
    from monitor.store import State
    from monitor.text import plain

    said = plain_text(told.message.blocks, text=told.message.text).splitlines()
    shown = said[: _LINES_OF_A_REPLY if told.form is Form.REPLY else 1]
    lines = [plain(line, 300, fallback="") for line in shown]
    text = Text(f"✉ {plain(told.sink, 100)} {told.form}  ", style="cyan")
    text.append("\n  ".join(lines))
    if told.state is not State.SENT:
        error = f": {plain(told.error, 300)}" if told.error else ""
        text.append(f"\n  {told.state}{error}", style="bold red")
    return text
