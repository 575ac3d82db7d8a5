"""The paths of records that several kinds of watch ask for."""

from __future__ import annotations

from monitor.kinds.wire import path_segment


def app_path(app_id: str) -> str:
    """Return the path of an app."""
    return f"/v1/apps/{path_segment(app_id)}"


def branch_path(app_id: str, branch_id: str) -> str:
    """Return the path of an app's branch."""
    return f"{app_path(app_id)}/branches/{path_segment(branch_id)}"


def workflow_path(workflow_id: str) -> str:
    """Return the path of a workflow, be it a run's or an install's."""
    return f"/v1/workflows/{path_segment(workflow_id)}"


def deploy_path(install_id: str, deploy_id: str) -> str:
    """Return the path of one install deploy."""
    return f"/v1/installs/{path_segment(install_id)}/deploys/{path_segment(deploy_id)}"


def build_path(build_id: str) -> str:
    """Return the path of a component's build."""
    return f"/v1/components/builds/{path_segment(build_id)}"
