"""The installs of a run's groups: what is being done at each, and how that fares.

A group takes note of its installs one after another. What became of one is said first by the
workflow of the install, which is asked for where it says more than the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from monitor.kinds import fields, wire, workflow_details, workflow_words
from monitor.kinds.parts import PART_OF_WORKFLOW, WORKFLOW
from monitor.kinds.paths import workflow_path
from monitor.kinds.run_documents import (
    GroupRun,
    Install,
    Runbook,
    newest_time,
)
from monitor.kinds.wire import Beside, Question
from monitor.model import Entity, Kind, Phase, phase_of, status_words
from monitor.text import short_id

INSTALL_RUN: Final = Kind(
    "install run",
    # A customer has to act first: to create a stack, or to bring a runner back (its public source,
    # 2026). A newer run may take an install over from an older one.
    PART_OF_WORKFLOW | status_words(WAITING="pending_customer", ENDED="superseded"),
)
SUPERSEDED: Final = "superseded"

_IN_FLIGHT = frozenset({Phase.PENDING, Phase.RUNNING})
_OPEN = _IN_FLIGHT | {Phase.WAITING}


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


def _unit_id(row: GroupRun, group: str, install_id: str) -> str:
    return f"{fields.text(row.id) or group}/{install_id}"


def units(
    row: GroupRun, group: str, beside: Beside, memo: wire.Memo[Entity | None]
) -> Iterator[Entity]:
    """Yield the installs of one try at a group, whose key is `group`."""
    for install_id, install in installs_of(row).items():
        yield _unit(row, _unit_id(row, group, install_id), install, beside, memo)


def installs_of(row: GroupRun) -> dict[str, Install]:
    """Return a try's installs by their ids."""
    return {
        install_id: install
        for install in fields.rows(row.installs, Install)
        if (install_id := fields.text(install.install_id))
    }


def _unit(
    row: GroupRun,
    identifier: str,
    install: Install,
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> Entity:
    work = _work_at(install)
    workflow = _workflow_at(work, beside, memo)
    status, description = _state_of(work, workflow)
    return Entity(
        kind=INSTALL_RUN,
        id=identifier,
        status=status,
        description=description or _beside_status(install),
        created_at=wire.read_time(row.created_at),
        # Each document has a time of its own: of the two either can be the older one.
        updated_at=newest_time(row.updated_at, row.completed_at),
        status_at=_time_of(workflow) if workflow else None,
        install_id=fields.text(install.install_id),
        workflow_id=work.workflow_id,
        children=(workflow,) if workflow else (),
    )


def _time_of(workflow: Entity) -> datetime | None:
    """Return when a workflow moved: its own time does not move with its steps."""
    parts = (workflow, *workflow.children)
    times = (time for part in parts for time in (part.status_at, part.updated_at))
    return max(filter(None, times), default=None)


def _workflow_at(work: _Work, beside: Beside, memo: wire.Memo[Entity | None]) -> Entity | None:
    document = beside.get(workflow_path(work.workflow_id)) if work.workflow_id else None
    if document is None:
        return None
    workflow = workflow_details.workflow(document, beside, memo)
    if workflow is None or workflow.id != work.workflow_id:
        return None
    # It is asked for again: a replica that lags has not seen it fail.
    is_behind = work.phase is Phase.FAILED and workflow.phase in _IN_FLIGHT
    return None if is_behind else workflow


def _beside_status(install: Install) -> str:
    # The id of a branch run leads to no page: there it goes by the id of its workflow.
    newer_run = fields.text(install.superseded_by_run_id)
    return f"by the newer run {short_id(newer_run)}" if newer_run else fields.text(install.reason)


def _state_of(work: _Work, workflow: Entity | None) -> tuple[str, str]:
    """Return how an install fares, and why.

    A group takes note of its installs one after another, so that one which it takes to be under
    way may have ended long ago: there the install's own workflow is believed. Where it was not
    read, nothing is known, and the status is empty, so that the one last seen is kept.
    """
    is_open = work.phase in _OPEN
    if workflow is None:
        is_unread = work.phase in _IN_FLIGHT and work.workflow_id and not work.runbook
        return "" if is_unread else work.status, work.runbook
    if is_open:
        return _state_by_workflow(work, workflow)
    reason = workflow.description if workflow.phase is work.phase is Phase.FAILED else ""
    return work.status, reason or work.runbook


def _state_by_workflow(work: _Work, workflow: Entity) -> tuple[str, str]:
    if workflow.phase is Phase.SUCCEEDED:
        # After one runbook there can be another.
        return (work.status, work.runbook) if work.runbook else (workflow.status, "")
    if workflow.phase.is_terminal:
        return workflow.status, workflow.description or work.runbook
    if (waiting := workflow_words.waiting_in(workflow)) is not None:
        return waiting.status, workflow_words.awaited(waiting)
    return work.status, work.runbook


def questions(
    rows: Iterable[tuple[GroupRun, str]], seen: Entity | None, beside: Beside
) -> tuple[Question, ...]:
    """Return the workflows that say more than the groups do, those that failed first.

    `rows` are the newest tries at the groups, each with the group's key. What explains a workflow
    that failed comes behind all of these.
    """
    finished = _finished_in(seen) if seen is not None else frozenset()
    failed: list[Question] = []
    details: list[Question] = []
    under_way: list[Question] = []
    for row, group in rows:
        for install_id, install in installs_of(row).items():
            work = _work_at(install)
            path = workflow_path(work.workflow_id)
            key = _unit_id(row, group, install_id), work.workflow_id
            if not work.workflow_id or key in finished:
                continue
            if work.phase is Phase.FAILED:
                failed.append(Question(path, work.status, halted=WORKFLOW))
            elif work.phase in _OPEN:
                under_way.append(Question(path))
            else:
                continue
            # Its workflow may say that it failed before the group takes note of it.
            details += workflow_details.questions_of(beside.get(path))
    return tuple(dict.fromkeys((*failed, *details, *under_way)))


def _finished_in(run: Entity) -> frozenset[tuple[str, str]]:
    """Return the workflows that ended well, by the ids of their units and their own."""
    return frozenset(
        (unit.id, workflow.id)
        for group in run.children
        for unit in group.children
        for workflow in unit.children
        if workflow.phase is Phase.SUCCEEDED
    )
