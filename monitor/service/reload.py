"""The daemon for as long as its process lives: started, and restarted with a new configuration.

A reload is a restart inside the process. The new configuration is read and checked whole; then
the daemon ends in order, as on SIGTERM, and is built again. Its whole state is in the store, so
that nothing is lost or notified twice. With an invalid configuration the old one keeps running;
the log, `/readyz` and a metric report it until it is valid again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable

import structlog

from monitor import __version__
from monitor.config import Loaded, doubts
from monitor.errors import ConfigError, MonitorError, StoreDamaged
from monitor.service import logs
from monitor.service.build import build
from monitor.service.mapping import secrets_of
from monitor.service.scheduler import stop_on_signals

log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 10.0
"""How often the files are compared: by content, so that a changed link counts as well."""


class ControlSignals:
    """What signals asked the process for: to end, or to read its configuration again."""

    def __init__(self) -> None:
        self.is_to_stop = False
        self.is_to_reload = False
        self._came = asyncio.Event()

    def stop(self) -> None:
        self.is_to_stop = True
        self._came.set()

    def reload(self) -> None:
        self.is_to_reload = True
        self._came.set()

    async def wait(self, seconds: float) -> None:
        """Return once there is a new signal, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        self._came.clear()


def control_signals() -> ControlSignals:
    """Take SIGTERM and SIGINT as signals to stop, SIGHUP as one to reload."""
    signals = ControlSignals()
    stop_on_signals(signals.stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, signals.reload)
    return signals


class Service:
    """Runs one daemon after the other. `read` returns the configuration or raises ConfigError."""

    def __init__(
        self,
        read: Callable[[], Loaded],
        signals: ControlSignals,
        *,
        look_every: float = _LOOK_EVERY_SECONDS,
    ) -> None:
        self._read = read
        self._signals = signals
        self._look_every = look_every
        self._secrets: dict[str, None] = {}
        self._refused: Loaded | None = None
        self.problem: str | None = None
        """Why the configuration in the file is not in use; None while it is."""

    async def run(self) -> None:
        """Run until asked to end; raises MonitorError where the first daemon cannot begin."""
        loaded: Loaded | None = await asyncio.to_thread(self._read)
        before: Loaded | None = None
        while loaded is not None and not self._signals.is_to_stop:
            try:
                loaded, before = await self._live(loaded), loaded
            except StoreDamaged:
                raise  # the process manager restarts it, at its own pace
            except MonitorError as error:
                if self._is_leaving_anyway(error):
                    break
                if before is None:
                    raise
                self._complain(str(error))
                self._refused = loaded
                loaded, before = before, None
        log.info("stopped")

    async def _live(self, loaded: Loaded) -> Loaded | None:
        """Run one daemon; returns the configuration of the next one, None if there is none."""
        config = loaded.config
        # A late log entry may still contain an old secret.
        self._secrets.update(dict.fromkeys(secrets_of(config)))
        logs.configure(config.log.level, config.log.format, secrets=self._secrets)
        for sentence in await asyncio.to_thread(doubts, loaded):
            log.warning("configuration", warning=sentence)
        async with build(
            config,
            configuration_problem=lambda: self.problem,
            keep_secret=self._secrets.setdefault,
        ) as app:
            log.info(
                "started",
                version=__version__,
                watches=len(config.watch),
                configuration=loaded.source,
            )
            running = asyncio.create_task(app.run(), name="daemon")
            waiting = asyncio.create_task(self._next(loaded), name="configuration")
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            app.daemon.stop()
            try:
                await running
            except BaseException:
                waiting.cancel()
                raise
            return await waiting

    async def _next(self, loaded: Loaded) -> Loaded | None:
        """Wait for another valid configuration; None once the process is to end."""
        while True:
            await self._signals.wait(self._look_every)
            if self._signals.is_to_stop:
                return None
            is_asked, self._signals.is_to_reload = self._signals.is_to_reload, False
            try:
                found = await asyncio.to_thread(self._read)
            except ConfigError as error:
                self._complain(str(error))
                continue
            if is_asked or found not in (loaded, self._refused):
                self.problem = self._refused = None
                log.info("reloading", reason="SIGHUP" if is_asked else "a file has changed")
                return found
            if found == loaded and self.problem is not None:
                self.problem = self._refused = None
                log.info("configuration_accepted_again")

    def _is_leaving_anyway(self, error: MonitorError) -> bool:
        """Whether a signal to end came while a daemon failed to start."""
        if self._signals.is_to_stop:
            log.warning("stopped_while_starting", error=str(error))
        return self._signals.is_to_stop

    def _complain(self, problem: str) -> None:
        """Log an error once, for as long as it stays the same."""
        if problem != self.problem:
            log.error("configuration_refused", problems=problem.splitlines())
        self.problem = problem
