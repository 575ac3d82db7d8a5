"""Ends that look like waits, and what else a workflow came to, from the answer to Slack."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.support.wait_poller import End, Look
from monitor.cli.wait import wait
from monitor.config import load_config
from monitor.model import Target
from monitor.service.app import App
from monitor.simulation.slack import plain_text
from tests.support.processes import command
from tests.support.small_platform import TOKEN, SmallPlatform
from tests.support.world import World, a_world

Row = dict[str, Any]

WORKFLOW_ID = "inwk2v9q7m3x8c4b6n1z5w0y2a"
INSTALL_ID = "inlk2v9q7m3x8c4b6n1z5w0y2a"
PARKED = {"awaiting_retry": True, "err_message": "no quota left in eu-west-1"}
ENDS = {"stopped": {"stopped": True}, "exhausted": {"retries_exhausted": "true"}}


def a_status(word: str, **metadata: Any) -> Row:
    return {"status": word, "metadata": metadata}


def a_workflow(status: Row, *steps: Row, **fields: Any) -> Row:
    row = {"id": WORKFLOW_ID, "type": "manual_deploy", "status": status, "steps": list(steps)}
    owner = {"owner_type": "installs", "owner_id": INSTALL_ID}
    return row | owner | {"created_at": "2025-12-01T11:59:00Z"} | fields


def a_step(status: Row, **fields: Any) -> Row:
    return {"id": "iws1", "name": "apply api", "status": status} | fields


@dataclass
class Scene:
    """A workflow that is watched: its document, and the monitor that looks at it."""

    world: World
    platform: SmallPlatform
    app: App

    async def look(self, document: Row, *, after: float = 15) -> list[str]:
        """Serve a document, look once, and return what was posted because of it."""
        self.platform.answers[f"/v1/workflows/{WORKFLOW_ID}"] = document
        before = len(self.world.channel.posts)
        await self.world.look(self.app, after=after)
        return [plain_text(post) for post in self.world.channel.posts[before:]]

    @property
    def card(self) -> str:
        (card,) = self.world.cards(WORKFLOW_ID)
        return plain_text(card)


@asynccontextmanager
async def a_scene(folder: Path) -> AsyncIterator[Scene]:
    async with a_world(folder) as world, SmallPlatform() as platform:
        world.api_url = platform.url
        world.more = f'[[watch]]\nworkflow = "{WORKFLOW_ID}"'
        async with world.monitor() as app:
            yield Scene(world, platform, app)


class Silent:
    """A display that shows nothing, and keeps how it ended."""

    end: End

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def show(self, look: Look, now: object) -> None:
        """Show nothing."""

    def show_end(self, end: End, now: object) -> None:
        self.end = end


async def waited(document: Row) -> tuple[int, str]:
    """Return the exit code of `wait` for a document, and its last words."""
    async with SmallPlatform({f"/v1/workflows/{WORKFLOW_ID}": document}) as platform:
        environment = {
            "NUON_API_URL": platform.url,
            "NUON_API_TOKEN": TOKEN,
            "NUON_ORG_ID": "orgw6bnjkqxtb7mzdvd0y2hs9a",
        }
        display = Silent()
        code = await wait(
            load_config(None, environment, only=("nuon", "stall")),
            Target("workflow", WORKFLOW_ID),
            display,
            is_kind_sure=True,
            at_most=timedelta(milliseconds=300),
            interval=timedelta(milliseconds=50),
            waits_for_approval=True,
        )
    return code, display.end.words


# Failures that wait for a retry, and those that do not any more


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("word", ["error", "failed-pending-retry"])
async def test_what_was_parked_and_then_stopped_is_told_once_as_failed(
    tmp_path: Path, end: str, word: str
) -> None:
    over = PARKED | ENDS[end]
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(a_status("in-progress"), a_step(a_status("in-progress"))))
        parked = a_workflow(a_status(word, **PARKED), a_step(a_status(word, **PARKED)))
        (waits,) = await scene.look(parked)
        stopped = a_workflow(a_status(word, **over), a_step(a_status(word, **over)))
        (failed,) = await scene.look(stopped)
        later = await scene.look(stopped, after=5 * 3600)

        assert "waits for a retry" in waits
        assert "no quota left in eu-west-1" in waits
        assert "failed" in failed
        assert "waits" not in failed
        assert later == []
        assert scene.card.startswith("❌ ")
        assert "waits" not in scene.card


async def test_what_was_parked_and_is_tried_again_goes_on_and_is_no_other_attempt(
    tmp_path: Path,
) -> None:
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(a_status("in-progress"), a_step(a_status("in-progress"))))
        await scene.look(
            a_workflow(a_status("error", **PARKED), a_step(a_status("error", **PARKED)))
        )
        over = PARKED | {"stopped": True}
        again = a_workflow(a_status("in-progress", **over), a_step(a_status("in-progress", **over)))
        (went_on,) = await scene.look(again)

        assert "went on after waiting" in went_on
        assert scene.card.startswith("🔵 ")
        assert "attempt" not in scene.card


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("word", ["error", "failed-pending-retry"])
async def test_nobody_waits_for_what_was_stopped(end: str, word: str) -> None:
    over = a_status(word, **PARKED, **ENDS[end])

    assert await waited(a_workflow(over, a_step(over))) == (1, "failed")
    parked = a_status(word, **PARKED)
    code, words = await waited(a_workflow(parked, a_step(parked)))
    assert (code, words.partition(": ")[2]) == (3, "waits for a person")


# Answers


APPROVAL = {"id": "iwa1", "type": "helm_approval"}
ROBIN = "accr0b1n2m3x8c4b6n1z5w0y2a"
ANSWERS: dict[str, tuple[str, str, str]] = {
    "approved": ("approve", "approved", "was approved"),
    "denied": ("deny", "approval-denied", "was not approved"),
    "sent back": ("retry", "approval-retry", "was sent back for another plan"),
}
"""What is answered, what the step comes to, and what is said of it."""


def asked(status: Row, **approval: Any) -> Row:
    return a_step(status, name="sync and plan api", approval=APPROVAL | approval)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("is_named", [True, False])
async def test_who_answered_an_approval_is_told_with_the_note(
    tmp_path: Path, answer: str, *, is_named: bool
) -> None:
    word, status, says = ANSWERS[answer]
    who = {"created_by": {"email": "robin@example.com"}} if is_named else {"created_by_id": ROBIN}
    response = {"type": word, "note": "looks <right>", **who}
    async with a_scene(tmp_path) as scene:
        accounts = [{"id": ROBIN, "email": "robin@example.com"}]
        scene.platform.answers["/v1/orgs/current/accounts"] = accounts
        await scene.look(a_workflow(a_status("in-progress"), asked(a_status("approval-awaiting"))))
        whole = a_status("error" if answer == "denied" else "in-progress")
        posts = await scene.look(a_workflow(whole, asked(a_status(status), response=response)))

        whole_line = f"sync and plan api {says} by robin@example.com: looks <right>"
        assert whole_line in "\n".join(posts)
    set_by = tmp_path / "monitor.toml"
    told = await command("history", "--config", str(set_by), WORKFLOW_ID, folder=tmp_path)
    assert "was answered by robin@example.com" in told.out
    assert "looks <right>" in told.out


# What can be done


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"retryable": True, "skippable": True}, "It can be retried or skipped."),
        ({"retryable": True}, "It can be retried."),
        ({"skippable": True, "retryable": False}, "It can be skipped."),
        ({}, ""),
        ({"retryable": "odd", "skippable": 7}, ""),
    ],
)
@pytest.mark.parametrize("status", [a_status("error"), a_status("failed-pending-retry")])
async def test_what_can_be_done_about_a_failure_is_told_where_it_is(
    tmp_path: Path, status: Row, flags: Row, says: str
) -> None:
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(a_status("in-progress"), a_step(a_status("in-progress"))))
        (told,) = await scene.look(a_workflow(status, a_step(status, **flags)))

        for text in (told, scene.card):
            assert (says in text) if says else ("It can be" not in text)
        page = f"/installs/{INSTALL_ID}/workflows/{WORKFLOW_ID}?panel=iws1"
        (card,) = scene.world.cards(WORKFLOW_ID)
        assert (page in json.dumps(card.blocks)) is bool(says)


async def test_nothing_can_be_done_about_what_was_stopped(tmp_path: Path) -> None:
    flags = {"retryable": True, "skippable": True}
    parked, stopped = a_status("error", **PARKED), a_status("error", **PARKED, stopped=True)
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(parked, a_step(parked, **flags)))
        assert "It can be retried or skipped." in scene.card
        await scene.look(a_workflow(stopped, a_step(stopped, **flags)))

        assert "It can be" not in scene.card


# Customers' values


SECRETS = {"RUNENV_X": "s3cr3t-of-the-customer", "changed_input_values": '{"db":"hunter2-db"}'}


@pytest.mark.parametrize("word", ["in-progress", "error", "failed-pending-retry", "drifted"])
async def test_values_of_customers_in_metadata_are_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], word: str
) -> None:
    named = {"runbook_name": "rotate certificates"}
    status = {
        "status": word,
        "created_at_ts": 1764590400,
        "metadata": {**SECRETS, "awaiting_retry": True},
        "history": [{"status": "pending", "created_at_ts": 1764590399, "metadata": SECRETS}],
    }
    step = a_step(status, metadata=SECRETS, links=SECRETS, retryable=True)
    async with a_scene(tmp_path) as scene:
        for fields in ({"type": "runbook_run"}, {"type": "runbook_run", "finished": True}):
            whole = a_workflow(status, step, metadata=SECRETS | named, **fields)
            await scene.look(whole)
        posts = [plain_text(post) + json.dumps(post.blocks) for post in scene.world.channel.posts]
        assert "runbook rotate certificates" in "\n".join(posts)
    logs = "".join(capfd.readouterr())
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    for secret in (*SECRETS, "s3cr3t-of-the-customer", "hunter2-db"):
        assert secret not in "\n".join(posts)
        assert secret not in logs
        assert secret.encode() not in files


# Drift


async def test_drift_is_the_headline_of_a_drift_check_that_found_some(tmp_path: Path) -> None:
    fields = {"type": "drift_run", "metadata": {"workflow-name-suffix": "checkout-api"}}
    async with a_scene(tmp_path) as scene:
        under_way = a_step(a_status("in-progress"))
        await scene.look(a_workflow(a_status("in-progress"), under_way, **fields))
        drifted = a_step({"status": "drifted", "status_human_description": "2 resources changed"})
        found = a_workflow(a_status("success"), drifted, finished=True, **fields)
        (told,) = await scene.look(found)

        assert "drift check checkout-api" in told
        assert "found drift" in told
        assert scene.card.splitlines()[0].endswith("found drift")
        assert await waited(found) == (1, "failed")
