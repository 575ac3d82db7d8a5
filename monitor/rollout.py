"""How a rollout stands: its units counted, what is in trouble, how long it took and will take.

Pure, and drawn from the tree alone: durations are between the platform's own times, so that
the same snapshot always reads the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.model import Entity, Level, Phase


@dataclass(frozen=True, slots=True)
class Place:
    """One unit of work of a step, such as an install: the newest deploy there speaks for it."""

    key: str
    step: Entity
    unit: Entity


@dataclass(frozen=True, slots=True)
class Progress:
    """Units by how they stand. `total` counts the planned ones too, begun or not."""

    total: int
    succeeded: int = 0
    failed: int = 0
    waiting: int = 0
    running: int = 0
    ended: int = 0
    unknown: int = 0

    @property
    def pending(self) -> int:
        begun = (
            self.succeeded + self.failed + self.waiting + self.running + self.ended + self.unknown
        )
        return max(0, self.total - begun)


def place_of(level: Level, entity: Entity, step: Entity | None) -> str:
    """Return the key under which an entity's troubles are kept."""
    if level is Level.UNIT and step is not None and entity.install_id:
        return f"{step.id}/{entity.install_id}"
    return entity.id


def places(root: Entity) -> tuple[Place, ...]:
    """Return the units that count, step by step.

    When an install is deployed to again within a step, the later deploy replaces the
    earlier one, which stays in the platform's list.
    """
    return tuple(place for step in root.children for place in places_of(step))


def places_of(step: Entity) -> tuple[Place, ...]:
    """Return one step's units that count."""
    newest: dict[str, Entity] = {}
    for unit in step.children:  # in the order of their creation
        key = place_of(Level.UNIT, unit, step)
        other = newest.get(key)
        if other is None or other.is_absent or not unit.is_absent:
            newest[key] = unit
    return tuple(Place(key, step, unit) for key, unit in newest.items())


def steps_with(root: Entity) -> Iterator[tuple[Level, Entity, Entity | None]]:
    """Yield every entity with its level and the step that it belongs to."""
    yield Level.ROLLOUT, root, None
    for step in root.children:
        yield Level.STEP, step, step
        for unit in step.children:
            yield Level.UNIT, unit, step


def progress_of(step: Entity) -> Progress:
    """Count one step's units."""
    counts = dict.fromkeys(Phase, 0)
    found = places_of(step)
    for place in found:
        counts[place.unit.phase] += 1
    planned = set(step.planned)
    total = len(found) + len(planned - {place.unit.install_id for place in found})
    return Progress(
        total=total,
        succeeded=counts[Phase.SUCCEEDED],
        failed=counts[Phase.FAILED],
        waiting=counts[Phase.WAITING],
        running=counts[Phase.RUNNING],
        ended=counts[Phase.ENDED],
        unknown=counts[Phase.UNKNOWN],
    )


def add_up(parts: tuple[Progress, ...]) -> Progress:
    """Return the progress of several steps taken together."""
    return Progress(
        total=sum(part.total for part in parts),
        succeeded=sum(part.succeeded for part in parts),
        failed=sum(part.failed for part in parts),
        waiting=sum(part.waiting for part in parts),
        running=sum(part.running for part in parts),
        ended=sum(part.ended for part in parts),
        unknown=sum(part.unknown for part in parts),
    )


def is_in_agreement(root: Entity) -> bool:
    """Whether no part contradicts a rollout that says it succeeded.

    A part that the newest answer lacks says nothing about now.
    """
    return all(
        step.phase is Phase.SUCCEEDED for step in root.children if not step.is_absent
    ) and all(
        place.unit.phase is Phase.SUCCEEDED
        for place in places(root)
        if not (place.unit.is_absent or place.step.is_absent)
    )


def has_units_in_flight(root: Entity) -> bool:
    """Whether any unit can still move on its own."""
    return any(
        place.unit.phase in _IN_FLIGHT and not place.unit.is_absent for place in places(root)
    )


_IN_FLIGHT = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING, Phase.UNKNOWN})


def last_change(root: Entity) -> datetime | None:
    """Return the newest time that the platform itself gives anywhere in the tree."""
    times = (
        time
        for _, entity in root.walk()
        for time in (entity.updated_at, entity.status_at, entity.created_at)
        if time is not None
    )
    return max(times, default=None)


def duration_of(entity: Entity) -> timedelta | None:
    """Return how long an entity has been at it, by the platform's times; None if unknown."""
    if entity.created_at is None:
        return None
    last = last_change(entity)
    if last is None or last <= entity.created_at:
        return None
    return last - entity.created_at


def step_duration(step: Entity) -> timedelta | None:
    """Return how long a step's units took: from the first one's creation to the last change.

    All steps of a release are created with it, so a step's own `created_at` is not when it began.
    """
    begun = min((unit.created_at for unit in step.children if unit.created_at), default=None)
    if begun is None:
        return None
    last = last_change(step)
    return last - begun if last is not None and last > begun else None


def time_left(root: Entity) -> timedelta | None:
    """Estimate what is left from the steps already done; None without one to go by.

    Steps run one after another and a step's units side by side, so a step lasts as long
    as its slowest unit, however many there are: the median of the steps done stands for
    each one to come, plus its own delay.
    """
    done = sorted(
        duration
        for step in root.children
        if step.phase is Phase.SUCCEEDED and (duration := step_duration(step))
    )
    if not done:
        return None
    typical = done[len(done) // 2]
    left = timedelta()
    for step in root.children:
        if step.phase is Phase.SUCCEEDED:
            continue
        spent = step_duration(step)
        if spent is None:
            left += typical + timedelta(seconds=step.delay)
        else:
            left += max(typical - spent, timedelta())
    return left
