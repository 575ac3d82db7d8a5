"""A Slack message as plain lines: what its reader sees of Block Kit, mrkdwn and rich text.

The simulated Slack and the audit read messages with this, and with nothing of the product,
which draws messages in a terminal by code of its own. Times are in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.emoji import Emoji, NoEmoji

Block = Mapping[str, Any]

_QUOTE, _CODE = "▎ ", "┆ "


def plain_text(blocks: Sequence[Block], *, text: str, is_mrkdwn: bool = True) -> str:
    """Return a message line by line: its blocks, or without any its text."""
    if not blocks:
        return _quoted(plain_mrkdwn(text, is_formatted=is_mrkdwn))
    return "\n".join(line for block in blocks for line in _of_block(block))


def plain_mrkdwn(text: str, *, is_formatted: bool = True) -> str:
    """Return Slack's markup without its signs; not formatted, only `<…>` is markup."""
    grammar = _FORMATTED if is_formatted else _ANGLE
    parts, end = [], 0
    for match in grammar.finditer(text):
        parts += [_unescaped(text[end : match.start()]), _of_mark(match)]
        end = match.end()
    return "".join([*parts, _unescaped(text[end:])])


# Blocks


def _of_block(block: Block) -> Iterator[str]:
    match block:
        case {"type": "header", "text": words}:
            yield _words(words)
        case {"type": "section"}:
            yield from _of_section(block)
        case {"type": "context", "elements": elements}:
            yield "  ".join(map(_element, elements))
        case {"type": "actions", "elements": elements}:
            yield "  ".join(map(_element, elements))
        case {"type": "divider"}:
            yield "───"
        case {"type": "data_table", "caption": caption, "rows": rows}:
            yield str(caption)
            for row in rows:
                yield "  ".join(map(_cell, row))
        case {"type": "rich_text", "elements": elements}:
            for element in elements:
                yield from _of_rich_text(element)
        case _:
            yield _element(block)


def _of_section(block: Block) -> Iterator[str]:
    if "text" in block:
        yield _quoted(_words(block["text"]))
    yield from map(_words, block.get("fields", ()))
    if "accessory" in block:
        yield _element(block["accessory"])


def _cell(cell: Block) -> str:
    match cell:
        case {"type": "rich_text"}:
            return "\n".join(_of_block(cell))
        case {"type": "raw_number", "value": value}:
            return str(value)
        case _:
            return str(cell["text"])


def _element(element: Block) -> str:
    match element:
        case {"type": "button", "text": words}:
            return f"[{_words(words)}]"
        case {"type": "image"}:
            return f"[{element.get('alt_text', 'image')}]"
        case {"type": "mrkdwn" | "plain_text"}:
            return _words(element)
        case _:
            return f"[{element.get('type')}]"


def _words(words: Block) -> str:
    content = str(words["text"])
    if words["type"] == "mrkdwn":
        return plain_mrkdwn(content)
    return _EMOJI.sub(lambda match: _emoji(match["emoji"]), content)


def _quoted(text: str) -> str:
    """Mark the lines that mrkdwn quotes: those that begin with `>`."""
    return re.sub("^> ?", _QUOTE, text, flags=re.MULTILINE)


# Rich text


def _of_rich_text(element: Block) -> Iterator[str]:
    inline = element.get("elements", ())
    match element.get("type"):
        case "rich_text_list":
            yield from _of_list(element)
        case "rich_text_quote":
            yield _prefixed(_QUOTE, _inline(inline), _QUOTE)
        case "rich_text_preformatted":
            yield _prefixed(_CODE, _inline(inline), _CODE)
        case _:
            yield _inline(inline)


def _of_list(element: Block) -> Iterator[str]:
    indent = "  " * int(element.get("indent", 0))
    for number, item in enumerate(element["elements"], 1 + int(element.get("offset", 0))):
        mark = f"{number}." if element.get("style") == "ordered" else "•"
        lead = f"{indent}{mark} "
        yield _prefixed(lead, _inline(item["elements"]), " " * len(lead))


