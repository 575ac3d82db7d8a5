"""The messages about one rollout: its card, what is told in its thread, what stands alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from monitor.compose.render.blocks import (
    Element,
    Line,
    Section,
    bare_message,
    date,
    headed_message,
    line,
    rich_text,
    words_of_mrkdwn,
)
from monitor.compose.render.budget import BUDGETS, Budget, fitted, fitting
from monitor.compose.render.facts import fact_lines
from monitor.compose.render.groups import flapping_items, with_extent
from monitor.compose.render.headlines import headline_of, is_headline, state_of
from monitor.compose.render.layout import Layout, View, look
from monitor.compose.render.lines import lines_of, page_of_item, text_of
from monitor.compose.render.links import Links
from monitor.compose.render.news import news_of
from monitor.compose.render.pages import ALL_FAILURES, OPEN, given, page_of_rollout
from monitor.compose.render.perpetual import perpetual_lines
from monitor.compose.render.steps import step_lines
from monitor.compose.render.troubles import troubles_of
from monitor.decide import progress
from monitor.model import Event, Message, Snapshot, TargetState

_MOST_NAMES_WANTED = 100
"""As many as the rows of a table."""


def card(view: View) -> Message:
    """Draw how a rollout stands."""
    message, _ = _card(view)
    return message


def card_budget(view: View) -> Budget:
    """Return how much there is room for on the card."""
    _, budget = _card(view)
    return budget


def _card(view: View) -> tuple[Message, Budget]:
    layout = look(view)
    troubles = [*flapping_items(layout), *troubles_of(layout)]
    to_table = given(view.table_url, ALL_FAILURES) if layout.progress.failed else ()
    return fitted(
        lambda budget: headed_message(
            headline_of(layout),
            [
                fact_lines(layout, budget),
                _part_lines(layout, budget),
                lines_of(layout, troubles, budget),
            ],
            _footer(layout, *to_table),
        )
    )


def reply(
    view: View,
    events: Sequence[Event],
    further: Sequence[Event] = (),
) -> Message:
    """Draw what one poll brought, for the card's thread: it names those events only.

    `further` are failures that the thread has already, and the channel has not.
    """
    layout = look(view)
    news = with_extent(layout, news_of(layout, events), further)
    # The thread says what it is about, a push notification does not.
    is_named = any(one.subject == layout.title for one in news[:1])
    lead = [] if is_named else [line(layout.title)]
    return fitting(lambda budget: bare_message(lead, lines_of(layout, news, budget)))


def standalone(
    view: View,
    events: Sequence[Event],
    further: Sequence[Event] = (),
) -> Message:
    """Draw what happened and how it stands, complete without any other message.

    `further` are failures that there was no message for.
    """
    layout = look(view)
    # How it began and how it ended is what the headline says.
    beside = [event for event in events if not is_headline(event, layout.root)]
    news = with_extent(layout, news_of(layout, beside), further)
    troubles = troubles_of(layout, shown_elsewhere={event.entity.id for event in beside})
    return fitting(
        lambda budget: headed_message(
            headline_of(layout),
            [
                lines_of(layout, news, budget),
                fact_lines(layout, budget),
                _part_lines(layout, budget),
                lines_of(layout, troubles, budget),
            ],
            _footer(layout, *given(view.card_url, "the card")),
        )
    )


def _part_lines(layout: Layout, budget: Budget) -> Section:
    is_perpetual = layout.root.kind.is_perpetual
    return perpetual_lines(layout, budget) if is_perpetual else step_lines(layout, budget)


def headline(snapshot: Snapshot, state: TargetState, *, title: str | None = None) -> str:
    """Return the first line of the card, for where there is room for one line only."""
    return headline_of(look(View(snapshot, state, Links("", ""), title)))


def title_and_summary(view: View) -> tuple[str, str]:
    """Return what the headline is about and what it says of it, for a table."""
    layout = look(view)
    return layout.title, state_of(layout)


def title_of(view: View) -> str:
    """Return what a rollout is called."""
    return look(view).title


def words_of(view: View, event: Event) -> str:
    """Return what is told of an event as plain text, to stand beside the rollout's title."""
    layout = look(view)
    return text_of(layout, news_of(layout, [event])[0], BUDGETS[0], title=layout.title)


def page_of(view: View, event: Event) -> str:
    """Return where to look at what an event is about; empty where there is no such page."""
    layout = look(view)
    page = page_of_item(layout, news_of(layout, [event])[0])
    return page[0] if page else page_of_rollout(layout) or ""


def plain(message: Message) -> Message:
    """Return the same message as text only, for when Slack refuses the blocks."""
    return Message(message.text)


def plain_edit(message: Message) -> Message:
    """Return the same for an edit, which may not leave a message without any rich text."""
    words = words_of_mrkdwn(message.text)
    return Message(message.text, (rich_text([line(words)]),) if words else ())


def shown_ids(
    snapshot: Snapshot, state: TargetState, events: Sequence[Event] = ()
) -> tuple[str, ...]:
    """Return the ids whose names would make the messages readable, the most needed first.

    Of installs there are at most 100: those in the news, in trouble and of what waits. Before
    them come its component, its app, its build, its own install and who started it.
    """
    layout = look(View(snapshot, state, Links("", "")))
    root = snapshot.root
    installs = dict.fromkeys(_installs_named(layout, events))
    of_what = (
        root.component_id,
        root.app_id,
        "" if root.fact("message") else root.build_id,
        root.install_id if root.app_id or root.component_id else progress.install_of(root),
        root.created_by if progress.is_account(root.created_by) else "",
        *(event.reason.by for event in events if progress.is_account(event.reason.by)),
        *(alert.reason.by for alert in state.alerts if progress.is_account(alert.reason.by)),
    )
    wanted = dict.fromkeys((*of_what, *itertools.islice(installs, _MOST_NAMES_WANTED)))
    wanted.pop("", None)
    return tuple(wanted)


def _installs_named(layout: Layout, events: Sequence[Event]) -> Iterator[str]:
    items = [*news_of(layout, events), *troubles_of(layout)]
    shown = [one.units for one in items]
    shown += [one.advice.units for one in items if one.advice]
    names = BUDGETS[0].names
    yield from filter(None, (u.install_id for units in shown for u in units[:names]))
    # Those that the card has no room for stand in the table.
    yield from filter(None, (u.install_id for units in shown for u in units[names:]))
    if layout.root.kind.is_perpetual:
        yield from filter(None, (step.install_id for step in layout.root.children))


def _footer(layout: Layout, *further: str | Element) -> Line:
    url = page_of_rollout(layout)
    parts = [*given(url, OPEN), *further]
    links = [part for found in parts for part in (found, " · ")]
    return line(*links, "last change ", date(layout.changed_at))
