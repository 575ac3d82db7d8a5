"""What ids are called: looked up on the platform once, kept in the store, never insisted on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from monitor.cycle import Source
from monitor.errors import NuonError, StoreError
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
        self._not_before: dict[str, datetime] = {}

    async def names_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the names that can be had now; an id without one is left out."""
        missing = [i for i in ids if i not in self._known and self._may_ask(i)]
        if missing:
            self._known.update(await self._store.call(Store.names, missing))
            await self._ask_for([i for i in missing if i not in self._known])
        return {i: self._known[i] for i in ids if i in self._known}

    def _may_ask(self, identifier: str) -> bool:
        not_before = self._not_before.get(identifier)
        return identifier[:3] in _PATHS and (not_before is None or self._now() >= not_before)

    async def _ask_for(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        again = self._now() + _ASK_AGAIN_AFTER
        self._not_before.update(dict.fromkeys(ids, again))
        tasks = [asyncio.create_task(self._ask(identifier)) for identifier in ids]
        done, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in late:
            task.cancel()
        found = {i: name for task in done for i, name in task.result().items()}
        if not found:
            return
        self._known.update(found)
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
        return {identifier: name} if name else {}
