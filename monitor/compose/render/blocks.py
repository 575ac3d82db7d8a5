"""Elements, lines and messages: what Slack draws, and the same as text, within its limits.

Foreign words go into `text` elements and headers only. A link's text is ours or of the user's
own configuration, the footer is ours. Nothing here pings: see `first_line`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.model import Message
from monitor.text import cut_to_utf16, mrkdwn_escape, plain

# https://docs.slack.dev/reference/block-kit/blocks: 150 characters in a header. All blocks
# together are refused above some 13,200 characters, which is written down nowhere.
HEADER_LIMIT = 150
BLOCKS_LIMIT = 12_000
TEXT_LIMIT = 3_000
# What we allow a name in a headline, and a word such as a status.
TITLE_LIMIT = 75
WORD_LIMIT = 40

Element = dict[str, Any]
Line = tuple[Element, ...]
Section = Sequence[Line]


def headed_message(
    header: str,
    sections: Sequence[Section],
    footer: Line = (),
) -> Message:
    """Draw sections below a header; those without a line are left out."""
    shown = [section for section in sections if section]
    blocks: list[Element] = [
        {
            "type": "header",
            "text": {
                "type": "plain_text",
                "text": cut_to_utf16(header, HEADER_LIMIT),
                "emoji": False,
            },
        },
        *(rich_text(section) for section in shown),
    ]
    if footer:
        blocks.append(_context(footer))
    lines = [line(header), *itertools.chain(*shown), footer]
    return Message(_text_of(lines), tuple(blocks))


def bare_message(lead: Section, lines: Section) -> Message:
    """Draw lines alone; `lead` is for their text only."""
    return Message(_text_of([*lead, *lines]), (rich_text(lines),))


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


def bold(text: str) -> Element:
    return {"type": "text", "text": text, "style": {"bold": True}}


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
    elements: list[Element] = []
    for one in lines:
        if elements:
            elements.append({"type": "text", "text": "\n"})
        elements.extend(one)
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": elements}],
    }


def _context(words: Line) -> Element:
    """Draw a line of our own words in small type; only mrkdwn can do that."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": line_text(words)}]}


def _text_of(lines: Iterable[Line]) -> str:
    """Return lines as mrkdwn text, as many as there is room for."""
    text = ""
    for one in lines:
        longer = f"{text}\n{line_text(one)}"
        if len(longer) > TEXT_LIMIT:
            break
        text = longer
    return text.strip("\n")


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
