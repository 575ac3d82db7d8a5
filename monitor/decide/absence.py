"""What an answer lacks: a part that is not there any more, a wait that is over. Pure.

One answer proves nothing: the platform's pages miss rows and repeat others, and a replica that
lags has what was removed, and lacks what was added. Polls in a row have to agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from operator import is_
from typing import NamedTuple

import msgspec

from monitor.decide.claims import CONFIRMED_BY, MISSING, PRESENT, ClaimBook, Key, key_of
from monitor.decide.diff import apart, begins_anew, order_key
from monitor.decide.order import Order, order_of
from monitor.kinds import profile_of
from monitor.model import Entity, EventKind, Level, Phase, Snapshot, TargetState

_MOST_REMEMBERED = 500
"""Of the approvals that ceased to wait; a replica does not lag by more of them than that."""


class Present(NamedTuple):
    """A tree with the parts that are taken to be there, and those that were there before."""

    root: Entity
    replaced: tuple[Entity, ...]


def present(
    seen: Snapshot,
    state: TargetState,
    root: Entity,
    orders: Mapping[Key, Order],
    claims: ClaimBook,
) -> Present:
    """Return what is there, given an answer and what was seen last."""
    if profile_of(root).is_list_of_waits:
        return _waiting(seen, root, claims)
    if root.kind.is_perpetual:
        return Present(_with_steps(seen, state, root, orders, claims), ())
    return Present(_with_missing(seen.root, root, orders, claims), ())


# What has an end


def _with_missing(
    seen: Entity, root: Entity, orders: Mapping[Key, Order], claims: ClaimBook
) -> Entity:
    """Return an answer's tree with the steps and units that it is not sure to lack.

    A rollout must not succeed because an older answer lacks what is still at work. What is newer
    than before lacks them at once, and so does a rollout that begins anew.
    """
    if begins_anew(seen, root):
        return root
    unsure: dict[Key, list[Entity]] = {}
    earlier_parts, parts = apart(seen, root)
    answered = {key_of(part) for _, part in parts}
    for parent, part in _lacking(earlier_parts, answered):
        is_newer = orders.get(parent) is Order.NEWER
        if not is_newer and not claims.add(key_of(part), MISSING, of=CONFIRMED_BY):
            unsure.setdefault(parent, []).append(_without(part, answered))
    return _with_children(root, unsure) if unsure else root


def _lacking(
    earlier_parts: Iterable[tuple[Level, Entity]], answered: Set[Key]
) -> Iterator[tuple[Key, Entity]]:
    """Yield the uppermost steps and units that were there and are not in an answer.

    Each is with what it was below.
    """
    changed = [(level, part, key_of(part)) for level, part in earlier_parts]
    missing = {key for level, _, key in changed if level < Level.DETAIL} - answered
    for _, parent, key in changed:
        if missing and key in answered:
            for child in parent.children:
                if key_of(child) in missing and not child.is_absent:
                    yield key, child


def _without(part: Entity, elsewhere: Set[Key]) -> Entity:
    children = tuple(
        _without(child, elsewhere) for child in part.children if key_of(child) not in elsewhere
    )
    return part if children == part.children else msgspec.structs.replace(part, children=children)


def _with_children(part: Entity, more: Mapping[Key, list[Entity]]) -> Entity:
    children = tuple(_with_children(child, more) for child in part.children)
    if key_of(part) in more:
        children = tuple(sorted((*children, *more[key_of(part)]), key=order_key))
    elif all(map(is_, children, part.children)):
        return part
    return msgspec.structs.replace(part, children=children)


# What has none


def _with_steps(
    seen: Snapshot,
    state: TargetState,
    root: Entity,
    orders: Mapping[Key, Order],
    claims: ClaimBook,
) -> Entity:
    """Leave out what was removed and is in the answer again, until that is confirmed.

    What is newer than when it was removed is there at once.
    """
    removed = {alert.alert_key for alert in state.alerts if alert.kind is EventKind.REMOVED}
    back = {key_of(step) for step in root.children if step.id in removed}
    unsure = {key for key in back if orders.get(key) is not Order.NEWER}
    left_out = {key for key in unsure if not claims.add(key, PRESENT, of=CONFIRMED_BY)}
    _claim_missing(seen, root, removed, claims)
    if not left_out:
        return root
    children = tuple(step for step in root.children if key_of(step) not in left_out)
    return msgspec.structs.replace(root, children=children)


def _claim_missing(seen: Snapshot, root: Entity, removed: Set[str], claims: ClaimBook) -> None:
    """Note what the answer lacks; `changes.note_removals` goes by what has been confirmed."""
    answered = {key_of(step) for step in root.children}
    for step in seen.root.children:
        if step.id not in removed and key_of(step) not in answered:
            claims.add(key_of(step), MISSING, of=CONFIRMED_BY + 1)


def is_confirmed_missing(step: Entity, state: TargetState) -> bool:
    """Whether enough polls in a row lacked a step."""
    return any(
        (claim.kind, claim.id, claim.says) == (step.kind, step.id, MISSING)
        and claim.polls >= CONFIRMED_BY
        for claim in state.claims
    )


# Lists of what waits for a person


class _Wait(NamedTuple):
    """What waits, and what it is below: the workflow that goes on once it is answered."""

    below: Entity
    unit: Entity


def _waiting(seen: Snapshot, root: Entity, claims: ClaimBook) -> Present:
    """Return what still waits.

    What the list lacks does until polls in a row agree, or it says itself that it does not. What
    ceased to wait is remembered: a replica that lags may have it once more.
    """
    had, listed = _waits_in(seen.root), _waits_in(root)
    over = {key_of(part): part for part in seen.replaced}
    waiting = {
        key: wait
        for key, wait in listed.items()
        if wait.unit.phase is Phase.WAITING and (key in had or _is_new(over.get(key), wait, claims))
    }
    for key, wait in had.items():
        is_over = key in listed or claims.add(key, MISSING, of=CONFIRMED_BY)
        if not is_over:
            waiting[key] = wait
        elif key not in waiting:
            over[key] = wait.unit
    replaced = tuple(part for key, part in over.items() if key not in waiting)
    return Present(_listing(root, waiting), replaced[-_MOST_REMEMBERED:])


def _waits_in(root: Entity) -> dict[Key, _Wait]:
    return {
        key_of(unit): _Wait(workflow, unit)
        for workflow in root.children
        for unit in workflow.children
    }


def _is_new(was: Entity | None, wait: _Wait, claims: ClaimBook) -> bool:
    """Whether something has begun to wait: what had ceased to is there again if that is sure."""
    if was is None or order_of(was, wait.unit) is Order.NEWER:
        return True
    return claims.add(key_of(wait.unit), PRESENT, of=CONFIRMED_BY)


def _listing(root: Entity, waiting: Mapping[Key, _Wait]) -> Entity:
    """Return the list with these below their workflows; the very same where they are all of it."""
    if waiting == _waits_in(root):
        return root
    below: dict[str, Entity] = {}
    units: dict[str, list[Entity]] = {}
    for wait in waiting.values():
        below.setdefault(wait.below.id, wait.below)
        units.setdefault(wait.below.id, []).append(wait.unit)
    workflows = (
        msgspec.structs.replace(below[key], children=tuple(sorted(units[key], key=order_key)))
        for key in below
    )
    return msgspec.structs.replace(root, children=tuple(sorted(workflows, key=order_key)))
