"""What the store knows of a target, put together as the daemon does it for its decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from monitor.compose import render
from monitor.config import Config, Watch
from monitor.decide import progress
from monitor.decide.dispatch import Scene
from monitor.deliver.destinations import home_of
from monitor.errors import MonitorError
from monitor.kinds import KINDS
from monitor.model import Alert, Entity, Event, Level, Named, Snapshot, Target, TargetState
from monitor.store import Store, StoredTarget
from monitor.text import join_names, plain

_IDS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Known:
    """One target as it was last seen. `is_watched` says whether the configuration leads to it."""

    scene: Scene
    state: TargetState
    is_watched: bool

    @property
    def snapshot(self) -> Snapshot:
        return self.scene.snapshot

    @property
    def is_open(self) -> bool:
        """Whether there may yet be something to tell."""
        return self.state.ended is None or bool(self.state.alerts)

    def view(self, config: Config) -> render.View:
        """Return what its messages are drawn from."""
        scene = self.scene
        return render.View(
            snapshot=scene.snapshot,
            state=self.state,
            links=render.Links(config.nuon.dashboard_url, config.nuon.org_id or ""),
            title=scene.title or None,
            names=scene.names,
            apps=scene.apps,
            people=scene.people,
        )

    def troubles(self) -> Iterator[tuple[Alert, Event]]:
        """Yield what stands, and the event by which it would be told now."""
        alert_keys = progress.AlertKeys(self.snapshot.root)
        for alert in self.state.alerts:
            found = alert_keys.entity(alert.alert_key)
            if found is not None:
                event = Event(
                    alert.kind,
                    *found,
                    alert.reason,
                    alert_key=alert.alert_key,
                    notified_destinations=alert.notified_destinations,
                )
                yield alert, event

    def parts(self) -> Iterator[tuple[Level, Entity]]:
        """Yield the rollout, its steps and the units that count."""
        root = self.snapshot.root
        yield Level.ROLLOUT, root
        for step in root.children:
            yield Level.STEP, step
            yield from ((Level.UNIT, unit) for unit in progress.units_of(step))


class Knowledge:
    """All targets of a store, by the configuration that watches them."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._seen = {watched.target: watched for watched in store.snapshots.load_all()}
        self._leading = self._entries_by_target()

    def all(self) -> tuple[Known, ...]:
        return tuple(map(self._known, self._seen.values()))

    def named(self, beginning: str) -> Known:
        """Return the one target whose id begins so; MonitorError says what there is instead."""
        begun = [one for one in self._seen.values() if one.target.id.startswith(beginning)]
        exact = [one for one in begun if one.target.id == beginning]
        if len(found := exact or begun) == 1:
            return self._known(found[0])
        shown = plain(beginning, 100, fallback="an empty ID")
        ids = [one.target.id for one in begun or self._seen.values()]
        listed = join_names([plain(one, 60) for one in ids[:_IDS_SHOWN]], len(ids))
        if begun:
            raise MonitorError(f"{len(ids):,} begin with {shown}: {listed}; give more of the ID")
        knows = f"known are {listed}" if ids else "nothing was polled yet"
        raise MonitorError(f"nothing is known of {shown}: {knows}; see `nuon-monitor status --all`")

    def _entries_by_target(self) -> Mapping[Target, tuple[Watch, ...]]:
        """Return the watches that lead to each target, the one that decides its words first."""
        direct = {entry.target: entry for entry in self._config.watch}
        lists = dict(direct)
        for entry in self._config.watch:
            seen, kind = self._seen.get(entry.target), KINDS.get(entry.target.kind)
            for further in kind.leads_to(seen.snapshot.root) if seen and kind else ():
                lists.setdefault(further, entry)
        leading = {target: [entry] for target, entry in direct.items()}
        for find in self._store.finds.load():
            if find.listing in lists:
                leading.setdefault(find.target, []).append(lists[find.listing])
        return {target: tuple(entries) for target, entries in leading.items()}

    def _known(self, watched: StoredTarget) -> Known:
        snapshot, state = watched.snapshot, watched.state
        entries = self._leading.get(watched.target, ())
        homes = [home_of(self._config, entry) for entry in entries or self._config.watch[:1]]
        first = next(iter(entries), None)
        is_direct = first is not None and first.target == watched.target
        called = self._store.names.called(_ids(snapshot, state))
        scene = Scene(
            snapshot=snapshot,
            homes=tuple(dict.fromkeys(homes)),
            title=first.name or "" if first and is_direct else "",
            watch=Named(first.target.id, first.name or "") if first else Named(),
            labels=first.labels if first else {},
            names=called.names,
            apps=called.apps,
            people=called.people,
        )
        if state.has_card and not state.card_destinations:
            state = msgspec.structs.replace(state, card_destinations=scene.homes)
        return Known(scene, state, is_watched=bool(entries))


def _ids(snapshot: Snapshot, state: TargetState) -> Iterable[str]:
    shown = render.shown_ids(snapshot, state)
    installs = (unit.install_id for step in snapshot.root.children for unit in step.children)
    return dict.fromkeys(filter(None, (*shown, *installs)))
