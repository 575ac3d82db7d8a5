"""One thin answer of each sort, as the servers really give it: what is read of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from monitor.kinds import KINDS, org_workflows
from monitor.kinds.causes import reason_of
from monitor.kinds.wire import Document, Memo
from monitor.model import Entity, Target
from tests.support import documents
from tests.support.documents import thin

RELEASE, DEPLOY, BUILD = thin("release"), thin("deploy"), thin("build")
INSTALLER, APP = thin("installer"), thin("app")
WORKFLOW, STEPS, RUN = thin("workflow"), thin("workflow-steps"), thin("run")
BRANCH, GROUP_RUNS = thin("branch"), thin("install-group-runs")
APPROVALS, LISTED = thin("pending-approvals"), thin("workflows")
DOCUMENTED = documents.documented_deploy()

AT_DEPLOY = f"/v1/installs/{DEPLOY['install_id']}/deploys/{DEPLOY['id']}"
AT_BUILD = f"/v1/components/builds/{BUILD['id']}"
AT_BRANCH = f"/v1/apps/{APP['id']}/branches/{BRANCH['id']}"
BRANCH_RUN = RUN["app_branch_runs"][0]["id"]


def read(kind: str, answer: Any, beside: Mapping[str, Any] | None = None) -> Entity:
    others = {path: Document(msgspec.json.encode(row)) for path, row in (beside or {}).items()}
    identifier = answer["id"] if isinstance(answer, dict) else "org"
    return KINDS[kind].decode(msgspec.json.encode(answer), identifier, Memo(), others)


def outline(root: Entity) -> Iterator[str]:
    """Yield what is read, a line for each entity: its level, kind, name, status and description."""
    for level, one in root.walk():
        words = [f"{one.kind}:", one.name, one.status, f"({one.description})"]
        yield "  " * level + " ".join(word for word in words if word not in ("", "()"))


@pytest.mark.parametrize(
    ("answer", "documented"),
    [
        (RELEASE, documents.served_release()),
        (DEPLOY, DOCUMENTED),
        (BUILD, DOCUMENTED["component_build"]),
        (INSTALLER, documents.installer()),
        (APP, documents.installer()["apps"][0]),
        (WORKFLOW, DOCUMENTED["workflow"]),
    ],
    ids=["release", "deploy", "build", "installer", "app", "workflow"],
)
def test_a_thin_answer_contradicts_no_document(answer: Any, documented: Any) -> None:
    assert list(documents.contradictions(answer, documented)) == []
    assert list(documents.omissions(answer, documented))


def test_of_a_thin_release_the_reason_is_not_in_the_answer() -> None:
    root = read("release", RELEASE)

    assert list(outline(root)) == [
        "release: error (release step errored)",
        "  release step: error",
        "    install deploy: active (finished)",
        "    install deploy: error (unable to deploy)",
        "  release step: queued",
    ]
    assert root.fact("build_status") == "active"


def test_a_deploy_has_its_reason_its_component_and_its_artifact_elsewhere() -> None:
    root = read("release", RELEASE, {AT_DEPLOY: DEPLOY})

    assert reason_of(root) == "helm upgrade timed out"
    assert (root.name, root.revision[:7], root.fact("version")) == ("checkout-api", "4c55b10", "4")
    assert "      runner job: helm-chart-deploy failed (helm upgrade timed out)" in outline(root)
    assert "      artifact: v42" in outline(root)


def test_a_build_has_its_reason_at_its_job() -> None:
    failed = {"status": "error", "status_description": "build failed"}
    release = RELEASE | failed | {"release_steps": RELEASE["release_steps"][:1]}

    root = read("release", release, {AT_DEPLOY: DEPLOY | {"runner_jobs": None}, AT_BUILD: BUILD})

    assert reason_of(root) == "docker build exit code 1"


def test_an_installer_has_its_configs_at_its_app() -> None:
    assert list(outline(read("installer", INSTALLER))) == [
        "installer: Acme",
        "  app: Storefront active (app is provisioned)",
    ]
    root = read("installer", INSTALLER, {f"/v1/apps/{APP['id']}": APP})

    assert list(outline(root))[2:] == [
        "    app config: version 1 outdated",
        "    app config: version 2 active",
        "    app config: version 3 error (component checkout-api: no such image)",
    ]
    (*_, newest) = root.children[0].children
    assert (newest.revision[:7], newest.fact("branch")) == ("3f2a9c1", "main")


GROUPS = [
    "  step group: success",
    "    workflow step: await runner healthy success",
    "  step group: error",
    "    workflow step: sync and plan checkout-api approved",
    "      approval: approved (looks right)",
    "    workflow step: apply checkout-api error (helm upgrade timed out)",
]


def test_a_workflow_has_its_steps_and_answers_and_at_its_steps_the_policies_too() -> None:
    root = read("workflow", WORKFLOW)

    parked = "workflow: deploy checkout-api failed-pending-retry (helm upgrade timed out)"
    assert list(outline(root)) == [parked, *GROUPS]

    bare = WORKFLOW | {"steps": None}
    body, kind = msgspec.json.encode(bare), KINDS["workflow"]
    (wanted,) = kind.further(body, WORKFLOW["id"], {}, None)
    policy = "      policy validation: error (1 policy denied the plan)"
    by_steps = outline(read("workflow", bare, {wanted.path: STEPS}))
    assert list(by_steps) == [parked, *GROUPS[:5], policy, *GROUPS[5:]]


def test_a_run_has_its_groups_and_its_plan_elsewhere_and_names_what_was_left_out() -> None:
    rows = {f"{AT_BRANCH}/runs/{BRANCH_RUN}/install-group-runs": GROUP_RUNS}
    root = read("run", RUN, {**rows, f"{AT_BRANCH}?latest_config=true": BRANCH})

    assert list(outline(root)) == [
        "app branch run: main success",
        "  workflow step: sync app config success",
        "  workflow step: build components success",
        "  install group: canary success",
        "    install run: success",
        "  install group: eu user-skipped",
    ]
    assert [len(group.planned) for group in root.children[2:]] == [1, 2]


def test_the_pending_approvals_say_what_is_to_be_approved_and_where() -> None:
    root = read("approvals", APPROVALS)

    assert list(outline(root))[-1] == (
        "    approval: sync and plan checkout-api approval-awaiting (the Helm changes)"
    )
    assert root.children[0].install_id == WORKFLOW["owner_id"]


def test_the_workflows_of_an_organisation_are_found_by_what_they_do() -> None:
    found = org_workflows.find(msgspec.json.encode(LISTED), "org").found

    assert [(one.target, one.names[0], one.is_over) for one in found] == [
        (Target("run", RUN["id"]), "main", True),
        (Target("workflow", WORKFLOW["id"]), "deploy checkout-api", False),
        (Target("workflow", LISTED[2]["id"]), "drift check checkout-api", True),
    ]
    # What a customer entered stands in the samples as in real answers, and nowhere else.
    secret = "a-value-of-a-customer"
    assert secret in str(LISTED)
    assert secret not in str(found) + str(read("workflow", WORKFLOW))
