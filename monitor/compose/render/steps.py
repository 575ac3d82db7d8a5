"""The steps of a rollout: a line for each, and words for those never attempted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import timedelta

from monitor.compose.render.blocks import WORD_LIMIT, Line, bold, line
from monitor.compose.render.facts import extras_of, reached
from monitor.compose.render.phases import MARKS
from monitor.compose.render.picture import Picture
from monitor.compose.render.room import Room
from monitor.decide import progress
from monitor.model import Entity, Phase
from monitor.text import counted, duration_words, plain

_STEP_LINES = 10


def step_lines(picture: Picture, room: Room) -> list[Line]:
    """Draw the steps around the current one, and say how many there are before and after."""
    left = not_attempted(picture)
    count = len(picture.stages) - (len(left) if len(left) > 1 else 0)
    current = count - 1 if picture.current is None else picture.current
    shown = min(_STEP_LINES, room.lines)
    first = max(0, current - shown // 3) if count > shown else 0
    last = min(count, first + shown)
    lines = [_step_line(picture, index, room) for index in range(first, last)]
    noun = picture.terms.step
    if first:
        are_done = all(stage.step.phase is Phase.SUCCEEDED for stage in picture.stages[:first])
        lines.insert(0, line(f"… {counted(first, noun)} {'done' if are_done else 'before'}"))
    if last < count:
        lines.append(line(f"… {counted(count - last, f'more {noun}')}"))
    if len(left) > 1:
        words = " · ".join(filter(None, (units_of(picture, left), "not attempted")))
        lines.append(line("○ ", bold(picture.last_steps_words(len(left))), f" · {words}"))
    return lines


def not_attempted(picture: Picture) -> tuple[progress.Stage, ...]:
    """Return the last steps, those that a rollout never came to before it failed."""
    if picture.root.phase is not Phase.FAILED:
        return ()
    last_steps = itertools.takewhile(_is_untouched, reversed(picture.stages))
    return tuple(last_steps)[::-1]


def units_of(picture: Picture, stages: Sequence[progress.Stage]) -> str:
    """Return how many units the steps have, as words; empty if none is known."""
    units = sum(stage.progress.total for stage in stages)
    return counted(units, picture.terms.unit) if units else ""


def _is_untouched(stage: progress.Stage) -> bool:
    return stage.step.phase is Phase.PENDING and stage.progress.pending == stage.progress.total


def _step_line(picture: Picture, index: int, room: Room) -> Line:
    stage = picture.stages[index]
    words = " · ".join(_step_words(picture, stage, room))
    return line(
        f"{_step_mark(picture, index)} ", bold(picture.step_label(index)), words and f" · {words}"
    )


def _step_mark(picture: Picture, index: int) -> str:
    stage = picture.stages[index]
    if stage.step.phase.is_terminal:
        return MARKS[stage.step.phase]
    if _is_stalled(picture, index):
        return "⚠"
    if stage.progress.failed:
        return MARKS[Phase.FAILED]
    if stage.progress.waiting:
        return MARKS[Phase.WAITING]
    return MARKS[stage.step.phase]


def _is_stalled(picture: Picture, index: int) -> bool:
    places = {alert.place for alert in picture.stalls}
    if picture.stages[index].step.id in places:
        return True
    return picture.root.id in places and index == picture.current


def _step_words(picture: Picture, stage: progress.Stage, room: Room) -> Iterator[str]:
    step, progress = stage.step, stage.progress
    if step.phase is Phase.UNKNOWN:
        yield f"unknown status {plain(step.status, min(room.words, WORD_LIMIT))}"
    has_begun = progress.pending < progress.total
    if progress.total:
        is_plain = progress.succeeded == progress.total or not has_begun
        unit = picture.terms.unit
        yield counted(progress.total, unit) if is_plain else reached(picture, progress)
    if extras := extras_of(progress):
        yield extras
    if step.is_delayed:
        yield f"waits for its delay of {_delay_words(step)}"
    elif step.phase is Phase.PENDING and not has_begun:
        if picture.root.phase is Phase.FAILED:
            yield "not attempted"
        elif step.delay:
            yield f"after a delay of {_delay_words(step)}"
    elif stage.duration:
        yield duration_words(stage.duration)
    if step.is_absent:
        yield "not in the newest answer"


def _delay_words(step: Entity) -> str:
    return duration_words(timedelta(seconds=step.delay))
