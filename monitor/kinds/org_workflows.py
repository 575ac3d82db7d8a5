"""The list of all workflows of an organisation (`GET /v1/workflows`): what of it is followed.

The platform ties the workflows of a run's installs to the run: these are shown there. Its filters
by time fail for a whole organisation (its public source, May 2026), so none is used.
"""

from __future__ import annotations

from typing import Final

import msgspec

from monitor.kinds import fields, objects, run, wire, workflow_words
from monitor.kinds.paths import deploy_path
from monitor.kinds.profile import Finder, WatchedBy
from monitor.kinds.run_documents import RunMetadata, RunWorkflow
from monitor.model import Found, ListPage, Target

NAME: Final = "workflows"
PATH: Final = "/v1/workflows"
_WORKFLOW: Final = "workflow"


class Ties(RunMetadata, gc=False):
    """What is read of a listed workflow's metadata: all else can be customers' values, in clear."""

    owner_name: object = None
    app_branch_run_id: object = None
    new_app_config_id: object = None
    install_deploy_id: object = None
    runbook_config_id: object = None
    component_id: object = None
    triggerred_by_id: object = None


class Row(RunWorkflow, gc=False):
    """A workflow as it is listed: without steps, and nowadays without its app and install."""

    metadata: Ties | objects.NonObject = None

    @property
    def ties(self) -> Ties:
        """Its metadata; one without any values where it has none."""
        return self.metadata if isinstance(self.metadata, Ties) else Ties()

    @property
    def is_run(self) -> bool:
        """Whether it is an app branch run."""
        return self.owner_type == "app_branches" or fields.text(self.type).startswith(
            "app_branches_"
        )


_decoder = msgspec.json.Decoder(list[Row | objects.NonObject] | None)


def rows_of(body: bytes) -> tuple[list[Row], int]:
    """Read one page, and how many of its rows have no id; raises MalformedAnswer."""
    rows = wire.parse(body, _decoder, "the list of workflows")
    return fields.identified(rows, Row, "workflow")


def find(body: bytes, _org: str) -> ListPage:
    """Return what one page leads to: runs, and workflows that no run shows."""
    rows, without_id = rows_of(body)
    found = (_found(row) for row in rows if not row.ties.app_branch_run_id)
    return ListPage(tuple(found), without_id)


def find_of_installs(body: bytes, app_id: str) -> ListPage:
    """Return the workflows of installs on one page that no run shows."""
    page = find(body, app_id)
    return page._replace(found=tuple(row for row in page.found if row.target.kind != run.NAME))


def _found(row: Row) -> Found:
    kind = fields.text(row.type)
    if row.is_run:
        return run.found(row)
    names = workflow_words.workflow_name(row), kind, fields.text(row.ties.owner_name)
    install_id = workflow_words.install_of(row)
    return Found(
        target=Target(_WORKFLOW, fields.text(row.id)),
        is_over=workflow_words.is_over(row),
        created_at=wire.read_time(row.created_at),
        names=tuple(filter(None, names)),
        ids=(install_id,) if install_id else (),
        type=kind,
        is_special=workflow_words.is_special(row),
        tie=_tie_of(row),
        question=_question_of(row, install_id),
    )


# What belongs together

BUILD: Final = "build:"
_CERTAIN: Final = (BUILD, "config:")
"""What ties for as long as the change goes on; by all else only what is close in time is tied."""
_DEPLOYING: Final = ("manual_deploy", "drift_run")
_OF_COMPONENT: Final = ("teardown_component", "component_enabled", "component_disabled")


def _tie_of(row: Row) -> str:
    """Return what a row has in common with others of the same change; empty where nothing is.

    The platform writes all of it into the metadata but a deploy's build.
    """
    kind, ties = fields.text(row.type), row.ties
    tie = ""
    if kind == "app_branch_config_update":
        tie = _joined("config", ties.new_app_config_id)
    elif kind == "runbook_run":
        tie = _joined("runbook", ties.runbook_config_id)
    elif kind in _OF_COMPONENT:
        tie = _joined(kind, ties.component_id)
    elif kind == "action_workflow_run":
        who = fields.text(ties.triggerred_by_id) or fields.email(row.created_by)
        tie = _joined("action", ties.install_action_workflow_name, who)
    return f"plan:{tie}" if tie and row.plan_only is True else tie


def _joined(kind: str, *parts: object) -> str:
    texts = [wire.path_segment(fields.text(part, 100)) for part in parts]
    return ":".join((kind, *texts)) if all(texts) else ""


def _question_of(row: Row, install_id: str) -> str:
    deploy_id = fields.text(row.ties.install_deploy_id)
    if row.type not in _DEPLOYING or row.plan_only is True or not (deploy_id and install_id):
        return ""
    return deploy_path(install_id, deploy_id)


class _Deploy(msgspec.Struct):
    build_id: object = None


_deploy = msgspec.json.Decoder(_Deploy)


def build_of_deploy(body: bytes) -> str:
    """Return the tie of a deploy; empty where its build is not known."""
    deploy = wire.optional(body, _deploy)
    build_id = fields.text(deploy.build_id) if deploy is not None else ""
    return f"{BUILD}{wire.path_segment(build_id)}" if build_id else ""


def is_certain(tie: str) -> bool:
    """Whether a tie holds however long the change goes on."""
    return tie.startswith(_CERTAIN)


FINDER_OF_APP: Final = Finder(
    path=lambda _: PATH,
    record=None,
    decode=find_of_installs,
    id_prefix="app",
    watched_by=None,
    is_of_app=True,
    lists_workflows=True,
    tie_of=build_of_deploy,
)
FINDER: Final = Finder(
    path=lambda _: PATH,
    record=None,
    decode=find,
    id_prefix="org",
    watched_by=WatchedBy.WHOLE_ORG,
    lists_workflows=True,
    tie_of=build_of_deploy,
)
