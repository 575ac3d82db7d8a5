"""An installer: its apps and their configs, what it leads to, and the secrets that it holds."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.decide.diff import diff, keep_absent
from monitor.decide.progress import units_of
from monitor.errors import MalformedAnswer
from monitor.kinds import KINDS, installer
from monitor.kinds.installer import APP, INSTALLER
from monitor.kinds.installer_configs import Parsed
from monitor.kinds.parts import WORKFLOW
from monitor.kinds.stored import encode_snapshot
from monitor.kinds.wire import Memo
from monitor.model import Entity, Phase, Snapshot, Target
from tests.benchmarks import fuzz
from tests.support import documents
from tests.support.statuses import Distinct

Row = dict[str, Any]
ID = "int1"
WEBHOOK = "https://hooks.slack.com/services/T0/B0/secret"


def installer_row(*apps: Row | None, **fields: Any) -> Row:
    return {"id": ID, "metadata": {"name": "Acme"}, "apps": list(apps), **fields}


def app_row(*configs: Row | None, identifier: str = "app1", **fields: Any) -> Row:
    return {
        "id": identifier,
        "name": "checkout",
        "status": "active",
        "app_configs": list(configs),
        **fields,
    }


def config_row(version: int, status: str = "active", **fields: Any) -> Row:
    return {
        "id": f"cfg{version}",
        "version": version,
        "status": status,
        "app_id": "app1",
        "created_at": f"2025-11-{version:02}T12:00:00Z",
        **fields,
    }


def branch_row(*workflows: Row, **fields: Any) -> Row:
    return {"id": "brn1", "name": "main", "workflows": list(workflows), **fields}


def workflow_row(identifier: str, status: str = "in-progress", **fields: Any) -> Row:
    return {
        "id": identifier,
        "type": "app_branches_manual_update",
        "status": {"status": status},
        "created_at": "2025-11-20T12:00:00Z",
        **fields,
    }


def read(document: Row, memo: Memo[Parsed | None] | None = None) -> Entity:
    return installer.decode(json.dumps(document).encode(), ID, memo or Memo())


def read_app(**fields: Any) -> Entity:
    return read(installer_row(app_row(**fields))).children[0]


# What is shown


def test_everything_with_a_status_in_the_documented_installer_is_in_the_tree() -> None:
    document = documents.installer()
    (workflow,) = document["apps"][0]["app_configs"][0]["app_branch"]["workflows"]
    # "Any value" here; the other document shows that it is a list.
    workflow["install_action_workflow_runs"][0]["runner_job"]["executions"] = ["<any>"]
    # The other deploys of a build belong to other rollouts.
    distinct = Distinct(document, apart=("component_build.install_deploys",))

    root = installer.decode(json.dumps(distinct.document).encode(), distinct.document["id"], Memo())

    assert distinct.missing_from(root) == []
    assert len(distinct.paths) == 16


def test_an_installer_stands_with_its_name_and_all_that_is_said_of_it() -> None:
    metadata = {
        "id": "inm1",
        "installer_id": ID,
        "name": "Acme",
        "homepage_url": "https://acme.example",
        "post_install_markdown": "x" * 5_000,
        "demo_url": "",
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-11-01T00:00:00Z",
    }

    root = read(installer_row(metadata=metadata, type="self_hosted"))

    assert (root.kind, root.id, root.name, root.status) == (INSTALLER, ID, "Acme", "")
    assert [name for name, _ in root.facts] == [
        "type",
        "name",
        "homepage_url",
        "post_install_markdown",
    ]
    assert all(len(value) <= 200 for _, value in root.facts)


def test_an_app_is_shown_by_the_name_that_customers_see() -> None:
    app = read_app(display_name="Checkout API", status_description="provisioned")

    assert (app.kind, app.id, app.app_id, app.name) == (APP, "app1", "app1", "Checkout API")
    assert (app.status, app.description) == ("active", "provisioned")
    assert read_app().name == "checkout"


def test_the_newest_version_of_a_config_is_the_one_that_counts() -> None:
    app = read(installer_row(app_row(config_row(3, "syncing"), config_row(2), config_row(1))))

    configs = app.children[0].children
    assert [config.name for config in configs] == ["version 1", "version 2", "version 3"]
    assert [config.status for config in units_of(app.children[0])] == ["syncing"]


def test_a_config_is_shown_with_its_commit() -> None:
    config = config_row(
        7,
        "error",
        status_description="unable to sync",
        cli_version="0.19.700",
        vcs_connection_commit={"sha": "c0ffee", "message": "Fix it", "author_name": "Robin"},
        app_branch=branch_row(),
    )

    (shown,) = read(installer_row(app_row(config))).children[0].children

    assert (shown.phase, shown.description) == (Phase.FAILED, "unable to sync")
    assert (shown.revision, shown.app_id) == ("c0ffee", "app1")
    assert shown.facts == (
        ("message", "Fix it"),
        ("author_name", "Robin"),
        ("cli_version", "0.19.700"),
        ("branch", "main"),
    )


def test_a_branchs_workflow_is_told_once_though_several_configs_are_of_the_branch() -> None:
    branch = branch_row(workflow_row("inw1", "error"))

    root = read(
        installer_row(app_row(config_row(1, app_branch=branch), config_row(2, app_branch=branch)))
    )

    assert [entity.id for _, entity in root.walk() if entity.kind == WORKFLOW] == ["inw1"]


def test_a_branch_named_config_hides_no_config() -> None:
    branch = branch_row(workflow_row("inw1"), name="config")

    app = read(installer_row(app_row(config_row(1, "error", app_branch=branch)))).children[0]

    assert {unit.id for unit in units_of(app)} == {"cfg1", "inw1"}


def test_a_workflow_that_waits_for_an_approval_says_what_is_to_be_approved() -> None:
    step = {
        "id": "iws1",
        "name": "plan",
        "status": {"status": "approval-awaiting"},
        "approval": {"id": "apr1", "type": "terraform_plan"},
    }
    branch = branch_row(workflow_row("inw1", steps=[step]))

    root = read(installer_row(app_row(config_row(1, app_branch=branch))))

    waiting = [entity for _, entity in root.walk() if entity.phase is Phase.WAITING]
    assert "the Terraform plan" in [one.description for one in waiting]


def test_the_order_of_lists_changes_nothing() -> None:
    configs = [config_row(version) for version in (1, 2, 3)]
    apps = [app_row(*configs), app_row(identifier="app2")]
    turned = [app_row(identifier="app2"), app_row(*reversed(configs))]

    assert read(installer_row(*apps)) == read(installer_row(*turned))


def test_what_did_not_change_is_not_read_again() -> None:
    document = installer_row(app_row(config_row(1), config_row(2)))
    memo: Memo[Parsed | None] = Memo()
    before = read(document, memo)
    document["apps"][0]["app_configs"].append(config_row(3))

    after = read(document, Memo(memo))

    assert after.children[0].children[0] is before.children[0].children[0]


def test_a_touched_row_alone_is_no_change() -> None:
    target = Target("installer", ID)
    now = datetime(2025, 12, 1, tzinfo=UTC)
    document = installer_row(app_row(config_row(1)))
    before = Snapshot(target, now, read(document))
    document["metadata"]["updated_at"] = document["apps"][0]["updated_at"] = "2025-12-01T00:00:00Z"

    after = keep_absent(before, Snapshot(target, now, read(document)))

    assert not diff(before, after).has_moved


# What it leads to, and its secrets


def test_an_installer_leads_to_the_releases_of_its_apps() -> None:
    root = read(installer_row(app_row(), app_row(identifier="app2")))

    assert KINDS["installer"].leads_to(root) == (Target("app", "app1"), Target("app", "app2"))


def test_the_webhook_of_each_app_can_be_used() -> None:
    with_one = app_row(notifications_config={"slack_webhook_url": WEBHOOK})
    without = app_row(identifier="app2", notifications_config={"slack_webhook_url": ""})
    plain = app_row(
        identifier="app3", notifications_config={"slack_webhook_url": "http://hooks.slack.com/x"}
    )
    odd = app_row(identifier="app4", notifications_config=[WEBHOOK])

    body = json.dumps(installer_row(with_one, without, plain, odd, None)).encode()

    # Whether an address may be posted to is for those to say who know Slack's.
    assert installer.webhooks(body) == {"app1": WEBHOOK, "app3": "http://hooks.slack.com/x"}


def test_no_webhook_gets_into_the_tree() -> None:
    root = read(installer_row(app_row(notifications_config={"slack_webhook_url": WEBHOOK})))

    assert b"secret" not in encode_snapshot(root)


# What is forgiven, and what is refused


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": None},
        {"metadata": ["odd"]},
        {"metadata": {"name": 1, "demo_url": {}}},
        {"apps": None},
        {"apps": {}},
        {"apps": [None, "odd", {}, {"id": ""}]},
    ],
)
def test_what_is_odd_is_left_out(fields: Row) -> None:
    root = read(installer_row() | fields)

    assert (root.id, root.children) == (ID, ())


@pytest.mark.parametrize("configs", [None, {}, [None], ["odd"], [{}], [{"id": None}]])
def test_an_app_without_a_config_that_can_be_read_is_shown_all_the_same(configs: Any) -> None:
    assert read_app(app_configs=configs).status == "active"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": "int2"}', b'{"id": 1}', b"\xff"])
def test_an_answer_that_is_not_about_this_installer_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        installer.decode(body, ID, Memo())


def test_a_mutated_installer_is_read_or_refused_and_each_id_stands_in_one_place() -> None:
    chance = random.Random(20_251_107)
    branch = branch_row(workflow_row("inw1", steps=[{"id": "iws1", "status": {"status": "error"}}]))
    body = json.dumps(
        installer_row(
            app_row(config_row(1, app_branch=branch), config_row(2, "error", app_branch=branch)),
            app_row(config_row(3), identifier="app2", notifications_config={}),
        )
    ).encode()
    tally = {"read": 0, "refused": 0}

    for _ in range(400):
        mutant = fuzz.mutated(body, chance)
        try:
            root = installer.decode(mutant, ID, Memo())
            installer.webhooks(mutant)
        except MalformedAnswer:
            tally["refused"] += 1
            continue
        tally["read"] += 1
        keys = [(entity.kind, entity.id) for _, entity in root.walk()]
        assert len(keys) == len(set(keys))
        assert all(identifier for _, identifier in keys)

    assert tally["read"] > 200
    assert tally["refused"] > 20


def test_an_installer_is_asked_for_by_its_id() -> None:
    assert KINDS["installer"].path("int/1") == "/v1/installers/int%2F1"
