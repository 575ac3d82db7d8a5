"""What all watches share: the platform, the store, the clock, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from monitor import notify, policy, render
from monitor.fetch import Source
from monitor.metrics import Metrics
from monitor.model import MessageRef
from monitor.sight import Sight
from monitor.store import StoreThread


class Outcome(StrEnum):
    """How a poll went."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class Namer(Protocol):
    """Knows what ids are called; leaves out what it cannot find out."""

    async def names_of(self, ids: Sequence[str]) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all watches share."""

    source: Source
    store: StoreThread
    namer: Namer
    sight: Sight
    metrics: Metrics
    links: render.Links
    patience: policy.Patience
    permalink: Callable[[MessageRef], str | None]
    addresses: tuple[notify.Address, ...]
    """Every sink in use: they are told when the platform as a whole cannot be seen."""
    now: Callable[[], datetime]
    has_news: Callable[[], None]
    """Called after a commit that put something into the outbox."""
    jumped: Callable[[], timedelta] = timedelta
    """How far our clock was set ahead in all since the start; back is negative."""
    forgot_before: datetime | None = None
    """Until when an earlier store knew, which was lost: what ended by then was told."""
    sight_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from what is to be told of the sight to its commit, lest two watches tell it."""
