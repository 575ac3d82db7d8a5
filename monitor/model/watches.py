"""What is watched, and how: the settings that an entry of the configuration gives to all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from monitor.model.matching import Named, NamePatterns
from monitor.model.tree import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """The settings of one entry of the configuration, for its target and all targets it leads to.

    `entry` is the entry's own target id and name. `default_destinations` are its channel and
    those of other entries that lead to the same target. A target that has been settled for
    `forget_after` is not polled any more, and older rows of a list are ignored. Of the rows of a
    list whose `names` match, and whose type is one of `types` where there are any, at most `limit`
    are followed at one time.
    """

    entry: Named
    default_destinations: tuple[str, ...]
    labels: Mapping[str, str]
    interval: timedelta
    settled_interval: timedelta
    forget_after: timedelta
    limit: int
    names: NamePatterns
    types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Watch:
    """A target, the settings that hold for it, and how it came to be watched.

    `found_in` is the list that it was found in, or that it stands in for: once it is settled it is
    not polled any more, since the list says when it is active again. `is_new` says that it began
    while that list was watched.
    """

    target: Target
    settings: WatchSettings
    found_in: Target | None = None
    is_new: bool = False

    @property
    def title(self) -> str:
        """The entry's name; empty without one, and for finds, which have their own."""
        return self.settings.entry.name if self.found_in is None else ""

    def with_default_destinations(self, destinations: Sequence[str]) -> Watch:
        """Return the same watch with these default destinations as well."""
        all_destinations = tuple(
            dict.fromkeys((*self.settings.default_destinations, *destinations))
        )
        return replace(self, settings=replace(self.settings, default_destinations=all_destinations))
