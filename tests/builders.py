"""Releases, steps and deploys with sensible defaults: a test names only what matters to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.model import Entity, Kind, Memory, Snapshot, Target

NOON = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
RELEASE_ID = "relk2v9q7m3x8c4b6n1z5w0y2a"


def after(minutes: float) -> datetime:
    """Return a time counted from noon, when the release was created."""
    return NOON + timedelta(minutes=minutes)


def deploy(install_id: str, status: str = "active", description: str = "", **facts: Any) -> Entity:
    facts.setdefault("id", f"dpl-{install_id}")
    facts.setdefault("created_at", NOON)
    return Entity(
        kind=Kind.DEPLOY, install_id=install_id, status=status, description=description, **facts
    )


def step(number: int, status: str = "active", *deploys: Entity, **facts: Any) -> Entity:
    """Build a step whose planned installs are those of its deploys, unless told otherwise."""
    facts.setdefault("planned", tuple(unit.install_id for unit in deploys))
    facts.setdefault("created_at", NOON)
    return Entity(kind=Kind.STEP, id=f"rel-step-{number}", status=status, children=deploys, **facts)


def release(status: str = "active", *steps: Entity, **facts: Any) -> Entity:
    facts.setdefault("id", RELEASE_ID)
    facts.setdefault("name", "checkout-api")
    facts.setdefault("created_at", NOON)
    return Entity(kind=Kind.RELEASE, status=status, children=steps, **facts)


def snapshot(root: Entity, taken_at: datetime = NOON) -> Snapshot:
    return Snapshot(Target("release", root.id), taken_at, root)


def memory(**facts: Any) -> Memory:
    facts.setdefault("changed_at", NOON)
    facts.setdefault("has_card", True)
    return Memory(**facts)
