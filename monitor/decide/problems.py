"""What fails or waits for a person: one alert each, from when it begins until it is over."""

from __future__ import annotations

from monitor.decide import answers
from monitor.decide.alert_book import TROUBLES, UNDER_WAY, AlertBook
from monitor.decide.diff import Difference
from monitor.decide.progress import has_parts_that_wait, units_of
from monitor.kinds.causes import cause_of
from monitor.model import Alert, Entity, EventKind, Level, Phase, Reason, ReasonKind


def follow_transitions(book: AlertBook, difference: Difference) -> None:
    """Take each change in turn, also those that were over before this poll."""
    for transition in difference.transitions:
        if transition.level is Level.DETAIL:
            continue
        if transition.level is Level.ROLLOUT and not transition.is_current:
            continue  # see `attempts.note_new_attempts`
        if book.was_replaced(transition):
            continue
        level, entity, phase = transition.level, transition.entity, transition.phase_after
        if transition.before is None:
            # Another deploy for the same install is another try, however it ended.
            update_alerts(book, level, entity, Phase.PENDING, "")
        if not transition.is_current and phase is Phase.WAITING:
            continue  # it waited, and somebody answered: nobody is needed any more
        update_alerts(book, level, entity, phase, transition.description)


def check_all(book: AlertBook) -> None:
    """Whatever way it came about: what is in trouble now has an alert, what is not has none."""
    alerted = {alert_key for alert_key, _ in book.alerts}
    _check(book, Level.ROLLOUT, book.root)
    for step in book.root.children:
        _check(book, Level.STEP, step)
        for unit in units_of(step):
            # Of ten thousand units that go well, none is worth a second look.
            if unit.phase in TROUBLES or (alerted and f"{step.id}/{unit.work}" in alerted):
                _check(book, Level.UNIT, unit)
    _end_waits_of_removed_parts(book)


def _check(book: AlertBook, level: Level, entity: Entity) -> None:
    update_alerts(book, level, entity, entity.phase, entity.description)


def _end_waits_of_removed_parts(book: AlertBook) -> None:
    """A new attempt came without it; or, in a list of all that waits, it was answered."""
    for alert in tuple(book.alerts.values()):
        if alert.kind is not EventKind.WAITING or book.alert_keys.entity(alert.alert_key):
            continue
        book.drop(alert.alert_key, alert.kind)
        waited = book.alert_keys_before.entity(alert.alert_key)
        if waited is not None and book.root.kind.is_perpetual:
            book.add(EventKind.PROGRESSED, *waited, Reason(ReasonKind.WAITS_NO_LONGER))


def update_alerts(
    book: AlertBook, level: Level, entity: Entity, phase: Phase, description: str
) -> None:
    """Begin, change or end the alerts of something that has come to a phase."""
    alert_key = book.alert_keys.alert_key(level, entity)
    if level is not Level.ROLLOUT and alert_key == book.root.id:
        return  # a part with its own rollout's id: that key is taken
    failed = book.alert(alert_key, EventKind.FAILED)
    if phase is Phase.FAILED:
        reason = _explanation(entity, description)
        if failed is None or failed.is_retrying:
            book.begin(EventKind.FAILED, alert_key, level, entity, reason)
        elif entity.phase is Phase.FAILED and reason != Reason():
            # Why may become known later: no news, but what a reminder or a late message says.
            book.change(failed, reason=reason)
    elif failed is not None:
        _follow_failure(book, failed, level, entity, phase)
    _update_wait(book, level, entity, phase, description)


def _follow_failure(
    book: AlertBook, failed: Alert, level: Level, entity: Entity, phase: Phase
) -> None:
    """Take note of what becomes of a failure: it is over, or being tried again."""
    if phase is Phase.SUCCEEDED:
        book.drop(failed.alert_key, EventKind.FAILED)
        # Where the try is over by now, its end says all of it.
        book.withdraw(ReasonKind.TRIED_AGAIN, failed.alert_key)
        if level is Level.UNIT or book.root.kind.is_perpetual:
            book.add_recovery(failed, level, entity, _reason_of_recovery(book, failed, entity))
    elif phase in UNDER_WAY and not failed.is_retrying:
        book.change(failed, is_retrying=True)
        if level is Level.UNIT and not book.root.kind.is_perpetual:
            reason = Reason(ReasonKind.TRIED_AGAIN)
            book.add_follow_up(failed, EventKind.PROGRESSED, level, entity, reason)


def _reason_of_recovery(book: AlertBook, failed: Alert, entity: Entity) -> Reason:
    """Return how a failure was made good: what has a name of its own did not fail itself."""
    if book.root.kind.is_perpetual and failed.entity_id not in ("", entity.id):
        names = (one.name for _, one in book.root.walk() if one.id == failed.entity_id)
        name = next(names, "")
        if name and name != entity.name:
            return Reason(ReasonKind.SUCCEEDED_INSTEAD, status=entity.status, before=name)
    return Reason(ReasonKind.SUCCEEDED_AFTER_FAILING)


def _update_wait(
    book: AlertBook, level: Level, entity: Entity, phase: Phase, description: str
) -> None:
    alert_key = book.alert_keys.alert_key(level, entity)
    waiting = book.alert(alert_key, EventKind.WAITING)
    if phase is Phase.WAITING:
        if waiting is None and not has_parts_that_wait(level, entity):
            reason = _explanation(entity, description)
            _begin_wait(book, alert_key, level, entity, reason)
    elif waiting is not None:
        book.drop(alert_key, EventKind.WAITING)
        if phase in UNDER_WAY or phase is Phase.SUCCEEDED:
            reason = answers.why_it_went_on(waiting.answered_before, entity)
            book.add(EventKind.PROGRESSED, level, entity, reason)


def _begin_wait(
    book: AlertBook, alert_key: str, level: Level, entity: Entity, reason: Reason
) -> None:
    """Say that something waits; of what waited before, in a list of waits, that it still does."""
    book.begin(EventKind.WAITING, alert_key, level, entity, reason)
    begun = book.alerts[alert_key, EventKind.WAITING]
    book.change(begun, answered_before=answers.answered_in(entity))
    if book.ceased_to_wait(entity):
        book.events.pop()
        book.add(EventKind.PROGRESSED, level, entity, Reason(ReasonKind.WAITS_AFTER_ALL))


def _explanation(entity: Entity, description: str) -> Reason:
    """Return what explains a problem: what says most of it now, else what was known then."""
    explanation = answers.explanation_of(entity)
    return explanation if explanation != Reason() else Reason(description=cause_of(description))
