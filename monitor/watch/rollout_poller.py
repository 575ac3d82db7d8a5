"""One pass for one watch: fetch → decode → diff → decide → draw → commit.

A failed fetch or an unreadable answer is no observation: it changes what the monitor says
of its own sight, and nothing else. What a poll causes is committed in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog

from monitor.compose import notifications, render
from monitor.compose.assembly import scene_of, view_of
from monitor.decide import events
from monitor.decide.diff import Difference, diff, keep_absent
from monitor.decide.dispatch import Dispatch, dispatch
from monitor.decide.verdicts import Silence
from monitor.errors import NuonError
from monitor.kinds import KINDS
from monitor.kinds.profile import WatchKind
from monitor.kinds.wire import Beside, Memo
from monitor.model import Called, Snapshot, Target, TargetState, Watch
from monitor.platform.fetch import Gathered, gather
from monitor.store import Observation
from monitor.watch.context import Context
from monitor.watch.outages import OutageReporter
from monitor.watch.poller import Outcome

log = structlog.get_logger(__name__)

# From this size on an answer is worked on beside the event loop, which must not be held up.
_LARGE = 512 * 1024


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last observation of a target, as it was committed."""

    snapshot: Snapshot
    state: TargetState
    fingerprint: bytes
    wakes_at: datetime | None


