"""Leaving each object of a tree in one place only, as the platform repeats them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import is_

import msgspec

from monitor.kinds.parts import ACTION, BUILD
from monitor.model import Entity, Kind

Key = tuple[Kind, str]
"""What an object is told apart by."""

_IN_COMMON = frozenset({BUILD, ACTION})


def in_common(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Yield what the units of one rollout have in common, and so repeat, with what is below it."""
    for entity in entities:
        if entity.kind in _IN_COMMON:
            yield entity
        else:
            yield from in_common(entity.children)


def keys(entities: Iterable[Entity]) -> list[Key]:
    """Return what entities, and all below them, are matched by."""
    found: list[Key] = []
    for entity in entities:
        found.append((entity.kind, entity.id))
        if entity.children:
            found += keys(entity.children)
    return found


def once(entities: tuple[Entity, ...], seen: set[Key]) -> tuple[Entity, ...]:
    """Return trees without what was seen before, so that each object is in one place only.

    Whatever stays is added to what was seen. Where nothing is left out, the very same is returned.
    """
    kept: list[Entity] = []
    for entity in entities:
        key = entity.kind, entity.id
        if key in seen:
            continue
        seen.add(key)
        below = once(entity.children, seen)
        is_whole = below is entity.children
        kept.append(entity if is_whole else msgspec.structs.replace(entity, children=below))
    is_same = len(kept) == len(entities) and all(map(is_, kept, entities))
    return entities if is_same else tuple(kept)


def once_below(root: Entity) -> Entity:
    """Return a tree with each object in one place only, as rows that repeat others may not be."""
    found = keys((root,))
    if len(set(found)) == len(found):
        return root
    children = once(root.children, {(root.kind, root.id)})
    return msgspec.structs.replace(root, children=children)
