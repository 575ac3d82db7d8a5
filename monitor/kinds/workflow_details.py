"""What explains a workflow's steps: the deploys that they work at, from documents of their own.

The platform loads no deploys with a workflow. Why one failed is said by its runner jobs, which are
below the deploy.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from monitor.kinds import fields, objects, tree, wire, workflow_words
from monitor.kinds.parts import DEPLOY, WORKFLOW_STEP
from monitor.kinds.paths import deploy_path
from monitor.kinds.wire import Beside, Document, Memo, Question
from monitor.model import Entity, Phase, phase_of

_TO_EXPLAIN = (Phase.FAILED, Phase.WAITING)
_DEPLOYS = frozenset({"install_deploys", "install_deploy"})
_deploy = msgspec.json.Decoder(objects.Deploy)
_workflow = msgspec.json.Decoder(objects.Workflow)


def questions(row: objects.Workflow, stalled: frozenset[str] = frozenset()) -> tuple[Question, ...]:
    """Return the deploys of the steps that failed, wait or are stalled, those that failed first.

    `stalled` are the ids of steps. A deploy that came with the workflow is not asked for.
    """
    given = {fields.text(deploy.id) for deploy in fields.rows(row.install_deploys, objects.Deploy)}
    found: list[tuple[bool, Question]] = []
    for step in fields.rows(row.steps, objects.Step):
        target = fields.text(step.step_target_id)
        if fields.text(step.step_target_type) not in _DEPLOYS or not target or target in given:
            continue
        status = fields.raw_status(WORKFLOW_STEP, step).status
        phase = phase_of(WORKFLOW_STEP, status)
        if phase in _TO_EXPLAIN or fields.text(step.id) in stalled:
            path = deploy_path(workflow_words.install_of(row), target)
            halted = DEPLOY if phase in _TO_EXPLAIN else None
            question = Question(path, f"{status} {step.updated_at}", halted)
            found.append((phase is not Phase.FAILED, question))
    return tuple(question for _, question in sorted(found, key=lambda one: one[0]))


def add_deploys(row: objects.Workflow, beside: Beside) -> None:
    """Put the deploys that were answered to where a workflow that loads them has them."""
    answered = list(_answers(row, beside))
    if answered:
        given = row.install_deploys if isinstance(row.install_deploys, list) else []
        row.install_deploys = [*given, *answered]


def _answers(row: objects.Workflow, beside: Beside) -> Iterator[objects.Deploy]:
    for step in fields.rows(row.steps, objects.Step):
        target = fields.text(step.step_target_id)
        path = deploy_path(workflow_words.install_of(row), target)
        if (deploy := wire.about(beside, path, _deploy, target)) is not None:
            yield deploy


def workflow(document: Document, beside: Beside, memo: Memo[Entity | None]) -> Entity | None:
    """Read a workflow that explains something itself, with what explains it in turn."""
    entity = memo.get(msgspec.Raw(document.body), _read)
    if entity is None or entity.phase not in _TO_EXPLAIN:
        return entity
    row = wire.parse(document.body, _workflow)
    answers = [beside[question.path] for question in questions(row) if question.path in beside]
    bodies = [answer.body for answer in answers if answer is not None]
    if not bodies:
        return entity

    def read(_: msgspec.Raw) -> Entity | None:
        add_deploys(row, beside)
        return tree.workflow(row)

    return memo.get(msgspec.Raw(b"\n".join((document.body, *bodies))), read)


def questions_of(document: Document | None) -> tuple[Question, ...]:
    """Return what explains a workflow that was answered; nothing for one that was not."""
    row = wire.optional(document.body, _workflow) if document is not None else None
    return questions(row) if row is not None else ()


def _read(part: msgspec.Raw) -> Entity | None:
    row = wire.optional(part, _workflow)
    return tree.workflow(row) if row is not None else None
