"""The history: what changed of each target, and what was enqueued about it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select

from monitor.kinds import kind_of_part
from monitor.model import (
    Alteration,
    EventKind,
    Form,
    Level,
    Mention,
    Message,
    Phase,
    Target,
    Transition,
    phase_of,
)
from monitor.store.database import Database
from monitor.store.queued import DeliveryState
from monitor.store.tables import notification, transition


@dataclass(frozen=True, slots=True)
class PastTransition:
    """A change of a target's history; `platform_at` is the platform's own time of it.

    `fact` is the name of the fact that changed; empty for the status.
    """

    at: datetime
    target: Target
    attempt: int
    level: Level
    kind: str
    entity_id: str
    name: str
    fact: str
    before: str | None
    after: str
    description: str
    platform_at: datetime | None


@dataclass(frozen=True, slots=True)
class PastNotification:
    """A notification of a target's history: enqueued `at`, sent, set aside or folded at `done_at`.

    `folded_into` is the notification that told it, together with others.
    """

    at: datetime
    target: Target
    attempt: int
    id: int
    key: str
    destination: str
    form: Form
    events: tuple[EventKind, ...]
    is_broadcast: bool
    headline: str
    mentions: tuple[Mention, ...]
    message: Message
    state: DeliveryState
    attempts: int
    done_at: datetime | None
    folded_into: int | None
    channel_id: str | None
    ts: str | None
    error: str


class History:
    """The part of the store that keeps transitions, and looks back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, target_id: str) -> tuple[PastTransition | PastNotification, ...]:
        """Return what was seen of a target and what was enqueued about it, in the order of time.

        Each of the two is in its own order, even if the clock was set back meanwhile.
        """
        with self._database.transaction() as connection:
            changes = connection.execute(_TRANSITIONS_OF, {"its_id": target_id}).all()
            posts = connection.execute(_NOTIFICATIONS_OF, {"its_id": target_id}).all()
        both: tuple[list[PastTransition | PastNotification], ...] = (
            list(map(_past_transition, changes)),
            list(map(_past_notification, posts)),
        )
        return tuple(heapq.merge(*both, key=lambda entry: entry.at))

    def failures(
        self, since: datetime, until: datetime, *, of: Target | None = None
    ) -> Mapping[Target, Counter[str]]:
        """Return how often rollouts, or one of them, and their units failed in a time.

        By the target, and by the id of what failed; from `since` on, without `until`.
        """
        found: dict[Target, Counter[str]] = {}
        ends = _ENDS
        if of is not None:
            ends = ends.where(transition.c.target_id == of.id, transition.c.target_kind == of.kind)
        with self._database.transaction() as connection:
            for row in connection.execute(ends, {"since": since, "until": until}):
                if phase_of(kind_of_part(row.kind), row.after) is Phase.FAILED:
                    its = found.setdefault(Target(row.target_kind, row.target_id), Counter())
                    its[row.entity_id] += row.times
        return found

    def notified_destinations(self, key: str) -> frozenset[str]:
        """Return the destinations with a notification whose key begins so, sent or not."""
        with self._database.transaction() as connection:
            its = notification.c.key.startswith(key, autoescape=True)
            return frozenset(connection.scalars(select(notification.c.destination).where(its)))

    def notified_targets(self, destination: str, since: datetime) -> frozenset[Target]:
        """Return the targets that a destination was notified of since a time."""
        wanted = (
            select(notification.c.target_kind, notification.c.target_id)
            .where(
                notification.c.destination == destination,
                notification.c.created_at >= since,
                notification.c.target_id.is_not(None),
            )
            .distinct()
        )
        with self._database.transaction() as connection:
            rows = connection.execute(wanted).all()
        return frozenset(Target(row.target_kind, row.target_id) for row in rows)

    # As part of a larger transaction

    def write(
        self,
        connection: Connection,
        of: Target,
        attempt: int,
        changes: Iterable[Transition | Alteration],
        now: datetime,
    ) -> None:
        """Add what changed of a target since its last snapshot."""
        rows = [_row(one, of, attempt, now) for one in changes]
        if rows:
            connection.execute(_ADD, rows)

    def prune(self, connection: Connection, before: datetime) -> int:
        """Forget changes that were seen before."""
        return connection.execute(_PRUNE, {"before": before}).rowcount


_ADD = transition.insert()
_PRUNE = delete(transition).where(transition.c.seen_at < bindparam("before"))
_TRANSITIONS_OF = (
    select(transition)
    .where(transition.c.target_id == bindparam("its_id"))
    .order_by(transition.c.id)
)
_NOTIFICATIONS_OF = (
    select(notification)
    .where(notification.c.target_id == bindparam("its_id"))
    .order_by(notification.c.id)
)
_what_became = (
    transition.c.target_kind,
    transition.c.target_id,
    transition.c.entity_id,
    transition.c.kind,
    transition.c.after,
)
_ENDS = (
    select(*_what_became, func.count().label("times"))
    .where(
        transition.c.seen_at >= bindparam("since"),
        transition.c.seen_at < bindparam("until"),
        transition.c.fact == "",
        transition.c.level.in_((Level.ROLLOUT, Level.UNIT)),
    )
    .group_by(*_what_became)
)


def _row(
    one: Transition | Alteration, of: Target, attempt: int, now: datetime
) -> dict[str, object]:
    row: dict[str, object] = {
        "target_kind": of.kind,
        "target_id": of.id,
        "attempt": attempt,
        "level": int(one.level),
        "kind": one.entity.kind,
        "entity_id": one.entity.id,
        "name": one.entity.name,
        "before": one.before,
        "after": one.after,
        "seen_at": now,
    }
    if isinstance(one, Transition):
        return row | {"fact": "", "description": one.description, "platform_at": one.at}
    return row | {"fact": one.fact, "description": "", "platform_at": None}


def _past_transition(row: Row[Any]) -> PastTransition:
    return PastTransition(
        at=row.seen_at,
        target=Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        level=Level(row.level),
        kind=row.kind,
        entity_id=row.entity_id,
        name=row.name,
        fact=row.fact,
        before=row.before,
        after=row.after,
        description=row.description,
        platform_at=row.platform_at,
    )


def _past_notification(row: Row[Any]) -> PastNotification:
    return PastNotification(
        at=row.created_at,
        target=Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        id=row.id,
        key=row.key,
        destination=row.destination,
        form=Form(row.form),
        events=row.events or (),
        is_broadcast=row.is_broadcast,
        headline=row.headline,
        mentions=row.mentions or (),
        message=row.message,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        done_at=row.done_at,
        folded_into=row.folded_into,
        channel_id=row.channel_id,
        ts=row.ts,
        error=row.error,
    )
