"""The headline: does it move, is it in trouble, where."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.compose.render.blocks import HEADER_LIMIT
from monitor.compose.render.facts import reached
from monitor.compose.render.layout import Layout
from monitor.compose.render.perpetual import summary_of_perpetual
from monitor.compose.render.phases import FAILED, TROUBLES, awaits_approval, says_of, waits
from monitor.decide import progress
from monitor.decide.progress import awaits_build, is_failed_by_build
from monitor.model import Entity, Event, EventKind, Level, Phase, ReasonKind
from monitor.text import counted


def headline_of(layout: Layout) -> str:
    """Return an icon, the title, and how it stands."""
    icon, words = _state(layout)
    if layout.profile.is_list_of_waits and not layout.given_title:
        headline = f"{icon} {_sentence(state_of(layout))}"
    else:
        headline = f"{icon} {layout.title}{words}{_attempt_words(layout)}"
    return headline if len(headline) <= HEADER_LIMIT else f"{headline[: HEADER_LIMIT - 1]}…"


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
    is_over = layout.root.phase is Phase.FAILED
    words, _ = says_of(layout.root) if is_over else FAILED
    if layout.failed is not None:
        return f" {words} at {layout.step_words(layout.failed)}"
    if is_failed_by_build(layout.root):
        return f" {words} because its build did"
    if layout.stages and layout.progress.pending == layout.progress.total:
        return f" {words} before it reached any {layout.terms.unit}"
    return f" {words}"


def success_words(layout: Layout) -> str:
    """Return how it succeeded; continues the title."""
    progress = layout.progress
    is_placed = layout.profile.is_rolled_out_to_units and not layout.is_plan_only
    if not progress.total or not is_placed:
        return " succeeded"
    if progress.succeeded < progress.total:
        return f" succeeded: {reached(layout, progress)}"
    unit = layout.terms.unit
    return (
        f" is on all {counted(progress.total, unit)}"
        if progress.total > 1
        else f" is on its {unit}"
    )


def _state(layout: Layout) -> tuple[str, str]:
    """Return an icon and the words that continue the title."""
    root = layout.root
    if layout.view.state.ended is EventKind.REMOVED:
        return "❓", " is not on Nuon any more"
    if root.kind.is_perpetual:
        icon, words = summary_of_perpetual(layout)
        return icon, f": {words}"
    if root.phase is Phase.FAILED:
        return "❌", failure_words(layout)
    if root.phase is Phase.SUCCEEDED and progress.is_in_agreement(root):
        return "✅", success_words(layout)
    if layout.stalls:
        return "⚠️", _stall_words(layout)
    return _state_under_way(layout)


def _state_under_way(layout: Layout) -> tuple[str, str]:
    root, progress = layout.root, layout.progress
    if awaits_build(root):
        return "🔵", " waits for its build"
    if progress.failed:
        return "❌", f": {reached(layout, progress)}, {progress.failed:,} failed"
    if progress.waiting:
        return "✋", f" {_words_for_waiting(layout)}"
    if root.phase in _UNDER_WAY_WORDS and not progress.total:
        return "🔵", _UNDER_WAY_WORDS[root.phase]
    if root.phase in TROUBLES:
        one, _ = says_of(root)
        return _ICONS[root.phase], f" {one}"
    return "🔵", f": {reached(layout, progress)}" if progress.total else " says that it succeeded"


def _words_for_waiting(layout: Layout) -> str:
    units = [u for s in layout.stages if s.progress.waiting for u in s.units]
    waiting = [unit for unit in units if unit.phase is Phase.WAITING]
    if len(waiting) == 1:
        one, _ = waits(waiting[0])
        return one
    if all(map(awaits_approval, waiting)):
        return f"waits for {len(waiting):,} approvals"
    return f"waits for a person at {counted(len(waiting), layout.terms.unit)}"


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
        return f": {reached(layout, layout.progress)}, though it says that it succeeded"
    ids = [stage.step.id for stage in layout.stages]
    index = ids.index(alert.alert_key) if alert.alert_key in ids else layout.current
    if index is not None:
        return f" hangs at {layout.step_words(index)}"
    return f" hangs after its last {layout.terms.step}" if layout.stages else " hangs"
