"""The headline: does it move, is it in trouble, where."""

from __future__ import annotations

from collections.abc import Mapping

from monitor import rollout
from monitor.model import Entity, Event, EventKind, Level, Phase, Stall
from monitor.render.blocks import HEADER_LIMIT
from monitor.render.facts import reached
from monitor.render.phases import TROUBLES, says_of
from monitor.render.picture import Picture


def headline_of(picture: Picture) -> str:
    """Return an icon, the title, and how it stands."""
    icon, words = _state(picture)
    attempt = picture.view.memory.attempt
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"{icon} {picture.title}{words}{again}"[:HEADER_LIMIT]


def is_headline(event: Event, root: Entity) -> bool:
    """Whether the headline of how it stands says as much as the event."""
    if event.level is not Level.ROLLOUT:
        return False
    if event.kind is EventKind.FAILED:
        return root.phase is Phase.FAILED
    return event.kind in (EventKind.STARTED, EventKind.SUCCEEDED)


def failure_words(picture: Picture) -> str:
    """Return how it failed; continues the title."""
    if picture.failed is not None:
        return f" failed at {picture.step_words(picture.failed)}"
    if picture.stages and picture.progress.pending == picture.progress.total:
        return " failed before it reached any install"
    return " failed"


def success_words(picture: Picture) -> str:
    """Return how it succeeded; continues the title."""
    progress = picture.progress
    if not progress.total or picture.is_plan_only:
        return " succeeded"
    if progress.succeeded < progress.total:
        return f" succeeded: {reached(progress)}"
    return f" is on all {progress.total:,} installs" if progress.total > 1 else " is on its install"


def _state(picture: Picture) -> tuple[str, str]:
    """Return an icon and the words that continue the title."""
    root = picture.root
    if picture.view.memory.ended is EventKind.GONE:
        return "❓", " is not on Nuon any more"
    if root.phase is Phase.FAILED:
        return "❌", failure_words(picture)
    if root.phase is Phase.SUCCEEDED and rollout.is_in_agreement(root):
        return "✅", success_words(picture)
    if picture.stalls:
        return "⚠️", _stall_words(picture)
    return _state_under_way(picture)


def _state_under_way(picture: Picture) -> tuple[str, str]:
    root, progress = picture.root, picture.progress
    if progress.failed:
        return "❌", f": {reached(progress)}, {progress.failed:,} failed"
    if progress.waiting:
        many = progress.waiting > 1
        return "✋", f" waits for {f'{progress.waiting:,} approvals' if many else 'an approval'}"
    if root.phase in _UNDER_WAY_WORDS and not progress.total:
        return "🔵", _UNDER_WAY_WORDS[root.phase]
    if root.phase in TROUBLES:
        one, _ = says_of(root.phase, root.status)
        return ("✋" if root.phase is Phase.WAITING else "❓"), f" {one}"
    return "🔵", f": {reached(progress)}" if progress.total else " says that it succeeded"


_UNDER_WAY_WORDS: Mapping[Phase, str] = {
    Phase.PENDING: " is queued",
    Phase.RUNNING: " is being prepared",
}


def _stall_words(picture: Picture) -> str:
    alert = picture.stalls[0]
    if alert.stall is Stall.DISAGREES:
        return f": {reached(picture.progress)}, though it says that it succeeded"
    ids = [stage.step.id for stage in picture.stages]
    index = ids.index(alert.place) if alert.place in ids else picture.current
    if index is not None:
        return f" hangs at {picture.step_words(index)}"
    return " hangs after its last step" if picture.stages else " hangs"
