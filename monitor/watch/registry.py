"""All that is polled: targets of the configuration, finds of its lists, and what these lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from monitor.kinds import FINDERS, alternatives
from monitor.model import Target, Watch
from monitor.store import Find
from monitor.watch.changes import Changes
from monitor.watch.context import Context
from monitor.watch.list_poller import ListPoller
from monitor.watch.poller import Poller
from monitor.watch.rollout_poller import RolloutPoller


class Registry:
    """All pollers. A target is polled once, however many watches lead to it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rollout_pollers: dict[Target, RolloutPoller] = {}
        self._list_pollers: dict[Target, ListPoller] = {}
        self._changes = Changes(context.source)
        self.begin: Callable[[Poller], None] = lambda _: None
        """Called with each new poller."""

    @property
    def pollers(self) -> tuple[Poller, ...]:
        """All pollers, those of lists first: their finds are polled after them."""
        return (*self.list_pollers, *self.rollout_pollers)

    @property
    def rollout_pollers(self) -> tuple[RolloutPoller, ...]:
        return tuple(self._rollout_pollers.values())

    @property
    def list_pollers(self) -> tuple[ListPoller, ...]:
        return tuple(self._list_pollers.values())

    def watch_of(self, target: Target) -> Watch | None:
        """Return how a target is watched, or was until it ended; None where nothing leads to it."""
        poller = self._rollout_pollers.get(target)
        if poller is not None:
            return poller.watch
        for list_poller in self._list_pollers.values():
            if list_poller.has_found(target):
                watch = list_poller.watch
                return Watch(target, watch.settings, found_in=watch.target)
        return None

    def watch(self, watch: Watch) -> None:
        """Poll a target from now on; if it is polled already, add this watch's destinations."""
        poller = self._rollout_pollers.get(watch.target)
        if poller is not None:
            poller.add_default_destinations(watch.settings.default_destinations)
            return
        poller = RolloutPoller(watch, self._context, partial(self._lead, watch))
        self._rollout_pollers[watch.target] = poller
        self.begin(poller)

    def list(self, watch: Watch, found_by: ListPoller | None = None) -> None:
        """Poll a list from now on; one that another list leads to shares that one's limit."""
        known = self._list_pollers.get(watch.target)
        if known is not None:
            self._add_default_destinations(known, watch.settings.default_destinations)
            return
        list_poller = ListPoller(
            watch,
            self._context,
            lambda find: self._follow(list_poller, find),
            lambda target: self._lead_elsewhere(list_poller, target),
            followed=found_by.followed if found_by else None,
            changes=self._changes,
            since=found_by.began_at if found_by else None,
        )
        self._list_pollers[watch.target] = list_poller
        self.begin(list_poller)

    async def resume(self) -> None:
        """Follow again what was followed before the start."""
        finds = await self._context.store.call(self._context.store.finds.load)
        listings = {find.listing for find in finds}
        for list_poller in self.list_pollers:
            for target in alternatives(list_poller.watch.target):
                if target in listings:
                    self._lead_elsewhere(list_poller, target)
        # The earliest first: a list comes before what was found in it.
        for find in finds:
            found_by = self._list_pollers.get(find.listing)
            if find.is_followed and found_by is not None:
                self._follow(found_by, find)

    async def finish(self, poller: Poller) -> None:
        """Remove a poller that has finished; its list says if the target is active again."""
        target = poller.watch.target
        if poller.watch.found_in is None:
            return
        await self._context.store.call(self._context.store.finds.mark_finished, target)
        self._rollout_pollers.pop(target, None)
        self._list_pollers.pop(target, None)
        for list_poller in self._list_pollers.values():
            list_poller.mark_finished(target)

    def watched(self) -> Iterable[Target]:
        """Return every target whose state must be kept."""
        return (*self._rollout_pollers, *self._list_pollers)

    def _follow(self, found_by: ListPoller, find: Find) -> None:
        settings = found_by.watch.settings
        watch = Watch(find.target, settings, found_in=find.listing, is_new=find.is_new)
        if find.target.kind in FINDERS:
            self.list(watch, found_by)
        else:
            self.watch(watch)

    def _lead(self, watch: Watch, target: Target) -> None:
        """Follow a list that a watch's snapshot names, with the settings of that watch."""
        self.list(Watch(target, watch.settings))

    def _lead_elsewhere(self, found_by: ListPoller, target: Target) -> None:
        """Follow a list that finds what another one would, with the settings of that one."""
        self.list(Watch(target, found_by.watch.settings, found_in=found_by.watch.target), found_by)

    def _add_default_destinations(self, known: ListPoller, destinations: Sequence[str]) -> None:
        """Notify these as well of whatever a list leads to, also by way of other lists."""
        known.add_default_destinations(destinations)
        for poller in self.pollers:
            if poller.watch.found_in != known.watch.target:
                continue
            if isinstance(poller, ListPoller):
                self._add_default_destinations(poller, destinations)
            else:
                poller.add_default_destinations(destinations)
