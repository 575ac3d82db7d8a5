"""`nuon-monitor history ID`: what was seen and what was sent, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from monitor.cli.support.common import (
    as_json,
    console,
    echo_json,
    known_ids,
    load,
    part_names,
    with_config,
)

if TYPE_CHECKING:
    from rich.text import Text

    from monitor.store import PastNotification, PastTransition

_Entry: TypeAlias = "PastTransition | PastNotification"

_ANSWERED_BY = "answered_by"
"""The fact that says who answered an approval: an e-mail address, or the id of an account."""
_IDS_SHOWN = 5
_NAMES_SHOWN = 6
_LINES_OF_A_REPLY = 3
_STATES = {
    "pending": "not sent yet",
    "sending": "is being sent",
    "set aside": "set aside, `nuon-monitor outbox retry` sends it again",
    "folded": "not sent by itself",
}


class _Change(NamedTuple):
    """The status that something reached. `way` are the platform's own words on the way there."""

    words: str
    reason: str
    way: str = ""
    style: str = "bold"


@click.command("history")
@with_config
@as_json
@click.option("--limit", type=click.IntRange(min=1), help="Only so many entries, the newest.")
@click.argument("target_id", metavar="ID", shell_complete=known_ids)
def command(config_path: Path | None, target_id: str, *, is_json: bool, limit: int | None) -> None:
    """Show what was seen of a watched ID and what was sent, in order.

    The beginning of an ID is enough where no other begins so. Times are our own clock's, in
    UTC. Exits 1 where nothing is known of the ID.
    """
    from monitor.store import Store

    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        known = {watched.target.id: watched for watched in store.snapshots.load_all()}
        entries = store.history.load(target_id)
        if not entries:
            target_id = _completed(target_id, tuple(known))
            entries = store.history.load(target_id)
        watched = known.get(target_id)
        names = part_names(store.names, watched.snapshot) if watched else {}
        names |= store.names.of(_who_answered(entries))
    left_out = len(entries) - limit if limit is not None else 0
    entries = entries[max(0, left_out) :]
    if is_json:
        echo_json([_as_dict(entry) for entry in entries])
        return
    if left_out > 0:
        click.echo(f"… {left_out:,} before these; a larger --limit shows them\n")
    _print(entries, names)
    if not entries and watched is not None:
        since = watched.changed_at
        click.echo(f"Nothing has changed since it was first seen, {since:%Y-%m-%d %H:%M:%S} UTC.")


def _who_answered(entries: tuple[_Entry, ...]) -> list[str]:
    from monitor.store import PastTransition

    changes = [entry for entry in entries if isinstance(entry, PastTransition)]
    return [change.after for change in changes if change.fact == _ANSWERED_BY]


def _completed(beginning: str, known: tuple[str, ...]) -> str:
    """Return the one known id that begins so; MonitorError lists candidates."""
    from monitor.errors import MonitorError
    from monitor.text import join_names, plain

    if beginning in known:
        return beginning
    begun = [target_id for target_id in known if target_id.startswith(beginning)]
    if len(begun) == 1:
        return begun[0]
    shown, of_them = plain(beginning, 100, fallback="an empty ID"), begun or known
    listed = join_names([plain(one, 60) for one in of_them[:_IDS_SHOWN]], len(of_them))
    if begun:
        raise MonitorError(f"{len(begun):,} begin with {shown}: {listed}; give more of the ID")
    knows = f"known are {listed}" if known else "nothing was polled yet"
    raise MonitorError(f"nothing is known of {shown}: {knows}; see `nuon-monitor status --all`")


def _as_dict(entry: _Entry) -> dict[str, Any]:
    from monitor.compose import render
    from monitor.store import PastTransition

    if isinstance(entry, PastTransition):
        return {
            "type": "transition",
            "at": entry.at.isoformat(),
            "platform_at": entry.platform_at and entry.platform_at.isoformat(),
            "attempt": entry.attempt,
            "kind": entry.kind,
            "id": entry.entity_id,
            "name": entry.name,
            "fact": entry.fact,
            "before": entry.before,
            "after": entry.after,
            "description": entry.description,
        }
    sent = render.with_mentions(entry.message, entry.mentions)
    return {
        "type": "notification",
        "at": entry.at.isoformat(),
        "done_at": entry.done_at and entry.done_at.isoformat(),
        "attempt": entry.attempt,
        "destination": entry.destination,
        "form": str(entry.form),
        "events": [str(event) for event in entry.events],
        "state": str(entry.state),
        "folded_into": entry.folded_into,
        "headline": entry.headline,
        "mentions": [str(mention) for mention in entry.mentions],
        "text": sent.text,
        "error": entry.error,
    }


# As a diary: a heading for each day and attempt, and the time where a new moment begins


