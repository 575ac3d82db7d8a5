"""Slack's own word on blocks before they are posted.

https://docs.slack.dev/reference/methods/blocks.validate: nothing is posted, and no scope is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from monitor.deliver.slack_errors import RATE_CODES, judged
from monitor.text import plain

Block = Mapping[str, Any]

_METHOD = "blocks.validate"
# Also of a workspace that has the method, but not for this app, or not now.
_CANNOT_SAY = frozenset({"unknown_method", "method_deprecated", "not_allowed_token_type"})
_WORDS_LIMIT = 200


class Complaint(NamedTuple):
    """What Slack would refuse: where, by a JSON pointer into the blocks, and why."""

    pointer: str
    words: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.words}" if self.pointer else self.words


async def complaints_of(
    web: AsyncWebClient, blocks: Sequence[Block]
) -> tuple[Complaint, ...] | None:
    """Return what Slack would refuse of blocks; None where it does not say.

    Raises DestinationError where Slack cannot be asked.
    """
    return await judged(_METHOD, _asked(web, blocks))


async def _asked(web: AsyncWebClient, blocks: Sequence[Block]) -> tuple[Complaint, ...] | None:
    try:
        await web.api_call(_METHOD, json={"blocks": json.dumps(list(blocks))})
    except SlackApiError as error:
        data = getattr(error.response, "data", None)
        answer = data if isinstance(data, dict) else {}
        code = str(answer.get("error") or "")
        if code in _CANNOT_SAY | RATE_CODES:
            return None
        if found := tuple(_read(answer.get("errors"))):
            return found
        if code in {"invalid_blocks", "msg_blocks_too_long"}:
            return (Complaint("", plain(code, _WORDS_LIMIT)),)
        raise
    return ()


def _read(errors: object) -> Iterator[Complaint]:
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, dict):
            words = str(one.get("message") or one.get("code") or "")
            pointer = plain(str(one.get("pointer") or ""), _WORDS_LIMIT, fallback="")
            yield Complaint(pointer, plain(words, _WORDS_LIMIT))
