"""A release: its steps, and each step's install deploys (`GET /v1/releases/{release_id}`).

Only what is used is declared, and so decoded; everything else in an answer is skipped. Releases
are found by the lists of an app's and of a component's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

import msgspec

from monitor.errors import MalformedAnswer, NuonRejected, Unserved
from monitor.kinds import app_lists, fields, objects, sharing, wire
from monitor.kinds.parts import DEPLOY
from monitor.kinds.profile import (
    Agreement,
    DashboardPage,
    Finder,
    KindProfile,
    WatchKind,
    page_of_deploy,
)
from monitor.kinds.release_answers import Explained
from monitor.kinds.release_build import read_build
from monitor.kinds.release_deploys import Parsed, ReadDeploy, filled_up, oldest_origin, read_deploy
from monitor.kinds.release_questions import questions
from monitor.model import Entity, Found, Kind, ListPage, Target, phase_of, status_words

NAME = "release"

RELEASE: Final = Kind(
    "release",
    status_words(
        PENDING="queued",
        RUNNING="executing_release_steps planning provisioning deprovisioning syncing executing",
        SUCCEEDED="active",
        FAILED="error",
    ),
)
RELEASE_STEP: Final = Kind(
    "release step",
    status_words(
        PENDING="queued waiting_for_delay",
        RUNNING="polling_install_deploys creating_install_deploys",
        SUCCEEDED="active",
        FAILED="error",
    ),
    delayed_statuses=frozenset({"waiting_for_delay"}),
    growing_statuses=frozenset({"creating_install_deploys"}),
)


def subject(release: Entity) -> tuple[str, ...]:
    """Return the component that a release rolls out; it belongs to one app."""
    component = release.component_id or release.name
    return (component,) if component else ()


PROFILE: Final = KindProfile(
    root=RELEASE,
    step=RELEASE_STEP,
    unit=DEPLOY,
    # A step ends well when all of its deploys did, and the release when all of its steps did.
    agreement=Agreement.ALL_SUCCEEDED,
    # The platform's own workflow for a release gives up then, and leaves the status as it is
    # (its public source, December 2025).
    given_up_after=timedelta(minutes=60),
    name_is_of="component",
    unit_names=("{install}",),
    subject=subject,
    page=lambda _: DashboardPage("Open releases", (("releases",),)),
    unit_page=page_of_deploy,
)


class _Step(msgspec.Struct, gc=False):
    """A step. Its deploys appear one by one while it is in `creating_install_deploys`."""

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
    created_by_id: object = None
    build_id: str | None = None
    build: msgspec.Raw = msgspec.Raw()
    release_steps: list[_Step | None] | None = None


_decoder = msgspec.json.Decoder(_Release)


def path(release_id: str) -> str:
    """Return the endpoint's path."""
    return f"/v1/releases/{wire.path_segment(release_id)}"


