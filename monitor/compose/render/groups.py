"""Failures that were put together: how many more, of how many, and why; and what flaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from monitor.compose.phrases import grouping_words, phrase_of
from monitor.compose.render.blocks import bare_message, bold, line
from monitor.compose.render.budget import fitting
from monitor.compose.render.layout import Layout, View, look
from monitor.compose.render.lines import Item, lines_of
from monitor.compose.render.news import news_of
from monitor.decide.progress import AlertKeys
from monitor.model import Entity, Event, EventKind, Level, Message
from monitor.text import counted


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
    extent = line("❌ ", bold(layout.title), f": {extent_words(layout, events)}")
    small_print = line(grouping_words(interval, has_thread=has_thread))
    return fitting(
        lambda budget: bare_message([], [extent, *lines_of(layout, failures, budget), small_print])
    )


def extent_words(layout: Layout, events: Sequence[Event]) -> str:
    """Return for instance `12 more installs failed · 13 of 48 · step 2 of 3`."""
    units = [event.entity for event in events if event.level is Level.UNIT]
    if not units:
        return f"{_more(len(events), layout.terms.step)} failed"
    words = f"{_more(len(units), layout.terms.unit)} failed"
    ids = {unit.id for unit in units}
    steps = [i for i, stage in enumerate(layout.stages) if any(u.id in ids for u in stage.units)]
    where = f" · {layout.step_words(steps[0])}" if len(steps) == 1 else ""
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
        return [Item(2, "✗", "", subject=extent), *news]
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
        words = phrase_of(alert.reason)
        if level is Level.UNIT:
            items.append(Item(1, "⚠", words, units=(entity,)))
        else:
            items.append(Item(1, "⚠", words, subject=_subject(layout, level, entity)))
    return items


def _subject(layout: Layout, level: Level, entity: Entity) -> str:
    if level is Level.ROLLOUT:
        return f"the {entity.kind}"
    ids = [stage.step.id for stage in layout.stages]
    return layout.step_words(ids.index(entity.id))
