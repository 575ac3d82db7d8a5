"""The messages about one rollout: its card, what is told in its thread, what stands alone."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.model import Event, Memory, Message, Snapshot
from monitor.render.blocks import URL_LIMIT, Line, bare_message, date, headed_message, line, link
from monitor.render.facts import fact_lines
from monitor.render.headlines import headline_of, is_headline
from monitor.render.links import Links
from monitor.render.news import news_of
from monitor.render.picture import Picture, View, look
from monitor.render.room import ROOMS, fitting
from monitor.render.said import lines_of
from monitor.render.steps import step_lines
from monitor.render.troubles import troubles_of

_MOST_NAMES_WANTED = 40


def card(view: View) -> Message:
    """Draw how a rollout stands."""
    picture = look(view)
    troubles = troubles_of(picture)
    return fitting(
        lambda room: headed_message(
            headline_of(picture),
            [
                fact_lines(picture),
                step_lines(picture, room),
                lines_of(picture, troubles, room),
            ],
            _footer(picture),
        )
    )


def reply(view: View, events: Sequence[Event]) -> Message:
    """Draw what one poll brought, for the card's thread: it names those events only."""
    picture = look(view)
    news = news_of(picture, events)
    # The thread says what it is about, a push notification does not.
    is_named = any(one.subject == picture.title for one in news[:1])
    lead = [] if is_named else [line(picture.title)]
    return fitting(lambda room: bare_message(lead, lines_of(picture, news, room)))


def standalone(view: View, events: Sequence[Event]) -> Message:
    """Draw what happened and how it stands, complete without any other message."""
    picture = look(view)
    # How it began and how it ended is what the headline says.
    beside = [event for event in events if not is_headline(event, picture.root)]
    news = news_of(picture, beside)
    troubles = troubles_of(picture, told={event.entity.id for event in beside})
    return fitting(
        lambda room: headed_message(
            headline_of(picture),
            [
                lines_of(picture, news, room),
                fact_lines(picture),
                step_lines(picture, room),
                lines_of(picture, troubles, room),
            ],
            _footer(picture),
        )
    )


def headline(snapshot: Snapshot, memory: Memory, *, title: str | None = None) -> str:
    """Return the first line of the card, for where there is room for one line only."""
    return headline_of(look(View(snapshot, memory, Links("", ""), title)))


def plain(message: Message) -> Message:
    """Return the same message as text only, for when Slack refuses the blocks."""
    return Message(message.text)


def shown_ids(snapshot: Snapshot, memory: Memory, events: Sequence[Event] = ()) -> tuple[str, ...]:
    """Return the ids whose names would make the messages readable, the most needed first.

    Of installs there are at most 40: those in the news and in trouble. A component is
    among them where the snapshot itself does not name it.
    """
    picture = look(View(snapshot, memory, Links("", "")))
    said = [*news_of(picture, events), *troubles_of(picture)]
    spoken_of = [one.units for one in said]
    spoken_of += [one.advice.units for one in said if one.advice]
    installs = dict.fromkeys(
        unit.install_id for units in spoken_of for unit in units[: ROOMS[0].names]
    )
    installs.pop("", None)
    root = snapshot.root
    component = (root.component_id,) if root.component_id and not root.name else ()
    return (*component, *list(installs)[:_MOST_NAMES_WANTED])


def _footer(picture: Picture) -> Line:
    url = picture.view.links.releases()
    links = (link(url, "Open in Nuon"), " · ") if len(url) <= URL_LIMIT else ()
    return line(*links, "last change ", date(picture.changed_at))
