"""What explains a release's deploys, from documents of their own: paths, and what is read of each.

None of them is needed, so one that is malformed or about something else is as one that is
missing. What the answer about the release says itself is never contradicted: it may be newer.
"""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, nesting, objects, tree, wire
from monitor.kinds.paths import build_path, deploy_path, workflow_path
from monitor.kinds.release_deploys import ReadDeploy, explained_deploy, read_deploy
from monitor.model import Entity

_workflow_decoder = msgspec.json.Decoder(objects.Workflow)
_build_decoder = msgspec.json.Decoder(objects.Build)


class Explained:
    """The explaining documents of one release, each read when it is asked for."""

    def __init__(self, beside: wire.Beside) -> None:
        self._beside = beside
        of_deploys = (path for path in beside if path.startswith("/v1/installs/"))
        self.ids = frozenset(unquote(path.rpartition("/")[2]) for path in of_deploys)
        """The deploys that were asked about."""

    def deploy(self, install_id: str, deploy_id: str) -> Entity | None:
        """Return what a deploy's own document has; None without one that can be read."""
        found = self._deploy(deploy_path(install_id, deploy_id), deploy_id)
        return found.whole if found else None

    def workflows(self, workflow_id: str, deploy_id: str) -> tuple[Entity, ...]:
        """Return a workflow, if there is one, with the steps that work at a deploy.

        Where none says what it works at, all are there.
        """
        row = wire.about(self._beside, workflow_path(workflow_id), _workflow_decoder, workflow_id)
        if row is None:
            return ()
        steps = fields.rows(row.steps, objects.Step)
        of_deploy = [step for step in steps if step.step_target_id == deploy_id]
        of_workflow = msgspec.structs.replace(row, steps=[*(of_deploy or steps)])
        return (tree.workflow(of_workflow, (deploy_id,)),)

    def builds(self, build_id: str, within: nesting.Path) -> tuple[Entity, ...]:
        """Return a build with its job, if there is one."""
        row = wire.about(self._beside, build_path(build_id), _build_decoder, build_id)
        return tree.builds(row, within) if row else ()

    def whole(self, parsed: ReadDeploy, build_id: str) -> ReadDeploy:
        """Return a deploy of the release with what was asked about it."""
        deploy = parsed.whole
        own = self._deploy(deploy_path(deploy.install_id, deploy.id), deploy.id)
        workflow_id = deploy.workflow_id or (own.whole.workflow_id if own else "")
        # Of a build the document of its own says more than the one below a deploy.
        more = (
            *self.workflows(workflow_id, deploy.id),
            *self.builds(build_id, (deploy.id,)),
            *(own.whole.children if own else ()),
        )
        return explained_deploy(parsed, own, more)

    def _deploy(self, path: str, deploy_id: str) -> ReadDeploy | None:
        document = self._beside.get(path)
        if document is None:
            return None
        try:
            found = read_deploy(msgspec.Raw(document.body), {})
        except MalformedAnswer:
            return None
        return found if found is not None and found.whole.id == deploy_id else None
