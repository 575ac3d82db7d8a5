"""Plays a scenario: writes the life of a release from its beginning to its end.

The rules are the platform's: steps run one after another; a step is done when all its
deploys are `active`; the first deploy in `error` ends the step and the release; any other
end of a deploy is waited for, for ever; and whoever works at a release gives up after an
hour without a word. No I/O, no clock.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from monitor.simulation.answers import go_duration
from monitor.simulation.cast import cast_of, install_of, new_id
from monitor.simulation.life import (
    Course,
    Deploy,
    Dialect,
    Gap,
    Occurrence,
    Rollout,
    Scenario,
    Stage,
    Step,
)
from monitor.simulation.truth import Thing

GIVES_UP_AFTER = 3600.0
"""Seconds after which the platform's own workflow of a release stops, status untouched."""


def play(
    scenario: Scenario,
    chance: random.Random,
    *,
    begins_at: datetime,
    org_id: str,
    dialect: Dialect,
) -> Rollout:
    """Return the whole life of a release; `dialect` is the one that releases are told in."""
    return _Play(scenario, chance).rollout(begins_at, org_id, dialect)


@dataclass(slots=True)
class _OpenStep:
    """A step while its timeline is being written."""

    id: str
    created: float
    delay: float
    installs: Mapping[str, Course]
    names: Mapping[str, str]
    life: list[Occurrence] = field(default_factory=list)
    deploys: list[tuple[Deploy, Course]] = field(default_factory=list)

    def newest(self) -> list[Deploy]:
        """Return the newest deploy of each install, of those that the step looks at."""
        newest = {deploy.install_id: (deploy, course) for deploy, course in self.deploys}
        return [deploy for deploy, course in newest.values() if course.is_awaited]


