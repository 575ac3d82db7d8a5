"""One install deploy of a release, and what it says of the whole.

As a rule all deploys of a release have the same build, so it is decoded once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, nesting, objects, sharing, tree, wire
from monitor.kinds.causes import reason_of, says_nothing
from monitor.kinds.parts import BUILD
from monitor.model import Entity, Phase


class _Deploy(objects.BuiltDeploy, gc=False):
    """A deploy whose build is read apart: as a rule all deploys of a release have the same."""

    component_build: msgspec.Raw = msgspec.Raw()


class Origin(NamedTuple):
    """What a deploy says of the whole release, behind what makes it the oldest."""

    created_at: str
    deploy_id: str
    component_name: str
    component_id: str
    revision: str
    email: str
    message: str
    author_name: str
    version: str = ""
    """Of the component's configuration."""
    repository: str = ""
    branch: str = ""


class _Details(NamedTuple):
    """What explains one install deploy. `common` are those that others may have as well.

    `variants` are the deploy without some of these, and the keys of what is left below it.
    """

    common: frozenset[sharing.Key]
    variants: dict[frozenset[sharing.Key], tuple[Entity, list[sharing.Key]]]


class ReadDeploy(msgspec.Struct, frozen=True, gc=False):
    """One install deploy, whole; None where it has no details, or says nothing of the release."""

    whole: Entity
    origin: Origin | None
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


class Built(NamedTuple):
    """A build, and its part of the tree; None where that takes its name from its deploy."""

    row: objects.Build
    entity: Entity | None

    def below(self, deploy: nesting.Path) -> tuple[Entity, ...]:
        """Return what there is of it below a deploy."""
        if self.entity is None or self.entity.id in deploy:
            return tree.builds(self.row, deploy)
        return (self.entity,)


Parsed = ReadDeploy | None
"""What is made of one install deploy; None for a null in the list."""

_bare_decoder: msgspec.json.Decoder[objects.BareDeploy | None] = msgspec.json.Decoder(
    objects.BareDeploy | None
)
_deploy_decoder: msgspec.json.Decoder[_Deploy | None] = msgspec.json.Decoder(_Deploy | None)
_build_decoder: msgspec.json.Decoder[objects.Build | objects.NonObject] = msgspec.json.Decoder(
    objects.Build | objects.NonObject
)


def read_deploy(part: msgspec.Raw, builds: dict[bytes, Built]) -> Parsed:
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
    key = (fields.required(fields.text(row.id), "an install deploy"),)
    entity = tree.deploy_of(row, key, built.below(key) if built else ())
    origin = origin_of(row, built.row if built else None)
    if not entity.children:
        return ReadDeploy(entity, origin)
    whole = sharing.once_below(entity)
    common = frozenset([(part.kind, part.id) for part in sharing.in_common(whole.children)])
    return ReadDeploy(whole, origin, _Details(common, {}))


def explained_deploy(
    deploy: ReadDeploy, own: ReadDeploy | None, more: tuple[Entity, ...]
) -> ReadDeploy:
    """Return a deploy with what other documents have of it, `own` being the one about itself.

    They may be of another moment: what the deploy says itself stays as it is.
    """
    whole = deploy.whole
    added = sharing.once(more, set(sharing.keys((whole,))))
    entity = msgspec.structs.replace(
        whole,
        description=_description_of(whole, added),
        workflow_id=whole.workflow_id or (own.whole.workflow_id if own else ""),
        children=nesting.by_creation(whole.children, added),
    )
    origins = [one.origin for one in (deploy, own) if one is not None and one.origin is not None]
    origin = filled_up(origins[0], origins[-1]) if origins else None
    common = frozenset([(part.kind, part.id) for part in sharing.in_common(entity.children)])
    return ReadDeploy(entity, origin, _Details(common, {}))


def _description_of(deploy: Entity, added: Iterable[Entity]) -> str:
    """Return why a deploy failed where only its build says it, or else its own words.

    The build is that of all deploys, and stays below one of them.
    """
    if deploy.phase is not Phase.FAILED or not says_nothing(deploy.description):
        return deploy.description
    reasons = {part.kind: reason_of(part) for part in added if part.phase is Phase.FAILED}
    of_build = reasons.pop(BUILD, "")
    is_only_of_build = all(map(says_nothing, reasons.values())) and not says_nothing(of_build)
    return of_build if is_only_of_build else deploy.description


def _first(values: tuple[str, str]) -> str:
    return next(filter(None, values), "")


def _built(part: msgspec.Raw, known: dict[bytes, Built]) -> Built | None:
    """Read a build, once where it is written alike."""
    written = bytes(part)
    if written in known:
        return known[written]
    row = wire.parse(part, _build_decoder, "a build")
    if not isinstance(row, objects.Build):
        return None
    built = Built(row, tree.builds(row, ())[0] if fields.text(row.id) else None)
    known[written] = built
    return built


def origin_of(row: objects.BareDeploy, build: objects.Build | None) -> Origin | None:
    """Return what a deploy and its build say of the release; None where that is nothing."""
    if build is None:
        if not (row.component_name or row.component_id or row.created_by):
            return None
        build = objects.Build()
    given = build.vcs_connection_commit
    commit = given if isinstance(given, objects.Commit) else objects.Commit()
    return Origin(
        fields.text(row.created_at),
        fields.text(row.id),
        fields.text(row.component_name) or fields.text(build.component_name),
        fields.text(row.component_id) or fields.text(build.component_id),
        fields.text(commit.sha) or fields.text(build.git_ref),
        fields.email(row.created_by),
        fields.text(commit.message),
        fields.text(commit.author_name),
        *_source_of(build),
    )


def _source_of(build: objects.Build) -> tuple[str, str, str]:
    """Return the version of a build's component, and its repository and branch."""
    found = build.component_config_connection
    config = found if isinstance(found, objects.ComponentConfig) else objects.ComponentConfig()
    version = build.component_config_version or config.version
    number = str(version) if isinstance(version, int | str) and version is not True else ""
    for one in (config.docker_build, config.helm, config.terraform_module):
        if not isinstance(one, objects.Sources):
            continue
        for source in (one.connected_github_vcs_config, one.public_git_vcs_config):
            if isinstance(source, objects.Source) and source.repo:
                return number, fields.text(source.repo), fields.text(source.branch)
    return number, "", fields.text(build.git_ref)


def filled_up(origin: Origin, other: Origin | None) -> Origin:
    """Return an origin with what it lacks of another one."""
    return Origin(*map(_first, zip(origin, other, strict=True))) if other else origin


def oldest_origin(origins: list[Origin]) -> Origin:
    """Return what the oldest deploy says, wherever it is in the lists.

    Real answers fill few of these fields: what it leaves out, the oldest one that has it says.
    """
    oldest = min(origins, default=Origin(*[""] * len(Origin._fields)))
    if all(oldest[2:]):
        return oldest
    in_order = sorted(origins)
    first_given = (next((o[i] for o in in_order if o[i]), "") for i in range(2, len(oldest)))
    return Origin(*oldest[:2], *first_given)
