"""`nuon-monitor demo`: the whole thing with nothing else at hand."""

from __future__ import annotations

import contextlib

import click

from monitor.cli.support.common import console, run_async


@click.command("demo")
@click.option(
    "--scenario",
    default="demo",
    metavar="NAME",
    help="What the release goes through; `list` lists them.",
)
@click.option("--seed", default=1, help="Another seed, other ids and times.")
@click.option(
    "--serve", "is_served", is_flag=True, help="Keep the simulations up for your own try."
)
def command(scenario: str, seed: int, *, is_served: bool) -> int:
    """See it work in under a minute: no account, no network, no configuration.

    The real daemon watches an app and one of its branches on a simulated platform, finds
    what is rolled out there, and tells a simulated Slack, both on loopback. It is killed and
    started again on the way; the platform goes away for a moment, and Slack limits the
    rate. In the end what was told is compared with what happened: exits 1 if anything was
    lost, told twice or not true.
    """
    from monitor.cli.support import demo_run, demo_world

    if scenario == "list":
        for name, played in demo_world.STORIES.items():
            click.echo(f"{name:16} {played.summary}")
        return 0
    if scenario not in demo_world.STORIES:
        message = f"{scenario!r} is none of: {', '.join(demo_world.STORIES)}"
        raise click.BadParameter(message, param_hint="--scenario")
    if is_served:
        with contextlib.suppress(KeyboardInterrupt):
            run_async(demo_run.serve(scenario, seed=seed, console=console()))
        return 0
    return 0 if run_async(demo_run.play(scenario, seed=seed, console=console())) else 1
