"""Situations that the routes alone decide."""

from __future__ import annotations

from dataclasses import replace

from monitor.model import EventKind, Named, Subject
from tests.support.situations.parts import (
    ANNA,
    DEFAULT,
    NO_FURTHER,
    NO_ROUTE,
    ONCALL,
    ONCALL_NOTIFIED,
    PATIENT,
    Situation,
    of,
    of_all,
    to,
)

ROUTE_SITUATIONS: dict[str, Situation] = {
    # Without routes, and past them
    "without routes the watch's own channel is told, and nobody pinged": Situation(
        subject=of("failed"),
        notified=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "what no route is for is told in the watch's own channel": Situation(
        subject=of("progressed"),
        routes=(ONCALL,),
        notified=["#releases"],
        why=['route 1 "on-call": is for failed and stalled, this is progressed', NO_ROUTE],
    ),
    "a route for three events names them all": Situation(
        subject=of_all("succeeded"),
        routes=(PATIENT,),
        notified=["#releases"],
        why=["route 1: is for failed, stalled and waiting, this is succeeded", NO_ROUTE],
    ),
    # By event
    "a failed deploy pings those on call, and only them": Situation(
        subject=of("failed"), routes=(ONCALL,), notified=["#oncall @here"], why=[ONCALL_NOTIFIED]
    ),
    "what stalls takes the same route": Situation(
        subject=of_all("stalled"),
        routes=(ONCALL,),
        notified=["#oncall @here"],
        why=[ONCALL_NOTIFIED],
    ),
    "a route without events is for all of them": Situation(
        subject=of_all("started"),
        routes=(to("#all"),),
        notified=["#all"],
        why=["route 1: matches, told in #all; looks no further"],
    ),
    "that the platform cannot be seen is routed like any other event": Situation(
        subject=Subject(event=EventKind.UNREACHABLE, watch=Named("app1", "the shop")),
        routes=(to("#infra", "unreachable reachable"),),
        notified=["#infra"],
        why=["route 1: matches, told in #infra; looks no further"],
    ),
    # The order of routes
    "the first route that matches decides": Situation(
        subject=of("failed"),
        routes=(to("#first", "failed"), to("#second", "failed")),
        notified=["#first"],
        why=["route 1: matches, told in #first; looks no further"],
    ),
    "a route that does not match is passed over": Situation(
        subject=of("waiting"),
        routes=(ONCALL, to("#approvals", "waiting")),
        notified=["#approvals"],
        why=[
            'route 1 "on-call": is for failed and stalled, this is waiting',
            "route 2: matches, told in #approvals; looks no further",
        ],
    ),
    "a route that continues tells its own, and the next that matches too": Situation(
        subject=of("failed"),
        routes=(to("#oncall", continues=True), to("#payments"), to("#never")),
        notified=["#oncall", "#payments"],
        why=[
            "route 1: matches, told in #oncall; looks further",
            "route 2: matches, told in #payments; looks no further",
        ],
    ),
    "a route that continues past the last one tells the watch's own channel too": Situation(
        subject=of("failed"),
        routes=(replace(ONCALL, continues=True),),
        notified=["#oncall @here", "#releases"],
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
        notified=["#ops @here @U024BE7LH @S0614TZR7"],
        why=[
            "route 1: matches, told in #ops with @here and @U024BE7LH; looks further",
            "route 2: matches, told in #ops with @S0614TZR7 and @here; looks no further",
        ],
    ),
    "a route that continues to the watch's own channel mentions there": Situation(
        subject=of("failed"),
        routes=(to(DEFAULT, "failed", "@channel", continues=True),),
        notified=["#releases @channel"],
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
        notified=["#log"],
        why=[
            "route 1: matches, told in #log; looks further",
            "route 2: matches, dropped; looks no further",
        ],
    ),
    # By what it is about
    "a component is known by its name": Situation(
        subject=of("failed"),
        routes=(to("#checkout", component="checkout-*"),),
        notified=["#checkout"],
        why=["route 1: matches, told in #checkout; looks no further"],
    ),
    "an app is known by its id": Situation(
        subject=of("failed"),
        routes=(to("#shop", app="app1"),),
        notified=["#shop"],
        why=["route 1: matches, told in #shop; looks no further"],
    ),
    "another app than the route's is passed over": Situation(
        subject=of("failed"),
        routes=(to("#pay", app=("pay-*", "billing")),),
        notified=["#releases"],
        why=['route 1: is for app "pay-*" or "billing", this is "shop"', NO_ROUTE],
    ),
    "a watch that has no name is shown by its target's id": Situation(
        subject=of("failed", watch=Named("app1")),
        routes=(to("#pay", watch="the shop"),),
        notified=["#releases"],
        why=['route 1: is for watch "the shop", this is "app1"', NO_ROUTE],
    ),
    "the install counts for what happens to it": Situation(
        subject=of("failed"),
        routes=(to("#acme", install="acme-????"),),
        notified=["#acme"],
        why=["route 1: matches, told in #acme; looks no further"],
    ),
    "the release as a whole is of no install": Situation(
        subject=of_all("failed"),
        routes=(to("#acme", install="acme-*"),),
        notified=["#releases"],
        why=['route 1: is for install "acme-*", this has none', NO_ROUTE],
    ),
    "a star matches also what is not known": Situation(
        subject=of_all("failed"),
        routes=(to("#all", install="*"),),
        notified=["#all"],
        why=["route 1: matches, told in #all; looks no further"],
    ),
    "case does not count": Situation(
        subject=of("failed"),
        routes=(to("#shop", watch="THE *"),),
        notified=["#shop"],
        why=["route 1: matches, told in #shop; looks no further"],
    ),
    "a kind may be the part's own": Situation(
        subject=of("failed"),
        routes=(to("#deploys", kind="install deploy"),),
        notified=["#deploys"],
        why=["route 1: matches, told in #deploys; looks no further"],
    ),
    "a kind may be that of the rollout": Situation(
        subject=of("failed"),
        routes=(to("#workflows", kind="workflow"), to("#rel", kind="release")),
        notified=["#rel"],
        why=[
            'route 1: is for kind "workflow", this is "release"',
            "route 2: matches, told in #rel; looks no further",
        ],
    ),
    "a label decides": Situation(
        subject=of("failed"),
        routes=(to("#core", labels_team="core"), to("#payments", labels_team="pay*")),
        notified=["#payments"],
        why=[
            'route 1: is for labels.team "core", this is "payments"',
            "route 2: matches, told in #payments; looks no further",
        ],
    ),
    "a label that the watch does not have matches nothing": Situation(
        subject=of("failed"),
        routes=(to("#gold", labels_tier="gold"),),
        notified=["#releases"],
        why=['route 1: is for labels.tier "gold", this has none', NO_ROUTE],
    ),
    "all keys of a route have to match": Situation(
        subject=of("failed"),
        routes=(to("#both", app="shop", labels_team="core"),),
        notified=["#releases"],
        why=['route 1: is for labels.team "core", this is "payments"', NO_ROUTE],
    ),
    "who started it decides": Situation(
        subject=of("failed"),
        routes=(to("#bots", started_by="ci-*@example.com"), to("#people", name="people")),
        notified=["#people"],
        why=[
            f'route 1: is for started_by "ci-*@example.com", this is "{ANNA}"',
            'route 2 "people": matches, told in #people; looks no further',
        ],
    ),
    "a title that would break the line is shown on one": Situation(
        subject=of("failed", install=Named("inl1", "acme\n\x1b[31mprod")),
        routes=(to("#x", install="x"),),
        notified=["#releases"],
        why=['route 1: is for install "x", this is "acme prod"', NO_ROUTE],
    ),
    # Mentions
    "who started it is mentioned": Situation(
        subject=of("failed"),
        routes=(to("#ops", "", "@here", "started_by"),),
        notified=[f"#ops @here {ANNA}"],
        why=[f"route 1: matches, told in #ops with @here and {ANNA}; looks no further"],
    ),
    "where nobody knows who started it, nobody is mentioned for it": Situation(
        subject=of("failed", started_by=""),
        routes=(to("#ci", "", "started_by", "@here", continues=True),),
        notified=["#ci @here", "#releases"],
        why=[
            "route 1: matches, told in #ci with @here (who started it is not known); looks further",
            NO_FURTHER,
        ],
    ),
}
