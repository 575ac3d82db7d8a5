"""What does not go on: dead ends, long silence, and reminders of what nobody has seen to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.decide.alert_book import AlertBook
from monitor.decide.progress import (
    AlertKeys,
    awaits_build,
    has_units_in_flight,
    keyed_units_of,
    progress_of,
)
from monitor.kinds import profile_of
from monitor.model import (
    Alert,
    Entity,
    EventKind,
    Phase,
    Reason,
    ReasonKind,
    TargetState,
)

_DEAD_ENDS = frozenset({ReasonKind.DEAD_END, ReasonKind.DISAGREES})


@dataclass(frozen=True, slots=True)
class StallRules:
    """When silence becomes news: `[stall]` of the configuration."""

    stalled_after: timedelta
    remind_every: timedelta


def is_in_flight(root: Entity, state: TargetState) -> bool:
    """Whether a rollout has not ended yet."""
    return state.ended is None and root.phase is not Phase.FAILED


def stalled_ids(root: Entity, state: TargetState) -> frozenset[str]:
    """Return the ids of what people were notified of as stalled."""
    keys = AlertKeys(root)
    found = (
        keys.entity(alert.alert_key) for alert in state.alerts if alert.kind is EventKind.STALLED
    )
    return frozenset(entity.id for _, entity in filter(None, found))


def note_stalls(book: AlertBook, stall_rules: StallRules, *, can_confirm: bool) -> None:
    """Begin and end the alerts of what does not go on.

    A dead end has to be seen twice: the platform may write the parts before the whole.
    """
    found = dict(_dead_ends(book))
    stalled: dict[str, Reason] = {}
    if can_confirm:
        stalled = {key: reason for key, reason in found.items() if key in book.state.suspects}
    # What is not found any more is none, whatever else is unsure.
    suspects = tuple(key for key in found if can_confirm or key in book.state.suspects)
    book.remember(suspects=suspects)
    if not found and (silence := _silence(book, stall_rules)) is not None:
        stalled[book.root.id] = silence
    _begin_stalls(book, stalled)
    if book.has_moved:  # else what people were notified of is still so
        _end_stalls(book, stalled.keys() | found.keys())


def _begin_stalls(book: AlertBook, stalled: Mapping[str, Reason]) -> None:
    for alert_key, reason in stalled.items():
        active = book.alert(alert_key, EventKind.STALLED)
        # Nothing new happened to what is stalled already, even if our clock went back.
        if active is None or reason.kind not in (ReasonKind.QUIET, active.reason.kind):
            book.begin(EventKind.STALLED, alert_key, *book.part(alert_key), reason)


def _end_stalls(book: AlertBook, still: Set[str]) -> None:
    for alert in tuple(book.alerts.values()):
        if alert.kind is not EventKind.STALLED or alert.alert_key in still:
            continue
        book.drop(alert.alert_key, EventKind.STALLED)
        if book.state.ended is None:
            reason = Reason(ReasonKind.MOVES_AGAIN)
            book.add_recovery(alert, *book.part(alert.alert_key), reason)


def _dead_ends(book: AlertBook) -> Iterator[tuple[str, Reason]]:
    """Find what can never go on, however long one waits."""
    root = book.root
    if book.state.ended is not None or root.kind.is_perpetual:
        return
    if root.phase is Phase.SUCCEEDED:
        if not has_units_in_flight(root):
            yield root.id, Reason(ReasonKind.DISAGREES)
        return
    for step in root.children:
        if _is_dead_end(step) or (step.is_absent and _is_known_dead_end(book, step)):
            yield step.id, Reason(ReasonKind.DEAD_END, ends=_ends_of(step))


def _is_dead_end(step: Entity) -> bool:
    """Whether all units of a step at work have ended, and some in a way it does not count."""
    if step.phase is not Phase.RUNNING or step.is_still_creating:
        return False
    if not any(unit.kind.has_uncounted_ends for unit in step.children):
        return False
    progress = progress_of(step)
    return progress.ended > 0 and progress.ended + progress.succeeded == progress.total


def _is_known_dead_end(book: AlertBook, step: Entity) -> bool:
    active = book.alert(step.id, EventKind.STALLED)
    return active is not None and active.reason.kind is ReasonKind.DEAD_END


def _ends_of(step: Entity) -> tuple[str, ...]:
    units = (keyed.unit for keyed in keyed_units_of(step))
    return tuple(sorted({unit.status for unit in units if unit.phase is Phase.ENDED}))


def _silence(book: AlertBook, stall_rules: StallRules) -> Reason | None:
    """Return for how long nothing has changed, as a reason; None where that is no news."""
    if not is_in_flight(book.root, book.state) or book.root.kind.is_perpetual:
        return None
    if any(kind is EventKind.WAITING for _, kind in book.alerts):
        return None
    silence = book.now - _quiet_since(book.root, book.state)
    given_up_after = _given_up_after(book.root)
    if given_up_after is not None and silence >= given_up_after:
        return _stalled(ReasonKind.GIVEN_UP, silence, given_up_after)
    kind, patience = _patience(book.root, stall_rules)
    return _stalled(kind, silence, patience) if silence >= patience else None


def _stalled(kind: ReasonKind, silence: timedelta, limit: timedelta) -> Reason:
    silent_for, allowed = int(silence.total_seconds()), int(limit.total_seconds())
    return Reason(kind, silence=silent_for, limit=allowed)


def _given_up_after(root: Entity) -> timedelta | None:
    """Return after how long without a change the platform stops working at it; None if never."""
    is_at_work = root.phase is Phase.RUNNING and not awaits_build(root)
    return profile_of(root).given_up_after if is_at_work else None


def _patience(root: Entity, stall_rules: StallRules) -> tuple[ReasonKind, timedelta]:
    """Return for how long silence is no news, and why it is then.

    A build may take its time, as long as the platform waits for it.
    """
    if not awaits_build(root):
        return ReasonKind.QUIET, stall_rules.stalled_after
    given_up_after = profile_of(root).given_up_after or timedelta(0)
    return ReasonKind.AWAITS_BUILD, max(stall_rules.stalled_after, given_up_after)


def _quiet_since(root: Entity, state: TargetState) -> datetime:
    """Return from when on silence counts: a step's own delay is no silence."""
    delays = (step.delay for step in root.children if step.is_delayed)
    return state.changed_at + timedelta(seconds=max(delays, default=0.0))


