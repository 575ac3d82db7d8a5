"""A life told as a run of an app branch: install group → install, each with its workflow.

The run is a workflow that an app branch owns. A group has a row of its own once it begins,
and another one for each retry; the reason of a failure stands in the install's workflow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from monitor.simulation.answers import (
    Detail,
    Document,
    account,
    commit,
    composite_status,
    record,
    time_of,
    without_zeros,
)
from monitor.simulation.cast import id_of, related_id
from monitor.simulation.flows import BRANCHES, flow_id_of, install_flows, with_pauses, write_flow
from monitor.simulation.life import (
    Deploy,
    Dialect,
    Flow,
    Gap,
    Life,
    Occurrence,
    Rollout,
    Row,
    Step,
)
from monitor.simulation.truth import Thing

_ASKS = "awaiting_approval"
"""What is told of a run that waits for a person; the platform has it as a field, not a status."""
_RUN = {
    "queued": "pending",
    "pending-approval": _ASKS,
    "provisioning": "running",
    "executing_release_steps": "running",
    "active": "success",
    "error": "failed",
}
_FLOW = {
    "pending": "pending",
    _ASKS: "approval-awaiting",
    "running": "in-progress",
    "success": "success",
    "failed": "error",
}
_GROUP = {
    "creating_install_deploys": "in-progress",
    "polling_install_deploys": "in-progress",
    "active": "success",
    "error": "error",
}
_INSTALL = {
    "": "",
    "queued": "in-progress",
    "pending": "in-progress",
    "planning": "in-progress",
    "syncing": "in-progress",
    "executing": "in-progress",
    "pending-approval": "approval-awaiting",
    "active": "success",
    "noop": "success",
    "error": "error",
    "approval-denied": "error",
    "cancelled": "cancelled",
}
_GROUP_NAMES = ("canary", "early-adopters", "europe", "americas", "apac", "everyone-else")


class RunDialect(Dialect):
    """`GET /v1/workflows/{workflow_id}` of a run, and its install groups."""

    kind = "run"
    step = "group"
    unit = "install"
    has_histories = False

    def translate(self, release: Rollout) -> Rollout:
        workflow_id = id_of("inw", f"run {release.id}")
        steps = tuple(_group(step, index) for index, step in enumerate(release.steps))
        ids = {old.id: new.id for old, new in zip(release.steps, steps, strict=True)}
        for old, new in zip(release.steps, steps, strict=True):
            ids |= {d.id: own.id for d, own in zip(old.deploys, new.deploys, strict=True)}
        return replace(
            release,
            id=workflow_id,
            life=tuple(_whole(release.life, workflow_id)),
            steps=steps,
            gaps=tuple(
                Gap(gap.begins, gap.ends, frozenset(ids[i] for i in gap.ids))
                for gap in release.gaps
            ),
            dialect=self,
            source=release,
        )

    def document(self, rollout: Rollout, seconds: float) -> Document:
        document = write_flow(rollout, rollout.flows[0], seconds)
        return document | {"app_branch_runs": [branch_run(rollout, seconds)]}

    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        """Return the run's own workflow first, then those of the installs."""
        return (_flow(rollout), *install_flows(rollout.played, self.kind))


def latest_run(rollout: Rollout, seconds: float) -> Document:
    """Write a branch's `latest_run`: the one place that says that a run waits for a person."""
    asks = rollout.marks(rollout.life, seconds)[-1].status == _ASKS
    return branch_run(rollout, seconds) | ({"awaiting_approval": True} if asks else {})


def branch_run(rollout: Rollout, seconds: float, *, has_branch: bool = False) -> Document:
    """Write the one entry of a run's `app_branch_runs`."""
    cast = rollout.cast
    life = rollout.marks(rollout.life, seconds)
    now = life[-1]
    status = "running" if now.status == _ASKS else now.status
    groups = [_planned(step, index) for index, step in enumerate(rollout.steps)]
    # Not in their order: that is what `order` is for.
    plan: Document = {"id": related_id("abc", rollout.id), "install_groups": groups[::-1]}
    if rollout.scenario.detail is Detail.THIN:
        thin: Document = {"id": run_id_of(rollout), "status": status}
        return thin | {"app_branch_config": plan}
    has_ended = now.status in ("success", "failed")
    has_begun = now.status != "pending"
    began = next((m.at for m in life if m.status != "pending"), now.at)
    document = record(cast, run_id_of(rollout), life[0].at, now.at) | {
        "app_branch_id": cast.branch_id,
        "app_branch_config_id": plan["id"],
        "app_branch_config": plan,
        "app_config_id": related_id("apc", rollout.id),
        "created_by": account(cast),
        "workflow_id": rollout.id,
        "status": status,
        "run_type": "manual-run",
        "commit_sha": cast.commit,
        "head_sha": cast.commit,
        "base_branch": cast.branch_name,
        "vcs_connection_commit": commit(cast, life[0].at),
        "started_at": time_of(began) if has_begun else "",
        "completed_at": time_of(now.at) if has_ended else "",
        "error_message": now.description if now.status == "failed" else "",
    }
    if has_branch:
        document["app_branch"] = {
            "id": cast.branch_id,
            "app_id": cast.app_id,
            "name": cast.branch_name,
        }
    return without_zeros(document)


