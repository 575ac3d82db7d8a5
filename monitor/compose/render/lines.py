"""The items of a message, each a problem or an event, and the lines that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.compose.render.blocks import Line, bold, line
from monitor.compose.render.budget import Budget
from monitor.compose.render.layout import Layout
from monitor.compose.render.pages import Page, behind, page_of_units
from monitor.model import Entity
from monitor.text import gist, join_names, plain

ABSENT = " (not in the newest answer)"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person can do; `{installs}` in the words stands for the units' names.

    `page` is where to do it, if not at the units.
    """

    words: str
    units: tuple[Entity, ...] = ()
    page: Page | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What becomes one line: of the units, where there are any, else of the subject.

    `one` and `many` continue the name, for one unit and for several. `reason` holds
    foreign words, as they came. `page` is where to look at the subject, and what a link to it
    is called. `advice` is a line of its own.
    """

    rank: int
    mark: str
    one: str
    many: str = ""
    reason: str = ""
    units: tuple[Entity, ...] = ()
    subject: str = ""
    lead: str = ""
    tail: str = ""
    page: Page | None = None
    advice: Advice | None = None

    @property
    def weight(self) -> int:
        return max(1, len(self.units))


def lines_of(layout: Layout, items: Sequence[Item], budget: Budget) -> list[Line]:
    """Draw as much as there is room for, and count the rest."""
    lines: list[Line] = []
    for one in items[: budget.lines]:
        lines.append(_item_line(layout, one, budget))
        if one.advice is not None:
            lines.append(_advice_line(layout, one.advice, budget))
    hidden = sum(one.weight for one in items[budget.lines :])
    if hidden:
        lines.append(line(f"… and {hidden:,} more"))
    return lines


def text_of(layout: Layout, item: Item, budget: Budget, *, title: str) -> str:
    """Return an item as text, without its mark and its link, to stand beside a title."""
    _, subject, rest = _words(layout, item, budget)
    if subject == title and not item.lead:
        return rest.lstrip(": ")
    return f"{item.lead}{subject}{rest}"


def page_of_item(layout: Layout, item: Item) -> Page | None:
    """Return where the link behind a line leads and what it is called, if there is one."""
    return page_of_units(layout, item.units) if item.units else item.page


def _item_line(layout: Layout, item: Item, budget: Budget) -> Line:
    opening, subject, rest = _words(layout, item, budget)
    return line(opening, bold(subject), rest, *behind(page_of_item(layout, item)))


def _words(layout: Layout, item: Item, budget: Budget) -> tuple[str, str, str]:
    """Return what stands before the subject, the subject, and the rest of the line."""
    subject, in_detail = _subject(layout, item, budget)
    says = item.many if len(item.units) > 1 and item.many else item.one
    words = plain(says, budget.words, fallback="")
    reason = gist(item.reason, budget.words)
    rest = f"{in_detail}{words and f' {words}'}{reason and f': {reason}'}{item.tail}"
    return f"{item.mark} {item.lead}", subject, rest


def _subject(layout: Layout, item: Item, budget: Budget) -> tuple[str, str]:
    """Return whom a line is about, and who they are where they are many."""
    if not item.units:
        return item.subject, ""
    names = _names(layout, item.units, budget)
    if len(item.units) == 1:
        return names, ""
    return layout.units_words(item.units), f" ({names})"


def _names(layout: Layout, units: Sequence[Entity], budget: Budget) -> str:
    names = [layout.name_of(unit, budget.name) for unit in units[: budget.names]]
    return join_names(names, len(units))


def _advice_line(layout: Layout, advice: Advice, budget: Budget) -> Line:
    words = advice.words.format(installs=_names(layout, advice.units, budget))
    page = page_of_units(layout, advice.units) if advice.units else advice.page
    return line(f"→ {words}", *behind(page))
