"""A small built-in rollout of every kind, and how each kind of event comes about in it.

What a story brings is decided by the code that decides on real rollouts: so a sample says
what the daemon would say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.decide.diff import diff, keep_absent
from monitor.decide.events import decide
from monitor.decide.stalls import StallRules
from monitor.model import (
    Entity,
    Event,
    EventKind,
    Kind,
    Phase,
    Snapshot,
    Target,
    TargetState,
    known_statuses,
    phase_of,
)

_PATIENCE = StallRules(stalled_after=timedelta(minutes=30), remind_every=timedelta(hours=4))
_MINUTE = timedelta(minutes=1)
_COMMIT = "4f9c2d7e1a3b5c6d8e0f1a2b3c4d5e6f7a8b9c0d"

_Story = tuple[tuple[int, str], ...]
"""What each poll shows and when: in minutes, and a letter for the phase of each part.

The first word is the rollout, each further one a step and its units.
"""
_PHASES = {
    "p": Phase.PENDING,
    "r": Phase.RUNNING,
    "w": Phase.WAITING,
    "s": Phase.SUCCEEDED,
    "f": Phase.FAILED,
}
_STORIES: Mapping[EventKind, _Story] = {
    EventKind.STARTED: ((0, "r rrpp pppp"),),
    EventKind.PROGRESSED: ((0, "r rssr pppp"), (3, "r ssss rrrp")),
    EventKind.WAITING: ((0, "r ssss rrrr"), (3, "r ssss rsrw")),
    EventKind.STALLED: ((0, "r ssss rsrr"), (31, "r ssss rsrr")),
    EventKind.FAILED: ((0, "r ssss rrrr"), (3, "r ssss rsfr")),
    EventKind.RECOVERED: ((0, "r ssss rrrr"), (3, "r ssss rsfr"), (6, "r ssss rssr")),
    EventKind.SUCCEEDED: ((0, "r ssss rsrs"), (3, "s ssss ssss")),
}


@dataclass(frozen=True, slots=True)
class _Cast:
    """What the sample of one kind is made of; `stories` are those that differ from the others'."""

    root: Kind
    step: Kind
    unit: Kind
    name: str
    steps: tuple[str, str]
    units: tuple[str, ...]
    reason: str = "helm upgrade timed out after 10m0s waiting for condition"
    stories: Mapping[EventKind, _Story] = field(default_factory=dict)


_INSTALLS = ("acme-prod", "globex-prod", "initech-eu")
_CASTS: Mapping[str, _Cast] = {
    "release": _Cast(Kind.RELEASE, Kind.STEP, Kind.DEPLOY, "checkout-api", ("", ""), _INSTALLS),
    "run": _Cast(
        *(Kind.BRANCH_RUN, Kind.INSTALL_GROUP, Kind.INSTALL_RUN),
        "main",
        ("canary", "everybody"),
        _INSTALLS,
    ),
    "workflow": _Cast(
        *(Kind.WORKFLOW, Kind.STEP_GROUP, Kind.WORKFLOW_STEP),
        "deploy checkout-api",
        ("plan", "apply"),
        ("sync the image", "apply the plan", "check the health"),
    ),
    "installer": _Cast(
        *(Kind.INSTALLER, Kind.APP, Kind.CONFIG),
        "Shop for everyone",
        ("shop", "billing"),
        ("version 8",),
        reason="components/api.toml: unknown key replica",
        stories={
            EventKind.STARTED: ((0, "r ss ss"),),
            EventKind.PROGRESSED: ((0, "r ss rs"), (3, "r ss ss")),
            EventKind.FAILED: ((0, "r ss sr"), (3, "r ss sf")),
            EventKind.RECOVERED: ((0, "r ss sr"), (3, "r ss sf"), (6, "r ss ss")),
            EventKind.REMOVED: ((0, "r ss ss"), (3, "r ss"), (6, "r ss")),
        },
    ),
    "approvals": _Cast(
        *(Kind.APPROVALS, Kind.WORKFLOW, Kind.APPROVAL),
        "Pending approvals",
        ("deploy checkout-api", "reprovision"),
        ("the plan",),
        stories={
            EventKind.STARTED: ((0, "r ww"),),
            EventKind.WAITING: ((0, "r ww"), (3, "r ww ww")),
            EventKind.PROGRESSED: ((0, "r ww ww"), (3, "r ww")),
        },
    ),
}
KINDS = tuple(_CASTS)


@dataclass(frozen=True, slots=True)
class Sample:
    """A rollout at the moment of some events; `names` are those of installs and the like by id."""

    snapshot: Snapshot
    state: TargetState
    events: tuple[Event, ...]
    names: Mapping[str, str]
    apps: Mapping[str, str]


