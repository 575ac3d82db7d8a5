"""What is said of something, a trouble that stands or an event, and the lines that say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitor.model import Entity
from monitor.render.blocks import URL_LIMIT, Element, Line, bold, line, link
from monitor.render.picture import Picture
from monitor.render.room import Room
from monitor.text import counted, join_names, plain

ABSENT = " (not in the newest answer)"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person can do; `{installs}` in the words stands for the units' names."""

    words: str
    units: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """One line: of the units, where there are any, else of the subject.

    `one` and `many` continue the name, for one unit and for several. `reason` holds
    foreign words, as they came. `advice` is a line of its own.
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


def _said_line(picture: Picture, said: Said, room: Room) -> Line:
    subject, in_detail = _subject(picture, said, room)
    says = said.many if len(said.units) > 1 and said.many else said.one
    words = plain(says, room.words, fallback="")
    reason = plain(said.reason, room.words, fallback="")
    return line(
        f"{said.mark} {said.lead}",
        bold(subject),
        f"{in_detail}{words and f' {words}'}{reason and f': {reason}'}{said.tail}",
        *_where(picture, said.units),
    )


def _subject(picture: Picture, said: Said, room: Room) -> tuple[str, str]:
    """Return whom a line is about, and who they are where they are many."""
    if not said.units:
        return said.subject, ""
    names = _names(picture, said.units, room)
    if len(said.units) == 1:
        return names, ""
    return counted(len(said.units), "install"), f" ({names})"


def _names(picture: Picture, units: Sequence[Entity], room: Room) -> str:
    names = [picture.name_of(unit, room.name) for unit in units[: room.names]]
    return join_names(names, len(units))


def _advice_line(picture: Picture, advice: Advice, room: Room) -> Line:
    words = advice.words.format(installs=_names(picture, advice.units, room))
    return line(f"→ {words}", *_where(picture, advice.units))


def _where(picture: Picture, units: Sequence[Entity]) -> Iterator[str | Element]:
    first = next((unit for unit in units if unit.install_id), None)
    if first is None or len(first.install_id) + len(first.workflow_id) > URL_LIMIT:
        return
    links = picture.view.links
    url = links.install(first.install_id)
    if first.workflow_id:
        url = links.workflow(first.install_id, first.workflow_id)
    if len(url) <= URL_LIMIT:
        yield "  "
        yield link(url, "Open install" if len(units) == 1 else "Open the first")
