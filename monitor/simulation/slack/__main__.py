"""The simulated Slack as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from typing import Literal

from monitor.simulation.slack.server import SimulatedSlack
from monitor.simulation.slack.workspace import Rates


async def _serve(slack: SimulatedSlack) -> None:
    stop_requested = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_requested.set)
    async with slack:
        urls = {"api_url": slack.api_url, "webhook_url": slack.webhook_url, "token": slack.token}
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        await stop_requested.wait()


def main() -> None:
    """Run a simulated Slack until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m monitor.simulation.slack", description="A simulated Slack on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--channel", action="append", help="a channel's name; several may be given")
    parser.add_argument(
        "--seconds-per-message", type=float, default=1.0, help="the rate per channel; 0: no limits"
    )
    parser.add_argument(
        "--slow", type=float, default=0.0, help="seconds by which it stores and answers late"
    )
    given = parser.parse_args()
    rates: Rates | Literal[False] = False
    if seconds := given.seconds_per_message:
        rates = Rates(seconds_per_message=seconds, seconds_per_edit=1.2 * seconds)
    slack = SimulatedSlack(given.channel or ("releases",), rates=rates, port=given.port)
    if given.slow:
        slack.slow_down(given.slow)
    asyncio.run(_serve(slack))


if __name__ == "__main__":
    main()
