"""What explains a rollout's units: workflows, jobs, runs, builds, and the reasons they give.

The same objects stand in several of the platform's documents, so they are read here for all of
them. Only what is used is declared. Nothing here refuses an answer: a part that is not as it
was promised is left out, and an object that stands inside itself is not gone into again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from operator import is_
from typing import Generic, NamedTuple, TypeVar

import msgspec

from monitor.kinds import wire
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
from monitor.model import Entity, Kind, Phase, phase_of

T = TypeVar("T")
Key = tuple[Kind, str]

_DEEPEST = 10
"""How many objects may stand inside one another; the platform's own nesting ends before."""
_LONGEST_REASON = 2_000
_LONGEST_FACT = 200

Odd = str | int | float | bool | list[msgspec.Raw] | None
"""What may stand where an object is promised."""
NoList = dict[str, msgspec.Raw] | str | int | float | bool | None
"""What may stand where a list is promised."""


# What is declared of the platform's objects. What is documented as "any value" is `object`.


class Violation(msgspec.Struct, gc=False):
    message: object = None


class Metadata(msgspec.Struct, gc=False):
    """A status's metadata. It is inherited: what it says of an error may be of an earlier one."""

    err_message: object = None
    error_message: object = None
    reason: object = None
    awaiting_retry: object = None
    auto_retried: object = None
    skipped_on_failure: object = None
    deny_violations: list[Violation | Odd] | NoList = None


class Failure(msgspec.Struct, gc=False):
    """A `composite_error`, or the `error_metadata` of a result."""

    message: object = None


class Record(wire.StatusRecord, gc=False):
    """A status with what goes with it."""

    metadata: Metadata | Odd = None
    composite_error: Failure | Odd = None


RawStatus = Record | Odd
"""A status as it comes: a record, or the word alone."""


class Account(msgspec.Struct, gc=False):
    email: object = None


class Commit(msgspec.Struct, gc=False):
    sha: object = None
    message: object = None
    author_name: object = None


class Row(msgspec.Struct, gc=False):
    """What all objects have."""

    id: object = None
    created_at: object = None
    updated_at: object = None


class Stated(Row, gc=False):
    """What all that have a status have of it; `status_v2` is the newer where it is set."""

    status: RawStatus = None
    status_description: object = None
    status_v2: RawStatus = None
    composite_error: Failure | Odd = None


class Result(msgspec.Struct, gc=False):
    error_metadata: Failure | Odd = None
    composite_error: Failure | Odd = None


class Execution(Stated, gc=False):
    result: Result | Odd = None


class Job(Stated, gc=False):
    type: object = None
    operation: object = None
    executions: list[Execution | Odd] | NoList = None


class ActionStep(Stated, gc=False):
    step_id: object = None


class PlannedActionStep(msgspec.Struct, gc=False):
    """What a step of an action run is a run of."""

    id: object = None
    name: object = None


class ActionConfig(msgspec.Struct, gc=False):
    steps: list[PlannedActionStep | Odd] | NoList = None


class Action(Stated, gc=False):
    name: object = None


class InstallAction(Stated, gc=False):
    action_workflow: Action | Odd = None


class ActionRun(Stated, gc=False):
    install_id: object = None
    trigger_type: object = None
    config: ActionConfig | Odd = None
    steps: list[ActionStep | Odd] | NoList = None
    runner_job: Job | Odd = None
    install_action_workflow: InstallAction | Odd = None
    workflow: Workflow | Odd = None


class SandboxRun(Stated, gc=False):
    install_id: object = None
    run_type: object = None
    runner_jobs: list[Job | Odd] | NoList = None
    action_workflow_runs: list[ActionRun | Odd] | NoList = None
    workflow: Workflow | Odd = None


class Build(Stated, gc=False):
    component_id: object = None
    component_name: object = None
    git_ref: object = None
    created_by: Account | Odd = None
    vcs_connection_commit: Commit | Odd = None
    runner_job: Job | Odd = None


class Artifact(Row, gc=False):
    tag: object = None
    digest: object = None
    repository: object = None


class Response(msgspec.Struct, gc=False):
    type: object = None
    note: object = None


class Approval(Row, gc=False):
    """`response` is absent as long as nobody has answered."""

    type: object = None
    response: Response | Odd = None


