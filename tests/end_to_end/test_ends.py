"""Ends that look like waits, and what else a workflow came to, from the answer to Slack."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.cli.support.wait_poller import End, Look
from monitor.cli.wait import wait
from monitor.config import load_config
from monitor.model import Target
from monitor.simulation.slack import plain_text
from tests.support.served import (
    PARKED,
    WATCHED,
    WORKFLOW_ID,
    Answers,
    a_scene,
    a_status,
    a_step,
    a_workflow,
    workflow_in,
)
from tests.support.small_platform import TOKEN, SmallPlatform

ENDS = {"stopped": {"stopped": True}, "exhausted": {"retries_exhausted": "true"}}


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


async def waited(
    answers: Answers, kind: str = "workflow", target_id: str = WORKFLOW_ID
) -> tuple[int, str]:
    """Return the exit code of `wait` for what is served, and its last words."""
    async with SmallPlatform(answers) as platform:
        environment = {
            "NUON_API_URL": platform.url,
            "NUON_API_TOKEN": TOKEN,
            "NUON_ORG_ID": "orgw6bnjkqxtb7mzdvd0y2hs9a",
        }
        display = Silent()
        code = await wait(
            load_config(None, environment, only=("nuon", "stall")),
            Target(kind, target_id),
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
@pytest.mark.parametrize("kind", WATCHED)
async def test_what_was_parked_and_then_stopped_is_told_once_as_failed(
    tmp_path: Path, kind: str, word: str, end: str
) -> None:
    watch, target_id, documents = WATCHED[kind]
    async with a_scene(tmp_path, watch, target_id) as scene:
        await scene.look_at(documents(a_status("in-progress")))
        waits = await scene.look_at(documents(a_status(word, **PARKED)))
        stopped = documents(a_status(word, **PARKED, **ENDS[end]))
        failed = await scene.look_at(stopped)
        later = await scene.look_at(stopped, after=60)

        assert (len(waits), len(failed), len(later)) == (1, 1, 0)
        assert "waits for a retry" in waits[0]
        assert "no quota left in eu-west-1" in waits[0]
        assert "failed" in failed[0]
        assert "waits" not in failed[0]
        assert scene.card.startswith("❌ ")
        assert "waits" not in scene.card


async def test_nobody_is_reminded_of_what_was_stopped(tmp_path: Path) -> None:
    async with a_scene(tmp_path) as scene:
        await scene.look_at(workflow_in(a_status("error", **PARKED)))
        reminded = await scene.look_at(workflow_in(a_status("error", **PARKED)), after=5 * 3600)
        await scene.look_at(workflow_in(a_status("error", **PARKED, stopped=True)))

        assert any("still" in text for text in reminded)
        assert await scene.look_at({}, after=5 * 3600) == []


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

        assert "continues after waiting" in went_on
        assert scene.card.startswith("🔵 ")
        assert "attempt" not in scene.card


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("word", ["error", "failed-pending-retry"])
@pytest.mark.parametrize("kind", ["workflow", "run"])
async def test_nobody_waits_for_what_was_stopped(kind: str, word: str, end: str) -> None:
    _, target_id, documents = WATCHED[kind]
    parked = documents(a_status(word, **PARKED))
    stopped = documents(a_status(word, **PARKED, **ENDS[end]))

    assert await waited(stopped, kind, target_id) == (1, "failed")
    code, words = await waited(parked, kind, target_id)
    assert (code, words.partition(": ")[2]) == (3, "waits for a person")


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
        assert await waited({f"/v1/workflows/{WORKFLOW_ID}": found}) == (1, "failed")
