"""A run's install groups: those of the plan, and what the run's steps and rows say of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from monitor.kinds import fields, run_installs, wire
from monitor.kinds.parts import PART_OF_WORKFLOW
from monitor.kinds.run_documents import (
    Branch,
    GroupRun,
    Plan,
    PlannedGroup,
    Run,
    branch_answer,
    first_text,
    group_run_list,
    newest_time,
    object_of,
)
from monitor.kinds.run_steps import GroupSteps
from monitor.kinds.wire import Beside, Question
from monitor.model import Entity, Kind, Phase, phase_of, status_words

INSTALL_GROUP: Final = Kind(
    "install group",
    # A group that is skipped is not rolled out to, which is no success of the group.
    PART_OF_WORKFLOW | status_words(ENDED="user-skipped auto-skipped superseded"),
)

_EARLIEST = datetime.min.replace(tzinfo=UTC)


def path_of_groups(branch_run_id: str) -> str:
    """Return the end of the path of a run's install groups, behind that of its branch."""
    # Of all that is asked for by a run's id, this alone wants the branch run's.
    return f"/runs/{wire.path_segment(branch_run_id)}/install-group-runs"


def path_of_plan(branch_path: str) -> str:
    """Return the path of a branch with the newest version of its plan."""
    return f"{branch_path}?latest_config=true"


def plan_of(run: Run, beside: Beside) -> Mapping[str, PlannedGroup]:
    """Return the groups that a run is for, by their keys, in order; empty where unknown.

    The run names the version of the branch's config that it goes by and seldom holds it. The
    branch itself shows the newest, which is of this run only where it is that version.
    """
    plan = object_of(run.app_branch_config, Plan)
    if not plan.install_groups:
        version, newest = _version_of_plan(run), _newest_plans(beside)
        plan = next((one for one in newest if version and one.id == version), plan)
    groups = sorted(
        fields.rows(plan.install_groups, PlannedGroup),
        key=lambda group: (fields.number(group.order), fields.text(group.name)),
    )
    return {first_text(group.name, group.id): group for group in groups}


def _newest_plans(beside: Beside) -> list[Plan]:
    document = next((one for path, one in beside.items() if path.endswith(path_of_plan(""))), None)
    if document is None:
        return []
    branch = wire.optional(document.body, branch_answer)
    return fields.rows(object_of(branch, Branch).configs, Plan)


def questions(
    branch_path: str, run: Run, beside: Beside, seen: Entity | None
) -> tuple[Question, ...]:
    """Return what explains a run's groups: the workflows of their installs, and the plan."""
    begun = group_runs_of(run, beside) or {}
    newest = ((tries[-1], key) for key, tries in begun.items())
    of_installs = run_installs.questions(newest, seen, beside)
    version = _version_of_plan(run)
    if not version or object_of(run.app_branch_config, Plan).install_groups:
        return of_installs
    return (Question(path_of_plan(branch_path), version), *of_installs)


def _version_of_plan(run: Run) -> str:
    return first_text(object_of(run.app_branch_config, Plan).id, run.app_branch_config_id)


def group_runs_of(run: Run, beside: Beside) -> Mapping[str, Sequence[GroupRun]] | None:
    """Return the tries at each group, the oldest first; None where they could not be had."""
    tail = path_of_groups(fields.text(run.id))
    document = next((answer for known, answer in beside.items() if known.endswith(tail)), None)
    if document is None:
        return None
    tries: dict[str, list[GroupRun]] = {}
    rows = wire.parse(document.body, group_run_list, "the list of install groups")
    for row in sorted(fields.rows(rows, GroupRun), key=_age):
        tries.setdefault(_key(row), []).append(row)
    return tries


def _age(row: GroupRun) -> tuple[datetime, str]:
    created_at = wire.read_time(row.created_at)
    return created_at or _EARLIEST, fields.text(row.id)


def _key(row: GroupRun) -> str:
    """Return a group's name: all that its row, its steps and the plan have in common."""
    given = object_of(row.install_group, PlannedGroup)
    names = row.install_group_name, given.name, row.install_group_id, row.id
    return first_text(*names) or "install group"


def install_groups(
    run: Run,
    at_groups: Mapping[str, GroupSteps],
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> tuple[Entity, ...]:
    """Return the groups in the order of the plan; what is not in it comes last."""
    planned = plan_of(run, beside)
    begun = group_runs_of(run, beside) or {}
    groups: list[Entity] = []
    for key in filter(None, dict.fromkeys([*planned, *at_groups, *begun])):
        plan, steps = planned.get(key, PlannedGroup()), at_groups.get(key, GroupSteps())
        if key in begun:
            group = _group(key, plan, begun[key], beside, memo)
        else:
            group = _group_without_row(key, plan, steps)
        groups.append(msgspec.structs.replace(group, facts=steps.answer))
    return tuple(groups)


def _group_without_row(key: str, plan: PlannedGroup, steps: GroupSteps) -> Entity:
    """Return a group that has not begun, or was left out: its steps say which.

    The platform writes the row when the group begins. The status is empty while no step says more,
    so that a group that had a row before is kept as it was last seen.
    """
    decisive = steps.decisive
    to_come = "pending" if steps.is_planned else ""
    source = decisive or (steps.plans if steps.is_planned else None)
    return Entity(
        kind=INSTALL_GROUP,
        id=key,
        status=decisive.status if decisive else to_come,
        description=decisive.description if decisive else "",
        name=key,
        status_at=source.status_at if source else None,
        planned=_sorted(fields.rows(plan.install_ids, str)),
    )


def _group(
    key: str,
    plan: PlannedGroup,
    tries: Sequence[GroupRun],
    beside: Beside,
    memo: wire.Memo[Entity | None],
) -> Entity:
    newest = tries[-1]
    given = object_of(newest.install_group, PlannedGroup)
    status = fields.raw_status(INSTALL_GROUP, newest)
    installs = run_installs.installs_of(newest)
    # The row names all of its installs only a moment after it says how many these are.
    is_whole = len(installs) >= max(fields.number(newest.total_installs), 1)
    units = wire.in_order(
        unit for row in tries for unit in run_installs.units(row, key, beside, memo)
    )
    return Entity(
        kind=INSTALL_GROUP,
        id=key,
        status=_word_of(status.status, units),
        description=status.description,
        name=key,
        created_at=wire.read_time(tries[0].created_at),
        updated_at=newest_time(newest.updated_at, newest.completed_at),
        status_at=status.at,
        history=status.history,
        planned=_sorted(
            installs
            if is_whole
            else fields.rows(plan.install_ids, str) or fields.rows(given.install_ids, str)
        ),
        children=units,
    )


def _word_of(status: str, units: Sequence[Entity]) -> str:
    """Return a group's status: one whose installs a newer run took over has not failed."""
    phases = {unit.phase for unit in units}
    is_superseded = any(unit.status == run_installs.SUPERSEDED for unit in units)
    has_failed = phase_of(INSTALL_GROUP, status) is Phase.FAILED
    return (
        run_installs.SUPERSEDED
        if has_failed and is_superseded and Phase.FAILED not in phases
        else status
    )


def _sorted(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(filter(None, ids))))
