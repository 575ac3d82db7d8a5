"""An organisation on the simulated platform: what it has at a moment, and its lists.

It knows every rollout that was added, whatever dialect it is told in, and answers each
question by what exists at this moment of virtual time. No HTTP here: what is not there is a
LookupError, a list is all of its rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import msgspec

from monitor.simulation import answers
from monitor.simulation.answers import Detail, Document, Mark, record
from monitor.simulation.builds import Builds
from monitor.simulation.cast import Cast, chance_of, id_of, install_of, related_id
from monitor.simulation.deploys import write_deploy
from monitor.simulation.dialects.installer import write_app, write_configs
from monitor.simulation.dialects.release import release_row
from monitor.simulation.dialects.run import branch_config, branch_run, latest_run
from monitor.simulation.dialects.run_groups import install_group_runs, run_id_of
from monitor.simulation.flows import write_approval, write_flow, write_row, write_rows
from monitor.simulation.life import Flow, Rollout
from monitor.simulation.relations import usual_build
from monitor.simulation.released import build_life
from monitor.simulation.scenarios import BEGINNING, Clock

_STALE = ("cancelled", "discarded", "approval-expired")
_OVER = frozenset({"cancelled", "error", "success"})


class Org:
    """All that one organisation has. `shuffle` and `reshuffle` are `SimulatedPlatform`'s."""

    def __init__(
        self, clock: Clock, org_id: str, *, seed: int, shuffle: bool, reshuffle: bool
    ) -> None:
        self.org_id = org_id
        self.is_thin = False
        self._lag = 0.0
        self.rollouts: dict[str, Rollout] = {}
        self._clock = clock
        self._seed = seed
        self._shuffle = shuffle
        self._reshuffle = reshuffle
        self._chance = chance_of(seed, "order")
        self._installs: dict[str, tuple[str, Cast]] = {}
        self._flows: dict[str, tuple[Rollout, Flow]] = {}
        self._not_indexed: list[Rollout] = []
        self._kept: dict[str, tuple[int, bytes]] = {}

    def add(self, rollout: Rollout) -> None:
        """Let the organisation have a rollout; ValueError if it is there already."""
        if rollout.id in self.rollouts:
            raise ValueError(f"the {rollout.kind} {rollout.id} is there already")
        self.rollouts[rollout.id] = rollout
        self._not_indexed.append(rollout)
        for number in (*range(sum(rollout.scenario.steps)), rollout.scenario.owner):
            install_id, name = install_of(number)
            self._installs[install_id] = (name, rollout.cast)

    def seconds_of(self, rollout: Rollout) -> float:
        """Return how far a rollout is: virtual seconds since it was created."""
        seconds = (self._clock.now() - rollout.begins_at).total_seconds()
        # What is new is on all replicas, so that nobody takes it for removed.
        return max(seconds - self._lag, 0.0) if seconds >= 0 else seconds

    @contextmanager
    def lagging(self, seconds: float) -> Iterator[None]:
        """Answer as a replica does that is so many seconds behind."""
        self._lag = seconds
        try:
            yield
        finally:
            self._lag = 0.0

    # One record

    def document(self, kind: str, target_id: str) -> bytes:
        """Return the bytes of a target's own answer, the same while nothing changes."""
        rollout, seconds = self._find(kind, target_id)
        version = rollout.version_at(seconds)
        kept = self._kept.get(rollout.id)
        if kept is None or kept[0] != version or self._reshuffle:
            kept = (version, msgspec.json.encode(self._state(rollout, seconds)))
            self._kept[rollout.id] = kept
        return kept[1]

    def workflow(self, workflow_id: str) -> bytes:
        """Return a workflow: a target's, a run's or one of an install."""
        rollout, flow, seconds = self._find_flow(workflow_id)
        if flow.id == rollout.id:
            return self.document(rollout.kind, rollout.id)
        return msgspec.json.encode(write_flow(rollout, flow, seconds))

    def install(self, install_id: str) -> Document:
        name, cast = self._installs[install_id]
        return answers.install(cast, install_id, name, BEGINNING)

    def app(self, app_id: str) -> Document:
        """Return an app with its newest configs, where an installer's life makes it some."""
        for rollout, seconds in self._newest_first("installer"):
            with suppress(LookupError):
                return write_app(rollout, app_id, seconds)
        return answers.app(self._cast(lambda cast: cast.app_id == app_id), BEGINNING)

    def component(self, component_id: str) -> Document:
        cast = self._cast(lambda cast: cast.component_id == component_id)
        return answers.component(cast, BEGINNING)

    def build(self, build_id: str) -> Document:
        """Return the build that a rollout waits for in the beginning."""
        for rollout, seconds in self._there():
            if rollout.cast.build_id == build_id:
                life = build_life(rollout, seconds)
                if rollout.scenario.detail is not Detail.FAT:
                    return usual_build(rollout.cast, life)
                fat = Builds(rollout.cast, build_id, life, "").component_build()
                return fat | usual_build(rollout.cast, life)
        raise LookupError(build_id)

    def deploy(self, install_id: str, deploy_id: str) -> Document:
        """Return an install's deploy with all that its own route knows of it."""
        for rollout, seconds in self._there():
            deploy = rollout.deploys.get(deploy_id)
            if deploy and deploy.install_id == install_id and deploy.life[0].at <= seconds:
                return write_deploy(rollout, deploy, seconds)
        raise LookupError(deploy_id)

    def branch(self, app_id: str, branch_id: str, *, has_config: bool = False) -> Document:
        """Return a branch; only where it is asked for with its newest config, and so its plan."""
        for branch in self.branches(app_id):
            if branch["id"] == branch_id:
                runs = self._runs(app_id, branch_id)
                configs = [branch_config(rollout) for rollout, _ in runs[:1]]
                return branch | ({"configs": configs} if has_config else {})
        raise LookupError(branch_id)

    def run(self, app_id: str, branch_id: str, run_id: str) -> bytes:
        """Return a run of a branch, by its own id or by that of its workflow."""
        for rollout, _ in self._runs(app_id, branch_id):
            if run_id in (rollout.id, run_id_of(rollout)):
                return self.document("run", rollout.id)
        raise LookupError(run_id)

    # Lists, newest first unless it says otherwise

    def release_steps(self, release_id: str) -> list[Document]:
        rollout, seconds = self._find("release", release_id)
        steps: list[Document] = self._state(rollout, seconds).get("release_steps") or []
        order = {step.id: step.created for step in rollout.steps}
        return sorted(steps, key=lambda step: order[step["id"]], reverse=True)

    def releases(self, belongs: Callable[[Cast], bool]) -> list[Document]:
        return [
            release_row(rollout.state_at(seconds))
            for rollout, seconds in self._newest_first("release")
            if belongs(rollout.cast)
        ]

    def bills_of_materials(self, app_id: str) -> list[Document]:
        return [
            answers.bill_of_materials(rollout.cast, rollout.begins_at)
            for rollout, _ in self._newest_first()
            if rollout.cast.app_id == app_id
        ]

    def workflows(
        self, query: Mapping[str, str], *, install_id: str | None = None
    ) -> list[Document]:
        """Return the workflows of an install, or of all: these without their steps."""
        there = [
            (rollout, flow, seconds)
            for rollout, flow, seconds in self._flows_there()
            if install_id in (None, flow.owner_id)
        ]
        there.sort(key=lambda row: (row[0].moment(row[1].created), row[1].id), reverse=True)
        rows = (
            self._workflow_row(rollout, flow, seconds, has_steps=install_id is not None)
            for rollout, flow, seconds in there
        )
        return [row for row in rows if _is_asked_for(row, query)]

    def workflow_steps(self, workflow_id: str) -> list[Document]:
        """Return a workflow's steps in their own order: the one list that has a promised one."""
        rollout, flow, seconds = self._find_flow(workflow_id)
        return write_rows(rollout, flow, seconds)

    def pending_approvals(self) -> list[Document]:
        """Return, in any order, every approval without a response: stale ones are among them."""
        rows = []
        for rollout, flow, seconds in self._flows_there():
            for row in flow.rows:
                if row.life[0].at > seconds:
                    continue
                approval = write_approval(rollout, row, seconds)
                if approval is not None and "response" not in approval:
                    step = write_row(rollout, flow, row, seconds)
                    step.pop("approval", None)
                    step |= {"workflow_id": flow.id, "owner_id": flow.owner_id}
                    step["owner_type"] = flow.owner_type
                    rows.append(approval | {"org_id": self.org_id, "workflow_step": step})
        stale = [_stale(rollout.cast, word) for rollout, _ in self._there() for word in _STALE]
        rows += stale[: len(_STALE)]
        if (
            self._reshuffle or self.is_thin
        ):  # it has no ORDER BY, so that each page is shuffled anew
            self._chance.shuffle(rows)
        elif self._shuffle:
            rows.sort(key=lambda row: str(row["id"]))
        return rows

    def apps(self) -> list[Document]:
        casts = {cast.app_id: cast for cast in self._casts()}
        return [answers.app(cast, BEGINNING) for cast in casts.values()]

    def installs_of_app(self, app: str) -> list[Document]:
        """Return the installs of an app, which can be given by its name."""
        cast = self._cast(lambda cast: app in (cast.app_id, cast.app_name))
        return [
            answers.install(of, install_id, name, BEGINNING)
            for install_id, (name, of) in self._installs.items()
            if of.app_id == cast.app_id
        ]

    def app_configs(self, app_id: str) -> list[Document]:
        for rollout, seconds in self._newest_first("installer"):
            with suppress(LookupError):
                return write_configs(rollout, app_id, seconds)
        self._cast(lambda cast: cast.app_id == app_id)
        return []

    def branches(self, app_id: str | None = None) -> list[Document]:
        casts = {c.branch_id: c for c in self._casts() if app_id in (None, c.app_id)}
        return [self._branch(cast) for cast in casts.values()]

    def runs(self, app_id: str, branch_id: str) -> list[Document]:
        return [self._state(rollout, seconds) for rollout, seconds in self._runs(app_id, branch_id)]

    def install_group_runs(self, app_id: str, branch_id: str, run_id: str) -> list[Document]:
        """Return a run's groups that have begun, oldest first; only the run's own id will do."""
        for rollout, seconds in self._runs(app_id, branch_id):
            if run_id_of(rollout) == run_id:
                return install_group_runs(rollout, seconds)
        raise LookupError(run_id)

    def _there(self) -> Iterator[tuple[Rollout, float]]:
        """Yield every rollout that exists now, and how far it is."""
        for rollout in self.rollouts.values():
            seconds = self.seconds_of(rollout)
            if rollout.exists_at(seconds):
                yield rollout, seconds

    def _newest_first(self, kind: str | None = None) -> list[tuple[Rollout, float]]:
        there = [row for row in self._there() if kind in (None, row[0].kind)]
        return sorted(there, key=lambda row: row[0].begins_at, reverse=True)

    def _runs(self, app_id: str, branch_id: str) -> list[tuple[Rollout, float]]:
        return [
            (rollout, seconds)
            for rollout, seconds in self._newest_first("run")
            if (rollout.cast.app_id, rollout.cast.branch_id) == (app_id, branch_id)
        ]

    def _casts(self) -> Iterator[Cast]:
        for rollout in self.rollouts.values():
            yield from rollout.dialect.casts(rollout)

    def _cast(self, is_meant: Callable[[Cast], bool]) -> Cast:
        for cast in self._casts():
            if is_meant(cast):
                return cast
        raise LookupError

    def _branch(self, cast: Cast) -> Document:
        document = answers.branch(cast, BEGINNING)
        runs = self._runs(cast.app_id, cast.branch_id)
        document["workflow_count"] = len(runs)
        if runs:
            document["latest_run"] = latest_run(*runs[0])
        return document

    def _find(self, kind: str, target_id: str) -> tuple[Rollout, float]:
        rollout = self.rollouts[target_id]
        seconds = self.seconds_of(rollout)
        if rollout.kind != kind or not rollout.exists_at(seconds):
            raise LookupError(target_id)
        return rollout, seconds

    def _find_flow(self, workflow_id: str) -> tuple[Rollout, Flow, float]:
        self._index_flows()
        rollout, flow = self._flows[workflow_id]
        seconds = self.seconds_of(rollout)
        if not rollout.exists_at(seconds) or seconds < flow.created:
            raise LookupError(workflow_id)
        return rollout, flow, seconds

    def _flows_there(self) -> Iterator[tuple[Rollout, Flow, float]]:
        for rollout, seconds in self._there():
            for flow in rollout.flows:
                if flow.created <= seconds:
                    yield rollout, flow, seconds

    def _index_flows(self) -> None:
        for rollout in self._not_indexed:
            self._flows |= {flow.id: (rollout, flow) for flow in rollout.flows}
        self._not_indexed.clear()

    def _state(self, rollout: Rollout, seconds: float) -> Document:
        """Return a target's answer with its lists in the order of this answer."""
        state = rollout.state_at(seconds)
        if not self._shuffle and not self._reshuffle:
            return state
        chance = self._chance_of(rollout, seconds)
        rows = [state]
        for name in rollout.dialect.unordered:
            lists: list[list[Document]] = [row.get(name) or [] for row in rows]
            for unordered in lists:
                chance.shuffle(unordered)
            rows = [row for unordered in lists for row in unordered]
        return state

    def _chance_of(self, rollout: Rollout, seconds: float) -> random.Random:
        if self._reshuffle:
            return self._chance
        return chance_of(self._seed, rollout.id, rollout.version_at(seconds))

    def _workflow_row(
        self, rollout: Rollout, flow: Flow, seconds: float, *, has_steps: bool
    ) -> Document:
        row = write_flow(rollout, flow, seconds, has_steps=has_steps)
        if not has_steps:
            row = answers.without(row, "steps", "step_groups")
        elif self._shuffle or self._reshuffle:
            self._chance_of(rollout, seconds).shuffle(row.get("steps") or [])
        if flow.is_run:
            row["app_branch_runs"] = [branch_run(rollout, seconds, has_branch=not has_steps)]
        return row


