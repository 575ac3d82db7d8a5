"""What all watches share: the platform, the store, the clock, and who is notified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from monitor.compose import render
from monitor.compose.assembly import view_of
from monitor.compose.templates import MessageTemplates
from monitor.decide.dispatch import Dispatch, Plan
from monitor.decide.flapping import FlappingRules
from monitor.decide.reachability import Reachability
from monitor.decide.stalls import StallRules
from monitor.decide.verdicts import Silence
from monitor.metrics import Metrics
from monitor.model import Called, MessageRef, Snapshot, Target, Watch
from monitor.platform.source import Source
from monitor.store import StoredTarget, StoreThread
from monitor.watch.outage_log import OutageLog


class NameSource(Protocol):
    """Looks up the names of ids; leaves out those it cannot find."""

    async def called(self, ids: Sequence[str]) -> Called: ...


class Directory(Protocol):
    """Looks up Slack's own ids of people; leaves out those it cannot find."""

    async def users_of(self, emails: Collection[str]) -> Mapping[str, str]: ...


class Channels(Protocol):
    """Knows what the destinations can do, and those that the platform holds for apps."""

    @property
    def of_apps(self) -> Mapping[str, str]: ...

    @property
    def learns_of_apps(self) -> bool: ...

    def keeps_cards(self, destination: str) -> bool: ...

    def learn(self, webhooks: Mapping[str, str]) -> tuple[str, ...]: ...


class ActiveSilences:
    """The silences that are active at present."""

    def __init__(self) -> None:
        self.silences: tuple[Silence, ...] = ()

    def take(self, silences: tuple[Silence, ...]) -> bool:
        """Replace the active silences; returns whether they differ from the last."""
        if silences == self.silences:
            return False
        self.silences = silences
        return True


@dataclass(frozen=True, slots=True)
class Context:
    """What all watches share."""

    source: Source
    store: StoreThread
    name_source: NameSource
    reachability: Reachability
    outage_log: OutageLog
    metrics: Metrics
    links: render.Links
    stall_rules: StallRules
    flapping_rules: FlappingRules
    permalink: Callable[[MessageRef], str | None]
    channels: Channels
    directory: Directory
    destinations: tuple[str, ...]
    """Every destination in use: notified when the platform as a whole is unreachable."""
    now: Callable[[], datetime]
    has_news: Callable[[], None]
    """Called after a commit that put something into the outbox."""
    decided: Callable[[Snapshot, Dispatch], None] = lambda _snapshot, _dispatch: None
    """Called after a commit with who is notified of what, and why."""
    plan: Plan = field(default_factory=Plan)
    templates: MessageTemplates = field(default_factory=MessageTemplates.none)
    active_silences: ActiveSilences = field(default_factory=ActiveSilences)
    jumped: Callable[[], timedelta] = timedelta
    """How far our clock was set ahead in all since the start; back is negative."""
    forgot_before: datetime | None = None
    """Until when the store that was lost was written: people were notified of ends before."""
    reachability_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from a change of reachability to its commit, so that only one watch reports it."""

    async def card_links(self, target: Target, attempt: int) -> Mapping[str, str]:
        """Return where the cards of an attempt were posted, by destination."""
        if attempt < 1:
            return {}
        cards = await self.store.call(self.store.cards.posted, target, attempt)
        links = {destination: self.permalink(card) for destination, card in cards.items()}
        return {destination: link for destination, link in links.items() if link}

    async def table_links(self, target: Target, attempt: int) -> Mapping[str, str]:
        """Return the destinations with a table of what fails, with the link to it.

        The link is empty before it is posted.
        """
        tables = await self.store.call(self.store.cards.tables, target, attempt)
        links = {name: self.permalink(at) if at else None for name, at in tables.items()}
        return {name: link or "" for name, link in links.items()}

    async def stored_view(self, stored: StoredTarget, watch: Watch | None) -> render.View:
        """Return what messages show of a target, from the store alone."""
        ids = render.shown_ids(stored.snapshot, stored.state)
        called = await self.store.call(self.store.names.called, ids)
        return view_of(
            stored.snapshot,
            stored.state,
            called,
            links=self.links,
            watch=watch,
            templates=self.templates,
        )
