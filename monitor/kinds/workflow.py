"""A workflow: its step groups, and each group's steps (`GET /v1/workflows/{workflow_id}`).

Whatever is done to an install is one: a deploy, a provision, an action. Workflows are found by
the list of an install's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import (
    app_lists,
    fields,
    nesting,
    objects,
    org_workflows,
    sharing,
    tree,
    wire,
    workflow_details,
    workflow_words,
)
from monitor.kinds.parts import PART_OF_WORKFLOW, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.paths import workflow_path
from monitor.kinds.profile import (
    Finder,
    KindProfile,
    LastSeen,
    Terms,
    WatchKind,
    logs_below,
    page_of_itself,
)
from monitor.kinds.wire import Question
from monitor.model import Entity, Found, Kind, ListPage, Phase, Target

NAME = "workflow"

STEP_GROUP: Final = Kind("step group", PART_OF_WORKFLOW)


def subject(workflow: Entity) -> tuple[str, ...]:
    """Return what a workflow does and where; its name has the component, action or runbook."""
    kind, install_id = workflow.fact("type"), workflow.install_id
    mode = "plan" if workflow.plan_only else "apply"
    return (kind, mode, install_id, workflow.name) if kind and install_id else ()


PROFILE: Final = KindProfile(
    root=WORKFLOW,
    step=STEP_GROUP,
    unit=WORKFLOW_STEP,
    terms=Terms(step="group", unit="step"),
    is_rolled_out_to_units=False,
    titles=("{name} on {install}",),
    subject=subject,
    page=page_of_itself,
    unit_page=logs_below,
)
_PERHAPS_DENIED = frozenset({"error", "failed", "failed-pending-retry", "approval-denied"})
_PAGE = 100
"""Rows; the platform refuses a larger `limit` (its public source, December 2025)."""


class _Group(objects.Stated, gc=False):
    group_idx: object = None
    name: object = None


class _Document(objects.Workflow, gc=False):
    """`step_groups` are given by newer platforms only; of others the steps say their group."""

    step_groups: list[_Group | objects.NonObject] | objects.NoList = None


class _Brief(msgspec.Struct, gc=False):
    steps: list[msgspec.Raw] | None = None


_decoder = msgspec.json.Decoder(_Document)
_brief_decoder = msgspec.json.Decoder(_Brief)
_page_decoder = msgspec.json.Decoder(list[objects.Step | objects.NonObject] | None)


def path(workflow_id: str) -> str:
    """Return the endpoint's path."""
    return workflow_path(workflow_id)


def further(
    body: bytes, workflow_id: str, beside: wire.Beside, _seen: Entity | None
) -> tuple[wire.Wanted, ...]:
    """Ask for the pages of the steps where the workflow itself came without any.

    Which versions of the platform load them with the workflow differs.
    """
    if wire.parse(body, _brief_decoder).steps:
        return ()
    for number in range(len(beside) + 1):
        page = _page_path(workflow_id, number)
        if page not in beside:
            return (wire.Wanted(page, is_needed=number > 0),)
        document = beside[page]
        if document is None or not document.has_more:
            break
    return ()


def questions(
    body: bytes, workflow_id: str, beside: wire.Beside, last_seen: LastSeen
) -> tuple[Question, ...]:
    """Return what explains the steps that failed, wait or are stalled: their deploys and policies.

    The platform shows what a policy said in the list of the steps only.
    """
    row = wire.parse(body, _decoder)
    row.steps = _steps(row, workflow_id, beside)
    stalled = _stalled_steps(last_seen)
    denied = [
        f"{fields.text(step.id)} {status}"
        for step in fields.rows(row.steps, objects.Step)
        if step.policy_validation is None
        and (status := fields.raw_status(WORKFLOW_STEP, step).status) in _PERHAPS_DENIED
    ]
    of_deploys = workflow_details.questions(row, stalled)
    if not denied:
        return of_deploys
    return (*of_deploys, Question(_page_path(workflow_id, 0), " ".join(denied)))


