"""What goes back to failing again and again: it is reported once, and once when it is stable. Pure.

The events of a poll go through here last: of what flaps, further failures and recoveries are none.
Each return to failing is counted by alert key, so that a unit that takes another's place counts
as the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from monitor.decide.alert_book import AlertBook
from monitor.model import (
    Event,
    EventKind,
    Flaps,
    Level,
    Reason,
    ReasonKind,
    TargetState,
)

_FEW = 2
"""After so many failures within the window a rollout goes on in its card."""


@dataclass(frozen=True, slots=True)
class FlappingRules:
    """When failures are flapping: more returns than `after` within `window`."""

    after: int = 3
    window: timedelta = timedelta(minutes=30)


def goes_on_in_its_card(state: TargetState, alert_key: str, now: datetime) -> bool:
    """Whether a rollout that leaves its end failed before that lately, and so has no new card."""
    flaps = _flaps_of(state, alert_key)
    return flaps is not None and flaps.stable_at > now and len(flaps.failed_at) >= _FEW


def note_flapping(book: AlertBook, rules: FlappingRules) -> None:
    """Count the failures of a poll, and report what flaps, and what is stable again."""
    flaps = {one.alert_key: one for one in book.state.flaps}
    events, book.events = book.events, []
    for event in events:
        alert_key = _concerned(event)
        if alert_key is None:
            book.events.append(event)
            continue
        known = flaps.get(alert_key)
        if event.kind is EventKind.FAILED:
            known = flaps[alert_key] = _with_failure(known, alert_key, book, rules)
        elif known is not None:
            known = flaps[alert_key] = _changed(known, book, rules)
        _serve(book, event, known, rules)
    book.remember(flaps=tuple(one for one in flaps.values() if not _is_stable(book, one)))


def _concerned(event: Event) -> str | None:
    """Return the key of what fails, recovers or is tried again by an event; None for others."""
    if event.is_reminder or event.level is Level.DETAIL:
        return None
    if event.kind is EventKind.FAILED or event.follows_problem:
        return event.alert_key
    if event.kind is EventKind.SUCCEEDED and event.level is Level.ROLLOUT:
        return event.entity.id
    return None


def _with_failure(
    known: Flaps | None, alert_key: str, book: AlertBook, rules: FlappingRules
) -> Flaps:
    flaps = known or Flaps(alert_key, book.now)
    since = book.now - rules.window
    # More of them than it takes to flap need not be known.
    failed_at = (*(at for at in flaps.failed_at if at > since), book.now)[-rules.after - _FEW :]
    return msgspec.structs.replace(
        _changed(flaps, book, rules), failed_at=failed_at, count=flaps.count + 1
    )


def _changed(flaps: Flaps, book: AlertBook, rules: FlappingRules) -> Flaps:
    """Return what is known of something that has just changed."""
    notified = dict.fromkeys(flaps.notified_destinations)
    for alert in book.state.alerts:  # as the last poll left them: who was notified by then
        if alert.alert_key == flaps.alert_key and alert.kind in _FAILURES:
            notified.update(dict.fromkeys(alert.notified_destinations or ()))
    return msgspec.structs.replace(
        flaps, stable_at=book.now + rules.window, notified_destinations=tuple(notified)
    )


_FAILURES = (EventKind.FAILED, EventKind.FLAPPING)


def _serve(book: AlertBook, event: Event, flaps: Flaps | None, rules: FlappingRules) -> None:
    """Let an event pass, or report that it flaps, or neither."""
    if flaps is None:
        book.events.append(event)
        return
    reason = Reason(ReasonKind.FLAPPING, value=str(flaps.count))
    reported = book.alert(flaps.alert_key, EventKind.FLAPPING)
    if reported is not None:
        book.change(reported, reason=reason)
    elif event.kind is EventKind.FAILED and len(flaps.failed_at) > rules.after + 1:
        book.begin(EventKind.FLAPPING, flaps.alert_key, event.level, event.entity, reason)
        begun = book.alerts[flaps.alert_key, EventKind.FLAPPING]
        book.change(begun, since=flaps.failed_at[0])
    else:
        book.events.append(event)


def _is_stable(book: AlertBook, flaps: Flaps) -> bool:
    """Whether something has not changed for the window; of what flapped this is reported."""
    if book.now < flaps.stable_at:
        return False
    reported = book.alert(flaps.alert_key, EventKind.FLAPPING)
    found = book.alert_keys.entity(flaps.alert_key)
    if reported is None:
        return True
    book.drop(flaps.alert_key, EventKind.FLAPPING)
    if found is None:
        return True
    level, entity = found
    failed = book.alert(flaps.alert_key, EventKind.FAILED)
    if failed is not None and not failed.is_retrying:
        book.events.append(
            Event(EventKind.FAILED, level, entity, failed.reason, alert_key=flaps.alert_key)
        )
    elif level is Level.ROLLOUT and book.state.ended is EventKind.SUCCEEDED:
        book.add(EventKind.SUCCEEDED, level, entity, Reason(description=entity.description))
    else:
        notified = (*flaps.notified_destinations, *(reported.notified_destinations or ()))
        ended = msgspec.structs.replace(
            reported, notified_destinations=tuple(dict.fromkeys(notified))
        )
        reason = Reason(ReasonKind.STABLE_AGAIN, value=str(flaps.count))
        book.add_follow_up(ended, EventKind.RECOVERED, level, entity, reason)
    return True


def _flaps_of(state: TargetState, alert_key: str) -> Flaps | None:
    return next((one for one in state.flaps if one.alert_key == alert_key), None)