class _Play:
    """Writes a timeline from its beginning to its end."""

    def __init__(self, scenario: Scenario, chance: random.Random) -> None:
        self._scenario = scenario
        self._chance = chance
        self._id = new_id("rel", chance)
        self._life: list[Occurrence] = []
        self._steps = list(self._planned_steps())

    def rollout(self, begins_at: datetime, org_id: str, dialect: Dialect) -> Rollout:
        for step in self._steps:
            self._set(step, 0.0, "queued", "waiting for its turn")
        self._run()
        return Rollout(
            id=self._id,
            cast=cast_of(
                app_name=self._scenario.app_name,
                branch_name=self._scenario.branch_name,
                component_name=self._scenario.component_name,
                org_id=org_id,
                build=self._scenario.build or self._id,
            ),
            begins_at=begins_at,
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
            gaps=(*self._removals(), *(self._gaps() if self._scenario.has_gaps else ())),
            dialect=dialect,
        )

    def _planned_steps(self) -> Iterator[_OpenStep]:
        installs = count()
        for number, size in enumerate(self._scenario.steps, start=1):
            courses = {
                position: self._scenario.courses.get((number, position), self._scenario.course)
                for position in range(1, size + 1)
            }
            targets = {position: install_of(next(installs)) for position in courses}
            yield _OpenStep(
                # Steps share the prefix of releases.
                id=new_id("rel", self._chance),
                created=number * 0.001,
                delay=self._scenario.delays.get(number, 0.0),
                installs={targets[position][0]: course for position, course in courses.items()},
                names=dict(targets.values()),
            )

    def _run(self) -> None:
        now = 0.0
        for stage in self._scenario.preparation:
            self._report(now, stage)
            now += self._lasting(stage)
        if self._life[-1].status == "error":
            return
        failed = self._execute(now, self._steps)
        if failed is None or self._scenario.retried_after is None:
            return
        now = self._life[-1].at + self._scenario.retried_after
        self._report(now, Stage("provisioning", "provisioning deploys"))
        self._execute(now + self._soon(), self._steps[self._steps.index(failed) :])

    def _execute(self, now: float, steps: Sequence[_OpenStep]) -> _OpenStep | None:
        """Run steps one after another; return the one that failed."""
        gives_up_at = now + GIVES_UP_AFTER
        steps_in_all = len(self._steps)
        self._report(
            now, Stage("executing_release_steps", f"executing {steps_in_all} release steps")
        )
        for step in steps:
            if self._is_skipped(step):
                self._set(step, now, "skipped", "the step was skipped")
                now += self._soon()
                continue
            self._run_step(step, now + self._soon())
            if self._is_broken(step):
                self._report(
                    step.life[-1].at + self._soon(), Stage("error", "release step errored")
                )
                return None
            end = self._end_of(step)
            if end is None or end.at > gives_up_at:
                return None
            step.life.append(end)
            now = end.at + self._soon()
            if end.status == "error":
                self._report(now, Stage("error", "release step errored"))
                return step
        self._report(now, Stage("active", "release succeeded"))
        return None

    def _run_step(self, step: _OpenStep, now: float) -> None:
        """Make a deploy for each install; when the step is retried, for those that failed."""
        failed = {d.install_id for d in step.newest() if d.life[-1].status == "error"}
        is_retried = bool(failed)
        installs = {i: c for i, c in step.installs.items() if i in failed or not is_retried}
        if step.delay and not is_retried:
            waiting = f"waiting {go_duration(step.delay)} before it begins"
            self._set(step, now, "waiting_for_delay", waiting)
            now += step.delay
        work = f"{len(installs)} install deploys"
        self._set(step, now, "creating_install_deploys", f"creating {work}")
        for install_id, course in installs.items():
            now += self._chance.uniform(0.05, 0.25)
            course_now = self._scenario.course if is_retried else course
            if self._is_broken(step):
                course_now = Course(course_now.stages[:1])
            deploy = self._deploy(now, install_id, step.names[install_id], course_now)
            step.deploys.append((deploy, course_now))
            if self._is_broken(step):
                return
        self._set(step, now + self._soon(), "polling_install_deploys", f"polling {work}")

    def _is_skipped(self, step: _OpenStep) -> bool:
        return not step.installs or self._steps.index(step) + 1 in self._scenario.skips

    def _is_broken(self, step: _OpenStep) -> bool:
        """Whether the platform fails while it makes the deploys of a step, and leaves it so."""
        return self._scenario.breaks_in == self._steps.index(step) + 1

    def _end_of(self, step: _OpenStep) -> Occurrence | None:
        """Return how a step ends, or None if it never does."""
        ends = [deploy.life[-1] for deploy in step.newest()]
        errors = [end.at for end in ends if end.status == "error"]
        # The step polls: it learns of an end a moment later.
        seen_after = self._chance.uniform(1, 8)
        earliest = step.life[-1].at
        if errors:
            at, status = max(earliest, min(errors)), "error"
            description = "an install deploy errored"
        elif all(end.status == "active" for end in ends):
            at, status = max([earliest, *(end.at for end in ends)]), "active"
            description = "all install deploys are active"
        else:
            return None
        return Occurrence(at + seen_after, Thing.RELEASE_STEP, step.id, status, description)

    def _deploy(self, now: float, install_id: str, name: str, course: Course) -> Deploy:
        deploy_id = new_id("dpl", self._chance)
        life: list[Occurrence] = []
        for stage in course.stages:
            life.append(
                Occurrence(
                    now,
                    Thing.INSTALL_DEPLOY,
                    deploy_id,
                    stage.status,
                    stage.description,
                    install_id,
                    stage.cause,
                    stage.metadata,
                )
            )
            now += self._lasting(stage)
        deploy_type = course.deploy_type or self._scenario.deploy_type
        return Deploy(deploy_id, install_id, deploy_type, tuple(life), name)

    def _removals(self) -> Iterator[Gap]:
        for number, after in self._scenario.removals.items():
            step = self._steps[number - 1]
            deploys = (deploy.id for deploy, _ in step.deploys)
            yield Gap(after, math.inf, frozenset({step.id, *deploys}))

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

    def _report(self, now: float, stage: Stage) -> None:
        self._life.append(
            Occurrence(
                now,
                Thing.RELEASE,
                self._id,
                stage.status,
                stage.description,
                cause=stage.cause,
                metadata=stage.metadata,
            )
        )

    @staticmethod
    def _set(step: _OpenStep, now: float, status: str, description: str) -> None:
        step.life.append(Occurrence(now, Thing.RELEASE_STEP, step.id, status, description))

    def _lasting(self, stage: Stage) -> float:
        return self._chance.uniform(stage.shortest, stage.longest)

    def _soon(self) -> float:
        return self._chance.uniform(0.2, 1.5)
