"""A small built-in rollout of every kind, and how each kind of event happens in it.

The events of a story are decided by the code that decides on real rollouts: so a sample shows
what the daemon would send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.compose.observation import Seen, compare
from monitor.decide.stalls import StallRules
from monitor.kinds import KINDS
from monitor.kinds.profile import KindProfile, page_of_app
from monitor.model import (
    Called,
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
_SECOND = timedelta(seconds=1)
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
    EventKind.FLAPPING: tuple(
        (minute, "r ssss rsrr" if minute % 2 == 0 else "r ssss rsfr") for minute in range(10)
    ),
    EventKind.RECOVERED: ((0, "r ssss rrrr"), (3, "r ssss rsfr"), (6, "r ssss rssr")),
    EventKind.SUCCEEDED: ((0, "r ssss rsrs"), (3, "s ssss ssss")),
}


@dataclass(frozen=True, slots=True)
class _Cast:
    """What the parts of a kind's sample are called; `stories` are those that differ."""

    name: str = "checkout-api"
    steps: tuple[str, str] = ("", "")
    units: tuple[str, ...] = ()
    """Without any the units are installs."""
    reason: str = "helm upgrade timed out after 10m0s waiting for condition"
    stories: Mapping[EventKind, _Story] = field(default_factory=dict)


