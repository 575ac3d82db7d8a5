"""The items of a message, each a problem or an event: their lines, and their sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitor.compose.render.blocks import TITLE_LIMIT, WORD_LIMIT, Line, bold, line, quote
from monitor.compose.render.budget import Budget
from monitor.compose.render.layout import Layout
from monitor.compose.render.pages import Page, behind, page_of_units
from monitor.compose.render.sentences import Clause
from monitor.model import Entity
from monitor.text import gist, join_names, plain

ABSENT = " (not in the newest answer)"
_FEW = 3
"""So many units are named in a sentence, more of them are counted."""


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
    """What is said of units, where there are any, else of the subject.

    `one` and `many` continue the name, for one unit and for several. `reason` holds
    foreign words, as they came. `page` is where to look at the subject, and what a link to it
    is called. `advice` is a line of its own. `open_units` are those that a stall has left open.

    For its sentence: `spoken_reason` is a shorter one; `is_done_to_units` says that the rollout
    does to its units what the words say, as in "failed on acme-prod"; `extent` is how many there
    are by now.
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
    open_units: tuple[Entity, ...] = ()
    is_done_to_units: bool = False
    spoken_reason: str = ""
    extent: str = ""
    where: str = ""

    @property
    def weight(self) -> int:
        return max(1, len(self.units))

    @property
    def says(self) -> str:
        return self.many if len(self.units) > 1 and self.many else self.one


def lines_of(
    layout: Layout,
    items: Sequence[Item],
    budget: Budget,
    *,
    headline: str = "",
    is_alone: bool = False,
) -> list[Line]:
    """Draw as much as there is room for, and count the rest.

    Without a `headline` above them the first line names the rollout. What the headline says of it
    is not repeated. The links of an item that `is_alone` are left to those below it.
    """
    lines: list[Line] = []
    for index, one in enumerate(items[: budget.lines]):
        is_named = not headline and index == 0
        its = [*_item_lines(layout, one, budget, is_named=is_named, is_alone=is_alone)]
        is_whole = bool(headline) and one.subject == layout.title and not one.tail
        lines.extend(its[1:] if is_whole and (len(its) > 1 or one.says in headline) else its)
    hidden = sum(one.weight for one in items[budget.lines :])
    if hidden:
        lines.append(line(f"… and {hidden:,} more"))
    return lines


def _item_lines(
    layout: Layout, item: Item, budget: Budget, *, is_named: bool, is_alone: bool
) -> Iterator[Line]:
    subject, in_detail = _subject(layout, item, budget)
    words = plain(item.says, budget.words, fallback="")
    rest = f"{in_detail}{item.tail}"
    if is_named:
        rollout = _rollout_words(layout, item, budget)
        parts = (bold(f"{subject} {words}".strip()), f"{rest}{rollout}")
    else:
        parts = (bold(subject), f"{words and f' {words}'}{rest}")
    page = None if is_alone else page_of_item(layout, item)
    yield line(f"{item.mark} {item.lead}", *parts, *behind(page))
    if reason := _reason(layout, item, budget):
        yield quote(reason)
    if item.advice is not None:
        yield _advice_line(layout, item.advice, budget, is_linked=not is_alone)


def _rollout_words(layout: Layout, item: Item, budget: Budget) -> str:
    """Return which rollout it is, and where in it, as it stands behind what happened."""
    is_rollout = item.subject == layout.title
    title = "" if is_rollout else layout.title
    app = layout.app_name(budget.name) if is_rollout else ""
    words = ", ".join(filter(None, (title, app, item.where)))
    return f" · {words}" if words else ""


def _reason(layout: Layout, item: Item, budget: Budget) -> str:
    reason = gist(item.reason, budget.words)
    if not item.open_units:
        return reason
    names = [
        f"{layout.name_of(unit, budget.name)} ({plain(unit.status, WORD_LIMIT)})"
        for unit in item.open_units[: budget.names]
    ]
    still_open = f"Still open: {join_names(names, len(item.open_units))}"
    return f"{_sentence(reason)}. {still_open}" if reason else still_open


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}".rstrip(".")


def clause_of(layout: Layout, item: Item, names: int) -> Clause:
    """Return the item as a clause of a sentence that names the rollout, with so many names."""
    title = plain(layout.title, TITLE_LIMIT)
    words = plain(item.says, TITLE_LIMIT, fallback="")
    units = units_words(layout, item.units, names)
    if item.subject in (title, layout.title):
        says = f"{title} {words}"
    elif not item.units:
        says = f"{title}: {item.subject} {words}"
    elif layout.profile.is_list_of_waits:
        says = f"{units} {words}"
    elif item.is_done_to_units and _is_done_to_units(layout):
        says = f"{title} {plain(item.one, TITLE_LIMIT, fallback='')} on {units}"
    else:
        says = f"{title}: {units} {words}"
    still_open = ""
    if item.open_units and names:
        still_open = f"; {units_words(layout, item.open_units, names)} still open"
    says = f"{item.mark} {item.lead}{says.strip()}{item.tail}"
    return Clause(says, item.spoken_reason or item.reason, still_open, item.extent)


def _is_done_to_units(layout: Layout) -> bool:
    return layout.profile.is_rolled_out_to_units and not layout.root.kind.is_perpetual


def units_words(layout: Layout, units: Sequence[Entity], names: int) -> str:
    """Return units as a sentence has them: by so many names, or counted where they are many."""
    if len(units) > _FEW or (names == 0 and len(units) > 1):
        return layout.units_words(units)
    shown = [layout.name_of(unit, WORD_LIMIT) for unit in units[: names or 1]]
    return ", ".join(shown) if len(shown) == len(units) else join_names(shown, len(units))


def text_of(layout: Layout, item: Item, budget: Budget, *, title: str) -> str:
    """Return an item as text, without its mark and its link, to stand beside a title."""
    subject, in_detail = _subject(layout, item, budget)
    words, reason = plain(item.says, budget.words, fallback=""), _reason(layout, item, budget)
    rest = f"{in_detail}{words and f' {words}'}{reason and f': {reason}'}{item.tail}"
    if subject == title and not item.lead:
        return rest.lstrip(": ")
    return f"{item.lead}{subject}{rest}"


def page_of_item(layout: Layout, item: Item) -> Page | None:
    """Return where the link behind a line leads and what it is called, if there is one."""
    return page_of_units(layout, item.units) if item.units else item.page


def _subject(layout: Layout, item: Item, budget: Budget) -> tuple[str, str]:
    """Return whom a line is about, and who they are where they are many."""
    if not item.units:
        return item.subject, ""
    names = _names(layout, item.units, budget)
    if len(item.units) == 1 or layout.profile.is_list_of_waits:
        return names, ""
    return layout.units_words(item.units), f" ({names})"


def _names(layout: Layout, units: Sequence[Entity], budget: Budget) -> str:
    names = [layout.name_of(unit, budget.name) for unit in units[: budget.names]]
    return join_names(names, len(units))


def _advice_line(layout: Layout, advice: Advice, budget: Budget, *, is_linked: bool) -> Line:
    words = advice.words.format(installs=_names(layout, advice.units, budget))
    return line(f"→ {words}", *(behind(page_of_advice(layout, advice)) if is_linked else ()))


def page_of_advice(layout: Layout, advice: Advice | None) -> Page | None:
    """Return where to do what is advised."""
    if advice is None:
        return None
    return page_of_units(layout, advice.units) if advice.units else advice.page
