"""What is seen in a snapshot, worked out once for a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from monitor import rollout
from monitor.model import Alert, Entity, EventKind, Memory, Phase, Snapshot
from monitor.render.blocks import title_words
from monitor.render.links import Links
from monitor.text import plain, short_id


@dataclass(frozen=True)
class View:
    """What a message is drawn from.

    `title` is the watch's own name. `names` are those of installs and components by their
    ids and may lack any. `previous_url` leads to the card of the attempt before.
    """

    snapshot: Snapshot
    memory: Memory
    links: Links
    title: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    previous_url: str | None = None

    @cached_property
    def stages(self) -> tuple[rollout.Stage, ...]:
        """The steps, worked out once for all that is drawn from this view."""
        return rollout.stages_of(self.snapshot.root)


@dataclass(frozen=True, slots=True)
class Picture:
    """A view, and what the parts of a message have in common.

    `changed_at` is the platform's time where it gave one. `stalls` are the standing ones.
    """

    view: View
    stages: tuple[rollout.Stage, ...]
    progress: rollout.Progress
    changed_at: datetime
    stalls: tuple[Alert, ...]

    @property
    def root(self) -> Entity:
        return self.view.snapshot.root

    @property
    def title(self) -> str:
        root = self.root
        name = self.view.title or root.name or self.view.names.get(root.component_id, "")
        return title_words(name) if name else f"{root.kind} {short_id(root.id)}"

    @property
    def current(self) -> int | None:
        """The index of the step that it is at: the first one that is not done."""
        for index, stage in enumerate(self.stages):
            if stage.step.phase is not Phase.SUCCEEDED:
                return index
        return None

    @property
    def failed(self) -> int | None:
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
        return all(unit.plan_only for stage in self.stages for unit in stage.units)

    def step_words(self, index: int | None) -> str:
        return "" if index is None else f"step {index + 1} of {len(self.stages)}"

    def name_of(self, unit: Entity, limit: int) -> str:
        name = self.view.names.get(unit.install_id) or unit.name
        identifier = short_id(unit.install_id or unit.id)
        return plain(name, limit, fallback=identifier) if name else identifier


def look(view: View) -> Picture:
    """Work out what is seen in a view."""
    root = view.snapshot.root
    stages = view.stages
    times = (root.updated_at, root.status_at, root.created_at, *(s.changed_at for s in stages))
    changed_at = max((time for time in times if time), default=view.snapshot.taken_at)
    stalls = tuple(alert for alert in view.memory.alerts if alert.kind is EventKind.STALLED)
    progress = rollout.add_up(tuple(stage.progress for stage in stages))
    return Picture(view, stages, progress, changed_at, stalls)