def _stalled_steps(last_seen: LastSeen) -> frozenset[str]:
    """Return the steps in flight that are stalled, or are in what is."""
    root, stalled = last_seen
    if root is None or not stalled:
        return frozenset()
    return frozenset(
        step.id
        for group in root.children
        for step in group.children
        if stalled & {root.id, group.id, step.id} and not step.phase.is_terminal
    )


def _page_path(workflow_id: str, number: int) -> str:
    return f"{_pages(workflow_id)}limit={_PAGE}&offset={number * _PAGE}"


def _pages(workflow_id: str) -> str:
    return f"{path(workflow_id)}/steps?"


def decode(
    body: bytes, workflow_id: str, _memo: wire.Memo[None], beside: wire.Beside = wire.NOTHING_BESIDE
) -> Entity:
    """Read a workflow; raises MalformedAnswer, also for a document about another one."""
    row = wire.parse(body, _decoder)
    if row.id != workflow_id:
        raise MalformedAnswer(
            f"the answer is about {fields.text(row.id)[:60]!r}, not about {workflow_id!r}"
        )
    if not fields.raw_status(WORKFLOW, row).status:
        raise MalformedAnswer("the workflow in the answer has no status")
    row.steps = _steps(row, workflow_id, beside)
    _add_policies(row, workflow_id, beside)
    workflow_details.add_deploys(row, beside)
    groups, rest = tree.workflow_steps(row, (workflow_id,))
    units = [step for group in groups.values() for step in group]
    children = [*_groups(row, dict(groups))]
    if rest and units:
        children = [_with_rest(group, units[-1], rest) for group in children]
    root = tree.workflow_entity(row, (workflow_id,), units, tuple(children))
    return sharing.once_below(root)


def _steps(
    row: _Document, workflow_id: str, beside: wire.Beside
) -> list[objects.Step | objects.NonObject]:
    """Return the steps of a workflow, or of the pages where it came without any."""
    if row.steps is not None and not isinstance(row.steps, list):
        raise MalformedAnswer("the steps in the answer are no list")
    steps = list(row.steps or ())
    for page in () if steps else _pages_in(beside, workflow_id):
        steps.extend(wire.parse(page.body, _page_decoder, "a page of workflow steps") or ())
    # One without an id can stand in an answer (its public source, 2026), at first it alone.
    found = fields.rows(steps, objects.Step)
    if wire.present(steps) and not found:
        raise MalformedAnswer("no workflow step in the answer is an object")
    return [step for step in found if fields.text(step.id)]


def _pages_in(beside: wire.Beside, workflow_id: str) -> list[wire.Document]:
    start = _pages(workflow_id)
    return [page for at, page in beside.items() if page is not None and at.startswith(start)]


def _add_policies(row: _Document, workflow_id: str, beside: wire.Beside) -> None:
    """Add what the list of the steps alone has, where it can be read."""
    listed = {
        fields.text(step.id): step.policy_validation
        for page in _pages_in(beside, workflow_id)
        for step in fields.rows(wire.optional(page.body, _page_decoder), objects.Step)
    }
    for step in fields.rows(row.steps, objects.Step):
        if step.policy_validation is None:
            step.policy_validation = listed.get(fields.text(step.id))


def _groups(row: _Document, steps: dict[int, tuple[Entity, ...]]) -> list[Entity]:
    """Return the groups in the order in which they run, those without a step yet as well."""
    given = {
        fields.number(group.group_idx): group for group in fields.rows(row.step_groups, _Group)
    }
    groups = [
        _group(f"{row.id}/{number}", given.get(number, _Group()), steps.get(number, ()))
        for number in sorted(steps.keys() | given.keys())
    ]
    is_given_up = workflow_words.is_given_up(row)
    return list(map(workflow_words.as_given_up, groups)) if is_given_up else groups