class RolloutPoller:
    """The pass for one watch; holds what it saw last, as the store does."""

    def __init__(
        self,
        watch: Watch,
        context: Context,
        lead: Callable[[Target], None] = lambda _: None,
    ) -> None:
        """`lead` is called with whatever else is to be watched because of what was seen."""
        self.watch = watch
        self._lead = lead
        self._context = context
        self._kind: WatchKind = KINDS[watch.target.kind]
        self._seen: _Seen | None = None
        self._memo: Memo[Any] = Memo()
        self._is_loaded = False
        self._lacks_link = False
        self._outage_reporter = OutageReporter(watch, context)
        self._jumped = context.jumped()
        self._is_stale = False
        """Whether the card says that it is watched no more, which is over."""
        self._learnt: bytes | None = None
        self._silences_version = context.active_silences.version
        self._silences: tuple[Silence, ...] = ()
        self.polled_at: datetime | None = None
        """When the last poll came through."""

    async def poll(self) -> Outcome:
        """Make one pass. Raises StoreError where the commit failed; the next pass sees anew."""
        started = time.perf_counter()
        if not self._is_loaded:
            await self._load()
        await self._follow_clock()
        self._outage_reporter.asks()
        try:
            seen = self._seen.snapshot.root if self._seen else None
            gathered = await gather(self._context.source, self._kind, self.watch.target.id, seen)
            self._learn(gathered)
            outcome = await self._observe(gathered)
        except NuonError as error:
            await self._outage_reporter.fail(error, was_seen=self._seen is not None)
            outcome = Outcome.FAILED
        else:
            self.polled_at = self._context.now()
            await self._outage_reporter.succeed()
        self._context.metrics.polls.labels(outcome).inc()
        self._context.metrics.poll_seconds.observe(time.perf_counter() - started)
        return outcome

    def add_homes(self, homes: Sequence[str]) -> None:
        """Be at home in these as well, from the next news on."""
        self.watch = self._outage_reporter.watch = self.watch.with_homes(homes)

    def pause(self) -> timedelta | None:
        """Return how long to wait until the next poll; None to poll no more."""
        settings, now = self.watch.settings, self._context.now()
        is_found = self.watch.found_in is not None
        if self._outage_reporter.is_failing:
            if is_found and self._outage_reporter.is_removed:
                return None
            return self._outage_reporter.pause()
        seen = self._seen
        if seen is None or not self.is_settled:
            return settings.interval
        # A card that has still to say where the one before stands is drawn by a later poll.
        if is_found and not self._lacks_link:
            return None
        if seen.state.ended_at and now - seen.state.ended_at >= settings.forget_after:
            return None
        return max(settings.settled_interval, settings.interval)

    @property
    def is_settled(self) -> bool:
        seen, now = self._seen, self._context.now()
        return seen is not None and events.is_settled(seen.snapshot, seen.state, now)

    async def _load(self) -> None:
        stored = await self._context.store.call(
            self._context.store.snapshots.load, self.watch.target
        )
        if stored is not None:
            state = events.not_beyond(stored.state, self._context.now())
            self._is_stale = state.is_closed
            state = events.looked_at_anew(state, self._context.now())
            state = msgspec.structs.replace(state, is_closed=False)
            self._lacks_link = state.attempt > 1
            self._remember(stored.snapshot, state, stored.fingerprint)
        self._is_loaded = True

    async def _follow_clock(self) -> None:
        """A clock that was set makes nothing older or younger: neither hangs what just moved."""
        jumped, seen = self._context.jumped(), self._seen
        if jumped == self._jumped:
            return
        if seen is not None:
            state = events.moved(seen.state, jumped - self._jumped)
            observation = Observation(seen.snapshot, state, seen.fingerprint)
            await self._context.store.call(self._context.store.save, observation)
            self._remember(seen.snapshot, state, seen.fingerprint)
        self._jumped = jumped

    def _remember(self, snapshot: Snapshot, state: TargetState, fingerprint: bytes) -> None:
        wakes_at = events.wakes_at(snapshot, state, self._context.stall_rules)
        self._seen = _Seen(snapshot, state, fingerprint, wakes_at)
        for target in self._kind.leads_to(snapshot.root):
            self._lead(target)

    def _learn(self, gathered: Gathered) -> None:
        """Take up the webhooks that the platform holds for apps, where they are to be used."""
        channels = self._context.channels
        if self._kind.webhooks is None or not channels.learns_of_apps:
            return
        if gathered.fingerprint != self._learnt:
            self._learnt = gathered.fingerprint
            for app_id in channels.learn(self._kind.webhooks(gathered.main.body)):
                log.warning("app_webhook_refused", app=app_id, reason="not one of Slack's hosts")

    # An answer came

    async def _observe(self, gathered: Gathered) -> Outcome:
        now, fingerprint = self._context.now(), gathered.fingerprint
        seen = self._seen
        if seen is not None and seen.fingerprint == fingerprint:
            is_asleep = (
                seen.wakes_at is None or now < seen.wakes_at
            ) and self._silences_version == self._context.active_silences.version
            if is_asleep and not await self._can_link_now(seen.state):
                return Outcome.UNCHANGED
            snapshot = msgspec.structs.replace(seen.snapshot, taken_at=now)
            difference = Difference((), has_moved=False)
        elif len(body := gathered.main.body) < _LARGE:
            snapshot, difference = self._compare(body, gathered.beside, now)
        else:
            compare = partial(self._compare, body, gathered.beside, now)
            snapshot, difference = await asyncio.to_thread(compare)
        return await self._take(snapshot, difference, fingerprint, now)

    def _compare(self, body: bytes, beside: Beside, now: datetime) -> tuple[Snapshot, Difference]:
        memo = Memo(self._memo)
        root = self._kind.decode(body, self.watch.target.id, memo, beside)
        self._memo = memo
        before = self._seen.snapshot if self._seen else None
        after = keep_absent(before, Snapshot(self.watch.target, now, root))
        return after, diff(before, after)

    async def _take(
        self, snapshot: Snapshot, difference: Difference, fingerprint: bytes, now: datetime
    ) -> Outcome:
        seen, active_silences = self._seen, self._context.active_silences
        decision = events.decide(
            seen.snapshot if seen else None,
            snapshot,
            difference,
            seen.state if seen else None,
            now=now,
            stall_rules=self._context.stall_rules,
            forgot_before=self._context.forgot_before,
            is_new=self.watch.is_new,
        )
        version = active_silences.version
        is_as_before = (
            seen is not None
            and not decision.events
            and decision.state == seen.state
            and snapshot.root == seen.snapshot.root
            and not self._is_stale
        )
        if (
            is_as_before
            and seen is not None
            and self._silences_version == version
            and not any(alert.is_kept_back for alert in seen.state.alerts)
            and not await self._can_link_now(seen.state)
        ):
            self._remember(seen.snapshot, seen.state, fingerprint)
            return Outcome.UNCHANGED
        called = await self._context.name_source.called(self._ids(snapshot, decision))
        dispatched = dispatch(
            scene_of(self.watch, snapshot, called, app_destinations=self._context.channels.of_apps),
            decision.events,
            decision.state,
            plan=self._context.plan,
            silences=active_silences.silences,
            now=now,
        )
        if (
            is_as_before
            and seen is not None
            and not dispatched.news
            and dispatched.state == seen.state
            and dispatched.silences == self._silences
            and not await self._can_link_now(seen.state)
        ):
            self._remember(seen.snapshot, seen.state, fingerprint)
            self._silences_version = version
            return Outcome.UNCHANGED
        mail = await self._compose(snapshot, dispatched, called)
        observation = Observation(
            snapshot=snapshot,
            state=dispatched.state,
            fingerprint=fingerprint,
            transitions=difference.transitions,
            alterations=difference.alterations,
            cards=mail.cards,
            notifications=mail.notifications,
            held=mail.held,
        )
        await self._context.store.call(self._context.store.save, observation)
        self._remember(snapshot, dispatched.state, fingerprint)
        self._silences, self._silences_version = dispatched.silences, version
        self._context.decided(snapshot, dispatched)
        self._is_stale = False
        self._report(seen, snapshot, difference, decision)
        if observation.cards or observation.notifications:
            self._context.has_news()
        return Outcome.CHANGED

    def _ids(self, snapshot: Snapshot, decision: events.Decision) -> tuple[str, ...]:
        state = decision.state
        if not state.has_card:
            return ()
        return render.shown_ids(snapshot, state, decision.events)

    async def _compose(
        self, snapshot: Snapshot, dispatched: Dispatch, called: Called
    ) -> notifications.Mail:
        context, state = self._context, dispatched.state
        view = view_of(
            snapshot,
            state,
            called,
            links=context.links,
            watch=self.watch,
            templates=context.templates,
            silences=dispatched.silences,
        )
        for problem in view.filled.problems if view.filled else ():
            log.warning("template_failed", target=str(snapshot.target), problem=str(problem))
        previous = await self._cards_of(state.attempt - 1)
        self._lacks_link = state.attempt > 1 and not previous
        return notifications.compose(
            view,
            dispatched,
            earlier=self._seen.state if self._seen else None,
            keeps_cards=context.channels.keeps_cards,
            cards=await self._cards_of(state.attempt) if dispatched.news else {},
            previous=previous,
            users=await context.directory.users_of(dispatched.starters),
        )

    async def _can_link_now(self, state: TargetState) -> bool:
        """Whether a card was drawn too early to link the one before, which is posted by now."""
        return self._lacks_link and bool(await self._cards_of(state.attempt - 1))

    async def _cards_of(self, attempt: int) -> Mapping[str, str]:
        return await self._context.card_links(self.watch.target, attempt)

    def _report(
        self,
        seen: _Seen | None,
        snapshot: Snapshot,
        difference: Difference,
        decision: events.Decision,
    ) -> None:
        metrics = self._context.metrics
        metrics.transitions.inc(len(difference.transitions))
        for event in decision.events:
            metrics.events.labels(event.kind).inc()
        root = snapshot.root
        if seen is None:
            log.info(
                "baseline",
                target=str(snapshot.target),
                status=root.status,
                parts=sum(1 for _ in root.walk()) - 1,
                card=decision.state.has_card,
                events=[str(event.kind) for event in decision.events],
            )
        elif difference.transitions or decision.events:
            log.info(
                "changed",
                target=str(snapshot.target),
                status=root.status,
                attempt=decision.state.attempt,
                transitions=len(difference.transitions),
                events=[str(event.kind) for event in decision.events],
            )
