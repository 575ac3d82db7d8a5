"""An app branch run: one commit of an app's config, rolled out to ordered groups of installs.

The run is a workflow (`GET /v1/workflows/{workflow_id}`) that holds the branch run and the plan
of its install groups. Which installs a group works at is a second document, and what became of
each install is the install's own workflow: that is asked for where it says more than the group.
"""

from __future__ import annotations

from typing import Final

import msgspec

from monitor.errors import MalformedAnswer, NuonNotFound
from monitor.kinds import fields, run_branch, run_groups, sharing, tree, wire, workflow_words
from monitor.kinds.parts import WHOLE_WORKFLOW
from monitor.kinds.profile import (
    Finder,
    KindProfile,
    Terms,
    WatchedBy,
    WatchKind,
    page_of_install,
)
from monitor.kinds.run_documents import (
    Branch,
    Run,
    RunWorkflow,
    first_text,
    newest_time,
    object_of,
    run_of,
    workflow_answer,
    workflow_list,
    workflow_path,
)
from monitor.kinds.run_groups import INSTALL_GROUP, INSTALL_RUN
from monitor.kinds.wire import Beside, Wanted
from monitor.model import Entity, Found, Kind, Phase, Target, phase_of, status_words

NAME = "run"

BRANCH_RUN: Final = Kind(
    "app branch run",
    # A change that the branch ignores is never attempted, which is no failure.
    WHOLE_WORKFLOW | status_words(ENDED="not-attempted"),
)
PROFILE: Final = KindProfile(
    root=BRANCH_RUN,
    step=INSTALL_GROUP,
    unit=INSTALL_RUN,
    terms=Terms(step="group", unit="install"),
    titles=("{app} ({name})",),
    unit_names=("{install}",),
    unit_page=page_of_install,
)


# The run


class _Owned(msgspec.Struct):
    owner_type: str | None = None


_owner = msgspec.json.Decoder(_Owned)


def is_run(body: bytes) -> bool:
    """Tell a run from another workflow, whose ids and path are alike; raises MalformedAnswer."""
    return wire.parse(body, _owner).owner_type == "app_branches"


def path(run_id: str) -> str:
    """Return the endpoint's path; a run goes by the id of its workflow."""
    return workflow_path(run_id)


