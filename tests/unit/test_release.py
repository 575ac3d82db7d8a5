"""A release's document → the tree: what is read, what is forgiven, and what is refused."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import MalformedAnswer, NuonRejected
from monitor.kinds import FINDERS, KINDS, release, sharing, wire
from monitor.kinds.parts import BUILD, DEPLOY
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.kinds.wire import Memo
from monitor.model import (
    Entity,
    Found,
    Kind,
    PastStatus,
    Phase,
    Snapshot,
    Target,
    known_statuses,
    phase_of,
)
from monitor.simulation.scenarios import SCENARIOS, timeline
from tests.support import documents
from tests.support.builders import fixed
from tests.support.clock import NOON

Row = dict[str, Any]
RELEASE_ID = "relk2v9q7m3x8c4b6n1z5w0y2a"
COMMIT = {"sha": "c0ffee", "message": "Raise replicas", "author_name": "Robin Example"}


def read(document: Row) -> Entity:
    return release.decode(json.dumps(document).encode(), RELEASE_ID, Memo())


def document(*steps: Row | None, **fields: Any) -> Row:
    return {"id": RELEASE_ID, "status": "executing", "release_steps": list(steps), **fields}


def step_row(*deploys: Row | None, **fields: Any) -> Row:
    return {"id": "stp1", "status": "active", "install_deploys": list(deploys), **fields}


def deploy_row(**fields: Any) -> Row:
    return {"id": "dpl1", "status": "executing", **fields}


def read_deploy(**fields: Any) -> Entity:
    return read(document(step_row(deploy_row(**fields)))).children[0].children[0]


def read_step(**fields: Any) -> Entity:
    return read(document(step_row(**fields))).children[0]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# What is read


def test_the_documented_answer_is_read() -> None:
    root = read(documents.release() | {"id": RELEASE_ID})

    step = root.children[0]
    assert [root.kind, step.kind, step.children[0].kind] == [RELEASE, RELEASE_STEP, DEPLOY]


def test_a_full_answer_is_read_with_all_that_is_shown() -> None:
    root = read(
        document(
            step_row(
                deploy_row(
                    created_at="2025-12-01T12:01:00Z",
                    updated_at="2025-12-01T12:02:00Z",
                    status_description="applying",
                    created_by={"email": "robin@example.com"},
                    install_id="inl1",
                    component_id="cmp1",
                    component_name="checkout-api",
                    component_build={"git_ref": "main", "vcs_connection_commit": COMMIT},
                    install_workflow_id="inw1",
                    workflow_id="inw2",
                    plan_only=True,
                    install_deploy_type="apply",
                    status_v2={"status": "executing", "created_at_ts": 1764590520},
                ),
                created_at="2025-12-01T12:00:00Z",
                delay="1m0s",
                requested_install_ids=["inl2", "inl1"],
                status_description="polling",
            ),
            build_id="bld1",
            status_description="executing 1 release steps",
        )
    )

    assert root == Entity(
        kind=RELEASE,
        id=RELEASE_ID,
        status="executing",
        description="executing 1 release steps",
        name="checkout-api",
        component_id="cmp1",
        build_id="bld1",
        revision="c0ffee",
        created_by="robin@example.com",
        facts=(
            ("message", "Raise replicas"),
            ("author_name", "Robin Example"),
            ("branch", "main"),
        ),
        children=(
            Entity(
                kind=RELEASE_STEP,
                id="stp1",
                status="active",
                description="polling",
                created_at=datetime(2025, 12, 1, 12, 0, tzinfo=UTC),
                delay=60.0,
                planned=("inl1", "inl2"),
                children=(
                    Entity(
                        kind=DEPLOY,
                        id="dpl1",
                        status="executing",
                        description="applying",
                        created_at=datetime(2025, 12, 1, 12, 1, tzinfo=UTC),
                        updated_at=datetime(2025, 12, 1, 12, 2, tzinfo=UTC),
                        status_at=at(1764590520),
                        install_id="inl1",
                        workflow_id="inw1",
                        plan_only=True,
                        facts=(("install_deploy_type", "apply"),),
                    ),
                ),
            ),
        ),
    )


def test_a_thin_answer_is_ids_and_statuses() -> None:
    root = read(document(step_row(deploy_row())))

    assert [(entity.id, entity.status) for _, entity in root.walk()] == [
        (RELEASE_ID, "executing"),
        ("stp1", "active"),
        ("dpl1", "executing"),
    ]


@pytest.mark.parametrize("steps", [None, [], [None], [{"id": "stp1", "install_deploys": None}]])
def test_null_and_empty_lists_have_no_deploys(steps: Any) -> None:
    root = read({"id": RELEASE_ID, "status": "queued", "release_steps": steps})

    assert [entity for _, entity in root.walk() if entity.kind == DEPLOY] == []


def test_a_release_without_a_list_of_steps_has_none() -> None:
    assert read({"id": RELEASE_ID, "status": "queued"}).children == ()


def test_null_entries_of_lists_are_passed_over() -> None:
    root = read(
        document(None, step_row(None, deploy_row(), requested_install_ids=[None, "", "inl1"]))
    )

    assert root.children[0].planned == ("inl1",)
    assert [deploy.id for deploy in root.children[0].children] == ["dpl1"]


@pytest.mark.parametrize("field", ["status", "created_at", "install_id", "status_v2", "plan_only"])
def test_a_null_field_of_a_deploy_is_as_a_missing_one(field: str) -> None:
    row = deploy_row(**{field: None})
    missing = {key: value for key, value in row.items() if value is not None}

    assert read(document(step_row(row))) == read(document(step_row(missing)))


def test_a_deploy_with_an_empty_status_has_only_just_begun() -> None:
    assert read_deploy(status="").phase is Phase.PENDING


def test_unknown_fields_are_passed_over() -> None:
    assert read(document(step_row(), surprise={"deep": [1, {}]})) == read(document(step_row()))


# Details


def with_details(number: int, *, build: str = "bld1", **fields: Any) -> Row:
    return deploy_row(
        id=f"dpl{number}",
        created_at=f"2025-12-01T12:0{number}:00Z",
        runner_jobs=[{"id": f"job{number}", "status": "in-progress"}],
        component_build={"id": build, "status": "error", "runner_job": {"id": f"job-{build}"}},
        **fields,
    )


def places(root: Entity) -> dict[str, list[str]]:
    """Return the ids of all that is below each deploy."""
    deploys = [deploy for step in root.children for deploy in step.children]
    return {deploy.id: [part.id for _, part in deploy.walk()][1:] for deploy in deploys}


def test_a_build_stands_below_the_first_of_its_deploys() -> None:
    root = read(
        document(
            step_row(with_details(3), id="stp2", created_at="2025-12-01T12:09:00Z"),
            step_row(with_details(2), with_details(1), created_at="2025-12-01T12:00:00Z"),
        )
    )

    assert places(root) == {
        "dpl1": ["bld1", "job-bld1", "job1"],
        "dpl2": ["job2"],
        "dpl3": ["job3"],
    }


def test_each_build_is_shown() -> None:
    root = read(document(step_row(with_details(1), with_details(2, build="bld2"))))

    assert places(root)["dpl2"] == ["bld2", "job-bld2", "job2"]


def test_a_build_without_an_id_is_that_of_its_deploy_alone() -> None:
    nameless = {"status": "error"}
    rows = [deploy_row(id=f"dpl{n}", component_build=nameless) for n in (1, 2)]

    assert places(read(document(step_row(*rows)))) == {
        "dpl1": ["dpl1/build 1"],
        "dpl2": ["dpl2/build 1"],
    }


def test_a_build_with_the_id_of_its_deploy_is_not_gone_into_again() -> None:
    row = deploy_row(id="dpl1", component_build={"id": "dpl1", "status": "error"})

    assert places(read(document(step_row(row)))) == {"dpl1": []}


def test_a_job_that_two_deploys_name_stands_below_the_first() -> None:
    second = with_details(2) | {"runner_jobs": [{"id": "job1"}, {"id": "job2"}]}

    root = read(document(step_row(second, with_details(1))))

    assert places(root) == {"dpl1": ["bld1", "job-bld1", "job1"], "dpl2": ["job2"]}


def test_an_unchanged_deploy_with_details_stays_the_very_same() -> None:
    rows = [with_details(number) for number in (1, 2, 3)]
    memo: Memo[release.Parsed] = Memo()
    before = release.decode(json.dumps(document(step_row(*rows))).encode(), RELEASE_ID, memo)

    rows[1] |= {"status": "error"}
    body = json.dumps(document(step_row(*rows))).encode()
    after = release.decode(body, RELEASE_ID, Memo(memo))

    pairs = zip(before.children[0].children, after.children[0].children, strict=True)
    assert [one is other for one, other in pairs] == [True, False, True]


def test_details_that_cannot_be_read_do_not_lose_the_deploy() -> None:
    body = json.dumps(document(step_row(deploy_row(runner_jobs=[{"status": "TOO-BIG"}])))).encode()

    root = release.decode(body.replace(b'"TOO-BIG"', b"1e999"), RELEASE_ID, Memo())

    assert [deploy.status for deploy in root.children[0].children] == ["executing"]


def test_a_build_that_cannot_be_read_does_not_lose_the_deploy() -> None:
    body = json.dumps(document(step_row(deploy_row(component_build={"id": "TOO-BIG"})))).encode()

    root = release.decode(body.replace(b'"TOO-BIG"', b"1e999"), RELEASE_ID, Memo())

    assert [deploy.status for deploy in root.children[0].children] == ["executing"]


# Statuses


def test_status_v2_is_believed_over_status() -> None:
    deploy = read_deploy(
        status="executing",
        status_description="applying",
        status_v2={"status": "error", "status_human_description": "timed out"},
    )

    assert (deploy.status, deploy.description) == ("error", "timed out")


def test_a_description_is_not_lent_to_another_status() -> None:
    deploy = read_deploy(
        status="executing", status_description="applying", status_v2={"status": "error"}
    )

    assert deploy.description == ""


@pytest.mark.parametrize(
    "newer", [None, {}, 7, [], {"status": ""}, {"status": 7}, {"status": None}]
)
def test_an_empty_status_v2_leaves_status_as_it_is(newer: Any) -> None:
    deploy = read_deploy(status_description="applying", status_v2=newer)

    assert (deploy.status, deploy.description) == ("executing", "applying")


def test_a_status_is_kept_word_for_word() -> None:
    deploy = read_deploy(status="Re-Balancing_2")

    assert (deploy.status, deploy.phase) == ("Re-Balancing_2", Phase.UNKNOWN)


def test_history_is_read_oldest_first_whichever_way_it_comes() -> None:
    entries = [
        {"status": "queued", "created_at_ts": 1764590400},
        {"status": "planning", "created_at_ts": 1764590401, "status_human_description": "plans"},
        {"status": "syncing", "created_at_ts": 1764590401},
    ]
    histories = [
        read_deploy(status_v2={"status": "active", "history": rows}).history
        for rows in (entries, entries[::-1])
    ]

    assert histories[0] == histories[1]
    assert histories[0] == (
        PastStatus("queued", at(1764590400)),
        PastStatus("planning", at(1764590401), "plans"),
        PastStatus("syncing", at(1764590401)),
    )


def test_entries_of_a_history_without_a_word_or_a_time_are_passed_over() -> None:
    entries = [
        None,
        {},
        7,
        {"status": "queued"},
        {"created_at_ts": 1},
        {"status": "", "history": []},
    ]

    assert read_deploy(status_v2={"status": "active", "history": entries}).history == ()


@pytest.mark.parametrize(
    ("kind", "word", "phase"),
    [
        (RELEASE, "active", Phase.SUCCEEDED),
        (RELEASE, "error", Phase.FAILED),
        (RELEASE, "executing_release_steps", Phase.RUNNING),
        (RELEASE, "ready", Phase.UNKNOWN),
        (RELEASE_STEP, "waiting_for_delay", Phase.PENDING),
        (RELEASE_STEP, "polling_install_deploys", Phase.RUNNING),
        (RELEASE_STEP, "executing", Phase.UNKNOWN),
        (DEPLOY, "pending-approval", Phase.WAITING),
        (DEPLOY, "Active", Phase.UNKNOWN),
        *((DEPLOY, word, Phase.ENDED) for word in ("noop", "cancelled", "approval-denied")),
        *((DEPLOY, word, Phase.ENDED) for word in ("drift-detected", "auto-skipped")),
        *((DEPLOY, word, Phase.ENDED) for word in ("no-drift", "inactive", "unknown")),
    ],
)
def test_a_status_word_has_its_phase(kind: Kind, word: str, phase: Phase) -> None:
    assert phase_of(kind, word) is phase


@pytest.mark.parametrize(
    ("kind", "borrowed"),
    [
        *((kind, set[str]()) for kind in (RELEASE, RELEASE_STEP)),
        # Their newer status has the words of a workflow.
        *((kind, {"success"}) for kind in (DEPLOY, BUILD)),
    ],
)
def test_only_active_is_success_and_only_error_is_failure(kind: Kind, borrowed: set[str]) -> None:
    good = {word for word in known_statuses(kind) if phase_of(kind, word) is Phase.SUCCEEDED}
    bad = {word for word in known_statuses(kind) if phase_of(kind, word) is Phase.FAILED}

    assert (good, bad) == ({"active"} | borrowed, {"error"})


# Times and durations


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-12-01T12:00:00Z", datetime(2025, 12, 1, 12, tzinfo=UTC)),
        ("2025-12-01T14:00:00+02:00", datetime(2025, 12, 1, 12, tzinfo=UTC)),
        ("2025-12-01T12:00:00.123456789Z", datetime(2025, 12, 1, 12, 0, 0, 123456, UTC)),
        ("2025-12-01T12:00:00.5Z", datetime(2025, 12, 1, 12, 0, 0, 500000, UTC)),
        ("2025-12-01T12:00:00", datetime(2025, 12, 1, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("2025-13-01T12:00:00Z", None),
        ("<string>", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_read_as_utc_or_not_at_all(text: str | None, time: datetime | None) -> None:
    assert wire.read_time(text) == time


@pytest.mark.parametrize("seconds", [0, None, -1, 1e300, 1764590400000, "noon", {}, [1]])
def test_a_zero_or_impossible_timestamp_is_none(seconds: Any) -> None:
    assert read_deploy(status_v2={"status": "active", "created_at_ts": seconds}).status_at is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("1m0s", 60),
        ("1h30m0s", 5400),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("-1m0s", 0),
        ("5", 0),
        ("1m0s and more", 0),
        ("999999999h0m0s", 30 * 86400),
        ("9" * 400 + "h", 30 * 86400),
        ("", 0),
        (None, 0),
    ],
)
def test_a_delay_is_read_in_seconds(text: str | None, seconds: float) -> None:
    assert read_step(delay=text).delay == seconds


# Order and repetition


def test_steps_and_deploys_stand_in_the_order_of_their_creation() -> None:
    root = read(
        document(
            step_row(id="stp3"),
            step_row(id="stp2", created_at="2025-12-01T12:00:00.002Z"),
            step_row(
                deploy_row(id="dplb", created_at="2025-12-01T12:01:00Z"),
                deploy_row(id="dpla", created_at="2025-12-01T12:01:00Z"),
                id="stp1",
                created_at="2025-12-01T12:00:00.001Z",
            ),
        )
    )

    assert [step.id for step in root.children] == ["stp1", "stp2", "stp3"]
    assert [deploy.id for deploy in root.children[0].children] == ["dpla", "dplb"]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_two_rows_with_one_id_the_newer_one_counts(is_reversed: bool) -> None:
    rows = [
        deploy_row(status="executing", updated_at="2025-12-01T12:01:00Z"),
        deploy_row(status="error", updated_at="2025-12-01T12:02:00Z"),
    ]

    root = read(document(step_row(*(rows[::-1] if is_reversed else rows))))

    assert [deploy.status for deploy in root.children[0].children] == ["error"]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_first_deploy_says_who_began_the_release(is_reversed: bool) -> None:
    rows = [
        deploy_row(id="b", created_at="2025-12-01T12:01:00Z", created_by={"email": "first"}),
        deploy_row(id="a", created_at="2025-12-01T12:09:00Z", created_by={"email": "retried"}),
    ]

    root = read(document(step_row(*(rows[::-1] if is_reversed else rows))))

    assert root.created_by == "first"


def shuffled(value: Any, chance: random.Random) -> Any:
    """Reorder every list of a document; of a history only whether the newest comes first."""
    if isinstance(value, dict):
        return {
            key: rows[:: chance.choice((1, -1))]
            if key == "history" and isinstance(rows, list)
            else shuffled(rows, chance)
            for key, rows in value.items()
        }
    if isinstance(value, list):
        return chance.sample([shuffled(row, chance) for row in value], len(value))
    return value


@fixed(80)
@given(st.sampled_from(sorted(SCENARIOS.keys() - {"large"})), st.randoms(), st.floats(0, 1))
def test_the_order_of_lists_changes_nothing(name: str, chance: random.Random, when: float) -> None:
    rollout = timeline(SCENARIOS[name], 1)
    end = rollout.scenario.deleted_after or rollout.settles_after
    state = rollout.state_at(when * end * 0.999)

    one, other = (
        release.decode(msgspec.json.encode(document), rollout.id, Memo())
        for document in (state, shuffled(state, chance))
    )

    assert one == other


# What is refused


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b"<html>502 Bad Gateway</html>", "not valid JSON"),
        (b'{"id": "rel', "not valid JSON"),
        (b'{"id": "\xff\xfe", "status": "active"}', "not valid JSON"),
        (b'{"id": "\\ud800", "status": "active"}', "not valid JSON"),
        (b"null", "promised shape"),
        (b"[]", "promised shape"),
        (b"{}", "`id`"),
        (b'{"id": 7}', "`$.id`"),
        (b'{"id": null}', "`$.id`"),
        (b'{"id": "relother", "status": "active"}', "is about 'relother'"),
        (b'{"id": "", "status": "active"}', "is about ''"),
    ],
)
def test_a_body_that_is_no_such_release_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(MalformedAnswer) as refused:
        release.decode(body, RELEASE_ID, Memo())

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("malformed", "says"),
    [
        (document(status=None), "has no status"),
        (document(status=""), "has no status"),
        (document(release_steps={}), "`$.release_steps`"),
        (document(step_row(id="")), "a release step in the answer has an empty id"),
        (document(step_row(deploy_row(id={}))), "an install deploy in the answer has an empty id"),
        (document(step_row(deploy_row(id=""))), "an install deploy in the answer has an empty id"),
        (document({"status": "active"}), "`$.release_steps[0]`"),
        (document(step_row(status=3)), "`$.release_steps[0].status`"),
        (
            document(step_row(deploy_row(status={}))),
            (
                "an install deploy does not have the promised shape:"
                " Expected `str | null`, got `object` - at `$.status`"
            ),
        ),
        (document(step_row(requested_install_ids=[1])), "requested_install_ids[0]`"),
        (
            document(step_row(deploy_row(), id="a"), step_row(deploy_row(), id="b")),
            "'dpl1' stands in two release steps",
        ),
    ],
)
def test_a_malformed_release_is_refused_with_its_place(malformed: Row, says: str) -> None:
    with pytest.raises(MalformedAnswer) as refused:
        read(malformed)

    assert says in str(refused.value)


@pytest.mark.parametrize("field", [b"history", b"surprise"])
def test_nesting_without_end_is_refused(field: bytes) -> None:
    deep = b'{"status": "x", "%s": [' % field * 20_000 + b"]}" * 20_000
    body = (
        b'{"id": "%s", "status": "active", "surprise": %s,'
        b' "release_steps": [{"id": "s", "install_deploys": [{"id": "d", "status_v2": %s}]}]}'
    ) % (RELEASE_ID.encode(), deep, deep)

    with pytest.raises(MalformedAnswer, match="nested too deeply"):
        release.decode(body, RELEASE_ID, Memo())


def test_a_refusal_does_not_repeat_an_endless_foreign_id() -> None:
    with pytest.raises(MalformedAnswer) as refused:
        release.decode(
            json.dumps({"id": "x" * 10_000, "status": "active"}).encode(), RELEASE_ID, Memo()
        )

    assert len(str(refused.value)) < 200


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", 0, -1, 1e300, 10**400, True, [], {}, [None], [[]], {"id": None}, "x", "\x00", "é"]
)


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found: list[tuple[Any, Any]] = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            found.extend(places_in(value[key]))
    return found


@fixed(200)
@given(
    st.sampled_from(["demo", "fat", "thin", "lagging", "retry"]),
    st.randoms(),
    st.lists(st.one_of(st.none(), JUNK.map(lambda junk: (junk,))), min_size=1, max_size=4),
)
def test_a_mutated_document_is_read_or_refused(
    name: str, chance: random.Random, mutations: list[tuple[Any] | None]
) -> None:
    rollout = timeline(SCENARIOS[name], 2)
    state = json.loads(json.dumps(rollout.state_at(chance.uniform(0, rollout.settles_after))))
    for mutation in mutations:
        if places := places_in(state):
            container, key = chance.choice(places)
            if mutation is None:
                del container[key]
            else:
                container[key] = copy.deepcopy(mutation[0])

    try:
        root = release.decode(json.dumps(state).encode(), rollout.id, Memo())
    except MalformedAnswer:
        return

    seen = Snapshot(Target("release", root.id), NOON, root)
    assert decode_snapshot(encode_snapshot(seen)) == seen
    keys = sharing.keys([root])
    assert len(keys) == len(set(keys))


@fixed(200)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
def test_any_bytes_are_read_or_refused(junk: bytes, start: int, cut: int) -> None:
    whole = json.dumps(document(step_row(deploy_row(install_id="inl1")))).encode()
    body = whole[:start] + junk + whole[start + cut :]

    try:
        root = release.decode(body, RELEASE_ID, Memo())
    except MalformedAnswer:
        return

    assert root.id == RELEASE_ID


# Where it is asked for


def test_a_release_is_asked_for_by_its_id() -> None:
    assert KINDS["release"].path(RELEASE_ID) == f"/v1/releases/{RELEASE_ID}"


def test_an_id_cannot_lead_out_of_its_place_in_the_path() -> None:
    assert release.path("../orgs?x=1#") == "/v1/releases/..%2Forgs%3Fx%3D1%23"


# Where releases are found


def find(*rows: Any) -> tuple[Found, ...]:
    return release.find(json.dumps(rows).encode(), "appid").found


@pytest.mark.parametrize(
    ("kind", "path"),
    [("app", "/v1/apps/an%2Fid/releases"), ("component", "/v1/components/an%2Fid/releases")],
)
def test_releases_are_listed_by_app_and_by_component(kind: str, path: str) -> None:
    assert FINDERS[kind].path("an/id") == path


def test_a_release_is_found_with_what_the_list_says_of_it() -> None:
    build = {"component_id": "cmp1", "component_name": "api", "surprise": 1}
    row = {"id": "rel1", "status": "active", "created_at": "2025-12-01T12:00:00Z", "build": build}

    assert find(None, row) == (
        Found(
            target=Target("release", "rel1"),
            is_over=True,
            created_at=datetime(2025, 12, 1, 12, tzinfo=UTC),
            names=("api",),
            ids=("cmp1",),
        ),
    )


@pytest.mark.parametrize(
    ("status", "is_over"),
    [("error", True), ("executing", False), ("", False), (None, False), ("reticulating", False)],
)
def test_a_listed_release_is_over_at_its_end_only(status: str | None, *, is_over: bool) -> None:
    assert [one.is_over for one in find({"id": "rel1", "status": status})] == [is_over]


@pytest.mark.parametrize("field", ["semantic_digest", "app_config_id"])
def test_a_bill_of_materials_is_no_release(field: str) -> None:
    with pytest.raises(NuonRejected, match="bill of materials") as refused:
        find({"id": "rel1", "status": "ready", field: "x"})

    assert refused.value.is_missing_route
    assert "app_branch=" in KINDS["release"].served


@pytest.mark.parametrize("body", [b"{}", b'[{"status": "active"}]', b'[{"id": ""}]', b"nonsense"])
def test_a_list_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        release.find(body, "appid")
