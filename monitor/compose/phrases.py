"""The phrases for reasons, coming times and silences, wherever they are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from monitor.decide.progress import email_of
from monitor.decide.verdicts import Silence
from monitor.model import Reason, ReasonKind
from monitor.text import duration_words, plain

_UTC: Final = ZoneInfo("UTC")
_SHOWN_OF_AUTHOR: Final = 60
_SHOWN_OF_REASON: Final = 200

# Each continues the name of what it is about; the arguments of the reason are filled in.
_PHRASES: Mapping[ReasonKind, str] = {
    ReasonKind.PLATFORM: "{description}",
    ReasonKind.BEGUN: "has begun",
    ReasonKind.DONE: "is done",
    ReasonKind.ENDED: "ended as {status}",
    ReasonKind.ENDED_UNCOUNTED: "ended as {status}, which the step does not count as an end",
    ReasonKind.UNKNOWN_STATUS: "has a status that is not known here: {status}",
    ReasonKind.TRIED_AGAIN: "is being tried again",
    ReasonKind.SUCCEEDED_AFTER_FAILING: "succeeded after failing",
    ReasonKind.SUCCEEDED_INSTEAD: "is {status}; {before} had failed",
    ReasonKind.WENT_ON: "went on after waiting",
    ReasonKind.APPROVED: "was approved{by}{note}",
    ReasonKind.DENIED: "was not approved{by}{note}",
    ReasonKind.SENT_BACK: "was sent back for another plan{by}{note}",
    ReasonKind.WAITS_NO_LONGER: "waits no longer",
    ReasonKind.WAITS_AFTER_ALL: "waits after all: it is among the pending approvals again",
    ReasonKind.TIMES_WENT_BACK: (
        "is shown in an earlier state: the platform's own times went back, as they do when its"
        " database is restored"
    ),
    ReasonKind.MOVES_AGAIN: "moves again",
    ReasonKind.NEW_STATUS: "is {status}",
    ReasonKind.LEFT_STATUS: "is not {before} any more: {status}",
    ReasonKind.FACT_ADDED: "has a {fact}",
    ReasonKind.FACT_CHANGED: "has another {fact}: {value}",
    ReasonKind.ADDED: "was added",
    ReasonKind.ADDED_AGAIN: "was added again",
    ReasonKind.REMOVED: "was removed",
    ReasonKind.FLAPPING: "is flapping: it has failed {value} times",
    ReasonKind.STABLE_AGAIN: "is stable again, after it failed {value} times",
    ReasonKind.DEAD_END: (
        "will never go on: the platform does not count {ends} as an end and waits for ever"
    ),
    ReasonKind.QUIET: "hangs: nothing has changed for too long",
    ReasonKind.AWAITS_BUILD: "hangs: it waits for its build, which has not ended for too long",
    ReasonKind.GIVEN_UP: (
        "is dead: nothing has changed for over 60 minutes, after which the platform stops working"
        " at a release without saying so"
    ),
    ReasonKind.DISAGREES: "says that it succeeded, but not all of its parts did",
}
_VERBS_OF_MANY: Mapping[str, str] = {"is": "are", "has": "have", "was": "were"}
_NOBODY: Mapping[str, str] = {}


def phrase_of(reason: Reason, people: Mapping[str, str] = _NOBODY) -> str:
    """Return what continues the name of one thing; empty where the platform says nothing.

    `people` are the e-mails of accounts: one that is not known is not named.
    """
    return _filled(_PHRASES[reason.kind], reason, people)


def phrase_of_many(reason: Reason, people: Mapping[str, str] = _NOBODY) -> str:
    """Return what continues the names of several things."""
    verb, _, rest = _PHRASES[reason.kind].partition(" ")
    return _filled(f"{_VERBS_OF_MANY.get(verb, verb)} {rest}".rstrip(), reason, people)


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
