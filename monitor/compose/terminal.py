"""Draws Slack messages in a terminal.

The blocks of Block Kit become what a reader sees, for `rich` to print; `terminal_text` makes
their texts, and strips whatever could forge a terminal. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from typing import Protocol

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from monitor.compose.terminal_text import (
    BOLD,
    DIM,
    Block,
    Reader,
    clean,
    inline_text,
    linked,
    mrkdwn,
    styled,
    text_object,
)

_BUTTONS = {"primary": Style(color="green", bold=True), "danger": Style(color="red", bold=True)}


class MessageView(Protocol):
    """A message as `draw_channel` needs it; `ts` is Slack's id of it, seconds since 1970."""

    @property
    def ts(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def blocks(self) -> Sequence[Block]: ...
    @property
    def is_mrkdwn(self) -> bool: ...
    @property
    def is_broadcast(self) -> bool: ...
    @property
    def replies(self) -> Sequence[MessageView]: ...


class ChannelView(Protocol):
    """A channel with the messages that it shows, broadcast replies among them."""

    @property
    def name(self) -> str: ...
    @property
    def messages(self) -> Sequence[MessageView]: ...


def plain_text(blocks: Sequence[Block], *, text: str, is_mrkdwn: bool = True) -> str:
    """Return what a reader sees, line by line; times are in UTC."""
    pieces = _pieces(blocks, text, Reader(UTC, None), is_mrkdwn=is_mrkdwn)
    return "\n".join(piece.plain for piece in pieces)


def plain_mrkdwn(text: str, *, is_formatted: bool = True) -> str:
    """Return Slack's markup as a reader sees it; times are in UTC."""
    return mrkdwn(text, Reader(UTC, None), is_formatted=is_formatted).plain


def draw_message(
    blocks: Sequence[Block],
    *,
    text: str,
    at: datetime | None = None,
    author: str = "Nuon releases",
    is_mrkdwn: bool = True,
    is_broadcast: bool = False,
    thread: str = "",
    width: int | None = None,
    zone: tzinfo = UTC,
) -> RenderableType:
    """Return a message for `rich` to print, `width` columns wide at most.

    `at` is when it was posted, `zone` where its reader is, `thread` what a reply's thread is
    about. Without blocks it is `text`, of which without `is_mrkdwn` (a post's `mrkdwn`) only links,
    mentions and times are markup.
    """
    heading = Text.assemble((clean(author), BOLD), ("  APP", DIM))
    if at is not None:
        heading.append(f"  {at.astimezone(zone):%H:%M}", DIM)
    where = f"the thread of {clean(thread)}" if thread else "a thread"
    if is_broadcast:
        heading.append(f"  ↪ replied to {where}", DIM)
    elif thread:
        heading.append(f"  in {where}", DIM)
    body = _pieces(blocks, text, Reader(zone, at), is_mrkdwn=is_mrkdwn)
    drawn = Group(heading, *map(_drawn, body))
    return drawn if width is None else Constrain(drawn, width)


def draw_blocks(blocks: Sequence[Block], *, zone: tzinfo = UTC) -> RenderableType:
    """Return the body of a message, without its author."""
    pieces = _pieces(blocks, "", Reader(zone, None), is_mrkdwn=True)
    return Group(*map(_drawn, pieces))


def draw_channel(
    channel: ChannelView, *, width: int | None = None, zone: tzinfo = UTC
) -> RenderableType:
    """Return a channel as its members see it, each thread open below its first message."""
    parts: list[RenderableType] = [
        Rule(Text(f"#{clean(channel.name)}", BOLD), style=DIM, align="left")
    ]
    for message in channel.messages:
        parts += [_draw_posted(message, zone), *_draw_thread(message, zone), Text()]
    drawn = Group(*parts)
    return drawn if width is None else Constrain(drawn, width)


def _draw_posted(message: MessageView, zone: tzinfo) -> RenderableType:
    return draw_message(
        message.blocks,
        text=message.text,
        at=_moment(message.ts),
        is_mrkdwn=message.is_mrkdwn,
        is_broadcast=message.is_broadcast,
        zone=zone,
    )


def _draw_thread(root: MessageView, zone: tzinfo) -> Iterator[RenderableType]:
    for reply in root.replies:
        if reply.is_broadcast:  # the channel shows it whole
            heading = f"↪ {_moment(reply.ts).astimezone(zone):%H:%M} also in the channel: "
            line = Text(heading, DIM, no_wrap=True, overflow="ellipsis")
            yield _Prefixed(
                "  │ ",
                line.append(plain_mrkdwn(reply.text, is_formatted=reply.is_mrkdwn).split("\n")[0]),
            )
        else:
            yield _Prefixed("  │ ", _draw_posted(reply, zone))


def _moment(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)


# What a message is made of


@dataclass(frozen=True)
class _Paragraph:
    """Text with a prefix: on its first line, or on every one."""

    text: Text
    lead: str = ""
    is_lead_repeated: bool = False

    @property
    def plain(self) -> str:
        later = self.lead if self.is_lead_repeated else " " * len(self.lead)
        return self.lead + self.text.plain.replace("\n", f"\n{later}")


@dataclass(frozen=True)
class _Fields:
    texts: tuple[Text, ...]

    @property
    def plain(self) -> str:
        return "\n".join(text.plain for text in self.texts)


@dataclass(frozen=True)
class _Buttons:
    labels: tuple[Text, ...]

    @property
    def plain(self) -> str:
        return "  ".join(label.plain for label in self.labels)


@dataclass(frozen=True)
class _Divider:
    plain = "───"


@dataclass(frozen=True)
class _Rows:
    """A table, whose first row names the columns."""

    rows: tuple[tuple[Text, ...], ...]

    @property
    def plain(self) -> str:
        return "\n".join("  ".join(cell.plain for cell in row) for row in self.rows)


_Piece = _Paragraph | _Fields | _Buttons | _Divider | _Rows


@dataclass(frozen=True)
class _Prefixed:
    """Anything drawn with a text before its first line, or before every one."""

    lead: str
    body: RenderableType
    is_repeated: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrower = options.update_width(max(options.max_width - cell_len(self.lead), 1))
        lead = self.lead
        for line in console.render_lines(self.body, narrower, pad=False):
            yield Segment(lead, DIM)
            yield from line
            yield Segment.line()
            if not self.is_repeated:
                lead = " " * cell_len(self.lead)


def _drawn(piece: _Piece) -> RenderableType:
    match piece:
        case _Paragraph(text, lead, is_lead_repeated):
            return _Prefixed(lead, text, is_lead_repeated) if lead else text
        case _Fields(texts):
            table = Table.grid(padding=(0, 2), expand=True)
            for _ in range(2):
                table.add_column(ratio=1)
            for left, right in zip(texts[::2], (*texts[1::2], Text()), strict=False):
                table.add_row(left, right)
            return table
        case _Buttons(labels):
            return Columns(labels, padding=(0, 2))
        case _Divider():
            return Rule(style=DIM)
        case _Rows((titles, *rows)):
            listed = Table(box=None, padding=(0, 2, 0, 0), header_style=BOLD)
            for title in titles:
                listed.add_column(title)
            for row in rows:
                listed.add_row(*row)
            return listed
        case _:
            return Text()


def _pieces(
    blocks: Sequence[Block], text: str, reader: Reader, *, is_mrkdwn: bool
) -> Iterator[_Piece]:
    if not blocks:
        yield from _paragraphs(mrkdwn(text, reader, is_formatted=is_mrkdwn))
    for block in blocks:
        yield from _block(block, reader)


def _block(block: Block, reader: Reader) -> Iterator[_Piece]:
    match block:
        case {"type": "header", "text": words}:
            yield _Paragraph(styled(text_object(words, reader), BOLD))
        case {"type": "section"}:
            yield from _section(block, reader)
        case {"type": "context", "elements": elements}:
            yield _context(elements, reader)
        case {"type": "actions", "elements": elements}:
            yield _buttons(elements, reader)
        case {"type": "divider"}:
            yield _Divider()
        case {"type": "image"}:
            yield _Paragraph(_image(block))
        case {"type": "rich_text", "elements": elements}:
            yield from _rich_text(elements, reader)
        case {"type": "data_table", "caption": caption, "rows": rows}:
            yield _Paragraph(Text(clean(str(caption)), DIM))
            yield _Rows(tuple(tuple(_cell(cell, reader) for cell in row) for row in rows))
        case _:
            yield _Paragraph(Text(f"[{clean(str(block.get('type')))}]", DIM))


def _cell(cell: Block, reader: Reader) -> Text:
    if cell.get("type") == "rich_text":
        return Text("\n").join(piece.text for piece in _rich_text(cell["elements"], reader))
    return Text(clean(str(cell.get("text", ""))))


def _section(block: Block, reader: Reader) -> Iterator[_Piece]:
    if "text" in block:
        yield from _paragraphs(text_object(block["text"], reader))
    if "fields" in block:
        yield _Fields(tuple(text_object(field, reader) for field in block["fields"]))
    accessory = block.get("accessory", {})
    if accessory.get("type") == "button":
        yield _buttons([accessory], reader)
    if accessory.get("type") == "image":
        yield _Paragraph(_image(accessory))


def _paragraphs(text: Text) -> Iterator[_Paragraph]:
    """Split where quoted lines begin and end: in mrkdwn those that start with `>`."""
    lines = text.split("\n", allow_blank=True)
    for is_quoted, run in groupby(lines, key=lambda line: line.plain.startswith(">")):
        if is_quoted:
            yield _Paragraph(Text("\n").join(map(_without_mark, run)), "▎ ", is_lead_repeated=True)
        else:
            yield _Paragraph(Text("\n").join(run))


def _without_mark(line: Text) -> Text:
    return line[2 if line.plain.startswith("> ") else 1 :]


def _context(elements: Iterable[Block], reader: Reader) -> _Paragraph:
    texts = [_context_element(element, reader) for element in elements]
    return _Paragraph(styled(Text("  ").join(texts), DIM))


def _context_element(element: Block, reader: Reader) -> Text:
    return _image(element) if element.get("type") == "image" else text_object(element, reader)


def _image(image: Block) -> Text:
    return linked(f"[{image.get('alt_text', 'image')}]", image.get("image_url", ""), DIM)


def _buttons(buttons: Iterable[Block], reader: Reader) -> _Buttons:
    return _Buttons(tuple(_button(button, reader) for button in buttons))


def _button(button: Block, reader: Reader) -> Text:
    label = f"[{text_object(button['text'], reader).plain}]"
    return linked(label, button.get("url", ""), _BUTTONS.get(button.get("style", ""), BOLD))


# Rich text


def _rich_text(elements: Iterable[Block], reader: Reader) -> Iterator[_Paragraph]:
    for element in elements:
        yield from _rich_text_element(element, reader)


def _rich_text_element(element: Block, reader: Reader) -> Iterator[_Paragraph]:
    inline = element.get("elements", ())
    match element.get("type"):
        case "rich_text_list":
            yield from _list(element, reader)
        case "rich_text_quote":
            yield _Paragraph(inline_text(inline, reader), "▎ ", is_lead_repeated=True)
        case "rich_text_preformatted":
            yield _Paragraph(inline_text(inline, reader), "┆ ", is_lead_repeated=True)
        case _:
            yield _Paragraph(inline_text(inline, reader))


def _list(element: Block, reader: Reader) -> Iterator[_Paragraph]:
    indent = "  " * int(element.get("indent", 0))
    first = 1 + int(element.get("offset", 0))
    for number, item in enumerate(element["elements"], first):
        mark = f"{number}." if element.get("style") == "ordered" else "•"
        yield _Paragraph(inline_text(item["elements"], reader), f"{indent}{mark} ")
