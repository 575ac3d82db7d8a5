"""`nuon-monitor render`: how messages will look, in the terminal and as Block Kit JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.support.common import as_json, console, echo_json, known_ids, load, with_config
from monitor.cli.support.samples import kinds_of_events, sample
from monitor.kinds import KINDS
from monitor.model import EventKind, Form, Message

if TYPE_CHECKING:
    from monitor.cli.support.stored_targets import Known
    from monitor.compose.render import View
    from monitor.config import Config
    from monitor.decide.verdicts import Recipient, Silence
    from monitor.model import Event, Mention

_MOST_TROUBLES = 5
_OTHER_SAMPLES = ("digest", "summary", "refused")
"""What is sent beside events: a digest, what quiet hours held, a channel that takes nothing."""
_REASON = "it answered 503: upstream connect error"
_BELOW = "\n"
_SINCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A message as it will look, where it goes to, and as what."""

    destinations: tuple[str, ...]
    form: Form
    message: Message
    is_broadcast: bool = False

    @property
    def heading(self) -> str:
        return f"{', '.join(self.destinations)}{_FORMS[self.form]}"


@click.command("render")
@with_config
@as_json
@click.argument("target_id", metavar="[ID]", required=False, shell_complete=known_ids)
@click.option(
    "--sample",
    "event",
    type=click.Choice([*map(str, EventKind), *_OTHER_SAMPLES]),
    help="A built-in sample instead: of a small rollout at such an event, or another message.",
)
@click.option(
    "--kind",
    type=click.Choice(tuple(KINDS)),
    help="Of which kind the sample is; a release by itself.",
)
@click.option("--webhook", is_flag=True, help="As it looks through an incoming webhook.")
def command(
    config_path: Path | None,
    *,
    is_json: bool,
    target_id: str | None,
    event: str | None,
    kind: str | None,
    webhook: bool,
) -> None:
    """Show how the messages about an ID will look: its card, and a message for each problem.

    Above each message is the sentence that a phone shows of it and a screen reader speaks. Your own
    titles, fields, links and mentions are included. Nothing is sent or written, and neither Nuon
    nor Slack is asked. With --json each message has its blocks as Slack's Block Kit Builder takes
    them.
    """
    if (target_id is None) == (event is None):
        raise click.UsageError("Specify an ID that has been polled, or --sample EVENT")
    if kind is not None and event is None:
        raise click.UsageError("--kind says of which kind a sample is: add --sample failed")
    config = load(config_path)
    if event in _OTHER_SAMPLES:
        sheets = [_other_sample(config, event)]
    elif event is not None:
        sheets = _of_sample(config, kind or "release", EventKind(event), is_webhook=webhook)
    else:
        sheets = _of_known(config, target_id or "", is_webhook=webhook)
    if is_json:
        echo_json([_row(sheet) for sheet in sheets])
    else:
        _print(sheets)


# What there is to draw


def _of_known(config: Config, target_id: str, *, is_webhook: bool) -> list[Sheet]:
    from monitor.cli.support.stored_targets import Knowledge
    from monitor.store import Store

    now = datetime.now(UTC)
    with Store.open_readonly(config.store.url) as store:
        known = Knowledge(config, store).named(target_id)
        silences = store.silences.load(since=now)
    troubles = [event for _, event in known.troubles()]
    polls = [(event,) for event in troubles[:_MOST_TROUBLES] or [_newest(known)]]
    sheets = list(_sheets(config, known, polls, silences, is_webhook=is_webhook))
    if len(troubles) > _MOST_TROUBLES:
        left = len(troubles) - _MOST_TROUBLES
        click.echo(f"nuon-monitor: {left:,} more problems look the same way", err=True)
    return sheets


def _newest(known: Known) -> Event:
    """Return the last event of a rollout without active alerts."""
    from monitor.model import Event, Level, Reason, ReasonKind

    root, ended = known.snapshot.root, known.state.ended
    if ended is EventKind.PROGRESSED:
        return Event(ended, Level.ROLLOUT, root, Reason(ReasonKind.ENDED, status=root.status))
    reason = Reason(description=root.description)
    return Event(ended or EventKind.STARTED, Level.ROLLOUT, root, reason)


def _of_sample(config: Config, kind: str, event: EventKind, *, is_webhook: bool) -> list[Sheet]:
    from monitor.cli.support.stored_targets import Known
    from monitor.model import Watch
    from monitor.service.mapping import settings_of
    from monitor.text import join_names

    now = datetime.now(UTC)
    made = sample(kind, event, now)
    if made is None and event in _OUTAGE_EVENTS:
        message = _of_outage(event, kind, now)
        return [Sheet(_default_destinations(config), Form.MESSAGE, message)]
    if made is None:
        kinds = join_names([str(one) for one in (*kinds_of_events(kind), *_OUTAGE_EVENTS)])
        raise click.UsageError(f"--sample {event} does not apply to {kind}; choose {kinds}")
    entry = next((one for one in config.watch if one.target.kind == kind), config.watch[0])
    settings = settings_of(config, entry)
    if entry.target.kind != kind:  # the finds of that entry have titles of their own
        watch = Watch(made.snapshot.target, settings, found_in=entry.target)
    else:
        watch = Watch(made.snapshot.target, settings)
    known = Known(watch, made.snapshot, made.state, made.called)
    return list(_sheets(config, known, [made.events], (), is_webhook=is_webhook))


