"""The messages about the monitor itself: what it sees, reaches and remembers."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.compose.render.blocks import TITLE_LIMIT, bold, date, headed_message, line, title_words
from monitor.model import Message
from monitor.text import duration_words, plain

_REASON_LIMIT = 600
"""In characters: what to watch instead stands at a reason's end."""


def unreachable(scope_title: str, reason: str, since: datetime) -> Message:
    """Say that polls do not come through any more. `reason` may hold foreign words."""
    return headed_message(
        f"⚠️ {title_words(scope_title)} cannot be seen",
        [
            [
                line(
                    "No poll has come through since ",
                    date(since),
                    ": ",
                    plain(reason, _REASON_LIMIT),
                ),
                line("What happens meanwhile is told as soon as it can be seen again."),
            ]
        ],
    )


def reachable(scope_title: str, since: datetime, until: datetime) -> Message:
    """Say that polls come through again, after which time."""
    return headed_message(
        f"✅ {title_words(scope_title)} can be seen again",
        [
            [
                line(
                    f"No poll came through for {duration_words(until - since)}, since ",
                    date(since),
                )
            ]
        ],
    )


def comes_and_goes(scope_title: str, reason: str, since: datetime, window: timedelta) -> Message:
    """Say that polls come through and do not, again and again; it is the last that is said of it.

    Until they came through for the `window`.
    """
    return headed_message(
        f"⚠️ {title_words(scope_title)} comes and goes",
        [
            [
                line(
                    "It can be seen and cannot, again and again since ",
                    date(since),
                    ": ",
                    plain(reason, _REASON_LIMIT),
                ),
                line(
                    "The next message says that it could be seen for ",
                    f"{duration_words(window)} on end.",
                ),
            ]
        ],
    )


def stays_reachable(scope_title: str, since: datetime, window: timedelta) -> Message:
    """Say that what came and went since then can be seen, and has been for the `window`."""
    return headed_message(
        f"✅ {title_words(scope_title)} can be seen again",
        [
            [
                line(
                    "It came and went since ",
                    date(since),
                    f", and could be seen for the last {duration_words(window)} on end.",
                )
            ]
        ],
    )


def removed(
    scope_title: str,
    reason: str,
    since: datetime,
    *,
    was_seen: bool = True,
) -> Message:
    """Say that the platform has no such record, or none any more."""
    any_more = " any more" if was_seen else ""
    return headed_message(
        f"❓ {title_words(scope_title)} is not on Nuon{any_more}",
        [[line("Since ", date(since), " the platform answers: ", plain(reason, _REASON_LIMIT))]],
    )


def refused(channel: str, reason: str, waiting: int, since: datetime) -> Message:
    """Say elsewhere that a channel takes nothing. `waiting` messages are for it so far."""
    messages = "1 message" if waiting == 1 else f"{waiting:,} messages"
    return headed_message(
        f"⚠️ Cannot post to {title_words(channel)}",
        [
            [
                line("Since ", date(since), ": ", plain(reason, _REASON_LIMIT)),
                line(f"What is for it is kept, in order: {messages} so far."),
                line("Unarchive it, invite the app to it, or configure another channel."),
            ]
        ],
    )


def taken_again(channel: str, since: datetime, until: datetime) -> Message:
    """Say elsewhere that a channel takes messages again."""
    refused_for = duration_words(until - since)
    return headed_message(
        f"✅ {title_words(channel)} takes messages again",
        [
            [
                line(f"It refused them for {refused_for}, since ", date(since)),
                line("What waited for it goes out now, in order."),
            ]
        ],
    )


def store_lost(kept_as: str, since: datetime) -> Message:
    """Say that the monitor forgot what it knew, and what follows from that."""
    return headed_message(
        "⚠️ The release monitor lost its memory",
        [
            [
                line(
                    "Its store was damaged, and a new one was begun. What it knew until ",
                    date(since),
                    " is gone.",
                ),
                line("What was to be told and had not been sent by then is not told any more."),
                line("What is under way has a new card; what ended before is not told again."),
                line("The damaged file is kept beside the store as ", plain(kept_as, 200), "."),
            ]
        ],
    )


def test_message(channel: str, now: datetime) -> Message:
    """Draw the message by which a person sees that a channel can be reached."""
    where = bold(plain(channel, TITLE_LIMIT, fallback="this channel"))
    return headed_message(
        "✅ The release monitor reaches this channel",
        [
            [
                line("A test for ", where, ", sent ", date(now), "."),
                line("What fails, hangs or waits for a person will be told here like this."),
            ]
        ],
    )
