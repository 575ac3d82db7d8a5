"""Two snapshots of one target → what changed. Pure.

Entities are matched by kind and id, never by position. What is missing from the newer
answer, a part or a field, proves nothing: it is kept as it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import is_

import msgspec

from monitor.decide.bygone import without_bygone
from monitor.kinds import profile_of
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
_Parts = list[tuple[Level, Entity]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two snapshots, in the order of the newer one's tree.

    `alterations` are facts that are not what they were. `has_moved` also holds for these and
    for a new description: something is going on, even if no status changed. A touched
    `updated_at` alone is no movement, nor is what became known later: the reason of what has
    ended, a detail seen for the first time, a fact that there was none of.
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
    earlier_parts, candidates = apart(before.root, after.root)
    known = {(part.kind, part.id): part for part in before.replaced}
    known.update({(part.kind, part.id): part for _, part in earlier_parts})
    transitions: list[Transition] = []
    alterations: list[Alteration] = []
    has_moved = False
    for level, entity in candidates:
        earlier = known.get((entity.kind, entity.id))
        if earlier is not None and earlier.facts != entity.facts:
            alterations.extend(_altered(level, earlier, entity))
        has_moved |= _is_described_anew(earlier, entity)
        if _is_same_status(earlier, entity):
            continue
        changed = tuple(_steps_between(level, earlier, entity))
        has_moved |= bool(changed) and (earlier is not None or level is not Level.DETAIL)
        transitions.extend(changed)
    is_perpetual = after.root.kind.is_perpetual
    has_moved |= any(alteration.before or is_perpetual for alteration in alterations)
    return Difference(tuple(transitions), has_moved, tuple(alterations))


def _is_same_status(earlier: Entity | None, entity: Entity) -> bool:
    if earlier is None:
        return False
    return earlier.status == entity.status and earlier.status_at == entity.status_at


def _is_described_anew(earlier: Entity | None, entity: Entity) -> bool:
    """Whether something that has not ended says something else of the same status."""
    if earlier is None or earlier.status != entity.status or entity.phase.is_terminal:
        return False
    return earlier.description != entity.description


def _altered(level: Level, earlier: Entity, entity: Entity) -> Iterator[Alteration]:
    known = dict(earlier.facts)
    for name, value in entity.facts:
        if known.get(name, "") != value:
            yield Alteration(level, entity, name, known.get(name, ""), value)


def apart(before: Entity, after: Entity) -> tuple[_Parts, _Parts]:
    """Return of each of two trees what is not the very same value in the other, in its place.

    The decoder makes equal units of two answers one value, with all that is below them: of a
    thousand deploys these are the few that changed.
    """
    shared = _same_children(before, after)
    earlier = {(step.kind, step.id): step for step in before.children}
    for step in after.children:
        was = earlier.get((step.kind, step.id))
        if was is not None and was is not step:
            shared |= _same_children(was, step)
    return _unshared(before, shared), _unshared(after, shared)


def _same_children(before: Entity, after: Entity) -> set[int]:
    same = set(map(id, before.children))
    same.intersection_update(map(id, after.children))
    return same


def _unshared(entity: Entity, shared: Set[int], level: Level = Level.ROLLOUT) -> _Parts:
    found = [(level, entity)]
    below = Level(min(level + 1, Level.DETAIL))
    for child in entity.children:
        if id(child) not in shared:
            found += _unshared(child, shared, below)
    return found


def keep_absent(before: Snapshot | None, after: Snapshot) -> Snapshot:
    """Return `after` with all that only `before` has: parts, marked as absent, and fields.

    When they come back they are compared with what they were, and nothing is told twice.
    Where a rollout begins anew, the parts that are missing belong to the attempt before:
    they go to the bygone ones. A list of what waits is itself the answer: what it lacks has
    ceased to wait, and is not kept. Nor is what was replaced long ago: see `bygone`.
    """
    if before is None or profile_of(after.root).is_list_of_waits:
        return after
    earlier_parts, parts = apart(before.root, after.root)
    present = {(entity.kind, entity.id) for _, entity in parts}
    replaced = [part for part in before.replaced if (part.kind, part.id) not in present]
    if begins_anew(before.root, after.root):
        for _, part in earlier_parts:
            if (part.kind, part.id) not in present:
                replaced.append(msgspec.structs.replace(part, children=()))
                present.add((part.kind, part.id))
    root = without_bygone(_merged(before.root, after.root, present, _Earlier(before.root)))
    if root is after.root and not replaced:
        return after
    return msgspec.structs.replace(after, root=root, replaced=tuple(replaced))


def begins_anew(before: Entity, after: Entity) -> bool:
    """Whether a rollout has left its end."""
    return before.phase.is_terminal and after.phase in (Phase.PENDING, Phase.RUNNING)


# What does not change in the life of an entity, and what belongs to its present status.
_LASTING = (
    *("name", "created_at", "updated_at", "delay", "planned", "install_id", "component_id"),
    *("build_id", "revision", "workflow_id", "app_id", "created_by", "slot", "plan_only"),
)
OF_STATUS = ("status", "description", "status_at", "history")


class _Earlier:
    """What was seen before, wherever it stood in its tree; looked up only when asked."""

    def __init__(self, root: Entity) -> None:
        self._root = root

    def get(self, entity: Entity) -> Entity | None:
        return self._known.get((entity.kind, entity.id))

    @cached_property
    def _known(self) -> dict[_Key, Entity]:
        return {(entity.kind, entity.id): entity for _, entity in self._root.flat()}


def _merged(before: Entity | None, after: Entity, present: Set[_Key], earlier: _Earlier) -> Entity:
    if before is not None:
        if before is after or (not before.children and before == after):
            return after
        after = filled(before, after)
    children = _merged_children(before.children if before else (), after, present, earlier)
    if len(children) == len(after.children) and all(map(is_, children, after.children)):
        return after
    if len(children) > len(after.children):  # else they are in the order of the answer
        children.sort(key=order_key)
    return msgspec.structs.replace(after, children=tuple(children))


def _merged_children(
    had: tuple[Entity, ...], after: Entity, present: Set[_Key], earlier: _Earlier
) -> list[Entity]:
    """Return the children of an entity with those that it had before and now lacks."""
    same = {id(child) for child in had}
    same.intersection_update(map(id, after.children))
    known = {(child.kind, child.id): child for child in had if id(child) not in same}
    children = [
        child
        if id(child) in same
        # What is below another parent now has not lost its own parts by that.
        else _merged(
            known.get((child.kind, child.id)) or earlier.get(child), child, present, earlier
        )
        for child in after.children
    ]
    children.extend(_absent(child, present) for key, child in known.items() if key not in present)
    return children


def filled(before: Entity, after: Entity) -> Entity:
    """Return `after` with the fields that it leaves out: an empty status is a missing one."""
    is_same_status = after.status in ("", before.status)
    missing = {
        name: value
        for name in (_LASTING + OF_STATUS if is_same_status else _LASTING)
        if not getattr(after, name) and (value := getattr(before, name))
    }
    if before.facts != after.facts:
        facts = dict(after.facts)
        kept = tuple((name, value) for name, value in before.facts if name not in facts)
        missing |= {"facts": (*after.facts, *kept)} if kept else {}
    return msgspec.structs.replace(after, **missing) if missing else after


def order_key(child: Entity) -> tuple[bool, datetime | None, str, str]:
    """Return what children are sorted by: creation, kind, id; last what has no such time.

    As `nesting.by_creation` has it, so that what is missing changes the order of nothing else.
    """
    return child.created_at is None, child.created_at, child.kind, child.id


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
    if earlier.status_at is None:
        return _passed_since(earlier.status, entity)
    return _newer(earlier.status, earlier.status_at, entity.history)


def _passed_since(status: str, entity: Entity) -> tuple[PastStatus, ...]:
    """Return what came after a status that was seen at an unknown time."""
    if status == entity.status:
        return ()  # it may well have been seen after all of it
    # What was seen is taken to be the last entry with that word.
    matches = [i for i, past in enumerate(entity.history) if past.status == status]
    return entity.history[matches[-1] + 1 :] if matches else ()


def _newer(
    status: str, seen_at: datetime, history: tuple[PastStatus, ...]
) -> tuple[PastStatus, ...]:
    newer = tuple(past for past in history if past.at >= seen_at)
    # Times are whole seconds: of those in the same one, drop what was seen and what led to it.
    for i in range(len(newer) - 1, -1, -1):
        if newer[i].at == seen_at and newer[i].status == status:
            return newer[i + 1 :]
    return newer
