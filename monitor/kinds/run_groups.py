"""A run's install groups, and how each install fares in them.

Which installs a group works at is one document; what became of each is the install's own workflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, tree, wire, workflow_words
from monitor.kinds.parts import PART_OF_WORKFLOW
from monitor.kinds.run_documents import (
    GroupRun,
    Install,
    Plan,
    PlannedGroup,
    Run,
    Runbook,
    first_text,
    group_run_list,
    install_workflow,
    newest_time,
    object_of,
    workflow_path,
)
from monitor.kinds.wire import Beside
from monitor.model import Entity, Kind, Phase, phase_of, status_words

INSTALL_GROUP: Final = Kind("install group", PART_OF_WORKFLOW)
INSTALL_RUN: Final = Kind("install run", PART_OF_WORKFLOW | status_words(ENDED="superseded"))

_MOST_WORKFLOWS = 20
"""How many of the installs' workflows one poll asks for: the others have their turn later."""
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_OPEN = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING})


def path_of_groups(branch_run_id: str) -> str:
    """Return the end of the path of a run's install groups, behind that of its branch."""
    # Of all that is asked for by a run's id, this alone wants the branch run's.
    return f"/runs/{wire.path_segment(branch_run_id)}/install-group-runs"


def group_runs_of(run: Run, beside: Beside) -> Mapping[str, Sequence[GroupRun]] | None:
    """Return the tries at each group, the oldest first; None where they could not be had."""
    tail = path_of_groups(fields.text(run.id))
    document = next((answer for known, answer in beside.items() if known.endswith(tail)), None)
    if document is None:
        return None
    tries: dict[str, list[GroupRun]] = {}
    rows = wire.parse(document.body, group_run_list, "the list of install groups")
    for row in sorted(fields.rows(rows, GroupRun), key=_age):
        tries.setdefault(_group_id(row), []).append(row)
    return tries


def _age(row: GroupRun) -> tuple[datetime, str]:
    created_at = wire.read_time(row.created_at)
    return created_at or _EARLIEST, fields.text(row.id)


def _group_id(row: GroupRun) -> str:
    return first_text(row.install_group_id, row.install_group_name, row.id) or "install group"


def install_groups(run: Run, beside: Beside, memo: wire.Memo[Entity | None]) -> tuple[Entity, ...]:
    """Return the groups in the order of the plan; what is not in it comes last."""
    plan = object_of(run.app_branch_config, Plan)
    planned = {
        fields.text(group.id) or fields.text(group.name): group
        for group in sorted(
            fields.rows(plan.install_groups, PlannedGroup),
            key=lambda group: (fields.number(group.order), fields.text(group.name)),
        )
    }
    begun = group_runs_of(run, beside) or {}
    groups: list[Entity] = []
    for group_id in dict.fromkeys([*planned, *begun]):
        group = planned.get(group_id, PlannedGroup())
        if group_id in begun:
            groups.append(_group(group_id, group, begun[group_id], beside, memo))
        elif group_id:
            groups.append(_group_to_come(group_id, group))
    return tuple(groups)


def _group_to_come(group_id: str, plan: PlannedGroup) -> Entity:
    """Return a group of the plan that has no row, as before it begins.

    The platform writes the row when the group begins. The status is empty, so that one that had
    a row before is kept as it was last seen.
    """
    return Entity(
        kind=INSTALL_GROUP,
        id=group_id,
        name=fields.text(plan.name),
        planned=_sorted(fields.rows(plan.install_ids, str)),
    )


