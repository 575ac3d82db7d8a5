"""Whether there is such a thing as what a list is of: the list itself does not say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from monitor.errors import NuonError, NuonNotFound
from monitor.platform.source import Source

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 5.0
"""How long one poll waits for a record, which only adds to what the list says."""
_ASK_AGAIN_AFTER = timedelta(hours=1)
"""Of a record that is there: it can be deleted."""
_ASK_AGAIN_FIRST = timedelta(minutes=1)
"""Of a record that could not be asked for; twice as long each time."""


class RecordCheck:
    """Asks for the record of an app, an install, … whose list is polled.

    The platform answers such a list with 200 and `[]` for any id at all (its public source,
    December 2025). Only its own 404 to the record says that there is no such thing: that the
    record is forbidden or does not come says nothing of the list, which was answered.
    """

    def __init__(self, source: Source, now: Callable[[], datetime], *, missing: str | None) -> None:
        """`missing` is why there was no such record for an earlier run; None where there was."""
        self._source = source
        self._now = now
        self._missing = missing
        self._asked_at: datetime | None = None
        self._pause = _ASK_AGAIN_AFTER
        self._doubts = 0

    async def require(self, path: str) -> None:
        """Ask, where it is time to; raises NuonNotFound as long as there is no such record.

        What was missing is asked for each time, and stays missing until it is answered.
        """
        now = self._now()
        if self._missing is None and not self._is_due(now):
            return
        self._asked_at = now
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._source.get(path)
        except NuonNotFound as error:
            self._missing = str(error)
        except (NuonError, TimeoutError) as error:
            self._pause = min(
                _ASK_AGAIN_FIRST * float(2 ** min(self._doubts, 16)), _ASK_AGAIN_AFTER
            )
            self._doubts += 1
            log.info("record_unknown", path=path, error=str(error) or "no answer in time")
        else:
            self._missing, self._doubts, self._pause = None, 0, _ASK_AGAIN_AFTER
        if self._missing is not None:
            raise NuonNotFound(self._missing)

    def _is_due(self, now: datetime) -> bool:
        # A clock that was set back since then must not hold it up for long.
        return self._asked_at is None or abs(now - self._asked_at) >= self._pause
