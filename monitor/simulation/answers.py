"""The platform's JSON: one moment of a rollout, written as the platform would answer it.

The fields are those of the public document of `GET /v1/releases/{release_id}`. Like the
platform's server, everything here leaves out zero values, unless `Detail.FAT` fills every
documented field. Pure: what happens is decided in `scenarios`, how it is served in `platform`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

Document = dict[str, Any]
"""A JSON object; the one place where dicts travel, as these are the platform's, not ours."""


class Detail(StrEnum):
    """How much of the documented shape an answer fills."""

    THIN = "thin"
    """Ids and statuses, nothing else; lists without rows are null."""
    USUAL = "usual"
    """What the platform really fills: about 1.8 KB for a deploy."""
    FAT = "fat"
    """Every documented field, about 31 KB for a deploy."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what a rollout is about."""

    org_id: str
    app_id: str
    app_name: str
    component_id: str
    component_name: str
    build_id: str
    commit: str
    account_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A status and when it was set."""

    at: datetime
    status: str
    description: str = ""


def release(
    cast: Cast,
    release_id: str,
    life: Sequence[Mark],
    steps: list[Document],
    *,
    detail: Detail,
) -> Document:
    """Write a release; `life` is what its status was, newest last, `steps` its written steps."""
    if detail is Detail.THIN:
        return {"id": release_id, "status": life[-1].status, "release_steps": steps or None}
    return _without_zeros(
        {
            "id": release_id,
            "created_by_id": cast.account_id,
            "created_at": _time(life[0].at),
            "updated_at": _time(life[-1].at),
            "build_id": cast.build_id,
            "total_release_steps": len(steps),
            "release_steps": steps,
            "status": life[-1].status,
            "status_description": life[-1].description,
        },
        unless=detail is Detail.FAT,
    )


def release_row(document: Document) -> Document:
    """Return a release as a row of a list: the platform counts and joins no steps there."""
    return {
        key: value
        for key, value in document.items()
        if key not in {"release_steps", "total_release_steps"}
    }


def step(
    cast: Cast,
    step_id: str,
    life: Sequence[Mark],
    deploys: list[Document],
    *,
    release_id: str,
    created_at: datetime,
    delay: float,
    install_ids: Sequence[str],
    detail: Detail,
) -> Document:
    """Write a release step; `delay` in seconds, `deploys` its written install deploys."""
    if detail is Detail.THIN:
        return {
            "id": step_id,
            "status": life[-1].status,
            "install_deploys": deploys or None,
            "requested_install_ids": None,
        }
    return _without_zeros(
        {
            "id": step_id,
            "created_by_id": cast.account_id,
            "created_at": _time(created_at),
            "updated_at": _time(max(created_at, life[-1].at)),
            "component_release_id": release_id,
            "install_deploys": deploys,
            "requested_install_ids": list(install_ids),
            "delay": go_duration(delay),
            "status": life[-1].status,
            "status_description": life[-1].description,
        },
        unless=detail is Detail.FAT,
    )


def deploy(
    cast: Cast,
    deploy_id: str,
    life: Sequence[Mark],
    *,
    step_id: str,
    install_id: str,
    deploy_type: str,
    detail: Detail,
    status_lags: bool = False,
) -> Document:
    """Write an install deploy; with `status_lags` only `status_v2` knows the newest status."""
    now = life[-1]
    if detail is Detail.THIN:
        return {"id": deploy_id, "status": now.status}
    told = life[-2] if status_lags and len(life) > 1 else now
    document = {
        "id": deploy_id,
        "created_by_id": cast.account_id,
        "created_by": _account(cast),
        "created_at": _time(life[0].at),
        "updated_at": _time(now.at),
        "build_id": cast.build_id,
        "component_id": cast.component_id,
        "component_name": cast.component_name,
        "component_config_version": 7,
        "install_id": install_id,
        "install_component_id": _kin("inc", install_id),
        "install_deploy_type": deploy_type,
        "install_workflow_id": _kin("inw", deploy_id),
        "workflow_id": _kin("inw", deploy_id),
        # Not the release's: the platform keeps the id of the step in this field.
        "release_id": step_id,
        "status": told.status,
        "status_description": told.description,
        "status_v2": _composite_status(cast, life),
    }
    if detail is Detail.FAT:
        return document | _FatDeploy(cast, deploy_id, life, install_id).fields()
    return _without_zeros(document | _usual_relations(cast, deploy_id, life))


def install(cast: Cast, install_id: str, name: str, created_at: datetime) -> Document:
    """Write an install, as far as a reader of names wants it."""
    return {
        "id": install_id,
        "created_by_id": cast.account_id,
        "created_at": _time(created_at),
        "updated_at": _time(created_at),
        "name": name,
        "app_id": cast.app_id,
        "status": "active",
        "status_description": "install is active",
        "runner_status": "active",
        "sandbox_status": "active",
    }


def app(cast: Cast, created_at: datetime) -> Document:
    """Write an app."""
    return {
        "id": cast.app_id,
        "created_by_id": cast.account_id,
        "created_at": _time(created_at),
        "updated_at": _time(created_at),
        "org_id": cast.org_id,
        "name": cast.app_name,
        "display_name": cast.app_name.title(),
        "cloud_platform": "aws",
        "status": "active",
        "status_description": "app is active",
    }


def component(cast: Cast, created_at: datetime) -> Document:
    """Write a component."""
    return {
        "id": cast.component_id,
        "created_by_id": cast.account_id,
        "created_at": _time(created_at),
        "updated_at": _time(created_at),
        "app_id": cast.app_id,
        "name": cast.component_name,
        "var_name": cast.component_name.replace("-", "_"),
        "type": "helm_chart",
        "config_versions": 7,
        "status": "active",
        "status_description": "component is active",
    }


def go_duration(seconds: float) -> str:
    """Write a duration as Go's `time.Duration` prints it: `0s`, `1m0s`, `1h30m0s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _without_zeros(document: Document, *, unless: bool = False) -> Document:
    if unless:
        return document
    return {key: value for key, value in document.items() if value}


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _kin(prefix: str, entity_id: str) -> str:
    """Return the id of a record that belongs to another one, of a kind of its own."""
    return prefix + entity_id[3:]


