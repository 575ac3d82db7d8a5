"""Who is told of an event, and why: situations one by one, in the words of `route test`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.support.verdict_words import verdict_words
from monitor.decide.routing import Rule, card_destinations, route
from monitor.decide.verdicts import Recipient, Silence, Verdict
from monitor.decide.windows import Once, Then, Weekly, Window
from monitor.model import (
    MATCH_KEYS,
    EventKind,
    Level,
    Matcher,
    Mention,
    MentionKind,
    Named,
    Subject,
)
from tests.support.builders import fixed
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
    told: list[str] = field(default_factory=list)
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
ONCALL_TOLD = 'route 1 "on-call": matches, told in #oncall with @here; looks no further'
PATIENT = to("#oncall", "failed stalled waiting", lasting=FIVE)

NOT_YET = "route 1: matches, not yet told in #oncall: only if it lasts 5 min (so far 0 s)"
TOO_FEW = "route 1: matches, not yet told in #oncall: only from 2 failed installs on (so far 1)"
TOO_MANY = "route 1: matches, not yet told in #oncall: only from 3 failed installs on (so far 1)"
UNHEARD = "which never heard of the trouble"
STILL = "dropped, but told if it still stands then"

SITUATIONS: dict[str, Situation] = {
    # Without routes, and past them
    "without routes the watch's own channel is told, and nobody pinged": Situation(
        subject=of("failed"),
        told=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "what no route is for is told in the watch's own channel": Situation(
        subject=of("progressed"),
        routes=(ONCALL,),
        told=["#releases"],
        why=['route 1 "on-call": is for failed and stalled, this is progressed', NO_ROUTE],
    ),
    "a route for three events names them all": Situation(
        subject=of_all("succeeded"),
        routes=(PATIENT,),
        told=["#releases"],
        why=["route 1: is for failed, stalled and waiting, this is succeeded", NO_ROUTE],
    ),
    # By event
    "a failed deploy pings those on call, and only them": Situation(
        subject=of("failed"), routes=(ONCALL,), told=["#oncall @here"], why=[ONCALL_TOLD]
    ),
    "what stalls takes the same route": Situation(
        subject=of_all("stalled"), routes=(ONCALL,), told=["#oncall @here"], why=[ONCALL_TOLD]
    ),
    "a route without events is for all of them": Situation(
        subject=of_all("started"),
        routes=(to("#all"),),
        told=["#all"],
        why=["route 1: matches, told in #all; looks no further"],
    ),
    "that the platform cannot be seen is routed like any other event": Situation(
        subject=Subject(event=EventKind.UNREACHABLE, watch=Named("app1", "the shop")),
        routes=(to("#infra", "unreachable reachable"),),
        told=["#infra"],
        why=["route 1: matches, told in #infra; looks no further"],
    ),
    # The order of routes
    "the first route that matches decides": Situation(
        subject=of("failed"),
        routes=(to("#first", "failed"), to("#second", "failed")),
        told=["#first"],
        why=["route 1: matches, told in #first; looks no further"],
    ),
    "a route that does not match is passed over": Situation(
        subject=of("waiting"),
        routes=(ONCALL, to("#approvals", "waiting")),
        told=["#approvals"],
        why=[
            'route 1 "on-call": is for failed and stalled, this is waiting',
            "route 2: matches, told in #approvals; looks no further",
        ],
    ),
    "a route that continues tells its own, and the next that matches too": Situation(
        subject=of("failed"),
        routes=(to("#oncall", continues=True), to("#payments"), to("#never")),
        told=["#oncall", "#payments"],
        why=[
            "route 1: matches, told in #oncall; looks further",
            "route 2: matches, told in #payments; looks no further",
        ],
    ),
    "a route that continues past the last one tells the watch's own channel too": Situation(
        subject=of("failed"),
        routes=(replace(ONCALL, continues=True),),
        told=["#oncall @here", "#releases"],
        why=[
            'route 1 "on-call": matches, told in #oncall with @here; looks further',
            NO_FURTHER,
        ],
    ),
    "a channel to which two routes lead is told once, with the mentions of both": Situation(
        subject=of("failed"),
        routes=(
            to("#ops", "", "@here", "U024BE7LH", continues=True),
            to("#ops", "", "S0614TZR7", "@here"),
        ),
        told=["#ops @here @U024BE7LH @S0614TZR7"],
        why=[
            "route 1: matches, told in #ops with @here and @U024BE7LH; looks further",
            "route 2: matches, told in #ops with @S0614TZR7 and @here; looks no further",
        ],
    ),
    "a route that continues to the watch's own channel mentions there": Situation(
        subject=of("failed"),
        routes=(to(DEFAULT, "failed", "@channel", continues=True),),
        told=["#releases @channel"],
        why=["route 1: matches, told in #releases with @channel; looks further", NO_FURTHER],
    ),
    "a route that drops ends the matter": Situation(
        subject=of("progressed"),
        routes=(to(None, "progressed", name="noise"), to("#all")),
        why=['route 1 "noise": matches, dropped; looks no further'],
    ),
    "a route that drops does not continue": Situation(
        subject=of("progressed"),
        routes=(to(None, continues=True), to("#all")),
        why=["route 1: matches, dropped; looks no further"],
    ),
    "what an earlier route told stays told when a later one drops": Situation(
        subject=of("progressed"),
        routes=(to("#log", continues=True), to(None)),
        told=["#log"],
        why=[
            "route 1: matches, told in #log; looks further",
            "route 2: matches, dropped; looks no further",
        ],
    ),
    # By what it is about
    "a component is known by its name": Situation(
        subject=of("failed"),
        routes=(to("#checkout", component="checkout-*"),),
        told=["#checkout"],
        why=["route 1: matches, told in #checkout; looks no further"],
    ),
    "an app is known by its id": Situation(
        subject=of("failed"),
        routes=(to("#shop", app="app1"),),
        told=["#shop"],
        why=["route 1: matches, told in #shop; looks no further"],
    ),
    "another app than the route's is passed over": Situation(
        subject=of("failed"),
        routes=(to("#pay", app=("pay-*", "billing")),),
        told=["#releases"],
        why=['route 1: is for app "pay-*" or "billing", this is "shop"', NO_ROUTE],
    ),
    "a watch that has no name is shown by its target's id": Situation(
        subject=of("failed", watch=Named("app1")),
        routes=(to("#pay", watch="the shop"),),
        told=["#releases"],
        why=['route 1: is for watch "the shop", this is "app1"', NO_ROUTE],
    ),
    "the install counts for what happens to it": Situation(
        subject=of("failed"),
        routes=(to("#acme", install="acme-????"),),
        told=["#acme"],
        why=["route 1: matches, told in #acme; looks no further"],
    ),
    "the release as a whole is of no install": Situation(
        subject=of_all("failed"),
        routes=(to("#acme", install="acme-*"),),
        told=["#releases"],
        why=['route 1: is for install "acme-*", this has none', NO_ROUTE],
    ),
    "a star matches also what is not known": Situation(
        subject=of_all("failed"),
        routes=(to("#all", install="*"),),
        told=["#all"],
        why=["route 1: matches, told in #all; looks no further"],
    ),
    "case does not count": Situation(
        subject=of("failed"),
        routes=(to("#shop", watch="THE *"),),
        told=["#shop"],
        why=["route 1: matches, told in #shop; looks no further"],
    ),
    "a kind may be the part's own": Situation(
        subject=of("failed"),
        routes=(to("#deploys", kind="install deploy"),),
        told=["#deploys"],
        why=["route 1: matches, told in #deploys; looks no further"],
    ),
    "a kind may be that of the rollout": Situation(
        subject=of("failed"),
        routes=(to("#workflows", kind="workflow"), to("#rel", kind="release")),
        told=["#rel"],
        why=[
            'route 1: is for kind "workflow", this is "release"',
            "route 2: matches, told in #rel; looks no further",
        ],
    ),
    "a label decides": Situation(
        subject=of("failed"),
        routes=(to("#core", labels_team="core"), to("#payments", labels_team="pay*")),
        told=["#payments"],
        why=[
            'route 1: is for labels.team "core", this is "payments"',
            "route 2: matches, told in #payments; looks no further",
        ],
    ),
    "a label that the watch does not have matches nothing": Situation(
        subject=of("failed"),
        routes=(to("#gold", labels_tier="gold"),),
        told=["#releases"],
        why=['route 1: is for labels.tier "gold", this has none', NO_ROUTE],
    ),
    "all keys of a route have to match": Situation(
        subject=of("failed"),
        routes=(to("#both", app="shop", labels_team="core"),),
        told=["#releases"],
        why=['route 1: is for labels.team "core", this is "payments"', NO_ROUTE],
    ),
    "who started it decides": Situation(
        subject=of("failed"),
        routes=(to("#bots", started_by="ci-*@example.com"), to("#people", name="people")),
        told=["#people"],
        why=[
            f'route 1: is for started_by "ci-*@example.com", this is "{ANNA}"',
            'route 2 "people": matches, told in #people; looks no further',
        ],
    ),
    "a title that would break the line is shown on one": Situation(
        subject=of("failed", install=Named("inl1", "acme\n\x1b[31mprod")),
        routes=(to("#x", install="x"),),
        told=["#releases"],
        why=['route 1: is for install "x", this is "acme prod"', NO_ROUTE],
    ),
    # Mentions
    "who started it is mentioned": Situation(
        subject=of("failed"),
        routes=(to("#ops", "", "@here", "started_by"),),
        told=[f"#ops @here {ANNA}"],
        why=[f"route 1: matches, told in #ops with @here and {ANNA}; looks no further"],
    ),
    "where nobody knows who started it, nobody is mentioned for it": Situation(
        subject=of("failed", started_by=""),
        routes=(to("#ci", "", "started_by", "@here", continues=True),),
        told=["#ci @here", "#releases"],
        why=[
            "route 1: matches, told in #ci with @here (who started it is not known); looks further",
            NO_FURTHER,
        ],
    ),
    # Thresholds
    "one failed deploy wakes nobody where it takes two": Situation(
        subject=of("failed", failed=1),
        routes=(to("#oncall", "failed", min_failed=2), to("#all")),
        told=["waits #oncall for 2 failed"],
        why=[f"{TOO_FEW}; looks no further"],
    ),
    "the second failed deploy is one of two": Situation(
        subject=of("failed", failed=2),
        routes=(to("#oncall", "failed", min_failed=2),),
        told=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "a step that failed by one install waits as well": Situation(
        subject=of("failed", level=Level.STEP, failed=1, install=Named()),
        routes=(to("#oncall", "failed", min_failed=2),),
        told=["waits #oncall for 2 failed"],
        why=[f"{TOO_FEW}; looks no further"],
    ),
    "a release that has failed is told, however few of its installs have": Situation(
        subject=of_all("failed", failed=0),
        routes=(to("#oncall", "failed", min_failed=10),),
        told=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "a number of failures says nothing about what waits": Situation(
        subject=of("waiting", failed=0),
        routes=(to("#oncall", min_failed=2),),
        told=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "what may yet recover by itself wakes nobody": Situation(
        subject=of("failed", age=timedelta(minutes=2)),
        routes=(PATIENT,),
        told=["waits #oncall until 12:03"],
        why=[f"{NOT_YET.replace('0 s', '2 min')}; looks no further"],
    ),
    "what has lasted long enough is told": Situation(
        subject=of("stalled", age=FIVE),
        routes=(PATIENT,),
        told=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "that a release succeeded need not last": Situation(
        subject=of_all("succeeded"),
        routes=(to("#ops", lasting=FIVE),),
        told=["#ops"],
        why=["route 1: matches, told in #ops; looks no further"],
    ),
    "what has to last and to be many waits for both": Situation(
        subject=of("failed", failed=1),
        routes=(to("#oncall", min_failed=3, lasting=FIVE),),
        told=["waits #oncall until 12:05 for 3 failed"],
        why=[f"{TOO_MANY} and if it lasts 5 min (so far 0 s); looks no further"],
    ),
    "who waits and continues leaves the rest to the next": Situation(
        subject=of("failed"),
        routes=(replace(PATIENT, continues=True),),
        told=["#releases", "waits #oncall until 12:05"],
        why=[
            f"{NOT_YET}; looks further",
            NO_FURTHER,
        ],
    ),
    "a channel that is told at once does not wait as well": Situation(
        subject=of("failed"),
        routes=(replace(PATIENT, continues=True), to("#oncall")),
        told=["#oncall"],
        why=[
            f"{NOT_YET}; looks further",
            "route 2: matches, told in #oncall; looks no further",
        ],
    ),
    # What was told before
    "what was told is not told there again": Situation(
        subject=of("failed", notified_destinations=("#oncall",)),
        routes=(replace(ONCALL, continues=True), to("#late")),
        told=["#late"],
        why=[
            'route 1 "on-call": matches, not told in #oncall again; looks further',
            "route 2: matches, told in #late; looks no further",
        ],
    ),
    "that it recovered is told where the trouble was": Situation(
        subject=of("recovered", notified_destinations=("#oncall", "#releases")),
        told=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "that it recovered is not told where nobody had heard of the trouble": Situation(
        subject=of("recovered", notified_destinations=()),
        routes=(to("#oncall", continues=True),),
        why=[
            f"route 1: matches, not told in #oncall, {UNHEARD}; looks further",
            f"no further route matches: not told in the watch's own channel #releases, {UNHEARD}",
        ],
    ),
    "that it recovered is told where nobody kept count": Situation(
        subject=of("recovered"),
        told=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    # Quiet hours
    "at night it is held for the summary": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        at=MIDNIGHT,
        windows=(NIGHT,),
        told=["held #oncall @here until 2025-12-02 06:00"],
        why=[
            'route 1 "on-call": matches, for #oncall with @here; looks no further',
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
        ],
    ),
    "by day it is told at once": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        windows=(NIGHT,),
        told=["#oncall @here"],
        why=[ONCALL_TOLD],
    ),
    "at night the watch's own channel is quiet too": Situation(
        subject=of("progressed"),
        at=MIDNIGHT,
        windows=(replace(NIGHT, name=""),),
        told=["held #releases until 2025-12-02 06:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            "quiet hours until 07:00 Europe/Berlin: held for the summary",
        ],
    ),
    "what is dropped at night is not held": Situation(
        subject=of("progressed"),
        at=MIDNIGHT,
        windows=(QUIET_NIGHT,),
        told=["dropped #releases until 2025-12-02 06:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "night" until 07:00 Europe/Berlin: dropped',
        ],
    ),
    "a failure that is dropped at night is told in the morning if it still stands": Situation(
        subject=of("failed"),
        at=MIDNIGHT,
        windows=(QUIET_NIGHT,),
        told=["dropped #releases until 2025-12-02 06:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            f'quiet hours "night" until 07:00 Europe/Berlin: {STILL}',
        ],
    ),
    "quiet hours of one route leave the others alone": Situation(
        subject=of("failed"),
        routes=(replace(ONCALL, continues=True), to("#team", name="team")),
        at=MIDNIGHT,
        windows=(replace(NIGHT, routes=("team",)),),
        told=["#oncall @here", "held #team until 2025-12-02 06:00"],
        why=[
            'route 1 "on-call": matches, told in #oncall with @here; looks further',
            'route 2 "team": matches, for #team; looks no further',
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
        ],
    ),
    "quiet hours of a route are none of the watch's own channel": Situation(
        subject=of("failed"),
        at=MIDNIGHT,
        windows=(replace(NIGHT, routes=("team",)),),
        told=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "quiet hours for progress let a failure through": Situation(
        subject=of("failed"),
        at=MIDNIGHT,
        windows=(replace(NIGHT, events=(EventKind.PROGRESSED,)),),
        told=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "a window that has opened by the end of another holds on": Situation(
        subject=of("failed"),
        at=MIDNIGHT + timedelta(hours=1),
        windows=(NIGHT, UPGRADE),
        told=["held #releases until 2025-12-02 09:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "upgrade" until 09:00 UTC: held for the summary',
        ],
    ),
    "a window that opens during another is named beside it": Situation(
        subject=of("failed"),
        at=MIDNIGHT - timedelta(hours=1),
        windows=(NIGHT, UPGRADE),
        told=["held #releases until 2025-12-02 09:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "night" and "upgrade" until 09:00 UTC: held for the summary',
        ],
    ),
    "what one window promises to tell another does not drop": Situation(
        subject=of("progressed"),
        at=MIDNIGHT,
        windows=(QUIET_NIGHT, UPGRADE),
        told=["held #releases until 2025-12-02 09:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "upgrade" until 09:00 UTC: held for the summary',
        ],
    ),
    "a channel that is told at once by one route is not told again in the summary": Situation(
        subject=of("failed"),
        routes=(to("#ops", name="a", continues=True), to("#ops", name="b")),
        at=MIDNIGHT,
        windows=(replace(NIGHT, routes=("a",)),),
        told=["#ops"],
        why=[
            'route 1 "a": matches, for #ops; looks further',
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
            'route 2 "b": matches, told in #ops; looks no further',
        ],
    ),
    "a channel that two windows hold has one summary, when the first is over": Situation(
        subject=of("failed"),
        routes=(to("#ops", name="a", continues=True), to("#ops", name="b")),
        at=MIDNIGHT,
        windows=(
            replace(UPGRADE, routes=("a",)),
            replace(NIGHT, routes=("b",)),
        ),
        told=["held #ops until 2025-12-02 06:00"],
        why=[
            'route 1 "a": matches, for #ops; looks further',
            'quiet hours "upgrade" until 09:00 UTC: held for the summary',
            'route 2 "b": matches, for #ops; looks no further',
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
        ],
    ),
    "the summary of a channel mentions whom both of its routes name": Situation(
        subject=of("failed"),
        routes=(to("#ops", "", "@here", continues=True), to("#ops", "", "U024BE7LH")),
        at=MIDNIGHT,
        windows=(NIGHT,),
        told=["held #ops @here @U024BE7LH until 2025-12-02 06:00"],
        why=[
            "route 1: matches, for #ops with @here; looks further",
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
            "route 2: matches, for #ops with @U024BE7LH; looks no further",
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
        ],
    ),
    "a channel that one window drops and another holds has a summary": Situation(
        subject=of("progressed"),
        routes=(to("#ops", name="a", continues=True), to("#ops", name="b")),
        at=MIDNIGHT,
        windows=(
            replace(QUIET_NIGHT, routes=("a",)),
            replace(UPGRADE, routes=("b",)),
        ),
        told=["held #ops until 2025-12-02 09:00"],
        why=[
            'route 1 "a": matches, for #ops; looks further',
            'quiet hours "night" until 07:00 Europe/Berlin: dropped',
            'route 2 "b": matches, for #ops; looks no further',
            'quiet hours "upgrade" until 09:00 UTC: held for the summary',
        ],
    ),
    "at night what is under its threshold waits first": Situation(
        subject=of("failed"),
        routes=(PATIENT,),
        at=MIDNIGHT,
        windows=(NIGHT,),
        told=["waits #oncall until 23:05"],
        why=[f"{NOT_YET}; looks no further"],
    ),
    "a window that ends in some days says on which": Situation(
        subject=of("failed"),
        windows=(Window(Once(NOON, NOON + timedelta(days=3), BERLIN), "holidays"),),
        told=["held #releases until 2025-12-04 12:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "holidays" until 2025-12-04 13:00 Europe/Berlin: held for the summary',
        ],
    ),
    # Silences
    "what is silenced is told to nobody": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        silences=(silence(NOON + timedelta(hours=6), install=("acme-*",)),),
        told=["silenced"],
        why=["silenced until 18:00 UTC by anna: database upgrade"],
    ),
    "a silence of something else does not count": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        silences=(silence(NOON + timedelta(hours=6), install=("globex-*",)),),
        told=["#oncall @here"],
        why=[ONCALL_TOLD],
    ),
    "a silence that is over does not count": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        silences=(silence(NOON),),
        told=["#oncall @here"],
        why=[ONCALL_TOLD],
    ),
    "of two silences the longer one is named": Situation(
        subject=of("failed"),
        silences=(silence(NOON + timedelta(hours=1)), silence(NOON + timedelta(days=2))),
        told=["silenced"],
        why=["silenced until 2025-12-03 12:00 UTC by anna: database upgrade"],
    ),
    "a release can be silenced by its id": Situation(
        subject=of_all("stalled"),
        silences=(silence(NOON + timedelta(hours=6), rollout=("rel1",)),),
        told=["silenced"],
        why=["silenced until 18:00 UTC by anna: database upgrade"],
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_who_is_told_and_why(situation: Situation) -> None:
    verdict = situation.verdict()

    assert (outcome(verdict), list(verdict_words(verdict, situation.at))) == (
        situation.told,
        situation.why,
    )


# What goes along with a verdict


def test_a_destination_names_the_routes_that_lead_to_it() -> None:
    rules = (to("#ops", name="a", continues=True), to("#ops", name="b", continues=True))

    told = route(of("failed"), rules, default_destination=DEFAULT, now=NOON).recipients

    assert [(one.destination, one.routes) for one in told] == [("#ops", ("a", "b")), (DEFAULT, ())]


def test_what_waited_is_told_once_it_is_due() -> None:
    waiting = route(of("failed"), (PATIENT,), default_destination=DEFAULT, now=NOON).waiting[0]
    assert waiting.due is not None

    later = of("failed", age=waiting.due - NOON, notified_destinations=())
    told = route(later, (PATIENT,), default_destination=DEFAULT, now=waiting.due).recipients

    assert told == (waiting.recipient,)


def test_what_was_held_and_still_stands_is_told_when_the_window_is_over() -> None:
    held = route(
        of("failed"), (ONCALL,), default_destination=DEFAULT, now=MIDNIGHT, windows=(NIGHT,)
    ).held[0]

    still = of("failed", notified_destinations=())
    told = route(
        still, (ONCALL,), default_destination=DEFAULT, now=held.hold.until, windows=(NIGHT,)
    ).recipients

    assert told == (held.recipient,)


def test_what_was_silenced_and_still_stands_is_told_when_the_silence_is_over() -> None:
    quiet = silence(NOON + timedelta(hours=6))

    still = of("failed", notified_destinations=())
    told = route(
        still, (ONCALL,), default_destination=DEFAULT, now=quiet.until, silences=(quiet,)
    ).recipients

    assert [one.destination for one in told] == ["#oncall"]


# Cards


def test_a_card_stands_where_the_start_is_told() -> None:
    rules = (to("#oncall", "failed"), to("#log", continues=True), to("#team", app="shop"))

    assert card_destinations(of_all("failed"), rules, default_destination=DEFAULT) == (
        "#log",
        "#team",
    )


def test_without_a_route_for_it_a_card_stands_in_the_watchs_own_channel() -> None:
    assert card_destinations(of_all("succeeded"), (ONCALL,), default_destination=DEFAULT) == (
        DEFAULT,
    )


def test_a_card_waits_for_no_threshold_and_for_no_count_of_what_was_told() -> None:
    rules = (to("#ops", min_failed=5, lasting=FIVE),)

    assert card_destinations(
        of_all("failed", notified_destinations=("#ops",)), rules, default_destination=DEFAULT
    ) == ("#ops",)


def test_a_release_whose_start_is_dropped_has_no_card() -> None:
    assert (
        card_destinations(of_all("failed"), (to(None, "started"),), default_destination=DEFAULT)
        == ()
    )


def test_a_channel_to_which_two_routes_lead_has_one_card() -> None:
    rules = (to("#ops", continues=True), to("#ops"))

    assert card_destinations(of_all("started"), rules, default_destination=DEFAULT) == ("#ops",)


# Mentions


@pytest.mark.parametrize(
    ("word", "mention"),
    [
        ("@here", Mention(MentionKind.HERE)),
        ("@channel", Mention(MentionKind.CHANNEL)),
        ("started_by", Mention(MentionKind.STARTED_BY)),
        ("U024BE7LH", Mention(MentionKind.USER, "U024BE7LH")),
        ("W024BE7LH", Mention(MentionKind.USER, "W024BE7LH")),
        ("S0614TZR7", Mention(MentionKind.GROUP, "S0614TZR7")),
    ],
)
def test_a_word_of_the_configuration_says_whom_to_mention(word: str, mention: Mention) -> None:
    assert Mention.of(word) == mention


@pytest.mark.parametrize("word", ["", "@everyone", "user", "C024BE7LH"])
def test_a_word_that_means_nobody_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="nobody that can be mentioned"):
        Mention.of(word)


# Patterns

# Few letters, so that patterns and texts meet; among them what means something to others.
LETTERS = "aB.[\\\n"
TEXTS = st.text(LETTERS, max_size=6)


def about(text: str) -> Subject:
    return Subject(event=EventKind.FAILED, name=text)


def does_match(pattern: str, text: str) -> bool:
    return Matcher({"name": (pattern,)}).matches(about(text))


def plainly_matches(pattern: str, text: str) -> bool:
    """Try everything that a star may stand for."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return plainly_matches(pattern[1:], text) or (
            bool(text) and plainly_matches(pattern, text[1:])
        )
    is_same = bool(text) and pattern[0] in ("?", text[0])
    return is_same and plainly_matches(pattern[1:], text[1:])


