"""Events → who is notified of what, now or later. Pure: routes decide, alerts remember.

An alert remembers the destinations that were notified of it. While a threshold, a quiet window or
a silence keeps it from one of them, each poll routes it again: so every destination is notified
as soon as nothing prevents it, and never twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import msgspec

from monitor.decide import progress
from monitor.decide.flapping import goes_on_in_its_card
from monitor.decide.grouping import GroupBook
from monitor.decide.news import News, NewsBook
from monitor.decide.routing import Rule, active_silence, card_destinations, route
from monitor.decide.scene import EventFacts, Scene
from monitor.decide.verdicts import Recipient, Silence, Verdict, Waiting, joined
from monitor.decide.windows import Then, Window
from monitor.model import (
    Alert,
    Event,
    EventKind,
    Level,
    MentionKind,
    Phase,
    Subject,
    TargetState,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is notified of what, as configured: `[[route]]`, `[[quiet]]` and `[notify]`."""

    rules: tuple[Rule, ...] = ()
    windows: tuple[Window, ...] = ()
    group_interval: timedelta = timedelta(0)

    @property
    def mentions_starters(self) -> bool:
        """Whether any route mentions the person who started a rollout."""
        mentions = (mention for rule in self.rules for mention in rule.mentions)
        return any(mention.kind is MentionKind.STARTED_BY for mention in mentions)


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
    keeps_cards: Callable[[str], bool],
    now: datetime,
) -> Dispatch:
    """Decide for each event, and each alert that was kept back, who is notified of it now.

    `keeps_cards` says of a destination whether a card there can have a thread.
    """
    return _Dispatcher(scene, state, plan, silences, keeps_cards=keeps_cards, now=now).serve(events)


