"""Copies: what was sent again while in doubt, and had arrived all the same, is removed.

A copy is deleted where nobody answered or reacted to it; else it stays and shows where the other
one is. Only what our own bot user wrote is touched, and only by the key in its metadata.

The one that stays is the one that we know of: replies of ours and links in other messages lead
there, and a card is edited there. Which of the two people replied to changes nothing of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from monitor.compose.copies import copy_notice
from monitor.deliver.in_doubt import Searches
from monitor.deliver.sending import Destination, PostedMessage
from monitor.errors import (
    CannotLook,
    DestinationError,
    DestinationRejected,
    DestinationUnavailable,
    Refusal,
)
from monitor.metrics import Metrics
from monitor.model import Form, MessageRef
from monitor.store import Resent, StoreThread

log = structlog.get_logger(__name__)

_NOT_THERE = "message_not_found"


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of what was sent again, of one notification after the other.

    `permalink` returns a message's address for people, where it is known.
    """

    store: StoreThread
    destination_for: Callable[[str], Destination | None]
    searches: Searches
    metrics: Metrics
    now: Callable[[], datetime]
    permalink: Callable[[MessageRef], str | None]

    async def next_at(self) -> datetime | None:
        """Return when copies are to be searched for next."""
        return await self.store.call(self.store.doubts.next_copies_at)

    async def remove_next(self) -> bool:
        """Remove the copies of what has waited longest; returns whether anything was due."""
        resent = await self.store.call(self.store.doubts.due_copies, self.now())
        if resent is None:
            return False
        try:
            again_at = await self._remove_copies(resent)
        except DestinationError as error:
            again_at = self.now() + self._pause_after(error)
            log.warning("copies_postponed", key=resent.key, error=str(error))
        await self.store.call(self.store.doubts.look_again, resent.id, again_at)
        return True

    async def _remove_copies(self, resent: Resent) -> datetime | None:
        """Remove the copies of one notification; returns when to look again, if that is needed."""
        destination = self.destination_for(resent.destination)
        if destination is None:
            return None
        if resent.form in (Form.CARD, Form.TABLE) and resent.current is None:
            return self.now() + self._pause  # until the card that replaces it is posted
        try:
            found = await destination.find_all(
                resent.key,
                thread=resent.thread,
                since=self.searches.earliest(resent.first_attempted_at),
            )
        except CannotLook as error:
            log.warning("copies_not_searched", key=resent.key, reason=str(error))
            return None
        kept, copies = _kept_and_copies(resent, found)
        if kept is None:
            return None
        if kept not in (resent.posted, resent.current):
            await self.store.call(self.store.doubts.move, resent, kept)
        for copy in copies:
            await self._remove(destination, resent, copy, kept)
        return None

    @property
    def _pause(self) -> timedelta:
        return self.searches.times.once_more_after / 5

    def _pause_after(self, error: DestinationError) -> timedelta:
        if isinstance(error, DestinationUnavailable) and error.retry_after is not None:
            return timedelta(seconds=error.retry_after)
        return self._pause

    async def _remove(
        self, destination: Destination, resent: Resent, copy: PostedMessage, kept: MessageRef
    ) -> None:
        outcome = "copy left"
        if not copy.has_company and await _is_done(destination.delete(copy.ref)):
            outcome = "copy deleted"
        else:
            notice = copy_notice(resent.message, self.permalink(kept))
            edit = destination.edit(notice, channel_id=copy.ref.channel_id, ts=copy.ref.ts)
            if await _is_done(edit):
                outcome = "copy linked"
        self.metrics.posts_in_doubt.labels(outcome).inc()
        log.warning("copy_found", key=resent.key, ts=copy.ref.ts, outcome=outcome)


def _kept_and_copies(
    resent: Resent, found: Sequence[PostedMessage]
) -> tuple[MessageRef | None, Sequence[PostedMessage]]:
    """Return which message stays, and what else was found of the same notification."""
    known: MessageRef | None = resent.current or resent.posted
    is_there = known != resent.posted or any(one.ref == known for one in found)
    if not is_there:
        # A person deleted it: the oldest copy takes its place.
        known = min((one.ref for one in found), key=lambda ref: ref.ts, default=None)
    return known, [one for one in found if one.ref != known]


async def _is_done(call: Awaitable[None]) -> bool:
    """Make a call; False where Slack refuses it for this message or channel."""
    try:
        await call
    except DestinationRejected as error:
        if error.refusal is Refusal.CREDENTIALS:
            raise
        # Whoever deleted it meanwhile did what was to be done.
        return error.code == _NOT_THERE
    return True
