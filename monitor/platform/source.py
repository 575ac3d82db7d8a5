"""Where documents come from, as those who ask for them see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

LARGE_BYTES = 512 * 1024
"""From this size on an answer is worked on beside the event loop, which must not be held up."""


class Answer(Protocol):
    """What a source returns: the document's bytes, and what is equal for equal ones."""

    @property
    def fingerprint(self) -> bytes: ...

    @property
    def body(self) -> bytes: ...

    @property
    def next_page(self) -> bool: ...


class Source(Protocol):
    """Where documents come from. Raises NuonError only."""

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer: ...
