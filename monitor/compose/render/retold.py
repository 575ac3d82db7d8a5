"""What could not be told when it happened: told late, or several things told as one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.compose.render.blocks import Line, bold, date, line, line_text, link, rich_text
from monitor.compose.render.budget import Budget, fitting
from monitor.compose.render.first_line import with_line
from monitor.model import Message
from monitor.text import counted, duration_words, gist


class Toll(NamedTuple):
    """What became of the parts of a rollout that failed in a time: how many failed in all.

    Those that are neither well again nor failing still are being tried again.
    """

    failed: int = 0
    recovered: int = 0
    failing: int = 0

    def __str__(self) -> str:
        again = self.failed - self.recovered - self.failing
        counts = (
            (self.failed, "failed"),
            (self.recovered, "recovered"),
            (again, "being tried again"),
            (self.failing, "still failing"),
        )
        return ", ".join(f"{count:,} {words}" for count, words in counts if count)


class Retold(NamedTuple):
    """What is told of one rollout among others: a sentence that names it, and where to look."""

    sentence: str
    toll: Toll = Toll()
    url: str | None = None


def late(message: Message, at: datetime) -> Message:
    """Return a message that says when it happened what it tells."""
    return _with_words(message, line("happened ", date(at)))


def retold(message: Message, since: datetime, toll: Toll) -> Message:
    """Return how a rollout stands, with what happened to it while nothing could be sent."""
    counts = f": {toll}" if toll.failed else ""
    return _with_words(message, line("while Slack was away, since ", date(since), counts))


def _with_words(message: Message, words: Line) -> Message:
    first, *others = message.text.split("\n")
    text = "\n".join([f"{first} · {line_text(words)}", *others])
    return Message(text, with_line(message.blocks, words), with_line(message.instead, words))


def away_summary(
    since: datetime, until: datetime, rollouts: Sequence[Retold], in_trouble: int
) -> Message:
    """Tell what happened while nothing could be sent, but for what is in trouble still."""
    away = duration_words(until - since)
    count = counted(len(rollouts), "rollout")
    headline = f"📬 While Slack was away for {away}: {count} with nothing to do now"
    if in_trouble:
        headline += f", {in_trouble:,} still in trouble"
    lead = [line("Since ", date(since), ". What is in trouble has a message of its own.")]
    return _list(headline, lead if in_trouble else [line("Since ", date(since))], rollouts)


def gathered(rollouts: Sequence[Retold]) -> Message:
    """Tell of several rollouts at once, because there would be too many messages."""
    many = f"{len(rollouts):,} rollouts have" if len(rollouts) > 1 else "A rollout has"
    sentences = "; ".join(one.sentence for one in rollouts[:2])
    return _list(f"❗ {many} news: {gist(sentences, 200)}", [], rollouts)


def _list(headline: str, lead: Sequence[Line], rollouts: Sequence[Retold]) -> Message:
    spoken = line_text(line(headline))

    def draw(budget: Budget) -> Message:
        lines = [_line(one, budget) for one in rollouts[: budget.lines]]
        if (hidden := len(rollouts) - budget.lines) > 0:
            lines.append(line(f"… and {hidden:,} more"))
        return Message(spoken, (rich_text([line(bold(headline)), *lead]), rich_text(lines)))

    return fitting(draw)


def _line(one: Retold, budget: Budget) -> Line:
    toll = f" · {one.toll} meanwhile" if one.toll.failed else ""
    page = ("  ", link(one.url, "Open card")) if one.url else ()
    return line(f"{gist(one.sentence, budget.words)}{toll}", *page)


_LATE = timedelta(minutes=2)


def is_late(at: datetime, now: datetime) -> bool:
    """Whether what happened then is told so late now that people have to know when it was."""
    return now - at > _LATE