def _other_sample(config: Config, name: str | None) -> Sheet:
    from monitor.cli.support.sample_messages import sample_digest, sample_refusal, sample_summary
    from monitor.compose.render import Links

    now, links = datetime.now(UTC), Links(config.nuon.dashboard_url, config.nuon.org_id or "org")
    destinations = _default_destinations(config)
    match name:
        case "digest":
            message = sample_digest(links, now)
        case "summary":
            message = sample_summary(links, now)
        case _:
            message, destinations = sample_refusal(now), destinations[:1]
    return Sheet(destinations, Form.MESSAGE, message)


_OUTAGE_EVENTS = (EventKind.UNREACHABLE, EventKind.REACHABLE, EventKind.REMOVED)


def _of_outage(event: EventKind, kind: str, now: datetime) -> Message:
    from monitor.compose import render

    since = now - _SINCE
    match event:
        case EventKind.REMOVED:
            return render.removed(f"{kind} checkout-api", "404: no such record", since)
        case EventKind.UNREACHABLE:
            return render.unreachable("Nuon", _REASON, since, is_platform=True)
        case _:
            return render.reachable("Nuon", since, now, is_platform=True)


def _default_destinations(config: Config) -> tuple[str, ...]:
    from monitor.deliver.destinations import Destinations

    return Destinations(config).default_destinations


def _sheets(
    config: Config,
    known: Known,
    polls: Sequence[Sequence[Event]],
    silences: Sequence[Silence],
    *,
    is_webhook: bool,
) -> Iterator[Sheet]:
    """Yield what the daemon would send, were these the events of one poll after another."""
    from monitor.compose import notifications, render
    from monitor.decide.dispatch import Dispatch
    from monitor.decide.news import News
    from monitor.deliver.destinations import Destinations
    from monitor.store import message_fingerprint

    view = _view(config, known, silences)
    destinations = Destinations(config)
    alert_keys: dict[tuple[Form, bytes], list[str]] = {}
    drawn: dict[tuple[Form, bytes], tuple[Message, bool]] = {}
    for events in polls:
        by_destination: dict[str, list[tuple[Event, tuple[Mention, ...]]]] = {}
        for event in events:
            for one in _recipients(config, known, event):
                by_destination.setdefault(one.destination, []).append((event, one.mentions))
        news = {destination: News(tuple(its)) for destination, its in by_destination.items()}
        messages = notifications.compose(
            view,
            Dispatch(view.state, news, held=(), silences=()),
            earlier=view.state,
            keeps_cards=lambda destination: (
                not is_webhook and destinations.keeps_cards(destination)
            ),
            cards={},
            previous={},
            users={},
        )
        posts = [
            (
                one.destination,
                one.form,
                render.with_mentions(one.message, one.mentions),
                one.is_broadcast,
            )
            for one in messages.notifications
        ]
        for destination, form, message, is_broadcast in (
            *((card.destination, card.form, card.message, False) for card in messages.cards),
            *posts,
        ):
            key = (form, message_fingerprint(message))
            drawn[key] = message, is_broadcast
            alert_keys.setdefault(key, []).append(destination)
    for key, (message, is_broadcast) in drawn.items():
        yield Sheet(tuple(dict.fromkeys(alert_keys[key])), key[0], message, is_broadcast)


_FORMS = {
    Form.CARD: " · the card",
    Form.REPLY: " · reply in the card's thread",
    Form.TABLE: " · the table of what fails, in the card's thread",
    Form.MESSAGE: "",
}


def _view(config: Config, known: Known, silences: Sequence[Silence]) -> View:
    """Return what the messages are drawn from, with the user's templates and silences."""
    import msgspec

    from monitor.decide.dispatch import dispatch
    from monitor.deliver.destinations import Destinations
    from monitor.service.mapping import plan_of

    now, scene = datetime.now(UTC), known.scene
    state = msgspec.structs.replace(known.state, has_card=True)
    dispatched = dispatch(
        scene,
        (),
        state,
        plan=plan_of(config),
        silences=silences,
        keeps_cards=Destinations(config).keeps_cards,
        now=now,
    )
    state = msgspec.structs.replace(
        state,
        card_destinations=dispatched.state.card_destinations or scene.default_destinations[:1],
    )
    view = replace(known, state=state).view(config, dispatched.silences, now)
    for problem in view.filled.problems if view.filled else ():
        click.echo(f"nuon-monitor: {problem}", err=True)
    return view


def _recipients(config: Config, known: Known, event: Event) -> list[Recipient]:
    """Return where an event goes by the routes, sooner or later."""
    from monitor.decide.routing import route
    from monitor.decide.scene import subject_of
    from monitor.decide.verdicts import joined
    from monitor.service.mapping import plan_of

    subject = replace(subject_of(known.scene, event), notified_destinations=None)
    now, rules = datetime.now(UTC), plan_of(config).rules
    verdict = joined(
        route(subject, rules, default_destination=destination, now=now)
        for destination in known.scene.default_destinations
    )
    return [*verdict.recipients, *(one.recipient for one in verdict.waiting)]


# Showing it


def _row(sheet: Sheet) -> dict[str, Any]:
    return {
        "to": list(sheet.destinations),
        "form": str(sheet.form),
        "text": sheet.message.text,
        "blocks": list(sheet.message.blocks),
    }


def _print(sheets: Sequence[Sheet]) -> None:
    from monitor.cli.support.drawing import draw
    from monitor.compose.terminal import plain_mrkdwn

    screen = console()
    for sheet in sheets:
        spoken = (f"text: {plain_mrkdwn(sheet.message.text.partition(_BELOW)[0])}",)
        draw(screen, sheet.heading, sheet.message, why=spoken, is_broadcast=sheet.is_broadcast)
    if not sheets:
        click.echo("Nothing is sent now: through a webhook it is part of the next message.")