class Policy(Stated, gc=False):
    """A policy validation."""


class Step(Stated, gc=False):
    """A step of a workflow. Its target is the deploy or run that it works at."""

    name: object = None
    idx: object = None
    group_idx: object = None
    group_retry_idx: object = None
    retry_index: object = None
    execution_type: object = None
    started_at: object = None
    step_target_id: object = None
    approval: Approval | Odd = None
    policy_validation: Policy | Odd = None


class BareDeploy(Stated, gc=False):
    """An install deploy itself. Its status is a word, as it is what a release is about."""

    status: str | None = None
    created_by: Account | Odd = None
    install_id: object = None
    component_id: object = None
    component_name: object = None
    install_deploy_type: object = None
    install_workflow_id: object = None
    workflow_id: object = None
    plan_only: object = None


class BuiltDeploy(BareDeploy, gc=False):
    """An install deploy with its details, but its build."""

    oci_artifact: Artifact | Odd = None
    runner_jobs: list[Job | Odd] | NoList = None
    action_workflow_runs: list[ActionRun | Odd] | NoList = None
    workflow: Workflow | Odd = None

    @property
    def has_details(self) -> bool:
        return bool(
            self.runner_jobs or self.workflow or self.oci_artifact or self.action_workflow_runs
        )


class Deploy(BuiltDeploy, gc=False):
    """An install deploy with all its details."""

    component_build: Build | Odd = None


class Suffixes(msgspec.Struct, gc=False, rename={"suffix": "workflow-name-suffix"}):
    """A workflow's own metadata."""

    suffix: object = None
    install_action_workflow_name: object = None
    install_id: object = None


class Workflow(Stated, gc=False):
    """A workflow; `name` changes when it ends, so it is no name."""

    type: object = None
    name: object = None
    owner_id: object = None
    owner_type: object = None
    created_by: Account | Odd = None
    approval_option: object = None
    plan_only: object = None
    finished: object = None
    finished_at: object = None
    metadata: Suffixes | Odd = None
    steps: list[Step | Odd] | NoList = None
    install_deploys: list[Deploy | Odd] | NoList = None
    install_sandbox_runs: list[SandboxRun | Odd] | NoList = None
    install_action_workflow_runs: list[ActionRun | Odd] | NoList = None


# Reading parts


def rows(value: object, sort: type[T]) -> list[T]:
    """Return a list's rows that are what they were promised to be."""
    return [row for row in value if isinstance(row, sort)] if isinstance(value, list) else []


def text(value: object, longest: int = _LONGEST_REASON) -> str:
    """Return a text, cut where it is too long; empty for what is none."""
    if not isinstance(value, str):
        return ""
    return value if len(value) <= longest else f"{value[: longest - 1]}…"


def number(value: object) -> int:
    """Return an index; the platform leaves out a zero."""
    return value if isinstance(value, int) else 0


def email(account: Account | Odd) -> str:
    """Return who did something; empty where the platform does not say."""
    return text(account.email) if isinstance(account, Account) else ""


def facts_of(**named: object) -> tuple[tuple[str, str], ...]:
    """Return those that have a text, in the order given, long ones cut."""
    facts = []
    for name, value in named.items():
        if value and (said := text(value, _LONGEST_FACT)):
            facts.append((name, said))
    return tuple(facts)


def commit_facts(commit: Commit | Odd) -> tuple[tuple[str, str], ...]:
    """Return what a commit says beside its hash."""
    if not isinstance(commit, Commit):
        return ()
    return facts_of(message=commit.message, author_name=commit.author_name)


def sha(commit: Commit | Odd) -> str:
    """Return a commit's hash; empty where there is none."""
    return text(commit.sha) if isinstance(commit, Commit) else ""


# Statuses, and the reasons that stand beside them


def raw_status(kind: Kind, row: Stated) -> wire.Status:
    """Read an object's status; where it is a bad one, its description is the best reason."""
    if isinstance(row.status, str) and row.status_v2 is None and row.composite_error is None:
        return wire.Status(text(row.status), text(row.status_description), None, ())
    record = _record(row)
    newer = record if isinstance(record, Record) else None
    status = wire.read_status(_word(row.status), text(row.status_description), newer)
    if newer is None and row.composite_error is None:
        return status
    is_bad = phase_of(kind, status.status) is Phase.FAILED
    if not is_bad and status.status != "failed-pending-retry":
        return status
    reason = _message(row.composite_error) or _reason_beside(record)
    return msgspec.structs.replace(status, description=reason) if reason else status


