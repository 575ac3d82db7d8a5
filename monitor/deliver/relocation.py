"""What is queued for a destination that the configuration no longer has follows its watch or route.

At a start and at a reload, before anything is sent. What can follow none is set aside, so that a
person sees it; nothing waits for a destination that will never be there again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

import structlog

from monitor.deliver.destinations import Destinations, name_of_watch
from monitor.metrics import Metrics
from monitor.model import Target, Watch
from monitor.store import Move, SetAsideStray, StoreThread, Stray

log = structlog.get_logger(__name__)

Entries = Mapping[str, tuple[str, ...]]
"""Where each entry of a configuration leads to."""


async def relocate(
    store: StoreThread,
    destinations: Destinations,
    entries: Entries,
    *,
    configured: Collection[str],
    watch_of: Callable[[Target], Watch | None],
    refusing: Collection[str],
    metrics: Metrics,
    now: datetime,
) -> None:
    """Move what is not sent yet, and remember where `entries` lead to. Raises StoreError.

    `configured` is what is used as a destination in any way.

    What may have arrived in a channel that can still be asked stays there until that is known.
    """
    earlier = await store.call(store.moving.last_destinations)
    moves: list[Move | SetAsideStray] = []
    for stray in await store.call(store.moving.strays, configured):
        old = stray.destination
        can_be_asked = destinations.is_channel(old) and old not in refusing
        if destinations.may_come(old) or (stray.in_doubt and can_be_asked):
            continue
        watch = watch_of(stray.target) if stray.target else None
        new = successor(
            old, earlier, entries, name_of_watch(watch.settings.entry.id) if watch else ""
        )
        if new is None:
            reason = f"the configuration no longer has {old}, and nothing took its place"
            log.error("set_aside", destination=old, target=_name(stray), error=reason)
            moves.append(SetAsideStray(stray, reason))
            continue
        if stray.in_doubt:
            metrics.posts_in_doubt.labels("resent unsearched").inc()
        log.warning("moved", destination=old, to=new, target=_name(stray), in_doubt=stray.in_doubt)
        moves.append(Move(stray, new, destinations.keeps_cards(new)))
    await store.call(store.moving.move, moves, entries, now)


def successor(old: str, earlier: Entries, entries: Entries, watch: str) -> str | None:
    """Return where what was for a destination goes now: where its watch leads, or else its route.

    Its `watch` comes first if that led there, or if nothing is known of an earlier configuration;
    then a route that led there. What is about no watch goes with any watch that led there, or else
    with a route or a digest.
    """
    if not earlier:
        name = watch if watch in entries else None
    else:
        kinds = (watch, "route", "watch", "digest") if watch else ("watch", "route", "digest")
        name = _first_with(old, earlier, entries, kinds)
    if name is None:
        return None
    added = [one for one in entries[name] if one not in earlier.get(name, ())]
    return (added or entries[name])[0]


def _first_with(old: str, earlier: Entries, entries: Entries, kinds: Iterable[str]) -> str | None:
    """Return the first entry, by kind, that had a destination and is still there."""
    former = [name for name, leads in earlier.items() if old in leads and name in entries]
    found = (name for kind in kinds for name in former if f"{name} ".startswith(f"{kind} "))
    return next(found, None)


def _name(stray: Stray) -> str:
    return str(stray.target) if stray.target else "no target"
