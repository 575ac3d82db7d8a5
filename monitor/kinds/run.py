"""An app branch run: one commit of an app's config, rolled out to ordered groups of installs.

The run is a workflow (`GET /v1/workflows/{workflow_id}`) that holds the branch run. Which installs
a group works at is a second document. What was planned is said by the branch, and what became of
each install by the install's own workflow: these are asked for where they say more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from monitor.errors import MalformedAnswer, NuonNotFound
from monitor.kinds import (
    app_lists,
    fields,
    objects,
    run_branch,
    run_groups,
    run_steps,
    sharing,
    tree,
    wire,
    workflow_words,
)
from monitor.kinds.parts import WHOLE_WORKFLOW
from monitor.kinds.paths import branch_path, workflow_path
from monitor.kinds.profile import (
    DashboardPage,
    Finder,
    KindProfile,
    LastSeen,
    Terms,
    WatchedBy,
    WatchKind,
    page_of_work,
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
)
from monitor.kinds.run_groups import INSTALL_GROUP
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.kinds.wire import Beside, Question, Wanted
from monitor.model import Entity, Found, Kind, ListPage, Phase, Target, phase_of, status_words

NAME = "run"

BRANCH_RUN: Final = Kind(
    "app branch run",
    # A change that the branch ignores is never attempted, which is no failure.
    WHOLE_WORKFLOW | status_words(ENDED="not-attempted"),
)


def page(run: Entity) -> DashboardPage:
    """Return the page of a run, or else of its app."""
    branch = ("apps", run.app_id, "branches", run.fact("app_branch_id"))
    return DashboardPage("Open run", ((*branch, "runs", run.id), ("apps", run.app_id)))


def subject(run: Entity) -> tuple[str, ...]:
    """Return the branch that a run rolls out; of a preview nothing, which is of a change alone."""
    branch_id = run.fact("app_branch_id")
    return (branch_id,) if branch_id and not run.plan_only else ()


PROFILE: Final = KindProfile(
    root=BRANCH_RUN,
    step=INSTALL_GROUP,
    unit=INSTALL_RUN,
    terms=Terms(step="group", unit="install"),
    titles=("{app} ({name})",),
    unit_names=("{install}",),
    subject=subject,
    page=page,
    unit_page=page_of_work,
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
    whole = tree.workflow(workflow)
    status = _status_of(whole, run)
    steps = run_steps.run_steps(run_id, whole)
    groups = run_groups.install_groups(run, steps.at_groups, beside, memo)
    created_at = wire.read_time(run.created_at)
    return Entity(
        kind=BRANCH_RUN,
        id=run_id,
        status=status.status,
        description=status.description,
        name=fields.text(branch.name),
        created_at=created_at or wire.read_time(workflow.created_at),
        updated_at=newest_time(*_times(workflow, run)),
        # The row has neither: those of its workflow say what came and went between two polls.
        status_at=whole.status_at,
        history=whole.history,
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
            app_branch_id=run_branch.id_of(workflow, run),
        ),
        plan_only=_is_preview(workflow, run),
        children=sharing.once((*steps.own, *groups), {(BRANCH_RUN, run_id)}),
    )


def further(body: bytes, run_id: str, beside: Beside, seen: Entity | None) -> tuple[Wanted, ...]:
    """Return what else a run needs: its app, which the path of its groups needs, and these."""
    workflow, run = _read(body, run_id)
    branch_run_id, branch_id = fields.text(run.id), run_branch.id_of(workflow, run)
    if not branch_run_id:
        return ()
    branch = _branch_path(workflow, run, beside, seen)
    if not branch:
        return _app_of(branch_id, beside)
    return (Wanted(f"{branch}{run_groups.path_of_groups(branch_run_id)}"),)


def questions(
    body: bytes, run_id: str, beside: Beside, last_seen: LastSeen
) -> tuple[Question, ...]:
    """Return what explains a run: its branch's plan, and the workflows of its installs."""
    workflow, run = _read(body, run_id)
    branch = _branch_path(workflow, run, beside, last_seen.root)
    return run_groups.questions(branch, run, beside, last_seen.root) if branch else ()


def _branch_path(workflow: RunWorkflow, run: Run, beside: Beside, seen: Entity | None) -> str:
    """Return the path of a run's branch; empty while its app is not known."""
    app_id = fields.text(run_branch.branch_of(workflow, run, beside).app_id)
    app_id = app_id or (seen.app_id if seen else "")
    return branch_path(app_id, run_branch.id_of(workflow, run)) if app_id else ""


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


