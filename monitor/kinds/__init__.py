"""The kinds of watch: each is an endpoint and a decoder from its answer to the one tree.

A new kind is a file here, its line in `KINDS`, and its status words in `model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.errors import NuonError, NuonGone, NuonRejected
from monitor.kinds import release
from monitor.kinds.wire import Memo
from monitor.model import Entity, Target


@dataclass(frozen=True, slots=True)
class WatchKind:
    """How one kind of target is asked for, and how its answer is read."""

    path: Callable[[str], str]
    """The endpoint's path for an id."""
    decode: Callable[[bytes, str, Memo[Any]], Entity]
    """The answer's bytes, the id asked for, and a memo; raises MalformedAnswer."""
    served: str
    """Which versions of the platform have the endpoint, and what the others have."""


KINDS: Mapping[str, WatchKind] = {
    release.NAME: WatchKind(path=release.path, decode=release.decode, served=release.SERVED),
}


def explained(error: NuonError, target: Target, *, was_seen: bool) -> NuonError:
    """Return a 404 in terms of what is watched, any other error as it is.

    `was_seen` says whether the target was there before: what never was has a wrong id.
    """
    if isinstance(error, NuonRejected) and error.is_missing_route:
        return NuonRejected(f"{error}. {KINDS[target.kind].served}", is_missing_route=True)
    if isinstance(error, NuonGone) and not was_seen:
        return NuonGone(f"no such {target.kind}: check the id ({error})")
    return error
