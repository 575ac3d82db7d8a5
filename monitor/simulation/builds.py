"""What a deploy was made from, with nothing in it empty: a build, its configuration, its image."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from monitor.simulation.answers import Document, commit, time_of
from monitor.simulation.cast import related_id
from monitor.simulation.records import Records


class Builds(Records):
    """The build of one deploy, and what belongs to it."""

    __slots__ = ()

    def component_build(self) -> Document:
        # A build is older than what it is deployed with.
        built = time_of(self.life[0].at - timedelta(minutes=12))
        return self.record_of("bld") | {
            "id": self.cast.build_id,
            "created_at": built,
            "updated_at": built,
            "checksum": f"sha256:{self.cast.commit}",
            "component_config_connection": self.component_config(),
            "component_config_connection_id": related_id("ccc", self.cast.component_id),
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
            "status_v2": self.settled("active"),
            "vcs_connection_commit": commit(self.cast, self.life[0].at),
        }

    def component_config(self) -> Document:
        return self.record_of(
            "ccc",
            app_config_id=related_id("apc", self.cast.app_id),
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
                aws_ecr_image_config=self.record_of(
                    "ecr",
                    aws_region="eu-central-1",
                    component_config_id=related_id("ext", self.cast.component_id),
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

    def oci_artifact(self) -> Document:
        return self.record_of(
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

    def _config(self, kind: str, /, **fields: Any) -> Document:
        connection_id = related_id("ccc", self.cast.component_id)
        return self.record_of(kind, component_config_connection_id=connection_id, **fields)

    def _source(self, kind: str, /, **fields: Any) -> Document:
        """Return a component's configuration that is built from a repository."""
        repository: Document = {
            "branch": "main",
            "component_config_id": related_id(kind, self.cast.component_id),
            "component_config_type": "component_configs",
            "directory": "deploy",
            "repo": "example/checkout",
        }
        return self._config(
            kind,
            connected_github_vcs_config=self.record_of(
                "vcg",
                repo_name="checkout",
                repo_owner="example",
                vcs_connection=self.record_of(
                    "vcs",
                    github_account_id="1001",
                    github_account_name="example",
                    github_install_id="2002",
                    vcs_connection_commit=[],
                ),
                vcs_connection_id=related_id("vcs", self.cast.app_id),
                **repository,
            ),
            public_git_vcs_config=self.record_of("vcp", **repository),
            **fields,
        )
