"""What explains a rollout's units: what is read of it, and which text is the reason."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from monitor.kinds import objects, release, sharing, workflow_words
from monitor.kinds import tree as trees
from monitor.kinds.parts import (
    ACTION,
    ACTION_RUN,
    ACTION_STEP,
    APPROVAL,
    ARTIFACT,
    BUILD,
    DEPLOY,
    INSTALL_ACTION,
    JOB_EXECUTION,
    POLICY,
    RUNNER_JOB,
    SANDBOX_RUN,
    WORKFLOW,
    WORKFLOW_STEP,
)
from monitor.kinds.wire import Memo
from monitor.model import Entity, Kind, PastStatus, Phase
from tests.support import documents
from tests.support.statuses import Distinct

Row = dict[str, Any]

HELM = "helm upgrade timed out after 10m0s waiting for condition"


def read_deploy(**fields: Any) -> Entity:
    row = {"id": "dpl1", "status": "error", "install_id": "inl1", **fields}
    return trees.deploy(msgspec.json.decode(json.dumps(row), type=objects.Deploy))


def read_workflow(*steps: Any, **fields: Any) -> Entity:
    row = {"id": "inw1", "status": {"status": "in-progress"}, "steps": list(steps), **fields}
    return trees.workflow(msgspec.json.decode(json.dumps(row), type=objects.Workflow))


def step_row(status: str = "pending", **fields: Any) -> Row:
    record = {"status": status, **fields.pop("record", {})}
    return {"id": "iws1", "name": "apply api", "status": record, **fields}


def read_step(status: str, **fields: Any) -> Entity:
    return read_workflow(step_row(status, **fields)).children[0]


def only(entity: Entity, kind: Kind) -> Entity:
    """Return the one entity of a kind in a tree."""
    (found,) = (part for _, part in entity.walk() if part.kind is kind)
    return found


def tree(entity: Entity) -> Any:
    """Return a tree as kinds and ids."""
    below = [tree(child) for child in entity.children]
    return (entity.kind, entity.id, *below)


# The documented answer


def test_everything_with_a_status_in_the_documented_release_is_in_the_tree() -> None:
    # The other deploys of a build belong to other releases.
    distinct = Distinct(documents.release(), apart=("component_build.install_deploys",))

    root = release.decode(json.dumps(distinct.document).encode(), distinct.document["id"], Memo())

    assert distinct.missing_from(root) == []
    assert len(distinct.paths) == 30


def test_an_object_stands_in_one_place_of_the_documented_release() -> None:
    distinct = Distinct(documents.release())

    root = release.decode(json.dumps(distinct.document).encode(), distinct.document["id"], Memo())

    keys = sharing.keys([root])
    assert len(keys) == len(set(keys))


# The reason of a failure


def test_a_job_that_failed_has_its_result_as_the_reason() -> None:
    result = {"error_code": 1, "error_metadata": {"step": "exec", "message": HELM}}
    executions = [{"id": "rje1", "status": "failed", "result": result}]

    deploy = read_deploy(runner_jobs=[{"id": "job1", "status": "failed", "executions": executions}])

    assert only(deploy, JOB_EXECUTION).description == HELM


def test_an_execution_that_went_well_has_no_reason() -> None:
    result = {"error_metadata": {"message": HELM}}
    executions = [{"id": "rje1", "status": "finished", "result": result}]

    deploy = read_deploy(runner_jobs=[{"id": "job1", "executions": executions}])

    assert only(deploy, JOB_EXECUTION).description == ""


def test_a_composite_error_is_the_best_reason() -> None:
    deploy = read_deploy(
        status_description="unable to deploy",
        status_v2={"status": "error", "status_human_description": "unable to deploy"},
        composite_error={"severity": "error", "message": HELM},
    )

    assert deploy.description == HELM


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"err_message": HELM, "reason": "Step failed, review the error in logs."}, HELM),
        ({"error_message": HELM}, HELM),
        ({"reason": "workflow cancelled"}, "workflow cancelled"),
        (
            {"deny_violations": [{"message": "no root"}, 7, {"message": "no latest"}]},
            "no latest; no root",
        ),
        ({"err_message": {"deep": 1}}, "Step failed"),
        ({}, "Step failed"),
        (None, "Step failed"),
        ("odd", "Step failed"),
    ],
)
def test_a_failed_step_says_the_best_reason_that_it_has(metadata: Any, reason: str) -> None:
    record = {"status_human_description": "Step failed", "metadata": metadata}

    assert read_step("error", record=record).description == reason


def test_a_reason_left_over_from_an_earlier_status_is_not_believed() -> None:
    record = {"status_human_description": "done", "metadata": {"err_message": HELM}}

    assert read_step("success", record=record).description == "done"


def test_an_endless_reason_is_cut() -> None:
    reason = read_step("error", record={"metadata": {"err_message": "x" * 100_000}}).description

    assert len(reason) == 2_000
    assert reason.endswith("…")


# What is read


def test_a_job_is_named_for_its_type_and_its_executions_are_in_order() -> None:
    executions = [
        {"id": "rje2", "status": "in-progress", "created_at": "2025-12-01T12:02:00Z"},
        {"id": "rje1", "status": "timed-out", "created_at": "2025-12-01T12:01:00Z"},
    ]

    deploy = read_deploy(
        runner_jobs=[
            {
                "id": "job1",
                "type": "helm-chart-deploy",
                "operation": "exec",
                "executions": executions,
            }
        ]
    )

    job = deploy.children[0]
    assert (job.kind, job.name, job.fact("operation")) == (
        RUNNER_JOB,
        "helm-chart-deploy",
        "exec",
    )
    assert [execution.id for execution in job.children] == ["rje1", "rje2"]


def test_an_action_run_has_its_steps_by_name_its_job_and_its_action() -> None:
    deploy = read_deploy(
        action_workflow_runs=[
            {
                "id": "iar1",
                "status": "error",
                "config": {"steps": [{"id": "acs1", "name": "migrate"}]},
                "steps": [{"id": "ias1", "step_id": "acs1", "status": "error"}],
                "runner_job": {"id": "job1", "status": "failed"},
                "install_action_workflow": {
                    "id": "iaw1",
                    "status": "active",
                    "action_workflow": {"id": "act1", "name": "db-migrate", "status": "active"},
                },
            }
        ]
    )

    run = deploy.children[0]
    assert run.name == "db-migrate"
    assert only(run, ACTION_STEP).name == "migrate"
    assert tree(run) == (
        *(ACTION_RUN, "iar1"),
        (ACTION_STEP, "ias1"),
        (INSTALL_ACTION, "iaw1", (ACTION, "act1")),
        (RUNNER_JOB, "job1"),
    )


def test_a_build_has_its_commit() -> None:
    commit = {"sha": "c0ffee", "message": "Raise replicas", "author_name": "Robin Example"}

    build = only(
        read_deploy(
            component_build={
                "id": "bld1",
                "status": "active",
                "component_name": "api",
                "git_ref": "main",
                "created_by": {"email": "robin@example.com"},
                "vcs_connection_commit": commit,
                "runner_job": {"id": "job1", "status": "finished"},
            }
        ),
        BUILD,
    )

    assert (build.name, build.revision, build.created_by) == ("api", "c0ffee", "robin@example.com")
    assert build.facts == (
        ("message", "Raise replicas"),
        ("author_name", "Robin Example"),
        ("git_ref", "main"),
    )
    assert [child.id for child in build.children] == ["job1"]


def test_an_artifact_has_its_tag_and_digest() -> None:
    artifact = only(
        read_deploy(
            oci_artifact={"id": "oci1", "tag": "v1", "digest": "sha256:1", "repository": "r"}
        ),
        ARTIFACT,
    )

    assert artifact.status == ""
    assert artifact.facts == (("tag", "v1"), ("digest", "sha256:1"), ("repository", "r"))


def test_a_status_that_is_a_record_has_its_time_and_its_history() -> None:
    record = {
        "created_at_ts": 1764590520,
        "history": [
            {"status": "pending", "created_at_ts": 1764590400, "metadata": {"reason": "old"}},
            {"status": 5, "created_at_ts": {}},
            "odd",
        ],
    }

    step = read_step("success", record=record)

    assert step.status_at is not None
    assert [past.status for past in step.history] == ["pending"]
    assert isinstance(step.history[0], PastStatus)


@pytest.mark.parametrize("status", [None, {}, [], 7, "", {"status": None}, {"status": {}}])
def test_a_step_with_an_odd_status_has_only_just_begun(status: Any) -> None:
    step = read_workflow({"id": "iws1", "status": status}).children[0]

    assert (step.status, step.phase) == ("", Phase.PENDING)


def test_a_status_that_is_a_plain_word_is_read() -> None:
    assert read_workflow({"id": "iws1", "status": "success"}).children[0].status == "success"


# Steps of a workflow


def test_steps_stand_in_the_order_in_which_they_run_whatever_order_they_come_in() -> None:
    rows = [
        step_row(id="c", idx=1, group_idx=1),
        step_row(id="b", idx=1),
        step_row(id="a"),
        step_row(id="d", idx=2, group_idx=1),
    ]

    assert [step.id for step in read_workflow(*rows).children] == ["a", "b", "c", "d"]


def test_a_hidden_step_is_not_shown() -> None:
    assert read_workflow(step_row(execution_type="hidden")).children == ()


RETRIES = {
    "with a new name": (
        step_row("discarded", id="new", retried=True, created_at="2025-12-01T12:00:00Z"),
        step_row(
            "success", id="old", name="apply api (retry 1)", created_at="2025-12-01T12:05:00Z"
        ),
    ),
    "with a retry index": (
        step_row("error", id="b", idx=3, record={"metadata": {"auto_retried": True}}),
        step_row("success", id="a", idx=4, retry_index=1),
    ),
    "as a whole group, again": (
        step_row("discarded", id="b", idx=3, group_retry_idx=1, name="apply api (retry 1)"),
        step_row("success", id="a", idx=2, group_retry_idx=2, name="apply api (retry 1) (retry 2)"),
    ),
}


@pytest.mark.parametrize("rows", RETRIES.values(), ids=RETRIES.keys())
@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_a_step_that_was_retried_the_last_try_counts(
    rows: tuple[Row, Row], *, is_reversed: bool
) -> None:
    steps = read_workflow(*(rows[::-1] if is_reversed else rows)).children

    assert len(steps) == 2
    assert [step.status for step in workflow_words.current(steps)] == ["success"]


def test_steps_of_one_name_in_two_groups_both_count() -> None:
    steps = read_workflow(step_row(id="a"), step_row(id="b", group_idx=1)).children

    assert len(workflow_words.current(steps)) == 2


def test_a_step_that_the_platform_itself_tries_again_has_not_failed() -> None:
    step = read_step("error", record={"metadata": {"auto_retried": True}})

    assert step.phase is Phase.RUNNING


def test_a_failure_that_the_workflow_passes_over_is_none_of_its_own() -> None:
    record = {"metadata": {"skipped_on_failure": True, "err_message": HELM}}

    step = read_step("error", record=record)

    assert (step.phase, step.description) == (Phase.SUCCEEDED, HELM)


def test_a_step_began_when_it_was_started() -> None:
    row = step_row("in-progress", created_at="2025-12-01T12:00:00Z")
    started = {**row, "id": "iws2", "started_at": "2025-12-01T12:30:00Z", "group_idx": 1}
    waiting = step_row("pending", id="iws3", created_at="2025-12-01T12:00:00Z", group_idx=2)

    times = [step.created_at for step in read_workflow(row, started, waiting).children]

    assert [time and time.minute for time in times] == [0, 30, None]


# Approvals


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("helm_approval", "the Helm changes"),
        ("terraform_plan", "the Terraform plan"),
        ("quantum_plan", "quantum plan"),
        ("", "the plan"),
    ],
)
def test_a_step_that_waits_says_what_is_to_be_approved(kind: str, says: str) -> None:
    step = read_step("approval-awaiting", approval={"id": "iwa1", "type": kind})

    assert (step.phase, step.description) == (Phase.WAITING, says)
    assert only(step, APPROVAL).phase is Phase.WAITING


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("approve", "approved"),
        ("auto-approve", "approved"),
        ("deny", "approval-denied"),
        ("deny-skip-current", "approval-denied"),
        ("retry", "approval-retry"),
    ],
)
def test_a_step_whose_approval_was_answered_waits_no_more(answer: str, word: str) -> None:
    approval = {"id": "iwa1", "response": {"type": answer, "note": "looks right"}}

    step = read_step("approval-awaiting", approval=approval)

    assert (step.status, only(step, APPROVAL).status) == (word, word)
    assert only(step, APPROVAL).description == "looks right"


def test_an_approval_that_nobody_answered_ends_with_its_step() -> None:
    step = read_step("cancelled", approval={"id": "iwa1"})

    assert only(step, APPROVAL).status == "cancelled"


def test_a_policy_validation_is_read() -> None:
    policy = {"id": "pol1", "status": {"status": "error", "status_human_description": "denied"}}

    step = read_step("error", policy_validation=policy)

    assert only(step, POLICY).description == "denied"


# A workflow's own status


FINISHED = {"finished": True, "finished_at": "2025-12-01T12:00:00Z"}
SUCCESSES = {
    "it goes on": ({}, ("success", "pending"), "in-progress"),
    "it goes on, with what it said before": (FINISHED, ("success", "pending"), "in-progress"),
    "its last step is under way": (FINISHED, ("success", "in-progress"), "in-progress"),
    "somebody is asked": (FINISHED, ("success", "approval-awaiting"), "in-progress"),
    "nothing is known of its steps": ({}, (), "in-progress"),
    "its last step is done": ({}, ("success", "success"), "success"),
    "it has ended": (FINISHED, ("success", "success"), "success"),
    "it has ended, without any steps": (FINISHED, (), "success"),
    "some steps were left out": (FINISHED, ("success", "not-attempted"), "success"),
    "a step has failed": (FINISHED, ("success", "error"), "success"),
    "a step has a word that is not known": (FINISHED, ("success", "reticulating"), "success"),
}


@pytest.mark.parametrize("case", SUCCESSES)
@pytest.mark.parametrize(
    "said", ["finished executing step 3", "successfully executed workflow", "", "whatever"]
)
def test_a_workflow_says_after_each_step_that_it_succeeded_and_is_believed_at_its_end(
    case: str, said: str
) -> None:
    fields, words, status = SUCCESSES[case]
    steps = [step_row(word, id=f"iws{n}", name=f"s{n}") for n, word in enumerate(words)]

    record = {"status": "success", "status_human_description": said}
    workflow = read_workflow(*steps, status=record, **fields)

    assert workflow.status == status


def test_successes_between_two_polls_are_no_news() -> None:
    history = [
        {"status": word, "created_at_ts": 1764590400 + i}
        for i, word in enumerate(("pending", "success", "in-progress", "approved"))
    ]

    workflow = read_workflow(status={"status": "in-progress", "history": history})

    assert [past.status for past in workflow.history] == ["pending", "in-progress"]


def test_an_error_that_awaits_a_retry_waits_for_a_person_and_says_why() -> None:
    metadata = {"awaiting_retry": True, "error_message": HELM}

    workflow = read_workflow(status={"status": "error", "metadata": metadata})

    assert (workflow.phase, workflow.description) == (Phase.WAITING, HELM)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"type": "manual_deploy", "metadata": {"workflow-name-suffix": "api"}}, "deploy api"),
        (
            {
                "type": "action_workflow_run",
                "metadata": {"install_action_workflow_name": "db-migrate"},
            },
            "action db-migrate",
        ),
        (
            {"type": "runbook_run", "metadata": {"runbook_name": "rotate certificates"}},
            "runbook rotate certificates",
        ),
        ({"type": "reprovision_everything", "metadata": 7}, "reprovision everything"),
        ({"name": "Deployed to install"}, "Deployed to install"),
        ({}, ""),
    ],
)
def test_a_workflow_is_named_for_what_it_does(fields: Row, name: str) -> None:
    assert read_workflow(**fields).name == name


# Objects inside objects


def test_what_a_step_works_at_stands_below_it() -> None:
    workflow = read_workflow(
        step_row("error", id="plan", step_target_id="dpl1"),
        step_row("not-attempted", id="apply", idx=1, name="x", step_target_id="dpl1"),
        install_deploys=[{"id": "dpl1", "status": "error", "component_name": "api"}],
        install_sandbox_runs=[{"id": "isr1", "status": "active", "run_type": "provision"}],
    )

    assert tree(workflow) == (
        *(WORKFLOW, "inw1"),
        (WORKFLOW_STEP, "plan", (DEPLOY, "dpl1")),
        (WORKFLOW_STEP, "apply"),
        (SANDBOX_RUN, "isr1"),
    )


def test_a_deploy_does_not_stand_inside_itself() -> None:
    inner = {"id": "dpl1", "status": "error", "runner_jobs": [{"id": "job1", "status": "failed"}]}

    deploy = read_deploy(workflow={"id": "inw1", "install_deploys": [inner]})

    assert tree(deploy) == (DEPLOY, "dpl1", (WORKFLOW, "inw1"))


def test_nesting_ends_somewhere() -> None:
    row: Row = {"id": "isr0"}
    for number in range(40):
        row = {
            "id": f"inw{number}",
            "install_sandbox_runs": [{"id": f"i{number}", "workflow": row}],
        }

    deploy = read_deploy(workflow=row)

    assert 5 < len(list(deploy.walk())) < 15


def test_an_execution_without_an_id_is_named_for_its_place() -> None:
    executions = [{"status": "timed-out", "created_at": "1"}, {"status": "failed"}, {}]

    deploy = read_deploy(runner_jobs=[{"id": "job1", "executions": executions}])
    reordered = read_deploy(runner_jobs=[{"id": "job1", "executions": executions[::-1]}])

    job = deploy.children[0]
    assert {one.id: one.status for one in job.children} == {
        "job1/execution 1": "failed",
        "job1/execution 2": "timed-out",
    }
    assert reordered == deploy


def test_a_repeated_object_stays_where_it_stands_first() -> None:
    job = Entity(kind=RUNNER_JOB, id="job1")
    first = Entity(kind=WORKFLOW_STEP, id="a", children=(job,))
    second = Entity(kind=WORKFLOW_STEP, id="b", children=(job,))

    once = sharing.once_below(Entity(kind=WORKFLOW, id="inw1", children=(first, second)))

    assert tree(once) == (
        *(WORKFLOW, "inw1"),
        (WORKFLOW_STEP, "a", (RUNNER_JOB, "job1")),
        (WORKFLOW_STEP, "b"),
    )


def test_a_tree_that_repeats_nothing_is_the_very_same() -> None:
    root = read_deploy(runner_jobs=[{"id": "job1", "status": "failed"}])

    assert sharing.once_below(root) is root


# Odd shapes


@pytest.mark.parametrize("odd", [None, "", 7, 1.5, True, [], [None], [[]], "<any>", {}, [7], [{}]])
@pytest.mark.parametrize(
    "field",
    [
        *("component_build", "oci_artifact", "runner_jobs", "action_workflow_runs", "workflow"),
        *("status_v2", "created_by", "composite_error", "plan_only", "component_name"),
    ],
)
def test_an_odd_detail_is_as_if_it_was_not_there(field: str, odd: Any) -> None:
    is_plan = field == "plan_only" and odd is True

    deploy = read_deploy(**{field: odd})

    assert deploy == msgspec.structs.replace(read_deploy(), plan_only=is_plan)
