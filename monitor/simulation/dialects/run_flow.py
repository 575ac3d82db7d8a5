"""The workflow of an app branch run: sync, build, the plan and its approval, then the groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from monitor.simulation.cast import id_of
from monitor.simulation.dialects.run_groups import (
    attempts_of,
    config_id_of,
    group_run_id,
    run_id_of,
)
from monitor.simulation.flows import BRANCHES, with_pauses
from monitor.simulation.install_flows import failed
from monitor.simulation.life import Flow, Life, Occurrence, Rollout, Row, Step
from monitor.simulation.truth import Thing

ASKS = "awaiting_approval"
"""What is told of a run that waits for a person; the platform has it as a field, not a status."""
PARKED = "failed-pending-retry"
"""A run that waits until somebody retries what failed in it."""

_FLOW = {
    ASKS: "approval-awaiting",
    "running": "in-progress",
    "failed": "error",
}
_WAITS = frozenset({"pending", ASKS, PARKED})
_SYNC, _BUILD, _PLAN = "sync app config", "build components", "plan install groups"
_BEFORE_GROUPS = 3


def flow_of_run(rollout: Rollout) -> Flow:
    """Return a run's own workflow."""
    cast = rollout.cast
    rows = list(_preparation(rollout))
    for number, step in enumerate(rollout.steps):
        rows.extend(_rows_of_group(rollout, step, number))
    return Flow(
        id=rollout.id,
        owner_id=cast.branch_id,
        owner_type=BRANCHES,
        owner_name=cast.branch_name,
        type="app_branches_manual_update",
        subject=cast.branch_name,
        life=with_pauses(tuple(map(_whole, rollout.life)), [step.life for step in rollout.steps]),
        rows=tuple(rows),
        is_run=True,
        metadata={
            "run_id": run_id_of(rollout),
            "config_id": config_id_of(rollout),
            "app_branch_id": cast.branch_id,
            "app_id": cast.app_id,
            "commit_sha": cast.commit,
        },
    )


def reason_of(rollout: Rollout, seconds: float) -> str:
    """Return why a run failed: what the last install says that did, or the run's own build."""
    deploys = (deploy for step in rollout.played.steps for deploy in step.deploys)
    errors = [o for d in deploys for o in d.life if o.status == "error" and o.at <= seconds]
    ends = [o for o in rollout.life if o.status in ("failed", PARKED) and o.at <= seconds]
    o = max(errors or ends, key=lambda o: o.at)
    return o.cause or o.description


def _whole(o: Occurrence) -> Occurrence:
    metadata = {"awaiting_retry": True} | dict(o.metadata) if o.status == PARKED else o.metadata
    return replace(o, kind=Thing.WORKFLOW, status=_word_of(o), metadata=metadata)


def _word_of(o: Occurrence) -> str:
    """Return a workflow's word; one that nobody may retry any more stays parked for ever."""
    is_exhausted = o.status == "failed" and "retries_exhausted" in o.metadata
    return PARKED if is_exhausted else _FLOW.get(o.status, o.status)


# What comes before the groups


def _preparation(rollout: Rollout) -> Iterator[Row]:
    """Yield the steps before all groups: a failure there is the build's."""
    first = rollout.life[0]
    halted = next((o for o in rollout.life if o.status in (ASKS, PARKED)), None)
    ended = _prepared_at(rollout)
    ready = (halted or ended).at - first.at
    synced, built = first.at + ready * 0.2, first.at + ready * 0.8
    yield _row(rollout, _SYNC, 0, (_step(first.at, "in-progress"), _step(synced, "success")))
    build = [_step(first.at, "pending"), _step(synced, "in-progress")]
    if halted is not None and halted.status == PARKED:
        build.append(_unbuilt(halted))
    elif ended.status != "failed":
        build.append(_step(built, "success"))
    if ended.status == "failed":
        build.append(_unbuilt(ended))
        yield _row(rollout, _BUILD, 1, tuple(build))
        plan = (_step(first.at, "pending"), _step(ended.at, "not-attempted"))
        yield _row(rollout, _PLAN, 2, plan)
        return
    begun = built
    if halted is not None and halted.status == PARKED:
        build.append(_step(ended.at, "discarded"))
        again = f"{_BUILD} (retry 1)"
        life = (_step(ended.at, "in-progress"), _step(ended.at, "success"))
        yield _row(rollout, again, 1, life)
        begun = ended.at
    yield _row(rollout, _BUILD, 1, tuple(build))
    yield _row(rollout, _PLAN, 2, tuple(_plan(first.at, begun, halted, ended.at)))


