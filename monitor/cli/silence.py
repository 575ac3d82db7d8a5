"""`nuon-monitor silence`: what is known, and for how long nobody needs to be told of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.support.common import as_json, console, echo_json, known_ids, load, with_config
from monitor.cli.support.parameters import Moment, Pair, Span

if TYPE_CHECKING:
    from rich.table import Table

    from monitor.cli.support.stored_targets import Knowledge
    from monitor.config import Config
    from monitor.decide.verdicts import Silence
    from monitor.model import Matcher

_LONGEST = timedelta(days=90)
_LONGEST_WORDS = 200
_SHOWN = 10
_NAMES_SHOWN = 3
_KEYS = {"rel": "rollout", "inl": "install", "cmp": "component", "app": "app"}
"""What an id names, by the letters that it begins with."""


@click.group("silence")
def command() -> None:
    """Keep quiet about what people know already, until a time.

    Nobody is told of what a silence matches; its card says so while it holds. What still stands
    at its end is told then.
    """


@command.command("add", short_help="Keep quiet about something, until a time.")
@with_config
@click.argument("id_", metavar="[ID]", required=False, shell_complete=known_ids)
@click.option(
    "--match",
    "pairs",
    multiple=True,
    type=Pair(),
    metavar="install=acme-*",
    help="A pattern; several of one key mean any of them, several keys all of them.",
)
@click.option("--for", "lasting", type=Span(), metavar="2h", help="For how long.")
@click.option(
    "--until",
    type=Moment(),
    metavar="2026-12-24T18:00",
    help="Until when, by this machine's clock unless a zone is given.",
)
@click.option("--reason", required=True, metavar="WORDS", help="Why; it is shown on the cards.")
@click.option(
    "--author",
    required=True,
    envvar=["SUDO_USER", "USER", "LOGNAME"],
    metavar="NAME",
    help="Who says so; the user's name if it is known.",
)
def add(
    config_path: Path | None,
    *,
    id_: str | None,
    pairs: tuple[tuple[str, str], ...],
    lasting: timedelta | None,
    until: datetime | None,
    reason: str,
    author: str,
) -> None:
    """Keep quiet about an ID (of a release, install, app or component), or what patterns match.

    The keys of --match are kind, app, component, install, installer, rollout, watch, name,
    started_by, and labels.NAME for a label of a watch. In a pattern * is any text and ? any
    character. It lasts at most 90 days. A running daemon takes it up within seconds.
    """
    from monitor.cli.support.stored_targets import Knowledge
    from monitor.model import Matcher
    from monitor.store import Store

    if not id_ and not pairs:
        raise click.UsageError("Say what is to be silenced: an ID, or --match install=acme-*")
    now = datetime.now(UTC)
    end = _end(now, lasting, until)
    reason, author = _words("--reason", reason), _words("--author", author)
    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        knowledge = Knowledge(config, store)
        patterns = _patterns([*_of_id(id_, knowledge, config), *pairs])
        found = list(_matching(knowledge, Matcher(patterns), config))
    with Store.open_beside(config.store.url) as store:
        silence = store.silences.add(patterns, until=end, author=author, reason=reason, now=now)
    _print_added(silence, found, now)


@command.command("list", short_help="Show the silences that hold.")
@with_config
@as_json
@click.option("--all", "is_all", is_flag=True, help="Also those that are over.")
def list_(config_path: Path | None, *, is_json: bool, is_all: bool) -> None:
    """Show the silences that hold. The store is only read."""
    from monitor.store import Store

    now = datetime.now(UTC)
    config = load(config_path)
    with Store.open_readonly(config.store.url) as store:
        silences = store.silences.load(since=None if is_all else now)
    if is_json:
        echo_json([_as_dict(one, now) for one in silences])
    elif silences:
        console().print(_table(silences, now))
    else:
        click.echo("Nothing was ever silenced." if is_all else "Nothing is silenced.")


@command.command("remove", short_help="End a silence now.")
@with_config
@click.argument("id_", metavar="ID", type=int)
def remove(config_path: Path | None, id_: int) -> None:
    """End a silence now: what still stands of what it kept quiet about is told."""
    from monitor.errors import MonitorError
    from monitor.store import Store

    now = datetime.now(UTC)
    config = load(config_path)
    with Store.open_beside(config.store.url) as store:
        if not store.silences.end(id_, now):
            known = {silence.id: silence for silence in store.silences.load()}
            raise MonitorError(_why_not(id_, known, now))
    click.echo(f"Silence {id_} is over.")


# Adding one


def _end(now: datetime, lasting: timedelta | None, until: datetime | None) -> datetime:
    if (lasting is None) == (until is None):
        raise click.UsageError("Say how long: either --for 2h or --until 2026-12-24T18:00")
    end = until or now + (lasting or timedelta())
    if end <= now:
        raise click.UsageError(f"--until is over already: it is {now:%Y-%m-%d %H:%M} UTC now")
    if end - now > _LONGEST:
        latest = f"{now + _LONGEST:%Y-%m-%d %H:%M} UTC"
        raise click.UsageError(f"A silence lasts at most 90 days, until {latest}")
    return end


def _words(option: str, given: str) -> str:
    from monitor.text import plain

    cleaned = plain(given, _LONGEST_WORDS, fallback="")
    if not cleaned:
        raise click.UsageError(f"{option} says nothing: others will want to know")
    return cleaned


def _of_id(id_: str | None, knowledge: Knowledge, config: Config) -> Iterable[tuple[str, str]]:
    """Return an id as a pattern with its key; UsageError for an unknown id."""
    from monitor.text import plain

    if not id_:
        return ()
    key = _KEYS.get(id_[:3])
    if key is None and any(one.snapshot.target.id == id_ for one in knowledge.all()):
        key = "rollout"
    if key is None and any(entry.target.id == id_ for entry in config.watch):
        key = "watch"
    if key is None:
        raise click.UsageError(
            f"{plain(id_, 60)} is no ID of a release, install, app or component, and nothing of"
            f" that ID was seen: for a name use --match, as in --match install={plain(id_, 60)}"
        )
    return ((key, id_),)


def _patterns(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    patterns: dict[str, tuple[str, ...]] = {}
    for key, pattern in pairs:
        _check_key(key)
        patterns[key] = tuple(dict.fromkeys((*patterns.get(key, ()), pattern)))
    return patterns


def _check_key(key: str) -> None:
    from monitor.model import LABEL, MATCH_KEYS
    from monitor.text import plain

    if key in MATCH_KEYS or (key.startswith(LABEL) and key != LABEL):
        return
    nearest = difflib.get_close_matches(key, MATCH_KEYS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "labels of a watch are labels.NAME"
    keys = ", ".join(MATCH_KEYS)
    raise click.UsageError(f"--match knows no {plain(key, 60)}, only {keys}; {hint}")


def _matching(knowledge: Knowledge, matcher: Matcher, config: Config) -> Iterator[str]:
    """Yield what is open and would be silenced: whole rollouts, or parts of one."""
    from monitor.compose import render
    from monitor.decide.scene import subject_of
    from monitor.model import Event, EventKind, Level
    from monitor.text import join_names, plain, short_id

    for known in knowledge.all():
        if not (known.is_open and known.is_watched):
            continue
        scene = known.scene
        title = render.title_of(known.view(config))
        names: list[str] = []
        for level, entity in known.parts():
            if not matcher.matches(subject_of(scene, Event(EventKind.FAILED, level, entity))):
                continue
            if level is Level.ROLLOUT:
                names = []
                yield f"{title} ({scene.snapshot.target})"
                break
            name = scene.names.get(entity.install_id, "") or entity.name
            names.append(plain(name, 60, fallback=short_id(entity.install_id or entity.id)))
        if names:
            listed = join_names(names[:_NAMES_SHOWN], len(names))
            yield f"{listed} of {title} ({scene.snapshot.target})"


def _print_added(silence: Silence, found: list[str], now: datetime) -> None:
    from monitor.compose.phrases import silence_words

    click.echo(f"Silence {silence.id}: {_what(silence.matcher)}, {silence_words(silence, now)}")
    if not found:
        click.echo("Nothing that is under way or in trouble now matches it.")
    else:
        click.echo("It silences now:")
    for words in found[:_SHOWN]:
        click.echo(f"  {words}")
    if len(found) > _SHOWN:
        click.echo(f"  and {len(found) - _SHOWN:,} more")
    click.echo(f"To end it sooner: nuon-monitor silence remove {silence.id}")


# Showing and removing them


def _what(matcher: Matcher) -> str:
    """Write patterns as --match takes them."""
    from monitor.text import plain

    return " ".join(
        f"{plain(key, 60)}={plain(pattern, 100)}"
        for key, patterns in matcher.patterns.items()
        for pattern in patterns
    )


def _as_dict(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "match": {key: list(patterns) for key, patterns in silence.matcher.patterns.items()},
        "begins": silence.created_at.isoformat(),
        "until": silence.until.isoformat(),
        "author": silence.author,
        "reason": silence.reason,
        "is_active": silence.is_active(now),
    }


def _table(silences: Iterable[Silence], now: datetime) -> Table:
    from rich.table import Table
    from rich.text import Text

    from monitor.compose.phrases import clock_words
    from monitor.text import duration_words, plain

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=3)
    table.add_column("until", overflow="fold")
    table.add_column("by", overflow="fold")
    table.add_column("why", overflow="fold", ratio=3)
    for silence in silences:
        is_active = silence.is_active(now)
        until = clock_words(silence.until, now) if is_active else f"{silence.until:%Y-%m-%d %H:%M}"
        left = f"in {duration_words(silence.until - now)}" if is_active else "over"
        table.add_row(
            str(silence.id),
            Text(_what(silence.matcher), style="bold" if is_active else ""),
            f"{until}\n{left}",
            Text(plain(silence.author, 60)),
            Text(plain(silence.reason, _LONGEST_WORDS)),
            style="" if is_active else "dim",
        )
    return table


def _why_not(id_: int, known: Mapping[int, Silence], now: datetime) -> str:
    from monitor.text import join_names

    if id_ in known:
        return f"silence {id_} is over since {known[id_].until:%Y-%m-%d %H:%M} UTC: nothing to do"
    active = [str(silence.id) for silence in known.values() if silence.is_active(now)]
    shown = join_names(active[-_SHOWN:], len(active))
    holding = f"those that hold: {shown}" if active else "none holds"
    return f"there is no silence {id_}; {holding}, see `nuon-monitor silence list --all`"
