"""Which newer rollout has healed the trouble of an older one about the same. Pure.

What failed is no trouble any more once a newer rollout of the same thing succeeded, also at each
install that the older one failed at. A wait for a person is none that others can end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from monitor.decide import progress
from monitor.kinds import profile_of
from monitor.model import Alert, Entity, EventKind, Phase, Snapshot, Target, TargetState

_HEALABLE = frozenset({EventKind.FAILED, EventKind.STALLED})


def is_in_trouble(state: TargetState) -> bool:
    """Whether a rollout has failed or is stalled, as a whole or in part."""
    return state.ended is EventKind.FAILED or any(map(is_healable, state.alerts))


def is_healable(alert: Alert) -> bool:
    """Whether a newer rollout can put an end to it."""
    return alert.kind in _HEALABLE


class Rollout(NamedTuple):
    """What of a rollout says whether it healed another one, or was healed.

    `subject` is empty for what takes no other one's place. Times are the platform's; `moved_at` is
    when its status was set. `is_retried` says that it left its end and began anew. `failed_at` and
    `done_at` are the installs where it is in trouble, and where it succeeded.
    """

    target: Target
    subject: tuple[str, ...]
    created_at: datetime | None
    moved_at: datetime | None
    is_retried: bool
    is_in_trouble: bool
    has_succeeded: bool
    failed_at: frozenset[str]
    done_at: frozenset[str]


def rollout_of(snapshot: Snapshot, state: TargetState) -> Rollout:
    """Return what there is to know of a rollout."""
    root = snapshot.root
    subject = profile_of(root).subject(root)
    return Rollout(
        target=snapshot.target,
        subject=(root.kind, *subject) if subject else (),
        created_at=root.created_at,
        moved_at=root.status_at or root.updated_at,
        is_retried=state.attempt > 1,
        is_in_trouble=is_in_trouble(state),
        has_succeeded=state.ended is EventKind.SUCCEEDED,
        failed_at=frozenset(_failed_at(root, state)),
        done_at=frozenset(_done_at(root)),
    )


def may_matter(state: TargetState, since: datetime) -> bool:
    """Whether a rollout can be healed, or succeeded since a time by our clock and so healed one."""
    if is_in_trouble(state):
        return True
    is_late = state.ended_at is not None and state.ended_at >= since
    return is_late and state.ended is EventKind.SUCCEEDED


def healed(rollouts: Iterable[Rollout]) -> Mapping[Target, Target]:
    """Return by which newer rollout each was healed that was: the first of those that did."""
    by_subject: dict[tuple[str, ...], list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        if rollout.subject:
            by_subject[rollout.subject].append(rollout)
    return dict(chain.from_iterable(map(_healed_of, by_subject.values())))


def _healed_of(related: Sequence[Rollout]) -> Iterator[tuple[Target, Target]]:
    """Yield what was healed of the rollouts about one subject, each with what healed it."""
    successes = sorted(
        (one for one in related if one.has_succeeded and one.created_at),
        key=lambda one: (one.created_at, one.target),
    )
    for older in related:
        healer = next((one for one in successes if _heals(one, older)), None)
        if older.is_in_trouble and healer is not None:
            yield older.target, healer.target


def _heals(newer: Rollout, older: Rollout) -> bool:
    if not (newer.created_at and older.created_at and newer.created_at > older.created_at):
        return False
    # Of one that was not retried a later time says nothing: it may have been given up since.
    if older.is_retried and newer.moved_at and older.moved_at and older.moved_at > newer.moved_at:
        return False
    return older.failed_at <= newer.done_at


def _failed_at(root: Entity, state: TargetState) -> Iterator[str]:
    """Yield the installs in trouble: of a step that got to none all that it is for."""
    healable = {alert.alert_key for alert in state.alerts if is_healable(alert)}
    for step in root.children:
        units = [one.unit for one in progress.keyed_units_of(step) if one.key in healable]
        if units:
            yield from filter(None, (unit.install_id for unit in units))
        elif step.id in healable:
            yield from step.planned


def _done_at(root: Entity) -> Iterator[str]:
    for step in root.children:
        for unit in progress.units_of(step):
            if unit.install_id and unit.phase is Phase.SUCCEEDED:
                yield unit.install_id