def remind(book: AlertBook, stall_rules: StallRules) -> None:
    """Remind of what is still stalled or waits."""
    if not is_in_flight(book.root, book.state):
        return
    for alert in _with_reminders(book.alerts.values()):
        if book.now - alert.notified_at >= stall_rules.remind_every:
            book.remind(alert)


def _with_reminders(alerts: Iterable[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.kind in (EventKind.WAITING, EventKind.STALLED)]


def reminders_due(state: TargetState, stall_rules: StallRules) -> Iterator[datetime]:
    """Yield when to remind of each alert."""
    for alert in _with_reminders(state.alerts):
        yield alert.notified_at + stall_rules.remind_every


def stalls_due(root: Entity, state: TargetState, stall_rules: StallRules) -> Iterator[datetime]:
    """Yield when a rollout that is in flight may turn out to be stalled, if nothing moves."""
    known = {a.alert_key: a.reason.kind for a in state.alerts if a.kind is EventKind.STALLED}
    if any(known.get(suspect) not in _DEAD_ENDS for suspect in state.suspects):
        yield state.changed_at
    if not (root.kind.is_perpetual or state.suspects or _waits_for_person(state)):
        yield from _silence_due(root, state, known.get(root.id), stall_rules)


def _waits_for_person(state: TargetState) -> bool:
    return any(alert.kind is EventKind.WAITING for alert in state.alerts)


def _silence_due(
    root: Entity, state: TargetState, stall: ReasonKind | None, stall_rules: StallRules
) -> Iterator[datetime]:
    quiet = _quiet_since(root, state)
    given_up_after = _given_up_after(root)
    if stall is not ReasonKind.GIVEN_UP and given_up_after is not None:
        yield quiet + given_up_after
    if stall is None:
        _, patience = _patience(root, stall_rules)
        yield quiet + patience
