"""The kinds of watch: each is an endpoint and a decoder from its answer to the one tree.

A new kind is a file here, its line in `KINDS`, and its status words in `model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.kinds import release
from monitor.model import Entity


@dataclass(frozen=True, slots=True)
class WatchKind:
    """How one kind of target is asked for, and how its answer is read."""

    path: Callable[[str], str]
    """The endpoint's path for an id."""
    decode: Callable[[bytes, str], Entity]
    """The answer's bytes and the id asked for; raises MalformedAnswer."""


KINDS: Mapping[str, WatchKind] = {
    release.NAME: WatchKind(path=release.path, decode=release.decode),
}
