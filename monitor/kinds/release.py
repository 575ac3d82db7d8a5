"""A release: its steps, and each step's install deploys (`GET /v1/releases/{release_id}`).

Only what is used is declared, and so decoded; everything else in an answer is skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import wire
from monitor.model import Entity, Kind

NAME = "release"


class _Account(msgspec.Struct, gc=False):
    email: str | None = None


class _Commit(msgspec.Struct, gc=False):
    sha: str | None = None


class _Build(msgspec.Struct, gc=False):
    component_name: str | None = None
    git_ref: str | None = None
    vcs_connection_commit: _Commit | None = None


class _Deploy(msgspec.Struct, gc=False):
    id: str
    status: str | None = None
    status_description: str | None = None
    status_v2: wire.StatusRecord | None = None
    created_at: str | None = None
    updated_at: str | None = None
    created_by: _Account | None = None
    install_id: str | None = None
    component_id: str | None = None
    component_name: str | None = None
    component_build: _Build | None = None
    install_workflow_id: str | None = None
    workflow_id: str | None = None
    plan_only: bool | None = None


class _Step(msgspec.Struct, gc=False):
    id: str
    status: str | None = None
    status_description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    delay: str | None = None
    requested_install_ids: list[str | None] | None = None
    install_deploys: list[_Deploy | None] | None = None


class _Release(msgspec.Struct, gc=False):
    id: str
    status: str | None = None
    status_description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    build_id: str | None = None
    release_steps: list[_Step | None] | None = None


_decoder = msgspec.json.Decoder(_Release)


def path(release_id: str) -> str:
    """Return the endpoint's path."""
    return f"/v1/releases/{wire.path_segment(release_id)}"


def decode(body: bytes, release_id: str) -> Entity:
    """Read a release; raises MalformedAnswer, also for a document about another release."""
    document = wire.parse(body, _decoder)
    if document.id != release_id:
        raise MalformedAnswer(f"the answer is about {document.id[:60]!r}, not about {release_id!r}")
    if not document.status:
        # The one status that can be counted on: without it an ended release would seem retried.
        raise MalformedAnswer("the release in the answer has no status")
    rows = wire.present(document.release_steps)
    deploys = sorted(
        (deploy for row in rows for deploy in wire.present(row.install_deploys)), key=_age
    )
    status = wire.read_status(document.status, document.status_description)
    root = Entity(
        kind=Kind.RELEASE,
        id=document.id,
        status=status.status,
        description=status.description,
        name=_first(_component_name(deploy) for deploy in deploys),
        created_at=wire.read_time(document.created_at),
        updated_at=wire.read_time(document.updated_at),
        component_id=_first(deploy.component_id for deploy in deploys),
        build_id=document.build_id or "",
        revision=_first(_revision(deploy.component_build) for deploy in deploys),
        created_by=_first(deploy.created_by.email for deploy in deploys if deploy.created_by),
        children=wire.in_order(_step(row) for row in rows),
    )
    _refuse_shared_deploys(root)
    return root


def _refuse_shared_deploys(root: Entity) -> None:
    """Refuse a deploy that stands in two steps: matched by its id, neither would be told right."""
    ids = [deploy.id for step in root.children for deploy in step.children]
    if len(set(ids)) < len(ids):
        shared, _ = Counter(ids).most_common(1)[0]
        raise MalformedAnswer(f"the install deploy {shared[:60]!r} stands in two release steps")


def _step(row: _Step) -> Entity:
    return Entity(
        kind=Kind.STEP,
        id=_required(row.id, "a release step"),
        status=row.status or "",
        description=row.status_description or "",
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        delay=wire.read_duration(row.delay),
        planned=tuple(sorted({i for i in wire.present(row.requested_install_ids) if i})),
        children=wire.in_order(_deploy(deploy) for deploy in wire.present(row.install_deploys)),
    )


def _deploy(row: _Deploy) -> Entity:
    status = wire.read_status(row.status, row.status_description, row.status_v2)
    return Entity(
        kind=Kind.DEPLOY,
        id=_required(row.id, "an install deploy"),
        status=status.status,
        description=status.description,
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        status_at=status.at,
        history=status.history,
        install_id=row.install_id or "",
        workflow_id=row.install_workflow_id or row.workflow_id or "",
        plan_only=bool(row.plan_only),
    )


def _required(identifier: str, what: str) -> str:
    if not identifier:
        raise MalformedAnswer(f"{what} in the answer has an empty id")
    return identifier


def _age(deploy: _Deploy) -> tuple[str, str, str]:
    """The oldest deploy names what is rolled out and by whom, wherever it stands in the lists."""
    return deploy.created_at or "", deploy.id, deploy.updated_at or ""


def _component_name(deploy: _Deploy) -> str | None:
    build = deploy.component_build
    return deploy.component_name or (build.component_name if build else None)


def _revision(build: _Build | None) -> str | None:
    if build is None:
        return None
    commit = build.vcs_connection_commit
    return (commit.sha if commit else None) or build.git_ref


def _first(values: Iterable[str | None]) -> str:
    return next((value for value in values if value), "")
