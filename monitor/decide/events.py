"""What of a poll is worth telling: two snapshots, what was told before, and the time → events.

Pure. Troubles are kept as alerts: each is told once when it begins, reminded of while it
stands, and told again when it is over. So neither a restart nor a repeated or reordered
answer can tell anything twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from monitor.decide.diff import Difference
from monitor.decide.progress import (
    AlertKeys,
    has_parts_that_wait,
    has_units_in_flight,
    is_in_agreement,
    keyed_units_of,
    last_change,
    progress_of,
    reason_of,
    units_of,
)
from monitor.model import (
    Alert,
    Entity,
    Event,
    EventKind,
    Kind,
    Level,
    Phase,
    Snapshot,
    Stall,
    TargetState,
    Transition,
)

PLATFORM_GIVES_UP_AFTER = timedelta(minutes=60)
"""How long the platform's own workflow keeps working at a release (its public source, 2025)."""


@dataclass(frozen=True, slots=True)
class StallRules:
    """When silence becomes news: `[stall]` of the configuration."""

    stalled_after: timedelta
    remind_every: timedelta


@dataclass(frozen=True, slots=True)
class Decision:
    """What to remember from now on, and what to tell."""

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
    forgot_before: datetime | None = None,
    is_new: bool = False,
) -> Decision:
    """Decide what one poll's snapshot means to people.

    `state` is None at first sight: what is in flight has then begun, what has failed is
    told, and what has succeeded is silent, unless it `is_new`: begun while the watch was on.
    `forgot_before` says that there was a memory, and
    until when, but it was lost: then what ended by that time is silent, and what is in flight
    is shown by its card alone.
    """
    known = _begin(after, now) if state is None else state
    book = _AlertBook(before, after, known, now, difference.has_moved)
    if state is None and _is_done_well(after.root) and not is_new:
        done = msgspec.structs.replace(book.state, ended=EventKind.SUCCEEDED, ended_at=now)
        return Decision(done, ())
    book.take_up_attempts(difference)
    if state is None or difference.has_moved:
        book.start()
    book.follow(difference)
    book.look_at_what_stands()
    book.note_progress(difference)
    book.note_removals()
    book.note_the_end()
    book.note_stalls(stall_rules)
    book.remind(stall_rules)
    decision = Decision(book.close(), tuple(book.events))
    if state is None and forgot_before is not None:
        return _without_notified(decision, after.root, forgot_before)
    return decision


def wakes_at(snapshot: Snapshot, state: TargetState, stall_rules: StallRules) -> datetime | None:
    """Return when there could be news of an unchanged snapshot; None if never."""
    times = [alert.look_again_at for alert in state.alerts if alert.look_again_at is not None]
    if not _is_in_flight(snapshot.root, state):
        return min(times, default=None)
    times += [alert.notified_at + stall_rules.remind_every for alert in _reminders(state.alerts)]
    stalls = {alert.alert_key: alert.stall for alert in state.alerts if alert.stall is not None}
    if any(stalls.get(alert_key) not in _DEAD_ENDS for alert_key in state.suspects):
        times.append(state.changed_at)
    is_expected_to_move = not snapshot.root.kind.is_perpetual and not state.suspects
    if is_expected_to_move and not any(a.kind is EventKind.WAITING for a in state.alerts):
        quiet = _quiet_since(snapshot.root, state)
        stall = stalls.get(snapshot.root.id)
        if stall is not Stall.GIVEN_UP and _gives_up(snapshot.root):
            times.append(quiet + PLATFORM_GIVES_UP_AFTER)
        if stall is None:
            times.append(quiet + stall_rules.stalled_after)
    return min(times, default=None)


