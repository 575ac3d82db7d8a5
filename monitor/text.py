"""Words for people: foreign text made harmless, and durations, counts and names as one says them.

Everything that comes from outside passes through `plain` before it is shown anywhere. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta

NO_TEXT = "(no text)"
_MARKS_IN_A_ROW = 2

# What terminals take for colours: it comes with the output of build and deploy tools.
_TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
# Fillers that look like an empty place; everything else that is blank `str.split` knows.
_BLANKS = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")
# Control characters, lone surrogates, and whatever is invisible or turns the direction of
# writing around (Unicode's default ignorable and bidirectional control characters), but for
# what joins or parts its neighbours.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0d\ufeff\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Persian and the scripts of India part and join letters with them, families of emoji are joined
# by one, and a selector makes an emoji of a sign. Anywhere else they are unseen as well: two
# names that differ by one of them would look the same.
_JOINERS = re.compile("[\u200c\u200d\ufe0e\ufe0f]")
_JOINED_LETTERS = "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af]"
_JOINED_SIGNS = "[\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_STRAY_JOINERS = re.compile(
    f"(?<!{_JOINED_LETTERS})\u200c|\u200c(?!{_JOINED_LETTERS})"
    f"|(?<!{_JOINED_LETTERS})(?<!{_JOINED_SIGNS})(?<!\ufe0f)\u200d"
    f"|\u200d(?!{_JOINED_LETTERS}|{_JOINED_SIGNS})"
    f"|(?<!{_JOINED_SIGNS})(?<![0-9#*\u00a9\u00ae\u203c\u2049\u2122\u2139])[\ufe0e\ufe0f]"
)


def plain(foreign: str, limit: int, *, fallback: str = NO_TEXT) -> str:
    """Return foreign text as one line of at most `limit` visible characters.

    What is cut ends with `…`; where nothing visible is left, `fallback` stands instead.
    Only the beginning of a huge text is looked at.
    """
    looked_at = foreign[: limit * 8]
    if looked_at.isascii() and looked_at.isprintable():
        shown = " ".join(looked_at.split())
    else:
        shown = _TERMINAL_CODES.sub("", looked_at)
        shown = _UNSEEN.sub("", _BLANKS.sub(" ", shown))
        shown = _STRAY_JOINERS.sub("", shown) if _JOINERS.search(shown) else shown
        shown = " ".join(shown.split())
        shown = shown if shown.isascii() else _without_towers(shown)
    if len(shown) > limit or len(foreign) > len(looked_at):
        shown = shown[: limit - 1].rstrip(" \u200c\u200d") + "…"
    return shown if shown.strip("…") else fallback


def utf16_length(shown: str) -> int:
    """Return how long a text is in UTF-16 units.

    Slack does not say whether its limits count these or characters, of which there are never more.
    """
    return len(shown) if shown.isascii() else len(shown.encode("utf-16-le", "surrogatepass")) // 2


def cut_to_utf16(shown: str, limit: int) -> str:
    """Return text that is at most so many UTF-16 units long; what is cut ends with `…`."""
    if utf16_length(shown) <= limit:
        return shown
    encoded = shown.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)]
    return encoded.decode("utf-16-le", "ignore").rstrip() + "…"


_DRAWN = re.compile("[\u2500-\u257f]")
_ERROR = re.compile(r"^\W{0,8}error\b", re.IGNORECASE | re.MULTILINE)


def quoted(foreign: str, limit: int = 60) -> str:
    """Return foreign text as `plain` does, between quotation marks."""
    return f'"{plain(foreign, limit)}"'


def gist(foreign: str, limit: int) -> str:
    """Return a reason as one line, from its first telling part on; empty where it says nothing.

    Of the many lines that a tool wrote it begins with the one that names the error, and the
    frame that some draw around it is left out.
    """
    cleaned = _DRAWN.sub(" ", foreign[: limit * 20])
    found = _ERROR.search(cleaned) if "\n" in cleaned.strip() else None
    return plain(cleaned[found.start() :] if found else cleaned, limit, fallback="")


def first_line(foreign: str, limit: int) -> str:
    """Return the first line that has words, as of a commit's message; empty where none has."""
    lines = (plain(line, limit, fallback="") for line in foreign[: limit * 8].splitlines())
    return next(filter(None, lines), "")


