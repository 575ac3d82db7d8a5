"""The troubles that are active, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from monitor.compose.phrases import parts_of, phrase_of
from monitor.compose.render.failures import Failure, advice_on_failure, advice_on_wait, failure_of
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import ABSENT, Advice, Item
from monitor.compose.render.pages import (
    Page,
    page_of_build,
    page_of_failed_build,
    page_of_step,
)
from monitor.compose.render.phases import (
    FAILED,
    MARKS,
    RETRIED_MARK,
    STALLED_MARK,
    TROUBLES,
    says_of,
)
from monitor.decide.answers import explanation_of
from monitor.decide.progress import Stage, alert_key_of, has_parts_that_wait
from monitor.kinds.causes import cause_of, reason_of
from monitor.kinds.parts import RUNNER_JOB
from monitor.model import Alert, Entity, EventKind, Kind, Level, Phase, Reason, ReasonKind, phase_of

_RETRIED = 5


def troubles_of(layout: Layout, shown_elsewhere: AbstractSet[str] = frozenset()) -> list[Item]:
    """Return what is in trouble now, the worst first, but for the entities `shown_elsewhere`.

    A list of what waits for approvals has nothing to add to itself.
    """
    if layout.profile.is_list_of_waits:
        return []
    items = [
        *_active_stalls(layout, shown_elsewhere),
        *_troubles_of_units(layout, shown_elsewhere),
        *_troubles_of_parents(layout, shown_elsewhere),
    ]
    return sorted(items, key=lambda one: (one.rank, -one.weight))


def advice_on(layout: Layout, alert: Alert) -> Advice | None:
    """Return what to do about something that is stalled."""
    match alert.reason.kind:
        case ReasonKind.DEAD_END:
            units = _units(layout, lambda unit: unit.phase is Phase.ENDED, step_id=alert.alert_key)
            words = "Deploy to {installs} again, or start a new release."
        case ReasonKind.GIVEN_UP:
            units = _units(layout, lambda unit: not unit.phase.is_terminal)
            words = f"Start a new {layout.root.kind}: this one will not continue."
            words += " Not done: {installs}." if units else ""
        case ReasonKind.QUIET:
            units = _units(layout, lambda unit: not unit.phase.is_terminal)
            words = "Look at {installs} and the runner there, then cancel or retry."
            words = words if units else "Look at its build and its runners in Nuon."
        case ReasonKind.AWAITS_BUILD:
            words = "Look at its build and the runner that builds it."
            return Advice(words, page=page_of_build(layout))
        case ReasonKind.DISAGREES:
            units = _units(layout, lambda unit: unit.phase is not Phase.SUCCEEDED)
            where = "{installs}" if units else f"its {layout.terms.step}s"
            words = f"Look at {where} before you rely on this {layout.root.kind}."
        case _:
            return None
    return Advice(words, units)


def _units(
    layout: Layout, is_meant: Callable[[Entity], bool], *, step_id: str | None = None
) -> tuple[Entity, ...]:
    return tuple(
        unit
        for stage in layout.stages
        if step_id in (None, stage.step.id)
        for unit in stage.units
        if is_meant(unit)
    )


def _active_stalls(layout: Layout, shown_elsewhere: AbstractSet[str]) -> Iterator[Item]:
    if layout.root.phase is Phase.FAILED:
        return
    for alert in layout.stalls:
        if alert.alert_key not in shown_elsewhere:
            yield stalled_item(layout, alert, rank=0)


def stalled_item(layout: Layout, alert: Alert, *, rank: int, lead: str = "") -> Item:
    """Return the item for what makes no progress, with what it waits for where that is known."""
    advice = advice_on(layout, alert)
    phrase = parts_of(alert.reason)
    without_limit = msgspec.structs.replace(alert.reason, limit=0)
    awaited = _awaited_by(advice.units) if advice else ""
    is_silence = alert.reason.kind in (ReasonKind.QUIET, ReasonKind.GIVEN_UP)
    is_stuck = alert.reason.kind is ReasonKind.DEAD_END
    subject = words_for_part(layout, alert.alert_key) if is_stuck else layout.title
    where = _where_stalled(layout, alert) if is_silence else ""
    return Item(
        rank,
        STALLED_MARK,
        f"{phrase.one}{where}",
        reason=f"{phrase.why}: {awaited}" if awaited else phrase.why,
        spoken_reason=awaited or (parts_of(without_limit).why if alert.reason.silence else ""),
        subject=subject,
        lead=lead,
        advice=advice,
        open_units=advice.units if advice and is_silence else (),
    )


def _where_stalled(layout: Layout, alert: Alert) -> str:
    """Return at which of several steps something is stalled, as it follows the verb."""
    index = layout.index_of(alert.alert_key)
    at = layout.current if index is None else index
    return "" if at is None or len(layout.stages) < 2 else f" at {layout.step_words(at)}"


def _awaited_by(units: Sequence[Entity]) -> str:
    """Return what the last runner jobs of units wait for, where all of these wait for the same.

    A job that no runner takes is why a rollout does not go on, and no other part says so.
    """
    jobs = [[part for part in unit.children if part.kind == RUNNER_JOB] for unit in units]
    last = [of_unit[-1] for of_unit in jobs if of_unit]
    if not all(job.phase is Phase.PENDING for job in last):
        return ""
    words = {job.description or "no runner has taken its job" for job in last}
    return words.pop() if len(words) == 1 else ""


def words_for_part(layout: Layout, alert_key: str) -> str:
    """Return what the step with an alert is called, or else the rollout."""
    index = layout.index_of(alert_key)
    return layout.title if index is None else layout.step_words(index)


def _troubles_of_units(layout: Layout, shown_elsewhere: AbstractSet[str]) -> Iterator[Item]:
    """Yield the units in trouble: those that say the same are told in one line."""
    retried = {
        alert.alert_key: phrase_of(alert.reason, layout.view.people)
        for alert in layout.view.state.alerts
        if alert.kind is EventKind.FAILED and alert.is_retrying
    }
    alike: dict[tuple[Kind, str, Reason, bool, str | None], list[Entity]] = {}
    for stage in layout.stages:
        if _is_over_and_done(layout, stage):
            continue
        for unit, failure in _units_in_trouble(stage, retried):
            if unit.id not in shown_elsewhere:
                key = (unit.kind, unit.status, _explained(unit), unit.is_absent, failure)
                alike.setdefault(key, []).append(unit)
    for (_, _, reason, _, failure), together in alike.items():
        yield _trouble_of_units(layout, tuple(together), reason, failure)


def _units_in_trouble(
    stage: Stage, retried: Mapping[str, str]
) -> Iterator[tuple[Entity, str | None]]:
    """Yield a step's units that are in trouble, each with the failure that it is retried after.

    `retried` has these failures by alert key.
    """
    progress = stage.progress
    if not retried and progress.succeeded + progress.running + progress.pending == progress.total:
        return
    # Ten thousand units have a handful of words between them.
    words = {(unit.kind, unit.status) for unit in stage.units}
    bad = {(kind, word) for kind, word in words if phase_of(kind, word) in TROUBLES}
    for unit in stage.units:
        # Without retries no key is made: it is made for each of ten thousand units.
        failure = retried.get(alert_key_of(Level.UNIT, unit, stage.step)) if retried else None
        is_retried = failure is not None and not unit.phase.is_terminal
        if is_retried or (unit.kind, unit.status) in bad:
            yield unit, failure


def _reason_of(unit: Entity) -> str:
    """Return what explains a unit; most have nothing below them that could."""
    return reason_of(unit) if unit.children else cause_of(unit.description).strip()


def _explained(unit: Entity) -> Reason:
    """Return what explains a unit, who refused it included."""
    if unit.children and unit.phase is Phase.FAILED:
        return explanation_of(unit)
    return Reason(description=_reason_of(unit))


def _is_over_and_done(layout: Layout, stage: Stage) -> bool:
    """Whether it was part of something that has no end, and is not any more."""
    return stage.step.is_absent and layout.root.kind.is_perpetual


def _trouble_of_units(
    layout: Layout, units: tuple[Entity, ...], explanation: Reason, failure: str | None
) -> Item:
    """Return the line for units with the same trouble; `failure` is one that is retried."""
    unit = units[0]
    tail = ABSENT if unit.is_absent else ""
    if unit.phase not in TROUBLES:
        one, many = "failed and is being retried", "failed and are being retried"
        return Item(_RETRIED, RETRIED_MARK, one, many, failure or "", units, tail=tail)
    failure_words = Failure(*says_of(unit), explanation.description)
    if unit.phase is Phase.FAILED:
        failure_words = failure_of(layout, unit, explanation)
    return Item(
        TROUBLES[unit.phase],
        MARKS[unit.phase],
        failure_words.one,
        failure_words.many,
        failure_words.reason,
        units,
        tail=tail,
        advice=_advice_on_part(layout, unit, failure_words),
        is_done_to_units=unit.phase in (Phase.FAILED, Phase.WAITING),
        extent=extent_of(layout, unit.phase),
        where=layout.step_of(unit),
    )


def extent_of(layout: Layout, phase: Phase) -> str:
    """Return how many have failed, for the end of a sentence; empty where there is but one."""
    progress = layout.progress
    if phase is not Phase.FAILED or layout.root.kind.is_perpetual or progress.total < 2:
        return ""
    return f"{progress.failed:,} of {progress.total:,}" if progress.failed else ""


def _advice_on_part(layout: Layout, part: Entity, failure: Failure) -> Advice | None:
    if part.phase is Phase.WAITING and not layout.profile.is_list_of_waits:
        return advice_on_wait(layout, part)
    return advice_on_failure(layout, part, failure)


def _troubles_of_parents(layout: Layout, shown_elsewhere: AbstractSet[str]) -> Iterator[Item]:
    """Yield what steps and the rollout say of themselves, where none of their parts does."""
    root = layout.root
    is_explained = False
    for index, stage in enumerate(layout.stages):
        step = stage.step
        if _is_over_and_done(layout, stage):
            continue
        if _speak_for(stage):
            is_explained |= step.phase is not Phase.WAITING
        elif step.phase in TROUBLES and (step.phase is not Phase.FAILED or _says_why(stage)):
            is_explained |= step.phase is Phase.FAILED
            if step.id not in shown_elsewhere:
                subject = layout.step_words(index)
                page = page_of_step(layout, step)
                yield _trouble_of_parent(layout, step, subject, page)
    is_shown = root.id in shown_elsewhere or _is_shown_already(root, is_explained=is_explained)
    if root.phase in TROUBLES and not is_shown:
        yield _trouble_of_parent(layout, root, layout.title, page_of_failed_build(layout))


def _says_why(stage: Stage) -> bool:
    """Whether a failed step says more than that: why, or another word where no part has failed."""
    has_own_word = not stage.progress.failed and says_of(stage.step) != FAILED
    return has_own_word or bool(reason_of(stage.step))


def _is_shown_already(root: Entity, *, is_explained: bool) -> bool:
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


def _trouble_of_parent(
    layout: Layout, entity: Entity, subject: str, page: Page | None = None
) -> Item:
    phase = entity.phase
    failure = Failure(*says_of(entity), reason_of(entity))
    if phase is Phase.FAILED:
        failure = failure_of(layout, entity, explanation_of(entity))
    one, many, reason = failure
    has_no_reason = (one, many) == FAILED and not reason
    return Item(
        TROUBLES[phase],
        MARKS[phase],
        one,
        reason=reason,
        subject=subject,
        tail=", Nuon gives no reason" if has_no_reason else "",
        page=page,
        advice=_advice_on_part(layout, entity, failure),
    )
