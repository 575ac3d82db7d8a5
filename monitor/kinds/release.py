"""A release: its steps, and each step's install deploys (`GET /v1/releases/{release_id}`).

Only what is used is declared, and so decoded; everything else in an answer is skipped. Releases
are found by the lists of an app's and of a component's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from datetime import timedelta
from functools import partial
from typing import Final, NamedTuple

import msgspec

from monitor.errors import MalformedAnswer, NuonRejected
from monitor.kinds import fields, nesting, objects, sharing, tree, wire
from monitor.kinds.parts import DEPLOY
from monitor.kinds.profile import (
    Agreement,
    DashboardPage,
    Finder,
    KindProfile,
    WatchKind,
    page_of_install,
)
from monitor.model import Entity, Found, Kind, Target, phase_of, status_words

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
    page=lambda _: DashboardPage("Open releases", (("releases",),)),
    unit_page=page_of_install,
)


class _Step(msgspec.Struct, gc=False):
    id: str
    status: str | None = None
    status_description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    delay: str | None = None
    requested_install_ids: list[str | None] | None = None
    install_deploys: list[msgspec.Raw] | None = None


class _Deploy(objects.BuiltDeploy, gc=False):
    """A deploy whose build is read apart: as a rule all deploys of a release have the same."""

    component_build: msgspec.Raw = msgspec.Raw()


class _Release(msgspec.Struct, gc=False):
    id: str
    status: str | None = None
    status_description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    created_by_id: object = None
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
    message: str
    author_name: str


class _Details(NamedTuple):
    """What explains one install deploy. `common` are those that others may have as well.

    `variants` are the deploy without some of these, and the keys of what is left below it.
    """

    common: frozenset[sharing.Key]
    variants: dict[frozenset[sharing.Key], tuple[Entity, list[sharing.Key]]]


class _Read(msgspec.Struct, frozen=True, gc=False):
    """One install deploy, whole; None where it has no details, or says nothing of the release."""

    whole: Entity
    origin: _Origin | None
    details: _Details | None = None

    def without(self, seen: Set[sharing.Key]) -> tuple[Entity, list[sharing.Key]]:
        """Return the deploy without what others have and was seen there, always the very same."""
        if self.details is None:
            return self.whole, []
        common, variants = self.details
        left_out = common & seen
        variant = variants.get(left_out)
        if variant is None:
            children = sharing.once(self.whole.children, set(left_out))
            entity = msgspec.structs.replace(self.whole, children=children)
            variant = variants[left_out] = entity, sharing.keys(children)
        return variant


class _Built(NamedTuple):
    """A build, and its part of the tree; None where that takes its name from its deploy."""

    row: objects.Build
    entity: Entity | None

    def below(self, deploy: nesting.Path) -> tuple[Entity, ...]:
        """Return what stands below a deploy for it."""
        if self.entity is None or self.entity.id in deploy:
            return tree.builds(self.row, deploy)
        return (self.entity,)


Parsed = _Read | None
"""What is made of one install deploy; None for a null in the list."""

_decoder = msgspec.json.Decoder(_Release)
_bare_decoder: msgspec.json.Decoder[objects.BareDeploy | None] = msgspec.json.Decoder(
    objects.BareDeploy | None
)
_deploy_decoder: msgspec.json.Decoder[_Deploy | None] = msgspec.json.Decoder(_Deploy | None)
_build_decoder: msgspec.json.Decoder[objects.Build | objects.Odd] = msgspec.json.Decoder(
    objects.Build | objects.Odd
)


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
    read: list[_Read] = []
    make = partial(_deploy, builds={})
    steps = [_step(row, memo, make, read) for row in wire.present(document.release_steps)]
    origin = _oldest([deploy.origin for deploy in read if deploy.origin])
    status = wire.read_status(document.status, document.status_description)
    root = Entity(
        kind=RELEASE,
        id=document.id,
        status=status.status,
        description=status.description,
        name=origin.component_name,
        created_at=wire.read_time(document.created_at),
        updated_at=wire.read_time(document.updated_at),
        component_id=origin.component_id,
        build_id=document.build_id or "",
        revision=origin.revision,
        created_by=origin.email or fields.text(document.created_by_id),
        facts=fields.facts_of(message=origin.message, author_name=origin.author_name),
        children=wire.in_order(steps),
    )
    _refuse_shared_deploys(root)
    return _each_once(root, read)


def _refuse_shared_deploys(root: Entity) -> None:
    """Refuse a deploy that stands in two steps: matched by its id, neither would be told right."""
    ids = [deploy.id for step in root.children for deploy in step.children]
    if len(set(ids)) < len(ids):
        shared, _ = Counter(ids).most_common(1)[0]
        raise MalformedAnswer(f"the install deploy {shared[:60]!r} stands in two release steps")


def _each_once(root: Entity, read: list[_Read]) -> Entity:
    """Leave each detail in one place only, the first: a build is that of all deploys.

    An unchanged deploy stays the very same as long as the same of it stands elsewhere.
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
        # What belongs to one deploy stands below another one too: nonsense, but it is read.
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
    memo: wire.Memo[Parsed],
    make: Callable[[msgspec.Raw], Parsed],
    read: list[_Read],
) -> Entity:
    parsed = [memo.get(part, make) for part in row.install_deploys or ()]
    deploys = [one for one in parsed if one is not None]
    read.extend(deploys)
    return Entity(
        kind=RELEASE_STEP,
        id=_required(row.id, "a release step"),
        status=row.status or "",
        description=row.status_description or "",
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        delay=wire.read_duration(row.delay),
        planned=tuple(sorted({i for i in wire.present(row.requested_install_ids) if i})),
        children=wire.in_order(deploy.whole for deploy in deploys),
    )


