"""What is told by the clock and not because of a poll: ends of quiet windows, and digests.

Each message is put into the outbox in one transaction with what makes it told: a crash
between any two steps finds it still to be told, or told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog

from monitor.compose import digest, notifications, render, window_summary
from monitor.compose.digest import Account, Digest, Issue
from monitor.compose.window_summary import Bundle
from monitor.errors import StoreError
from monitor.model import Event, EventKind, Form, Level, Named, Notification, Target
from monitor.store import Store
from monitor.watch.context import Surroundings
from monitor.watch.registry import Roster

log = structlog.get_logger(__name__)


class Clockwork:
    """Looks at the time: which silences hold, which windows are over, which digests are due."""

    def __init__(self, around: Surroundings, roster: Roster, digests: Sequence[Digest]) -> None:
        self._around = around
        self._roster = roster
        self._digests = tuple({one.name: one for one in digests}.values())

    async def take_silences(self) -> None:
        """Let those silences hold that people have set, and no others."""
        around = self._around
        silences = await around.store.call(Store.silences, since=around.now())
        if around.hush.take(silences):
            log.info("silences", holding=len(silences))
        around.metrics.silences.set(len(silences))

    async def tell(self) -> None:
        """Tell what is due, and what has been since long. Raises StoreError."""
        await self._guarded(self._tell_summaries)
        await self._guarded(self._tell_digests)

    async def _guarded(self, tell: Callable[[], Awaitable[None]]) -> None:
        try:
            await tell()
        except StoreError:
            raise
        except Exception:
            self._around.metrics.bug.labels("clockwork").inc()
            log.exception("not_told_by_the_clock")

    # The ends of quiet windows

    async def _tell_summaries(self) -> None:
        store, now = self._around.store, self._around.now()
        due = await store.call(Store.next_summary)
        if due is None or due > now:
            return
        lines = await store.call(Store.held)
        for until, longer in window_summary.prolonged(lines, self._around.plan, now).items():
            await store.call(Store.hold_longer, longer, until)
            log.info("held_for_longer", lines=len(longer), until=until.isoformat())
        lines = await store.call(Store.held)
        for bundle in window_summary.due_bundles(lines, now):
            await self._guarded(partial(self._tell_summary, bundle, now))

    async def _tell_summary(self, bundle: Bundle, now: datetime) -> None:
        around = self._around
        stories = [
            window_summary.story_of(lines, await self._view(target), now)
            for target, lines in bundle.by_target.items()
        ]
        if window_summary.awaits_poll(bundle, stories, now):
            return
        summary = window_summary.summary_of(bundle, stories, around.plan)
        told = (summary,) if summary else ()
        await around.store.call(Store.summed_up, bundle.lines, told, now)
        log.info("quiet_window_over", sink=bundle.sink, lines=len(bundle.lines))
        around.has_news()

    # Digests

    async def _tell_digests(self) -> None:
        store, now = self._around.store, self._around.now()
        told = await store.call(Store.digests_told)
        if gone := told.keys() - {one.name for one in self._digests}:
            await store.call(Store.forget_digests, gone)
        for one in self._digests:
            known = told.get(one.name)
            until = digest.told_until(one.timetable, known, now)
            if until != known:
                await store.call(Store.digest_told, one.name, until, (), now)
            issue = digest.issue_due(one.timetable, until, now)
            if issue is not None:
                await self._guarded(partial(self._tell_digest, one, issue, now))

    async def _tell_digest(self, one: Digest, issue: Issue, now: datetime) -> None:
        around = self._around
        accounts = await self._accounts(one, issue)
        facts = digest.facts_of(issue, accounts, around.links)
        called = await around.namer.called(digest.install_ids(facts))
        facts = digest.with_names(facts, called.names)
        told: tuple[Notification, ...] = ()
        if digest.is_worth_telling(one.timetable, facts):
            # By a clock that was set, the same time may come again, with other news.
            key = f"digest/{issue.until:%Y-%m-%dT%H:%MZ}/{now:%Y%m%dT%H%M%S.%fZ}/{one.name}"
            told = (Notification(key, one.sink, Form.MESSAGE, render.digest(facts)),)
        await around.store.call(Store.digest_told, one.name, issue.until, told, now)
        log.info("digest", name=one.name, rollouts=len(facts.rollouts), told=bool(told))
        around.has_news()

    async def _accounts(self, one: Digest, issue: Issue) -> list[Account]:
        """Look at the rollouts one by one: all of a week at once may be more than fits."""
        around = self._around
        told = await around.store.call(Store.told_of, one.sink, issue.since)
        cards = await around.store.call(Store.cards_in, one.sink)
        failures = await around.store.call(Store.failures, issue.since, issue.until)
        accounts = []
        for target, memory in (await around.store.call(Store.memories)).items():
            is_its = one.of_all or target in told or one.sink in memory.card_sinks
            if not is_its or not memory.has_card or not digest.may_matter(memory, issue):
                continue
            view = await self._view(target)
            if view is None:
                continue
            account = partial(
                digest.account_of,
                view,
                issue,
                url=(around.permalink(cards[target]) if target in cards else None) or _page(view),
                failures=failures.get(target, Counter()),
            )
            accounts.append(await asyncio.to_thread(account))
        return accounts

    async def _view(self, target: Target) -> render.View | None:
        """Return how a target stands as far as the store knows; None where it does not."""
        around = self._around
        stored = await around.store.call(Store.load, target)
        if stored is None:
            return None
        ids = render.shown_ids(stored.snapshot, stored.memory)
        called = await around.store.call(Store.called, ids)
        watch = self._roster.watch_of(target)
        view = render.View(
            snapshot=stored.snapshot,
            memory=stored.memory,
            links=around.links,
            title=watch.title if watch else None,
            names=called.names,
            apps=called.apps,
            people=called.people,
            commits=called.commits,
        )
        entry, labels = (watch.entry, watch.labels) if watch else (Named(), {})
        return replace(
            view, worded=notifications.worded(around.wording, view, watch=entry, labels=labels)
        )


def _page(view: render.View) -> str | None:
    whole = Event(EventKind.STARTED, Level.ROLLOUT, view.snapshot.root)
    return render.page_of(view, whole) or None
