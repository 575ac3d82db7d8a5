"""Events → who is notified of what, now or later. Pure: routes decide, alerts remember.

An alert remembers the destinations that were notified of it. While a threshold, a quiet window or
a silence keeps it from one of them, each poll routes it again: so every destination is notified
as soon as nothing prevents it, and never twice.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar

import msgspec

from monitor.decide import progress
from monitor.decide.routing import Rule, active_silence, card_destinations, route
from monitor.decide.verdicts import Held, Recipient, Silence, Verdict, Waiting
from monitor.decide.windows import Then, Window
from monitor.kinds import profile_of
from monitor.model import (
    Alert,
    Event,
    EventKind,
    Level,
    Mention,
    MentionKind,
    Named,
    Snapshot,
    Subject,
    TargetState,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is notified of what, as configured: `[[route]]` and `[[quiet]]`."""

    rules: tuple[Rule, ...] = ()
    windows: tuple[Window, ...] = ()

    @property
    def mentions_starters(self) -> bool:
        """Whether any route mentions the person who started a rollout."""
        mentions = (mention for rule in self.rules for mention in rule.mentions)
        return any(mention.kind is MentionKind.STARTED_BY for mention in mentions)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known of a rollout and of the watch that it belongs to.

    `default_destinations` are the channels of the watches that lead to it. `names` are those of
    things by their ids, `apps` the ids of components' apps by the components' ids; both may
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


@dataclass(frozen=True, slots=True)
class News:
    """What one destination is notified of now, and whom to mention there because of it."""

    entries: tuple[tuple[Event, tuple[Mention, ...]], ...]

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(event for event, _ in self.entries)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What quiet windows keep for their summary; `windows` are the names of those that have one."""

    event: Event
    destination: str
    windows: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What goes where. `state` records who has been notified of what from now on."""

    state: TargetState
    news: Mapping[str, News]
    held: tuple[HeldBack, ...]
    silences: tuple[Silence, ...]
    """Those that match the whole rollout, or a part with an active alert."""
    verdicts: tuple[tuple[Event, Verdict], ...] = ()
    """Why, for each event that was looked at."""


def dispatch(
    scene: Scene,
    events: Sequence[Event],
    state: TargetState,
    *,
    plan: Plan,
    silences: Sequence[Silence],
    now: datetime,
) -> Dispatch:
    """Decide for each event, and each alert that was kept back, who is notified of it now."""
    return _Dispatcher(scene, state, plan, silences, now).serve(events)


def subject_of(scene: Scene, event: Event, *, age: timedelta = timedelta()) -> Subject:
    """Return all that routes can ask of an event."""
    return _Facts(scene).subject(event, age)


class _Facts:
    """What is the same for all events of one poll, computed once."""

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
        return root.app_id or self._scene.apps.get(entity.component_id or root.component_id, "")

    def _named(self, identifier: str) -> Named:
        return Named(identifier, self._scene.names.get(identifier, ""))


