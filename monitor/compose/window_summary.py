"""What is told when a quiet window is over: what it held back, in one message. Pure.

What is in trouble still is told at that moment by the watch itself, in its own thread: here it
is only said that it is. What came and went reads as such.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.compose import render
from monitor.compose.render import SummaryLine
from monitor.decide import progress
from monitor.decide.dispatch import Plan
from monitor.decide.windows import Window
from monitor.model import Alert, EventKind, Form, HeldLine, Notification, Phase, Target
from monitor.text import plain

PATIENCE = timedelta(minutes=5)
"""How long a summary waits for those polls that tell what still stands."""

_MOST_PHRASES = 3
_PHRASE_LIMIT = 90


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one window held back from one destination, the earliest first."""

    destination: str
    window: str
    lines: tuple[HeldLine, ...]

    @property
    def until(self) -> datetime:
        return max(line.until for line in self.lines)

    @property
    def by_target(self) -> dict[Target, list[HeldLine]]:
        found: dict[Target, list[HeldLine]] = defaultdict(list)
        for line in self.lines:
            found[line.target].append(line)
        return found


def due_bundles(lines: Iterable[HeldLine], now: datetime) -> tuple[Bundle, ...]:
    """Return what is to be told now, a bundle for each message."""
    bundles: dict[tuple[str, str], list[HeldLine]] = defaultdict(list)
    for line in lines:
        if line.until <= now:
            bundles[line.destination, line.window].append(line)
    return tuple(Bundle(*key, tuple(its)) for key, its in bundles.items())


def prolonged(
    lines: Iterable[HeldLine], plan: Plan, now: datetime
) -> dict[datetime, list[HeldLine]]:
    """Return what is held for longer than it was said when it happened, by until when.

    So it is where a window that was open then is open still: the configuration has changed.
    """
    found: dict[datetime, list[HeldLine]] = defaultdict(list)
    for line in lines:
        if line.until > now:
            continue
        ends = [window.ends_at(now) for window in _windows_of(line, plan, now)]
        if until := max(filter(None, ends), default=None):
            found[until].append(line)
    return found


def _windows_of(line: HeldLine, plan: Plan, at: datetime) -> list[Window]:
    """Return the windows that may hold a line and were open from before it until a time."""
    routes = {"", *(rule.name for rule in plan.rules if rule.destination == line.destination)}
    return [
        window
        for window in plan.windows
        if any(window.is_for(line.event, route) for route in routes)
        and (opened_at := window.opened_at(at)) is not None
        and opened_at <= line.at
    ]


@dataclass(frozen=True, slots=True)
class Story:
    """What a bundle has to say of one target; `rank` is smaller for what matters more.

    `is_unseen` says that the trouble has not been looked at since the window was over.
    """

    past: SummaryLine | None
    trouble: SummaryLine | None
    rank: int
    is_unseen: bool


def story_of(lines: Sequence[HeldLine], view: render.View | None, now: datetime) -> Story:
    """Return what was held back of one target, and how it stands; None where nobody knows."""
    builder = _SummaryBuilder(lines, view)
    is_unseen = any(_is_unseen(alert, now) for alert in builder.active.values())
    return Story(
        past=builder.past() if builder.past_lines else None,
        trouble=builder.trouble(is_unseen=is_unseen) if builder.is_in_trouble else None,
        rank=0 if builder.over else 1 if builder.ends else 2,
        is_unseen=is_unseen,
    )


def awaits_poll(bundle: Bundle, stories: Iterable[Story], now: datetime) -> bool:
    """Whether a poll that is about to come may yet change what is to be said."""
    return now < bundle.until + PATIENCE and any(story.is_unseen for story in stories)


def summary_of(bundle: Bundle, stories: Sequence[Story], plan: Plan) -> Notification | None:
    """Return the message that sums up a bundle; None where others say all there is to say."""
    past = [story.past for story in sorted(stories, key=lambda s: s.rank) if story.past]
    troubles = [story.trouble for story in stories if story.trouble]
    if not past and not troubles:
        return None
    first = bundle.lines[0]
    began = [window.opened_at(first.at) for window in _windows_of(first, plan, first.at)]
    since = min(filter(None, began), default=first.at)
    return Notification(
        # The store may give out an id again, but not at the same moment.
        key=f"quiet/{first.id}/{first.at:%Y%m%dT%H%M%S.%fZ}/{bundle.destination}",
        destination=bundle.destination,
        form=Form.MESSAGE,
        message=render.quiet_summary(bundle.window, since, bundle.until, past, troubles),
    )


