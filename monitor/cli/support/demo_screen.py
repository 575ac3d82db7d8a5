"""What the demo prints: what happens, what is new in Slack, and the cards as they change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from monitor.cli.support.demo_world import CHANNEL, World, card_key
from monitor.compose.terminal import draw_message
from monitor.simulation.audit import Audit, audit, changes_of
from monitor.simulation.scenarios import Rollout
from monitor.simulation.slack import Channel, Posted, plain_text

_WIDTH = 100
"""Columns that a message takes at most."""
_CARDS_SHARE = 0.6
"""How much of the terminal the cards may fill together; above them messages scroll by."""


@dataclass
class Terminal:
    """Messages scroll by; the cards of what goes on stay below, changing in place."""

    world: World
    console: Console
    _shown: set[str] = field(default_factory=set)
    _live: Live | None = None

    @property
    def zone(self) -> tzinfo:
        return datetime.now().astimezone().tzinfo or UTC

    @property
    def width(self) -> int:
        return min(self.console.width, _WIDTH)

    @property
    def channel(self) -> Channel:
        return self.world.channel

    def curtain(self) -> Live:
        """Return the frame in which the cards live; without a terminal there is none."""
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )
        return self._live

    def say(self, sentence: str) -> None:
        """Print one line of what happens off stage."""
        line = Text(f"{datetime.now().astimezone():%H:%M:%S}  {sentence}", style="italic dim")
        self.console.print(Padding(line, (0, 0, 1, 0)))

    async def watch(self, seconds: float) -> None:
        """Show what happens for a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self.look()
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, 0.1))
            self.look()

    def look(self) -> None:
        """Print what happened and what is new in the channel, and draw the cards as they are."""
        for sentence in self.world.happened():
            self.say(sentence)
        for post in self.channel.posts:
            if post.ts in self._shown or (card_key(post) and self.console.is_terminal):
                continue
            self._shown.add(post.ts)
            self.console.print(self._draw(post))
        if self._live is not None and self.console.is_terminal:
            self._live.update(self.frame(), refresh=True)

    def frame(self) -> RenderableType:
        """Draw the cards of the last two rollouts; without room, the older is its title alone."""
        cards = self._newest_cards()[-2:]
        if not cards:
            return Text("waiting for the first message …", style="dim")
        drawn = [self._draw_card(rollout, card) for rollout, card in cards]
        if len(self.console.render_lines(Group(*drawn))) > _CARDS_SHARE * self.console.height:
            drawn[:-1] = [_title(rollout, card) for rollout, card in cards[:-1]]
        return Group(*drawn)

    def _newest_cards(self) -> list[tuple[Rollout, Posted]]:
        """Return each rollout that has a card, with that of the last attempt at it."""
        cards = ((rollout, self.world.cards_of(rollout)) for rollout in self.world.rollouts)
        return [(rollout, attempts[-1]) for rollout, attempts in cards if attempts]

    def _draw_card(self, rollout: Rollout, card: Posted, when: str = "") -> RenderableType:
        count = len(card.edits)
        edits = f", edited {count} times" if count > 1 else ", edited once" if count else ""
        title = f"#{CHANNEL} · the card of the {rollout.kind}{when}{edits}"
        return Group(self._rule(title), self._draw(card))

    def _rule(self, title: str) -> RenderableType:
        return Constrain(Rule(title, style="dim", align="left"), self.width)

    def _draw(self, post: Posted) -> RenderableType:
        rollout = self.world.rollout_of(post) if post.thread_ts else None
        drawn = draw_message(
            post.blocks,
            text=post.text,
            at=datetime.fromtimestamp(float(post.ts)).astimezone(),
            is_mrkdwn=post.is_mrkdwn,
            is_broadcast=post.is_broadcast,
            thread=f"the {rollout.kind}" if rollout else "",
            width=self.width - 4,
            zone=self.zone,
        )
        return Padding(drawn, (0, 0, 1, 4 if post.thread_ts else 0))

    def finish(self) -> bool:
        """Print how it ended, and return whether all of it was notified rightly."""
        self._live = None
        self.look()
        for rollout, card in self._newest_cards():
            self.console.print(self._draw_card(rollout, card, " in the end"))
        findings = [audit(each, self.world.channel_of(each)) for each in self.world.rollouts]
        self.console.print(self._rule("what happened, what was told"))
        self.console.print(Constrain(self._balance(findings), self.width))
        for sentence in _complaints(findings):
            self.console.print(Text(sentence, style="bold red"))
        self.console.print(_NEXT)
        return all(finding.is_clean for finding in findings)

    def _balance(self, findings: list[Audit]) -> Table:
        posts = self.channel.posts
        cards = [post for post in posts if card_key(post)]
        replies = sum(post.thread_ts is not None for post in posts)
        table = Table(box=None, show_header=False, pad_edge=False)
        for subject, count in (
            ("status changes on the platform", _changes(self.world.rollouts)),
            ("messages in Slack", f"{len(posts)}: {len(cards)} cards, {replies} replies"),
            ("that notified the channel", sum(post.is_in_channel for post in posts)),
            ("edits of cards, which notify nobody", sum(len(card.edits) for card in cards)),
            ("lost", sum(len(finding.lost) for finding in findings)),
            ("told twice", sum(len(finding.repeated) for finding in findings)),
            ("told, but not true", sum(len(finding.false) for finding in findings)),
        ):
            table.add_row(subject, str(count))
        return table


def _changes(rollouts: list[Rollout]) -> str:
    counts = sum(map(changes_of, rollouts), Counter())
    return ", ".join(f"{count} of {kind}s" for kind, count in counts.items())


def _title(rollout: Rollout, card: Posted) -> Text:
    line = Text(f"the {rollout.kind}: ", style="dim", no_wrap=True, overflow="ellipsis")
    return line.append(plain_text(card).partition("\n")[0], style="bold not dim")


def _complaints(findings: list[Audit]) -> Iterator[str]:
    for finding in findings:
        yield from (f"lost: {sentence}" for sentence in finding.lost)
        yield from (f"told twice: {sentence}" for sentence in finding.repeated)
        yield from (f"not true: {sentence}" for sentence in finding.false)


_NEXT = Text.assemble(
    "\nNext, for releases of your own: ",
    ("nuon-monitor init", "bold"),
    " writes a configuration, ",
    ("nuon-monitor check --online", "bold"),
    " tries it.",
)
