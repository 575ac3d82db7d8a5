"""A life told as a release: release step → install deploy, as every life is played."""

from __future__ import annotations

from monitor.simulation.answers import Detail, Document, go_duration, record, without_zeros
from monitor.simulation.deploys import write_deploy_row
from monitor.simulation.install_flows import install_flows
from monitor.simulation.life import Dialect, Flow, Rollout, Step
from monitor.simulation.released import released_build


class ReleaseDialect(Dialect):
    """`GET /v1/releases/{release_id}`."""

    kind = "release"
    step = "step"
    unit = "install"
    unordered = ("release_steps", "install_deploys")

    def translate(self, release: Rollout) -> Rollout:
        return release

    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        return tuple(f for step in rollout.steps for f in install_flows(rollout, self.kind, step))

    def document(self, rollout: Rollout, seconds: float) -> Document:
        missing = rollout.missing_at(seconds)
        life = rollout.marks(rollout.life, seconds)
        steps = [_step(rollout, s, seconds, missing) for s in rollout.steps if s.id not in missing]
        detail = rollout.scenario.detail
        if detail is Detail.THIN:
            return {"id": rollout.id, "status": life[-1].status, "release_steps": steps or None}
        return without_zeros(
            record(rollout.cast, rollout.id, life[0].at, life[-1].at)
            | {
                "build": released_build(rollout, seconds),
                "build_id": rollout.cast.build_id,
                "total_release_steps": len(steps),
                "release_steps": steps,
                "status": life[-1].status,
                "status_description": life[-1].description,
            },
            unless=detail is Detail.FAT,
        )


def release_row(document: Document) -> Document:
    """Return a release as a row of a list: the platform counts and joins no steps there."""
    return {
        key: value
        for key, value in document.items()
        if key not in {"release_steps", "total_release_steps"}
    }


def _step(rollout: Rollout, step: Step, seconds: float, missing: frozenset[str]) -> Document:
    life = rollout.marks(step.life, seconds)
    detail = rollout.scenario.detail
    deploys = [
        write_deploy_row(rollout, step, deploy, seconds)
        for deploy in step.deploys
        if deploy.life[0].at <= seconds and deploy.id not in missing
    ]
    if detail is Detail.THIN:
        return {
            "id": step.id,
            "status": life[-1].status,
            "install_deploys": deploys or None,
            "requested_install_ids": None,
        }
    created_at = rollout.moment(step.created)
    return without_zeros(
        record(rollout.cast, step.id, created_at, max(created_at, life[-1].at))
        | {
            "component_release_id": rollout.id,
            "install_deploys": deploys,
            "requested_install_ids": list(step.install_ids),
            "delay": go_duration(step.delay),
            "status": life[-1].status,
            "status_description": life[-1].description,
        },
        unless=detail is Detail.FAT,
    )
