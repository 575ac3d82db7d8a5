"""Stories told by thin answers, one after another, and what is to be said of each.

Each is a small input that was told wrongly once, and stands for a kind of fault.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from tests.support.documents import thin
from tests.support.served import Answers, Row, a_status

RELEASE, DEPLOY, RUN, BRANCH = thin("release"), thin("deploy"), thin("run"), thin("branch")
APP, INSTALLER, WORKFLOW = thin("app"), thin("installer"), thin("workflow")
(GROUP,) = thin("install-group-runs")
(APPROVAL,) = thin("pending-approvals")

AT_RELEASE = f"/v1/releases/{RELEASE['id']}"
AT_DEPLOY = f"/v1/installs/{DEPLOY['install_id']}/deploys/{DEPLOY['id']}"
AT_BRANCH = f"/v1/apps/{APP['id']}/branches/{BRANCH['id']}"
AT_APPROVALS = "/v1/workflows/pending-approvals"
AT_INSTALLER, AT_APP = f"/v1/installers/{INSTALLER['id']}", f"/v1/apps/{APP['id']}"
AT_WORKFLOW = f"/v1/workflows/{WORKFLOW['id']}"


@dataclass(frozen=True)
class Story:
    """What is watched, its answers, and what messages and the last card say in the end.

    `polls` is how often each answer comes; `after` how many seconds pass between two polls.
    """

    watch: str
    target_id: str
    answers: tuple[Answers, ...]
    says: tuple[str, ...] = ()
    says_not: tuple[str, ...] = ()
    polls: int = 1
    after: float = 15


# Runs


def a_run(row: str, workflow: str, *words: str | Row, **fields: Any) -> Answers:
    """Return a run whose steps (sync, build, canary, eu) have these words, or statuses."""
    statuses = (one if isinstance(one, dict) else a_status(one) for one in words)
    steps = [step | {"status": one} for step, one in zip(RUN["steps"], statuses, strict=True)]
    plan = BRANCH if fields.pop("has_plan", True) else BRANCH | {"configs": []}
    groups = fields.pop("groups", [])
    branch_run = RUN["app_branch_runs"][0] | {"status": row} | fields
    whole = RUN | {
        "status": a_status(workflow),
        "finished": workflow != "in-progress",
        "steps": steps,
        "app_branch_runs": [branch_run],
    }
    return {
        AT_BRANCH: plan,
        f"{AT_BRANCH}/runs": [whole],
        f"/v1/workflows/{RUN['id']}": whole,
        f"{AT_BRANCH}/runs/{branch_run['id']}/install-group-runs": groups,
    }


def of_run(*answers: Answers, says: tuple[str, ...], says_not: tuple[str, ...] = ()) -> Story:
    watch = f'app_branch = "{APP["id"]}/{BRANCH["id"]}"'
    return Story(
        watch, RUN["id"], (a_run("running", "in-progress", *BUILDING), *answers), says, says_not
    )


BUILDING = ("success", "in-progress", "pending", "pending")
UNATTEMPTED = ("not-attempted", "not-attempted")
WHY = "component checkout-api: docker build exit code 1"
CHAIN = "workflow execution failed: activity error (type: X, scheduledEventID: 41): "
CANARY = GROUP | {
    "total_installs": 2,
    "installs": [*GROUP["installs"], GROUP["installs"][0] | {"install_id": "inlacme9"}],
}


def parked_run(workflow: str) -> Story:
    parked = a_run("success", workflow, "success", "failed-pending-retry", "pending", "pending")
    says = ("step build components failed and waits for a retry",)
    return of_run(parked, says=says, says_not=("succeeded", "✅ main"))


def skipped_group(word: str, words: str, *, has_plan: bool) -> Story:
    steps = ("success", "success", "success", word)
    ended = a_run("success", "success", *steps, groups=[CANARY], has_plan=has_plan)
    counted = ("2 of 4 installs",) if has_plan else ()
    return of_run(ended, says=(f"group eu {words}", *counted), says_not=("on all",))


def failed_run(error_message: str, cause: str, step: Row | str) -> Story:
    ended = a_run("failed", "error", "success", step, *UNATTEMPTED, error_message=error_message)
    says = f"▎ {cause}"
    return of_run(ended, says=(says,), says_not=("activity error", "completed with errors"))


def superseded_install() -> Story:
    taken_over = {"status": "superseded", "superseded_by_run_id": "abunewer"}
    row = GROUP | {"status": a_status("error"), "installs": [GROUP["installs"][0] | taken_over]}
    steps = ("success", "success", "error", "not-attempted")
    ended = a_run("failed", "error", *steps, groups=[row])
    says = ("▎ by the newer run abunewer",)
    return of_run(ended, says=says, says_not=("canary failed",))


# Releases


def of_release(*answers: Answers, **fields: Any) -> Story:
    return Story(f'release = "{RELEASE["id"]}"', RELEASE["id"], answers, **fields)


def a_release(status: str, step: str, deploy: str = "", build: Row | None = None) -> Row:
    """Return the release in another status, its first step and the deploys there likewise."""
    first, second = RELEASE["release_steps"]
    of_deploy = {"status": deploy, "status_description": ""}
    deploys = [one | of_deploy for one in first["install_deploys"]] if deploy else []
    first = first | {"status": step, "install_deploys": deploys}
    beside = {"build": RELEASE["build"] | build} if build else {}
    of_whole = {"status": status, "status_description": "build failed" if build else ""}
    changed: Row = RELEASE | of_whole | {"release_steps": [first, second]} | beside
    return changed


def awaited_build() -> Story:
    waits = {AT_RELEASE: a_release("queued", "queued", build={"status": "building"})}
    says = ("is waiting for its build",)
    return of_release(waits, polls=4, after=600, says=says, says_not=("stalled", "failed"))


def failed_build() -> Story:
    failed = {"status": "error", "status_description": "docker build exit code 1"}
    answers = (
        {AT_RELEASE: a_release("queued", "queued", build={"status": "building"})},
        {AT_RELEASE: a_release("error", "queued", build=failed)},
    )
    says = (
        "failed because its build failed",
        "▎ docker build exit code 1",
    )
    return of_release(*answers, says=says, says_not=("▎ build failed",))


def failed_deploy() -> Story:
    under_way = a_release("executing_release_steps", "polling_install_deploys", "executing")
    answers = ({AT_RELEASE: under_way}, {AT_RELEASE: RELEASE, AT_DEPLOY: DEPLOY})
    says = ("▎ helm upgrade timed out", "Open logs", "image v42")
    return of_release(*answers, says=says, says_not=("unable to deploy",))


def broken_step() -> Story:
    step = "creating_install_deploys"
    under_way = {AT_RELEASE: a_release("executing_release_steps", step, "queued")}
    says = ("failed at step 1 of 2", "❌ step 1", "step 2 · 1 install · not attempted")
    says_not = ("🔵 step 1 · 2 installs · stopped", "before it reached any install")
    return of_release(
        under_way, {AT_RELEASE: a_release("error", step, "queued")}, says=says, says_not=says_not
    )


# Installers, workflows


def failed_config() -> Story:
    newest, *others = APP["app_configs"]
    served = {AT_INSTALLER: INSTALLER, f"{AT_APP}/releases": []}
    before = served | {AT_APP: APP | {"app_configs": others}}
    says = (
        "version 3 of Storefront failed",
        "▎ component checkout-api: no such image",
    )
    watch = f'installer = "{INSTALLER["id"]}"'
    assert newest["status"] == "error"
    return Story(watch, INSTALLER["id"], (before, served | {AT_APP: APP}), says)


def next_config() -> Story:
    newest = APP["app_configs"][0]
    next_one = newest | {"id": "apcv4", "version": 4, "status": "active", "status_description": ""}
    next_one |= {"created_at": "2025-12-01T12:30:00Z", "updated_at": "2025-12-01T12:31:00Z"}
    after = APP | {"app_configs": [next_one, *APP["app_configs"][:2]]}
    story = failed_config()
    says = ("version 4 of Storefront is active; version 3 had failed",)
    answers = (*story.answers, {AT_APP: after})
    return Story(story.watch, story.target_id, answers, says, ("succeeded after failing",))


def of_workflow(*answers: Row, says: tuple[str, ...], says_not: tuple[str, ...] = ()) -> Story:
    served = tuple({AT_WORKFLOW: answer} for answer in answers)
    return Story(f'workflow = "{WORKFLOW["id"]}"', WORKFLOW["id"], served, says, says_not)


def a_workflow(whole: Row, step: Row, **fields: Any) -> Row:
    first, *_ = WORKFLOW["steps"]
    changed: Row = WORKFLOW | {"status": whole, "steps": [first | {"status": step}]} | fields
    return changed


def stopped(end: str) -> Story:
    parked = a_status("error", awaiting_retry=True)
    over = a_status("error", awaiting_retry=True, **{end: True})
    under_way = a_status("in-progress")
    answers = (a_workflow(under_way, under_way), a_workflow(over, over, finished=True))
    assert parked != over
    return of_workflow(*answers, says=("❌", "failed"), says_not=("needs",))


def drift() -> Story:
    under_way, found = a_status("in-progress"), a_status("drifted")
    fields = {"type": "drift_run", "created_at": "2025-12-01T12:00:00Z"}
    answers = (
        a_workflow(under_way, under_way, **fields),
        a_workflow(a_status("success"), found, finished=True, **fields),
    )
    return of_workflow(*answers, says=("drift check checkout-api", "found drift"), says_not=("✅",))


def runbook() -> Story:
    status = a_status("in-progress")
    metadata = {"runbook_name": "rotate certificates"}
    answer = a_workflow(status, status, type="runbook_run", metadata=metadata)
    return of_workflow(answer, says=("runbook rotate certificates",))


# Approvals


def approval(name: str) -> Row:
    row: Row = copy.deepcopy(APPROVAL)
    row["id"] = f"iwa{name}"
    step = {"id": f"iws{name}", "name": f"deploy {name}", "workflow_id": f"inw{name}"}
    row["workflow_step"] |= step | {"install_workflow_id": f"inw{name}"}
    return row


def of_approvals(*lists: list[Row], says: tuple[str, ...], says_not: tuple[str, ...]) -> Story:
    answers = tuple({AT_APPROVALS: rows} for rows in lists)
    return Story("approvals = true", "org", answers, says, says_not)


def as_of(answers: Answers, minute: int) -> Answers:
    """Return answers in which all that moves moved in one minute, by the platform's own times."""
    moved: Answers = _moved(answers, f"2025-12-01T12:{minute:02}:00Z", 1_764_590_400 + 60 * minute)
    return moved


