"""The kinds of watch: each is an endpoint and a decoder from its answer to the one tree.

A new kind is a file here, its line in `KINDS`, and its status words in `model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.kinds import release
from monitor.kinds.wire import Memo
from monitor.model import Entity


@dataclass(frozen=True, slots=True)
class WatchKind:
    """How one kind of target is asked for, and how its answer is read."""

    path: Callable[[str], str]
    """The endpoint's path for an id."""
    decode: Callable[[bytes, str, Memo[Any]], Entity]
    """The answer's bytes, the id asked for, and a memo; raises MalformedAnswer."""


KINDS: Mapping[str, WatchKind] = {
    release.NAME: WatchKind(path=release.path, decode=release.decode),
}
