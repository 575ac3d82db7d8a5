"""What several commands share: the configuration, the console, how times are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.config import Config

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

with_config: Callable[[F], F] = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The TOML file.",
)
as_json: Callable[[F], F] = click.option(
    "--json", "is_json", is_flag=True, help="Print JSON for a program."
)


def load(config_path: Path | None) -> Config:
    """Read the configuration; raises ConfigError with every mistake."""
    from monitor.config import find_config, load_config

    return load_config(find_config(config_path, os.environ), os.environ)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    import asyncio

    return asyncio.run(work)


def log_to_stderr(config: Config) -> None:
    """Keep stdout for the command's own result; only what is wrong is logged."""
    import sys

    from monitor import logs
    from monitor.app import secrets_of

    level = "warning" if config.log.level == "info" else config.log.level
    logs.configure(level, config.log.format, stream=sys.stderr, secrets=secrets_of(config))


def console() -> Console:
    """Return a console on stdout that fits the terminal, and a pipe; honours NO_COLOR."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False)


def ago(then: datetime | None, now: datetime) -> str:
    """Write a time as how long ago it was."""
    from monitor.text import duration_words

    if then is None:
        return "never"
    return f"{duration_words(max(now - then, now - now))} ago"