def decode(
    body: bytes,
    run_id: str,
    memo: wire.Memo[Entity | None],
    beside: Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read a run; raises MalformedAnswer, also for a document about another workflow."""
    workflow, run = _read(body, run_id)
    branch = run_branch.branch_of(workflow, run, beside)
    commit = run.vcs_connection_commit
    raw_status = _status_of(workflow, run)
    groups = run_groups.install_groups(run, beside, memo)
    created_at = wire.read_time(run.created_at)
    return Entity(
        kind=BRANCH_RUN,
        id=run_id,
        status=raw_status.status,
        description=raw_status.description,
        name=fields.text(branch.name),
        created_at=created_at or wire.read_time(workflow.created_at),
        updated_at=newest_time(run.updated_at, run.completed_at, workflow.updated_at),
        revision=first_text(run.commit_sha, fields.sha(commit), run.head_sha),
        workflow_id=run_id,
        app_id=fields.text(branch.app_id),
        created_by=fields.email(run.created_by) or fields.email(workflow.created_by),
        facts=fields.commit_facts(commit)
        + fields.facts_of(
            branch=branch.name,
            base_branch=run.base_branch,
            run_type=run.run_type,
            event_type=run.event_type,
            no_config_changes="true" if run.no_config_changes is True else None,
        ),
        plan_only=_is_preview(workflow, run),
        children=sharing.once(groups, {(BRANCH_RUN, run_id)}),
    )


def further(body: bytes, run_id: str, beside: Beside, seen: Entity | None) -> tuple[Wanted, ...]:
    """Return what else a run needs: its app, its groups, and the workflows of its installs."""
    workflow, run = _read(body, run_id)
    branch_run_id, branch_id = fields.text(run.id), run_branch.id_of(workflow, run)
    if not branch_run_id:
        return ()
    app_id = fields.text(run_branch.branch_of(workflow, run, beside).app_id)
    app_id = app_id or (seen.app_id if seen else "")
    if not app_id:
        return _app_of(branch_id, beside)
    branch = run_branch.branch_path(app_id, branch_id)
    groups = f"{branch}{run_groups.path_of_groups(branch_run_id)}"
    if groups not in beside:
        return (Wanted(groups),)
    wanted = run_groups.worth_asking(run_groups.group_runs_of(run, beside) or {}, seen)
    return tuple(Wanted(path(workflow_id), is_needed=False) for workflow_id in wanted)


def _app_of(branch_id: str, beside: Beside) -> tuple[Wanted, ...]:
    """Return what to ask for next to find the app that a branch belongs to."""
    try:
        branch = run_branch.find(branch_id, beside)
    except NuonNotFound:
        return ()  # a branch that was removed takes the groups with it, not the run
    return branch if isinstance(branch, tuple) else ()


def _read(body: bytes, run_id: str) -> tuple[RunWorkflow, Run]:
    workflow = wire.parse(body, workflow_answer)
    if workflow.id != run_id:
        about = fields.text(workflow.id, 60)
        raise MalformedAnswer(f"the answer is about {about!r}, not about {run_id!r}")
    return workflow, run_of(workflow)


def _is_preview(workflow: RunWorkflow, run: Run) -> bool:
    is_preview = run.run_type == "git-preview-run" or bool(run.preview)
    return is_preview or run.plan_only is True or workflow.plan_only is True


def _status_of(document: RunWorkflow, run: Run) -> wire.Status:
    """Read a run's status. That it waits for a person is said by its workflow alone."""
    workflow = tree.workflow(document)
    whole = wire.Status(workflow.status, workflow.description, workflow.status_at, workflow.history)
    status = fields.raw_status(BRANCH_RUN, run)
    waiting = workflow_words.waiting_in(workflow)
    is_left_open = not phase_of(BRANCH_RUN, status.status).is_terminal
    if not status.status or (is_left_open and waiting is None and workflow.phase is Phase.FAILED):
        status = whole
    phase = phase_of(BRANCH_RUN, status.status)
    if phase.is_terminal:
        failed = [
            one.description
            for one in workflow_words.steps_of(workflow)
            if phase is one.phase is Phase.FAILED
        ]
        reasons = (fields.text(run.error_message), status.description, *reversed(failed))
        return msgspec.structs.replace(status, description=next(filter(None, reasons), ""))
    if waiting is not None:
        is_approval = waiting.status == "approval-awaiting"
        word = "awaiting_approval" if is_approval else waiting.status
        return msgspec.structs.replace(
            status, status=word, description=workflow_words.awaited(waiting)
        )
    if run.awaiting_approval is True:
        return msgspec.structs.replace(status, status="awaiting_approval")
    return status


# What finds runs


def record_path(identifier: str) -> str:
    """Return the path of a branch, for the ids of the app and the branch."""
    app_id, _, branch_id = identifier.partition("/")
    return run_branch.branch_path(app_id, branch_id)


def list_path(identifier: str) -> str:
    """Return the path of a branch's runs, for the same."""
    return f"{record_path(identifier)}/runs"


def locate(identifier: str, beside: Beside) -> Wanted | str:
    """Return a branch's id behind that of its app, or what to ask for next to find that.

    Raises NuonNotFound where no app has the branch.
    """
    if "/" in identifier:
        return identifier
    found = run_branch.find(identifier, beside)
    if isinstance(found, tuple):
        return found[0]
    return f"{fields.text(found.app_id)}/{identifier}"


def decode_list(body: bytes, _identifier: str) -> tuple[Found, ...]:
    """Read one page of a branch's runs; raises MalformedAnswer."""
    rows = wire.parse(body, workflow_list, "the list of runs")
    return tuple(_found(row) for row in fields.rows(rows, RunWorkflow) if fields.text(row.id))


def _found(workflow: RunWorkflow) -> Found:
    run = run_of(workflow)
    branch = object_of(run.app_branch, Branch)
    created_at = wire.read_time(run.created_at)
    names = (branch.name, workflow.owner_name, run.run_type, workflow.type)
    return Found(
        target=Target(NAME, fields.text(workflow.id)),
        is_over=phase_of(BRANCH_RUN, _status_of(workflow, run).status).is_terminal,
        created_at=created_at or wire.read_time(workflow.created_at),
        names=tuple(dict.fromkeys(filter(None, map(fields.text, names)))),
        ids=tuple(filter(None, (fields.text(branch.app_id),))),
    )


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=path,
    decode=decode,
    served=(
        "App branch runs with their install groups are served since API 0.19.1012. Watch release=,"
        " app= or component= on a platform before 0.19.821, install= or workflow= on one between."
    ),
    stand_ins=("app", "component", "release", "install", "workflow"),
    id_prefix="inw",
    watched_by=None,
    finders={
        "app_branch": Finder(
            path=list_path,
            record=record_path,
            decode=decode_list,
            id_prefix="abr",
            watched_by=WatchedBy.BRANCH_ID,
            locate=locate,
        )
    },
    further=further,
)
