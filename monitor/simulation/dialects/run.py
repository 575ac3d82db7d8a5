"""A life told as a run of an app branch: install group → install, each with its workflow.

The run is a workflow that an app branch owns. A group has a row of its own once it begins,
and another one for each retry; the reason of a failure stands in the install's workflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from monitor.simulation.answers import (
    Detail,
    Document,
    account,
    commit,
    record,
    time_of,
    without,
    without_zeros,
)
from monitor.simulation.cast import chance_of, id_of, related_id
from monitor.simulation.dialects.run_flow import ASKS, PARKED, flow_of_run, reason_of
from monitor.simulation.dialects.run_groups import config_id_of, planned_group, run_id_of
from monitor.simulation.flows import write_flow
from monitor.simulation.install_flows import flow_id_of, install_flows
from monitor.simulation.life import Deploy, Dialect, Flow, Gap, Life, Occurrence, Rollout, Step
from monitor.simulation.truth import Thing

_RUN = {
    "queued": "pending",
    "pending-approval": ASKS,
    "provisioning": "running",
    "executing_release_steps": "running",
    "active": "success",
    "error": "failed",
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
    "superseded": "superseded",
}
_ROW = {ASKS: "running", PARKED: "success"}
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

    def further_changes(self, rollout: Rollout) -> Iterator[float]:
        for row in rollout.flows[0].rows:
            yield from (o.at for o in row.life)
        if rollout.is_thin:
            yield from (o.at - _EARLY for o in rollout.life if o.status == "success")

    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        """Return the run's own workflow first, then those of the installs."""
        installs = [
            replace(
                flow,
                type="app_branch_config_update",
                metadata={
                    "app_branch_run_id": run_id_of(rollout),
                    "install_group_id": group.id,
                    "new_app_config_id": _app_config_id(rollout),
                },
            )
            for group, step in zip(rollout.steps, rollout.played.steps, strict=True)
            for flow in install_flows(rollout.played, self.kind, step)
        ]
        return (flow_of_run(rollout), *installs)


def latest_run(rollout: Rollout, seconds: float) -> Document:
    """Write a branch's `latest_run`: the one place that says that a run waits for a person."""
    asks = rollout.marks(rollout.life, seconds)[-1].status == ASKS
    return branch_run(rollout, seconds) | ({"awaiting_approval": True} if asks else {})


def branch_run(rollout: Rollout, seconds: float, *, has_branch: bool = False) -> Document:
    """Write the one entry of a run's `app_branch_runs`."""
    cast = rollout.cast
    life = rollout.marks(rollout.life, seconds)
    now = life[-1]
    status = _row_status(rollout, seconds)
    plan = branch_config(rollout)
    if rollout.is_thin:
        plan = without(plan, "install_groups")
    if rollout.scenario.detail is Detail.THIN:
        thin: Document = {"id": run_id_of(rollout), "status": status}
        return thin | {"app_branch_config": without(plan, "created_at", "updated_at")}
    has_ended = status in ("success", "failed")
    has_begun = now.status != "pending"
    began = next((m.at for m in life if m.status != "pending"), now.at)
    document = record(cast, run_id_of(rollout), life[0].at, now.at) | {
        "app_branch_id": cast.branch_id,
        "app_branch_config_id": plan["id"],
        "app_branch_config": plan,
        "app_config_id": _app_config_id(rollout),
        "created_by": account(cast),
        "workflow_id": rollout.id,
        "status": status,
        "run_type": "git-preview-run" if rollout.scenario.is_preview else "manual-run",
        "commit_sha": cast.commit,
        "head_sha": cast.commit,
        "base_branch": cast.branch_name,
        "vcs_connection_commit": commit(cast, life[0].at),
        "started_at": time_of(began) if has_begun else "",
        "completed_at": time_of(now.at) if has_ended else "",
        "error_message": _error_message(rollout, seconds) if status == "failed" else "",
    }
    if has_branch:
        document["app_branch"] = {
            "id": cast.branch_id,
            "app_id": cast.app_id,
            "name": cast.branch_name,
        }
    return without_zeros(document)


def _app_config_id(rollout: Rollout) -> str:
    return related_id("apc", rollout.id)


def branch_config(rollout: Rollout) -> Document:
    """Write the config of a branch that a run goes by, with the plan of its install groups."""
    groups = [planned_group(step, index) for index, step in enumerate(rollout.steps)]
    made = without(record(rollout.cast, config_id_of(rollout), rollout.begins_at), "created_by_id")
    # Not in their order: that is what `order` is for.
    return made | {"install_groups": groups[::-1]}


_EARLY = 20.0
"""Seconds by which a row says `success` before its workflow does."""


def _row_status(rollout: Rollout, seconds: float) -> str:
    """Return the word in a run's row, which takes any end but two for a success.

    So a run that is parked until somebody retries it, or that nobody may retry any more, has
    the same word as one that went well, and that one has it before its workflow is at its end.
    """
    now = rollout.marks(rollout.life, seconds)[-1]
    if now.status == "failed" and "retries_exhausted" in now.metadata:
        return "success"
    soon = rollout.marks(rollout.life, seconds + _EARLY)[-1]
    if rollout.is_thin and soon.status == "success":
        return "success"
    return _ROW.get(now.status, now.status)


_ERROR_MESSAGES = (
    "workflow completed with errors",
    "error while executing steps",
    "workflow execution failed: activity error (type: ExecuteStep, scheduledEventID: 41): {reason}",
)


def _error_message(rollout: Rollout, seconds: float) -> str:
    """Return what a run says of its failure: mostly that there was one."""
    message = chance_of("error message", rollout.id).choice(_ERROR_MESSAGES)
    return message.format(reason=reason_of(rollout, seconds))


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