def _record(row: Stated) -> RawStatus:
    return row.status_v2 if row.status_v2 and _word(row.status_v2) else row.status


def _word(status: RawStatus) -> str:
    return text(status.status if isinstance(status, Record) else status)


def _message(failure: Failure | Odd) -> str:
    return text(failure.message) if isinstance(failure, Failure) else ""


def _reason_beside(record: RawStatus) -> str:
    """Return the best of what stands in the record of a bad status."""
    if not isinstance(record, Record):
        return ""
    said = _message(record.composite_error)
    beside = record.metadata
    if said or not isinstance(beside, Metadata):
        return said
    denied = {text(one.message) for one in rows(beside.deny_violations, Violation)} - {""}
    if denied:
        return text("; ".join(sorted(denied)))
    return text(beside.err_message) or text(beside.error_message) or text(beside.reason)


# Objects inside objects

Path = tuple[str, ...]
"""The ids of an object and of those that it stands in, the outermost first."""

_RowT = TypeVar("_RowT", bound=Row)


class _Part(Generic[_RowT]):
    """One sort of object: what becomes of it, and what one without an id is called."""

    def __init__(self, sort: type[_RowT], make: Callable[[_RowT, Path], Entity], what: str) -> None:
        self._sort = sort
        self._make = make
        self._what = what

    def __call__(self, value: object, within: Path) -> tuple[Entity, ...]:
        """Read one or a list, as parts of a path's last, without those that are on the path."""
        if not value or len(within) >= _DEEPEST:
            return ()
        if isinstance(value, self._sort):
            key = text(value.id)
            if key and key not in within:
                return (self._make(value, (*within, key)),)
            value = [value]
        made: list[Entity] = []
        nameless: list[_RowT] = []
        for row in rows(value, self._sort):
            key = text(row.id)
            if key and key not in within:
                made.append(self._make(row, (*within, key)))
            elif not key and _says_something(row):
                nameless.append(row)
        if nameless:  # such a one is called after its place among those
            nameless.sort(key=lambda row: (text(row.created_at), msgspec.json.encode(row)))
            for place, row in enumerate(nameless, 1):
                made.append(self._make(row, (*within, f"{within[-1]}/{self._what} {place}")))
        return wire.in_order(made) if len(made) > 1 else tuple(made)


def _says_something(row: Row) -> bool:
    return bool(_word(_record(row))) if isinstance(row, Stated) else row != type(row)()


