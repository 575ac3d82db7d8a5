"""The headline: does it move, is it in trouble, where."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.compose.render.blocks import HEADER_LIMIT
from monitor.compose.render.facts import reached
from monitor.compose.render.phases import FAILED, TROUBLES, awaits_approval, says_of, waits
from monitor.compose.render.picture import Picture
from monitor.compose.render.standing import state_of_standing
from monitor.decide import progress
from monitor.model import Entity, Event, EventKind, Kind, Level, Phase, Stall
from monitor.text import counted


def headline_of(picture: Picture) -> str:
    """Return an icon, the title, and how it stands."""
    icon, words = _state(picture)
    if picture.root.kind is Kind.APPROVALS and not picture.given_title:
        headline = f"{icon} {_sentence(state_of(picture))}"
    else:
        headline = f"{icon} {picture.title}{words}{_attempt_words(picture)}"
    return headline if len(headline) <= HEADER_LIMIT else f"{headline[: HEADER_LIMIT - 1]}…"


def state_of(picture: Picture) -> str:
    """Return how it stands, for where the title stands beside it."""
    _, words = _state(picture)
    return f"{words}{_attempt_words(picture)}".lstrip(": ")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _attempt_words(picture: Picture) -> str:
    attempt = picture.view.memory.attempt
    return f" (attempt {attempt})" if attempt > 1 else ""


def is_headline(event: Event, root: Entity) -> bool:
    """Whether the headline of how it stands says as much as the event."""
    if event.level is not Level.ROLLOUT:
        return False
    if event.kind is EventKind.FAILED:
        return root.phase is Phase.FAILED
    return event.kind in (EventKind.STARTED, EventKind.SUCCEEDED)


def failure_words(picture: Picture) -> str:
    """Return how it came to a bad end; continues the title."""
    is_over = picture.root.phase is Phase.FAILED
    words, _ = says_of(picture.root) if is_over else FAILED
    if picture.failed is not None:
        return f" {words} at {picture.step_words(picture.failed)}"
    if picture.stages and picture.progress.pending == picture.progress.total:
        return f" {words} before it reached any {picture.terms.unit}"
    return f" {words}"


def success_words(picture: Picture) -> str:
    """Return how it succeeded; continues the title."""
    progress = picture.progress
    if not progress.total or picture.is_plan_only or picture.root.kind is Kind.WORKFLOW:
        return " succeeded"
    if progress.succeeded < progress.total:
        return f" succeeded: {reached(picture, progress)}"
    return f" is on all {progress.total:,} installs" if progress.total > 1 else " is on its install"


def _state(picture: Picture) -> tuple[str, str]:
    """Return an icon and the words that continue the title."""
    root = picture.root
    if picture.view.memory.ended is EventKind.GONE:
        return "❓", " is not on Nuon any more"
    if root.kind.is_standing:
        icon, words = state_of_standing(picture)
        return icon, f": {words}"
    if root.phase is Phase.FAILED:
        return "❌", failure_words(picture)
    if root.phase is Phase.SUCCEEDED and progress.is_in_agreement(root):
        return "✅", success_words(picture)
    if picture.stalls:
        return "⚠️", _stall_words(picture)
    return _state_under_way(picture)


def _state_under_way(picture: Picture) -> tuple[str, str]:
    root, progress = picture.root, picture.progress
    if progress.failed:
        return "❌", f": {reached(picture, progress)}, {progress.failed:,} failed"
    if progress.waiting:
        return "✋", f" {_words_for_waiting(picture)}"
    if root.phase in _UNDER_WAY_WORDS and not progress.total:
        return "🔵", _UNDER_WAY_WORDS[root.phase]
    if root.phase in TROUBLES:
        one, _ = says_of(root)
        return _ICONS[root.phase], f" {one}"
    return "🔵", f": {reached(picture, progress)}" if progress.total else " says that it succeeded"


def _words_for_waiting(picture: Picture) -> str:
    units = [u for s in picture.stages if s.progress.waiting for u in s.units]
    waiting = [unit for unit in units if unit.phase is Phase.WAITING]
    if len(waiting) == 1:
        one, _ = waits(waiting[0])
        return one
    if all(map(awaits_approval, waiting)):
        return f"waits for {len(waiting):,} approvals"
    return f"waits for a person at {counted(len(waiting), picture.terms.unit)}"


_ICONS: Mapping[Phase, str] = {
    Phase.WAITING: "✋",
    Phase.UNKNOWN: "❓",
    Phase.ENDED: "⚠️",
}
_UNDER_WAY_WORDS: Mapping[Phase, str] = {
    Phase.PENDING: " is queued",
    Phase.RUNNING: " is being prepared",
}


def _stall_words(picture: Picture) -> str:
    alert = picture.stalls[0]
    if alert.stall is Stall.DISAGREES:
        return f": {reached(picture, picture.progress)}, though it says that it succeeded"
    ids = [stage.step.id for stage in picture.stages]
    index = ids.index(alert.place) if alert.place in ids else picture.current
    if index is not None:
        return f" hangs at {picture.step_words(index)}"
    return f" hangs after its last {picture.terms.step}" if picture.stages else " hangs"
