"""The kinds of watch: each is an endpoint and a decoder from its answer to the one tree.

A new kind is a file here and its line in `KINDS`. What finds things to watch is a list that an
endpoint and a decoder are made for: `FINDERS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.errors import NuonError, NuonNotFound, NuonRejected, Unserved
from monitor.kinds import approvals, change, installer, release, run, workflow
from monitor.kinds.parts import COMMON_PARTS
from monitor.kinds.profile import Finder, KindProfile, WatchedBy, WatchKind
from monitor.model import Entity, Kind, Target

KINDS: dict[str, WatchKind] = {
    kind.name: kind
    for kind in (
        release.WATCH_KIND,
        installer.WATCH_KIND,
        workflow.WATCH_KIND,
        run.WATCH_KIND,
        change.WATCH_KIND,
        approvals.WATCH_KIND,
    )
}
"""What has a tree of its own, by the kind of its target."""

FINDERS: Mapping[str, Finder] = {
    name: finder for kind in KINDS.values() for name, finder in kind.finders.items()
}
"""What leads to things that have one, by the kind of the target that is watched."""

_UNKNOWN = KindProfile(root=Kind(""), step=Kind("part"), unit=Kind("part"))


def profile_of(root: Entity) -> KindProfile:
    """Return the profile of the kind that a tree is of; of an unknown one nothing is special."""
    profiles = (kind.profile for kind in KINDS.values())
    return next((profile for profile in profiles if profile.root == root.kind), _UNKNOWN)


def every_part() -> Iterator[Kind]:
    """Yield every kind of entity that there can be in a tree; some more than once."""
    for kind in KINDS.values():
        yield from (kind.profile.root, kind.profile.step, kind.profile.unit, *kind.parts)
    yield from COMMON_PARTS


def kind_of_part(word: str) -> Kind:
    """Return the kind of entity that a stored word names; one without phases if it is unknown."""
    return next((part for part in every_part() if part == word), None) or Kind(word)


def found_by(key: str) -> WatchKind:
    """Return the kind of the targets that a key of `[[watch]]` means or leads to."""
    return KINDS.get(key) or next(kind for kind in KINDS.values() if key in kind.finders)


def alternatives(target: Target) -> tuple[Target, ...]:
    """Return the lists that find what this one does on other versions of the platform."""
    finder = FINDERS.get(target.kind)
    return finder.alternatives(target.id) if finder and finder.alternatives else ()


def finders_of(key: str) -> tuple[Finder, ...]:
    """Return the lists behind a key of `[[watch]]`, on one version of the platform or another."""
    targets = (Target(key, ""), *alternatives(Target(key, "")))
    return tuple(FINDERS[one.kind] for one in targets if one.kind in FINDERS)


def explained(error: NuonError, target: Target, *, was_seen: bool) -> NuonError:
    """Return a 404 in terms of what is watched, any other error as it is.

    `was_seen` says whether the target was there before: what never was has a wrong id.
    """
    kind = found_by(target.kind)
    if isinstance(error, NuonRejected) and error.is_missing_route:
        return NuonRejected(f"{error}. {kind.served}", unserved=error.unserved)
    if isinstance(error, NuonNotFound) and kind.watched_by is WatchedBy.WHOLE_ORG:
        # A list is no record: a platform without it takes its name for the id of a workflow.
        return NuonRejected(kind.served, unserved=Unserved.ROUTE)
    if isinstance(error, NuonNotFound) and not was_seen:
        return NuonNotFound(f"no such {target.kind}: check the id ({error})")
    return error
