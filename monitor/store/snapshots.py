"""The targets: the last snapshot of each, and what the decisions keep beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, select, update

from monitor.model import Snapshot, Target, TargetState
from monitor.store.database import Database
from monitor.store.tables import (
    card,
    has_open_notification,
    is_edit_wanted,
    replace_into,
    target,
)


@dataclass(frozen=True, slots=True)
class StoredTarget:
    """A target as it was last polled; both times are by our clock.

    `fingerprint` is that of the answer that the snapshot was decoded from.
    """

    snapshot: Snapshot
    state: TargetState
    fingerprint: bytes
    polled_at: datetime
    changed_at: datetime

    @property
    def target(self) -> Target:
        return self.snapshot.target


class Snapshots:
    """The part of the store that keeps the last snapshot of each target."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._save = replace_into(database.dialect, target)

    def load(self, wanted: Target) -> StoredTarget | None:
        with self._database.transaction() as connection:
            row = connection.execute(_LOAD, _key(wanted)).one_or_none()
        return None if row is None else _stored(row)

    def load_all(self) -> tuple[StoredTarget, ...]:
        """Return every target that was ever polled and not pruned, in order of kind and id."""
        with self._database.transaction() as connection:
            rows = connection.execute(_LOAD_ALL).all()
        return tuple(map(_stored, rows))

    def states(self) -> dict[Target, TargetState]:
        """Return the state of each target without its snapshot, in order of kind and id."""
        with self._database.transaction() as connection:
            rows = connection.execute(_STATES).all()
        return {Target(row.kind, row.id): row.state for row in rows}

    def touch(self, polled: Mapping[Target, datetime]) -> None:
        """Write down when targets were polled without any news."""
        if not polled:
            return
        with self._database.transaction() as connection:
            connection.execute(_TOUCH, [_key(one) | {"at": at} for one, at in polled.items()])

    def last_polled(self) -> datetime | None:
        """Return when any target was polled last; None if none ever was."""
        with self._database.transaction() as connection:
            return connection.execute(_LAST_POLLED).scalar()

    # As part of a larger transaction

    def write(
        self, connection: Connection, snapshot: Snapshot, state: TargetState, fingerprint: bytes
    ) -> None:
        connection.execute(
            self._save,
            {
                "kind": snapshot.target.kind,
                "id": snapshot.target.id,
                "snapshot": snapshot,
                "state": state,
                "fingerprint": fingerprint,
                "taken_at": snapshot.taken_at,
                "polled_at": snapshot.taken_at,
                "changed_at": state.changed_at,
            },
        )

    def prune(self, connection: Connection, before: datetime, watched: Collection[Target]) -> int:
        """Forget targets not polled since, but for those watched and those with unsent messages.

        What refers to a forgotten target goes with it, and is not counted.
        """
        rows = connection.execute(_UNPOLLED, {"before": before}).all()
        unpolled = [Target(row.kind, row.id) for row in rows]
        forgotten = [one for one in unpolled if one not in watched]
        for one in forgotten:
            connection.execute(_FORGET, _key(one))
        return len(forgotten)


_is_it = (target.c.kind == bindparam("its_kind")) & (target.c.id == bindparam("its_id"))
_LOAD = select(target).where(_is_it)
_LOAD_ALL = select(target).order_by(target.c.kind, target.c.id)
_STATES = select(target.c.kind, target.c.id, target.c.state).order_by(target.c.kind, target.c.id)
_TOUCH = update(target).where(_is_it).values(polled_at=bindparam("at"))
_LAST_POLLED = select(func.max(target.c.polled_at))
_UNPOLLED = select(target.c.kind, target.c.id).where(
    target.c.polled_at < bindparam("before"),
    ~exists().where(
        card.c.target_kind == target.c.kind, card.c.target_id == target.c.id, is_edit_wanted
    ),
    ~has_open_notification(target.c.kind, target.c.id),
)
_FORGET = delete(target).where(_is_it)


def _key(its: Target) -> dict[str, Any]:
    return {"its_kind": its.kind, "its_id": its.id}


def _stored(row: Row[Any]) -> StoredTarget:
    return StoredTarget(row.snapshot, row.state, row.fingerprint, row.polled_at, row.changed_at)
