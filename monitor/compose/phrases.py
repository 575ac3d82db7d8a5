"""The phrases for reasons, coming times and silences, wherever they are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from monitor.decide.progress import email_of
from monitor.decide.verdicts import Silence
from monitor.model import Reason, ReasonKind
from monitor.text import duration_words, plain

_UTC: Final = ZoneInfo("UTC")
_SHOWN_OF_AUTHOR: Final = 60
_SHOWN_OF_REASON: Final = 200

# Each continues the name of what it is about: what became of it and, behind a colon, why. The
# arguments of the reason are filled in.
_PHRASES: Mapping[ReasonKind, str] = {
    ReasonKind.PLATFORM: "{description}",
    ReasonKind.BEGUN: "started",
    ReasonKind.DONE: "done",
    ReasonKind.ENDED: "ended as {status}",
    ReasonKind.ENDED_UNCOUNTED: (
        "ended as {status}: the step does not count that as an end and waits on"
    ),
    ReasonKind.UNKNOWN_STATUS: "has an unknown status, {status}",
    ReasonKind.TRIED_AGAIN: "is being retried",
    ReasonKind.SUCCEEDED_AFTER_FAILING: "succeeded after failing",
    ReasonKind.SUCCEEDED_INSTEAD: "is {status}; {before} had failed",
    ReasonKind.WENT_ON: "continues after waiting",
    ReasonKind.APPROVED: "was approved{by}{note}",
    ReasonKind.DENIED: "was not approved{by}{note}",
    ReasonKind.SENT_BACK: "was sent back for another plan{by}{note}",
    ReasonKind.WAITS_NO_LONGER: "no longer needs approval",
    ReasonKind.WAITS_AFTER_ALL: ("still needs approval: it is among the pending approvals again"),
    ReasonKind.TIMES_WENT_BACK: (
        "went back to an earlier state: the platform's own times went back, as after a restore of"
        " its database"
    ),
    ReasonKind.MOVES_AGAIN: "is moving again",
    ReasonKind.NEW_STATUS: "is {status}",
    ReasonKind.LEFT_STATUS: "is no longer {before}, but {status}",
    ReasonKind.FACT_ADDED: "has a {fact}",
    ReasonKind.FACT_CHANGED: "has another {fact}: {value}",
    ReasonKind.ADDED: "was added",
    ReasonKind.ADDED_AGAIN: "was added again",
    ReasonKind.REMOVED: "was removed",
    ReasonKind.FLAPPING: "is flapping: it has failed {value} times",
    ReasonKind.STABLE_AGAIN: "is stable again, after it failed {value} times",
    ReasonKind.DEAD_END: ("is stuck: an install ended as {ends}, and Nuon does not move past that"),
    ReasonKind.QUIET: "has stalled: no change for {silence}",
    ReasonKind.AWAITS_BUILD: (
        "has stalled: its build has not ended, and there was no change for {silence}"
    ),
    ReasonKind.GIVEN_UP: ("timed out: no change for {silence}; Nuon has stopped processing it"),
    ReasonKind.DISAGREES: (
        "has not succeeded everywhere: Nuon reports success, but not all of its parts succeeded"
    ),
}
_VERBS_OF_MANY: Mapping[str, str] = {"is": "are", "has": "have", "was": "were"}
_NOBODY: Mapping[str, str] = {}
_WHY_IS_APART: Final = ": "


class Phrase(NamedTuple):
    """What continues the name of one thing and of several; `why` may be empty."""

    one: str
    many: str
    why: str = ""


def phrase_of(reason: Reason, people: Mapping[str, str] = _NOBODY) -> str:
    """Return what continues the name of one thing; empty where the platform says nothing.

    `people` are the e-mails of accounts: one that is not known is not named.
    """
    return _filled(_PHRASES[reason.kind], reason, people)


def phrase_of_many(reason: Reason, people: Mapping[str, str] = _NOBODY) -> str:
    """Return what continues the names of several things."""
    return _filled(_of_many(_PHRASES[reason.kind]), reason, people)


def parts_of(reason: Reason, people: Mapping[str, str] = _NOBODY) -> Phrase:
    """Return what became of it and why, apart."""
    pattern = _PHRASES[reason.kind]
    if reason.kind is ReasonKind.PLATFORM:
        return Phrase("", "", reason.description)
    says, _, why = pattern.partition(_WHY_IS_APART)
    one, many, why = (_filled(part, reason, people) for part in (says, _of_many(says), why))
    return Phrase(one, many, why)


def why_of(reason: Reason, people: Mapping[str, str] = _NOBODY) -> str:
    """Return why something is so, for where it is said already that it is."""
    return parts_of(reason, people).why or phrase_of(reason, people)


def _of_many(phrase: str) -> str:
    verb, _, rest = phrase.partition(" ")
    return f"{_VERBS_OF_MANY.get(verb, verb)} {rest}".rstrip()


def _filled(phrase: str, reason: Reason, people: Mapping[str, str]) -> str:
    by, note = email_of(reason.by, people), reason.description.strip()
    return phrase.format(
        by=f" by {by}" if by else "",
        note=f": {note}" if note else "",
        description=reason.description,
        status=reason.status,
        before=reason.before,
        fact=reason.fact.replace("_", " "),
        value=reason.value,
        ends=" or ".join(reason.ends),
        silence=_silence_words(reason),
    )


def grouping_words(interval: timedelta, *, has_thread: bool) -> str:
    """Return what becomes of the failures that follow one that was posted."""
    where = "are in the thread, and " if has_thread else "are "
    within = duration_words(interval)
    return f"further failures within {within} {where}summed up after that if any still fails"


def grouped_words(ends_at: datetime, now: datetime, *, has_thread: bool) -> str:
    """Return what becomes of a failure that follows one that was posted."""
    where = "in the thread now, and " if has_thread else ""
    return f"{where}summed up at {clock_words(ends_at, now)} if it still fails then"


def _silence_words(reason: Reason) -> str:
    limit = duration_words(timedelta(seconds=reason.limit))
    if reason.silence:
        silence = duration_words(timedelta(seconds=reason.silence))
        return f"{silence} (limit {limit})" if reason.limit else silence
    return f"over {limit}" if reason.limit else "too long"


def folded_words(headline: str) -> str:
    """Return what became of a notification that another one tells, by the headline of that."""
    return f"{_TOGETHER}: {headline}"


def budget_words(most: int, within: timedelta, *, has_thread: bool, is_exempt: bool) -> str:
    """Return what becomes of a message that notifies people beyond what a destination gets."""
    limit = f"beyond {most:,} messages that notify in {duration_words(within)}"
    quietly = ", and in its thread without a sound" if has_thread else ""
    exempt = ", unless it is the first failure of its rollout" if is_exempt else ""
    return f"{limit} it is {_TOGETHER}{quietly}{exempt}"


def catch_up_words(patience: timedelta, *, is_of_outage: bool) -> str:
    """Return what becomes of a message that cannot be sent for long."""
    if is_of_outage:
        return "dropped if it is over before it can be sent"
    waits = f"if it cannot be sent within {duration_words(patience)}"
    return f"{waits} it is {_TOGETHER}, as things stand by then"


_TOGETHER = "told together with others"


def clock_words(at: datetime, now: datetime, zone: ZoneInfo = _UTC) -> str:
    """Return a coming time as a zone says it: `07:00 Europe/Berlin`, after a day with its date."""
    local = at.astimezone(zone)
    form = "%H:%M" if at - now < timedelta(days=1) else "%Y-%m-%d %H:%M"
    return f"{local:{form}} {zone.key}"


def silence_words(silence: Silence, now: datetime) -> str:
    """Return for instance `silenced until 18:00 UTC by anna: database upgrade`."""
    author, reason = (
        plain(silence.author, _SHOWN_OF_AUTHOR),
        plain(silence.reason, _SHOWN_OF_REASON),
    )
    return f"silenced until {clock_words(silence.until, now)} by {author}: {reason}"
