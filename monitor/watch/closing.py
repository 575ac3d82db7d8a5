"""What is watched no more is said on its card, once, and taken back if it is watched again."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import structlog

from monitor.compose import render
from monitor.decide.reachability import scope_of
from monitor.model import Card, EventKind, Target
from monitor.store import Observation, Store, Watched
from monitor.watch.context import Surroundings

log = structlog.get_logger(__name__)


async def close_cards(around: Surroundings, watched: Collection[Target]) -> None:
    """Close the cards of rollouts in flight that the configuration leads to no more."""
    sights = await around.store.call(Store.sights)
    for known in await around.store.call(Store.targets):
        memory, blindness = known.memory, sights.get(scope_of(known.target))
        is_gone = blindness is not None and blindness.kind is EventKind.GONE
        is_over = memory.ended is not None or memory.is_closed or is_gone
        if known.target not in watched and memory.has_card and not is_over:
            await _close(around, known)


async def _close(around: Surroundings, known: Watched) -> None:
    memory = msgspec.structs.replace(known.memory, is_closed=True)
    # What the store knows has to do: the platform may be down, and the start must not wait.
    called = await around.store.call(Store.called, render.shown_ids(known.snapshot, memory))
    view = render.View(
        snapshot=known.snapshot,
        memory=memory,
        links=around.links,
        names=called.names,
        apps=called.apps,
        people=called.people,
        commits=called.commits,
    )
    message = render.card(view)
    sinks = [sink for sink in memory.card_sinks if around.channels.keeps_cards(sink)]
    observation = Observation(
        snapshot=known.snapshot,
        memory=memory,
        digest=b"",  # whatever comes next is looked at anew
        cards=tuple(Card(known.target, memory.attempt, sink, message) for sink in sinks),
    )
    await around.store.call(Store.save, observation)
    log.info("closed", target=str(known.target))
