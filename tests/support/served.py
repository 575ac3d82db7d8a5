"""Documents of the platform that a test serves one after another, and what is told of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.service.app import App
from monitor.simulation.slack import plain_text
from tests.support.small_platform import SmallPlatform
from tests.support.world import World, a_world

Row = dict[str, Any]
Answers = dict[str, Any]
"""Documents by the paths that they are served at."""

WORKFLOW_ID = "inwk2v9q7m3x8c4b6n1z5w0y2a"
INSTALL_ID = "inlk2v9q7m3x8c4b6n1z5w0y2a"
PARKED = {"awaiting_retry": True, "err_message": "no quota left in eu-west-1"}


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
