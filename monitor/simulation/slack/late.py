"""What the simulated Slack carries out later than it was asked to, whether anybody waits or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Late:
    """Carries out what is on its way, each after its own time and in no order but that."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called whenever something was carried out."""
        self._changed = changed
        self._hurry = asyncio.Event()
        self._on_its_way: set[asyncio.Task[object]] = set()

    def after(self, seconds: float, do: Callable[[], T]) -> asyncio.Task[T]:
        """Carry it out after so many seconds; to cancel whoever waits for it does not stop it."""
        task = asyncio.create_task(self._carry_out(seconds, do, self._hurry))
        self._on_its_way.add(task)
        task.add_done_callback(self._on_its_way.discard)
        return task

    async def _carry_out(self, seconds: float, do: Callable[[], T], hurry: asyncio.Event) -> T:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await hurry.wait()
        done = do()
        self._changed()
        return done

    async def settle(self) -> None:
        """Carry out at once what is on its way."""
        hurry, self._hurry = self._hurry, asyncio.Event()
        hurry.set()
        await asyncio.gather(*self._on_its_way)
