"""What hangs on a record of the platform: runner jobs, workflows, action runs, builds, configs.

`usual_relations` writes what the platform really fills of a deploy, `Relations` every relation
that the documents know, none of them empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitor.simulation.answers import (
    Document,
    Mark,
    account,
    commit,
    composite_status,
    record,
    time_of,
)
from monitor.simulation.cast import Cast, kin

# What a runner makes of a deploy's status; other statuses need no runner.
_JOB_STATUS = {"planning": "in-progress", "executing": "in-progress", "error": "failed"}

_WORKFLOW_STATUS = {
    "active": "success",
    "cancelled": "cancelled",
    "error": "error",
    "pending-approval": "approval-awaiting",
}


def usual_relations(cast: Cast, deploy_id: str, life: Sequence[Mark]) -> Document:
    """Write what the platform really fills."""
    job: Document = {
        "id": kin("job", deploy_id),
        "created_at": time_of(life[0].at),
        "updated_at": time_of(life[-1].at),
        "group": "deploy",
        "type": "helm-chart-deploy",
        "operation": "exec",
        "status": _job_status(life),
    }
    if life[-1].cause:
        job |= {"status_description": "failed", "executions": [_execution(deploy_id, life)]}
    return {
        "component_build": {
            "id": cast.build_id,
            "git_ref": "main",
            "status": "active",
            "vcs_connection_commit": {"sha": cast.commit},
        },
        "runner_jobs": [job],
        "workflow": {
            "id": kin("inw", deploy_id),
            "type": "manual_deploy",
            "approval_option": "prompt",
            "status": {"status": _WORKFLOW_STATUS.get(life[-1].status, "in-progress")},
        },
    }


def usual_build(cast: Cast, life: Sequence[Mark]) -> Document:
    """Write a component build as the platform really fills it."""
    return record(cast, cast.build_id, life[0].at, life[-1].at) | {
        "checksum": f"sha256:{cast.commit}",
        "component_config_connection_id": kin("ccc", cast.component_id),
        "component_config_version": 7,
        "component_id": cast.component_id,
        "component_name": cast.component_name,
        "created_by": account(cast),
        "git_ref": "main",
        "status": life[-1].status,
        "status_description": life[-1].description,
        "status_v2": composite_status(cast, life),
        "vcs_connection_commit": commit(cast, life[0].at),
    }


def _job_status(life: Sequence[Mark]) -> str:
    return _JOB_STATUS.get(life[-1].status, "queued" if len(life) < 3 else "finished")


def _execution(deploy_id: str, life: Sequence[Mark]) -> Document:
    """Write a runner's attempt at a job: the one place that knows the cause of a failure."""
    execution: Document = {"id": kin("rje", deploy_id), "status": _job_status(life)}
    if not life[-1].cause:
        return execution
    return execution | {
        "result": {
            "id": kin("rjr", deploy_id),
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
class Relations:
    """Every relation of one deploy that the document knows, none of them empty."""

    cast: Cast
    deploy_id: str
    life: Sequence[Mark]
    install_id: str

    def fields(self) -> Document:
        return {
            "created_by": self.account(),
            "action_workflow_runs": [self.action_run()],
            "component_build": self.component_build(),
            "log_stream": self.log_stream(),
            "oci_artifact": self.oci_artifact(),
            "outputs": {"url": "https://checkout.example.com"},
            "plan_only": False,
            "runner_jobs": [self.runner_job("deploy", "helm-chart-deploy")],
            "status_v2": self.status(),
            "workflow": self.workflow(),
        }

    def _record(self, kind: str, /, **fields: Any) -> Document:
        """Return the fields with those that every record has."""
        made = record(self.cast, kin(kind, self.deploy_id), self.life[0].at, self.life[-1].at)
        return made | fields

    def account(self) -> Document:
        return {
            **account(self.cast),
            "subject": f"auth0|{self.cast.account_id}",
            "created_at": time_of(self.life[0].at),
            "updated_at": time_of(self.life[0].at),
            "org_ids": [self.cast.org_id],
            "roles": [{"id": kin("rol", self.cast.account_id), "role_type": "org_admin"}],
            "user_journeys": [{"name": "onboarding", "steps": []}],
        }

    def status(self) -> Document:
        return {"metadata": {"attempt": 1}, "history": []} | composite_status(self.cast, self.life)

    def _workflow_status(self) -> Document:
        """Return the status in the words of workflows and their steps."""
        past = [
            Mark(m.at, _WORKFLOW_STATUS.get(m.status, "in-progress"), m.description)
            for m in self.life
        ]
        return {"metadata": {"attempt": 1}, "history": []} | composite_status(self.cast, past)

    def _settled(self, status: str) -> Document:
        """Return the status of what came to its end long ago."""
        only = Mark(self.life[0].at, status, f"it is {status}")
        return {"metadata": {"attempt": 1}, "history": []} | composite_status(self.cast, [only])

    def log_stream(self) -> Document:
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

    def runner_job(self, group: str, job_type: str) -> Document:
        return self._record(
            "job",
            available_timeout=60_000_000_000,
            execution_count=1,
            execution_time=93_000_000_000,
            execution_timeout=3_600_000_000_000,
            executions=[_execution(self.deploy_id, self.life)],
            final_runner_job_execution_id=kin("rje", self.deploy_id),
            finished_at=time_of(self.life[-1].at),
            group=group,
            log_stream_id=kin("log", self.deploy_id),
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
            runner_id=kin("run", self.install_id),
            started_at=time_of(self.life[0].at),
            status=_job_status(self.life),
            status_description="runner is working on the job",
            type=job_type,
        )

    def workflow(self) -> Document:
        return self._record(
            "inw",
            approval_option="prompt",
            created_by=self.account(),
            execution_time=93_000_000_000,
            finished=False,
            finished_at=time_of(self.life[-1].at),
            install_action_workflow_runs=[{"id": kin("iar", self.deploy_id)}],
            install_deploys=[{"id": self.deploy_id}],
            install_sandbox_runs=[self.sandbox_run()],
            links={"ui": f"/{self.cast.org_id}/installs/{self.install_id}"},
            metadata={"component": self.cast.component_name},
            name="Deploying a component",
            owner_id=self.install_id,
            owner_type="installs",
            plan_only=False,
            started_at=time_of(self.life[0].at),
            status=self._workflow_status(),
            step_error_behavior="abort",
            steps=[self.workflow_step()],
            type="manual_deploy",
        )

    def workflow_step(self) -> Document:
        return self._record(
            "iws",
            approval=self.approval(),
            created_by=self.account(),
            execution_time=93_000_000_000,
            execution_type="approval",
            finished=False,
            finished_at=time_of(self.life[-1].at),
            group_idx=0,
            group_retry_idx=0,
            idx=0,
            install_workflow_id=kin("inw", self.deploy_id),
            links={"ui": f"/{self.cast.org_id}/installs/{self.install_id}"},
            metadata={"component": self.cast.component_name},
            name="Plan the deploy",
            owner_id=self.install_id,
            owner_type="installs",
            policy_validation=self.policy_validation(),
            retried=False,
            retryable=True,
            skippable=True,
            started_at=time_of(self.life[0].at),
            status=self._workflow_status(),
            step_target_id=self.deploy_id,
            step_target_type="install_deploys",
            workflow_id=kin("inw", self.deploy_id),
        )

    def approval(self) -> Document:
        return self._record(
            "iwa",
            installWorkflowStep={},
            installWorkflowStepID=kin("iws", self.deploy_id),
            owner_id=self.deploy_id,
            owner_type="install_deploys",
            response={"type": "approve", "note": ""},
            runner_job={"id": kin("job", self.deploy_id)},
            runner_job_id=kin("job", self.deploy_id),
            type="helm_approval",
            workflow_step={},
            workflow_step_id=kin("iws", self.deploy_id),
        )

    def policy_validation(self) -> Document:
        return self._record(
            "iwp",
            install_workflow_step_id=kin("iws", self.deploy_id),
            response="{}",
            runner_job_id=kin("job", self.deploy_id),
            status=self._settled("success"),
        )

    def sandbox_config(self) -> Document:
        return self._record(
            "asc",
            app_config_id=kin("apc", self.cast.app_id),
            app_id=self.cast.app_id,
            aws_region_type="default",
            cloud_platform="aws",
            connected_github_vcs_config={"repo": "example/sandbox"},
            drift_schedule="0 4 * * *",
            env_vars={"TF_LOG": "warn"},
            org_id=self.cast.org_id,
            public_git_vcs_config={"repo": "example/sandbox"},
            references=["inputs.size"],
            refs=[{"type": "inputs", "name": "size"}],
            terraform_version="1.9.8",
            variables={"size": "large"},
            variables_files=["prod.tfvars"],
        )

    def of_a_workflow(self) -> Document:
        """Return what a workflow lists beside its steps."""
        return {
            "install_action_workflow_runs": [self.action_run()],
            "install_deploys": [self.deploy()],
            "install_sandbox_runs": [self.sandbox_run()],
        }

    def deploy(self) -> Document:
        """Return the deploy itself, as one of a workflow's."""
        deploy_id = kin("dpl", self.deploy_id)
        return self._record(
            "dpl",
            **self.fields(),
            build_id=self.cast.build_id,
            component_config_version=7,
            component_id=self.cast.component_id,
            component_name=self.cast.component_name,
            install_component_id=kin("inc", self.install_id),
            install_deploy_type="apply",
            install_id=self.install_id,
            install_workflow_id=kin("inw", deploy_id),
            release_id=kin("rel", deploy_id),
            status=self.life[-1].status,
            status_description=self.life[-1].description,
            workflow_id=kin("inw", deploy_id),
        )

    def sandbox_run(self) -> Document:
        return self._record(
            "isr",
            action_workflow_runs=[{"id": kin("iar", self.deploy_id)}],
            app_sandbox_config=self.sandbox_config(),
            created_by=self.account(),
            install_id=self.install_id,
            install_sandbox_id=kin("isb", self.install_id),
            install_workflow_id=kin("inw", self.deploy_id),
            log_stream=self.log_stream(),
            outputs={"cluster": "ready"},
            run_type="reprovision",
            runner_jobs=[{"id": kin("job", self.deploy_id)}],
            status="active",
            status_description="sandbox is ready",
            status_v2=self._settled("active"),
            workflow={"id": kin("inw", self.deploy_id)},
            workflow_id=kin("inw", self.deploy_id),
        )

    def action_run(self) -> Document:
        return self._record(
            "iar",
            action_workflow_config_id=kin("awc", self.cast.app_id),
            config=self.action_config(),
            created_by=self.account(),
            execution_time=12_000_000_000,
            install_action_workflow=self.install_action(),
            install_action_workflow_id=kin("iaw", self.install_id),
            install_id=self.install_id,
            install_workflow_id=kin("inw", self.deploy_id),
            log_stream=self.log_stream(),
            outputs={"healthy": True},
            run_env_vars={"TRIGGER_TYPE": "post-deploy-component"},
            runner_job=self.runner_job("actions", "actions-workflow"),
            status="finished",
            status_description="finished",
            status_v2=self._settled("finished"),
            steps=[
                self._record(
                    "iws",
                    execution_duration=12_000_000_000,
                    install_action_workflow_run_id=kin("iar", self.deploy_id),
                    status="finished",
                    step_id=kin("aws", self.cast.app_id),
                )
            ],
            trigger_type="post-deploy-component",
            triggered_by_id=self.deploy_id,
            triggered_by_type="install_deploys",
            workflow=self.workflow(),
            workflow_id=kin("inw", self.deploy_id),
        )

    def action_config(self) -> Document:
        return self._record(
            "awc",
            action_workflow_id=kin("act", self.cast.app_id),
            app_config_id=kin("apc", self.cast.app_id),
            app_id=self.cast.app_id,
            break_glass_role_arn="arn:aws:iam::000000000000:role/break-glass",
            component_dependency_ids=[self.cast.component_id],
            references=["components.checkout-api"],
            refs=[{"type": "components", "name": self.cast.component_name}],
            steps=[{"name": "smoke-test"}],
            timeout=300_000_000_000,
            triggers=[{"type": "post-deploy-component"}],
        )

    def install_action(self) -> Document:
        return self._record(
            "iaw",
            action_workflow=self._record(
                "act",
                app_id=self.cast.app_id,
                config_count=1,
                configs=[self.action_config()],
                name="smoke-test",
                status="active",
                status_description="action is active",
            ),
            action_workflow_id=kin("act", self.cast.app_id),
            install_id=self.install_id,
            runs=[{"id": kin("iar", self.deploy_id)}],
            status="active",
        )

    def component_build(self) -> Document:
        # A build is older than what it is deployed with.
        built = time_of(self.life[0].at - timedelta(minutes=12))
        return self._record("bld") | {
            "id": self.cast.build_id,
            "created_at": built,
            "updated_at": built,
            "checksum": f"sha256:{self.cast.commit}",
            "component_config_connection": self.component_config(),
            "component_config_connection_id": kin("ccc", self.cast.component_id),
            "component_config_version": 7,
            "component_id": self.cast.component_id,
            "component_name": self.cast.component_name,
            "created_by": self.account(),
            "git_ref": "main",
            "install_deploys": [{"id": self.deploy_id}],
            "log_stream": self.log_stream(),
            "releases": [{"build_id": self.cast.build_id}],
            "runner_job": self.runner_job("build", "helm-chart-build"),
            "status": "active",
            "status_description": "build is active and ready to be deployed",
            "status_v2": self._settled("active"),
            "vcs_connection_commit": commit(self.cast, self.life[0].at),
        }

    def component_config(self) -> Document:
        return self._record(
            "ccc",
            app_config_id=kin("apc", self.cast.app_id),
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
                    component_config_id=kin("ext", self.cast.component_id),
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
        connection_id = kin("ccc", self.cast.component_id)
        return self._record(kind, component_config_connection_id=connection_id, **fields)

    def _source(self, kind: str, /, **fields: Any) -> Document:
        """Return a component's configuration that is built from a repository."""
        repository: Document = {
            "branch": "main",
            "component_config_id": kin(kind, self.cast.component_id),
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
                vcs_connection=self._record(
                    "vcs",
                    github_account_id="1001",
                    github_account_name="example",
                    github_install_id="2002",
                    vcs_connection_commit=[],
                ),
                vcs_connection_id=kin("vcs", self.cast.app_id),
                **repository,
            ),
            public_git_vcs_config=self._record("vcp", **repository),
            **fields,
        )

    def oci_artifact(self) -> Document:
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
