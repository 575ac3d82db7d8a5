"""A small platform of today with one app, a monitor that watches it, and what people see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.config import load_config
from monitor.deliver.pace import Pace
from monitor.service.app import App
from monitor.service.build import build
from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.clock import Clock, clock_at
from tests.support.configuration import configuration
from tests.support.small_platform import REMOVED, TOKEN, Refusal, SmallPlatform

BILL = {"id": "rel1", "status": "ready", "app_config_id": "apc1", "semantic_digest": "x"}
BRANCHES = "/v1/apps/app1/branches"
CUSTOMERS_VALUE = "correct-horse-of-a-customer"
OFF = Refusal(400, "feature not enabled: app-branches", "This needs 'app-branches'")
NO_ROUTE = None


@dataclass
class Scene:
    """A platform of today with one app, a Slack, and a clock that is set by hand."""

    platform: SmallPlatform
    slack: SimulatedSlack
    folder: Path
    watches: str
    clock: Clock = field(default_factory=clock_at)

    def add_branch(self, branch_id: str, *runs: str) -> None:
        answers = self.platform.answers
        answers.setdefault(BRANCHES, []).append({"id": branch_id, "name": f"branch-{branch_id}"})
        answers[f"{BRANCHES}/{branch_id}"] = {"id": branch_id}
        answers[f"{BRANCHES}/{branch_id}/runs"] = []
        for run in runs:
            self.add_run(branch_id, run)

    def add_run(self, branch_id: str, run_id: str) -> None:
        row = {
            "id": run_id,
            "type": "app_branches_manual_update",
            "owner_type": "app_branches",
            "owner_id": branch_id,
            "created_at": self.clock.now().isoformat(),
            "status": {"status": "in-progress"},
            "app_branch_runs": [{"id": f"run-{run_id}", "app_branch_id": branch_id}],
        }
        self.platform.answers[f"{BRANCHES}/{branch_id}/runs"].insert(0, row)
        self.platform.answers[f"/v1/workflows/{run_id}"] = row
        groups = f"{BRANCHES}/{branch_id}/runs/run-{run_id}/install-group-runs"
        self.platform.answers[groups] = []

    def add_install(self, install_id: str, *, app_id: str = "app1") -> None:
        record = {"id": install_id, "name": f"{install_id}-prod", "app_id": app_id}
        self.platform.answers[f"/v1/installs/{install_id}"] = record

    def add_workflow(
        self,
        workflow_id: str,
        install_id: str,
        kind: str = "deploy_components",
        status: str = "in-progress",
        metadata: Mapping[str, object] | None = None,
        **others: object,
    ) -> dict[str, Any]:
        """Let a workflow begin at an install, listed as the servers do: with neither of both."""
        if f"/v1/installs/{install_id}" not in self.platform.answers:
            self.add_install(install_id)
        row: dict[str, Any] = {
            "id": workflow_id,
            "type": kind,
            "created_at": self.clock.now().isoformat(),
            "updated_at": self.clock.now().isoformat(),
            "created_by": {"email": "robin@example.com"},
            "metadata": {
                "install_id": install_id,
                "owner_name": f"{install_id}-prod",
                "RUNENV_PASSWORD": CUSTOMERS_VALUE,
                "changed_input_values": CUSTOMERS_VALUE,
                **(metadata or {}),
            },
            **others,
        }
        self.set_status(row, status)
        self.platform.answers.setdefault("/v1/workflows", []).insert(0, row)
        self.platform.answers[f"/v1/workflows/{workflow_id}"] = row
        self.platform.answers[f"/v1/workflows/{workflow_id}/steps"] = []
        return row

    def set_status(self, row: dict[str, Any], status: str, reason: str = "") -> None:
        """Let a workflow come to a status, an end unless it is under way."""
        row["status"] = {"status": status, "status_human_description": reason}
        row["updated_at"] = self.clock.now().isoformat()
        row["finished"] = status in ("success", "error", "cancelled")

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[App]:
        file = self.folder / "monitor.toml"
        file.write_text(
            configuration(
                self.watches,
                nuon={"api_url": self.platform.url, "org_id": "org1", "api_token": TOKEN},
                slack={
                    "api_url": self.slack.api_url,
                    "bot_token": self.slack.token,
                    "channel": "#releases",
                },
                poll={"interval": "15s", "unreachable_after": "2s"},
                store={"url": f"sqlite:///{self.folder}/nuon-monitor.db"},
            )
        )
        pace = Pace(post=0, edit=0)
        async with build(load_config(file, {}), pace=pace, now=self.clock.now) as app:
            await app.close_removed()
            yield app

    async def look(self, app: App, *, times: int = 2, every: float = 15.0) -> None:
        for _ in range(times):
            await app.poll_once()
            await app.delivery.drain()
            self.clock.advance(every)

    def posts(self, channel: str = "releases") -> list[str]:
        return [plain_text(post) for post in self.slack.channel(channel).posts]


@asynccontextmanager
async def a_scene(folder: Path, watches: str) -> AsyncIterator[Scene]:
    """Let an app be there on a platform that has bills of materials for releases."""
    answers: dict[str, Any] = {
        "/v1/workflows/*": REMOVED,
        "/v1/apps": [{"id": "app1"}],
        "/v1/apps/app1": {"id": "app1", "name": "Storefront"},
        "/v1/apps/app1/releases": [BILL],
    }
    async with (
        SmallPlatform(answers) as platform,
        SimulatedSlack(("releases", "others"), rates=False) as slack,
    ):
        yield Scene(platform, slack, folder, watches)


def followed(app: App) -> set[str]:
    return {one.watch.target.id for one in app.registry.rollout_pollers}
