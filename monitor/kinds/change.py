"""One change over many installs: workflows that the platform ties to each other by an identifier.

There is no such object on the platform: vendors deploy a build to their installs in a loop of
their own. Which workflows belong together is found out by the list that they stand in; this reads
how they fare, in the same list (`GET /v1/workflows`) and each by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from monitor.kinds import org_workflows, tree, wire, workflow_details, workflow_words
from monitor.kinds.org_workflows import Row
from monitor.kinds.parts import WHOLE_WORKFLOW
from monitor.kinds.paths import workflow_path
from monitor.kinds.profile import (
    DashboardPage,
    KindProfile,
    LastSeen,
    Terms,
    WatchKind,
    page_of_install,
    page_of_work,
)
from monitor.kinds.wire import Beside, Question
from monitor.model import Entity, Kind, Phase, status_words

NAME: Final = "change"
QUIET_PERIOD: Final = timedelta(minutes=10)
"""How long no further install must come for the change to have come to its end."""
_GIVEN_UP_AFTER: Final = timedelta(hours=1)
"""The same where a workflow cannot be had: those of a deleted install vanish without an end."""
_PAGE: Final = f"{org_workflows.PATH}?limit=100"
_UNDER_WAY, _SUCCEEDED, _FAILED = "in-progress", "success", "error"
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)

_THE_INSTALLS: Final = "the installs"

_WORDS: Final = status_words(RUNNING=_UNDER_WAY, SUCCEEDED=_SUCCEEDED, FAILED=_FAILED)
"""Ours, and none of the platform's: it has no such object."""
CHANGE: Final = Kind(NAME, _WORDS)
INSTALLS: Final = Kind("installs of a change", _WORDS, growing_statuses=frozenset({_UNDER_WAY}))
INSTALL_WORKFLOW: Final = Kind("install workflow", WHOLE_WORKFLOW)
"""What is done at one install: a whole workflow, which is not part of any other."""


def id_of(first_workflow_id: str, tie: str) -> str:
    """Return the id of a change: its first workflow's, and what ties the others to it."""
    return f"{first_workflow_id}@{tie}"


def tie_of(change_id: str) -> str:
    """Return what ties the workflows of a change."""
    return change_id.partition("@")[2]


def subject(change: Entity) -> tuple[str, ...]:
    """Return what is done, such as a deploy of one component: later builds of it as well."""
    kind, mode = change.fact("type"), "plan" if change.plan_only else "apply"
    return (kind, mode, change.name) if kind and change.name else ()


def page(change: Entity) -> DashboardPage | None:
    """Return the page of the one workflow there is; of several together there is none."""
    units = [unit for step in change.children for unit in step.children]
    return page_of_install(units[0]) if len(units) == 1 else None


PROFILE: Final = KindProfile(
    root=CHANGE,
    step=INSTALLS,
    unit=INSTALL_WORKFLOW,
    terms=Terms(step=_THE_INSTALLS),
    unit_names=("{install}",),
    subject=subject,
    page=page,
    unit_page=page_of_work,
)


