"""`nuon-monitor wait ID`: follows one rollout to its end, for a person or a CI job."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from monitor.cli.support.common import (
    console,
    known_ids,
    load,
    log_to_stderr,
    run_async,
    with_config,
)
from monitor.cli.support.parameters import Span
from monitor.kinds import KINDS

if TYPE_CHECKING:
    from monitor.cli.support.wait_poller import End, Look
    from monitor.config import Config
    from monitor.model import Target

_KINDS = {
    name: kind.id_prefix
    for name, kind in KINDS.items()
    if not (kind.profile.root.is_perpetual or kind.has_members)
}


@click.command("wait")
@with_config
@click.option(
    "--kind", type=click.Choice(tuple(_KINDS)), help="What it is, where its ID does not say."
)
@click.option("--timeout", type=Span(), metavar="DURATION", help="Wait no longer than this.")
@click.option(
    "--interval",
    type=Span(),
    default="5s",
    show_default=True,
    metavar="DURATION",
    help="How often to look.",
)
@click.option(
    "--wait-for-approval/--no-wait-for-approval",
    default=True,
    show_default=True,
    help="Whether to go on while it waits for a person.",
)
@click.argument("target_id", metavar="ID", shell_complete=partial(known_ids, kinds=tuple(_KINDS)))
def command(
    config_path: Path | None,
    kind: str | None,
    timeout: timedelta | None,
    interval: timedelta,
    target_id: str,
    *,
    wait_for_approval: bool,
) -> int:
    """Follow a release, a workflow or an app branch run to its end.

    In a terminal its card is drawn live; elsewhere each change is a line with its time, UTC,
    and there is a line every minute.

    \b
    Exits with
      0  it succeeded
      1  it failed, or can never be seen: no such ID or route, a token refused
      2  usage or configuration
      3  it stalled, waits for a person, or the time was up: the last line says

    While it waits for a person it is waited for: somebody may approve. With
    --no-wait-for-approval that ends it at once.

    Nothing is stored. Of a configuration file only [nuon] and [stall] count, and none is
    needed: NUON_API_TOKEN, NUON_ORG_ID and NUON_API_URL are enough. An api_url, proxy or ca_file
    of a ./monitor.toml gets no token of the environment unless --config names that file.
    """
    import sys

    from monitor.cli.support.wait_displays import LineDisplay, LiveDisplay
    from monitor.model import Target

    guessed = next((name for name, prefix in _KINDS.items() if target_id[:3] == prefix), None)
    if kind is None and guessed is None:
        raise click.UsageError(
            "wait follows what comes to an end, a release (rel…), a workflow or a run (inw…):"
            " say --kind, or watch everything with `nuon-monitor status --watch`"
        )
    config = load(config_path, only=("nuon", "stall"), is_warning=True)
    log_to_stderr(config)
    screen = console()
    is_live = sys.stdout.isatty() and not screen.is_dumb_terminal
    waiting = wait(
        config,
        Target(kind or guessed or "", target_id),
        LiveDisplay(screen, timeout) if is_live else LineDisplay(screen),
        is_kind_sure=kind is not None,
        at_most=timeout,
        interval=interval,
        waits_for_approval=wait_for_approval,
    )
    return run_async(waiting)


class Display(Protocol):
    """Shows what is seen, from when it is entered."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, look: Look, now: datetime) -> None: ...

    def show_end(self, end: End, now: datetime) -> None: ...


async def wait(
    config: Config,
    target: Target,
    display: Display,
    *,
    is_kind_sure: bool,
    at_most: timedelta | None,
    interval: timedelta,
    waits_for_approval: bool,
) -> int:
    """Look until there is nothing more to wait for, and return the exit code.

    Raises NuonError where it can never be seen.
    """
    import asyncio

    from monitor.cli.support.wait_poller import Follower
    from monitor.decide.stalls import StallRules
    from monitor.service.build import nuon_client
    from monitor.service.mapping import links_of
    from monitor.service.wall_clock import utc_now

    async def end() -> End:
        while True:
            look = await follower.look()
            display.show(look, utc_now())
            if look.end is not None:
                return look.end
            await asyncio.sleep(follower.pause(interval).total_seconds())

    async with nuon_client(config) as source:
        follower = Follower(
            source,
            target,
            links=links_of(config),
            stall_rules=StallRules(config.stall.after, config.stall.remind_every),
            waits_for_approval=waits_for_approval,
            now=utc_now,
            is_kind_sure=is_kind_sure,
        )
        with display:
            try:
                async with asyncio.timeout(at_most.total_seconds() if at_most else None):
                    ended = await end()
            except TimeoutError:
                ended = follower.out_of_time(at_most or timedelta())
            display.show_end(ended, utc_now())
    return ended.code
