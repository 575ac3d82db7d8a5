"""What an app's own document adds to its installer, and all that it must not change there."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from monitor.kinds import installer
from monitor.kinds.installer_configs import APP_CONFIG
from monitor.kinds.parts import WORKFLOW
from monitor.kinds.profile import NOTHING_SEEN
from monitor.kinds.stored import encode_snapshot
from monitor.kinds.wire import Document, Memo, Question
from monitor.model import Entity
from tests.benchmarks import fuzz
from tests.unit.test_installer import (
    ID,
    WEBHOOK,
    Row,
    app_row,
    branch_row,
    config_row,
    installer_row,
    workflow_row,
)

PATH = "/v1/apps/app1"


def thin(*identifiers: str) -> Row:
    """An installer as the platform really sends it: no app has its configs."""
    rows = [app_row(identifier=one) | {"app_configs": None} for one in identifiers or ("app1",)]
    return installer_row(*rows)


def own(*configs: Row | None, identifier: str = "app1", **fields: Any) -> Row:
    return app_row(*configs, identifier=identifier, **fields)


def beside(*documents: Row | bytes | None) -> dict[str, Document | None]:
    """Answers about app1, app2, …; bytes stand for themselves, None for what was not answered."""
    return {
        f"/v1/apps/app{number}": None
        if document is None
        else Document(document if isinstance(document, bytes) else json.dumps(document).encode())
        for number, document in enumerate(documents, start=1)
    }


def read(document: Row, answers: Mapping[str, Document | None]) -> Entity:
    return installer.decode(json.dumps(document).encode(), ID, Memo(), answers)


def configs_of(root: Entity, number: int = 0) -> list[tuple[str, str]]:
    return [
        (unit.id, unit.status) for unit in root.children[number].children if unit.kind == APP_CONFIG
    ]


def test_each_app_is_asked_for_once() -> None:
    body = json.dumps(thin("app1", "app/2", "app1") | {"apps_of": "others"}).encode()

    asked = installer.questions(body, ID, {}, NOTHING_SEEN)

    assert asked == (Question("/v1/apps/app1"), Question("/v1/apps/app%2F2"))
    assert installer.questions(body, "int2", {}, NOTHING_SEEN) == ()


def test_the_configs_of_an_app_and_the_workflows_of_its_branch_are_its_own_document_s() -> None:
    branch = branch_row(workflow_row("inw1", "error"))
    answer = own(config_row(3, "error", app_branch=branch), config_row(2, app_branch=branch))

    root = read(thin(), beside(answer))

    assert configs_of(root) == [("cfg2", "active"), ("cfg3", "error")]
    (workflow,) = (one for one in root.children[0].children if one.kind == WORKFLOW)
    assert (workflow.id, workflow.fact("branch")) == ("inw1", "main")


AT_ONE, AT_TWO = {"updated_at": "2025-11-09T01:00:00Z"}, {"updated_at": "2025-11-09T02:00:00Z"}


@pytest.mark.parametrize(
    ("in_installer", "in_app", "shown"),
    [
        (config_row(3, "syncing"), config_row(3, "active"), "active"),
        (config_row(3, "active"), config_row(3, "syncing"), "syncing"),
        (config_row(3, "syncing", **AT_ONE), config_row(3, "active", **AT_TWO), "active"),
        (config_row(3, "active", **AT_TWO), config_row(3, "syncing", **AT_ONE), "active"),
    ],
    ids=["later word", "sorted otherwise", "later time", "kept from an earlier poll"],
)
def test_the_newer_of_two_documents_speaks_for_a_config(
    in_installer: Row, in_app: Row, shown: str
) -> None:
    root = read(installer_row(app_row(in_installer)), beside(own(in_app)))

    assert configs_of(root) == [("cfg3", shown)]


def test_what_only_the_installer_says_of_configs_stays() -> None:
    root = read(installer_row(app_row(config_row(1), config_row(2))), beside(own(config_row(3))))

    assert [key for key, _ in configs_of(root)] == ["cfg1", "cfg2", "cfg3"]


BAD_ANSWERS: dict[str, Row | bytes | None] = {
    "none": None,
    "nothing": b"",
    "html": b"<html>502</html>",
    "cut": json.dumps(own(config_row(3))).encode()[:-20],
    "not utf-8": b'{"id": "app1", "app_configs": [{"id": "\xff"}]}',
    "a list": b"[]",
    "another app": own(config_row(3), identifier="app9"),
    "no id": own(config_row(3)) | {"id": None},
    "no configs": own() | {"app_configs": {"id": "cfg3"}},
    "configs of another app": own(config_row(3, app_id="app9")),
    "a config with a deploy that has no status": own(
        config_row(3, app_branch=branch_row(workflow_row("inw1", install_deploys=[{"status": 1}])))
    ),
    "deep": b'{"id": "app1", "app_configs": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_app_s_document_that_is_not_what_it_should_be_costs_nothing_but_itself(
    answer: Row | bytes | None,
) -> None:
    answers = beside(answer, own(config_row(4, app_id="app2"), identifier="app2"))

    root = read(thin("app1", "app2"), answers)

    assert configs_of(root) == []
    assert configs_of(root, 1) == [("cfg4", "active")]
    body = json.dumps(thin("app1", "app2")).encode()
    assert installer.webhooks(body, answers) == {}


def test_one_bad_config_of_an_app_spoils_no_other() -> None:
    bad = config_row(2, app_branch=branch_row(workflow_row("w", install_deploys=[{"status": 1}])))

    assert configs_of(read(thin(), beside(own(config_row(3), bad, None)))) == [("cfg3", "active")]


def test_what_stands_below_one_app_is_never_moved_below_another() -> None:
    branch = branch_row(workflow_row("inw1"))
    other = app_row(config_row(1, app_id="app2", app_branch=branch), identifier="app2")
    document = installer_row(app_row() | {"app_configs": None}, other)
    thief = own(config_row(1, app_id="", status="error", app_branch=branch))

    root = read(document, beside(thief))

    assert root == read(document, {})


def test_a_mutated_document_of_an_app_changes_nothing_that_the_installer_says() -> None:
    chance = random.Random(20_261_126)
    branch = branch_row(workflow_row("inw1", steps=[{"id": "iws1", "status": {"status": "error"}}]))
    document = installer_row(
        app_row(config_row(1, app_branch=branch)),
        app_row(identifier="app2") | {"app_configs": None},
    )
    alone = read(document, {})
    said = {(one.kind, one.id): one for _, one in alone.walk() if one.kind != APP_CONFIG}
    answer = json.dumps(own(config_row(2), config_row(1, app_branch=branch), config_row(3)))
    tally = {"added": 0, "nothing": 0}

    for _ in range(600):
        mutant = fuzz.mutated(answer.encode(), chance)
        answers = beside(mutant, mutant)
        root = read(document, answers)

        installer.webhooks(json.dumps(document).encode(), answers)
        keys = [(one.kind, one.id) for _, one in root.walk()]
        assert len(keys) == len(set(keys))
        shown = {(one.kind, one.id): one for _, one in root.walk() if (one.kind, one.id) in said}
        assert shown.keys() == said.keys()
        assert all(_itself(shown[key]) == _itself(one) for key, one in said.items())
        assert "cfg1" in dict(configs_of(root))
        assert root.facts == alone.facts
        tally["added" if len(keys) > len(list(alone.walk())) else "nothing"] += 1

    assert min(tally.values()) > 50


def _itself(entity: Entity) -> tuple[object, ...]:
    return entity.status, entity.description, entity.name, entity.facts, entity.updated_at


def test_what_did_not_change_in_an_app_s_document_is_not_read_again() -> None:
    memo = Memo[Any]()
    body = json.dumps(thin()).encode()
    before = installer.decode(body, ID, memo, beside(own(config_row(1), config_row(2))))

    answers = beside(own(config_row(3), config_row(2), config_row(1)))
    after = installer.decode(body, ID, Memo(memo), answers)

    assert after.children[0].children[0] is before.children[0].children[0]
    assert len(after.children[0].children) == 3


# Webhooks


def test_the_webhook_of_an_app_is_read_from_its_own_document_and_kept_nowhere() -> None:
    secret = {"notifications_config": {"slack_webhook_url": WEBHOOK}}
    other = {"notifications_config": {"slack_webhook_url": f"{WEBHOOK}2"}}
    document = installer_row(
        app_row() | {"app_configs": None},
        app_row(identifier="app2", **other),
        app_row(identifier="app3"),
    )
    answers = beside(
        own(config_row(1), **secret), own(identifier="app2", **secret), own(identifier="app3")
    )

    found = installer.webhooks(json.dumps(document).encode(), answers)

    assert found == {"app1": WEBHOOK, "app2": f"{WEBHOOK}2"}
    assert b"secret" not in encode_snapshot(read(document, answers))
