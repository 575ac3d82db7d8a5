"""Releases of one step, in the situations that events are about."""

from __future__ import annotations

from typing import Any

from monitor.model import Entity
from tests.support.builders import deploy, release, step

RUNNING = "executing_release_steps"
POLLING = "polling_install_deploys"


def rolling(*deploys: Entity, status: str = POLLING, root: str = RUNNING, **facts: Any) -> Entity:
    """A release of one step."""
    return release(root, step(1, status, *deploys, **facts))


def on(status: str, **facts: Any) -> Entity:
    return rolling(deploy("a", status, **facts))


FAILED = rolling(deploy("a", "error"), status="error", root="error")
DONE = rolling(deploy("a"), status="active", root="active")
STALLED = on("cancelled")
