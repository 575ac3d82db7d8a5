"""Releases, steps and deploys with sensible defaults: a test names only what matters to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import settings

from monitor.compose.observation import Seen, compare
from monitor.decide.stalls import StallRules
from monitor.kinds.parts import DEPLOY
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.model import Entity, Event, Snapshot, Target, TargetState, Transition
from tests.support.clock import NOON

RELEASE_ID = "relk2v9q7m3x8c4b6n1z5w0y2a"


def after(minutes: float) -> datetime:
    """Return a time counted from noon, when the release was created."""
    return NOON + timedelta(minutes=minutes)


def deploy(install_id: str, status: str = "active", description: str = "", **facts: Any) -> Entity:
    facts.setdefault("id", f"dpl-{install_id}")
    facts.setdefault("created_at", NOON)
    return Entity(
        kind=DEPLOY, install_id=install_id, status=status, description=description, **facts
    )


def step(number: int, status: str = "active", *deploys: Entity, **facts: Any) -> Entity:
    """Build a step whose planned installs are those of its deploys, unless told otherwise."""
    facts.setdefault("planned", tuple(unit.install_id for unit in deploys))
    facts.setdefault("created_at", NOON)
    return Entity(
        kind=RELEASE_STEP, id=f"rel-step-{number}", status=status, children=deploys, **facts
    )


def release(status: str = "active", *steps: Entity, **facts: Any) -> Entity:
    facts.setdefault("id", RELEASE_ID)
    facts.setdefault("name", "checkout-api")
    facts.setdefault("created_at", NOON)
    return Entity(kind=RELEASE, status=status, children=steps, **facts)


def snapshot(root: Entity, taken_at: datetime = NOON) -> Snapshot:
    return Snapshot(Target("release", root.id), taken_at, root)


def state(**facts: Any) -> TargetState:
    facts.setdefault("changed_at", NOON)
    facts.setdefault("has_card", True)
    return TargetState(**facts)


def fixed(examples: int) -> settings:
    """Return a property test's settings: the same examples in every run, however slow."""
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None)


PATIENCE = StallRules(stalled_after=timedelta(minutes=30), remind_every=timedelta(hours=4))


@dataclass
class Stamps:
    """Gives each part the time at which it came to be what it is, as the platform does."""

    known: dict[tuple[str, str], Entity] = field(default_factory=dict[tuple[str, str], Entity])
    newest: datetime | None = None

    def stamped(self, root: Entity, now: datetime) -> Entity:
        """Return a tree with `updated_at` for the parts that have none: at first their creation."""
        is_first, newest = self.newest is None, self.newest or now
        self.newest = max(now, newest + timedelta(microseconds=1))
        return self._stamped(root, is_first=is_first)

    def _stamped(self, part: Entity, *, is_first: bool) -> Entity:
        children = tuple(self._stamped(child, is_first=is_first) for child in part.children)
        key, updated_at = (part.kind, part.id), part.updated_at
        before = self.known.get(key)
        if updated_at is None and before is not None and _value_of(before) == _value_of(part):
            updated_at = before.updated_at
        elif updated_at is None:
            updated_at = part.created_at if is_first else self.newest
        self.known[key] = msgspec.structs.replace(part, updated_at=updated_at, children=children)
        return self.known[key]


def _value_of(part: Entity) -> tuple[object, ...]:
    return part.status, part.description, part.facts


@dataclass
class Reader:
    """Reads a rollout poll by poll, as a cycle does, and keeps what was told."""

    stall_rules: StallRules = PATIENCE
    stamps: Stamps | None = field(default_factory=Stamps)
    """None to read answers with the times that they have."""
    seen: Snapshot | None = None
    state: TargetState | None = None
    reported: list[tuple[datetime, Event]] = field(default_factory=list)
    changes: list[Transition] = field(default_factory=list)

    def poll(self, root: Entity, now: datetime) -> tuple[Event, ...]:
        seen = Seen(self.seen, self.state) if self.seen and self.state else None
        target = Target("release", root.id)
        if self.stamps is not None and not (self.seen and root is self.seen.root):
            root = self.stamps.stamped(root, now)
        change = compare(seen, target, root, now=now, stall_rules=self.stall_rules)
        self.seen, self.state = change.snapshot, change.decision.state
        self.reported.extend((now, event) for event in change.decision.events)
        self.changes.extend(change.difference.transitions)
        return change.decision.events

    def poll_unchanged(self, now: datetime) -> tuple[Event, ...]:
        assert self.seen is not None
        return self.poll(self.seen.root, now)

    def restart(self) -> None:
        """Go on with what comes back from the store's encoding."""
        if self.seen is None or self.state is None:
            return
        self.seen = decode_snapshot(encode_snapshot(self.seen))
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=TargetState)


def words(events: Iterable[Event]) -> list[str]:
    """Return events as `failed inl-a`, `started release`, `stalled step 1 again`."""
    return [
        f"{event.kind} {_name(event.entity)}{' again' if event.is_reminder else ''}"
        for event in events
    ]


def _name(entity: Entity) -> str:
    match entity.kind:
        case "release":
            return "release"
        case "release step":
            return entity.id.removeprefix("rel-").replace("-", " ")
        case _:
            return entity.install_id or entity.id
