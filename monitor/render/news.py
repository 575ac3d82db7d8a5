"""The news of one poll."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor import rollout
from monitor.model import Alert, Entity, Event, EventKind, Level, Phase
from monitor.render.headlines import failure_words, success_words
from monitor.render.phases import MARKS, says_of
from monitor.render.picture import Picture
from monitor.render.said import ABSENT, Said
from monitor.render.steps import installs_of, not_attempted, steps_words
from monitor.render.troubles import advice_on
from monitor.text import counted, duration_words, short_id

_RANKS: Mapping[EventKind, int] = {
    EventKind.SUCCEEDED: 1,
    EventKind.STARTED: 1,
    EventKind.GONE: 1,
    EventKind.FAILED: 2,
    EventKind.STALLED: 3,
    EventKind.WAITING: 4,
    EventKind.UNREACHABLE: 5,
    EventKind.REACHABLE: 5,
    EventKind.RECOVERED: 6,
    EventKind.PROGRESSED: 7,
}


def news_of(picture: Picture, events: Sequence[Event]) -> list[Said]:
    """Return the lines for events, the most important first.

    A failure that has failed parts of its own among the events is told with these.
    """
    failed = {event.entity.id: event for event in events if event.kind is EventKind.FAILED}
    explained = _explained(picture.root, failed)
    said: list[Said] = []
    alike: dict[tuple[object, ...], list[Event]] = {}
    for event in events:
        if event.level is Level.UNIT:
            phase = event.entity.phase
            key = (event.kind, phase, event.reason, event.is_reminder, event.entity.is_absent)
            alike.setdefault(key, []).append(event)
        elif event.level is Level.ROLLOUT:
            said.append(_rollout_said(picture, event, failed, is_explained=bool(explained)))
        elif event.kind is not EventKind.FAILED or not (
            event.entity.id in explained or picture.root.id in failed
        ):
            said.append(_step_said(picture, event))
    said.extend(_units_said(picture, together) for together in alike.values())
    return sorted(said, key=lambda one: (one.rank, -len(one.units)))


def _explained(root: Entity, failed: Mapping[str, Event]) -> set[str]:
    """Return the steps with a unit that failed by one of the events."""
    if not any(event.level is Level.UNIT for event in failed.values()):
        return set()
    return {step.id for step in root.children if any(unit.id in failed for unit in step.children)}


def _rollout_said(
    picture: Picture, event: Event, failed: Mapping[str, Event], *, is_explained: bool
) -> Said:
    root, kind = picture.root, event.kind
    title = picture.title
    if kind is EventKind.SUCCEEDED:
        took = picture.duration
        tail = f", after {duration_words(took)}" if took else ""
        return Said(1, "✅", success_words(picture), subject=title, tail=tail)
    if kind is EventKind.STARTED:
        progress = picture.progress
        steps = counted(len(picture.stages), "step")
        of_what = f": {counted(progress.total, 'install')} in {steps}" if progress.total else ""
        return Said(1, "🔵", f"has begun{of_what}", subject=title)
    if kind is EventKind.FAILED:
        if root.phase is not Phase.FAILED:  # it is under way again already
            return Said(1, "❌", "failed", reason=event.reason, subject=title)
        of_steps = (one.reason for one in failed.values() if one.level is Level.STEP)
        reason = "" if is_explained else next(filter(None, of_steps), event.reason)
        tail = _words_for_not_attempted(picture)
        return Said(1, "❌", failure_words(picture), reason=reason, subject=title, tail=tail)
    return _parent_said(picture, event, title)


def _words_for_not_attempted(picture: Picture) -> str:
    left = not_attempted(picture)
    if not left or picture.failed is None:
        return ""
    of_what = f" ({installs})" if (installs := installs_of(left)) else ""
    return f" · {steps_words(picture, left)} not attempted{of_what}"


def _step_said(picture: Picture, event: Event) -> Said:
    for index, stage in enumerate(picture.stages):
        if stage.step.id == event.entity.id:
            return _parent_said(picture, event, picture.step_words(index), _step_tail(event, stage))
    return _parent_said(picture, event, f"step {short_id(event.entity.id)}")


def _step_tail(event: Event, stage: rollout.Stage) -> str:
    if event.kind is not EventKind.PROGRESSED or not stage.progress.total:
        return ""
    installs = counted(stage.progress.total, "install")
    if stage.step.phase is Phase.SUCCEEDED and stage.duration:
        return f" · {installs} in {duration_words(stage.duration)}"
    return f" · {installs}"


def _parent_said(picture: Picture, event: Event, subject: str, tail: str = "") -> Said:
    """Return the line for a step or the rollout."""
    rank, lead = _RANKS[event.kind], _lead(picture, event)
    if event.kind is EventKind.STALLED:
        alert = _alert_of(picture, event)
        advice = advice_on(picture, alert.place, alert.stall) if alert else None
        return Said(rank, "⚠", event.reason, subject=subject, lead=lead, advice=advice)
    if event.kind is EventKind.WAITING:
        one, reason = "waits for a person", event.reason
        return Said(rank, "✋", one, reason=reason, subject=subject, lead=lead)
    if event.kind is EventKind.FAILED:
        return Said(rank, "✗", "failed", reason=event.reason, subject=subject)
    mark = "✓" if event.kind is EventKind.RECOVERED else MARKS[event.entity.phase]
    return Said(rank, mark, event.reason, subject=subject, lead=lead, tail=tail)


def _units_said(picture: Picture, events: Sequence[Event]) -> Said:
    """Return the line for units of which the same is to be told."""
    event, units = events[0], tuple(event.entity for event in events)
    rank, lead = _RANKS[event.kind], _lead(picture, event)
    tail = ABSENT if event.entity.is_absent else ""
    if event.kind in (EventKind.FAILED, EventKind.WAITING):
        phase = Phase.FAILED if event.kind is EventKind.FAILED else Phase.WAITING
        one, many = says_of(phase, "")
        return Said(rank, MARKS[phase], one, many, event.reason, units, lead=lead, tail=tail)
    mark = "⚠" if event.kind is EventKind.STALLED else MARKS[event.entity.phase]
    many = _of_many(event.reason)
    return Said(rank, mark, event.reason, many, units=units, lead=lead, tail=tail)


def _of_many(phrase: str) -> str:
    first, _, rest = phrase.partition(" ")
    return f"{ {'is': 'are', 'has': 'have'}.get(first, first) } {rest}"


def _lead(picture: Picture, event: Event) -> str:
    """Return how long it has stood, for what was told before."""
    if not event.is_reminder:
        return ""
    alert = _alert_of(picture, event)
    return f"still, for {duration_words(alert.told_at - alert.since)}: " if alert else "still: "


def _alert_of(picture: Picture, event: Event) -> Alert | None:
    """Return the alert that an event was told for."""
    places = {event.entity.id}
    if event.level is Level.UNIT:
        install = event.entity.install_id
        places.update(f"{stage.step.id}/{install}" for stage in picture.stages)
    alerts = (one for one in picture.view.memory.alerts if one.kind is event.kind)
    return next((alert for alert in alerts if alert.place in places), None)
