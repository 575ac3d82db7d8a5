"""The kinds of entities that the trees of several kinds of watch have in common.

The status words are those of the platform's public source, December 2025 and later.
"""

from __future__ import annotations

from typing import Final

from monitor.model import Kind, status_words

# A release's step polls its deploys for `active` and `error` only: after any of the other ends
# it polls for ever, which is how a release comes to hang. Behind the deploy's own words, in each
# phase, are those that its newer status borrows from the workflow that works at it: approved or
# discarded, it goes on.
DEPLOY: Final = Kind(
    "install deploy",
    status_words(
        PENDING="queued pending discarded",
        RUNNING="executing planning syncing in-progress checking-plan applying building generating"
        " provisioning deleting retrying approval-retry approved",
        WAITING="pending-approval approval-awaiting awaiting-user-run failed-pending-retry",
        SUCCEEDED="active success",
        FAILED="error",
        ENDED="inactive noop cancelled approval-denied drift-detected no-drift"
        " auto-skipped unknown user-skipped not-attempted outdated approval-expired expired"
        " drifted warning",
    ),
    has_uncounted_ends=True,
)
BUILD: Final = Kind(
    "component build",
    status_words(
        PENDING="queued pending",
        RUNNING="planning building in-progress deleting",
        SUCCEEDED="active success",
        FAILED="error",
        ENDED="cancelled",
    ),
)
ARTIFACT: Final = Kind("artifact")

_JOB = status_words(
    PENDING="queued available pending",
    RUNNING="initializing in-progress cleaning-up",
    SUCCEEDED="finished",
    FAILED="failed timed-out",
    ENDED="not-attempted cancelled unknown",
)
RUNNER_JOB: Final = Kind("runner job", _JOB)
JOB_EXECUTION: Final = Kind("runner job execution", _JOB)

_ACTION = status_words(
    PENDING="queued pending",
    RUNNING="in-progress",
    SUCCEEDED="finished active",
    FAILED="error timed-out",
    ENDED="cancelled unknown",
)
# Another run stands for one that was retried.
_ACTION_RUN = _ACTION | status_words(ENDED="retried")
ACTION_RUN: Final = Kind("action run", _ACTION_RUN)
ACTION_STEP: Final = Kind("action step", _ACTION_RUN)
_ACTION_ITSELF = _ACTION | status_words(RUNNING="delete_queued")
ACTION: Final = Kind("action", _ACTION_ITSELF)
INSTALL_ACTION: Final = Kind("install action", _ACTION_ITSELF)

SANDBOX_RUN: Final = Kind(
    "sandbox run",
    status_words(
        PENDING="queued empty pending not-attempted discarded outdated",
        RUNNING="planning provisioning reprovisioning applying deprovisioning in-progress"
        " checking-plan building generating deleting retrying approval-retry approved",
        WAITING="pending-approval approval-awaiting awaiting-user-run failed-pending-retry",
        SUCCEEDED="active no-drift auto-skipped success noop user-skipped",
        FAILED="error access_error approval-denied approval-expired expired",
        ENDED="deprovisioned cancelled drift-detected unknown drifted warning",
    ),
)

_UNDER_WAY = status_words(
    PENDING="queued pending",
    RUNNING="in-progress planning checking-plan applying building generating provisioning"
    " deleting retrying approval-retry running",
    WAITING="approval-awaiting awaiting-user-run failed-pending-retry awaiting_approval",
    SUCCEEDED="success active approved noop no-drift auto-skipped user-skipped",
    FAILED="error failed approval-denied approval-expired expired",
)
# What a step that failed leaves behind it was never begun: like a release's step that stays
# queued, it is no failure of its own.
PART_OF_WORKFLOW: Final = _UNDER_WAY | status_words(
    PENDING="not-attempted discarded outdated", ENDED="cancelled drifted warning"
)
"""What the status words of a workflow's parts mean."""
# A workflow ends in drift where it was to find none: whoever is responsible has to look.
WHOLE_WORKFLOW: Final = _UNDER_WAY | status_words(
    FAILED="cancelled not-attempted discarded outdated drifted", ENDED="warning"
)
"""What the same words mean of a whole one."""

WORKFLOW: Final = Kind("workflow", WHOLE_WORKFLOW)
WORKFLOW_STEP: Final = Kind("workflow step", PART_OF_WORKFLOW)
APPROVAL: Final = Kind("approval", PART_OF_WORKFLOW)
POLICY: Final = Kind("policy validation", PART_OF_WORKFLOW)

COMMON_PARTS: Final = (
    *(DEPLOY, BUILD, ARTIFACT, RUNNER_JOB, JOB_EXECUTION),
    *(ACTION_RUN, ACTION_STEP, ACTION, INSTALL_ACTION, SANDBOX_RUN),
    *(WORKFLOW, WORKFLOW_STEP, APPROVAL, POLICY),
)
