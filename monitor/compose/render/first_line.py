"""The first line of a message: what it says by itself, and whom it mentions.

A message is drawn without mentions. They are put in when it is sent, because only then is known
whether what they are for is still active. They stand behind the words, so that a phone shows
first what has happened.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterator, Sequence

from monitor.compose.render.blocks import (
    WORD_LIMIT,
    Element,
    Line,
    line,
    line_text,
    rich_text,
)
from monitor.model import Mention, MentionKind, Message
from monitor.text import plain

# https://docs.slack.dev/reference/methods/chat.postMessage: more is advised against.
_TEXT_LIMIT = 4_000
_MOST_BLOCKS = 50
_MENTIONS_LIMIT = 1_000
"""Characters of mentions in blocks: what is kept free above the budget of all other blocks."""


def first_line(message: Message) -> str:
    """Return the first line of a message's text as it is read, without markup."""
    words = message.text.partition("\n")[0]
    return html.unescape(_LABELLED.sub(r"\1", words)).replace("\u2060", "")


def with_mentions(message: Message, mentions: Sequence[Mention]) -> Message:
    """Return a message that pings. One who is not known on Slack is only named."""
    named = mention_line(mentions)
    if not named:
        return message
    first, *others = message.text.split("\n")
    text = f"{first} {line_text(named)}"
    for other in others:
        if len(text) + 1 + len(other) > _TEXT_LIMIT:
            break
        text = f"{text}\n{other}"
    shown = _within_limit(named)
    return Message(
        text, _with_mentions(message.blocks, shown), _with_mentions(message.instead, shown)
    )


_LABELLED = re.compile(r"<[^|>]*\|([^>]*)>")

# Slack's ids: what is none could break out of its markup.
_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")
_GROUP_ID = re.compile(r"S[A-Z0-9]{1,30}")


def mention_line(mentions: Sequence[Mention]) -> Line:
    """Return whom a message pings, each once. One who is not known on Slack is only named."""
    named = itertools.chain.from_iterable(map(_mention, dict.fromkeys(mentions)))
    return line(*itertools.islice((part for one in named for part in (" ", one)), 1, None))


def _mention(mention: Mention) -> Iterator[Element]:
    match mention.kind:
        case MentionKind.HERE:
            yield {"type": "broadcast", "range": "here"}
        case MentionKind.CHANNEL:
            yield {"type": "broadcast", "range": "channel"}
        case MentionKind.USER if _USER_ID.fullmatch(mention.id):
            yield {"type": "user", "user_id": mention.id}
        case MentionKind.GROUP if _GROUP_ID.fullmatch(mention.id):
            yield {"type": "usergroup", "usergroup_id": mention.id}
        case MentionKind.STARTED_BY if shown := plain(mention.id, WORD_LIMIT, fallback=""):
            yield {"type": "text", "text": shown}


def _within_limit(named: Line) -> Line:
    """Return as many mentions as there is room for in blocks; the text has all of them."""
    sizes = itertools.accumulate(len(json.dumps(element)) + 2 for element in named)
    return tuple(one for one, size in zip(named, sizes, strict=True) if size <= _MENTIONS_LIMIT)


def with_line(blocks: Sequence[Element], words: Line) -> tuple[Element, ...]:
    """Put a line below the first block. Where there is no room, the small print has to go."""
    return (blocks[0], rich_text([words]), *blocks[1 : _MOST_BLOCKS - 1]) if blocks else ()


def _with_mentions(blocks: Sequence[Element], named: Line) -> tuple[Element, ...]:
    """Put the mentions at the end of the first line, or below it where no mention can stand."""
    if not blocks:
        return ()
    first, *others = blocks
    if first["type"] == "rich_text" and first["elements"][0]["type"] == "rich_text_section":
        return (_at_end_of_first_line(first, named), *others)
    return with_line(blocks, named)


def _at_end_of_first_line(block: Element, named: Line) -> Element:
    section, *others = block["elements"]
    before: list[Element] = []
    rest = list(section["elements"])
    while rest and "\n" not in rest[0].get("text", ""):
        before.append(rest.pop(0))
    if rest:
        words, _, further = rest[0]["text"].partition("\n")
        before += [{**rest[0], "text": words}] if words else []
        rest[0] = {**rest[0], "text": f"\n{further}"}
    elements = [*before, *line(" "), *named, *rest]
    return {**block, "elements": [{**section, "elements": elements}, *others]}
