"""What is a cause in the platform's words for a failure, and what only says that something failed.

The platform runs its work on Temporal: an error comes with a clause for each activity and child
workflow that it went through, such as `activity error (type: X, scheduledEventID: 41): `. The
clauses are those of its Go client, https://github.com/temporalio/sdk-go/blob/master/internal/error.go.
"""

from __future__ import annotations

import re

_MARK = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
"""What stands in brackets; a type in it can be a function's, with brackets of its own."""
_WRAPPER = re.compile(
    r"\s*(?:workflow execution failed"
    r"|(?:activity|child workflow execution|workflow execution|nexus operation) error)"
    rf"(?:\s*{_MARK})?\s*(:|$)",
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
