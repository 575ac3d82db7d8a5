"""Two snapshots of one target → what changed. Pure.

Entities are matched by kind and id, never by position. What is missing from the newer
answer, a part or a field, proves nothing: it is kept as it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import is_

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
    """Return `after` with all that only `before` has: parts, marked as absent, and fields.

    When they come back they are compared with what they were, and nothing is told twice.
    """
    if before is None:
        return after
    root = _merged(before.root, after.root, _by_key(after.root))
    return after if root is after.root else msgspec.structs.replace(after, root=root)


def _by_key(root: Entity) -> dict[_Key, Entity]:
    return {(entity.kind, entity.id): entity for _, entity in root.walk()}


# What does not change in the life of an entity, and what belongs to its present status.
_LASTING = (
    *("name", "created_at", "updated_at", "delay", "planned", "install_id", "component_id"),
    *("build_id", "revision", "workflow_id", "created_by", "plan_only"),
)
_OF_STATUS = ("status", "description", "status_at", "history")


def _merged(before: Entity, after: Entity, present: dict[_Key, Entity]) -> Entity:
    if not before.children and before == after:
        return after
    after = _filled(before, after)
    known = {(child.kind, child.id): child for child in before.children}
    children = [
        _merged(earlier, child, present)
        if (earlier := known.get((child.kind, child.id))) is not None
        else child
        for child in after.children
    ]
    children.extend(_absent(child, present) for key, child in known.items() if key not in present)
    if len(children) == len(after.children) and all(map(is_, children, after.children)):
        return after
    children.sort(key=lambda child: (child.created_at is None, child.created_at, child.id))
    return msgspec.structs.replace(after, children=tuple(children))


def _filled(before: Entity, after: Entity) -> Entity:
    """Return `after` with the fields that it leaves out: an empty status is a missing one."""
    is_same_status = after.status in ("", before.status)
    missing = {
        name: value
        for name in (_LASTING + _OF_STATUS if is_same_status else _LASTING)
        if not getattr(after, name) and (value := getattr(before, name))
    }
    return msgspec.structs.replace(after, **missing) if missing else after


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
    if seen_at is None and earlier.status == entity.status:
        return ()  # without a time it may well have been seen after all of it
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
