"""The platform's status words, an open set, classified as a small closed set of phases."""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Final, Self


class Phase(StrEnum):
    """Our small closed classification of the platform's open set of status words."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    """For a person."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended otherwise"
    """An end that the waiting part of the platform does not count as one: it waits on."""
    UNKNOWN = "unknown"
    """A word that we do not know: shown unchanged, never treated as an end."""

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ENDED})

_NO_PHASES: Mapping[str, Phase] = MappingProxyType({})


class Kind(str):
    """What an entity is, in the platform's own terms, with what its status words mean.

    An open set: each is declared once, beside its decoder (`monitor.kinds`), and is equal to its
    plain word. A kind without phases knows no status word: so does one that only the store
    still has.
    """

    __slots__ = (
        "delayed_statuses",
        "growing_statuses",
        "has_uncounted_ends",
        "is_condition",
        "is_perpetual",
        "phases",
        "word",
    )

    def __new__(cls, word: str, *_: object, **_facts: object) -> Self:
        return super().__new__(cls, word)

    def __init__(
        self,
        word: str,
        phases: Mapping[str, Phase] = _NO_PHASES,
        *,
        is_perpetual: bool = False,
        is_condition: bool = False,
        has_uncounted_ends: bool = False,
        delayed_statuses: Set[str] = frozenset(),
        growing_statuses: Set[str] = frozenset(),
    ) -> None:
        """Declare a kind; of the words for one phase the usual one comes first.

        `is_perpetual` says that it has no end: more can always come, and being unchanged is no
        stall. `is_condition` says that its status is a condition, not the outcome of some work:
        "is in error" rather than "has failed". `has_uncounted_ends` says that its parent counts
        success and failure only, and waits for ever after any other end. In one of the
        `delayed_statuses` it only waits for its own delay to pass; in one of the
        `growing_statuses` more parts may still appear below it.
        """
        self.word: Final = str(word)
        """The same as a plain text, which is what is stored."""
        self.phases: Final = phases
        self.is_perpetual: Final = is_perpetual
        self.is_condition: Final = is_condition
        self.has_uncounted_ends: Final = has_uncounted_ends
        self.delayed_statuses: Final = delayed_statuses
        self.growing_statuses: Final = growing_statuses


plain_word = attrgetter("word")
"""Returns a kind's plain word: msgspec writes no subclass of `str` without being told how."""


def status_words(**phases: str) -> dict[str, Phase]:
    """Return status words by a phase's name, written in one text, as a table of phases."""
    return {word: Phase[name] for name, listed in phases.items() for word in listed.split()}


def phase_of(kind: Kind, status: str) -> Phase:
    """Classify one of the platform's status words; an empty one counts as pending."""
    if not status:
        return Phase.PENDING
    return kind.phases.get(status, Phase.UNKNOWN)


def is_refusal(status: str) -> bool:
    """Whether a person said no: a workflow may go on without that part, and end well."""
    return status == "approval-denied"


def known_statuses(kind: Kind) -> tuple[str, ...]:
    """Return every status word of a kind that has a phase."""
    return tuple(kind.phases)
