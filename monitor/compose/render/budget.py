"""How much a message says: as much as the first budget allows in which it fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from monitor.compose.render.blocks import BLOCKS_LIMIT
from monitor.model import Message


@dataclass(frozen=True, slots=True)
class Budget:
    """How many lines of a kind, characters of a reason, and names in a line there may be."""

    lines: int
    words: int
    names: int
    name: int = 60


BUDGETS = (
    Budget(lines=10, words=300, names=4),
    Budget(lines=10, words=120, names=3),
    Budget(lines=6, words=80, names=2, name=40),
    Budget(lines=2, words=40, names=1, name=20),
    Budget(lines=1, words=40, names=1, name=20),
)


def fitting(draw: Callable[[Budget], Message]) -> Message:
    """Draw with the largest budget that Slack takes, at worst with the smallest."""
    for budget in BUDGETS[:-1]:
        message = draw(budget)
        # As it goes over the wire: what is not ASCII counts as its escape.
        if len(json.dumps(message.blocks)) <= BLOCKS_LIMIT:
            return message
    return draw(BUDGETS[-1])
