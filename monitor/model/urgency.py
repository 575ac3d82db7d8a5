"""How much it matters that people see what is waiting to be sent: what matters most goes first."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from monitor.model.events import Alert, TargetState


class Urgency(IntEnum):
    """Of a rollout, and so of all that waits to be sent about it. Less is sent earlier."""

    MONITOR = 0
    """What the monitor itself cannot see, or can again: it explains what else is said."""
    PROBLEM = 1
    """Something is wrong now, and people were notified of it."""
    MOVING = 2
    """It is under way, and no problem that people know of is active."""
    OVER = 3
    """It has ended without such a problem, or is watched no more: history."""


def urgency_of(state: TargetState) -> Urgency:
    """Return what a rollout's posts and edits are worth beside those of others.

    A rollout that failed stays a problem after its end. What failed and is under way again is none,
    nor is what nobody was notified of, because of a threshold or a silence.
    """
    if state.is_closed:
        return Urgency.OVER
    if _has_active_problem(state.alerts):
        return Urgency.PROBLEM
    return Urgency.MOVING if state.ended is None else Urgency.OVER


def _has_active_problem(alerts: Iterable[Alert]) -> bool:
    # Of an alert without a record nobody can say that people do not know of it.
    return any(not alert.is_retrying and alert.notified_destinations != () for alert in alerts)
