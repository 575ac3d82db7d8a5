"""The troubles that stand, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from monitor import rollout
from monitor.model import Entity, EventKind, Level, Phase, Stall
from monitor.render.phases import MARKS, TROUBLES, says_of
from monitor.render.picture import Picture
from monitor.render.said import ABSENT, Advice, Said

_RETRIED = 5


def troubles_of(picture: Picture, told: AbstractSet[str] = frozenset()) -> list[Said]:
    """Return what stands in trouble now, the worst first, but for the entities `told`."""
    said = [
        *_standing_stalls(picture, told),
        *_troubles_of_units(picture, told),
        *_troubles_of_parents(picture, told),
    ]
    return sorted(said, key=lambda one: (one.rank, -one.weight))


def advice_on(picture: Picture, place: str, stall: Stall | None) -> Advice | None:
    """Return what to do about something that hangs."""
    match stall:
        case Stall.DEAD_END:
            units = _units(picture, lambda unit: unit.phase is Phase.ENDED, step_id=place)
            words = "Deploy to {installs} again or start a new release."
        case Stall.GIVEN_UP:
            units = _units(picture, lambda unit: not unit.phase.is_terminal)
            words = "Start a new release: this one will not go on by itself."
            words += " Not done: {installs}." if units else ""
        case Stall.QUIET:
            units = _units(picture, lambda unit: not unit.phase.is_terminal)
            words = "Look at {installs}: not done yet."
            words = words if units else "Look at its build and its runners on the dashboard."
        case Stall.DISAGREES:
            units = _units(picture, lambda unit: unit.phase is not Phase.SUCCEEDED)
            words = f"Look at {'{installs}' if units else 'its steps'} before you rely on it."
        case _:
            return None
    return Advice(words, units)


def _units(
    picture: Picture, is_meant: Callable[[Entity], bool], *, step_id: str | None = None
) -> tuple[Entity, ...]:
    return tuple(
        unit
        for stage in picture.stages
        if step_id in (None, stage.step.id)
        for unit in stage.units
        if is_meant(unit)
    )


def _standing_stalls(picture: Picture, told: AbstractSet[str]) -> Iterator[Said]:
    if picture.root.phase is Phase.FAILED:
        return
    for alert in picture.stalls:
        if alert.place not in told:
            subject = _words_for_place(picture, alert.place)
            advice = advice_on(picture, alert.place, alert.stall)
            yield Said(0, "⚠", alert.reason, subject=subject, advice=advice)


def _words_for_place(picture: Picture, place: str) -> str:
    for index, stage in enumerate(picture.stages):
        if stage.step.id == place:
            return picture.step_words(index)
    return f"the {picture.root.kind}"


def _troubles_of_units(picture: Picture, told: AbstractSet[str]) -> Iterator[Said]:
    """Yield the units in trouble: those that say the same are told in one line."""
    retried = {
        alert.place: alert.reason
        for alert in picture.view.memory.alerts
        if alert.kind is EventKind.FAILED and alert.is_retrying
    }
    alike: dict[tuple[str, str, bool, str | None], list[Entity]] = {}
    for stage in picture.stages:
        progress = stage.progress
        is_well = progress.succeeded + progress.running + progress.pending == progress.total
        if is_well and not retried:
            continue
        for unit in stage.units:
            failure = None
            if retried:
                failure = retried.get(rollout.place_of(Level.UNIT, unit, stage.step))
            key = (unit.status, unit.description, unit.is_absent, failure)
            alike.setdefault(key, []).append(unit)
    for (_, _, _, failure), together in alike.items():
        phase = together[0].phase
        units = tuple(unit for unit in together if unit.id not in told)
        if units and (phase in TROUBLES or (failure is not None and not phase.is_terminal)):
            yield _trouble_of_units(units, failure)


def _trouble_of_units(units: tuple[Entity, ...], failure: str | None) -> Said:
    """Return the line for units with the same trouble; `failure` is one that is retried."""
    unit = units[0]
    tail = ABSENT if unit.is_absent else ""
    if unit.phase in TROUBLES:
        one, many = says_of(unit.phase, unit.status)
        rank, mark, reason = TROUBLES[unit.phase], MARKS[unit.phase], unit.description
    else:
        one, many = "failed and is being tried again", "failed and are being tried again"
        rank, mark, reason = _RETRIED, "↻", failure or ""
    return Said(rank, mark, one, many, reason, units, tail=tail)


def _troubles_of_parents(picture: Picture, told: AbstractSet[str]) -> Iterator[Said]:
    """Yield what steps and the rollout say of themselves, where none of their parts does."""
    root = picture.root
    is_explained = False
    for index, stage in enumerate(picture.stages):
        step = stage.step
        if _has_reason(stage):
            is_explained = True
        elif step.phase in TROUBLES and (step.description or step.phase is not Phase.FAILED):
            is_explained |= step.phase is Phase.FAILED
            if step.id not in told:
                yield _trouble_of_parent(step, picture.step_words(index))
    is_told = root.id in told or (root.phase is Phase.FAILED and is_explained)
    if root.phase in TROUBLES and not is_told:
        yield _trouble_of_parent(root, f"the {root.kind}")


def _has_reason(stage: rollout.Stage) -> bool:
    """Whether a unit that failed says why."""
    return stage.progress.failed > 0 and any(
        unit.phase is Phase.FAILED and unit.description.strip() for unit in stage.units
    )


def _trouble_of_parent(entity: Entity, subject: str) -> Said:
    phase = entity.phase
    one, _ = says_of(phase, entity.status)
    if phase is Phase.WAITING:
        one = "waits for a person"
    has_no_reason = phase is Phase.FAILED and not entity.description.strip()
    return Said(
        TROUBLES[phase],
        MARKS[phase],
        one,
        reason=entity.description,
        subject=subject,
        tail=", the platform gives no reason" if has_no_reason else "",
    )
