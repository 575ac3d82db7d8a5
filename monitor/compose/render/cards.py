"""The messages about one rollout: its card, what is sent to its thread, what stands alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from monitor.compose.render.blocks import (
    TEXT_LIMIT,
    Element,
    Section,
    between_dots,
    line,
    lines_of_blocks,
    message,
    rich_text,
    words_of_mrkdwn,
)
from monitor.compose.render.budget import BUDGETS, Budget, fitted, fitting
from monitor.compose.render.facts import (
    fact_lines,
    lines_of_the_user,
    links_of,
    links_of_the_user,
    progress_line,
    reached,
    small_print,
)
from monitor.compose.render.groups import flapping_items, with_extent
from monitor.compose.render.headlines import headline_of, is_headline, state_of
from monitor.compose.render.layout import Layout, View, look
from monitor.compose.render.lines import Item, lines_of, page_of_advice, page_of_item, text_of
from monitor.compose.render.links import Links
from monitor.compose.render.news import news_of
from monitor.compose.render.pages import Page, Parts, given, in_links, page_of_rollout
from monitor.compose.render.perpetual import perpetual_lines
from monitor.compose.render.sentences import spoken
from monitor.compose.render.spoken import sentence_of_news, sentence_of_state
from monitor.compose.render.steps import step_lines
from monitor.compose.render.troubles import troubles_of
from monitor.decide import progress
from monitor.decide.progress import starter_of
from monitor.model import Event, Message, Phase, Snapshot, TargetState
from monitor.text import counted
from monitor.text import plain as plain_words

_MOST_NAMES_WANTED = 100
"""As many as the rows of a table."""


def card(view: View) -> Message:
    """Draw the state of a rollout."""
    message, _ = _card(view)
    return message


def card_budget(view: View) -> Budget:
    """Return how much there is room for on the card."""
    _, budget = _card(view)
    return budget


def _card(view: View) -> tuple[Message, Budget]:
    layout = look(view)
    troubles = [*flapping_items(layout), *troubles_of(layout)]
    text = spoken(sentence_of_state(layout, troubles), page_of_rollout(layout))
    return fitted(lambda budget: _full(layout, text, [], troubles, budget))


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
    text = spoken(sentence_of_news(layout, news), page_of_rollout(layout))
    return fitting(
        lambda budget: message(
            text,
            [
                lines_of(layout, news, budget, is_alone=len(news) == 1),
                _links(layout, news, budget),
            ],
            _small_print_of_reply(layout, budget),
        )
    )


def standalone(
    view: View,
    events: Sequence[Event],
    further: Sequence[Event] = (),
) -> Message:
    """Draw what happened and the state after it, complete without any other message.

    `further` are failures that there was no message for.
    """
    layout = look(view)
    # How it began and how it ended is what the headline says.
    beside = [event for event in events if not is_headline(event, layout.root)]
    news = with_extent(layout, news_of(layout, beside), further)
    troubles = troubles_of(layout, shown_elsewhere={event.entity.id for event in beside})
    spoken_of = with_extent(layout, news_of(layout, events), further)
    text = spoken(sentence_of_news(layout, spoken_of), page_of_rollout(layout))
    to_card = given(view.card_url, "Open card")
    return fitting(lambda budget: _full(layout, text, news, troubles, budget, further=to_card))


def sentence_of(view: View, events: Sequence[Event]) -> str:
    """Return the one sentence that says what happened: which rollout, what, where and why."""
    layout = look(view)
    return sentence_of_news(layout, news_of(layout, events))


def _full(
    layout: Layout,
    text: str,
    news: Sequence[Item],
    troubles: Sequence[Item],
    budget: Budget,
    *,
    further: Parts = (),
) -> Message:
    """Draw what, where, why and what to do; then how far it is, and the rest in small print."""
    items = [*news, *troubles]
    headline, is_alone = headline_of(layout), len(items) == 1
    shown = [
        *lines_of(layout, news, budget, headline=headline, is_alone=is_alone),
        *lines_of(layout, troubles, budget, headline=headline, is_alone=is_alone),
    ]
    return message(
        text,
        [
            [*fact_lines(layout, budget)],
            shown,
            _links(layout, items, budget, is_full=True, further=further),
            _part_lines(layout, budget),
            [*lines_of_the_user(layout, budget)],
        ],
        small_print(layout, budget),
        header=headline,
    )


def _links(
    layout: Layout,
    items: Sequence[Item],
    budget: Budget,
    *,
    is_full: bool = False,
    further: Parts = (),
) -> Section:
    """Draw one line of links: to the one thing that is spoken of, the rollout, and further ones."""
    pages: list[Page | None] = []
    if len(items) == 1:
        pages += [page_of_item(layout, items[0]), page_of_advice(layout, items[0].advice)]
    pages.append(page_of_rollout(layout))
    if (table_url := layout.view.table_url) and (failed := layout.progress.failed):
        pages.append(Page(table_url, f"See all {failed:,} that failed"))
    links: list[Element | str] = [*in_links(pages), *links_of_the_user(layout, budget)]
    if is_full:
        links += links_of(layout)
    links += further
    shown = between_dots([link] for link in links)
    return [shown] if shown else []


def _part_lines(layout: Layout, budget: Budget) -> Section:
    if layout.root.kind.is_perpetual:
        return perpetual_lines(layout, budget)
    progress = [progress_line(layout)] if layout.progress.total else []
    return [*progress, *step_lines(layout, budget)]


def _small_print_of_reply(layout: Layout, budget: Budget) -> Section:
    """Draw how far the whole is, whether it goes on, and who started it."""
    starter = starter_of(layout.root, layout.view.people)
    words = [
        *_words_for_whole(layout),
        f"started by {plain_words(starter, budget.name)}" if starter else "",
    ]
    return [line(one) for one in words if one]


def _words_for_whole(layout: Layout) -> Iterator[str]:
    root, counts = layout.root, layout.progress
    if root.kind.is_perpetual or not counts.total:
        return
    yield reached(layout, counts)
    if counts.failed:
        yield f"{counts.failed:,} failed"
    if root.phase is Phase.FAILED:
        yield from [f"{counts.pending:,} not attempted"] if counts.pending else []
        yield f"the {root.kind} has stopped"
    elif root.phase is not Phase.SUCCEEDED and counts.failed:
        left = counts.pending + counts.running + counts.waiting
        yield from [f"{left:,} still to go"] if left else []
        yield f"the {root.kind} continues" if not layout.stalls else ""


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
    """Return what is shown of an event as plain text, to stand beside the rollout's title."""
    layout = look(view)
    return text_of(layout, news_of(layout, [event])[0], BUDGETS[0], title=layout.title)


def page_of(view: View, event: Event) -> str:
    """Return where to look at what an event is about; empty where there is no such page."""
    layout = look(view)
    page = page_of_item(layout, news_of(layout, [event])[0]) or page_of_rollout(layout)
    return page.url if page else ""


def plain(message: Message) -> Message:
    """Return the same as text only, with all that the blocks say, for when Slack refuses them."""
    shown = [*lines_of_blocks(message.blocks)]
    lines: list[str] = []
    for index, one in enumerate(shown):
        if sum(map(len, lines)) + len(lines) + len(one) > TEXT_LIMIT:
            lines.append(f"… and {counted(len(shown) - index, 'more line')}")
            break
        lines.append(one)
    return Message("\n".join(lines) or message.text)


def plain_edit(message: Message) -> Message:
    """Return the same for an edit, which may not leave a message without any rich text."""
    text = plain(message).text
    words = words_of_mrkdwn(text)
    return Message(text, (rich_text([line(words)]),) if words else ())


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
