"""Which of two answers is the newer, part by part, and what of an answer is believed. Pure.

The platform may answer from a replica that lags, so that an older state comes after a newer one.
Order comes from the platform's own times of the same part, never from our clock. Where these say
nothing, a change that leaves an end or goes back has to be confirmed by the polls after it; so
has an older state, as the platform's times can go back for good: in a restored database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from operator import is_
from typing import NamedTuple

import msgspec

from monitor.decide.claims import CONFIRMED_BY, ClaimBook, Key, hash_of, key_of
from monitor.decide.diff import apart, filled, order_key
from monitor.kinds import profile_of
from monitor.model import Entity, FormerValues, Phase, Snapshot, TargetState

_MOST_DOUBLINGS = 3
_MOST_VALUES = 16
_MOST_PARTS = 1_000
"""Of how many parts former values are known: few have no times, and these few values."""


class Order(Enum):
    """What the platform's times say of an answer's part beside the same one as it was seen."""

    OLDER = auto()
    UNKNOWN = auto()
    """They are equal, or missing."""
    NEWER = auto()


def order_of(seen: Entity, answered: Entity) -> Order:
    """Compare two values of one part by the times that both of them have.

    One time that went back is enough: what is made of two documents, of which one came from a
    replica that lags, is not as new as its other half.
    """
    is_newer = False
    for before, now in zip(_times(seen), _times(answered), strict=True):
        if before is None or now is None or before == now:
            continue
        if now < before:
            return Order.OLDER
        is_newer = True
    return Order.NEWER if is_newer else Order.UNKNOWN


def _times(part: Entity) -> tuple[datetime | None, ...]:
    return part.status_at, part.updated_at, part.history[-1].at if part.history else None


class Pair(NamedTuple):
    """A part as it was seen, and as it is answered with the fields that the answer lacks.

    `bare` is without these.
    """

    seen: Entity
    answered: Entity
    bare: Entity
    order: Order


@dataclass(frozen=True, slots=True)
class Staleness:
    """What of an answer is older than what was seen.

    `parts` counts what therefore is as it was seen, `parts_reverted` what is believed all the
    same: the platform's times went back.
    """

    parts: int = 0
    parts_reverted: int = 0


FRESH = Staleness()


@dataclass(frozen=True, slots=True)
class Judgement:
    """An answer's tree, with each part that is not believed as it was seen."""

    root: Entity
    former: tuple[FormerValues, ...]
    lags: int
    staleness: Staleness
    orders: Mapping[Key, Order] = field(default_factory=dict[Key, Order])
    """Of the parts that are not the very same values as before."""


def judge(seen: Snapshot, state: TargetState, root: Entity, claims: ClaimBook) -> Judgement:
    """Judge each part of an answer beside the same one as it was seen last.

    An answer that has older parts and no newer one is no observation: what it lacks is not
    missing. It is believed once polls in a row agree on the whole of it.
    """
    pairs = list(_pairs(seen, root))
    orders = {key_of(pair.seen): pair.order for pair in pairs}
    older = {key_of(pair.seen): pair for pair in pairs if pair.order is Order.OLDER}
    is_whole = bool(older) and Order.NEWER not in orders.values()
    lags = _lags(state, has_older=bool(older))
    if is_whole:
        confirmed = _confirmed_as_whole(older, root, claims, lags)
    else:
        confirmed = _confirmed_one_by_one(older, claims, lags)
    if is_whole and not confirmed:
        claims.keep()
        return Judgement(seen.root, state.former, lags, Staleness(len(older)))
    stale = {key: pair.seen for key, pair in older.items() if key not in confirmed}
    values = _Values(state.former)
    doubted = _doubted(pairs, values, claims)
    return Judgement(
        _with_kept(root, stale, doubted),
        values.former(),
        0 if confirmed else lags,
        Staleness(len(stale), len(confirmed)),
        orders,
    )


def _lags(state: TargetState, *, has_older: bool) -> int:
    """Count the times that an older answer was followed by a newer one, as far as it matters."""
    is_over = not has_older and any(claim.is_older for claim in state.claims)
    return min(state.lags + is_over, _MOST_DOUBLINGS)


def _pairs(seen: Snapshot, root: Entity) -> Iterator[Pair]:
    is_list = profile_of(root).is_list_of_waits  # which is itself the answer
    earlier_parts, candidates = apart(seen.root, root)
    known = {key_of(part): part for part in seen.replaced}
    known.update({key_of(part): part for _, part in earlier_parts})
    for _, part in candidates:
        earlier = known.get(key_of(part))
        if earlier is not None and earlier is not part:
            answered = part if is_list else filled(earlier, part)
            yield Pair(earlier, answered, part, order_of(earlier, answered))


