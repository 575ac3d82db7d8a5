"""What is declared of an app branch run's documents: the workflow, its groups, its branch."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.kinds import fields, objects, wire


class PlannedGroup(objects.Row, gc=False):
    name: object = None
    order: object = None
    install_ids: list[objects.NonObject] | objects.NoList = None


class Plan(objects.Row, gc=False):
    """The config of a branch: which groups of installs it is rolled out to, in which order."""

    install_groups: list[PlannedGroup | objects.NonObject] | objects.NoList = None


class Branch(objects.Row, gc=False):
    app_id: object = None
    name: object = None
    configs: list[Plan | objects.NonObject] | objects.NoList = None


class Run(objects.Stated, gc=False):
    """An `AppBranchRun`, which its workflow holds; its status is a word of its own."""

    app_branch: Branch | objects.NonObject = None
    app_branch_config: Plan | objects.NonObject = None
    app_branch_config_id: object = None
    app_branch_id: object = None
    awaiting_approval: object = None
    base_branch: object = None
    commit_sha: object = None
    completed_at: object = None
    created_by: objects.Account | objects.NonObject = None
    error_message: object = None
    event_type: object = None
    head_sha: object = None
    no_config_changes: object = None
    plan_only: object = None
    preview: object = None
    run_type: object = None
    vcs_connection_commit: objects.Commit | objects.NonObject = None


class RunMetadata(objects.Suffixes, gc=False):
    """Of a run's metadata also the id of the app, which most runs have."""

    app_id: object = None


class RunWorkflow(objects.Workflow, gc=False):
    app_branch_runs: list[Run | objects.NonObject] | objects.NoList = None
    owner_name: object = None
    metadata: RunMetadata | objects.NonObject = None


class Runbook(msgspec.Struct, gc=False):
    runbook_name: object = None
    status: object = None
    workflow_id: object = None


class Install(msgspec.Struct, gc=False):
    """How one install fares in a group. The runbooks that follow the deploy count apart."""

    install_id: object = None
    reason: object = None
    runbooks: list[Runbook | objects.NonObject] | objects.NoList = None
    status: object = None
    superseded_by_run_id: object = None
    workflow_id: object = None


class GroupRun(objects.Stated, gc=False):
    """One try at an install group; a group that was retried has several."""

    completed_at: object = None
    install_group: PlannedGroup | objects.NonObject = None
    install_group_id: object = None
    install_group_name: object = None
    installs: list[Install | objects.NonObject] | objects.NoList = None
    total_installs: object = None


workflow_answer = msgspec.json.Decoder(RunWorkflow)
workflow_list = msgspec.json.Decoder(list[RunWorkflow | objects.NonObject] | None)
branch_answer = msgspec.json.Decoder(Branch | objects.NonObject)
branch_list = msgspec.json.Decoder(list[Branch | objects.NonObject] | None)
group_run_list = msgspec.json.Decoder(list[GroupRun | objects.NonObject] | None)


def run_of(workflow: RunWorkflow) -> Run:
    """Return a workflow's branch run; one without any fields where it has none yet."""
    return next(iter(fields.rows(workflow.app_branch_runs, Run)), Run())


def object_of(value: object, sort: type[fields.T]) -> fields.T:
    """Return an object that may be missing or something else; then one without any fields."""
    return value if isinstance(value, sort) else sort()


def first_text(*texts: object) -> str:
    """Return the first that is a text and not empty."""
    return next(filter(None, map(fields.text, texts)), "")


def newest_time(*times: object) -> datetime | None:
    """Return the newest of some times that may be missing."""
    return max(filter(None, (wire.read_time(time) for time in times)), default=None)
