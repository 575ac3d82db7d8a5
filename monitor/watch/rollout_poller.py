"""One pass for one watch: fetch → decode → diff → decide → draw → commit.

A failed fetch or an unreadable answer is no observation: it changes what the monitor says
of its own sight, and nothing else. What a poll causes is committed in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog

from monitor.compose import notifications, render
from monitor.decide import events
from monitor.decide.diff import Difference, diff, keep_absent
from monitor.decide.dispatch import Dispatch, Scene, dispatch
from monitor.decide.routing import Silence
from monitor.errors import NuonError
from monitor.kinds import KINDS
from monitor.kinds.wire import Beside, Memo, WatchKind
from monitor.model import Called, Memory, Named, NamePatterns, Snapshot, Target
from monitor.platform.fetch import Gathered, gather
from monitor.store import Observation, Store
from monitor.watch.context import Outcome, Surroundings
from monitor.watch.outages import Lookout

log = structlog.get_logger(__name__)

# From this size on an answer is worked on beside the event loop, which must not be held up.
_LARGE = 512 * 1024


@dataclass(frozen=True, slots=True)
class Watch:
    """What is observed, how often, and in which sinks it is at home.

    `entry` is the id and name of the configuration's entry that led to it.

    What a list led to (`is_found`) rests once it is settled: the list says when it moves again.
    `is_new` says that it began while the list was watched.
    """

    target: Target
    homes: tuple[str, ...]
    interval: timedelta
    settled_interval: timedelta
    forget_after: timedelta
    title: str | None = None
    is_found: bool = False
    is_new: bool = False
    entry: Named = field(default_factory=Named)
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int = 20
    names: NamePatterns = field(default_factory=NamePatterns)
    """How much, and what, is followed of the lists that it leads to."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last observation of a target, as it was committed."""

    snapshot: Snapshot
    memory: Memory
    digest: bytes
    wakes_at: datetime | None


