"""What of a poll is worth an event: two snapshots, what people know, and the time → events.

Pure. Problems are kept as alerts: people are notified of each once when it begins, reminded
while it is active, and notified again when it is over. So neither a restart nor a repeated or
reordered answer can notify anybody twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from monitor.decide import attempts, changes, problems, stalls
from monitor.decide.alert_book import AlertBook
from monitor.decide.diff import Difference
from monitor.decide.flapping import FlappingRules, note_flapping
from monitor.decide.order import FRESH, Staleness
from monitor.decide.progress import has_units_in_flight, last_change
from monitor.decide.stalls import StallRules
from monitor.model import Alert, Claim, Entity, Event, EventKind, Phase, Snapshot, TargetState

_UNITS_WAITED_FOR = timedelta(minutes=60)
"""How long the units of what has ended are waited for: the platform keeps at nothing longer."""


_USUAL_RULES = FlappingRules()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to remember from now on, and the events."""

    state: TargetState
    events: tuple[Event, ...]


def decide(
    before: Snapshot | None,
    after: Snapshot,
    difference: Difference,
    state: TargetState | None,
    *,
    now: datetime,
    stall_rules: StallRules,
    flapping_rules: FlappingRules = _USUAL_RULES,
    forgot_before: datetime | None = None,
    is_new: bool = False,
    claims: tuple[Claim, ...] = (),
    staleness: Staleness = FRESH,
) -> Decision:
    """Decide what one poll's snapshot means to people.

    `state` is None at first sight: what is in flight has then begun, what has failed is an
    event, and what has succeeded is none, unless it `is_new`: begun while the watch was on.
    `forgot_before` says that there was a state, and until when, but it was lost: then what
    ended by that time is no event, and what is in flight is shown by its card alone.
    `claims` are what is not believed yet of an answer, which confirms nothing else then. At first
    sight that is its success: what is not new is then no event before that is settled.
    """
    known = _first_state(after, now, claims) if state is None else state
    book = AlertBook(before, after, known, now, difference.has_moved)
    if _is_first_seen(state) and not is_new:
        if attempts.is_done_well(after.root):
            done = msgspec.structs.replace(known, ended=EventKind.SUCCEEDED, ended_at=now)
            return Decision(done, ())
        if claims and not after.root.status:
            return Decision(known, ())
    attempts.note_new_attempts(book, difference)
    if state is None or difference.has_moved:
        attempts.note_start(book)
    problems.follow_transitions(book, difference)
    problems.check_all(book)
    changes.note_changes(book, difference)
    changes.note_removals(book)
    attempts.note_end(book)
    changes.note_reverted_times(book, difference, staleness)
    stalls.note_stalls(book, stall_rules, can_confirm=not claims)
    stalls.remind(book, stall_rules)
    note_flapping(book, flapping_rules)
    decision = Decision(book.close(), tuple(book.events))
    if state is None and forgot_before is not None:
        return _without_notified(decision, after.root, forgot_before)
    return decision


def _is_first_seen(state: TargetState | None) -> bool:
    """Whether nothing was decided of a target before, for want of an answer that is sure."""
    if state is None:
        return True
    is_known = state.has_card or state.ended is not None or state.alerts or state.event_count
    return not is_known


def _first_state(snapshot: Snapshot, now: datetime, claims: tuple[Claim, ...]) -> TargetState:
    changed_at = last_change(snapshot.root) or now
    return TargetState(changed_at=min(changed_at, now), claims=claims)


def _without_notified(decision: Decision, root: Entity, until: datetime) -> Decision:
    """Leave of a first sight what nobody can have been notified of before the state was lost.

    What ended by then has no card until it moves again.
    """
    state = decision.state
    if state.ended is None and root.phase is not Phase.ENDED:
        events = tuple(e for e in decision.events if e.kind is EventKind.STARTED)
        return Decision(msgspec.structs.replace(state, event_count=len(events)), events)
    changed_at = last_change(root)
    if changed_at is None or changed_at <= until:
        return Decision(msgspec.structs.replace(state, has_card=False, event_count=0), ())
    return decision


def wakes_at(snapshot: Snapshot, state: TargetState, stall_rules: StallRules) -> datetime | None:
    """Return when there could be an event of an unchanged snapshot; None if never."""
    if state.claims:  # also by the very same answer once more
        return state.changed_at
    times = [alert.look_again_at for alert in state.alerts if alert.look_again_at is not None]
    times += [group.ends_at for group in state.groups if group.alert_keys]
    if state.is_flapping:
        times += [flaps.stable_at for flaps in state.flaps]
    if stalls.is_in_flight(snapshot.root, state):
        times += stalls.reminders_due(state, stall_rules)
        times += stalls.stalls_due(snapshot.root, state, stall_rules)
    return min(times, default=None)


def is_settled(snapshot: Snapshot, state: TargetState, now: datetime) -> bool:
    """Whether nothing is expected to move any more.

    A unit can be left in flight for ever by a rollout that failed: it is not waited for any
    longer than the platform would. Nor is it settled while somebody has still to be notified, or
    an answer to be confirmed.
    """
    if state.ended is None or state.claims or state.has_groups_to_sum_up or state.is_flapping:
        return False
    if any(alert.is_kept_back for alert in state.alerts):
        return False
    is_quiet = now - state.changed_at > _UNITS_WAITED_FOR
    return is_quiet or not has_units_in_flight(snapshot.root)


# What is known of a target, where something else than a poll changes it


def moved(state: TargetState, by: timedelta) -> TargetState:
    """Return a state after our clock was set, as old as it was before."""
    return _with_times(state, lambda time: time + by, lambda time: time + by)


def not_beyond(state: TargetState, now: datetime) -> TargetState:
    """Return a state with nothing of the past in the future, where our clock was set back.

    What is yet to come is as much earlier.
    """
    past = [state.changed_at, *(alert.notified_at for alert in state.alerts)]
    past += (at for flaps in state.flaps for at in flaps.failed_at)
    beyond = max(max(past) - now, timedelta(0))
    return _with_times(state, lambda time: min(time, now), lambda time: time - beyond)


def looked_at_anew(state: TargetState, now: datetime) -> TargetState:
    """Return a state with all that is kept back due now: what keeps it may have been removed."""
    alerts = tuple(
        msgspec.structs.replace(alert, look_again_at=now) if alert.is_kept_back else alert
        for alert in state.alerts
    )
    return msgspec.structs.replace(state, alerts=alerts)


def _with_times(
    state: TargetState,
    changed: Callable[[datetime], datetime],
    to_come: Callable[[datetime], datetime],
) -> TargetState:
    def with_times(alert: Alert) -> Alert:
        return msgspec.structs.replace(
            alert,
            since=changed(alert.since),
            notified_at=changed(alert.notified_at),
            look_again_at=changed(alert.look_again_at) if alert.look_again_at else None,
        )

    return msgspec.structs.replace(
        state,
        changed_at=changed(state.changed_at),
        ended_at=changed(state.ended_at) if state.ended_at else None,
        alerts=tuple(map(with_times, state.alerts)),
        groups=tuple(
            msgspec.structs.replace(group, ends_at=to_come(group.ends_at)) for group in state.groups
        ),
        flaps=tuple(
            msgspec.structs.replace(
                flaps,
                stable_at=to_come(flaps.stable_at),
                failed_at=tuple(map(changed, flaps.failed_at)),
            )
            for flaps in state.flaps
        ),
    )