def _confirmed_as_whole(
    older: Mapping[Key, Pair], root: Entity, claims: ClaimBook, lags: int
) -> Set[Key]:
    """Return all older parts of an answer where enough polls in a row agree on the whole of it."""
    parts = [(pair.seen.id, _hash_of(pair)) for pair in older.values()]
    # Two answers can differ in what they lack alone.
    says = hash_of(len(root.flat()), parts)
    is_sure = claims.add(key_of(root), says, of=_needed(lags), is_older=True)
    return older.keys() if is_sure else set()


def _confirmed_one_by_one(older: Mapping[Key, Pair], claims: ClaimBook, lags: int) -> Set[Key]:
    """Return which of the older parts enough polls in a row agree on."""
    return {
        key
        for key, pair in older.items()
        if claims.add(key, _hash_of(pair), of=_needed(lags), is_older=True)
    }


def _needed(lags: int) -> int:
    """Return how many polls in a row have to agree.

    A platform that has answered with older states before, and then with newer ones again, is
    believed later each time: it is a replica that lags, not a database that was restored.
    """
    return CONFIRMED_BY << lags


def _hash_of(pair: Pair) -> int:
    return hash_of(_times(pair.answered), _value_of(pair.answered))


# Where the times say nothing


def _value_of(part: Entity) -> tuple[object, ...]:
    return part.status, part.description, part.facts


class _Values:
    """The values that parts had before, of those whose times do not tell one from another."""

    def __init__(self, former: tuple[FormerValues, ...]) -> None:
        self._by_part = {(one.kind, one.id): one.values for one in former}

    def had(self, part: Entity) -> bool:
        return hash_of(*_value_of(part)) in self._by_part.get(key_of(part), ())

    def add(self, part: Entity) -> None:
        known, value = self._by_part.pop(key_of(part), ()), hash_of(*_value_of(part))
        values = known if value in known else (*known, value)
        self._by_part[str(part.kind), part.id] = values[-_MOST_VALUES:]

    def forget(self, part: Entity) -> None:
        self._by_part.pop(key_of(part), None)

    def former(self) -> tuple[FormerValues, ...]:
        found = [FormerValues(kind, key, values) for (kind, key), values in self._by_part.items()]
        return tuple(found[-_MOST_PARTS:])


def _doubted(pairs: list[Pair], values: _Values, claims: ClaimBook) -> dict[Key, Entity]:
    """Return the parts whose times do not order them and that are not believed yet, as seen."""
    unordered = (pair for pair in pairs if pair.order is not Order.OLDER)
    return {key_of(pair.seen): pair.seen for pair in unordered if _is_doubted(pair, values, claims)}


def _is_doubted(pair: Pair, values: _Values, claims: ClaimBook) -> bool:
    """Whether a part is left as it was seen until more polls agree on what it came to."""
    if pair.order is Order.NEWER:
        values.forget(pair.seen)
        return False
    has_changed = _value_of(pair.seen) != _value_of(pair.answered)
    if has_changed and _goes_back(pair, values):
        says = hash_of(*_value_of(pair.answered))
        if not claims.add(key_of(pair.seen), says, of=CONFIRMED_BY):
            return True
    if has_changed:
        values.add(pair.seen)
    if _value_of(pair.bare) != _value_of(pair.answered):
        values.add(pair.bare)
    return False


def _goes_back(pair: Pair, values: _Values) -> bool:
    seen, answered = pair.seen, pair.answered
    if seen.status != answered.status:
        has_begun = seen.phase in (Phase.RUNNING, Phase.WAITING)
        if seen.phase.is_terminal or (has_begun and answered.phase is Phase.PENDING):
            return True
    return values.had(answered) or values.had(pair.bare)


# The tree


def _with_kept(root: Entity, stale: Mapping[Key, Entity], doubted: Mapping[Key, Entity]) -> Entity:
    """Return an answer's tree with some parts as they were seen, each with its present children.

    What is missing below a stale one is not: it may have been created since.
    """
    if not stale and not doubted:
        return root
    present = {key_of(part) for _, part in root.flat()} if stale else set[Key]()
    return _kept(root, {**doubted, **stale}, stale.keys(), present)


def _kept(part: Entity, seen: Mapping[Key, Entity], stale: Set[Key], present: Set[Key]) -> Entity:
    key = key_of(part)
    children = tuple(_kept(child, seen, stale, present) for child in part.children)
    was = seen.get(key)
    if was is None:
        return (
            part
            if _are_same(children, part.children)
            else msgspec.structs.replace(part, children=children)
        )
    if key in stale:
        missing = [child for child in was.children if key_of(child) not in present]
        if missing:
            children = tuple(sorted((*children, *missing), key=order_key))
    if _are_same(children, was.children) and not was.is_absent:
        return was
    return msgspec.structs.replace(was, children=children, is_absent=False)


def _are_same(some: tuple[Entity, ...], others: tuple[Entity, ...]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))
