"""The news of one poll."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from monitor.compose.phrases import phrase_of, phrase_of_many
from monitor.compose.render.budget import BUDGETS
from monitor.compose.render.facts import source_words
from monitor.compose.render.failures import failure_of, remedy_for
from monitor.compose.render.headlines import failure_words, success_words
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import ABSENT, Item
from monitor.compose.render.pages import OPEN, Page, page_of_rollout, page_of_step
from monitor.compose.render.phases import MARKS, says_of, waits
from monitor.compose.render.steps import not_attempted, units_of
from monitor.compose.render.troubles import advice_on
from monitor.decide import progress
from monitor.kinds.causes import reason_of
from monitor.model import Alert, Entity, Event, EventKind, Level, Phase, ReasonKind
from monitor.text import counted, duration_words, short_id

_RANKS: Mapping[EventKind, int] = {
    EventKind.SUCCEEDED: 1,
    EventKind.STARTED: 1,
    EventKind.REMOVED: 1,
    EventKind.FAILED: 2,
    EventKind.FLAPPING: 2,
    EventKind.STALLED: 3,
    EventKind.WAITING: 4,
    EventKind.UNREACHABLE: 5,
    EventKind.REACHABLE: 5,
    EventKind.RECOVERED: 6,
    EventKind.PROGRESSED: 7,
}


def news_of(layout: Layout, events: Sequence[Event]) -> list[Item]:
    """Return the lines for events, the most important first.

    A failure that has failed parts of its own among the events is told with these.
    """
    events = list(_each_once(events))
    failed = {event.entity.id: event for event in events if event.kind is EventKind.FAILED}
    explained = _explained(layout.root, failed)
    items: list[Item] = []
    alike: dict[tuple[object, ...], list[Event]] = {}
    for event in events:
        if event.level is Level.UNIT:
            unit = event.entity
            state = unit.kind, unit.status, unit.is_absent, _reason_of_end(event)
            key = (event.kind, *state, event.reason, event.is_reminder)
            alike.setdefault(key, []).append(event)
        elif event.level is Level.ROLLOUT:
            one = _rollout_item(layout, event, failed, is_explained=bool(explained))
            url = page_of_rollout(layout)
            items.append(replace(one, page=Page(url, OPEN) if url else None))
        elif event.kind is not EventKind.FAILED or not (
            event.entity.id in explained or layout.root.id in failed
        ):
            items.append(_step_item(layout, event))
    items.extend(_units_item(layout, together) for together in alike.values())
    return sorted(items, key=lambda one: (one.rank, -len(one.units)))


def _each_once(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the events, but of what is said to be well again not its new status as well."""
    recovered = {event.entity.id for event in events if event.kind is EventKind.RECOVERED}
    for event in events:
        is_repeated = event.reason.kind is ReasonKind.NEW_STATUS and event.entity.id in recovered
        if not is_repeated:
            yield event


def _explained(root: Entity, failed: Mapping[str, Event]) -> set[str]:
    """Return the steps with a unit that failed by one of the events."""
    if not any(event.level is Level.UNIT for event in failed.values()):
        return set()
    return {step.id for step in root.children if any(unit.id in failed for unit in step.children)}


def _rollout_item(
    layout: Layout, event: Event, failed: Mapping[str, Event], *, is_explained: bool
) -> Item:
    root, kind = layout.root, event.kind
    title = layout.title
    if kind is EventKind.SUCCEEDED:
        took = layout.duration
        tail = f", after {duration_words(took)}" if took else ""
        return Item(1, "✅", success_words(layout), subject=title, tail=tail)
    if kind is EventKind.STARTED:
        return Item(1, "🔵", _words_for_start(layout), subject=title)
    if kind is EventKind.FAILED:
        if root.phase is not Phase.FAILED:  # it is under way again already
            failure = failure_of(layout, root, event.reason)
            return Item(1, "❌", "failed", reason=failure.reason, subject=title)
        of_steps = [event for event in failed.values() if event.level is Level.STEP]
        reasons = (failure_of(layout, e.entity, e.reason).reason for e in (*of_steps, event))
        reason = "" if is_explained else next(filter(None, reasons), "")
        tail = _words_for_not_attempted(layout)
        return Item(1, "❌", failure_words(layout), reason=reason, subject=title, tail=tail)
    return _parent_item(layout, event, title)


def _words_for_start(layout: Layout) -> str:
    if layout.root.kind.is_perpetual:
        return "is watched from now on"
    progress, terms = layout.progress, layout.terms
    kinds = [stage.step.kind for stage in layout.stages]
    steps = counted(kinds.count(layout.profile.step), terms.step)
    of_what = f": {counted(progress.total, terms.unit)} in {steps}" if progress.total else ""
    return f"has begun{of_what}"


def _words_for_not_attempted(layout: Layout) -> str:
    left = not_attempted(layout)
    if not left or layout.failed is None:
        return ""
    of_what = f" ({units})" if (units := units_of(layout, left)) else ""
    return f" · {layout.last_steps_words(len(left))} not attempted{of_what}"


