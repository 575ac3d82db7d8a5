"""Two snapshots of one target → what changed. Pure.

Entities are matched by kind and id, never by position. What is missing from the newer
answer proves nothing: it is kept as it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from monitor.model import Entity, Level, PastStatus, Snapshot, Transition

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two snapshots, in the order of the newer one's tree.

    `has_moved` also holds for a new description: something is going on, even if no status
    changed. A touched `updated_at` alone is no movement.
    """

    transitions: tuple[Transition, ...]
    has_moved: bool


def diff(before: Snapshot | None, after: Snapshot) -> Difference:
    """Return what changed for one target since the previous snapshot.

    A first snapshot is a baseline: it has no transitions, and the caller decides what of
    it is news. Statuses that came and went between the two are read from the history
    that the platform keeps, so that polling more rarely does not see less.
    """
    if before is None:
        return Difference((), has_moved=False)
    known = _by_key(before.root)
    transitions: list[Transition] = []
    has_moved = False
    for level, entity in after.root.walk():
        earlier = known.get((entity.kind, entity.id))
        if earlier is entity:
            continue
        if earlier is not None and earlier.status == entity.status:
            has_moved |= earlier.description != entity.description
            if earlier.status_at == entity.status_at:
                continue
        transitions.extend(_steps_between(level, earlier, entity))
    return Difference(tuple(transitions), has_moved or bool(transitions))


def keep_absent(before: Snapshot | None, after: Snapshot) -> Snapshot:
    """Return `after` with the parts that only `before` has, marked as absent.

    When they come back they are compared with what they were, and nothing is told twice.
    """
    if before is None:
        return after
    present = _by_key(after.root)
    if all(key in present for key in _by_key(before.root)):
        return after
    root = _with_absent(before.root, after.root, present)
    return msgspec.structs.replace(after, root=root)


def _by_key(root: Entity) -> dict[_Key, Entity]:
    return {(entity.kind, entity.id): entity for _, entity in root.walk()}


def _with_absent(before: Entity, after: Entity, present: dict[_Key, Entity]) -> Entity:
    after_children = {(child.kind, child.id): child for child in after.children}
    children: list[Entity] = []
    for child in before.children:
        key = (child.kind, child.id)
        if key in after_children:
            children.append(_with_absent(child, after_children.pop(key), present))
        elif key not in present:
            children.append(_absent(child, present))
    if not children and not after_children:
        return after
    children.extend(after_children.values())
    children.sort(key=lambda child: (child.created_at is None, child.created_at, child.id))
    return msgspec.structs.replace(after, children=tuple(children))


def _absent(entity: Entity, present: dict[_Key, Entity]) -> Entity:
    children = tuple(
        _absent(child, present)
        for child in entity.children
        if (child.kind, child.id) not in present
    )
    return msgspec.structs.replace(entity, children=children, is_absent=True)


def _steps_between(level: Level, earlier: Entity | None, entity: Entity) -> Iterator[Transition]:
    status = None if earlier is None else earlier.status
    for past in _passed(earlier, entity):
        if past.status != status:
            yield Transition(
                level, entity, status, past.status, past.description, past.at, is_current=False
            )
            status = past.status
    if entity.status != status:
        yield Transition(level, entity, status, entity.status, entity.description, entity.status_at)


def _passed(earlier: Entity | None, entity: Entity) -> tuple[PastStatus, ...]:
    """Return the history's entries that are newer than what was seen before."""
    if earlier is None or not entity.history:
        return entity.history
    seen_at = earlier.status_at
    if seen_at is None:
        # Without a time, what was seen is the last entry with that word.
        matches = [i for i, past in enumerate(entity.history) if past.status == earlier.status]
        return entity.history[matches[-1] + 1 :] if matches else ()
    newer = tuple(past for past in entity.history if past.at >= seen_at)
    # Times are whole seconds: of those in the same one, drop what was seen and what led to it.
    for i in range(len(newer) - 1, -1, -1):
        if newer[i].at == seen_at and newer[i].status == earlier.status:
            return newer[i + 1 :]
    return newer
