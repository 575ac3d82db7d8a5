"""What is let go of: the versions long replaced of what has no end, so that it does not grow.

A release has as many parts as it has, and ends. An installer's apps get version after version
for years, and the platform shows the three newest of each.
"""

from __future__ import annotations

from collections import Counter
from operator import is_
from typing import Final

import msgspec

from monitor.model import Entity

MOST_KEPT: Final = 30
"""Of the units with one place. One that is let go of and comes back is known for an earlier one by
its time, as it is made before what has its place: it is no news then either."""


def without_bygone(root: Entity) -> Entity:
    """Return what has no end without units that are absent and were replaced many times since.

    Whatever else it is, or where nothing is to be let go of, the very same is returned.
    """
    if not root.kind.is_perpetual:
        return root
    steps = tuple(map(_without_replaced, root.children))
    if all(map(is_, steps, root.children)):
        return root
    return msgspec.structs.replace(root, children=steps)


def _without_replaced(step: Entity) -> Entity:
    if len(step.children) <= MOST_KEPT:
        return step
    later: Counter[str] = Counter()
    kept: list[Entity] = []
    for unit in reversed(step.children):
        if not unit.is_absent or later[unit.work] < MOST_KEPT:
            kept.append(unit)
        later[unit.work] += 1
    if len(kept) == len(step.children):
        return step
    return msgspec.structs.replace(step, children=tuple(reversed(kept)))
