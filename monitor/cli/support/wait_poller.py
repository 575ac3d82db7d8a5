"""Following one rollout poll by poll, with nothing but the platform: what `wait` is made of.

Events and stalls are decided by the same code as in the daemon; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor.compose import render
from monitor.compose.assembly import view_of
from monitor.compose.observation import Seen, compare
from monitor.compose.phrases import why_of
from monitor.decide.reachability import Reachability
from monitor.decide.stalls import StallRules
from monitor.errors import NuonError, NuonNotFound, NuonRejected, NuonUnavailable
from monitor.kinds import KINDS, explained, run
from monitor.kinds.profile import NOTHING_SEEN
from monitor.kinds.wire import Memo
from monitor.model import Entity, Event, EventKind, Phase, Target, TargetState
from monitor.platform.explanations import Explanations
from monitor.platform.fetch import gather
from monitor.platform.lookups import Names
from monitor.platform.source import Source
from monitor.text import duration_words, plain

SUCCEEDED, FAILED, UNDECIDED = 0, 1, 3

_UNREACHABLE_AFTER = timedelta(seconds=10)
"""For how long polls in a row must fail before the target is reported as unreachable."""
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class End:
    """Why there is nothing more to wait for, and the exit code that says so."""

    code: int
    words: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one poll brought. `view` is how it was last seen, None if it never was.

    `reachability` says that the target is unreachable, or reachable again; empty where that
    did not change.
    `is_unreachable` marks a poll that failed.
    """

    view: render.View | None
    events: tuple[Event, ...] = ()
    reachability: str = ""
    end: End | None = None
    is_unreachable: bool = False


def end_of(root: Entity, state: TargetState, *, waits_for_approval: bool) -> End | None:
    """Say whether it came to an end, or to where it will not go on by itself."""
    kinds = {alert.kind for alert in state.alerts}
    if state.ended is not None:
        is_well = state.ended is EventKind.SUCCEEDED
        return End(SUCCEEDED, "succeeded") if is_well else End(FAILED, "failed")
    if root.phase is Phase.ENDED:
        return End(FAILED, f"ended as {plain(root.status, 60)}, which is no success")
    if EventKind.STALLED in kinds:
        reason = next(alert.reason for alert in state.alerts if alert.kind is EventKind.STALLED)
        return End(UNDECIDED, f"stalled: {plain(why_of(reason), 300)}")
    if EventKind.WAITING in kinds and not waits_for_approval:
        return End(UNDECIDED, "waits for a person")
    return None


class Follower:
    """Polls one rollout; keeps its last snapshot."""

    def __init__(
        self,
        source: Source,
        target: Target,
        *,
        links: render.Links,
        stall_rules: StallRules,
        waits_for_approval: bool,
        now: Callable[[], datetime],
        is_kind_sure: bool = True,
    ) -> None:
        """A workflow whose kind is not sure turns out to be a run if the platform says so."""
        self._source = source
        self._target = target
        self._links = links
        self._stall_rules = stall_rules
        self._waits_for_approval = waits_for_approval
        self._now = now
        self._is_kind_sure = is_kind_sure
        self._names = Names(source, None, now)
        self._reachability = Reachability(unreachable_after=_UNREACHABLE_AFTER, reported={})
        self._memo: Memo[Any] = Memo()
        self._explanations: Explanations | None = None
        self._seen: Seen | None = None
        self._view: render.View | None = None
        self._retry_after = 0.0

    async def look(self) -> Look:
        """Poll once. Raises NuonError where asking again will never help."""
        self._reachability.asks(self._target)
        last_seen = self._seen.last_seen if self._seen else NOTHING_SEEN
        try:
            if not self._is_kind_sure:
                self._target = await _owned(self._source, self._target)
                self._is_kind_sure = True
            kind, target = KINDS[self._target.kind], self._target
            if self._explanations is None:
                self._explanations = Explanations(self._source, kind)
            gathered = await gather(self._source, kind, target.id, last_seen, self._explanations)
            memo = Memo(self._memo)
            root = kind.decode(gathered.main.body, target.id, memo, gathered.beside)
        except NuonError as error:
            return self._failed(error)
        self._memo, self._retry_after = memo, 0.0
        change = compare(self._seen, target, root, now=self._now(), stall_rules=self._stall_rules)
        state = change.decision.state
        self._seen = Seen(change.snapshot, state)
        called = await self._names.called(change.shown_ids)
        self._view = view_of(change.snapshot, state, called, links=self._links, watch=None)
        end = end_of(change.snapshot.root, state, waits_for_approval=self._waits_for_approval)
        return Look(self._view, change.decision.events, self._sees_again(), end)

    def pause(self, interval: timedelta) -> timedelta:
        """Return how long to wait until the next look: longer after each that failed."""
        failures = self._reachability.failures_of(self._target)
        slower = min(interval * float(2 ** min(max(failures - 1, 0), 8)), _LONGEST_PAUSE)
        return max(interval, slower, timedelta(seconds=self._retry_after))

    def out_of_time(self, after: timedelta) -> End:
        """Say what it was still waiting for when the time was up."""
        in_time = f"out of time after {duration_words(after)}"
        if self._seen is None:
            return End(UNDECIDED, f"{in_time}: nothing was seen of it")
        is_waiting = any(alert.kind is EventKind.WAITING for alert in self._seen.state.alerts)
        return End(UNDECIDED, f"{in_time}: {'waits for a person' if is_waiting else 'under way'}")

    # Reachability

    def _failed(self, error: NuonError) -> Look:
        self._retry_after = 0.0
        if isinstance(error, NuonUnavailable):
            self._retry_after = error.retry_after or 0.0
        was_seen = self._seen is not None
        error = explained(error, self._target, was_seen=was_seen)
        will_never_work = isinstance(error, NuonRejected | NuonNotFound)
        if will_never_work and not was_seen:
            raise error
        news = self._reachability.failed(self._target, error, self._now())
        if news is None:
            return Look(self._view, is_unreachable=True)
        if will_never_work:
            raise error
        self._reachability.adopt(news, self._now())
        sentence = f"unreachable, trying again: {plain(news.reason, 300)}"
        return Look(self._view, reachability=sentence, is_unreachable=True)

    def _sees_again(self) -> str:
        sentence = ""
        for news in self._reachability.succeeded(self._target, self._now()):
            self._reachability.adopt(news, self._now())
            sentence = f"reachable again, after {duration_words(self._now() - news.since)}"
        return sentence


async def _owned(source: Source, workflow: Target) -> Target:
    """Tell an app branch's run from another workflow; raises NuonError."""
    answer = await source.get(KINDS[workflow.kind].path(workflow.id))
    return Target(run.NAME, workflow.id) if run.is_run(answer.body) else workflow
