"""What is sent when a quiet window is over: what it held back, in one message. Pure.

Of a trouble that is active still the poller notifies at that moment, in the rollout's own
thread: the summary only mentions it. What came and went reads as such.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.compose import render
from monitor.compose.render import SummaryLine
from monitor.decide import healing, progress
from monitor.decide.dispatch import Plan
from monitor.decide.windows import Window
from monitor.model import Alert, EventKind, Form, HeldLine, Notification, Phase, Target
from monitor.text import plain

PATIENCE = timedelta(minutes=5)
"""How long a summary waits for the polls that find out what is active still."""

_MOST_PHRASES = 3
_PHRASE_LIMIT = 90
_HEALED = "healed by a newer rollout"


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
    """Return what is to be sent now, a bundle for each message."""
    bundles: dict[tuple[str, str], list[HeldLine]] = defaultdict(list)
    for line in lines:
        if line.until <= now:
            bundles[line.destination, line.window].append(line)
    return tuple(Bundle(*key, tuple(its)) for key, its in bundles.items())


def prolonged(
    lines: Iterable[HeldLine], plan: Plan, now: datetime
) -> dict[datetime, list[HeldLine]]:
    """Return what is held for longer than was planned when it happened, by until when.

    That is so where a window that was open then is open still: the configuration has changed.
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

    `is_unseen` says that the trouble was not polled since the window was over.
    """

    past: SummaryLine | None
    trouble: SummaryLine | None
    rank: int
    is_unseen: bool


def story_of(
    lines: Sequence[HeldLine],
    view: render.View | None,
    now: datetime,
    *,
    is_healed: bool = False,
) -> Story:
    """Return what was held back of one target, and its state; None where nobody knows that.

    What a newer rollout has healed reads as past.
    """
    builder = SummaryBuilder(lines, view, is_healed=is_healed)
    is_unseen = any(_is_unseen(alert, now) for alert in builder.parts.active)
    return Story(
        past=builder.past() if builder.past_lines else None,
        trouble=builder.trouble(is_unseen=is_unseen) if builder.parts.is_in_trouble else None,
        rank=builder.parts.rank,
        is_unseen=is_unseen,
    )


def awaits_poll(bundle: Bundle, stories: Iterable[Story], now: datetime) -> bool:
    """Whether a poll that is about to come may yet change what a summary says."""
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
    message = render.quiet_summary(bundle.window, since, bundle.until, past, troubles)
    return Notification(
        # The store may give out an id again, but not at the same moment.
        key=f"quiet/{first.id}/{first.at:%Y%m%dT%H%M%S.%fZ}/{bundle.destination}",
        destination=bundle.destination,
        form=Form.MESSAGE,
        message=message,
        headline=render.first_line(message),
    )


# The one that says most first.
_TROUBLES = (EventKind.FAILED, EventKind.FLAPPING, EventKind.STALLED, EventKind.WAITING)
_PAST_TROUBLES = (*_TROUBLES, EventKind.RECOVERED)
_ENDS = (EventKind.SUCCEEDED, EventKind.REMOVED)


@dataclass(frozen=True, slots=True)
class _Parts:
    """One target's lines by what has become of them since.

    `active` are the alerts that lines told of and that are active still. The lines of these
    are left out of the others: how it ended, what trouble it was in, and what else happened.
    """

    active: tuple[Alert, ...]
    ends: tuple[HeldLine, ...]
    past_troubles: tuple[HeldLine, ...]
    steps: tuple[HeldLine, ...]

    @property
    def is_in_trouble(self) -> bool:
        return any(alert.kind in _TROUBLES for alert in self.active)

    @property
    def rank(self) -> int:
        """Smaller for what matters more."""
        if self.past_troubles:
            return 0
        return 1 if self.ends else 2


def _parts_of(lines: Sequence[HeldLine], alerts: Iterable[Alert]) -> _Parts:
    active = _still_active(lines, alerts)
    active_keys = {alert.alert_key for alert in active}
    past = [line for line in _last_of_each_key(lines) if line.alert_key not in active_keys]
    others = set(EventKind).difference(_ENDS, _PAST_TROUBLES)
    return _Parts(
        active=active,
        ends=_with_events(past, _ENDS),
        past_troubles=_without_wholes(_with_events(past, _PAST_TROUBLES)),
        steps=_with_events(past, others),
    )


def _still_active(lines: Iterable[HeldLine], alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    held = {(line.alert_key, line.event) for line in lines if line.alert_key}
    return tuple(alert for alert in alerts if (alert.alert_key, alert.kind) in held)


def _with_events(lines: Iterable[HeldLine], events: Container[EventKind]) -> tuple[HeldLine, ...]:
    return tuple(line for line in lines if line.event in events)


def _last_of_each_key(lines: Sequence[HeldLine]) -> list[HeldLine]:
    """Return of each alert what was said last, and all that is of none."""
    last = {line.alert_key: line for line in lines}
    return [line for line in lines if not line.alert_key or last[line.alert_key] is line]


def _without_wholes(lines: Sequence[HeldLine]) -> tuple[HeldLine, ...]:
    """Leave out that a whole failed where lines say which of its parts did."""
    # A part's key is its step and what it works at, see `progress.alert_key_of`.
    failures = {line.alert_key for line in lines if line.event is EventKind.FAILED}
    wholes = {alert_key for alert_key in failures if "/" not in alert_key}
    if wholes == failures:
        return tuple(lines)
    return tuple(line for line in lines if line.alert_key not in wholes)


class SummaryBuilder:
    """Puts one target's lines into words. `view` is None where nothing is known of it."""

    def __init__(
        self, lines: Sequence[HeldLine], view: render.View | None, *, is_healed: bool = False
    ) -> None:
        self._lines = lines
        self._view = None if view is None or view.state.is_closed else view
        self._alert_keys = progress.AlertKeys(self._view.snapshot.root) if self._view else None
        alerts = self._view.state.alerts if self._view else ()
        healed = [alert for alert in alerts if is_healed and healing.is_healable(alert)]
        self._healed = {(alert.alert_key, alert.kind) for alert in healed}
        self.parts = _parts_of(lines, [alert for alert in alerts if alert not in healed])

    def trouble(self, *, is_unseen: bool) -> SummaryLine:
        """Say what trouble is active."""
        kinds = {alert.kind for alert in self.parts.active}
        event = next(kind for kind in _TROUBLES if kind in kinds)
        summary = render.title_and_summary(self._view)[1] if self._view else ""
        words = f"{summary}, as last seen" if is_unseen else summary
        return SummaryLine(self._lines[-1].title, words, self._lines[-1].url, event)

    @property
    def past_lines(self) -> tuple[HeldLine, ...]:
        """What happened and is over, the most telling first.

        How far it came is clear from how it ended, or from the trouble that it is in.
        """
        parts = self.parts
        steps = () if parts.ends or parts.is_in_trouble else reversed(parts.steps)
        return (*parts.ends[-1:], *parts.past_troubles, *steps)

    def past(self) -> SummaryLine:
        """Say on one line what happened."""
        lines = self.past_lines
        phrases = [self._phrase(line) for line in lines[:_MOST_PHRASES]]
        if len(lines) > _MOST_PHRASES:
            phrases.append(f"and {len(lines) - _MOST_PHRASES:,} more")
        first = lines[0]
        is_well = self._outcome(first) in ("recovered", "over", _HEALED)
        event = EventKind.RECOVERED if is_well else first.event
        return SummaryLine(first.title, "; ".join(phrases), first.url, event)

    def _phrase(self, line: HeldLine) -> str:
        words = plain(line.words, _PHRASE_LIMIT, fallback=str(line.event))
        outcome = self._outcome(line)
        return f"{outcome}: {words}" if outcome else words

    def _outcome(self, line: HeldLine) -> str:
        """Return what became of a trouble that is past; empty where nobody knows."""
        if line.event not in _TROUBLES or self._alert_keys is None:
            return ""
        if (line.alert_key, line.event) in self._healed:
            return _HEALED
        if line.event is not EventKind.FAILED:
            return "over"
        found = self._alert_keys.entity(line.alert_key)
        if found is None:
            return ""
        return "recovered" if found[1].phase is Phase.SUCCEEDED else "tried again"


def _is_unseen(alert: Alert, now: datetime) -> bool:
    """Whether a trouble that was kept back is due, and was not polled since."""
    due = alert.look_again_at
    return alert.is_kept_back and due is not None and due <= now