def _in_order(*groups: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return parts of several kinds in the order of their creation."""
    entities = [entity for group in groups if group for entity in group]
    if len(entities) > 1:
        entities.sort(key=lambda e: (e.created_at is None, e.created_at or 0, e.kind, e.id))
    return tuple(entities)


def _entity(
    kind: Kind,
    row: Stated,
    path: Path,
    *,
    children: tuple[Entity, ...] = (),
    status: wire.Status | None = None,
    name: str = "",
    install_id: str = "",
    component_id: str = "",
    revision: str = "",
    workflow_id: str = "",
    created_by: str = "",
    slot: str = "",
    facts: tuple[tuple[str, str], ...] = (),
    plan_only: bool = False,
) -> Entity:
    status = status or raw_status(kind, row)
    # The first by position: a call with more than 15 keywords is several times slower.
    return Entity(
        kind,
        path[-1],
        status.status,
        status.description,
        name,
        wire.read_time(row.created_at),
        wire.read_time(row.updated_at),
        status.at,
        status.history,
        install_id=install_id,
        component_id=component_id,
        revision=revision,
        workflow_id=workflow_id,
        created_by=created_by,
        slot=slot,
        facts=facts,
        plan_only=plan_only,
        children=children,
    )


def _execution(row: Execution, path: Path) -> Entity:
    entity = _entity(JOB_EXECUTION, row, path)
    if entity.phase is not Phase.FAILED or not isinstance(row.result, Result):
        return entity
    reason = _message(row.result.composite_error) or _message(row.result.error_metadata)
    return msgspec.structs.replace(entity, description=reason) if reason else entity


def _job(row: Job, path: Path) -> Entity:
    return _entity(
        RUNNER_JOB,
        row,
        path,
        name=text(row.type),
        facts=facts_of(operation=row.operation),
        children=_EXECUTION(row.executions, path),
    )


def _action_step(row: ActionStep, path: Path) -> Entity:
    return _entity(ACTION_STEP, row, path, name=text(row.step_id))


def _action_steps(row: ActionRun, path: Path) -> Iterator[Entity]:
    planned = row.config.steps if isinstance(row.config, ActionConfig) else None
    names = {text(one.id): text(one.name) for one in rows(planned, PlannedActionStep)}
    for step in _ACTION_STEP(row.steps, path):
        yield msgspec.structs.replace(step, name=names.get(step.name, ""))


def _action(row: Action, path: Path) -> Entity:
    return _entity(ACTION, row, path, name=text(row.name))


def _install_action(row: InstallAction, path: Path) -> Entity:
    return _entity(INSTALL_ACTION, row, path, children=_ACTION(row.action_workflow, path))


def _action_run(row: ActionRun, path: Path) -> Entity:
    actions = _INSTALL_ACTION(row.install_action_workflow, path)
    return _entity(
        ACTION_RUN,
        row,
        path,
        name=next((below.name for one in actions for below in one.children), ""),
        install_id=text(row.install_id),
        facts=facts_of(trigger_type=row.trigger_type),
        children=_in_order(
            actions,
            _action_steps(row, path),
            _JOB(row.runner_job, path),
            _WORKFLOW(row.workflow, path),
        ),
    )


def _sandbox_run(row: SandboxRun, path: Path) -> Entity:
    return _entity(
        SANDBOX_RUN,
        row,
        path,
        name=text(row.run_type),
        install_id=text(row.install_id),
        children=_in_order(
            _JOB(row.runner_jobs, path),
            _ACTION_RUN(row.action_workflow_runs, path),
            _WORKFLOW(row.workflow, path),
        ),
    )


def _build(row: Build, path: Path) -> Entity:
    return _entity(
        BUILD,
        row,
        path,
        name=text(row.component_name),
        component_id=text(row.component_id),
        revision=sha(row.vcs_connection_commit) or text(row.git_ref),
        created_by=email(row.created_by),
        facts=commit_facts(row.vcs_connection_commit) + facts_of(git_ref=row.git_ref),
        children=_JOB(row.runner_job, path),
    )


def _artifact(row: Artifact, path: Path) -> Entity:
    return Entity(
        kind=ARTIFACT,
        id=path[-1],
        name=text(row.tag),
        created_at=wire.read_time(row.created_at),
        facts=facts_of(tag=row.tag, digest=row.digest, repository=row.repository),
    )


def builds(value: Build | Odd, within: Path) -> tuple[Entity, ...]:
    """Return the build that stands in an object, if any."""
    return _BUILD(value, within)


def deploy(row: Deploy, within: Path = ()) -> Entity:
    """Return an install deploy with all that is below it."""
    path = (*within, text(row.id))
    return deploy_of(row, path, _BUILD(row.component_build, path))


def deploy_of(row: BuiltDeploy, path: Path, built: tuple[Entity, ...]) -> Entity:
    """Return an install deploy with its build and all else that is below it."""
    return _entity(
        DEPLOY,
        row,
        path,
        install_id=text(row.install_id),
        workflow_id=text(row.install_workflow_id) or text(row.workflow_id),
        plan_only=row.plan_only is True,
        facts=facts_of(install_deploy_type=row.install_deploy_type),
        children=_in_order(
            built,
            _ARTIFACT(row.oci_artifact, path),
            _JOB(row.runner_jobs, path),
            _ACTION_RUN(row.action_workflow_runs, path),
            _WORKFLOW(row.workflow, path),
        )
        if row.has_details
        else built,
    )


def _deploy(row: Deploy, path: Path) -> Entity:
    # What every deploy of a release has in common tells those of a workflow apart.
    entity = deploy(msgspec.structs.replace(row, id=path[-1]), path[:-1])
    return msgspec.structs.replace(
        entity, name=text(row.component_name), component_id=text(row.component_id)
    )


# Workflows

_APPROVES = {
    "noop": "a plan without changes",
    "approve-all": "all that follows",
    "terraform_plan": "the Terraform plan",
    "kubernetes_manifest_approval": "the Kubernetes changes",
    "helm_approval": "the Helm changes",
    "pulumi_plan": "the Pulumi plan",
    "app_branch_plan": "the plan of the app branch",
    "install_creation": "the new install",
}
_ANSWERS = {
    "approve": "approved",
    "auto-approve": "approved",
    "deny": "approval-denied",
    "deny-skip-current": "approval-denied",
    "deny-skip-current-and-dependents": "approval-denied",
    "retry": "approval-retry",
}
_TYPES = {
    "manual_deploy": "deploy",
    "input_update": "update of inputs",
    "teardown_component": "teardown",
    "teardown_components": "teardown of components",
    "deploy_components": "deploy of components",
    "deprovision_sandbox": "deprovision of the sandbox",
    "reprovision_sandbox": "reprovision of the sandbox",
    "reprovision_stack": "reprovision of the stack",
    "drift_run": "drift check",
    "drift_run_reprovision_sandbox": "drift check of the sandbox",
    "action_workflow_run": "action",
    "runbook_run": "runbook",
    "sync_secrets": "sync of secrets",
    "app_branches_manual_update": "manual run",
    "app_branches_config_repo_update": "run for a new app config",
    "app_branches_component_repo_update": "run for a new component commit",
}
_RETRIES = re.compile(r"(?: \(retry \d+\))+$")


def to_approve(approval_type: str) -> str:
    """Return what a step that waits for an approval wants approved, such as `the Helm changes`."""
    what = _APPROVES.get(approval_type, approval_type.replace("_", " ").replace("-", " "))
    return what or "the plan"


def workflow_name(row: Workflow) -> str:
    """Say what a workflow does, and for which component or action, in words that do not change."""
    kind = text(row.type)
    words = _TYPES.get(kind) or kind.replace("_", " ")
    beside = row.metadata if isinstance(row.metadata, Suffixes) else Suffixes()
    suffix = text(beside.suffix) or text(beside.install_action_workflow_name)
    return " ".join(filter(None, (words, suffix))) or text(row.name)


def install_of(row: Workflow) -> str:
    """Return the id of the install that a workflow is of; empty for one of something else."""
    if row.owner_type in ("installs", "install"):
        return text(row.owner_id)
    return text(row.metadata.install_id) if isinstance(row.metadata, Suffixes) else ""


def is_finished(row: Workflow) -> bool:
    """Whether a workflow has an end, good or bad."""
    return row.finished is True or wire.read_time(row.finished_at) is not None


def is_over(row: Workflow) -> bool:
    """Whether a workflow of a list came to an end, good or bad, and nothing is awaited."""
    phase = phase_of(WORKFLOW, workflow_status(row, ()).status)
    return phase is Phase.FAILED or (phase.is_terminal and is_finished(row))


def current(steps: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return the steps that count: of those with one slot the last, as a retry comes later."""
    return tuple({step.work: step for step in steps}.values())


def workflow_status(row: Workflow, steps: Iterable[Entity]) -> wire.Status:
    """Read a workflow's status.

    Older platforms write `success` after every step: it is one only where there is an end, and
    what the history has of it is no news. An `error` that awaits a retry is for a person.
    """
    status = raw_status(WORKFLOW, row)
    word, history = status.status, status.history
    if any(_is_good(past.status) for past in history):
        history = tuple(past for past in history if not _is_good(past.status))
    if _is_good(word) and _is_premature(row, status.description, steps):
        word = "in-progress"
    elif word == "error" and _beside(row).awaiting_retry in (True, "true"):
        word = "failed-pending-retry"
    if word is status.status and history is status.history:
        return status
    return msgspec.structs.replace(status, status=word, history=history)


def _is_good(word: str) -> bool:
    return phase_of(WORKFLOW, word) is Phase.SUCCEEDED


def _is_premature(row: Workflow, description: str, steps: Iterable[Entity]) -> bool:
    if description.startswith("finished executing"):
        return True  # what it says after a step, for an instant after the last one too
    return not is_finished(row) and not all(step.phase.is_terminal for step in current(steps))


def _beside(row: Stated) -> Metadata:
    record = _record(row)
    found = record.metadata if isinstance(record, Record) else None
    return found if isinstance(found, Metadata) else Metadata()


_Place = tuple[int, int, int, int, datetime]
"""Where a step stands: of the rows of one step, a retry stands behind what it is a retry of."""
_FIRST: _Place = (0, 0, 0, 0, datetime.min.replace(tzinfo=UTC))


def _place(row: Step) -> _Place:
    return (
        number(row.group_idx),
        number(row.group_retry_idx),
        number(row.idx),
        number(row.retry_index),
        wire.read_time(row.created_at) or _FIRST[-1],
    )


class Steps(NamedTuple):
    """A workflow's steps by their group, all in the order in which they run.

    `rest` are the deploys and runs that no step works at; the others are below their steps.
    """

    groups: Mapping[int, tuple[Entity, ...]]
    rest: tuple[Entity, ...]


def workflow_steps(row: Workflow, path: Path) -> Steps:
    """Read a workflow's steps, but those that the platform hides; `path` ends in its id."""
    work_at = _in_order(
        _DEPLOY(row.install_deploys, path),
        _SANDBOX_RUN(row.install_sandbox_runs, path),
        _ACTION_RUN(row.install_action_workflow_runs, path),
    )
    if not row.steps:
        return Steps({}, work_at)
    shown = [one for one in rows(row.steps, Step) if one.execution_type != "hidden"]
    places: dict[str, _Place] = {}
    targets: dict[str, list[str]] = {}
    for one in shown:
        key = text(one.id)
        place = _place(one)
        places[key] = max(places.get(key, place), place)
        targets.setdefault(text(one.step_target_id), []).append(key)
    steps = sorted(_STEP(shown, path), key=lambda step: places.get(step.id, _FIRST))
    below: dict[str, list[Entity]] = {}
    rest: list[Entity] = []
    for work in work_at:
        at = set(targets.get(work.id, ()))
        holder = _at_work([step for step in steps if step.id in at]) if at else None
        (below.setdefault(holder.id, []) if holder else rest).append(work)
    groups: dict[int, tuple[Entity, ...]] = {}
    for step in steps:
        group = places.get(step.id, _FIRST)[0]
        more = below.get(step.id, ())
        held = msgspec.structs.replace(step, children=(*step.children, *more)) if more else step
        groups[group] = (*groups.get(group, ()), held)
    return Steps(groups, tuple(rest))


def _at_work(steps: list[Entity]) -> Entity | None:
    """Of the steps that work at one thing, a plan and its apply, return the last that began."""
    begun = [step for step in steps if step.phase not in (Phase.PENDING, Phase.ENDED)]
    return next(reversed(begun), steps[0] if steps else None)


def _step(row: Step, path: Path) -> Entity:
    status = raw_status(WORKFLOW_STEP, row)
    name = text(row.name)
    word, description = status.status, status.description
    approvals = _APPROVAL(row.approval, path)
    answer = next((one.status for one in approvals), "")
    beside = _beside(row)
    if word == "approval-awaiting" and answer:
        word = answer if answer in _ANSWERS.values() else word
    elif word == "approval-awaiting":
        description = to_approve(next((one.fact("type") for one in approvals), ""))
    elif word == "error" and beside.auto_retried in (True, "true"):
        word = "retrying"
    elif word == "error" and beside.skipped_on_failure in (True, "true"):
        word = "auto-skipped"
    # An approval without an answer stands as its step does.
    open_ones = (one for one in approvals if not one.status)
    answered = (one for one in approvals if one.status)
    step = _entity(
        WORKFLOW_STEP,
        row,
        path,
        status=msgspec.structs.replace(status, status=word, description=description),
        name=name,
        slot=f"{number(row.group_idx)}/{_RETRIES.sub('', name)}" if name else "",
        children=_in_order(
            answered,
            (msgspec.structs.replace(one, status=word) for one in open_ones),
            _POLICY(row.policy_validation, path),
        ),
    )
    # All steps are created at once: it began when it was started.
    return msgspec.structs.replace(step, created_at=_began_at(row, step))


def _began_at(row: Step, step: Entity) -> datetime | None:
    has_begun = step.status not in ("", "pending", "queued")
    return wire.read_time(row.started_at) or (step.created_at if has_begun else None)


def _approval(row: Approval, path: Path) -> Entity:
    response = row.response if isinstance(row.response, Response) else Response()
    answer = text(response.type)
    return Entity(
        kind=APPROVAL,
        id=path[-1],
        status=_ANSWERS.get(answer, answer),
        description=text(response.note),
        created_at=wire.read_time(row.created_at),
        facts=facts_of(type=row.type),
    )


def _policy(row: Policy, path: Path) -> Entity:
    return _entity(POLICY, row, path)


def workflow(row: Workflow, within: Path = ()) -> Entity:
    """Return a workflow with its steps, and below these the deploys and runs they work at."""
    return _workflow(row, (*within, text(row.id)))


def _workflow(row: Workflow, path: Path) -> Entity:
    groups, rest = workflow_steps(row, path)
    steps = tuple(step for group in groups.values() for step in group)
    return workflow_entity(row, path, steps, children=(*steps, *rest))


def workflow_entity(
    row: Workflow, path: Path, steps: Iterable[Entity], children: tuple[Entity, ...]
) -> Entity:
    """Return a workflow with the children that a kind of watch gives it."""
    return _entity(
        WORKFLOW,
        row,
        path,
        status=workflow_status(row, steps),
        name=workflow_name(row),
        install_id=install_of(row),
        created_by=email(row.created_by),
        plan_only=row.plan_only is True,
        facts=facts_of(type=row.type, approval_option=row.approval_option),
        children=children,
    )


_EXECUTION = _Part(Execution, _execution, "execution")
_JOB = _Part(Job, _job, "job")
_ACTION_STEP = _Part(ActionStep, _action_step, "step")
_ACTION = _Part(Action, _action, "action")
_INSTALL_ACTION = _Part(InstallAction, _install_action, "action")
_ACTION_RUN = _Part(ActionRun, _action_run, "action run")
_SANDBOX_RUN = _Part(SandboxRun, _sandbox_run, "sandbox run")
_BUILD = _Part(Build, _build, "build")
_ARTIFACT = _Part(Artifact, _artifact, "artifact")
_APPROVAL = _Part(Approval, _approval, "approval")
_POLICY = _Part(Policy, _policy, "policy")
_STEP = _Part(Step, _step, "step")
_WORKFLOW = _Part(Workflow, _workflow, "workflow")
_DEPLOY = _Part(Deploy, _deploy, "deploy")


# One tree

_IN_COMMON = frozenset({BUILD, ACTION})


def in_common(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Yield what the units of one rollout have in common, and so repeat, with what is below it."""
    for entity in entities:
        if entity.kind in _IN_COMMON:
            yield entity
        else:
            yield from in_common(entity.children)


def keys(entities: Iterable[Entity]) -> list[Key]:
    """Return what entities, and all below them, are matched by."""
    found: list[Key] = []
    for entity in entities:
        found.append((entity.kind, entity.id))
        if entity.children:
            found += keys(entity.children)
    return found


def once(entities: tuple[Entity, ...], seen: set[Key]) -> tuple[Entity, ...]:
    """Return trees without what was seen before, so that each object stands in one place only.

    Whatever stays is added to what was seen. Where nothing is left out, the very same is returned.
    """
    kept: list[Entity] = []
    for entity in entities:
        key = entity.kind, entity.id
        if key in seen:
            continue
        seen.add(key)
        below = once(entity.children, seen)
        is_whole = below is entity.children
        kept.append(entity if is_whole else msgspec.structs.replace(entity, children=below))
    is_same = len(kept) == len(entities) and all(map(is_, kept, entities))
    return entities if is_same else tuple(kept)


def once_below(root: Entity) -> Entity:
    """Return a tree with each object in one place only, as rows that repeat others may not be."""
    found = keys((root,))
    if len(set(found)) == len(found):
        return root
    children = once(root.children, {(root.kind, root.id)})
    return msgspec.structs.replace(root, children=children)
