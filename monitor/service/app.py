"""A daemon with all its parts: run until it is stopped, or made to poll once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from monitor.config import Config
from monitor.deliver.slack import SlackClient
from monitor.deliver.worker import Delivery
from monitor.errors import StoreError
from monitor.metrics import Metrics
from monitor.model import Target
from monitor.service.greeting import Greeting
from monitor.service.health import HealthServer
from monitor.service.heartbeat import Heartbeat
from monitor.service.lateness import Lateness
from monitor.service.probes import Probes
from monitor.service.scheduler import Daemon
from monitor.service.timers import Timers
from monitor.store import StoreThread
from monitor.watch.closing import close_cards
from monitor.watch.context import Context
from monitor.watch.poller import Outcome
from monitor.watch.registry import Registry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class App:
    """A daemon and its parts, ready to run."""

    config: Config
    store: StoreThread
    context: Context
    registry: Registry
    timers: Timers
    daemon: Daemon
    delivery: Delivery
    probes: Probes
    metrics: Metrics
    slack: SlackClient
    greeting: Greeting
    lateness: Lateness
    heartbeat: Heartbeat | None

    async def run(self) -> None:
        """Run until `daemon.stop()`, with the HTTP side where one is configured."""
        address = self.config.http.address
        server = HealthServer(address, self.probes, self.metrics) if address else None
        if server is not None:
            await server.start()
            log.info("listening", port=server.port)
        # Concurrent with the polls: a slow Slack or disk must not delay them.
        beside = [
            asyncio.create_task(self.greeting.run(), name="greet Slack"),
            asyncio.create_task(self.lateness.run(), name="lateness"),
            asyncio.create_task(self._try_to_close_removed(), name="close cards"),
        ]
        if self.heartbeat is not None:
            beside.append(asyncio.create_task(self.heartbeat.run(), name="heartbeat"))
        try:
            await self.daemon.run()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
            if server is not None:
                await server.stop()

    async def _try_to_close_removed(self) -> None:
        try:
            await self.close_removed()
        except StoreError as error:
            log.error("cards_not_closed", error=str(error))

    async def close_removed(self) -> None:
        """Mark the cards that no watch leads to any more, as nothing updates them from now on."""
        await close_cards(self.context, frozenset(self.registry.watched()))

    async def poll_once(self) -> tuple[Target, ...]:
        """Poll every watch once, and send what is due; returns those that could not be polled."""
        failed: list[Target] = []
        polled: set[Target] = set()
        # The finds of a list are polled after it, and so on.
        while due := [one for one in self.registry.pollers if one.watch.target not in polled]:
            outcomes = await asyncio.gather(*(one.poll() for one in due))
            targets = [one.watch.target for one in due]
            polled.update(targets)
            failed += (t for t, o in zip(targets, outcomes, strict=True) if o is Outcome.FAILED)
        await self.timers.send_due()
        return tuple(failed)
