"""Elements, lines and messages: what Slack draws and what it speaks, within its limits.

Foreign words go where Slack interprets nothing: into headers, the `text` elements of rich text,
the texts of links, and plain text in small print. Nothing here pings: see `first_line`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.model import Message
from monitor.text import cut_to_utf16, mrkdwn_escape, plain

# https://docs.slack.dev/reference/block-kit/blocks: 150 characters in a header, 10 elements in a
# context. All blocks together are refused above some 13,200 characters, which is written down
# nowhere.
HEADER_LIMIT = 150
BLOCKS_LIMIT = 12_000
TEXT_LIMIT = 3_000
# What we allow a name in a headline, and a word such as a status.
TITLE_LIMIT = 75
WORD_LIMIT = 40

Element = dict[str, Any]
Line = tuple[Element, ...]
Section = Sequence[Line]


class Quote(Line):
    """A line that is drawn as a quotation, below the one before it: why something is so."""


def message(
    text: str,
    sections: Sequence[Section],
    small_print: Section = (),
    *,
    header: str = "",
) -> Message:
    """Draw sections, those without a line left out; `text` is what is spoken instead."""
    shown = [section for section in sections if section]
    if not shown:
        # Without any rich text it could not take the place of a message that has some.
        shown, small_print = [small_print], ()
    blocks: list[Element] = []
    if header:
        words = cut_to_utf16(header, HEADER_LIMIT)
        blocks.append(
            {"type": "header", "text": {"type": "plain_text", "text": words, "emoji": False}}
        )
    blocks += map(rich_text, filter(None, shown))
    if small_print:
        blocks.append(_context(small_print))
    return Message(text, tuple(blocks))


def title_words(name: str) -> str:
    """Return a foreign name as it may stand in a header."""
    return plain(name, TITLE_LIMIT, fallback="(no name)")


def line(*parts: str | Element) -> Line:
    """Join text and elements; text beside text becomes one element, and none is empty."""
    elements: list[Element] = []
    text = ""
    for part in (*parts, {}):
        if isinstance(part, str):
            text += part
            continue
        if text:
            elements.append({"type": "text", "text": text})
            text = ""
        if part:
            elements.append(part)
    return tuple(elements)


def quote(*parts: str | Element) -> Quote:
    """Return a line that is drawn as a quotation."""
    return Quote(line(*parts))


def between_dots(groups: Iterable[Sequence[str | Element]]) -> Line:
    """Return parts of a line with dots between them; empty ones are left out."""
    shown = [group for group in groups if group and any(group)]
    parts = (part for group in shown for part in (" · ", *group))
    return line(*itertools.islice(parts, 1, None))


def bold(text: str) -> Element:
    return {"type": "text", "text": text, "style": {"bold": True}}


def bold_link(url: str, text: str) -> Element:
    """Return a name that is itself the link to what it names."""
    return {**link(url, text), "style": {"bold": True}}


def link(url: str, text: str) -> Element:
    return {"type": "link", "url": url, "text": text}


_SLACK_DATE = "{date_short_pretty} {time}"


def date(at: datetime) -> Element:
    """Return a time that Slack shows in each reader's own zone."""
    fallback = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    seconds = int(at.timestamp())
    return {"type": "date", "timestamp": seconds, "format": _SLACK_DATE, "fallback": fallback}


def rich_text(lines: Section) -> Element:
    """Return a block of lines."""
    parts: list[Element] = []
    for is_quote, run in itertools.groupby(lines, key=lambda one: isinstance(one, Quote)):
        elements: list[Element] = []
        for one in run:
            if elements:
                elements.append({"type": "text", "text": "\n"})
            elements.extend(one)
        kind = "rich_text_quote" if is_quote else "rich_text_section"
        parts.append({"type": kind, "elements": elements})
    return {"type": "rich_text", "elements": parts}


def _context(lines: Section) -> Element:
    """Draw small print: foreign words as plain text, our own times and links as markup."""
    shown = [one for one in lines if one]
    elements = list(itertools.islice(_context_elements(shown), 10))
    return {"type": "context", "elements": elements}


def _context_elements(lines: Section) -> Iterator[Element]:
    for is_words, run in itertools.groupby(lines, key=_is_words):
        words = " · ".join(map(line_text if not is_words else _words_of, run))
        if is_words:
            yield {"type": "plain_text", "text": words, "emoji": False}
        else:
            yield {"type": "mrkdwn", "text": words}


def _is_words(one: Line) -> bool:
    return all(element["type"] == "text" for element in one)


def _words_of(one: Line) -> str:
    return "".join(element["text"] for element in one)


def lines_of_blocks(blocks: Iterable[Element]) -> Iterator[str]:
    """Yield what blocks say as lines of mrkdwn."""
    for block in blocks:
        match block["type"]:
            case "header":
                yield mrkdwn_escape(block["text"]["text"])
            case "rich_text":
                yield from _lines_of_rich_text(block["elements"])
            case "context":
                texts = (
                    mrkdwn_escape(one["text"]) if one["type"] == "plain_text" else one["text"]
                    for one in block["elements"]
                )
                yield " · ".join(texts)


def _lines_of_rich_text(parts: Iterable[Element]) -> Iterator[str]:
    for part in parts:
        shown = [one for one in part["elements"] if one["type"] in _SPOKEN]
        # Signs that format in pairs may stand in elements beside one another.
        runs = itertools.groupby(shown, key=lambda one: one["type"] == "text")
        text = "".join(
            mrkdwn_escape("".join(one["text"] for one in run)) if is_text else line_text(tuple(run))
            for is_text, run in runs
        )
        mark = "> " if part["type"] == "rich_text_quote" else ""
        yield from (f"{mark}{one.rstrip()}" for one in text.split("\n") if one.strip())


_SPOKEN = frozenset({"text", "link", "date", "broadcast", "user", "usergroup"})


def line_text(words: Line) -> str:
    """Return a line as mrkdwn."""
    return "".join(map(_mrkdwn_of, words))


_MARKUP = re.compile(r"<[^<>|]*\|([^<>]*)>|<[!@]?([^<>|]*)>")
_UNESCAPED = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def words_of_mrkdwn(text: str) -> str:
    """Return the words of a message's text: of a link or a time what stands for it."""
    words = _MARKUP.sub(lambda found: found[1] or found[2] or "", text)
    for escaped, sign in _UNESCAPED:
        words = words.replace(escaped, sign)
    return words.strip()


_URL_MARKUP = str.maketrans({"<": "%3C", ">": "%3E", "|": "%7C", "&": "&amp;"})


def _mrkdwn_of(element: Element) -> str:
    match element["type"]:
        case "link":
            return f"<{element['url'].translate(_URL_MARKUP)}|{mrkdwn_escape(element['text'])}>"
        case "date":
            return f"<!date^{element['timestamp']}^{element['format']}|{element['fallback']}>"
        case "broadcast":
            return f"<!{element['range']}>"
        case "user":
            return f"<@{element['user_id']}>"
        case "usergroup":
            return f"<!subteam^{element['usergroup_id']}>"
        case _:
            return mrkdwn_escape(element["text"])
