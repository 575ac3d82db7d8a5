"""Delivery with real parts: a store on disk, and the simulated Slack over real HTTP.

Run as a process of its own (`live`), it is what the kill loop kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import random
import shutil
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
from structlog.testing import capture_logs

from monitor.deliver import worker as module
from monitor.deliver.pace import Pace
from monitor.deliver.sending import Destination
from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery
from monitor.errors import DestinationRejected, Refusal, StoreError
from monitor.metrics import Metrics
from monitor.model import (
    Card,
    EventKind,
    Form,
    Message,
    MessageRef,
    Notification,
    Outage,
    Target,
)
from monitor.simulation.slack import Channel, Rates, SimulatedSlack, plain_text
from monitor.store import Observation, QueuedNotification, Store, StoreThread
from monitor.watch.outage_log import OutageLog
from tests.support.builders import release, snapshot, state
from tests.support.faults import FaultyServer, never_answer

P = ParamSpec("P")
T = TypeVar("T")

HOOK = "webhook"
AT_ONCE = Pace(post=0.0, edit=0.0)
TARGET = snapshot(release()).target


@pytest.fixture(autouse=True)
def _quiet_sdk() -> None:
    """The SDK logs each block that it does not know; the simulation checks with it."""
    logging.getLogger("slack_sdk.models").setLevel(logging.CRITICAL)


# The parts


class Clock:
    """A clock that stands until it is moved. It begins at the real time, which Slack's is."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


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
        self, *notifications: Notification, cards: Iterable[Card] = (), target: Target = TARGET
    ) -> None:
        seen = replace_target(target, self.clock())
        observation = Observation(
            seen, state(), b"", cards=tuple(cards), notifications=notifications
        )
        await self.store.call(self.store.save, observation)

    async def deliver(self, *, after: float = 0.0) -> None:
        """Deliver what is due, some seconds later."""
        self.clock.advance(after)
        await self.delivery.drain()

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
        store = Thread(Store.open(f"sqlite:///{folder}/store.db", now=clock()))
        stack.push_async_callback(store.aclose)
        client = await stack.enter_async_context(
            SlackClient(api_url=api_url or slack.api_url, token=slack.token, timeout=timeout)
        )
        metrics = Metrics()
        destinations: dict[str, Destination] = {HOOK: client.webhook(slack.webhook_url)}
        destinations |= {f"#{name}": client.channel(f"#{name}") for name in slack.channels}
        outage_log = OutageLog(store, metrics=metrics, now=clock)
        delivery = Delivery(
            store, destinations.get, outage_log, metrics=metrics, now=clock, pace=pace
        )
        outage_log.has_news = delivery.wake
        yield Monitor(slack, clock, store, delivery, metrics, destinations)


