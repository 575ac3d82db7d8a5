"""The platform's status words, an open set, classified as a small closed set of phases."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    """Our small closed classification of the platform's open set of status words."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    """For a person."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended otherwise"
    """An end that whoever waits for it does not count as one: the platform waits on."""
    UNKNOWN = "unknown"
    """A word that we do not know: shown as it is, never taken for an end."""

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ENDED})


class Kind(StrEnum):
    """What an entity is, in the platform's own terms."""

    RELEASE = "release"
    STEP = "release step"
    DEPLOY = "install deploy"
    BUILD = "component build"
    ARTIFACT = "artifact"
    RUNNER_JOB = "runner job"
    JOB_EXECUTION = "runner job execution"
    ACTION_RUN = "action run"
    ACTION_STEP = "action step"
    ACTION = "action"
    INSTALL_ACTION = "install action"
    SANDBOX_RUN = "sandbox run"
    WORKFLOW = "workflow"
    STEP_GROUP = "step group"
    WORKFLOW_STEP = "workflow step"
    APPROVAL = "approval"
    POLICY = "policy validation"
    BRANCH_RUN = "app branch run"
    INSTALL_GROUP = "install group"
    INSTALL_RUN = "install run"
    INSTALLER = "installer"
    APP = "app"
    CONFIG = "app config"
    APPROVALS = "pending approvals"

    @property
    def is_perpetual(self) -> bool:
        """Whether it has no end of its own: there is always more to come, and rest is no hang."""
        return self in _PERPETUAL

    # An enum hashes the member's name in Python; these are looked up for every entity.
    __hash__ = str.__hash__


_PERPETUAL = frozenset({Kind.INSTALLER, Kind.APPROVALS})


def _words(**phases: str) -> dict[str, Phase]:
    return {word: Phase[name] for name, words in phases.items() for word in words.split()}


# The words are those of the platform's public source, December 2025 and later. A deploy's
# "ended otherwise" are the ones that its step goes on waiting for (it polls for `active` and
# `error` only), which is how a release hangs for ever.
_JOB = _words(
    PENDING="queued available pending",
    RUNNING="initializing in-progress cleaning-up",
    SUCCEEDED="finished",
    FAILED="failed timed-out",
    ENDED="not-attempted cancelled unknown",
)


_ACTION = _words(
    PENDING="queued pending",
    RUNNING="in-progress",
    SUCCEEDED="finished active",
    FAILED="error timed-out",
    ENDED="cancelled unknown",
)


_UNDER_WAY = _words(
    PENDING="queued pending",
    RUNNING="in-progress planning checking-plan applying building generating provisioning"
    " deleting retrying approval-retry running",
    WAITING="approval-awaiting awaiting-user-run failed-pending-retry awaiting_approval",
    SUCCEEDED="success active approved noop no-drift auto-skipped user-skipped",
    FAILED="error failed approval-denied approval-expired expired",
)


# What a step that failed leaves behind it was never begun: like a release's step that stays
# queued, it is no failure of its own.
_PART_OF_WORKFLOW = _UNDER_WAY | _words(
    PENDING="not-attempted discarded outdated", ENDED="cancelled drifted warning"
)


_WHOLE_WORKFLOW = _UNDER_WAY | _words(
    FAILED="cancelled not-attempted discarded outdated", ENDED="drifted warning"
)


_PHASES: Mapping[Kind, Mapping[str, Phase]] = {
    Kind.RELEASE: _words(
        PENDING="queued",
        RUNNING="planning provisioning deprovisioning syncing executing executing_release_steps",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.STEP: _words(
        PENDING="queued waiting_for_delay",
        RUNNING="creating_install_deploys polling_install_deploys",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.DEPLOY: _words(
        PENDING="queued pending",
        RUNNING="planning syncing executing",
        WAITING="pending-approval",
        SUCCEEDED="active",
        FAILED="error",
        ENDED="inactive noop cancelled approval-denied drift-detected no-drift"
        " auto-skipped unknown",
    ),
    Kind.BUILD: _words(
        RUNNING="planning building deleting",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.ARTIFACT: {},
    Kind.RUNNER_JOB: _JOB,
    Kind.JOB_EXECUTION: _JOB,
    Kind.ACTION_RUN: _ACTION,
    Kind.ACTION_STEP: _ACTION,
    Kind.ACTION: _ACTION,
    Kind.INSTALL_ACTION: _ACTION,
    Kind.SANDBOX_RUN: _words(
        PENDING="queued empty",
        RUNNING="planning provisioning reprovisioning applying deprovisioning",
        WAITING="pending-approval",
        SUCCEEDED="active no-drift auto-skipped",
        FAILED="error access_error approval-denied",
        ENDED="deprovisioned cancelled drift-detected unknown",
    ),
    Kind.WORKFLOW: _WHOLE_WORKFLOW,
    Kind.STEP_GROUP: _PART_OF_WORKFLOW,
    Kind.WORKFLOW_STEP: _PART_OF_WORKFLOW,
    Kind.APPROVAL: _PART_OF_WORKFLOW,
    Kind.POLICY: _PART_OF_WORKFLOW,
    Kind.BRANCH_RUN: _WHOLE_WORKFLOW | _words(ENDED="not-attempted"),  # an ignored change
    Kind.INSTALL_GROUP: _PART_OF_WORKFLOW,
    Kind.INSTALL_RUN: _PART_OF_WORKFLOW | _words(ENDED="superseded"),
    Kind.INSTALLER: {},
    Kind.APP: _words(
        RUNNING="provisioning deprovisioning delete_queued",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.CONFIG: _words(
        PENDING="pending",
        RUNNING="syncing",
        SUCCEEDED="active",
        FAILED="error",
        ENDED="outdated",
    ),
    Kind.APPROVALS: {},
}


def phase_of(kind: Kind, status: str) -> Phase:
    """Classify one of the platform's status words; an empty one has only just begun."""
    if not status:
        return Phase.PENDING
    return _PHASES[kind].get(status, Phase.UNKNOWN)


def is_refusal(status: str) -> bool:
    """Whether a person said no: a workflow may go on without that part, and end well."""
    return status == "approval-denied"


def known_statuses(kind: Kind) -> tuple[str, ...]:
    """Return every status word of a kind that has a phase."""
    return tuple(_PHASES[kind])
