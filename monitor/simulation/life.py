"""What a simulated rollout is made of: its scenario, its life, and how that is told.

A rollout's life is known from its beginning to its end. It is asked either what happened, in
order (`Rollout.occurrences`), or what the platform answers at a moment (`Rollout.state_at`).
All moments are seconds of virtual time since it was created.

Every life is played once, as a release; a `Dialect` tells it as what another of the
platform's APIs would make of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from monitor.simulation.answers import Detail, Document, Mark, Shape
from monitor.simulation.cast import Cast
from monitor.simulation.truth import Thing

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One status of a life, and how long it lasts: between the two, in seconds.

    With a `cause` the description is a general one, and only something deep down says why.
    """

    status: str
    description: str
    shortest: float = 0.0
    longest: float = 0.0
    cause: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of a deploy, stage by stage; the last stage lasts.

    A deploy that is not awaited is one that its step does not look at.
    """

    stages: tuple[Stage, ...]
    deploy_type: str | None = None
    is_awaited: bool = True


_QUEUED = Stage("queued", "waiting for the install's runner", 1, 6)
_PLANNING = Stage("planning", "creating the deploy plan", 10, 40)
_EXECUTING = Stage("executing", "applying the deploy plan", 50, 300)
WELL = Course((_QUEUED, _PLANNING, _EXECUTING, Stage("active", "deploy is active")))

PREPARATION = (
    Stage("queued", "waiting for the build", 5, 30),
    Stage("provisioning", "provisioning deploys", 1, 4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A kind of rollout. `courses` and `delays` count steps and their installs from 1.

    `delays` and all times are in seconds; `age` is how long ago the release began when it
    is added to a platform, `retried_after` how long after its error an admin retries it.
    In the step `breaks_in` the platform itself fails once it has made the first deploy.
    As a workflow it is one of `workflow_type` at the install number `owner`. Scenarios with the
    same `build` roll out the same one.
    `build_words` are its build's, while it is awaited, when it is there and when it is not.
    A preview only plans.
    `skips` are steps that are passed over, each with the word for it that workflows have.
    `removals` are steps that leave all answers so long after the release was created.
    """

    name: str
    summary: str
    steps: tuple[int, ...] = (8, 8, 8)
    course: Course = WELL
    courses: Mapping[tuple[int, int], Course] = field(default_factory=dict)
    delays: Mapping[int, float] = field(default_factory=dict)
    removals: Mapping[int, float] = field(default_factory=dict)
    skips: Mapping[int, str] = field(default_factory=dict)
    preparation: tuple[Stage, ...] = PREPARATION
    breaks_in: int | None = None
    retried_after: float | None = None
    deleted_after: float | None = None
    age: float = 0.0
    has_gaps: bool = False
    has_idless_step: bool = False
    is_preview: bool = False
    build_words: tuple[str, str, str] = ("building", "active", "error")
    status_lags: bool = False
    detail: Detail = Detail.USUAL
    deploy_type: str = "apply"
    owner: int = 0
    workflow_type: str = "deploy_components"
    workflow_metadata: Mapping[str, str] = field(default_factory=dict)
    build: str = ""
    app_name: str = "storefront"
    branch_name: str = "main"
    component_name: str = "checkout-api"
    slack_webhook_url: str = "https://hooks.slack.com/services/T0SIMULATED/B0SIMULATED/0f-an-app"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A status that was set; `at` in seconds since the rollout was created."""

    at: float
    kind: Thing
    id: str
    status: str
    description: str = ""
    install_id: str = ""
    cause: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


Life = tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class Deploy:
    """A unit of work, such as an install deploy: it exists from its first occurrence on.

    `work` is what people call that which it works at: the install's name, where it has one.
    """

    id: str
    install_id: str
    deploy_type: str
    life: Life
    work: str


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a rollout, such as a release step, and the units that it made."""

    id: str
    created: float
    delay: float
    install_ids: tuple[str, ...]
    life: Life
    deploys: tuple[Deploy, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which some parts are missing from the answers."""

    begins: float
    ends: float
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A workflow's step, as a row of the platform's: each retry of a step is a new one.

    `index` and `group` count from 0. `approval` is the type of the approval that it asks for.
    """

    id: str
    name: str
    index: int
    group: int
    life: Life
    execution_type: str = "system"
    approval: str = ""
    target_id: str = ""
    target_type: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a workflow's steps."""

    id: str
    name: str
    life: Life


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A workflow of the platform: an install's, or a run of an app branch.

    `subject` is what it is about, by name. `is_run` marks a run of an app branch. `metadata` is
    what ties it to others.
    """

    id: str
    owner_id: str
    owner_type: str
    owner_name: str
    type: str
    subject: str
    life: Life
    rows: tuple[Row, ...]
    groups: tuple[Group, ...] = ()
    is_run: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def created(self) -> float:
        return self.life[0].at


class Dialect(ABC):
    """How a life is told by one of the platform's APIs.

    `kind` is that of the target that a watch of it has, `step` and `unit` are what the
    levels below are called.
    """

    kind: ClassVar[str]
    step: ClassVar[str]
    unit: ClassVar[str]
    has_histories: ClassVar[bool] = True
    """Whether the statuses of units that came and went can be read afterwards."""
    unordered: ClassVar[tuple[str, ...]] = ()
    """Lists of the document whose order means nothing, each in the rows of the one before."""

    @abstractmethod
    def translate(self, release: Rollout) -> Rollout:
        """Return a release's life in the words, kinds and ids of this dialect."""

    @abstractmethod
    def document(self, rollout: Rollout, seconds: float) -> Document:
        """Return what the target's own endpoint answers."""

    @abstractmethod
    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        """Return the workflows that the platform runs for it."""

    def deploys(self, rollout: Rollout) -> Mapping[str, Deploy]:
        """Return the install deploys that the platform makes for it, by their ids."""
        return {d.id: d for step in rollout.played.steps for d in step.deploys}

    def further_changes(self, rollout: Rollout) -> Iterable[float]:
        """Return when its document changes though nothing happens to its parts."""
        del rollout
        return ()

    def casts(self, rollout: Rollout) -> tuple[Cast, ...]:
        """Return one cast for each app that it is about."""
        return (rollout.cast,)


@dataclass(frozen=True)
class Rollout:
    """A whole life, known from its beginning to its end, in the terms of its dialect.

    `source` is the same life as it was played: as a release. `shape` is how much of it the
    platform's answers have.
    """

    id: str
    cast: Cast
    begins_at: datetime
    scenario: Scenario
    life: Life
    steps: tuple[Step, ...]
    gaps: tuple[Gap, ...]
    dialect: Dialect
    source: Rollout | None = None
    shape: Shape = Shape.DOCUMENTED

    @property
    def kind(self) -> str:
        """The kind of target that it is to a watch."""
        return self.dialect.kind

    @property
    def is_thin(self) -> bool:
        """Whether its answers are as thin as those of the real servers."""
        return self.shape is Shape.THIN

    @property
    def played(self) -> Rollout:
        """The same life as a release."""
        return self.source or self

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """All that happens, in order."""
        lives = [self.life]
        for step in self.steps:
            lives += [step.life, *(deploy.life for deploy in step.deploys)]
        return tuple(sorted((o for life in lives for o in life), key=lambda o: o.at))

    @cached_property
    def flows(self) -> tuple[Flow, ...]:
        """The workflows that the platform runs for it, whether begun or not."""
        return self.dialect.flows(self)

    @cached_property
    def deploys(self) -> Mapping[str, Deploy]:
        """The install deploys that the platform makes for it, by their ids."""
        return self.dialect.deploys(self)

    @property
    def settles_after(self) -> float:
        """When the last thing happens, in seconds; what is not over by then never ends."""
        return self._changes[-1]

    def exists_at(self, seconds: float) -> bool:
        """Tell whether the platform has it: it was created and not yet deleted."""
        deleted = self.scenario.deleted_after
        return seconds >= 0 and (deleted is None or seconds < deleted)

    def version_at(self, seconds: float) -> int:
        """Count the changes up to a moment: while it stays, so does `state_at`."""
        return bisect_right(self._changes, seconds)

    def state_at(self, seconds: float) -> Document:
        """Return what its own endpoint answers; LookupError where it does not exist."""
        if not self.exists_at(seconds):
            raise LookupError(f"no {self.kind} {self.id} at {seconds} s")
        return self.dialect.document(self, seconds)

    def missing_at(self, seconds: float) -> frozenset[str]:
        """Return the ids of the parts that answers lack at a moment."""
        gaps = (gap.ids for gap in self.gaps if gap.begins <= seconds < gap.ends)
        return frozenset().union(*gaps)

    def moment(self, seconds: float) -> datetime:
        """Return the virtual time of so many seconds after it was created."""
        return self.begins_at + timedelta(seconds=seconds)

    def marks(self, life: Iterable[Occurrence], seconds: float) -> list[Mark]:
        """Return what of a life has happened by a moment."""
        return [
            Mark(self.moment(o.at), o.status, o.description, o.cause, o.metadata)
            for o in life
            if o.at <= seconds
        ]

    @cached_property
    def _changes(self) -> list[float]:
        borders = (border for gap in self.gaps for border in (gap.begins, gap.ends))
        lasting = (border for border in borders if border < math.inf)
        further = self.dialect.further_changes(self)
        return sorted([*(o.at for o in self.occurrences), *lasting, *further])
