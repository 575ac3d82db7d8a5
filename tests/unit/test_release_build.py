"""The build that a release waits for and fails with, and a step that a failure leaves behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.compose.render import card as card_of
from monitor.decide.progress import awaits_build, is_failed_by_build
from monitor.kinds import release as release_kind
from monitor.kinds.causes import reason_of
from monitor.kinds.profile import NOTHING_SEEN
from monitor.kinds.release_questions import questions
from monitor.kinds.wire import Document, Memo
from monitor.model import Entity
from tests.support.block_kit import drawn, links_in
from tests.support.builders import RELEASE_ID, Reader, after, deploy, release, step, words
from tests.support.rendering import view

Row = dict[str, Any]
QUEUED_STEPS = [{"id": "stp1", "status": "queued", "requested_install_ids": ["inl1", "inl2"]}]
EXIT_1 = "docker build: exit code 1"


def read(status: str, build: object, beside: Row | None = None, **fields: Any) -> Entity:
    document = {
        "id": RELEASE_ID,
        "status": status,
        "build_id": "bld1",
        "build": build,
        "release_steps": QUEUED_STEPS,
        **fields,
    }
    documents = {path: Document(json.dumps(row).encode()) for path, row in (beside or {}).items()}
    return release_kind.decode(json.dumps(document).encode(), RELEASE_ID, Memo(), documents)


def build(status: str, description: str = "", **fields: Any) -> Row:
    return {"id": "bld1", "status": status, "status_description": description, **fields}


def link(words: str, path: str) -> tuple[str, str]:
    return words, f"https://app.nuon.co/org1/{path}"


BEGUN = [{"id": "stp1", "status": "creating_install_deploys"}]


@pytest.mark.parametrize(
    ("root", "awaits"),
    [
        (read("queued", build("building")), True),
        (read("planning", build("planning")), True),
        (read("queued", build("queued", status_v2={"status": "building"})), True),
        (read("queued", build("active")), False),
        (read("queued", build("error")), False),
        (read("queued", build("strange")), False),
        (read("queued", None), False),
        (read("error", build("building")), False),
        (read("executing_release_steps", build("building"), release_steps=BEGUN), False),
    ],
)
def test_a_release_waits_for_its_build_until_that_has_ended(root: Entity, *, awaits: bool) -> None:
    assert awaits_build(root) is awaits
    assert (" is waiting for its build" in drawn(card_of(view(root)))) is awaits


@pytest.mark.parametrize(
    ("build_row", "said", "reason"),
    [
        (build("error", EXIT_1), "build failed", EXIT_1),
        (build("error", EXIT_1), "", EXIT_1),
        (build("error", EXIT_1), "the org is suspended", "the org is suspended"),
        (build("error"), "build failed", "build failed"),
        (build("active", "all well"), "release step errored", "release step errored"),
        ("no build", "build failed", "build failed"),
    ],
)
def test_a_release_that_fails_with_its_build_says_why(
    build_row: object, said: str, reason: str
) -> None:
    assert reason_of(read("error", build_row, status_description=said)) == reason


def test_a_build_that_failed_without_a_word_is_asked_about() -> None:
    silent = build("error", "build failed")
    document = {"id": RELEASE_ID, "status": "error", "build_id": "bld1", "build": silent}
    job = {"id": "job1", "status": "failed", "status_description": EXIT_1}
    own = build("active", runner_job=job) | {"status": "error"}

    asked = questions(json.dumps(document).encode(), RELEASE_ID, {}, NOTHING_SEEN)
    explained = read("error", silent, {asked[0].path: own}, status_description="build failed")

    assert [one.path for one in asked] == ["/v1/components/builds/bld1"]
    assert reason_of(explained) == EXIT_1
    assert reason_of(read("error", silent, {asked[0].path: {"id": 1}})) == ""


def test_a_release_that_fails_with_its_build_leads_there() -> None:
    root = read("error", build("error", EXIT_1, component_id="cmp1", component_name="api"))

    card = card_of(view(root, apps={"cmp1": "app1"}))

    assert is_failed_by_build(root)
    assert "❌ api failed because its build failed" in card.text
    assert f"> {EXIT_1}" in drawn(card)
    assert link("Open build", "apps/app1/components/cmp1/builds/bld1") in links_in(card)


def test_what_the_build_says_of_the_release_is_read() -> None:
    source = {"repo": "acme/api", "branch": "main"}
    row = build(
        "active",
        component_id="cmp1",
        component_name="api",
        component_config_version=7,
        component_config_connection={"helm": {"connected_github_vcs_config": source}},
        vcs_connection_commit={"sha": "4c55b10d0a1b2c3d"},
        git_ref="main",
    )

    root = read("queued", row)

    assert (root.name, root.component_id, root.revision) == ("api", "cmp1", "4c55b10d0a1b2c3d")
    card = drawn(card_of(view(root)))
    assert "version 7" in card
    assert "commit 4c55b10 of acme/api on main" in card


@pytest.mark.parametrize("junk", [1, "x", [], {}, {"id": []}, {"status": []}, None])
def test_a_build_that_is_none_is_as_a_missing_one(junk: object) -> None:
    assert read("queued", junk) == read("queued", None)


# When it takes too long


def waiting(status: str = "building") -> Entity:
    return release("queued", step(1, "queued"), facts=(("build_status", status),))


def stalls_at(*polls: tuple[float, Entity]) -> list[tuple[float, str]]:
    reader = Reader()
    return [
        (minutes, word)
        for minutes, root in polls
        for word in words(reader.poll(root, after(minutes)))
    ]


def test_a_long_build_is_no_stall_until_the_platform_has_given_up() -> None:
    reader = Reader()
    for minutes in range(60):
        reader.poll(waiting(), after(minutes))
    assert words(event for _, event in reader.reported) == ["started release"]

    (event,) = reader.poll(waiting(), after(60))

    assert event.reason.kind == "awaits build"
    assert reader.seen is not None
    assert reader.state is not None
    assert "its build has not ended" in drawn(card_of(view(reader.seen.root, reader.state)))


def test_a_release_that_does_not_begin_after_its_build_is_stalled_as_any_other() -> None:
    polls = [(0.0, waiting()), (50.0, waiting("active")), (79.0, waiting("active"))]

    assert stalls_at(*polls) == [(0.0, "started release")]
    assert stalls_at(*polls, (80.0, waiting("active")))[-1] == (80.0, "stalled release")


# What a failure leaves behind


def left(status: str) -> Entity:
    first = step(1, status, deploy("acme", "queued"), planned=("acme", "globex"))
    return release("error", first, step(2, "queued", planned=("initech",)), description="")


@pytest.mark.parametrize("status", ["creating_install_deploys", "polling_install_deploys"])
def test_the_step_that_a_failed_release_was_at_is_where_it_failed(status: str) -> None:
    card = drawn(card_of(view(left(status))))

    assert "failed at step 1 of 2" in card
    assert "❌ step 1 · 2 installs · stopped here" in card
    assert "⚪ step 2 · 1 install · not attempted" in card
    assert "before it reached any install" not in card


def test_a_step_that_failed_itself_is_where_it_failed() -> None:
    second = step(2, "creating_install_deploys", deploy("globex", "queued"))
    root = release("error", step(1, "error", deploy("acme", "error", "no quota")), second)

    card = drawn(card_of(view(root)))

    assert "stopped at step 1 of 2" in card
    assert "stopped here" not in card


# Where to look

LOGS = link("Open logs of acme", "installs/acme/components/cmp1/deploys/dpl-acme/logs")


@pytest.mark.parametrize(
    ("facts", "of_release", "leads_to"),
    [
        ({"component_id": "cmp1"}, {}, LOGS),
        ({}, {"component_id": "cmp1"}, LOGS),
        ({"component_id": "cmp1", "workflow_id": "inw1"}, {}, LOGS),
        ({"workflow_id": "inw1"}, {}, link("Open acme", "installs/acme/workflows/inw1")),
        ({}, {}, link("Open acme", "installs/acme")),
    ],
)
def test_a_failed_deploy_leads_to_its_logs(
    facts: Row, of_release: Row, leads_to: tuple[str, str]
) -> None:
    unit = deploy("acme", "error", "no quota", **facts)
    root = release("error", step(1, "error", unit), **of_release)

    assert leads_to in links_in(card_of(view(root)))


def test_a_deploy_that_waits_leads_to_where_it_is_approved() -> None:
    unit = deploy("acme", "pending-approval", workflow_id="inw1", component_id="cmp1")
    root = release("executing_release_steps", step(1, "polling_install_deploys", unit))

    card = card_of(view(root))

    assert link("Open acme", "installs/acme/workflows/inw1") in links_in(card)
