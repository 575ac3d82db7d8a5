"""What is said of the platform's workflows and their steps: names, statuses, their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from monitor.kinds import objects, wire
from monitor.kinds.fields import facts_of, number, raw_status, record_of, text, word_of
from monitor.kinds.parts import WORKFLOW, WORKFLOW_STEP
from monitor.model import Entity, Phase, phase_of

_APPROVES = {
    "noop": "a plan without changes",
    "approve-all": "all that follows",
    "terraform_plan": "the Terraform plan",
    "kubernetes_manifest_approval": "the Kubernetes changes",
    "helm_approval": "the Helm changes",
    "pulumi_plan": "the Pulumi plan",
    "app_branch_plan": "the plan of the app branch",
    "install_creation": "the new install",
}
_ANSWERS = {
    "approve": "approved",
    "auto-approve": "approved",
    "deny": "approval-denied",
    "deny-skip-current": "approval-denied",
    "deny-skip-current-and-dependents": "approval-denied",
    "retry": "approval-retry",
}
_TYPES = {
    "manual_deploy": "deploy",
    "input_update": "update of inputs",
    "teardown_component": "teardown",
    "teardown_components": "teardown of components",
    "deploy_components": "deploy of components",
    "deprovision_sandbox": "deprovision of the sandbox",
    "reprovision_sandbox": "reprovision of the sandbox",
    "reprovision_stack": "reprovision of the stack",
    "drift_run": "drift check",
    "drift_run_reprovision_sandbox": "drift check of the sandbox",
    "action_workflow_run": "action",
    "runbook_run": "runbook",
    "sync_secrets": "sync of secrets",
    "app_branches_manual_update": "manual run",
    "app_branches_config_repo_update": "run for a new app config",
    "app_branches_component_repo_update": "run for a new component commit",
}
_OF_AN_ANSWER = ("answer", "answered_by")
TYPES = frozenset(
    {
        *_TYPES,
        *("provision", "reprovision", "deprovision"),
        *("app_branch_config_update", "app_config_build", "app_install_sync"),
        *("component_enabled", "component_disabled"),
    }
)
"""The platform's words for what a workflow does (its public source, 2026); there can be more."""
_RETRIES = re.compile(r"(?: \(retry \d+\))+$")


def answer_of(response: str) -> str:
    """Return the status that a response gives an approval; one that we do not know is its own."""
    return _ANSWERS.get(response, response)


def answer_facts(step: Entity) -> tuple[tuple[str, str], ...]:
    """Return how a step's approval was answered, as facts of what is drawn in the step's place."""
    approval = next((one for one in step.children if one.fact("answer")), None)
    if approval is None:
        return ()
    facts = tuple(fact for fact in approval.facts if fact[0] in _OF_AN_ANSWER)
    return facts + facts_of(note=approval.description)


def without_retries(step_name: str) -> str:
    """Return a step's name without what the platform appends to it for each retry."""
    return _RETRIES.sub("", step_name)


def to_approve(approval_type: str) -> str:
    """Return what a step that waits for an approval wants approved, such as `the Helm changes`."""
    what = _APPROVES.get(approval_type, approval_type.replace("_", " ").replace("-", " "))
    return what or "the plan"


def workflow_name(row: objects.Workflow) -> str:
    """Say what a workflow does, and for which component or action, in words that do not change."""
    kind = text(row.type)
    words = _TYPES.get(kind) or kind.replace("_", " ")
    beside = row.metadata if isinstance(row.metadata, objects.Suffixes) else objects.Suffixes()
    named = (beside.suffix, beside.install_action_workflow_name, beside.runbook_name)
    suffix = next(filter(None, map(text, named)), "")
    return " ".join(filter(None, (words, suffix))) or text(row.name)


def install_of(row: objects.Workflow) -> str:
    """Return the id of the install that a workflow is of; empty for one of something else."""
    if row.owner_type in ("installs", "install"):
        return text(row.owner_id)
    return text(row.metadata.install_id) if isinstance(row.metadata, objects.Suffixes) else ""


def is_finished(row: objects.Workflow) -> bool:
    """Whether a workflow has an end, good or bad."""
    return row.finished is True or wire.read_time(row.finished_at) is not None


def is_over(row: objects.Workflow) -> bool:
    """Whether a workflow of a list came to an end, good or bad, and nothing is awaited."""
    phase = phase_of(WORKFLOW, workflow_status(row, ()).status)
    return phase is Phase.FAILED or (phase.is_terminal and is_finished(row))