def _group(key: str, row: _Group, steps: tuple[Entity, ...]) -> Entity:
    """Return a group, which goes by its place in the workflow.

    Its record has an id, but may be missing: steps and groups can be of two replicas.
    """
    own = fields.raw_status(STEP_GROUP, row)
    derived = status_of(workflow_words.current(steps))
    times = [wire.read_time(row.updated_at), *(step.updated_at for step in steps)]
    group = Entity(
        kind=STEP_GROUP,
        id=key,
        status=own.status or derived,
        description=own.description,
        name=fields.text(row.name),
        created_at=wire.read_time(row.created_at),
        # Made of its steps' statuses as well, it is as new as the newest of them.
        updated_at=max(filter(None, times), default=None),
        status_at=own.at,
        history=own.history,
        children=steps,
    )
    has_open = any(not step.phase.is_terminal for step in workflow_words.current(steps))
    if has_open and group.phase is Phase.SUCCEEDED:
        return msgspec.structs.replace(group, status=derived)
    return group


_DECISIVE = (Phase.FAILED, Phase.WAITING, Phase.UNKNOWN)
"""What one step says of its whole group, the worst first."""


def status_of(steps: Sequence[Entity]) -> str:
    """Derive a group's status from its steps that count, in the platform's own words."""
    words = {
        step.phase: step.status for step in steps if step.status not in workflow_words.NEVER_RUN
    }
    if decisive := [words[phase] for phase in _DECISIVE if phase in words]:
        return decisive[0]
    if not steps or words.keys() == {Phase.PENDING}:
        return "pending"
    if {Phase.RUNNING, Phase.PENDING} & words.keys():
        return "in-progress"
    return next(filter(None, (words.get(Phase.ENDED), _word_of_what_never_ran(steps))), "success")


def _word_of_what_never_ran(steps: Sequence[Entity]) -> str:
    return next((step.status for step in steps if step.status in workflow_words.NEVER_RUN), "")


def _with_rest(group: Entity, last: Entity, rest: tuple[Entity, ...]) -> Entity:
    """Put what no step works at below the last step."""
    children = tuple(
        nesting.with_children(step, rest) if step is last else step for step in group.children
    )
    return msgspec.structs.replace(group, children=children)


# Finding them

_list_decoder = msgspec.json.Decoder(list[objects.Workflow | objects.NonObject] | None)


def of_install(install_id: str) -> str:
    """Return the path of an install's workflows."""
    return f"/v1/installs/{wire.path_segment(install_id)}/workflows"


def find(body: bytes, _install_id: str) -> ListPage:
    """Read one page of workflows; raises MalformedAnswer."""
    answered = wire.parse(body, _list_decoder, "the list of workflows")
    rows, without_id = fields.identified(answered, objects.Workflow, "workflow")
    return ListPage(tuple(map(_found, rows)), without_id)


def _found(row: objects.Workflow) -> Found:
    install_id = workflow_words.install_of(row)
    return Found(
        target=Target(NAME, fields.text(row.id)),
        is_over=workflow_words.is_over(row),
        created_at=wire.read_time(row.created_at),
        names=tuple(filter(None, (workflow_words.workflow_name(row), fields.text(row.type)))),
        ids=(install_id,) if install_id else (),
        type=fields.text(row.type),
        is_special=workflow_words.is_special(row),
    )


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=path,
    decode=decode,
    served=(
        "Workflows are served by the platform of today. An older one rolls out releases: watch"
        " release=, app= or component= there."
    ),
    stand_ins=("app", "component", "release"),
    id_prefix="inw",
    finders={
        "install": Finder(
            path=of_install,
            record=wire.record_at("/v1/installs"),
            decode=find,
            id_prefix="inl",
            lists_workflows=True,
        ),
        org_workflows.NAME: org_workflows.FINDER,
        app_lists.WORKFLOWS: org_workflows.FINDER_OF_APP,
    },
    further=further,
    questions=questions,
)
