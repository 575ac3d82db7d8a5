"""What Slack would refuse or misread in a message: a list of complaints, empty for a good one.

Slack's own reference and its SDK's models say what a message may hold; beside that no word
that is not ours may stand where Slack interprets text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from monitor.model import Message

_OUR_WORDS = (
    *("Open releases", "Open run", "Open workflow", "Open install", "Open app"),
    *("Open component", "Open build"),
)
_ADDRESS = re.compile(r"https?://\S{1,500}")
_OUR_DATE = re.compile(
    r"<!date\^-?\d+\^\{date_short_pretty\} \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
)
_DATE_MARKUP = re.compile(r"<!date[^|]*\|([^>]*)>")
_ENTITIES = re.compile(r"&(?:amp|lt|gt);")
_FORMATS = re.compile(
    r"(?<![^\W_])(?P<sign>[*_~])(?![\s*_~])[^\n]*?(?<=\S)(?P=sign)(?![^\W_])|`[^\n]*`"
    r"|://|:[\w+'-]+:"
)
_SMALL_PRINT = re.compile(
    r"(?: · |\s|started|updated|sent|from|to|since"
    r"|No poll has succeeded since|Nuon has answered so since"
    r"|[\d,]+ messages? waiting, kept in order, since)*"
)
_SENTENCE_LIMIT = 110
_INVISIBLE = "\u2060"
_RICH_TEXT_ELEMENTS = {"text", "link", "date"}
_MENTIONS = {"broadcast": "range", "user": "user_id", "usergroup": "usergroup_id"}
_FOR_MENTIONS = 1_000
_PINGS = {"broadcast": "<!{}>", "user": "<@{}>", "usergroup": "<!subteam^{}>"}


def complaints(
    message: Message,
    *,
    pings: Sequence[str] = (),
    links: Collection[str] = (),
    longest_sentence: int = _SENTENCE_LIMIT,
) -> list[str]:
    """Return everything that is wrong with a message.

    `pings` are what it may ping and does, in this order and behind its first words, such as
    `<!here>`; `links` are what a user's own links are called.
    """
    blocks, text = list(message.blocks), message.text
    expected = " ".join(pings)
    found = []
    first, _, others = text.partition("\n")
    words, ping, named = first.rpartition(expected) if expected else (first, "", "")
    if ping != expected or (expected and not words):
        found.append(f"the first line does not say something and then {expected}")
    if blocks and tuple(_pings_of(blocks)) != tuple(pings):
        found.append(f"the blocks ping {list(_pings_of(blocks))}")
    sentence = html.unescape(words.replace(_INVISIBLE, "")).strip()
    if len(sentence) > longest_sentence:
        found.append(f"the sentence has {len(sentence)} characters: {sentence!r}")
    our_links = "|".join(map(re.escape, [*_OUR_WORDS, *links]))
    spare = _FOR_MENTIONS if pings else 0
    rules = _Rules(re.compile(rf"<https?://[^\s<>|]+\|(?:{our_links})>"), spare)
    return [*found, *rules.about_text(f"{words}{named}\n{others}"), *rules.about_blocks(blocks)]


def _pings_of(blocks: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what a message pings, if it stands in its first line, or right below a header."""
    is_headed = bool(blocks) and blocks[0]["type"] == "header"
    for block in blocks:
        for section in block["elements"] if block["type"] == "rich_text" else ():
            for position, element in enumerate(section["elements"]):
                if (key := _MENTIONS.get(element["type"])) is not None:
                    before = section["elements"][:position]
                    is_behind_words = (
                        block is blocks[1]
                        if is_headed
                        else block is blocks[0] and _ends_first_line(before)
                    )
                    ping = _PINGS[element["type"]].format(element[key])
                    yield ping if is_behind_words else f"{ping}, and not in the first line"


def _ends_first_line(elements: list[dict[str, Any]]) -> bool:
    has_words = any(element["type"] not in _MENTIONS for element in elements)
    return has_words and not any("\n" in element.get("text", "") for element in elements)


def drawn(message: Message) -> str:
    """Return what the blocks show: links as `[text]`, dates in UTC, `---` between blocks."""
    return "\n---\n".join(_shown(block) for block in message.blocks)


def links_in(message: Message) -> list[tuple[str, str]]:
    """Return the links of a message's rich text, each with what it is called and its address."""
    return [
        (element["text"], element["url"])
        for block in message.blocks
        if block["type"] == "rich_text"
        for part in block["elements"]
        for element in part["elements"]
        if element["type"] == "link"
    ]


def _shown(block: dict[str, Any]) -> str:
    match block["type"]:
        case "header":
            return str(block["text"]["text"])
        case "data_table":
            return "\n".join(" | ".join(map(_shown_cell, row)) for row in block["rows"])
        case "context":
            text = " · ".join(element["text"] for element in block["elements"])
            return re.sub(r"<http[^|]*\|([^>]*)>", r"[\1]", _DATE_MARKUP.sub(r"\1", text))
        case _:
            return "\n".join(map(_shown_part, block["elements"]))


def _shown_part(part: dict[str, Any]) -> str:
    shown = "".join(map(_shown_element, part["elements"]))
    if part["type"] == "rich_text_quote":
        return "\n".join(f"> {line}" for line in shown.split("\n"))
    return shown


