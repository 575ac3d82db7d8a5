"""Lives of simulated releases, and their moments."""

from __future__ import annotations

from monitor.simulation.answers import Document, Shape
from monitor.simulation.scenarios import SCENARIOS, Rollout, timeline
from tests.support.clock import NOON

EVERY_SCENARIO = sorted(SCENARIOS)


def play(
    name: str, seed: int = 1, *, dialect: str = "release", shape: Shape = Shape.DOCUMENTED
) -> Rollout:
    return timeline(SCENARIOS[name], seed, begins_at=NOON, dialect=dialect, shape=shape)


def deploys_of(state: Document) -> dict[str, Document]:
    return {
        deploy["id"]: deploy
        for step in state.get("release_steps") or []
        for deploy in step.get("install_deploys") or []
    }
