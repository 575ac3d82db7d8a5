"""What is a cause in the platform's words for a failure, and what only says that something failed.

The platform runs its work on Temporal: an error comes with a clause for each activity and child
workflow that it went through, such as `activity error (type: X, scheduledEventID: 41): `. The
clauses are those of its Go client, https://github.com/temporalio/sdk-go/blob/master/internal/error.go,
and of the platform's own code, which names the step of a workflow (its public source).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from monitor.kinds.parts import BUILD, WORKFLOW
from monitor.model import Entity, Kind, Phase

_MARK = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
"""What stands in brackets; a type in it can be a function's, with brackets of its own."""
_WRAPPER = re.compile(
    r"\s*(?:(?:workflow execution failed"
    r"|(?:activity|child workflow execution|workflow execution|nexus operation) error"
    rf"|error executing step|unable to execute step)(?:\s*{_MARK})?\s*(?::|$)"
    r"|(?:error executing|unable to execute) step [^:\n]{1,100}:)",
    re.IGNORECASE,
)
_NO_WORD = re.compile(r"[\W_]+")

# How the platform's own code describes a failure that is described elsewhere (its public source,
# December 2025 and later), without capitals and punctuation.
_SAYS_NOTHING = frozenset(
    {
        "",
        # of anything
        *("error", "errored", "failed", "failure", "internal error", "unknown error"),
        # of a release, its step and its deploys
        *("release failed", "release step failed", "release step errored", "install deploy failed"),
        *("deploy failed", "unable to deploy", "unable to sync", "unable to execute runner job"),
        "unable to poll job",
        # of a job, and of a build
        *("job failed", "job failed with status", "job failed with status failed"),
        *("job did not succeed", "build failed", "build did not complete successfully"),
        # of a workflow, its steps and a run
        *("step failed", "step failed review the error in logs and try again"),
        *("error while executing steps", "error while generating steps", "workflow failed"),
        *("workflow completed with errors", "run failed"),
    }
)


def cause_of(reason: str) -> str:
    """Return what follows the workflow engine's wrappers at the front of a chain of causes.

    All of it, word for word: `dial tcp 10.0.0.1:443: i/o timeout` is one cause. Where nothing
    follows them, it is the reason as it came.
    """
    end = 0
    while found := _WRAPPER.match(reason, end):
        end = found.end()
    rest = reason[end:].lstrip()
    return rest or reason


def says_nothing(reason: str) -> bool:
    """Whether a reason only says that something failed, in whatever capitals and punctuation."""
    cause = cause_of(reason)
    return _is_only_wrappers(cause) or _NO_WORD.sub(" ", cause).strip().lower() in _SAYS_NOTHING


def _is_only_wrappers(cause: str) -> bool:
    """Whether a reason ends with a wrapper: of one that goes on, only the rest is left."""
    return _WRAPPER.match(cause) is not None


# Which of several speaks

_HIGHEST_RANK = 2
# A workflow repeats the error of its job, and a build belongs to many deploys.
_RANKS: Mapping[Kind, int] = {BUILD: 0, WORKFLOW: 1}
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def reason_of(entity: Entity) -> str:
    """Return why something failed, or what it waits for: what says most below it, or itself.

    What failed deep down is the reason of what failed above it, where it says more than that
    it failed: of the parts a job rather than a workflow, and that rather than a build; then what
    is explained the deepest, then the latest.
    """
    informative = _informative(entity, entity.phase)
    if informative is not None:
        return informative.cause
    candidates = [
        (level, below.created_at or _EARLIEST, below.description)
        for level, below in _below(entity, 0)
        if below.phase is entity.phase and below.description.strip()
    ]
    description = max(candidates, key=lambda one: one[:2], default=(0, _EARLIEST, ""))[2]
    return cause_of(description)


class _Explanation(NamedTuple):
    """What explains an entity: the words, and how far below it they stand."""

    cause: str
    depth: int = 0


def _informative(entity: Entity, phase: Phase) -> _Explanation | None:
    """Return what says most of why something came to a phase; None where nothing says it."""
    best: tuple[int, int, datetime] | None = None
    found: _Explanation | None = None
    for child in entity.children:
        below = _informative(child, phase)
        if below is None:
            continue
        rank = _RANKS.get(child.kind, _HIGHEST_RANK)
        key = rank, below.depth, child.created_at or _EARLIEST
        if best is None or key >= best:
            best, found = key, _Explanation(below.cause, below.depth + 1)
    if found is None and entity.phase is phase and not says_nothing(entity.description):
        return _Explanation(cause_of(entity.description))
    return found


def _below(entity: Entity, depth: int) -> Iterator[tuple[int, Entity]]:
    yield depth, entity
    for child in entity.children:
        yield from _below(child, depth + 1)