def _shown_cell(cell: dict[str, Any]) -> str:
    return _shown(cell) if cell["type"] == "rich_text" else str(cell["text"])


def _shown_element(element: dict[str, Any]) -> str:
    if key := _MENTIONS.get(element["type"]):
        return f"@{element[key]}"
    if element["type"] == "link":
        return f"[{element['text']}]"
    return str(element.get("fallback") or element["text"])


@dataclass(frozen=True)
class _Rules:
    """What is allowed to stand where; `our_link` matches a link in Slack's markup."""

    our_link: re.Pattern[str]
    spare: int

    def about_text(self, text: str) -> Iterator[str]:
        if not text.strip():
            yield "the text is empty"
        _, *others = text.strip().split("\n")
        if len(others) > 1 or not all(map(self.our_link.fullmatch, others)):
            yield f"more than one link below the sentence: {others}"
        yield from self._about_mrkdwn(text)

    def _about_mrkdwn(self, text: str) -> Iterator[str]:
        """Complain of markup other than our own links and dates."""
        rest = _OUR_DATE.sub("", self.our_link.sub("", text))
        if re.search(r"[<>]", rest) or "&" in _ENTITIES.sub("", rest):
            yield f"markup in {rest!r}"
        if found := _FORMATS.search(rest):
            yield f"{found[0]!r} formats in {rest!r}"

    def about_blocks(self, blocks: list[dict[str, Any]]) -> Iterator[str]:
        if not blocks:
            return
        known = [block for block in blocks if block["type"] != "data_table"]
        try:
            if [block.to_dict() for block in Block.parse_all(known)] != known:
                yield "slack_sdk reads something else in the blocks"
        except SlackObjectFormationError as error:
            yield f"slack_sdk refuses the blocks: {error}"
        if len(blocks) > 50:
            yield f"{len(blocks)} blocks"
        # The cells of a table have a limit of their own.
        wire = json.dumps(known, ensure_ascii=False, separators=(",", ":"))
        if (size := utf16(wire)) > 12_000 + self.spare:
            yield f"the blocks have {size} characters"
        json.dumps(blocks, ensure_ascii=False).encode()  # a lone surrogate would raise
        for block in blocks:
            match block["type"]:
                case "header":
                    yield from _about_header(block["text"])
                case "context":
                    yield from self._about_context(block["elements"])
                case "rich_text":
                    yield from _about_rich_text(block["elements"])
                case "data_table":
                    yield from _about_data_table(block)
                case other:
                    yield f"a block of type {other} is not used here"

    def _about_context(self, elements: list[dict[str, Any]]) -> Iterator[str]:
        if not 1 <= len(elements) <= 10:
            yield f"{len(elements)} elements in a context"
        for element in elements:
            if element["type"] == "plain_text":
                yield from _about_plain_text(element)
                continue
            words = _OUR_DATE.sub("", self.our_link.sub("", element["text"]))
            if not _SMALL_PRINT.fullmatch(words):
                yield f"foreign words where Slack formats: {words!r}"


def _about_plain_text(text: dict[str, Any]) -> Iterator[str]:
    if text["type"] != "plain_text" or text.get("emoji") is not False:
        yield f"a text that is not plain: {text}"


def _about_header(text: dict[str, Any]) -> Iterator[str]:
    yield from _about_plain_text(text)
    if not 1 <= utf16(text["text"]) <= 150:
        yield f"a header of {len(text['text'])} characters"


def utf16(text: str) -> int:
    """Return the length of a text as Slack may count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _about_data_table(block: dict[str, Any]) -> Iterator[str]:
    head, *rows = block["rows"]
    cells = [cell for row in block["rows"] for cell in row]
    if not 1 <= len(rows) <= 100 or any(len(row) != len(head) for row in rows):
        yield f"{len(rows)} rows, or of different lengths"
    if any(cell["type"] != "raw_text" for cell in head):
        yield "a header that is not plain"
    size = 0
    for cell in cells:
        if cell["type"] == "rich_text":
            yield from _about_rich_text(cell["elements"])
            inline = [one for section in cell["elements"] for one in section["elements"]]
            size += sum(utf16(one["text"] + one["url"]) for one in inline)
        elif cell.keys() != {"type", "text"} or not cell["text"]:
            yield f"a strange cell: {cell}"
        else:
            size += utf16(cell["text"])
    if size > 10_000:
        yield f"{size} characters in all cells"
    if not 1 <= utf16(block["caption"]) <= 150 or not 1 <= block["page_size"] <= 100:
        yield "a strange caption or page"


def _about_rich_text(sections: list[dict[str, Any]]) -> Iterator[str]:
    for section in sections:
        if (
            section["type"] not in ("rich_text_section", "rich_text_quote")
            or not section["elements"]
        ):
            yield f"an empty or strange part of rich text: {section}"
        for element in section["elements"]:
            if element["type"] in _MENTIONS:
                continue  # judged by whom it pings
            if element["type"] not in _RICH_TEXT_ELEMENTS:
                yield f"a rich text element of type {element['type']}"
            elif not (element.get("text") or element.get("fallback")):
                yield f"an empty text: {element}"
            elif element["type"] == "link" and not _ADDRESS.fullmatch(element["url"]):
                yield f"a strange address: {element['url']!r}"
