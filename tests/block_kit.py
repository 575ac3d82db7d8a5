"""What Slack would refuse or misread in a message: a list of complaints, empty for a good one.

Slack's own reference and its SDK's models say what a message may hold; beside that no word
that is not ours may stand where Slack interprets text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from monitor.model import Message

_OUR_LINK = re.compile(
    r"<https?://[^\s<>|]+\|(?:Open in Nuon|Open install|Open the first|the attempt before)>"
)
_ADDRESS = re.compile(r"https?://\S{1,500}")
_OUR_DATE = re.compile(
    r"<!date\^-?\d+\^\{date_short_pretty\} \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
)
_DATE_MARKUP = re.compile(r"<!date[^|]*\|([^>]*)>")
_ENTITIES = re.compile(r"&(?:amp|lt|gt);")
_FORMATS = re.compile(r"[*~`]|(?<![^\W_])_[^_\n]+_(?![^\W_])|://|:[\w+'-]+:")
_SMALL_PRINT = re.compile(r"(?:Open in Nuon| · |last change |\s)*")
_RICH_TEXT_ELEMENTS = {"text", "link", "date"}


def complaints(message: Message) -> list[str]:
    """Return everything that is wrong with a message."""
    return [*_about_text(message.text), *_about_blocks(list(message.blocks))]


def drawn(message: Message) -> str:
    """Return what the blocks show: links as `[text]`, dates in UTC, `---` between blocks."""
    return "\n---\n".join(_shown(block) for block in message.blocks)


def _shown(block: dict[str, Any]) -> str:
    match block["type"]:
        case "header":
            return str(block["text"]["text"])
        case "context":
            text = "".join(element["text"] for element in block["elements"])
            return re.sub(r"<http[^|]*\|([^>]*)>", r"[\1]", _DATE_MARKUP.sub(r"\1", text))
        case _:
            return "".join(
                element.get("fallback") or element["text"]
                if element["type"] != "link"
                else f"[{element['text']}]"
                for section in block["elements"]
                for element in section["elements"]
            )


def _about_text(text: str) -> Iterator[str]:
    if not text.strip():
        yield "the text is empty"
    if len(text) > 3_000:
        yield f"the text has {len(text)} characters"
    yield from _about_mrkdwn(text)


def _about_mrkdwn(text: str) -> Iterator[str]:
    """Complain of markup other than our own links and dates."""
    rest = _OUR_DATE.sub("", _OUR_LINK.sub("", text))
    if re.search(r"[<>]", rest) or "&" in _ENTITIES.sub("", rest):
        yield f"markup in {rest!r}"
    if found := _FORMATS.search(rest):
        yield f"{found[0]!r} formats in {rest!r}"


def _about_blocks(blocks: list[dict[str, Any]]) -> Iterator[str]:
    if not blocks:
        return
    try:
        if [block.to_dict() for block in Block.parse_all(blocks)] != blocks:
            yield "slack_sdk reads something else in the blocks"
    except SlackObjectFormationError as error:
        yield f"slack_sdk refuses the blocks: {error}"
    if len(blocks) > 50:
        yield f"{len(blocks)} blocks"
    if (size := len(json.dumps(blocks))) > 12_000:
        yield f"the blocks have {size} characters"
    json.dumps(blocks, ensure_ascii=False).encode()  # a lone surrogate would raise
    for block in blocks:
        match block["type"]:
            case "header":
                yield from _about_header(block["text"])
            case "context":
                yield from _about_context(block["elements"])
            case "rich_text":
                yield from _about_rich_text(block["elements"])
            case other:
                yield f"a block of type {other} is not used here"


def _about_header(text: dict[str, Any]) -> Iterator[str]:
    if text["type"] != "plain_text" or text.get("emoji") is not False:
        yield "a header that is not plain"
    if not 1 <= len(text["text"]) <= 150:
        yield f"a header of {len(text['text'])} characters"


def _about_context(elements: list[dict[str, Any]]) -> Iterator[str]:
    if not 1 <= len(elements) <= 10:
        yield f"{len(elements)} elements in a context"
    for element in elements:
        words = _OUR_DATE.sub("", _OUR_LINK.sub("", element["text"]))
        if not _SMALL_PRINT.fullmatch(words):
            yield f"foreign words where Slack formats: {words!r}"


def _about_rich_text(sections: list[dict[str, Any]]) -> Iterator[str]:
    for section in sections:
        if section["type"] != "rich_text_section" or not section["elements"]:
            yield f"an empty or strange part of rich text: {section}"
        for element in section["elements"]:
            if element["type"] not in _RICH_TEXT_ELEMENTS:
                yield f"a rich text element of type {element['type']}"
            elif not (element.get("text") or element.get("fallback")):
                yield f"an empty text: {element}"
            elif element["type"] == "link" and not _ADDRESS.fullmatch(element["url"]):
                yield f"a strange address: {element['url']!r}"
