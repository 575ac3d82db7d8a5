"""What is known of a rollout and its watch, and what routes can ask of its events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from monitor.decide import progress
from monitor.kinds import profile_of
from monitor.model import Event, EventKind, Level, Named, Snapshot, Subject


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known of a rollout and of the watch that it belongs to.

    `default_destinations` are the channels of the watches that lead to it. `names` are those of
    things by their ids, `apps` the ids of the apps of components and installs, by theirs; both may
    lack any.
    """

    snapshot: Snapshot
    default_destinations: tuple[str, ...]
    title: str = ""
    watch: Named = field(default_factory=Named)
    labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    apps: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    app_destinations: Mapping[str, str] = field(default_factory=dict)
    """The destinations that the vendor set for apps on the platform itself, by the apps' ids."""


def subject_of(scene: Scene, event: Event, *, age: timedelta = timedelta()) -> Subject:
    """Return all that routes can ask of an event."""
    return EventFacts(scene).subject(event, age)


class EventFacts:
    """What routes ask of the events of one poll; what is the same for all is computed once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._root = scene.snapshot.root

    @cached_property
    def _failed(self) -> int:
        return sum(progress.progress_of(step).failed for step in self._root.children)

    def subject(self, event: Event, age: timedelta) -> Subject:
        scene, root, entity = self._scene, self._root, event.entity
        component_id = entity.component_id or root.component_id
        name_is_of = profile_of(root).name_is_of
        component = root.name if name_is_of == "component" else ""
        return Subject(
            event=event.kind,
            level=event.level,
            kind=scene.snapshot.target.kind,
            part_kind=entity.kind,
            app=self._named(self.app_id(event)),
            component=Named(component_id, component or scene.names.get(component_id, "")),
            install=self._named(entity.install_id or root.install_id),
            installer=Named(root.id, root.name) if name_is_of == "installer" else Named(),
            rollout=Named(root.id),
            watch=scene.watch,
            name=scene.title or root.name,
            labels=scene.labels,
            started_by=progress.starter_of(root, scene.people),
            # What failed between two polls may have recovered by now.
            failed=max(self._failed, event.kind is EventKind.FAILED),
            age=age,
            notified_destinations=event.notified_destinations,
            follows_problem=event.follows_problem,
        )

    def app_id(self, event: Event) -> str:
        """Return the app that something belongs to; empty where it is not known."""
        entity, root = event.entity, self._root
        if entity.app_id:
            return entity.app_id
        # Only in a tree whose steps are apps can a step name the app: other trees need no search.
        if event.level > Level.STEP and any(step.app_id for step in root.children):
            owners = (s for s in root.children if any(u.id == entity.id for u in s.children))
            return next((step.app_id for step in owners), "")
        return progress.app_of(root, self._scene.apps, entity)

    def _named(self, identifier: str) -> Named:
        return Named(identifier, self._scene.names.get(identifier, ""))
