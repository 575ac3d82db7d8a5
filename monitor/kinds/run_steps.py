"""A run's own steps: those that fetch, sync and build, and those at each of its install groups.

For each group the workflow of a run has a step that plans, which a person may have to approve, and
one that rolls out. They say how a group stands that has no row: it has not begun, or was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from monitor.kinds import workflow_words
from monitor.model import Entity, Phase

# The names that several versions of the platform's public source give them (2026).
_AT_GROUP = re.compile(
    r"(?P<does>plan|update|deploy) install group:? (?P<group>\S.*)", re.IGNORECASE
)
_AT_ALL = re.compile(r"(?:update|deploy) install(?: group)?", re.IGNORECASE)
_TO_COME = frozenset({"", "pending", "queued"})


class GroupSteps(NamedTuple):
    """The steps at one group; None where there is none."""

    plans: Entity | None = None
    rolls_out: Entity | None = None

    @property
    def answer(self) -> tuple[tuple[str, str], ...]:
        """How the plan's approval was answered, as facts of the group."""
        return workflow_words.answer_facts(self.plans) if self.plans is not None else ()

    @property
    def decisive(self) -> Entity | None:
        """The step that says how a group stands that has no row; None while none does.

        A plan that was made says nothing any more: the group has still to be rolled out to.
        """
        if self.rolls_out is not None and self.rolls_out.status not in _TO_COME:
            return self.rolls_out
        plans = self.plans
        if plans is not None and plans.phase not in (Phase.PENDING, Phase.SUCCEEDED):
            return plans
        return None

    @property
    def is_planned(self) -> bool:
        """Whether its plan was made, or approved, and it has certainly not begun."""
        rolls_out, plans = self.rolls_out, self.plans
        is_to_come = rolls_out is not None and rolls_out.status in _TO_COME
        return is_to_come and plans is not None and plans.phase is Phase.SUCCEEDED


class RunSteps(NamedTuple):
    """The steps of a run that are at no group, and those at each, by the group's name."""

    own: tuple[Entity, ...]
    at_groups: Mapping[str, GroupSteps]


def run_steps(run_id: str, workflow: Entity) -> RunSteps:
    """Sort the steps of a run's workflow, of each the last try."""
    own: list[Entity] = []
    at_groups: dict[str, GroupSteps] = {}
    for step in workflow_words.steps_of(workflow):
        name = workflow_words.without_retries(step.name)
        at_group = _AT_GROUP.fullmatch(name)
        if at_group is not None:
            known = at_groups.get(at_group["group"], GroupSteps())
            is_plan = at_group["does"].lower() == "plan"
            at_groups[at_group["group"]] = (
                known._replace(plans=step) if is_plan else known._replace(rolls_out=step)
            )
        elif not _AT_ALL.fullmatch(name):  # the rows of the groups say what came of that
            own.append(_own(run_id, step, name))
    return RunSteps(tuple(own), at_groups)


def _own(run_id: str, step: Entity, name: str) -> Entity:
    """Return a step as one of the run's: the same thing through all of its tries.

    What is below it explains it, and is no install.
    """
    is_waiting = step.phase is Phase.WAITING
    words = workflow_words.awaited(step) if is_waiting else step.description
    return msgspec.structs.replace(
        step,
        id=f"{run_id}/{step.slot or step.id}",
        name=name,
        description=words or _why(step.children, step.phase),
        slot="",
        facts=(*step.facts, *workflow_words.answer_facts(step)),
        children=(),
    )


def _why(parts: Iterable[Entity], phase: Phase) -> str:
    return next((one.description for one in parts if one.phase is phase and one.description), "")