def install_group_runs(rollout: Rollout, seconds: float) -> list[Document]:
    """Write the rows of the install groups that have begun, oldest first."""
    missing = rollout.missing_at(seconds)
    rows = [
        _group_run(rollout, step, attempt, index, seconds)
        for step in rollout.steps
        for index, attempt in enumerate(attempts_of(step))
        if attempt[0].at <= seconds and step.id not in missing
    ]
    return sorted(rows, key=lambda row: str(row.get("created_at", "")))


def run_id_of(rollout: Rollout) -> str:
    """Return the id of the run itself, which is not that of its workflow."""
    return related_id("abu", rollout.id)


def attempts_of(step: Step) -> list[Life]:
    """Return a group's life, cut where it was tried again."""
    begins = [i for i, o in enumerate(step.life) if _is_new(step.life, i)]
    return [step.life[i:j] for i, j in pairwise([*begins, len(step.life)])]


def _is_new(life: Life, index: int) -> bool:
    return index == 0 or life[index - 1].status == "error"


def _whole(life: Life, workflow_id: str) -> Iterator[Occurrence]:
    for o in life:
        status = _RUN.get(o.status, o.status)
        description = (
            "an install group failed" if "step errored" in o.description else o.description
        )
        yield replace(
            o, kind=Thing.BRANCH_RUN, id=workflow_id, status=status, description=description
        )


def _group(step: Step, index: int) -> Step:
    group_id = id_of("igp", f"run {step.id}")
    life = tuple(
        replace(o, kind=Thing.INSTALL_GROUP, id=group_id, status=_GROUP[o.status])
        for o in step.life
        if o.status in _GROUP
    )
    deploys = tuple(_install(deploy) for deploy in step.deploys)
    name = _GROUP_NAMES[index] if index < len(_GROUP_NAMES) else f"wave-{index + 1}"
    return replace(step, id=group_id, life=life, deploys=deploys, delay=0.0, name=name)


def _install(deploy: Deploy) -> Deploy:
    flow_id = flow_id_of(deploy, "run")
    life = tuple(
        replace(
            o,
            kind=Thing.INSTALL_RUN,
            id=flow_id,
            status=_INSTALL.get(o.status, "in-progress"),
        )
        for o in deploy.life
    )
    return replace(deploy, id=flow_id, life=life)


def _flow(rollout: Rollout) -> Flow:
    """Return the run's own workflow: the plan, then a step for each attempt at a group."""
    cast = rollout.cast
    flow = [
        replace(o, kind=Thing.WORKFLOW, status=_FLOW.get(o.status, o.status)) for o in rollout.life
    ]
    rows = [
        Row(
            id=id_of("iws", f"{rollout.id} plan"),
            name="plan install groups",
            index=0,
            group=0,
            life=tuple(_plan(rollout)),
            execution_type="approval",
            approval="app_branch_plan",
            target_id=run_id_of(rollout),
            target_type="app_branch_runs",
        )
    ]
    for number, step in enumerate(rollout.steps, start=1):
        rows.extend(_rows(rollout, step, number))
    return Flow(
        id=rollout.id,
        owner_id=cast.branch_id,
        owner_type=BRANCHES,
        owner_name=cast.branch_name,
        type="app_branches_manual_update",
        subject=cast.branch_name,
        life=with_pauses(tuple(flow), [step.life for step in rollout.steps]),
        rows=tuple(rows),
        is_run=True,
    )


def _plan(rollout: Rollout) -> Iterator[Occurrence]:
    """Yield the life of the step before all groups."""
    begun = replace(rollout.life[0], kind=Thing.WORKFLOW_STEP, status="in-progress")
    yield begun
    asked = next((o for o in rollout.life if o.status == _ASKS), None)
    if asked is not None:
        yield replace(begun, at=asked.at, status="approval-awaiting", description="")
    ended = _planned_at(rollout)
    status = "success" if asked is None else "approved"
    yield replace(
        begun,
        at=ended.at,
        status="error" if ended.status == "failed" else status,
        description=ended.description,
    )