def _deploy(part: msgspec.Raw, builds: dict[bytes, _Built]) -> Parsed:
    """Read a deploy; without any details where nothing can be made of these."""
    try:
        row = wire.parse(part, _deploy_decoder, "an install deploy")
        built = _built(row.component_build, builds) if row and row.component_build else None
    except MalformedAnswer:
        bare = wire.parse(part, _bare_decoder, "an install deploy")
        row = None if bare is None else _Deploy(**msgspec.structs.asdict(bare))
        built = None
    if row is None:
        return None
    key = (_required(fields.text(row.id), "an install deploy"),)
    entity = tree.deploy_of(row, key, built.below(key) if built else ())
    origin = _origin(row, built.row if built else None)
    if not entity.children:
        return _Read(entity, origin)
    whole = sharing.once_below(entity)
    common = frozenset([(part.kind, part.id) for part in sharing.in_common(whole.children)])
    return _Read(whole, origin, _Details(common, {}))


def _built(part: msgspec.Raw, known: dict[bytes, _Built]) -> _Built | None:
    """Read a build, once where it is written alike."""
    written = bytes(part)
    if written in known:
        return known[written]
    row = wire.parse(part, _build_decoder, "a build")
    if not isinstance(row, objects.Build):
        return None
    built = _Built(row, tree.builds(row, ())[0] if fields.text(row.id) else None)
    known[written] = built
    return built


def _origin(row: objects.BareDeploy, build: objects.Build | None) -> _Origin | None:
    if build is None:
        if not (row.component_name or row.component_id or row.created_by):
            return None
        build = objects.Build()
    said = build.vcs_connection_commit
    commit = said if isinstance(said, objects.Commit) else objects.Commit()
    return _Origin(
        fields.text(row.created_at),
        fields.text(row.id),
        fields.text(row.component_name) or fields.text(build.component_name),
        fields.text(row.component_id),
        fields.text(commit.sha) or fields.text(build.git_ref),
        fields.email(row.created_by),
        fields.text(commit.message),
        fields.text(commit.author_name),
    )


def _oldest(origins: list[_Origin]) -> _Origin:
    """Return what the oldest deploy says, wherever it stands in the lists.

    What it leaves out, the oldest one that has it says.
    """
    oldest = min(origins, default=_Origin(*[""] * len(_Origin._fields)))
    if all(oldest[2:]):
        return oldest
    in_order = sorted(origins)
    said = (next((o[i] for o in in_order if o[i]), "") for i in range(2, len(oldest)))
    return _Origin(*oldest[:2], *said)


def _required(identifier: str, what: str) -> str:
    if not identifier:
        raise MalformedAnswer(f"{what} in the answer has an empty id")
    return identifier


# Finding them


class _Listed(msgspec.Struct, gc=False):
    """A row of a list; `semantic_digest` is what only a bill of materials has."""

    id: str
    status: str | None = None
    created_at: str | None = None
    build_id: str | None = None
    build: objects.Build | objects.Odd = None
    semantic_digest: str | None = None
    app_config_id: str | None = None

    @property
    def is_rollout(self) -> bool:
        return bool(self.build_id) or not (self.semantic_digest or self.app_config_id)


_list_decoder = msgspec.json.Decoder(list[_Listed | None] | None)


def of_app(app_id: str) -> str:
    """Return the path of an app's releases."""
    return f"/v1/apps/{wire.path_segment(app_id)}/releases"


def of_component(component_id: str) -> str:
    """Return the path of a component's releases."""
    return f"/v1/components/{wire.path_segment(component_id)}/releases"


def find(body: bytes, _of: str) -> tuple[Found, ...]:
    """Read one page of releases; raises MalformedAnswer.

    The newest platforms list bills of materials at the path of an app's releases, which never
    roll out: NuonRejected, as if there were no such path.
    """
    rows = wire.present(wire.parse(body, _list_decoder))
    if not all(row.is_rollout for row in rows):
        raise NuonRejected(
            "what this platform calls an app's release is a bill of materials and no rollout",
            is_missing_route=True,
        )
    return tuple(_found(row) for row in rows)


def _found(row: _Listed) -> Found:
    build = row.build if isinstance(row.build, objects.Build) else objects.Build()
    return Found(
        target=Target(NAME, _required(row.id, "a release")),
        is_over=phase_of(RELEASE, row.status or "").is_terminal,
        created_at=wire.read_time(row.created_at),
        names=tuple(filter(None, (fields.text(build.component_name),))),
        # A list joins no builds: which component it is, is to be found out by the build's id.
        ids=tuple(filter(None, (fields.text(build.component_id) or row.build_id,))),
    )


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=path,
    decode=decode,
    served=(
        "Releases are served until API 0.19.821. A newer platform serves workflows and app branch"
        " runs in their place: watch install=, workflow= or app_branch= there."
    ),
    stand_ins=("app_branch", "install", "workflow"),
    id_prefix="rel",
    finders={
        "app": Finder(path=of_app, decode=find, id_prefix="app"),
        "component": Finder(path=of_component, decode=find, id_prefix="cmp"),
    },
)
