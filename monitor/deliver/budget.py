"""How many posts that notify people a destination gets, and how those beyond that are told.

About 20 in 5 minutes, bursts allowed. What exceeds it goes into its thread without a sound, and one
message names every rollout, with the mentions of all. The first failure of a rollout that somebody
is to be pinged for is never among them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from monitor.compose import render
from monitor.compose.phrases import folded_words
from monitor.compose.render import Retold
from monitor.deliver.pace import Pace
from monitor.metrics import Metrics
from monitor.model import EventKind, Form, MessageRef, Notification, OutageKey, Urgency
from monitor.store import Fold, QueuedNotification, StoreThread, WaitingRow

log = structlog.get_logger(__name__)

_PREFIX = "gathered/"
_REMEMBERED = 200


@dataclass(slots=True)
class Allowance:
    """What one destination has left; it grows with time."""

    pace: Pace
    left: float
    at: datetime | None = None
    granted: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """The notifications that were let through: one that is tried again is not counted again."""
    history: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """Those that have waited for others like them."""

    def next_at(self, now: datetime) -> datetime:
        """Return when one more may be sent: now, or later."""
        if self.at is not None:
            grown = max(now - self.at, timedelta(0)) / self.pace.one_more_every
            self.left = min(self.pace.most_at_once, self.left + grown)
        self.at = now
        return now + max(1 - self.left, 0) * self.pace.one_more_every

    def grant(self, id_: int) -> None:
        self.left = max(self.left - 1, 0)
        self.granted.append(id_)


class NotifyingBudget:
    """Lets notifications through, and gathers those beyond what a destination is to get."""

    def __init__(
        self,
        store: StoreThread,
        pace: Pace,
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        permalink: Callable[[MessageRef], str | None],
    ) -> None:
        self._store = store
        self._pace = pace
        self._metrics = metrics
        self._now = now
        self._permalink = permalink
        self._allowances: dict[str, Allowance] = {}

    async def lets_through(self, queued: QueuedNotification, *, is_last: bool = False) -> bool:
        """Whether a notification may be sent now; else it was gathered with others, or put off.

        With `is_last` nobody will be there to send later what is put off.
        """
        is_loud = queued.form is Form.MESSAGE or queued.is_broadcast
        allowance = self._allowance(queued.destination)
        if not is_loud or queued.id in allowance.granted:
            return True
        now = self._now()
        if not is_last and await self._waits_for_more(queued, now):
            return False
        next_at = allowance.next_at(now)
        is_gathering = _is_gathering(queued.key)
        if next_at <= now or (is_gathering and is_last) or await self._is_exempt(queued):
            allowance.grant(queued.id)
            return True
        await self._put_off(queued, None if is_last else next_at, now)
        return False

    async def _waits_for_more(self, queued: QueuedNotification, now: datetime) -> bool:
        """Whether something is history, and was put off so that others like it are told with it.

        When a monitor is back, each rollout has such news within seconds.
        """
        settle_for, seen = self._pace.settle_for, self._allowance(queued.destination).history
        if not settle_for or queued.happened_at is None or queued.id in seen:
            return False
        rows = await self._store.call(self._store.folding.rows, queued.destination)
        history = {row.id for row in rows if row.is_history}
        if queued.id not in history:
            return False
        seen.append(queued.id)
        await self._put_off(queued, now + settle_for, now)
        return True

    async def _put_off(
        self, queued: QueuedNotification, next_at: datetime | None, now: datetime
    ) -> None:
        folded = await self._store.call(self._gather, queued, next_at, now)
        if folded:
            self._metrics.folded.inc(folded)
            log.info("gathered", destination=queued.destination, notifications=folded)

    def _allowance(self, destination: str) -> Allowance:
        if destination not in self._allowances:
            self._allowances[destination] = Allowance(self._pace, self._pace.most_at_once)
        return self._allowances[destination]

    async def _is_exempt(self, queued: QueuedNotification) -> bool:
        if queued.target is None or OutageKey.of_notification(queued.key) is not None:
            return not _is_gathering(queued.key)
        if EventKind.FAILED not in queued.events or not queued.mentions:
            return False
        return not await self._store.call(
            self._store.folding.has_notified_failure,
            queued.id,
            queued.target,
            queued.attempt,
            queued.destination,
        )

    def _gather(self, queued: QueuedNotification, next_at: datetime | None, now: datetime) -> int:
        """Fold what would notify people now into one message; returns how much is in it anew.

        A single one is only put off.
        """
        folding = self._store.folding
        rows = folding.rows(queued.destination)
        before = {row.id for row in rows if row.folded_into is None and _is_gathering(row.key)}
        loud = [row for row in rows if self._is_foldable(row, queued)]
        is_single = len(loud) + len(before) < 2 and next_at is not None
        if _is_gathering(queued.key) or is_single:
            folding.put_off(queued.id, next_at)
            return 0
        # What was gathered before is in the new message, the message that had it is not.
        its = (row for row in rows if row.folded_into in before and not _is_gathering(row.key))
        included = [*its, *loud]
        folding.write([self._fold(queued.destination, included, loud, before, next_at)], now)
        return len(loud)

    def _fold(
        self,
        destination: str,
        included: Sequence[WaitingRow],
        loud: Sequence[WaitingRow],
        before: AbstractSet[int],
        next_at: datetime | None,
    ) -> Fold:
        into = self._gathered(destination, included)
        replies = {row.id for row in loud if row.form is Form.REPLY}
        return Fold(
            ids=tuple({row.id for row in loud} - replies | before),
            into=into,
            reason=folded_words(into.headline),
            since=min(row.created_at for row in included),
            urgency=Urgency(min(row.urgency for row in included)),
            muted=tuple(replies),
            not_before=next_at,
        )

    def _gathered(self, destination: str, rows: Sequence[WaitingRow]) -> Notification:
        message = render.gathered([self._retold(row, destination) for row in rows])
        return Notification(
            key=f"{_PREFIX}{rows[-1].id}/{destination}",
            destination=destination,
            form=Form.MESSAGE,
            message=message,
            events=tuple(dict.fromkeys(event for row in rows for event in row.events)),
            headline=render.first_line(message),
            mentions=tuple(dict.fromkeys(mention for row in rows for mention in row.mentions)),
        )

    def _is_foldable(self, row: WaitingRow, queued: QueuedNotification) -> bool:
        """Whether a row would notify people and need not do so by itself."""
        if row.id == queued.id:
            return True
        if row.is_history != (queued.happened_at is not None):
            return False
        if not row.is_loud or row.target is None or row.folded_into is not None:
            return False
        if (
            row.id in self._allowance(queued.destination).granted
            or OutageKey.of_notification(row.key) is not None
        ):
            return False
        return not (EventKind.FAILED in row.events and row.mentions) or (
            self._store.folding.has_notified_failure(
                row.id, row.target, row.attempt, queued.destination
            )
        )

    def _retold(self, row: WaitingRow, destination: str) -> Retold:
        sentence = row.headline or render.first_line(self._store.folding.message(row.id))
        if row.target is None:
            return Retold(sentence)
        card = self._store.cards.posted(row.target, row.attempt).get(destination)
        return Retold(sentence, url=self._permalink(card) if card else None)


def _is_gathering(key: str) -> bool:
    return key.startswith(_PREFIX)
