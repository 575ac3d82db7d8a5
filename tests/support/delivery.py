"""The delivering half of the daemon on a real store and the simulated Slack, and what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from msgspec.structs import replace

from monitor.deliver.pace import Pace
from monitor.deliver.sending import Destination
from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery
from monitor.errors import StoreError
from monitor.metrics import Metrics
from monitor.model import (
    Alert,
    Card,
    EventKind,
    Form,
    Message,
    Notification,
    Target,
    TargetState,
)
from monitor.simulation.slack import Channel, Posted, SimulatedSlack
from monitor.store import Observation, QueuedNotification, Store, StoreThread
from monitor.watch.outage_log import OutageLog
from tests.support.builders import release, snapshot, state
from tests.support.clock import NOON, Clock

P = ParamSpec("P")
T = TypeVar("T")

HOOK = "webhook"
AT_ONCE = Pace(
    post=0.0,
    edit=0.0,
    most_at_once=100_000,
    catch_up_after=timedelta(days=3650),
    settle_for=timedelta(0),
)
"""Each notification by itself, however many and however late."""
FOR_PEOPLE = Pace(post=0.0, edit=0.0)
"""As people are told: late ones together, and not more than they can take."""
TARGET = snapshot(release()).target
NEW = state()
OVER = state(ended=EventKind.SUCCEEDED)
IN_TROUBLE = state(
    alerts=(Alert("ins1", EventKind.FAILED, NOON, NOON, notified_destinations=("#releases",)),)
)


class Interrupted(Exception):
    """Where a test lets the daemon die."""


class Thread(StoreThread):
    """The real store, but for calls that a test breaks: `broken` has the error for each."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.broken: dict[str, Exception] = {}
        self.calls = 0
        self.failures = 0

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls += 1
        if error := self.broken.get(method.__name__):
            self.failures += 1
            raise error
        try:
            return await super().call(method, *args, **kwargs)
        except StoreError:
            self.failures += 1
            raise


@dataclass
class Monitor:
    """One life of the daemon's delivering half, and the clock, Slack and file around it."""

    slack: SimulatedSlack
    clock: Clock
    store: Thread
    delivery: Delivery
    metrics: Metrics
    destinations: dict[str, Destination]

    async def save(
        self,
        *notifications: Notification,
        cards: Iterable[Card] = (),
        target: Target = TARGET,
        state: TargetState = NEW,
    ) -> None:
        seen = replace_target(target, self.clock.now())
        observation = Observation(seen, state, b"", cards=tuple(cards), notifications=notifications)
        await self.store.call(self.store.save, observation)

    async def deliver(self, *, after: float = 0.0) -> None:
        """Deliver what is due, some seconds later."""
        self.clock.advance(after)
        await self.delivery.drain()

    async def wait_for_searches(self) -> None:
        """Let the half minute pass in which a post in doubt is searched for."""
        for seconds in (2, 3, 5, 8, 12):
            await self.deliver(after=seconds)

    async def outbox(self) -> tuple[QueuedNotification, ...]:
        return await self.store.call(self.store.outbox.unsent)

    def problem(self) -> str | None:
        return self.delivery.health.problem

    def count(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"nuon_monitor_{name}_total", labels)
        return value or 0.0


def replace_target(target: Target, at: datetime) -> Any:
    return snapshot(release(id=target.id), at)


@asynccontextmanager
async def life(
    slack: SimulatedSlack,
    folder: Path,
    clock: Clock,
    *,
    pace: Pace = AT_ONCE,
    timeout: float = 30.0,
    api_url: str = "",
) -> AsyncIterator[Monitor]:
    """Start the delivering half on the folder's store, and end it in an orderly way."""
    async with AsyncExitStack() as stack:
        store = Thread(Store.open(f"sqlite:///{folder}/store.db", now=clock.now()))
        stack.push_async_callback(store.aclose)
        client = await stack.enter_async_context(
            SlackClient(api_url=api_url or slack.api_url, token=slack.token, timeout=timeout)
        )
        metrics = Metrics()
        destinations: dict[str, Destination] = {HOOK: client.webhook(slack.webhook_url)}
        destinations |= {f"#{name}": client.channel(f"#{name}") for name in slack.channels}
        outage_log = OutageLog(store, metrics=metrics, now=clock.now)
        delivery = Delivery(
            store,
            destinations.get,
            outage_log,
            metrics=metrics,
            now=clock.now,
            probe=client.check_token,
            pace=pace,
            # Slack stamps messages by the real time, whatever a test's clock says.
            jumped=lambda: clock.now() - datetime.now(UTC),
            permalink=client.permalink,
        )
        outage_log.has_news = delivery.wake
        yield Monitor(slack, clock, store, delivery, metrics, destinations)


@asynccontextmanager
async def running(monitor: Monitor) -> AsyncIterator[None]:
    """Run the loop itself, and stop it in the end."""
    task = asyncio.create_task(monitor.delivery.run())
    try:
        yield
    finally:
        monitor.delivery.stop()
        await task


class ReplacedPost:
    """A destination whose `post` is another."""

    keeps_cards = True

    def __init__(self, destination: Destination, post: Any) -> None:
        self.post = post
        self.edit = destination.edit
        self.delete = destination.delete
        self.find = destination.find
        self.find_all = destination.find_all


def blocks(words: str) -> Message:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": words}]}
    return Message(words, ({"type": "rich_text", "elements": [section]},))


def note(key: str, destination: str = "#releases", **facts: Any) -> Notification:
    facts.setdefault("form", Form.MESSAGE)
    facts.setdefault("message", blocks(key))
    return Notification(key=key, destination=destination, target=TARGET, **facts)


def about(name: str, key: str, destination: str = "#releases", **facts: Any) -> Notification:
    """A notification about another rollout than that of `note`."""
    return replace(note(key, destination, **facts), target=Target(TARGET.kind, name))


def notes(*keys: str, destination: str = "#releases") -> tuple[Notification, ...]:
    return tuple(note(key, destination) for key in keys)


def first_card(words: str = "0 of 3", destination: str = "#releases") -> tuple[Notification, Card]:
    """The notification that posts a card, and what it shows."""
    posted = note(
        f"{TARGET.kind}/{TARGET.id}/1/card/0/{destination}",
        destination,
        form=Form.CARD,
        message=blocks(words),
    )
    return posted, card(words, destination)


def card(words: str, destination: str = "#releases", target: Target = TARGET) -> Card:
    return Card(target, 1, destination, blocks(words))


def reply(key: str, destination: str = "#releases", **facts: Any) -> Notification:
    return note(key, destination, form=Form.REPLY, **facts)


def keys(channel: Channel) -> list[str]:
    """The keys of everything ever posted, in order; a card's without its target."""
    return [_key(post) for post in channel.posts]


def kept_keys(channel: Channel) -> list[str]:
    """The keys of what was posted and is still there."""
    return [_key(post) for post in channel.posts if not post.is_deleted]


def _key(post: Posted) -> str:
    key = str((post.metadata or {})["event_payload"]["key"])
    return key.rpartition(f"{TARGET.kind}/{TARGET.id}/1/")[2]


def outcomes(slack: SimulatedSlack, method: str) -> list[str]:
    return [request.outcome for request in slack.requests if request.method == method]


POST, EDIT = "chat.postMessage", "chat.update"
HISTORY = "conversations.history"

ARRIVED = ["reset_after", "hang_after", "garbage_after", "502_after", "504_after"]
ARRIVED += [f"error:{code}_after" for code in ("internal_error", "fatal_error", "request_timeout")]
NOT_ARRIVED = [kind.replace("_after", "_before") for kind in ARRIVED]
