"""`nuon-monitor once`: one poll of every watch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.support.common import (
    console,
    load,
    log_to_stderr,
    part_names,
    report,
    run_async,
    with_config,
)

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.decide.dispatch import Dispatch
    from monitor.decide.verdicts import Verdict
    from monitor.model import EventKind, Snapshot, Target
    from monitor.service.app import App
    from monitor.store import Edit, Names, QueuedNotification

_NAMES_SHOWN = 5


@click.command("once")
@with_config
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send and write nothing.")
def command(config_path: Path | None, *, dry_run: bool) -> int:
    """Poll every watch once, deliver, and leave: for a cron job or a first look.

    Exits 1 where a watch could not be polled or a message not be delivered.
    """
    config = load(config_path, is_warning=True)
    log_to_stderr(config)
    return run_async(_show(config) if dry_run else _deliver(config))


async def _deliver(config: Config) -> int:
    from monitor.service.build import build

    async with build(config) as app:
        await _learn_workspace(app)
        failures = await app.poll_once()
        await app.delivery.drain(is_last=True)
        waiting = await app.store.call(app.store.outbox.unsent)
    for queued in waiting:
        finding = f"not delivered: {queued.error or 'not tried yet'}"
        report(is_well=False, subject=queued.destination, finding=finding)
    click.echo(_polled(config, failures))
    return 1 if failures or waiting else 0


async def _learn_workspace(app: App) -> None:
    """Ask for the address of Slack's workspace, without which no message links another."""
    from monitor.errors import DestinationError

    if app.config.slack.bot_token is not None:
        with suppress(DestinationError):  # delivery will report the error
            await app.slack.check_token()


async def _show(config: Config) -> int:
    """Poll on a copy of the store, and print what is in its outbox afterwards, and why."""
    import tempfile

    from monitor.deliver.destinations import Destinations
    from monitor.service.build import build
    from monitor.service.wall_clock import utc_now
    from monitor.store import copy_of

    decided: list[tuple[Snapshot, Dispatch]] = []
    with tempfile.TemporaryDirectory(prefix="nuon-monitor-") as folder:
        copy = Path(folder) / "store.db"
        copy_of(config.store.url, copy)
        trial = config.model_copy(
            update={"store": config.store.model_copy(update={"url": f"sqlite:///{copy}"})}
        )
        async with build(trial, decided=lambda *one: decided.append(one)) as app:
            await _learn_workspace(app)
            failures = await app.poll_once()
            posts = await app.store.call(app.store.outbox.unsent)
            due = await app.store.call(app.store.cards.next_edits, utc_now())
            configured = Destinations(config).configured
            edits = [edit for edit in due if edit.destination in configured]
            reasons = await app.store.call(_reasons, app.store.names, decided)
    _print(posts, edits, reasons)
    _print_kept(reasons)
    click.echo(_polled(config, failures))
    return 1 if failures else 0


def _polled(config: Config, failures: Sequence[Target]) -> str:
    """Return how many watches were polled, and how many finds of their lists were not."""
    named = [entry.target for entry in config.watch]
    failed = sum(target in failures for target in named)
    counted = (
        f"{len(named) - failed} of {len(named)} {'watch' if len(named) == 1 else 'watches'} polled"
    )
    found = len(failures) - failed
    return f"{counted}; of what they led to, {found} could not be" if found else counted


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why some events of a target go where they go, in `words`; `what` says of what they are."""

    target: Target
    event: EventKind
    what: str
    verdict: Verdict
    words: tuple[str, ...]

    def leads_to(self, post: QueuedNotification) -> bool:
        is_notified_there = post.destination in {
            recipient.destination for recipient in self.verdict.recipients
        }
        return self.target == post.target and self.event in post.events and is_notified_there

    @property
    def is_kept(self) -> bool:
        """Whether somebody is not notified now, or nobody at all."""
        verdict = self.verdict
        return bool(verdict.held or verdict.waiting or verdict.silence) or not verdict.recipients


def _reasons(known: Names, decided: list[tuple[Snapshot, Dispatch]]) -> list[_Reason]:
    """Return why; parts with the same decision share a reason."""
    from monitor.cli.support.verdict_words import verdict_words
    from monitor.text import join_names

    reasons: list[_Reason] = []
    for snapshot, dispatched in decided:
        names = part_names(known, snapshot)
        alike: dict[tuple[EventKind, tuple[str, ...]], list[tuple[str, Verdict]]] = {}
        for event, verdict in dispatched.verdicts:
            name = names.get(event.entity.id, str(event.entity.kind))
            words = verdict_words(verdict, snapshot.taken_at)
            alike.setdefault((event.kind, words), []).append((name, verdict))
        for (kind, words), its in alike.items():
            listed = join_names([name for name, _ in its[:_NAMES_SHOWN]], len(its))
            reasons.append(_Reason(snapshot.target, kind, f"{kind} of {listed}", its[0][1], words))
    return reasons


def _print(
    posts: tuple[QueuedNotification, ...], edits: list[Edit], reasons: list[_Reason]
) -> None:
    from monitor.cli.support.drawing import draw
    from monitor.compose import render

    screen = console()
    if not posts and not edits:
        click.echo("Nothing would be sent.")
    for post in posts:
        where = _FORMS.get(post.form, "")
        why = [f"{one.what}: {' · '.join(one.words)}" for one in reasons if one.leads_to(post)]
        if not why and post.form == "card":
            why = ["a card stands where the start is told, at whatever hour"]
        heading = f"{post.destination}{where}"
        message = render.with_mentions(post.message, post.mentions)
        draw(screen, heading, message, why=tuple(why), is_broadcast=post.is_broadcast)
    for edit in edits:
        draw(screen, f"{edit.destination}{_FORMS[edit.form]}, edited", edit.message)


_FORMS = {
    "card": " · the card",
    "reply": " · reply in the card's thread",
    "table": " · the table of what fails, in the card's thread",
}


def _print_kept(reasons: list[_Reason]) -> None:
    """Print what is not notified now, and why."""
    from rich.text import Text

    from monitor.cli.support.drawing import indented, outcome_lines, prefixed
    from monitor.service.wall_clock import utc_now

    kept = [reason for reason in reasons if reason.is_kept]
    screen = console()
    if kept:
        screen.print(Text("Not told now:", style="bold"), end="\n\n")
    for reason in kept:
        screen.print(Text(f"{reason.what}, {reason.target}"))
        for sentence in reason.words:
            screen.print(indented(sentence, style="dim"))
        verdict = replace(reason.verdict, recipients=())
        for line in outcome_lines(verdict, reason.event, utc_now(), pings=True):
            screen.print(prefixed("→", line, style="bold"))
        screen.print()
