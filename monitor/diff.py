"""Two snapshots of one target → what changed. Pure.

Entities are matched by kind and id, never by position. What is missing from the newer
answer, a part or a field, proves nothing: it is kept as it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from operator import is_

import msgspec

from monitor.model import (
    Alteration,
    Entity,
    Kind,
    Level,
    PastStatus,
    Phase,
    Snapshot,
    Transition,
)

_Key = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two snapshots, in the order of the newer one's tree.

    `alterations` are facts that are not what they were. `has_moved` also holds for these and
    for a new description: something is going on, even if no status changed. A touched
    `updated_at` alone is no movement.
    """

    transitions: tuple[Transition, ...]
    has_moved: bool
    alterations: tuple[Alteration, ...] = ()


def diff(before: Snapshot | None, after: Snapshot) -> Difference:
    """Return what changed for one target since the previous snapshot.

    A first snapshot is a baseline: it has no transitions, and the caller decides what of
    it is news. Statuses that came and went between the two are read from the history
    that the platform keeps, so that polling more rarely does not see less.
    """
    if before is None:
        return Difference((), has_moved=False)
    known, candidates = _not_the_same(before, after.root)
    transitions: list[Transition] = []
    alterations: list[Alteration] = []
    has_moved = False
    for level, entity in candidates:
        earlier = known.get((entity.kind, entity.id))
        if earlier is not None and earlier.facts != entity.facts:
            alterations.extend(_altered(level, earlier, entity))
        if earlier is not None and earlier.status == entity.status:
            has_moved |= earlier.description != entity.description
            if earlier.status_at == entity.status_at:
                continue
        transitions.extend(_steps_between(level, earlier, entity))
    has_moved = has_moved or bool(transitions) or bool(alterations)
    return Difference(tuple(transitions), has_moved, tuple(alterations))


def _altered(level: Level, earlier: Entity, entity: Entity) -> Iterator[Alteration]:
    known = dict(earlier.facts)
    for name, value in entity.facts:
        if known.get(name, "") != value:
            yield Alteration(level, entity, name, known.get(name, ""), value)


def _not_the_same(
    before: Snapshot, after: Entity
) -> tuple[dict[_Key, Entity], list[tuple[Level, Entity]]]:
    """Return what of two trees is not the very same value in both, and so can differ.

    The decoder makes equal parts of two answers one value, so of a thousand deploys these
    are the few that changed.
    """
    before_all, after_all = before.root.flat(), after.flat()
    shared = {id(entity) for _, entity in before_all}
    shared.intersection_update(id(entity) for _, entity in after_all)
    known = {(e.kind, e.id): e for e in before.bygone}
    known.update({(e.kind, e.id): e for _, e in before_all if id(e) not in shared})
    return known, [(level, e) for level, e in after_all if id(e) not in shared]


def keep_absent(before: Snapshot | None, after: Snapshot) -> Snapshot:
    """Return `after` with all that only `before` has: parts, marked as absent, and fields.

    When they come back they are compared with what they were, and nothing is told twice.
    Where a rollout begins anew, the parts that are missing belong to the attempt before:
    they go to the bygone ones. A list of what waits is itself the answer: what it lacks has
    ceased to wait, and is not kept.
    """
    if before is None or after.root.kind is Kind.APPROVALS:
        return after
    present = {(entity.kind, entity.id) for _, entity in after.root.flat()}
    bygone = [part for part in before.bygone if (part.kind, part.id) not in present]
    if _begins_anew(before.root, after.root):
        for _, part in before.root.flat():
            if (part.kind, part.id) not in present:
                bygone.append(msgspec.structs.replace(part, children=()))
                present.add((part.kind, part.id))
    root = _merged(before.root, after.root, present)
    if root is after.root and not bygone:
        return after
    return msgspec.structs.replace(after, root=root, bygone=tuple(bygone))


def _begins_anew(before: Entity, after: Entity) -> bool:
    return before.phase.is_terminal and after.phase in (Phase.PENDING, Phase.RUNNING)


# What does not change in the life of an entity, and what belongs to its present status.
_LASTING = (
    *("name", "created_at", "updated_at", "delay", "planned", "install_id", "component_id"),
    *("build_id", "revision", "workflow_id", "app_id", "created_by", "slot", "plan_only"),
)
_OF_STATUS = ("status", "description", "status_at", "history")


def _merged(before: Entity, after: Entity, present: Set[_Key]) -> Entity:
    if before is after or (not before.children and before == after):
        return after
    after = _filled(before, after)
    same = {id(child) for child in before.children}
    same.intersection_update(map(id, after.children))
    known = {(child.kind, child.id): child for child in before.children if id(child) not in same}
    children = [
        _merged(earlier, child, present)
        if id(child) not in same and (earlier := known.get((child.kind, child.id))) is not None
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
    if before.facts != after.facts:
        facts = dict(after.facts)
        kept = tuple((name, value) for name, value in before.facts if name not in facts)
        missing |= {"facts": (*after.facts, *kept)} if kept else {}
    return msgspec.structs.replace(after, **missing) if missing else after


def _absent(entity: Entity, present: Set[_Key]) -> Entity:
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