def _prefixed(lead: str, text: str, later: str) -> str:
    return lead + text.replace("\n", f"\n{later}")


def _inline(elements: Iterable[Block]) -> str:
    return "".join(map(_inline_element, elements))


def _inline_element(element: Block) -> str:
    match element:
        case {"type": "text", "text": content}:
            return str(content)
        case {"type": "link", "url": url}:
            return str(element.get("text") or url)
        case {"type": "emoji", "name": name}:
            return _emoji(name)
        case {"type": "date", "timestamp": seconds, "format": form}:
            return _date(str(seconds), form, element.get("fallback", ""))
        case {"type": kind} if kind in _MENTIONED_BY:
            return ("#" if kind == "channel" else "@") + str(element[_MENTIONED_BY[kind]])
    return f"[{element.get('type')}]"


_MENTIONED_BY = {
    "user": "user_id",
    "usergroup": "usergroup_id",
    "broadcast": "range",
    "channel": "channel_id",
}


# mrkdwn, https://docs.slack.dev/messaging/formatting-message-text

_NAME = r"[a-z0-9_+\-]*[a-z+\-][a-z0-9_+\-]*"
_EMOJI = re.compile(rf":(?P<emoji>{_NAME}):")
_ANGLE = re.compile(r"<(?P<angle>[^<>\n]+)>")
_FORMATTED = re.compile(
    r"```\n?(?P<fence>.+?)\n?```"
    r"|`(?P<code>[^`\n]+)`"
    rf"|{_ANGLE.pattern}"
    # Bold, italic, struck through: not within a word, and no space inside the signs.
    r"|(?<![\w*])\*(?P<bold>(?! )[^*\n]+(?<! ))\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>(?! )[^_\n]+(?<! ))_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>(?! )[^~\n]+(?<! ))~(?![\w~])"
    rf"|{_EMOJI.pattern}",
    re.DOTALL,
)


def _of_mark(match: re.Match[str]) -> str:
    mark = str(match.lastgroup)
    inner = match[mark]
    match mark:
        case "angle":
            return _of_angle(inner)
        case "emoji":
            return _emoji(inner)
        case _:  # in code, links and mentions are the only markup
            return plain_mrkdwn(inner, is_formatted=mark not in ("fence", "code"))


def _of_angle(inner: str) -> str:
    """Return what is read of a link, a mention or a time."""
    target, _, label = inner.partition("|")
    label = _unescaped(label)
    if target.startswith("!date^"):
        _, seconds, form, *_ = target.split("^")
        return _date(seconds, form, label)
    if target.startswith("!subteam^"):
        return label or f"@{target.removeprefix('!subteam^')}"
    if target.startswith(("!", "@")):
        return f"@{(label or target[1:]).removeprefix('@')}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    return label or _unescaped(target)


def _unescaped(content: str) -> str:
    return content.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _emoji(name: str) -> str:
    """Return an emoji by Slack's name; one that is not known stays in colons."""
    known = {"large_green_circle": "green_circle", "large_yellow_circle": "yellow_circle"}
    try:
        return str(Emoji(known.get(name, name)))
    except NoEmoji:
        return f":{name}:"


_FORMS = {
    "date_num": "{0:%Y-%m-%d}",
    "date_slash": "{0:%d/%m/%Y}",
    "date": "{0:%B} {0.day}, {0.year}",
    "date_short": "{0:%b} {0.day}, {0.year}",
    "date_long": "{0:%A, %B} {0.day}, {0.year}",
    "time": "{0:%H:%M}",
    "time_secs": "{0:%H:%M:%S}",
}


def _date(seconds: str, form: str, fallback: str) -> str:
    """Fill in Slack's tokens, as `{date_short_pretty} {time}`; the fallback where it cannot."""
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
        return re.sub(
            r"\{(\w+)\}",
            lambda token: _FORMS[token[1].removesuffix("_pretty")].format(moment),
            form,
        )
    except (ValueError, OverflowError, OSError, KeyError):
        return fallback
