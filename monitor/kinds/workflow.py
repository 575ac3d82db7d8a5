"""A workflow: its step groups, and each group's steps (`GET /v1/workflows/{workflow_id}`).

Whatever is done to an install is one: a deploy, a provision, an action. Workflows are found by
the list of an install's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import detail, wire
from monitor.kinds.parts import PART_OF_WORKFLOW, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.profile import Finder, KindProfile, Terms, WatchKind, page_of_itself
from monitor.model import Entity, Found, Kind, Phase, Target

NAME = "workflow"

STEP_GROUP: Final = Kind("step group", PART_OF_WORKFLOW)
PROFILE: Final = KindProfile(
    root=WORKFLOW,
    step=STEP_GROUP,
    unit=WORKFLOW_STEP,
    terms=Terms(step="group", unit="step"),
    is_rolled_out_to_units=False,
    titles=("{name} on {install}",),
    page=page_of_itself,
)
_PAGE = 100


class _Group(detail.Stated, gc=False):
    group_idx: object = None
    name: object = None


class _Document(detail.Workflow, gc=False):
    """`step_groups` are given by newer platforms only; of others the steps say their group."""

    step_groups: list[_Group | detail.Odd] | detail.NoList = None


class _Brief(msgspec.Struct, gc=False):
    steps: list[msgspec.Raw] | None = None


_decoder = msgspec.json.Decoder(_Document)
_brief_decoder = msgspec.json.Decoder(_Brief)
_page_decoder = msgspec.json.Decoder(list[detail.Step | detail.Odd] | None)


def path(workflow_id: str) -> str:
    """Return the endpoint's path."""
    return f"/v1/workflows/{wire.path_segment(workflow_id)}"


def further(
    body: bytes, workflow_id: str, beside: wire.Beside, _seen: Entity | None
) -> tuple[wire.Wanted, ...]:
    """Ask for the pages of the steps where the workflow itself came without any."""
    if wire.parse(body, _brief_decoder).steps:
        return ()
    for place in range(len(beside) + 1):
        page = _page_path(workflow_id, place)
        if page not in beside:
            return (wire.Wanted(page, is_needed=place > 0),)
        document = beside[page]
        if document is None or not document.has_more:
            break
    return ()


def _page_path(workflow_id: str, place: int) -> str:
    return f"{path(workflow_id)}/steps?limit={_PAGE}&offset={place * _PAGE}"


def decode(
    body: bytes, workflow_id: str, _memo: wire.Memo[None], beside: wire.Beside = wire.NOTHING_BESIDE
) -> Entity:
    """Read a workflow; raises MalformedAnswer, also for a document about another one."""
    row = wire.parse(body, _decoder)
    if row.id != workflow_id:
        raise MalformedAnswer(
            f"the answer is about {detail.text(row.id)[:60]!r}, not about {workflow_id!r}"
        )
    if not detail.raw_status(WORKFLOW, row).status:
        raise MalformedAnswer("the workflow in the answer has no status")
    steps = _steps(row, beside)
    if not all(isinstance(step, detail.Step) and detail.text(step.id) for step in steps):
        raise MalformedAnswer("a workflow step in the answer has no id")
    row.steps = steps
    groups, rest = detail.workflow_steps(row, (workflow_id,))
    units = [step for group in groups.values() for step in group]
    children = [*_groups(row, dict(groups))]
    if rest and units:
        children = [_with_rest(group, units[-1], rest) for group in children]
    root = detail.workflow_entity(row, (workflow_id,), units, tuple(children))
    return detail.once_below(root)


def _steps(row: _Document, beside: wire.Beside) -> list[detail.Step | detail.Odd]:
    if row.steps is not None and not isinstance(row.steps, list):
        raise MalformedAnswer("the steps in the answer are no list")
    steps = list(row.steps or ())
    for page in beside.values():
        if page is not None:
            steps.extend(wire.parse(page.body, _page_decoder, "a page of workflow steps") or ())
    return wire.present(steps)


def _groups(row: _Document, steps: dict[int, tuple[Entity, ...]]) -> list[Entity]:
    """Return the groups in the order in which they run, those without a step yet as well."""
    given = {
        detail.number(group.group_idx): group for group in detail.rows(row.step_groups, _Group)
    }
    return [
        _group(f"{row.id}/{place}", given.get(place, _Group()), steps.get(place, ()))
        for place in sorted(steps.keys() | given.keys())
    ]


def _group(key: str, row: _Group, steps: tuple[Entity, ...]) -> Entity:
    said = detail.raw_status(STEP_GROUP, row)
    derived = status_of(detail.current(steps))
    group = Entity(
        kind=STEP_GROUP,
        id=detail.text(row.id) or key,
        status=said.status or derived,
        description=said.description,
        name=detail.text(row.name),
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        status_at=said.at,
        history=said.history,
        children=steps,
    )
    has_open = any(not step.phase.is_terminal for step in detail.current(steps))
    if has_open and group.phase is Phase.SUCCEEDED:
        return msgspec.structs.replace(group, status=derived)
    return group


_NEVER_RUN = frozenset({"not-attempted", "discarded", "outdated"})


def status_of(steps: Sequence[Entity]) -> str:
    """Derive a group's status from its steps that count, in the platform's own words."""
    words = {step.phase: step.status for step in steps if step.status not in _NEVER_RUN}
    for phase in (Phase.FAILED, Phase.WAITING, Phase.UNKNOWN):
        if phase in words:
            return words[phase]
    if not steps or words.keys() == {Phase.PENDING}:
        return "pending"
    if Phase.RUNNING in words or Phase.PENDING in words:
        return "in-progress"
    never_run = next((step.status for step in steps if step.status in _NEVER_RUN), "")
    return words.get(Phase.ENDED) or never_run or "success"


def _with_rest(group: Entity, last: Entity, rest: tuple[Entity, ...]) -> Entity:
    """Put what no step works at below the last step."""
    children = tuple(
        msgspec.structs.replace(step, children=(*step.children, *rest)) if step is last else step
        for step in group.children
    )
    return msgspec.structs.replace(group, children=children)


# Finding them

_list_decoder = msgspec.json.Decoder(list[detail.Workflow | None] | None)


def of_install(install_id: str) -> str:
    """Return the path of an install's workflows."""
    return f"/v1/installs/{wire.path_segment(install_id)}/workflows"


def find(body: bytes, _install_id: str) -> tuple[Found, ...]:
    """Read one page of workflows; raises MalformedAnswer."""
    return tuple(_found(row) for row in wire.present(wire.parse(body, _list_decoder)))


def _found(row: detail.Workflow) -> Found:
    key = detail.text(row.id)
    if not key:
        raise MalformedAnswer("a workflow in the answer has no id")
    install_id = detail.install_of(row)
    return Found(
        target=Target(NAME, key),
        is_over=detail.is_over(row),
        created_at=wire.read_time(row.created_at),
        names=tuple(filter(None, (detail.workflow_name(row), detail.text(row.type)))),
        ids=(install_id,) if install_id else (),
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
    finders={"install": Finder(path=of_install, decode=find, id_prefix="inl")},
    further=further,
)
