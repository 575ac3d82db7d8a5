"""Who is polled: what the configuration names, what its lists lead to, and what that leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from monitor.model import Named, Target
from monitor.store import Find, Store
from monitor.watch.context import Surroundings
from monitor.watch.list_poller import Discovery, Listing
from monitor.watch.rollout_poller import Cycle, Watch


class Roster:
    """All that is polled at present. One target is polled once, however many lead to it."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._cycles: dict[Target, Cycle] = {}
        self._discoveries: dict[Target, Discovery] = {}
        self.begin: Callable[[Cycle | Discovery], None] = lambda _: None
        """Called with each that is to be polled from now on."""

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        return tuple(self._cycles.values())

    @property
    def discoveries(self) -> tuple[Discovery, ...]:
        return tuple(self._discoveries.values())

    def watch_of(self, target: Target) -> Watch | None:
        """Return how a target is watched; None for one that is not polled at present."""
        cycle = self._cycles.get(target)
        return cycle.watch if cycle else None

    def watch(self, watch: Watch) -> None:
        """Poll a target from now on; one that is polled already is told to more people."""
        cycle = self._cycles.get(watch.target)
        if cycle is not None:
            cycle.tell_also(watch.homes)
            return
        cycle = Cycle(watch, self._around, partial(self._lead, watch))
        self._cycles[watch.target] = cycle
        self.begin(cycle)

    def list(self, listing: Listing) -> None:
        """Look for what is new in a list from now on."""
        known = self._discoveries.get(listing.target)
        if known is not None:
            known.tell_also(listing.homes)
            for cycle in self._cycles.values():
                if cycle.watch.entry.id == listing.target.id:
                    cycle.tell_also(listing.homes)
            return
        discovery = Discovery(
            listing, self._around, lambda find: self._follow(discovery.watch, find)
        )
        self._discoveries[listing.target] = discovery
        self.begin(discovery)

    async def resume(self) -> None:
        """Go on with what the lists led to before the start."""
        for find in await self._around.store.call(Store.finds):
            discovery = self._discoveries.get(find.listing)
            if find.is_followed and discovery is not None:
                self._follow(discovery.watch, find)

    async def rest(self, cycle: Cycle) -> None:
        """Stop polling what has been settled; a list that led to it tells when it moves again."""
        target = cycle.watch.target
        if not cycle.watch.is_found:
            return
        await self._around.store.call(Store.let_rest, target)
        self._cycles.pop(target, None)
        for discovery in self._discoveries.values():
            discovery.rests(target)

    def watched(self) -> Iterable[Target]:
        """Return every target whose memory must be kept."""
        return (*self._cycles, *self._discoveries)

    def _follow(self, listing: Listing, find: Find) -> None:
        self.watch(
            Watch(
                target=find.target,
                homes=listing.homes,
                interval=listing.interval,
                settled_interval=listing.settled_interval,
                forget_after=listing.forget_after,
                is_found=True,
                is_new=find.is_new,
                entry=Named(listing.target.id, listing.title or ""),
                labels=listing.labels,
            )
        )

    def _lead(self, watch: Watch, target: Target) -> None:
        """Follow a list because of what a watch shows, as that watch is followed."""
        self.list(
            Listing(
                target=target,
                homes=watch.homes,
                interval=watch.interval,
                settled_interval=watch.settled_interval,
                forget_after=watch.forget_after,
                limit=watch.limit,
                names=watch.names,
                title=watch.entry.name or None,
                labels=watch.labels,
            )
        )
