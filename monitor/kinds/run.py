"""An app branch run: one commit of an app's config, rolled out to ordered groups of installs.

The run is a workflow (`GET /v1/workflows/{workflow_id}`) that holds the branch run and the plan
of its install groups. Which installs a group works at is a second document, and what became of
each install is the install's own workflow: that is asked for where it says more than the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from monitor.errors import MalformedAnswer, NuonNotFound
from monitor.kinds import fields, objects, sharing, tree, wire, workflow_words
from monitor.kinds.parts import PART_OF_WORKFLOW, WHOLE_WORKFLOW, WORKFLOW_STEP
from monitor.kinds.profile import (
    Finder,
    KindProfile,
    Terms,
    WatchedBy,
    WatchKind,
    page_of_install,
)
from monitor.kinds.wire import Beside, Wanted
from monitor.model import Entity, Found, Kind, Phase, Target, phase_of, status_words

NAME = "run"

BRANCH_RUN: Final = Kind(
    "app branch run",
    # A change that the branch ignores is never attempted, which is no failure.
    WHOLE_WORKFLOW | status_words(ENDED="not-attempted"),
)
INSTALL_GROUP: Final = Kind("install group", PART_OF_WORKFLOW)
INSTALL_RUN: Final = Kind("install run", PART_OF_WORKFLOW | status_words(ENDED="superseded"))
PROFILE: Final = KindProfile(
    root=BRANCH_RUN,
    step=INSTALL_GROUP,
    unit=INSTALL_RUN,
    terms=Terms(step="group", unit="install"),
    titles=("{app} ({name})",),
    unit_names=("{install}",),
    unit_page=page_of_install,
)

_MOST_WORKFLOWS = 20
"""How many of the installs' workflows one poll asks for: the others have their turn later."""
_PAGE = 100
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_OPEN = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING})


class _Branch(objects.Row, gc=False):
    app_id: object = None
    name: object = None


class _PlannedGroup(objects.Row, gc=False):
    name: object = None
    order: object = None
    install_ids: list[objects.Odd] | objects.NoList = None


class _Plan(msgspec.Struct, gc=False):
    install_groups: list[_PlannedGroup | objects.Odd] | objects.NoList = None


class _Run(objects.Stated, gc=False):
    """An `AppBranchRun`, which stands in its workflow; its status is a word of its own."""

    app_branch: _Branch | objects.Odd = None
    app_branch_config: _Plan | objects.Odd = None
    app_branch_id: object = None
    awaiting_approval: object = None
    base_branch: object = None
    commit_sha: object = None
    completed_at: object = None
    created_by: objects.Account | objects.Odd = None
    error_message: object = None
    event_type: object = None
    head_sha: object = None
    no_config_changes: object = None
    plan_only: object = None
    preview: object = None
    run_type: object = None
    vcs_connection_commit: objects.Commit | objects.Odd = None


class _Workflow(objects.Workflow, gc=False):
    app_branch_runs: list[_Run | objects.Odd] | objects.NoList = None
    owner_name: object = None


class _Runbook(msgspec.Struct, gc=False):
    runbook_name: object = None
    status: object = None
    workflow_id: object = None


class _Install(msgspec.Struct, gc=False):
    """How one install fares in a group. The runbooks that follow the deploy count apart."""

    install_id: object = None
    runbooks: list[_Runbook | objects.Odd] | objects.NoList = None
    status: object = None
    workflow_id: object = None


class _GroupRun(objects.Stated, gc=False):
    """One try at an install group; a group that was retried has several."""

    completed_at: object = None
    install_group: _PlannedGroup | objects.Odd = None
    install_group_id: object = None
    install_group_name: object = None
    installs: list[_Install | objects.Odd] | objects.NoList = None
    total_installs: object = None


_workflow_answer = msgspec.json.Decoder(_Workflow)
_workflows = msgspec.json.Decoder(list[_Workflow | objects.Odd] | None)
_install_workflow = msgspec.json.Decoder(objects.Workflow)
_branch_answer = msgspec.json.Decoder(_Branch | objects.Odd)
_branches = msgspec.json.Decoder(list[_Branch | objects.Odd] | None)
_group_runs = msgspec.json.Decoder(list[_GroupRun | objects.Odd] | None)


# The run


class _Owned(msgspec.Struct):
    owner_type: str | None = None


_owner = msgspec.json.Decoder(_Owned)


