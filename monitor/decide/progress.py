"""The progress of a rollout: units counted, active problems, how long it took and will take.

Pure, and drawn from the tree alone: durations are between the platform's own times, so that
the same snapshot always reads the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import msgspec

from monitor.kinds import profile_of
from monitor.kinds.parts import BUILD
from monitor.kinds.profile import Agreement
from monitor.kinds.workflow_words import NEVER_RUN
from monitor.model import Entity, Level, Phase, is_refusal, phase_of


class KeyedUnit(msgspec.Struct, frozen=True, gc=False):
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


def alert_key_of(level: Level, entity: Entity, step: Entity | None) -> str:
    """Return the key under which an entity's alerts are stored."""
    if level is Level.UNIT and step is not None:
        return f"{step.id}/{entity.work}"
    return entity.id


def keyed_units_of(step: Entity) -> tuple[KeyedUnit, ...]:
    """Return one step's units that count, with their places."""
    return tuple(
        KeyedUnit(alert_key_of(Level.UNIT, unit, step), step, unit) for unit in units_of(step)
    )


def units_of(step: Entity) -> tuple[Entity, ...]:
    """Return one step's units that count.

    When an install is deployed to again within a step, or a part of a workflow is tried
    again, the later unit replaces the earlier one, which stays in the platform's list.
    """
    # In the order of their creation, by their `work`: written out, for ten thousand of them.
    newest = {unit.slot or unit.install_id or unit.id: unit for unit in step.children}
    return tuple(newest.values())


class AlertKeys:
    """Maps entities to alert keys and back, built when it is first used."""

    def __init__(self, root: Entity) -> None:
        self._root = root
        self._steps: dict[str, Entity] | None = None
        self._found: dict[str, tuple[Level, Entity]] | None = None

    def alert_key(self, level: Level, entity: Entity) -> str:
        """Return an entity's alert key."""
        if level is not Level.UNIT:
            return entity.id
        if self._steps is None:
            self._steps = {unit.id: step for step in self._root.children for unit in step.children}
        return alert_key_of(level, entity, self._steps.get(entity.id))

    def entity(self, alert_key: str) -> tuple[Level, Entity] | None:
        """Return the entity with an alert key, the newest where there are several."""
        if self._found is None:
            self._found = {
                found.key: (Level.UNIT, found.unit)
                for step in self._root.children
                for found in keyed_units_of(step)
            }
            self._found |= {step.id: (Level.STEP, step) for step in self._root.children}
            self._found[self._root.id] = Level.ROLLOUT, self._root
        return self._found.get(alert_key)

    @cached_property
    def are_shared(self) -> bool:
        """Whether any unit has replaced another one."""
        return any(len(units_of(step)) < len(step.children) for step in self._root.children)


def progress_of(step: Entity) -> Progress:
    """Count one step's units."""
    return _count(step, units_of(step))