def _planned_at(rollout: Rollout) -> Occurrence:
    return next(o for o in rollout.life if o.status not in ("pending", _ASKS))


def _rows(rollout: Rollout, step: Step, number: int) -> Iterator[Row]:
    planned = _planned_at(rollout)
    attempts = attempts_of(step)
    if planned.status == "failed":
        return
    for index, attempt in enumerate(attempts or [()]):
        row_id = id_of("iws", f"{step.id} {index}")
        pending = Occurrence(planned.at, Thing.WORKFLOW_STEP, row_id, "pending")
        life = [replace(o, kind=Thing.WORKFLOW_STEP, id=row_id) for o in attempt]
        if index:
            life.insert(0, replace(pending, at=attempt[0].at))
        else:
            life.insert(0, pending)
        if index + 1 < len(attempts):
            at = attempts[index + 1][0].at
            life.append(replace(pending, at=at, status="discarded"))
        yield Row(
            id=row_id,
            name=f"deploy to {step.name}" + (f" (retry {index})" if index else ""),
            index=number,
            group=number,
            life=tuple(life),
            target_id=_group_run_id(step, index),
            target_type="install_group_runs",
        )


def _group_run_id(step: Step, index: int) -> str:
    return id_of("igr", f"{step.id} {index}")


def _planned(step: Step, index: int) -> Document:
    planned = {
        "id": step.id,
        "name": step.name,
        "order": index,
        "max_parallel": len(step.install_ids),
        "install_ids": list(step.install_ids),
    }
    return without_zeros(planned)


# The statuses of installs that a group's row knows; what waits or was cancelled it takes
# to be on its way.
_KNOWN = {"success": "success", "error": "error", "": ""}


def _group_run(rollout: Rollout, step: Step, attempt: Life, index: int, seconds: float) -> Document:
    cast, missing = rollout.cast, rollout.missing_at(seconds)
    marks = rollout.marks(attempt, seconds)
    # How an install ended is seen later than its own workflow has it, but once all are done.
    lags = rollout.scenario.status_lags and marks[-1].status == "in-progress"
    seen = [
        (deploy, _seen_status(deploy, seconds, lags=lags))
        for deploy in _deploys_of(step, index, seconds)
        if deploy.id not in missing
    ]
    statuses = [status for _, status in seen]
    done, failed = statuses.count("success"), statuses.count("error")
    words = f"{done}/{len(step.install_ids)} installs deployed"
    words += f" ({failed} failed)" if failed else ""
    marks[-1] = replace(marks[-1], description=words)
    installs = [
        without_zeros(
            {
                "install_id": deploy.install_id,
                "workflow_id": deploy.id,
                "phase": "deploy",
            }
        )
        | {"status": status}
        for deploy, status in seen
    ]
    if rollout.scenario.detail is Detail.THIN:
        return {
            "id": _group_run_id(step, index),
            "install_group_id": step.id,
            "created_at": time_of(marks[0].at),
            "status": {"status": marks[-1].status},
            "installs": installs or None,
        }
    has_ended = marks[-1].status in ("success", "error")
    return without_zeros(
        record(cast, _group_run_id(step, index), marks[0].at, marks[-1].at)
        | {
            "app_branch_run_id": run_id_of(rollout),
            "install_group_id": step.id,
            "install_group": _planned(step, rollout.steps.index(step)),
            "install_group_name": step.name,
            "status": composite_status(cast, marks),
            "installs": installs,
            "total_installs": len(step.install_ids),
            "completed_installs": done,
            "failed_installs": failed,
            "started_at": time_of(marks[0].at),
            "completed_at": time_of(marks[-1].at) if has_ended else "",
        }
    )


def _deploys_of(step: Step, index: int, seconds: float) -> list[Deploy]:
    """Return the deploys of one attempt: a retry takes over what went well before."""
    attempts = attempts_of(step)
    begins = attempts[index][0].at
    ends = attempts[index + 1][0].at if index + 1 < len(attempts) else math.inf
    there = [d for d in step.deploys if d.life[0].at <= seconds and d.life[0].at < ends]
    return [d for d in there if d.life[0].at >= begins or d.life[-1].status != "error"]


def _seen_status(deploy: Deploy, seconds: float, *, lags: bool) -> str:
    statuses = [o.status for o in deploy.life if o.at <= seconds]
    if lags and len(statuses) > 1:
        statuses.pop()
    return _KNOWN.get(statuses[-1], "in-progress")
