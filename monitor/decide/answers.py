"""What people answered where their approval was waited for, as reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator
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


def answered_in(entity: Entity) -> tuple[str, ...]:
    """Return which approvals of something have an answer."""
    return tuple(map(_key, _answered(entity)))


def _key(approval: Entity) -> str:
    return f"{approval.id} {approval.fact('answer')}"


def why_it_went_on(answered_before: Collection[str], entity: Entity) -> Reason:
    """Return why something waits no longer: what was answered since it began to wait."""
    given = [one for one in _answered(entity) if _key(one) not in answered_before]
    newest = max(given, key=lambda one: one.status_at or _EARLIEST, default=None)
    return _reason_of_answer(newest) if newest is not None else Reason(ReasonKind.WENT_ON)


def explanation_of(entity: Entity) -> Reason:
    """Return what explains a problem: a person's refusal, or what says most of it now."""
    if entity.phase not in _IN_TROUBLE:
        return Reason()
    refusal = _refusal_in(entity) if entity.phase is Phase.FAILED else None
    return _reason_of_answer(refusal) if refusal else Reason(description=reason_of(entity))


def _refusal_in(entity: Entity) -> Entity | None:
    """Return what was refused and so made something fail, where nothing else did."""
    failed = [one for one in _all_of(entity) if one.phase is Phase.FAILED]
    ends = [one for one in failed if not any(b.phase is Phase.FAILED for b in one.children)]
    if not all(is_refusal(one.status) for one in ends):
        return None
    refused = (one for one in ends if one.fact("answer"))
    return max(refused, key=lambda one: one.status_at or _EARLIEST, default=None)


def _reason_of_answer(approval: Entity) -> Reason:
    kind = _KINDS.get(approval.fact("answer"), ReasonKind.WENT_ON)
    if kind is ReasonKind.WENT_ON:
        return Reason(kind)
    note = approval.fact("note") or approval.description
    return Reason(kind, description=note, by=approval.fact("answered_by"))


def _answered(entity: Entity) -> Iterator[Entity]:
    """Yield approvals, and what is drawn in the place of a step that had one."""
    return (one for one in _all_of(entity) if one.fact("answer"))


def _all_of(entity: Entity) -> Iterator[Entity]:
    yield entity
    for child in entity.children:
        yield from _all_of(child)
