"""A release: its steps, and each step's install deploys (`GET /v1/releases/{release_id}`).

Only what is used is declared, and so decoded; everything else in an answer is skipped.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import wire
from monitor.model import Entity, Kind

NAME = "release"
SERVED = (
    "Releases are served until API 0.19.821. A newer platform serves workflows and app branch"
    " runs in their place, which this version of the monitor does not watch yet."
)


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
    install_deploys: list[msgspec.Raw] | None = None


class _Release(msgspec.Struct, gc=False):
    id: str
    status: str | None = None
    status_description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    build_id: str | None = None
    release_steps: list[_Step | None] | None = None


class _Origin(NamedTuple):
    """What a deploy says of the whole release, behind what makes it the oldest."""

    created_at: str
    deploy_id: str
    component_name: str
    component_id: str
    revision: str
    email: str


Parsed = tuple[Entity, _Origin] | None
"""What is made of one install deploy; None for a null in the list."""

_decoder = msgspec.json.Decoder(_Release)
_deploy_decoder = msgspec.json.Decoder(_Deploy | None)


def path(release_id: str) -> str:
    """Return the endpoint's path."""
    return f"/v1/releases/{wire.path_segment(release_id)}"


def decode(
    body: bytes,
    release_id: str,
    memo: wire.Memo[Parsed],
    _beside: wire.Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read a release; raises MalformedAnswer, also for a document about another release."""
    document = wire.parse(body, _decoder)
    if document.id != release_id:
        raise MalformedAnswer(f"the answer is about {document.id[:60]!r}, not about {release_id!r}")
    if not document.status:
        # The one status that can be counted on: without it an ended release would seem retried.
        raise MalformedAnswer("the release in the answer has no status")
    origins: list[_Origin] = []
    steps = [_step(row, memo, origins) for row in wire.present(document.release_steps)]
    origin = _oldest(origins)
    status = wire.read_status(document.status, document.status_description)
    root = Entity(
        kind=Kind.RELEASE,
        id=document.id,
        status=status.status,
        description=status.description,
        name=origin.component_name,
        created_at=wire.read_time(document.created_at),
        updated_at=wire.read_time(document.updated_at),
        component_id=origin.component_id,
        build_id=document.build_id or "",
        revision=origin.revision,
        created_by=origin.email,
        children=wire.in_order(steps),
    )
    _refuse_shared_deploys(root)
    return root


def _refuse_shared_deploys(root: Entity) -> None:
    """Refuse a deploy that stands in two steps: matched by its id, neither would be told right."""
    ids = [deploy.id for step in root.children for deploy in step.children]
    if len(set(ids)) < len(ids):
        shared, _ = Counter(ids).most_common(1)[0]
        raise MalformedAnswer(f"the install deploy {shared[:60]!r} stands in two release steps")


def _step(row: _Step, memo: wire.Memo[Parsed], origins: list[_Origin]) -> Entity:
    parsed = [memo.get(part, _deploy) for part in row.install_deploys or ()]
    deploys = [one for one in parsed if one is not None]
    origins.extend(origin for _, origin in deploys)
    return Entity(
        kind=Kind.STEP,
        id=_required(row.id, "a release step"),
        status=row.status or "",
        description=row.status_description or "",
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        delay=wire.read_duration(row.delay),
        planned=tuple(sorted({i for i in wire.present(row.requested_install_ids) if i})),
        children=wire.in_order(deploy for deploy, _ in deploys),
    )


def _deploy(part: msgspec.Raw) -> Parsed:
    row = wire.parse(part, _deploy_decoder, "an install deploy")
    if row is None:
        return None
    status = wire.read_status(row.status, row.status_description, row.status_v2)
    entity = Entity(
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
    return entity, _origin(row)


def _origin(row: _Deploy) -> _Origin:
    build = row.component_build or _Build()
    commit = build.vcs_connection_commit or _Commit()
    return _Origin(
        created_at=row.created_at or "",
        deploy_id=row.id,
        component_name=row.component_name or build.component_name or "",
        component_id=row.component_id or "",
        revision=commit.sha or build.git_ref or "",
        email=(row.created_by.email if row.created_by else None) or "",
    )


def _oldest(origins: list[_Origin]) -> _Origin:
    """Return what the oldest deploy says, wherever it stands in the lists.

    What it leaves out, the oldest one that has it says.
    """
    oldest = min(origins, default=_Origin("", "", "", "", "", ""))
    if all(oldest[2:]):
        return oldest
    in_order = sorted(origins)
    said = (next((o[i] for o in in_order if o[i]), "") for i in range(2, len(oldest)))
    return _Origin(*oldest[:2], *said)


def _required(identifier: str, what: str) -> str:
    if not identifier:
        raise MalformedAnswer(f"{what} in the answer has an empty id")
    return identifier


WATCH_KIND = wire.WatchKind(path=path, decode=decode, served=SERVED)
