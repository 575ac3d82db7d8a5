"""What happens in a simulated rollout: the scenarios, and the clock that they run by.

A rollout's life is a function of (scenario, seed): built once, and then asked either what
happened, in order (`Rollout.occurrences`), or what the platform answers at a moment
(`Rollout.state_at`). All moments are seconds of virtual time since it was created. A
`dialect` tells the same life as something else than a release.

No I/O here; the one clock that is read is `Clock`'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.simulation.answers import Detail, Shape
from monitor.simulation.cast import ORG_ID, chance_of, id_of, install_of
from monitor.simulation.deploys import with_deep_reasons
from monitor.simulation.dialects import DIALECTS
from monitor.simulation.life import (
    MINUTE,
    PREPARATION,
    WELL,
    Course,
    Deploy,
    Occurrence,
    Rollout,
    Scenario,
    Stage,
    Step,
)
from monitor.simulation.play import GIVES_UP_AFTER, play

__all__ = [
    "ASKS_FIRST",
    "BEGINNING",
    "DIALECTS",
    "GIVES_UP_AFTER",
    "HELM_ERROR",
    "ORG_ID",
    "SCENARIOS",
    "SCENARIOS_OF_TODAY",
    "Clock",
    "Course",
    "Deploy",
    "Occurrence",
    "Rollout",
    "Scenario",
    "Stage",
    "Step",
    "chance_of",
    "install_of",
    "timeline",
]

BEGINNING = datetime(2025, 12, 1, 9, 0, tzinfo=UTC)


class Clock:
    """Virtual time: `speed` seconds of it pass in one real second.

    With `speed=0` time stands still but for `advance`, which is how tests set it by hand.
    """

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        self._speed = speed
        self._start = start or datetime.now(UTC)
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Return the virtual time, aware and UTC."""
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def advance(self, seconds: float) -> None:
        """Let virtual time jump ahead."""
        self._start += timedelta(seconds=seconds)


_QUEUED = Stage("queued", "waiting for the install's runner", 1, 6)
_PLANNING = Stage("planning", "creating the deploy plan", 10, 40)
_EXECUTING = Stage("executing", "applying the deploy plan", 50, 300)
_ACTIVE = Stage("active", "deploy is active")
_BEGINNING = (_QUEUED, _PLANNING, _EXECUTING)

HELM_ERROR = (
    "helm upgrade timed out after 5m0s waiting for condition: "
    "deployment checkout-api has 1 of 3 replicas ready"
)
TERRAFORM_ERROR = (
    "terraform apply failed: creating database checkout: InstanceQuotaExceeded: "
    "this account may have no more than 40 instances"
)

BUILD_ERROR = "docker build failed: exit code 1: unable to resolve registry.example.com/base:3.20"

