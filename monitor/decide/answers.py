"""What people answered where their approval was waited for, as reasons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from monitor.kinds.causes import reason_of
from monitor.model import Entity, Phase, Reason, ReasonKind, is_refusal

_IN_TROUBLE = frozenset({Phase.FAILED, Phase.WAITING})
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_KINDS = {
    "approved": ReasonKind.APPROVED,
    "approval-denied": ReasonKind.DENIED,
    "approval-retry": ReasonKind.SENT_BACK,
}


def why_it_went_on(before: Entity | None, entity: Entity) -> Reason:
    """Return why something waits no longer: what was answered since it was seen last."""
    known = {approval.id for approval in _answered(before)} if before is not None else set()
    given = [approval for approval in _answered(entity) if approval.id not in known]
    newest = max(given, key=lambda one: one.status_at or _EARLIEST, default=None)
    return _reason_of_answer(newest) if newest is not None else Reason(ReasonKind.WENT_ON)


def explanation_of(entity: Entity) -> Reason:
    """Return what explains a problem: a person's refusal, or what says most of it now."""
    if entity.phase not in _IN_TROUBLE:
        return Reason()
    refusal = _refusal_in(entity) if entity.phase is Phase.FAILED else None
    return _reason_of_answer(refusal) if refusal else Reason(description=reason_of(entity))


def _refusal_in(entity: Entity) -> Entity | None:
    """Return the approval whose refusal made something fail, where nothing else did."""
    failed = [one for one in _all_below(entity) if one.phase is Phase.FAILED]
    ends = [one for one in failed if not any(b.phase is Phase.FAILED for b in one.children)]
    if not all(is_refusal(one.status) for one in ends):
        return None
    refused = (one for one in ends if one.fact("answer"))
    return max(refused, key=lambda one: one.status_at or _EARLIEST, default=None)


def _reason_of_answer(approval: Entity) -> Reason:
    kind = _KINDS.get(approval.status, ReasonKind.WENT_ON)
    if kind is ReasonKind.WENT_ON:
        return Reason(kind)
    return Reason(kind, description=approval.description, by=approval.fact("answered_by"))


def _answered(entity: Entity) -> Iterator[Entity]:
    return (one for one in _all_below(entity) if one.fact("answer"))


def _all_below(entity: Entity) -> Iterator[Entity]:
    for child in entity.children:
        yield child
        yield from _all_below(child)
