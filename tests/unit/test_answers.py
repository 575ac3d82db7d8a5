"""Who answered an approval, and which answer is the reason of what came after."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from monitor.compose.phrases import phrase_of, phrase_of_many
from monitor.decide.answers import answered_in, explanation_of, why_it_went_on
from monitor.kinds.parts import APPROVAL, DEPLOY, RUNNER_JOB, SANDBOX_RUN, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.run import BRANCH_RUN
from monitor.kinds.run_groups import INSTALL_GROUP
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import Entity, Kind, Reason, ReasonKind
from tests.support.clock import NOON

WHO, NOTE = "robin@example.com", "the window is open"
WORDS = {"approve": "approved", "deny": "approval-denied", "retry": "approval-retry"}
KINDS_OF_ANSWERS = {
    "approve": ReasonKind.APPROVED,
    "deny": ReasonKind.DENIED,
    "retry": ReasonKind.SENT_BACK,
}


def approval(answer: str = "", *, key: str = "iwa1", after: int = 0, by: str = WHO) -> Entity:
    return Entity(
        kind=APPROVAL,
        id=key,
        status=WORDS.get(answer, "approval-awaiting"),
        description=NOTE if answer else "",
        status_at=NOON + timedelta(minutes=after) if answer else None,
        facts=(
            ("type", "helm_approval"),
            ("answer", WORDS.get(answer, answer)),
            ("answered_by", by),
        )
        if answer
        else (("type", "helm_approval"),),
    )


def around(kind: Kind, status: str, *below: Entity) -> Entity:
    return Entity(kind=kind, id=f"the {kind}", status=status, children=below)


def plan(status: str, *below: Entity) -> Entity:
    return around(WORKFLOW_STEP, status, *below)


WRAPPED = {
    "a step of a workflow": (WORKFLOW_STEP,),
    "a step group": (STEP_GROUP, WORKFLOW_STEP),
    "a workflow": (WORKFLOW, STEP_GROUP, WORKFLOW_STEP),
    "a deploy of a release": (DEPLOY, WORKFLOW, WORKFLOW_STEP),
    "an install of a run": (INSTALL_RUN, WORKFLOW, WORKFLOW_STEP),
    "an install group": (INSTALL_GROUP, INSTALL_RUN, WORKFLOW, WORKFLOW_STEP),
    "a run": (BRANCH_RUN, INSTALL_GROUP, INSTALL_RUN, WORKFLOW, WORKFLOW_STEP),
}


def wrapped(kinds: tuple[Kind, ...], status: str, *below: Entity) -> Entity:
    entity = around(kinds[-1], status, *below)
    for kind in reversed(kinds[:-1]):
        entity = around(kind, status, entity)
    return entity


@pytest.mark.parametrize("answer", WORDS)
@pytest.mark.parametrize("kinds", WRAPPED.values(), ids=WRAPPED)
def test_what_was_answered_since_is_why_it_went_on(kinds: tuple[Kind, ...], answer: str) -> None:
    before = wrapped(kinds, "approval-awaiting", approval())

    reason = why_it_went_on(answered_in(before), wrapped(kinds, "in-progress", approval(answer)))

    assert reason == Reason(KINDS_OF_ANSWERS[answer], description=NOTE, by=WHO)


@pytest.mark.parametrize("kinds", WRAPPED.values(), ids=WRAPPED)
def test_what_was_answered_before_is_not_why_it_went_on(kinds: tuple[Kind, ...]) -> None:
    before = wrapped(kinds, "failed-pending-retry", approval("approve"))

    reason = why_it_went_on(answered_in(before), wrapped(kinds, "in-progress", approval("approve")))

    assert reason == Reason(ReasonKind.WENT_ON)


def test_of_several_answers_the_newest_is_why() -> None:
    given = [approval("approve", key=f"iwa{n}", after=n, by=f"p{n}@example.com") for n in (2, 3, 1)]

    assert why_it_went_on((), plan("in-progress", *given)).by == "p3@example.com"


@pytest.mark.parametrize("answer", ["", "ponder"])
def test_what_nobody_answered_in_words_that_are_known_just_went_on(answer: str) -> None:
    entity = plan("in-progress", approval(answer))

    assert why_it_went_on((), entity) == Reason(ReasonKind.WENT_ON)


@pytest.mark.parametrize("kinds", [kinds for kinds in WRAPPED.values() if DEPLOY not in kinds])
def test_a_refusal_explains_what_failed_because_of_it(kinds: tuple[Kind, ...]) -> None:
    reason = explanation_of(wrapped(kinds, "approval-denied", approval("deny")))

    assert reason == Reason(ReasonKind.DENIED, description=NOTE, by=WHO)


def test_a_refusal_explains_a_workflow_that_says_that_it_is_in_error() -> None:
    denied = plan("approval-denied", around(SANDBOX_RUN, "approval-denied"), approval("deny"))

    assert explanation_of(around(INSTALL_RUN, "error", denied)).kind is ReasonKind.DENIED


@pytest.mark.parametrize(
    "entity",
    [
        plan("error", msgspec.structs.replace(around(RUNNER_JOB, "failed"), description="helm")),
        around(
            WORKFLOW,
            "error",
            plan("approval-denied", approval("deny")),
            msgspec.structs.replace(plan("error"), id="other", description="helm"),
        ),
    ],
)
def test_what_failed_for_another_reason_is_explained_by_that(entity: Entity) -> None:
    reason = explanation_of(entity)

    assert reason.kind is ReasonKind.PLATFORM
    assert reason.by == ""


def test_what_goes_well_needs_no_explanation() -> None:
    assert explanation_of(plan("approved", approval("approve"))) == Reason()


# The words for it

ACCOUNT = "accr0b1n2m3x8c4b6n1z5w0y2a"


@pytest.mark.parametrize(
    ("by", "note", "people", "says"),
    [
        (WHO, NOTE, {}, "was approved by robin@example.com: the window is open"),
        (WHO, "", {}, "was approved by robin@example.com"),
        (ACCOUNT, NOTE, {ACCOUNT: WHO}, "was approved by robin@example.com: the window is open"),
        (ACCOUNT, NOTE, {}, "was approved: the window is open"),
        ("", " ", {}, "was approved"),
        ("{by}", "{note}", {}, "was approved by {by}: {note}"),
    ],
)
def test_an_answer_is_told_with_who_and_why_as_far_as_known(
    by: str, note: str, people: dict[str, str], says: str
) -> None:
    reason = Reason(ReasonKind.APPROVED, description=note, by=by)

    assert phrase_of(reason, people) == says
    assert phrase_of_many(reason, people) == says.replace("was", "were")


def test_times_of_answers_that_are_missing_are_the_earliest() -> None:
    late, timeless = approval("approve", key="a", after=1), approval("deny", key="b")
    timeless = msgspec.structs.replace(timeless, status_at=None)

    assert why_it_went_on((), plan("in-progress", late, timeless)).kind is ReasonKind.APPROVED
    assert isinstance(late.status_at, datetime)