def _moved(value: Any, time: str, seconds: int) -> Any:
    if isinstance(value, list):
        return [_moved(one, time, seconds) for one in value]
    if not isinstance(value, dict):
        return value
    moved = {key: _moved(one, time, seconds) for key, one in value.items()}
    times = {key: time for key in ("updated_at", "completed_at", "finished_at") if key in moved}
    return moved | times | ({"created_at_ts": seconds} if "created_at_ts" in moved else {})


A, B = approval("A"), approval("B")
MANY = [approval(f"{number:03}") for number in range(130)]
SHIFTED = [*MANY[:100], MANY[7], *MANY[101:]]
UNMOVED = ("no longer needs", "still needs", "deploy A on inlacme… needs")

STORIES: dict[str, Story] = {
    **{f"1 {end}": stopped(end) for end in ("stopped", "retries_exhausted")},
    **{f"2 {word}": parked_run(word) for word in ("failed-pending-retry", "error", "in-progress")},
    "2 goes on": of_run(
        a_run("success", "in-progress", *BUILDING),
        says=("🔵 main",),
        says_not=("succeeded", "✅ main"),
    ),
    **{
        f"3 {word}, plan {has_plan}": skipped_group(word, words, has_plan=has_plan)
        for word, words in {
            "user-skipped": "was skipped by a person",
            "auto-skipped": "was skipped",
            "approval-denied": "was not approved",
        }.items()
        for has_plan in (True, False)
    },
    "4a missed once": of_approvals([A, B], [B], [A, B], says=("2 approvals",), says_not=UNMOVED),
    "4b shifted pages": of_approvals(MANY, SHIFTED, MANY, says=("130",), says_not=UNMOVED),
    "4c gone for good": of_approvals(
        [A, B],
        [B],
        [B],
        [B],
        [B],
        says=("deploy A on inlacme… no longer needs approval",),
        says_not=UNMOVED[1:],
    ),
    **{
        f"5 {words}": failed_run(words, WHY, a_status("error", err_message=WHY))
        for words in (
            "workflow completed with errors",
            "error while executing steps",
            f"{CHAIN}workflow completed with errors",
        )
    },
    "5 chain": failed_run(
        f"{CHAIN}dial tcp 10.0.0.1:443: i/o timeout",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "error",
    ),
    "6 config": failed_config(),
    "7 build awaited": awaited_build(),
    "7 build failed": failed_build(),
    "7 deploy": failed_deploy(),
    "8 broken step": broken_step(),
    "10 drift": drift(),
    "10 runbook": runbook(),
    "11 next version": next_config(),
    "13 superseded": superseded_install(),
}
