"""What each destination is notified of because of one poll. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from monitor.decide.verdicts import Recipient
from monitor.model import Event, Mention

Entry = tuple[Event, tuple[Mention, ...]]
"""What a destination is notified of, and whom it mentions there."""


@dataclass(frozen=True, slots=True)
class News:
    """What one destination is notified of now, and whom to mention there because of it.

    `grouped` are failures for the thread alone. `summed_up` are those that a group had and that are
    shown together now; those that follow within the `interval` are put together again.
    """

    entries: tuple[Entry, ...]
    grouped: tuple[Event, ...] = ()
    summed_up: tuple[Entry, ...] = ()
    interval: timedelta = timedelta(0)

    @property
    def events(self) -> tuple[Event, ...]:
        return (*(event for event, _ in self.entries), *self.grouped)


@dataclass(slots=True)
class _Collected:
    """The news of one destination in the making."""

    entries: list[Entry] = field(default_factory=list)
    grouped: list[Event] = field(default_factory=list)
    summed_up: list[Entry] = field(default_factory=list)
    interval: timedelta = timedelta(0)

    def news(self) -> News:
        summed_up = tuple(self.summed_up)
        return News(tuple(self.entries), tuple(self.grouped), summed_up, self.interval)


class NewsBook:
    """The news of all destinations while a poll is decided on."""

    def __init__(self) -> None:
        self._by_destination: defaultdict[str, _Collected] = defaultdict(_Collected)

    @property
    def has_events(self) -> bool:
        """Whether anybody is notified of anything but a summary."""
        return any(one.entries or one.grouped for one in self._by_destination.values())

    @property
    def summary_count(self) -> int:
        """How many destinations get a summary of failures."""
        return sum(bool(one.summed_up) for one in self._by_destination.values())

    def news(self) -> Mapping[str, News]:
        return {destination: one.news() for destination, one in self._by_destination.items()}

    def add(self, event: Event, recipient: Recipient) -> None:
        """Notify a destination of an event, with the mentions of its route."""
        self._by_destination[recipient.destination].entries.append((event, recipient.mentions))

    def add_to_thread(self, event: Event, destination: str) -> None:
        """Show an event in the thread of a card alone."""
        self._by_destination[destination].grouped.append(event)

    def sum_up(self, event: Event, recipient: Recipient) -> None:
        """Show a failure that a group had in the destination's summary."""
        self._by_destination[recipient.destination].summed_up.append((event, recipient.mentions))

    def note_interval(self, destination: str, interval: timedelta) -> None:
        """Take note for how long further failures are put together after a summary."""
        self._by_destination[destination].interval = interval
