"""How much is said: the first room in which a message fits is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from monitor.compose.render.blocks import BLOCKS_LIMIT
from monitor.model import Message


@dataclass(frozen=True, slots=True)
class Room:
    """How many lines of a kind, characters of a reason, and names in a line there may be."""

    lines: int
    words: int
    names: int
    name: int = 60


ROOMS = (
    Room(lines=10, words=300, names=4),
    Room(lines=10, words=120, names=3),
    Room(lines=6, words=80, names=2, name=40),
    Room(lines=2, words=40, names=1, name=20),
    Room(lines=1, words=40, names=1, name=20),
)


def fitting(draw: Callable[[Room], Message]) -> Message:
    """Draw in as much room as Slack takes, at worst in the smallest."""
    for room in ROOMS[:-1]:
        message = draw(room)
        # As it goes over the wire: what is not ASCII counts as its escape.
        if len(json.dumps(message.blocks)) <= BLOCKS_LIMIT:
            return message
    return draw(ROOMS[-1])
