"""The steps of a rollout: a line for each, and words for those never attempted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import timedelta

from monitor.compose.render.blocks import WORD_LIMIT, Line, bold, line
from monitor.compose.render.budget import Budget
from monitor.compose.render.facts import extras_of
from monitor.compose.render.layout import Layout
from monitor.compose.render.phases import MARKS, STALLED_MARK
from monitor.decide import progress
from monitor.model import Entity, Phase
from monitor.text import counted, duration_words, plain

_STEP_LINES = 10


def step_lines(layout: Layout, budget: Budget) -> list[Line]:
    """Draw the steps around the current one, and say how many there are before and after."""
    left = not_attempted(layout)
    count = len(layout.stages) - (len(left) if len(left) > 1 else 0)
    current = count - 1 if layout.current is None else layout.current
    shown = min(_STEP_LINES, budget.lines)
    first = max(0, current - shown // 3) if count > shown else 0
    last = min(count, first + shown)
    lines = [_step_line(layout, index, budget) for index in range(first, last)]
    noun = layout.terms.step
    if first:
        are_done = all(stage.step.phase is Phase.SUCCEEDED for stage in layout.stages[:first])
        lines.insert(0, line(f"… {counted(first, noun)} {'done' if are_done else 'before'}"))
    if last < count:
        lines.append(line(f"… {counted(count - last, f'more {noun}')}"))
    if len(left) > 1:
        words = " · ".join(filter(None, (units_of(layout, left), "not attempted")))
        lines.append(line("⚪ ", bold(layout.last_steps_words(len(left))), f" · {words}"))
    return lines


def not_attempted(layout: Layout) -> tuple[progress.Stage, ...]:
    """Return the last steps, those that a rollout never came to before it failed."""
    if layout.root.phase is not Phase.FAILED:
        return ()
    last_steps = itertools.takewhile(_is_untouched, reversed(layout.stages))
    return tuple(last_steps)[::-1]


def units_of(layout: Layout, stages: Sequence[progress.Stage]) -> str:
    """Return how many units the steps have, as words; empty if none is known."""
    units = sum(stage.progress.total for stage in stages)
    return counted(units, layout.terms.unit) if units else ""


def _is_untouched(stage: progress.Stage) -> bool:
    return stage.step.phase is Phase.PENDING and stage.progress.pending == stage.progress.total


def _step_line(layout: Layout, index: int, budget: Budget) -> Line:
    words = " · ".join(_step_words(layout, index, budget))
    return line(
        f"{_step_mark(layout, index)} ", bold(layout.step_label(index)), words and f" · {words}"
    )


def _step_mark(layout: Layout, index: int) -> str:
    stage = layout.stages[index]
    if stage.step.phase.is_terminal:
        return MARKS[stage.step.phase]
    if index == layout.left_at:
        return MARKS[Phase.FAILED]
    if _is_stalled(layout, index):
        return STALLED_MARK
    if stage.progress.failed:
        return MARKS[Phase.FAILED]
    if stage.progress.waiting:
        return MARKS[Phase.WAITING]
    return MARKS[stage.step.phase]


def _is_stalled(layout: Layout, index: int) -> bool:
    alert_keys = {alert.alert_key for alert in layout.stalls}
    if layout.stages[index].step.id in alert_keys:
        return True
    return layout.root.id in alert_keys and index == layout.current


def _step_words(layout: Layout, index: int, budget: Budget) -> Iterator[str]:
    stage = layout.stages[index]
    step, progress = stage.step, stage.progress
    if step.phase is Phase.UNKNOWN:
        yield f"unknown status {plain(step.status, min(budget.words, WORD_LIMIT))}"
    if progress.total:
        yield _units_words(layout, progress)
    if extras := extras_of(progress):
        yield extras
    if timing := _timing_words(layout, stage):
        yield timing
    if index == layout.left_at:
        yield "stopped here"
    if step.is_absent:
        yield "not in the newest answer"


def _units_words(layout: Layout, progress: progress.Progress) -> str:
    if progress.total == progress.pending:
        return counted(progress.total, layout.terms.unit)
    return f"{progress.succeeded:,}/{progress.total:,}"


def _timing_words(layout: Layout, stage: progress.Stage) -> str:
    """Return how long a step took, or what it waits for before it begins; may be empty."""
    step = stage.step
    if step.is_delayed:
        return f"waits for its delay of {_delay_words(step)}"
    if step.phase is Phase.PENDING and stage.progress.pending == stage.progress.total:
        if layout.root.phase is Phase.FAILED:
            return "not attempted"
        return f"after a delay of {_delay_words(step)}" if step.delay else ""
    return duration_words(stage.duration) if stage.duration else ""


def _delay_words(step: Entity) -> str:
    return duration_words(timedelta(seconds=step.delay))
