"""A release: its steps, and each step's install deploys (`GET /v1/releases/{release_id}`).

Only what is used is declared, and so decoded; everything else in an answer is skipped. Releases
are found by the lists of an app's and of a component's.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from monitor.errors import MalformedAnswer, NuonRejected
from monitor.kinds import detail, wire
from monitor.model import Entity, Kind, Target, phase_of

NAME = "release"
SERVED = (
    "Releases are served until API 0.19.821. A newer platform serves workflows and app branch"
    " runs in their place: watch install=, workflow= or app_branch= there."
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
    message: str
    author_name: str


class _Read(NamedTuple):
    """One install deploy. `common` are those of its details that other deploys may have as well.

    `variants` are the deploy without some of these, and the keys of what is left below it.
    """

    whole: Entity
    origin: _Origin
    common: frozenset[detail.Key]
    variants: dict[frozenset[detail.Key], tuple[Entity, frozenset[detail.Key]]]

    def without(self, common: frozenset[detail.Key]) -> tuple[Entity, frozenset[detail.Key]]:
        """Return one of the variants, always the very same."""
        if common not in self.variants:
            children = detail.once(self.whole.children, set(common))
            entity = msgspec.structs.replace(self.whole, children=children)
            self.variants[common] = entity, frozenset(detail.keys(children))
        return self.variants[common]


Parsed = _Read | None
"""What is made of one install deploy; None for a null in the list."""

_decoder = msgspec.json.Decoder(_Release)
_bare_decoder: msgspec.json.Decoder[detail.BareDeploy | None] = msgspec.json.Decoder(
    detail.BareDeploy | None
)
_deploy_decoder: msgspec.json.Decoder[detail.Deploy | None] = msgspec.json.Decoder(
    detail.Deploy | None
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
    steps = [_step(row, memo, read) for row in wire.present(document.release_steps)]
    origin = _oldest([deploy.origin for deploy in read])
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
        facts=detail.facts_of(message=origin.message, author_name=origin.author_name),
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
    with_details = {id(deploy.whole): deploy for deploy in read if deploy.whole.children}
    if not with_details:
        return root
    seen = {(deploy.whole.kind, deploy.whole.id) for deploy in read}
    steps = []
    for step in root.children:
        deploys = tuple(
            _unseen(details, seen) if (details := with_details.get(id(deploy))) else deploy
            for deploy in step.children
        )
        steps.append(msgspec.structs.replace(step, children=deploys))
    return msgspec.structs.replace(root, children=tuple(steps))


def _unseen(deploy: _Read, seen: set[detail.Key]) -> Entity:
    entity, keys = deploy.without(deploy.common & seen)
    if seen.isdisjoint(keys):
        seen |= keys
        return entity
    # What belongs to one deploy stands below another one too: nonsense, but it is read.
    return msgspec.structs.replace(entity, children=detail.once(entity.children, seen))


def _step(row: _Step, memo: wire.Memo[Parsed], read: list[_Read]) -> Entity:
    parsed = [memo.get(part, _deploy) for part in row.install_deploys or ()]
    deploys = [one for one in parsed if one is not None]
    read.extend(deploys)
    return Entity(
        kind=Kind.STEP,
        id=_required(row.id, "a release step"),
        status=row.status or "",
        description=row.status_description or "",
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        delay=wire.read_duration(row.delay),
        planned=tuple(sorted({i for i in wire.present(row.requested_install_ids) if i})),
        children=wire.in_order(deploy.whole for deploy in deploys),
    )


def _row(part: msgspec.Raw) -> detail.Deploy | None:
    """Read a deploy; without its details where nothing can be made of these."""
    try:
        return wire.parse(part, _deploy_decoder, "an install deploy")
    except MalformedAnswer:
        bare = wire.parse(part, _bare_decoder, "an install deploy")
    if bare is None:
        return None
    return detail.Deploy(**msgspec.structs.asdict(bare))


def _deploy(part: msgspec.Raw) -> Parsed:
    row = _row(part)
    if row is None:
        return None
    _required(detail.text(row.id), "an install deploy")
    entity = detail.deploy(row)
    if not entity.children:
        return _Read(entity, _origin(row), frozenset(), {})
    whole = detail.once_below(entity)
    common = frozenset((part.kind, part.id) for part in detail.in_common(whole.children))
    return _Read(whole, _origin(row), common, {})


def _origin(row: detail.Deploy) -> _Origin:
    built = row.component_build
    build = built if isinstance(built, detail.Build) else detail.Build()
    said = build.vcs_connection_commit
    commit = said if isinstance(said, detail.Commit) else detail.Commit()
    return _Origin(
        created_at=detail.text(row.created_at),
        deploy_id=detail.text(row.id),
        component_name=detail.text(row.component_name) or detail.text(build.component_name),
        component_id=detail.text(row.component_id),
        revision=detail.text(commit.sha) or detail.text(build.git_ref),
        email=detail.email(row.created_by),
        message=detail.text(commit.message),
        author_name=detail.text(commit.author_name),
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
    build: detail.Build | detail.Odd = None
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


def find(body: bytes, _of: str) -> tuple[wire.Found, ...]:
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


def _found(row: _Listed) -> wire.Found:
    build = row.build if isinstance(row.build, detail.Build) else detail.Build()
    return wire.Found(
        target=Target(NAME, _required(row.id, "a release")),
        is_over=phase_of(Kind.RELEASE, row.status or "").is_terminal,
        created_at=wire.read_time(row.created_at),
        names=tuple(filter(None, (detail.text(build.component_name),))),
        ids=tuple(filter(None, (detail.text(build.component_id),))),
    )


WATCH_KIND = wire.WatchKind(path=path, decode=decode, served=SERVED)
OF_APP = wire.Finder(path=of_app, decode=find, served=SERVED)
OF_COMPONENT = wire.Finder(path=of_component, decode=find, served=SERVED)