def sample(kind: str, event: EventKind, now: datetime) -> Sample | None:
    """Return how such an event comes about `now`; None where that kind never has one."""
    cast = _CASTS[kind]
    story = cast.stories.get(event, () if cast.stories else _STORIES.get(event, ()))
    seen: Snapshot | None = None
    state: TargetState | None = None
    events: tuple[Event, ...] = ()
    begun_at = now - (20 + max((minute for minute, _ in story), default=0)) * _MINUTE
    changed_at, before = begun_at, ""
    for minute, scene in story:
        at = begun_at + (20 + minute) * _MINUTE
        changed_at, before = (changed_at if scene == before else at), scene
        root = _tree(cast, scene, begun_at, changed_at)
        after = keep_absent(seen, Snapshot(Target(kind, root.id), at, root))
        change = diff(seen, after)
        decision = decide(seen, after, change, state, now=at, stall_rules=_PATIENCE)
        seen, state, events = after, decision.state, decision.events
    its_events = tuple(one for one in events if one.kind is event)
    if seen is None or state is None or not its_events:
        return None
    installs = {_id("inl", number): name for number, name in enumerate(_INSTALLS, start=1)}
    names = {_id("cmp"): "checkout-api", _id("app"): "shop"}
    return Sample(seen, state, its_events, {**installs, **names}, {_id("cmp"): _id("app")})


def kinds_of_events(kind: str) -> tuple[EventKind, ...]:
    """Return the events that there are of a kind."""
    return tuple(_CASTS[kind].stories or _STORIES)


def _tree(cast: _Cast, scene: str, begun_at: datetime, changed_at: datetime) -> Entity:
    first, *words = scene.split()
    return Entity(
        kind=cast.root,
        id=_id(_LETTERS[cast.root]),
        status=_status(cast.root, first),
        name=cast.name,
        created_at=begun_at,
        updated_at=changed_at,
        component_id="" if cast.root.is_perpetual else _id("cmp"),
        app_id="" if cast.root.is_perpetual else _id("app"),
        install_id=_id("inl", 1) if cast.root is Kind.WORKFLOW else "",
        workflow_id=_id("inw"),
        revision="" if cast.root.is_perpetual else _COMMIT,
        created_by="" if cast.root.is_perpetual else "robin@example.com",
        children=tuple(_step(cast, number, word, begun_at) for number, word in enumerate(words)),
    )


def _step(cast: _Cast, number: int, word: str, begun_at: datetime) -> Entity:
    is_work = cast.root is Kind.APPROVALS
    created_at = begun_at + 8 * number * _MINUTE
    return Entity(
        kind=cast.step,
        id=_id("stp", number),
        status=_status(cast.step, word[0]),
        name=cast.steps[number],
        created_at=created_at,
        install_id=_id("inl", 1 + number) if is_work else "",
        workflow_id=_id("inw", number) if is_work else "",
        app_id=_id("app", number) if cast.step is Kind.APP else "",
        children=tuple(
            _unit(cast, f"{number}{alert_key}", alert_key, letter, created_at)
            for alert_key, letter in enumerate(word[1:], start=1)
        ),
    )


def _unit(cast: _Cast, key: str, alert_key: int, letter: str, begun_at: datetime) -> Entity:
    is_at_install = cast.units is _INSTALLS
    is_done = letter in "sf"
    return Entity(
        kind=cast.unit,
        id=_id("unt", key),
        status=_status(cast.unit, letter),
        description={"f": cast.reason, "w": "the plan is to be approved"}.get(letter, ""),
        name="" if is_at_install else cast.units[alert_key - 1],
        created_at=begun_at + alert_key * _MINUTE,
        updated_at=begun_at + (alert_key + 4) * _MINUTE if is_done else None,
        install_id=_id("inl", alert_key) if is_at_install else "",
        workflow_id=_id("inw", key),
        slot=key if not is_at_install else "",
    )


_AT_WORK = {
    Kind.RELEASE: "executing_release_steps",
    Kind.STEP: "polling_install_deploys",
    Kind.DEPLOY: "executing",
}


def _status(kind: Kind, letter: str) -> str:
    """Return a word that the platform has for a phase; empty where it has none."""
    phase = _PHASES[letter]
    if phase is Phase.RUNNING and kind in _AT_WORK:
        return _AT_WORK[kind]
    words = (word for word in known_statuses(kind) if phase_of(kind, word) is phase)
    return next(words, "")


_LETTERS = {
    Kind.RELEASE: "rel",
    Kind.BRANCH_RUN: "inw",
    Kind.WORKFLOW: "inw",
    Kind.INSTALLER: "int",
    Kind.APPROVALS: "org",
}


def _id(letters: str, number: object = 0) -> str:
    """Return an id of the platform's length."""
    return f"{letters}{'example':0<20}{number!s:0>3}"
