"""One decision in the making: the alerts as they begin and end, and the events in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from monitor.decide.progress import AlertKeys
from monitor.kinds import profile_of
from monitor.model import (
    Alert,
    Entity,
    Event,
    EventKind,
    Level,
    Phase,
    Reason,
    ReasonKind,
    Snapshot,
    TargetState,
    Transition,
)

UNDER_WAY = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING})
TROUBLES = frozenset({Phase.FAILED, Phase.WAITING})


@dataclass
class AlertBook:
    """What the parts of a decision share: they read the snapshot and write alerts and events."""

    before: Snapshot | None
    snapshot: Snapshot
    state: TargetState
    now: datetime
    has_moved: bool
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.snapshot.root
        self.alerts = {(alert.alert_key, alert.kind): alert for alert in self.state.alerts}
        self.alert_keys = AlertKeys(self.root)
        self.alert_keys_before = AlertKeys((self.before or self.snapshot).root)

    def alert(self, alert_key: str, kind: EventKind) -> Alert | None:
        return self.alerts.get((alert_key, kind))

    def part(self, alert_key: str) -> tuple[Level, Entity]:
        """Return what an alert is about; the whole rollout where that part is gone."""
        return self.alert_keys.entity(alert_key) or (Level.ROLLOUT, self.root)

    def was_replaced(self, transition: Transition) -> bool:
        """Whether a later unit had its place before: what becomes of it is no news."""
        if transition.level is not Level.UNIT:
            return False
        is_known = transition.before is not None
        if is_known and not self.alert_keys_before.are_shared:
            return False
        alert_key = self.alert_keys.alert_key(Level.UNIT, transition.entity)
        found = self.alert_keys_before.entity(alert_key)
        if found is None or found[1].id == transition.entity.id:
            return False
        # What is seen for the first time can be an earlier one: of an app's configs the platform
        # shows the three newest, and one of these may be deleted.
        return is_known or _position(transition.entity) < _position(found[1])

    def ceased_to_wait(self, entity: Entity) -> bool:
        """Whether an entry of a list of waits was taken to have been answered before."""
        if self.before is None or not profile_of(self.root).is_list_of_waits:
            return False
        return any(part.id == entity.id for part in self.before.replaced)

    def remember(self, **changes: object) -> None:
        """Change what is known of the target."""
        self.state = msgspec.structs.replace(self.state, **changes)

    def add(self, kind: EventKind, level: Level, entity: Entity, reason: Reason) -> None:
        """Add an event that no alert belongs to."""
        self.events.append(Event(kind, level, entity, reason))

    def begin(
        self, kind: EventKind, alert_key: str, level: Level, entity: Entity, reason: Reason
    ) -> None:
        """Begin an alert."""
        self.alerts[alert_key, kind] = Alert(
            alert_key,
            kind,
            since=self.now,
            notified_at=self.now,
            reason=reason,
            entity_id=entity.id,
        )
        self.events.append(Event(kind, level, entity, reason, alert_key=alert_key))

    def change(self, alert: Alert, **changes: object) -> None:
        """Change an active alert."""
        self.alerts[alert.alert_key, alert.kind] = msgspec.structs.replace(alert, **changes)

    def remind(self, alert: Alert) -> None:
        """Add an event that says that an alert is still active."""
        self.change(alert, notified_at=self.now)
        self.events.append(
            Event(
                alert.kind,
                *self.part(alert.alert_key),
                alert.reason,
                is_reminder=True,
                alert_key=alert.alert_key,
            )
        )

    def drop(self, alert_key: str, kind: EventKind) -> None:
        """End an alert silently; that there was none is no mistake."""
        self.alerts.pop((alert_key, kind), None)

    def add_recovery(self, alert: Alert, level: Level, entity: Entity, reason: Reason) -> None:
        """Add the event that an alert is over, for those who were notified of it."""
        self.add_follow_up(alert, EventKind.RECOVERED, level, entity, reason)

    def add_follow_up(
        self, alert: Alert, kind: EventKind, level: Level, entity: Entity, reason: Reason
    ) -> None:
        """Add what becomes of a problem, for those who were notified of it."""
        self.events.append(
            Event(
                kind,
                level,
                entity,
                reason,
                alert_key=alert.alert_key,
                notified_destinations=alert.notified_destinations,
            )
        )

    def withdraw(self, kind: ReasonKind, alert_key: str) -> None:
        """Take back the events of this decision that have such a reason and are about one part."""
        self.events = [
            event
            for event in self.events
            if event.reason.kind is not kind
            or self.alert_keys.alert_key(event.level, event.entity) != alert_key
        ]

    def close(self) -> TargetState:
        """Return what is known of the target from now on."""
        return msgspec.structs.replace(
            self.state,
            alerts=tuple(self.alerts.values()),
            event_count=self.state.event_count + len(self.events),
        )


def _position(unit: Entity) -> tuple[bool, datetime | None, str]:
    """Return what the units of a step are in order by."""
    return unit.created_at is None, unit.created_at, unit.id
