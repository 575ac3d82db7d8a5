"""What happened in a longer time, in one message: a digest, and the end of quiet hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.compose.render.blocks import (
    TITLE_LIMIT,
    WORD_LIMIT,
    Line,
    bold,
    date,
    line,
    message,
)
from monitor.compose.render.budget import Budget, fitting
from monitor.compose.render.pages import Page, linked
from monitor.compose.render.sentences import Clause, sentence, spoken
from monitor.model import EventKind, Message
from monitor.text import counted, duration_words, gist, join_names, plain


class SummaryLine(NamedTuple):
    """What is said of one thing: its name, what is said of it, and where to look at it.

    The first two may hold foreign words. `event` is of which kind it was; it gives the mark.
    """

    title: str
    words: str
    url: str | None = None
    event: EventKind | None = None


def quiet_summary(
    window_name: str,
    since: datetime,
    until: datetime,
    lines: Sequence[SummaryLine],
    still_failing: Sequence[SummaryLine],
) -> Message:
    """Draw what was held during quiet hours, and first of all what is in trouble at their end."""
    name = plain(window_name, TITLE_LIMIT, fallback="")
    troubles = f"{len(still_failing):,} still in trouble" if still_failing else "nothing to do now"
    icon = "❌" if still_failing else "🌙"
    headline = f"{icon} Quiet hours{name and f' “{name}”'} are over: {troubles}"
    names = [plain(one.title, WORD_LIMIT) for one in still_failing]
    text = sentence(lambda most: Clause(headline, join_names(names[:most], len(names))))
    return fitting(
        lambda budget: message(
            spoken(text),
            [
                _section("Still in trouble", still_failing, budget),
                _section("Meanwhile", lines, budget),
            ],
            [line("from ", date(since), " to ", date(until))],
            header=headline,
        )
    )


@dataclass(frozen=True, slots=True)
class DigestRollout:
    """A rollout of the time that a digest is about.

    `outcome` is how it ended: `succeeded`, `failed`, `removed`, or `progressed` for an end that is
    none of these; None while it is under way.
    `took` is how long it took, or has taken. `failed` of `installs` had failed at the end.
    """

    title: str
    outcome: EventKind | None
    took: timedelta | None = None
    installs: int = 0
    failed: int = 0
    url: str | None = None


@dataclass(frozen=True, slots=True)
class DigestInstall:
    """An install that was worked at `times` times: how long it typically took, how often failed."""

    name: str
    times: int
    typical: timedelta | None = None
    failed: int = 0
    url: str | None = None


@dataclass(frozen=True, slots=True)
class DigestFacts:
    """What a digest tells; names and words may be foreign.

    The lists are in the order to show; of the rollouts, those that failed are shown first.
    """

    since: datetime
    until: datetime
    rollouts: tuple[DigestRollout, ...] = ()
    still_failing: tuple[SummaryLine, ...] = ()
    slowest: tuple[DigestInstall, ...] = ()
    flakiest: tuple[DigestInstall, ...] = ()


def digest(facts: DigestFacts) -> Message:
    """Draw the summary of a day, a week or any other time."""
    rollouts = sorted(facts.rollouts, key=lambda rollout: _RANKS.index(rollout.outcome))
    slowest = [_slow(install) for install in facts.slowest if install.typical]
    flakiest = [_flaky(install) for install in facts.flakiest if install.failed]
    headline = _digest_headline(facts)
    return fitting(
        lambda budget: message(
            spoken(sentence(lambda _: Clause(headline))),
            [
                _section("Still failing", facts.still_failing, budget),
                _section("Rollouts", [_outcome_lines(rollout) for rollout in rollouts], budget),
                _section("Slowest installs", slowest, budget),
                _section("Flakiest installs", flakiest, budget),
            ],
            [
                *(line(words) for words in _time_words(facts)),
                line("from ", date(facts.since), " to ", date(facts.until)),
            ],
            header=headline,
        )
    )


def _digest_headline(facts: DigestFacts) -> str:
    length = facts.until - facts.since
    # By the clocks of most places a day has 23 or 25 hours now and then.
    period = _PERIODS.get(round(length / _DAY), f"in {duration_words(length)}")
    counts = [
        (_count(facts, EventKind.SUCCEEDED), "succeeded"),
        (_count(facts, EventKind.FAILED), "failed"),
        (_count(facts, None), "running"),
    ]
    counts_words = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    rollouts = counted(len(facts.rollouts), "rollout") if facts.rollouts else "No rollouts"
    failing = f"; {len(facts.still_failing):,} still failing" if facts.still_failing else ""
    return f"📋 {rollouts} {period}{counts_words and f': {counts_words}'}{failing}"


_DAY = timedelta(days=1)
_PERIODS = {1: "in 24 hours", 7: "this week"}


def _count(facts: DigestFacts, outcome: EventKind | None) -> int:
    return sum(rollout.outcome is outcome for rollout in facts.rollouts)


def _time_words(facts: DigestFacts) -> Sequence[str]:
    """Return how long a rollout that succeeded typically took."""
    took = sorted(
        rollout.took
        for rollout in facts.rollouts
        if rollout.took is not None and rollout.outcome is EventKind.SUCCEEDED
    )
    if len(took) < 2:
        return ()
    typical, longest = duration_words(took[(len(took) - 1) // 2]), duration_words(took[-1])
    return (f"a success typically took {typical}, at most {longest}",)


# The worst first: what there is no room for is what went well.
_OUTCOMES: Mapping[EventKind | None, str] = {
    EventKind.FAILED: "failed",
    EventKind.REMOVED: "is no longer on Nuon",
    EventKind.PROGRESSED: "ended otherwise",
    None: "is running",
    EventKind.SUCCEEDED: "succeeded",
}
_RANKS = list(_OUTCOMES)


def _outcome_lines(rollout: DigestRollout) -> SummaryLine:
    installs = f" · {counted(rollout.installs, 'install')}" if rollout.installs else ""
    failed = f", {rollout.failed:,} failed" if rollout.installs and rollout.failed else ""
    took = f" · {duration_words(rollout.took)}" if rollout.took else ""
    words = f"{_OUTCOMES[rollout.outcome]}{installs}{failed}{took}"
    return SummaryLine(rollout.title, words, rollout.url, rollout.outcome or EventKind.STARTED)


def _slow(install: DigestInstall) -> SummaryLine:
    took = duration_words(install.typical) if install.typical else ""
    return SummaryLine(install.name, f"typically {took} · {_times(install)}", install.url)


def _flaky(install: DigestInstall) -> SummaryLine:
    return SummaryLine(install.name, f"failed {install.failed:,} of {_times(install)}", install.url)


def _times(install: DigestInstall) -> str:
    return counted(install.times, "time")


_MARKS: Mapping[EventKind | None, str] = {
    None: "•",
    EventKind.STARTED: "🔵",
    EventKind.PROGRESSED: "●",
    EventKind.WAITING: "✋",
    EventKind.STALLED: "⏸️",
    EventKind.FAILED: "❌",
    EventKind.RECOVERED: "✅",
    EventKind.SUCCEEDED: "✅",
    EventKind.FLAPPING: "⚠️",
    EventKind.REMOVED: "⊘",
    EventKind.UNREACHABLE: "⚠️",
    EventKind.REACHABLE: "✅",
}


def _section(title: str, summaries: Sequence[SummaryLine], budget: Budget) -> list[Line]:
    """Draw a heading and a line for each; none where there is nothing to say."""
    lines = [_line(one, budget) for one in summaries[: budget.lines]]
    hidden = len(summaries) - budget.lines
    if hidden > 0:
        lines.append(line(f"… and {hidden:,} more"))
    return [line(bold(title)), *lines] if title and lines else lines


def _line(summary: SummaryLine, budget: Budget) -> Line:
    name, words = plain(summary.title, budget.name), gist(summary.words, budget.words)
    shown = linked(name, Page(summary.url, name) if summary.url else None)
    return line(f"{_MARKS[summary.event]} ", shown, words and f" · {words}")