def _times(workflow: RunWorkflow, run: Run) -> Iterator[object]:
    """Yield the times of all that the status is made of: a wait is written at its step alone."""
    yield from (run.updated_at, run.completed_at, workflow.updated_at)
    yield from (step.updated_at for step in fields.rows(workflow.steps, objects.Step))


def _is_preview(workflow: RunWorkflow, run: Run) -> bool:
    is_preview = run.run_type == "git-preview-run" or bool(run.preview)
    return is_preview or run.plan_only is True or workflow.plan_only is True


def _status_of(whole: Entity, run: Run) -> wire.Status:
    """Read a run's status, beside which `whole` is its workflow.

    The platform writes `success` for any end of the workflow but two, also for one that is parked
    and waits for a person (its public source, 2026): only the workflow says what the run does.
    """
    status = fields.raw_status(BRANCH_RUN, run)
    says_success = phase_of(BRANCH_RUN, status.status) is Phase.SUCCEEDED
    waiting = workflow_words.waiting_in(whole)
    if not status.status or _is_contradicted(status, whole, is_waiting=waiting is not None):
        status = wire.Status(whole.status, whole.description, whole.status_at, whole.history)
    has_ended = phase_of(BRANCH_RUN, status.status).is_terminal
    if has_ended and not (says_success and waiting is not None):
        return msgspec.structs.replace(status, description=_reason(whole, run, status))
    if waiting is not None:
        is_approval = waiting.status == "approval-awaiting"
        word = "awaiting_approval" if is_approval else waiting.status
        return msgspec.structs.replace(
            status, status=word, description=workflow_words.awaited(waiting)
        )
    if run.awaiting_approval is True:
        return msgspec.structs.replace(status, status="awaiting_approval")
    return status


def _is_contradicted(status: wire.Status, whole: Entity, *, is_waiting: bool) -> bool:
    """Whether a run's workflow says that the run ended otherwise, or has not ended."""
    phase = phase_of(BRANCH_RUN, status.status)
    if phase is Phase.SUCCEEDED:
        return bool(whole.status) and whole.phase is not Phase.SUCCEEDED
    return not phase.is_terminal and not is_waiting and whole.phase is Phase.FAILED


def _reason(whole: Entity, run: Run, status: wire.Status) -> str:
    phase = phase_of(BRANCH_RUN, status.status)
    failed = [
        step.description
        for step in workflow_words.steps_of(whole)
        if phase is step.phase is Phase.FAILED
    ]
    reasons = (fields.text(run.error_message), status.description, *reversed(failed))
    return next(filter(None, reasons), "")


# What finds runs


def record_path(identifier: str) -> str:
    """Return the path of a branch, for the ids of the app and the branch."""
    app_id, _, branch_id = identifier.partition("/")
    return branch_path(app_id, branch_id)


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


def decode_list(body: bytes, _identifier: str) -> ListPage:
    """Read one page of a branch's runs; raises MalformedAnswer."""
    answered = wire.parse(body, workflow_list, "the list of runs")
    rows, without_id = fields.identified(answered, RunWorkflow, "run")
    return ListPage(tuple(map(found, rows)), without_id)


def found(workflow: RunWorkflow) -> Found:
    """Return what a row leads to that is an app branch run."""
    run = run_of(workflow)
    branch = object_of(run.app_branch, Branch)
    created_at = wire.read_time(run.created_at)
    names = (branch.name, workflow.owner_name, run.run_type, workflow.type)
    return Found(
        target=Target(NAME, fields.text(workflow.id)),
        is_over=phase_of(BRANCH_RUN, _status_of(tree.workflow(workflow), run).status).is_terminal,
        created_at=created_at or wire.read_time(workflow.created_at),
        names=tuple(dict.fromkeys(filter(None, map(fields.text, names)))),
        ids=tuple(filter(None, (fields.text(branch.app_id),))),
        type=fields.text(workflow.type),
        is_special=_is_preview(workflow, run),
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
        app_lists.BRANCH: Finder(
            path=list_path,
            record=record_path,
            decode=decode_list,
            id_prefix="abr",
            watched_by=WatchedBy.BRANCH_ID,
            locate=locate,
            lists_workflows=True,
        ),
        app_lists.BRANCHES: app_lists.BRANCHES_FINDER,
    },
    further=further,
    questions=questions,
)
