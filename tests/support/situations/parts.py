"""What situations are made of: events, routes, windows, silences, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor.decide.routing import Rule, route
from monitor.decide.verdicts import Recipient, Silence, Verdict
from monitor.decide.windows import Once, Then, Weekly, Window
from monitor.model import EventKind, Level, Matcher, Mention, Named, Subject
from tests.support.clock import NOON

DEFAULT = "#releases"
MIDNIGHT = datetime(2025, 12, 1, 23, 0, tzinfo=UTC)  # in Berlin
ANNA = "anna@example.com"


def of(event: str, **facts: Any) -> Subject:
    """An event of the install acme-prod, to which a release of checkout-api goes."""
    known: dict[str, Any] = {
        "level": Level.UNIT,
        "kind": "release",
        "part_kind": "install deploy",
        "app": Named("app1", "shop"),
        "component": Named("cmp1", "checkout-api"),
        "install": Named("inl1", "acme-prod"),
        "rollout": Named("rel1"),
        "watch": Named("app1", "the shop"),
        "name": "checkout-api v7",
        "labels": {"team": "payments"},
        "started_by": ANNA,
        "failed": 1,
    }
    return Subject(event=EventKind(event), **known | facts)


def of_all(event: str, **facts: Any) -> Subject:
    """An event of the release as a whole."""
    return of(event, **{"level": Level.ROLLOUT, "part_kind": "release", "install": Named()} | facts)


def to(destination: str | None, events: str = "", *mentions: str, **facts: Any) -> Rule:
    """A route; what is no field of a route is a pattern, or several, to match."""
    own = {name: facts.pop(name) for name in Rule.__slots__ if name in facts}
    patterns = {
        key.replace("labels_", "labels."): (value,) if isinstance(value, str) else value
        for key, value in facts.items()
    }
    return Rule(
        destination=destination,
        events=tuple(EventKind(word) for word in events.split()),
        matcher=Matcher(patterns),
        mentions=tuple(Mention.of(word) for word in mentions),
        **own,
    )


def silence(until: datetime, **patterns: tuple[str, ...]) -> Silence:
    return Silence(
        id=1,
        matcher=Matcher(patterns),
        until=until,
        author="anna",
        reason="database upgrade",
        created_at=NOON - timedelta(hours=1),
    )


BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window(Weekly(time(22), time(7), zone=BERLIN), "night")
QUIET_NIGHT = replace(NIGHT, then=Then.DROP)
UPGRADE = Window(Once(MIDNIGHT, MIDNIGHT + timedelta(hours=10)), "upgrade")
FIVE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Situation:
    subject: Subject
    routes: tuple[Rule, ...] = ()
    at: datetime = NOON
    windows: tuple[Window, ...] = ()
    silences: tuple[Silence, ...] = ()
    notified: list[str] = field(default_factory=list)
    why: list[str]

    def verdict(self) -> Verdict:
        return route(
            self.subject,
            self.routes,
            default_destination=DEFAULT,
            now=self.at,
            windows=self.windows,
            silences=self.silences,
        )


def outcome(verdict: Verdict) -> list[str]:
    """Return for instance `#oncall @here`, `held #ops until 2025-12-02 06:00`, `silenced`."""
    lines = [addressed(recipient) for recipient in verdict.recipients]
    for held in verdict.held:
        verb = "held" if held.hold.then is Then.SUMMARY else "dropped"
        lines.append(f"{verb} {addressed(held.recipient)} until {held.hold.until:%Y-%m-%d %H:%M}")
    for waiting in verdict.waiting:
        due = f" until {waiting.due:%H:%M}" if waiting.due else ""
        number = f" for {waiting.needs_failed} failed" if waiting.needs_failed else ""
        lines.append(f"waits {addressed(waiting.recipient)}{due}{number}")
    return lines + ["silenced"] * (verdict.silence is not None)


def addressed(recipient: Recipient) -> str:
    return " ".join((recipient.destination, *(str(mention) for mention in recipient.mentions)))


NO_ROUTE = "no route matches: told in the watch's own channel #releases"
NO_FURTHER = "no further route matches: told in the watch's own channel #releases"
ONCALL = to("#oncall", "failed stalled", "@here", name="on-call")
ONCALL_NOTIFIED = 'route 1 "on-call": matches, told in #oncall with @here; looks no further'
PATIENT = to("#oncall", "failed stalled waiting", lasting=FIVE)
