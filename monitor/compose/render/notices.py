"""The messages about the monitor itself: what it can poll, reach and remember."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from monitor.compose.render.blocks import (
    TITLE_LIMIT,
    Element,
    Line,
    bold,
    date,
    line,
    message,
    quote,
    title_words,
)
from monitor.compose.render.remedies import remedy_for_refusal
from monitor.compose.render.sentences import Clause, sentence, spoken
from monitor.model import Message
from monitor.text import counted, duration_words, plain

_REASON_LIMIT = 600
"""In characters: what to watch instead is said at a reason's end."""


_REQUEST = re.compile(r"^(?:GET|POST) \S+: ")
"""What was asked for, which a sentence has no space for."""


def unreachable(
    scope_title: str, reason: str, since: datetime, *, is_platform: bool = False
) -> Message:
    """Say that polls fail: those of one target or, with `is_platform`, all of them.

    `reason` may hold foreign words.
    """
    title = title_words(scope_title)
    if is_platform:
        says = f"⚠️ Monitoring is blind: can't reach the {title} API"
        follows = "Cards may be out of date"
        to_do = "if this lasts, look at the platform's status and at nuon.api_token"
    else:
        says = f"⚠️ {title} can't be polled"
        follows = "Its card may be out of date"
        to_do = "nuon-monitor check --online tries it at once"
    return _notice(
        says,
        reason,
        when=("No poll has succeeded since ", date(since)),
        since=since,
        small=(f"{follows}. Nothing is lost: changes are reported once polls succeed; {to_do}.",),
    )


def reachable(
    scope_title: str, since: datetime, until: datetime, *, is_platform: bool = False
) -> Message:
    """Say that polls succeed again, after which time."""
    title, took = title_words(scope_title), duration_words(until - since)
    says = f"{title} API reachable again" if is_platform else f"{title} can be polled again"
    text = spoken(sentence(lambda _: Clause(f"✅ {says}, after {took}")))
    return message(
        text,
        [[line("✅ ", bold(says))]],
        [
            line(f"Unreachable for {took}. What changed meanwhile is reported now."),
            line("since ", date(since)),
        ],
    )


def comes_and_goes(
    scope_title: str,
    reason: str,
    since: datetime,
    window: timedelta,
    *,
    is_platform: bool = False,
) -> Message:
    """Say that polls succeed and fail, again and again; it is the last that is said of it.

    Until they have succeeded for the `window`.
    """
    title, stable = title_words(scope_title), duration_words(window)
    subject = f"the {title} API" if is_platform else title
    return _notice(
        f"⚠️ Monitoring is flapping: {subject} comes and goes",
        reason,
        when=("since ", date(since)),
        since=since,
        small=(f"The next message is sent once polls have succeeded for {stable} on end.",),
    )


def stays_reachable(
    scope_title: str, since: datetime, window: timedelta, *, is_platform: bool = False
) -> Message:
    """Say that what came and went has been reachable for the `window`."""
    title, stable = title_words(scope_title), duration_words(window)
    says = f"{title} API is stable again" if is_platform else f"{title} can be polled again"
    return message(
        spoken(sentence(lambda _: Clause(f"✅ {says}: reachable for {stable} on end"))),
        [[line("✅ ", bold(says))]],
        [line(f"Reachable for {stable} on end. It came and went"), line("since ", date(since))],
    )


def removed(scope_title: str, reason: str, since: datetime, *, was_seen: bool = True) -> Message:
    """Say that the platform has no such record, or none any more."""
    says = "is no longer on Nuon" if was_seen else "was not found on Nuon"
    to_do = (
        "If it was deleted, remove its [[watch]] from the configuration."
        if was_seen
        else "Check the ID in its [[watch]], and nuon.org_id."
    )
    return _notice(
        f"❓ {title_words(scope_title)} {says}",
        reason,
        when=("Nuon has answered so since ", date(since)),
        since=None,
        to_do=to_do,
    )


def refused(channel: str, reason: str, waiting: int, since: datetime) -> Message:
    """Say elsewhere that a channel takes nothing. `waiting` messages are for it so far."""
    wrong, advice = remedy_for_refusal(reason)
    return _notice(
        f"⚠️ Can't post to {title_words(channel)}",
        wrong,
        when=(f"{counted(waiting, 'message')} waiting, kept in order, since ", date(since)),
        since=None,
        to_do=advice,
    )


def taken_again(channel: str, since: datetime, until: datetime) -> Message:
    """Say elsewhere that a channel takes messages again."""
    says = f"{title_words(channel)} takes messages again"
    took = duration_words(until - since)
    return message(
        spoken(sentence(lambda _: Clause(f"✅ {says}, after {took}"))),
        [[line("✅ ", bold(says))]],
        [
            line(f"It refused them for {took}. What waited is being delivered, in order."),
            line("since ", date(since)),
        ],
    )


def store_lost(kept_as: str, since: datetime) -> Message:
    """Say that the monitor lost what it knew, and what follows from that."""
    says = "⚠️ The release monitor lost its store"
    lines = [
        _title(says),
        quote(
            "It was damaged, and a new one was begun. What it knew until ", date(since), " is lost."
        ),
        line("→ Look for what failed before then: it is not reported again."),
        line("What is running gets a new card; what ended before is not reported again."),
    ]
    why = f"what failed before {since.astimezone(UTC):%H:%M} UTC may not be reported"
    return message(
        spoken(sentence(lambda _: Clause(says, why))),
        [lines],
        [line(f"The damaged file is kept beside the store as {plain(kept_as, 200)}")],
    )


def test_message(channel: str, now: datetime) -> Message:
    """Draw the message by which a person sees that a channel can be reached."""
    where = plain(channel, TITLE_LIMIT, fallback="this channel")
    says = "✅ The release monitor reaches this channel"
    return message(
        spoken(sentence(lambda _: Clause(f"{says}: a test for {where}"))),
        [[_title(says), line("Failures, stalls and waits will be reported here like this.")]],
        [line(f"a test for {where}"), line("sent ", date(now))],
    )


def _notice(
    says: str,
    reason: str,
    *,
    when: tuple[str | Element, ...],
    since: datetime | None,
    to_do: str = "",
    small: tuple[str, ...] = (),
) -> Message:
    """Draw what is wrong, why, since when and what to do. The sentence says since when as well."""
    why = plain(reason, _REASON_LIMIT, fallback="")
    spoken_why = _REQUEST.sub("", why)
    at = f"since {since.astimezone(UTC):%H:%M} UTC" if since else ""
    lines = [_title(says), *([quote(why)] if why else [])]
    if to_do:
        lines.append(line(f"→ {to_do}"))
    return message(
        spoken(sentence(lambda _: Clause(says, spoken_why, extent=at))),
        [lines],
        [*map(line, small), line(*when)],
    )


def _title(says: str) -> Line:
    mark, _, words = says.partition(" ")
    return line(f"{mark} ", bold(words))
