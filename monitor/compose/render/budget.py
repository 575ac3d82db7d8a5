"""How much a message says: as much as the first budget allows in which it fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitor.compose.render.blocks import BLOCKS_LIMIT, Element
from monitor.model import Message
from monitor.text import utf16_length


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
    message, _ = fitted(draw)
    return message


def fitted(draw: Callable[[Budget], Message]) -> tuple[Message, Budget]:
    """Draw as `fitting` does; return the budget as well."""
    for budget in BUDGETS[:-1]:
        message = draw(budget)
        if fits(message.blocks):
            return message, budget
    return draw(BUDGETS[-1]), BUDGETS[-1]


def fits(blocks: Iterable[Element]) -> bool:
    """Whether Slack takes blocks together, as long as they are: counted with all that is in them.

    Slack says neither what it counts nor in which units; this is the most that it may be.
    """
    written = json.dumps(list(blocks), ensure_ascii=False, separators=(",", ":"))
    return utf16_length(written) <= BLOCKS_LIMIT
