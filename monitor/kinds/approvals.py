"""All that waits for an approval, in the whole organisation.

The list (`GET /v1/workflows/pending-approvals`) holds every approval that was never answered,
also those whose step was cancelled, retried or overtaken since: only a step that says itself
that it waits does. It is drawn as the workflows that wait, and below each its approvals. What the
list lacks is asked about at its workflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, objects, tree, wire, workflow_words
from monitor.kinds.parts import APPROVAL, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.paths import workflow_path
from monitor.kinds.profile import (
    KindProfile,
    LastSeen,
    Terms,
    WatchedBy,
    WatchKind,
    page_of_itself,
    page_of_workflow,
)
from monitor.kinds.wire import Beside, Question, Wanted
from monitor.model import Entity, Kind

NAME = "approvals"

APPROVALS: Final = Kind("pending approvals", is_perpetual=True)
PROFILE: Final = KindProfile(
    root=APPROVALS,
    step=WORKFLOW,
    unit=APPROVAL,
    terms=Terms(step="workflow", unit="approval"),
    is_list_of_waits=True,
    step_names=("{name} on {install}", "{name}"),
    unit_names=("{step}", "{name} on {install}"),
    step_page=page_of_itself,
    unit_page=page_of_workflow,
)

_WAITS = "approval-awaiting"
_LIST = "/v1/workflows/pending-approvals"
_PAGE = 100
"""Rows; the platform refuses a larger `limit` (its public source, December 2025)."""


class _Step(objects.Step, gc=False):
    owner_id: object = None
    owner_type: object = None
    workflow_id: object = None
    install_workflow_id: object = None


class _Approval(objects.Approval, gc=False):
    workflow_step: _Step | objects.NonObject = None


_workflow_decoder = msgspec.json.Decoder(objects.Workflow)
_decoder = msgspec.json.Decoder(list[_Approval | objects.NonObject] | None)


def path(_organisation: str) -> str:
    """Return the endpoint's path; which organisation is asked for is in the request's headers."""
    return _page(0)


def _page(offset: int) -> str:
    start = f"&offset={offset}" if offset else ""
    return f"{_LIST}?limit={_PAGE}{start}"


def further(
    body: bytes, _organisation: str, beside: Beside, _seen: Entity | None
) -> tuple[Wanted, ...]:
    """Return the next page of the list, as long as there is one.

    A platform that knows no pages answers with the whole list whatever it is asked for.
    """
    if len(wire.parse(body, _decoder) or ()) < _PAGE:
        return ()
    for offset in range(_PAGE, _PAGE * len(beside) + 2 * _PAGE, _PAGE):
        page = _page(offset)
        document = beside.get(page)
        if document is None:
            return (Wanted(page),)
        if not document.has_more:
            break
    return ()


def decode(
    body: bytes,
    organisation: str,
    _memo: wire.Memo[Entity],
    beside: Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read all pages; raises MalformedAnswer.

    What the pages lack and was asked about is in the tree with what its step says of it: also
    where that is no wait any more.
    """
    # The platform's pages are cut from rows in no order, so that some repeat (its public source,
    # December 2025): of those with one id the newest counts.
    listed = wire.in_order(_listed(body, beside))
    waiting: dict[str, list[Entity]] = {}
    for approval in (*listed, *_asked_about(beside, {one.id for one in listed})):
        waiting.setdefault(approval.workflow_id, []).append(approval)
    return Entity(
        kind=APPROVALS,
        id=organisation,
        name="Pending approvals",
        children=wire.in_order(
            _workflow(workflow_id, tuple(approvals)) for workflow_id, approvals in waiting.items()
        ),
    )


def questions(
    body: bytes, _organisation: str, beside: Beside, last_seen: LastSeen
) -> tuple[Question, ...]:
    """Return the workflows of what waited and is not in the list: their steps say more of it.

    The list alone does not: its pages miss rows, and it comes from a replica that can lag.
    """
    if last_seen.root is None:
        return ()
    listed = {approval.id for approval in _listed(body, beside)}
    missing = (unit for unit in _units(last_seen.root) if unit.id not in listed)
    paths = dict.fromkeys(workflow_path(unit.workflow_id) for unit in missing)
    return tuple(map(Question, paths))


def _units(root: Entity) -> Iterator[Entity]:
    return (unit for workflow in root.children for unit in workflow.children)


def _listed(body: bytes, beside: Beside) -> Iterator[Entity]:
    yield from _approvals(body)
    for where, document in beside.items():
        if document is not None and where.startswith(_LIST):
            yield from _approvals(document.body)


def _asked_about(beside: Beside, listed: Set[str]) -> Iterator[Entity]:
    """Yield the approvals of the workflows that were asked for, but for those of the list."""
    for where, document in beside.items():
        if document is None or where.startswith(_LIST):
            continue
        try:
            workflow = tree.workflow(wire.parse(document.body, _workflow_decoder))
        except MalformedAnswer:
            continue  # it only adds to the list
        for step in workflow.children:
            for approval in step.children:
                if approval.kind == APPROVAL and approval.id not in listed:
                    yield _as_listed(approval, step, workflow)


def _as_listed(approval: Entity, step: Entity, workflow: Entity) -> Entity:
    kind = approval.fact("type")
    return Entity(
        kind=APPROVAL,
        id=approval.id,
        status=approval.status,
        description=workflow_words.to_approve(kind),
        name=step.name,
        created_at=approval.created_at,
        updated_at=approval.updated_at,
        status_at=step.status_at,
        install_id=workflow.install_id,
        workflow_id=workflow.id,
        slot=approval.id,
        facts=approval.facts,
    )


def _approvals(body: bytes) -> Iterator[Entity]:
    rows = wire.parse(body, _decoder, "the list of approvals")
    for row in fields.rows(rows, _Approval):
        step = row.workflow_step
        is_answered = isinstance(row.response, objects.Response) and bool(row.response.type)
        if fields.text(row.id) and isinstance(step, _Step) and not is_answered:
            status = fields.raw_status(WORKFLOW_STEP, step)
            if status.status == _WAITS:
                yield _approval(row, step, status)


def _approval(row: _Approval, step: _Step, status: wire.Status) -> Entity:
    identifier, name = fields.text(row.id), fields.text(step.name)
    workflow_id = fields.text(step.workflow_id) or fields.text(step.install_workflow_id)
    return Entity(
        kind=APPROVAL,
        id=identifier,
        status=status.status,
        description=workflow_words.to_approve(fields.text(row.type)),
        name=name,
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        status_at=status.at,
        install_id=fields.text(step.owner_id) if step.owner_type == "installs" else "",
        workflow_id=workflow_id or identifier,
        slot=identifier,  # an install can wait for several at a time
        facts=fields.facts_of(type=row.type),
    )


def _workflow(workflow_id: str, approvals: tuple[Entity, ...]) -> Entity:
    """Return a workflow that waits; the list says no more of it than its steps do."""
    first = approvals[0]
    return Entity(
        kind=WORKFLOW,
        id=workflow_id,
        status=_WAITS,
        name=first.name,
        created_at=first.created_at,
        install_id=first.install_id,
        workflow_id=workflow_id,
        children=approvals,
    )


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=path,
    decode=decode,
    served=(
        "The organisation's pending approvals are served since API 0.19.852. Watch install= or"
        " workflow= on an older platform: a workflow that waits for an approval is told there too."
    ),
    stand_ins=("install", "workflow", "app"),
    id_prefix="org",
    watched_by=WatchedBy.WHOLE_ORG,
    further=further,
    questions=questions,
)
