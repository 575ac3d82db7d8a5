"""The news of one poll."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from monitor.compose.phrases import parts_of, phrase_of
from monitor.compose.render.blocks import WORD_LIMIT
from monitor.compose.render.budget import BUDGETS
from monitor.compose.render.facts import source_words
from monitor.compose.render.failures import advice_on_failure, advice_on_wait, failure_of
from monitor.compose.render.headlines import failure_words, start_words, success_words
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import ABSENT, Item
from monitor.compose.render.pages import page_of_step
from monitor.compose.render.phases import (
    CHANGED_MARK,
    MARKS,
    RETRIED_MARK,
    STALLED_MARK,
    says_of,
    waits,
)
from monitor.compose.render.troubles import extent_of, stalled_item
from monitor.decide import progress
from monitor.decide.progress import starter_of
from monitor.kinds.causes import reason_of
from monitor.model import Alert, Entity, Event, EventKind, Level, Phase, ReasonKind
from monitor.text import counted, duration_words, plain, short_id

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
    """Return the items for events, the most important first.

    A failure that has failed parts of its own among the events is left to these.
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
            items.append(one)
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
        starter = plain(starter_of(root, layout.view.people), WORD_LIMIT, fallback="")
        by = f", by {starter}" if starter else ""
        return Item(1, "🔵", start_words(layout), subject=title, tail=by)
    if kind is EventKind.FAILED:
        return _failed_rollout(layout, event, failed, is_explained=is_explained)
    return _parent_item(layout, event, title)


def _failed_rollout(
    layout: Layout, event: Event, failed: Mapping[str, Event], *, is_explained: bool
) -> Item:
    root, title = layout.root, layout.title
    if root.phase is not Phase.FAILED:  # it is under way again already
        failure = failure_of(layout, root, event.reason)
        return Item(1, "❌", "failed", reason=failure.reason, subject=title)
    of_steps = [event for event in failed.values() if event.level is Level.STEP]
    failures = [failure_of(layout, e.entity, e.reason) for e in (*of_steps, event)]
    failure = next((one for one in failures if one.reason), failures[-1])
    is_shown = is_explained or not failure.reason
    where = layout.step_words(layout.failed) if layout.failed is not None else ""
    return Item(
        1,
        "❌",
        failure_words(layout),
        reason="" if is_explained else failure.reason,
        subject=title,
        advice=None if is_shown else advice_on_failure(layout, root, failure),
        where=where if len(layout.stages) > 1 else "",
    )


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
        return f" ({units}, {duration_words(stage.duration)})"
    return f" ({units})"


def _parent_item(layout: Layout, event: Event, subject: str) -> Item:
    """Return the item for a step or the rollout."""
    rank, lead = _RANKS[event.kind], _lead(layout, event)
    phrase = parts_of(event.reason, layout.view.people)
    match event.kind:
        case EventKind.STALLED:
            alert = _alert_of(layout, event)
            if alert is not None:
                now = msgspec.structs.replace(alert, reason=event.reason)
                return stalled_item(layout, now, rank=rank, lead=lead)
            return Item(
                rank, STALLED_MARK, phrase.one, reason=phrase.why, subject=subject, lead=lead
            )
        case EventKind.WAITING:
            one, _ = waits(event.entity)
            why, advice = phrase_of(event.reason, layout.view.people), None
            if not layout.profile.is_list_of_waits:
                advice = advice_on_wait(layout, event.entity)
            return Item(rank, "✋", one, reason=why, subject=subject, lead=lead, advice=advice)
        case EventKind.FAILED:
            failure = failure_of(layout, event.entity, event.reason)
            advice = advice_on_failure(layout, event.entity, failure)
            return Item(
                rank, "❌", failure.one, reason=failure.reason, subject=subject, advice=advice
            )
        case _:
            one, reason = phrase.one, phrase.why
            if _has_ended(event):
                (one, _), reason = says_of(event.entity), _reason_of_end(event)
            return Item(rank, _mark(event), one, reason=reason, subject=subject, lead=lead)


