"""What many of the platform's records of one deploy have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitor.simulation.answers import Document, Mark, account, composite_status, record, time_of
from monitor.simulation.cast import Cast, related_id

# What a runner makes of a deploy's status; other statuses need no runner.
_JOB_STATUS = {"planning": "in-progress", "executing": "in-progress", "error": "failed"}


def job_status_of(life: Sequence[Mark]) -> str:
    return _JOB_STATUS.get(life[-1].status, "queued" if len(life) < 3 else "finished")


def execution_of(deploy_id: str, life: Sequence[Mark]) -> Document:
    """Write a runner's attempt at a job: the one place that knows the cause of a failure."""
    execution: Document = {"id": related_id("rje", deploy_id), "status": job_status_of(life)}
    if not life[-1].cause:
        return execution
    return execution | {
        "result": {
            "id": related_id("rjr", deploy_id),
            "success": False,
            "error_code": 1,
            "error_metadata": {
                "step": "exec",
                "handler": "helm",
                "job_type": "helm-chart-deploy",
                "message": life[-1].cause,
            },
        }
    }


@dataclass(frozen=True, slots=True)
class Records:
    """Writes the records of one deploy, which share its ids and its life."""

    cast: Cast
    deploy_id: str
    life: Sequence[Mark]
    install_id: str

    def record_of(self, kind: str, /, **fields: Any) -> Document:
        """Return the fields with those that every record has."""
        made = record(
            self.cast, related_id(kind, self.deploy_id), self.life[0].at, self.life[-1].at
        )
        return made | fields

    def account(self) -> Document:
        return {
            **account(self.cast),
            "subject": f"auth0|{self.cast.account_id}",
            "created_at": time_of(self.life[0].at),
            "updated_at": time_of(self.life[0].at),
            "org_ids": [self.cast.org_id],
            "roles": [{"id": related_id("rol", self.cast.account_id), "role_type": "org_admin"}],
            "user_journeys": [{"name": "onboarding", "steps": []}],
        }

    def status(self) -> Document:
        return {"metadata": {"attempt": 1}, "history": []} | composite_status(self.cast, self.life)

    def settled(self, status: str) -> Document:
        """Return the status of what came to its end long ago."""
        only = Mark(self.life[0].at, status, f"it is {status}")
        return {"metadata": {"attempt": 1}, "history": []} | composite_status(self.cast, [only])

    def log_stream(self) -> Document:
        return self.record_of(
            "log",
            attrs={"install_id": self.install_id},
            open=True,
            org_id=self.cast.org_id,
            owner_id=self.deploy_id,
            owner_type="install_deploys",
            runner_api_url="https://runner.example.com",
            write_token="",
        )

    def runner_job(self, group: str, job_type: str) -> Document:
        return self.record_of(
            "job",
            available_timeout=60_000_000_000,
            execution_count=1,
            execution_time=93_000_000_000,
            execution_timeout=3_600_000_000_000,
            executions=[execution_of(self.deploy_id, self.life)],
            final_runner_job_execution_id=related_id("rje", self.deploy_id),
            finished_at=time_of(self.life[-1].at),
            group=group,
            log_stream_id=related_id("log", self.deploy_id),
            max_executions=3,
            metadata={"install_id": self.install_id},
            operation="exec",
            org_id=self.cast.org_id,
            outputs={"replicas": 3},
            outputs_json='{"replicas":3}',
            overall_timeout=7_200_000_000_000,
            owner_id=self.deploy_id,
            owner_type="install_deploys",
            queue_timeout=300_000_000_000,
            runner_id=related_id("run", self.install_id),
            started_at=time_of(self.life[0].at),
            status=job_status_of(self.life),
            status_description="runner is working on the job",
            type=job_type,
        )
