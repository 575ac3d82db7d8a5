"""A dead man's switch: an address that is asked every minute, and raises the alarm when it is not.

It beats only while the daemon is alive, so that a monitor that is stuck or dead is noticed
by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import aiohttp
import structlog

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=15)


class Heartbeat:
    """Beats at one address, which is a secret: whoever knows it can keep the switch quiet."""

    def __init__(self, url: str, is_alive: Callable[[], bool]) -> None:
        self._url = url
        self._is_alive = is_alive

    async def beat(self) -> None:
        """Ask the address once, unless stuck; failing is logged and nothing more."""
        if not self._is_alive():
            log.error("no_heartbeat", reason="the daemon is stuck")
            return
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status >= HTTPStatus.MULTIPLE_CHOICES:  # a redirect has not beaten either
                    log.warning("heartbeat_refused", status=answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("heartbeat_failed", error=type(error).__name__)
