"""What the public document of an installer knows of an app and its configs, all of it filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitor.simulation.answers import Document, Mark, record
from monitor.simulation.builds import Builds
from monitor.simulation.cast import Cast, related_id
from monitor.simulation.relations import Relations


@dataclass(frozen=True, slots=True)
class AppRelations:
    """Every relation of one app, or of one of its configs; `life` is of either."""

    cast: Cast
    life: Sequence[Mark]

    def of_an_app(self) -> Document:
        """Return what is filled of an app beside the usual."""
        return {
            "input_config": self._input(),
            "links": {"ui": f"/{self.cast.org_id}/apps/{self.cast.app_id}"},
            "runner_config": self._runner(),
            "runner_type": "aws-ecs",
            "sandbox_config": self._relations.sandbox_config(),
        }

    def of_a_config(self) -> Document:
        """Return what is filled of a config beside the usual."""
        return {
            "action_workflow_configs": [self._relations.action_config()],
            "break_glass": self._record(
                "abg",
                app_config_id=self._config_id,
                app_id=self.cast.app_id,
                aws_iam_roles=[self._role("breakglass")],
                org_id=self.cast.org_id,
            ),
            "component_config_connections": [self._builds.component_config()],
            "component_ids": [self.cast.component_id],
            "input": self._input(),
            "permissions": self._permissions(),
            "policies": self._record(
                "apl",
                app_config_id=self._config_id,
                app_id=self.cast.app_id,
                org_id=self.cast.org_id,
            ),
            "readme": "# How to install it",
            "runner": self._runner(),
            "sandbox": self._relations.sandbox_config(),
            "secrets": self._secrets(),
            "stack": self._record(
                "ask",
                app_config_id=self._config_id,
                app_id=self.cast.app_id,
                description="The stack of the install",
                name="stack",
                org_id=self.cast.org_id,
                runner_nested_template_url="https://templates.example.com/runner.yaml",
                type="aws-cloudformation",
                vpc_nested_template_url="https://templates.example.com/vpc.yaml",
            ),
            "state": "{}",
        }

    @property
    def _config_id(self) -> str:
        return related_id("apc", self.cast.app_id)

    @property
    def _relations(self) -> Relations:
        return Relations(self.cast, self.cast.app_id, self.life, "")

    @property
    def _builds(self) -> Builds:
        return Builds(self.cast, self.cast.app_id, self.life, "")

    def _record(self, kind: str, /, **fields: Any) -> Document:
        made = record(
            self.cast, related_id(kind, self.cast.app_id), self.life[0].at, self.life[-1].at
        )
        return made | fields

    def _role(self, purpose: str) -> Document:
        return self._record(
            "iam",
            app_config_id=self._config_id,
            cloudformation_param_name=f"{purpose.title()}Role",
            cloudformation_stack_name=f"{purpose}-role",
            description=f"The role for {purpose}",
            display_name=purpose.title(),
            name=purpose,
            org_id=self.cast.org_id,
            owner_id=self._config_id,
            owner_type="app_configs",
            permissions_boundary="arn:aws:iam::000000000000:policy/boundary",
            policies=[{"name": "read"}],
            type=f"runner_{purpose}",
        )

    def _permissions(self) -> Document:
        return self._record(
            "apm",
            app_config_id=self._config_id,
            app_id=self.cast.app_id,
            aws_iam_roles=[self._role("provision")],
            break_glass_aws_iam_role=self._role("breakglass"),
            deprovision_aws_iam_role=self._role("deprovision"),
            maintenance_aws_iam_role=self._role("maintenance"),
            org_id=self.cast.org_id,
            provision_aws_iam_role=self._role("provision"),
        )

    def _runner(self) -> Document:
        return self._record(
            "rnc",
            app_config_id=self._config_id,
            app_id=self.cast.app_id,
            app_runner_type="aws-ecs",
            cloud_platform="aws",
            env_vars={"LOG_LEVEL": "info"},
            helm_driver="secret",
            init_script="#!/bin/sh",
            org_id=self.cast.org_id,
        )

    def _secrets(self) -> Document:
        secret = self._record(
            "sec",
            app_config_id=self._config_id,
            app_id=self.cast.app_id,
            app_secrets_config_id=related_id("scf", self.cast.app_id),
            auto_generate=True,
            cloudformation_param_name="LicenceKey",
            cloudformation_stack_name="licence-key",
            default="",
            description="The key of the licence",
            display_name="Licence key",
            format="",
            kubernetes_secret_name="licence",  # noqa: S106 - the name of one, not one
            kubernetes_secret_namespace="checkout",  # noqa: S106
            kubernetes_sync=True,
            name="licence_key",
            org_id=self.cast.org_id,
            required=True,
        )
        return self._record(
            "scf",
            app_config_id=self._config_id,
            app_id=self.cast.app_id,
            org_id=self.cast.org_id,
            secrets=[secret],
        )

    def _input(self) -> Document:
        group_id = related_id("aig", self.cast.app_id)
        group = self._record(
            "aig",
            app_input_id=related_id("ain", self.cast.app_id),
            app_inputs=[{"name": "size"}],
            description="How large it is",
            display_name="Size",
            index=1,
            name="size",
            org_id=self.cast.org_id,
        )
        one = self._record(
            "inp",
            app_input_id=related_id("ain", self.cast.app_id),
            cloudformation_stack_name="size",
            cloudformation_stack_parameter_name="Size",
            default="large",
            description="How large it is",
            display_name="Size",
            group={"id": group_id},
            group_id=group_id,
            index=1,
            internal=False,
            name="size",
            org_id=self.cast.org_id,
            required=True,
            sensitive=False,
            source="vendor",
            type="string",
        )
        given = self._record(
            "iin",
            app_input_config_id=related_id("ain", self.cast.app_id),
            install_id=related_id("inl", self.cast.app_id),
            org_id=self.cast.org_id,
            redacted_values={"size": "large"},
            values={"size": "large"},
        )
        return self._record(
            "ain",
            app_config_id=self._config_id,
            app_id=self.cast.app_id,
            input_groups=[group],
            inputs=[one],
            install_inputs=[given],
            org_id=self.cast.org_id,
        )