@pytest.fixture
async def slack() -> AsyncIterator[SimulatedSlack]:
    async with SimulatedSlack(("releases", "ops", "apps"), rates=False) as running:
        yield running


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once: to make one takes longer than most tests."""
    path = tmp_path_factory.mktemp("new") / "store.db"
    Store.open(f"sqlite:///{path}", now=datetime.now(UTC)).close()
    return path


@pytest.fixture(autouse=True)
def _has_store(new_store: Path, tmp_path: Path) -> None:
    shutil.copy(new_store, tmp_path / "store.db")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def monitor(slack: SimulatedSlack, tmp_path: Path, clock: Clock) -> AsyncIterator[Monitor]:
    async with life(slack, tmp_path, clock) as running:
        yield running


@asynccontextmanager
async def running(monitor: Monitor) -> AsyncIterator[None]:
    """Run the loop itself, and stop it in the end."""
    task = asyncio.create_task(monitor.delivery.run())
    try:
        yield
    finally:
        monitor.delivery.stop()
        await task


def blocks(words: str) -> Message:
    return Message(words, ({"type": "section", "text": {"type": "plain_text", "text": words}},))


def note(key: str, destination: str = "#releases", **facts: Any) -> Notification:
    facts.setdefault("form", Form.MESSAGE)
    facts.setdefault("message", blocks(key))
    return Notification(key=key, destination=destination, target=TARGET, **facts)


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
    return [
        str((post.metadata or {})["event_payload"]["key"]).rpartition(
            f"{TARGET.kind}/{TARGET.id}/1/"
        )[2]
        for post in channel.posts
    ]


def outcomes(slack: SimulatedSlack, method: str) -> list[str]:
    return [request.outcome for request in slack.requests if request.method == method]


POST, EDIT = "chat.postMessage", "chat.update"
HISTORY = "conversations.history"


# When all is well


async def test_posts_go_out_in_the_order_they_were_enqueued(monitor: Monitor) -> None:
    await monitor.save(*notes("a", "b"))
    await monitor.save(*notes("c"))

    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a", "b", "c"]
    assert await monitor.outbox() == ()
    assert monitor.count("notifications_sent") == 3


async def test_the_same_news_enqueued_twice_is_told_once(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    await monitor.deliver()

    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_reply_goes_into_its_cards_thread(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, reply("r1"), cards=[shown])

    await monitor.deliver()

    (root,) = monitor.slack.channel("releases").messages
    assert [plain_text(one) for one in root.replies] == ["r1"]


async def test_a_broadcast_reply_is_seen_in_the_channel(monitor: Monitor) -> None:
    posted, shown = first_card()
    failed = reply("r1", is_broadcast=True)
    await monitor.save(posted, failed, reply("r2"), cards=[shown])

    await monitor.deliver()

    assert monitor.slack.channel("releases").notifications() == ["0 of 3", "r1"]


async def test_through_a_webhook_messages_go_out_in_order(monitor: Monitor) -> None:
    await monitor.save(*notes("a", "b", destination=HOOK))

    await monitor.deliver()

    assert monitor.slack.channel("releases").notifications() == ["a", "b"]
    assert await monitor.outbox() == ()


async def test_the_loop_delivers_what_comes_in_while_it_runs(monitor: Monitor) -> None:
    async with running(monitor):
        for key in ("a", "b"):
            await monitor.save(*notes(key))
            monitor.delivery.wake()
            await monitor.slack.wait_until(
                lambda key=key: key in keys(monitor.slack.channel("releases"))  # type: ignore[misc]
            )

    assert await monitor.outbox() == ()


async def test_the_loop_tries_again_when_the_time_has_come(
    slack: SimulatedSlack, tmp_path: Path
) -> None:
    slack.fail("429", POST, retry_after=1)
    real_time = Clock()
    start = time.monotonic(), real_time.at

    class Running(Clock):
        def __call__(self) -> datetime:
            return start[1] + timedelta(seconds=(time.monotonic() - start[0]) * 20)

    async with life(slack, tmp_path, Running()) as monitor, running(monitor):
        await monitor.save(*notes("a"))
        monitor.delivery.wake()
        await slack.wait_until(lambda: outcomes(slack, POST) == ["429", "ok"])


# Cards and edits


async def test_three_changes_before_delivery_are_one_edit(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    for words in ("1 of 3", "2 of 3", "3 of 3"):
        await monitor.save(cards=[card(words)])
    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "3 of 3"
    assert len(seen.edits) == 1


async def test_a_card_that_looks_the_same_is_not_edited(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    await monitor.save(cards=[card("1 of 3")])
    await monitor.save(cards=[shown])
    await monitor.deliver()

    assert outcomes(monitor.slack, EDIT) == []


async def test_a_card_is_posted_with_its_newest_content(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.save(cards=[card("2 of 3")])

    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "2 of 3"
    assert seen.edits == []


async def test_edits_give_way_to_posts(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    await monitor.save(cards=[card("1 of 3")])
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    assert [request.method for request in monitor.slack.requests] == [POST] * 3 + [EDIT]


async def test_while_an_edit_waits_for_its_turn_a_post_goes_first(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=0.0, edit=30.0)) as monitor:
        posted, shown = first_card()
        await monitor.save(posted, cards=[shown])
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)
            for words in ("1 of 3", "2 of 3"):
                await monitor.save(cards=[card(words)])
                monitor.delivery.wake()
                await slack.wait_until(lambda: outcomes(slack, EDIT) == ["ok"])

            await monitor.save(*notes("a"))
            monitor.delivery.wake()
            await slack.wait_until(lambda: "a" in keys(slack.channel("releases")))

        assert outcomes(slack, EDIT) == ["ok"]


async def test_while_an_edit_waits_for_its_turn_the_store_is_left_alone(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=0.0, edit=3600.0)) as monitor:
        posted, shown = first_card()
        await monitor.save(posted, cards=[shown])
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)
            for words in ("1 of 3", "2 of 3"):
                await monitor.save(cards=[card(words)])
                monitor.delivery.wake()
                await slack.wait_until(lambda: outcomes(slack, EDIT) == ["ok"])
            monitor.store.calls = 0

            # That nothing happens can only be seen after a while.
            await asyncio.sleep(0.5)

        assert monitor.store.calls < 6


async def test_a_limit_on_edits_holds_for_all_cards_and_for_no_post(monitor: Monitor) -> None:
    posted, shown = first_card()
    there, its = first_card(destination="#ops")
    await monitor.save(posted, there, cards=[shown, its])
    await monitor.deliver()
    monitor.slack.fail("429", EDIT, retry_after=3600)

    await monitor.save(cards=[card("1 of 3")])
    async with running(monitor):
        await monitor.slack.wait_until(lambda: outcomes(monitor.slack, EDIT) == ["429"])
        while not monitor.count("delivery_failures", next="again later"):
            await asyncio.sleep(0)
        await monitor.save(
            *notes("a"), *notes("b", destination="#ops"), cards=[card("1 of 3", "#ops")]
        )
        monitor.delivery.wake()
        await monitor.slack.wait_until(lambda: "b" in keys(monitor.slack.channel("ops")))
        await monitor.slack.wait_until(lambda: "a" in keys(monitor.slack.channel("releases")))

    await monitor.deliver(after=3599)
    assert outcomes(monitor.slack, EDIT) == ["429"]


async def test_when_the_limit_on_edits_has_passed_all_cards_are_brought_up_to_date(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    there, its = first_card(destination="#ops")
    await monitor.save(posted, there, cards=[shown, its])
    await monitor.deliver()
    monitor.slack.fail("429", EDIT, retry_after=60)
    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    await monitor.save(cards=[card("1 of 3", "#ops")])
    await monitor.deliver()
    assert outcomes(monitor.slack, EDIT) == ["429"]

    await monitor.deliver(after=60)

    for channel in ("releases", "ops"):
        assert plain_text(monitor.slack.channel(channel).messages[0]) == "1 of 3"


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "502", "500", "garbage"])
async def test_an_edit_that_failed_is_made_again(monitor: Monitor, kind: str) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail(kind, EDIT)
    await monitor.save(cards=[card("1 of 3")])

    await monitor.deliver()
    await monitor.deliver(after=2)

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "1 of 3"
    assert outcomes(monitor.slack, EDIT) == [kind, "ok"]


async def test_an_edit_whose_blocks_are_refused_is_made_as_plain_text(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[Card(TARGET, 1, "#releases", Message("plain", ({"type": "x"},)))])

    await monitor.deliver()
    await monitor.deliver(after=3600)

    (seen,) = monitor.slack.channel("releases").messages
    assert (seen.text, list(seen.blocks)) == ("plain", [])
    assert outcomes(monitor.slack, EDIT) == ["invalid_blocks", "ok"]


async def test_an_edit_that_is_refused_altogether_waits_for_the_next_version(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[card("x" * 4_001)])
    await monitor.deliver()
    await monitor.deliver(after=3600)
    assert len(outcomes(monitor.slack, EDIT)) == 2

    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "1 of 3"


# A card that is gone


async def test_a_card_that_is_gone_is_posted_anew_when_it_changes(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    (old,) = monitor.slack.channel("releases").messages
    monitor.slack.delete_message(old.ts)

    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    await monitor.save(reply("r1"), cards=[card("2 of 3")])
    await monitor.deliver()

    (new,) = monitor.slack.channel("releases").messages
    assert plain_text(new) == "2 of 3"
    assert [plain_text(one) for one in new.replies] == ["r1"]
    assert keys(monitor.slack.channel("releases"))[1] == "card/1/#releases"


async def test_replies_to_a_card_that_is_gone_follow_a_new_one_in_order(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    (old,) = monitor.slack.channel("releases").messages
    monitor.slack.delete_message(old.ts)

    await monitor.save(reply("r1"), reply("r2"), note("m"), cards=[card("1 of 3")])
    await monitor.deliver()
    await monitor.deliver(after=2)

    assert keys(monitor.slack.channel("releases"))[1:] == [
        "card/1/#releases",
        "r1",
        "r2",
        "m",
    ]
    new = monitor.slack.channel("releases").messages[0]
    assert [plain_text(one) for one in new.replies] == ["r1", "r2"]


async def test_a_new_card_that_has_to_wait_does_not_keep_the_loop_spinning(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    (old,) = monitor.slack.channel("releases").messages
    monitor.slack.delete_message(old.ts)
    await monitor.save(reply("r1"), cards=[card("1 of 3")])
    monitor.slack.fail("error:thread_not_found", POST)
    monitor.slack.fail("429", POST, retry_after=60)

    async with asyncio.timeout(5):
        await monitor.deliver()
        await monitor.deliver(after=2)
    assert outcomes(monitor.slack, POST) == ["ok", "error:thread_not_found", "429"]

    await monitor.deliver(after=60)
    assert keys(monitor.slack.channel("releases"))[1:] == ["card/1/#releases", "r1"]


async def test_a_thread_that_never_takes_a_reply_does_not_flood_the_channel_with_cards(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    async def refuse(*_: object, thread: MessageRef | None, **__: object) -> MessageRef:
        if thread is not None:
            raise DestinationRejected("no", refusal=Refusal.CARD, code="cannot_reply_to_message")
        return await real(*_, thread=thread, **__)  # type: ignore[arg-type]

    real = monitor.destinations["#releases"].post
    monitor.destinations["#releases"] = _Replaced(monitor.destinations["#releases"], refuse)
    await monitor.save(reply("r1"))
    async with asyncio.timeout(20):
        for _ in range(60):
            await monitor.deliver(after=1)

    assert len(monitor.slack.channel("releases").messages) < 12


# Rates


async def test_over_the_rate_it_waits_as_long_as_slack_says(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, retry_after=30)
    await monitor.save(*notes("a", "b"))

    await monitor.deliver()
    await monitor.deliver(after=29.9)
    assert keys(monitor.slack.channel("releases")) == []

    await monitor.deliver(after=0.1)
    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_limit_on_one_channel_holds_up_no_other(monitor: Monitor) -> None:
    monitor.slack.rates = Rates(seconds_per_message=3600, burst=1)
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))

    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a"]
    assert keys(monitor.slack.channel("ops")) == ["c"]


async def test_a_limit_on_posts_holds_up_no_edit(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("429", POST, retry_after=60)

    await monitor.save(*notes("a"), cards=[card("1 of 3")])
    await monitor.deliver()

    assert outcomes(monitor.slack, EDIT) == ["ok"]


async def test_being_limited_is_no_failure_that_lengthens_later_waits(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, times=20, retry_after=1)
    monitor.slack.fail("503", POST)
    await monitor.save(*notes("a"))
    for _ in range(20):
        await monitor.deliver(after=1)

    await monitor.deliver(after=1)
    await monitor.deliver(after=1)

    assert keys(monitor.slack.channel("releases")) == ["a"]


async def test_a_limited_edit_does_not_lengthen_later_waits(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[card("1 of 3")])
    edit = await monitor.store.call(monitor.store.cards.next_edit, "#releases", monitor.clock())
    assert edit is not None

    await monitor.store.call(
        monitor.store.cards.postpone_edit,
        edit,
        next_try_at=monitor.clock(),
        error="429",
        is_failure=False,
    )

    again = await monitor.store.call(monitor.store.cards.next_edit, "#releases", monitor.clock())
    assert again == edit


async def test_being_limited_does_not_make_slack_unusable(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, retry_after=60)
    await monitor.save(*notes("a"))

    await monitor.deliver()

    assert monitor.problem() is None


async def test_a_storm_of_limits_costs_neither_a_message_nor_the_order(monitor: Monitor) -> None:
    monitor.slack.fail("429", POST, times=None, probability=0.7)
    expected = [f"n{number}" for number in range(20)]
    await monitor.save(*notes(*expected))

    while await monitor.outbox():
        await monitor.deliver(after=1)

    assert keys(monitor.slack.channel("releases")) == expected


async def test_a_limit_is_remembered_over_a_restart(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock) as monitor:
        slack.fail("429", POST, retry_after=60)
        await monitor.save(*notes("a"))
        await monitor.deliver()

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.deliver(after=59)
        assert outcomes(slack, POST) == ["429"]
        await monitor.deliver(after=1)

    assert keys(slack.channel("releases")) == ["a"]


async def test_two_posts_of_a_sink_keep_their_distance_and_sinks_do_not_wait_for_each_other(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=3600.0, edit=0.0)) as monitor:
        await monitor.save(*notes("a", "b"), *notes("c", "d", destination="#ops"))
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 2)
            for number in range(20):
                await monitor.save(*notes(f"later {number}"))
                monitor.delivery.wake()

        assert keys(slack.channel("releases")) == ["a"]
        assert keys(slack.channel("ops")) == ["c"]


async def test_at_its_real_pace_slack_never_has_to_limit_it(tmp_path: Path, clock: Clock) -> None:
    rates = Rates(seconds_per_message=0.05, burst=2, seconds_per_edit=0.05)
    async with (
        SimulatedSlack(("releases",), rates=rates) as slack,
        life(slack, tmp_path, clock, pace=Pace(post=0.05, edit=0.05)) as monitor,
    ):
        await monitor.save(*notes(*map(str, range(20))))
        await monitor.deliver()

        assert outcomes(slack, POST) == ["ok"] * 20


# What passes


@pytest.mark.parametrize("kind", ["500", "503", "error:service_unavailable"])
async def test_a_passing_failure_is_tried_again_with_growing_waits(
    monitor: Monitor, kind: str
) -> None:
    monitor.slack.fail(kind, POST, times=3)
    await monitor.save(*notes("a", "b"))

    await monitor.deliver()
    await monitor.deliver(after=1)
    await monitor.deliver(after=1.9)
    await monitor.deliver(after=2)
    await monitor.deliver(after=4)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert outcomes(monitor.slack, HISTORY) == []


async def test_an_outage_of_slack_is_survived_with_everything_in_order(monitor: Monitor) -> None:
    await monitor.slack.stop()
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))
    for _ in range(5):
        await monitor.deliver(after=300)
    await monitor.save(*notes("d"))
    assert monitor.problem() is not None

    await monitor.slack.start()
    await monitor.deliver(after=300)

    assert keys(monitor.slack.channel("releases")) == ["a", "b", "d"]
    assert keys(monitor.slack.channel("ops")) == ["c"]
    assert monitor.problem() is None


# What is ambiguous

ARRIVED = ["reset_after", "hang_after", "garbage_after", "502_after", "504_after"]
ARRIVED += [f"error:{code}_after" for code in ("internal_error", "fatal_error", "request_timeout")]
NOT_ARRIVED = [kind.replace("_after", "_before") for kind in ARRIVED]


@pytest.mark.parametrize("kind", ARRIVED)
async def test_a_post_whose_answer_was_lost_is_found_and_not_posted_again(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.5) as monitor:
        slack.fail(kind, POST)
        await monitor.save(*notes("a", "b"))
        await monitor.deliver()
        await monitor.deliver(after=2)

        history = await monitor.store.call(monitor.store.history.load, TARGET.id)

    assert keys(slack.channel("releases")) == ["a", "b"]
    assert [one.ts for one in history if hasattr(one, "ts")] == [
        post.ts for post in slack.channel("releases").posts
    ]
    assert monitor.count("ambiguous_posts", resolution="found") == 1
    assert monitor.count("ambiguous_posts", resolution="resent") == 0


@pytest.mark.parametrize("kind", NOT_ARRIVED)
async def test_a_post_that_did_not_arrive_is_looked_for_and_then_posted_again(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.5) as monitor:
        slack.fail(kind, POST)
        await monitor.save(*notes("a", "b"))
        await monitor.deliver()
        await monitor.deliver(after=2)

    assert keys(slack.channel("releases")) == ["a", "b"]
    assert monitor.count("ambiguous_posts", resolution="found") == 0
    assert monitor.count("ambiguous_posts", resolution="resent") == 1


async def test_a_post_in_doubt_is_not_looked_for_at_once(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a"))

    await monitor.deliver()
    await monitor.deliver(after=1.9)

    assert outcomes(monitor.slack, HISTORY) == []


async def test_a_reply_in_doubt_is_looked_for_in_its_thread(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("reset_after", POST)
    await monitor.save(reply("r1"), reply("r2"))

    await monitor.deliver()
    await monitor.deliver(after=2)

    (root,) = monitor.slack.channel("releases").messages
    assert [plain_text(one) for one in root.replies] == ["r1", "r2"]
    assert outcomes(monitor.slack, "conversations.replies") == ["ok"]


async def test_a_card_in_doubt_is_found_and_shows_the_newest_all_the_same(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    monitor.slack.fail("reset_after", POST)
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    await monitor.save(reply("r1"), cards=[card("1 of 3")])
    await monitor.deliver(after=2)

    (root,) = monitor.slack.channel("releases").messages
    assert plain_text(root) == "1 of 3"
    assert [plain_text(one) for one in root.replies] == ["r1"]


@pytest.mark.parametrize("kind", ["429", "503", "reset", "502", "garbage"])
async def test_a_look_that_fails_is_repeated_before_anything_is_posted(
    monitor: Monitor, kind: str
) -> None:
    monitor.slack.fail("reset_after", POST)
    monitor.slack.fail(kind, HISTORY, times=2, retry_after=30)
    await monitor.save(*notes("a", "b"))

    await monitor.deliver()
    for _ in range(4):
        await monitor.deliver(after=30)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_where_nobody_can_look_it_is_posted_again_counted_and_logged(
    monitor: Monitor,
) -> None:
    monitor.slack.scopes.remove("channels:history")
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()

    with capture_logs() as logs:
        await monitor.deliver(after=2)

    assert keys(monitor.slack.channel("releases")) == ["a", "a", "b"]
    assert monitor.count("ambiguous_posts", resolution="unknown") == 1
    (entry,) = [log for log in logs if log["event"] == "resent_perhaps_twice"]
    assert (entry["key"], "channels:history" in entry["reason"]) == ("a", True)


async def test_through_a_webhook_a_post_in_doubt_is_posted_again_and_counted(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("reset_after", "webhook")
    await monitor.save(*notes("a", "b", destination=HOOK))

    await monitor.deliver()
    await monitor.deliver(after=2)

    assert monitor.slack.channel("releases").notifications() == ["a", "a", "b"]
    assert monitor.count("ambiguous_posts", resolution="unknown") == 1


async def test_a_doubt_outlives_a_token_that_is_revoked_meanwhile(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.deliver(after=2)
    await monitor.deliver(after=30)
    assert monitor.count("ambiguous_posts", resolution="unknown") == 0

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert monitor.count("ambiguous_posts", resolution="found") == 1


async def test_one_post_in_doubt_through_an_outage_is_counted_once(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", "webhook")
    monitor.slack.fail("503", "webhook", times=5)
    await monitor.save(*notes("a", destination=HOOK))

    while await monitor.outbox():
        await monitor.deliver(after=60)

    assert monitor.slack.channel("releases").notifications() == ["a", "a"]
    assert monitor.count("ambiguous_posts", resolution="unknown") == 1


@pytest.mark.parametrize("kind", ["reset", "404", "500", "error:no_service", "hang"])
async def test_the_webhooks_url_is_neither_logged_nor_kept_with_an_error(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.1) as monitor:
        if kind == "404":
            slack.revoke_webhook()
        else:
            slack.fail(kind, "webhook")
        await monitor.save(*notes("a", destination=HOOK))

        with capture_logs() as logs:
            await monitor.deliver()

        (kept,) = await monitor.outbox()
        assert kept.error
        assert "/services/" not in f"{logs}{kept}{monitor.problem()}"


# Credentials


async def test_with_a_bad_token_all_is_kept_and_goes_on_when_it_is_mended(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.save(reply("r1"), note("a", "#ops"), cards=[card("1 of 3")])
    for _ in range(10):
        await monitor.deliver(after=30)
    assert "Slack answered token_revoked to chat." in (monitor.problem() or "")
    assert len(await monitor.outbox()) == 2

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    (root,) = monitor.slack.channel("releases").messages
    assert plain_text(root) == "1 of 3"
    assert [plain_text(one) for one in root.replies] == ["r1"]
    assert keys(monitor.slack.channel("ops")) == ["a"]
    assert monitor.problem() is None


async def test_a_bad_token_is_probed_once_in_a_while_only(monitor: Monitor) -> None:
    monitor.slack.revoke_token()
    await monitor.save(*notes("a", "b", "c"))

    for _ in range(60):
        await monitor.deliver(after=1)

    assert len(outcomes(monitor.slack, POST)) == 2


async def test_a_bad_token_found_by_an_edit_is_a_problem_too(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    assert monitor.problem() == "Slack answered token_revoked to chat.update"

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    assert monitor.problem() is None
    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"


async def test_edits_that_do_not_come_through_are_a_problem_too(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("503", EDIT)
    await monitor.save(cards=[card("1 of 3")])

    await monitor.deliver()

    assert monitor.problem() == "Slack answered HTTP 503 to chat.update"


async def test_a_revoked_webhook_keeps_all_until_it_is_restored(monitor: Monitor) -> None:
    monitor.slack.revoke_webhook()
    await monitor.save(*notes("a", "b", destination=HOOK))
    await monitor.deliver()
    assert monitor.problem() == "Slack answered no_service to the incoming webhook"

    monitor.slack.restore_webhook()
    await monitor.deliver(after=30)

    assert monitor.slack.channel("releases").notifications() == ["a", "b"]


# A channel


async def test_what_is_for_a_closed_channel_waits_and_others_go_on(monitor: Monitor) -> None:
    monitor.slack.archive("releases")
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))
    for _ in range(10):
        await monitor.deliver(after=60)
    assert keys(monitor.slack.channel("ops")) == ["c"]
    assert outcomes(monitor.slack, POST).count("is_archived") == 2

    monitor.slack.unarchive("releases")
    await monitor.deliver(after=300)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_one_closed_channel_is_no_problem_of_the_whole_but_is_visible(
    monitor: Monitor,
) -> None:
    monitor.delivery.health.problem = "cannot connect to Slack"
    monitor.slack.archive("releases")
    await monitor.save(*notes("a"))
    with capture_logs() as logs:
        await monitor.deliver()
        await monitor.deliver(after=300)
    assert monitor.problem() is None
    (refused,) = monitor.delivery.health.refusing.items()
    assert (refused[0], refused[1].reason) == (
        "#releases",
        "Slack answered is_archived to chat.postMessage",
    )
    assert [log["log_level"] for log in logs if log["event"] == "destination_refuses"] == ["error"]

    monitor.slack.unarchive("releases")
    await monitor.deliver(after=300)

    assert monitor.delivery.health.refusing == {}


async def test_a_channel_that_refuses_posts_and_takes_edits_is_not_told_to_work_again(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("error:restricted_action", POST, times=None)
    await monitor.save(reply("r1"), cards=[card("1 of 3")])

    with capture_logs() as logs:
        await monitor.deliver()
        await monitor.deliver(after=300)

    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"
    assert list(monitor.delivery.health.refusing) == ["#releases"]
    reports = [log["event"] for log in logs if log["event"].startswith("destination_")]
    assert reports == ["destination_refuses"]


async def test_a_post_that_is_found_in_a_closed_channel_does_not_mean_that_it_is_open(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a"))
    await monitor.deliver()
    monitor.slack.archive("releases")
    closed = Outage(EventKind.UNREACHABLE, monitor.clock(), "it is archived")
    monitor.delivery.health.refusing["#releases"] = closed

    await monitor.deliver(after=60)

    assert await monitor.outbox() == ()
    assert list(monitor.delivery.health.refusing) == ["#releases"]


async def test_what_another_process_makes_due_is_sent_while_the_loop_is_idle(
    monitor: Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    monitor.slack.fail("error:message_limit_exceeded", POST)
    await monitor.save(*notes("a"))
    async with running(monitor):
        await monitor.slack.wait_until(lambda: len(outcomes(monitor.slack, POST)) == 1)
        with Store.open_beside(f"sqlite:///{tmp_path}/store.db") as beside:
            async with asyncio.timeout(10):
                while not beside.outbox.retry(None, monitor.clock()):
                    await asyncio.sleep(0.01)
        await monitor.slack.wait_until(lambda: keys(monitor.slack.channel("releases")) == ["a"])


async def test_a_card_in_a_closed_channel_is_edited_when_it_is_open_again(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.archive("releases")
    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    assert list(monitor.delivery.health.refusing) == ["#releases"]

    monitor.slack.unarchive("releases")
    await monitor.deliver(after=300)

    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"
    assert monitor.delivery.health.refusing == {}


async def test_what_is_for_a_sink_that_is_configured_no_more_waits_and_is_listed(
    monitor: Monitor,
) -> None:
    removed = monitor.destinations.pop("#ops")
    await monitor.save(*notes("a", destination="#ops"), *notes("b"))
    await monitor.deliver()
    (kept,) = await monitor.outbox()
    assert (kept.key, kept.error) == ("a", "the configuration has no such destination now")
    assert keys(monitor.slack.channel("releases")) == ["b"]

    monitor.destinations["#ops"] = removed
    await monitor.deliver(after=300)

    assert keys(monitor.slack.channel("ops")) == ["a"]


# Our message


async def test_a_message_whose_blocks_are_refused_goes_out_as_plain_text(
    monitor: Monitor,
) -> None:
    bad = note("a", message=Message("words", ({"type": "no such block"},)))
    await monitor.save(bad, *notes("b"))

    await monitor.deliver()

    first, _ = monitor.slack.channel("releases").messages
    assert (first.text, list(first.blocks)) == ("words", [])
    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_card_posted_as_plain_text_is_not_edited_for_ever(monitor: Monitor) -> None:
    bad = Message("words", ({"type": "no such block"},))
    posted = note("card", form=Form.CARD, message=bad)
    await monitor.save(posted, cards=[Card(TARGET, 1, "#releases", bad)])

    await monitor.deliver()
    await monitor.deliver(after=3600)

    assert [request.method for request in monitor.slack.requests] == [POST, POST]


async def test_a_message_refused_twice_is_set_aside_visibly_and_others_go_on(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:msg_too_long", POST, times=2)
    await monitor.save(*notes("a", "b"))

    with capture_logs() as logs:
        await monitor.deliver()

    (aside,) = await monitor.outbox()
    assert (aside.key, str(aside.state)) == ("a", "set aside")
    assert aside.error == "Slack answered msg_too_long to chat.postMessage"
    assert keys(monitor.slack.channel("releases")) == ["b"]
    assert [log["key"] for log in logs if log["event"] == "set_aside"] == ["a"]
    assert monitor.count("delivery_failures", next="set aside") == 1


async def test_what_an_unknown_code_refuses_waits_a_while_before_it_is_set_aside(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:a_code_of_tomorrow", POST, times=None)
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))

    await monitor.deliver()
    for _ in range(8):
        await monitor.deliver(after=100)
    assert [str(one.state) for one in await monitor.outbox()] == ["pending"] * 3
    assert monitor.problem() == "Slack answered a_code_of_tomorrow to chat.postMessage"

    await monitor.deliver(after=300)
    waiting = {one.key: str(one.state) for one in await monitor.outbox()}
    assert waiting == {"a": "set aside", "b": "pending", "c": "set aside"}


async def test_an_unknown_code_that_passes_costs_nothing(monitor: Monitor) -> None:
    monitor.slack.fail("error:a_code_of_tomorrow", POST, times=8)
    await monitor.save(*notes("a", "b"))

    for _ in range(10):
        await monitor.deliver(after=60)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert monitor.problem() is None


async def test_what_an_unknown_code_means_by_blocks_goes_out_as_plain_text_at_once(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:blocks_of_yesterday", POST)
    await monitor.save(*notes("a"))

    await monitor.deliver()

    (post,) = monitor.slack.channel("releases").messages
    assert (post.text, list(post.blocks)) == ("a", [])


async def test_an_edit_that_an_unknown_code_refuses_is_made_when_it_passes(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("error:a_code_of_tomorrow", EDIT, times=6)
    await monitor.save(cards=[card("1 of 3")])

    for _ in range(5):
        await monitor.deliver(after=60)

    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"


async def test_what_was_set_aside_goes_out_when_a_person_asks_for_it(monitor: Monitor) -> None:
    monitor.slack.fail("error:message_limit_exceeded", POST)
    await monitor.save(*notes("a"))
    await monitor.deliver()
    (aside,) = await monitor.outbox()
    assert str(aside.state) == "set aside"

    await monitor.store.call(monitor.store.outbox.retry, None, monitor.clock())
    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a"]


async def test_replies_whose_card_was_set_aside_are_told_in_the_channel(monitor: Monitor) -> None:
    posted, shown = first_card()
    monitor.slack.fail("error:message_limit_exceeded", POST)
    await monitor.save(posted, reply("r1"), cards=[shown])

    await monitor.deliver()

    assert monitor.slack.channel("releases").notifications() == ["r1"]


# Crashes


@pytest.mark.parametrize(
    "moment",
    ["next_notification", "wanted", "begin_attempt", "mark_sent", "next_edit", "mark_edited"],
)
async def test_whenever_it_dies_everything_is_told_once(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, moment: str
) -> None:
    posted, shown = first_card()
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(posted, reply("r1"), *notes("a"), cards=[shown])
        if moment in ("next_edit", "mark_edited"):
            await monitor.deliver()
            await monitor.save(*notes("b"), cards=[card("1 of 3")])
        monitor.store.broken[moment] = Interrupted()
        with pytest.raises(Interrupted):
            await monitor.deliver()

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("b"), cards=[card("1 of 3")])
        await monitor.deliver(after=2)

    assert keys(slack.channel("releases")) == ["card/0/#releases", "r1", "a", "b"]
    assert plain_text(slack.channel("releases").messages[0]) == "1 of 3"


async def test_after_a_crash_a_post_under_way_is_not_looked_for_at_once(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a"))
        monitor.store.broken["mark_sent"] = Interrupted()
        with pytest.raises(Interrupted):
            await monitor.deliver()

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.deliver(after=1.9)

    assert outcomes(slack, HISTORY) == []


async def test_cancelled_while_slack_has_the_request_it_looks_after_the_restart(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    slack.fail("hang_after", POST)
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"))
        task = asyncio.create_task(monitor.delivery.run())
        await slack.wait_until(lambda: outcomes(slack, POST) == ["hang_after"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [one for one in asyncio.all_tasks() if one.get_name().startswith("deliver ")]

    async with life(slack, tmp_path, clock) as monitor:
        await monitor.deliver(after=2)

    assert keys(slack.channel("releases")) == ["a", "b"]


CHANNELS = ("releases", "ops", "apps")
FASTER = 100


def live(folder: str, api_url: str, token: str, born: float) -> None:
    """Deliver until the outbox is empty, by a clock that runs a hundred times as fast."""

    def now() -> datetime:
        return datetime.fromtimestamp(born + (time.time() - born) * FASTER, UTC)

    async def deliver() -> None:
        store = StoreThread(Store.open(f"sqlite:///{folder}/store.db", now=now()))
        async with SlackClient(api_url=api_url, token=token) as client:
            metrics = Metrics()
            log = OutageLog(store, metrics=metrics, now=now)
            delivery = Delivery(store, client.channel, log, metrics=metrics, now=now, pace=AT_ONCE)
            task = asyncio.create_task(delivery.run())
            while (await store.call(store.outbox.counts)).pending:
                await asyncio.sleep(0.01)
                delivery.wake()
            delivery.stop()
            await task
        await store.aclose()

    logging.disable()
    asyncio.run(deliver())


async def test_killed_again_and_again_it_tells_everything_once_and_in_order(
    tmp_path: Path,
) -> None:
    kills, expected = 30, [f"n{number}" for number in range(50)]
    chance = random.Random(7)
    born = time.time()
    async with SimulatedSlack(CHANNELS, rates=False) as slack:
        with Store.open(f"sqlite:///{tmp_path}/store.db", now=datetime.now(UTC)) as store:
            told = [note(f"{one}/{key}", f"#{one}") for key in expected for one in CHANNELS]
            store.save(
                Observation(
                    snapshot(release(), datetime.now(UTC)), state(), b"", notifications=tuple(told)
                )
            )
        spawner = multiprocessing.get_context("forkserver")
        spawner.set_forkserver_preload([__name__])
        for life_number in range(kills + 1):
            process = spawner.Process(
                target=live, args=(str(tmp_path), slack.api_url, slack.token, born)
            )
            await asyncio.to_thread(process.start)
            if life_number < kills:
                enough = len(slack.requests) + chance.randint(1, 7)
                await slack.wait_until(lambda enough=enough: len(slack.requests) >= enough)  # type: ignore[misc]
                await asyncio.sleep(chance.random() * 0.003)
                process.kill()
            await asyncio.to_thread(process.join)
            assert process.exitcode == (0 if life_number == kills else -9)

        assert "ok" in outcomes(slack, HISTORY), "no kill came between a post and its mark"
        for one in CHANNELS:
            assert keys(slack.channel(one)) == [f"{one}/{key}" for key in expected]


# Anything at all


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_goes_wrong_everything_is_told_once_and_in_order(
    tmp_path: Path, clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = [*ARRIVED, *NOT_ARRIVED, "429", "500", "503", "error:service_unavailable"]
    kinds += ["error:token_revoked", "error:rate_limited"]
    expected = [f"n{number}" for number in range(12)]
    async with (
        SimulatedSlack(CHANNELS, rates=False, seed=seed) as slack,
        AsyncExitStack() as lives,
    ):
        slack.fail("error:not_in_channel", POST, times=None, probability=0.05)
        for kind in chance.sample(kinds, 7):
            probability = 0.02 if kind.startswith("hang") else 0.08
            slack.fail(kind, times=None, probability=probability, retry_after=2)
        monitor = await lives.enter_async_context(life(slack, tmp_path, clock, timeout=0.3))
        for key in expected:
            await monitor.save(*(note(f"{one}/{key}", f"#{one}") for one in CHANNELS))
        for _ in range(1000):
            if not await monitor.outbox():
                break
            if chance.random() < 0.1:
                monitor.store.broken["mark_sent"] = Interrupted()
            with contextlib.suppress(Interrupted):
                await monitor.deliver(after=chance.choice((1, 5, 60, 400)))
            monitor.store.broken.clear()

        for one in CHANNELS:
            assert keys(slack.channel(one)) == [f"{one}/{key}" for key in expected]


# Stopping


async def test_asked_to_stop_it_finishes_what_is_in_hand_and_begins_nothing(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"), *notes("c", "d", destination="#ops"))
        task = asyncio.create_task(monitor.delivery.run())
        await slack.wait_until(lambda: len(slack.requests) >= 1)
        monitor.delivery.stop()
        await task
        sent = len(slack.requests)

        left = await monitor.outbox()

    assert sent in (1, 2)
    assert len(left) == 4 - sent
    assert {str(one.state) for one in left} == {"pending"}


async def test_asked_to_stop_while_it_waits_it_stops_at_once(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=3600, edit=3600)) as monitor:
        await monitor.save(*notes("a", "b"))
        async with asyncio.timeout(10), running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)


async def test_stopped_before_it_began_a_single_pass_ends(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    monitor.delivery.stop()

    async with asyncio.timeout(5):
        await monitor.deliver()

    assert len(await monitor.outbox()) == 1


# What breaks on our own side


@pytest.mark.parametrize(
    "call", ["next_notification", "begin_attempt", "mark_sent", "due_destinations"]
)
async def test_a_store_that_fails_for_a_while_costs_nothing(
    monitor: Monitor, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)
    monitor.store.broken[call] = StoreError("the disk is full")
    await monitor.save(*notes("a", "b"))
    with capture_logs() as logs:
        async with running(monitor):
            while not monitor.store.failures:
                await asyncio.sleep(0)
            monitor.store.broken.clear()
            monitor.clock.advance(2)
            monitor.delivery.wake()
            await monitor.slack.wait_until(lambda: "b" in keys(monitor.slack.channel("releases")))

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert {log["error"] for log in logs if log["log_level"] == "error"} == {"the disk is full"}


async def test_a_store_that_became_read_only_stops_sending_and_nothing_is_told_twice(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"))
        await monitor.store.call(query_only, monitor.store._store, True)
        async with running(monitor):
            while monitor.store.failures < 3:
                await asyncio.sleep(0)
            assert outcomes(slack, POST) == []
            await monitor.store.call(query_only, monitor.store._store, False)
            await slack.wait_until(lambda: "b" in keys(slack.channel("releases")))

        assert keys(slack.channel("releases")) == ["a", "b"]


def query_only(store: Store, is_on: bool) -> None:
    """Let SQLite refuse every write, as on a disk that was mounted read only."""
    connection = store._database.engine.raw_connection()
    connection.cursor().execute(f"PRAGMA query_only = {int(is_on)}")
    connection.close()


class _Replaced:
    """A destination whose `post` is another."""

    keeps_cards = True

    def __init__(self, destination: Destination, post: Any) -> None:
        self.post = post
        self.edit = destination.edit
        self.find = destination.find


async def test_a_bug_in_one_lane_is_counted_and_survived(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)

    async def broken(*_: object, **__: object) -> MessageRef:
        raise ZeroDivisionError

    real = monitor.destinations["#releases"]
    monitor.destinations["#releases"] = _Replaced(real, broken)
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))
    async with running(monitor):
        await monitor.slack.wait_until(lambda: keys(monitor.slack.channel("ops")) == ["c"])
        while not monitor.count("unexpected_errors", where="delivery"):
            await asyncio.sleep(0)
        monitor.destinations["#releases"] = real
        monitor.clock.advance(2)
        monitor.delivery.wake()
        await monitor.slack.wait_until(lambda: "b" in keys(monitor.slack.channel("releases")))

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_bug_in_the_loop_itself_is_counted_and_survived(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTER_STORE_ERROR_SECONDS", 0.01)
    monitor.store.broken["due_destinations"] = ZeroDivisionError()
    await monitor.save(*notes("a"))
    async with running(monitor):
        while not monitor.count("unexpected_errors", where="delivery"):
            await asyncio.sleep(0)
        monitor.store.broken.clear()
        await monitor.slack.wait_until(lambda: keys(monitor.slack.channel("releases")) == ["a"])


async def test_a_bug_in_a_single_pass_is_raised_when_the_other_sinks_are_done(
    monitor: Monitor,
) -> None:
    async def broken(*_: object, **__: object) -> MessageRef:
        raise ZeroDivisionError

    monitor.destinations["#releases"] = _Replaced(monitor.destinations["#releases"], broken)
    await monitor.save(*notes("a"), *notes("b", "c", destination="#ops"))

    with pytest.raises(ZeroDivisionError):
        await monitor.deliver()

    assert keys(monitor.slack.channel("ops")) == ["b", "c"]


# Lanes


async def test_a_channel_that_hangs_delays_no_other(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with (
        FaultyServer(never_answer()) as hanging,
        life(slack, tmp_path, clock) as monitor,
        SlackClient(api_url=f"{hanging.url}/api/", token="xoxb-x", timeout=5) as stuck,
    ):
        monitor.destinations["#apps"] = stuck.channel("#apps")
        await monitor.save(
            *notes("a", destination="#apps"), *notes("b"), *notes("c", destination="#ops")
        )
        task = asyncio.create_task(monitor.delivery.run())
        await hanging.until(lambda: hanging.in_flight == 1)
        for number in range(5):
            await monitor.save(*notes(f"b{number}"), *notes(f"c{number}", destination="#ops"))
            monitor.delivery.wake()
        await slack.wait_until(lambda: len(outcomes(slack, POST)) == 12)
        assert hanging.in_flight == 1
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_long_queue_is_not_loaded_at_once(monitor: Monitor) -> None:
    words = "x" * 2_000
    queue = (note(str(number), message=Message(words)) for number in range(20_000))
    await monitor.save(*queue)
    monitor.slack.fail("429", POST, times=None)
    tracemalloc.start()
    try:
        await monitor.deliver()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(outcomes(monitor.slack, POST)) == 1
    assert peak < 5 * 2**20