def is_settled(snapshot: Snapshot, state: TargetState, now: datetime) -> bool:
    """Whether nothing is expected to move any more.

    A unit can be left in flight for ever by a rollout that failed: it is not waited for
    any longer than the platform would. Nor is it settled while somebody has still to be told.
    """
    if state.ended is None or any(alert.is_kept_back for alert in state.alerts):
        return False
    is_quiet = now - state.changed_at > PLATFORM_GIVES_UP_AFTER
    return is_quiet or not has_units_in_flight(snapshot.root)


def moved(state: TargetState, by: timedelta) -> TargetState:
    """Return what is remembered after our clock was set, as old as it was before."""
    return _with_times(state, lambda time: time + by)


def not_beyond(state: TargetState, now: datetime) -> TargetState:
    """Return what is remembered with nothing of it in the future, where our clock was set back."""
    return _with_times(state, lambda time: min(time, now))


def looked_at_anew(state: TargetState, now: datetime) -> TargetState:
    """Return what is remembered with all that is kept back due now: the reasons may be gone."""
    alerts = tuple(
        msgspec.structs.replace(alert, look_again_at=now) if alert.is_kept_back else alert
        for alert in state.alerts
    )
    return msgspec.structs.replace(state, alerts=alerts)


def _with_times(state: TargetState, changed: Callable[[datetime], datetime]) -> TargetState:
    return msgspec.structs.replace(
        state,
        changed_at=changed(state.changed_at),
        ended_at=changed(state.ended_at) if state.ended_at else None,
        alerts=tuple(
            msgspec.structs.replace(
                alert,
                since=changed(alert.since),
                notified_at=changed(alert.notified_at),
                look_again_at=changed(alert.look_again_at) if alert.look_again_at else None,
            )
            for alert in state.alerts
        ),
    )


def _without_notified(decision: Decision, root: Entity, until: datetime) -> Decision:
    """Leave of a first sight what cannot have been told before the memory was lost.

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


def _begin(snapshot: Snapshot, now: datetime) -> TargetState:
    changed_at = last_change(snapshot.root) or now
    return TargetState(changed_at=min(changed_at, now))


_UNDER_WAY = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING})
_TROUBLES = frozenset({Phase.FAILED, Phase.WAITING})
_AGAIN = "is being tried again"
_DEAD_ENDS = frozenset({Stall.DEAD_END, Stall.DISAGREES})


def _is_done_well(root: Entity) -> bool:
    return root.phase is Phase.SUCCEEDED and is_in_agreement(root)


def _is_in_flight(root: Entity, state: TargetState) -> bool:
    return state.ended is None and root.phase is not Phase.FAILED


def _gives_up(root: Entity) -> bool:
    return root.kind is Kind.RELEASE and root.phase is Phase.RUNNING


def _quiet_since(root: Entity, state: TargetState) -> datetime:
    """Return from when on silence counts: a step's own delay is no silence."""
    delays = (step.delay for step in root.children if step.is_delayed)
    return state.changed_at + timedelta(seconds=max(delays, default=0.0))


