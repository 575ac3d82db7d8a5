"""What each of the platform's status words means: the simulation's own truth of it.

The oracle judges the monitor by this table, so it is made from the platform's public source
(December 2025 and later) and not from what the monitor believes: a mistake on one side shows
as a disagreement between the two, and does not move the verdict along with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto


class Thing(StrEnum):
    """What a status belongs to."""

    RELEASE = "release"
    RELEASE_STEP = "release step"
    INSTALL_DEPLOY = "install deploy"
    BRANCH_RUN = "app branch run"
    INSTALL_GROUP = "install group"
    INSTALL_RUN = "install run"
    """What an install group does to one install; on the platform a workflow of that install."""
    WORKFLOW = "workflow"
    STEP_GROUP = "step group"
    WORKFLOW_STEP = "workflow step"
    INSTALLER = "installer"
    APP = "app"
    APP_CONFIG = "app config"


class Meaning(Enum):
    """What a status means to whoever waits for the end."""

    OPEN = auto()
    """Nothing is decided yet, whether it was begun or not."""
    ASKS = auto()
    """It waits for a person."""
    GOOD_END = auto()
    BAD_END = auto()
    OTHER_END = auto()
    """It is over, and neither did what it was to do nor failed at it."""
    NOT_KNOWN = auto()
    """A word that no version of the platform has: the set is open, and proves nothing."""


# A release's step polls its deploys until all are `active` or one is `error`, and takes every
# other end for one that is still to come. So these others are neither good nor bad: they are
# what a release hangs on. `status_v2` also has what the deploy's workflow makes of it: once it
# is approved, or discarded to be planned anew, it goes on.
_INSTALL_DEPLOY = {
    Meaning.OPEN: "queued pending planning syncing executing"
    " in-progress checking-plan applying building generating provisioning deleting retrying"
    " approval-retry approved discarded",
    Meaning.ASKS: "pending-approval approval-awaiting awaiting-user-run failed-pending-retry",
    Meaning.GOOD_END: "active success",
    Meaning.BAD_END: "error",
    Meaning.OTHER_END: "inactive noop cancelled approval-denied drift-detected no-drift"
    " auto-skipped unknown user-skipped not-attempted outdated approval-expired expired"
    " drifted warning",
}
# Workflows, their steps and their groups share one list of words.
_OF_WORKFLOWS = {
    Meaning.OPEN: "queued pending in-progress planning checking-plan applying building generating"
    " provisioning deleting retrying approval-retry",
    Meaning.ASKS: "approval-awaiting awaiting-user-run failed-pending-retry",
    Meaning.GOOD_END: "success active approved noop no-drift auto-skipped user-skipped",
    Meaning.BAD_END: "error approval-denied approval-expired expired",
    Meaning.OTHER_END: "warning",
}
# A workflow in one of these did not do what it was to do. Of its parts the first three say
# that it never came to them, or will not come back to them: another row stands for a step
# that is tried again. Somebody who cancels a part has no failure to hear of. That something
# drifted is what the check of the whole was to rule out; the part has done its work.
_NEVER_DONE = "not-attempted discarded outdated"
_OF_WHOLE = "cancelled drifted"
_WHOLE = _OF_WORKFLOWS | {
    Meaning.BAD_END: f"{_OF_WORKFLOWS[Meaning.BAD_END]} {_NEVER_DONE} {_OF_WHOLE}"
}
_PART = _OF_WORKFLOWS | {
    Meaning.OPEN: f"{_OF_WORKFLOWS[Meaning.OPEN]} {_NEVER_DONE}",
    Meaning.OTHER_END: f"{_OF_WORKFLOWS[Meaning.OTHER_END]} {_OF_WHOLE}",
}

_WORDS: Mapping[Thing, Mapping[Meaning, str]] = {
    # A release has no other ends than these two; an admin can take it back out of `error`.
    Thing.RELEASE: {
        Meaning.OPEN: "queued planning provisioning deprovisioning syncing executing"
        " executing_release_steps",
        Meaning.GOOD_END: "active",
        Meaning.BAD_END: "error",
    },
    # A step behind the one that failed stays `queued` for ever: it was never attempted.
    Thing.RELEASE_STEP: {
        Meaning.OPEN: "queued waiting_for_delay creating_install_deploys polling_install_deploys",
        Meaning.GOOD_END: "active",
        Meaning.BAD_END: "error",
    },
    Thing.INSTALL_DEPLOY: _INSTALL_DEPLOY,
    # That a run waits for a person is a field of its own beside its status.
    Thing.BRANCH_RUN: {
        Meaning.OPEN: "pending running",
        Meaning.ASKS: "awaiting_approval failed-pending-retry",
        Meaning.GOOD_END: "success",
        Meaning.BAD_END: "failed cancelled",
    },
    # Nothing was rolled out to a group that was skipped.
    Thing.INSTALL_GROUP: _PART
    | {
        Meaning.GOOD_END: "success active approved noop no-drift",
        Meaning.OTHER_END: f"{_PART[Meaning.OTHER_END]} auto-skipped user-skipped",
    },
    # A newer run took an install over.
    Thing.INSTALL_RUN: _PART | {Meaning.OTHER_END: f"{_PART[Meaning.OTHER_END]} superseded"},
    Thing.WORKFLOW: _WHOLE,
    Thing.STEP_GROUP: _PART,
    Thing.WORKFLOW_STEP: _PART,
    # An installer has no status: it is there, and what it consists of changes.
    Thing.INSTALLER: {},
    Thing.APP: {
        Meaning.OPEN: "provisioning deprovisioning delete_queued",
        Meaning.GOOD_END: "active",
        Meaning.BAD_END: "error",
    },
    # A newer version makes an older one `outdated`.
    Thing.APP_CONFIG: {
        Meaning.OPEN: "pending syncing",
        Meaning.GOOD_END: "active",
        Meaning.BAD_END: "error",
        Meaning.OTHER_END: "outdated",
    },
}
_MEANINGS = {
    thing: {word: meaning for meaning, all_ in words.items() for word in all_.split()}
    for thing, words in _WORDS.items()
}


def meaning_of(thing: Thing, status: str) -> Meaning:
    """Return what a status means; what has none yet has only just been created."""
    return _MEANINGS[thing].get(status, Meaning.NOT_KNOWN) if status else Meaning.OPEN


def words_of(thing: Thing) -> Mapping[str, Meaning]:
    """Return all status words of a thing that the platform has."""
    return _MEANINGS[thing]
