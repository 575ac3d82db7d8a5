"""What ids are called, as the platform last said it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from monitor.model import Called, Commit
from monitor.store.database import Database
from monitor.store.tables import insert_into, name

# SQLite takes some 32,000 parameters in one statement.
_IDS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Name:
    """What an id is called: a build by its commit, an account by its e-mail.

    `app_id` is the app that it belongs to, of a build its component, empty where it belongs to
    none; None says that an earlier version of the monitor did not ask. `message` and `author`
    are those of a commit.
    """

    name: str
    app_id: str | None = ""
    message: str = ""
    author: str = ""


BUILD, ACCOUNT = "bld", "acc"
"""How the ids of builds and of people's accounts begin."""


def called(known: Mapping[str, Name]) -> Called:
    """Return what is known of ids, sorted by what it is."""
    named = {i: name for i, name in known.items() if name.name}
    builds = {i: name for i, name in named.items() if i.startswith(BUILD)}
    people = {i: name.name for i, name in named.items() if i.startswith(ACCOUNT)}
    owners = {i: name.app_id for i, name in known.items() if name.app_id}
    return Called(
        names={i: name.name for i, name in named.items() if i not in builds | people},
        apps={i: app_id for i, app_id in owners.items() if not i.startswith(BUILD)},
        components={i: owner for i, owner in owners.items() if i.startswith(BUILD)},
        commits={i: Commit(name.name, name.message, name.author) for i, name in builds.items()},
        people=people,
    )


class KeptNames(Database):
    """The part of the store that remembers names."""

    def called(self, ids: Iterable[str]) -> Called:
        """Return what is known of ids, and of the apps that they belong to."""
        known = self.named(ids)
        apps = [name.app_id for name in known.values() if name.app_id]
        return called(known | self.named(apps))

    def names(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the names that are known."""
        return {id_: its.name for id_, its in self.named(ids).items() if its.name}

    def named(self, ids: Iterable[str]) -> dict[str, Name]:
        """Return all that is known of what has a name."""
        wanted = list(ids)
        found: dict[str, Name] = {}
        with self._transaction() as connection:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                chunk = wanted[start : start + _IDS_AT_ONCE]
                rows = connection.execute(select(name).where(name.c.id.in_(chunk)))
                found.update(
                    (row.id, Name(row.name, row.app_id, row.message, row.author)) for row in rows
                )
        return found

    def save_names(self, names: Mapping[str, Name], now: datetime) -> None:
        if not names:
            return
        saving = insert_into(self._dialect, name)
        saving = saving.on_conflict_do_update(
            index_elements=[name.c.id],
            set_={
                column.name: saving.excluded[column.name]
                for column in name.c
                if not column.primary_key
            },
        )
        rows = [{"id": id_, "fetched_at": now, **asdict(its)} for id_, its in names.items()]
        with self._transaction() as connection:
            connection.execute(saving, rows)