def _count(step: Entity, units: tuple[Entity, ...]) -> Progress:
    counts = dict.fromkeys(Phase, 0)
    # Ten thousand units have a handful of words between them.
    for (kind, status), count in Counter([(unit.kind, unit.status) for unit in units]).items():
        counts[phase_of(kind, status)] += count
    not_begun = set(step.planned).difference([unit.install_id for unit in units])
    return Progress(
        total=len(units) + len(not_begun),
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


def app_of(root: Entity, apps: Mapping[str, str], part: Entity | None = None) -> str:
    """Return the app that a rollout, or a part of one, is of; empty where it is not known.

    `apps` are those of components and installs, by their ids.
    """
    if root.app_id:
        return root.app_id
    ids = (part.component_id, part.install_id) if part else ()
    owners = (*ids, root.component_id, install_of(root))
    return next((apps[owner] for owner in owners if owner in apps), "")


def install_of(root: Entity) -> str:
    """Return the install that a rollout is at; of several, which are of one app, the first."""
    if root.install_id or root.kind.is_perpetual:
        return root.install_id
    installs = (unit.install_id for step in root.children for unit in step.children)
    return next(filter(None, installs), "")


def starter_of(root: Entity, people: Mapping[str, str]) -> str:
    """Return who started a rollout, by e-mail; empty where that is not known."""
    return email_of(root.created_by, people)


def email_of(person: str, people: Mapping[str, str]) -> str:
    """Return a person's e-mail; empty where all that is known is the id of an account."""
    return people.get(person, "") if is_account(person) else person


def is_account(person: str) -> bool:
    """Whether this is the id of an account, not an e-mail address."""
    return person.startswith("acc") and "@" not in person


def is_in_agreement(root: Entity) -> bool:
    """Whether no part contradicts a rollout that says it succeeded.

    A release promises every part of it; a workflow may have left out some. A part that the
    newest answer lacks says nothing about now, unless its last word was a bad end.
    """
    words = {
        (part.kind, part.status, part.is_absent)
        for step in root.children
        for part in (step, *units_of(step))
    }
    agreement = profile_of(root).agreement
    if agreement is Agreement.NONE_OPEN:
        words = {one for one in words if not is_refusal(one[1])}
    agreeing = _AGREEING[agreement]
    return all(
        phase in agreeing or (is_absent and not phase.is_terminal)
        for phase, is_absent in (
            (phase_of(kind, word), is_absent) for kind, word, is_absent in words
        )
    )


def without_end(root: Entity) -> tuple[Entity, ...]:
    """Return the steps and units of which no answer has said how they ended.

    What was never come to says so with a word of its own. A step that succeeded and has units
    planned that are not there has not said all of it.
    """
    found: list[Entity] = []
    for step in root.children:
        units = units_of(step)
        found += [part for part in (step, *units) if _is_without_end(part)]
        is_done = step.phase is Phase.SUCCEEDED and not step.is_absent
        if is_done and step.planned and _count(step, units).total > len(units):
            found.append(step)
    return tuple(found)


def _is_without_end(part: Entity) -> bool:
    is_open = part.phase is Phase.PENDING or part.is_absent
    return is_open and not part.phase.is_terminal and part.status not in NEVER_RUN


_AGREEING: Mapping[Agreement, frozenset[Phase]] = {
    Agreement.ALL_SUCCEEDED: frozenset({Phase.SUCCEEDED}),
    Agreement.NONE_OPEN: frozenset({Phase.SUCCEEDED, Phase.PENDING, Phase.ENDED}),
}


def has_parts_that_wait(level: Level, entity: Entity) -> bool:
    """Whether its own steps or units have the reason why it waits: then theirs is shown."""
    if level is Level.ROLLOUT:
        return any(
            step.phase is Phase.WAITING or has_parts_that_wait(Level.STEP, step)
            for step in entity.children
        )
    return level is Level.STEP and any(u.phase is Phase.WAITING for u in units_of(entity))


def awaits_build(root: Entity) -> bool:
    """Whether a rollout waits for the build that it is to roll out, and has not begun."""
    status = root.fact("build_status")
    if not status or {root.phase, phase_of(BUILD, status)} - {Phase.PENDING, Phase.RUNNING}:
        return False
    return all(step.phase is Phase.PENDING and not step.children for step in root.children)


def is_failed_by_build(root: Entity) -> bool:
    """Whether a rollout failed because the build that it is to roll out did."""
    status = root.fact("build_status")
    return root.phase is Phase.FAILED and bool(status) and phase_of(BUILD, status) is Phase.FAILED


def has_units_in_flight(root: Entity) -> bool:
    """Whether any unit can still move on its own."""
    words = {
        (unit.kind, unit.status)
        for step in root.children
        for unit in units_of(step)
        if not unit.is_absent
    }
    return any(phase_of(kind, status) in _IN_FLIGHT for kind, status in words)


_IN_FLIGHT = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING, Phase.UNKNOWN})


def last_change(root: Entity) -> datetime | None:
    """Return the newest time that the platform itself gives anywhere in the tree."""
    found = [root]
    for entity in found:
        if entity.children:
            found.extend(entity.children)
    times = [entity.updated_at for entity in found]
    times += [entity.status_at for entity in found]
    times += [entity.created_at for entity in found]
    return max(filter(None, times), default=None)


@dataclass(frozen=True, slots=True)
class Stage:
    """A step and what there is to say of it, worked out in one pass over its units.

    `begun_at` is when the first unit was created: all steps of a release are created with
    it, so a step's own `created_at` is not when it began. `changed_at` is its last change.
    """

    step: Entity
    units: tuple[Entity, ...]
    progress: Progress
    begun_at: datetime | None
    changed_at: datetime | None

    @property
    def duration(self) -> timedelta | None:
        """How long its units took, by the platform's times; None if unknown."""
        if self.begun_at is None or self.changed_at is None or self.changed_at <= self.begun_at:
            return None
        return self.changed_at - self.begun_at


def stages_of(root: Entity) -> tuple[Stage, ...]:
    """Return the steps in the order in which they run."""
    return tuple(_stage(step) for step in root.children)


def _stage(step: Entity) -> Stage:
    units = units_of(step)
    return Stage(
        step=step,
        units=units,
        progress=_count(step, units),
        begun_at=min((unit.created_at for unit in step.children if unit.created_at), default=None),
        changed_at=last_change(step),
    )


def time_left(stages: Sequence[Stage]) -> timedelta | None:
    """Estimate what is left from the steps already done; None without one to go by.

    Steps run one after another and a step's units side by side, so a step lasts as long
    as its slowest unit, however many there are: the median of the steps done stands for
    each one to come, plus its own delay.
    """
    done = sorted(
        stage.duration
        for stage in stages
        if stage.step.phase is Phase.SUCCEEDED and stage.duration is not None
    )
    if not done:
        return None
    typical = done[(len(done) - 1) // 2]  # the lower one: a step that was retried took longer
    left = timedelta()
    for stage in stages:
        if stage.step.phase is Phase.SUCCEEDED:
            continue
        if stage.duration is None:
            left += typical + timedelta(seconds=stage.step.delay)
        else:
            left += max(typical - stage.duration, timedelta())
    return left