def _is_asked_for(row: Document, query: Mapping[str, str]) -> bool:
    """Judge a row of a list of workflows by the list's query."""
    is_over = "finished_at" in row or row["status"]["status"] in _OVER
    finished = query.get("finished")
    created = str(row.get("created_at", ""))
    return (
        (finished is None or (finished == "true") == is_over)
        and query.get("type", row.get("type")) == row.get("type")
        and not (query.get("planonly") == "false" and row.get("plan_only"))
        and _time(query.get("created_at_gte"), created) <= _time(created, created)
        and _time(query.get("created_at_lte"), created) >= _time(created, created)
    )


def _time(text: str | None, otherwise: str) -> datetime:
    return datetime.fromisoformat(text or otherwise or "1970-01-01T00:00:00Z")


def _stale(cast: Cast, status: str) -> Document:
    """Return an approval of yesterday that nobody answered, and nobody has to any more."""
    install_id, _ = install_of(0)
    asked_at = BEGINNING - timedelta(days=1)
    step_id = id_of("iws", f"stale {status}")
    target_id = related_id("dpl", step_id)
    step = record(cast, step_id, asked_at) | {
        "name": f"sync and plan {cast.component_name}",
        "execution_type": "approval",
        "owner_id": install_id,
        "owner_type": "installs",
        "status": answers.composite_status(cast, [Mark(asked_at, status)]),
        "step_target_id": target_id,
        "step_target_type": "install_deploys",
        "workflow_id": related_id("inw", step_id),
    }
    return record(cast, related_id("iwa", step_id), asked_at) | {
        "org_id": cast.org_id,
        "owner_id": target_id,
        "owner_type": "install_deploys",
        "runner_job_id": related_id("job", step_id),
        "type": "helm_approval",
        "workflow_step": step,
        "workflow_step_id": step_id,
    }
