"""Whether Slack can be reached. While it cannot, one cheap call asks for it, and nothing is sent.

So an outage ends for everything that waits within seconds of Slack's return, whatever had failed
how often before. A probe that is answered says nothing of posts: where these fail on, `retry`
makes them wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from monitor.deliver.sending import Destination
from monitor.errors import DestinationRejected, DestinationUnavailable

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
# With the pause, less than ten seconds: so soon is Slack's return noticed, even where what is sent
# to it just disappears. Slack at its slowest answers sooner.
_ANSWER_WITHIN_SECONDS = 7.0

Probe = Callable[[], Awaitable[object]]
"""A call that changes nothing; raises `DestinationError`."""


class Reach:
    """What is known of Slack's Web API. Webhooks, which have no such call, are not meant."""

    def __init__(self, probe: Probe | None) -> None:
        self._probe = probe
        self._asking = asyncio.Lock()
        self.is_lost = False
        """Whether the last probe had no answer."""

    async def check(self) -> None:
        """Ask whether Slack can be reached: after something failed that may be due to that."""
        if self._probe is None:
            return
        async with self._asking:
            is_lost = not await _is_answered(self._probe)
            if is_lost != self.is_lost:
                log.warning("slack_out_of_reach" if is_lost else "slack_reached_again")
            self.is_lost = is_lost

    async def check_after(
        self, failure: DestinationUnavailable | DestinationRejected, destination: Destination
    ) -> None:
        """Ask whether Slack can be reached, if that may be why something failed."""
        may_be = isinstance(failure, DestinationUnavailable) and failure.retry_after is None
        if may_be and destination.keeps_cards:
            await self.check()

    async def regain(self, stopping: asyncio.Event) -> None:
        """Ask every few seconds until Slack answers, or until it is to stop."""
        while self.is_lost and not stopping.is_set():
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                await self.check()


async def _is_answered(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
            await probe()
    except DestinationUnavailable as error:
        return error.retry_after is not None  # a limit is an answer
    except DestinationRejected:
        return True  # what it refuses is found out by what is sent
    except TimeoutError:
        return False
    return True
