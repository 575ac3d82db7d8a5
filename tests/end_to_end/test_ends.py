"""Ends that look like waits, and what else a workflow came to, from the answer to Slack."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
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
Answers = dict[str, Any]
"""Documents by the paths that they are served at."""

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
    """What is watched: the documents about it, and the monitor that looks at them."""

    world: World
    platform: SmallPlatform
    app: App
    target_id: str = WORKFLOW_ID

    async def look(self, document: Row, *, after: float = 15) -> list[str]:
        """Serve a workflow as of now, look once, and return what was posted because of it."""
        now = {"updated_at": self.world.clock.now().isoformat()}
        steps = [step | now for step in document["steps"]]
        served = document | now | {"steps": steps}
        return await self.look_at({f"/v1/workflows/{WORKFLOW_ID}": served}, after=after)

    async def look_at(self, answers: Answers, *, after: float = 15) -> list[str]:
        self.platform.answers.update(answers)
        before = len(self.world.channel.posts)
        await self.world.look(self.app, after=after)
        return [plain_text(post) for post in self.world.channel.posts[before:]]

    @property
    def card(self) -> str:
        (card,) = self.world.cards(self.target_id)
        return plain_text(card)


@asynccontextmanager
async def a_scene(
    folder: Path, watch: str = f'workflow = "{WORKFLOW_ID}"', target_id: str = WORKFLOW_ID
) -> AsyncIterator[Scene]:
    async with a_world(folder) as world, SmallPlatform() as platform:
        world.own["nuon"] = f'api_url = "{platform.url}"'
        world.more = f"[[watch]]\n{watch}"
        async with world.monitor() as app:
            yield Scene(world, platform, app, target_id)


# The same failure in each kind of watch

APP_ID, BRANCH_ID, RUN_ID = (f"{kind}k2v9q7m3x8c4b6n1z5w0y2a" for kind in ("app", "abr", "bru"))
RELEASE_ID, OF_INSTALL = "relk2v9q7m3x8c4b6n1z5w0y2a", "inwd3pl0ym3x8c4b6n1z5w0y2a"
BRANCH = f"/v1/apps/{APP_ID}/branches/{BRANCH_ID}"


def workflow_in(status: Row) -> Answers:
    return {f"/v1/workflows/{WORKFLOW_ID}": a_workflow(status, a_step(status))}


def run_in(status: Row, *, of_install: Row | None = None) -> Answers:
    branch = {"id": BRANCH_ID, "app_id": APP_ID, "name": "main"}
    run = {"id": RUN_ID, "status": "running", "app_branch": branch, "app_branch_id": BRANCH_ID}
    whole = a_workflow(
        status,
        owner_type="app_branches",
        owner_id=BRANCH_ID,
        app_branch_runs=[run],
        type="app_branches_manual_update",
    )
    install = {"install_id": INSTALL_ID, "status": "in-progress", "workflow_id": OF_INSTALL}
    group = {
        "id": "igr1",
        "install_group_id": "igp1",
        "install_group_name": "eu",
        "status": "in-progress",
        "total_installs": 1,
        "installs": [install],
    }
    own = of_install or a_status("in-progress")
    return {
        f"{BRANCH}/runs": [whole],
        f"/v1/workflows/{WORKFLOW_ID}": whole,
        f"{BRANCH}/runs/{RUN_ID}/install-group-runs": [group],
        f"/v1/workflows/{OF_INSTALL}": a_workflow(own, a_step(own), id=OF_INSTALL),
    }


def install_of_run_in(status: Row) -> Answers:
    return run_in(a_status("in-progress"), of_install=status)


def deploy_in(status: Row) -> Answers:
    deploy = {"id": "dpl1", "install_id": INSTALL_ID, "status": "executing", "status_v2": status}
    step = {"id": "rel-step", "status": "polling_install_deploys", "install_deploys": [deploy]}
    release = {"id": RELEASE_ID, "status": "executing_release_steps", "release_steps": [step]}
    return {f"/v1/releases/{RELEASE_ID}": release}


RUN = f'app_branch = "{APP_ID}/{BRANCH_ID}"'
WATCHED: dict[str, tuple[str, str, Callable[[Row], Answers]]] = {
    "workflow": (f'workflow = "{WORKFLOW_ID}"', WORKFLOW_ID, workflow_in),
    "run": (RUN, WORKFLOW_ID, run_in),
    "install of a run": (RUN, WORKFLOW_ID, install_of_run_in),
    "deploy of a release": (f'release = "{RELEASE_ID}"', RELEASE_ID, deploy_in),
}
"""What is watched, its id, and the documents about it with a part in some status."""


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

        assert "went on after waiting" in went_on
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


def own_step_in(status: str, **approval: Any) -> Answers:
    answers = run_in(a_status("in-progress"))
    path = f"/v1/workflows/{WORKFLOW_ID}"
    step = asked(a_status(status), **approval) | {"name": "plan approval"}
    return answers | {path: answers[path] | {"steps": [step]}}


def group_in(status: str, **approval: Any) -> Answers:
    answers = run_in(a_status("in-progress"))
    path = f"/v1/workflows/{WORKFLOW_ID}"
    step = asked(a_status(status), **approval) | {"name": "plan install group eu"}
    rollout = a_step(a_status("pending"), id="iws2", name="update install group eu", idx=1)
    no_rows = {f"{BRANCH}/runs/{RUN_ID}/install-group-runs": []}
    return answers | {path: answers[path] | {"steps": [step, rollout]}} | no_rows


def step_of_install_in(status: str, **approval: Any) -> Answers:
    step = asked(a_status(status), **approval)
    own = a_workflow(a_status("in-progress"), step, id=OF_INSTALL)
    return run_in(a_status("in-progress")) | {f"/v1/workflows/{OF_INSTALL}": own}


@pytest.mark.parametrize(
    ("documents", "subject"),
    [
        (own_step_in, "step plan approval"),
        (group_in, "group eu"),
        (step_of_install_in, "inlk2v9…"),
    ],
)
async def test_who_answered_is_told_wherever_in_a_run_it_was_waited_for(
    tmp_path: Path, documents: Callable[..., Answers], subject: str
) -> None:
    response = {"type": "approve", "note": "go", "created_by": {"email": "robin@example.com"}}
    async with a_scene(tmp_path, RUN) as scene:
        await scene.look_at(documents("pending"))
        waits = await scene.look_at(documents("approval-awaiting"))
        assert f"{subject} waits for an approval" in "\n".join(waits)
        went_on = await scene.look_at(documents("approved", response=response))

        assert f"{subject} was approved by robin@example.com: go" in "\n".join(went_on)


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


@pytest.mark.parametrize("of_whole", [{}, {"stopped": True}], ids=["a step", "the whole"])
@pytest.mark.parametrize("of_step", [PARKED, PARKED | {"stopped": True}], ids=["", "both"])
async def test_nothing_can_be_done_about_what_was_stopped(
    tmp_path: Path, of_whole: Row, of_step: Row
) -> None:
    flags = {"retryable": True, "skippable": True}
    parked = a_status("error", **PARKED)
    is_over = bool(of_whole) or "stopped" in of_step
    async with a_scene(tmp_path) as scene:
        await scene.look(a_workflow(parked, a_step(parked, **flags)))
        assert "It can be retried or skipped." in scene.card
        whole, step = a_status("error", **of_whole), a_status("error", **of_step)
        await scene.look(a_workflow(whole, a_step(step, **flags)))

        assert ("It can be" not in scene.card) is is_over


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