def _without_towers(line: str) -> str:
    """Drop what is stacked on one character beyond what any language needs."""
    kept: list[str] = []
    stacked = 0
    for character in line:
        stacked = stacked + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if stacked <= _MARKS_IN_A_ROW:
            kept.append(character)
    return "".join(kept)


# https://docs.slack.dev/messaging/formatting-message-text: only these three can be escaped.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# The signs that format have no escape: where a pair of them would, characters of the same look
# take their place. A name such as `aws_subnet.__private` or `*.example.com` has no such pair.
_LOOKALIKES = str.maketrans({"*": "∗", "_": "ˍ", "~": "∼", "`": "\N{MODIFIER LETTER PRIME}"})


def _pair_of(sign: str) -> re.Pattern[str]:
    s = re.escape(sign)
    if sign == "`":
        return re.compile(rf"({s}+)([^\n]*?)({s}+)")
    return re.compile(rf"(?<![^\W_{s}])({s}+)(?=[^\s{s}])([^\n]*?)(?<=[^\s{s}])({s}+)(?![^\W_{s}])")


_PAIRS = tuple(map(_pair_of, "*_~`"))
_COLON_OF_URL_OR_EMOJI = re.compile(r":(?=//|[\w+'-]+:)")
_WORD_JOINER = "\u2060"


def mrkdwn_escape(shown: str) -> str:
    """Return plain text such that Slack's mrkdwn shows it as it is.

    Nothing in it pings, links, formats or turns into an emoji. What does nothing of that is left
    alone.
    """
    for pair in _PAIRS:
        # Each pass leaves fewer signs.
        while pair.search(shown):
            shown = pair.sub(_without_pair, shown)
    shown = _COLON_OF_URL_OR_EMOJI.sub(":" + _WORD_JOINER, shown)
    return shown.translate(_ESCAPES)


def _without_pair(found: re.Match[str]) -> str:
    opening, between, closing = found.groups()
    return f"{opening.translate(_LOOKALIKES)}{between}{closing.translate(_LOOKALIKES)}"


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
WEB_ADDRESS = re.compile(
    rf"https?://(?:{_LABEL}\.)*{_LABEL}(?::\d{{1,5}})?"
    r"(?:[/?#](?:[A-Za-z0-9._~!$&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})*)?"
)
"""As RFC 3986 has them, without credentials, which disguise a host, and without brackets."""


_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def duration_words(duration: timedelta) -> str:
    """Return a duration in its two largest units at most, such as `1 h 20 min`."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return _two(seconds // _HOUR, "h", seconds % _HOUR // _MINUTE, "min")
    return _two(seconds // _DAY, "d", seconds % _DAY // _HOUR, "h")


def _two(many: int, unit: str, few: int, smaller_unit: str) -> str:
    return f"{many:,} {unit} {few} {smaller_unit}" if few else f"{many:,} {unit}"


def short_id(identifier: str) -> str:
    """Return enough of an id to recognise it by."""
    shown = plain(identifier, 40, fallback="(no id)")
    return shown if len(shown) <= 10 else f"{shown[:7]}…"


def counted(count: int, noun: str) -> str:
    """Return a number of things, such as `1 install` or `1,200 installs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def with_article(noun: str) -> str:
    """Return one of something, such as `an approval` or `a config`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def join_names(names: Sequence[str], total: int | None = None) -> str:
    """Return names as a person lists them; `total` is how many there are beside those given."""
    hidden = 0 if total is None else total - len(names)
    if hidden > 0:
        return f"{', '.join(names)} and {hidden:,} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
