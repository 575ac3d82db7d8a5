"""Logging, configured once per process: a stable event name and fields, on text or as JSON.

Whatever a field holds, an entry stays one line without control characters, and none of
the configuration's secrets is in it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

from monitor.text import plain

_LONGEST_FIELD = 2000
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(
    level: str, form: str, *, stream: TextIO | None = None, secrets: Iterable[str] = ()
) -> None:
    """Send everything to one stream; `form` is `auto`, `text` or `json`."""
    stream = stream or sys.stdout
    is_text = form == "text" or (form == "auto" and stream.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if is_text
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Cleaner(secrets, keeps_lines=is_text),
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared[:2],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *shared[2:],
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _Cleaner:
    """Takes secrets and control characters out of every field."""

    def __init__(self, secrets: Iterable[str], *, keeps_lines: bool) -> None:
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 4)
        self._keeps_lines = keeps_lines

    def __call__(
        self, _logger: object, _method: str, entry: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in entry.items():
            if isinstance(value, str):
                entry[name] = self._clean(name, value)
            elif isinstance(value, Exception | list | dict | tuple):
                entry[name] = self._clean(name, str(value)) if not _is_plain(value) else value
        return entry

    def _clean(self, name: str, value: str) -> str:
        for secret in self._secrets:
            value = value.replace(secret, "•••")
        if name == "exception":
            lines = (plain(line, _LONGEST_FIELD) for line in value.splitlines())
            return "\n".join(lines) if self._keeps_lines else value
        return plain(value, _LONGEST_FIELD) if value else value


def _is_plain(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) and item.isidentifier() for item in value
    )
