"""What `route test` asks: an event, made of the options and of what the store knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import click

from monitor.cli.support.stored_targets import Knowledge, Known
from monitor.compose.notifications import LOUD
from monitor.config import Config
from monitor.config import Watch as WatchEntry
from monitor.decide.dispatch import Plan
from monitor.decide.reachability import subject_of_outage
from monitor.decide.routing import route
from monitor.decide.scene import subject_of
from monitor.decide.verdicts import Silence, Verdict, joined
from monitor.deliver.destinations import Destinations
from monitor.model import (
    LABEL,
    MATCH_KEYS,
    Entity,
    Event,
    EventKind,
    Group,
    Level,
    Named,
    Subject,
    Watch,
)
from monitor.service.mapping import settings_of
from monitor.store import Store
from monitor.text import join_names, plain

_LEVELS = {"part": Level.UNIT, "rollout": Level.ROLLOUT}
_OUTAGE_EVENTS = frozenset({EventKind.UNREACHABLE, EventKind.REACHABLE})
_BEGUN_BY: Mapping[EventKind, tuple[EventKind, ...]] = {
    EventKind.RECOVERED: (EventKind.FAILED, EventKind.STALLED)
}
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class RouteQuery:
    """An event, when it happens, and the destinations of the channels that its watches have.

    `groups` are those of the rollout, where it was seen.
    """

    subject: Subject
    default_destinations: tuple[str, ...]
    at: datetime
    groups: tuple[Group, ...] = ()

    @property
    def is_grouped(self) -> bool:
        """Whether such events are put together where several come one after the other."""
        return self.subject.event is EventKind.FAILED and self.subject.level is not Level.ROLLOUT

    def open_group(self, destination: str) -> Group | None:
        """Return the group that would have the event in a destination."""
        groups = (one for one in self.groups if one.destination == destination)
        return next((one for one in groups if not one.is_over(self.at)), None)

    @property
    def is_of_outage(self) -> bool:
        """Whether it is about an outage, which quiet windows and silences do not hide."""
        return _is_outage(self.subject.event, self.subject.level)

    @property
    def pings(self) -> bool:
        """Whether the mentions of a route ping for it."""
        return self.subject.event in LOUD or self.subject.event is EventKind.UNREACHABLE

    def facts(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield what is known, by the keys that routes match."""
        labels = (f"{LABEL}{name}" for name in self.subject.labels)
        for key in (*MATCH_KEYS, *labels):
            if values := self.subject.known(key):
                yield key, values

    def verdict(self, plan: Plan, silences: Sequence[Silence]) -> Verdict:
        """Decide as the daemon does."""
        if self.subject.event is EventKind.REACHABLE:
            return self._reachable(plan)
        windows = () if self.is_of_outage else plan.windows
        silences = () if self.is_of_outage else silences
        return joined(
            route(
                self.subject,
                plan.rules,
                default_destination=destination,
                now=self.at,
                windows=windows,
                silences=silences,
                group_interval=plan.group_interval,
            )
            for destination in self.default_destinations
        )

    def _reachable(self, plan: Plan) -> Verdict:
        subject = replace(self.subject, event=EventKind.UNREACHABLE, notified_destinations=None)
        unreachable = replace(self, subject=subject).verdict(plan, ())
        notified = self.subject.notified_destinations
        recipients = tuple(
            one for one in unreachable.recipients if notified is None or one.destination in notified
        )
        return Verdict(
            recipients=recipients, steps=unreachable.steps, follows=EventKind.UNREACHABLE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An event as the options describe it."""

    event: str
    target_id: str | None
    level: str | None
    install: str | None
    app: str | None
    component: str | None
    installer: str | None
    watch: str | None
    kinds: tuple[str, ...]
    name: str | None
    started_by: str | None
    labels: tuple[tuple[str, str], ...]
    failed: int | None
    lasting: timedelta | None
    notified_in: tuple[str, ...]

    @property
    def kind(self) -> EventKind:
        return EventKind(self.event)


def route_query_of(config: Config, store: Store | None, asked: Asked, at: datetime) -> RouteQuery:
    """Return what is asked; options override what the store knows.

    Raises UsageError for an unknown watch or install, MonitorError for an unknown target.
    """
    entry = _entry(config, asked.watch) if asked.watch is not None else None
    groups: tuple[Group, ...] = ()
    if asked.target_id is not None and store is not None:
        known = Knowledge(config, store).named(asked.target_id)
        groups = known.state.groups
        if entry is not None:
            settings = settings_of(config, entry)
            known = replace(known, watch=replace(known.watch, settings=settings))
        subject, destinations = (
            _of_known(known, asked, at),
            known.watch.settings.default_destinations,
        )
    elif entry is not None:
        watch = Watch(entry.target, settings_of(config, entry))
        subject, destinations = _of_watch(watch, store, asked), watch.settings.default_destinations
    else:
        subject, destinations = _of_nothing_known(config, store, asked)
    labels = {**subject.labels, **dict(asked.labels)}
    return RouteQuery(
        replace(subject, **_differences(store, asked), labels=labels), destinations, at, groups
    )


def _is_outage(event: EventKind, level: Level) -> bool:
    """Whether this is an event of an outage rather than of a snapshot."""
    return event in _OUTAGE_EVENTS or (event is EventKind.REMOVED and level is Level.ROLLOUT)


def _level(asked: Asked) -> Level:
    return _LEVELS[asked.level or ("part" if asked.install else "rollout")]


def _of_known(known: Known, asked: Asked, at: datetime) -> Subject:
    if _is_outage(asked.kind, _level(asked)):
        return subject_of_outage(asked.kind, known.watch)
    return _seen(known, asked, at)


def _of_watch(watch: Watch, store: Store | None, asked: Asked) -> Subject:
    if _is_outage(asked.kind, _level(asked)):
        return subject_of_outage(asked.kind, watch)
    settings = watch.settings
    return replace(_made_up(store, asked), watch=settings.entry, labels=settings.labels)


def _of_nothing_known(
    config: Config, store: Store | None, asked: Asked
) -> tuple[Subject, tuple[str, ...]]:
    """Return the subject of options alone; an outage is then that of the platform."""
    destinations = Destinations(config).default_destinations
    if asked.kind in _OUTAGE_EVENTS:
        return subject_of_outage(asked.kind, None), destinations
    return _made_up(store, asked), destinations[:1]


def _made_up(store: Store | None, asked: Asked) -> Subject:
    return Subject(
        event=asked.kind,
        level=_level(asked),
        install=_named(store, asked.install),
        failed=int(asked.kind is EventKind.FAILED),
    )


def _differences(store: Store | None, asked: Asked) -> dict[str, Any]:
    """Return the fields of a subject that options give."""
    named = {
        "app": _named(store, asked.app),
        "component": _named(store, asked.component),
        "installer": _named(store, asked.installer),
    }
    notified = tuple(filter(None, asked.notified_in)) if asked.notified_in else None
    given = {
        "kind": next(iter(asked.kinds[:1]), None),
        "part_kind": next(iter(asked.kinds[1:]), None),
        "name": asked.name,
        "started_by": asked.started_by,
        "failed": asked.failed,
        "age": asked.lasting,
        "notified_destinations": notified,
    }
    return {field: value for field, value in named.items() if value != Named()} | {
        field: value for field, value in given.items() if value is not None
    }


def _named(store: Store | None, word: str | None) -> Named:
    """Return a name, or an id with what it is called."""
    if not word:
        return Named()
    known = store.names.of([word]) if store else {}
    return Named(word, known[word]) if word in known else Named(name=word)


def _entry(config: Config, word: str) -> WatchEntry:
    for entry in config.watch:
        if word in (entry.name, entry.target.id):
            return entry
    listed = _listed(entry.name or entry.target.id for entry in config.watch)
    raise click.UsageError(f"No [[watch]] is {plain(word, 60)}: there are {listed}")


# What the store knows


def _seen(known: Known, asked: Asked, at: datetime) -> Subject:
    """Return what is known of a target, or of the part that is meant.

    An active alert comes first: it has an age, and destinations that were notified of it.
    """
    meant = _meant(known, asked)
    ids = {entity.id for _, entity in meant}
    kinds = _BEGUN_BY.get(asked.kind, (asked.kind,))
    for alert, event in known.troubles():
        if alert.kind in kinds and event.entity.id in ids:
            subject = subject_of(known.scene, event)
            age = max(at - alert.since, timedelta())
            return replace(subject, event=asked.kind, age=age)
    if asked.level == "part" and asked.install is None:
        raise click.UsageError("Say of which part: --install NAME")
    # Several steps may work on one install.
    level, entity = meant[0 if asked.install is None else -1]
    return subject_of(known.scene, Event(asked.kind, level, entity))


def _meant(known: Known, asked: Asked) -> list[tuple[Level, Entity]]:
    parts = list(known.parts())
    if asked.install is not None:
        return _parts_of(known, parts, asked.install)
    if asked.level is None:
        return parts
    return [one for one in parts if (one[0] is Level.ROLLOUT) == (asked.level == "rollout")]


def _parts_of(
    known: Known, parts: list[tuple[Level, Entity]], install: str
) -> list[tuple[Level, Entity]]:
    names = known.called.names
    units = [(level, entity) for level, entity in parts if level is Level.UNIT]
    found: list[tuple[Level, Entity]] = [
        (level, entity)
        for level, entity in units
        if install in (names.get(entity.install_id), entity.install_id, entity.name)
    ]
    if not found:
        words = dict.fromkeys(entity.install_id or entity.name for _, entity in units)
        listed = _listed(names.get(word, word) for word in words) or "none yet"
        raise click.UsageError(f"No install is {plain(install, 60)}: there are {listed}")
    return found


def _listed(words: Iterable[str]) -> str:
    shown = [plain(word, 60) for word in words if word]
    return join_names(shown[:_SHOWN], len(shown))
