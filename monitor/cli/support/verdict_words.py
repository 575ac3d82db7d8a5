"""Why an event goes where it goes, in sentences: one for each step of a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from monitor.cli.support.route_query import RouteQuery
from monitor.compose.notifications import LOUD
from monitor.compose.phrases import (
    budget_words,
    catch_up_words,
    clock_words,
    grouped_words,
    grouping_words,
    silence_words,
)
from monitor.decide.verdicts import Decision, Shortfall, Step, Verdict
from monitor.decide.windows import Hold
from monitor.deliver.pace import Pace
from monitor.model import EventKind, Mismatch
from monitor.text import counted, duration_words, join_names, plain, quoted

_SHOWN = 60
"""Characters of a name."""

# The decision on an event at a route; `{where}` is its destination, `{who}` who is mentioned.
_SENTENCES: Mapping[Decision, str] = {
    Decision.DROPPED: "dropped",
    Decision.NOTIFIED: "told in {where}{who}",
    Decision.NOTIFIED_BEFORE: "not told in {where} again",
    Decision.PROBLEM_UNKNOWN: "not told in {where}, which never heard of the trouble",
    Decision.UNDER_THRESHOLD: "not yet told in {where}: only {conditions}",
    Decision.HELD: "for {where}{who}",
    Decision.DROPPED_BY_WINDOW: "for {where}{who}",
    Decision.DELAYED_BY_WINDOW: "for {where}{who}",
}
_IN_WINDOW: Mapping[Decision, str] = {
    Decision.HELD: "held for the summary",
    Decision.DROPPED_BY_WINDOW: "dropped",
    Decision.DELAYED_BY_WINDOW: "dropped, but told if it still stands then",
}


def verdict_words(verdict: Verdict, now: datetime) -> tuple[str, ...]:
    """Return the sentences that explain a verdict, as of when it was made."""
    if verdict.silence is not None:
        return (silence_words(verdict.silence, now),)
    return tuple(_sentences(verdict, now))


def group_words(
    query: RouteQuery, verdict: Verdict, has_thread: Callable[[str], bool]
) -> Iterator[str]:
    """Yield for each destination that is notified of a failure what it means for further ones."""
    if not query.is_grouped:
        return
    for one in verdict.recipients:
        group = query.open_group(one.destination)
        threaded = has_thread(one.destination)
        if group is None:
            words = grouping_words(one.group_interval, has_thread=threaded)
        else:
            words = grouped_words(group.ends_at, query.at, has_thread=threaded)
        yield f"in {plain(one.destination, _SHOWN)}: {words}"


def folding_words(
    query: RouteQuery, verdict: Verdict, has_thread: Callable[[str], bool]
) -> Iterator[str]:
    """Yield for each destination that is notified when it is not told by itself there."""
    pace, event = Pace(), query.subject.event
    within = pace.most_at_once * pace.one_more_every
    for one in verdict.recipients:
        threaded, words = has_thread(one.destination), []
        if not query.is_of_outage and (event in LOUD or not threaded):
            is_exempt = event is EventKind.FAILED and bool(one.mentions)
            words.append(
                budget_words(pace.most_at_once, within, has_thread=threaded, is_exempt=is_exempt)
            )
        words.append(catch_up_words(pace.catch_up_after, is_of_outage=query.is_of_outage))
        yield f"in {plain(one.destination, _SHOWN)}: {'; '.join(words)}"


def _sentences(verdict: Verdict, now: datetime) -> Iterator[str]:
    if verdict.follows is not None:
        yield f"goes where {verdict.follows} went"
    has_matched = has_routes = False
    for step in verdict.steps:
        if step.number is None:
            opening = _opening_of_own_channel(has_routes=has_routes, has_matched=has_matched)
            yield f"{opening}: {_what(step)}"
        elif step.mismatch is not None:
            yield f"{_route_words(step)}: {_mismatch_words(step.mismatch)}"
        else:
            has_matched = True
            closing = "looks further" if step.looks_further else "looks no further"
            yield f"{_route_words(step)}: matches, {_what(step)}; {closing}"
        has_routes |= step.number is not None
        if step.hold is not None:
            yield f"{_hold_words(step.hold, now)}: {_IN_WINDOW[step.decision]}"


def _opening_of_own_channel(*, has_routes: bool, has_matched: bool) -> str:
    if not has_routes:
        return "there are no routes"
    return "no further route matches" if has_matched else "no route matches"


def _route_words(step: Step) -> str:
    return f"route {step.number} {quoted(step.name)}" if step.name else f"route {step.number}"


def _mismatch_words(mismatch: Mismatch) -> str:
    """Return for instance `is for app "pay-*", this is "shop"`."""
    if mismatch.key == "event":
        return f"is for {join_names(mismatch.wanted)}, this is {mismatch.found}"
    wanted = " or ".join(quoted(pattern) for pattern in mismatch.wanted)
    found = "this has none" if mismatch.found is None else f"this is {quoted(mismatch.found)}"
    return f"is for {mismatch.key} {wanted}, {found}"


def _what(step: Step) -> str:
    where = plain(step.destination or "", _SHOWN)
    who = f" with {join_names([str(one) for one in step.mentions])}" if step.mentions else ""
    return _SENTENCES[step.decision].format(
        where=where if step.number is not None else f"the watch's own channel {where}",
        who=who + (" (who started it is not known)" if step.lacks_starter else ""),
        conditions=_conditions(step.shortfall) if step.shortfall else "",
    )


def _conditions(shortfall: Shortfall) -> str:
    """Return what is lacking, such as `if it lasts 5 min (so far 2 min)`."""
    lacking: list[str] = []
    if shortfall.min_failed is not None:
        needed = counted(shortfall.min_failed, "failed install")
        lacking.append(f"from {needed} on (so far {shortfall.failed:,})")
    if shortfall.lasting is not None:
        lasting, age = duration_words(shortfall.lasting), duration_words(shortfall.age)
        lacking.append(f"if it lasts {lasting} (so far {age})")
    return " and ".join(lacking)


def _hold_words(hold: Hold, now: datetime) -> str:
    """Return for instance `quiet hours "night" until 07:00 Europe/Berlin`."""
    names = " and ".join(f'"{window.name}"' for window in hold.windows if window.name)
    until = clock_words(hold.until, now, hold.windows[-1].when.zone)
    return f"quiet hours {names} until {until}" if names else f"quiet hours until {until}"
