"""The tree that every target is decoded to, its snapshots, and what changed between two.

Every target is a tree of entities. Its levels have meaning, its kinds have names:
level 0 is the rollout, level 1 its steps, level 2 the units that a step works on (one
install each), and what is below explains them. Diff, decisions and rendering know levels,
phases and what a kind's profile says, so that a new kind of watch is one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

import msgspec

from monitor.model.statuses import Kind, Phase, phase_of


class Level(IntEnum):
    """How deep an entity is in its tree."""

    ROLLOUT = 0
    STEP = 1
    UNIT = 2
    DETAIL = 3


class Target(msgspec.Struct, frozen=True, order=True):
    """What a watch observes: a kind of watch (`release`, …) and an id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class PastStatus(msgspec.Struct, frozen=True, gc=False):
    """One entry of a status history; `at` is the platform's time."""

    status: str
    at: datetime
    description: str = ""


class Entity(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One node of a snapshot's tree.

    `status` and `description` are the platform's own words, unaltered. Times are the
    platform's, aware and UTC; None where it gave none. `status_at` is when the status
    was set and `history` what it was before, both only where the platform says so.
    `planned` are the installs that a step was asked to work on, `delay` its waiting time
    in seconds before it begins. `revision` is the commit or git reference it was built from.
    `created_by` is an e-mail address, or the id of an account where the answer lacks that.
    `slot` is the piece of work that a unit stands for: of units with the same one the later
    replaces the earlier, as a retry does. `facts` are what else the platform says of it, by
    the platform's own names, in the order to show them in; they are compared too.
    `is_absent` marks a part that the newest answer lacked: it is kept as it was last seen.
    """

    kind: Kind
    id: str
    status: str = ""
    description: str = ""
    name: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    status_at: datetime | None = None
    history: tuple[PastStatus, ...] = ()
    delay: float = 0.0
    planned: tuple[str, ...] = ()
    install_id: str = ""
    component_id: str = ""
    build_id: str = ""
    revision: str = ""
    workflow_id: str = ""
    app_id: str = ""
    created_by: str = ""
    slot: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    plan_only: bool = False
    is_absent: bool = False
    children: tuple[Entity, ...] = ()

    @property
    def phase(self) -> Phase:
        return phase_of(self.kind, self.status)

    @property
    def work(self) -> str:
        """What a unit works on: an install, unless it names something else."""
        return self.slot or self.install_id or self.id

    def fact(self, name: str) -> str:
        """Return one of the facts; empty where the platform does not give it."""
        return next((value for known, value in self.facts if known == name), "")

    @property
    def is_delayed(self) -> bool:
        """Whether this step is only waiting for its own `delay` to pass."""
        return self.status in self.kind.delayed_statuses

    @property
    def is_still_creating(self) -> bool:
        """Whether more units may yet appear below this step."""
        return self.is_absent or self.status in self.kind.growing_statuses

    def walk(self) -> Iterator[tuple[Level, Entity]]:
        """Yield this entity and all below it, parents first, in the order they are shown."""
        return iter(self.flat())

    def flat(self, level: Level = Level.ROLLOUT) -> list[tuple[Level, Entity]]:
        """Return what `walk` yields, as a list."""
        found = [(level, self)]
        below = _BELOW[level]
        for child in self.children:
            if child.children:
                found.extend(child.flat(below))
            else:
                found.append((below, child))
        return found


_BELOW = (Level.STEP, Level.UNIT, Level.DETAIL, Level.DETAIL)


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything one poll learned about a target; `taken_at` is our own clock.

    `replaced` are parts that the answers lack since the rollout was retried: they are no
    longer shown, and compared with their last state if they come back. None has children.
    """

    target: Target
    taken_at: datetime
    root: Entity
    replaced: tuple[Entity, ...] = ()


class Transition(msgspec.Struct, frozen=True):
    """One entity whose status changed. `before` is None for one that was not there before.

    `at` is the platform's own time of the change where it gave one. `is_current` is False
    for a status that came and went between two polls and was read from the history.
    """

    level: Level
    entity: Entity
    before: str | None
    after: str
    description: str = ""
    at: datetime | None = None
    is_current: bool = True

    @property
    def phase_before(self) -> Phase | None:
        return None if self.before is None else phase_of(self.entity.kind, self.before)

    @property
    def phase_after(self) -> Phase:
        return phase_of(self.entity.kind, self.after)


class Alteration(msgspec.Struct, frozen=True):
    """One fact of an entity that is not what it was; `before` is empty for a new one."""

    level: Level
    entity: Entity
    fact: str
    before: str
    after: str


class Found(NamedTuple):
    """One row of a list that leads to things to watch.

    `is_over` says that it ended, well or not. `names` are the words that patterns are
    matched against; `ids` those of things whose names count as well, such as its install.
    `type` is the platform's word for what it does, if it has one. What `is_special` is followed
    only where its type is asked for. Rows with the same `tie` belong to one change, as far as
    they are close enough in time; `question` is the path of the document that says the tie.
    """

    target: Target
    is_over: bool
    created_at: datetime | None
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    type: str = ""
    is_special: bool = False
    tie: str = ""
    question: str = ""


class ListPage(NamedTuple):
    """What one page of a list leads to; of a row without an id there is nothing to follow."""

    found: tuple[Found, ...]
    without_id: int = 0
    """How many rows have none."""
