"""Edits: each card that is out of date, until it shows the newest version.

An edit replaces the whole content of a card, so making it twice does no harm, and versions
that a newer one replaced are never sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from monitor.compose import render
from monitor.deliver.retry import Attempt, Kind, LoseCard, Wait
from monitor.deliver.sending import Destination
from monitor.errors import DestinationRejected, DestinationUnavailable
from monitor.metrics import Metrics
from monitor.model import Form, Target
from monitor.store import Edit, StoreThread, UnreadableMessage

log = structlog.get_logger(__name__)


class Edits:
    """The edits of all destinations: Slack's limit is one for all of them."""

    def __init__(
        self, store: StoreThread, *, metrics: Metrics, now: Callable[[], datetime]
    ) -> None:
        self.store = store
        self.metrics = metrics
        self.now = now
        self._under_way: set[_CardKey] = set()

    @asynccontextmanager
    async def next(self, refused: Collection[str]) -> AsyncIterator[Editing | None]:
        """Give the edit that is next and not under way already; it is until the context ends.

        Those of destinations that have `refused` them are left out.
        """
        due = await self.store.call(
            self.store.cards.next_edits,
            self.now(),
            limit=len(self._under_way) + 1,
            refused=refused,
        )
        edit = None
        for one in due:
            if isinstance(one.message, UnreadableMessage):
                await Editing(self, one).set_aside(
                    f"it is stored in a form that cannot be read: {one.message.reason}"
                )
            elif _card_of(one) not in self._under_way:
                edit = one
                break
        if edit is None:
            yield None
            return
        self._under_way.add(_card_of(edit))
        try:
            yield Editing(self, edit)
        finally:
            self._under_way.remove(_card_of(edit))


_CardKey = tuple[Target, int, str, Form]


def _card_of(edit: Edit) -> _CardKey:
    return edit.target, edit.attempt, edit.destination, edit.form


class Editing:
    """One attempt at an edit."""

    is_edit = True

    def __init__(self, edits: Edits, edit: Edit) -> None:
        self._edits = edits
        self._edit = edit

    @property
    def destination(self) -> str:
        return self._edit.destination

    @property
    def log_fields(self) -> Mapping[str, str]:
        return {"destination": self._edit.destination, "target": str(self._edit.target)}

    def attempt(
        self, error: DestinationUnavailable | DestinationRejected, *, is_plain_text: bool
    ) -> Attempt:
        del error
        return Attempt(Kind.EDIT, self._edit.attempts, is_plain_text=is_plain_text)

    async def begin(self) -> None:
        """Record nothing: an edit that a crash interrupted is simply made again."""

    async def send(self, destination: Destination, *, is_plain_text: bool) -> None:
        edit = self._edit
        message = render.plain_edit(edit.message) if is_plain_text else edit.message
        await destination.edit(message, channel_id=edit.channel_id, ts=edit.ts)

    async def finish(self) -> None:
        await self._mark()
        self._edits.metrics.edits.inc()
        log.debug("edited", **self.log_fields)

    async def wait(self, step: Wait, reason: str) -> None:
        self._edits.metrics.delivery_failures.labels("again later").inc()
        log.warning("edit_postponed", error=reason, **self.log_fields)
        store = self._edits.store
        await store.call(
            store.cards.postpone_edit,
            self._edit,
            next_try_at=step.until,
            error=reason,
            is_failure=step.is_failure,
        )

    async def lose_card(self, step: LoseCard, reason: str) -> None:
        """Enqueue a new card, which has the newest content: nothing is left to edit."""
        del step
        await self._edits.store.call(
            self._edits.store.outbox.lose_card, self._edit, now=self._edits.now()
        )
        log.warning("card_not_found", error=reason, **self.log_fields)

    async def set_aside(self, reason: str) -> None:
        """Give up this version only: the next one may pass."""
        log.error("edit_refused", error=reason, **self.log_fields)
        await self._mark()

    async def _mark(self) -> None:
        await self._edits.store.call(
            self._edits.store.cards.mark_edited, self._edit, self._edits.now()
        )
