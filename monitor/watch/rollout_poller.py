"""One pass for one watch: fetch → decode → compare → look up → observe → commit.

A failed fetch or an unreadable answer is no observation: it changes what is reported of the
target's reachability, and nothing else. What a poll causes is committed in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog

from monitor.compose.observation import Change, Facts, Observation, Seen, compare, observe
from monitor.decide import events
from monitor.decide.order import Staleness
from monitor.decide.verdicts import Silence
from monitor.errors import NuonError
from monitor.kinds import KINDS
from monitor.kinds.profile import NOTHING_SEEN, WatchKind
from monitor.kinds.wire import MEMBERS, Document, Memo, members_document
from monitor.model import Entity, Target, Watch
from monitor.platform.explanations import Explanations
from monitor.platform.fetch import Gathered, gather
from monitor.store import Observation as StoredObservation
from monitor.watch.context import Context
from monitor.watch.outages import OutageReporter
from monitor.watch.poller import Outcome

log = structlog.get_logger(__name__)

_GAP = timedelta(minutes=10)
"""After so long without a poll, beside two that were missed, news says when it happened."""


class _Answer(NamedTuple):
    """What a poll looked at: where nothing of it is new, nothing is evaluated."""

    fingerprint: bytes
    silences: tuple[Silence, ...]


class RolloutPoller:
    """The pass for one watch; keeps its last snapshot, as the store does."""

    def __init__(
        self,
        watch: Watch,
        context: Context,
        lead: Callable[[Target], None] = lambda _: None,
    ) -> None:
        """`lead` is called with further targets to watch that a snapshot names."""
        self.watch = watch
        self._lead = lead
        self._context = context
        self._kind: WatchKind = KINDS[watch.target.kind]
        self._seen: Seen | None = None
        self._looked_at: _Answer | None = None
        self._wakes_at: datetime | None = None
        """When the passing of time may cause an event, though no answer changes."""
        self._memo: Memo[Any] = Memo()
        self._explanations = Explanations(context.source, self._kind)
        self._is_loaded = False
        self._outage_reporter = OutageReporter(watch, context)
        self._jumped = context.jumped()
        self._webhooks_of: bytes | None = None
        self.polled_at: datetime | None = None
        """When the last poll succeeded."""
        self._polled_before: datetime | None = None
        """When the last poll of an earlier run succeeded."""

    async def poll(self) -> Outcome:
        """Make one pass. Raises StoreError where the commit failed; the next begins anew."""
        started = time.perf_counter()
        if not self._is_loaded:
            await self._load()
        # Also where no answer comes: a restart in the meantime could not follow it any more.
        await self._follow_clock(self._context.jumped())
        self._outage_reporter.asks()
        try:
            gathered = await gather(
                self._context.source,
                self._kind,
                self.watch.target.id,
                self._seen.last_seen if self._seen else NOTHING_SEEN,
                self._explanations,
                given=await self._given(),
            )
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

    async def _given(self) -> Mapping[str, Document]:
        """Return what the list that led to the target knows of it."""
        if not self._kind.has_members:
            return {}
        finds = await self._context.store.call(self._context.store.finds.load, self.watch.target)
        ids = (find.target.id for find in finds)
        return {MEMBERS: members_document(ids, self._context.now())}

    def add_default_destinations(self, destinations: Sequence[str]) -> None:
        """Notify these by default as well, from the next news on."""
        self.watch = self._outage_reporter.watch = self.watch.with_default_destinations(
            destinations
        )

    def pause(self) -> timedelta | None:
        """Return how long to wait until the next poll; None for no further poll."""
        settings, now = self.watch.settings, self._context.now()
        is_found = self.watch.found_in is not None
        if self._outage_reporter.is_failing:
            if is_found and self._outage_reporter.is_removed:
                return None
            return self._outage_reporter.pause()
        seen = self._seen
        if seen is None or not self.is_settled:
            return settings.interval
        # A card that has still to link the one before is drawn by a later poll.
        if is_found and not seen.lacks_link:
            return None
        if seen.state.ended_at and now - seen.state.ended_at >= settings.forget_after:
            return None
        return max(settings.settled_interval, settings.interval)

    @property
    def is_settled(self) -> bool:
        seen, now = self._seen, self._context.now()
        if seen is None or self._explanations.is_awaiting:
            return False
        return events.is_settled(seen.snapshot, seen.state, now)

    async def _load(self) -> None:
        stored = await self._context.store.call(
            self._context.store.snapshots.load, self.watch.target
        )
        if stored is not None:
            now = self._context.now()
            state = events.looked_at_anew(events.not_beyond(stored.state, now), now)
            self._remember(Seen(stored.snapshot, state))
            self._looked_at = _Answer(stored.fingerprint, ())
            self._polled_before = stored.polled_at
        self._is_loaded = True

    async def _now(self) -> datetime:
        """Return the time, by which what is remembered is as old as before the clock was set.

        The clock may be set at any moment, also while an answer is awaited: what the time is and
        how far it was set are believed once both were read with nothing in between.
        """
        while True:
            jumped = self._context.jumped()
            await self._follow_clock(jumped)
            now = self._context.now()
            if self._context.jumped() == jumped:
                return now

    async def _follow_clock(self, jumped: timedelta) -> None:
        """Correct stored times by how far the clock was set: what just changed has not stalled."""
        seen = self._seen
        if jumped == self._jumped:
            return
        if seen is not None and self._looked_at is not None:
            state = events.moved(seen.state, jumped - self._jumped)
            moved = StoredObservation(seen.snapshot, state, self._looked_at.fingerprint)
            await self._context.store.call(self._context.store.save, moved)
            self._remember(replace(seen, state=state))
        self._jumped = jumped

    def _remember(self, seen: Seen) -> None:
        self._seen = seen
        self._wakes_at = events.wakes_at(seen.snapshot, seen.state, self._context.stall_rules)
        for target in self._kind.leads_to(seen.snapshot.root):
            self._lead(target)

    def _learn(self, gathered: Gathered) -> None:
        """Learn the webhooks that the platform holds for apps, where these are used."""
        channels = self._context.channels
        if self._kind.webhooks is None or not channels.learns_of_apps:
            return
        if gathered.fingerprint != self._webhooks_of:
            self._webhooks_of = gathered.fingerprint
            known = self._kind.webhooks(gathered.main.body, gathered.beside)
            for app_id in channels.learn(known):
                log.warning("app_webhook_refused", app=app_id, reason="not one of Slack's hosts")

    # After an answer

    async def _observe(self, gathered: Gathered) -> Outcome:
        context, now = self._context, await self._now()
        answer = _Answer(gathered.fingerprint, context.active_silences.silences)
        previous: Mapping[str, str] = {}
        if not self._is_due(answer, now):
            previous = await self._missing_link()
            if not previous and not await self._has_new_table_link():
                return Outcome.UNCHANGED
        change = await self._compare(gathered, now)
        self._note_staleness(change.staleness)
        observation = observe(
            self._seen,
            change,
            await self._look_up(change, answer.silences, previous),
            watch=self.watch,
            plan=context.plan,
            links=context.links,
            templates=context.templates,
            keeps_cards=context.channels.keeps_cards,
            is_late=self._is_after_gap(now),
        )
        if observation is not None:
            await self._commit(change, observation, answer.fingerprint)
        self._looked_at = answer  # not before its snapshot is stored
        return Outcome.UNCHANGED if observation is None else Outcome.CHANGED

    def _is_after_gap(self, now: datetime) -> bool:
        """Whether what is new may have happened long ago, as nobody has looked since."""
        polled_at = self.polled_at or self._polled_before
        return polled_at is not None and now - polled_at > _GAP + 2 * self.watch.settings.interval

    def _is_due(self, answer: _Answer, now: datetime) -> bool:
        """Whether anything can be new: the answer or the silences differ, or something is due."""
        is_awake = self._wakes_at is not None and now >= self._wakes_at
        return is_awake or answer != self._looked_at

    async def _missing_link(self) -> Mapping[str, str]:
        """Return the links that were missing when a card was drawn, once they exist."""
        if self._seen is None or not self._seen.lacks_link:
            return {}
        return await self._links_of(self._seen.state.attempt - 1)

    async def _has_new_table_link(self) -> bool:
        """Whether a table was posted since the card that leads to it was drawn."""
        if self._seen is None or not self._seen.lacks_table_link:
            return False
        attempt = self._seen.state.attempt
        links = await self._context.table_links(self.watch.target, attempt)
        return links != self._seen.tables

    async def _links_of(self, attempt: int) -> Mapping[str, str]:
        return await self._context.card_links(self.watch.target, attempt)

    async def _compare(self, gathered: Gathered, now: datetime) -> Change:
        root = await self._tree(gathered)
        compared = partial(
            compare,
            self._seen,
            self.watch.target,
            root,
            now=now,
            stall_rules=self._context.stall_rules,
            flapping_rules=self._context.flapping_rules,
            forgot_before=self._context.forgot_before,
            is_new=self.watch.is_new,
        )
        return await asyncio.to_thread(compared) if gathered.is_large else compared()

    async def _tree(self, gathered: Gathered) -> Entity:
        """Return what the answer says; one with the same bytes as before is not decoded.

        Unless it has still to be confirmed: then what was seen is not what it says.
        """
        seen, looked_at = self._seen, self._looked_at
        is_same = looked_at is not None and gathered.fingerprint == looked_at.fingerprint
        if seen is not None and is_same and not seen.state.claims:
            return seen.snapshot.root
        body, memo = gathered.main.body, Memo(self._memo)
        decode = partial(self._kind.decode, body, self.watch.target.id, memo, gathered.beside)
        root = await asyncio.to_thread(decode) if gathered.is_large else decode()
        self._memo = memo
        return root

    async def _look_up(
        self, change: Change, silences: tuple[Silence, ...], previous: Mapping[str, str]
    ) -> Facts:
        """Look up what the messages about a change need; `previous` is what is known already."""
        context, seen = self._context, self._seen
        called = await context.name_source.called(change.shown_ids)
        attempt = change.decision.state.attempt
        if not previous and seen is not None and seen.state.attempt == attempt:
            previous = seen.previous
        return Facts(
            called=called,
            silences=silences,
            previous=previous or await self._links_of(attempt - 1),
            cards=await self._links_of(attempt) if change.may_notify else {},
            tables=await context.table_links(self.watch.target, attempt),
            users=await context.directory.users_of(change.mentioned(context.plan, called)),
            app_destinations=context.channels.of_apps,
        )

    async def _commit(self, change: Change, observation: Observation, fingerprint: bytes) -> None:
        context, seen, messages = self._context, observation.seen, observation.messages
        for problem in observation.problems:
            log.warning("template_failed", target=str(self.watch.target), problem=problem)
        to_save = StoredObservation(
            snapshot=seen.snapshot,
            state=seen.state,
            fingerprint=fingerprint,
            transitions=change.difference.transitions,
            alterations=change.difference.alterations,
            cards=messages.cards,
            notifications=messages.notifications,
            held=messages.held,
        )
        await context.store.call(context.store.save, to_save)
        is_first = self._seen is None
        self._remember(seen)
        context.decided(seen.snapshot, observation.dispatched)
        self._report(change, is_first=is_first)
        if messages.cards or messages.notifications:
            context.has_news()

    def _note_staleness(self, staleness: Staleness) -> None:
        target = str(self.watch.target)
        if staleness.parts:
            self._context.metrics.stale_answers.inc()
            log.info("stale_answer", target=target, parts=staleness.parts)
        if staleness.parts_reverted:
            log.warning("times_went_back", target=target, parts=staleness.parts_reverted)

    def _report(self, change: Change, *, is_first: bool) -> None:
        metrics, decision = self._context.metrics, change.decision
        transitions, root = change.difference.transitions, change.snapshot.root
        metrics.transitions.inc(len(transitions))
        for event in decision.events:
            metrics.events.labels(event.kind).inc()
        kinds = [str(event.kind) for event in decision.events]
        if is_first:
            log.info(
                "baseline",
                target=str(self.watch.target),
                status=root.status,
                parts=sum(1 for _ in root.walk()) - 1,
                card=decision.state.has_card,
                events=kinds,
            )
        elif transitions or decision.events:
            log.info(
                "changed",
                target=str(self.watch.target),
                status=root.status,
                attempt=decision.state.attempt,
                transitions=len(transitions),
                events=kinds,
            )
