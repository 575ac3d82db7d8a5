"""`nuon-monitor route test`: where an event would go, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.support.common import as_json, console, echo_json, known_ids, load, with_config
from monitor.cli.support.parameters import Moment, Pair, Span
from monitor.model import EventKind, Level
from monitor.text import counted, duration_words, join_names

if TYPE_CHECKING:
    from monitor.cli.support.route_query import RouteQuery
    from monitor.config import Config
    from monitor.decide.verdicts import Recipient, Verdict
    from monitor.store import Store

_LEVELS = ("part", "rollout")


@click.group("route")
def command() -> None:
    """See where events go."""


@command.command("test", short_help="Show where an event would go, and why.")
@with_config
@as_json
@click.option(
    "--event", required=True, type=click.Choice([str(kind) for kind in EventKind]), help="Of what."
)
@click.option(
    "--target",
    "target_id",
    metavar="ID",
    shell_complete=known_ids,
    help="Of what was seen, with its real facts; the others then say what is to differ.",
)
@click.option("--level", type=click.Choice(_LEVELS), help="Of the rollout, or a part of it.")
@click.option("--install", metavar="NAME|ID", help="Of which install; with --target, its part.")
@click.option("--app", metavar="NAME|ID")
@click.option("--component", metavar="NAME|ID")
@click.option("--installer", metavar="NAME|ID")
@click.option("--watch", metavar="NAME|ID", help="Of which [[watch]], by its name or its ID.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="WORDS",
    help="Of which kind, such as release; once more for the part's, such as 'install deploy'.",
)
@click.option("--name", metavar="WORDS", help="The title of the rollout.")
@click.option("--started-by", metavar="EMAIL")
@click.option(
    "--label", "labels", multiple=True, type=Pair(), metavar="team=core", help="Of the watch."
)
@click.option("--failed", type=click.IntRange(min=0), help="So many installs have failed.")
@click.option("--lasting", type=Span(), metavar="10m", help="For how long the trouble has stood.")
@click.option(
    "--notified-in",
    "notified_in",
    multiple=True,
    metavar="CHANNEL",
    help="Where it was told before; '' for nowhere yet.",
)
@click.option(
    "--at",
    type=Moment(),
    metavar="2026-12-24T23:30",
    help="When; now if it is left out. By this machine's clock unless a zone is given.",
)
def test(config_path: Path | None, *, is_json: bool, at: datetime | None, **given: Any) -> None:
    """Show where an event would go, and why, by the routes, quiet hours and silences of now.

    Nothing is sent or written. What is not said of the event counts as not known.
    """
    from monitor.cli.support.route_query import Asked, route_query_of
    from monitor.service.mapping import plan_of

    config = load(config_path)
    asked, when = Asked(**given), at or datetime.now(UTC)
    with ExitStack() as stack:
        store = _open(config, stack, needs_it=asked.target_id is not None)
        silences = store.silences.load(since=when) if store else ()
        query = route_query_of(config, store, asked, when)
    verdict = query.verdict(plan_of(config), silences)
    if is_json:
        echo_json(_page(config, query, verdict))
    else:
        _print(config, query, verdict, has_watch=bool(asked.watch or asked.target_id))


def _open(config: Config, stack: ExitStack, *, needs_it: bool) -> Store | None:
    """Open the store; where there is none, an event can still be made up."""
    from monitor.errors import StoreError
    from monitor.store import Store

    try:
        return stack.enter_context(Store.open_readonly(config.store.url))
    except StoreError as error:
        if needs_it:
            raise
        click.echo(f"nuon-monitor: without silences and names: {error}", err=True)
        return None


# For programs: docs/json.md says what each field means


def _page(config: Config, query: RouteQuery, verdict: Verdict) -> dict[str, Any]:
    from monitor.cli.support.verdict_words import folding_words, group_words, verdict_words
    from monitor.deliver.destinations import Destinations

    subject, silence = query.subject, verdict.silence
    return {
        "event": str(subject.event),
        "level": "rollout" if subject.level is Level.ROLLOUT else "part",
        "at": query.at.isoformat(),
        "facts": {key: list(values) for key, values in query.facts()},
        "failed": subject.failed,
        "active_seconds": int(subject.age.total_seconds()),
        "notified_before": None
        if subject.notified_destinations is None
        else list(subject.notified_destinations),
        "steps": list(verdict_words(verdict, query.at)),
        "grouping": list(group_words(query, verdict, Destinations(config).keeps_cards)),
        "folding": list(folding_words(query, verdict, Destinations(config).keeps_cards)),
        "notified": [_as_dict(one) | {"pings": query.pings} for one in verdict.recipients],
        "held": [
            _as_dict(one.recipient)
            | {
                "until": one.hold.until.isoformat(),
                "then": str(one.hold.then),
                "windows": [window.name for window in one.hold.windows],
            }
            for one in verdict.held
        ],
        "waiting": [
            _as_dict(one.recipient)
            | {"until": one.due and one.due.isoformat(), "needs_failed": one.needs_failed}
            for one in verdict.waiting
        ],
        "silence": silence
        and {
            "id": silence.id,
            "until": silence.until.isoformat(),
            "author": silence.author,
            "reason": silence.reason,
        },
    }


def _as_dict(recipient: Recipient) -> dict[str, Any]:
    return {
        "destination": recipient.destination,
        "mentions": [str(mention) for mention in recipient.mentions],
        "routes": list(recipient.routes),
    }


def _print(config: Config, query: RouteQuery, verdict: Verdict, *, has_watch: bool) -> None:
    from rich.text import Text

    from monitor.cli.support.drawing import indented, outcome_lines, prefixed
    from monitor.cli.support.verdict_words import folding_words, group_words, verdict_words
    from monitor.deliver.destinations import Destinations

    subject, screen = query.subject, console()
    of_what = "the rollout as a whole" if subject.level is Level.ROLLOUT else "a part"
    heading = f"{subject.event}, of {of_what}, at {query.at:%Y-%m-%d %H:%M} UTC"
    screen.print(Text(heading, style="bold"))
    for fact in _fact_lines(query):
        screen.print(indented(fact, style="dim"))
    screen.print()
    for step in verdict_words(verdict, query.at):
        screen.print(indented(step))
    screen.print()
    for line in outcome_lines(verdict, subject.event, query.at, pings=query.pings):
        screen.print(prefixed("→", line, style="bold"))
    keeps_cards = Destinations(config).keeps_cards
    for line in group_words(query, verdict, keeps_cards):
        screen.print(prefixed("→", line))
    for line in folding_words(query, verdict, keeps_cards):
        screen.print(prefixed("→", line, style="dim"))
    for hint in _hints(config, query, has_watch=has_watch):
        screen.print(Text(hint, style="dim"))


def _fact_lines(query: RouteQuery) -> Iterator[str]:
    subject = query.subject
    for key, values in query.facts():
        yield f"{key}: {', '.join(values)}"
    if subject.failed:
        yield f"failed so far: {counted(subject.failed, 'install')}"
    if subject.age:
        yield f"has lasted {duration_words(subject.age)}"
    if subject.notified_destinations is not None:
        yield f"told before in {join_names(subject.notified_destinations) or 'no channel'}"


def _hints(config: Config, query: RouteQuery, *, has_watch: bool) -> Iterator[str]:
    from monitor.deliver.destinations import Destinations

    if (
        len(Destinations(config).default_destinations) > 1
        and not has_watch
        and not query.is_of_outage
    ):
        yield "The watches have several channels: --watch says of which one."
    if config.slack.use_app_webhooks:
        yield "The webhook that Nuon has for the app is known while watching only."
