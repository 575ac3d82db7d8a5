"""A life told as one install's workflow: step group → workflow step.

A retry leaves the failed step as a `discarded` row and adds one with " (retry 1)" behind its
name. What a failure leaves behind it is `not-attempted`, until a retry comes to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, pairwise, zip_longest

from monitor.simulation.answers import Document
from monitor.simulation.cast import id_of, install_of
from monitor.simulation.flows import INSTALLS, with_pauses, write_flow
from monitor.simulation.install_flows import failed
from monitor.simulation.life import (
    Deploy,
    Dialect,
    Flow,
    Gap,
    Group,
    Life,
    Occurrence,
    Rollout,
    Row,
    Step,
)
from monitor.simulation.truth import Thing

_WHOLE = {
    "queued": ("pending", ""),
    "pending-approval": ("approval-awaiting", "awaiting approval for the steps"),
    "provisioning": ("in-progress", "generating steps for flow"),
    "executing_release_steps": ("in-progress", "executing steps"),
    "active": ("success", "successfully executed workflow"),
    "error": ("error", "error while executing steps"),
}
_GROUP = {
    "queued": "pending",
    "waiting_for_delay": "pending",
    "creating_install_deploys": "in-progress",
    "polling_install_deploys": "in-progress",
    "active": "success",
    "error": "error",
    "skipped": "user-skipped",
}
_STEP = {
    "": "",
    "queued": "queued",
    "pending": "pending",
    "planning": "checking-plan",
    "syncing": "in-progress",
    "executing": "in-progress",
    "pending-approval": "approval-awaiting",
    "active": "success",
    "inactive": "success",
    "error": "error",
    "noop": "auto-skipped",
    "cancelled": "cancelled",
    "approval-denied": "approval-denied",
}
_DRIFTED = "drifted"
"""What a check for drift came to that found some; only its step says so on the platform."""
_COMPONENTS = (
    *("network", "cluster", "database", "cache", "queue", "storage", "secrets", "ingress"),
    *("checkout", "catalog", "search", "billing", "identity", "mail", "reports", "gateway"),
    *("metrics", "traces", "alerts", "backups", "webhooks", "scheduler", "console", "docs"),
)


def component_of(number: int) -> str:
    """Return the name of one of the components that a workflow deploys, counted from 0."""
    series, index = divmod(number, len(_COMPONENTS))
    return f"{_COMPONENTS[index]}-{series + 1}" if series else _COMPONENTS[index]


class WorkflowDialect(Dialect):
    """`GET /v1/workflows/{workflow_id}`, of an install."""

    kind = "workflow"
    step = "group"
    unit = "step"

    def translate(self, release: Rollout) -> Rollout:
        return _Translation(release).rollout(self)

    def document(self, rollout: Rollout, seconds: float) -> Document:
        return write_flow(rollout, rollout.flows[0], seconds)

    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        rows = [
            Row(
                id=deploy.id,
                name=_row_name(step, index),
                index=_index_of(rollout, step, deploy),
                group=number,
                life=deploy.life,
                execution_type="approval",
                approval="terraform_plan",
                target_id=_target_id(deploy.id),
                target_type="install_deploys",
            )
            for number, step in enumerate(rollout.steps)
            for index, deploy in enumerate(step.deploys)
        ]
        groups = [Group(step.id, step.name, step.life) for step in rollout.steps if step.life]
        owner_id, owner_name = _owner_of(rollout)
        flow = Flow(
            id=rollout.id,
            owner_id=owner_id,
            owner_type=INSTALLS,
            owner_name=owner_name,
            type=rollout.scenario.workflow_type,
            subject=rollout.cast.app_name,
            life=with_pauses(
                tuple(map(_written, rollout.life)), [step.life for step in rollout.steps]
            ),
            rows=tuple(rows),
            groups=tuple(groups),
            metadata=_metadata(rollout, rows),
        )
        return (flow,)

    def deploys(self, rollout: Rollout) -> Mapping[str, Deploy]:
        return {
            target_id: replace(played, id=target_id, install_id=_owner_of(rollout)[0])
            for step in rollout.played.steps
            for played in step.deploys
            for target_id in [_target_id(_row_id(played))]
        }


def _written(o: Occurrence) -> Occurrence:
    """Return what the platform writes of a check for drift: a good end, whatever it found."""
    return replace(o, status="success") if o.status == _DRIFTED else o


def _owner_of(rollout: Rollout) -> tuple[str, str]:
    return install_of(rollout.scenario.owner)


_OF_ONE_DEPLOY = frozenset({"manual_deploy", "drift_run"})


def _metadata(rollout: Rollout, rows: Sequence[Row]) -> Mapping[str, str]:
    """Return what ties a workflow to others of its kind: that depends on its type."""
    scenario = rollout.scenario
    of_a_deploy = {"install_deploy_id": rows[0].target_id} if rows else {}
    is_of_one = scenario.workflow_type in _OF_ONE_DEPLOY
    return {**(of_a_deploy if is_of_one else {}), **scenario.workflow_metadata}


def _row_id(played: Deploy) -> str:
    return id_of("iws", f"workflow {played.id}")


def _target_id(row_id: str) -> str:
    return id_of("dpl", row_id)


def _row_name(step: Step, index: int) -> str:
    deploy = step.deploys[index]
    earlier = sum(other.work == deploy.work for other in step.deploys[:index])
    return f"deploy {deploy.work}" + (f" (retry {earlier})" if earlier else "")


def _index_of(rollout: Rollout, step: Step, deploy: Deploy) -> int:
    """Return where in the workflow a step stands; its retries stand at the same place."""
    before = sum(len(s.install_ids) for s in rollout.steps[: rollout.steps.index(step)])
    return before + step.install_ids.index(deploy.work)


class _Translation:
    """The same life in a workflow's words.

    A step's `install_ids` are the names of the components that its rows deploy.
    """

    def __init__(self, release: Rollout) -> None:
        self._release = release
        self._owner, _ = _owner_of(release)
        life = release.life
        deploys = [deploy for step in release.steps for deploy in step.deploys]
        self._has_drifted = any(deploy.life[-1].status == _DRIFTED for deploy in deploys)
        self._generated = next(
            (o.at for o in life if o.status == "executing_release_steps"), float("inf")
        )
        self._errors = [o.at for o in life if o.status == "error"]
        self._retries = [
            o.at
            for before, o in pairwise(life)
            if before.status == "error" and o.status == "provisioning"
        ]
        self._ids: dict[str, frozenset[str]] = {}

    def rollout(self, dialect: Dialect) -> Rollout:
        release = self._release
        workflow_id = id_of("inw", f"workflow {release.id}")
        numbers = count()
        steps = [self._step(step, number, numbers) for number, step in enumerate(release.steps)]
        gaps = [
            Gap(gap.begins, gap.ends, frozenset().union(*(self._ids[i] for i in gap.ids)))
            for gap in release.gaps
        ]
        return replace(
            release,
            id=workflow_id,
            life=tuple(self._whole(workflow_id)),
            steps=tuple(steps),
            gaps=tuple(gaps),
            dialect=dialect,
            source=release,
        )

    def _whole(self, workflow_id: str) -> Iterator[Occurrence]:
        for o in self._release.life:
            status, description = _WHOLE.get(o.status, (o.status, o.description))
            if o.at in self._retries:
                status = "retrying"
            if status == "success" and self._has_drifted:
                status = _DRIFTED
            metadata = {"error_message": self._reason(o)} if status == "error" else {}
            yield replace(
                o,
                kind=Thing.WORKFLOW,
                id=workflow_id,
                status=status,
                description=description,
                metadata=metadata,
            )

    def _reason(self, failed: Occurrence) -> str:
        """Return what the deploy says that ended it all; the build, where there is none."""
        lives = (deploy.life for step in self._release.steps for deploy in step.deploys)
        errors = [o for life in lives for o in life if o.status == "error" and o.at <= failed.at]
        newest = max(errors, key=lambda o: o.at, default=failed)
        return newest.cause or newest.description

    def _step(self, step: Step, number: int, numbers: Iterator[int]) -> Step:
        group_id = id_of("wsg", f"workflow {step.id}")
        works = {install_id: component_of(next(numbers)) for install_id in step.install_ids}
        life = [
            replace(
                o,
                at=max(o.at, self._generated),
                kind=Thing.STEP_GROUP,
                id=group_id,
                status=_GROUP.get(o.status, o.status),
                description="",
            )
            for o in step.life
            if self._generated < float("inf")
        ]
        rows = [
            row
            for install_id, work in works.items()
            for row in self._rows(step, install_id, work)
            if self._generated < float("inf")
        ]
        of_deploys = {d.id: _row_id(d) for d in step.deploys}
        self._ids |= {old: frozenset({new}) for old, new in of_deploys.items()}
        self._ids[step.id] = frozenset({group_id, *(row.id for row in rows)})
        return replace(
            step,
            id=group_id,
            install_ids=tuple(works.values()),
            life=tuple(life),
            deploys=tuple(rows),
            name=f"group {number + 1}",
        )

    def _rows(self, step: Step, install_id: str, work: str) -> Iterator[Deploy]:
        """Yield the rows of one component: the first, and one for each retry."""
        deploys = [deploy for deploy in step.deploys if deploy.install_id == install_id]
        created = self._generated
        for deploy, later in zip_longest(deploys, deploys[1:]):
            row_id = _row_id(deploy)
            ends = None if later is None else self._retried_before(later.life[0].at)
            yield self._row(row_id, work, self._life(row_id, created, deploy.life, ends))
            created = ends or created
        if not deploys:
            row_id = id_of("iws", f"workflow {step.id} {install_id}")
            life = self._life(row_id, created, (), None)
            skipped = [
                replace(life[0], at=o.at, status=_GROUP[o.status])
                for o in step.life
                if o.status == "skipped"
            ]
            yield self._row(row_id, work, (*life, *skipped))

    def _row(self, row_id: str, work: str, life: Life) -> Deploy:
        return Deploy(row_id, self._owner, "", life, work)

    def _retried_before(self, moment: float) -> float:
        return max(at for at in self._retries if at <= moment)

    def _life(self, row_id: str, created: float, deploy: Life, ends: float | None) -> Life:
        begins = deploy[0].at if deploy else float("inf")
        life = [Occurrence(created, Thing.WORKFLOW_STEP, row_id, "pending", install_id=self._owner)]
        for at, status in (
            *((at, "not-attempted") for at in self._errors),
            *((at, "pending") for at in self._retries),
        ):
            if created < at < begins:
                life.append(replace(life[0], at=at, status=status))
        for o in deploy:
            outcome = replace(
                o,
                kind=Thing.WORKFLOW_STEP,
                id=row_id,
                install_id=self._owner,
                status=_STEP.get(o.status, o.status),
                cause="",
            )
            life.append(failed(outcome, o) if outcome.status == "error" else outcome)
        if ends is not None:
            reason = "The step was discarded and retried by the user."
            life.append(
                replace(
                    life[0],
                    at=ends,
                    status="discarded",
                    description="Step deployment failed.",
                    metadata={"reason": reason},
                )
            )
        return tuple(sorted(life, key=lambda o: o.at))
