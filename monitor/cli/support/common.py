"""What several commands share: the configuration, the console, how times are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from rich.console import Console

    from monitor.config import Config
    from monitor.model import Snapshot
    from monitor.store import Names

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_LONGEST_COMPLAINT = 2000
"""In characters."""

_WIDE = 160
"""Columns without a terminal: nothing is cut off for a program."""

with_config: Callable[[F], F] = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The TOML file.",
)
as_json: Callable[[F], F] = click.option(
    "--json", "is_json", is_flag=True, help="Print JSON for a program."
)


def load(
    config_path: Path | None, *, only: Collection[str] = (), is_warning: bool = False
) -> Config:
    """Read the configuration, or only these sections, and show on stderr which file it is.

    What warns says there also what is probably not meant. Raises ConfigError with every mistake.
    """
    from monitor.config import doubts, load_with_file

    loaded = load_with_file(config_path, os.environ, only=only)
    notes = [f"configuration: {loaded.file.notice}"] if loaded.file and loaded.file.notice else []
    if is_warning:
        notes += (f"warning: {sentence}" for sentence in doubts(loaded))
    for note in notes:
        complain(note)
    return loaded.config


def complain(sentence: str) -> None:
    """Print a line on stderr, whose words may be foreign."""
    from monitor.text import plain

    click.echo(f"nuon-monitor: {plain(sentence, _LONGEST_COMPLAINT)}", err=True)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    import asyncio

    return asyncio.run(work)


def log_to_stderr(config: Config) -> None:
    """Keep stdout for the command's own result; only what is wrong is logged."""
    import sys

    from monitor.service import logs
    from monitor.service.mapping import secrets_of

    level = "warning" if config.log.level == "info" else config.log.level
    logs.configure(level, config.log.format, stream=sys.stderr, secrets=secrets_of(config))


def console() -> Console:
    """Return a console on stdout that fits the terminal; honours NO_COLOR and FORCE_COLOR.

    Without a terminal lines are not cut, unless COLUMNS says otherwise.
    """
    import sys

    from rich.console import Console

    is_free = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, emoji=False, markup=False, width=_WIDE if is_free else None)


def echo_json(page: object) -> None:
    """Print JSON in ASCII: what foreign text could do to a terminal is escaped in it."""
    import json

    click.echo(json.dumps(page, indent=2))


def report(*, is_well: bool, subject: str, finding: str) -> None:
    """Print one finding, whose words may be foreign."""
    from monitor.text import plain

    click.echo(f"{'✓' if is_well else '✗'} {plain(subject, 200)}: {plain(finding, 1000)}")


def ago(then: datetime, now: datetime) -> str:
    """Write a time as how long ago it was."""
    from monitor.text import duration_words

    return f"{duration_words(max(now - then, now - now))} ago"


def part_names(known: Names, snapshot: Snapshot) -> dict[str, str]:
    """Return what people call the parts of a rollout, by id and by alert key."""
    from monitor.decide.progress import alert_key_of
    from monitor.kinds import profile_of
    from monitor.model import Level
    from monitor.text import plain, short_id

    root = snapshot.root
    terms = profile_of(root).terms
    units = [unit for step in root.children for unit in step.children]
    installs = known.of([unit.install_id for unit in units])
    names = {root.id: f"the {root.kind}"}
    for number, step in enumerate(root.children, start=1):
        names[step.id] = plain(step.name, 60, fallback=f"{terms.step} {number}")
        for unit in step.children:
            name = installs.get(unit.install_id) or unit.name
            identifier = short_id(unit.install_id or unit.id)
            shown = plain(name, 60, fallback=identifier) if name else identifier
            names[unit.id] = names[alert_key_of(Level.UNIT, unit, step)] = shown
            for _, detail in unit.flat()[1:]:
                what = plain(detail.name, 60, fallback=str(detail.kind))
                names.setdefault(detail.id, f"{shown}: {what}")
    return names


def known_ids(
    context: click.Context,
    parameter: click.Parameter,
    incomplete: str,
    *,
    kinds: Collection[str] = (),
) -> list[CompletionItem]:
    """Complete an id from those that the store knows, of these kinds or of any."""
    from click.shell_completion import CompletionItem

    from monitor.config import load_config
    from monitor.errors import MonitorError
    from monitor.store import Store
    from monitor.text import plain

    del parameter
    try:
        config = load_config(context.params.get("config_path"), os.environ)
        with Store.open_readonly(config.store.url) as store:
            known = store.snapshots.load_all()
    except MonitorError:
        return []
    return [
        CompletionItem(one.target.id, help=plain(one.snapshot.root.name, 60, fallback=""))
        for one in known
        if one.target.id.startswith(incomplete) and (not kinds or one.target.kind in kinds)
    ]
