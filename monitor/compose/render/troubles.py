"""The troubles that stand, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from monitor.compose.render.pages import Page, page_of_step
from monitor.compose.render.phases import FAILED, MARKS, TROUBLES, says_of
from monitor.compose.render.picture import Picture
from monitor.compose.render.said import ABSENT, Advice, Said
from monitor.decide.progress import Stage, has_parts_that_wait, place_of, reason_of
from monitor.model import Entity, EventKind, Kind, Level, Phase, Stall, phase_of

_RETRIED = 5


def troubles_of(picture: Picture, told: AbstractSet[str] = frozenset()) -> list[Said]:
    """Return what stands in trouble now, the worst first, but for the entities `told`.

    A list of what waits for approvals has nothing to add to itself.
    """
    if picture.root.kind is Kind.APPROVALS:
        return []
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
            where = "{installs}" if units else f"its {picture.terms.step}s"
            words = f"Look at {where} before you rely on it."
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
    alike: dict[tuple[Kind, str, str, bool, str | None], list[Entity]] = {}
    for stage in picture.stages:
        progress = stage.progress
        is_well = progress.succeeded + progress.running + progress.pending == progress.total
        if (is_well and not retried) or _is_over_and_done(picture, stage):
            continue
        # Ten thousand units have a handful of words between them.
        words = {(unit.kind, unit.status) for unit in stage.units}
        bad = {(kind, word) for kind, word in words if phase_of(kind, word) in TROUBLES}
        for unit in stage.units:
            is_bad, failure = (unit.kind, unit.status) in bad, None
            if retried:
                failure = retried.get(place_of(Level.UNIT, unit, stage.step))
            is_tried_again = failure is not None and not unit.phase.is_terminal
            if (is_bad or is_tried_again) and unit.id not in told:
                key = (unit.kind, unit.status, _reason_of(unit), unit.is_absent, failure)
                alike.setdefault(key, []).append(unit)
    for (_, _, reason, _, failure), together in alike.items():
        yield _trouble_of_units(tuple(together), reason, failure)


def _reason_of(unit: Entity) -> str:
    """Return what explains a unit; most have nothing below them that could."""
    return reason_of(unit) if unit.children else unit.description.strip()


def _is_over_and_done(picture: Picture, stage: Stage) -> bool:
    """Whether it was part of something that has no end, and is not any more."""
    return stage.step.is_absent and picture.root.kind.is_standing


def _trouble_of_units(units: tuple[Entity, ...], reason: str, failure: str | None) -> Said:
    """Return the line for units with the same trouble; `failure` is one that is retried."""
    unit = units[0]
    tail = ABSENT if unit.is_absent else ""
    if unit.phase in TROUBLES:
        one, many = says_of(unit)
        rank, mark = TROUBLES[unit.phase], MARKS[unit.phase]
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
        if _is_over_and_done(picture, stage):
            continue
        if _speak_for(stage):
            is_explained |= step.phase is not Phase.WAITING
        elif step.phase in TROUBLES and (step.phase is not Phase.FAILED or reason_of(step)):
            is_explained |= step.phase is Phase.FAILED
            if step.id not in told:
                subject = picture.step_words(index)
                yield _trouble_of_parent(step, subject, page_of_step(picture, step))
    is_told = root.id in told or _is_said_already(root, is_explained=is_explained)
    if root.phase in TROUBLES and not is_told:
        yield _trouble_of_parent(root, f"the {root.kind}")


def _is_said_already(root: Entity, *, is_explained: bool) -> bool:
    """Whether its parts, or the headline, leave nothing to add to how it stands."""
    if root.phase is Phase.WAITING:
        return has_parts_that_wait(Level.ROLLOUT, root)
    if root.phase is not Phase.FAILED:
        return False
    return is_explained or (says_of(root) != FAILED and not reason_of(root))


def _speak_for(stage: Stage) -> bool:
    """Whether a step's units say what there is to say: who waits, what ended, or why one failed."""
    progress = stage.progress
    match stage.step.phase:
        case Phase.WAITING:
            return progress.waiting > 0
        case Phase.ENDED:
            return progress.ended > 0
        case _:
            return progress.failed > 0 and any(
                unit.phase is Phase.FAILED and _reason_of(unit) for unit in stage.units
            )


def _trouble_of_parent(entity: Entity, subject: str, page: Page | None = None) -> Said:
    phase, reason = entity.phase, reason_of(entity)
    one, many = says_of(entity)
    has_no_reason = (one, many) == FAILED and not reason
    return Said(
        TROUBLES[phase],
        MARKS[phase],
        one,
        reason=reason,
        subject=subject,
        tail=", the platform gives no reason" if has_no_reason else "",
        page=page,
    )
