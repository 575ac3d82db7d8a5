"""Checks blocks as Slack does, and stricter: what it does not know (a block, a key) it refuses.

https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from monitor.simulation.slack.messages import Json
from monitor.simulation.slack.refusals import Refused

# In characters, but for the blocks of a message.
_MOST_BLOCKS = 50
_BLOCKS_LIMIT = 13_200
_HEADER_LIMIT = 150
_TEXT_LIMIT = 3_000
_FIELD_LIMIT = 2_000
_BUTTON_LIMIT = 75
_ADDRESS_LIMIT = 3_000


def check_blocks(blocks: object) -> None:
    """Raise `Refused` with `invalid_blocks` or `msg_blocks_too_long`, as Slack would.

    How Slack counts all blocks together is not documented; text alone it is not, since
    each block and element counts some too. Here it is the JSON without spaces, which is
    more than Slack counts for long addresses.
    https://github.com/slackapi/bolt-js/issues/2867
    """
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    _expect(len(blocks) <= _MOST_BLOCKS, "no more than 50 items allowed", "/blocks")
    for index, block in enumerate(blocks):
        _check_block(block, f"/blocks/{index}")
    block_ids = [block["block_id"] for block in blocks if "block_id" in block]
    _expect(len(block_ids) == len(set(block_ids)), "block_id must be unique", "/blocks")
    size = len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))
    if size > _BLOCKS_LIMIT:
        raise Refused("msg_blocks_too_long", f"{size} characters")


def _expect(holds: bool, otherwise: str, pointer: str) -> None:
    if not holds:
        raise Refused("invalid_blocks", f"{otherwise} [json-pointer:{pointer}]")


def _check_block(block: Any, pointer: str) -> None:
    _expect(isinstance(block, dict), "must be an object", pointer)
    check = _BLOCKS.get(str(block.get("type")))
    _expect(check is not None, f"unsupported type: {block.get('type')}", pointer)
    _expect(_survives(block), "an unknown key, an empty value or one too long", pointer)
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
        isinstance(content, str) and 0 < len(content) <= limit, f"1 to {limit} characters", pointer
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
}
