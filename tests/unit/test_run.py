"""An app branch run: its groups and installs, what is asked for to know them, and who waits."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.decide.diff import diff, keep_absent
from monitor.decide.progress import progress_of, units_of
from monitor.errors import MalformedAnswer, NuonNotFound, NuonUnavailable
from monitor.kinds import FINDERS, KINDS, run
from monitor.kinds.causes import reason_of
from monitor.kinds.profile import LastSeen
from monitor.kinds.run import BRANCH_RUN
from monitor.kinds.wire import Beside, Document, Memo, Wanted
from monitor.model import Entity, Phase, Snapshot, Target
from monitor.platform.explanations import Explanations
from monitor.platform.fetch import gather
from tests.benchmarks import fuzz
from tests.support.clock import NOON
from tests.support.scripted_source import ScriptedSource

Row = dict[str, Any]
RUN_ID = "inwrun"
GROUP_RUNS = "/v1/apps/app1/branches/brn1/runs/brr1/install-group-runs"


def workflow_row(identifier: str, status: str, *steps: Row, **fields: Any) -> Row:
    return {
        "id": identifier,
        "status": {"status": status, "created_at_ts": 1_782_907_200},
        "owner_type": "installs",
        "steps": [{**step, "id": f"{identifier}-{i}"} for i, step in enumerate(steps)],
        **({"finished_at": "2026-07-01T12:30:00Z"} if status in ("success", "error") else {}),
        **fields,
    }


def step_row(status: str, name: str = "sync and plan api", **fields: Any) -> Row:
    return {"name": name, "status": {"status": status}, **fields}


def run_row(status: str = "running", *, steps: tuple[Row, ...] = (), **fields: Any) -> Row:
    """Build a run whose plan has the groups `canary` and `fleet`."""
    plan = [
        {"id": "grp2", "name": "fleet", "order": 1, "install_ids": ["inl3", "inl4"]},
        {"id": "grp1", "name": "canary", "install_ids": ["inl1", "inl2"]},
    ]
    branch_run = {
        "id": "brr1",
        "app_branch_id": "brn1",
        "app_branch": {"id": "brn1", "app_id": "app1", "name": "main"},
        "app_branch_config": {"install_groups": plan},
        "status": status,
        "created_at": "2026-07-01T12:00:00Z",
        **fields,
    }
    return workflow_row(
        RUN_ID,
        {"success": "success", "failed": "error", "cancelled": "cancelled"}.get(
            status, "in-progress"
        ),
        *steps,
        owner_id="brn1",
        owner_type="app_branches",
        type="app_branches_manual_update",
        app_branch_runs=[branch_run],
    )


def group_row(
    *installs: Row, status: str = "in-progress", group: str = "grp1", attempt: int = 1, **more: Any
) -> Row:
    return {
        "id": f"{group}-try{attempt}",
        "install_group_id": group,
        "install_group_name": {"grp1": "canary", "grp2": "fleet"}.get(group, group),
        "status": {"status": status, "status_human_description": f"{len(installs)} installs"},
        "created_at": f"2026-07-01T12:{attempt:02}:00Z",
        "total_installs": len(installs),
        "installs": list(installs),
        **more,
    }


def install_row(number: int | str, status: str = "in-progress", **fields: Any) -> Row:
    identifiers = {"install_id": f"inl{number}", "workflow_id": f"inw{number}"}
    return {**identifiers, "status": status, "phase": "deploy", **fields}


@dataclass
class Platform(ScriptedSource):
    """Polls one run."""

    seen: Snapshot | None = None
    now: float = 0.0

    def __post_init__(self) -> None:
        self.explanations = Explanations(self, KINDS["run"], lambda: self.now)

    async def poll(self) -> Entity:
        """Ask and read as a cycle does, and remember what was seen."""
        self.asked.clear()
        self.now += 15
        last_seen = LastSeen(self.seen.root if self.seen else None)
        gathered = await gather(self, KINDS["run"], RUN_ID, last_seen, self.explanations)
        root = run.decode(gathered.main.body, RUN_ID, Memo(), gathered.beside)
        snapshot = Snapshot(Target("run", RUN_ID), NOON, root)
        self.seen = keep_absent(self.seen, snapshot)
        return self.seen.root

    def asked_workflows(self) -> list[str]:
        assert self.asked[:2] == [f"/v1/workflows/{RUN_ID}", GROUP_RUNS]
        return self.asked[2:]


def platform(*groups: Row, document: Row | None = None, **workflows: Row) -> Platform:
    return Platform(
        {
            f"/v1/workflows/{RUN_ID}": document or run_row(),
            GROUP_RUNS: list(groups),
            **{f"/v1/workflows/{identifier}": row for identifier, row in workflows.items()},
        }
    )


def decode(document: Row, beside: Beside | None = None) -> Entity:
    return run.decode(json.dumps(document).encode(), RUN_ID, Memo(), beside or {})


def units(root: Entity) -> dict[str, Entity]:
    return {unit.install_id: unit for group in root.children for unit in units_of(group)}


# What is shown


async def test_groups_stand_in_the_order_of_the_plan_begun_or_not() -> None:
    root = await platform(group_row(install_row(1), install_row(2))).poll()

    assert [(g.id, g.name, g.status, g.planned) for g in root.children] == [
        ("canary", "canary", "in-progress", ("inl1", "inl2")),
        ("fleet", "fleet", "", ("inl3", "inl4")),
    ]


async def test_a_run_is_told_with_its_commit_and_its_author() -> None:
    commit = {"sha": "c0ffee", "message": "Raise the limits", "author_name": "Robin"}
    document = run_row(
        commit_sha="c0ffee",
        vcs_connection_commit=commit,
        run_type="git-run",
        created_by={"email": "robin@example.com"},
    )

    root = await platform(document=document).poll()

    assert (root.kind, root.id, root.status) == (BRANCH_RUN, RUN_ID, "running")
    assert (root.name, root.app_id, root.revision) == ("main", "app1", "c0ffee")
    assert root.created_by == "robin@example.com"
    assert root.created_at == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert root.facts == (
        ("message", "Raise the limits"),
        ("author_name", "Robin"),
        ("branch", "main"),
        ("run_type", "git-run"),
        ("app_branch_id", "brn1"),
    )


async def test_a_group_that_names_only_some_of_its_installs_yet_keeps_to_the_plan() -> None:
    root = await platform(group_row(install_row(1), total_installs=2)).poll()

    assert progress_of(root.children[0]).total == 2


async def test_a_group_that_chose_its_installs_by_labels_counts_those_it_works_at() -> None:
    group = group_row(install_row(8), install_row(9), group="grp9")

    root = await platform(group).poll()

    assert [g.id for g in root.children] == ["canary", "fleet", "grp9"]
    assert root.children[2].planned == ("inl8", "inl9")


async def test_a_group_that_is_tried_again_is_what_its_newest_try_says() -> None:
    first = group_row(install_row(1, "error"), install_row(2, "success"), status="error")
    again = [
        install_row(1, workflow_id="inw1b"),
        install_row(2, "success", workflow_id="inw2b"),
    ]

    root = await platform(group_row(*again, attempt=2), first).poll()

    group = root.children[0]
    assert (group.status, len(group.children)) == ("in-progress", 4)
    assert {unit.workflow_id for unit in units_of(group)} == {"inw1b", "inw2b"}


@pytest.mark.parametrize(
    "fields", [{"plan_only": True}, {"run_type": "git-preview-run"}, {"preview": {"id": "x"}}]
)
async def test_a_preview_is_no_rollout(fields: Row) -> None:
    assert (await platform(document=run_row(**fields)).poll()).plan_only
    assert not (await platform().poll()).plan_only


async def test_why_a_run_failed_is_what_the_platform_says_of_it() -> None:
    document = run_row("failed", error_message="group canary: 1 install failed")

    assert (
        await platform(document=document).poll()
    ).description == "group canary: 1 install failed"


async def test_why_a_run_failed_is_else_what_its_step_says() -> None:
    failed = step_row("error", "build", composite_error={"message": "no Dockerfile"})

    root = await platform(document=run_row("failed", steps=(failed,))).poll()

    assert (root.phase, root.description) == (Phase.FAILED, "no Dockerfile")


# Who waits, and what ended already


async def test_a_run_waits_where_a_step_of_its_workflow_does() -> None:
    waiting = step_row("approval-awaiting", "plan canary", approval={"type": "app_branch_plan"})

    root = await platform(document=run_row(steps=(waiting,))).poll()

    assert (root.status, root.phase) == ("awaiting_approval", Phase.WAITING)
    assert "plan canary" in root.description


async def test_a_run_waits_where_it_says_so_itself() -> None:
    assert (await platform(document=run_row(awaiting_approval=True)).poll()).phase is Phase.WAITING


async def test_a_run_that_ended_waits_no_more() -> None:
    waiting = step_row("approval-awaiting")

    root = await platform(document=run_row("cancelled", steps=(waiting,))).poll()

    assert root.status == "cancelled"


async def test_an_install_waits_where_its_own_workflow_does() -> None:
    waiting = step_row("approval-awaiting", approval={"id": "apr1", "type": "helm_approval"})

    root = await platform(
        group_row(install_row(1)), inw1=workflow_row("inw1", "in-progress", waiting)
    ).poll()

    unit = units(root)["inl1"]
    assert (unit.status, unit.workflow_id) == ("approval-awaiting", "inw1")
    assert "sync and plan api" in unit.description


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("success", Phase.SUCCEEDED),
        ("error", Phase.FAILED),
        ("cancelled", Phase.ENDED),
        ("in-progress", Phase.RUNNING),
    ],
)
async def test_an_install_that_its_group_has_not_looked_at_yet_is_what_its_workflow_says(
    status: str, phase: Phase
) -> None:
    root = await platform(group_row(install_row(1)), inw1=workflow_row("inw1", status)).poll()

    assert units(root)["inl1"].phase is phase


async def test_why_an_install_failed_is_what_its_workflow_says() -> None:
    failed = step_row("error", "apply api", composite_error={"message": "helm upgrade timed out"})

    root = await platform(
        group_row(install_row(1, "error")), inw1=workflow_row("inw1", "error", failed)
    ).poll()

    assert reason_of(units(root)["inl1"]) == "helm upgrade timed out"


async def test_a_workflow_that_has_not_seen_its_install_fail_says_nothing_of_it() -> None:
    polled = platform(group_row(install_row(1, "error")), inw1=workflow_row("inw1", "in-progress"))

    unit = units(await polled.poll())["inl1"]

    assert (unit.status, unit.status_at, unit.children) == ("error", None, ())
    polled.answers["/v1/workflows/inw1"] = workflow_row("inw1", "error")
    (workflow,) = units(await polled.poll())["inl1"].children
    assert workflow.status == "error"


async def test_the_deploy_of_an_install_is_asked_about_before_its_group_takes_note() -> None:
    applying = step_row("error", "apply", step_target_id="dpl1", step_target_type="install_deploys")
    workflow = workflow_row("inw1", "error", applying, owner_id="inl1", owner_type="installs")
    polled = platform(group_row(install_row(1)), inw1=workflow)

    await polled.poll()

    assert "/v1/installs/inl1/deploys/dpl1" in polled.asked


async def test_an_install_is_not_done_before_the_runbooks_after_its_deploy_are() -> None:
    runbooks = [
        {"runbook_name": "migrate", "status": "success", "workflow_id": "inwm"},
        {"runbook_name": "smoke", "status": "in-progress", "workflow_id": "inws"},
        {"runbook_name": "announce", "status": "pending"},
    ]

    root = await platform(
        group_row(install_row(1, "success", phase="runbook", runbooks=runbooks)),
        inws=workflow_row("inws", "success"),
    ).poll()

    unit = units(root)["inl1"]
    assert (unit.phase, unit.description) == (Phase.RUNNING, "runbook smoke")
    assert unit.workflow_id == "inws"


async def test_an_install_fails_where_a_runbook_after_its_deploy_does() -> None:
    runbooks = [
        {"runbook_name": "smoke", "status": "error", "workflow_id": "inws"},
        {"runbook_name": "announce", "status": "cancelled"},
    ]

    root = await platform(group_row(install_row(1, "success", runbooks=runbooks))).poll()

    assert (units(root)["inl1"].phase, units(root)["inl1"].description) == (
        Phase.FAILED,
        "runbook smoke",
    )


# What is asked for


async def test_the_groups_are_asked_for_by_the_id_of_the_branch_run() -> None:
    nuon = platform()

    await nuon.poll()

    assert nuon.asked == [f"/v1/workflows/{RUN_ID}", GROUP_RUNS]


async def test_a_run_without_its_groups_is_no_observation() -> None:
    nuon = platform()
    nuon.answers[GROUP_RUNS] = NuonUnavailable("timeout")

    with pytest.raises(NuonUnavailable):
        await nuon.poll()


async def test_a_run_that_has_only_just_begun_has_no_groups() -> None:
    document = run_row() | {"app_branch_runs": []}
    nuon = platform(document=document)

    root = await nuon.poll()

    assert (root.status, root.children) == ("in-progress", ())
    assert nuon.asked == [f"/v1/workflows/{RUN_ID}"]


async def test_an_install_that_went_well_is_not_asked_for() -> None:
    nuon = platform(group_row(install_row(1, "success"), install_row(2)))

    await nuon.poll()

    assert nuon.asked_workflows() == ["/v1/workflows/inw2"]


async def test_an_install_whose_workflow_cannot_be_read_stands_as_it_was_seen() -> None:
    waiting = step_row("approval-awaiting")
    nuon = platform(group_row(install_row(1)), inw1=workflow_row("inw1", "in-progress", waiting))
    await nuon.poll()
    before = nuon.seen

    nuon.answers["/v1/workflows/inw1"] = NuonUnavailable("timeout")
    root = await nuon.poll()

    assert units(root)["inl1"].status == "approval-awaiting"
    assert nuon.seen is not None
    assert diff(before, nuon.seen).transitions == ()


async def test_a_workflow_that_is_garbage_takes_nothing_from_the_run() -> None:
    nuon = platform(group_row(install_row(1, "error"), install_row(2, "error")))
    nuon.answers["/v1/workflows/inw1"] = ["garbage"]
    nuon.answers["/v1/workflows/inw2"] = workflow_row("another", "success")

    root = await nuon.poll()

    assert {unit.status for unit in units(root).values()} == {"error"}


async def test_a_run_over_many_installs_costs_few_requests_and_misses_none() -> None:
    installs = [install_row(number) for number in range(50)]
    installs[40]["status"] = "error"
    waiting = step_row("approval-awaiting")
    workflows = {f"inw{n}": workflow_row(f"inw{n}", "in-progress", waiting) for n in range(50)}
    nuon = platform(group_row(*installs), **workflows)

    await nuon.poll()
    first = nuon.asked_workflows()
    await nuon.poll()
    root = await nuon.poll()

    assert len(first) == 20
    assert first[0] == "/v1/workflows/inw40"
    waiting_installs = [unit for unit in units(root).values() if unit.phase is Phase.WAITING]
    assert len(waiting_installs) == 49


async def test_those_that_one_poll_leaves_out_come_first_in_the_next() -> None:
    nuon = platform(
        group_row(*(install_row(number) for number in range(30))),
        **{f"inw{n}": workflow_row(f"inw{n}", "in-progress") for n in range(30)},
    )

    polls = [(await nuon.poll(), nuon.asked_workflows())[1] for _ in range(4)]

    later = [path for poll in polls[2:] for path in poll]
    assert len(set(later)) == 30


async def test_no_install_goes_back_because_it_was_left_out() -> None:
    nuon = platform(
        group_row(*(install_row(number) for number in range(45))),
        **{f"inw{n}": workflow_row(f"inw{n}", "success") for n in range(1, 45)},
        inw0=workflow_row("inw0", "in-progress"),
    )

    polls = [units(await nuon.poll()).values() for _ in range(6)]

    counts = [sum(unit.phase is Phase.SUCCEEDED for unit in poll) for poll in polls]
    assert counts == [19, 39, 44, 44, 44, 44]
    assert nuon.asked_workflows() == ["/v1/workflows/inw0"]


async def test_why_an_install_failed_is_asked_for_once() -> None:
    nuon = platform(group_row(install_row(1, "error")), inw1=workflow_row("inw1", "error"))
    await nuon.poll()
    asked_first = nuon.asked_workflows()

    await nuon.poll()

    assert (asked_first, nuon.asked_workflows()) == (["/v1/workflows/inw1"], [])


async def test_the_same_answers_again_tell_nothing_whichever_of_them_were_asked_for() -> None:
    failed = step_row("error", "apply api", composite_error={"message": "helm upgrade timed out"})
    nuon = platform(
        group_row(*(install_row(n, "error" if n % 2 else "in-progress") for n in range(60))),
        **{f"inw{n}": workflow_row(f"inw{n}", "error", failed) for n in range(1, 60, 2)},
        **{f"inw{n}": workflow_row(f"inw{n}", "in-progress") for n in range(0, 60, 2)},
    )
    for _ in range(3):
        await nuon.poll()
    before = nuon.seen

    failed_units = [u for u in units(await nuon.poll()).values() if u.phase is Phase.FAILED]

    assert nuon.seen is not None
    assert not diff(before, nuon.seen).has_moved
    assert {reason_of(unit) for unit in failed_units} == {"helm upgrade timed out"}


# The app of a branch


def without_its_app(**fields: Any) -> Row:
    return run_row(app_branch=None, **fields)


async def test_the_app_is_looked_for_among_the_branches_page_by_page() -> None:
    nuon = platform(document=without_its_app())
    first, second = (f"/v1/branches?limit=100&offset={offset}" for offset in (0, 100))
    nuon.answers[first] = [{"id": "brn0", "app_id": "app0", "name": "other"}]
    nuon.answers[second] = [{"id": "brn1", "app_id": "app1", "name": "main"}]
    nuon.more = frozenset({first})

    root = await nuon.poll()

    assert (root.app_id, root.name) == ("app1", "main")
    assert nuon.asked == [f"/v1/workflows/{RUN_ID}", first, second, GROUP_RUNS]


async def test_the_app_is_looked_for_only_once() -> None:
    nuon = platform(document=without_its_app())
    nuon.answers["/v1/branches?limit=100&offset=0"] = [{"id": "brn1", "app_id": "app1"}]
    await nuon.poll()

    root = await nuon.poll()

    assert (nuon.asked, root.app_id) == ([f"/v1/workflows/{RUN_ID}", GROUP_RUNS], "app1")


async def test_without_a_list_of_branches_each_app_is_asked() -> None:
    nuon = platform(document=without_its_app())
    nuon.answers["/v1/apps?limit=100&offset=0"] = [{"id": "app0"}, {"id": "app1"}]
    nuon.answers["/v1/apps/app1/branches/brn1"] = {"id": "brn1", "name": "main"}

    root = await nuon.poll()

    assert (root.app_id, root.name) == ("app1", "main")
    assert [group.name for group in root.children] == ["canary", "fleet"]


async def test_a_run_whose_branch_was_removed_is_still_told() -> None:
    nuon = platform(document=without_its_app(status="failed"))
    nuon.answers["/v1/branches?limit=100&offset=0"] = []

    root = await nuon.poll()

    assert (root.phase, root.app_id) == (Phase.FAILED, "")


# What is refused


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"id": "inwother"}', b"{}", b'{"id": 1}', b"\xff", b'"inwrun"']
)
def test_an_answer_that_is_no_run_of_this_id_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        run.decode(body, RUN_ID, Memo())


def test_a_mutated_run_is_read_or_refused_and_each_id_stands_in_one_place() -> None:
    chance = random.Random(20_260_701)
    deploy = {"id": "dpl1", "status": "error", "runner_jobs": [{"id": "job1", "status": "failed"}]}
    documents = {
        f"/v1/workflows/{RUN_ID}": run_row(steps=(step_row("approval-awaiting"),)),
        GROUP_RUNS: [
            group_row(install_row(1, "error"), install_row(2), status="error"),
            group_row(install_row(1), install_row(2, "success", runbooks=[{}]), attempt=2),
        ],
        "/v1/workflows/inw1": workflow_row("inw1", "error", step_row("error")),
        "/v1/workflows/inw2": workflow_row("inw2", "in-progress", install_deploys=[deploy]),
    }
    bodies = {path: json.dumps(document).encode() for path, document in documents.items()}
    tally = {"read": 0, "refused": 0}

    for _ in range(400):
        spoilt = bodies | {
            path: fuzz.mutated(bodies[path], chance)
            for path in chance.sample(sorted(bodies), chance.choice((1, 1, 2)))
        }
        main = spoilt.pop(f"/v1/workflows/{RUN_ID}")
        beside: Beside = {path: Document(body) for path, body in spoilt.items()}
        try:
            run.further(main, RUN_ID, beside, None)
            root = run.decode(main, RUN_ID, Memo(), beside)
        except MalformedAnswer:
            tally["refused"] += 1
            continue
        tally["read"] += 1
        keys = [(entity.kind, entity.id) for _, entity in root.walk()]
        assert len(keys) == len(set(keys))
        assert all(identifier for _, identifier in keys)

    assert tally["read"] > 200
    assert tally["refused"] > 20


async def test_the_order_of_lists_changes_nothing() -> None:
    failed = step_row("error", "apply api", idx=1)
    rows = [
        group_row(install_row(1, "error"), install_row(2, "success"), status="error"),
        group_row(install_row(1), install_row(2), attempt=2),
        group_row(install_row(3), install_row(4), group="grp2", attempt=3),
    ]
    one = platform(*rows, inw1=workflow_row("inw1", "error", failed, step_row("success")))
    other = Platform(copy.deepcopy(one.answers))
    shuffled = other.answers[GROUP_RUNS]
    shuffled.reverse()
    for row in shuffled:
        row["installs"].reverse()
    (branch_run,) = other.answers[f"/v1/workflows/{RUN_ID}"]["app_branch_runs"]
    branch_run["app_branch_config"]["install_groups"].reverse()

    assert await one.poll() == await other.poll()


# What finds runs


def test_the_runs_of_a_branch_are_listed_below_its_app() -> None:
    assert run.list_path("app1/brn1") == "/v1/apps/app1/branches/brn1/runs"
    assert FINDERS["app_branch"].locate is not None


def test_a_branch_that_is_given_with_its_app_needs_no_search() -> None:
    assert run.locate("app1/brn1", {}) == "app1/brn1"


def test_a_branch_that_is_given_alone_is_looked_for() -> None:
    first = Wanted("/v1/branches?limit=100&offset=0", is_needed=False)
    rows = json.dumps([{"id": "brn1", "app_id": "app1"}]).encode()

    assert run.locate("brn1", {}) == first
    assert run.locate("brn1", {first.path: Document(rows)}) == "app1/brn1"


def test_a_branch_that_no_app_has_is_gone() -> None:
    with pytest.raises(NuonNotFound, match="brn9"):
        run.locate("brn9", {"/v1/branches?limit=100&offset=0": Document(b"[]")})


def test_a_branch_is_not_gone_because_the_list_could_not_be_had() -> None:
    wanted = run.locate("brn9", {"/v1/branches?limit=100&offset=0": None})

    assert wanted == Wanted("/v1/apps?limit=100&offset=0", is_needed=True)


def test_a_list_of_runs_tells_which_are_over() -> None:
    rows = [run_row("running"), run_row("success"), run_row("failed"), run_row("cancelled"), None]

    found = run.decode_list(json.dumps(rows).encode(), "brn1").found

    assert [row.is_over for row in found] == [False, True, True, True]
    assert found[0].target == Target("run", RUN_ID)
    assert found[0].created_at == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert "main" in found[0].names
    assert found[0].ids == ("app1",)


def test_what_is_no_list_of_runs_is_refused() -> None:
    with pytest.raises(MalformedAnswer):
        run.decode_list(b'{"id": "inwrun"}', "brn1")
