"""Failures that were put together: how many more, of how many, and why; and what flaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from monitor.compose.phrases import grouping_words, parts_of
from monitor.compose.render.blocks import TITLE_LIMIT, between_dots, bold, line, message
from monitor.compose.render.budget import fitting
from monitor.compose.render.layout import Layout, View, look
from monitor.compose.render.lines import Item, lines_of
from monitor.compose.render.news import news_of
from monitor.compose.render.pages import Page, in_links, page_of_rollout
from monitor.compose.render.sentences import Clause, sentence, spoken
from monitor.decide.progress import AlertKeys
from monitor.model import Entity, Event, EventKind, Level, Message
from monitor.text import counted, gist, plain

_REASON_LIMIT = 60


def group(
    view: View,
    events: Sequence[Event],
    interval: timedelta,
    *,
    has_thread: bool,
) -> Message:
    """Draw what still fails of a group: the extent, then the parts by their reasons."""
    layout = look(view)
    failures = news_of(layout, events)
    more, _, extent = extent_words(layout, events).partition(" · ")
    where = f" · {layout.title}{extent and f' · {extent}'}"
    pages = [page_of_rollout(layout)]
    if view.table_url:
        pages.append(Page(view.table_url, f"See all {layout.progress.failed:,} that failed"))
    return fitting(
        lambda budget: message(
            spoken(_sentence(layout, events, failures), page_of_rollout(layout)),
            [
                [
                    line("❌ ", bold(more), where),
                    *lines_of(layout, failures, budget, headline=more),
                ],
                [between_dots([one] for one in in_links(pages))],
            ],
            [line(grouping_words(interval, has_thread=has_thread))],
        )
    )


def _sentence(layout: Layout, events: Sequence[Event], failures: Sequence[Item]) -> str:
    """Return for instance `❌ shop failed on 12 more installs, 13 of 48: no quota (11), …`."""
    more, _, extent = extent_words(layout, events).partition(" · ")
    title, reached = plain(layout.title, TITLE_LIMIT), extent.partition(" · ")[0]
    says = f"❌ {title} failed on {more.removesuffix(' failed')}{reached and f', {reached}'}"
    reasons = [(gist(one.reason, _REASON_LIMIT), one.weight) for one in failures if one.reason]
    counted_reasons = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
    return sentence(lambda _: Clause(says, counted_reasons))


def extent_words(layout: Layout, events: Sequence[Event]) -> str:
    """Return for instance `12 more installs failed · 13 of 48 · step 2 of 3`."""
    units = [event.entity for event in events if event.level is Level.UNIT]
    if not units:
        return f"{_more(len(events), layout.terms.step)} failed"
    words = f"{_more(len(units), layout.terms.unit)} failed"
    ids = {unit.id for unit in units}
    steps = [i for i, stage in enumerate(layout.stages) if any(u.id in ids for u in stage.units)]
    where = f" · {layout.step_words(steps[0])}" if len(steps) == 1 < len(layout.stages) else ""
    return f"{words} · {layout.progress.failed:,} of {layout.progress.total:,}{where}"


def _more(count: int, what: str) -> str:
    number, _, noun = counted(count, what).partition(" ")
    return f"{number} more {noun}"


def with_extent(layout: Layout, news: Sequence[Item], further: Sequence[Event]) -> list[Item]:
    """Let the news that a rollout failed say how many failed since the last post."""
    if not further:
        return list(news)
    extent = extent_words(layout, further)
    found = [one for one in news if one.subject == layout.title and one.mark == "❌"]
    if not found:
        return [Item(2, "❌", "", subject=extent), *news]
    return [replace(one, tail=f"{one.tail} · {extent}") if one is found[0] else one for one in news]


def flapping_items(layout: Layout) -> list[Item]:
    """Return what flaps, with how often it has failed."""
    keys = AlertKeys(layout.root)
    items: list[Item] = []
    for alert in layout.view.state.alerts:
        found = keys.entity(alert.alert_key) if alert.kind is EventKind.FLAPPING else None
        if found is None:
            continue
        level, entity = found
        one, _, why = parts_of(alert.reason)
        item = Item(1, "⚠️", one, reason=why)
        if level is Level.UNIT:
            items.append(replace(item, units=(entity,)))
        else:
            items.append(replace(item, subject=_subject(layout, level, entity)))
    return items


def _subject(layout: Layout, level: Level, entity: Entity) -> str:
    if level is Level.ROLLOUT:
        return layout.title
    ids = [stage.step.id for stage in layout.stages]
    return layout.step_words(ids.index(entity.id))
