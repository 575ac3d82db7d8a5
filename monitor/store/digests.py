"""What digests are made from, and when each was last told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import delete, func, select

from monitor.kinds import kind_of_part
from monitor.model import (
    Level,
    MessageRef,
    Notification,
    Phase,
    Target,
    TargetState,
    phase_of,
)
from monitor.store.database import Database
from monitor.store.tables import card, digest, insert_into, notification, target, transition


class Digests(Database):
    """The part of the store that looks back."""

    def last_issues(self) -> dict[str, datetime]:
        """Return for each digest, by its name, the end of the time that it told last."""
        with self._transaction() as connection:
            rows = connection.execute(select(digest)).all()
        return {row.name: row.issued_until for row in rows}

    def save_issue(
        self, name: str, until: datetime, notifications: Iterable[Notification], now: datetime
    ) -> None:
        """Write down until when a digest has told, with what it tells: both or neither."""
        saving = insert_into(self._dialect, digest)
        saving = saving.on_conflict_do_update(
            index_elements=[digest.c.name], set_={"issued_until": saving.excluded.issued_until}
        )
        with self._transaction() as connection:
            self._enqueue_all(connection, notifications, now)
            connection.execute(saving, {"name": name, "issued_until": until})

    def forget_digests(self, names: Collection[str]) -> None:
        """Forget until when these have told: once they come back, they begin anew."""
        with self._transaction() as connection:
            connection.execute(delete(digest).where(digest.c.name.in_(list(names))))

    def states(self) -> dict[Target, TargetState]:
        """Return what is known of each target beside its snapshot, in order of kind and id."""
        wanted = select(target.c.kind, target.c.id, target.c.state)
        with self._transaction() as connection:
            rows = connection.execute(wanted.order_by(target.c.kind, target.c.id)).all()
        return {Target(row.kind, row.id): row.state for row in rows}

    def notified_targets(self, destination: str, since: datetime) -> frozenset[Target]:
        """Return the targets of which a destination was told since a time."""
        wanted = (
            select(notification.c.target_kind, notification.c.target_id)
            .where(
                notification.c.destination == destination,
                notification.c.created_at >= since,
                notification.c.target_id.is_not(None),
            )
            .distinct()
        )
        with self._transaction() as connection:
            rows = connection.execute(wanted).all()
        return frozenset(Target(row.target_kind, row.target_id) for row in rows)

    def cards_in(self, destination: str) -> dict[Target, MessageRef]:
        """Return where each target's newest card stands in a destination."""
        wanted = (
            select(card.c.target_kind, card.c.target_id, card.c.channel_id, card.c.ts)
            .where(card.c.destination == destination, card.c.ts.is_not(None))
            .order_by(card.c.attempt)
        )
        with self._transaction() as connection:
            rows = connection.execute(wanted).all()
        return {
            Target(row.target_kind, row.target_id): MessageRef(row.channel_id, row.ts)
            for row in rows
        }

    def failures(self, since: datetime, until: datetime) -> Mapping[Target, Counter[str]]:
        """Return how often rollouts and their units failed from one time to another.

        By the target, and by the id of what failed; from `since` on, without `until`.
        """
        wanted = (
            select(
                transition.c.target_kind,
                transition.c.target_id,
                transition.c.entity_id,
                transition.c.kind,
                transition.c.after,
                func.count().label("times"),
            )
            .where(
                transition.c.seen_at >= since,
                transition.c.seen_at < until,
                transition.c.fact == "",
                transition.c.level.in_((Level.ROLLOUT, Level.UNIT)),
            )
            .group_by(
                transition.c.target_kind,
                transition.c.target_id,
                transition.c.entity_id,
                transition.c.kind,
                transition.c.after,
            )
        )
        found: dict[Target, Counter[str]] = {}
        with self._transaction() as connection:
            for row in connection.execute(wanted):
                if phase_of(kind_of_part(row.kind), row.after) is Phase.FAILED:
                    its = found.setdefault(Target(row.target_kind, row.target_id), Counter())
                    its[row.entity_id] += row.times
        return found