def _plan(
    created: float, begun: float, halted: Occurrence | None, ended: float
) -> Iterator[Occurrence]:
    yield _step(created, "pending")
    yield _step(begun, "in-progress")
    if halted is None or halted.status != ASKS:
        yield _step(ended, "success")
        return
    yield _step(halted.at, "approval-awaiting")
    yield _step(ended, "approved")


def _unbuilt(o: Occurrence) -> Occurrence:
    """Return how the build says that it failed, and that it is parked or no more."""
    step = _step(o.at, _word_of(o))
    metadata = dict(_whole(o).metadata)
    deep = failed(step, replace(o, cause=o.cause or o.description))
    return replace(deep, metadata=metadata | dict(deep.metadata))


def _prepared_at(rollout: Rollout) -> Occurrence:
    return next(o for o in rollout.life if o.status not in _WAITS)


def _step(at: float, status: str) -> Occurrence:
    return Occurrence(at, Thing.WORKFLOW_STEP, "", status, _DESCRIPTIONS.get(status, ""))


_DESCRIPTIONS = {"in-progress": "executing the step", "success": "the step is executed"}


def _row(rollout: Rollout, name: str, index: int, life: Life) -> Row:
    is_plan = name == _PLAN
    return Row(
        id=id_of("iws", f"{rollout.id} {name}"),
        name=name,
        index=index,
        group=index,
        life=life,
        execution_type="approval" if is_plan else "system",
        approval="app_branch_plan" if is_plan else "",
        target_id=run_id_of(rollout),
        target_type="app_branch_runs",
    )


# The groups


def _rows_of_group(rollout: Rollout, step: Step, number: int) -> Iterator[Row]:
    prepared = _prepared_at(rollout)
    if prepared.status == "failed":
        return
    attempts = attempts_of(step)
    for index, attempt in enumerate(attempts or [()]):
        row_id = id_of("iws", f"{step.id} {index}")
        pending = Occurrence(prepared.at, Thing.WORKFLOW_STEP, row_id, "pending")
        life = [_of_group(rollout, o, row_id) for o in attempt]
        life.insert(0, replace(pending, at=attempt[0].at) if index else pending)
        life.extend(_skipped(rollout, number))
        if index + 1 < len(attempts):
            life.append(replace(pending, at=attempts[index + 1][0].at, status="discarded"))
        yield Row(
            id=row_id,
            name=f"update install group {step.name}" + (f" (retry {index})" if index else ""),
            index=number + _BEFORE_GROUPS,
            group=number + _BEFORE_GROUPS,
            life=tuple(life),
            target_id=group_run_id(step, index),
            target_type="install_group_runs",
        )


def _of_group(rollout: Rollout, o: Occurrence, row_id: str) -> Occurrence:
    step = replace(o, kind=Thing.WORKFLOW_STEP, id=row_id)
    if o.status != "error":
        return step
    return failed(step, replace(o, cause=reason_of(rollout, o.at)))


def _skipped(rollout: Rollout, number: int) -> Iterator[Occurrence]:
    """Yield when a group was passed over: a person did so, or it has no installs."""
    word = rollout.scenario.skips.get(number + 1, "auto-skipped")
    for o in rollout.played.steps[number].life:
        if o.status == "skipped":
            yield _step(o.at, word)
