"""Logging, configured once per process: a stable event name and fields, on text or as JSON.

An entry is one line without control characters, whatever its fields contain (on a terminal a
traceback has its lines), and contains no secret of the configuration. An entry that cannot be
written is lost: a failure to log must not stop the daemon.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Collection, MutableMapping
from typing import Any, TextIO, cast

import structlog

from monitor.text import plain

_LONGEST_FIELD = 2000
_SHORTEST_SECRET = 4
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(
    level: str, form: str, *, stream: TextIO | None = None, secrets: Collection[str] = ()
) -> None:
    """Send everything to one stream; `form` is `auto`, `text` or `json`.

    What is added to `secrets` later is kept out of later entries as well.

    Of other libraries only warnings and errors are logged, whatever the level.
    """
    stream = stream or sys.stdout
    is_text = form == "text" or (form == "auto" and stream.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        )
        if is_text
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Cleaner(secrets, keeps_lines=is_text),
    ]
    tolerant = cast("TextIO", _Tolerant(stream))
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(tolerant),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(tolerant)
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


class _Tolerant(io.TextIOBase):
    """A stream that may be closed by its reader, or whose disk may be full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Cleaner:
    """Removes secrets and control characters from every field."""

    def __init__(self, secrets: Collection[str], *, keeps_lines: bool) -> None:
        self._secrets = secrets
        self._keeps_lines = keeps_lines

    def __call__(
        self, _logger: object, _method: str, entry: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in entry.items():
            if isinstance(value, list):
                entry[name] = [self._clean(name, str(item)) for item in value]
            elif not isinstance(value, int | float | None):
                entry[name] = self._clean(name, str(value))
        return entry

    def _clean(self, name: str, value: str) -> str:
        for secret in self._secrets:
            if len(secret) >= _SHORTEST_SECRET:
                value = value.replace(secret, "•••")
        if name == "exception":
            lines = (plain(line, _LONGEST_FIELD, fallback="") for line in value.splitlines())
            return "\n".join(lines) if self._keeps_lines else value
        return plain(value, _LONGEST_FIELD, fallback="")
