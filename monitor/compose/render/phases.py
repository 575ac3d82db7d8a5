"""How a phase is shown: its mark, its rank among the troubles, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.compose.render.blocks import WORD_LIMIT
from monitor.model import Entity, Phase
from monitor.text import plain

MARKS: Mapping[Phase, str] = {
    Phase.PENDING: "⚪",
    Phase.RUNNING: "🔵",
    Phase.WAITING: "✋",
    Phase.SUCCEEDED: "✅",
    Phase.FAILED: "❌",
    Phase.ENDED: "⊘",
    Phase.UNKNOWN: "❓",
}
STALLED_MARK = "⏸️"
RETRIED_MARK = "🔁"
CHANGED_MARK = "●"
"""Of something without an end, which neither failed nor succeeded."""
# The phases that a person should hear of, the worst first.
TROUBLES: Mapping[Phase, int] = {
    Phase.FAILED: 1,
    Phase.WAITING: 2,
    Phase.UNKNOWN: 3,
    Phase.ENDED: 4,
}

FAILED = ("failed", "failed")
# Not everything that comes to a bad end has failed, and not every wait is for an approval.
_ENDS: Mapping[str, tuple[str, str]] = {
    "approval-denied": ("was not approved", "were not approved"),
    "approval-expired": ("was not approved in time", "were not approved in time"),
    "auto-skipped": ("was skipped", "were skipped"),
    "cancelled": ("was cancelled", "were cancelled"),
    "discarded": ("was discarded", "were discarded"),
    "drifted": ("found drift", "found drift"),
    "expired": ("expired", "expired"),
    "not-attempted": ("was not attempted", "were not attempted"),
    "outdated": ("is outdated", "are outdated"),
    "superseded": ("was superseded", "were superseded"),
    "timed-out": ("timed out", "timed out"),
    "user-skipped": ("was skipped by a person", "were skipped by a person"),
    "warning": ("ended with a warning", "ended with a warning"),
}
_APPROVAL = ("needs approval", "need approval")
_RETRY = ("failed and waits for a retry", "failed and wait for a retry")
_WAITS: Mapping[str, tuple[str, str]] = {
    "approval-awaiting": _APPROVAL,
    "awaiting_approval": _APPROVAL,
    "pending-approval": _APPROVAL,
    "awaiting-user-run": ("needs a person to run it", "need a person to run them"),
    "failed-pending-retry": _RETRY,
    "pending_customer": ("waits for its customer", "wait for their customers"),
}
_A_PERSON = ("needs a person", "need a person")


def says_of(entity: Entity) -> tuple[str, str]:
    """Return what is said of one and of several in a phase that is a trouble."""
    word = plain(entity.status, WORD_LIMIT)
    match entity.phase:
        case Phase.FAILED if entity.kind.is_condition:
            return f"is in {word}", f"are in {word}"
        case Phase.FAILED:
            return _ENDS.get(entity.status, FAILED)
        case Phase.WAITING:
            return waits(entity)
        case Phase.ENDED if not entity.kind.has_uncounted_ends and entity.status in _ENDS:
            return _ENDS[entity.status]
        case Phase.ENDED:  # the very word matters of a deploy: its step goes on waiting after it
            return f"ended as {word}", f"ended as {word}"
        case _:
            return f"has an unknown status, {word}", f"have an unknown status, {word}"


def waits(entity: Entity) -> tuple[str, str]:
    """Return what one and several wait for, or waited for."""
    return _WAITS.get(entity.status, _A_PERSON)


def awaits_approval(entity: Entity) -> bool:
    return waits(entity) is _APPROVAL


def awaits_customer(entity: Entity) -> bool:
    return entity.phase is Phase.WAITING and entity.status == "pending_customer"


def awaits_retry(entity: Entity) -> bool:
    return entity.phase is Phase.WAITING and waits(entity) is _RETRY
