"""Failures that come one by one → few posts: the first at once, further ones together. Pure.

In each destination a failure of a part opens a group. What fails within its interval is for the
thread, and at the interval's end, or at the end of the rollout, one message sums up what still
fails. So nobody is pinged more than once in an interval, and nobody waits for the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from monitor.decide.verdicts import Recipient
from monitor.model import Event, EventKind, Group, Level, Phase, ReasonKind


class GroupBook:
    """The groups of one rollout while a poll is decided on."""

    def __init__(
        self, groups: Iterable[Group], now: datetime, *, is_repeated: bool = False
    ) -> None:
        """`is_repeated` says that the whole rollout has failed again and again lately."""
        self._groups = {group.destination: group for group in groups if not group.is_over(now)}
        self._now = now
        self._is_repeated = is_repeated
        self._opened: set[str] = set()
        self._ended: dict[str, timedelta] = {}

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(self._groups.values())

    def takes(self, event: Event, recipient: Recipient) -> bool:
        """Whether a group has an event, rather than that it is posted at once."""
        destination, interval = recipient.destination, recipient.group_interval
        is_flapping = event.kind is EventKind.FLAPPING
        if event.is_reminder or not (is_flapping or event.kind is EventKind.FAILED):
            return False
        if not is_flapping and event.entity.phase is not Phase.FAILED:
            return False  # it is under way again by now
        if event.level is Level.ROLLOUT:
            self._ended[destination] = interval
            return False
        group = self._groups.get(destination)
        if group is None and interval and self._is_repeated:
            group = Group(destination, self._now + interval)
        if group is None:
            self._opened.add(destination)
            self._groups[destination] = Group(destination, self._now + interval)
            return False
        if destination in self._opened:
            return False  # all that one poll brings is one post
        keys = dict.fromkeys((*group.alert_keys, event.alert_key))
        self._groups[destination] = Group(destination, group.ends_at, tuple(keys))
        return True

    def due(self, events: Iterable[Event]) -> Iterator[Group]:
        """Yield the groups to be summed up now, each of which then has to be closed."""
        has_ended = any(map(_is_end, events))
        for group in self.groups:
            if group.alert_keys and (has_ended or group.ends_at <= self._now):
                yield group

    def close(
        self, destination: str, *, interval: timedelta | None, kept: Iterable[str], due: datetime
    ) -> None:
        """Take note that a group was summed up, and for how long further failures are put together.

        The interval is None where there was nothing to sum up. What is `kept` back from the
        destination is for the next message, which is `due` then.
        """
        keys = tuple(kept)
        if interval is not None:
            due = self._now + interval
        if interval is not None or keys:
            self._groups[destination] = Group(destination, due, keys)
        else:
            del self._groups[destination]

    def note_ends(self) -> None:
        """Open a group where it was posted now that the rollout failed."""
        for destination, interval in self._ended.items():
            before = self._groups.get(destination)
            keys = before.alert_keys if before else ()
            self._groups[destination] = Group(destination, self._now + interval, keys)


def _is_end(event: Event) -> bool:
    if event.level is not Level.ROLLOUT or event.is_reminder:
        return False
    is_other_end = event.reason.kind is ReasonKind.ENDED
    return event.kind in _ENDS or is_other_end


_ENDS = (EventKind.FAILED, EventKind.FLAPPING, EventKind.SUCCEEDED)
