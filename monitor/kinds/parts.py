"""The kinds of entities that the trees of several kinds of watch have in common.

The status words are those of the platform's public source, December 2025 and later.
"""

from __future__ import annotations

from typing import Final

from monitor.model import Kind, status_words

# A release's step polls its deploys for `active` and `error` only: after any of the other ends
# it polls for ever, which is how a release comes to hang.
DEPLOY: Final = Kind(
    "install deploy",
    status_words(
        PENDING="queued pending",
        RUNNING="executing planning syncing",
        WAITING="pending-approval",
        SUCCEEDED="active",
        FAILED="error",
        ENDED="inactive noop cancelled approval-denied drift-detected no-drift"
        " auto-skipped unknown",
    ),
    has_uncounted_ends=True,
)
BUILD: Final = Kind(
    "component build",
    status_words(RUNNING="planning building deleting", SUCCEEDED="active", FAILED="error"),
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
ACTION_RUN: Final = Kind("action run", _ACTION)
ACTION_STEP: Final = Kind("action step", _ACTION)
ACTION: Final = Kind("action", _ACTION)
INSTALL_ACTION: Final = Kind("install action", _ACTION)

SANDBOX_RUN: Final = Kind(
    "sandbox run",
    status_words(
        PENDING="queued empty",
        RUNNING="planning provisioning reprovisioning applying deprovisioning",
        WAITING="pending-approval",
        SUCCEEDED="active no-drift auto-skipped",
        FAILED="error access_error approval-denied",
        ENDED="deprovisioned cancelled drift-detected unknown",
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
WHOLE_WORKFLOW: Final = _UNDER_WAY | status_words(
    FAILED="cancelled not-attempted discarded outdated", ENDED="drifted warning"
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
