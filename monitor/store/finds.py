"""Lists and their finds: since when each list is watched, and which finds are followed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, select, update

from monitor.model import Target
from monitor.store.database import Database
from monitor.store.tables import find, insert_into, listing, replace_into


@dataclass(frozen=True, slots=True)
class Find:
    """A target that was found in a list. `is_new` says that it began while the list was watched.

    What is not followed had finished: it is not polled until the list shows that it goes on.
    """

    target: Target
    listing: Target
    is_new: bool
    is_followed: bool


class Finds:
    """The part of the store that keeps lists and their finds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin = insert_into(database.dialect, listing).on_conflict_do_nothing()
        self._follow = replace_into(database.dialect, find, "is_followed")

    def listed_since(self, its: Target, now: datetime) -> datetime:
        """Return since when a list is watched: from now on, if it was not before."""
        row = {"kind": its.kind, "id": its.id, "began_at": now}
        with self._database.transaction() as connection:
            connection.execute(self._begin, row)
            began_at: datetime = connection.execute(
                select(listing.c.began_at).where(listing.c.kind == its.kind, listing.c.id == its.id)
            ).scalar_one()
        return began_at

    def load(self, of: Target | None = None) -> tuple[Find, ...]:
        """Return the finds of one list, or without one of all lists, the earliest first."""
        wanted = select(find).order_by(find.c.found_at, find.c.target_id)
        if of is not None:
            wanted = wanted.where(_is_of(of))
        with self._database.transaction() as connection:
            rows = connection.execute(wanted).all()
        return tuple(
            Find(
                Target(row.target_kind, row.target_id),
                Target(row.listing_kind, row.listing_id),
                row.is_new,
                row.is_followed,
            )
            for row in rows
        )

    def follow(self, finds: Iterable[Find], now: datetime) -> None:
        """Write down which finds are followed from now on."""
        rows: list[dict[str, Any]] = [
            {
                "target_kind": one.target.kind,
                "target_id": one.target.id,
                "listing_kind": one.listing.kind,
                "listing_id": one.listing.id,
                "found_at": now,
                "is_new": one.is_new,
                "is_followed": one.is_followed,
            }
            for one in finds
        ]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.execute(self._follow, rows)

    def mark_finished(self, its: Target) -> None:
        """Write down that a target has finished and is not followed any more."""
        with self._database.transaction() as connection:
            connection.execute(
                update(find)
                .where(find.c.target_kind == its.kind, find.c.target_id == its.id)
                .values(is_followed=False)
            )

    def forget(self, before: datetime) -> None:
        """Forget what is not followed and was found before."""
        with self._database.transaction() as connection:
            connection.execute(delete(find).where(~find.c.is_followed, find.c.found_at < before))


def _is_of(its: Target) -> Any:
    return and_(find.c.listing_kind == its.kind, find.c.listing_id == its.id)