def decode(
    body: bytes,
    release_id: str,
    memo: wire.Memo[Parsed],
    beside: wire.Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read a release; raises MalformedAnswer, also for a document about another release."""
    document = wire.parse(body, _decoder)
    if document.id != release_id:
        raise MalformedAnswer(f"the answer is about {document.id[:60]!r}, not about {release_id!r}")
    if not document.status:
        # The one status that can be counted on: without it an ended release would seem retried.
        raise MalformedAnswer("the release in the answer has no status")
    read: list[ReadDeploy] = []
    explained = Explained(beside)
    make = _maker(memo, explained, document.build_id or "")
    steps = [_step(row, make, read) for row in wire.present(document.release_steps)]
    build = read_build(document.build)
    build = build.explained_by(explained.builds(document.build_id or "", ()))
    origins = [deploy.origin for deploy in read if deploy.origin]
    origin = filled_up(oldest_origin(origins), build.origin)
    status = wire.read_status(document.status, document.status_description)
    root = Entity(
        kind=RELEASE,
        id=document.id,
        status=status.status,
        description=build.description_of(phase_of(RELEASE, status.status), status.description),
        name=origin.component_name,
        created_at=wire.read_time(document.created_at),
        updated_at=wire.read_time(document.updated_at),
        component_id=origin.component_id,
        build_id=document.build_id or "",
        revision=origin.revision,
        created_by=origin.email or fields.text(document.created_by_id),
        facts=fields.facts_of(
            message=origin.message,
            author_name=origin.author_name,
            version=origin.version,
            repository=origin.repository,
            branch=origin.branch,
            build_status=build.status,
        ),
        children=wire.in_order(steps),
    )
    _refuse_shared_deploys(root)
    return _each_once(root, read)


def _maker(
    memo: wire.Memo[Parsed], explained: Explained, build_id: str
) -> Callable[[msgspec.Raw], Parsed]:
    """Return what makes a deploy of a part of the answer, with what explains it."""
    read = partial(read_deploy, builds={})
    asked_about = explained.ids

    def make(part: msgspec.Raw) -> Parsed:
        deploy = memo.get(part, read)
        if deploy is None or deploy.whole.id not in asked_about:
            return deploy
        return explained.whole(deploy, build_id)

    return make if asked_about else lambda part: memo.get(part, read)


def _refuse_shared_deploys(root: Entity) -> None:
    """Refuse a deploy that is in two steps: matched by its id, one would be taken for the other."""
    ids = [deploy.id for step in root.children for deploy in step.children]
    if len(set(ids)) < len(ids):
        shared, _ = Counter(ids).most_common(1)[0]
        raise MalformedAnswer(f"the install deploy {shared[:60]!r} stands in two release steps")


def _each_once(root: Entity, read: list[ReadDeploy]) -> Entity:
    """Leave each detail in one place only, the first: a build is that of all deploys.

    An unchanged deploy stays the very same value as long as the same of it is left elsewhere.
    """
    detailed = {id(deploy.whole): deploy for deploy in read if deploy.details}
    if not detailed:
        return root
    deploys = {(deploy.whole.kind, deploy.whole.id) for deploy in read}
    seen = set(deploys)
    found = len(deploys)
    steps = []
    for step in root.children:
        units = []
        for unit in step.children:
            deploy = detailed.get(id(unit))
            if deploy is None:
                units.append(unit)
                continue
            entity, keys = deploy.without(seen)
            units.append(entity)
            seen.update(keys)
            found += len(keys)
        steps.append(msgspec.structs.replace(step, children=tuple(units)))
    if len(seen) < found:
        # What belongs to one deploy is below another one too: nonsense, but it is read.
        steps = [_once_below(step, deploys) for step in root.children]
    return msgspec.structs.replace(root, children=tuple(steps))


def _once_below(step: Entity, seen: set[sharing.Key]) -> Entity:
    """Return a step's deploys without what was seen before; adds what was seen here."""
    units = [
        msgspec.structs.replace(unit, children=sharing.once(unit.children, seen))
        for unit in step.children
    ]
    return msgspec.structs.replace(step, children=tuple(units))


def _step(
    row: _Step,
    make: Callable[[msgspec.Raw], Parsed],
    read: list[ReadDeploy],
) -> Entity:
    parsed = [make(part) for part in row.install_deploys or ()]
    deploys = [one for one in parsed if one is not None]
    read.extend(deploys)
    return Entity(
        kind=RELEASE_STEP,
        id=fields.required(row.id, "a release step"),
        status=row.status or "",
        description=row.status_description or "",
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        delay=wire.read_duration(row.delay),
        planned=tuple(sorted({i for i in wire.present(row.requested_install_ids) if i})),
        children=wire.in_order(deploy.whole for deploy in deploys),
    )


# Finding them


class _Listed(msgspec.Struct, gc=False):
    """A row of a list; `semantic_digest` is what only a bill of materials has."""

    id: object = None
    status: object = None
    created_at: object = None
    build_id: object = None
    build: objects.Build | objects.NonObject = None
    semantic_digest: object = None
    app_config_id: object = None

    @property
    def is_rollout(self) -> bool:
        return bool(self.build_id) or not (self.semantic_digest or self.app_config_id)


_list_decoder = msgspec.json.Decoder(list[_Listed | objects.NonObject] | None)


def of_app(app_id: str) -> str:
    """Return the path of an app's releases."""
    return f"/v1/apps/{wire.path_segment(app_id)}/releases"


def of_component(component_id: str) -> str:
    """Return the path of a component's releases."""
    return f"/v1/components/{wire.path_segment(component_id)}/releases"


def find(body: bytes, _of: str) -> ListPage:
    """Read one page of releases; raises MalformedAnswer.

    A platform newer than API 0.19.821 (March 2026) lists bills of materials at the path of an
    app's releases, which never roll out: NuonRejected, as if there were no such path.
    """
    answered = wire.parse(body, _list_decoder, "the list of releases")
    rows, without_id = fields.identified(answered, _Listed, "release")
    if not all(row.is_rollout for row in rows):
        raise NuonRejected(
            "what this platform calls an app's release is a bill of materials and no rollout",
            unserved=Unserved.ROUTE,
        )
    return ListPage(tuple(map(_found, rows)), without_id)


def _found(row: _Listed) -> Found:
    build = row.build if isinstance(row.build, objects.Build) else objects.Build()
    return Found(
        target=Target(NAME, fields.text(row.id)),
        is_over=phase_of(RELEASE, fields.text(row.status)).is_terminal,
        created_at=wire.read_time(row.created_at),
        names=tuple(filter(None, (fields.text(build.component_name),))),
        # A list joins no builds: which component it is, is to be found out by the build's id.
        ids=tuple(filter(None, (fields.text(build.component_id) or fields.text(row.build_id),))),
    )


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=path,
    decode=decode,
    served=(
        "Releases are served until API 0.19.821. A newer platform serves workflows and app branch"
        " runs in their place: watch app=, app_branch=, install= or workflow= there."
    ),
    stand_ins=("app", "app_branch", "install", "workflow"),
    id_prefix="rel",
    questions=questions,
    finders={
        "app": Finder(
            path=of_app,
            record=wire.record_at("/v1/apps"),
            decode=find,
            id_prefix="app",
            alternatives=app_lists.alternatives,
        ),
        "component": Finder(
            path=of_component, record=wire.record_at("/v1/components"), decode=find, id_prefix="cmp"
        ),
    },
)
