"""What has no end of its own: an installer with its apps, and the approvals that wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.compose.render.blocks import WORD_LIMIT, Line, bold, date, line
from monitor.compose.render.budget import Budget
from monitor.compose.render.facts import commit_of, commit_words, message_words
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import ABSENT, reason_words
from monitor.compose.render.pages import behind, page_of_step, page_of_unit
from monitor.compose.render.phases import FAILED, MARKS, TROUBLES, says_of
from monitor.decide import progress
from monitor.model import Entity, Kind, Phase
from monitor.text import counted, join_names, plain, short_id

_MOST_APPS_NAMED = 3


def summary_of_perpetual(layout: Layout) -> tuple[str, str]:
    """Return an icon and how it stands."""
    if layout.root.kind is Kind.INSTALLER:
        return _state_of_installer(layout)
    count = layout.progress.waiting
    if not count:
        return "✅", "nothing waits for an approval"
    return "✋", f"{counted(count, 'approval')} {'waits' if count == 1 else 'wait'}"


def perpetual_lines(layout: Layout, budget: Budget) -> list[Line]:
    """Draw a line for each part: an app of an installer, or what is to be approved."""
    if layout.root.kind is Kind.INSTALLER:
        stages = sorted(layout.stages, key=_is_well) if _is_full(layout, budget) else layout.stages
        lines = [_app_line(layout, stage, budget) for stage in stages[: budget.lines]]
        hidden = counted(len(layout.stages) - budget.lines, "more app")
    else:
        lines = list(_approval_lines(layout, budget))
        hidden = counted(layout.progress.total - budget.lines, "more approval")
    return [*lines, line(f"… {hidden}")] if _is_full(layout, budget) else lines


def _is_full(layout: Layout, budget: Budget) -> bool:
    is_installer = layout.root.kind is Kind.INSTALLER
    return (len(layout.stages) if is_installer else layout.progress.total) > budget.lines


# An installer


def _state_of_installer(layout: Layout) -> tuple[str, str]:
    stages = [stage for stage in layout.stages if not stage.step.is_absent]
    apps = [stage.step for stage in stages]
    if failed := [app for app in apps if app.phase is Phase.FAILED]:
        return "❌", _apps_words(failed, *says_of(failed[0]))
    units = [unit for stage in stages for unit in stage.units]
    for phase, icon in ((Phase.FAILED, "❌"), (Phase.WAITING, "✋")):
        if found := [unit for unit in units if unit.phase is phase]:
            return icon, _units_words(layout, found)
    if unsettled := [app for app in apps if app.phase is not Phase.SUCCEEDED]:
        first = unsettled[0]
        if first.phase is Phase.UNKNOWN:
            return "❓", _apps_words(unsettled, *says_of(first))
        word = _status_word(first) or "new"
        return "🔵", _apps_words(unsettled, f"is {word}", "are not active")
    if not apps:
        return "⚪", "no apps"
    return "✅", f"all {len(apps):,} apps are active" if len(apps) > 1 else "its app is active"


def _apps_words(apps: Sequence[Entity], one: str, many: str) -> str:
    names = [_name(app) for app in apps[:_MOST_APPS_NAMED]]
    return f"{join_names(names, len(apps))} {one if len(apps) == 1 else many}"


def _units_words(layout: Layout, units: Sequence[Entity]) -> str:
    """Return what is said of the configs, or else of the workflows of app branches."""
    alike = [unit for unit in units if unit.kind is Kind.CONFIG] or list(units)
    one, many = says_of(alike[0])
    if alike[0].kind is Kind.CONFIG and len(alike) == 1:
        return f"{layout.name_of(alike[0], WORD_LIMIT)} {one}"
    noun = "config" if alike[0].kind is Kind.CONFIG else "branch workflow"
    return f"{counted(len(alike), noun)} {one if len(alike) == 1 else many}"


def _name(app: Entity, limit: int = WORD_LIMIT) -> str:
    return plain(app.name, limit, fallback=short_id(app.id))


def _status_word(entity: Entity, limit: int = WORD_LIMIT) -> str:
    return plain(entity.status, limit, fallback="").replace("_", " ")


def _is_well(stage: progress.Stage) -> bool:
    parts = (stage.step, *stage.units)
    return not any(part.phase in TROUBLES for part in parts)


def _app_line(layout: Layout, stage: progress.Stage, budget: Budget) -> Line:
    app = stage.step
    if app.is_absent:
        mark, words = "⊘", "removed" if layout.is_removed(app) else ABSENT.strip(" ()")
    else:
        mark, words = _mark(stage), " · ".join(_app_words(stage, budget))
    page = page_of_step(layout, app)
    return line(f"{mark} ", bold(_name(app, budget.name)), words and f" · {words}", *behind(page))


def _mark(stage: progress.Stage) -> str:
    phases = [stage.step.phase, *(unit.phase for unit in stage.units)]
    worst = min((p for p in phases if p in TROUBLES), key=lambda p: TROUBLES[p], default=phases[0])
    return MARKS[worst]


def _app_words(stage: progress.Stage, budget: Budget) -> Iterator[str]:
    app = stage.step
    if app.phase is not Phase.SUCCEEDED and (word := _status_word(app, budget.name)):
        yield f"in {word}" if app.phase is Phase.FAILED else word
    for config in [unit for unit in stage.units if unit.kind is Kind.CONFIG][-1:]:
        name = plain(config.name, budget.name, fallback="a config")
        failed, _ = FAILED
        word = failed if config.phase is Phase.FAILED else _status_word(config, budget.name)
        yield f"{name} {word}".strip()
        commit = commit_of(config)
        yield from filter(None, (commit_words(commit, budget), message_words(commit, budget)))


# What waits


def _approval_lines(layout: Layout, budget: Budget) -> Iterator[Line]:
    waiting = [
        (unit.created_at is None, unit.created_at or layout.changed_at, unit, stage.step)
        for stage in layout.stages
        for unit in stage.units
    ]
    for _, _, unit, work in sorted(waiting, key=lambda one: one[:2])[: budget.lines]:
        what = reason_words(unit.description, budget, unit.name)
        since = (" · since ", date(unit.created_at)) if unit.created_at else ()
        name = bold(layout.work_words(work, budget.name))
        page = page_of_unit(layout, unit) or page_of_step(layout, work)
        yield line(f"{MARKS[unit.phase]} ", name, what and f": {what}", *since, *behind(page))