def _step_item(layout: Layout, event: Event) -> Item:
    for index, stage in enumerate(layout.stages):
        if stage.step.id == event.entity.id:
            item = _parent_item(layout, event, layout.step_words(index))
            tail, page = _step_tail(layout, event, stage), page_of_step(layout, stage.step)
            return replace(item, tail=item.tail or tail, page=page)
    return _parent_item(layout, event, f"{layout.terms.step} {short_id(event.entity.id)}")


def _step_tail(layout: Layout, event: Event, stage: progress.Stage) -> str:
    is_progress = event.kind is EventKind.PROGRESSED and not layout.root.kind.is_perpetual
    if not is_progress or not stage.progress.total:
        return ""
    units = counted(stage.progress.total, layout.terms.unit)
    if stage.step.phase is Phase.SUCCEEDED and stage.duration:
        return f" · {units} in {duration_words(stage.duration)}"
    return f" · {units}"


def _parent_item(layout: Layout, event: Event, subject: str) -> Item:
    """Return the line for a step or the rollout."""
    rank, lead = _RANKS[event.kind], _lead(layout, event)
    phrase = phrase_of(event.reason, layout.view.people)
    match event.kind:
        case EventKind.STALLED:
            alert = _alert_of(layout, event)
            advice = advice_on(layout, alert) if alert else None
            return Item(rank, "⚠", phrase, subject=subject, lead=lead, advice=advice)
        case EventKind.WAITING:
            one, _ = waits(event.entity)
            advice = remedy_for(layout, event.entity)
            return Item(rank, "✋", one, reason=phrase, subject=subject, lead=lead, advice=advice)
        case EventKind.FAILED:
            failure, advice = (
                failure_of(layout, event.entity, event.reason),
                remedy_for(layout, event.entity),
            )
            return Item(
                rank, "✗", failure.one, reason=failure.reason, subject=subject, advice=advice
            )
        case _:
            one, reason = phrase, _reason_of_end(event)
            if _has_ended(event):
                one, _ = says_of(event.entity)
            return Item(rank, _mark(event), one, reason=reason, subject=subject, lead=lead)


def _has_ended(event: Event) -> bool:
    """Whether it is news that something came to an end that is neither good nor bad."""
    return event.reason.kind is ReasonKind.ENDED and event.reason.status == event.entity.status


def _reason_of_end(event: Event) -> str:
    return reason_of(event.entity) if _has_ended(event) else ""


def _mark(event: Event) -> str:
    match event.kind:
        case EventKind.RECOVERED:
            return "✓"
        case EventKind.REMOVED:
            return "⊘"
        case EventKind.STALLED | EventKind.FLAPPING:
            return "⚠"
        case _ if event.entity.kind.is_perpetual:
            return "●"
        case _:
            return MARKS[event.entity.phase]


def _units_item(layout: Layout, events: Sequence[Event]) -> Item:
    """Return the line for units of which the same is to be told."""
    event, units = events[0], tuple(event.entity for event in events)
    rank, lead, people = _RANKS[event.kind], _lead(layout, event), layout.view.people
    phrase = phrase_of(event.reason, people)
    tail = f"{_source(layout, units)}{ABSENT if event.entity.is_absent else ''}"
    if event.kind in (EventKind.FAILED, EventKind.WAITING):
        is_failure = event.kind is EventKind.FAILED
        one, many, reason = (
            failure_of(layout, event.entity, event.reason)
            if is_failure
            else (*waits(event.entity), phrase)
        )
        mark = MARKS[Phase.FAILED if is_failure else Phase.WAITING]
        advice = remedy_for(layout, event.entity)
        return Item(rank, mark, one, many, reason, units, lead=lead, tail=tail, advice=advice)
    one, many = phrase, phrase_of_many(event.reason, people)
    if _has_ended(event):
        one, many = says_of(event.entity)
    reason = _reason_of_end(event)
    return Item(rank, _mark(event), one, many, reason, units=units, lead=lead, tail=tail)


def _source(layout: Layout, units: Sequence[Entity]) -> str:
    """Return what a version of something without an end was made from: what is new about it."""
    if not layout.root.kind.is_perpetual or len(units) > 1:
        return ""
    words = source_words(units[0], BUDGETS[0])
    return f" · {words}" if words else ""


def _lead(layout: Layout, event: Event) -> str:
    """Return how long it has stood, for what was told before."""
    if not event.is_reminder:
        return ""
    alert = _alert_of(layout, event)
    return f"still, for {duration_words(alert.notified_at - alert.since)}: " if alert else "still: "


def _alert_of(layout: Layout, event: Event) -> Alert | None:
    """Return the alert that an event was told for."""
    alert_keys = {event.entity.id}
    if event.level is Level.UNIT:
        work = event.entity.work
        alert_keys.update(f"{stage.step.id}/{work}" for stage in layout.stages)
    alerts = (one for one in layout.view.state.alerts if one.kind is event.kind)
    return next((alert for alert in alerts if alert.alert_key in alert_keys), None)
