"""The sentence of a message: what a phone shows of it, a screen reader speaks and a search finds.

Which rollout, what happened, where and why, in this order and in one line: the one link stands
below it. Pure, and cut by leaving out names first, then the end of a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from monitor.compose.render.blocks import line, line_text, link
from monitor.compose.render.pages import Page
from monitor.text import gist, mrkdwn_escape, plain

SENTENCE_LIMIT = 110
"""Characters: a push notification shows some 150, of which a mention takes some."""
_LEAST_OF_A_REASON = 30
_MOST_NAMES = 4


class Clause(NamedTuple):
    """Parts of a sentence: what is said in any case, a reason that may be cut, and how many.

    `besides` follows the reason, whole.
    """

    says: str
    why: str = ""
    besides: str = ""
    extent: str = ""


def sentence(draw: Callable[[int], Clause], limit: int = SENTENCE_LIMIT) -> str:
    """Return the sentence of as many names as leave space for the reason, within the limit.

    `draw` is given how many names there may be.
    """
    words = ""
    for names in range(_MOST_NAMES, -1, -1):
        words, is_whole = _fitted(draw(names), limit)
        if is_whole:
            break
    return words if len(words) <= limit else plain(words, limit)


def _fitted(clause: Clause, limit: int) -> tuple[str, bool]:
    """Return a clause in one line, and whether it says enough of its reason."""
    says, why, besides, extent = clause
    ending = f"{besides}{extent and f' ({extent})'}"
    space = limit - len(says) - len(ending)
    if not why:
        return f"{says}{ending}", space >= 0
    space -= len(": ")
    is_whole = space >= min(len(why), _LEAST_OF_A_REASON)
    is_enough = space >= min(len(why), _LEAST_OF_A_REASON // 2)
    shown = gist(why, space) if is_enough else ""
    return f"{says}{shown and f': {shown}'}{ending}", is_whole


def spoken(words: str, page: Page | None = None) -> str:
    """Return a message's text: a sentence and, below it, one link."""
    return "\n".join(_lines(words, page))


def _lines(words: str, page: Page | None) -> Iterator[str]:
    yield mrkdwn_escape(words)
    if page is not None:
        yield line_text(line(link(*page)))
