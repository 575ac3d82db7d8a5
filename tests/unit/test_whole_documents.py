"""Every object with a status in the two documents: decoded, compared, kept, and seen by people."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.decide.diff import diff, keep_absent
from monitor.kinds import KINDS
from monitor.kinds.wire import Memo
from monitor.model import Snapshot, Target, TargetState
from monitor.store import Observation, Store
from tests.support import documents
from tests.support.clock import NOON
from tests.support.configuration import configuration
from tests.support.statuses import Distinct

# A build names all deploys that were ever made of it: they are no part of this rollout.
APART = ("component_build.install_deploys",)


def later(document: dict[str, Any]) -> dict[str, Any]:
    """Return the same document after every status in it has changed."""
    text = json.dumps(document)
    changed: dict[str, Any] = json.loads(text.replace('"status-', '"later-'))
    return changed


def documented_installer() -> dict[str, Any]:
    """Return document 2 with a list where the other document shows one, and this "any value"."""
    document = documents.installer()
    (workflow,) = document["apps"][0]["app_configs"][0]["app_branch"]["workflows"]
    workflow["install_action_workflow_runs"][0]["runner_job"]["executions"] = ["<any>"]
    return document


@pytest.mark.parametrize(
    ("kind", "document"), [("release", documents.release), ("installer", documented_installer)]
)
def test_a_change_of_any_status_in_a_document_is_seen_in_the_history(
    tmp_path: Path, kind: str, document: Callable[[], dict[str, Any]]
) -> None:
    distinct = Distinct(document(), apart=APART)
    target = Target(kind, distinct.document["id"])
    snapshots: list[Snapshot] = []
    for number, answer in enumerate((distinct.document, later(distinct.document))):
        body = msgspec.json.encode(answer)
        root = KINDS[kind].decode(body, target.id, Memo(), {})
        taken_at = NOON + timedelta(minutes=number)
        before = snapshots[-1] if snapshots else None
        snapshots.append(keep_absent(before, Snapshot(target, taken_at, root)))
    difference = diff(*snapshots)
    store = tmp_path / "monitor.db"
    with Store.open(f"sqlite:///{store}", now=NOON) as opened:
        for snapshot in snapshots:
            opened.save(
                Observation(
                    snapshot,
                    TargetState(NOON),
                    b"",
                    transitions=difference.transitions if snapshot is snapshots[-1] else (),
                )
            )
    config = tmp_path / "monitor.toml"
    config.write_text(
        configuration(f'[[watch]]\n{kind} = "{target.id}"', store={"url": f"sqlite:///{store}"})
    )

    shown = CliRunner().invoke(cli, ["history", target.id, "--json", "-c", str(config)])

    assert distinct.paths
    assert shown.exit_code == 0, shown.output
    unseen = {
        place
        for status, place in distinct.paths.items()
        if f'"{status.replace("status-", "later-")}"' not in shown.output
    }
    assert unseen == set()
