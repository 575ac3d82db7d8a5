"""What is sent at a time of day, not because of a poll: summaries of quiet windows, and digests.

Each message enters the outbox in the transaction that records it as sent: after a crash
between any two steps it is either still due, or in the outbox.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import datetime
from functools import partial

import structlog

from monitor.compose import digest, render, window_summary
from monitor.compose.digest import Account, Digest, Issue
from monitor.compose.window_summary import Bundle
from monitor.decide import healing
from monitor.errors import StoreError
from monitor.model import Event, EventKind, Form, Level, Notification, Target
from monitor.watch.context import Context
from monitor.watch.registry import Registry

log = structlog.get_logger(__name__)


class Timers:
    """Knows which silences are active, which quiet windows are over, which digests are due."""

    def __init__(self, context: Context, registry: Registry, digests: Sequence[Digest]) -> None:
        self._context = context
        self._registry = registry
        self._digests = tuple({one.name: one for one in digests}.values())

    async def take_silences(self) -> None:
        """Read which silences are active now."""
        context = self._context
        silences = await context.store.call(context.store.silences.load, since=context.now())
        if context.active_silences.take(silences):
            log.info("silences", holding=len(silences))
        context.metrics.silences.set(len(silences))

    async def send_due(self) -> None:
        """Send what is due, however long it has been. Raises StoreError."""
        await self._guarded(self._send_summaries)
        await self._guarded(self._send_digests)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreError:
            raise
        except Exception:
            self._context.metrics.bug.labels("timers").inc()
            log.exception("timer_failed")

    # The ends of quiet windows

    async def _send_summaries(self) -> None:
        store, now = self._context.store, self._context.now()
        due = await store.call(store.held.next_summary)
        if due is None or due > now:
            return
        lines = await store.call(store.held.load)
        for until, longer in window_summary.prolonged(lines, self._context.plan, now).items():
            await store.call(store.held.extend, longer, until)
            log.info("held_for_longer", lines=len(longer), until=until.isoformat())
        lines = await store.call(store.held.load)
        for bundle in window_summary.due_bundles(lines, now):
            await self._guarded(partial(self._send_summary, bundle, now))

    async def _send_summary(self, bundle: Bundle, now: datetime) -> None:
        context = self._context
        healed = await self._healed(bundle.lines[0].at)
        stories = [
            window_summary.story_of(
                lines, await self._view(target), now, is_healed=target in healed
            )
            for target, lines in bundle.by_target.items()
        ]
        if window_summary.awaits_poll(bundle, stories, now):
            return
        summary = window_summary.summary_of(bundle, stories, context.plan)
        messages = (summary,) if summary else ()
        await context.store.call(context.store.held.release, bundle.lines, messages, now)
        log.info("quiet_window_over", destination=bundle.destination, lines=len(bundle.lines))
        context.has_news()

    # Digests

    async def _send_digests(self) -> None:
        store, now = self._context.store, self._context.now()
        issued = await store.call(store.digests.last_issues)
        if removed := issued.keys() - {one.name for one in self._digests}:
            await store.call(store.digests.forget, removed)
        for one in self._digests:
            known = issued.get(one.name)
            until = digest.issued_until(one.timetable, known, now)
            if until != known:
                await store.call(store.digests.save_issue, one.name, until, (), now)
            issue = digest.issue_due(one.timetable, until, now)
            if issue is not None:
                await self._guarded(partial(self._send_digest, one, issue, now))

    async def _send_digest(self, one: Digest, issue: Issue, now: datetime) -> None:
        context = self._context
        accounts = await self._accounts(one, issue)
        healed = await self._healed(digest.horizon_of(issue))
        facts = digest.facts_of(issue, accounts, context.links, healed)
        called = await context.name_source.called(digest.install_ids(facts))
        facts = digest.with_names(facts, called.names)
        messages: tuple[Notification, ...] = ()
        if digest.is_worth_sending(one.timetable, facts):
            # After the clock was set back, the same time may come again, with other news.
            key = f"digest/{issue.until:%Y-%m-%dT%H:%MZ}/{now:%Y%m%dT%H%M%S.%fZ}/{one.name}"
            message = render.digest(facts)
            messages = (
                Notification(
                    key,
                    one.destination,
                    Form.MESSAGE,
                    message,
                    headline=render.first_line(message),
                ),
            )
        await context.store.call(
            context.store.digests.save_issue, one.name, issue.until, messages, now
        )
        log.info("digest", name=one.name, rollouts=len(facts.rollouts), sent=bool(messages))
        context.has_news()

    async def _accounts(self, one: Digest, issue: Issue) -> list[Account]:
        """Read the rollouts one by one: those of a week may not fit into memory at once."""
        context = self._context
        notified = await context.store.call(
            context.store.history.notified_targets, one.destination, issue.since
        )
        cards = await context.store.call(context.store.cards.newest, one.destination)
        failures = await context.store.call(
            context.store.history.failures, issue.since, issue.until
        )
        accounts = []
        for target, state in (await context.store.call(context.store.snapshots.states)).items():
            is_its = one.of_all or target in notified or one.destination in state.card_destinations
            if not is_its or not state.has_card or not digest.may_matter(state, issue):
                continue
            view = await self._view(target)
            if view is None:
                continue
            account = partial(
                digest.account_of,
                view,
                issue,
                url=(context.permalink(cards[target]) if target in cards else None) or _page(view),
                failures=failures.get(target, Counter()),
            )
            accounts.append(await asyncio.to_thread(account))
        return accounts

    async def _healed(self, since: datetime) -> Container[Target]:
        """Return what newer rollouts have healed that succeeded since, wherever they are told."""
        store = self._context.store
        rollouts = []
        for target, state in (await store.call(store.snapshots.states)).items():
            matters = healing.may_matter(state, since)
            if matters and (known := await store.call(store.snapshots.load, target)):
                rollouts.append(healing.rollout_of(known.snapshot, known.state))
        return healing.healed(rollouts).keys()

    async def _view(self, target: Target) -> render.View | None:
        """Return a target as it is stored; None where nothing is stored of it."""
        context = self._context
        stored = await context.store.call(context.store.snapshots.load, target)
        if stored is None:
            return None
        return await context.stored_view(stored, self._registry.watch_of(target))


def _page(view: render.View) -> str | None:
    whole = Event(EventKind.STARTED, Level.ROLLOUT, view.snapshot.root)
    return render.page_of(view, whole) or None