def current(steps: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return the steps that count: of those with one slot the last, as a retry comes later."""
    return tuple({step.work: step for step in steps}.values())


def steps_of(workflow: Entity) -> tuple[Entity, ...]:
    """Return the steps of a workflow that count."""
    return current(one for one in workflow.children if one.kind == WORKFLOW_STEP)


def waiting_in(workflow: Entity) -> Entity | None:
    """Return what waits for a person: one of a workflow's steps, or else the workflow itself."""
    candidates = (*steps_of(workflow), workflow)
    return next((one for one in candidates if one.phase is Phase.WAITING), None)


def awaited(waiting: Entity) -> str:
    """Return what a step waits for, and which step it is where that does not say it."""
    is_approval = waiting.status == "approval-awaiting" and waiting.name
    return f"{waiting.description} ({waiting.name})" if is_approval else waiting.description


def workflow_status(row: objects.Workflow, steps: Iterable[Entity]) -> wire.Status:
    """Read a workflow's status.

    Older platforms write `success` after every step (the public source of December 2025): it is
    one only where there is an end, and what the history has of it is no news. A check for drift
    says so also where it found some.
    """
    status = raw_status(WORKFLOW, row)
    word, description, counting = status.status, status.description, current(steps)
    if _is_good(word) and _is_premature(row, counting):
        word = "in-progress"
    elif _is_good(word) and (drifted := _drifted(row, counting)) is not None:
        word, description = drifted.status, drifted.description
    history = tuple(past for past in status.history if not _is_good(past.status))
    if word == status.status and len(history) == len(status.history):
        return status
    return msgspec.structs.replace(status, status=word, description=description, history=history)


_DRIFT_CHECKS = ("drift_run", "drift_run_reprovision_sandbox")


def is_drift_check(row: objects.Workflow) -> bool:
    """Whether a workflow only looks for what was changed behind the platform's back."""
    return row.type in _DRIFT_CHECKS


def is_special(row: objects.Workflow) -> bool:
    """Whether a workflow changes nothing: it is followed only where its type is asked for."""
    return row.plan_only is True or is_drift_check(row)


def _drifted(row: objects.Workflow, steps: Iterable[Entity]) -> Entity | None:
    """Return the step by which a check for drift found some."""
    if not is_drift_check(row):
        return None
    return next((step for step in steps if step.status == "drifted"), None)


def is_given_up(row: objects.Workflow) -> bool:
    """Whether a workflow came to a bad end at which none of its steps waits for a retry any more.

    An `error` alone is none: a person can still have a step of it tried again.
    """
    word = raw_status(WORKFLOW, row).status
    is_bad = phase_of(WORKFLOW, word) is Phase.FAILED
    return is_bad and (word != "error" or _metadata_of(row).are_over)


def as_given_up(part: Entity) -> Entity:
    """Return a part of a workflow that is given up: what waited for a retry has failed.

    Nobody can have it tried again.
    """
    facts = tuple((name, _NO if name in _REMEDIES else value) for name, value in part.facts)
    if part.status == wire.PARKED:
        return msgspec.structs.replace(part, status="error", facts=facts)
    return msgspec.structs.replace(part, facts=facts) if facts != part.facts else part


_REMEDIES = ("retryable", "skippable")
_YES, _NO = "true", "false"


def remedies_of(row: objects.Step) -> tuple[tuple[str, str], ...]:
    """Return what a person can do about a step once it fails, as facts.

    Where that has passed they say so: a fact that is merely missing would stand as it was.
    """
    has_passed = row.retried is True or _metadata_of(row).are_over
    can_be = _NO if has_passed else _YES
    return tuple((name, can_be) for name in _REMEDIES if getattr(row, name) is True)


def _is_good(word: str) -> bool:
    return phase_of(WORKFLOW, word) is Phase.SUCCEEDED


def _is_premature(row: objects.Workflow, steps: Sequence[Entity]) -> bool:
    """Whether a success is that of the last step and not of the whole.

    That a workflow is finished does not settle it: one that a person had tried again is marked so
    after every five steps (the public source, December 2025), and goes on. All steps are created
    at once, so that none of them is left to be done where it has succeeded.
    """
    if is_finished(row):
        return any(step.phase in _TO_BE_DONE and step.status not in NEVER_RUN for step in steps)
    return not steps or not all(step.phase.is_terminal for step in steps)


_TO_BE_DONE = frozenset({Phase.PENDING, Phase.RUNNING, Phase.WAITING})
NEVER_RUN = frozenset({"not-attempted", "discarded", "outdated"})
"""What a step says that was not come to, or that another row stands for."""


def step_status(row: objects.Step, approval: Entity | None) -> wire.Status:
    """Read a step's status: one that failed and was answered, retried or skipped says so."""
    status = raw_status(WORKFLOW_STEP, row)
    word, description = status.status, status.description
    if word == "approval-awaiting":
        answer = approval.status if approval else ""
        if not answer:
            description = to_approve(approval.fact("type") if approval else "")
        elif answer in _ANSWERS.values():
            word = answer
    elif word_of(record_of(row)) == "error":
        word = _word_after_error(word, _metadata_of(row))
    if word is status.status and description is status.description:
        return status
    return msgspec.structs.replace(status, status=word, description=description)


def _word_after_error(word: str, metadata: objects.Metadata) -> str:
    """Return what a step in error has come to since; `word` says so as far as it was retried."""
    if wire.is_set(metadata.skipped_on_failure):
        return "auto-skipped"
    is_retried = wire.is_set(metadata.auto_retried) and not metadata.are_over
    return "retrying" if is_retried else word


def _metadata_of(row: objects.Stated) -> objects.Metadata:
    record = record_of(row)
    found = record.metadata if isinstance(record, objects.Record) else None
    return found if isinstance(found, objects.Metadata) else objects.Metadata()


Position = tuple[int, int, int, int, datetime]
"""A step's position in the order: a retry comes behind the row that it is a retry of."""
FIRST: Position = (0, 0, 0, 0, datetime.min.replace(tzinfo=UTC))


def position_of(row: objects.Step) -> Position:
    """Return a step's position in the order in which they run."""
    return (
        number(row.group_idx),
        number(row.group_retry_idx),
        number(row.idx),
        number(row.retry_index),
        wire.read_time(row.created_at) or FIRST[-1],
    )
