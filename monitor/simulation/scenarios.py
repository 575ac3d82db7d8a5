"""What happens in a simulated rollout: scenarios, and the timeline that each of them makes.

A release's life is a function of (scenario, seed): built once, and then asked either what
happened, in order (`Rollout.occurrences`), or what the platform answers at a moment
(`Rollout.state_at`). All moments are seconds of virtual time since the release was created.

The rules are the platform's: steps run one after another; a step is done when all its
deploys are `active`; the first deploy in `error` ends the step and the release; any other
end of a deploy is waited for, for ever; and whoever works at a release gives up after an
hour without a word. No I/O here; the one clock that is read is `Clock`'s.
"""

from __future__ import annotations

import random
import string
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import count

from monitor.model import Kind
from monitor.simulation import answers
from monitor.simulation.answers import Cast, Detail, Document, Mark

GIVES_UP_AFTER = 3600.0
"""Seconds after which the platform's own workflow of a release stops, status untouched."""

MINUTE = 60.0
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


@dataclass(frozen=True, slots=True)
class Stage:
    """One status of a life, and how long it lasts: between the two, in seconds."""

    status: str
    description: str
    shortest: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of a deploy, stage by stage; the last stage lasts.

    A deploy that is not awaited is one that its step does not look at.
    """

    stages: tuple[Stage, ...]
    deploy_type: str | None = None
    is_awaited: bool = True


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

WELL = Course((*_BEGINNING, _ACTIVE))
FAILS = Course(
    (
        _QUEUED,
        _PLANNING,
        Stage("executing", "applying the deploy plan", 300, 320),
        Stage("error", HELM_ERROR),
    )
)
FAILS_SOON = Course((_QUEUED, _PLANNING, Stage("error", TERRAFORM_ERROR)))
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

PREPARATION = (
    Stage("queued", "waiting for the build", 5, 30),
    Stage("provisioning", "provisioning deploys", 1, 4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A kind of rollout. `courses` and `delays` count steps and their installs from 1.

    `delays` and all times are in seconds; `age` is how long ago the release began when it
    is added to a platform, `retried_after` how long after its error an admin retries it.
    """

    name: str
    summary: str
    steps: tuple[int, ...] = (8, 8, 8)
    course: Course = WELL
    courses: Mapping[tuple[int, int], Course] = field(default_factory=dict)
    delays: Mapping[int, float] = field(default_factory=dict)
    preparation: tuple[Stage, ...] = PREPARATION
    retried_after: float | None = None
    deleted_after: float | None = None
    age: float = 0.0
    has_gaps: bool = False
    status_lags: bool = False
    detail: Detail = Detail.USUAL
    deploy_type: str = "apply"
    app_name: str = "storefront"
    component_name: str = "checkout-api"


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
                Stage("error", "build failed"),
            ),
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
    )
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A status that was set; `at` in seconds since the release was created."""

    at: float
    kind: Kind
    id: str
    status: str
    description: str = ""
    install_id: str = ""


Life = tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class Deploy:
    """An install deploy: it exists from its first occurrence on."""

    id: str
    install_id: str
    deploy_type: str
    life: Life


@dataclass(frozen=True, slots=True)
class Step:
    """A release step and the deploys that it made."""

    id: str
    created: float
    delay: float
    install_ids: tuple[str, ...]
    life: Life
    deploys: tuple[Deploy, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which some parts are missing from the answers."""

    begins: float
    ends: float
    ids: frozenset[str]