def _reminders(alerts: Iterable[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.kind in (EventKind.WAITING, EventKind.STALLED)]


@dataclass
class _AlertBook:
    """One decision being made: alerts come and go, events are written down in order."""

    before: Snapshot | None
    snapshot: Snapshot
    state: TargetState
    now: datetime
    has_moved: bool
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.snapshot.root
        self.alerts = {(alert.alert_key, alert.kind): alert for alert in self.state.alerts}
        self.alert_keys = AlertKeys(self.root)
        self.alert_keys_before = AlertKeys((self.before or self.snapshot).root)

    # The beginning and the end

    def take_up_attempts(self, difference: Difference) -> None:
        """A rollout that leaves its end begins anew; what still fails in it was told already.

        It may have come to another end by the time of this poll.
        """
        if self.has_moved:
            self._remember(changed_at=self.now)
        for transition in difference.transitions:
            if transition.level is not Level.ROLLOUT:
                continue
            if self._is_leaving_its_end(transition.phase_after):
                self._begin_again()
            if transition.phase_after is Phase.FAILED and not transition.is_current:
                self._stand(Level.ROLLOUT, self.root, Phase.FAILED, transition.description)
                self._remember(ended=EventKind.FAILED)

    def _is_leaving_its_end(self, phase: Phase) -> bool:
        match self.state.ended:
            case None:
                return False
            case EventKind.SUCCEEDED:
                return phase not in (Phase.SUCCEEDED, Phase.UNKNOWN)
            case EventKind.PROGRESSED:
                return phase not in (Phase.ENDED, Phase.UNKNOWN)
            case _:
                return phase not in (Phase.FAILED, Phase.UNKNOWN)

    def _begin_again(self) -> None:
        attempt = self.state.attempt + self.state.has_card
        self._remember(
            attempt=attempt, has_card=False, card_destinations=(), ended=None, ended_at=None
        )
        self._drop(self.root.id, EventKind.FAILED)

    def start(self) -> None:
        if self.state.has_card or (self.state.ended and _is_done_well(self.root)):
            return
        self._remember(has_card=True)
        if self.state.ended is None and not self.root.phase.is_terminal:
            self._add(EventKind.STARTED, Level.ROLLOUT, self.root, self.root.description)

    def note_the_end(self) -> None:
        if self.state.ended is not None:
            return
        if _is_done_well(self.root):
            self._remember(ended=EventKind.SUCCEEDED, ended_at=self.now)
            self._add(EventKind.SUCCEEDED, Level.ROLLOUT, self.root, self.root.description)
        elif self.root.phase is Phase.FAILED:
            self._remember(ended=EventKind.FAILED, ended_at=self.now)
        elif self.root.phase is Phase.ENDED:
            self._remember(ended=EventKind.PROGRESSED, ended_at=self.now)
            self._add(
                EventKind.PROGRESSED, Level.ROLLOUT, self.root, f"ended as {self.root.status}"
            )

    def close(self) -> TargetState:
        return msgspec.structs.replace(
            self.state,
            alerts=tuple(self.alerts.values()),
            event_count=self.state.event_count + len(self.events),
        )

    # Troubles of single entities

    def follow(self, difference: Difference) -> None:
        """Take each change in turn, also those that were over before this poll."""
        for transition in difference.transitions:
            if transition.level is Level.DETAIL:
                continue
            if transition.level is Level.ROLLOUT and not transition.is_current:
                continue  # see take_up_attempts
            if self._was_replaced(transition):
                continue
            if transition.before is None:
                # Another deploy for the same install is another try, however it ended.
                self._stand(transition.level, transition.entity, Phase.PENDING, "")
            if not transition.is_current and transition.phase_after is Phase.WAITING:
                continue  # it waited, and somebody answered: nobody is needed any more
            self._stand(
                transition.level,
                transition.entity,
                transition.phase_after,
                transition.description,
            )

    def _was_replaced(self, transition: Transition) -> bool:
        """Whether another unit spoke for its place already: what becomes of it is no news."""
        if transition.level is not Level.UNIT or transition.before is None:
            return False
        if not self.alert_keys_before.are_shared:
            return False
        spoke = self.alert_keys_before.entity(
            self.alert_keys.alert_key(Level.UNIT, transition.entity)
        )
        return spoke is not None and spoke[1].id != transition.entity.id

    def look_at_what_stands(self) -> None:
        """Whatever way it came about: what is in trouble now has an alert, what is not has none."""
        alerted = {alert_key for alert_key, _ in self.alerts}
        self._stand(Level.ROLLOUT, self.root, self.root.phase, self.root.description)
        for step in self.root.children:
            self._stand(Level.STEP, step, step.phase, step.description)
            for unit in units_of(step):
                phase = unit.phase
                # Of ten thousand units that go well, none is worth a second look.
                if phase in _TROUBLES or (alerted and f"{step.id}/{unit.work}" in alerted):
                    self._stand(Level.UNIT, unit, phase, unit.description)
        for alert in tuple(self.alerts.values()):
            if alert.kind is EventKind.WAITING and self.alert_keys.entity(alert.alert_key) is None:
                self._drop(alert.alert_key, alert.kind)  # a new attempt came without it
                self._note_answered(alert.alert_key)

    def _note_answered(self, alert_key: str) -> None:
        """What a list of all that waits does not name any more was answered."""
        waited = self.alert_keys_before.entity(alert_key) if self.root.kind.is_perpetual else None
        if waited is not None:
            self._add(EventKind.PROGRESSED, *waited, "waits no longer")

    def _stand(self, level: Level, entity: Entity, phase: Phase, description: str) -> None:
        alert_key = self.alert_keys.alert_key(level, entity)
        if level is not Level.ROLLOUT and alert_key == self.root.id:
            return  # a part with its own rollout's id: that place is taken
        failed = self.alerts.get((alert_key, EventKind.FAILED))
        waiting = self.alerts.get((alert_key, EventKind.WAITING))
        if phase is Phase.FAILED:
            if failed is None or failed.is_retrying:
                self._raise(EventKind.FAILED, alert_key, level, entity, description)
        elif failed is not None:
            self._mend(failed, alert_key, level, entity, phase)
        if phase is Phase.WAITING:
            if waiting is None and not has_parts_that_wait(level, entity):
                self._raise(EventKind.WAITING, alert_key, level, entity, description)
        elif waiting is not None:
            self._drop(alert_key, EventKind.WAITING)
            if phase in _UNDER_WAY or phase is Phase.SUCCEEDED:
                self._add(EventKind.PROGRESSED, level, entity, "went on after waiting")

    def _mend(
        self, failed: Alert, alert_key: str, level: Level, entity: Entity, phase: Phase
    ) -> None:
        if phase is Phase.SUCCEEDED:
            self._drop(alert_key, EventKind.FAILED)
            # Where the try is over by now, its end says all of it.
            self.events = [
                event
                for event in self.events
                if event.reason != _AGAIN
                or self.alert_keys.alert_key(event.level, event.entity) != alert_key
            ]
            if level is Level.UNIT or self.root.kind.is_perpetual:
                self._note_end_of(failed, level, entity, "succeeded after failing")
        elif phase in _UNDER_WAY and not failed.is_retrying:
            self.alerts[alert_key, EventKind.FAILED] = msgspec.structs.replace(
                failed, is_retrying=True
            )
            if level is Level.UNIT and not self.root.kind.is_perpetual:
                self._add(EventKind.PROGRESSED, level, entity, _AGAIN)

    # Progress

    def note_progress(self, difference: Difference) -> None:
        """Steps that began or are done, and units that came to an odd state."""
        if self.before is None:
            return
        if self.root.kind.is_perpetual:
            self._note_changes(difference)
            return
        first_phase: dict[str, Phase | None] = {}
        for transition in difference.transitions:
            first_phase.setdefault(transition.entity.id, transition.phase_before)
            if not transition.is_current or transition.phase_before is transition.phase_after:
                continue
            if self._was_replaced(transition):
                continue
            entity, phase = transition.entity, transition.phase_after
            if transition.level is Level.UNIT and phase is Phase.ENDED:
                tail = ", which the step does not count as an end"
                reason = f"ended as {entity.status}{tail if entity.kind is Kind.DEPLOY else ''}"
                self._add(EventKind.PROGRESSED, transition.level, entity, reason)
            elif transition.level is not Level.DETAIL and phase is Phase.UNKNOWN:
                reason = f"has a status that is not known here: {entity.status}"
                self._add(EventKind.PROGRESSED, transition.level, entity, reason)
            elif transition.level is Level.STEP:
                self._note_step(first_phase[entity.id], phase, entity)

    def _note_step(self, was: Phase | None, phase: Phase, step: Entity) -> None:
        if phase is Phase.SUCCEEDED:
            self._add(EventKind.PROGRESSED, Level.STEP, step, "is done")
        elif phase is Phase.RUNNING and was in (None, Phase.PENDING):
            self._add(EventKind.PROGRESSED, Level.STEP, step, "has begun")

    def _note_changes(self, difference: Difference) -> None:
        """Of what has no end every change is worth a word: it has few, and rests for weeks."""
        for change in difference.alterations:
            if change.level is Level.ROLLOUT:
                fact = change.fact.replace("_", " ")
                reason = f"has another {fact}: {change.after}" if change.before else f"has a {fact}"
                self._add(EventKind.PROGRESSED, change.level, change.entity, reason)
        current = {unit.id for step in self.root.children for unit in units_of(step)}
        for transition in difference.transitions:
            entity = transition.entity
            is_a_part = transition.level is Level.STEP or (
                entity.kind is Kind.CONFIG and entity.id in current
            )
            if is_a_part and transition.is_current and entity.phase not in _TROUBLES:
                self._note_change(transition)

    def _note_change(self, transition: Transition) -> None:
        entity, was = transition.entity, transition.phase_before
        if transition.level is Level.STEP and was is None:
            reason = "was added"
        elif transition.level is Level.STEP and was is Phase.SUCCEEDED:
            reason = f"is not {transition.before} any more: {entity.status}"
        elif was in _TROUBLES:
            return  # that it recovered is told already
        else:
            reason = f"is {entity.status}"
        self._add(EventKind.PROGRESSED, transition.level, entity, reason)

    def note_removals(self) -> None:
        """What a standing thing lacks in two answers, one after the other, was taken from it."""
        if not self.root.kind.is_perpetual:
            return
        for step in self.root.children:
            open_alert = self.alerts.get((step.id, EventKind.REMOVED))
            if step.is_absent and open_alert is None and step.id in self.state.suspects:
                self._raise(EventKind.REMOVED, step.id, Level.STEP, step, "was removed")
            elif not step.is_absent and open_alert is not None:
                self._drop(step.id, EventKind.REMOVED)
                self._add(EventKind.PROGRESSED, Level.STEP, step, "was added again")

    def _removed(self) -> Iterable[str]:
        """Find what may have been removed: a second answer has to confirm it."""
        if self.root.kind.is_perpetual:
            for step in self.root.children:
                if step.is_absent and (step.id, EventKind.REMOVED) not in self.alerts:
                    yield step.id

    # What hangs

    def note_stalls(self, stall_rules: StallRules) -> None:
        found = dict(self._dead_ends())
        hanging = {
            alert_key: stall
            for alert_key, stall in found.items()
            if alert_key in self.state.suspects
        }
        self._remember(suspects=(*found, *self._removed()))
        if not found and (quiet := self._quiet(stall_rules)) is not None:
            hanging[self.root.id] = quiet
        for alert_key, stall in hanging.items():
            open_alert = self.alerts.get((alert_key, EventKind.STALLED))
            # That it is quiet is no news of what hangs already, even if the clock went back.
            if open_alert is None or stall not in (Stall.QUIET, open_alert.stall):
                level, entity = self._entity(alert_key)
                reason = self._why(entity, stall)
                self._raise(EventKind.STALLED, alert_key, level, entity, reason, stall=stall)
        if not self.has_moved:
            return  # what was told of it still holds
        for alert in tuple(self.alerts.values()):
            if alert.kind is EventKind.STALLED and alert.alert_key not in hanging | found:
                self._end_stall(alert)

    def _end_stall(self, alert: Alert) -> None:
        self._drop(alert.alert_key, EventKind.STALLED)
        if self.state.ended is None:
            level, entity = self._entity(alert.alert_key)
            self._note_end_of(alert, level, entity, "moves again")

    def _dead_ends(self) -> Iterable[tuple[str, Stall]]:
        """Find what can never go on, however long one waits."""
        if self.state.ended is not None or self.root.kind.is_perpetual:
            return
        if self.root.phase is Phase.SUCCEEDED:
            if not has_units_in_flight(self.root):
                yield self.root.id, Stall.DISAGREES
            return
        for step in self.root.children:
            open_alert = self.alerts.get((step.id, EventKind.STALLED))
            if step.is_absent and open_alert is not None and open_alert.stall is Stall.DEAD_END:
                yield step.id, Stall.DEAD_END  # no news of it: what was told stands
            progress = progress_of(step)
            is_at_work = (
                step.kind is Kind.STEP
                and step.phase is Phase.RUNNING
                and not step.is_still_creating
            )
            if (
                is_at_work
                and progress.ended
                and progress.ended + progress.succeeded == progress.total
            ):
                yield step.id, Stall.DEAD_END

    def _quiet(self, stall_rules: StallRules) -> Stall | None:
        if not _is_in_flight(self.root, self.state) or self.root.kind.is_perpetual:
            return None
        if any(kind is EventKind.WAITING for _, kind in self.alerts):
            return None
        silence = self.now - _quiet_since(self.root, self.state)
        if silence >= PLATFORM_GIVES_UP_AFTER and _gives_up(self.root):
            return Stall.GIVEN_UP
        return Stall.QUIET if silence >= stall_rules.stalled_after else None

    def _why(self, entity: Entity, stall: Stall) -> str:
        match stall:
            case Stall.DEAD_END:
                ends = sorted(
                    {p.unit.status for p in keyed_units_of(entity) if p.unit.phase is Phase.ENDED}
                )
                return (
                    f"will never go on: the platform does not count {' or '.join(ends)} as an end"
                    " and waits for ever"
                )
            case Stall.GIVEN_UP:
                return (
                    "is dead: nothing has changed for over 60 minutes, after which the platform"
                    " stops working at a release without saying so"
                )
            case Stall.QUIET:
                return "hangs: nothing has changed for too long"
            case Stall.DISAGREES:
                return "says that it succeeded, but not all of its parts did"

    def remind(self, stall_rules: StallRules) -> None:
        if not _is_in_flight(self.root, self.state):
            return
        for alert in _reminders(self.alerts.values()):
            if self.now - alert.notified_at < stall_rules.remind_every:
                continue
            level, entity = self._entity(alert.alert_key)
            self.alerts[alert.alert_key, alert.kind] = msgspec.structs.replace(
                alert, notified_at=self.now
            )
            self.events.append(
                Event(
                    alert.kind,
                    level,
                    entity,
                    alert.reason,
                    is_reminder=True,
                    alert_key=alert.alert_key,
                )
            )

    # Writing down

    def _remember(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)

    def _entity(self, alert_key: str) -> tuple[Level, Entity]:
        return self.alert_keys.entity(alert_key) or (Level.ROLLOUT, self.root)

    def _raise(
        self,
        kind: EventKind,
        alert_key: str,
        level: Level,
        entity: Entity,
        reason: str,
        *,
        stall: Stall | None = None,
    ) -> None:
        if kind in (EventKind.FAILED, EventKind.WAITING) and entity.phase in _TROUBLES:
            reason = reason_of(entity) or reason
        self.alerts[alert_key, kind] = Alert(
            alert_key, kind, since=self.now, notified_at=self.now, reason=reason, stall=stall
        )
        self.events.append(Event(kind, level, entity, reason, alert_key=alert_key))

    def _drop(self, alert_key: str, kind: EventKind) -> None:
        self.alerts.pop((alert_key, kind), None)

    def _add(self, kind: EventKind, level: Level, entity: Entity, reason: str) -> None:
        self.events.append(Event(kind, level, entity, reason))

    def _note_end_of(self, alert: Alert, level: Level, entity: Entity, reason: str) -> None:
        recovered = EventKind.RECOVERED
        self.events.append(
            Event(
                recovered,
                level,
                entity,
                reason,
                alert_key=alert.alert_key,
                notified_destinations=alert.notified_destinations,
            )
        )
