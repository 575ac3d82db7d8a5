"""Whether anything waits too long to be sent, for whatever reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from datetime import datetime, timedelta

import structlog

from monitor.deliver.health import DeliveryHealth
from monitor.errors import StoreError
from monitor.store import StoreThread, Waiting
from monitor.text import counted

log = structlog.get_logger(__name__)

LATE_AFTER = timedelta(minutes=5)
"""A post that waits longer is late. What a quiet window holds back is none before its end."""
_LOOK_EVERY_SECONDS = 5.0
_MOST_SHOWN = 3


class Lateness:
    """What waits to be sent as it was when last looked at, so that asking for it is quick."""

    def __init__(
        self, store: StoreThread, health: DeliveryHealth, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._health = health
        self._now = now
        self._waiting: tuple[Waiting, ...] = ()

    async def run(self) -> None:
        """Look again and again."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.error("store_failed", during="lateness", error=str(error))
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Read what waits. Raises StoreError."""
        self._waiting = await self._store.call(self._store.backlog.load)

    def problem(self, *, but_for: Container[str] = ()) -> str | None:
        """Return what has waited too long, and why; some destinations may be left out."""
        now = self._now()
        late = [
            one
            for one in self._waiting
            if now - one.since > LATE_AFTER and one.destination not in but_for
        ]
        shown = [self._words(one) for one in late[:_MOST_SHOWN]]
        left_out = len(late) - len(shown)
        more = [f"and {counted(left_out, 'more destination')}"] if left_out else []
        return "; ".join([*shown, *more]) or None

    def _words(self, late: Waiting) -> str:
        since = f"{late.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"{late.destination} since {since} ({late.count:,} waiting): {self._reason(late)}"

    def _reason(self, late: Waiting) -> str:
        refusal = self._health.refusing.get(late.destination)
        if late.error or refusal is None:
            return late.error or self._health.problem or "others go out before"
        return refusal.reason
