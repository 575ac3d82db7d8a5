"""What belongs to a record of the platform: runner jobs, workflows, action runs, builds, configs.

`usual_relations` writes what the platform really fills of a deploy, `Relations` every relation
that the documents know, none of them empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.simulation.answers import (
    Document,
    Mark,
    account,
    commit,
    composite_status,
    record,
    time_of,
)
from monitor.simulation.builds import Builds
from monitor.simulation.cast import Cast, related_id
from monitor.simulation.records import Records, execution_of, job_status_of

WORKFLOW_STATUSES = {
    "active": "success",
    "cancelled": "cancelled",
    "error": "error",
    "pending-approval": "approval-awaiting",
}


def usual_relations(cast: Cast, deploy_id: str, life: Sequence[Mark]) -> Document:
    """Write what the platform really fills."""
    job: Document = {
        "id": related_id("job", deploy_id),
        "created_at": time_of(life[0].at),
        "updated_at": time_of(life[-1].at),
        "group": "deploy",
        "type": "helm-chart-deploy",
        "operation": "exec",
        "status": job_status_of(life),
    }
    if life[-1].cause:
        job |= {"status_description": "failed", "executions": [execution_of(deploy_id, life)]}
    return {
        "component_build": {
            "id": cast.build_id,
            "git_ref": "main",
            "status": "active",
            "vcs_connection_commit": {"sha": cast.commit},
        },
        "runner_jobs": [job],
        "workflow": {
            "id": related_id("inw", deploy_id),
            "type": "manual_deploy",
            "approval_option": "prompt",
            "status": {"status": WORKFLOW_STATUSES.get(life[-1].status, "in-progress")},
        },
    }


def usual_build(cast: Cast, life: Sequence[Mark]) -> Document:
    """Write a component build as the platform really fills it."""
    return record(cast, cast.build_id, life[0].at, life[-1].at) | {
        "checksum": f"sha256:{cast.commit}",
        "component_config_connection_id": related_id("ccc", cast.component_id),
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


class Relations(Records):
    """Every relation of one deploy that the document knows, none of them empty."""

    __slots__ = ()

    def fields(self) -> Document:
        builds = Builds(self.cast, self.deploy_id, self.life, self.install_id)
        return {
            "created_by": self.account(),
            "action_workflow_runs": [self.action_run(), self.retried_run()],
            "component_build": builds.component_build(),
            "log_stream": self.log_stream(),
            "oci_artifact": builds.oci_artifact(),
            "outputs": {"url": "https://checkout.example.com"},
            "plan_only": False,
            "runner_jobs": [self.runner_job("deploy", "helm-chart-deploy")],
            "status_v2": self.status(),
            "workflow": self.workflow(),
        }

    def _workflow_status(self) -> Document:
        """Return the status in the words of workflows and their steps."""
        past = [
            Mark(m.at, WORKFLOW_STATUSES.get(m.status, "in-progress"), m.description)
            for m in self.life
        ]
        return {"metadata": {"attempt": 1}, "history": []} | composite_status(self.cast, past)

    def workflow(self) -> Document:
        return self.record_of(
            "inw",
            approval_option="prompt",
            created_by=self.account(),
            execution_time=93_000_000_000,
            finished=False,
            finished_at=time_of(self.life[-1].at),
            install_action_workflow_runs=[{"id": related_id("iar", self.deploy_id)}],
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
        return self.record_of(
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
            install_workflow_id=related_id("inw", self.deploy_id),
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
            workflow_id=related_id("inw", self.deploy_id),
        )

    def approval(self) -> Document:
        return self.record_of(
            "iwa",
            installWorkflowStep={},
            installWorkflowStepID=related_id("iws", self.deploy_id),
            owner_id=self.deploy_id,
            owner_type="install_deploys",
            response={"type": "approve", "note": ""},
            runner_job={"id": related_id("job", self.deploy_id)},
            runner_job_id=related_id("job", self.deploy_id),
            type="helm_approval",
            workflow_step={},
            workflow_step_id=related_id("iws", self.deploy_id),
        )

    def policy_validation(self) -> Document:
        return self.record_of(
            "iwp",
            install_workflow_step_id=related_id("iws", self.deploy_id),
            response="{}",
            runner_job_id=related_id("job", self.deploy_id),
            status=self.settled("success"),
        )

    def sandbox_config(self) -> Document:
        return self.record_of(
            "asc",
            app_config_id=related_id("apc", self.cast.app_id),
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
        deploy_id = related_id("dpl", self.deploy_id)
        return self.record_of(
            "dpl",
            **self.fields(),
            build_id=self.cast.build_id,
            component_config_version=7,
            component_id=self.cast.component_id,
            component_name=self.cast.component_name,
            install_component_id=related_id("inc", self.install_id),
            install_deploy_type="apply",
            install_id=self.install_id,
            install_workflow_id=related_id("inw", deploy_id),
            release_id=related_id("rel", deploy_id),
            status=self.life[-1].status,
            status_description=self.life[-1].description,
            workflow_id=related_id("inw", deploy_id),
        )

    def sandbox_run(self) -> Document:
        return self.record_of(
            "isr",
            action_workflow_runs=[{"id": related_id("iar", self.deploy_id)}],
            app_sandbox_config=self.sandbox_config(),
            created_by=self.account(),
            install_id=self.install_id,
            install_sandbox_id=related_id("isb", self.install_id),
            install_workflow_id=related_id("inw", self.deploy_id),
            log_stream=self.log_stream(),
            outputs={"cluster": "ready"},
            run_type="reprovision",
            runner_jobs=[{"id": related_id("job", self.deploy_id)}],
            status="active",
            status_description="sandbox is ready",
            status_v2=self.settled("active"),
            workflow={"id": related_id("inw", self.deploy_id)},
            workflow_id=related_id("inw", self.deploy_id),
        )

    def retried_run(self) -> Document:
        """Return a run of an action that another one stands for."""
        return self.record_of(
            "iar",
            id=related_id("iar", f"retried {self.deploy_id}"),
            install_id=self.install_id,
            status="retried",
            status_description="retried",
            trigger_type="post-deploy-component",
        )

    def action_run(self) -> Document:
        return self.record_of(
            "iar",
            action_workflow_config_id=related_id("awc", self.cast.app_id),
            config=self.action_config(),
            created_by=self.account(),
            execution_time=12_000_000_000,
            install_action_workflow=self.install_action(),
            install_action_workflow_id=related_id("iaw", self.install_id),
            install_id=self.install_id,
            install_workflow_id=related_id("inw", self.deploy_id),
            log_stream=self.log_stream(),
            outputs={"healthy": True},
            run_env_vars={"TRIGGER_TYPE": "post-deploy-component"},
            runner_job=self.runner_job("actions", "actions-workflow"),
            status="finished",
            status_description="finished",
            status_v2=self.settled("finished"),
            steps=[
                self.record_of(
                    "iws",
                    execution_duration=12_000_000_000,
                    install_action_workflow_run_id=related_id("iar", self.deploy_id),
                    status="finished",
                    step_id=related_id("aws", self.cast.app_id),
                )
            ],
            trigger_type="post-deploy-component",
            triggered_by_id=self.deploy_id,
            triggered_by_type="install_deploys",
            workflow=self.workflow(),
            workflow_id=related_id("inw", self.deploy_id),
        )

    def action_config(self) -> Document:
        return self.record_of(
            "awc",
            action_workflow_id=related_id("act", self.cast.app_id),
            app_config_id=related_id("apc", self.cast.app_id),
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
        return self.record_of(
            "iaw",
            action_workflow=self.record_of(
                "act",
                app_id=self.cast.app_id,
                config_count=1,
                configs=[self.action_config()],
                name="smoke-test",
                # Somebody removes the action while its run is still shown.
                status="delete_queued",
                status_description="delete is queued",
            ),
            action_workflow_id=related_id("act", self.cast.app_id),
            install_id=self.install_id,
            runs=[{"id": related_id("iar", self.deploy_id)}],
            status="active",
        )
