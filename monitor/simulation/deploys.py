"""Install deploys: as a row below a release, and as `GET /v1/installs/{id}/deploys/{id}` answers.

The real handler of a release loads a deploy's own columns and nothing that belongs to it, and
these say no more of a failure than that there was one. Why is known to the deploy's own route
and to its workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.simulation.answers import (
    Detail,
    Document,
    Mark,
    account,
    composite_status,
    record,
    time_of,
    without,
    without_zeros,
)
from monitor.simulation.builds import Builds
from monitor.simulation.cast import chance_of, related_id
from monitor.simulation.flows import write_flow
from monitor.simulation.install_flows import flow_id_of, flow_of
from monitor.simulation.life import Deploy, Occurrence, Rollout, Step
from monitor.simulation.records import job_status_of
from monitor.simulation.relations import Relations, usual_build, usual_relations

GENERIC_REASONS = (
    "unable to deploy",
    "unable to sync",
    "unable to execute runner job",
    "internal error",
    "unable to poll job",
)
"""All that a deploy itself says of its failure on a real server."""

_NOT_LOADED = (
    *("component_name", "created_by", "component_build", "runner_jobs", "action_workflow_runs"),
    *("log_stream", "oci_artifact", "workflow", "outputs"),
)
_TROUBLES = frozenset({"error", "pending-approval", "approval-denied"})
_WORKFLOW_IDS = ("workflow_id", "install_workflow_id")


def with_deep_reasons(release: Rollout) -> Rollout:
    """Return a release whose deploys keep the reasons of their failures to what is below them."""
    steps = (
        replace(step, deploys=tuple(_with_deep_reasons(deploy) for deploy in step.deploys))
        for step in release.steps
    )
    return replace(release, steps=tuple(steps))


def _with_deep_reasons(deploy: Deploy) -> Deploy:
    generic = chance_of("reason", deploy.id).choice(GENERIC_REASONS)

    def deepened(o: Occurrence) -> Occurrence:
        if o.status != "error":
            return o
        return replace(o, description=generic, cause=o.cause or o.description)

    return replace(deploy, life=tuple(map(deepened, deploy.life)))


def write_deploy_row(rollout: Rollout, step: Step, deploy: Deploy, seconds: float) -> Document:
    """Write a deploy as a row below its release's step."""
    cast, detail = rollout.cast, rollout.scenario.detail
    life = rollout.marks(deploy.life, seconds)
    if detail is Detail.THIN:
        return {"id": deploy.id, "status": life[-1].status}
    document = _columns(rollout, deploy, life) | {
        # Not the release's: the platform keeps the id of the step in this field.
        "release_id": step.id,
    }
    if detail is Detail.FAT:
        document |= Relations(cast, deploy.id, life, deploy.install_id).fields()
    else:
        document = without_zeros(document | usual_relations(cast, deploy.id, life))
        if not rollout.is_thin:
            document |= _documented_relations(rollout, deploy, seconds)
    if not rollout.is_thin:
        return document
    ids = {} if has_workflow_id(deploy.id) else dict.fromkeys(_WORKFLOW_IDS, "")
    return without(document, *_NOT_LOADED) | ids


def _documented_relations(rollout: Rollout, deploy: Deploy, seconds: float) -> Document:
    """Write what the document has below a deploy, and the real servers have at other routes.

    The steps of the workflow of one that had trouble, and the artifact of the oldest, as all have
    the same: with more, deploys would be larger than the platform fills them.
    """
    life = rollout.marks(deploy.life, seconds)
    document: Document = {}
    if deploy.id == rollout.steps[0].deploys[0].id:
        builds = Builds(rollout.cast, deploy.id, life, deploy.install_id)
        document["oci_artifact"] = builds.oci_artifact()
    if any(mark.status in _TROUBLES for mark in life):
        flow = flow_of(deploy, rollout.cast, flow_id_of(deploy, "release"))
        document["workflow"] = write_flow(rollout, flow, seconds, has_additions=False)
    return document


def write_deploy(rollout: Rollout, deploy: Deploy, seconds: float) -> Document:
    """Write a deploy as its own route answers, with its job, logs, artifact and build."""
    cast = rollout.cast
    life = rollout.marks(deploy.life, seconds)
    relations = Relations(cast, deploy.id, life, deploy.install_id)
    builds = Builds(cast, deploy.id, life, deploy.install_id)
    built = [Mark(life[0].at, "active", "build is active and ready to be deployed")]
    loaded = _columns(rollout, deploy, life) | {
        "component_build": usual_build(cast, built),
        "log_stream": relations.log_stream(),
        "oci_artifact": builds.oci_artifact(),
        "runner_jobs": [_job(deploy, relations)],
    }
    return without_zeros(loaded)


def has_workflow_id(deploy_id: str) -> bool:
    """Whether the rows of lists know which workflow a deploy has: at times they do not."""
    return chance_of("workflow id", deploy_id).random() < 0.7


def job_says_why(deploy_id: str) -> bool:
    """Whether the runner's job of a failed deploy knows the reason, or its workflow alone."""
    return not has_workflow_id(deploy_id) or chance_of("job", deploy_id).random() < 0.5


def _columns(rollout: Rollout, deploy: Deploy, life: Sequence[Mark]) -> Document:
    """Write what a deploy itself is; where statuses lag, only `status_v2` knows the newest."""
    cast, now = rollout.cast, life[-1]
    shown = life[-2] if rollout.scenario.status_lags and len(life) > 1 else now
    return record(cast, deploy.id, life[0].at, now.at) | {
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
        "status": shown.status,
        "status_description": shown.description,
        "status_v2": composite_status(cast, life),
    }


def _job(deploy: Deploy, relations: Relations) -> Document:
    """Write the runner's job without its executions."""
    life = relations.life
    job = without(relations.runner_job("deploy", "helm-chart-deploy"), "executions")
    status = job_status_of(life)
    failed = next((mark for mark in reversed(life) if mark.status == "error"), None)
    description = {"failed": "job failed", "finished": "job finished"}.get(
        status, "job is being executed"
    )
    if failed is life[-1] and job_says_why(deploy.id):
        description = failed.cause or failed.description
    is_over = status in ("failed", "finished")
    return job | {
        "status_description": description,
        "finished_at": time_of(life[-1].at) if is_over else "",
    }
