"""A target as the store knows it, assembled as the daemon does for its decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.compose import render
from monitor.compose.assembly import scene_of, view_of
from monitor.config import Config
from monitor.decide import progress
from monitor.decide.scene import Scene
from monitor.decide.verdicts import Silence
from monitor.errors import MonitorError
from monitor.kinds import FINDERS, KINDS, alternatives
from monitor.model import (
    Alert,
    Called,
    Entity,
    Event,
    Level,
    Named,
    Snapshot,
    Target,
    TargetState,
    Watch,
)
from monitor.service.mapping import links_of, settings_of, templates_of
from monitor.store import Store, StoredTarget
from monitor.text import join_names, plain

_IDS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Known:
    """One target as it was last seen. `is_watched` says whether the configuration leads to it."""

    watch: Watch
    snapshot: Snapshot
    state: TargetState
    called: Called
    is_watched: bool = True

    @property
    def scene(self) -> Scene:
        """What its events are routed by."""
        return scene_of(self.watch, self.snapshot, self.called)

    @property
    def is_open(self) -> bool:
        """Whether people may yet be notified of something."""
        return self.state.ended is None or bool(self.state.alerts)

    def view(
        self, config: Config, silences: Sequence[Silence] = (), now: datetime | None = None
    ) -> render.View:
        """Return what its messages are drawn from."""
        return view_of(
            self.snapshot,
            self.state,
            self.called,
            links=links_of(config),
            watch=self.watch if self.is_watched else None,
            templates=templates_of(config),
            silences=silences,
            now=now,
        )

    def troubles(self) -> Iterator[tuple[Alert, Event]]:
        """Yield what is active, and the event by which people would be notified of it now."""
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
        self._watches = self._watches_by_target()

    def all(self) -> tuple[Known, ...]:
        return tuple(map(self._known, self._seen.values()))

    def named(self, beginning: str) -> Known:
        """Return the one target whose id begins so; MonitorError lists candidates."""
        begun = [one for one in self._seen.values() if one.target.id.startswith(beginning)]
        exact = [one for one in begun if one.target.id == beginning]
        if len(found := exact or begun) == 1:
            return self._known(found[0])
        raise _ambiguous(beginning, begun) if begun else _unknown(beginning, self._seen.values())

    def _watches_by_target(self) -> dict[Target, Watch]:
        """Return how each target is watched, as the daemon does: what leads to it first decides.

        All further watches that lead to it have their channels notified as well.
        """
        watches: dict[Target, Watch] = {}
        for entry in self._config.watch:
            _add(watches, Watch(entry.target, settings_of(self._config, entry)))
        for watch in tuple(watches.values()):
            seen, kind = self._seen.get(watch.target), KINDS.get(watch.target.kind)
            for further in kind.leads_to(seen.snapshot.root) if seen and kind else ():
                _add(watches, Watch(further, watch.settings))
        for target, watch in tuple(watches.items()):
            for further in alternatives(target):
                _add(watches, Watch(further, watch.settings, found_in=target))
        for find in self._store.finds.load():
            listing = watches.get(find.listing)
            if listing is not None and find.listing.kind in FINDERS:
                _add(watches, Watch(find.target, listing.settings, found_in=find.listing))
        return watches

    def _known(self, stored: StoredTarget) -> Known:
        snapshot, state = stored.snapshot, stored.state
        watch = self._watches.get(stored.target)
        return Known(
            watch or self._unwatched(stored.target),
            snapshot,
            state,
            self._store.names.called(_ids(snapshot, state)),
            is_watched=watch is not None,
        )

    def _unwatched(self, target: Target) -> Watch:
        settings = settings_of(self._config, self._config.watch[0])
        return Watch(target, replace(settings, entry=Named(), labels={}))


def _ambiguous(beginning: str, begun: Collection[StoredTarget]) -> MonitorError:
    shown = plain(beginning, 100, fallback="an empty ID")
    return MonitorError(f"{len(begun):,} begin with {shown}: {_ids_of(begun)}; give more of the ID")


def _unknown(beginning: str, seen: Collection[StoredTarget]) -> MonitorError:
    shown = plain(beginning, 100, fallback="an empty ID")
    knows = f"known are {_ids_of(seen)}" if seen else "nothing was polled yet"
    return MonitorError(f"nothing is known of {shown}: {knows}; see `nuon-monitor status --all`")


def _ids_of(targets: Collection[StoredTarget]) -> str:
    ids = [one.target.id for one in targets]
    return join_names([plain(one, 60) for one in ids[:_IDS_SHOWN]], len(ids))


def _add(watches: dict[Target, Watch], watch: Watch) -> None:
    known = watches.get(watch.target)
    watches[watch.target] = (
        known.with_default_destinations(watch.settings.default_destinations) if known else watch
    )


def _ids(snapshot: Snapshot, state: TargetState) -> Iterable[str]:
    shown = render.shown_ids(snapshot, state)
    installs = (unit.install_id for step in snapshot.root.children for unit in step.children)
    return dict.fromkeys(filter(None, (*shown, *installs)))
