"""What is seen in a snapshot, worked out once for a message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from monitor.compose.render.blocks import WORD_LIMIT, title_words
from monitor.compose.render.links import Links
from monitor.compose.templates import FilledTemplates
from monitor.decide.progress import Progress, Stage, add_up, stages_of
from monitor.kinds import profile_of
from monitor.kinds.profile import KindProfile, Terms
from monitor.model import Alert, Commit, Entity, EventKind, Phase, Snapshot, TargetState
from monitor.text import counted, join_names, plain, short_id

_MOST_STEPS_NAMED = 3

_FIELD = re.compile(r"\{([a-z]+)\}")
"""A field of a pattern for names: see `KindProfile`."""


@dataclass(frozen=True)
class View:
    """What a message is drawn from.

    `title` is the watch's own name. `names` are those of installs, components and apps by
    their ids, `apps` the ids of the apps that components and installs belong to, `commits` those
    of builds; each may lack any.
    `previous_url` leads to the card of the attempt before, `card_url` to this one's where the
    message is in another channel, `table_url` to the table of all that fails. `silences` are
    sentences, `filled` is what the user's own templates say.
    """

    snapshot: Snapshot
    state: TargetState
    links: Links
    title: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    previous_url: str | None = None
    apps: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    silences: tuple[str, ...] = ()
    filled: FilledTemplates | None = None
    card_url: str | None = None
    table_url: str | None = None
    commits: Mapping[str, Commit] = field(default_factory=dict)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The steps, worked out once for all that is drawn from this view."""
        return stages_of(self.snapshot.root)

    @cached_property
    def owners(self) -> Mapping[str, Entity]:
        """The steps by the ids of their units; only for what has few of them."""
        return {unit.id: step for step in self.snapshot.root.children for unit in step.children}


