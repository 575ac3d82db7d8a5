"""The headline: does it move, is it in trouble, where."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.compose.phrases import parts_of
from monitor.compose.render.blocks import HEADER_LIMIT, WORD_LIMIT
from monitor.compose.render.facts import reached
from monitor.compose.render.layout import Layout
from monitor.compose.render.perpetual import summary_of_perpetual
from monitor.compose.render.phases import (
    FAILED,
    STALLED_MARK,
    TROUBLES,
    awaits_approval,
    says_of,
    waits,
)
from monitor.decide import progress
from monitor.decide.progress import awaits_build, is_failed_by_build
from monitor.model import Entity, Event, EventKind, Level, Phase, ReasonKind
from monitor.text import counted, cut_to_utf16


def headline_of(layout: Layout) -> str:
    """Return an icon, the title, and how it stands."""
    icon, words = _state(layout)
    if layout.profile.is_list_of_waits and not layout.given_title:
        headline = f"{icon} {_sentence(state_of(layout))}"
    else:
        headline = f"{icon} {layout.title}{words}{_attempt_words(layout)}"
    return cut_to_utf16(headline, HEADER_LIMIT)


def state_of(layout: Layout) -> str:
    """Return how it stands, for where the title stands beside it."""
    _, words = _state(layout)
    return f"{words}{_attempt_words(layout)}".lstrip(": ")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _attempt_words(layout: Layout) -> str:
    attempt = layout.view.state.attempt
    return f" (attempt {attempt})" if attempt > 1 else ""


def is_headline(event: Event, root: Entity) -> bool:
    """Whether the headline of how it stands says as much as the event."""
    if event.level is not Level.ROLLOUT:
        return False
    if event.kind is EventKind.FAILED:
        return root.phase is Phase.FAILED
    return event.kind in (EventKind.STARTED, EventKind.SUCCEEDED)


def failure_words(layout: Layout) -> str:
    """Return how it came to a bad end; continues the title."""
    root, progress = layout.root, layout.progress
    words, _ = says_of(root) if root.phase is Phase.FAILED else FAILED
    if is_failed_by_build(root):
        return f"{words} because its build failed"
    if progress.failed and progress.total > 1:
        return f"{words}: {progress.failed:,} of {counted(progress.total, layout.terms.unit)}"
    if progress.failed and layout.profile.is_rolled_out_to_units:
        return f"{words} on its {layout.terms.unit}"
    if layout.failed is not None:
        return f"{words} at {layout.step_words(layout.failed)}"
    if layout.stages and progress.total and progress.pending == progress.total:
        return f"{words} before it reached any {layout.terms.unit}"
    return words


def success_words(layout: Layout) -> str:
    """Return how it succeeded; continues the title."""
    progress = layout.progress
    is_placed = layout.profile.is_rolled_out_to_units and not layout.is_plan_only
    if not progress.total or not is_placed:
        return "succeeded"
    if progress.succeeded < progress.total:
        return f"succeeded: {reached(layout, progress)}"
    unit = layout.terms.unit
    return (
        f"is on all {counted(progress.total, unit)}" if progress.total > 1 else f"is on its {unit}"
    )


def start_words(layout: Layout) -> str:
    """Return what has been started; continues the title."""
    if layout.profile.is_list_of_waits:
        return f"now watched: {counted(layout.progress.waiting, layout.terms.unit)} pending"
    if layout.root.kind.is_perpetual:
        return "is watched from now on"
    progress, terms = layout.progress, layout.terms
    kinds = [stage.step.kind for stage in layout.stages]
    count = kinds.count(layout.profile.step)
    steps = f" in {counted(count, terms.step)}" if count > 1 else ""
    return f"started: {counted(progress.total, terms.unit)}{steps}" if progress.total else "started"


def _state(layout: Layout) -> tuple[str, str]:
    """Return an icon and the words that continue the title."""
    root = layout.root
    if layout.view.state.ended is EventKind.REMOVED:
        return "❓", " is no longer on Nuon"
    if root.kind.is_perpetual:
        icon, words = summary_of_perpetual(layout)
        return icon, f": {words}"
    if root.phase is Phase.FAILED:
        return "❌", f" {failure_words(layout)}"
    if root.phase is Phase.SUCCEEDED and progress.is_in_agreement(root):
        return "✅", f" {success_words(layout)}"
    if layout.stalls:
        return STALLED_MARK, f" {_stall_words(layout)}"
    return _state_under_way(layout)


def _state_under_way(layout: Layout) -> tuple[str, str]:
    root, progress = layout.root, layout.progress
    if awaits_build(root):
        return "🔵", " is waiting for its build"
    if progress.failed:
        return "❌", f"{_words_for_failures(layout)}, still running"
    if progress.waiting:
        return "✋", f" {_words_for_waiting(layout)}"
    if root.phase in _UNDER_WAY_WORDS and not progress.total:
        return "🔵", _UNDER_WAY_WORDS[root.phase]
    if root.phase in TROUBLES:
        one, _ = says_of(root)
        return _ICONS[root.phase], f" {one}"
    return "🔵", f" {_words_for_progress(layout)}"


def _words_for_failures(layout: Layout) -> str:
    progress, unit = layout.progress, layout.terms.unit
    if progress.total == 1 and layout.profile.is_rolled_out_to_units:
        return f" failed on its {unit}"
    return f": {progress.failed:,} of {counted(progress.total, unit)} failed"


def _words_for_progress(layout: Layout) -> str:
    """Return how far it is, such that it never reads as if it were at its end."""
    progress = layout.progress
    if layout.root.phase is Phase.SUCCEEDED:
        so_far = f", {reached(layout, progress)} so far" if progress.total else ""
        return f"reports success{so_far}: not confirmed yet"
    if progress.succeeded == progress.total:
        return f"is finishing: {reached(layout, progress)}"
    return f"is running: {reached(layout, progress)}"


def _words_for_waiting(layout: Layout) -> str:
    units = [u for s in layout.stages if s.progress.waiting for u in s.units]
    waiting = [unit for unit in units if unit.phase is Phase.WAITING]
    if len(waiting) == 1:
        one, _ = waits(waiting[0])
        is_placed = layout.profile.is_rolled_out_to_units
        return f"{one} on {layout.name_of(waiting[0], WORD_LIMIT)}" if is_placed else one
    if all(map(awaits_approval, waiting)):
        return f"needs {len(waiting):,} approvals"
    return f"needs a person at {counted(len(waiting), layout.terms.unit)}"


_ICONS: Mapping[Phase, str] = {
    Phase.WAITING: "✋",
    Phase.UNKNOWN: "❓",
    Phase.ENDED: "⚠️",
}
_UNDER_WAY_WORDS: Mapping[Phase, str] = {
    Phase.PENDING: " is queued",
    Phase.RUNNING: " is being prepared",
}


def _stall_words(layout: Layout) -> str:
    alert = layout.stalls[0]
    if alert.reason.kind is ReasonKind.DISAGREES:
        return f"has not succeeded everywhere: {reached(layout, layout.progress)}"
    words = parts_of(alert.reason).one
    index = layout.index_of(alert.alert_key)
    index = layout.current if index is None else index
    if index is not None and len(layout.stages) == 1:
        return words
    if index is not None:
        return f"{words} at {layout.step_words(index)}"
    return f"{words} after its last {layout.terms.step}" if layout.stages else words
