"""What is declared of the platform's objects, which several of its documents have in common.

Only what is used is declared. What is documented as "any value" is `object`; what is promised to
be an object or a list may be anything else: nothing here refuses an answer for that.
"""

from __future__ import annotations

import msgspec

from monitor.kinds import wire

NonObject = str | int | float | bool | list[msgspec.Raw] | None
"""What may stand where an object is promised."""
NoList = dict[str, msgspec.Raw] | str | int | float | bool | None
"""What may stand where a list is promised."""


class Violation(msgspec.Struct, gc=False):
    message: object = None


class Metadata(wire.Retries, gc=False):
    """A status's metadata. It is inherited: what it says of an error may be of an earlier one."""

    err_message: object = None
    error_message: object = None
    reason: object = None
    auto_retried: object = None
    skipped_on_failure: object = None
    deny_violations: list[Violation | NonObject] | NoList = None


class Failure(msgspec.Struct, gc=False):
    """A `composite_error`, or the `error_metadata` of a result."""

    message: object = None


class Record(wire.StatusRecord, gc=False):
    """A status with what goes with it."""

    metadata: Metadata | NonObject = None
    composite_error: Failure | NonObject = None


RawStatus = Record | NonObject
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
    composite_error: Failure | NonObject = None


class Result(msgspec.Struct, gc=False):
    error_metadata: Failure | NonObject = None
    composite_error: Failure | NonObject = None


class Execution(Stated, gc=False):
    result: Result | NonObject = None


class Job(Stated, gc=False):
    type: object = None
    operation: object = None
    executions: list[Execution | NonObject] | NoList = None


class ActionStep(Stated, gc=False):
    step_id: object = None


class PlannedActionStep(msgspec.Struct, gc=False):
    """What a step of an action run is a run of."""

    id: object = None
    name: object = None


class ActionConfig(msgspec.Struct, gc=False):
    steps: list[PlannedActionStep | NonObject] | NoList = None


class Action(Stated, gc=False):
    name: object = None


class InstallAction(Stated, gc=False):
    action_workflow: Action | NonObject = None


class ActionRun(Stated, gc=False):
    install_id: object = None
    trigger_type: object = None
    config: ActionConfig | NonObject = None
    steps: list[ActionStep | NonObject] | NoList = None
    runner_job: Job | NonObject = None
    install_action_workflow: InstallAction | NonObject = None
    workflow: Workflow | NonObject = None


class SandboxRun(Stated, gc=False):
    install_id: object = None
    run_type: object = None
    runner_jobs: list[Job | NonObject] | NoList = None
    action_workflow_runs: list[ActionRun | NonObject] | NoList = None
    workflow: Workflow | NonObject = None


class Source(msgspec.Struct, gc=False):
    """Where a component's code comes from."""

    repo: object = None
    branch: object = None


class Sources(msgspec.Struct, gc=False):
    connected_github_vcs_config: Source | NonObject = None
    public_git_vcs_config: Source | NonObject = None


class ComponentConfig(msgspec.Struct, gc=False):
    """A component's configuration: one of these, by what it is built with."""

    version: object = None
    docker_build: Sources | NonObject = None
    helm: Sources | NonObject = None
    terraform_module: Sources | NonObject = None


class Build(Stated, gc=False):
    component_id: object = None
    component_name: object = None
    component_config_version: object = None
    component_config_connection: ComponentConfig | NonObject = None
    git_ref: object = None
    created_by: Account | NonObject = None
    vcs_connection_commit: Commit | NonObject = None
    runner_job: Job | NonObject = None


class Artifact(Row, gc=False):
    tag: object = None
    digest: object = None
    repository: object = None


class Response(msgspec.Struct, gc=False):
    """What a person answered. Of who it was most versions of the platform give the id alone."""

    type: object = None
    note: object = None
    created_at: object = None
    created_by: Account | NonObject = None
    created_by_id: object = None


class Approval(Row, gc=False):
    """`response` is absent as long as nobody has answered."""

    type: object = None
    response: Response | NonObject = None


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
    step_target_type: object = None
    retried: object = None
    retryable: object = None
    skippable: object = None
    approval: Approval | NonObject = None
    policy_validation: Policy | NonObject = None


class BareDeploy(Stated, gc=False):
    """An install deploy itself. Its status is a word, as it is what a release is about."""

    status: str | None = None
    created_by: Account | NonObject = None
    install_id: object = None
    component_id: object = None
    component_name: object = None
    install_deploy_type: object = None
    install_workflow_id: object = None
    workflow_id: object = None
    plan_only: object = None


class BuiltDeploy(BareDeploy, gc=False):
    """An install deploy with its details, but its build."""

    oci_artifact: Artifact | NonObject = None
    runner_jobs: list[Job | NonObject] | NoList = None
    action_workflow_runs: list[ActionRun | NonObject] | NoList = None
    workflow: Workflow | NonObject = None

    @property
    def has_details(self) -> bool:
        return bool(
            self.runner_jobs or self.workflow or self.oci_artifact or self.action_workflow_runs
        )


class Deploy(BuiltDeploy, gc=False):
    """An install deploy with all its details."""

    component_build: Build | NonObject = None


class Suffixes(msgspec.Struct, gc=False, rename={"suffix": "workflow-name-suffix"}):
    """What is read of a workflow's own metadata: the rest can be customers' values, in clear."""

    suffix: object = None
    install_action_workflow_name: object = None
    runbook_name: object = None
    install_id: object = None


class Workflow(Stated, gc=False):
    """A workflow; `name` changes when it ends, so it is no name."""

    type: object = None
    name: object = None
    owner_id: object = None
    owner_type: object = None
    created_by: Account | NonObject = None
    approval_option: object = None
    plan_only: object = None
    finished: object = None
    finished_at: object = None
    metadata: Suffixes | NonObject = None
    steps: list[Step | NonObject] | NoList = None
    install_deploys: list[Deploy | NonObject] | NoList = None
    install_sandbox_runs: list[SandboxRun | NonObject] | NoList = None
    install_action_workflow_runs: list[ActionRun | NonObject] | NoList = None