FAILS = Course(
    (
        _QUEUED,
        _PLANNING,
        Stage("executing", "applying the deploy plan", 300, 320),
        Stage("error", HELM_ERROR),
    )
)
FAILS_SOON = Course((_QUEUED, _PLANNING, Stage("error", TERRAFORM_ERROR)))
FAILS_DEEP = Course(
    (
        _QUEUED,
        _PLANNING,
        Stage("executing", "applying the deploy plan", 300, 320),
        Stage("error", "job failed", cause=HELM_ERROR),
    )
)
CANCELLED = Course((*_BEGINNING, Stage("cancelled", "deploy was cancelled")))
NOOP = Course((_QUEUED, _PLANNING, Stage("noop", "the plan has no changes")))
WAITS = Course(
    (
        _QUEUED,
        _PLANNING,
        Stage("pending-approval", "waiting for an approval of the plan", 240, 420),
        _EXECUTING,
        _ACTIVE,
    )
)
DENIED = Course((*WAITS.stages[:3], Stage("approval-denied", "the plan was denied")))
FLICKERS = Course(
    (
        *_BEGINNING,
        Stage("error", "lost the connection to the runner", 1.5, 3),
        Stage("executing", "applying the deploy plan", 1.5, 3),
        _ACTIVE,
    )
)
STRANGE = Course(
    (*_BEGINNING, Stage("rebalancing", "moving replicas between zones", 60, 120), _ACTIVE)
)
DRAGS_ON = Course(
    (_QUEUED, _PLANNING, Stage("executing", "applying the deploy plan", 6000, 6600), _ACTIVE)
)
SUPERSEDED = Course(
    (_QUEUED, _PLANNING, Stage("superseded", "a newer run took the install over")),
    is_awaited=False,
)
DRIFTED = Course(
    (_QUEUED, _PLANNING, Stage("drifted", "the cluster is not as it was planned")),
    is_awaited=False,
)
OVERLOOKED = Course(
    (_QUEUED, _PLANNING, Stage("executing", "applying the deploy plan", 1500, 1800), _ACTIVE),
    is_awaited=False,
)
TORN_DOWN = Course(
    (
        _QUEUED,
        _PLANNING,
        Stage("executing", "destroying the component", 50, 300),
        Stage("active", "component is torn down"),
    ),
    deploy_type="teardown",
)
NAMELESS_START = Course((Stage("", "", 1, 4), *WELL.stages))

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="happy", summary="three steps of eight installs, all well"),
        Scenario(
            name="failure",
            summary="a deploy of the second step fails, and with it the release",
            courses={(2, 3): FAILS},
        ),
        Scenario(
            name="demo",
            summary="48 installs: one waits for an approval, one fails, a retry succeeds",
            steps=(16, 16, 16),
            delays={3: 5 * MINUTE},
            courses={(2, 5): WAITS, (2, 11): FAILS},
            retried_after=4 * MINUTE,
        ),
        Scenario(
            name="hang",
            summary="a deploy is cancelled, and its step waits for it for ever",
            courses={(2, 4): CANCELLED},
        ),
        Scenario(
            name="noop",
            summary="a deploy had nothing to do, and its step waits for it for ever",
            courses={(1, 6): NOOP},
        ),
        Scenario(
            name="approval",
            summary="a deploy waits for a person, who approves",
            courses={(1, 2): WAITS},
        ),
        Scenario(
            name="approval-denied",
            summary="a deploy waits for a person, who denies; its step waits for ever",
            courses={(1, 2): DENIED},
        ),
        Scenario(
            name="slow",
            summary="a deploy takes so long that the platform gives up without a word",
            steps=(4, 4),
            courses={(1, 3): DRAGS_ON},
        ),
        Scenario(
            name="build-failed",
            summary="the build fails before anything is deployed",
            preparation=(
                Stage("queued", "waiting for the build", 60, 180),
                Stage("error", "build failed", cause=BUILD_ERROR),
            ),
        ),
        Scenario(
            name="build-cancelled",
            summary="the build is cancelled before anything is deployed",
            build_words=("in-progress", "success", "cancelled"),
            preparation=(
                Stage("queued", "waiting for the build", 60, 180),
                Stage("error", "build failed", cause="the build was cancelled"),
            ),
        ),
        Scenario(
            name="slow-build",
            summary="the build takes most of half an hour, and then all is well",
            steps=(4, 4),
            preparation=(Stage("queued", "waiting for the build", 1300, 1600), *PREPARATION[1:]),
        ),
        Scenario(
            name="broken-step",
            summary="the release fails while deploys are created; its step stays so for ever",
            steps=(4, 4, 4),
            breaks_in=2,
        ),
        Scenario(
            name="retry",
            summary="a deploy fails; the release is retried and succeeds",
            steps=(6, 6),
            courses={(1, 2): FAILS_SOON},
            retried_after=3 * MINUTE,
        ),
        Scenario(
            name="flicker",
            summary="a deploy fails and recovers within seconds; only its history tells",
            steps=(4, 4),
            courses={(1, 2): FLICKERS},
        ),
        Scenario(
            name="unknown-words",
            summary="the release and a deploy go through statuses that nobody knows",
            steps=(4, 4),
            preparation=(*PREPARATION, Stage("reserving_capacity", "reserving capacity", 30, 60)),
            courses={(1, 2): STRANGE},
        ),
        Scenario(
            name="vanishing",
            summary="a deploy and a step, then all steps, are missing from some answers",
            has_gaps=True,
        ),
        Scenario(
            name="thin",
            summary="answers of ids and statuses only; a deploy's first status is empty",
            steps=(4, 4),
            course=NAMELESS_START,
            detail=Detail.THIN,
        ),
        Scenario(
            name="fat",
            summary="answers with every documented field filled",
            steps=(3, 3),
            courses={(1, 2): TORN_DOWN},
            detail=Detail.FAT,
        ),
        Scenario(
            name="large",
            summary="a thousand installs, all well",
            steps=(250, 250, 250, 250),
        ),
        Scenario(
            name="deleted",
            summary="the release is deleted while it runs",
            deleted_after=6 * MINUTE,
        ),
        Scenario(
            name="one-by-one",
            summary="six steps of one install each",
            steps=(1,) * 6,
        ),
        Scenario(
            name="already-failed",
            summary="a release that failed yesterday",
            courses={(2, 3): FAILS},
            age=86400,
        ),
        Scenario(
            name="already-done",
            summary="a release that succeeded yesterday",
            age=86400,
        ),
        Scenario(
            name="disagree",
            summary="the release says that it succeeded while a deploy still executes",
            steps=(4, 4),
            courses={(2, 2): OVERLOOKED},
        ),
        Scenario(
            name="teardown",
            summary="some deploys tear their component down",
            steps=(4, 4),
            courses={(1, 2): TORN_DOWN, (2, 4): TORN_DOWN},
        ),
        Scenario(
            name="lagging",
            summary="a deploy's status is always one behind its status_v2",
            steps=(4, 4),
            status_lags=True,
        ),
        Scenario(
            name="deep",
            summary="a deploy fails, and only its runner's job or its workflow's step says why",
            steps=(4, 4),
            courses={(1, 2): FAILS_DEEP},
        ),
    )
}

