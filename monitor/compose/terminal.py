"""Draws Slack messages in a terminal.

Block Kit, mrkdwn and rich text become what a reader sees, as text that `rich` prints. It
fetches nothing, and strips whatever could forge a terminal: control characters, escape
sequences, marks that change the direction of writing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any, Protocol

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.emoji import Emoji, NoEmoji
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

Block = Mapping[str, Any]

# Only the terminal's own colours, and none for the background: they suit dark and light.
_LINK = Style(underline=True)
_MENTION = Style(color="cyan", bold=True)
_DIM = Style(dim=True)
_BOLD = Style(bold=True)
_MARKS = {"bold": _BOLD, "italic": Style(italic=True), "strike": Style(strike=True)}
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
    pieces = _pieces(blocks, text, _Clock(UTC, None), _grammar(is_mrkdwn=is_mrkdwn))
    return "\n".join(piece.plain for piece in pieces)


def plain_mrkdwn(text: str, *, is_formatted: bool = True) -> str:
    """Return Slack's markup as a reader sees it; times are in UTC."""
    return _mrkdwn(text, _Clock(UTC, None), _grammar(is_mrkdwn=is_formatted)).plain


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
    heading = Text.assemble((_clean(author), _BOLD), ("  APP", _DIM))
    if at is not None:
        heading.append(f"  {at.astimezone(zone):%H:%M}", _DIM)
    place = f"the thread of {_clean(thread)}" if thread else "a thread"
    if is_broadcast:
        heading.append(f"  ↪ replied to {place}", _DIM)
    elif thread:
        heading.append(f"  in {place}", _DIM)
    grammar = _grammar(is_mrkdwn=is_mrkdwn)
    body = [_drawn(piece) for piece in _pieces(blocks, text, _Clock(zone, at), grammar)]
    drawn = Group(heading, *body)
    return drawn if width is None else Constrain(drawn, width)


def draw_blocks(blocks: Sequence[Block], *, zone: tzinfo = UTC) -> RenderableType:
    """Return what a message says, without who said it."""
    pieces = _pieces(blocks, "", _Clock(zone, None), _grammar(is_mrkdwn=True))
    return Group(*map(_drawn, pieces))


