"""Slack's text as a reader sees it, styled for a terminal: mrkdwn, rich text, emoji, times.

Whatever could forge a terminal is stripped: control characters, escape sequences, marks that
change the direction of writing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from rich.emoji import Emoji, NoEmoji
from rich.style import Style
from rich.text import Text

Block = Mapping[str, Any]

# Only the terminal's own colours, and none for the background: they suit dark and light.
BOLD = Style(bold=True)
DIM = Style(dim=True)
_LINK = Style(underline=True)
_MENTION = Style(color="cyan", bold=True)
_MARKS = {"bold": BOLD, "italic": Style(italic=True), "strike": Style(strike=True)}


@dataclass(frozen=True)
class Reader:
    """Where the reader is, and when the message was posted: that day is shown as "today"."""

    zone: tzinfo
    today: datetime | None


def text_object(words: Block, reader: Reader) -> Text:
    """Return what Block Kit calls a text object."""
    content = str(words["text"])
    if words["type"] == "mrkdwn":
        return mrkdwn(content, reader)
    return Text(clean(_EMOJI.sub(_emoji_of, content)))


def inline_text(elements: Iterable[Block], reader: Reader) -> Text:
    """Return the inline elements of a rich text as one text."""
    text = Text()
    for element in elements:
        marks = [mark for mark, is_on in element.get("style", {}).items() if is_on]
        style = sum((_MARKS.get(mark, Style()) for mark in marks), Style())
        text.append_text(styled(_inline_element(element, reader), style))
    return text


def _inline_element(element: Block, reader: Reader) -> Text:
    match element:
        case {"type": "text", "text": content}:
            return Text(clean(content))
        case {"type": "link", "url": url}:
            return linked(element.get("text") or url, url, _LINK)
        case {"type": "emoji", "name": name}:
            return Text(_emoji(name))
        case {"type": "date", "timestamp": seconds, "format": form}:
            words = _date(seconds, form, element.get("fallback", ""), reader)
            return linked(words, element.get("url", ""), Style())
        case {"type": kind} if kind in _MENTIONED_BY:
            return _mention(("#" if kind == "channel" else "@") + element[_MENTIONED_BY[kind]])
    return Text(f"[{clean(str(element.get('type')))}]", DIM)


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


def mrkdwn(content: str, reader: Reader, *, is_formatted: bool = True) -> Text:
    """Return marked-up text; where it is not formatted, only what stands in `<…>` is markup."""
    grammar = _MRKDWN if is_formatted else _ANGLE
    text, end = Text(), 0
    for match in grammar.finditer(content):
        text.append(_unescaped(content[end : match.start()]))
        text.append_text(_marked(str(match.lastgroup), match, reader))
        end = match.end()
    return text.append(_unescaped(content[end:]))


def _marked(mark: str, match: re.Match[str], reader: Reader) -> Text:
    inner = match[mark]
    if mark == "angle":
        return _angle(inner, reader)
    if mark == "emoji":
        return Text(_emoji(inner))
    if mark in ("code", "fence"):  # links and mentions work even in there
        return mrkdwn(inner, reader, is_formatted=False)
    return styled(mrkdwn(inner, reader), _MARKS[mark])


def _angle(inner: str, reader: Reader) -> Text:
    """Return what `<…>` stands for: a link, a mention, a time."""
    target, _, label = inner.partition("|")
    label = _unescaped(label)
    if target.startswith("!date^"):
        _, seconds, form, *url = target.split("^")
        words = _date(seconds, form, label, reader)
        return linked(words, _unescaped(url[0]) if url else "", Style())
    if target.startswith("!subteam^"):
        return _mention(label or f"@{target.removeprefix('!subteam^')}")
    if target.startswith(("!", "@")):
        return _mention(f"@{(label or target[1:]).removeprefix('@')}")
    if target.startswith("#"):
        return _mention(f"#{label or target[1:]}")
    return linked(label or _unescaped(target), _unescaped(target), _LINK)


def _unescaped(content: str) -> str:
    return clean(content.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


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


def _date(seconds: object, form: str, fallback: str, reader: Reader) -> str:
    """Fill in Slack's tokens, as `{date_short_pretty} {time}`; the fallback where it cannot."""
    try:
        moment = datetime.fromtimestamp(int(str(seconds)), UTC).astimezone(reader.zone)
        return re.sub(r"\{(\w+)\}", lambda token: _date_word(token[1], moment, reader), form)
    except (ValueError, OverflowError, OSError, KeyError):
        return fallback


def _date_word(token: str, moment: datetime, reader: Reader) -> str:
    word = token.removesuffix("_pretty")
    if word != token and reader.today is not None:
        age = reader.today.astimezone(reader.zone).date() - moment.date()
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
        return f":{clean(name)}:"


def _mention(who: str) -> Text:
    return Text(clean(who), _MENTION)


def linked(words: str, url: str, style: Style) -> Text:
    """Return text that a terminal can open, where the address is one for a browser."""
    if url.startswith(("http://", "https://")):
        style += Style(link=re.sub(r"\s", "", clean(url)))
    return Text(clean(words), style)


def styled(text: Text, style: Style) -> Text:
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


def clean(content: str) -> str:
    """Return text without anything that could forge a terminal."""
    return _FORGING.sub("", content)
