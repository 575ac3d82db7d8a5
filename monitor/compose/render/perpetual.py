"""What has no end of its own: an installer with its apps, and the approvals that wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.compose.render.blocks import WORD_LIMIT, Line, date, line
from monitor.compose.render.budget import Budget
from monitor.compose.render.facts import commit_of, message_words, source_words
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import ABSENT
from monitor.compose.render.pages import linked, page_of_step, page_of_unit
from monitor.compose.render.phases import FAILED, MARKS, TROUBLES, says_of
from monitor.decide import progress
from monitor.model import Entity, Phase
from monitor.text import counted, gist, join_names, plain, short_id, with_article

_MOST_STEPS_NAMED = 3


def summary_of_perpetual(layout: Layout) -> tuple[str, str]:
    """Return an icon and how it stands."""
    if not layout.profile.is_list_of_waits:
        return _state_of_parts(layout)
    count, unit = layout.progress.waiting, layout.terms.unit
    if not count:
        return "✅", f"no {unit}s pending"
    return "✋", f"{counted(count, unit)} pending"


def perpetual_lines(layout: Layout, budget: Budget) -> list[Line]:
    """Draw a line for each part, such as an app of an installer, or for all that waits."""
    if not layout.profile.is_list_of_waits:
        stages = sorted(layout.stages, key=_is_well) if _is_full(layout, budget) else layout.stages
        lines = [_step_line(layout, stage, budget) for stage in stages[: budget.lines]]
        hidden = counted(len(layout.stages) - budget.lines, f"more {layout.terms.step}")
    else:
        lines = list(_waiting_lines(layout, budget))
        hidden = counted(layout.progress.total - budget.lines, f"more {layout.terms.unit}")
    return [*lines, line(f"… {hidden}")] if _is_full(layout, budget) else lines


def _is_full(layout: Layout, budget: Budget) -> bool:
    is_list = layout.profile.is_list_of_waits
    return (layout.progress.total if is_list else len(layout.stages)) > budget.lines


# What has parts, as an installer has apps


def _state_of_parts(layout: Layout) -> tuple[str, str]:
    stages = [stage for stage in layout.stages if not stage.step.is_absent]
    steps = [stage.step for stage in stages]
    units = [unit for stage in stages for unit in stage.units]
    if failed := _in_phase(steps, Phase.FAILED):
        return "❌", _steps_words(failed, *says_of(failed[0]))
    for phase, icon in ((Phase.FAILED, "❌"), (Phase.WAITING, "✋")):
        if found := _in_phase(units, phase):
            return icon, _units_words(layout, found)
    if len(settled := _in_phase(steps, Phase.SUCCEEDED)) < len(steps):
        return _unsettled([step for step in steps if step not in settled])
    return _all_active(layout, steps)


def _in_phase(parts: Sequence[Entity], phase: Phase) -> list[Entity]:
    return [part for part in parts if part.phase is phase]


def _unsettled(steps: Sequence[Entity]) -> tuple[str, str]:
    first = steps[0]
    if first.phase is Phase.UNKNOWN:
        return "❓", _steps_words(steps, *says_of(first))
    return "🔵", _steps_words(steps, f"is {_status_word(first) or 'new'}", "are not active")


def _all_active(layout: Layout, steps: Sequence[Entity]) -> tuple[str, str]:
    noun = layout.terms.step
    if not steps:
        return "⚪", f"no {noun}s"
    count = len(steps)
    return "✅", f"all {counted(count, noun)} are active" if count > 1 else f"its {noun} is active"


def _steps_words(steps: Sequence[Entity], one: str, many: str) -> str:
    names = [_name(step) for step in steps[:_MOST_STEPS_NAMED]]
    return f"{join_names(names, len(steps))} {one if len(steps) == 1 else many}"


def _units_words(layout: Layout, units: Sequence[Entity]) -> str:
    """Return what is said of the units proper, such as configs, or else of the further ones."""
    proper = [unit for unit in units if unit.kind == layout.profile.unit]
    alike = proper or list(units)
    one, many = says_of(alike[0])
    if len(proper) == 1:
        return f"{layout.name_of(alike[0], WORD_LIMIT)} {one}"
    noun = layout.terms.unit if proper else layout.terms.further_unit
    return f"{counted(len(alike), noun)} {one if len(alike) == 1 else many}"


def _name(step: Entity, limit: int = WORD_LIMIT) -> str:
    return plain(step.name, limit, fallback=short_id(step.id))


def _status_word(entity: Entity, limit: int = WORD_LIMIT) -> str:
    return plain(entity.status, limit, fallback="").replace("_", " ")


def _is_well(stage: progress.Stage) -> bool:
    parts = (stage.step, *stage.units)
    return not any(part.phase in TROUBLES for part in parts)


def _step_line(layout: Layout, stage: progress.Stage, budget: Budget) -> Line:
    step = stage.step
    if step.is_absent:
        mark, words = "⊘", "removed" if layout.is_removed(step) else ABSENT.strip(" ()")
    else:
        mark, words = _mark(stage), " · ".join(_step_words(layout, stage, budget))
    name = linked(_name(step, budget.name), page_of_step(layout, step))
    return line(f"{mark} ", name, words and f" · {words}")


def _mark(stage: progress.Stage) -> str:
    phases = [stage.step.phase, *(unit.phase for unit in stage.units)]
    worst = min((p for p in phases if p in TROUBLES), key=lambda p: TROUBLES[p], default=phases[0])
    return MARKS[worst]


def _step_words(layout: Layout, stage: progress.Stage, budget: Budget) -> Iterator[str]:
    step, kind_of_units = stage.step, layout.profile.unit
    if step.phase is not Phase.SUCCEEDED and (word := _status_word(step, budget.name)):
        is_in_trouble = step.kind.is_condition and step.phase is Phase.FAILED
        yield f"in {word}" if is_in_trouble else word
    for newest in [unit for unit in stage.units if unit.kind == kind_of_units][-1:]:
        name = plain(newest.name, budget.name, fallback=with_article(layout.terms.unit))
        failed, _ = FAILED
        word = failed if newest.phase is Phase.FAILED else _status_word(newest, budget.name)
        yield f"{name} {word}".strip()
        message = message_words(commit_of(newest), budget)
        yield from filter(None, (source_words(newest, budget), message))


# What waits


def _waiting_lines(layout: Layout, budget: Budget) -> Iterator[Line]:
    waiting = [
        (unit.created_at is None, unit.created_at or layout.changed_at, unit, stage.step)
        for stage in layout.stages
        for unit in stage.units
    ]
    for _, _, unit, work in sorted(waiting, key=lambda one: one[:2])[: budget.lines]:
        what = gist(unit.description, budget.words)
        since = (" · since ", date(unit.created_at)) if unit.created_at else ()
        page = page_of_unit(layout, unit) or page_of_step(layout, work)
        name = linked(layout.step_name(work, budget.name), page)
        yield line(f"{MARKS[unit.phase]} ", name, what and f": {what}", *since)