class _Dispatcher:
    """Routes the events and alerts of one poll, one after the other."""

    def __init__(
        self,
        scene: Scene,
        state: TargetState,
        plan: Plan,
        silences: Sequence[Silence],
        now: datetime,
    ) -> None:
        self._scene = scene
        self._state = state
        self._plan = plan
        self._silences = silences
        self._now = now
        self._facts = _Facts(scene)
        self._alerts = {(alert.alert_key, alert.kind): alert for alert in state.alerts}
        self._entries: dict[str, list[tuple[Event, tuple[Mention, ...]]]] = {}
        self._held: list[HeldBack] = []
        self._silenced: dict[int, Silence] = {}
        self._waiting: dict[tuple[str, EventKind], set[str]] = {}
        self._verdicts: list[tuple[Event, Verdict]] = []
        self._late_count = 0

    def serve(self, events: Sequence[Event]) -> Dispatch:
        for event in events:
            self._serve_event(event)
        for alert in self._kept_back_before(events):
            self._serve_again(alert)
        self._let_the_rollout_speak()
        whole = self._whole()
        subject = self._facts.subject(whole, timedelta())
        silence = active_silence(subject, self._silences, self._now)
        if silence is not None:
            self._silenced[silence.id] = silence
        state = self._state
        if state.has_card and (events or not state.card_destinations):
            state = self._with_cards(subject)
        return Dispatch(
            state=msgspec.structs.replace(
                state,
                alerts=tuple(self._alerts.values()),
                # Each notification has a key of its own, a late one as well.
                event_count=state.event_count + (self._late_count if self._entries else 0),
            ),
            news={
                destination: News(tuple(entries)) for destination, entries in self._entries.items()
            },
            held=tuple(self._held),
            silences=tuple(self._silenced.values()),
            verdicts=tuple(self._verdicts),
        )

    def _kept_back_before(self, events: Sequence[Event]) -> tuple[Alert, ...]:
        """Return the alerts that an earlier poll kept back; a retry does not fail at present."""
        fresh = {(event.alert_key, event.kind) for event in events}
        return tuple(
            alert
            for key, alert in self._alerts.items()
            if alert.is_kept_back and not alert.is_retrying and key not in fresh
        )

    def _with_cards(self, subject: Subject) -> TargetState:
        """Return the state with its cards where the start of it leads.

        A card that was posted stays where it is, even if the routes changed since. Another one is
        only added with an event: changed routes post nothing by themselves.
        """
        destinations = (*self._state.card_destinations, *self._card_destinations(subject))
        return msgspec.structs.replace(
            self._state, card_destinations=tuple(dict.fromkeys(destinations))
        )

    def _serve_event(self, event: Event) -> None:
        alert = self._alerts.get((event.alert_key, event.kind)) if event.alert_key else None
        if event.is_reminder:
            verdict = self._route(event, alert)
            notified = alert.notified_destinations if alert else None
            self._add(
                event,
                (d for d in verdict.recipients if notified is None or d.destination in notified),
            )
        elif alert is not None:
            self._serve_alert(alert, event, is_fresh=True)
        else:
            verdict = self._route(event, None)
            self._add(event, verdict.recipients)
            self._hold(event, verdict)

    def _serve_again(self, alert: Alert) -> None:
        found = progress.AlertKeys(self._scene.snapshot.root).entity(alert.alert_key)
        if found is not None:
            level, entity = found
            event = Event(alert.kind, level, entity, alert.reason, alert_key=alert.alert_key)
            self._serve_alert(alert, event, is_fresh=False)
            self._late_count += 1

    def _serve_alert(self, alert: Alert, event: Event, *, is_fresh: bool) -> None:
        counted = () if is_fresh else alert.notified_destinations or ()
        verdict = self._route(msgspec.structs.replace(event, notified_destinations=counted), alert)
        self._add(event, verdict.recipients)
        if is_fresh:
            self._hold(event, verdict)
        if verdict.silence is not None:
            self._silenced[verdict.silence.id] = verdict.silence
        waiting = self._waiting_of(verdict)
        key = (alert.alert_key, alert.kind)
        self._waiting[key] = {one.recipient.destination for one in waiting}
        self._alerts[key] = msgspec.structs.replace(
            alert,
            notified_destinations=tuple(
                dict.fromkeys((*counted, *(d.destination for d in verdict.recipients)))
            ),
            is_kept_back=bool(waiting or verdict.held or verdict.silence),
            look_again_at=_look_again_at(waiting, verdict),
        )

    def _waiting_of(self, verdict: Verdict) -> list[Waiting]:
        """Return who still waits: once a rollout has ended, no more of its installs will fail."""
        has_ended = self._state.ended is not None
        return [one for one in verdict.waiting if one.due is not None or not has_ended]

    def _let_the_rollout_speak(self) -> None:
        """Whoever was notified that the rollout failed need not wait for any of its parts."""
        root = self._alerts.get((self._scene.snapshot.root.id, EventKind.FAILED))
        if root is None or not root.notified_destinations:
            return
        for key, destinations in self._waiting.items():
            alert = self._alerts[key]
            if (
                key != (root.alert_key, root.kind)
                and destinations
                and destinations <= set(root.notified_destinations)
            ):
                notified = tuple(
                    dict.fromkeys((*(alert.notified_destinations or ()), *destinations))
                )
                self._alerts[key] = msgspec.structs.replace(
                    alert, notified_destinations=notified, is_kept_back=False, look_again_at=None
                )

    def _route(self, event: Event, alert: Alert | None) -> Verdict:
        age = self._now - alert.since if alert else timedelta()
        subject = self._facts.subject(event, age)
        verdict = joined(
            route(
                subject,
                self._plan.rules,
                default_destination=destination,
                now=self._now,
                windows=self._plan.windows,
                silences=self._silences,
            )
            for destination in self._default_destinations(event)
        )
        self._verdicts.append((event, verdict))
        return verdict

    def _default_destinations(self, event: Event) -> tuple[str, ...]:
        own = self._scene.app_destinations.get(self._facts.app_id(event))
        return (*self._scene.default_destinations, own) if own else self._scene.default_destinations

    def _card_destinations(self, subject: Subject) -> Iterator[str]:
        for destination in self._default_destinations(self._whole()):
            yield from card_destinations(subject, self._plan.rules, default_destination=destination)

    def _whole(self) -> Event:
        return Event(EventKind.STARTED, Level.ROLLOUT, self._scene.snapshot.root)

    def _add(self, event: Event, recipients: Iterable[Recipient]) -> None:
        for recipient in recipients:
            self._entries.setdefault(recipient.destination, []).append((event, recipient.mentions))

    def _hold(self, event: Event, verdict: Verdict) -> None:
        for one in verdict.held:
            if one.hold.then is Then.SUMMARY:
                names = tuple(window.name for window in one.hold.windows if window.name)
                self._held.append(HeldBack(event, one.recipient.destination, names, one.hold.until))


def _look_again_at(waiting: Sequence[Waiting], verdict: Verdict) -> datetime | None:
    """Return when a destination not notified yet may be; None where time does not decide it."""
    times = [one.due for one in waiting if one.due is not None]
    times += [one.hold.until for one in verdict.held]
    if verdict.silence is not None:
        times.append(verdict.silence.until)
    return min(times, default=None)


def joined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return as one what was decided for several default destinations: any may notify."""
    all_ = tuple(verdicts)
    if len(all_) == 1:
        return all_[0]
    recipients = {d.destination: d for verdict in all_ for d in verdict.recipients}
    return Verdict(
        recipients=tuple(recipients.values()),
        held=_last_of_each((one for verdict in all_ for one in verdict.held), recipients),
        waiting=_last_of_each((one for verdict in all_ for one in verdict.waiting), recipients),
        silence=next((verdict.silence for verdict in all_ if verdict.silence), None),
        steps=tuple(dict.fromkeys(step for verdict in all_ for step in verdict.steps)),
    )


_Kept = TypeVar("_Kept", Held, Waiting)


def _last_of_each(kept: Iterable[_Kept], notified: Container[str]) -> tuple[_Kept, ...]:
    """Return what is kept from each destination that is not notified already."""
    by_destination = {one.recipient.destination: one for one in kept}
    return tuple(one for key, one in by_destination.items() if key not in notified)
