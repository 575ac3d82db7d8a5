"""Checks blocks as Slack does, and stricter: what it does not know (a block, a key) it refuses.

https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from monitor.simulation.slack.messages import Json
from monitor.simulation.slack.refusals import Refused

# In UTF-16 units, but for what is counted: Slack does not say whether it counts these or
# characters, of which there are never more.
_MOST_BLOCKS = 50
_BLOCKS_LIMIT = 13_200
_HEADER_LIMIT = 150
_TEXT_LIMIT = 3_000
_FIELD_LIMIT = 2_000
_BUTTON_LIMIT = 75
_ADDRESS_LIMIT = 3_000
_BLOCK_ID_LIMIT = 255
_CELLS_LIMIT = 10_000
_MOST_ROWS = 101
_MOST_COLUMNS = 20
_MOST_ROWS_A_PAGE = 100


class RefusedBlock(Refused):
    """A block that Slack does not take: what is wrong, and a pointer to where."""

    def __init__(self, complaint: str, pointer: str) -> None:
        super().__init__("invalid_blocks", f"{complaint} [json-pointer:{pointer}]")
        self.complaint = complaint
        self.pointer = pointer


def check_blocks(blocks: object, unknown: Collection[str] = ()) -> None:
    """Raise `Refused` with `invalid_blocks` or `msg_blocks_too_long`, as Slack would.

    `unknown` are types of blocks that the workspace does not take.

    How Slack counts all blocks together is not documented; text alone it is not, since
    each block and element counts some too. Here it is the JSON without spaces, which is
    more than Slack counts for long addresses. The cells of data tables have a limit of
    their own.
    https://github.com/slackapi/bolt-js/issues/2867
    """
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    _expect(len(blocks) <= _MOST_BLOCKS, "no more than 50 items allowed", "/blocks")
    for index, block in enumerate(blocks):
        _check_block(block, f"/blocks/{index}", unknown)
    block_ids = [block["block_id"] for block in blocks if "block_id" in block]
    _expect(len(block_ids) == len(set(block_ids)), "block_id must be unique", "/blocks")
    _check_sizes(blocks)


def _check_sizes(blocks: Sequence[Json]) -> None:
    tables = [block for block in blocks if block["type"] == "data_table"]
    others = [block for block in blocks if block["type"] != "data_table"]
    size = _length(json.dumps(others, ensure_ascii=False, separators=(",", ":")))
    if size > _BLOCKS_LIMIT:
        raise Refused("msg_blocks_too_long", f"{size} characters")
    size = sum(map(_length, _words_in([table["rows"] for table in tables])))
    _expect(size <= _CELLS_LIMIT, f"{size} characters in all cells", "/blocks")


def _length(words: str) -> int:
    """Return how long a text is in UTF-16 units."""
    return len(words.encode("utf-16-le", "surrogatepass")) // 2


def _words_in(value: Any) -> Iterator[str]:
    """Yield all text in cells: words, and the addresses behind them."""
    match value:
        case list():
            for one in value:
                yield from _words_in(one)
        case dict():
            for key, one in value.items():
                if key in ("text", "url") and isinstance(one, str):
                    yield one
                else:
                    yield from _words_in(one)


def _expect(holds: bool, otherwise: str, pointer: str) -> None:
    if not holds:
        raise RefusedBlock(otherwise, pointer)


def _check_block(block: Any, pointer: str, unknown: Collection[str]) -> None:
    _expect(isinstance(block, dict), "must be an object", pointer)
    kind = str(block.get("type"))
    check = None if kind in unknown else _BLOCKS.get(kind)
    _expect(check is not None, f"unsupported type: {block.get('type')}", pointer)
    is_known = kind in _UNKNOWN_TO_THE_SDK or _survives(block)
    _expect(is_known, "an unknown key, an empty value or one too long", pointer)
    if check is not None:
        check(block, pointer)


def _survives(block: Json) -> bool:
    """Return whether the SDK writes a block as it read it: it drops what it does not know."""
    try:
        parsed = Block.parse(block)
        return parsed is not None and bool(parsed.to_dict() == block)
    except (SlackObjectFormationError, TypeError, KeyError, AttributeError):
        return False


def _check_text(words: Any, pointer: str, *, limit: int, is_plain: bool = False) -> None:
    _expect(isinstance(words, dict), "must be a text object", pointer)
    allowed = ("plain_text",) if is_plain else ("plain_text", "mrkdwn")
    _expect(words.get("type") in allowed, f"type must be one of {allowed}", f"{pointer}/type")
    content = words.get("text")
    _expect(
        isinstance(content, str) and 0 < _length(content) <= limit,
        f"1 to {limit} characters",
        pointer,
    )


def _check_header(block: Json, pointer: str) -> None:
    _check_text(block.get("text"), f"{pointer}/text", limit=_HEADER_LIMIT, is_plain=True)


def _check_section(block: Json, pointer: str) -> None:
    if "text" in block:
        _check_text(block["text"], f"{pointer}/text", limit=_TEXT_LIMIT)
    fields = block.get("fields", [])
    _expect(len(fields) <= 10, "no more than 10 items allowed", f"{pointer}/fields")
    for index, words in enumerate(fields):
        _check_text(words, f"{pointer}/fields/{index}", limit=_FIELD_LIMIT)
    _expect("text" in block or bool(fields), "text or fields required", pointer)
    if "accessory" in block:
        _check_element(block["accessory"], f"{pointer}/accessory", allowed=("button", "image"))


def _check_context(block: Json, pointer: str) -> None:
    elements = block.get("elements", [])
    _expect(1 <= len(elements) <= 10, "1 to 10 items allowed", f"{pointer}/elements")
    for index, element in enumerate(elements):
        where = f"{pointer}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            _check_image(element, where)
        else:
            _check_text(element, where, limit=_TEXT_LIMIT)


def _check_actions(block: Json, pointer: str) -> None:
    elements = block.get("elements", [])
    _expect(1 <= len(elements) <= 25, "1 to 25 items allowed", f"{pointer}/elements")
    for index, element in enumerate(elements):
        _check_element(element, f"{pointer}/elements/{index}", allowed=("button",))
    ids = [element["action_id"] for element in elements if "action_id" in element]
    _expect(len(ids) == len(set(ids)), "action_id must be unique", f"{pointer}/elements")


def _check_element(element: Any, pointer: str, *, allowed: tuple[str, ...]) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    _expect(kind in allowed, f"unsupported type: {kind}", pointer)
    if kind == "image":
        _check_image(element, pointer)
        return
    _check_text(element.get("text"), f"{pointer}/text", limit=_BUTTON_LIMIT, is_plain=True)
    if "url" in element:
        _check_address(element["url"], f"{pointer}/url")


def _check_image(image: Json, pointer: str) -> None:
    _expect(bool(image.get("alt_text")), "alt_text required", pointer)
    _check_address(image.get("image_url"), f"{pointer}/image_url")


def _check_address(address: object, pointer: str) -> None:
    is_one = (
        isinstance(address, str) and _ADDRESS.fullmatch(address) and len(address) <= _ADDRESS_LIMIT
    )
    _expect(bool(is_one), "must be a URL", pointer)


_ADDRESS = re.compile(r"https?://[^\s<>/?#]+\S*")


def _check_nothing(_: Json, __: str) -> None:
    """A divider has nothing more to check."""


# https://docs.slack.dev/reference/block-kit/blocks/data-table-block
_TABLE_KEYS = frozenset(
    {"type", "caption", "rows", "page_size", "row_header_column_index", "block_id"}
)


def _check_data_table(block: Json, pointer: str) -> None:
    _expect(block.keys() <= _TABLE_KEYS, "an unknown key", pointer)
    _expect(_is_words(block.get("caption")), "caption required", f"{pointer}/caption")
    block_id = block.get("block_id", "x")
    is_id = _is_words(block_id) and _length(block_id) <= _BLOCK_ID_LIMIT
    _expect(is_id, "1 to 255 characters", f"{pointer}/block_id")
    rows = block.get("rows")
    is_list = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    if not is_list or not isinstance(rows, list):
        raise RefusedBlock("must be an array of arrays", f"{pointer}/rows")
    _expect(2 <= len(rows) <= _MOST_ROWS, f"2 to {_MOST_ROWS} items allowed", f"{pointer}/rows")
    columns = len(rows[0])
    is_wide = 1 <= columns <= _MOST_COLUMNS
    _expect(is_wide, f"1 to {_MOST_COLUMNS} items allowed", f"{pointer}/rows/0")
    _check_number(block.get("page_size", 5), 1, _MOST_ROWS_A_PAGE, f"{pointer}/page_size")
    index = block.get("row_header_column_index", 0)
    _check_number(index, 0, columns - 1, f"{pointer}/row_header_column_index")
    for number, row in enumerate(rows):
        where = f"{pointer}/rows/{number}"
        _expect(len(row) == columns, f"must have {columns} items", where)
        for column, cell in enumerate(row):
            _check_cell(cell, f"{where}/{column}", is_header=number == 0)


def _check_number(value: object, least: int, most: int, pointer: str) -> None:
    is_in_range = type(value) is int and least <= value <= most
    _expect(is_in_range, f"{least} to {most} allowed", pointer)


def _check_cell(cell: Any, pointer: str, *, is_header: bool) -> None:
    kind = cell.get("type") if isinstance(cell, dict) else None
    match kind:
        case "raw_text":
            is_whole = cell.keys() == {"type", "text"} and _is_words(cell["text"])
            _expect(is_whole, "text required, and nothing else", pointer)
        case "raw_number":
            is_whole = cell.keys() <= {"type", "value", "text"} and _is_number(cell.get("value"))
            _expect(is_whole, "value required", pointer)
        case "rich_text" if not is_header:
            _expect(_survives(cell), "an unknown key, an empty value or one too long", pointer)
            _check_rich_text(cell, pointer)
        case _:
            _expect(False, f"unsupported type: {kind}", pointer)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_rich_text(block: Json, pointer: str) -> None:
    elements = block.get("elements", [])
    _expect(len(elements) > 0, "elements required", pointer)
    for index, element in enumerate(elements):
        where = f"{pointer}/elements/{index}"
        kind = element["type"]
        _expect(kind in _RICH_CONTAINERS, f"unsupported type: {kind}", where)
        if kind == "rich_text_list":
            _check_rich_list(element, where)
        else:
            _check_inline(element["elements"], where, _RICH_CONTAINERS[kind])


def _check_rich_list(element: Json, pointer: str) -> None:
    _expect(element.get("style") in ("bullet", "ordered"), "bullet or ordered", f"{pointer}/style")
    _expect(element.get("indent", 0) in range(9), "0 to 8", f"{pointer}/indent")
    for index, item in enumerate(element["elements"]):
        where = f"{pointer}/elements/{index}"
        _expect(item["type"] == "rich_text_section", "must be a rich_text_section", where)
        _check_inline(item["elements"], where, _INLINE)


def _check_inline(elements: Iterable[Json], pointer: str, allowed: Iterable[str]) -> None:
    for index, element in enumerate(elements):
        where = f"{pointer}/elements/{index}"
        kind = element["type"]
        _expect(kind in allowed, f"unsupported type: {kind}", where)
        for key, is_right in _INLINE[kind].items():
            _expect(is_right(element.get(key)), f"{key} is missing or wrong", where)
        style = element.get("style", {})
        is_style = isinstance(style, dict) and all(
            mark in _STYLES and isinstance(is_on, bool) for mark, is_on in style.items()
        )
        _expect(is_style, "not a style", f"{where}/style")


_STYLES = frozenset({"bold", "italic", "strike", "code", "underline"})


def _is_words(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_words_or_absent(value: object) -> bool:
    return value is None or _is_words(value)


def _matches(pattern: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


_INLINE: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "text": {"text": _is_words},
    "link": {"url": _matches(r"(https?://[^\s<>/?#]+|mailto:)\S*"), "text": _is_words_or_absent},
    "emoji": {"name": _matches(r"[a-z0-9_+'\-]+")},
    "user": {"user_id": _matches(r"[UW][A-Z0-9]+")},
    "usergroup": {"usergroup_id": _matches(r"S[A-Z0-9]+")},
    "channel": {"channel_id": _matches(r"C[A-Z0-9]+")},
    "broadcast": {"range": _matches("here|channel|everyone")},
    "date": {
        "timestamp": lambda value: type(value) is int,
        "format": _matches(r"(?s).*\{[a-z_]+\}.*"),
        "fallback": _is_words_or_absent,
    },
}
_RICH_CONTAINERS: Mapping[str, Iterable[str]] = {
    "rich_text_section": _INLINE,
    "rich_text_quote": _INLINE,
    "rich_text_preformatted": ("text", "link"),
    "rich_text_list": (),
}
_BLOCKS: Mapping[str, Callable[[Json, str], None]] = {
    "header": _check_header,
    "section": _check_section,
    "context": _check_context,
    "actions": _check_actions,
    "image": _check_image,
    "divider": _check_nothing,
    "rich_text": _check_rich_text,
    "data_table": _check_data_table,
}
_UNKNOWN_TO_THE_SDK = frozenset({"data_table"})