class _Dispatcher:
    """Routes the events and alerts of one poll, one after the other."""

    def __init__(
        self,
        scene: Scene,
        state: TargetState,
        plan: Plan,
        silences: Sequence[Silence],
        *,
        keeps_cards: Callable[[str], bool],
        now: datetime,
    ) -> None:
        self._scene = scene
        self._state = state
        self._plan = plan
        self._silences = silences
        self._keeps_cards = keeps_cards
        self._now = now
        self._facts = EventFacts(scene)
        self._alerts = {(alert.alert_key, alert.kind): alert for alert in state.alerts}
        is_repeated = goes_on_in_its_card(state, scene.snapshot.root.id, now)
        self._group_book = GroupBook(state.groups, now, is_repeated=is_repeated)
        self._news_book = NewsBook()
        self._notified_now: dict[str, tuple[str, ...]] = {}
        self._held: list[HeldBack] = []
        self._silenced: dict[int, Silence] = {}
        self._waiting: dict[tuple[str, EventKind], set[str]] = {}
        self._verdicts: list[tuple[Event, Verdict]] = []
        self._late_count = 0

    def serve(self, events: Sequence[Event]) -> Dispatch:
        whole = self._facts.subject(self._whole(), timedelta())
        if self._state.has_card and (events or not self._state.card_destinations):
            self._state = self._with_cards(whole)
        for event in events:
            self._serve_event(event)
        for alert in self._kept_back_before(events):
            self._serve_again(alert)
        self._let_the_rollout_speak()
        self._sum_up_groups(events)
        silence = active_silence(whole, self._silences, self._now)
        if silence is not None:
            self._silenced[silence.id] = silence
        state, book = self._state, self._news_book
        # Each notification has a key of its own, a late one as well.
        late_count = self._late_count if book.has_events else 0
        return Dispatch(
            state=msgspec.structs.replace(
                state,
                alerts=tuple(self._alerts.values()),
                event_count=state.event_count + late_count + book.summary_count,
                groups=self._group_book.groups,
            ),
            news=book.news(),
            held=tuple(self._held),
            silences=tuple(self._silenced.values()),
            verdicts=tuple(self._verdicts),
        )

    @cached_property
    def _alert_keys(self) -> progress.AlertKeys:
        return progress.AlertKeys(self._scene.snapshot.root)

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
            for recipient in verdict.recipients:
                if notified is None or recipient.destination in notified:
                    self._news_book.add(event, recipient)
        elif alert is not None:
            self._serve_alert(alert, event, is_fresh=True)
        else:
            verdict = self._route(self._with_notified(event), None)
            notified_now = self._notify(event, verdict.recipients)
            if event.kind is EventKind.FAILED:
                self._notified_now[event.alert_key] = tuple(notified_now)
            self._hold(event, verdict)

    def _with_notified(self, event: Event) -> Event:
        """Return an event with those who were notified of its problem in this very poll."""
        if not event.follows_problem or event.notified_destinations is not None:
            return event
        alert = self._alerts.get((event.alert_key, EventKind.FAILED))
        notified = self._notified_now.get(event.alert_key)
        if alert is not None:
            notified = alert.notified_destinations
        return msgspec.structs.replace(event, notified_destinations=notified)

    def _serve_again(self, alert: Alert) -> None:
        found = self._alert_keys.entity(alert.alert_key)
        if found is not None:
            level, entity = found
            event = Event(alert.kind, level, entity, alert.reason, alert_key=alert.alert_key)
            self._serve_alert(alert, event, is_fresh=False)
            self._late_count += 1

    def _serve_alert(self, alert: Alert, event: Event, *, is_fresh: bool) -> None:
        counted = () if is_fresh else alert.notified_destinations or ()
        verdict = self._route(msgspec.structs.replace(event, notified_destinations=counted), alert)
        notified = self._notify(event, verdict.recipients)
        if is_fresh:
            self._hold(event, verdict)
        if verdict.silence is not None:
            self._silenced[verdict.silence.id] = verdict.silence
        waiting = self._waiting_of(verdict)
        key = (alert.alert_key, alert.kind)
        self._waiting[key] = {one.recipient.destination for one in waiting}
        self._alerts[key] = msgspec.structs.replace(
            alert,
            notified_destinations=tuple(dict.fromkeys((*counted, *notified))),
            is_kept_back=bool(waiting or verdict.held or verdict.silence),
            look_again_at=verdict.look_again_at(waiting),
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

    # Groups

    def _notify(self, event: Event, recipients: Iterable[Recipient]) -> list[str]:
        """Return the destinations that are notified of an event now, if only in a thread."""
        notified: list[str] = []
        for recipient in recipients:
            destination = recipient.destination
            is_no_news = self._is_known_by_a_unit(event, recipient)
            if not is_no_news and not self._group_book.takes(event, recipient):
                self._news_book.add(event, recipient)
                notified.append(destination)
            elif self._has_thread(destination):
                self._news_book.add_to_thread(event, destination)
                notified.append(destination)
            elif is_no_news:
                notified.append(destination)
        return notified

    def _is_known_by_a_unit(self, event: Event, recipient: Recipient) -> bool:
        """Whether a step failed by a unit of which a destination was notified: no news of its own.

        A route of the step's own can mention people whom the unit's did not: to these it is news.
        """
        is_failure = event.kind is EventKind.FAILED and event.level is Level.STEP
        if not is_failure or self._scene.snapshot.root.kind.is_perpetual:
            return False
        for found in progress.keyed_units_of(event.entity):
            alert = self._alerts.get((found.key, EventKind.FAILED))
            if alert is None or found.unit.phase is not Phase.FAILED:
                continue
            if recipient.destination in (alert.notified_destinations or ()):
                known = Event(alert.kind, Level.UNIT, found.unit, alert.reason)
                reached = self._verdict_of(known, alert).recipient_at(recipient.destination)
                return set(recipient.mentions) <= set(reached.mentions if reached else ())
        return False

    def _has_thread(self, destination: str) -> bool:
        return destination in self._state.card_destinations and self._keeps_cards(destination)

    def _sum_up_groups(self, events: Sequence[Event]) -> None:
        """Put together what still fails of each group that is due."""
        for group in tuple(self._group_book.due(events)):
            intervals: list[timedelta] = []
            kept: dict[str, datetime] = {}
            for alert_key in group.alert_keys:
                found = self._still_failing(alert_key)
                if found is None:
                    continue
                event, verdict = found
                recipient = verdict.recipient_at(group.destination)
                if recipient is not None:
                    self._sum_up(event, recipient)
                    intervals.append(recipient.group_interval)
                elif verdict.is_kept_from(group.destination):
                    kept[alert_key] = verdict.look_again_at(verdict.waiting) or group.ends_at
            interval = min(intervals, default=None)
            if interval is not None:
                self._news_book.note_interval(group.destination, interval)
            self._group_book.close(
                group.destination,
                interval=interval,
                kept=kept,
                due=min(kept.values(), default=self._now),
            )
        self._group_book.note_ends()

    def _still_failing(self, alert_key: str) -> tuple[Event, Verdict] | None:
        """Return what becomes of a failure by now; None where it is over, or tried again."""
        flapping = self._alerts.get((alert_key, EventKind.FLAPPING))
        alert = flapping or self._alerts.get((alert_key, EventKind.FAILED))
        found = self._alert_keys.entity(alert_key)
        if alert is None or alert.is_retrying or found is None:
            return None
        event = Event(alert.kind, *found, alert.reason, alert_key=alert_key)
        return event, self._verdict_of(event, alert)

    def _sum_up(self, event: Event, recipient: Recipient) -> None:
        self._news_book.sum_up(event, recipient)
        key = event.alert_key, event.kind
        notified = dict.fromkeys(self._alerts[key].notified_destinations or ())
        notified[recipient.destination] = None
        self._alerts[key] = msgspec.structs.replace(
            self._alerts[key], notified_destinations=tuple(notified)
        )

    # Routes

    def _route(self, event: Event, alert: Alert | None) -> Verdict:
        verdict = self._verdict_of(event, alert)
        self._verdicts.append((event, verdict))
        return verdict

    def _verdict_of(self, event: Event, alert: Alert | None) -> Verdict:
        age = self._now - alert.since if alert else timedelta()
        subject = self._facts.subject(event, age)
        return joined(
            route(
                subject,
                self._plan.rules,
                default_destination=destination,
                now=self._now,
                windows=self._plan.windows,
                silences=self._silences,
                group_interval=self._plan.group_interval,
            )
            for destination in self._default_destinations(event)
        )

    def _default_destinations(self, event: Event) -> tuple[str, ...]:
        own = self._scene.app_destinations.get(self._facts.app_id(event))
        return (*self._scene.default_destinations, own) if own else self._scene.default_destinations

    def _card_destinations(self, subject: Subject) -> Iterator[str]:
        for destination in self._default_destinations(self._whole()):
            yield from card_destinations(subject, self._plan.rules, default_destination=destination)

    def _whole(self) -> Event:
        return Event(EventKind.STARTED, Level.ROLLOUT, self._scene.snapshot.root)

    def _hold(self, event: Event, verdict: Verdict) -> None:
        for one in verdict.held:
            if one.hold.then is Then.SUMMARY:
                names = tuple(window.name for window in one.hold.windows if window.name)
                self._held.append(HeldBack(event, one.recipient.destination, names, one.hold.until))
