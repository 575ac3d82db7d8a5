"""What ids are called: looked up on the platform once, kept in the store, never insisted on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from monitor.errors import NuonError, NuonNotFound, NuonRejected, StoreError
from monitor.kinds import wire
from monitor.kinds.paths import branch_path
from monitor.model import Called
from monitor.platform.fetch import pages
from monitor.platform.source import Source
from monitor.store import Name, StoreThread
from monitor.store.names import ACCOUNT, BUILD, called

log = structlog.get_logger(__name__)

_BRANCH, _INSTALL = "abr", "inl"
_RECORDS = {
    _INSTALL: "/v1/installs/",
    "cmp": "/v1/components/",
    "app": "/v1/apps/",
    BUILD: "/v1/components/builds/",
}
# Of these two the platform shows no single one: an account not at all, a branch only to those
# who know its app.
_LISTS = {ACCOUNT: "/v1/orgs/current/accounts", _BRANCH: "/v1/branches"}
_INSTALLS = "/v1/installs"
_ALL_LISTS = frozenset({*_LISTS.values(), _INSTALLS})

_PATIENCE_SECONDS = 5.0
"""How long one poll waits for names: a message with an id comes before a late one."""
_ASK_AGAIN_AFTER = timedelta(minutes=10)
_ASK_FOR_LIST_AGAIN_AFTER = timedelta(hours=1)
_ASK_FOR_MISSING_AGAIN_AFTER = timedelta(days=1)
"""Of what the platform does not have: the record, or the route."""
_MOST_ASKED = 10
"""How many questions one poll may ask; so many installs are asked for one by one."""
_MOST_PAGES = 10
_MOST_KEPT = 10_000
"""How many ids are kept in memory; the store has them all."""
_LONGEST_CHARACTERS = 200


class _Commit(msgspec.Struct):
    sha: str | None = None
    message: str | None = None
    author_name: str | None = None


class _Row(msgspec.Struct):
    """A record of any kind that has a name."""

    id: str | None = None
    name: str | None = None
    display_name: str | None = None
    email: str | None = None
    app_id: str | None = None
    component_id: str | None = None
    git_ref: str | None = None
    vcs_connection_commit: _Commit | None = None


_record_decoder = msgspec.json.Decoder(_Row)
_list_decoder = msgspec.json.Decoder(list[_Row | None] | None)


class Names:
    """The names of installs, components, apps and branches, the commits of builds, and people."""

    def __init__(
        self, source: Source, store: StoreThread | None, now: Callable[[], datetime]
    ) -> None:
        """Without a store, what was found out is forgotten with this object."""
        self._source = source
        self._store = store
        self._now = now
        self._known: dict[str, Name] = {}
        self._unsaved: dict[str, Name] = {}
        # By the path of the question.
        self._asked: dict[str, tuple[datetime, timedelta]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def called(self, ids: Sequence[str]) -> Called:
        """Return what can be had now of these ids and of the apps that they belong to.

        A branch is asked for by its own id, or by that of its app, a slash and its own.
        """
        self._forget_many()
        until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        remaining = _MOST_ASKED
        while True:
            wanted = await self._recall(await self._recall(ids))
            questions = self._questions(wanted)
            begun = [path for path in questions if self._may_ask(path)][:remaining]
            remaining -= len(begun)
            if not await self._ask({path: questions[path] for path in begun}, questions, until):
                break
        await self._keep()
        return called({i: self._known[i] for i in wanted if i in self._known})

    async def _recall(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Read from the store what is not in memory; returns the ids, and those of their apps."""
        unread = [i for i in ids if i not in self._known and _path_of(i)]
        if unread and self._store is not None:
            self._known.update(await self._store.call(self._store.names.load, unread))
        apps = [self._known[i].app_id for i in ids if i in self._known]
        return tuple(dict.fromkeys((*ids, *filter(None, apps))))

    def _questions(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the paths that lead to what is lacking, and the ids that they are for.

        Many installs are asked for by their list, and what that lacks one by one.
        """
        paths = {path: i for i in ids if self._is_lacking(i) and (path := _path_of(i))}
        others = {path: i for path, i in paths.items() if not i.startswith(_INSTALL)}
        are_many = len(paths) - len(others) > _MOST_ASKED
        if are_many and (self._may_ask(_INSTALLS) or _INSTALLS in self._asking):
            return {_INSTALLS: "", **others}
        return paths

    def _is_lacking(self, identifier: str) -> bool:
        name = self._known.get(identifier)
        return name is None or name.app_id is None

    def _may_ask(self, path: str) -> bool:
        if path in self._asking:
            return False
        asked_at, pause = self._asked.get(path, (None, _ASK_AGAIN_AFTER))
        # A clock that was set back since then must not hold it up for long.
        return asked_at is None or abs(self._now() - asked_at) >= pause

    async def _ask(self, begun: Mapping[str, str], questions: Iterable[str], until: float) -> bool:
        """Ask, and wait for the answers, also for those to what another poll asks right now.

        Returns whether there was anything to wait for, and time left for it.
        """
        for path, identifier in begun.items():
            self._asked[path] = self._now(), _ASK_AGAIN_AFTER
            self._asking[path] = asyncio.create_task(self._learn(path, identifier))
        awaited = {self._asking[path] for path in questions if path in self._asking}
        left = until - asyncio.get_running_loop().time()
        is_worth_it = bool(awaited) and left > 0
        try:
            if is_worth_it:
                await asyncio.wait(awaited, timeout=left)
        finally:
            answered = [task for path in begun if not (task := self._asking.pop(path)).cancel()]
        for task in answered:
            task.result()
        return is_worth_it

    async def _learn(self, path: str, identifier: str) -> None:
        """Take in what the platform answers; of a list that comes too slowly, its beginning."""
        try:
            if path in _ALL_LISTS:
                await self._learn_list(path)
            else:
                answer = await self._source.get(path)
                self._note(identifier, wire.parse(answer.body, _record_decoder))
        except NuonError as error:
            log.debug("name_unknown", path=path, error=str(error))
            is_missing_route = isinstance(error, NuonRejected) and error.is_missing_route
            if isinstance(error, NuonNotFound) or is_missing_route:
                self._asked[path] = self._now(), _ASK_FOR_MISSING_AGAIN_AFTER

    async def _learn_list(self, path: str) -> None:
        count = 0
        async for page in pages(self._source, path):
            for row in wire.present(wire.parse(page.body, _list_decoder)):
                self._note(row.id or "", row)
            count += 1
            if count == _MOST_PAGES:
                break
        self._asked[path] = self._now(), _ASK_FOR_LIST_AGAIN_AFTER

    def _note(self, identifier: str, row: _Row) -> None:
        name = _name(identifier, row)
        if identifier and (name.name or name.app_id):
            self._known[identifier] = self._unsaved[identifier] = name

    async def _keep(self) -> None:
        if not self._unsaved or self._store is None:
            return
        unsaved, self._unsaved = self._unsaved, {}
        try:
            await self._store.call(self._store.names.save, unsaved, self._now())
        except StoreError as error:
            log.warning("names_not_saved", error=str(error))

    def _forget_many(self) -> None:
        if len(self._known) > _MOST_KEPT or len(self._asked) > _MOST_KEPT:
            self._known.clear()
            self._asked.clear()


def _path_of(identifier: str) -> str:
    """Return the path that leads to what an id is called; empty for an id of another kind."""
    app, slash, branch = identifier.partition("/")
    if slash and app.startswith("app"):
        return branch_path(app, branch)
    kind = identifier[:3]
    if kind in _RECORDS:
        return _RECORDS[kind] + wire.path_segment(identifier)
    return _LISTS.get(kind, "")


def _name(identifier: str, row: _Row) -> Name:
    if identifier.startswith(ACCOUNT):
        return Name(_short(row.email))
    if not identifier.startswith(BUILD):
        return Name(_short(row.display_name or row.name), _short(row.app_id))
    commit = row.vcs_connection_commit or _Commit()
    lines = (commit.message or "").strip().splitlines()
    return Name(
        _short(commit.sha or row.git_ref),
        _short(row.component_id),
        message=_short(lines[0] if lines else ""),
        author=_short(commit.author_name),
    )


def _short(text: str | None) -> str:
    return (text or "")[:_LONGEST_CHARACTERS]
