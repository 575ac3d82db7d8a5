"""What waited for long is told as it is now, not replayed: after Slack, or the monitor, was away.

A rollout that is still in trouble gets one message, what happened to all others goes into one for
the destination, and what cancels out is dropped. Folded again and again while Slack is away, what
waits is always about what holds by then, and hardly more than a message for each rollout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from monitor.compose import render
from monitor.compose.phrases import folded_words
from monitor.compose.render import Retold, Toll
from monitor.decide.progress import units_of
from monitor.metrics import Metrics
from monitor.model import (
    Alert,
    EventKind,
    Form,
    Message,
    MessageRef,
    Notification,
    OutageKey,
    Phase,
    Snapshot,
    Target,
    TargetState,
    Urgency,
)
from monitor.store import Fold, Overdue, StoredTarget, StoreThread, WaitingRow

log = structlog.get_logger(__name__)

_MANY = 3
"""So many old ones are a backlog even if each of them was tried: one may be refused by itself."""
_CANCELLED = "it was over before it could be sent"


@dataclass(frozen=True, slots=True)
class Rollout:
    """What waits about one target for one destination, in order.

    Of what is folded already, the row that tells it waits in its place. `is_in_trouble` says so of
    the newest attempt, by what the destination was notified of.
    """

    target: Target
    rows: tuple[WaitingRow, ...]
    stored: StoredTarget | None
    is_in_trouble: bool

    @property
    def attempt(self) -> int:
        return self.rows[-1].attempt

    @property
    def own_rows(self) -> tuple[WaitingRow, ...]:
        """The rows that say something by themselves, those that only tell others left out."""
        return tuple(row for row in self.rows if not row.folded_count)

    @property
    def since(self) -> datetime:
        return min(row.created_at for row in self.rows)


def is_backed_up(overdue: Overdue) -> bool:
    """Whether what waits is to be folded: one that is refused by itself holds up no others."""
    return overdue.held_up > 0 or overdue.old >= _MANY


def active_alerts(state: TargetState, destination: str) -> tuple[Alert, ...]:
    """Return the problems that are active now and that a destination was notified of."""
    return tuple(
        alert
        for alert in state.alerts
        if not alert.is_retrying
        and (alert.notified_destinations is None or destination in alert.notified_destinations)
    )


def toll_of(snapshot: Snapshot, failures: Iterable[str]) -> Toll:
    """Return what became of the parts that failed, by their ids.

    What was tried again and went well has recovered, though what failed is in the tree still.
    """
    root, failed = snapshot.root, set(failures) - {snapshot.root.id}
    failed_units = [unit for step in root.children for unit in step.children if unit.id in failed]
    newest = {unit.work: unit for step in root.children for unit in units_of(step)}
    works = {unit.work for unit in failed_units}
    phases = Counter(newest[work].phase for work in works if work in newest)
    not_found = len(failed) - len(failed_units)
    return Toll(len(works) + not_found, phases[Phase.SUCCEEDED], phases[Phase.FAILED])


def cancelled(rows: Iterable[WaitingRow]) -> Iterator[WaitingRow]:
    """Yield the reports of outages that began and ended before either could be sent."""
    begun: dict[tuple[str, datetime], WaitingRow] = {}
    for row in rows:
        if (notice := OutageKey.of_notification(row.key)) is not None:
            outage = notice.scope, notice.since
            if notice.kind is not EventKind.REACHABLE:
                begun[outage] = row
            elif outage in begun:
                yield from (begun.pop(outage), row)


class CatchUp:
    """Folds what waits for a destination, once any of it has waited for long: `patience`."""

    def __init__(
        self,
        store: StoreThread,
        patience: timedelta,
        *,
        metrics: Metrics,
        now: Callable[[], datetime],
        permalink: Callable[[MessageRef], str | None],
    ) -> None:
        self._store = store
        self._patience = patience
        self._metrics = metrics
        self._now = now
        self._permalink = permalink
        self._seen: dict[str, int | None] = {}

    async def fold(self, destination: str) -> None:
        """Fold what waits for a destination, if any of it has for long."""
        now, folding = self._now(), self._store.folding
        overdue = await self._store.call(
            folding.overdue, destination, old_before=now - self._patience
        )
        if not is_backed_up(overdue) or self._seen.get(destination) == overdue.newest_id:
            return
        # In one go in the store's thread, in which nothing else is written meanwhile.
        folds = await self._store.call(self._fold, destination, now)
        if folds:
            count = sum(len(fold.ids) for fold in folds)
            self._metrics.folded.inc(count)
            log.info("caught_up", destination=destination, folded=count, into=len(folds))
        # What it adds itself is no reason to fold again.
        overdue = await self._store.call(folding.overdue, destination, old_before=now)
        self._seen[destination] = overdue.newest_id

    def _fold(self, destination: str, now: datetime) -> tuple[Fold, ...]:
        folding = self._store.folding
        rows = folding.rows(destination)
        rollouts = [self._rollout(destination, *one) for one in _by_target(rows).items()]
        since = min((row.created_at for row in rows), default=now)
        folder = _Folder(self._store, self._permalink, destination, since, now)
        folds = tuple(filter(None, (*folder.all(rollouts, rows), _cancelling(rows))))
        folding.write(folds, now)
        return folds

    def _rollout(self, destination: str, target: Target, rows: tuple[WaitingRow, ...]) -> Rollout:
        stored = self._store.snapshots.load(target)
        is_in_trouble = (
            stored is not None
            and stored.state.attempt == rows[-1].attempt
            and not stored.state.is_closed
            and bool(active_alerts(stored.state, destination))
        )
        return Rollout(target, rows, stored, is_in_trouble)


def _cancelling(rows: Iterable[WaitingRow]) -> Fold | None:
    dropped = tuple(cancelled(row for row in rows if _is_to_fold(row)))
    if not dropped:
        return None
    return Fold(tuple(row.id for row in dropped), None, _CANCELLED, dropped[0].created_at)


def _by_target(rows: Iterable[WaitingRow]) -> Mapping[Target, tuple[WaitingRow, ...]]:
    """Return the news of each rollout, which reports of outages are not."""
    found: dict[Target, tuple[WaitingRow, ...]] = {}
    for row in rows:
        if row.target is not None and OutageKey.of_notification(row.key) is None:
            found[row.target] = (*found.get(row.target, ()), row)
    return found


@dataclass(frozen=True, slots=True)
class _Folder:
    """Words what is folded, from what the store knows by now."""

    store: StoreThread
    permalink: Callable[[MessageRef], str | None]
    destination: str
    since: datetime
    now: datetime

    def all(self, rollouts: Sequence[Rollout], rows: Iterable[WaitingRow]) -> Iterator[Fold | None]:
        troubles = [one for one in rollouts if one.is_in_trouble]
        others = [one for one in rollouts if not one.is_in_trouble]
        summaries = [row for row in rows if row.target is None and row.folded_count]
        yield from map(self.trouble, troubles)
        yield self.summary(others, summaries, len(troubles))

    def trouble(self, rollout: Rollout) -> Fold | None:
        """Tell of a rollout in trouble in one message; None where one waits already."""
        waiting = [row for row in rollout.rows if _is_to_fold(row) and not row.is_edited]
        if len(waiting) < 2 or rollout.stored is None:
            return None
        into = self._retold_alone(rollout, rollout.stored, waiting)
        ids = tuple(row.id for row in waiting)
        return Fold(ids, into, _reason(into), rollout.since, Urgency.PROBLEM)

    def _retold_alone(
        self, rollout: Rollout, stored: StoredTarget, waiting: Sequence[WaitingRow]
    ) -> Notification:
        own = [row for row in rollout.own_rows if not row.is_edited]
        alerts = {alert.kind for alert in active_alerts(stored.state, self.destination)}
        mentions = [m for row in own if alerts & set(row.events) for m in row.mentions]
        its, last = rollout.target, waiting[-1]
        message = current_message(
            self.store,
            stored,
            row_id=own[-1].id if own else last.id,
            since=rollout.since,
            now=self.now,
            destination=self.destination,
        )
        is_reply = any(row.form is Form.REPLY for row in waiting)
        return Notification(
            key=f"{its.kind}/{its.id}/{rollout.attempt}/retold/{last.id}/{self.destination}",
            destination=self.destination,
            form=Form.REPLY if is_reply else Form.MESSAGE,
            message=message,
            target=its,
            attempt=rollout.attempt,
            events=_events_of(own),
            is_broadcast=is_reply and any(row.is_broadcast for row in waiting),
            headline=render.first_line(message),
            mentions=tuple(dict.fromkeys(mentions)),
        )

    def summary(
        self, rollouts: Sequence[Rollout], summaries: Sequence[WaitingRow], in_trouble: int
    ) -> Fold | None:
        """Tell of all others in one message; None where that would spare none."""
        rows = [row for one in rollouts for row in one.rows if self._is_over(one, row)]
        waiting = [*summaries, *(row for row in rows if _is_to_fold(row))]
        if sum(not row.is_edited for row in waiting) < 2:
            return None
        ids = tuple(sorted(row.id for row in waiting))
        retold = [self._retold(one) for one in rollouts]
        retold.sort(key=lambda one: -one.toll.failed)
        message = render.away_summary(self.since, self.now, retold, in_trouble)
        into = Notification(
            key=f"away/{ids[0]}-{ids[-1]}/{self.destination}",
            destination=self.destination,
            form=Form.MESSAGE,
            message=message,
            headline=render.first_line(message),
        )
        return Fold(ids, into, _reason(into), self.since)

    def _is_over(self, rollout: Rollout, row: WaitingRow) -> bool:
        """Whether a row need not be sent: the card of what is still going on is."""
        if not row.is_edited or rollout.stored is None:
            return True
        state = rollout.stored.state
        return state.ended is not None or state.attempt != row.attempt

    def _retold(self, rollout: Rollout) -> Retold:
        its = rollout.target, rollout.attempt
        drawn = _drawn(self.store, *its, self.destination, rollout.own_rows[-1].id)
        sentence = render.first_line(drawn)
        card = self.store.cards.posted(*its).get(self.destination)
        return Retold(sentence, self._toll(rollout), self.permalink(card) if card else None)

    def _toll(self, rollout: Rollout) -> Toll:
        if rollout.stored is None:
            return Toll()
        return _toll_since(self.store, rollout.stored, rollout.since, self.now)


def current_message(
    store: StoreThread,
    stored: StoredTarget,
    *,
    row_id: int,
    since: datetime,
    now: datetime,
    destination: str,
) -> Message:
    """Return how a rollout in trouble stands, and what became of it; to be called by the store.

    Where it has no card, it is what the row was to say.
    """
    drawn = _drawn(store, stored.target, stored.state.attempt, destination, row_id)
    return render.retold(drawn, since, _toll_since(store, stored, since, now))


def _drawn(
    store: StoreThread, target: Target, attempt: int, destination: str, row_id: int
) -> Message:
    card = store.cards.wanted(target, attempt, destination)
    return card[0] if card else store.folding.message(row_id)


def _toll_since(store: StoreThread, stored: StoredTarget, since: datetime, now: datetime) -> Toll:
    failures = store.history.failures(since, now, of=stored.target)
    return toll_of(stored.snapshot, failures.get(stored.target, {}))


def _events_of(rows: Iterable[WaitingRow]) -> tuple[EventKind, ...]:
    return tuple(dict.fromkeys(event for row in rows for event in row.events))


def _is_to_fold(row: WaitingRow) -> bool:
    return row.folded_into is None


def _reason(into: Notification) -> str:
    return folded_words(into.headline)