@dataclass(frozen=True)
class Rollout:
    """A whole life of one release, known from its beginning to its end."""

    id: str
    cast: Cast
    begins_at: datetime
    scenario: Scenario
    life: Life
    steps: tuple[Step, ...]
    gaps: tuple[Gap, ...]

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """All that happens, in order."""
        lives = [self.life]
        for step in self.steps:
            lives += [step.life, *(deploy.life for deploy in step.deploys)]
        return tuple(sorted((o for life in lives for o in life), key=lambda o: o.at))

    @property
    def settles_after(self) -> float:
        """When the last thing happens, in seconds; what is not over by then never ends."""
        return self._changes[-1]

    def exists_at(self, seconds: float) -> bool:
        """Tell whether the platform has the release: it was created and not yet deleted."""
        deleted = self.scenario.deleted_after
        return seconds >= 0 and (deleted is None or seconds < deleted)

    def version_at(self, seconds: float) -> int:
        """Count the changes up to a moment: while it stays, so does `state_at`."""
        return bisect_right(self._changes, seconds)

    def state_at(self, seconds: float) -> Document:
        """Return the release as the platform's JSON; LookupError where it does not exist."""
        if not self.exists_at(seconds):
            raise LookupError(f"no release {self.id} at {seconds} s")
        missing = {i for gap in self.gaps if gap.begins <= seconds < gap.ends for i in gap.ids}
        steps = [self._step_at(s, seconds, missing) for s in self.steps if s.id not in missing]
        marks = self._marks(self.life, seconds)
        return answers.release(self.cast, self.id, marks, steps, detail=self.scenario.detail)

    def _step_at(self, step: Step, seconds: float, missing: set[str]) -> Document:
        return answers.step(
            self.cast,
            step.id,
            self._marks(step.life, seconds),
            [
                self._deploy_at(step, deploy, seconds)
                for deploy in step.deploys
                if deploy.life[0].at <= seconds and deploy.id not in missing
            ],
            release_id=self.id,
            created_at=self.moment(step.created),
            delay=step.delay,
            install_ids=step.install_ids,
            detail=self.scenario.detail,
        )

    def _deploy_at(self, step: Step, deploy: Deploy, seconds: float) -> Document:
        return answers.deploy(
            self.cast,
            deploy.id,
            self._marks(deploy.life, seconds),
            step_id=step.id,
            install_id=deploy.install_id,
            deploy_type=deploy.deploy_type,
            detail=self.scenario.detail,
            status_lags=self.scenario.status_lags,
        )

    def moment(self, seconds: float) -> datetime:
        """Return the virtual time of so many seconds after the release was created."""
        return self.begins_at + timedelta(seconds=seconds)

    def _marks(self, life: Life, seconds: float) -> list[Mark]:
        return [Mark(self.moment(o.at), o.status, o.description) for o in life if o.at <= seconds]

    @cached_property
    def _changes(self) -> list[float]:
        borders = [border for gap in self.gaps for border in (gap.begins, gap.ends)]
        return sorted([*(o.at for o in self.occurrences), *borders])


def timeline(
    scenario: Scenario, seed: int, *, begins_at: datetime = BEGINNING, org_id: str = ""
) -> Rollout:
    """Play a scenario; the same scenario and seed give the same ids and the same times."""
    chance = chance_of(scenario.name, seed)
    return _Play(scenario, chance, begins_at, org_id or ORG_ID).rollout()


_CUSTOMERS = (
    *("acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka"),
    *("tyrell", "cyberdyne", "soylent", "vandelay", "dunder", "pied-piper", "gringotts", "oscorp"),
    *("massive", "aperture", "weyland", "monarch", "nakatomi", "duff", "bluth", "sirius"),
)
_ENVIRONMENTS = ("prod", "eu", "staging", "us", "apac", "dr", "canary", "sandbox")


@cache
def install_of(number: int) -> tuple[str, str]:
    """Return (id, name) of one of the simulated customers' installs, counted from 0."""
    rounds, customer = divmod(number, len(_CUSTOMERS))
    series, environment = divmod(rounds, len(_ENVIRONMENTS))
    name = f"{_CUSTOMERS[customer]}-{_ENVIRONMENTS[(environment + customer) % len(_ENVIRONMENTS)]}"
    if series:
        name += f"-{series + 1}"
    return _id_of("inl", name), name


