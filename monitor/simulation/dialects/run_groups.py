"""A run's install groups: the rows of those that have begun, another one for each retry."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from monitor.simulation.answers import (
    Detail,
    Document,
    composite_status,
    record,
    time_of,
    without_zeros,
)
from monitor.simulation.cast import id_of, related_id
from monitor.simulation.life import Deploy, Life, Rollout, Step


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


def config_id_of(rollout: Rollout) -> str:
    """Return the id of the branch's config that a run goes by."""
    return related_id("abc", rollout.id)


def attempts_of(step: Step) -> list[Life]:
    """Return a group's life, cut where it was tried again."""
    begins = [i for i, o in enumerate(step.life) if _is_new(step.life, i)]
    return [step.life[i:j] for i, j in pairwise([*begins, len(step.life)])]


def _is_new(life: Life, index: int) -> bool:
    return index == 0 or life[index - 1].status == "error"


def group_run_id(step: Step, index: int) -> str:
    return id_of("igr", f"{step.id} {index}")


def planned_group(step: Step, index: int) -> Document:
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
_KNOWN = {word: word for word in ("success", "error", "superseded", "")}


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
        | {"status": status, **_successor(rollout, status)}
        for deploy, status in seen
    ]
    if rollout.scenario.detail is Detail.THIN:
        return {
            "id": group_run_id(step, index),
            "install_group_id": step.id,
            "created_at": time_of(marks[0].at),
            "status": {"status": marks[-1].status},
            "installs": installs or None,
        }
    has_ended = marks[-1].status in ("success", "error")
    return without_zeros(
        record(cast, group_run_id(step, index), marks[0].at, marks[-1].at)
        | {
            "app_branch_run_id": run_id_of(rollout),
            "install_group_id": step.id,
            "install_group": planned_group(step, rollout.steps.index(step)),
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


def _successor(rollout: Rollout, status: str) -> Document:
    """Write which newer run took an install over."""
    newer = id_of("abu", f"newer than {rollout.id}")
    return {"superseded_by_run_id": newer} if status == "superseded" else {}


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