@dataclass(frozen=True, slots=True)
class Layout:
    """A view, and what the parts of a message have in common.

    `changed_at` is the platform's time where it gave one. `stalls` are the standing ones.
    """

    view: View
    profile: KindProfile
    stages: tuple[Stage, ...]
    progress: Progress
    changed_at: datetime
    stalls: tuple[Alert, ...]

    @property
    def root(self) -> Entity:
        return self.view.snapshot.root

    @property
    def terms(self) -> Terms:
        return self.profile.terms

    @property
    def given_title(self) -> str:
        """The title in the user's own words; empty where there is none."""
        filled = self.view.filled
        title = (filled.title if filled else None) or self.view.title
        return title_words(title) if title else ""

    @property
    def title(self) -> str:
        return self.given_title or self._own_title()

    def _own_title(self) -> str:
        root, names = self.root, self.view.names
        name = root.name or names.get(root.component_id, "")
        if not name:
            return f"{root.kind} {short_id(root.id)}"
        own = plain(name, WORD_LIMIT)
        return title_words(self._called(self.profile.titles, root, own, WORD_LIMIT) or name)

    @property
    def current(self) -> int | None:
        """The index of the step that it is at: the first one that is not done."""
        for index, stage in enumerate(self.stages):
            if stage.step.phase is not Phase.SUCCEEDED:
                return index
        return None

    @property
    def failed(self) -> int | None:
        """The index of the step that failed, or that it was at when it failed."""
        return self._failed_itself if self.left_at is None else self.left_at

    @property
    def left_at(self) -> int | None:
        """The index of the step that a failed rollout was at, where none has failed itself.

        The platform leaves it for ever as if it were under way (its public source, December 2025).
        """
        if self.root.phase is not Phase.FAILED or self._failed_itself is not None:
            return None
        begun = [i for i, stage in enumerate(self.stages) if stage.step.phase is Phase.RUNNING]
        return begun[-1] if begun else None

    @property
    def _failed_itself(self) -> int | None:
        for index, stage in enumerate(self.stages):
            if stage.step.phase is Phase.FAILED or stage.progress.failed:
                return index
        return None

    @property
    def duration(self) -> timedelta | None:
        """How long it has been at it, by the platform's times; None if unknown."""
        begun_at = self.root.created_at
        if begun_at is None or self.changed_at <= begun_at:
            return None
        return self.changed_at - begun_at

    @property
    def is_plan_only(self) -> bool:
        return self.root.plan_only or all(u.plan_only for s in self.stages for u in s.units)

    def is_removed(self, step: Entity) -> bool:
        """Whether it was told that a step is no part of it any more."""
        alerts = self.view.state.alerts
        return any(one.kind is EventKind.REMOVED and one.alert_key == step.id for one in alerts)

    def index_of(self, step_id: str) -> int | None:
        """Return the index of a step; None for anything else."""
        ids = [stage.step.id for stage in self.stages]
        return ids.index(step_id) if step_id in ids else None

    # Words for parts of it: all of them may be foreign, and none is longer than it should be

    def step_label(self, index: int) -> str:
        """Return what a step is called in a list of them."""
        name = plain(self.stages[index].step.name, WORD_LIMIT, fallback="")
        return name or f"{self.terms.step} {index + 1}"

    def step_words(self, index: int) -> str:
        """Return what a step is called in a sentence."""
        step = self.stages[index].step
        if self.profile.step_names:
            return self.step_name(step)
        name = plain(step.name, WORD_LIMIT, fallback="")
        if not name:
            return f"{self.terms.step} {index + 1} of {len(self.stages)}"
        is_plain = self.root.kind.is_perpetual or self._says_so_itself(name)
        is_further = step.kind != self.profile.step
        noun = self.terms.further_step if is_further else self.terms.step
        return name if is_plain else f"{noun} {name}"

    def last_steps_words(self, count: int) -> str:
        """Return what the last steps are called, as one says it of several."""
        total = len(self.stages)
        if not any(stage.step.name for stage in self.stages[total - count :]):
            numbers = f"{total}" if count == 1 else f"{total - count + 1} to {total}"
            return f"{self._steps(count)} {numbers}"
        labels = [self.step_label(index) for index in range(total - count, total)]
        names = join_names(labels[:_MOST_STEPS_NAMED], count)
        return names if self._says_so_itself(labels[0]) else f"{self._steps(count)} {names}"

    def _says_so_itself(self, name: str) -> bool:
        """Whether a step's own name begins with what a step is called, as `group 1` does."""
        return name.lower().startswith(self.terms.step)

    def _steps(self, count: int) -> str:
        return self.terms.step if count == 1 else f"{self.terms.step}s"

    def step_name(self, step: Entity, limit: int = WORD_LIMIT) -> str:
        """Return what a step is called by itself, such as what a workflow does and where."""
        own = plain(step.name, limit, fallback=f"{step.kind} {short_id(step.id)}")
        return self._called(self.profile.step_names, step, own, limit) or own

    def name_of(self, unit: Entity, limit: int) -> str:
        """Return what a unit is called: an install by its name, a part by its own."""
        own = plain(unit.name, limit, fallback=short_id(unit.install_id or unit.id))
        return self._called(self.profile.unit_names, unit, own, limit) or own

    def _called(self, patterns: Sequence[str], entity: Entity, own_name: str, limit: int) -> str:
        """Return a name by the first pattern whose fields are all known; empty if none is."""
        for pattern in patterns:
            fields = {
                field: own_name if field == "name" else self._field(field, entity, limit)
                for field in _FIELD.findall(pattern)
            }
            if all(fields.values()):
                return pattern.format_map(fields)
        return ""

    def _field(self, field: str, entity: Entity, limit: int) -> str:
        """Return a field of a pattern for names, made harmless; empty where it is not known."""
        names = self.view.names
        match field:
            case "install" if entity.install_id:
                fallback = short_id(entity.install_id)
                return plain(names.get(entity.install_id, ""), limit, fallback=fallback)
            case "app":
                return plain(names.get(entity.app_id, ""), limit, fallback="")
            case "step" if step := self.view.owners.get(entity.id):
                return self.step_name(step, limit)
            case _:
                return ""

    def step_of(self, unit: Entity) -> str:
        """Return at which step a unit is, where that says more than its own name does."""
        owner = self.view.owners.get(unit.id)
        index = self.index_of(owner.id) if owner else None
        is_plain = self.profile.is_rolled_out_to_units and not self.root.kind.is_perpetual
        is_only = len(self.stages) < 2
        return self.step_words(index) if index is not None and is_plain and not is_only else ""

    def app_name(self, limit: int) -> str:
        """Return the app that is rolled out, where the title does not say it; may be empty."""
        view, root = self.view, self.root
        name = view.names.get(root.app_id or view.apps.get(root.component_id, ""), "")
        shown = plain(name, limit, fallback="")
        return "" if shown in self.title else shown

    def units_words(self, units: Sequence[Entity]) -> str:
        """Return how many units there are, such as `12 installs`."""
        noun = str(units[0].kind) if self.root.kind.is_perpetual else self.terms.unit
        return counted(len(units), noun)


def look(view: View) -> Layout:
    """Work out what is seen in a view."""
    root = view.snapshot.root
    stages = view.stages
    times = (root.updated_at, root.status_at, root.created_at, *(s.changed_at for s in stages))
    changed_at = max((time for time in times if time), default=view.snapshot.taken_at)
    stalls = tuple(alert for alert in view.state.alerts if alert.kind is EventKind.STALLED)
    progress = add_up(tuple(stage.progress for stage in stages))
    return Layout(view, profile_of(root), stages, progress, changed_at, stalls)
