"""The workflow that the platform runs for each install deploy, and how a failure is told in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from monitor.simulation.cast import Cast, id_of, related_id
from monitor.simulation.flows import INSTALLS
from monitor.simulation.life import Deploy, Flow, Occurrence, Rollout, Row, Step
from monitor.simulation.truth import Thing

GENERIC_REASON = "Step failed, review the error in logs and try again."

# What an install's workflow makes of each status of its deploy: what is said of the
# workflow, and of the row that is at work: the plan's until it is applied.
_FLOW_WORDS = {
    "": ("pending", ""),
    "queued": ("pending", ""),
    "pending": ("pending", ""),
    "planning": ("in-progress", "checking-plan"),
    "pending-approval": ("approval-awaiting", "approval-awaiting"),
    "syncing": ("in-progress", "in-progress"),
    "executing": ("in-progress", "in-progress"),
    "active": ("success", "success"),
    "error": ("error", "error"),
    "cancelled": ("cancelled", "cancelled"),
    "superseded": ("cancelled", "cancelled"),
    "noop": ("success", "auto-skipped"),
    "approval-denied": ("error", "approval-denied"),
}
_STOPS = frozenset({"error", "cancelled", "superseded", "approval-denied"})


def flow_of(deploy: Deploy, cast: Cast, flow_id: str) -> Flow:
    """Return the workflow of an install deploy: a plan that may ask, and its apply."""
    life: list[Occurrence] = []
    plan: list[Occurrence] = []
    apply_: list[Occurrence] = []
    for o in deploy.life:
        whole, part = _FLOW_WORDS.get(o.status, ("in-progress", o.status))
        life.append(_made_of(o, Thing.WORKFLOW, flow_id, whole))
        if not part:
            continue
        if o.status in ("executing", "syncing") and not _is_approved(plan):
            plan.append(_made_of(o, Thing.WORKFLOW_STEP, "", "approved"))
        is_planned = _is_approved(plan)
        (apply_ if is_planned else plan).append(_made_of(o, Thing.WORKFLOW_STEP, "", part))
        if not is_planned and o.status in _STOPS:
            apply_.append(_made_of(o, Thing.WORKFLOW_STEP, "", "not-attempted", is_failed=False))
        elif not is_planned and part == "auto-skipped":
            apply_.append(_made_of(o, Thing.WORKFLOW_STEP, "", part, is_failed=False))
    created = _made_of(deploy.life[0], Thing.WORKFLOW_STEP, "", "pending")
    return Flow(
        id=flow_id,
        owner_id=deploy.install_id,
        owner_type=INSTALLS,
        owner_name=deploy.work,
        type="manual_deploy",
        metadata={"install_deploy_id": deploy.id},
        subject=cast.component_name,
        life=tuple(life),
        rows=(
            Row(
                id=id_of("iws", f"{flow_id} plan"),
                name=f"sync and plan {cast.component_name}",
                index=0,
                group=0,
                life=(created, *plan),
                execution_type="approval",
                approval="helm_approval",
                target_id=deploy.id,
                target_type="install_deploys",
            ),
            Row(
                id=id_of("iws", f"{flow_id} apply"),
                name=f"apply {cast.component_name}",
                index=1,
                group=0,
                life=(created, *apply_),
                target_id=deploy.id,
                target_type="install_deploys",
            ),
        ),
    )


def _is_approved(plan: Sequence[Occurrence]) -> bool:
    return bool(plan) and plan[-1].status == "approved"


def _made_of(
    o: Occurrence, kind: Thing, entity_id: str, status: str, *, is_failed: bool = True
) -> Occurrence:
    """Return what a workflow or its step says when something happens to its deploy."""
    made = replace(o, kind=kind, id=entity_id, status=status, cause="")
    if status == "error" and is_failed:
        return failed(made, o) if kind is Thing.WORKFLOW_STEP else failed_flow(made, o)
    if status == "success" and kind is Thing.WORKFLOW:
        return replace(made, description="successfully executed workflow")
    return made


def failed(made: Occurrence, o: Occurrence) -> Occurrence:
    """Return how a workflow's step says that it failed: deep down where there is a cause."""
    if not o.cause:
        return made
    metadata = {
        "reason": GENERIC_REASON,
        "err_message": f"error executing step: unable to execute step: {o.cause}",
    }
    return replace(made, description="Step failed", metadata=metadata)


def failed_flow(made: Occurrence, o: Occurrence) -> Occurrence:
    """Return how a workflow says that it failed."""
    return replace(
        made,
        description="error while executing steps",
        metadata={"error_message": o.cause or o.description},
    )


def install_flows(rollout: Rollout, kind: str, step: Step) -> Iterator[Flow]:
    """Yield the workflow of each install deploy of a step; `kind` sets their ids apart."""
    for deploy in step.deploys:
        yield flow_of(deploy, rollout.cast, flow_id_of(deploy, kind))


def flow_id_of(deploy: Deploy, kind: str) -> str:
    """Return the id of an install deploy's workflow."""
    own = related_id("inw", deploy.id)
    return own if kind == "release" else id_of("inw", f"{kind} {own}")