_INSTALLS = ("acme-prod", "globex-prod", "initech-eu")
_PLAIN = _Cast()
_CASTS: Mapping[str, _Cast] = {
    "run": _Cast("main", ("canary", "everybody")),
    "workflow": _Cast(
        "deploy checkout-api",
        ("plan", "apply"),
        ("sync the image", "apply the plan", "check the health"),
    ),
    "change": _Cast(
        "deploy checkout-api",
        ("the installs", ""),
        stories={
            EventKind.STARTED: ((0, "r rrpp"),),
            EventKind.WAITING: ((0, "r rrrr"), (3, "r rsrw")),
            EventKind.STALLED: ((0, "r rsrr"), (31, "r rsrr")),
            EventKind.FAILED: ((0, "r rrrr"), (3, "r rsfr")),
            EventKind.RECOVERED: ((0, "r rrrr"), (3, "r rsfr"), (6, "r rssr")),
            EventKind.SUCCEEDED: ((0, "r rsrs"), (3, "s ssss")),
        },
    ),
    "installer": _Cast(
        "Shop for everyone",
        ("shop", "billing"),
        ("version 8",),
        reason="components/api.toml: unknown key replica",
        stories={
            EventKind.STARTED: ((0, "r ss ss"),),
            EventKind.PROGRESSED: ((0, "r ss rs"), (3, "r ss ss")),
            EventKind.FAILED: ((0, "r ss sr"), (3, "r ss sf")),
            EventKind.RECOVERED: ((0, "r ss sr"), (3, "r ss sf"), (6, "r ss ss")),
            EventKind.REMOVED: (
                *((0, "r ss ss"), (3, "r ss")),
                *((6, "r ss"), (9, "r ss")),
            ),
        },
    ),
    "approvals": _Cast(
        "Pending approvals",
        ("deploy checkout-api", "reprovision"),
        ("the plan",),
        stories={
            EventKind.STARTED: ((0, "r ww"),),
            EventKind.WAITING: ((0, "r ww"), (3, "r ww ww")),
            EventKind.PROGRESSED: (
                *((0, "r ww ww"), (3, "r ww")),
                *((6, "r ww"), (9, "r ww")),
            ),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A rollout at the moment of some events, and what its parts are called."""

    snapshot: Snapshot
    state: TargetState
    events: tuple[Event, ...]
    called: Called


def sample(kind: str, event: EventKind, now: datetime) -> Sample | None:
    """Return how such an event comes about `now`; None where that kind never has one."""
    cast = _CASTS.get(kind, _PLAIN)
    story = cast.stories.get(event, () if cast.stories else _STORIES.get(event, ()))
    if not story:
        return None
    end = _end_of(kind, cast, story, now)
    its_events = tuple(one for one in end.events if one.kind is event)
    if not its_events:
        return None
    installs = {_id("inl", number): name for number, name in enumerate(_INSTALLS, start=1)}
    names = {_id("cmp"): "checkout-api", _id("app"): "shop"}
    called = Called(names={**installs, **names}, apps={_id("cmp"): _id("app")})
    return Sample(end.snapshot, end.state, its_events, called)


class _Moment(NamedTuple):
    """The result of one poll of a story."""

    snapshot: Snapshot
    state: TargetState
    events: tuple[Event, ...]


def _end_of(kind: str, cast: _Cast, story: _Story, now: datetime) -> _Moment:
    """Decide on each scene of a story, the last of which is `now`; return what came of that."""
    begun_at = now - (20 + max(minute for minute, _ in story)) * _MINUTE
    changed_at, before = begun_at, ""
    moments: list[_Moment] = []
    for minute, scene in story:
        at = begun_at + (20 + minute) * _MINUTE
        changed_at, before = (changed_at if scene == before else at), scene
        root = _tree(kind, cast, scene, begun_at, changed_at)
        polled = Snapshot(Target(kind, root.id), at, root)
        moments.append(_decided(moments[-1] if moments else None, polled))
    return moments[-1]


def _decided(before: _Moment | None, polled: Snapshot) -> _Moment:
    change = compare(
        Seen(before.snapshot, before.state) if before else None,
        polled.target,
        polled.root,
        now=polled.taken_at,
        stall_rules=_PATIENCE,
    )
    return _Moment(change.snapshot, change.decision.state, change.decision.events)


def kinds_of_events(kind: str) -> tuple[EventKind, ...]:
    """Return the events that there are of a kind."""
    return tuple(_CASTS.get(kind, _PLAIN).stories or _STORIES)


def _tree(kind: str, cast: _Cast, scene: str, begun_at: datetime, changed_at: datetime) -> Entity:
    first, *words = scene.split()
    profile = KINDS[kind].profile
    is_rollout = not profile.root.is_perpetual
    return Entity(
        kind=profile.root,
        id=_id(KINDS[kind].id_prefix),
        status=_status(profile.root, first),
        name=cast.name,
        created_at=begun_at,
        updated_at=changed_at,
        component_id=_id("cmp") if is_rollout else "",
        app_id=_id("app") if is_rollout else "",
        install_id="" if profile.is_rolled_out_to_units or not is_rollout else _id("inl", 1),
        workflow_id=_id("inw"),
        revision=_COMMIT if is_rollout else "",
        created_by="robin@example.com" if is_rollout else "",
        children=tuple(
            _step(profile, cast, number, word, begun_at) for number, word in enumerate(words)
        ),
    )


def _step(profile: KindProfile, cast: _Cast, number: int, word: str, begun_at: datetime) -> Entity:
    is_work = profile.is_list_of_waits
    created_at = begun_at + 8 * number * _MINUTE
    return Entity(
        kind=profile.step,
        id=_id("stp", number),
        status=_status(profile.step, word[0]),
        name=cast.steps[number],
        created_at=created_at,
        install_id=_id("inl", 1 + number) if is_work else "",
        workflow_id=_id("inw", number) if is_work else "",
        app_id=_id("app", number) if profile.step_page is page_of_app else "",
        children=tuple(
            _unit(profile.unit, cast, (number, position), letter, created_at)
            for position, letter in enumerate(word[1:], start=1)
        ),
    )


def _unit(kind: Kind, cast: _Cast, at: tuple[int, int], letter: str, begun_at: datetime) -> Entity:
    """Build a unit; `at` is its step's number and its position there."""
    number, position = at
    key = f"{number}{position}"
    is_at_install = not cast.units
    took = {"f": 4 * _MINUTE, "s": 4 * _MINUTE + _SECOND}.get(letter)  # it recovers later
    return Entity(
        kind=kind,
        id=_id("unt", key),
        status=_status(kind, letter),
        description={"f": cast.reason, "w": "the plan is to be approved"}.get(letter, ""),
        name="" if is_at_install else cast.units[position - 1],
        created_at=begun_at + position * _MINUTE,
        updated_at=begun_at + position * _MINUTE + took if took else None,
        install_id=_id("inl", position) if is_at_install else "",
        workflow_id=_id("inw", key),
        slot="" if is_at_install else key,
    )


def _status(kind: Kind, letter: str) -> str:
    """Return the usual word that the platform has for a phase; empty where it has none."""
    phase = _PHASES[letter]
    words = (word for word in known_statuses(kind) if phase_of(kind, word) is phase)
    return next(words, "")


def _id(letters: str, number: object = 0) -> str:
    """Return an id of the platform's length."""
    return f"{letters}{'example':0<20}{number!s:0>3}"
