"""Snapshots and events → Slack messages. Pure: the same values draw the same message.

All that comes from the platform is foreign: it is shown only in a header and in the `text`
elements of rich text, where Slack interprets nothing, so that it cannot ping, link or
format. Every message stays within Slack's limits whatever it is drawn from.
"""

from __future__ import annotations

from monitor.render.cards import card, headline, plain, reply, shown_ids, standalone
from monitor.render.links import Links
from monitor.render.notices import (
    gone,
    reachable,
    refused,
    store_lost,
    taken_again,
    test_message,
    unreachable,
)
from monitor.render.picture import View

__all__ = [
    "Links",
    "View",
    "card",
    "gone",
    "headline",
    "plain",
    "reachable",
    "refused",
    "reply",
    "shown_ids",
    "standalone",
    "store_lost",
    "taken_again",
    "test_message",
    "unreachable",
]
