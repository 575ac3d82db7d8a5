"""The one thread that uses the store, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from monitor.errors import StoreDamaged

if TYPE_CHECKING:
    from monitor.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class StoreThread:
    """Carries out calls on a store one after another, in the order they were made.

    It has the store's parts and methods under the store's names, to be called through `call`
    and never directly: `await thread.call(thread.snapshots.load, target)`.

    A call once made is carried out even when its caller is cancelled: what Slack accepted is
    marked as sent though the daemon is being stopped.
    """

    def __init__(self, store: Store) -> None:
        self.damage: StoreDamaged | None = None
        """What a call found of damage in the file, once one did: it will not get better."""
        self.outbox = store.outbox
        self.folding = store.folding
        self.cards = store.cards
        self.snapshots = store.snapshots
        self.history = store.history
        self.finds = store.finds
        self.names = store.names
        self.silences = store.silences
        self.doubts = store.doubts
        self.held = store.held
        self.digests = store.digests
        self.outages = store.outages
        self.backlog = store.backlog
        self.moving = store.moving
        self.save = store.save
        self.prune = store.prune
        self.set_aside_file = store.set_aside_file
        self._store = store
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return or raise what the method does on the store's thread."""
        loop = asyncio.get_running_loop()
        begun = loop.run_in_executor(self._executor, partial(method, *args, **kwargs))
        try:
            return await asyncio.shield(begun)
        except StoreDamaged as error:
            self.damage = error
            raise

    async def aclose(self) -> None:
        """Wait for all calls made so far, then close the store and end the thread."""
        self._executor.submit(self._store.close)
        await asyncio.to_thread(self._executor.shutdown)
