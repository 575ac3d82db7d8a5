"""The table of all that fails in a rollout: where its card has no room for every name.

Slack's data table sorts and pages by itself. It is an optional block: where a workspace refuses
it, the same is said as text, by reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.compose.render.blocks import Element, Line, bold, line, link, rich_text
from monitor.compose.render.budget import BUDGETS, fits
from monitor.compose.render.cards import card_budget
from monitor.compose.render.layout import Layout, View, look
from monitor.compose.render.lines import Item
from monitor.compose.render.links import URL_LIMIT
from monitor.compose.render.pages import Page, behind, page_of_rollout, page_of_unit
from monitor.compose.render.phases import TROUBLES
from monitor.compose.render.sentences import Clause, sentence, spoken
from monitor.compose.render.troubles import troubles_of
from monitor.decide.progress import alert_key_of
from monitor.model import Entity, EventKind, Level, Message, Phase
from monitor.text import cut_to_utf16, gist, join_names, utf16_length

# https://docs.slack.dev/reference/block-kit/blocks/data-table-block
_MOST_ROWS = 100
_CELLS_LIMIT = 10_000
_PAGE_SIZE = 10
_CAPTION_LIMIT = 150
_NAME_LIMIT = 60
_NOTHING = "–"
"""A cell is never empty."""


@dataclass(frozen=True, slots=True)
class _Detail:
    """How much a row says."""

    words: int
    has_link: bool


_DETAILS = (
    _Detail(160, has_link=True),
    _Detail(80, has_link=True),
    _Detail(40, has_link=True),
    # More names are worth more than a link to each of them.
    _Detail(80, has_link=False),
    _Detail(40, has_link=False),
    _Detail(20, has_link=False),
)
# How many reasons, characters of a reason, and names to each the text has instead.
_TEXTS = ((20, 300, 400), (20, 120, 100), (20, 80, 40), (20, 60, 12), (10, 40, 4), (5, 40, 1))


@dataclass(frozen=True, slots=True)
class _Failure:
    """What fails, in which step, and why: of ten thousand only those that are drawn have words."""

    step: int
    unit: Entity
    reason: str


def table(view: View, *, is_kept: bool) -> Message | None:
    """Draw all that fails; None where the card names it all and there is no table to keep true."""
    layout = look(view)
    # Most rollouts end here, before any of their units is looked at.
    if not is_kept and layout.progress.failed <= 1 and not _has_retries(layout):
        return None
    items = _failing(layout)
    if not is_kept and not _is_beyond_card(view, items):
        return None
    return _drawn(layout, _failures(layout, items))


def _failing(layout: Layout) -> list[Item]:
    """Return the troubles of units that failed, or that are tried again after they had failed."""
    return [
        item
        for item in troubles_of(layout)
        if item.units and (item.units[0].phase is Phase.FAILED or _is_retried(item.units[0]))
    ]


def _has_retries(layout: Layout) -> bool:
    return any(alert.is_retrying for alert in layout.view.state.alerts)


def _is_retried(unit: Entity) -> bool:
    return unit.phase not in TROUBLES


def _is_beyond_card(view: View, items: Sequence[Item]) -> bool:
    smallest, largest = BUDGETS[-1], BUDGETS[0]
    most_names = max((len(item.units) for item in items), default=0)
    if len(items) <= smallest.lines and most_names <= smallest.names:
        return False
    if len(items) > largest.lines or most_names > largest.names:
        return True
    budget = card_budget(view)
    return len(items) > budget.lines or most_names > budget.names


def _failures(layout: Layout, items: Sequence[Item]) -> list[_Failure]:
    """Return what fails, by step and name."""
    steps = {unit.id: n for n, stage in enumerate(layout.stages) for unit in stage.units}
    names = layout.view.names

    def order(failure: _Failure) -> tuple[int, str, str]:
        unit = failure.unit
        return failure.step, names.get(unit.install_id) or unit.name or unit.install_id, unit.id

    found = (_Failure(steps[unit.id], unit, i.reason) for i in items for unit in i.units)
    return sorted(found, key=order)


def _name(layout: Layout, failure: _Failure) -> str:
    return layout.name_of(failure.unit, _NAME_LIMIT)


def _since(layout: Layout, failure: _Failure) -> datetime | None:
    """Return when it failed: by the platform's clock, or of what has moved on since by ours."""
    unit = failure.unit
    if _is_retried(unit):
        key = alert_key_of(Level.UNIT, unit, layout.stages[failure.step].step)
        alerts = (one for one in layout.view.state.alerts if one.kind is EventKind.FAILED)
        return next((alert.since for alert in alerts if alert.alert_key == key), None)
    return unit.status_at or unit.updated_at or unit.created_at


