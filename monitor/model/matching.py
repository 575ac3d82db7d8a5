"""Patterns over names and labels, and all that a pattern can ask of one event."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import translate
from functools import lru_cache

from monitor.model.events import EventKind
from monitor.model.tree import Level


@dataclass(frozen=True, slots=True)
class Named:
    """What has an id and a name: a pattern may mean either. Both empty: not known."""

    id: str = ""
    name: str = ""


_NOBODY = Named()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """All that can be asked of one event.

    `kind` is the rollout's, `part_kind` that of what the event is about; `name` is the
    rollout's title, `watch` has the target's id, `started_by` is an e-mail address.
    `failed` counts the installs that have failed so far, `age` is how long the problem
    has lasted. `notified_destinations` were notified of this alert before: they are not
    notified of it again, and only they are notified of its end. None says that this is not
    recorded, as for a reminder. What `follows_problem` is for those who were
    notified of that, and nobody else.
    """

    event: EventKind
    level: Level = Level.ROLLOUT
    kind: str = ""
    part_kind: str = ""
    app: Named = _NOBODY
    component: Named = _NOBODY
    install: Named = _NOBODY
    installer: Named = _NOBODY
    rollout: Named = _NOBODY
    watch: Named = _NOBODY
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    started_by: str = ""
    failed: int = 0
    age: timedelta = timedelta(0)
    notified_destinations: tuple[str, ...] | None = None
    follows_problem: bool = False

    def known(self, key: str) -> tuple[str, ...]:
        """Return what is known under one of `MATCH_KEYS` or a label's, the best to show first."""
        if key.startswith(LABEL):
            values: tuple[str, ...] = (self.labels.get(key.removeprefix(LABEL), ""),)
        else:
            values = _VALUES[key](self)
        return tuple(value for value in values if value)


LABEL = "labels."
"""The prefix of a label's name in a matcher's key."""


def _both(named: Named) -> tuple[str, str]:
    return named.name, named.id


_VALUES: Mapping[str, Callable[[Subject], tuple[str, ...]]] = {
    "kind": lambda subject: (subject.kind, subject.part_kind),
    "app": lambda subject: _both(subject.app),
    "component": lambda subject: _both(subject.component),
    "install": lambda subject: _both(subject.install),
    "installer": lambda subject: _both(subject.installer),
    "rollout": lambda subject: _both(subject.rollout),
    "watch": lambda subject: _both(subject.watch),
    "name": lambda subject: (subject.name,),
    "started_by": lambda subject: (subject.started_by,),
}


MATCH_KEYS = tuple(_VALUES)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What is wanted of an event under a key, and what it is instead; None where nobody knows.

    The keys are a matcher's, and `event` for the kind of event.
    """

    key: str
    wanted: tuple[str, ...]
    found: str | None


@dataclass(frozen=True, slots=True)
class Matcher:
    """Patterns by key: any of a key's, and all keys. One without patterns matches everything.

    The keys are `MATCH_KEYS`, and `labels.team` for a label. In a pattern `*` is any text,
    `?` any character; case does not count. What is not known is an empty text, so that of
    all patterns only `*` matches it.
    """

    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def matches(self, subject: Subject) -> bool:
        return self.mismatch(subject) is None

    def mismatch(self, subject: Subject) -> Mismatch | None:
        """Return what does not match first; None where everything does."""
        for key, patterns in self.patterns.items():
            known = subject.known(key)
            if not any(_glob(pattern).fullmatch(v) for pattern in patterns for v in known or ("",)):
                return Mismatch(key, patterns, known[0] if known else None)
        return None


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    first, *others = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern))
    # Each part is taken where it comes first and never looked for again: foreign text may be
    # long, and trying every combination of places would take for ever.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return re.compile(first + middle + last, re.IGNORECASE | re.DOTALL)


class NamePatterns:
    """Which names count: those that match one of `include`, if there are any, and no `exclude`.

    Patterns have `*` and `?`; the case of letters does not matter.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _pattern(include)
        self._exclude = _pattern(exclude)

    @property
    def are_all(self) -> bool:
        return self._include is None and self._exclude is None

    def admit(self, names: Collection[str]) -> bool:
        """Whether something with these names is meant."""
        if self._exclude is not None and any(map(self._exclude.fullmatch, names)):
            return False
        return self._include is None or any(map(self._include.fullmatch, names))


def _pattern(globs: Sequence[str]) -> re.Pattern[str] | None:
    if not globs:
        return None
    return re.compile("|".join(f"(?:{translate(glob)})" for glob in globs), re.IGNORECASE)