def draw_channel(
    channel: ChannelView, *, width: int | None = None, zone: tzinfo = UTC
) -> RenderableType:
    """Return a channel as its members see it, each thread open below its first message."""
    parts: list[RenderableType] = [
        Rule(Text(f"#{_clean(channel.name)}", _BOLD), style=_DIM, align="left")
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
        if reply.is_broadcast:  # it stands in the channel, whole
            said = f"↪ {_moment(reply.ts).astimezone(zone):%H:%M} also in the channel: "
            line = Text(said, _DIM, no_wrap=True, overflow="ellipsis")
            yield _Led(
                "  │ ",
                line.append(plain_mrkdwn(reply.text, is_formatted=reply.is_mrkdwn).split("\n")[0]),
            )
        else:
            yield _Led("  │ ", _draw_posted(reply, zone))


def _moment(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)


# What a message is made of


@dataclass(frozen=True)
class _Clock:
    """Where the reader is, and when the message was posted: that day is shown as "today"."""

    zone: tzinfo
    today: datetime | None


@dataclass(frozen=True)
class _Paragraph:
    """Text with what stands before it: on its first line, or on every one."""

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


_Piece = _Paragraph | _Fields | _Buttons | _Divider


@dataclass(frozen=True)
class _Led:
    """Anything drawn with a text before its first line, or before each."""

    lead: str
    body: RenderableType
    is_repeated: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrower = options.update_width(max(options.max_width - cell_len(self.lead), 1))
        lead = self.lead
        for line in console.render_lines(self.body, narrower, pad=False):
            yield Segment(lead, _DIM)
            yield from line
            yield Segment.line()
            if not self.is_repeated:
                lead = " " * cell_len(self.lead)


def _drawn(piece: _Piece) -> RenderableType:
    match piece:
        case _Paragraph(text, lead, is_lead_repeated):
            return _Led(lead, text, is_lead_repeated) if lead else text
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
            return Rule(style=_DIM)


def _pieces(
    blocks: Sequence[Block], text: str, clock: _Clock, grammar: re.Pattern[str]
) -> Iterator[_Piece]:
    if not blocks:
        yield from _paragraphs(_mrkdwn(text, clock, grammar))
    for block in blocks:
        yield from _block(block, clock)


def _block(block: Block, clock: _Clock) -> Iterator[_Piece]:
    match block:
        case {"type": "header", "text": words}:
            yield _Paragraph(_styled(_text_object(words, clock), _BOLD))
        case {"type": "section"}:
            yield from _section(block, clock)
        case {"type": "context", "elements": elements}:
            texts = [_context_element(element, clock) for element in elements]
            yield _Paragraph(_styled(Text("  ").join(texts), _DIM))
        case {"type": "actions", "elements": elements}:
            yield _Buttons(tuple(_button(element, clock) for element in elements))
        case {"type": "divider"}:
            yield _Divider()
        case {"type": "image"}:
            yield _Paragraph(_image(block))
        case {"type": "rich_text", "elements": elements}:
            for element in elements:
                yield from _rich_text(element, clock)
        case _:
            yield _Paragraph(Text(f"[{_clean(str(block.get('type')))}]", _DIM))


def _section(block: Block, clock: _Clock) -> Iterator[_Piece]:
    if "text" in block:
        yield from _paragraphs(_text_object(block["text"], clock))
    if "fields" in block:
        yield _Fields(tuple(_text_object(field, clock) for field in block["fields"]))
    accessory = block.get("accessory", {})
    if accessory.get("type") == "button":
        yield _Buttons((_button(accessory, clock),))
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


def _context_element(element: Block, clock: _Clock) -> Text:
    return _image(element) if element.get("type") == "image" else _text_object(element, clock)


def _image(image: Block) -> Text:
    return _linked(f"[{image.get('alt_text', 'image')}]", image.get("image_url", ""), _DIM)


def _button(button: Block, clock: _Clock) -> Text:
    label = f"[{_text_object(button['text'], clock).plain}]"
    return _linked(label, button.get("url", ""), _BUTTONS.get(button.get("style", ""), _BOLD))


def _text_object(words: Block, clock: _Clock) -> Text:
    said = str(words["text"])
    if words["type"] == "mrkdwn":
        return _mrkdwn(said, clock)
    return Text(_clean(_EMOJI.sub(_emoji_of, said)))


# Rich text


def _rich_text(element: Block, clock: _Clock) -> Iterator[_Paragraph]:
    inline = element.get("elements", ())
    match element.get("type"):
        case "rich_text_list":
            yield from _list(element, clock)
        case "rich_text_quote":
            yield _Paragraph(_inline(inline, clock), "▎ ", is_lead_repeated=True)
        case "rich_text_preformatted":
            yield _Paragraph(_inline(inline, clock), "┆ ", is_lead_repeated=True)
        case _:
            yield _Paragraph(_inline(inline, clock))


def _list(element: Block, clock: _Clock) -> Iterator[_Paragraph]:
    indent = "  " * int(element.get("indent", 0))
    first = 1 + int(element.get("offset", 0))
    for number, item in enumerate(element["elements"], first):
        mark = f"{number}." if element.get("style") == "ordered" else "•"
        yield _Paragraph(_inline(item["elements"], clock), f"{indent}{mark} ")


def _inline(elements: Iterable[Block], clock: _Clock) -> Text:
    text = Text()
    for element in elements:
        marks = [mark for mark, is_on in element.get("style", {}).items() if is_on]
        style = sum((_MARKS.get(mark, Style()) for mark in marks), Style())
        text.append_text(_styled(_inline_element(element, clock), style))
    return text


def _inline_element(element: Block, clock: _Clock) -> Text:
    match element:
        case {"type": "text", "text": said}:
            return Text(_clean(said))
        case {"type": "link", "url": url}:
            return _linked(element.get("text") or url, url, _LINK)
        case {"type": "emoji", "name": name}:
            return Text(_emoji(name))
        case {"type": "date", "timestamp": seconds, "format": form}:
            words = _date(seconds, form, element.get("fallback", ""), clock)
            return _linked(words, element.get("url", ""), Style())
        case {"type": kind} if kind in _MENTIONED_BY:
            return _mention(("#" if kind == "channel" else "@") + element[_MENTIONED_BY[kind]])
    return Text(f"[{_clean(str(element.get('type')))}]", _DIM)


_MENTIONED_BY = {
    "user": "user_id",
    "usergroup": "usergroup_id",
    "broadcast": "range",
    "channel": "channel_id",
}


# mrkdwn, https://docs.slack.dev/messaging/formatting-message-text


def _mark(name: str, sign: str) -> str:
    """Return a pattern for `*bold*` and its kin: not within a word, no space inside the signs."""
    s = re.escape(sign)
    return rf"(?<![\w{s}]){s}(?P<{name}>(?! )[^{s}\n]+(?<! )){s}(?![\w{s}])"


_MRKDWN = re.compile(
    "|".join(
        [
            r"```\n?(?P<fence>.+?)\n?```",
            r"`(?P<code>[^`\n]+)`",
            r"<(?P<angle>[^<>\n]+)>",
            _mark("bold", "*"),
            _mark("italic", "_"),
            _mark("strike", "~"),
            r":(?P<emoji>[a-z0-9_+\-]*[a-z+\-][a-z0-9_+\-]*):",
        ]
    ),
    re.DOTALL,
)
_ANGLE = re.compile(r"<(?P<angle>[^<>\n]+)>")
_EMOJI = re.compile(r":(?P<emoji>[a-z0-9_+\-]*[a-z+\-][a-z0-9_+\-]*):")


def _grammar(*, is_mrkdwn: bool) -> re.Pattern[str]:
    return _MRKDWN if is_mrkdwn else _ANGLE


def _mrkdwn(said: str, clock: _Clock, grammar: re.Pattern[str] = _MRKDWN) -> Text:
    text, end = Text(), 0
    for match in grammar.finditer(said):
        text.append(_unescaped(said[end : match.start()]))
        text.append_text(_marked(str(match.lastgroup), match, clock))
        end = match.end()
    return text.append(_unescaped(said[end:]))


def _marked(mark: str, match: re.Match[str], clock: _Clock) -> Text:
    inner = match[mark]
    if mark == "angle":
        return _angle(inner, clock)
    if mark == "emoji":
        return Text(_emoji(inner))
    if mark in ("code", "fence"):  # links and mentions work even in there
        return _mrkdwn(inner, clock, _ANGLE)
    return _styled(_mrkdwn(inner, clock), _MARKS[mark])


def _angle(inner: str, clock: _Clock) -> Text:
    """Return what `<…>` stands for: a link, a mention, a time."""
    target, _, label = inner.partition("|")
    label = _unescaped(label)
    if target.startswith("!date^"):
        _, seconds, form, *url = target.split("^")
        words = _date(seconds, form, label, clock)
        return _linked(words, _unescaped(url[0]) if url else "", Style())
    if target.startswith("!subteam^"):
        return _mention(label or f"@{target.removeprefix('!subteam^')}")
    if target.startswith(("!", "@")):
        return _mention(f"@{(label or target[1:]).removeprefix('@')}")
    if target.startswith("#"):
        return _mention(f"#{label or target[1:]}")
    return _linked(label or _unescaped(target), _unescaped(target), _LINK)


def _unescaped(said: str) -> str:
    return _clean(said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


# Times, emoji, links


def _long(day: datetime) -> str:
    return f"{day:%A, %B} {day.day}, {day.year}"


def _short(day: datetime) -> str:
    return f"{day:%b} {day.day}, {day.year}"


_DATE_WORDS: Mapping[str, Callable[[datetime], str]] = {
    "date_num": lambda t: f"{t:%Y-%m-%d}",
    "date_slash": lambda t: f"{t:%d/%m/%Y}",
    "date": lambda t: f"{t:%B} {t.day}, {t.year}",
    "date_short": _short,
    "date_long": _long,
    "time": lambda t: f"{t:%H:%M}",
    "time_secs": lambda t: f"{t:%H:%M:%S}",
}


def _date(seconds: object, form: str, fallback: str, clock: _Clock) -> str:
    """Fill in Slack's tokens, as `{date_short_pretty} {time}`; the fallback where it cannot."""
    try:
        moment = datetime.fromtimestamp(int(str(seconds)), UTC).astimezone(clock.zone)
        return re.sub(r"\{(\w+)\}", lambda token: _date_word(token[1], moment, clock), form)
    except (ValueError, OverflowError, OSError, KeyError):
        return fallback


def _date_word(token: str, moment: datetime, clock: _Clock) -> str:
    word = token.removesuffix("_pretty")
    if word != token and clock.today is not None:
        age = clock.today.astimezone(clock.zone).date() - moment.date()
        if age in _PRETTY:
            return _PRETTY[age]
    return _DATE_WORDS[word](moment)


_PRETTY = {timedelta(0): "today", timedelta(1): "yesterday", timedelta(-1): "tomorrow"}


def _emoji_of(match: re.Match[str]) -> str:
    return _emoji(match["emoji"])


def _emoji(name: str) -> str:
    """Return an emoji by Slack's name, or the name in colons where the terminal has none."""
    known = {"large_green_circle": "green_circle", "large_yellow_circle": "yellow_circle"}
    try:
        return str(Emoji(known.get(name, name)))
    except NoEmoji:
        return f":{_clean(name)}:"


def _mention(who: str) -> Text:
    return Text(_clean(who), _MENTION)


def _linked(words: str, url: str, style: Style) -> Text:
    """Return text that a terminal can open, where the address is one for a browser."""
    if url.startswith(("http://", "https://")):
        style += Style(link=re.sub(r"\s", "", _clean(url)))
    return Text(_clean(words), style)


def _styled(text: Text, style: Style) -> Text:
    """Return the text with a style below those that its parts have."""
    if style:
        text.stylize_before(style)
    return text


# Control characters but tab and newline (C1 too: U+009B begins an escape sequence), marks
# that turn the direction of writing, separators that a terminal may break at, and halves of
# surrogate pairs, which cannot be printed.
_FORGING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def _clean(said: str) -> str:
    return _FORGING.sub("", said)