def _group(
    group_id: str,
    plan: PlannedGroup,
    tries: Sequence[GroupRun],
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> Entity:
    newest = tries[-1]
    given = object_of(newest.install_group, PlannedGroup)
    status = fields.raw_status(INSTALL_GROUP, newest)
    installs = _installs_of(newest)
    # The row names all of its installs only a moment after it says how many these are.
    is_whole = len(installs) >= max(fields.number(newest.total_installs), 1)
    return Entity(
        kind=INSTALL_GROUP,
        id=group_id,
        status=status.status,
        description=status.description,
        name=first_text(plan.name, newest.install_group_name, given.name),
        created_at=wire.read_time(tries[0].created_at),
        updated_at=newest_time(newest.updated_at, newest.completed_at),
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


def _installs_of(row: GroupRun) -> dict[str, Install]:
    return {
        install_id: install
        for install in fields.rows(row.installs, Install)
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


def _work_at(install: Install) -> _Work:
    deploy = _Work(fields.text(install.status), fields.text(install.workflow_id))
    if deploy.phase is not Phase.SUCCEEDED:
        return deploy
    runbooks = (
        _Work(
            fields.text(one.status),
            fields.text(one.workflow_id),
            f"runbook {fields.text(one.runbook_name)}".rstrip(),
        )
        for one in fields.rows(install.runbooks, Runbook)
    )
    return next((work for work in runbooks if work.phase is not Phase.SUCCEEDED), deploy)


def _unit_id(row: GroupRun, install_id: str) -> str:
    return f"{fields.text(row.id) or _group_id(row)}/{install_id}"


def _unit(
    row: GroupRun,
    install_id: str,
    install: Install,
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> Entity:
    work = _work_at(install)
    workflow = _workflow_at(work, beside, memo)
    status, description = _status_of(work, workflow)
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
    document = beside.get(workflow_path(work.workflow_id)) if work.workflow_id else None
    if document is None:
        return None
    workflow = memo.get(msgspec.Raw(document.body), _install_workflow_of)
    return workflow if workflow is not None and workflow.id == work.workflow_id else None


def _install_workflow_of(part: msgspec.Raw) -> Entity | None:
    try:
        return tree.workflow(wire.parse(part, install_workflow))
    except MalformedAnswer:
        return None  # it only adds to the run


def _status_of(work: _Work, workflow: Entity | None) -> tuple[str, str]:
    """Return how an install fares, and why.

    A group takes note of its installs one after another, so that one which it takes to be under
    way may have ended long ago: there the install's own workflow is believed. Where it was not
    read, nothing is known, and the status is empty, so that the one last seen is kept.
    """
    is_open = work.phase in _OPEN
    if workflow is None:
        is_unread = is_open and work.workflow_id and not work.runbook
        return "" if is_unread else work.status, work.runbook
    if is_open:
        return _status_by_workflow(work, workflow)
    reason = workflow.description if workflow.phase is work.phase is Phase.FAILED else ""
    return work.status, reason or work.runbook


def _status_by_workflow(work: _Work, workflow: Entity) -> tuple[str, str]:
    if workflow.phase is Phase.SUCCEEDED:
        # After one runbook there can be another.
        return (work.status, work.runbook) if work.runbook else (workflow.status, "")
    if workflow.phase.is_terminal:
        return workflow.status, workflow.description or work.runbook
    if (waiting := workflow_words.waiting_in(workflow)) is not None:
        return waiting.status, workflow_words.awaited(waiting)
    return work.status, work.runbook


def worth_asking(tries: Mapping[str, Sequence[GroupRun]], seen: Entity | None) -> Iterator[str]:
    """Yield the workflows that say more than is known, those that failed first.

    Where there are too many for one poll, those that were left out last time come before the
    others: what the last answers lacked is marked as absent.
    """
    known = _workflows_in(seen) if seen is not None else {}
    ranked: list[tuple[int, str]] = []
    for row in (attempts[-1] for attempts in tries.values()):
        for install_id, install in _installs_of(row).items():
            work = _work_at(install)
            rank = _rank(work, known.get((_unit_id(row, install_id), work.workflow_id)))
            if rank is not None and work.workflow_id:
                ranked.append((rank, work.workflow_id))
    ranked.sort(key=lambda one: one[0])
    yield from list(dict.fromkeys(workflow_id for _, workflow_id in ranked))[:_MOST_WORKFLOWS]


def _workflows_in(run: Entity) -> Mapping[tuple[str, str], Entity]:
    """Return the installs' workflows that were read, by the ids of their units and their own."""
    return {
        (unit.id, workflow.id): workflow
        for group in run.children
        for unit in group.children
        for workflow in unit.children
    }


def _rank(work: _Work, known: Entity | None) -> int | None:
    """Return how soon a workflow is to be asked for; None where it can tell nothing new."""
    if work.phase is Phase.FAILED:
        return None if known is not None and known.phase.is_terminal else 0
    if work.phase not in _OPEN or (known is not None and known.phase is Phase.SUCCEEDED):
        return None
    return 1 if known is None else 2 if known.is_absent else 3
