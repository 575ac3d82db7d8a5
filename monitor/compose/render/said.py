"""What is said of something, a trouble that stands or an event, and the lines that say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.compose.render.blocks import Line, bold, line
from monitor.compose.render.pages import Page, behind, page_of_units
from monitor.compose.render.picture import Picture
from monitor.compose.render.room import Room
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
class Said:
    """One line: of the units, where there are any, else of the subject.

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


def lines_of(picture: Picture, said: Sequence[Said], room: Room) -> list[Line]:
    """Draw as much as there is room for, and count the rest."""
    lines: list[Line] = []
    for one in said[: room.lines]:
        lines.append(_said_line(picture, one, room))
        if one.advice is not None:
            lines.append(_advice_line(picture, one.advice, room))
    hidden = sum(one.weight for one in said[room.lines :])
    if hidden:
        lines.append(line(f"… and {hidden:,} more"))
    return lines


def text_of(picture: Picture, said: Said, room: Room) -> str:
    """Return one line as text, without its mark and its link."""
    _, subject, rest = _words(picture, said, room)
    return f"{said.lead}{subject}{rest}"


def page_of_said(picture: Picture, said: Said) -> Page | None:
    """Return where the link behind a line leads and what it is called, if there is one."""
    return page_of_units(picture, said.units) if said.units else said.page


def _said_line(picture: Picture, said: Said, room: Room) -> Line:
    opening, subject, rest = _words(picture, said, room)
    return line(opening, bold(subject), rest, *behind(page_of_said(picture, said)))


def _words(picture: Picture, said: Said, room: Room) -> tuple[str, str, str]:
    """Return what stands before the subject, the subject, and what is said of it."""
    subject, in_detail = _subject(picture, said, room)
    says = said.many if len(said.units) > 1 and said.many else said.one
    words = plain(says, room.words, fallback="")
    reason = reason_words(said.reason, room, said.units[0].name if said.units else "")
    rest = f"{in_detail}{words and f' {words}'}{reason and f': {reason}'}{said.tail}"
    return f"{said.mark} {said.lead}", subject, rest


def reason_words(reason: str, room: Room, name: str = "") -> str:
    """Return a reason as it continues a line about something of that name.

    What is to be approved says so itself, and in which step: both are in the line already.
    """
    words = reason.removeprefix("to be approved: ").removesuffix(f" ({name})")
    return gist(words, room.words)


def _subject(picture: Picture, said: Said, room: Room) -> tuple[str, str]:
    """Return whom a line is about, and who they are where they are many."""
    if not said.units:
        return said.subject, ""
    names = _names(picture, said.units, room)
    if len(said.units) == 1:
        return names, ""
    return picture.units_words(said.units), f" ({names})"


def _names(picture: Picture, units: Sequence[Entity], room: Room) -> str:
    names = [picture.name_of(unit, room.name) for unit in units[: room.names]]
    return join_names(names, len(units))


def _advice_line(picture: Picture, advice: Advice, room: Room) -> Line:
    words = advice.words.format(installs=_names(picture, advice.units, room))
    page = page_of_units(picture, advice.units) if advice.units else advice.page
    return line(f"→ {words}", *behind(page))