def _print(entries: tuple[_Entry, ...], names: Mapping[str, str]) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    screen = console()
    attempt = 1
    for day, of_day in groupby(entries, key=lambda entry: entry.at.date()):
        screen.print(Text(f"{day:%A}, {day.day} {day:%B %Y}, UTC", style="bold underline"))
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for time, of_time in groupby(of_day, key=lambda entry: f"{entry.at:%H:%M:%S}"):
            moment = tuple(of_time)
            begun = max(entry.attempt for entry in moment)
            if begun > attempt:
                attempt = begun
                table.add_row("", Text(f"Attempt {attempt}", style="bold"))
            for line in _lines(moment, names):
                table.add_row(time, line)
                time = ""  # noqa: PLW2901 - said once
        screen.print(Padding(table, (0, 0, 1, 2)))


def _lines(moment: tuple[_Entry, ...], names: Mapping[str, str]) -> Iterator[Text]:
    from monitor.store import PastTransition

    yield from _seen_lines([entry for entry in moment if isinstance(entry, PastTransition)], names)
    for entry in moment:
        if not isinstance(entry, PastTransition):
            yield _notification_line(entry)


def _seen_lines(seen: list[PastTransition], names: Mapping[str, str]) -> Iterator[Text]:
    """Yield what changed; equal changes at the same time share a line."""
    from rich.text import Text

    from monitor.text import join_names

    ways: dict[tuple[str, str], list[PastTransition]] = {}
    for entry in seen:
        ways.setdefault((entry.entity_id, entry.fact), []).append(entry)
    together: dict[_Change, list[str]] = {}
    for way in ways.values():
        change = _fact_change(way, names) if way[0].fact else _status_change(way)
        together.setdefault(change, []).append(_name(way[0], names))
    for change, of_them in together.items():
        yield Text.assemble(
            f"{join_names(of_them[:_NAMES_SHOWN], len(of_them))} ",
            (change.words, change.style),
            f": {change.reason}" if change.reason else "",
            (f"  {change.way}" if change.way else "", "dim"),
        )


def _name(entry: PastTransition, names: Mapping[str, str]) -> str:
    from monitor.text import plain, short_id

    own = plain(entry.name, 60, fallback=f"{entry.kind} {short_id(entry.entity_id)}")
    return names.get(entry.entity_id) or own


def _fact_change(way: list[PastTransition], names: Mapping[str, str]) -> _Change:
    from monitor.text import plain, with_article

    fact = plain(way[0].fact.replace("_", " "), 60)
    values = [plain(value, 200, fallback="") for value in (way[0].before or "", way[-1].after)]
    if way[0].fact == _ANSWERED_BY:
        return _Change(f"was answered by {plain(names.get(way[-1].after, values[1]), 200)}", "")
    return _Change(f"has another {fact}" if values[0] else f"has {with_article(fact)}", values[1])


def _status_change(way: list[PastTransition]) -> _Change:
    """Return the outcome in plain words; the platform's own words are shown beside it."""
    from monitor.kinds import kind_of_part
    from monitor.model import Phase, phase_of
    from monitor.text import plain

    last, first = way[-1], way[0].before
    kind = kind_of_part(last.kind)
    status = plain(last.after, 60, fallback="no status")

    was = phase_of(kind, first) if first is not None else Phase.PENDING
    began = {Phase.PENDING: "began", Phase.RUNNING: "went on", Phase.WAITING: "went on"}
    words, style = {
        Phase.PENDING: ("queued" if first is None else f"now {status}", ""),
        Phase.RUNNING: (began.get(was, "began again"), ""),
        Phase.WAITING: ("waiting for a person", "bold magenta"),
        Phase.SUCCEEDED: ("succeeded", "green"),
        Phase.FAILED: ("failed", "bold red"),
        Phase.ENDED: (f"ended as {status}", "bold"),
        Phase.UNKNOWN: (f"came to {status}", "bold"),
    }[phase_of(kind, last.after)]
    statuses = [first] if first else []
    statuses += [entry.after for entry in way]
    shown = " → ".join(plain(one, 60, fallback="·") for one in statuses)
    return _Change(words, plain(last.description, 300, fallback=""), shown, style)


def _notification_line(sent: PastNotification) -> Text:
    """Return the first words of a message, as its readers see them."""
    from rich.text import Text

    from monitor.compose import render
    from monitor.compose.terminal import plain_text
    from monitor.model import Form
    from monitor.store import DeliveryState
    from monitor.text import plain

    message = render.with_mentions(sent.message, sent.mentions)
    message_lines = plain_text(message.blocks, text=message.text).splitlines()
    shown = message_lines[: _LINES_OF_A_REPLY if sent.form is Form.REPLY else 1]
    lines = [plain(line, 300, fallback="") for line in shown]
    text = Text.assemble((f"✉ {plain(sent.destination, 100)} {sent.form}", "bold"), "  ")
    text.append("\n  ".join(lines))
    if sent.state is not DeliveryState.SENT:
        error = f": {plain(sent.error, 300)}" if sent.error else ""
        text.append(f"\n  {_STATES[sent.state]}{error}", style="bold red")
    return text