def _drawn(layout: Layout, failures: Sequence[_Failure]) -> Message:
    words, title = _headline(layout, failures), layout.title
    mark = "❌" if failures else "✅"
    of_rollout = page_of_rollout(layout)
    page = behind(of_rollout)
    text = spoken(sentence(lambda _: Clause(f"{mark} {title}: {words}")), of_rollout)
    head = line(f"{mark} ", bold(words), f" · {title}", *page)
    if not failures:
        return Message(text, (rich_text([head]),))
    rows = _rows(layout, failures)
    shown = len(rows) - 1
    caption = f"{words}: {title}" if shown == len(failures) else f"{shown:,} of {words}: {title}"
    blocks = [rich_text([head]), _data_table(caption, rows)]
    if shown < len(failures):
        blocks.append(rich_text([line(f"… and {len(failures) - shown:,} more", *page)]))
    return Message(text, tuple(blocks), _instead(layout, head, failures))


def _headline(layout: Layout, failures: Sequence[_Failure]) -> str:
    if not failures:
        return "nothing fails any more"
    units = layout.units_words([failure.unit for failure in failures])
    return f"{units} {'fails' if len(failures) == 1 else 'fail'}"


# As Slack's data table


def _data_table(caption: str, rows: Sequence[Sequence[Element]]) -> Element:
    return {
        "type": "data_table",
        "caption": cut_to_utf16(caption, _CAPTION_LIMIT),
        "rows": [list(row) for row in rows],
        "page_size": _PAGE_SIZE,
        "row_header_column_index": 0,
    }


def _rows(layout: Layout, failures: Sequence[_Failure]) -> list[list[Element]]:
    """Return the header and as many rows as there is room for, as detailed as that allows."""
    wanted = failures[:_MOST_ROWS]
    rows: list[list[Element]] = []
    for detail in _DETAILS:
        rows = _rows_within(layout, wanted, detail)
        if len(rows) > len(wanted):
            break
    return rows


def _rows_within(
    layout: Layout, failures: Sequence[_Failure], detail: _Detail
) -> list[list[Element]]:
    terms = layout.terms
    titles = [terms.unit.capitalize(), terms.step.capitalize(), "Reason", "Since (UTC)"]
    titles += ["Link"] if detail.has_link else []
    rows = [[_raw(title) for title in titles]]
    size = sum(map(utf16_length, titles))
    for failure in failures:
        row = list(_cells(layout, failure, detail))
        size += sum(utf16_length(words) for cell in row for words in _words_in(cell))
        if size > _CELLS_LIMIT:
            break
        rows.append(row)
    return rows


def _cells(layout: Layout, failure: _Failure, detail: _Detail) -> Iterator[Element]:
    since = _since(layout, failure)
    yield _raw(_name(layout, failure))
    yield _raw(layout.step_words(failure.step))
    yield _raw(gist(failure.reason, detail.words))
    yield _raw(f"{since.astimezone(UTC):%Y-%m-%d %H:%M}" if since else "")
    if detail.has_link:
        page = page_of_unit(layout, failure.unit)
        yield _link_cell(page) if page and len(page.url) <= URL_LIMIT else _raw("")


def _raw(words: str) -> Element:
    return {"type": "raw_text", "text": words or _NOTHING}


def _link_cell(page: Page) -> Element:
    return rich_text([line(link(page.url, "Open"))])


def _words_in(cell: Element) -> Iterator[str]:
    """Yield what counts of a cell: its words, and an address, which Slack may count too."""
    if cell["type"] == "raw_text":
        yield cell["text"]
        return
    for section in cell["elements"]:
        for element in section["elements"]:
            yield from (element["text"], element["url"])


# As text


def _instead(layout: Layout, head: Line, failures: Sequence[_Failure]) -> tuple[Element, ...]:
    """Say the same by reason, with as many names as there is room for."""
    by_reason: dict[str, list[_Failure]] = {}
    for failure in failures:
        by_reason.setdefault(failure.reason, []).append(failure)
    groups = sorted(by_reason.items(), key=lambda one: -len(one[1]))
    blocks: tuple[Element, ...] = ()
    for most_reasons, words, names in _TEXTS:
        lines = [head]
        for reason, alike in groups[:most_reasons]:
            why = gist(reason, words)
            units = layout.units_words([failure.unit for failure in alike])
            lines.append(line(bold(units), f": {why}" if why else ""))
            shown = [_name(layout, failure) for failure in alike[:names]]
            lines.append(line(join_names(shown, len(alike))))
        if left := sum(len(alike) for _, alike in groups[most_reasons:]):
            lines.append(line(f"… and {left:,} more"))
        blocks = (rich_text(lines),)
        if fits(blocks):
            break
    return blocks
