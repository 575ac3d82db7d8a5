"""The platform's objects → entities: what explains a rollout's units.

Several of the platform's documents hold workflows, jobs, runs, builds and the reasons that these
give, so they are read here for all of them. A part that is not as it was promised is left
out, and an object inside itself is not read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.kinds import objects, wire
from monitor.kinds import workflow_words as words
from monitor.kinds.fields import (
    commit_facts,
    email,
    facts_of,
    message_of,
    number,
    rows,
    sha,
    text,
)
from monitor.kinds.nesting import Path, by_creation, entity_of, part, with_children
from monitor.kinds.parts import (
    ACTION,
    ACTION_RUN,
    ACTION_STEP,
    APPROVAL,
    ARTIFACT,
    BUILD,
    DEPLOY,
    INSTALL_ACTION,
    JOB_EXECUTION,
    POLICY,
    RUNNER_JOB,
    SANDBOX_RUN,
    WORKFLOW,
    WORKFLOW_STEP,
)
from monitor.model import Entity, Phase


@part(objects.Execution, "execution")
def _executions(row: objects.Execution, path: Path) -> Entity:
    entity = entity_of(JOB_EXECUTION, row, path)
    if entity.phase is not Phase.FAILED or not isinstance(row.result, objects.Result):
        return entity
    reason = message_of(row.result.composite_error) or message_of(row.result.error_metadata)
    return msgspec.structs.replace(entity, description=reason) if reason else entity


@part(objects.Job, "job")
def _jobs(row: objects.Job, path: Path) -> Entity:
    return entity_of(
        RUNNER_JOB,
        row,
        path,
        name=text(row.type),
        facts=facts_of(operation=row.operation),
        children=_executions(row.executions, path),
    )


@part(objects.ActionStep, "step")
def _action_steps(row: objects.ActionStep, path: Path) -> Entity:
    return entity_of(ACTION_STEP, row, path, name=text(row.step_id))


def _named_action_steps(row: objects.ActionRun, path: Path) -> Iterator[Entity]:
    planned = row.config.steps if isinstance(row.config, objects.ActionConfig) else None
    names = {text(one.id): text(one.name) for one in rows(planned, objects.PlannedActionStep)}
    for step in _action_steps(row.steps, path):
        yield msgspec.structs.replace(step, name=names.get(step.name, ""))


@part(objects.Action, "action")
def _actions(row: objects.Action, path: Path) -> Entity:
    return entity_of(ACTION, row, path, name=text(row.name))


@part(objects.InstallAction, "action")
def _install_actions(row: objects.InstallAction, path: Path) -> Entity:
    return entity_of(INSTALL_ACTION, row, path, children=_actions(row.action_workflow, path))


@part(objects.ActionRun, "action run")
def _action_runs(row: objects.ActionRun, path: Path) -> Entity:
    actions = _install_actions(row.install_action_workflow, path)
    return entity_of(
        ACTION_RUN,
        row,
        path,
        name=next((below.name for one in actions for below in one.children), ""),
        install_id=text(row.install_id),
        facts=facts_of(trigger_type=row.trigger_type),
        children=by_creation(
            actions,
            _named_action_steps(row, path),
            _jobs(row.runner_job, path),
            _workflows(row.workflow, path),
        ),
    )


@part(objects.SandboxRun, "sandbox run")
def _sandbox_runs(row: objects.SandboxRun, path: Path) -> Entity:
    return entity_of(
        SANDBOX_RUN,
        row,
        path,
        name=text(row.run_type),
        install_id=text(row.install_id),
        children=by_creation(
            _jobs(row.runner_jobs, path),
            _action_runs(row.action_workflow_runs, path),
            _workflows(row.workflow, path),
        ),
    )


@part(objects.Build, "build")
def builds(row: objects.Build, path: Path) -> Entity:
    return entity_of(
        BUILD,
        row,
        path,
        name=text(row.component_name),
        component_id=text(row.component_id),
        revision=sha(row.vcs_connection_commit) or text(row.git_ref),
        created_by=email(row.created_by),
        facts=commit_facts(row.vcs_connection_commit) + facts_of(git_ref=row.git_ref),
        children=_jobs(row.runner_job, path),
    )


@part(objects.Artifact, "artifact")
def _artifacts(row: objects.Artifact, path: Path) -> Entity:
    return Entity(
        kind=ARTIFACT,
        id=path[-1],
        name=text(row.tag),
        created_at=wire.read_time(row.created_at),
        facts=facts_of(tag=row.tag, digest=row.digest, repository=row.repository),
    )


def deploy(row: objects.Deploy, within: Path = ()) -> Entity:
    """Return an install deploy with all that is below it."""
    path = (*within, text(row.id))
    return deploy_of(row, path, builds(row.component_build, path))


def deploy_of(row: objects.BuiltDeploy, path: Path, built: tuple[Entity, ...]) -> Entity:
    """Return an install deploy with its build and all else that is below it."""
    return entity_of(
        DEPLOY,
        row,
        path,
        install_id=text(row.install_id),
        workflow_id=text(row.install_workflow_id) or text(row.workflow_id),
        plan_only=row.plan_only is True,
        facts=facts_of(install_deploy_type=row.install_deploy_type),
        children=by_creation(
            built,
            _artifacts(row.oci_artifact, path),
            _jobs(row.runner_jobs, path),
            _action_runs(row.action_workflow_runs, path),
            _workflows(row.workflow, path),
        )
        if row.has_details
        else built,
    )


@part(objects.Deploy, "deploy")
def _deploys(row: objects.Deploy, path: Path) -> Entity:
    # What every deploy of a release has in common tells those of a workflow apart.
    entity = deploy(msgspec.structs.replace(row, id=path[-1]), path[:-1])
    return msgspec.structs.replace(
        entity, name=text(row.component_name), component_id=text(row.component_id)
    )


# Workflows


class Steps(NamedTuple):
    """A workflow's steps by their group, all in the order in which they run.

    `rest` are the deploys and runs that no step works at; the others are below their steps.
    """

    groups: Mapping[int, tuple[Entity, ...]]
    rest: tuple[Entity, ...]


def workflow_steps(row: objects.Workflow, path: Path) -> Steps:
    """Read a workflow's steps, but those that the platform hides; `path` ends in its id."""
    work_at = by_creation(
        _deploys(row.install_deploys, path),
        _sandbox_runs(row.install_sandbox_runs, path),
        _action_runs(row.install_action_workflow_runs, path),
    )
    if not row.steps:
        return Steps({}, work_at)
    shown = [one for one in rows(row.steps, objects.Step) if one.execution_type != "hidden"]
    positions: dict[str, words.Position] = {}
    for one in shown:
        key, position = text(one.id), words.position_of(one)
        positions[key] = max(positions.get(key, position), position)
    steps = sorted(_steps(shown, path), key=lambda step: positions.get(step.id, words.FIRST))
    if words.is_given_up(row):
        steps = list(map(words.as_given_up, steps))
    below, rest = _by_step(work_at, steps, shown)
    groups: dict[int, tuple[Entity, ...]] = {}
    for step in steps:
        group = positions.get(step.id, words.FIRST)[0]
        more = below.get(step.id, ())
        held = with_children(step, more)
        groups[group] = (*groups.get(group, ()), held)
    return Steps(groups, rest)