def is_run(body: bytes) -> bool:
    """Tell a run from another workflow, whose ids and path are alike; raises MalformedAnswer."""
    return wire.parse(body, _owner).owner_type == "app_branches"


def path(run_id: str) -> str:
    """Return the endpoint's path; a run goes by the id of its workflow."""
    return f"/v1/workflows/{wire.path_segment(run_id)}"


def decode(
    body: bytes,
    run_id: str,
    memo: wire.Memo[Entity | None],
    beside: Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read a run; raises MalformedAnswer, also for a document about another workflow."""
    workflow, run = _read(body, run_id)
    branch = _branch_of(workflow, run, beside)
    commit = run.vcs_connection_commit
    raw_status = _standing(workflow, run)
    groups = _groups(run, _group_runs_of(run, beside), beside, memo)
    created_at = wire.read_time(run.created_at)
    return Entity(
        kind=BRANCH_RUN,
        id=run_id,
        status=raw_status.status,
        description=raw_status.description,
        name=fields.text(branch.name),
        created_at=created_at or wire.read_time(workflow.created_at),
        updated_at=_newest(run.updated_at, run.completed_at, workflow.updated_at),
        revision=_first(run.commit_sha, fields.sha(commit), run.head_sha),
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
    if not fields.text(run.id):
        return ()
    found = fields.text(_branch_of(workflow, run, beside).app_id) or (seen.app_id if seen else "")
    if not found:
        try:
            branch = _find(_branch_id(workflow, run), beside)
        except NuonNotFound:
            return ()  # a branch that is gone takes the groups with it, not the run
        return branch if isinstance(branch, tuple) else ()
    groups = f"{_branch_path(found, _branch_id(workflow, run))}{_groups_of(fields.text(run.id))}"
    if groups not in beside:
        return (Wanted(groups),)
    wanted = _worth_asking(_group_runs_of(run, beside) or {}, seen)
    return tuple(Wanted(path(workflow_id), is_needed=False) for workflow_id in wanted)


def _read(body: bytes, run_id: str) -> tuple[_Workflow, _Run]:
    workflow = wire.parse(body, _workflow_answer)
    if workflow.id != run_id:
        about = fields.text(workflow.id, 60)
        raise MalformedAnswer(f"the answer is about {about!r}, not about {run_id!r}")
    return workflow, _run_of(workflow)


def _run_of(workflow: _Workflow) -> _Run:
    """Return a workflow's branch run; one without any fields where it has none yet."""
    return next(iter(fields.rows(workflow.app_branch_runs, _Run)), _Run())


def _object(value: object, sort: type[fields.T]) -> fields.T:
    """Return an object that may be missing or something else; then one without any fields."""
    return value if isinstance(value, sort) else sort()


def _first(*texts: object) -> str:
    return next(filter(None, map(fields.text, texts)), "")


def _newest(*times: object) -> datetime | None:
    return max(filter(None, (wire.read_time(time) for time in times)), default=None)


def _is_preview(workflow: _Workflow, run: _Run) -> bool:
    is_preview = run.run_type == "git-preview-run" or bool(run.preview)
    return is_preview or run.plan_only is True or workflow.plan_only is True


def _standing(document: _Workflow, run: _Run) -> wire.Status:
    """Read a run's status. That it waits for a person is said by its workflow alone."""
    workflow = tree.workflow(document)
    whole = wire.Status(workflow.status, workflow.description, workflow.status_at, workflow.history)
    status = fields.raw_status(BRANCH_RUN, run)
    if not status.status:
        status = whole
    phase = phase_of(BRANCH_RUN, status.status)
    if phase.is_terminal:
        failed = [one.description for one in _steps(workflow) if phase is one.phase is Phase.FAILED]
        reasons = (fields.text(run.error_message), status.description, *reversed(failed))
        return msgspec.structs.replace(status, description=next(filter(None, reasons), ""))
    waiting = _waiting(workflow)
    if waiting is not None:
        is_approval = waiting.status == "approval-awaiting"
        word = "awaiting_approval" if is_approval else waiting.status
        return msgspec.structs.replace(status, status=word, description=_awaited(waiting))
    if run.awaiting_approval is True:
        return msgspec.structs.replace(status, status="awaiting_approval")
    return status


def _waiting(workflow: Entity) -> Entity | None:
    """Return what waits for a person: one of a workflow's steps, or else the workflow itself."""
    candidates = (*_steps(workflow), workflow)
    return next((one for one in candidates if one.phase is Phase.WAITING), None)


def _awaited(waiting: Entity) -> str:
    """Return what a step waits for, and which step it is where that does not say it."""
    is_approval = waiting.status == "approval-awaiting" and waiting.name
    return f"{waiting.description} ({waiting.name})" if is_approval else waiting.description


def _steps(workflow: Entity) -> tuple[Entity, ...]:
    return workflow_words.current(one for one in workflow.children if one.kind == WORKFLOW_STEP)


# Its install groups


def _groups_of(branch_run_id: str) -> str:
    # Of all that is asked for by a run's id, this alone wants the branch run's.
    return f"/runs/{wire.path_segment(branch_run_id)}/install-group-runs"


def _group_runs_of(run: _Run, beside: Beside) -> Mapping[str, Sequence[_GroupRun]] | None:
    """Return the tries at each group, the oldest first; None where they could not be had."""
    tail = _groups_of(fields.text(run.id))
    document = next((answer for known, answer in beside.items() if known.endswith(tail)), None)
    if document is None:
        return None
    tries: dict[str, list[_GroupRun]] = {}
    rows = wire.parse(document.body, _group_runs, "the list of install groups")
    for row in sorted(fields.rows(rows, _GroupRun), key=_age):
        tries.setdefault(_group_id(row), []).append(row)
    return tries


def _age(row: _GroupRun) -> tuple[datetime, str]:
    created_at = wire.read_time(row.created_at)
    return created_at or _EARLIEST, fields.text(row.id)


def _group_id(row: _GroupRun) -> str:
    return _first(row.install_group_id, row.install_group_name, row.id) or "install group"


def _groups(
    run: _Run,
    tries: Mapping[str, Sequence[_GroupRun]] | None,
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> tuple[Entity, ...]:
    """Return the groups in the order of the plan; what is not in it comes last."""
    plan = _object(run.app_branch_config, _Plan)
    planned = {
        fields.text(group.id) or fields.text(group.name): group
        for group in sorted(
            fields.rows(plan.install_groups, _PlannedGroup),
            key=lambda group: (fields.number(group.order), fields.text(group.name)),
        )
    }
    begun = tries or {}
    groups: list[Entity] = []
    for group_id in dict.fromkeys([*planned, *begun]):
        group = planned.get(group_id, _PlannedGroup())
        if group_id in begun:
            groups.append(_group(group_id, group, begun[group_id], beside, memo))
        elif group_id:
            groups.append(_group_to_come(group_id, group))
    return tuple(groups)


def _group_to_come(group_id: str, plan: _PlannedGroup) -> Entity:
    """Return a group of the plan that has no row, as before it begins.

    Its status is empty: one that had a row before stands as it was last seen.
    """
    return Entity(
        kind=INSTALL_GROUP,
        id=group_id,
        name=fields.text(plan.name),
        planned=_sorted(fields.rows(plan.install_ids, str)),
    )


def _group(
    group_id: str,
    plan: _PlannedGroup,
    tries: Sequence[_GroupRun],
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> Entity:
    newest = tries[-1]
    given = _object(newest.install_group, _PlannedGroup)
    status = fields.raw_status(INSTALL_GROUP, newest)
    installs = _installs_of(newest)
    # The row names all of its installs only a moment after it says how many these are.
    is_whole = len(installs) >= max(fields.number(newest.total_installs), 1)
    return Entity(
        kind=INSTALL_GROUP,
        id=group_id,
        status=status.status,
        description=status.description,
        name=_first(plan.name, newest.install_group_name, given.name),
        created_at=wire.read_time(tries[0].created_at),
        updated_at=_newest(newest.updated_at, newest.completed_at),
        status_at=status.at,
        history=status.history,
        planned=_sorted(
            installs
            if is_whole
            else fields.rows(plan.install_ids, str) or fields.rows(given.install_ids, str)
        ),
        children=wire.in_order(
            _unit(row, install_id, install, beside, memo)
            for row in tries
            for install_id, install in _installs_of(row).items()
        ),
    )


def _sorted(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(filter(None, ids))))


def _installs_of(row: _GroupRun) -> dict[str, _Install]:
    return {
        install_id: install
        for install in fields.rows(row.installs, _Install)
        if (install_id := fields.text(install.install_id))
    }


# Its installs


class _Work(NamedTuple):
    """What is being done at an install: the deploy, or after it one of the runbooks."""

    status: str
    workflow_id: str
    runbook: str = ""

    @property
    def phase(self) -> Phase:
        return phase_of(INSTALL_RUN, self.status)


def _work_at(install: _Install) -> _Work:
    deploy = _Work(fields.text(install.status), fields.text(install.workflow_id))
    if deploy.phase is not Phase.SUCCEEDED:
        return deploy
    runbooks = (
        _Work(
            fields.text(one.status),
            fields.text(one.workflow_id),
            f"runbook {fields.text(one.runbook_name)}".rstrip(),
        )
        for one in fields.rows(install.runbooks, _Runbook)
    )
    return next((work for work in runbooks if work.phase is not Phase.SUCCEEDED), deploy)


def _unit_id(row: _GroupRun, install_id: str) -> str:
    return f"{fields.text(row.id) or _group_id(row)}/{install_id}"


def _unit(
    row: _GroupRun,
    install_id: str,
    install: _Install,
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> Entity:
    work = _work_at(install)
    workflow = _workflow_at(work, beside, memo)
    status, description = _said_of(work, workflow)
    return Entity(
        kind=INSTALL_RUN,
        id=_unit_id(row, install_id),
        status=status,
        description=description,
        created_at=wire.read_time(row.created_at),
        updated_at=workflow.updated_at if workflow else None,
        install_id=install_id,
        workflow_id=work.workflow_id,
        children=(workflow,) if workflow else (),
    )


def _workflow_at(work: _Work, beside: Beside, memo: wire.Memo[Entity | None]) -> Entity | None:
    document = beside.get(path(work.workflow_id)) if work.workflow_id else None
    if document is None:
        return None
    workflow = memo.get(msgspec.Raw(document.body), _install_workflow_of)
    return workflow if workflow is not None and workflow.id == work.workflow_id else None


def _install_workflow_of(part: msgspec.Raw) -> Entity | None:
    try:
        return tree.workflow(wire.parse(part, _install_workflow))
    except MalformedAnswer:
        return None  # it only adds to the run


def _said_of(work: _Work, workflow: Entity | None) -> tuple[str, str]:
    """Return how an install fares, and why.

    A group takes note of its installs one after another, so that one which it takes to be under
    way may have ended long ago: there the install's own workflow is believed. Where it was not
    read, nothing is known, and what was seen last stands.
    """
    is_open = work.phase in _OPEN
    if workflow is None:
        is_unread = is_open and work.workflow_id and not work.runbook
        return "" if is_unread else work.status, work.runbook
    if is_open and workflow.phase is Phase.SUCCEEDED:
        # After one runbook there can be another.
        return (work.status, work.runbook) if work.runbook else (workflow.status, "")
    if is_open and workflow.phase.is_terminal:
        return workflow.status, workflow.description or work.runbook
    if is_open and (waiting := _waiting(workflow)) is not None:
        return waiting.status, _awaited(waiting)
    reason = workflow.description if workflow.phase is work.phase is Phase.FAILED else ""
    return work.status, reason or work.runbook


def _worth_asking(tries: Mapping[str, Sequence[_GroupRun]], seen: Entity | None) -> Iterator[str]:
    """Yield the workflows that say more than is known, those that failed first.

    Where there are too many for one poll, those that were left out last time come before the
    others: what the last answers lacked is marked as absent.
    """
    units = {unit.id: unit for group in (seen.children if seen else ()) for unit in group.children}
    ranked: list[tuple[int, str]] = []
    for row in (attempts[-1] for attempts in tries.values()):
        for install_id, install in _installs_of(row).items():
            work = _work_at(install)
            unit = units.get(_unit_id(row, install_id))
            known = [one for one in unit.children if one.id == work.workflow_id] if unit else []
            rank = _rank(work, known[0] if known else None)
            if rank is not None and work.workflow_id:
                ranked.append((rank, work.workflow_id))
    ranked.sort(key=lambda one: one[0])
    yield from list(dict.fromkeys(workflow_id for _, workflow_id in ranked))[:_MOST_WORKFLOWS]


def _rank(work: _Work, known: Entity | None) -> int | None:
    """Return how soon a workflow is to be asked for; None where it can tell nothing new."""
    if work.phase is Phase.FAILED:
        return None if known is not None and known.phase.is_terminal else 0
    if work.phase not in _OPEN or (known is not None and known.phase is Phase.SUCCEEDED):
        return None
    return 1 if known is None else 2 if known.is_absent else 3


# The app that a branch belongs to


def _branch_path(app_id: str, branch_id: str) -> str:
    return f"/v1/apps/{wire.path_segment(app_id)}/branches/{wire.path_segment(branch_id)}"


def _branch_id(workflow: _Workflow, run: _Run) -> str:
    return _first(run.app_branch_id, workflow.owner_id)


def _branch_of(workflow: _Workflow, run: _Run, beside: Beside) -> _Branch:
    """Return what is known of a run's branch without asking for more."""
    given = _object(run.app_branch, _Branch)
    found = _known(_branch_id(workflow, run), beside)
    return _Branch(
        app_id=given.app_id or found.app_id,
        name=given.name or found.name or workflow.owner_name,
    )


def _known(branch_id: str, beside: Beside) -> _Branch:
    try:
        found = _find(branch_id, beside)
    except NuonNotFound:
        return _Branch()
    return found if isinstance(found, _Branch) else _Branch()


class _Listed(NamedTuple):
    """The rows of all pages that are at hand, and the page to ask for next."""

    rows: list[_Branch]
    wanted: Wanted | None
    is_whole: bool


def _listed(first: str, beside: Beside, *, is_needed: bool) -> _Listed:
    rows: list[_Branch] = []
    for offset in range(0, _PAGE * len(beside) + _PAGE, _PAGE):
        page = f"{first}?limit={_PAGE}&offset={offset}"
        if page not in beside:
            return _Listed(rows, Wanted(page, is_needed), is_whole=False)
        document = beside[page]
        if document is None:
            break
        rows += fields.rows(wire.parse(document.body, _branches, "the list"), _Branch)
        if not document.has_more:
            return _Listed(rows, None, is_whole=True)
    return _Listed(rows, None, is_whole=False)


def _find(branch_id: str, beside: Beside) -> _Branch | tuple[Wanted, ...]:
    """Return a branch with its app, or what to ask for next; raises NuonGone where none has it.

    A newer platform lists the branches of all apps; an older one is asked app by app.
    """
    branches = _listed("/v1/branches", beside, is_needed=False)
    found = next((row for row in branches.rows if row.id == branch_id and row.app_id), None)
    if found is not None:
        return found
    if branches.wanted is not None:
        return (branches.wanted,)
    if branches.is_whole:
        raise NuonNotFound(f"no app has the branch {branch_id}")
    apps = _listed("/v1/apps", beside, is_needed=True)
    if apps.wanted is not None:
        return (apps.wanted,)
    paths = {
        _branch_path(app_id, branch_id): app_id
        for app in apps.rows
        if (app_id := fields.text(app.id))
    }
    for where, app_id in paths.items():
        document = beside.get(where)
        branch = wire.parse(document.body, _branch_answer, "the branch") if document else None
        if isinstance(branch, _Branch) and branch.id == branch_id:
            return msgspec.structs.replace(branch, app_id=app_id)
    if missing := tuple(Wanted(one, is_needed=False) for one in paths if one not in beside):
        return missing
    raise NuonNotFound(f"no app has the branch {branch_id}")


# What finds runs


def list_path(identifier: str) -> str:
    """Return the path of a branch's runs, for the ids of the app and the branch."""
    app_id, _, branch_id = identifier.partition("/")
    return f"{_branch_path(app_id, branch_id)}/runs"


def locate(identifier: str, beside: Beside) -> Wanted | str:
    """Return a branch's id behind that of its app, or what to ask for next to find that.

    Raises NuonGone where no app has the branch.
    """
    if "/" in identifier:
        return identifier
    found = _find(identifier, beside)
    if isinstance(found, tuple):
        return found[0]
    return f"{fields.text(found.app_id)}/{identifier}"


def decode_list(body: bytes, _identifier: str) -> tuple[Found, ...]:
    """Read one page of a branch's runs; raises MalformedAnswer."""
    rows = wire.parse(body, _workflows, "the list of runs")
    return tuple(_found(row) for row in fields.rows(rows, _Workflow) if fields.text(row.id))


def _found(workflow: _Workflow) -> Found:
    run = _run_of(workflow)
    branch = _object(run.app_branch, _Branch)
    created_at = wire.read_time(run.created_at)
    names = (branch.name, workflow.owner_name, run.run_type, workflow.type)
    return Found(
        target=Target(NAME, fields.text(workflow.id)),
        is_over=phase_of(BRANCH_RUN, _standing(workflow, run).status).is_terminal,
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
            decode=decode_list,
            id_prefix="abr",
            watched_by=WatchedBy.BRANCH_ID,
            locate=locate,
        )
    },
    further=further,
)