_PARKED = Stage("failed-pending-retry", "waiting for a retry", 240, 420, cause=BUILD_ERROR)
SCENARIOS_OF_TODAY: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="parked",
            summary="the build fails and waits until a person retries it; then all is well",
            steps=(4, 4),
            preparation=(PREPARATION[0], _PARKED, PREPARATION[1]),
        ),
        Scenario(
            name="stopped",
            summary="the build fails, waits for a retry, and a person stops it all instead",
            steps=(4, 4),
            preparation=(
                PREPARATION[0],
                _PARKED,
                Stage("error", "stopped", cause=BUILD_ERROR, metadata={"stopped": True}),
            ),
        ),
        Scenario(
            name="exhausted",
            summary="the build fails, waits for a retry, and nobody may retry it any more",
            steps=(4, 4),
            preparation=(
                PREPARATION[0],
                _PARKED,
                Stage(
                    "error",
                    "retries exhausted",
                    cause=BUILD_ERROR,
                    metadata={"retries_exhausted": True},
                ),
            ),
        ),
        Scenario(
            name="skipped-group",
            summary="a person skips the second of three groups",
            steps=(4, 4, 4),
            skips={2: "user-skipped"},
        ),
        Scenario(
            name="empty-group",
            summary="the second of three groups has no installs",
            steps=(4, 0, 4),
        ),
        Scenario(
            name="drift",
            summary="a check finds that a component has drifted, and ends well",
            steps=(3,),
            courses={(1, 2): DRIFTED},
            workflow_type="drift_run",
        ),
        Scenario(
            name="runbook",
            summary="a runbook is run",
            steps=(2,),
            workflow_type="runbook_run",
            workflow_metadata={
                "runbook_name": "rotate-keys",
                "runbook_config_id": id_of("rbc", "rotate-keys"),
            },
        ),
        Scenario(
            name="idless-step",
            summary="among a workflow's steps is one without an id",
            steps=(2, 2),
            has_idless_step=True,
        ),
        Scenario(
            name="preview",
            summary="a change is planned for all installs, and applied to none",
            steps=(2, 2),
            is_preview=True,
        ),
        Scenario(
            name="superseded",
            summary="a newer run takes over one of the installs",
            steps=(4, 4),
            courses={(2, 3): SUPERSEDED},
        ),
    )
}
"""What runs and workflows go through and releases cannot; a run's row calls most of it success."""

ASKS_FIRST = Scenario(
    name="asks-first",
    summary="a run or a workflow waits for a person before it does anything",
    steps=(4, 4),
    preparation=(
        PREPARATION[0],
        Stage("pending-approval", "waiting for an approval of the plan", 240, 420),
        PREPARATION[1],
    ),
)
"""Not among the others, since a release cannot wait as a whole."""


def timeline(
    scenario: Scenario,
    seed: int,
    *,
    begins_at: datetime = BEGINNING,
    org_id: str = "",
    dialect: str = "release",
    shape: Shape = Shape.DOCUMENTED,
) -> Rollout:
    """Play a scenario; the same scenario and seed give the same ids and the same times.

    A dialect is one of `DIALECTS`: it changes what things are and are called, not what happens.
    """
    release = play(
        scenario,
        chance_of(scenario.name, seed),
        begins_at=begins_at,
        org_id=org_id or ORG_ID,
        dialect=DIALECTS["release"],
    )
    if shape is Shape.THIN:
        release = with_deep_reasons(release)
    return DIALECTS[dialect].translate(replace(release, shape=shape))
