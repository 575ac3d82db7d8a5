"""What `nuon-monitor wait` shows: its card, drawn live, or a line for each change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from monitor.cli.support.wait_poller import FAILED, SUCCEEDED, End, Look
from monitor.compose import render
from monitor.compose.terminal import draw_blocks, plain_text
from monitor.text import duration_words

_LONGEST_SILENCE = timedelta(minutes=1)
"""A CI system may end a job without output."""

_MARKS = {SUCCEEDED: ("✓", "bold green"), FAILED: ("✗", "bold red")}
_UNDECIDED = ("⚠", "bold magenta")


def _end_line(end: End) -> Text:
    mark, style = _MARKS.get(end.code, _UNDECIDED)
    return Text.assemble((f"{mark} {end.words}", style), f" (exit code {end.code})")


class LineDisplay:
    """One line for each change, with its time, and one every minute where nothing changes."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._headline = ""
        self._written_at: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def show(self, look: Look, now: datetime) -> None:
        """Print what is new."""
        for line in self._news(look, now):
            self._print(line, now)

    def show_end(self, end: End, now: datetime) -> None:
        """Print why there is nothing more to wait for."""
        self._print(_end_line(end).plain, now)

    def _news(self, look: Look, now: datetime) -> Iterator[str]:
        if look.reachability:
            yield look.reachability
        if look.view is None:
            return
        news = _lines(render.reply(look.view, look.events).blocks) if look.events else []
        yield from news
        headline = _lines(render.card(look.view).blocks)[0]
        is_silent = self._written_at is not None and now - self._written_at >= _LONGEST_SILENCE
        is_in_news = any(line.startswith(headline) for line in news)
        if is_silent or (headline != self._headline and not is_in_news):
            yield headline
        self._headline = headline

    def _print(self, line: str, now: datetime) -> None:
        self._written_at = now
        self._screen.print(Text(f"{now:%H:%M:%S}Z  {line}"), soft_wrap=True)
        self._screen.file.flush()


def _lines(blocks: Sequence[dict[str, Any]]) -> list[str]:
    """Return what a reader sees but for the small print, with addresses in the place of links."""
    shown = [_with_addresses(block) for block in blocks if block["type"] != "context"]
    return plain_text(shown, text="").splitlines()


def _with_addresses(element: dict[str, Any]) -> dict[str, Any]:
    if element.get("type") == "link":
        return {"type": "text", "text": element["url"]}
    parts = element.get("elements")
    if not isinstance(parts, list):
        return element
    return element | {"elements": [_with_addresses(part) for part in parts]}


class LiveDisplay:
    """The current card, redrawn in place, and how long the command has waited."""

    def __init__(self, screen: Console, timeout: timedelta | None) -> None:
        self._live = Live(console=screen, get_renderable=lambda: self, refresh_per_second=2)
        self._zone = datetime.now(UTC).astimezone().tzinfo or UTC
        self._timeout = timeout
        self._began = self._looked = time.monotonic()
        self._look = Look(None)
        self._reachability = ""
        self._end: End | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look, now: datetime) -> None:
        """Draw it as it is now."""
        del now
        self._look, self._looked = look, time.monotonic()
        self._reachability = look.reachability or (
            self._reachability if look.is_unreachable else ""
        )
        self._live.refresh()

    def show_end(self, end: End, now: datetime) -> None:
        """Draw it for the last time, and why there is nothing more to wait for."""
        del now
        self._end = end
        self._live.refresh()

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        if self._look.view is not None:
            yield draw_blocks(render.card(self._look.view).blocks, zone=self._zone)
            yield ""
        if self._reachability:
            yield Text(self._reachability)
        yield _end_line(self._end) if self._end else Text(self._clock(), style="dim")

    def _clock(self) -> str:
        waited, looked = time.monotonic() - self._began, time.monotonic() - self._looked
        words = duration_words(timedelta(seconds=waited))
        if self._timeout is not None:
            words = f"{words} of {duration_words(self._timeout)}"
        return f"waiting for {words}, looked {looked:.0f} s ago"
