"""What is watched no more is said on its card, once, and taken back if it is watched again."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import structlog

from monitor.compose import render
from monitor.decide.reachability import scope_of
from monitor.model import Card, EventKind, Target
from monitor.store import Observation, StoredTarget
from monitor.watch.context import Context

log = structlog.get_logger(__name__)


async def close_cards(context: Context, watched: Collection[Target]) -> None:
    """Close the cards of rollouts in flight that the configuration leads to no more."""
    outages = await context.store.call(context.store.outages.load)
    for known in await context.store.call(context.store.snapshots.load_all):
        state, outage = known.state, outages.get(scope_of(known.target))
        is_removed = outage is not None and outage.kind is EventKind.REMOVED
        is_over = state.ended is not None or state.is_closed or is_removed
        if known.target not in watched and state.has_card and not is_over:
            await _close(context, known)


async def _close(context: Context, known: StoredTarget) -> None:
    state = msgspec.structs.replace(known.state, is_closed=True)
    # What the store knows has to do: the platform may be down, and the start must not wait.
    called = await context.store.call(
        context.store.names.called, render.shown_ids(known.snapshot, state)
    )
    view = render.View(
        snapshot=known.snapshot,
        state=state,
        links=context.links,
        names=called.names,
        apps=called.apps,
        people=called.people,
        commits=called.commits,
    )
    message = render.card(view)
    destinations = [
        destination
        for destination in state.card_destinations
        if context.channels.keeps_cards(destination)
    ]
    observation = Observation(
        snapshot=known.snapshot,
        state=state,
        fingerprint=b"",  # whatever comes next is looked at anew
        cards=tuple(
            Card(known.target, state.attempt, destination, message) for destination in destinations
        ),
    )
    await context.store.call(context.store.save, observation)
    log.info("closed", target=str(known.target))