def cast_of(scenario: Scenario, *, org_id: str, build: str) -> Cast:
    """Return who and what a scenario's release is about; the same names have the same ids."""
    return Cast(
        org_id=org_id,
        app_id=_id_of("app", scenario.app_name),
        app_name=scenario.app_name,
        component_id=_id_of("cmp", f"{scenario.app_name} {scenario.component_name}"),
        component_name=scenario.component_name,
        build_id=_id_of("bld", build),
        commit=chance_of("commit", build).randbytes(20).hex(),
        account_id=_id_of("acc", "robin"),
        email="robin@example.com",
    )


def chance_of(*seed: object) -> random.Random:
    """Return a source of chance that is the same whenever its seed is."""
    return random.Random(" ".join(map(str, seed)))  # noqa: S311 - for times and ids, no secrets


def new_id(kind: str, chance: random.Random) -> str:
    """Return an id as the platform makes them: three letters of a kind, then 23 of a-z0-9."""
    return kind + "".join(chance.choices(string.ascii_lowercase + string.digits, k=23))


def _id_of(kind: str, name: str) -> str:
    return new_id(kind, chance_of(kind, name))


ORG_ID = _id_of("org", "example")


@dataclass(slots=True)
class _OpenStep:
    """A step while its timeline is being written."""

    id: str
    created: float
    delay: float
    installs: Mapping[str, Course]
    life: list[Occurrence] = field(default_factory=list)
    deploys: list[tuple[Deploy, Course]] = field(default_factory=list)

    def newest(self) -> list[Deploy]:
        """Return the newest deploy of each install, of those that the step looks at."""
        newest = {deploy.install_id: (deploy, course) for deploy, course in self.deploys}
        return [deploy for deploy, course in newest.values() if course.is_awaited]


