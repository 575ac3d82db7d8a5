"""What is sent late says when it happened, and pings only for what is still active."""

from __future__ import annotations

from datetime import datetime

from monitor.compose import render
from monitor.deliver.catch_up import active_alerts, current_message
from monitor.model import Form, Message, OutageKey
from monitor.store import QueuedNotification, StoredTarget, StoreThread


async def message_to_send(store: StoreThread, queued: QueuedNotification, now: datetime) -> Message:
    """Return a notification's message as it is to be sent now, with its mentions."""
    at = min(queued.created_at, queued.happened_at or queued.created_at)
    if not render.is_late(at, now):
        return render.with_mentions(queued.message, queued.mentions)
    stored = await _stored(store, queued)
    message = await _late_message(store, queued, stored, at, now)
    if not queued.mentions or not await _is_active(store, queued, stored):
        return message
    return render.with_mentions(message, queued.mentions)


async def _stored(store: StoreThread, queued: QueuedNotification) -> StoredTarget | None:
    if queued.target is None or not (queued.mentions or queued.folded_count):
        return None
    stored = await store.call(store.snapshots.load, queued.target)
    is_this = stored is not None and stored.state.attempt == queued.attempt
    return stored if is_this else None


async def _late_message(
    store: StoreThread,
    queued: QueuedNotification,
    stored: StoredTarget | None,
    at: datetime,
    now: datetime,
) -> Message:
    if queued.form in (Form.CARD, Form.TABLE):
        return queued.message  # it shows its own times
    if not queued.folded_count:
        return render.late(queued.message, at)
    if stored is None:
        return queued.message  # a summary says since when
    if queued.thread is None:
        return queued.message
    # It was folded a while ago, and the rollout has moved on since.
    return await store.call(
        current_message,
        store,
        stored,
        row_id=queued.id,
        since=queued.created_at,
        now=now,
        destination=queued.destination,
    )


async def _is_active(
    store: StoreThread, queued: QueuedNotification, stored: StoredTarget | None
) -> bool:
    """Whether what people are to be pinged for is so still."""
    if (outage := OutageKey.of_notification(queued.key)) is not None:
        known = (await store.call(store.outages.load)).get(outage.scope)
        return known is not None and known.since == outage.since
    if queued.target is None:
        return True
    if stored is None or stored.state.is_closed:
        return False
    active = active_alerts(stored.state, queued.destination)
    return any(alert.kind in queued.events for alert in active)
