"""The names of ids, as the platform last gave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from monitor.model import Called, Commit
from monitor.store.database import Database
from monitor.store.tables import name, replace_into

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
    names: dict[str, str] = {}
    apps: dict[str, str] = {}
    components: dict[str, str] = {}
    commits: dict[str, Commit] = {}
    people: dict[str, str] = {}
    for id_, its in known.items():
        is_build = id_.startswith(BUILD)
        if its.app_id:
            (components if is_build else apps)[id_] = its.app_id
        if not its.name:
            continue
        if is_build:
            commits[id_] = Commit(its.name, its.message, its.author)
        elif id_.startswith(ACCOUNT):
            people[id_] = its.name
        else:
            names[id_] = its.name
    return Called(names=names, apps=apps, commits=commits, components=components, people=people)


class Names:
    """The part of the store that keeps the names of ids, so that each is looked up once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._save = replace_into(database.dialect, name)

    def called(self, ids: Iterable[str]) -> Called:
        """Return what is known of ids, and of the apps that they belong to."""
        known = self.load(ids)
        apps = [name.app_id for name in known.values() if name.app_id]
        return called(known | self.load(apps))

    def of(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the names that are known."""
        return {id_: its.name for id_, its in self.load(ids).items() if its.name}

    def load(self, ids: Iterable[str]) -> dict[str, Name]:
        """Return all that is known of what has a name."""
        wanted = list(ids)
        found: dict[str, Name] = {}
        with self._database.transaction() as connection:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                chunk = wanted[start : start + _IDS_AT_ONCE]
                rows = connection.execute(select(name).where(name.c.id.in_(chunk)))
                found.update(
                    (row.id, Name(row.name, row.app_id, row.message, row.author)) for row in rows
                )
        return found

    def save(self, names: Mapping[str, Name], now: datetime) -> None:
        rows = [{"id": id_, "fetched_at": now, **asdict(its)} for id_, its in names.items()]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.execute(self._save, rows)

    def prune(self, connection: Connection, before: datetime) -> int:
        """Forget what was asked for before, as part of a larger transaction."""
        return connection.execute(_PRUNE, {"before": before}).rowcount


_PRUNE = delete(name).where(name.c.fetched_at < bindparam("before"))
