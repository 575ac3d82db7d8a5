"""A source of documents that answers what a test says, without any HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.errors import NuonError, NuonNotFound

NEVER = object()
"""An answer that does not come."""


@dataclass(frozen=True)
class Answer:
    body: bytes
    next_page: bool = False

    @property
    def fingerprint(self) -> bytes:
        return self.body


@dataclass
class ScriptedSource:
    """Answers by path: bytes as they are, an error by raising it, all else as JSON."""

    answers: dict[str, Any] = field(default_factory=dict)
    more: frozenset[str] = frozenset()
    """The paths of pages that are not the last."""
    otherwise: Any = field(default_factory=lambda: NuonNotFound("no such record"))
    asked: list[str] = field(default_factory=list)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        self.asked.append(path)
        answer = self.answers.get(path, self.otherwise)
        if answer is NEVER:
            await asyncio.Event().wait()
        if isinstance(answer, NuonError):
            raise answer
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Answer(body, path in self.more)