class _Play:
    """Writes a timeline from its beginning to its end."""

    def __init__(
        self, scenario: Scenario, chance: random.Random, begins_at: datetime, org_id: str
    ) -> None:
        self._scenario = scenario
        self._chance = chance
        self._begins_at = begins_at
        self._org_id = org_id
        self._id = new_id("rel", chance)
        self._life: list[Occurrence] = []
        self._steps = list(self._planned_steps())

    def rollout(self) -> Rollout:
        for step in self._steps:
            self._set(step, 0.0, "queued", "waiting for its turn")
        self._run()
        return Rollout(
            id=self._id,
            cast=cast_of(self._scenario, org_id=self._org_id, build=self._id),
            begins_at=self._begins_at,
            scenario=self._scenario,
            life=tuple(self._life),
            steps=tuple(
                Step(
                    id=step.id,
                    created=step.created,
                    delay=step.delay,
                    install_ids=tuple(step.installs),
                    life=tuple(step.life),
                    deploys=tuple(deploy for deploy, _ in step.deploys),
                )
                for step in self._steps
            ),
            gaps=self._gaps() if self._scenario.has_gaps else (),
        )

    def _planned_steps(self) -> Iterator[_OpenStep]:
        installs = count()
        for number, size in enumerate(self._scenario.steps, start=1):
            yield _OpenStep(
                # Steps share the prefix of releases.
                id=new_id("rel", self._chance),
                created=number * 0.001,
                delay=self._scenario.delays.get(number, 0.0),
                installs={
                    install_of(next(installs))[0]: self._scenario.courses.get(
                        (number, place), self._scenario.course
                    )
                    for place in range(1, size + 1)
                },
            )

    def _run(self) -> None:
        now = 0.0
        for stage in self._scenario.preparation:
            self._tell(now, stage.status, stage.description)
            now += self._lasting(stage)
        if self._life[-1].status == "error":
            return
        failed = self._execute(now, self._steps)
        if failed is None or self._scenario.retried_after is None:
            return
        now = self._life[-1].at + self._scenario.retried_after
        self._tell(now, "provisioning", "provisioning deploys")
        self._execute(now + self._soon(), self._steps[self._steps.index(failed) :])

    def _execute(self, now: float, steps: Sequence[_OpenStep]) -> _OpenStep | None:
        """Run steps one after another; return the one that failed."""
        gives_up_at = now + GIVES_UP_AFTER
        self._tell(now, "executing_release_steps", f"executing {len(self._steps)} release steps")
        for step in steps:
            self._run_step(step, now + self._soon())
            end = self._end_of(step)
            if end is None or end.at > gives_up_at:
                return None
            step.life.append(end)
            now = end.at + self._soon()
            if end.status == "error":
                self._tell(now, "error", "release step errored")
                return step
        self._tell(now, "active", "release succeeded")
        return None

    def _run_step(self, step: _OpenStep, now: float) -> None:
        """Make a deploy for each install; when the step is retried, for those that failed."""
        failed = {d.install_id for d in step.newest() if d.life[-1].status == "error"}
        is_retried = bool(failed)
        installs = {i: c for i, c in step.installs.items() if i in failed or not is_retried}
        if step.delay and not is_retried:
            waiting = f"waiting {answers.go_duration(step.delay)} before it begins"
            self._set(step, now, "waiting_for_delay", waiting)
            now += step.delay
        work = f"{len(installs)} install deploys"
        self._set(step, now, "creating_install_deploys", f"creating {work}")
        for install_id, course in installs.items():
            now += self._chance.uniform(0.05, 0.25)
            course_now = self._scenario.course if is_retried else course
            step.deploys.append((self._deploy(now, install_id, course_now), course_now))
        self._set(step, now + self._soon(), "polling_install_deploys", f"polling {work}")

    def _end_of(self, step: _OpenStep) -> Occurrence | None:
        """Return how a step ends, or None if it never does."""
        ends = [deploy.life[-1] for deploy in step.newest()]
        errors = [end.at for end in ends if end.status == "error"]
        # The step polls: it learns of an end a moment later.
        seen_after = self._chance.uniform(1, 8)
        earliest = step.life[-1].at
        if errors:
            at = max(earliest, min(errors)) + seen_after
            return Occurrence(at, Kind.STEP, step.id, "error", "an install deploy errored")
        if any(end.status != "active" for end in ends):
            return None
        at = max([earliest, *(end.at for end in ends)]) + seen_after
        return Occurrence(at, Kind.STEP, step.id, "active", "all install deploys are active")

    def _deploy(self, now: float, install_id: str, course: Course) -> Deploy:
        deploy_id = new_id("dpl", self._chance)
        life: list[Occurrence] = []
        for stage in course.stages:
            life.append(
                Occurrence(now, Kind.DEPLOY, deploy_id, stage.status, stage.description, install_id)
            )
            now += self._lasting(stage)
        deploy_type = course.deploy_type or self._scenario.deploy_type
        return Deploy(deploy_id, install_id, deploy_type, tuple(life))

    def _gaps(self) -> tuple[Gap, ...]:
        """Hide a deploy, twice; a step, before and while it runs; and once all steps."""
        first, second, *_ = self._steps
        deploy, _ = first.deploys[1]
        runs = second.life[1].at
        end = self._life[-1].at
        times = (
            (deploy.life[0].at + 20, frozenset({deploy.id})),
            (deploy.life[-1].at + 20, frozenset({deploy.id})),
            (runs - 60, frozenset({second.id})),
            (runs + 60, frozenset({second.id})),
            (end - 60, frozenset(step.id for step in self._steps)),
        )
        return tuple(Gap(at, at + self._chance.uniform(30, 50), ids) for at, ids in times)

    def _tell(self, now: float, status: str, description: str) -> None:
        self._life.append(Occurrence(now, Kind.RELEASE, self._id, status, description))

    @staticmethod
    def _set(step: _OpenStep, now: float, status: str, description: str) -> None:
        step.life.append(Occurrence(now, Kind.STEP, step.id, status, description))

    def _lasting(self, stage: Stage) -> float:
        return self._chance.uniform(stage.shortest, stage.longest)

    def _soon(self) -> float:
        return self._chance.uniform(0.2, 1.5)
