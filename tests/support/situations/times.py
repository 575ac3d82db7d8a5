"""Situations in which it matters what was sent before, how long it lasts, and the hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.decide.windows import Once, Window
from monitor.model import EventKind, Level, Named
from tests.support.clock import NOON
from tests.support.situations.parts import (
    BERLIN,
    FIVE,
    MIDNIGHT,
    NIGHT,
    NO_FURTHER,
    ONCALL,
    ONCALL_NOTIFIED,
    PATIENT,
    QUIET_NIGHT,
    UPGRADE,
    Situation,
    of,
    of_all,
    silence,
    to,
)

NOT_YET = "route 1: matches, not yet told in #oncall: only if it lasts 5 min (so far 0 s)"
TOO_FEW = "route 1: matches, not yet told in #oncall: only from 2 failed installs on (so far 1)"
TOO_MANY = "route 1: matches, not yet told in #oncall: only from 3 failed installs on (so far 1)"
UNHEARD = "which never heard of the trouble"
STILL = "dropped, but told if it still stands then"

TIME_SITUATIONS: dict[str, Situation] = {
    # Thresholds
    "one failed deploy wakes nobody where it takes two": Situation(
        subject=of("failed", failed=1),
        routes=(to("#oncall", "failed", min_failed=2), to("#all")),
        notified=["waits #oncall for 2 failed"],
        why=[f"{TOO_FEW}; looks no further"],
    ),
    "the second failed deploy is one of two": Situation(
        subject=of("failed", failed=2),
        routes=(to("#oncall", "failed", min_failed=2),),
        notified=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "a step that failed by one install waits as well": Situation(
        subject=of("failed", level=Level.STEP, failed=1, install=Named()),
        routes=(to("#oncall", "failed", min_failed=2),),
        notified=["waits #oncall for 2 failed"],
        why=[f"{TOO_FEW}; looks no further"],
    ),
    "a release that has failed is told, however few of its installs have": Situation(
        subject=of_all("failed", failed=0),
        routes=(to("#oncall", "failed", min_failed=10),),
        notified=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "a number of failures says nothing about what waits": Situation(
        subject=of("waiting", failed=0),
        routes=(to("#oncall", min_failed=2),),
        notified=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "what may yet recover by itself wakes nobody": Situation(
        subject=of("failed", age=timedelta(minutes=2)),
        routes=(PATIENT,),
        notified=["waits #oncall until 12:03"],
        why=[f"{NOT_YET.replace('0 s', '2 min')}; looks no further"],
    ),
    "what has lasted long enough is told": Situation(
        subject=of("stalled", age=FIVE),
        routes=(PATIENT,),
        notified=["#oncall"],
        why=["route 1: matches, told in #oncall; looks no further"],
    ),
    "that a release succeeded need not last": Situation(
        subject=of_all("succeeded"),
        routes=(to("#ops", lasting=FIVE),),
        notified=["#ops"],
        why=["route 1: matches, told in #ops; looks no further"],
    ),
    "what has to last and to be many waits for both": Situation(
        subject=of("failed", failed=1),
        routes=(to("#oncall", min_failed=3, lasting=FIVE),),
        notified=["waits #oncall until 12:05 for 3 failed"],
        why=[f"{TOO_MANY} and if it lasts 5 min (so far 0 s); looks no further"],
    ),
    "who waits and continues leaves the rest to the next": Situation(
        subject=of("failed"),
        routes=(replace(PATIENT, continues=True),),
        notified=["#releases", "waits #oncall until 12:05"],
        why=[
            f"{NOT_YET}; looks further",
            NO_FURTHER,
        ],
    ),
    "a channel that is told at once does not wait as well": Situation(
        subject=of("failed"),
        routes=(replace(PATIENT, continues=True), to("#oncall")),
        notified=["#oncall"],
        why=[
            f"{NOT_YET}; looks further",
            "route 2: matches, told in #oncall; looks no further",
        ],
    ),
    # What was told before
    "what was told is not told there again": Situation(
        subject=of("failed", notified_destinations=("#oncall",)),
        routes=(replace(ONCALL, continues=True), to("#late")),
        notified=["#late"],
        why=[
            'route 1 "on-call": matches, not told in #oncall again; looks further',
            "route 2: matches, told in #late; looks no further",
        ],
    ),
    "that it recovered is told where the trouble was": Situation(
        subject=of("recovered", notified_destinations=("#oncall", "#releases")),
        notified=["#releases"],
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
        notified=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    # Quiet hours
    "at night it is held for the summary": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        at=MIDNIGHT,
        windows=(NIGHT,),
        notified=["held #oncall @here until 2025-12-02 06:00"],
        why=[
            'route 1 "on-call": matches, for #oncall with @here; looks no further',
            'quiet hours "night" until 07:00 Europe/Berlin: held for the summary',
        ],
    ),
    "by day it is told at once": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        windows=(NIGHT,),
        notified=["#oncall @here"],
        why=[ONCALL_NOTIFIED],
    ),
    "at night the watch's own channel is quiet too": Situation(
        subject=of("progressed"),
        at=MIDNIGHT,
        windows=(replace(NIGHT, name=""),),
        notified=["held #releases until 2025-12-02 06:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            "quiet hours until 07:00 Europe/Berlin: held for the summary",
        ],
    ),
    "what is dropped at night is not held": Situation(
        subject=of("progressed"),
        at=MIDNIGHT,
        windows=(QUIET_NIGHT,),
        notified=["dropped #releases until 2025-12-02 06:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "night" until 07:00 Europe/Berlin: dropped',
        ],
    ),
    "a failure that is dropped at night is told in the morning if it still stands": Situation(
        subject=of("failed"),
        at=MIDNIGHT,
        windows=(QUIET_NIGHT,),
        notified=["dropped #releases until 2025-12-02 06:00"],
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
        notified=["#oncall @here", "held #team until 2025-12-02 06:00"],
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
        notified=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "quiet hours for progress let a failure through": Situation(
        subject=of("failed"),
        at=MIDNIGHT,
        windows=(replace(NIGHT, events=(EventKind.PROGRESSED,)),),
        notified=["#releases"],
        why=["there are no routes: told in the watch's own channel #releases"],
    ),
    "a window that has opened by the end of another holds on": Situation(
        subject=of("failed"),
        at=MIDNIGHT + timedelta(hours=1),
        windows=(NIGHT, UPGRADE),
        notified=["held #releases until 2025-12-02 09:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "upgrade" until 09:00 UTC: held for the summary',
        ],
    ),
    "a window that opens during another is named beside it": Situation(
        subject=of("failed"),
        at=MIDNIGHT - timedelta(hours=1),
        windows=(NIGHT, UPGRADE),
        notified=["held #releases until 2025-12-02 09:00"],
        why=[
            "there are no routes: for the watch's own channel #releases",
            'quiet hours "night" and "upgrade" until 09:00 UTC: held for the summary',
        ],
    ),
    "what one window promises to tell another does not drop": Situation(
        subject=of("progressed"),
        at=MIDNIGHT,
        windows=(QUIET_NIGHT, UPGRADE),
        notified=["held #releases until 2025-12-02 09:00"],
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
        notified=["#ops"],
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
        notified=["held #ops until 2025-12-02 06:00"],
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
        notified=["held #ops @here @U024BE7LH until 2025-12-02 06:00"],
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
        notified=["held #ops until 2025-12-02 09:00"],
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
        notified=["waits #oncall until 23:05"],
        why=[f"{NOT_YET}; looks no further"],
    ),
    "a window that ends in some days says on which": Situation(
        subject=of("failed"),
        windows=(Window(Once(NOON, NOON + timedelta(days=3), BERLIN), "holidays"),),
        notified=["held #releases until 2025-12-04 12:00"],
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
        notified=["silenced"],
        why=["silenced until 18:00 UTC by anna: database upgrade"],
    ),
    "a silence of something else does not count": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        silences=(silence(NOON + timedelta(hours=6), install=("globex-*",)),),
        notified=["#oncall @here"],
        why=[ONCALL_NOTIFIED],
    ),
    "a silence that is over does not count": Situation(
        subject=of("failed"),
        routes=(ONCALL,),
        silences=(silence(NOON),),
        notified=["#oncall @here"],
        why=[ONCALL_NOTIFIED],
    ),
    "of two silences the longer one is named": Situation(
        subject=of("failed"),
        silences=(silence(NOON + timedelta(hours=1)), silence(NOON + timedelta(days=2))),
        notified=["silenced"],
        why=["silenced until 2025-12-03 12:00 UTC by anna: database upgrade"],
    ),
    "a release can be silenced by its id": Situation(
        subject=of_all("stalled"),
        silences=(silence(NOON + timedelta(hours=6), rollout=("rel1",)),),
        notified=["silenced"],
        why=["silenced until 18:00 UTC by anna: database upgrade"],
    ),
}