# The one that says most first.
_TROUBLES = (EventKind.FAILED, EventKind.STALLED, EventKind.WAITING)
_OVER = (*_TROUBLES, EventKind.RECOVERED)
_ENDS = (EventKind.SUCCEEDED, EventKind.REMOVED)


class _SummaryBuilder:
    """Puts one target's lines into words.

    `active` is what they told of and stands still, by place and kind. `ends`, `over` and
    `steps` are the rest: how it ended, what trouble it was in, and what else came of it.
    """

    def __init__(self, lines: Sequence[HeldLine], view: render.View | None) -> None:
        self._lines = lines
        self._view = None if view is None or view.state.is_closed else view
        self._alert_keys = progress.AlertKeys(self._view.snapshot.root) if self._view else None
        held = {(line.alert_key, line.event) for line in lines if line.alert_key}
        alerts = self._view.state.alerts if self._view else ()
        self.active = {
            (alert.alert_key, alert.kind): alert
            for alert in alerts
            if (alert.alert_key, alert.kind) in held
        }
        still = {alert_key for alert_key, _ in self.active}
        # Of a place counts what was said of it last.
        last = {line.alert_key: line for line in lines}
        past = [line for line in lines if not line.alert_key or last[line.alert_key] is line]
        past = [line for line in past if line.alert_key not in still]
        self.ends = [line for line in past if line.event in _ENDS]
        self.over = _without_wholes([line for line in past if line.event in _OVER])
        self.steps = [line for line in past if line.event not in (*_ENDS, *_OVER)]

    @property
    def is_in_trouble(self) -> bool:
        return any(kind in _TROUBLES for _, kind in self.active)

    def trouble(self, *, is_unseen: bool) -> SummaryLine:
        """Say how it stands."""
        kinds = {kind for _, kind in self.active}
        event = next(kind for kind in _TROUBLES if kind in kinds)
        summary = render.title_and_summary(self._view)[1] if self._view else ""
        words = f"{summary}, as last seen" if is_unseen else summary
        return SummaryLine(self._lines[-1].title, words, self._lines[-1].url, event)

    @property
    def past_lines(self) -> list[HeldLine]:
        """What happened and is over, the most telling first.

        How far it came is said by how it ended or stands, where it did one or is in trouble.
        """
        is_shown_elsewhere = bool(self.ends) or self.is_in_trouble
        steps = [] if is_shown_elsewhere else reversed(self.steps)
        return [*self.ends[-1:], *self.over, *steps]

    def past(self) -> SummaryLine:
        """Say on one line what happened."""
        lines = self.past_lines
        phrases = [self._phrase(line) for line in lines[:_MOST_PHRASES]]
        if len(lines) > _MOST_PHRASES:
            phrases.append(f"and {len(lines) - _MOST_PHRASES:,} more")
        first = lines[0]
        is_well = self._outcome(first) in ("recovered", "over")
        event = EventKind.RECOVERED if is_well else first.event
        return SummaryLine(first.title, "; ".join(phrases), first.url, event)

    def _phrase(self, line: HeldLine) -> str:
        words = plain(line.words, _PHRASE_LIMIT, fallback=str(line.event))
        outcome = self._outcome(line)
        return f"{outcome}: {words}" if outcome else words

    def _outcome(self, line: HeldLine) -> str:
        """Return what became of a trouble that stands no longer; empty where nobody knows."""
        if line.event not in _TROUBLES or self._alert_keys is None:
            return ""
        if line.event is not EventKind.FAILED:
            return "over"
        found = self._alert_keys.entity(line.alert_key)
        if found is None:
            return ""
        return "recovered" if found[1].phase is Phase.SUCCEEDED else "tried again"


def _without_wholes(lines: Sequence[HeldLine]) -> list[HeldLine]:
    """Leave out that a whole failed where it is told which of its parts did."""
    # A part's place is its step and what it works at, see `rollout.alert_key_of`.
    failures = {line.alert_key for line in lines if line.event is EventKind.FAILED}
    wholes = {alert_key for alert_key in failures if "/" not in alert_key}
    if wholes == failures:
        return list(lines)
    return [line for line in lines if line.alert_key not in wholes]


def _is_unseen(alert: Alert, now: datetime) -> bool:
    """Whether it is time to tell of a trouble that was kept back, and nobody has looked yet."""
    due = alert.look_again_at
    return alert.is_kept_back and due is not None and due <= now
