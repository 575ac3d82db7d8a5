"""What several commands draw: a message as Slack shows it, and what becomes of an event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from monitor.compose.phrases import clock_words
from monitor.compose.terminal import draw_message
from monitor.decide.verdicts import Held, Recipient, Verdict, Waiting
from monitor.decide.windows import Then
from monitor.model import EventKind, Message
from monitor.text import counted, join_names, plain

WIDEST = 100
"""Columns that a message takes at most, as in Slack."""


def draw(
    screen: Console,
    heading: str,
    message: Message,
    *,
    why: tuple[str, ...] = (),
    is_broadcast: bool = False,
) -> None:
    """Draw a message below a heading and the sentences that say why it is sent."""
    width = min(screen.width, WIDEST)
    screen.print(Rule(Text(plain(heading, width)), align="left", style="dim"), width=width)
    for sentence in why:
        screen.print(indented(sentence, style="dim"), width=width)
    if why:
        screen.print()
    screen.print(
        draw_message(message.blocks, text=message.text, is_broadcast=is_broadcast, width=width)
    )
    screen.print()


def indented(sentence: str, *, style: str = "") -> RenderableType:
    """Return a sentence with all its lines indented."""
    return Padding(Text(plain(sentence, 2000), style=style), (0, 0, 0, 2), expand=False)


def prefixed(lead: str, sentence: str, *, style: str = "") -> RenderableType:
    """Return a sentence with a sign before its first line."""
    table = Table.grid(padding=(0, 1))
    table.add_row(Text(lead, style=style), Text(sentence, style=style))
    return table


def outcome_lines(
    verdict: Verdict, event: EventKind, at: datetime, *, pings: bool
) -> Iterator[str]:
    """Yield what becomes of an event: a sentence for each destination, or that there is none.

    `pings` says whether mentions ping for it.
    """
    if verdict.silence is not None:
        yield f"silenced: nobody is told until {clock_words(verdict.silence.until, at)}"
    elif not (verdict.recipients or verdict.held or verdict.waiting):
        yield "nobody is told"
    for one in verdict.recipients:
        in_vain = f", but {event} pings nobody" if one.mentions and not pings else ""
        yield f"told in {addressed(one)}{in_vain}"
    for held in verdict.held:
        yield _held_words(held, at)
    for waiting in verdict.waiting:
        yield f"waits for {addressed(waiting.recipient)}, {_awaited(waiting, at)}"


def addressed(recipient: Recipient) -> str:
    """Return for instance `#oncall with @here`."""
    mentions = join_names([str(mention) for mention in recipient.mentions])
    return plain(recipient.destination, 100) + (f" with {mentions}" if mentions else "")


def _held_words(held: Held, at: datetime) -> str:
    hold = held.hold
    until = clock_words(hold.until, at, hold.windows[-1].when.zone)
    verb = "held for the summary in" if hold.then is Then.SUMMARY else "dropped for"
    return f"{verb} {addressed(held.recipient)}, until {until}"


def _awaited(waiting: Waiting, at: datetime) -> str:
    words = [f"until {clock_words(waiting.due, at)}"] if waiting.due else []
    if waiting.needs_failed:
        words.append(f"until {counted(waiting.needs_failed, 'install')} failed")
    return " and ".join(words)
