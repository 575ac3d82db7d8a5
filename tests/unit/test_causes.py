"""What is a cause in the platform's words, and which of several reasons speaks for a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.kinds.causes import cause_of, reason_of, says_nothing
from monitor.kinds.parts import BUILD, JOB_EXECUTION, RUNNER_JOB, WORKFLOW, WORKFLOW_STEP
from monitor.model import Entity, Kind
from tests.support.builders import after, deploy, fixed, release, step

ACTIVITY = "activity error (type: PollJob, scheduledEventID: 41, startedEventID: 42, identity: 1@w)"
CHILD = (
    "child workflow execution error (type: ExecuteJob, workflowID: event-loop-inl1, runID: 0a,"
    " initiatedEventID: 7, startedEventID: 9)"
)
WHOLE = "workflow execution error (type: Deploy, workflowID: w, runID: r)"
DIAL = "dial tcp 10.0.0.1:443: i/o timeout"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (f"{ACTIVITY}: {DIAL}", DIAL),
        (f"workflow execution failed: {ACTIVITY}: {DIAL}", DIAL),
        (f"{WHOLE}: {CHILD}: {CHILD}: {ACTIVITY}: {DIAL}", DIAL),
        (f"  Workflow Execution Failed:\n {ACTIVITY.upper()}: {DIAL}", DIAL),
        (f"activity error (type: func1(*T), scheduledEventID: 41): {DIAL}", DIAL),
        (f"activity error: {DIAL}", DIAL),
        (f"error executing step: unable to execute step: {DIAL}", DIAL),
        (f"error executing step apply api: {CHILD}: {DIAL}", DIAL),
        (f"unable to execute steps: {DIAL}", f"unable to execute steps: {DIAL}"),
        ("unable to execute step by step", "unable to execute step by step"),
        # What only looks like one, or stands behind a cause, belongs to the cause.
        (DIAL, DIAL),
        (f"unable to plan: {ACTIVITY}: {DIAL}", f"unable to plan: {ACTIVITY}: {DIAL}"),
        (f"{ACTIVITY}: {DIAL}: {ACTIVITY}", f"{DIAL}: {ACTIVITY}"),
        (f"{ACTIVITY}: boom (type: X, retryable: true): y", "boom (type: X, retryable: true): y"),
        ("activity errors are many", "activity errors are many"),
        # Where nothing follows, what there is stays.
        (ACTIVITY, ACTIVITY),
        (f"workflow execution failed: {ACTIVITY}: ", f"workflow execution failed: {ACTIVITY}: "),
        ("", ""),
    ],
)  # fmt: skip
def test_the_workflow_engines_wrappers_are_taken_off_the_front(reason: str, cause: str) -> None:
    assert cause_of(reason) == cause


_wrappers = st.sampled_from(
    [ACTIVITY, CHILD, WHOLE, "workflow execution failed", "error executing step a"]
)
_chains = st.lists(_wrappers, max_size=4).map(lambda found: "".join(f"{one}: " for one in found))


@fixed(300)
@given(_chains, st.text(min_size=1))
def test_what_follows_the_wrappers_is_kept_word_for_word(chain: str, cause: str) -> None:
    found = cause_of(chain + cause)

    assert (chain + cause).endswith(found)
    assert bool(found.strip()) == bool((chain + cause).strip())
    if cause == cause.lstrip() and cause_of(cause) == cause and not says_nothing(cause):
        assert found == cause


@fixed(300)
@given(st.text())
def test_a_cause_has_no_wrapper_left_and_is_never_empty(reason: str) -> None:
    assert cause_of(cause_of(reason)) == cause_of(reason)
    assert bool(cause_of(reason)) == bool(reason)


@pytest.mark.parametrize(
    "reason",
    [
        *("", " ", "error", "Failed.", "unable to deploy", "UNABLE TO SYNC!", "internal error"),
        *("unable to execute runner job", "unable to poll job", "release step errored"),
        *("build failed", "build did not complete successfully"),
        *("workflow completed with errors", "Error while executing steps…", "job did not succeed"),
        "step failed, review the error in logs and try again",
        *(ACTIVITY, f"{CHILD}: {ACTIVITY}", f"{CHILD}: {ACTIVITY}: unable to deploy"),
    ],
)  # fmt: skip
def test_some_words_only_say_that_something_failed(reason: str) -> None:
    assert says_nothing(reason)


@pytest.mark.parametrize(
    "reason", [DIAL, f"{ACTIVITY}: {DIAL}", "unable to deploy: no runner", "build timed out", "42"]
)
def test_other_words_say_why(reason: str) -> None:
    assert not says_nothing(reason)


# Which of several reasons speaks


def failed(kind: Kind, said: str, *below: Entity, status: str = "error", at: float = 0) -> Entity:
    if kind in (RUNNER_JOB, JOB_EXECUTION):
        status = "failed"
    return Entity(kind, f"{kind} {said}", status, said, created_at=after(at), children=below)


JOB = failed(RUNNER_JOB, "job failed", failed(JOB_EXECUTION, "helm upgrade timed out"))
FLOW = failed(WORKFLOW, "error while executing steps", failed(WORKFLOW_STEP, "apply: no quota"))
BUILT = failed(BUILD, "build failed", failed(RUNNER_JOB, "", failed(JOB_EXECUTION, "exit code 1")))
SILENT_JOB = failed(RUNNER_JOB, "job did not succeed")
SILENT_FLOW = failed(WORKFLOW, "workflow completed with errors")


@pytest.mark.parametrize(
    ("own", "below", "reason"),
    [
        ("unable to deploy", (BUILT, FLOW, JOB), "helm upgrade timed out"),
        ("unable to deploy", (BUILT, FLOW, SILENT_JOB), "apply: no quota"),
        ("unable to deploy", (BUILT, SILENT_FLOW, SILENT_JOB), "exit code 1"),
        ("the install is locked", (SILENT_FLOW, SILENT_JOB), "the install is locked"),
        ("the install is locked", (SILENT_FLOW, JOB), "helm upgrade timed out"),
        (f"{CHILD}: {DIAL}", (), DIAL),
        ("unable to deploy", (), "unable to deploy"),
        ("", (failed(RUNNER_JOB, "first", at=1), failed(RUNNER_JOB, "second", at=2)), "second"),
        ("", (), ""),
    ],
)
def test_the_reason_of_a_failed_deploy_is_what_says_most(
    own: str, below: tuple[Entity, ...], reason: str
) -> None:
    unit = deploy("inl-a", "error", own, children=below)

    assert reason_of(unit) == reason
    assert reason_of(deploy("inl-a", "error", own, children=below[::-1])) == reason


def test_what_failed_in_a_release_speaks_for_its_step_and_for_all_of_it() -> None:
    unit = deploy("inl-a", "error", "unable to deploy", children=(JOB,))
    root = release("error", step(1, "error", unit), description="release step errored")

    assert {reason_of(root), reason_of(root.children[0])} == {"helm upgrade timed out"}


def test_what_did_not_fail_explains_no_failure() -> None:
    done = Entity(RUNNER_JOB, "job1", "finished", "applied 3 resources", created_at=after(9))

    assert reason_of(deploy("inl-a", "error", "no quota", children=(done,))) == "no quota"
