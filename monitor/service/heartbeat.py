"""A dead man's switch: an address that is called every minute, and raises an alarm when it is not.

It is called only while the monitor does its work: a monitor that is stuck, dead, cut off or out
of disk is noticed elsewhere. The first call waits until all is well for the first time, so that a
daemon that dies at each start never calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

import aiohttp
import structlog

from monitor.text import plain

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=15)
_LOOK_EVERY_SECONDS = 1.0
_CALL_EVERY_SECONDS = 60.0
_GRACE_SECONDS = 180.0
"""How long something may not be well before the calls stop: polls and posts fail now and then."""
_LONGEST_REASON = 1000


class Heartbeat:
    """Calls two addresses, which are secrets: anybody who knows them can suppress the alarm.

    `problem` returns why all is not well. `url` is called while all is well, `fail_url` with the
    reason once it has not been for a while. `seconds` is a clock that cannot be set.
    """

    def __init__(
        self,
        url: str,
        problem: Callable[[], str | None],
        *,
        fail_url: str | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._fail_url = fail_url
        self._problem = problem
        self._seconds = seconds
        self._began = seconds()
        self._well_at: float | None = None
        self._called_at: float | None = None
        self._is_failing = False

    async def run(self) -> None:
        """Look for ever whether a call is due."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("heartbeat_failed_unexpectedly")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Call one of the addresses if a call is due; one that fails is only logged."""
        now, problem = self._seconds(), self._problem()
        if problem is None:
            self._well_at = now
        since = self._began if self._well_at is None else self._well_at
        is_failing = now - since >= _GRACE_SECONDS
        if self._well_at is None and not is_failing:
            return  # not well so far, which is no failure yet
        if not self._is_due(now, is_failing=is_failing):
            return
        self._called_at, self._is_failing = now, is_failing
        if is_failing:
            await self._fail(problem or "")
        else:
            await _call("GET", self._url)

    def _is_due(self, now: float, *, is_failing: bool) -> bool:
        """Whether a call is due: at once where it is not the one that was made last."""
        if self._called_at is None or is_failing != self._is_failing:
            return True
        return now - self._called_at >= _CALL_EVERY_SECONDS

    async def _fail(self, reason: str) -> None:
        log.error("no_heartbeat", reason=reason)
        if self._fail_url is not None:
            await _call("POST", self._fail_url, plain(reason, _LONGEST_REASON))


async def _call(method: str, url: str, reason: str | None = None) -> None:
    """Call an address, with a reason as its body."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
            session.request(method, url, data=reason, allow_redirects=False) as answer,
        ):
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:  # a redirect is no success either
                log.warning("heartbeat_refused", status=answer.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("heartbeat_failed", error=type(error).__name__)
