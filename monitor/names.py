"""What ids are called: looked up on the platform once, kept in the store, never insisted on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from monitor.errors import NuonError, StoreError
from monitor.fetch import Source
from monitor.kinds import wire
from monitor.store import Store, StoreThread

log = structlog.get_logger(__name__)

_PATHS = {"inl": "/v1/installs/", "cmp": "/v1/components/", "app": "/v1/apps/"}
_PATIENCE = 5.0
"""Seconds that one poll waits for names: a message with an id comes before a late one."""
_ASK_AGAIN_AFTER = timedelta(minutes=10)


class _Named(msgspec.Struct):
    name: str | None = None


_decoder = msgspec.json.Decoder(_Named)


class Names:
    """The names of installs, components and apps."""

    def __init__(self, source: Source, store: StoreThread, now: Callable[[], datetime]) -> None:
        self._source = source
        self._store = store
        self._now = now
        self._known: dict[str, str] = {}
        self._asked_at: dict[str, datetime] = {}
        self._asking: dict[str, asyncio.Task[dict[str, str]]] = {}

    async def names_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the names that can be had now; an id without one is left out."""
        missing = [i for i in ids if i not in self._known and self._may_ask(i)]
        if missing:
            self._known.update(await self._store.call(Store.names, missing))
            await self._ask_for([i for i in missing if i not in self._known])
        # What another poll is asking for right now is worth the same wait.
        if asked := {self._asking[i] for i in ids if i in self._asking}:
            await asyncio.wait(asked, timeout=_PATIENCE)
        return {i: self._known[i] for i in ids if i in self._known}

    def _may_ask(self, identifier: str) -> bool:
        asked_at = self._asked_at.get(identifier)
        # A clock that was set back since then must not hold it up for long.
        is_recent = asked_at is not None and abs(self._now() - asked_at) < _ASK_AGAIN_AFTER
        return identifier[:3] in _PATHS and not is_recent

    async def _ask_for(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        self._asked_at.update(dict.fromkeys(ids, self._now()))
        tasks = {i: asyncio.create_task(self._ask(i)) for i in ids}
        self._asking.update(tasks)
        done, late = await asyncio.wait(tasks.values(), timeout=_PATIENCE)
        for task in late:
            task.cancel()
        for identifier in ids:
            self._asking.pop(identifier, None)
        found = {i: name for task in done for i, name in task.result().items()}
        if not found:
            return
        try:
            await self._store.call(Store.save_names, found, self._now())
        except StoreError as error:
            log.warning("names_not_kept", error=str(error))

    async def _ask(self, identifier: str) -> dict[str, str]:
        try:
            path = _PATHS[identifier[:3]] + wire.path_segment(identifier)
            answer = await self._source.get(path)
            name = wire.parse(answer.body, _decoder).name
        except NuonError as error:
            log.debug("name_unknown", id=identifier, error=str(error))
            return {}
        found = {identifier: name} if name else {}
        self._known.update(found)
        return found
