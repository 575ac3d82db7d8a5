"""Snapshots and events → Slack messages. Pure: the same values draw the same message.

All that comes from the platform is foreign: it is shown only in a header and in the `text`
elements of rich text, where Slack interprets nothing, so that it cannot ping, link or
format. Only `with_mentions` makes a message that pings anybody. Every message stays within
Slack's limits whatever it is drawn from.
"""

from __future__ import annotations

from monitor.compose.render.cards import (
    card,
    headline,
    page_of,
    plain,
    plain_edit,
    reply,
    shown_ids,
    standalone,
    title_and_summary,
    title_of,
    words_of,
)
from monitor.compose.render.digests import (
    DigestFacts,
    DigestInstall,
    DigestRollout,
    SummaryLine,
    digest,
    quiet_summary,
)
from monitor.compose.render.first_line import first_line, with_mentions
from monitor.compose.render.groups import group
from monitor.compose.render.layout import View
from monitor.compose.render.links import Links
from monitor.compose.render.notices import (
    comes_and_goes,
    reachable,
    refused,
    removed,
    stays_reachable,
    store_lost,
    taken_again,
    test_message,
    unreachable,
)
from monitor.compose.render.retold import (
    Retold,
    Toll,
    away_summary,
    gathered,
    is_late,
    late,
    retold,
)
from monitor.compose.render.table import table

__all__ = [
    "DigestFacts",
    "DigestInstall",
    "DigestRollout",
    "Links",
    "Retold",
    "SummaryLine",
    "Toll",
    "View",
    "away_summary",
    "card",
    "comes_and_goes",
    "digest",
    "first_line",
    "gathered",
    "group",
    "headline",
    "is_late",
    "late",
    "page_of",
    "plain",
    "plain_edit",
    "quiet_summary",
    "reachable",
    "refused",
    "removed",
    "reply",
    "retold",
    "shown_ids",
    "standalone",
    "stays_reachable",
    "store_lost",
    "table",
    "taken_again",
    "test_message",
    "title_and_summary",
    "title_of",
    "unreachable",
    "with_mentions",
    "words_of",
]
