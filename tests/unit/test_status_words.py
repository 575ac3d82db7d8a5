"""Every status word of the platform, wherever it can stand: a table of words by kind and phase.

The words are those of the platform's public source (December 2025 and later) and of its client
libraries. This table is the tests' own: it shares nothing with what it is held against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from monitor.kinds import every_part, kind_of_part
from monitor.model import Phase, phase_of

Words = Mapping[Phase, str]

PENDING, RUNNING, WAITING = Phase.PENDING, Phase.RUNNING, Phase.WAITING
SUCCEEDED, FAILED, ENDED = Phase.SUCCEEDED, Phase.FAILED, Phase.ENDED

OF_WORKFLOWS: Words = {
    PENDING: "queued pending",
    RUNNING: "in-progress planning checking-plan applying building generating provisioning"
    " deleting retrying approval-retry",
    WAITING: "approval-awaiting awaiting-user-run failed-pending-retry",
    SUCCEEDED: "success active approved noop no-drift auto-skipped user-skipped",
    FAILED: "error approval-denied approval-expired expired",
}
NEVER_RUN = "not-attempted discarded outdated"
WHOLE: Words = OF_WORKFLOWS | {
    FAILED: f"{OF_WORKFLOWS[FAILED]} cancelled {NEVER_RUN} drifted",
    ENDED: "warning",
}
PART: Words = OF_WORKFLOWS | {
    PENDING: f"{OF_WORKFLOWS[PENDING]} {NEVER_RUN}",
    ENDED: "cancelled drifted warning",
}
OF_RUN: Words = {
    PENDING: "pending",
    RUNNING: "running",
    WAITING: "awaiting_approval",
    SUCCEEDED: "success",
    FAILED: "failed cancelled",
}
JOB: Words = {
    PENDING: "queued available pending",
    RUNNING: "initializing in-progress cleaning-up",
    SUCCEEDED: "finished",
    FAILED: "failed timed-out",
    ENDED: "not-attempted cancelled unknown",
}
ACTION_RUN: Words = {
    PENDING: "queued pending",
    RUNNING: "in-progress",
    SUCCEEDED: "finished",
    FAILED: "error timed-out",
    ENDED: "cancelled unknown retried",
}
ACTION: Words = {RUNNING: "delete_queued", SUCCEEDED: "active", FAILED: "error"}

OF_CHANGE: Words = {RUNNING: "in-progress", SUCCEEDED: "success", FAILED: "error"}

WORDS: Mapping[str, Words] = {
    "change": OF_CHANGE,
    "installs of a change": OF_CHANGE,
    "install workflow": WHOLE,
    "release": {
        PENDING: "queued",
        RUNNING: "planning provisioning deprovisioning syncing executing executing_release_steps",
        SUCCEEDED: "active",
        FAILED: "error",
    },
    "release step": {
        PENDING: "queued waiting_for_delay",
        RUNNING: "creating_install_deploys polling_install_deploys",
        SUCCEEDED: "active",
        FAILED: "error",
    },
    "install deploy": {
        PENDING: "queued pending discarded",
        RUNNING: f"planning syncing executing {OF_WORKFLOWS[RUNNING]} approved",
        WAITING: f"pending-approval {OF_WORKFLOWS[WAITING]}",
        SUCCEEDED: "active success",
        FAILED: "error",
        ENDED: "inactive noop cancelled approval-denied drift-detected no-drift auto-skipped"
        " unknown user-skipped not-attempted outdated approval-expired expired drifted warning",
    },
    "component build": {
        PENDING: "queued pending",
        RUNNING: "planning building in-progress deleting",
        SUCCEEDED: "active success",
        FAILED: "error",
        ENDED: "cancelled",
    },
    "runner job": JOB,
    "runner job execution": JOB,
    "action run": ACTION_RUN,
    "action step": ACTION_RUN,
    "action": ACTION,
    "install action": ACTION,
    "sandbox run": {
        PENDING: f"queued empty {PART[PENDING]}",
        RUNNING: "planning provisioning reprovisioning applying deprovisioning"
        f" {OF_WORKFLOWS[RUNNING]} approved",
        WAITING: f"pending-approval {OF_WORKFLOWS[WAITING]}",
        SUCCEEDED: "active no-drift auto-skipped success noop user-skipped",
        FAILED: "error access_error approval-denied approval-expired expired",
        ENDED: "deprovisioned cancelled drift-detected unknown drifted warning",
    },
    "workflow": WHOLE,
    "app branch run": {
        phase: " ".join(filter(None, (OF_RUN.get(phase), OF_WORKFLOWS.get(phase))))
        for phase in (PENDING, RUNNING, WAITING, SUCCEEDED, FAILED)
    },
    "step group": PART,
    "workflow step": PART,
    "approval": PART,
    "policy validation": PART,
    # A group that was skipped is not rolled out to.
    "install group": PART
    | {
        SUCCEEDED: "success active approved noop no-drift",
        ENDED: f"{PART[ENDED]} user-skipped auto-skipped superseded",
    },
    "install run": PART
    | {
        WAITING: f"{PART[WAITING]} pending_customer",
        ENDED: f"{PART[ENDED]} superseded",
    },
    "app": {
        RUNNING: "provisioning deprovisioning delete_queued",
        SUCCEEDED: "active",
        FAILED: "error",
    },
    "app config": {
        PENDING: "pending",
        RUNNING: "syncing",
        SUCCEEDED: "active",
        FAILED: "error",
        ENDED: "outdated",
    },
}
WITHOUT_STATUS = {"artifact", "installer", "pending approvals"}
BORROW_FROM_WORKFLOWS = ("install deploy", "sandbox run", "app branch run")


def rows() -> Iterator[tuple[str, str, Phase]]:
    for kind, words in WORDS.items():
        for phase, listed in words.items():
            for word in listed.split():
                yield kind, word, phase


@pytest.mark.parametrize(("kind", "word", "phase"), list(rows()))
def test_every_word_is_known_where_it_can_stand(kind: str, word: str, phase: Phase) -> None:
    assert phase_of(kind_of_part(kind), word) is phase


@pytest.mark.parametrize("kind", BORROW_FROM_WORKFLOWS)
@pytest.mark.parametrize("word", " ".join(PART.values()).split())
def test_what_works_for_a_workflow_may_have_any_of_its_words(kind: str, word: str) -> None:
    assert phase_of(kind_of_part(kind), word) is not Phase.UNKNOWN


def test_the_table_has_every_kind_that_has_a_status() -> None:
    assert {str(kind) for kind in every_part()} == WORDS.keys() | WITHOUT_STATUS


@pytest.mark.parametrize("kind", list(WORDS))
def test_no_word_stands_for_two_phases(kind: str) -> None:
    words = list(dict.fromkeys((word, phase) for of, word, phase in rows() if of == kind))

    assert len(words) == len({word for word, _ in words})


@pytest.mark.parametrize("kind", [*WORDS, *sorted(WITHOUT_STATUS)])
def test_a_word_that_is_new_is_no_end(kind: str) -> None:
    assert phase_of(kind_of_part(kind), "reticulating") is Phase.UNKNOWN
