"""Objects inside other objects → entities: one at a place or a list, with an id or without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from monitor.kinds import objects, wire
from monitor.kinds.fields import raw_status, record_of, rows, text, word_of
from monitor.model import Entity, Kind

_DEEPEST = 10
"""How many objects may be inside one another; the platform's own nesting ends before."""

Path = tuple[str, ...]
"""The ids of an object and of those that it is in, the outermost first."""

_RowT = TypeVar("_RowT", bound=objects.Row)


class Part(Generic[_RowT]):
    """Reads one sort of object wherever it is inside others: see `part`."""

    def __init__(self, sort: type[_RowT], what: str, make: Callable[[_RowT, Path], Entity]) -> None:
        self.make = make
        self._sort = sort
        self._what = what

    def __call__(self, value: object, within: Path) -> tuple[Entity, ...]:
        """Read one or a list, as parts of a path's last, without those that are on the path."""
        if not value or len(within) >= _DEEPEST:
            return ()
        one = isinstance(value, self._sort)
        made: list[Entity] = []
        nameless: list[_RowT] = []
        for row in rows([value] if one else value, self._sort):
            key = text(row.id)
            if not key:
                nameless.append(row)
            elif key not in within:
                made.append(self.make(row, (*within, key)))
        if nameless:
            made.extend(self._named(nameless, within))
        return wire.in_order(made) if len(made) > 1 else tuple(made)

    def _named(self, nameless: Iterable[_RowT], within: Path) -> Iterator[Entity]:
        """Yield those without an id, each called after its place among these."""
        informative = filter(_says_something, nameless)
        in_order = sorted(
            informative, key=lambda row: (text(row.created_at), msgspec.json.encode(row))
        )
        for number, row in enumerate(in_order, 1):
            yield self.make(row, (*within, f"{within[-1]}/{self._what} {number}"))


def part(sort: type[_RowT], what: str) -> Callable[[Callable[[_RowT, Path], Entity]], Part[_RowT]]:
    """Let a function that makes one object an entity read all of its sort in another object.

    `what` is what one without an id is called.
    """
    return lambda make: Part(sort, what, make)


def _says_something(row: objects.Row) -> bool:
    return bool(word_of(record_of(row))) if isinstance(row, objects.Stated) else row != type(row)()


def by_creation(*groups: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return parts of several kinds in the order of their creation."""
    entities = [entity for group in groups if group for entity in group]
    if len(entities) > 1:
        entities.sort(key=lambda e: (e.created_at is None, e.created_at or 0, e.kind, e.id))
    return tuple(entities)


def with_children(parent: Entity, more: Sequence[Entity]) -> Entity:
    """Return a part with more of them below it, all in the order of their creation."""
    if not more:
        return parent
    return msgspec.structs.replace(parent, children=by_creation(parent.children, more))


def entity_of(
    kind: Kind,
    row: objects.Stated,
    path: Path,
    *,
    children: tuple[Entity, ...] = (),
    status: wire.Status | None = None,
    name: str = "",
    install_id: str = "",
    component_id: str = "",
    revision: str = "",
    workflow_id: str = "",
    created_by: str = "",
    slot: str = "",
    facts: tuple[tuple[str, str], ...] = (),
    plan_only: bool = False,
) -> Entity:
    """Return what all that have a status have in common, with what is given of this one."""
    status = status or raw_status(kind, row)
    # The first by position: a call with more than 15 keywords is several times slower.
    return Entity(
        kind,
        path[-1],
        status.status,
        status.description,
        name,
        wire.read_time(row.created_at),
        wire.read_time(row.updated_at),
        status.at,
        status.history,
        install_id=install_id,
        component_id=component_id,
        revision=revision,
        workflow_id=workflow_id,
        created_by=created_by,
        slot=slot,
        facts=facts,
        plan_only=plan_only,
        children=children,
    )
