"""A life told as a release: release step → install deploy, as every life is played."""

from __future__ import annotations

from monitor.simulation.answers import (
    Detail,
    Document,
    account,
    composite_status,
    go_duration,
    record,
    without_zeros,
)
from monitor.simulation.cast import related_id
from monitor.simulation.flows import install_flows
from monitor.simulation.life import Deploy, Dialect, Flow, Rollout, Step
from monitor.simulation.relations import Relations, usual_relations


class ReleaseDialect(Dialect):
    """`GET /v1/releases/{release_id}`."""

    kind = "release"
    step = "step"
    unit = "install"
    unordered = ("release_steps", "install_deploys")

    def translate(self, release: Rollout) -> Rollout:
        return release

    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        return tuple(install_flows(rollout, self.kind))

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
        _deploy(rollout, step, deploy, seconds)
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


def _deploy(rollout: Rollout, step: Step, deploy: Deploy, seconds: float) -> Document:
    """Write an install deploy; where statuses lag, only `status_v2` knows the newest."""
    cast, detail = rollout.cast, rollout.scenario.detail
    life = rollout.marks(deploy.life, seconds)
    now = life[-1]
    if detail is Detail.THIN:
        return {"id": deploy.id, "status": now.status}
    shown = life[-2] if rollout.scenario.status_lags and len(life) > 1 else now
    document = record(cast, deploy.id, life[0].at, now.at) | {
        "created_by": account(cast),
        "build_id": cast.build_id,
        "component_id": cast.component_id,
        "component_name": cast.component_name,
        "component_config_version": 7,
        "install_id": deploy.install_id,
        "install_component_id": related_id("inc", deploy.install_id),
        "install_deploy_type": deploy.deploy_type,
        "install_workflow_id": related_id("inw", deploy.id),
        "workflow_id": related_id("inw", deploy.id),
        # Not the release's: the platform keeps the id of the step in this field.
        "release_id": step.id,
        "status": shown.status,
        "status_description": shown.description,
        "status_v2": composite_status(cast, life),
    }
    if detail is Detail.FAT:
        return document | Relations(cast, deploy.id, life, deploy.install_id).fields()
    return without_zeros(document | usual_relations(cast, deploy.id, life))
