"""What the lists of one watch lead to, all together: its limit holds for all of them."""

from __future__ import annotations

import asyncio

from monitor.model import Target


class Followed:
    """The rollouts that are followed because of one watch, however many lists found them."""

    def __init__(self) -> None:
        self._targets: set[Target] = set()
        self.lock = asyncio.Lock()
        """Held from a choice to its commit: lists that are read at once share the capacity."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._targets)

    def add(self, target: Target) -> None:
        """Take note that a rollout is followed."""
        self._targets.add(target)

    def remove(self, target: Target) -> None:
        """Take note that a rollout is followed no more, or never was."""
        self._targets.discard(target)
