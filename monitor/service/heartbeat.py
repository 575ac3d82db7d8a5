"""A dead man's switch: an address that is called every minute, and raises an alarm when it is not.

It is called only while the daemon is alive, so that a monitor that is stuck or dead is noticed
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import aiohttp
import structlog

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=15)


class Heartbeat:
    """Calls one address, which is a secret: anybody who knows it can suppress the alarm."""

    def __init__(self, url: str, is_alive: Callable[[], bool]) -> None:
        self._url = url
        self._is_alive = is_alive

    async def beat(self) -> None:
        """Call the address once, unless the daemon is stuck; a failure is only logged."""
        if not self._is_alive():
            log.error("no_heartbeat", reason="the daemon is stuck")
            return
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status >= HTTPStatus.MULTIPLE_CHOICES:  # a redirect is no success either
                    log.warning("heartbeat_refused", status=answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("heartbeat_failed", error=type(error).__name__)
