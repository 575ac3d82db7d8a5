"""How a phase is shown: its mark, its rank among the troubles, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.model import Phase
from monitor.render.blocks import WORD_LIMIT
from monitor.text import plain

MARKS: Mapping[Phase, str] = {
    Phase.PENDING: "○",
    Phase.RUNNING: "●",
    Phase.WAITING: "✋",
    Phase.SUCCEEDED: "✓",
    Phase.FAILED: "✗",
    Phase.ENDED: "⊘",
    Phase.UNKNOWN: "?",
}
# The phases that a person should hear of, the worst first.
TROUBLES: Mapping[Phase, int] = {
    Phase.FAILED: 1,
    Phase.WAITING: 2,
    Phase.UNKNOWN: 3,
    Phase.ENDED: 4,
}


def says_of(phase: Phase, status: str) -> tuple[str, str]:
    """Return what is said of one and of several in a phase that is a trouble."""
    shown = plain(status, WORD_LIMIT)
    match phase:
        case Phase.FAILED:
            return "failed", "failed"
        case Phase.WAITING:
            return "waits for an approval", "wait for an approval"
        case Phase.ENDED:
            return f"ended as {shown}", f"ended as {shown}"
        case _:
            return f"has an unknown status, {shown}", f"have an unknown status, {shown}"
