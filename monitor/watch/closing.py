"""Marks the cards of rollouts that are not watched any more, once; reopens them if they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import msgspec
import structlog

from monitor.compose import notifications
from monitor.decide.dispatch import Dispatch
from monitor.decide.reachability import scope_of
from monitor.model import EventKind, Target
from monitor.store import Observation, StoredTarget
from monitor.watch.context import Context

log = structlog.get_logger(__name__)


async def close_cards(context: Context, watched: Collection[Target]) -> None:
    """Close the cards of rollouts in flight that the configuration no longer leads to."""
    outages = await context.store.call(context.store.outages.load)
    for known in await context.store.call(context.store.snapshots.load_all):
        state, outage = known.state, outages.get(scope_of(known.target))
        is_removed = outage is not None and outage.kind is EventKind.REMOVED
        is_over = state.ended is not None or state.is_closed or is_removed
        if known.target not in watched and state.has_card and not is_over:
            await _close(context, known)


async def _close(context: Context, known: StoredTarget) -> None:
    closed = replace(known, state=msgspec.structs.replace(known.state, is_closed=True))
    snapshot, state = closed.snapshot, closed.state
    # Only the store is asked: the platform may be down, and the start must not wait for it.
    messages = notifications.compose(
        await context.stored_view(closed, watch=None),
        Dispatch(state, news={}, held=(), silences=()),
        earlier=state,
        keeps_cards=context.channels.keeps_cards,
        cards={},
        previous=await context.card_links(snapshot.target, state.attempt - 1),
        users={},
        tables=await context.table_links(snapshot.target, state.attempt),
    )
    observation = Observation(
        snapshot=snapshot,
        state=state,
        fingerprint=b"",  # the next answer is compared in any case
        cards=messages.cards,
    )
    await context.store.call(context.store.save, observation)
    log.info("closed", target=str(known.target))