def _account(cast: Cast) -> Document:
    return {
        "id": cast.account_id,
        "email": cast.email,
        "account_type": "auth0",
        "permissions": {cast.org_id: "all"},
    }


def _composite_status(cast: Cast, life: Sequence[Mark]) -> Document:
    # Oldest first, and none of the earlier ones holds a history of its own.
    *earlier, now = (_single_status(cast, mark) for mark in life)
    return now | {"history": earlier} if earlier else now


def _single_status(cast: Cast, mark: Mark) -> Document:
    return _without_zeros(
        {
            "created_by_id": cast.account_id,
            "created_at_ts": int(mark.at.timestamp()),
            "status": mark.status,
            "status_human_description": mark.description,
        }
    )


# What a runner makes of a deploy's status; other statuses need no runner.
_JOB_STATUS = {"planning": "in-progress", "executing": "in-progress", "error": "failed"}

_WORKFLOW_STATUS = {
    "active": "success",
    "cancelled": "cancelled",
    "error": "error",
    "pending-approval": "approval-awaiting",
}


def _job_status(life: Sequence[Mark]) -> str:
    return _JOB_STATUS.get(life[-1].status, "queued" if len(life) < 3 else "finished")


def _usual_relations(cast: Cast, deploy_id: str, life: Sequence[Mark]) -> Document:
    started = _time(life[0].at)
    changed = _time(life[-1].at)
    return {
        "component_build": {
            "id": cast.build_id,
            "git_ref": "main",
            "status": "active",
            "vcs_connection_commit": {"sha": cast.commit},
        },
        "runner_jobs": [
            {
                "id": _kin("job", deploy_id),
                "created_at": started,
                "updated_at": changed,
                "group": "deploy",
                "type": "helm-chart-deploy",
                "operation": "exec",
                "status": _job_status(life),
            }
        ],
        "workflow": {
            "id": _kin("inw", deploy_id),
            "type": "manual_deploy",
            "approval_option": "prompt",
            "status": {"status": _WORKFLOW_STATUS.get(life[-1].status, "in-progress")},
        },
    }


