"""What goes back to failing again and again: it is reported once, and once when it is stable. Pure.

The events of a poll go through here last: of what flaps, further failures and recoveries are none.
Each return to failing is counted by alert key, so that a unit that takes another's place counts
as the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        if known is not None and known.count > 1 and _is_part_of_what_flaps(book, known):
            is_failed = event.kind is EventKind.FAILED
            flaps[alert_key] = msgspec.structs.replace(known, is_kept_back=is_failed)
            continue
        _serve(book, event, known, rules)
    # The rollout first: once it is stable, its parts may be.
    in_order = sorted(flaps.values(), key=lambda one: one.alert_key != book.root.id)
    book.remember(flaps=tuple(filter(None, (_unstable(book, one, flaps) for one in in_order))))


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
    lately = [at for at in flaps.failed_at if at > since]
    if lately and alert_key == book.root.id:
        lately += _failures_of_parts(book, lately[-1])
    # More of them than it takes to flap need not be known.
    failed_at = (*lately, book.now)[-rules.after - _FEW :]
    return msgspec.structs.replace(
        _changed(flaps, book, rules), failed_at=failed_at, count=flaps.count + 1
    )


def _failures_of_parts(book: AlertBook, since: datetime) -> list[datetime]:
    """Return when parts began to fail since the rollout last did: people heard of that as well.

    However many there are, it counts once.
    """
    begun = [
        alert.since
        for alert in book.state.alerts
        if alert.kind is EventKind.FAILED and not alert.is_retrying and alert.since > since
    ]
    return [min(begun)] if begun else []


def _changed(flaps: Flaps, book: AlertBook, rules: FlappingRules) -> Flaps:
    """Return what is known of something that has just changed."""
    notified = dict.fromkeys(flaps.notified_destinations)
    for alert in book.state.alerts:  # as the last poll left them: who was notified by then
        if alert.alert_key == flaps.alert_key and alert.kind in _FAILURES:
            notified.update(dict.fromkeys(alert.notified_destinations or ()))
    return msgspec.structs.replace(
        flaps,
        stable_at=book.now + rules.window,
        notified_destinations=tuple(notified),
        is_kept_back=False,
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


def _unstable(book: AlertBook, flaps: Flaps, all_flaps: Mapping[str, Flaps]) -> Flaps | None:
    """Return what is known of something until it has not changed for the window, then None.

    A part is stable once its rollout is.
    """
    if book.now < flaps.stable_at:
        return flaps
    if _is_part_of_what_flaps(book, flaps):
        its_rollout = all_flaps[book.root.id]
        return msgspec.structs.replace(flaps, stable_at=its_rollout.stable_at)
    _report_stable(book, flaps)
    return None


def _report_stable(book: AlertBook, flaps: Flaps) -> None:
    """Report how what flapped has ended, or a failure that was kept back."""
    reported = book.alert(flaps.alert_key, EventKind.FLAPPING)
    failed = book.alert(flaps.alert_key, EventKind.FAILED)
    found = book.alert_keys.entity(flaps.alert_key)
    book.drop(flaps.alert_key, EventKind.FLAPPING)
    if found is None or not (reported or flaps.is_kept_back):
        return
    level, entity = found
    if failed is not None and not failed.is_retrying:
        book.events.append(
            Event(EventKind.FAILED, level, entity, failed.reason, alert_key=flaps.alert_key)
        )
    elif level is Level.ROLLOUT and book.state.ended is EventKind.SUCCEEDED:
        book.add(EventKind.SUCCEEDED, level, entity, Reason(description=entity.description))
    elif reported is not None:
        notified = (*flaps.notified_destinations, *(reported.notified_destinations or ()))
        ended = msgspec.structs.replace(
            reported, notified_destinations=tuple(dict.fromkeys(notified))
        )
        reason = Reason(ReasonKind.STABLE_AGAIN, value=str(flaps.count))
        book.add_follow_up(ended, EventKind.RECOVERED, level, entity, reason)


def _is_part_of_what_flaps(book: AlertBook, flaps: Flaps) -> bool:
    """Whether its rollout was reported as flapping, and not the part itself."""
    root_id, kind = book.root.id, EventKind.FLAPPING
    is_reported = book.alert(root_id, kind) is not None
    return is_reported and flaps.alert_key != root_id and not book.alert(flaps.alert_key, kind)


def _flaps_of(state: TargetState, alert_key: str) -> Flaps | None:
    return next((one for one in state.flaps if one.alert_key == alert_key), None)
