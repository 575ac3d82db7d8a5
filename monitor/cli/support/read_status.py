"""The state of everything that is watched, as the store knows it, target by target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from monitor.cli.support.common import part_names
from monitor.compose import render
from monitor.config import Config, Watch
from monitor.decide import events, healing, progress
from monitor.decide.reachability import scope_of
from monitor.kinds import FINDERS, KINDS, alternatives
from monitor.model import Alert, EventKind, Level, Outage, Target
from monitor.store import Counts, Find, Store, StoredTarget
from monitor.text import plain, short_id

_LONG_AGO = timedelta(days=1)


class TargetStatus(IntEnum):
    """The state of something that is watched, the most urgent first."""

    IN_TROUBLE = 0
    WAITING = 1
    UNDER_WAY = 2
    NOT_SEEN = 3
    SETTLED = 4
    ENDED = 5

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Row:
    """One target, with its state in the store; `found_by` is the list that it was found in."""

    target: Target
    entry: Watch
    found_by: Target | None
    watched: StoredTarget | None
    outage: Outage | None
    title: str
    summary: str
    """The headline of its card."""
    names: Mapping[str, str]
    """Of its parts, where any is in trouble."""
    healed_by: Target | None = None
    """The newer rollout that has put an end to its trouble."""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.watched.state.alerts if self.watched else ()

    @property
    def troubles(self) -> tuple[Alert, ...]:
        """The alerts to show, without the failure of a parent of which a unit has failed."""
        if self.watched is None:
            return ()
        shown = [a for a in self.alerts if not (self.healed_by and healing.is_healable(a))]
        units, others = _by_level(shown, progress.AlertKeys(self.watched.snapshot.root))
        if any(alert.kind is EventKind.FAILED for alert in units):
            others = [alert for alert in others if alert.kind is not EventKind.FAILED]
        return (*units, *others)

    @property
    def progress(self) -> progress.Progress:
        root = self.watched.snapshot.root if self.watched else None
        steps = () if root is None or root.kind.is_perpetual else root.children
        return progress.add_up(tuple(progress.progress_of(step) for step in steps))

    @property
    def status(self) -> TargetStatus:
        if self.outage is not None:
            return TargetStatus.IN_TROUBLE
        if self.watched is None:
            return TargetStatus.NOT_SEEN
        root, state = self.watched.snapshot.root, self.watched.state
        if healing.is_in_trouble(state) and self.healed_by is None:
            return TargetStatus.IN_TROUBLE
        if root.phase.is_terminal:
            return TargetStatus.ENDED
        if any(alert.kind is EventKind.WAITING for alert in state.alerts):
            return TargetStatus.WAITING
        return TargetStatus.SETTLED if root.kind.is_perpetual else TargetStatus.UNDER_WAY

    def is_replaced(self, now: datetime) -> bool:
        """Whether it was found, not asked for, and has been settled for long."""
        if self.found_by is None or self.watched is None:
            return False
        is_settled = events.is_settled(self.watched.snapshot, self.watched.state, now)
        return is_settled and now - self.watched.changed_at > _LONG_AGO


def _by_level(
    alerts: Iterable[Alert], alert_keys: progress.AlertKeys
) -> tuple[list[Alert], list[Alert]]:
    """Return the alerts of units, and all others."""
    units: list[Alert] = []
    others: list[Alert] = []
    for alert in alerts:
        level, _ = alert_keys.entity(alert.alert_key) or (None, None)
        (units if level is Level.UNIT else others).append(alert)
    return units, others


@dataclass(frozen=True, slots=True)
class View:
    """The state of the store at one time; `rows` in the order of the configuration, then finds."""

    rows: tuple[Row, ...]
    counts: Counts
    outages: Mapping[str, Outage]
    now: datetime


def look(config: Config, now: datetime) -> View:
    """Read the store; raises StoreError."""
    with Store.open_readonly(config.store.url) as store:
        rows = tuple(_Reader(config, store).rows())
        return View(rows, store.outbox.counts(), store.outages.load(), now)


class _Reader:
    """Joins the entries of the configuration with their states in the store."""

    def __init__(self, config: Config, store: Store) -> None:
        self._store = store
        self._seen = {watched.target: watched for watched in store.snapshots.load_all()}
        self._healed = healing.healed(
            healing.rollout_of(one.snapshot, one.state) for one in self._seen.values()
        )
        self._outages = store.outages.load()
        self._entries = {entry.target: entry for entry in config.watch}
        roots = [watched.snapshot.root for watched in self._seen.values()]
        self._names = store.names.of(
            {i for root in roots for i in (root.component_id, root.install_id, root.app_id) if i}
        )

    def rows(self) -> Iterator[Row]:
        """Yield what is watched by its id, then the finds of lists; each target once."""
        finds = self._store.finds.load()
        listings = {find.listing for find in finds}
        found = tuple(self._rows_of_finds(finds))
        # What stands in for a list on another version of the platform finds for it.
        listings.update(row.entry.target for row in found)
        for entry in self._entries.values():
            row = self._row(entry.target, entry, None)
            # A list is no row of its own where its finds have rows.
            if entry.target not in listings or row.watched is not None or row.outage is not None:
                yield row
        yield from found

    def _rows_of_finds(self, finds: Iterable[Find]) -> Iterator[Row]:
        watched_by = dict(self._found()) | self._entries
        for target, entry in tuple(watched_by.items()):
            watched_by |= dict.fromkeys(alternatives(target), entry)
        found: dict[Target, Find] = {}
        for find in finds:  # the earliest first: a list comes before what was found in it
            if find.listing not in watched_by:
                continue
            if find.target.kind in FINDERS:
                watched_by.setdefault(find.target, watched_by[find.listing])
            else:
                found[find.target] = find
        for target, find in found.items():
            if target not in self._entries and (find.is_followed or target in self._seen):
                yield self._row(target, watched_by[find.listing], find.listing)

    def _found(self) -> Iterator[tuple[Target, Watch]]:
        """Yield the lists that are watched because of what something else shows."""
        for entry in self._entries.values():
            kind, watched = KINDS.get(entry.target.kind), self._seen.get(entry.target)
            if kind is not None and watched is not None:
                for further in kind.leads_to(watched.snapshot.root):
                    yield further, entry

    def _row(self, target: Target, entry: Watch, found_by: Target | None) -> Row:
        watched = self._seen.get(target)
        title = entry.name if found_by is None else None
        names: Mapping[str, str] = {}
        if watched is None:
            shown = plain(title, 75) if title else f"{target.kind} {short_id(target.id)}"
            summary = "not seen yet" if target.kind in KINDS else "nothing found yet"
        else:
            links = render.Links("", "")
            card = render.View(watched.snapshot, watched.state, links, title, self._names)
            shown, summary = render.title_and_summary(card)
            if watched.state.alerts:
                names = part_names(self._store.names, watched.snapshot)
        outage = self._outages.get(scope_of(target))
        healer = self._healed.get(target)
        return Row(target, entry, found_by, watched, outage, shown, summary, names, healer)
