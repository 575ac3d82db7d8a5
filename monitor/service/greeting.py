"""Asks Slack, again and again, whether it accepts the token: there may be nothing to send for long.

A token that was revoked is noticed by this although no message fails because of it.
"""

from __future__ import annotations

import asyncio

import structlog

from monitor.deliver.slack import SlackClient
from monitor.errors import DestinationError, DestinationUnavailable

log = structlog.get_logger(__name__)

_GREET_EVERY_SECONDS = 60.0
_GREET_AGAIN_SECONDS = 15.0
"""The pause after Slack did not answer as it should."""


class Greeting:
    """Whether Slack answers, and accepts the token; without a token there is nothing to ask."""

    def __init__(self, slack: SlackClient, *, has_token: bool) -> None:
        self._slack = slack
        self._has_token = has_token
        self.is_done = not has_token
        """Whether Slack accepted the token once since the start."""
        self.problem: str | None = None
        """Why Slack did not accept the token when it was last asked."""

    async def run(self) -> None:
        """Greet Slack for ever."""
        while self._has_token:
            await self._greet()
            await asyncio.sleep(
                _GREET_EVERY_SECONDS if self.problem is None else _GREET_AGAIN_SECONDS
            )

    async def _greet(self) -> None:
        try:
            await self._slack.check_token()
        except DestinationError as error:
            if isinstance(error, DestinationUnavailable) and error.retry_after is not None:
                return  # a rate limit says nothing of the token
            if self.problem != str(error):
                log.error("slack_unusable", error=str(error))
            self.problem = str(error)
        else:
            self.is_done, self.problem = True, None