def _by_step(
    work_at: Iterable[Entity], steps: Sequence[Entity], shown: Iterable[objects.Step]
) -> tuple[Mapping[str, Sequence[Entity]], tuple[Entity, ...]]:
    """Return deploys and runs by the id of the step that works at them, and those without one."""
    targets: dict[str, set[str]] = {}
    for one in shown:
        targets.setdefault(text(one.step_target_id), set()).add(text(one.id))
    below: dict[str, list[Entity]] = {}
    rest: list[Entity] = []
    for work in work_at:
        at = targets.get(work.id, ())
        holder = _at_work([step for step in steps if step.id in at]) if at else None
        (below.setdefault(holder.id, []) if holder else rest).append(work)
    return below, tuple(rest)


def _at_work(steps: list[Entity]) -> Entity | None:
    """Of the steps that work at one thing, a plan and its apply, return the last that began."""
    begun = [step for step in steps if step.phase not in (Phase.PENDING, Phase.ENDED)]
    return next(reversed(begun), steps[0] if steps else None)


@part(objects.Step, "step")
def _steps(row: objects.Step, path: Path) -> Entity:
    name = text(row.name)
    approvals = _approvals(row.approval, path)
    status = words.step_status(row, next(iter(approvals), None))
    # An approval without an answer has no status of its own: its step's says how it is.
    open_ones = (one for one in approvals if not one.status)
    answered = (one for one in approvals if one.status)
    step = entity_of(
        WORKFLOW_STEP,
        row,
        path,
        status=status,
        name=name,
        workflow_id=path[-2],
        slot=f"{number(row.group_idx)}/{words.without_retries(name)}" if name else "",
        facts=words.remedies_of(row),
        children=by_creation(
            answered,
            (msgspec.structs.replace(one, status=status.status) for one in open_ones),
            _policies(row.policy_validation, path),
        ),
    )
    # The platform creates all steps of a workflow at once: each began when it was started.
    return msgspec.structs.replace(step, created_at=_began_at(row, step))


def _began_at(row: objects.Step, step: Entity) -> datetime | None:
    has_begun = step.status not in ("", "pending", "queued")
    return wire.read_time(row.started_at) or (step.created_at if has_begun else None)


@part(objects.Approval, "approval")
def _approvals(row: objects.Approval, path: Path) -> Entity:
    response = row.response if isinstance(row.response, objects.Response) else objects.Response()
    answer = text(response.type)
    # What the platform approves by itself it does in the name of who started the workflow.
    by = "" if answer == "auto-approve" else email(response.created_by)
    by_id = "" if answer == "auto-approve" else text(response.created_by_id)
    return Entity(
        kind=APPROVAL,
        id=path[-1],
        status=words.answer_of(answer),
        description=text(response.note),
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        status_at=wire.read_time(response.created_at),
        facts=facts_of(type=row.type, answer=words.answer_of(answer), answered_by=by or by_id),
    )


@part(objects.Policy, "policy")
def _policies(row: objects.Policy, path: Path) -> Entity:
    return entity_of(POLICY, row, path)


def workflow(row: objects.Workflow, within: Path = ()) -> Entity:
    """Return a workflow with its steps, and below these the deploys and runs they work at."""
    return _workflows.make(row, (*within, text(row.id)))


@part(objects.Workflow, "workflow")
def _workflows(row: objects.Workflow, path: Path) -> Entity:
    groups, rest = workflow_steps(row, path)
    steps = tuple(step for group in groups.values() for step in group)
    return workflow_entity(row, path, steps, children=(*steps, *rest))


def workflow_entity(
    row: objects.Workflow, path: Path, steps: Iterable[Entity], children: tuple[Entity, ...]
) -> Entity:
    """Return a workflow with the children that a kind of watch gives it."""
    return entity_of(
        WORKFLOW,
        row,
        path,
        status=words.workflow_status(row, steps),
        name=words.workflow_name(row),
        install_id=words.install_of(row),
        created_by=email(row.created_by),
        plan_only=row.plan_only is True,
        facts=facts_of(type=row.type, approval_option=row.approval_option),
        children=children,
    )