def decode(
    body: bytes,
    change_id: str,
    memo: wire.Memo[Entity | None],
    beside: Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read the workflows that a change is known to consist of; raises MalformedAnswer."""
    members = wire.members_of(beside)
    listed = _listed(body, members.ids)
    units = wire.in_order(
        unit
        for workflow_id in members.ids
        if (unit := _unit(listed.get(workflow_id), _by_itself(workflow_id, beside, memo)))
    )
    is_whole = len(units) == len(members.ids)
    status = _status_of(_current(units), members.now, is_whole=is_whole)
    changed_at = max((_last_change(unit) for unit in units), default=None)
    first = units[0] if units else Entity(INSTALL_WORKFLOW, "")
    step = Entity(
        kind=INSTALLS,
        id=f"{change_id}/installs",
        status=status,
        name=_THE_INSTALLS,
        created_at=first.created_at,
        updated_at=changed_at,
        children=units,
    )
    return Entity(
        kind=CHANGE,
        id=change_id,
        status=status,
        name=first.name,
        created_at=first.created_at,
        updated_at=changed_at,
        build_id=tie_of(change_id).partition(org_workflows.BUILD)[2],
        created_by=first.created_by,
        plan_only=all(unit.plan_only for unit in units) and bool(units),
        facts=first.facts,
        children=(step,),
    )


def _listed(body: bytes, ids: Iterable[str]) -> dict[str, Entity]:
    wanted = frozenset(ids)
    return {
        workflow.id: workflow
        for row in org_workflows.rows_of(body)[0]
        if row.id in wanted and (workflow := _workflow(row))
    }


def _workflow(row: Row) -> Entity | None:
    workflow = tree.workflow(row)
    return workflow if workflow.status else None


def _by_itself(workflow_id: str, beside: Beside, memo: wire.Memo[Entity | None]) -> Entity | None:
    document = beside.get(workflow_path(workflow_id))
    if document is None:
        return None
    workflow = workflow_details.workflow(document, beside, memo)
    return workflow if workflow is not None and workflow.id == workflow_id else None


def _unit(listed: Entity | None, whole: Entity | None) -> Entity | None:
    """Return how an install fares, by the newer of what the list and the workflow itself say."""
    newest = max(filter(None, (listed, whole)), key=_last_change, default=None)
    if newest is None:
        return None
    detailed = whole or newest
    status, description = newest.status, newest.description
    if not newest.phase.is_terminal and (waiting := workflow_words.waiting_in(detailed)):
        status, description = waiting.status, workflow_words.awaited(waiting)
    elif newest.phase is detailed.phase:
        description = detailed.description or description
    return msgspec.structs.replace(
        newest,
        kind=INSTALL_WORKFLOW,
        status=status,
        description=description,
        workflow_id=newest.id,
        children=(whole,) if whole is not None else (),
    )


def _last_change(entity: Entity) -> datetime:
    times = (entity.created_at, entity.updated_at, entity.status_at)
    return max(filter(None, times), default=_EARLIEST)


def _current(units: Sequence[Entity]) -> tuple[Entity, ...]:
    """Return the units that count: a later workflow at an install replaces the earlier."""
    return tuple({unit.work: unit for unit in units}.values())


def _status_of(units: Sequence[Entity], now: datetime | None, *, is_whole: bool) -> str:
    """Return how all of them fare; they have come to their end once no more come either."""
    period = QUIET_PERIOD if is_whole else _GIVEN_UP_AFTER
    is_quiet = now is None or all(now - _last_change(unit) >= period for unit in units)
    if not (units and is_quiet) or not all(unit.phase.is_terminal for unit in units):
        return _UNDER_WAY
    return _FAILED if any(unit.phase is Phase.FAILED for unit in units) else _SUCCEEDED


def questions(
    body: bytes, _change_id: str, beside: Beside, last_seen: LastSeen
) -> tuple[Question, ...]:
    """Return the workflows that say more than the list, or have left it: what failed first."""
    ids = wire.members_of(beside).ids
    listed, seen = _listed(body, ids), _seen_in(last_seen.root)
    by_urgency: dict[int, list[Question]] = {}
    details: list[Question] = []
    for workflow_id in ids:
        known = listed.get(workflow_id) or seen.get(workflow_id)
        urgency = _urgency(known, is_listed=workflow_id in listed)
        if urgency is None:
            continue
        is_over = known is not None and known.phase.is_terminal
        # Once it is over, it moves no more unless its status says so.
        subject = f"{known.status} {known.updated_at}" if known and is_over else None
        path = workflow_path(workflow_id)
        by_urgency.setdefault(urgency, []).append(
            Question(path, subject, INSTALL_WORKFLOW if is_over else None)
        )
        if urgency == 0:
            details += workflow_details.questions_of(beside.get(path))
    urgent = by_urgency.pop(0, [])
    others = (one for _, some in sorted(by_urgency.items()) for one in some)
    return (*urgent, *details, *others)


def _urgency(known: Entity | None, *, is_listed: bool) -> int | None:
    if known is None:
        return 1
    if known.phase in (Phase.FAILED, Phase.WAITING):
        return 0
    if known.phase.is_terminal:
        return None if is_listed else 3
    return 2 if is_listed else 1


def _seen_in(change: Entity | None) -> dict[str, Entity]:
    units = (unit for step in change.children for unit in step.children) if change else ()
    return {unit.id: unit for unit in units}


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=lambda _: _PAGE,
    decode=decode,
    served="The list of an organisation's workflows is served since API 0.19.852.",
    stand_ins=("install", "workflow", "app"),
    id_prefix="chg",
    watched_by=None,
    questions=questions,
    has_members=True,
)