class Cycle:
    """The pass for one watch; holds what it saw last, as the store does."""

    def __init__(
        self,
        watch: Watch,
        around: Surroundings,
        lead: Callable[[Target], None] = lambda _: None,
    ) -> None:
        """`lead` is called with whatever else is to be watched because of what was seen."""
        self.watch = watch
        self._lead = lead
        self._around = around
        self._kind: WatchKind = KINDS[watch.target.kind]
        self._seen: _Seen | None = None
        self._memo: Memo[Any] = Memo()
        self._is_loaded = False
        self._lacks_link = False
        self._lookout = Lookout(
            watch.target,
            around,
            watch.homes,
            title=watch.title,
            entry=watch.entry,
            labels=watch.labels,
        )
        self._jumped = around.jumped()
        self._is_stale = False
        """Whether the card says that it is watched no more, which is over."""
        self._learnt: bytes | None = None
        self._hush_version = around.hush.version
        self._silences: tuple[Silence, ...] = ()
        self.polled_at: datetime | None = None
        """When the last poll came through."""

    async def poll(self) -> Outcome:
        """Make one pass. Raises StoreError where the commit failed; the next pass sees anew."""
        started = time.perf_counter()
        if not self._is_loaded:
            await self._load()
        await self._follow_clock()
        self._lookout.asks()
        try:
            seen = self._seen.snapshot.root if self._seen else None
            gathered = await gather(self._around.source, self._kind, self.watch.target.id, seen)
            self._learn(gathered)
            outcome = await self._observe(gathered)
        except NuonError as error:
            await self._lookout.fail(error, was_seen=self._seen is not None)
            outcome = Outcome.FAILED
        else:
            self.polled_at = self._around.now()
            await self._lookout.succeed()
        self._around.metrics.polls.labels(outcome).inc()
        self._around.metrics.poll_seconds.observe(time.perf_counter() - started)
        return outcome

    def tell_also(self, homes: Sequence[str]) -> None:
        """Be at home in these as well, from the next news on."""
        self.watch = replace(self.watch, homes=tuple(dict.fromkeys((*self.watch.homes, *homes))))
        self._lookout.homes = self.watch.homes

    def pause(self) -> timedelta | None:
        """Return how long to wait until the next poll; None to poll no more."""
        watch, now = self.watch, self._around.now()
        if self._lookout.is_failing:
            if watch.is_found and self._lookout.is_gone:
                return None
            return self._lookout.pause(watch.interval, longest=watch.settled_interval)
        seen = self._seen
        if seen is None or not self.is_settled:
            return watch.interval
        # A card that has still to say where the one before stands is drawn by a later poll.
        if watch.is_found and not self._lacks_link:
            return None
        if seen.memory.ended_at and now - seen.memory.ended_at >= watch.forget_after:
            return None
        return max(watch.settled_interval, watch.interval)

    @property
    def is_settled(self) -> bool:
        seen, now = self._seen, self._around.now()
        return seen is not None and events.is_settled(seen.snapshot, seen.memory, now)

    async def _load(self) -> None:
        stored = await self._around.store.call(Store.load, self.watch.target)
        if stored is not None:
            memory = events.not_beyond(stored.memory, self._around.now())
            if memory.has_card and not memory.card_sinks:  # from before there were routes
                memory = msgspec.structs.replace(memory, card_sinks=self.watch.homes)
            self._is_stale = memory.is_closed
            memory = events.looked_at_anew(memory, self._around.now())
            memory = msgspec.structs.replace(memory, is_closed=False)
            self._lacks_link = memory.attempt > 1
            self._remember(stored.snapshot, memory, stored.digest)
        self._is_loaded = True

    async def _follow_clock(self) -> None:
        """A clock that was set makes nothing older or younger: neither hangs what just moved."""
        jumped, seen = self._around.jumped(), self._seen
        if jumped == self._jumped:
            return
        if seen is not None:
            memory = events.moved(seen.memory, jumped - self._jumped)
            observation = Observation(seen.snapshot, memory, seen.digest)
            await self._around.store.call(Store.save, observation)
            self._remember(seen.snapshot, memory, seen.digest)
        self._jumped = jumped

    def _remember(self, snapshot: Snapshot, memory: Memory, digest: bytes) -> None:
        wakes_at = events.wakes_at(snapshot, memory, self._around.patience)
        self._seen = _Seen(snapshot, memory, digest, wakes_at)
        for target in self._kind.leads_to(snapshot.root):
            self._lead(target)

    def _learn(self, gathered: Gathered) -> None:
        """Take up the webhooks that the platform holds for apps, where they are to be used."""
        channels = self._around.channels
        if self._kind.webhooks is None or not channels.learns_of_apps:
            return
        if gathered.digest != self._learnt:
            self._learnt = gathered.digest
            for app_id in channels.learn(self._kind.webhooks(gathered.main.body)):
                log.warning("app_webhook_refused", app=app_id, reason="not one of Slack's hosts")

    # An answer came

    async def _observe(self, gathered: Gathered) -> Outcome:
        now, digest = self._around.now(), gathered.digest
        seen = self._seen
        if seen is not None and seen.digest == digest:
            is_asleep = (
                seen.wakes_at is None or now < seen.wakes_at
            ) and self._hush_version == self._around.hush.version
            if is_asleep and not await self._can_link_now(seen.memory):
                return Outcome.UNCHANGED
            snapshot = msgspec.structs.replace(seen.snapshot, taken_at=now)
            difference = Difference((), has_moved=False)
        elif len(body := gathered.main.body) < _LARGE:
            snapshot, difference = self._compare(body, gathered.beside, now)
        else:
            compare = partial(self._compare, body, gathered.beside, now)
            snapshot, difference = await asyncio.to_thread(compare)
        return await self._take(snapshot, difference, digest, now)

    def _compare(self, body: bytes, beside: Beside, now: datetime) -> tuple[Snapshot, Difference]:
        memo = Memo(self._memo)
        root = self._kind.decode(body, self.watch.target.id, memo, beside)
        self._memo = memo
        before = self._seen.snapshot if self._seen else None
        after = keep_absent(before, Snapshot(self.watch.target, now, root))
        return after, diff(before, after)

    async def _take(
        self, snapshot: Snapshot, difference: Difference, digest: bytes, now: datetime
    ) -> Outcome:
        seen, hush = self._seen, self._around.hush
        decision = events.decide(
            seen.snapshot if seen else None,
            snapshot,
            difference,
            seen.memory if seen else None,
            now=now,
            patience=self._around.patience,
            forgot_before=self._around.forgot_before,
            is_new=self.watch.is_new,
        )
        version = hush.version
        is_as_before = (
            seen is not None
            and not decision.events
            and decision.memory == seen.memory
            and snapshot.root == seen.snapshot.root
            and not self._is_stale
        )
        if (
            is_as_before
            and seen is not None
            and self._hush_version == version
            and not any(alert.is_kept_back for alert in seen.memory.alerts)
            and not await self._can_link_now(seen.memory)
        ):
            self._remember(seen.snapshot, seen.memory, digest)
            return Outcome.UNCHANGED
        called = await self._around.namer.called(self._ids(snapshot, decision))
        dispatched = dispatch(
            self._scene(snapshot, called),
            decision.events,
            decision.memory,
            plan=self._around.plan,
            silences=hush.silences,
            now=now,
        )
        if (
            is_as_before
            and seen is not None
            and not dispatched.news
            and dispatched.memory == seen.memory
            and dispatched.silences == self._silences
            and not await self._can_link_now(seen.memory)
        ):
            self._remember(seen.snapshot, seen.memory, digest)
            self._hush_version = version
            return Outcome.UNCHANGED
        mail = await self._compose(snapshot, dispatched, called)
        observation = Observation(
            snapshot=snapshot,
            memory=dispatched.memory,
            digest=digest,
            transitions=difference.transitions,
            alterations=difference.alterations,
            cards=mail.cards,
            notifications=mail.notifications,
            held=mail.held,
        )
        await self._around.store.call(Store.save, observation)
        self._remember(snapshot, dispatched.memory, digest)
        self._silences, self._hush_version = dispatched.silences, version
        self._around.decided(snapshot, dispatched)
        self._is_stale = False
        self._report(seen, snapshot, difference, decision)
        if observation.cards or observation.notifications:
            self._around.has_news()
        return Outcome.CHANGED

    def _ids(self, snapshot: Snapshot, decision: events.Decision) -> tuple[str, ...]:
        memory = decision.memory
        if not memory.has_card:
            return ()
        return render.shown_ids(snapshot, memory, decision.events)

    def _scene(self, snapshot: Snapshot, called: Called) -> Scene:
        watch = self.watch
        return Scene(
            snapshot=snapshot,
            homes=watch.homes,
            title=watch.title or "",
            watch=watch.entry,
            labels=watch.labels,
            names=called.names,
            apps=called.apps,
            people=called.people,
            app_sinks=self._around.channels.of_apps,
        )

    async def _compose(
        self, snapshot: Snapshot, dispatched: Dispatch, called: Called
    ) -> notifications.Mail:
        around, memory, now = self._around, dispatched.memory, snapshot.taken_at
        view = render.View(
            snapshot=snapshot,
            memory=memory,
            links=around.links,
            title=self.watch.title,
            names=called.names,
            apps=called.apps,
            people=called.people,
            commits=called.commits,
            silences=tuple(silence.words(now) for silence in dispatched.silences),
        )
        worded = notifications.worded(
            around.wording, view, watch=self.watch.entry, labels=self.watch.labels
        )
        for problem in worded.problems if worded else ():
            log.warning("template_failed", target=str(snapshot.target), problem=str(problem))
        previous = await self._cards_of(memory.attempt - 1)
        self._lacks_link = memory.attempt > 1 and not previous
        return notifications.compose(
            replace(view, worded=worded),
            dispatched,
            earlier=self._seen.memory if self._seen else None,
            keeps_cards=around.channels.keeps_cards,
            cards=await self._cards_of(memory.attempt) if dispatched.news else {},
            previous=previous,
            users=await around.directory.users_of(dispatched.starters),
        )

    async def _can_link_now(self, memory: Memory) -> bool:
        """Whether a card was drawn too early to link the one before, which is posted by now."""
        return self._lacks_link and bool(await self._cards_of(memory.attempt - 1))

    async def _cards_of(self, attempt: int) -> Mapping[str, str]:
        """Return where the cards of an attempt stand, by sink."""
        if attempt == 0:
            return {}
        around = self._around
        cards = await around.store.call(Store.posted_cards, self.watch.target, attempt)
        links = {sink: around.permalink(card) for sink, card in cards.items()}
        return {sink: link for sink, link in links.items() if link}

    def _report(
        self,
        seen: _Seen | None,
        snapshot: Snapshot,
        difference: Difference,
        decision: events.Decision,
    ) -> None:
        metrics = self._around.metrics
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
                card=decision.memory.has_card,
                told=[str(event.kind) for event in decision.events],
            )
        elif difference.transitions or decision.events:
            log.info(
                "changed",
                target=str(snapshot.target),
                status=root.status,
                attempt=decision.memory.attempt,
                transitions=len(difference.transitions),
                told=[str(event.kind) for event in decision.events],
            )