@fixed(500)
@given(st.text(LETTERS + "*?", max_size=6), TEXTS)
def test_a_pattern_means_nothing_special_but_star_and_question_mark(
    pattern: str, text: str
) -> None:
    assert does_match(pattern, text) == plainly_matches(pattern.lower(), text.lower())


@fixed(100)
@given(TEXTS)
def test_a_text_matches_itself_and_a_star_in_any_case(text: str) -> None:
    assert does_match(text, text)
    assert does_match(text.swapcase(), text)
    assert does_match("*", text)


@fixed(100)
@given(st.text(LETTERS + "*?", min_size=1, max_size=6), st.sampled_from(MATCH_KEYS))
def test_what_is_not_known_matches_no_pattern_but_stars(pattern: str, key: str) -> None:
    unknown = Subject(event=EventKind.FAILED)

    assert Matcher({key: (pattern,)}).matches(unknown) == (set(pattern) == {"*"})


@fixed(100)
@given(st.lists(st.text(LETTERS + "*?", min_size=1, max_size=4), min_size=1, max_size=4), TEXTS)
def test_any_pattern_of_a_key_is_enough(patterns: list[str], text: str) -> None:
    together = Matcher({"name": tuple(patterns)}).matches(about(text))

    assert together == any(does_match(pattern, text) for pattern in patterns)


def test_a_matcher_without_patterns_matches_everything() -> None:
    assert Matcher().matches(Subject(event=EventKind.REMOVED))


def test_a_hostile_name_is_soon_found_not_to_match() -> None:
    # Trying every place for every star would take longer than the world stands.
    assert not does_match("*a" * 30 + "b", "a" * 20_000)
