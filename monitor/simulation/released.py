"""The build that a release rolls out: it is what a release waits for while it is queued."""

from __future__ import annotations

from monitor.simulation.answers import Document, Mark, without
from monitor.simulation.life import Rollout
from monitor.simulation.relations import usual_build


def build_life(rollout: Rollout, seconds: float) -> list[Mark]:
    """Return a build's statuses by a moment."""
    awaited, good, bad = rollout.scenario.build_words
    began, *later = rollout.marks(rollout.played.life, seconds)
    life = [Mark(began.at, awaited, "building the component")]
    ended = next((mark for mark in later if mark.status != "queued"), None)
    if ended is None:
        return life
    if ended.status == "error":
        return [*life, Mark(ended.at, bad, ended.cause or ended.description)]
    return [*life, Mark(ended.at, good, "build is active and ready to be deployed")]


def released_build(rollout: Rollout, seconds: float) -> Document:
    """Write a release's own `build`, which its public document does not know."""
    build = usual_build(rollout.cast, build_life(rollout, seconds))
    return without(build, "component_name", "created_by", "vcs_connection_commit")