def _has_ended(event: Event) -> bool:
    """Whether it is news that something came to an end that is neither good nor bad."""
    return event.reason.kind is ReasonKind.ENDED and event.reason.status == event.entity.status


def _reason_of_end(event: Event) -> str:
    return reason_of(event.entity) if _has_ended(event) else ""


def _mark(event: Event) -> str:
    if (mark := _MARKS_OF_EVENTS.get(event.kind)) is not None:
        return mark
    if event.reason.kind is ReasonKind.TRIED_AGAIN:
        return RETRIED_MARK
    is_answer = event.reason.kind in _ANSWERS
    return (
        CHANGED_MARK if is_answer or event.entity.kind.is_perpetual else MARKS[event.entity.phase]
    )


_MARKS_OF_EVENTS: Mapping[EventKind, str] = {
    EventKind.RECOVERED: "✅",
    EventKind.REMOVED: "⊘",
    EventKind.STALLED: STALLED_MARK,
    EventKind.FLAPPING: "⚠️",
}
_ANSWERS = frozenset(
    {
        *(ReasonKind.APPROVED, ReasonKind.DENIED, ReasonKind.SENT_BACK),
        *(ReasonKind.WENT_ON, ReasonKind.WAITS_NO_LONGER),
    }
)


def _units_item(layout: Layout, events: Sequence[Event]) -> Item:
    """Return the item for units of which the same is to be said."""
    event, units = events[0], tuple(event.entity for event in events)
    people = layout.view.people
    item = Item(
        _RANKS[event.kind],
        _mark(event),
        "",
        units=units,
        lead=_lead(layout, event),
        tail=f"{_source(layout, units)}{ABSENT if event.entity.is_absent else ''}",
        where=layout.step_of(event.entity),
    )
    match event.kind:
        case EventKind.FAILED:
            failure = failure_of(layout, event.entity, event.reason)
            return replace(
                item,
                mark="❌",
                one=failure.one,
                many=failure.many,
                reason=failure.reason,
                advice=advice_on_failure(layout, event.entity, failure),
                is_done_to_units=True,
                extent=extent_of(layout, Phase.FAILED),
            )
        case EventKind.WAITING:
            one, many = waits(event.entity)
            is_list = layout.profile.is_list_of_waits
            return replace(
                item,
                mark="✋",
                one=one,
                many=many,
                reason=_why_it_waits(phrase_of(event.reason, people)),
                advice=None if is_list else advice_on_wait(layout, event.entity),
                is_done_to_units=True,
            )
        case _:
            one, many, why = parts_of(event.reason, people)
            if _has_ended(event):
                one, many = says_of(event.entity)
                why = _reason_of_end(event)
            is_well = event.kind is EventKind.RECOVERED
            return replace(
                item,
                one=one,
                many=many,
                reason=why,
                is_done_to_units=is_well,
                extent=_extent_of_change(layout, event),
            )


_NO_WHY = re.compile(
    r"^(?:waiting for an? approval of |waits? for an? approval of |to be approved:\s*)(?:the )?",
    re.IGNORECASE,
)


def _why_it_waits(words: str) -> str:
    """Return what is to be approved, where it is said already that something is to be."""
    return _NO_WHY.sub("", words)


def _extent_of_change(layout: Layout, event: Event) -> str:
    """Return how many are done, or still wait, for the end of a sentence."""
    progress = layout.progress
    if layout.profile.is_list_of_waits:
        return f"{counted(progress.waiting, layout.terms.unit)} left"
    if event.kind is not EventKind.RECOVERED or layout.root.kind.is_perpetual:
        return ""
    return f"{progress.succeeded:,} of {progress.total:,} done" if progress.total > 1 else ""


def _source(layout: Layout, units: Sequence[Entity]) -> str:
    """Return what a version of something without an end was made from: what is new about it."""
    if not layout.root.kind.is_perpetual or len(units) > 1:
        return ""
    words = source_words(units[0], BUDGETS[0])
    return f" · {words}" if words else ""


def _lead(layout: Layout, event: Event) -> str:
    """Return for how long it has been so, for what people were notified of before."""
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
