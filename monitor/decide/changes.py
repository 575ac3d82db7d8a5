"""What is worth an event without being a problem: steps that are done, parts that were added."""

from __future__ import annotations

from collections.abc import Iterator, Set

from monitor.decide.absence import is_confirmed_missing
from monitor.decide.alert_book import TROUBLES, AlertBook
from monitor.decide.diff import Difference
from monitor.decide.order import Staleness
from monitor.decide.progress import units_of
from monitor.kinds import profile_of
from monitor.model import (
    Alteration,
    Entity,
    EventKind,
    Kind,
    Level,
    Phase,
    Reason,
    ReasonKind,
    Snapshot,
    Transition,
)


def note_changes(book: AlertBook, difference: Difference) -> None:
    """Take note of how far a rollout came, and of each change of what has no end."""
    if book.before is None:
        return
    if book.root.kind.is_perpetual:
        _note_changes_of_perpetual(book, difference)
        return
    kind_of_steps = profile_of(book.root).step
    first_phase: dict[str, Phase | None] = {}
    for transition in difference.transitions:
        first_phase.setdefault(transition.entity.id, transition.phase_before)
        if not transition.is_current or transition.phase_before is transition.phase_after:
            continue
        if book.was_replaced(transition):
            continue
        if transition.level is Level.STEP and transition.entity.kind != kind_of_steps:
            continue  # what only leads up to the steps is shown by the card
        reason = _reason_of_progress(transition, first_phase[transition.entity.id])
        if reason is not None:
            book.add(EventKind.PROGRESSED, transition.level, transition.entity, reason)


def _reason_of_progress(transition: Transition, was: Phase | None) -> Reason | None:
    """Return what there is to say of a change; `was` is the phase in the last poll."""
    entity, phase = transition.entity, transition.phase_after
    if transition.level is Level.UNIT and phase is Phase.ENDED:
        is_uncounted = entity.kind.has_uncounted_ends
        kind = ReasonKind.ENDED_UNCOUNTED if is_uncounted else ReasonKind.ENDED
        return Reason(kind, status=entity.status)
    if transition.level is not Level.DETAIL and phase is Phase.UNKNOWN:
        return Reason(ReasonKind.UNKNOWN_STATUS, status=entity.status)
    return _reason_of_step(was, entity) if transition.level is Level.STEP else None


def _reason_of_step(was: Phase | None, step: Entity) -> Reason | None:
    phase = step.phase
    if phase is Phase.SUCCEEDED:
        return Reason(ReasonKind.DONE)
    if phase is Phase.ENDED:
        return Reason(ReasonKind.ENDED, status=step.status)
    has_begun = phase is Phase.RUNNING and was in (None, Phase.PENDING)
    return Reason(ReasonKind.BEGUN) if has_begun else None


def _note_changes_of_perpetual(book: AlertBook, difference: Difference) -> None:
    """Of what has no end every change is news: it has few, and does not move for weeks."""
    for alteration in difference.alterations:
        if alteration.level is Level.ROLLOUT:
            reason = _reason_of_fact(alteration)
            book.add(EventKind.PROGRESSED, alteration.level, alteration.entity, reason)
    for transition in _transitions_of_parts(book, difference):
        change = _reason_of_change(transition)
        if change is not None:
            book.add(EventKind.PROGRESSED, transition.level, transition.entity, change)


def _transitions_of_parts(book: AlertBook, difference: Difference) -> Iterator[Transition]:
    """Yield what the steps and their units came to, but for problems: these have alerts."""
    current = {unit.id: step.id for step in book.root.children for unit in units_of(step)}
    kind_of_units = profile_of(book.root).unit
    with_units = _steps_with(kind_of_units, book.before)
    for transition in difference.transitions:
        entity = transition.entity
        is_unit = entity.kind == kind_of_units and entity.id in current
        is_part = transition.level is Level.STEP or is_unit
        if not (is_part and transition.is_current) or entity.phase in TROUBLES:
            continue
        if is_unit and current[entity.id] not in with_units and _was_there(book.before, transition):
            continue
        yield transition


def _steps_with(kind: Kind, before: Snapshot | None) -> Set[str]:
    """Return the ids of the steps that had units of a kind."""
    steps = before.root.children if before else ()
    return {step.id for step in steps if any(unit.kind == kind for unit in step.children)}


def _was_there(before: Snapshot | None, transition: Transition) -> bool:
    """Whether what is seen for the first time is over and older than the last look.

    The units of a step can be in a document of its own, which could not be had at first: what
    they had come to by then is no change. The platform's time is compared with ours.
    """
    entity = transition.entity
    if before is None or not entity.phase.is_terminal:
        return False
    at = entity.status_at or entity.created_at
    return at is None or at <= before.taken_at


def _reason_of_fact(alteration: Alteration) -> Reason:
    if not alteration.before:
        return Reason(ReasonKind.FACT_ADDED, fact=alteration.fact)
    return Reason(ReasonKind.FACT_CHANGED, fact=alteration.fact, value=alteration.after)


def _reason_of_change(transition: Transition) -> Reason | None:
    status, was = transition.entity.status, transition.phase_before
    if transition.level is Level.STEP and was is None:
        return Reason(ReasonKind.ADDED)
    if transition.level is Level.STEP and was is Phase.SUCCEEDED:
        return Reason(ReasonKind.LEFT_STATUS, before=transition.before or "", status=status)
    # Where it was in trouble, its recovery is an event already.
    return None if was in TROUBLES else Reason(ReasonKind.NEW_STATUS, status=status)


def note_removals(book: AlertBook) -> None:
    """What a thing without an end lacks in several answers, one after the other, was removed."""
    if not book.root.kind.is_perpetual:
        return
    for step in book.root.children:
        removed = book.alert(step.id, EventKind.REMOVED)
        if step.is_absent and removed is None and is_confirmed_missing(step, book.state):
            reason = Reason(ReasonKind.REMOVED)
            book.begin(EventKind.REMOVED, step.id, Level.STEP, step, reason)
        elif not step.is_absent and removed is not None:
            book.drop(step.id, EventKind.REMOVED)
            book.add(EventKind.PROGRESSED, Level.STEP, step, Reason(ReasonKind.ADDED_AGAIN))


def note_reverted_times(book: AlertBook, difference: Difference, staleness: Staleness) -> None:
    """Say once of a whole poll that an older state is believed, where that changes a status."""
    if staleness.parts_reverted and difference.transitions:
        reason = Reason(ReasonKind.TIMES_WENT_BACK)
        book.add(EventKind.PROGRESSED, Level.ROLLOUT, book.root, reason)
