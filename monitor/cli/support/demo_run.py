"""The demo: the real daemon against a simulated platform and a simulated Slack, on loopback.

Only the platform and Slack are simulated. The daemon is a process of its own, started as
anybody would start it, killed and started again; it watches an app and a branch of it, and
finds what is rolled out by itself. Its messages are drawn as Slack would show them, and in the
end compared with what really happened.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from monitor.cli.support.demo_screen import Terminal
from monitor.cli.support.demo_world import RUN_BEGINS, World, simulated_world
from monitor.files import write_private

# All in seconds.
_LASTS = 42.0
"""How long both lives are squeezed into."""
_BEGINS_IN = 1.5
"""From the monitor's first look to the beginning of the release."""
_CALM_AFTER = 4.0
"""How long neither a message nor an edit came until no more are expected."""
_PATIENCE = 30.0


async def play(scenario: str, *, seed: int, console: Console, lasts: float = _LASTS) -> bool:
    """Show one story from its beginning to its end; returns whether all was notified rightly."""
    async with simulated_world(scenario, seed=seed, lasts=lasts) as world:
        terminal = Terminal(world, console)
        terminal.say(
            f"the monitor is started. It watches the app {world.cast.app_name} and its branch "
            f"{world.cast.branch_name}, where nothing goes on. All of this is on your machine"
        )
        daemon = _Daemon(world)
        await daemon.start()
        try:
            with terminal.curtain():
                await _until_watched(world, terminal)
                await _perform(world, daemon, terminal, scenario, seed)
        finally:
            await daemon.stop()
        return terminal.finish()


async def _until_watched(world: World, terminal: Terminal, *, patience: float = _PATIENCE) -> None:
    """Wait until a monitor looks at the platform from now on."""
    since = world.platform.clock.now()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not world.is_watched_since(since) and loop.time() < deadline:
        await terminal.watch(0.1)


async def _perform(
    world: World, daemon: _Daemon, terminal: Terminal, scenario: str, seed: int
) -> None:
    """Let a release run, things go wrong on the way, and a run begin, until no message comes."""
    release = world.add_release(scenario, seed=seed, begins_in=_BEGINS_IN)

    async def limit_the_rate() -> None:
        terminal.say("Slack limits the rate for 2 s: what is to be said waits, in order")
        world.slack.fail("429", "chat.postMessage", times=1, retry_after=2)

    async def kill() -> None:
        terminal.say("kill -9: the monitor is gone in the middle of its work …")
        await daemon.kill()
        await terminal.watch(1.5)
        terminal.say("… and started again: it goes on from what it had committed")
        await daemon.start()
        await _until_watched(world, terminal)

    async def outage() -> None:
        terminal.say("the platform refuses connections …")
        await world.platform.stop()
        await terminal.watch(2.5)
        await world.platform.start()
        terminal.say("… and answers again")
        await _until_watched(world, terminal)

    async def push() -> None:
        world.add_run(seed=seed)

    acts: list[tuple[float, Callable[[], Awaitable[None]]]] = [
        (0.16, limit_the_rate),
        (0.46, kill),
        (0.70, outage),
        (RUN_BEGINS, push),
    ]
    while acts or not world.is_over:
        if acts and world.platform.seconds_of(release.id) >= acts[0][0] * release.settles_after:
            await acts.pop(0)[1]()
        await terminal.watch(0.1)
    await _settle(world, terminal)


async def _settle(world: World, terminal: Terminal) -> None:
    """Wait until nothing more comes: neither a message nor an edit for a while."""
    loop = asyncio.get_running_loop()
    deadline, calm_since, seen = loop.time() + _PATIENCE, loop.time(), -1
    while loop.time() < deadline and loop.time() - calm_since < _CALM_AFTER:
        await terminal.watch(0.1)
        count = len(world.slack.requests)
        if count != seen:
            seen, calm_since = count, loop.time()


class _Daemon:
    """`nuon-monitor run` as a process of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._process: asyncio.subprocess.Process | None = None
        self.log = world.folder / "monitor.log"

    async def start(self) -> None:
        # Whatever is set here for another monitor must not reach this one.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NUON_", "SLACK_"))
        }
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "monitor", "run", "-c", str(self._world.config_file)),
                stdout=log,
                stderr=log,
                env=environment,
            )

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()


async def serve(scenario: str, *, seed: int, console: Console) -> None:
    """Keep both simulations up, for a configuration of one's own, until interrupted.

    A story begins as soon as somebody watches; when it is over, another one, of other ids.
    """
    async with simulated_world(scenario, seed=seed, lasts=_LASTS * 5) as world:
        kept = Path.cwd() / "monitor.demo.toml"
        config = world.config_file.read_text()
        write_private(kept, config, replaces=True)
        console.print(f"The simulated platform is at {world.platform.base_url}")
        console.print(f"The simulated Slack is at {world.slack.api_url}")
        console.print(f"Both stand in {kept.name}, and what is watched there:")
        console.print(f"\n{config[config.index('[[watch]]') :]}")
        console.print("In another terminal:")
        console.print(f"  nuon-monitor run -c {kept.name}", style="bold")
        console.print("Ctrl-C ends it.\n")
        terminal = Terminal(world, console)
        with terminal.curtain():
            await _until_watched(world, terminal, patience=math.inf)
            while True:
                release = world.add_release(scenario, seed=seed, begins_in=_BEGINS_IN)
                run_in = _BEGINS_IN + RUN_BEGINS * release.settles_after / world.speed
                world.add_run(seed=seed, begins_in=run_in)
                while not world.is_over:
                    await terminal.watch(0.2)
                seed += 1