@dataclass(frozen=True, slots=True)
class _FatDeploy:
    """Every relation of one deploy that the document knows, none of them empty."""

    cast: Cast
    deploy_id: str
    life: Sequence[Mark]
    install_id: str

    def fields(self) -> Document:
        return {
            "created_by": self._account(),
            "action_workflow_runs": [self._action_run()],
            "component_build": self._component_build(),
            "log_stream": self._log_stream(),
            "oci_artifact": self._oci_artifact(),
            "outputs": {"url": "https://checkout.example.com"},
            "plan_only": False,
            "runner_jobs": [self._runner_job("deploy", "helm-chart-deploy")],
            "status_v2": self._status(),
            "workflow": self._workflow(),
        }

    def _record(self, kind: str, /, **fields: Any) -> Document:
        """Return the fields with those that every record has."""
        return {
            "id": _kin(kind, self.deploy_id),
            "created_by_id": self.cast.account_id,
            "created_at": _time(self.life[0].at),
            "updated_at": _time(self.life[-1].at),
            **fields,
        }

    def _account(self) -> Document:
        return {
            **_account(self.cast),
            "subject": f"auth0|{self.cast.account_id}",
            "created_at": _time(self.life[0].at),
            "updated_at": _time(self.life[0].at),
            "org_ids": [self.cast.org_id],
            "roles": [{"id": _kin("rol", self.cast.account_id), "role_type": "org_admin"}],
            "user_journeys": [{"name": "onboarding", "steps": []}],
        }

    def _status(self) -> Document:
        return {"metadata": {"attempt": 1}, "history": []} | _composite_status(self.cast, self.life)

    def _log_stream(self) -> Document:
        return self._record(
            "log",
            attrs={"install_id": self.install_id},
            open=True,
            org_id=self.cast.org_id,
            owner_id=self.deploy_id,
            owner_type="install_deploys",
            runner_api_url="https://runner.example.com",
            write_token="",
        )

    def _runner_job(self, group: str, job_type: str) -> Document:
        return self._record(
            "job",
            available_timeout=60_000_000_000,
            execution_count=1,
            execution_time=93_000_000_000,
            execution_timeout=3_600_000_000_000,
            executions=[{"id": _kin("rje", self.deploy_id), "status": "in-progress"}],
            final_runner_job_execution_id=_kin("rje", self.deploy_id),
            finished_at=_time(self.life[-1].at),
            group=group,
            log_stream_id=_kin("log", self.deploy_id),
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
            runner_id=_kin("run", self.install_id),
            started_at=_time(self.life[0].at),
            status=_job_status(self.life),
            status_description="runner is working on the job",
            type=job_type,
        )

    def _workflow(self) -> Document:
        return self._record(
            "inw",
            approval_option="prompt",
            created_by=self._account(),
            execution_time=93_000_000_000,
            finished=False,
            finished_at=_time(self.life[-1].at),
            install_action_workflow_runs=[{"id": _kin("iar", self.deploy_id)}],
            install_deploys=[{"id": self.deploy_id}],
            install_sandbox_runs=[self._sandbox_run()],
            links={"ui": f"/{self.cast.org_id}/installs/{self.install_id}"},
            metadata={"component": self.cast.component_name},
            name="Deploying a component",
            owner_id=self.install_id,
            owner_type="installs",
            plan_only=False,
            started_at=_time(self.life[0].at),
            status=self._status(),
            step_error_behavior="abort",
            steps=[self._workflow_step()],
            type="manual_deploy",
        )

    def _workflow_step(self) -> Document:
        return self._record(
            "iws",
            approval={"id": _kin("iwa", self.deploy_id), "type": "helm_approval"},
            created_by=self._account(),
            execution_time=93_000_000_000,
            execution_type="approval",
            finished=False,
            finished_at=_time(self.life[-1].at),
            group_idx=0,
            group_retry_idx=0,
            idx=0,
            install_workflow_id=_kin("inw", self.deploy_id),
            links={"ui": f"/{self.cast.org_id}/installs/{self.install_id}"},
            metadata={"component": self.cast.component_name},
            name="Plan the deploy",
            owner_id=self.install_id,
            owner_type="installs",
            policy_validation={"status": "passed"},
            retried=False,
            retryable=True,
            skippable=True,
            started_at=_time(self.life[0].at),
            status=self._status(),
            step_target_id=self.deploy_id,
            step_target_type="install_deploys",
            workflow_id=_kin("inw", self.deploy_id),
        )

    def _sandbox_run(self) -> Document:
        return self._record(
            "isr",
            action_workflow_runs=[{"id": _kin("iar", self.deploy_id)}],
            app_sandbox_config={"id": _kin("asc", self.cast.app_id)},
            created_by=self._account(),
            install_id=self.install_id,
            install_sandbox_id=_kin("isb", self.install_id),
            install_workflow_id=_kin("inw", self.deploy_id),
            log_stream=self._log_stream(),
            outputs={"cluster": "ready"},
            run_type="reprovision",
            runner_jobs=[{"id": _kin("job", self.deploy_id)}],
            status="active",
            status_description="sandbox is ready",
            status_v2={"status": "active"},
            workflow={"id": _kin("inw", self.deploy_id)},
            workflow_id=_kin("inw", self.deploy_id),
        )

    def _action_run(self) -> Document:
        return self._record(
            "iar",
            action_workflow_config_id=_kin("awc", self.cast.app_id),
            config=self._action_config(),
            created_by=self._account(),
            execution_time=12_000_000_000,
            install_action_workflow=self._install_action(),
            install_action_workflow_id=_kin("iaw", self.install_id),
            install_id=self.install_id,
            install_workflow_id=_kin("inw", self.deploy_id),
            log_stream=self._log_stream(),
            outputs={"healthy": True},
            run_env_vars={"TRIGGER_TYPE": "post-deploy-component"},
            runner_job=self._runner_job("actions", "actions-workflow"),
            status="finished",
            status_description="finished",
            status_v2=self._status(),
            steps=[
                self._record(
                    "iws",
                    execution_duration=12_000_000_000,
                    install_action_workflow_run_id=_kin("iar", self.deploy_id),
                    status="finished",
                    step_id=_kin("aws", self.cast.app_id),
                )
            ],
            trigger_type="post-deploy-component",
            triggered_by_id=self.deploy_id,
            triggered_by_type="install_deploys",
            workflow=self._workflow(),
            workflow_id=_kin("inw", self.deploy_id),
        )

    def _action_config(self) -> Document:
        return self._record(
            "awc",
            action_workflow_id=_kin("act", self.cast.app_id),
            app_config_id=_kin("apc", self.cast.app_id),
            app_id=self.cast.app_id,
            break_glass_role_arn="arn:aws:iam::000000000000:role/break-glass",
            component_dependency_ids=[self.cast.component_id],
            references=["components.checkout-api"],
            refs=[{"type": "components", "name": self.cast.component_name}],
            steps=[{"name": "smoke-test"}],
            timeout=300_000_000_000,
            triggers=[{"type": "post-deploy-component"}],
        )

    def _install_action(self) -> Document:
        return self._record(
            "iaw",
            action_workflow=self._record(
                "act",
                app_id=self.cast.app_id,
                config_count=1,
                configs=[self._action_config()],
                name="smoke-test",
                status="active",
                status_description="action is active",
            ),
            action_workflow_id=_kin("act", self.cast.app_id),
            install_id=self.install_id,
            runs=[{"id": _kin("iar", self.deploy_id)}],
            status="active",
        )

    def _component_build(self) -> Document:
        # A build is older than what it is deployed with.
        built = _time(self.life[0].at - timedelta(minutes=12))
        return self._record("bld") | {
            "id": self.cast.build_id,
            "created_at": built,
            "updated_at": built,
            "checksum": f"sha256:{self.cast.commit}",
            "component_config_connection": self._component_config(),
            "component_config_connection_id": _kin("ccc", self.cast.component_id),
            "component_config_version": 7,
            "component_id": self.cast.component_id,
            "component_name": self.cast.component_name,
            "created_by": self._account(),
            "git_ref": "main",
            "install_deploys": [{"id": self.deploy_id}],
            "log_stream": self._log_stream(),
            "releases": [{"build_id": self.cast.build_id}],
            "runner_job": self._runner_job("build", "helm-chart-build"),
            "status": "active",
            "status_description": "build is active and ready to be deployed",
            "status_v2": self._status(),
            "vcs_connection_commit": self._record(
                "vcc",
                author_email="robin@example.com",
                author_name="Robin Example",
                message="Raise the number of replicas",
                sha=self.cast.commit,
                vcs_connection_id=_kin("vcs", self.cast.app_id),
            ),
        }

    def _component_config(self) -> Document:
        return self._record(
            "ccc",
            app_config_id=_kin("apc", self.cast.app_id),
            app_config_version=42,
            checksum=f"sha256:{self.cast.commit}",
            component_dependency_ids=[self.cast.component_id],
            component_id=self.cast.component_id,
            component_name=self.cast.component_name,
            docker_build=self._source(
                "dkr", build_args=["STAGE=prod"], dockerfile="Dockerfile", env_vars={}, target="app"
            ),
            drift_schedule="0 4 * * *",
            external_image=self._config(
                "ext",
                aws_ecr_image_config=self._record(
                    "ecr",
                    aws_region="eu-central-1",
                    component_config_id=_kin("ext", self.cast.component_id),
                    component_config_type="external_image_component_configs",
                    iam_role_arn="arn:aws:iam::000000000000:role/pull",
                ),
                image_url="images.example.com/checkout-api",
                tag="v1.42.0",
            ),
            helm=self._source(
                "hlm",
                chart_name=self.cast.component_name,
                helm_config_json={
                    "chart_name": self.cast.component_name,
                    "namespace": "checkout",
                    "storage_driver": "secret",
                    "take_ownership": False,
                    "values": {"replicas": "3"},
                    "values_files": ["values.yaml"],
                },
                namespace="checkout",
                storage_driver="secret",
                take_ownership=False,
                values={"replicas": "3"},
                values_files=["values.yaml"],
            ),
            job=self._config(
                "jbc",
                args=["migrate"],
                cmd=["./manage"],
                env_vars={"STAGE": "prod"},
                image_url="images.example.com/migrate",
                tag="v1.42.0",
            ),
            kubernetes_manifest=self._config(
                "kms", manifest="kind: ConfigMap", namespace="checkout"
            ),
            references=["components.database"],
            refs=[{"input": "", "name": "database", "type": "components", "value": "database"}],
            terraform_module=self._source(
                "tfm",
                env_vars={"TF_LOG": "warn"},
                variables={"size": "large"},
                variables_files=["prod.tfvars"],
                version="1.9.8",
            ),
            type="helm_chart",
            version=7,
        )

    def _config(self, kind: str, /, **fields: Any) -> Document:
        connection_id = _kin("ccc", self.cast.component_id)
        return self._record(kind, component_config_connection_id=connection_id, **fields)

    def _source(self, kind: str, /, **fields: Any) -> Document:
        """Return a component's configuration that is built from a repository."""
        repository: Document = {
            "branch": "main",
            "component_config_id": _kin(kind, self.cast.component_id),
            "component_config_type": "component_configs",
            "directory": "deploy",
            "repo": "example/checkout",
        }
        return self._config(
            kind,
            connected_github_vcs_config=self._record(
                "vcg",
                repo_name="checkout",
                repo_owner="example",
                vcs_connection={"id": _kin("vcs", self.cast.app_id)},
                vcs_connection_id=_kin("vcs", self.cast.app_id),
                **repository,
            ),
            public_git_vcs_config=self._record("vcp", **repository),
            **fields,
        )

    def _oci_artifact(self) -> Document:
        return self._record(
            "oci",
            annotations={"org.opencontainers.image.revision": self.cast.commit},
            architecture="amd64",
            artifact_type="application/vnd.oci.image.config.v1+json",
            digest=f"sha256:{self.cast.commit}",
            media_type="application/vnd.oci.image.manifest.v1+json",
            org_id=self.cast.org_id,
            os="linux",
            os_features=["sse4"],
            os_version="5.15",
            owner_id=self.deploy_id,
            owner_type="install_deploys",
            repository="example/checkout-api",
            size=48_318_211,
            tag="v1.42.0",
            urls=["https://images.example.com/checkout-api"],
            variant="v8",
        )
