"""What of a poll is worth telling: situations one by one, then whole rollouts."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.compose.phrases import phrase_of
from monitor.decide.events import is_settled, wakes_at
from monitor.decide.stalls import StallRules
from monitor.errors import MalformedAnswer
from monitor.kinds import release as release_kind
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.wire import Memo
from monitor.model import Entity, Event, EventKind, Level, PastStatus, ReasonKind
from monitor.simulation.scenarios import SCENARIOS, Occurrence, Rollout, timeline
from monitor.simulation.truth import Thing
from tests.support.builders import Reader, after, deploy, fixed, release, step, words
from tests.support.clock import NOON

RUNNING = "executing_release_steps"
POLLING = "polling_install_deploys"


def rolling(*deploys: Entity, status: str = POLLING, root: str = RUNNING, **facts: Any) -> Entity:
    """A release of one step."""
    return release(root, step(1, status, *deploys, **facts))


def on(status: str, **facts: Any) -> Entity:
    return rolling(deploy("a", status, **facts))


def past(*entries: tuple[str, float]) -> tuple[PastStatus, ...]:
    return tuple(PastStatus(status, after(minutes)) for status, minutes in entries)


FAILED = rolling(deploy("a", "error"), status="error", root="error")
DONE = rolling(deploy("a"), status="active", root="active")
HUNG = on("cancelled")
AGAIN = deploy("a", "executing", id="dpl-again", created_at=after(9))

Poll = tuple[float, Entity, list[str]]

STORIES: dict[str, list[Poll]] = {
    # First sight
    "a release in flight has started": [(0, on("executing"), ["started release"])],
    "a queued release without steps has started": [(0, release("queued"), ["started release"])],
    "a release in a status that nobody knows has started": [
        (0, release("ready"), ["started release"])
    ],
    "a release that has failed is told failed and not started": [
        (0, FAILED, ["failed release", "failed step 1", "failed a"])
    ],
    "a release that has succeeded is silent": [(0, DONE, []), (1, DONE, [])],
    "a deploy that has failed is told at first sight": [
        (0, on("error"), ["started release", "failed a"])
    ],
    "a deploy that waits is told at first sight": [
        (0, on("pending-approval"), ["started release", "waiting a"])
    ],
    "a release that claims success before its parts is not believed at first sight": [
        (0, rolling(deploy("a", "executing"), root="active"), []),
        (5, DONE, ["progressed step 1", "succeeded release"]),
    ],
    # Progress and success
    "a step is told when it begins and when it is done": [
        (0, release("provisioning", step(1, "queued")), ["started release"]),
        (1, on("executing"), ["progressed step 1"]),
        (2, rolling(deploy("a"), status="active"), ["progressed step 1"]),
    ],
    "a step that began and ended between two polls is told once": [
        (0, release("provisioning", step(1, "queued")), ["started release"]),
        (1, rolling(deploy("a"), status="active"), ["progressed step 1"]),
    ],
    "installs that go well are not told one by one": [
        (0, on("queued"), ["started release"]),
        (1, on("executing"), []),
        (2, on("active"), []),
    ],
    "success is told once": [
        (0, rolling(deploy("a"), status="active"), ["started release"]),
        (1, DONE, ["succeeded release"]),
        (2, DONE, []),
    ],
    "success is told only when the parts agree": [
        (0, on("executing"), ["started release"]),
        (
            1,
            rolling(deploy("a", "executing"), status="active", root="active"),
            ["progressed step 1"],
        ),
        (2, DONE, ["succeeded release"]),
    ],
    # Failure
    "a failed deploy is told once": [
        (0, on("executing"), ["started release"]),
        (1, on("error"), ["failed a"]),
        (2, on("error"), []),
        (3, on("error", description="other words"), []),
    ],
    "a failure of deploy, step and release in one poll is told of each": [
        (0, on("executing"), ["started release"]),
        (1, FAILED, ["failed release", "failed step 1", "failed a"]),
        (2, FAILED, []),
    ],
    "a failure that spreads is told as it spreads": [
        (0, on("executing"), ["started release"]),
        (1, on("error"), ["failed a"]),
        (2, rolling(deploy("a", "error"), status="error"), ["failed step 1"]),
        (3, FAILED, ["failed release"]),
    ],
    "a failed deploy that succeeds has recovered": [
        (0, on("error"), ["started release", "failed a"]),
        (1, on("active"), ["recovered a"]),
        (2, on("active"), []),
    ],
    "a failed deploy that is tried again and fails again is told again": [
        (0, on("error"), ["started release", "failed a"]),
        (1, on("executing"), ["progressed a"]),
        (2, on("error"), ["failed a"]),
    ],
    "a failed deploy whose next status nobody knows is neither mended nor failed anew": [
        (0, on("error"), ["started release", "failed a"]),
        (1, on("strange"), ["progressed a"]),
        (2, on("error"), []),
        (3, on("active"), ["recovered a"]),
    ],
    "another deploy for the same install takes its place": [
        (0, on("error"), ["started release", "failed a"]),
        (1, rolling(deploy("a", "error"), AGAIN), ["progressed a"]),
        (
            2,
            rolling(deploy("a", "error"), msgspec.structs.replace(AGAIN, status="active")),
            ["recovered a"],
        ),
    ],
    "another deploy for the same install that failed between two polls is told": [
        (0, on("error"), ["started release", "failed a"]),
        (
            1,
            rolling(deploy("a", "error"), msgspec.structs.replace(AGAIN, status="error")),
            ["progressed a", "failed a"],
        ),
        (2, rolling(deploy("a", "error"), msgspec.structs.replace(AGAIN, status="error")), []),
    ],
    "another deploy that is missing from an answer does not let the first one fail again": [
        (0, on("error"), ["started release", "failed a"]),
        (1, rolling(deploy("a", "error"), AGAIN), ["progressed a"]),
        (2, on("error"), []),
        (3, rolling(deploy("a", "error"), AGAIN), []),
    ],
    "a failure that came and went between two polls is told with its recovery": [
        (0, on("executing", status_at=after(0)), ["started release"]),
        (
            5,
            on(
                "active",
                status_at=after(4),
                history=past(("executing", 0), ("error", 2), ("executing", 3)),
            ),
            ["failed a", "recovered a"],
        ),
    ],
    "a new deploy that failed at once is told": [
        (0, rolling(), ["started release"]),
        (1, on("error", history=past(("queued", 0))), ["failed a"]),
    ],
    # Waiting
    "a deploy that waits for a person is told once, and that it goes on": [
        (0, on("planning"), ["started release"]),
        (1, on("pending-approval"), ["waiting a"]),
        (2, on("pending-approval"), []),
        (3, on("executing"), ["progressed a"]),
    ],
    "a denied approval is told as an end that is not waited for": [
        (0, on("pending-approval"), ["started release", "waiting a"]),
        (1, on("approval-denied"), ["progressed a"]),
    ],
    "a wait that was over before anybody could be told is not told": [
        (0, on("planning", status_at=after(0)), ["started release"]),
        (
            5,
            on(
                "executing",
                status_at=after(2),
                history=past(("planning", 0), ("pending-approval", 1)),
            ),
            [],
        ),
    ],
    "an approval that fails is told failed": [
        (0, on("pending-approval"), ["started release", "waiting a"]),
        (1, on("error"), ["failed a"]),
    ],
    # Unknown words
    "an unknown word is told once": [
        (0, on("executing"), ["started release"]),
        (1, on("rebalancing"), ["progressed a"]),
        (2, on("rebalancing"), []),
        (3, on("executing"), []),
    ],
    "an unknown word of the release is no end": [
        (0, rolling(deploy("a"), status="active"), ["started release"]),
        (1, rolling(deploy("a"), status="active", root="finished"), ["progressed release"]),
        (2, DONE, ["succeeded release"]),
    ],
    "an unknown word after the end is no new attempt": [
        (0, FAILED, ["failed release", "failed step 1", "failed a"]),
        (1, rolling(deploy("a", "error"), status="error", root="odd"), ["progressed release"]),
        (2, FAILED, []),
    ],
    # What hangs
    "a dead end is told when a second poll confirms it, and once": [
        (0, on("executing"), ["started release"]),
        (1, HUNG, ["progressed a"]),
        (2, HUNG, ["stalled step 1"]),
        (3, HUNG, []),
    ],
    "a dead end that a second poll does not confirm is not told": [
        (0, on("executing"), ["started release"]),
        (1, HUNG, ["progressed a"]),
        (2, on("executing"), []),
        (3, HUNG, ["progressed a"]),
    ],
    "a dead end that moves again has recovered": [
        (0, HUNG, ["started release"]),
        (1, HUNG, ["stalled step 1"]),
        (2, rolling(deploy("a", "cancelled"), AGAIN), ["recovered step 1"]),
        (3, rolling(deploy("a", "cancelled"), AGAIN), []),
    ],
    "a step that still makes deploys is no dead end": [
        (0, rolling(deploy("a", "noop"), status="creating_install_deploys"), ["started release"]),
        (1, rolling(deploy("a", "noop"), status="creating_install_deploys"), []),
    ],
    "a step with planned installs to come is no dead end": [
        (0, rolling(deploy("a", "noop"), planned=("a", "b")), ["started release"]),
        (1, rolling(deploy("a", "noop"), planned=("a", "b")), []),
    ],
    "a step with a deploy under way is no dead end": [
        (0, rolling(deploy("a", "noop"), deploy("b", "executing")), ["started release"]),
        (1, rolling(deploy("a", "noop"), deploy("b", "executing")), []),
    ],
    "a dead end that is missing from an answer neither moves nor hangs anew": [
        (0, HUNG, ["started release"]),
        (1, HUNG, ["stalled step 1"]),
        (2, release(RUNNING), []),
        (3, HUNG, []),
        (4, HUNG, []),
    ],
    "a dead end that is missing while something else moves is still one": [
        (0, HUNG, ["started release"]),
        (1, HUNG, ["stalled step 1"]),
        (2, release(RUNNING, description="still at it"), []),
        (3, HUNG, []),
    ],
    "a dead end that was there long before is told as a dead end and nothing else": [
        (300, HUNG, ["started release"]),
        (301, HUNG, ["stalled step 1"]),
        (302, HUNG, []),
    ],
    "a dead end that fails is told failed, not recovered": [
        (0, HUNG, ["started release"]),
        (1, HUNG, ["stalled step 1"]),
        (2, FAILED, ["failed release", "failed step 1", "failed a"]),
        (600, FAILED, []),
    ],
    "silence is told after half an hour, given up after an hour, then only reminded of": [
        (0, on("executing"), ["started release"]),
        (29.9, on("executing"), []),
        (30, on("executing"), ["stalled release"]),
        (59.9, on("executing"), []),
        (60, on("executing"), ["stalled release"]),
        (61, on("executing"), []),
        (299.9, on("executing"), []),
        (300, on("executing"), ["stalled release again"]),
        (301, on("executing"), []),
        (540, on("executing"), ["stalled release again"]),
    ],
    "silence that ends has recovered": [
        (0, on("executing"), ["started release"]),
        (30, on("executing"), ["stalled release"]),
        (31, on("syncing"), ["recovered release"]),
        (60.9, on("syncing"), []),
        (61, on("syncing"), ["stalled release"]),
    ],
    "a new description ends the silence": [
        (0, on("executing"), ["started release"]),
        (29, on("executing", description="helm upgrade"), []),
        (31, on("executing", description="helm upgrade"), []),
    ],
    "a queued release is not said to be given up by the platform": [
        (0, release("queued"), ["started release"]),
        (30, release("queued"), ["stalled release"]),
        (61, release("queued"), []),
    ],
    "a step's own delay is no silence": [
        (
            0,
            rolling(status="waiting_for_delay", delay=7200.0),
            ["started release"],
        ),
        (149.9, rolling(status="waiting_for_delay", delay=7200.0), []),
        (150, rolling(status="waiting_for_delay", delay=7200.0), ["stalled release"]),
    ],
    "a delay that has passed is no excuse": [
        (0, rolling(deploy("a", "executing"), delay=7200.0), ["started release"]),
        (30, rolling(deploy("a", "executing"), delay=7200.0), ["stalled release"]),
    ],
    "what waits for a person is reminded of, not said to hang": [
        (0, on("pending-approval"), ["started release", "waiting a"]),
        (100, on("pending-approval"), []),
        (239.9, on("pending-approval"), []),
        (240, on("pending-approval"), ["waiting a again"]),
        (241, on("pending-approval"), []),
        (480, on("pending-approval"), ["waiting a again"]),
    ],
    "nothing hangs or waits after the end": [
        (
            0,
            rolling(deploy("a", "error"), deploy("b", "pending-approval"), root="error"),
            ["failed release", "failed a", "waiting b"],
        ),
        (600, rolling(deploy("a", "error"), deploy("b", "pending-approval"), root="error"), []),
    ],
    "nothing hangs after success": [
        (0, on("executing"), ["started release"]),
        (1, DONE, ["progressed step 1", "succeeded release"]),
        (600, DONE, []),
    ],
    "a release whose parts contradict its success is told to hang, and recovers": [
        (0, on("executing"), ["started release"]),
        (
            1,
            rolling(deploy("a", "noop"), status="active", root="active"),
            ["progressed step 1", "progressed a"],
        ),
        (2, rolling(deploy("a", "noop"), status="active", root="active"), ["stalled release"]),
        (3, rolling(deploy("a", "noop"), status="active", root="active"), []),
        (4, DONE, ["succeeded release"]),
    ],
    "a failed part that is missing from the answer of success is no success": [
        (0, on("error"), ["started release", "failed a"]),
        (1, rolling(planned=("a",), status="active", root="active"), ["progressed step 1"]),
        (2, rolling(planned=("a",), status="active", root="active"), ["stalled release"]),
    ],
    "a clock that goes back tells nothing": [
        (0, on("executing"), ["started release"]),
        (60, on("executing"), ["stalled release"]),
        (45, on("executing"), []),
        (-60, on("executing"), []),
        (61, on("executing"), []),
    ],
    # Attempts
    "a retried release starts again, and what still fails is not told again": [
        (0, FAILED, ["failed release", "failed step 1", "failed a"]),
        (
            1,
            rolling(deploy("a", "error"), status="error", root="provisioning"),
            ["started release"],
        ),
        (2, rolling(deploy("a", "error"), status="creating_install_deploys"), []),
        (3, rolling(deploy("a", "error"), AGAIN), ["progressed a"]),
        (
            4,
            rolling(deploy("a", "error"), msgspec.structs.replace(AGAIN, status="active")),
            ["recovered a"],
        ),
        (5, rolling(deploy("a"), status="active"), ["progressed step 1"]),
        (6, DONE, ["succeeded release"]),
    ],
    "a retried release that fails again is told failed again": [
        (0, FAILED, ["failed release", "failed step 1", "failed a"]),
        (
            1,
            rolling(deploy("a", "error"), status="error", root="provisioning"),
            ["started release"],
        ),
        (2, rolling(deploy("a", "error"), AGAIN), ["progressed a"]),
        (
            3,
            rolling(
                deploy("a", "error"),
                msgspec.structs.replace(AGAIN, status="error"),
                status="error",
                root="error",
            ),
            ["failed release", "failed step 1", "failed a"],
        ),
    ],
    "a retry that succeeded between two polls is told succeeded": [
        (0, FAILED, ["failed release", "failed step 1", "failed a"]),
        (5, DONE, ["recovered a", "progressed step 1", "succeeded release"]),
        (6, DONE, []),
    ],
    "a release that was done well and fails after all is told failed": [
        (0, DONE, []),
        (5, FAILED, ["failed release", "failed step 1", "failed a"]),
        (6, FAILED, []),
    ],
    "a release that was done well and runs again starts": [
        (0, DONE, []),
        (5, on("executing"), ["started release"]),
        (6, DONE, ["progressed step 1", "succeeded release"]),
    ],
    "a wait that is not part of a new attempt is forgotten": [
        (
            0,
            rolling(deploy("a", "error"), deploy("b", "pending-approval"), root="error"),
            ["failed release", "failed a", "waiting b"],
        ),
        (1, rolling(deploy("a", "error")), ["started release"]),
        (500, rolling(deploy("a", "error")), ["stalled release"]),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_it_is_told_that(story: list[Poll]) -> None:
    reader = Reader()

    reported = [words(reader.poll(root, after(minutes))) for minutes, root, _ in story]

    assert reported == [expected for _, _, expected in story]


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_restart_before_every_poll_changes_nothing_of(story: list[Poll]) -> None:
    reader = Reader()

    for minutes, root, expected in story:
        reader.restart()
        assert words(reader.poll(root, after(minutes))) == expected


# What is said and remembered


def told_by(*polls: tuple[float, Entity]) -> list[Event]:
    reader = Reader()
    for minutes, root in polls:
        reader.poll(root, after(minutes))
    return [event for _, event in reader.reported]


def test_a_failure_is_told_with_the_platforms_own_reason() -> None:
    (*_, failed) = told_by((0, on("executing")), (1, on("error", description="helm timed out")))

    assert (failed.kind, failed.level, phrase_of(failed.reason)) == (
        EventKind.FAILED,
        Level.UNIT,
        "helm timed out",
    )


def test_a_failure_that_is_over_is_told_with_the_reason_it_had() -> None:
    history = (PastStatus("executing", after(0)), PastStatus("error", after(1), "lost the runner"))
    now = on("active", status_at=after(2), history=history)

    events = told_by((0, on("executing", status_at=after(0))), (5, now))

    assert [phrase_of(event.reason) for event in events if event.kind is EventKind.FAILED] == [
        "lost the runner"
    ]


def test_a_dead_end_is_told_with_the_words_that_the_platform_does_not_count() -> None:
    hung = rolling(deploy("a", "noop"), deploy("b", "cancelled"), deploy("c"))

    (*_, stalled) = told_by((0, hung), (1, hung))

    assert "cancelled or noop" in phrase_of(stalled.reason)


def test_a_reminder_repeats_what_was_told() -> None:
    waits = on("pending-approval", description="waiting for an approval of the plan")

    (*_, reminder) = told_by((0, waits), (240, waits))

    assert (reminder.is_reminder, phrase_of(reminder.reason)) == (
        True,
        "waiting for an approval of the plan",
    )


def test_each_kind_of_stall_is_remembered_as_such() -> None:
    reader = Reader()
    for minutes in (0, 30):
        reader.poll(on("executing"), after(minutes))
    assert reader.state is not None
    assert [alert.reason.kind for alert in reader.state.alerts] == [ReasonKind.QUIET]

    reader.poll(on("executing"), after(60))

    assert [alert.reason.kind for alert in reader.state.alerts] == [ReasonKind.GIVEN_UP]


def test_silence_counts_from_the_platforms_own_last_change_at_first_sight() -> None:
    assert words(told_by((45, on("executing", updated_at=after(10))))) == [
        "started release",
        "stalled release",
    ]


def test_silence_of_a_release_without_times_counts_from_first_sight() -> None:
    thin = release(RUNNING, created_at=None)

    assert words(told_by((45, thin), (74, thin))) == ["started release"]


def test_a_time_ahead_of_our_clock_does_not_postpone_silence() -> None:
    ahead = on("executing", updated_at=after(1000))

    assert words(told_by((0, ahead), (30, ahead))) == ["started release", "stalled release"]


@pytest.mark.parametrize(
    ("roots", "attempt", "has_card"),
    [
        ([DONE], 1, False),
        ([on("executing")], 1, True),
        ([FAILED], 1, True),
        ([FAILED, on("executing")], 2, True),
        ([FAILED, DONE], 2, True),
        ([FAILED, on("executing"), FAILED, on("executing")], 3, True),
        ([DONE, on("executing")], 1, True),
        ([on("executing"), DONE, FAILED], 2, True),
    ],
)
def test_each_attempt_that_was_shown_has_its_number(
    roots: list[Entity], attempt: int, has_card: bool
) -> None:
    reader = Reader()

    for minutes, root in enumerate(roots):
        reader.poll(root, after(minutes))

    assert reader.state is not None
    assert (reader.state.attempt, reader.state.has_card) == (attempt, has_card)


def test_every_event_is_counted() -> None:
    reader = Reader()
    for minutes, root in enumerate((on("executing"), on("error"), on("active"))):
        reader.poll(root, after(minutes))

    assert reader.state is not None
    assert reader.state.event_count == len(reader.reported) == 3


@pytest.mark.parametrize(
    ("root", "settled"),
    [
        (DONE, True),
        (FAILED, True),
        (on("executing"), False),
        (HUNG, False),
        (rolling(deploy("a", "error"), deploy("b", "executing"), root="error"), False),
        (rolling(deploy("a", "error"), deploy("b", "noop"), root="error"), True),
        (rolling(deploy("a", "executing"), root="active"), False),
    ],
)
def test_a_rollout_is_settled_when_nothing_can_move(root: Entity, settled: bool) -> None:
    reader = Reader()
    reader.poll(root, NOON)

    assert reader.seen is not None
    assert reader.state is not None
    assert is_settled(reader.seen, reader.state, NOON) == settled


def test_a_failed_rollout_with_a_deploy_that_never_ends_is_settled_after_an_hour() -> None:
    reader = Reader()
    left = rolling(deploy("a", "error"), deploy("b", "executing"), root="error")
    reader.poll(left, NOON)
    reader.poll(left, after(61))

    assert reader.seen is not None
    assert reader.state is not None
    assert not is_settled(reader.seen, reader.state, after(60))
    assert is_settled(reader.seen, reader.state, after(61))


def test_a_failure_that_is_missing_just_when_its_release_is_retried_is_not_told_again() -> None:
    reader = Reader()
    failed = deploy("a", "error", history=(PastStatus("executing", NOON),), status_at=after(1))
    reader.poll(rolling(failed, root="error"), after(1))

    back: list[Event] = []
    for minute, root in enumerate(
        (
            rolling(root="provisioning"),
            rolling(root="executing"),
            rolling(failed, root="executing"),
            rolling(root="executing"),
            rolling(failed, root="executing"),
        ),
        start=2,
    ):
        reader.restart()
        back.extend(reader.poll(root, after(minute)))

    assert words(back) == ["started release"]


# When it wakes


def wake_after(*polls: tuple[float, Entity]) -> datetime | None:
    reader = Reader()
    for minutes, root in polls:
        reader.poll(root, after(minutes))
    assert reader.seen is not None
    assert reader.state is not None
    return wakes_at(reader.seen, reader.state, reader.stall_rules)


@pytest.mark.parametrize(
    ("polls", "minutes"),
    [
        ([(0, on("executing"))], 30),
        ([(0, on("executing")), (30, on("executing"))], 60),
        ([(0, on("executing")), (60, on("executing"))], 300),
        ([(0, release("queued")), (30, release("queued"))], 270),
        ([(0, rolling(status="waiting_for_delay", delay=600.0))], 40),
        ([(0, on("pending-approval"))], 240),
        ([(0, HUNG)], 0),
        ([(0, HUNG), (1, HUNG)], 241),
        ([(0, FAILED)], None),
        ([(0, DONE)], None),
    ],
)
def test_it_wakes_when_there_could_be_something_to_say(
    polls: list[tuple[float, Entity]], minutes: float | None
) -> None:
    assert wake_after(*polls) == (None if minutes is None else after(minutes))


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_it_does_not_sleep_through_anything_after(story: list[Poll]) -> None:
    reader = Reader()
    for minutes, root, _ in story:
        reader.poll(root, after(minutes))
        assert reader.seen is not None
        assert reader.state is not None
        wakes = wakes_at(reader.seen, reader.state, reader.stall_rules)
        for pause in (0, 1, 30, 60, 240, 1000):
            now = after(minutes + pause)
            if replace(reader, reported=[], changes=[]).poll_unchanged(now):
                assert wakes is not None
                assert wakes <= now


# Whole rollouts

EVERY_SCENARIO = sorted(SCENARIOS.keys() - {"large"})


@cache
def play(name: str, seed: int) -> Rollout:
    return timeline(SCENARIOS[name], seed)


@cache
def moments(name: str, seed: int) -> list[float]:
    """Return when anything changes in the answers, in seconds, the beginning included."""
    rollout = play(name, seed)
    gaps = [border for gap in rollout.gaps for border in (gap.begins, gap.ends)]
    return sorted({0.0, *(o.at for o in rollout.occurrences), *gaps})


@cache
def decoded(name: str, seed: int, moment: float) -> Entity:
    rollout = play(name, seed)
    return release_kind.decode(msgspec.json.encode(rollout.state_at(moment)), rollout.id, Memo())


def seen_at(name: str, seed: int, seconds: float) -> Entity:
    times = moments(name, seed)
    return decoded(name, seed, times[bisect_right(times, seconds) - 1])


@dataclass(frozen=True)
class Observed:
    """A rollout, when it was polled, and what was told at which poll."""

    rollout: Rollout
    polls: Sequence[float]
    reported: Sequence[tuple[float, Event]]

    def happened(self, thing: Thing, *statuses: str) -> list[Occurrence]:
        return [
            o
            for o in self.rollout.occurrences
            if o.kind is thing and o.status in statuses and o.at <= self.polls[-1]
        ]

    def statuses_of(self, entity: Entity, at: float) -> list[str]:
        """What an install, or an entity without one, has been through by then."""
        own = entity.install_id or entity.id
        happened = self.rollout.occurrences
        return [o.status for o in happened if o.at <= at and own in (o.install_id, o.id)]

    def standing_at(self, at: float) -> dict[str, str]:
        """The status of the release, its steps and installs."""
        return {o.install_id or o.id: o.status for o in self.rollout.occurrences if o.at <= at}

    def counted(self, kind: EventKind, level: Level) -> Counter[str]:
        return Counter(
            event.entity.install_id or event.entity.id
            for _, event in self.reported
            if event.kind is kind and event.level is level and not event.is_reminder
        )


@cache
def observed(name: str, seed: int, every: float) -> Observed:
    """Poll a rollout from its beginning until five hours after its last change."""
    rollout, reader = play(name, seed), Reader()
    chance = random.Random(f"{name} {seed} {every}")
    polls, seconds = [], 0.0
    while seconds < (rollout.scenario.deleted_after or rollout.settles_after + 5 * 3600.0):
        reader.poll(seen_at(name, seed, seconds), rollout.moment(seconds))
        polls.append(seconds)
        is_over = seconds > rollout.settles_after
        seconds += 600.0 if is_over else chance.uniform(0.2, 1.0) * every
    reported = [((at - rollout.begins_at).total_seconds(), event) for at, event in reader.reported]
    return Observed(rollout, polls, reported)


# The longest pause is shorter than any retry takes: a release keeps no history of its own.
RHYTHMS = [(seed, every) for seed in (1, 2) for every in (15.0, 60.0, 170.0)]
ROLLOUTS = (st.sampled_from(EVERY_SCENARIO), st.integers(1, 3))
every_scenario = pytest.mark.parametrize("name", EVERY_SCENARIO)


@every_scenario
def test_every_failure_is_told_exactly_as_often_as_it_happened(name: str) -> None:
    for seed, every in RHYTHMS:
        seen = observed(name, seed, every)
        things = (Thing.RELEASE, Thing.RELEASE_STEP, Thing.INSTALL_DEPLOY)
        for thing, level in zip(things, (Level.ROLLOUT, Level.STEP, Level.UNIT), strict=True):
            happened = Counter(o.install_id or o.id for o in seen.happened(thing, "error"))
            assert seen.counted(EventKind.FAILED, level) == happened


@every_scenario
def test_no_failure_or_wait_is_told_before_it_happened(name: str) -> None:
    words_of = {EventKind.FAILED: "error", EventKind.WAITING: "pending-approval"}
    for seed, every in RHYTHMS:
        seen = observed(name, seed, every)
        for at, event in seen.reported:
            if event.kind in words_of:
                assert words_of[event.kind] in seen.statuses_of(event.entity, at)


@every_scenario
def test_an_install_is_told_recovered_only_once_it_failed_and_is_active(name: str) -> None:
    for seed, every in RHYTHMS:
        seen = observed(name, seed, every)
        for at, event in seen.reported:
            if event.kind is EventKind.RECOVERED and event.level is Level.UNIT:
                statuses = seen.statuses_of(event.entity, at)
                assert "error" in statuses
                assert statuses[-1] == "active"


@every_scenario
def test_success_is_told_once_and_only_when_all_parts_are_active(name: str) -> None:
    for seed, every in RHYTHMS:
        seen = observed(name, seed, every)
        succeeded = [at for at, event in seen.reported if event.kind is EventKind.SUCCEEDED]
        assert len(succeeded) == len(seen.happened(Thing.RELEASE, "active"))
        for at in succeeded:
            assert set(seen.standing_at(at).values()) == {"active"}


@every_scenario
def test_every_attempt_is_told_to_have_started_once(name: str) -> None:
    for seed, every in RHYTHMS:
        seen = observed(name, seed, every)
        retries = max(0, len(seen.happened(Thing.RELEASE, "provisioning")) - 1)
        assert seen.counted(EventKind.STARTED, Level.ROLLOUT).total() == 1 + retries


HANGING = {
    "hang": {RELEASE_STEP: 1},
    "noop": {RELEASE_STEP: 1},
    "approval-denied": {RELEASE_STEP: 1},
    # Quiet, then given up; and once more after its last deploy is done.
    "slow": {RELEASE: 4},
}


@every_scenario
def test_what_hangs_for_ever_and_nothing_else_is_told_to_hang(name: str) -> None:
    for seed, every in RHYTHMS:
        seen = observed(name, seed, every)
        stalls = [event for _, event in seen.reported if event.kind is EventKind.STALLED]
        hanging = Counter(event.entity.kind for event in stalls if not event.is_reminder)
        assert hanging == HANGING.get(name, {})


@every_scenario
def test_restarts_change_nothing_of_what_is_told(name: str) -> None:
    straight = observed(name, 1, 60.0)
    chance = random.Random(name)
    rollout, reader = straight.rollout, Reader()

    for seconds in straight.polls:
        if chance.random() < 0.3:
            reader.restart()
        reader.poll(seen_at(name, 1, seconds), rollout.moment(seconds))

    assert [event for _, event in reader.reported] == [event for _, event in straight.reported]


@fixed(60)
@given(*ROLLOUTS, st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_the_same_answer_again_tells_nothing_new(name: str, seed: int, parts: list[float]) -> None:
    rollout, reader = play(name, seed), Reader()
    lasting = rollout.scenario.deleted_after or rollout.settles_after + 1

    for part in sorted(parts):
        seconds = part * lasting * 0.999
        root, now = seen_at(name, seed, seconds), rollout.moment(seconds)
        reader.poll(root, now)
        second = reader.poll(root, now)
        assert {event.kind for event in second} <= {EventKind.STALLED}
        assert reader.poll(root, now) == ()


@fixed(150)
@given(
    *ROLLOUTS,
    st.floats(0, 1),
    st.lists(st.floats(0.1, 400), max_size=6),
    st.floats(1, 90),
    st.floats(1, 300),
)
def test_it_is_never_asleep_when_there_is_something_to_say(
    name: str,
    seed: int,
    when: float,
    pauses: list[float],
    stalled_after: float,
    remind_every: float,
) -> None:
    rollout = play(name, seed)
    lasting = rollout.scenario.deleted_after or rollout.settles_after + 1
    reader = Reader(StallRules(timedelta(minutes=stalled_after), timedelta(minutes=remind_every)))
    now = rollout.moment(when * lasting * 0.999)
    for part in (0.4, 0.9, 1.0):
        seconds = part * when * lasting * 0.999
        reader.poll(seen_at(name, seed, seconds), rollout.moment(seconds))

    for pause in pauses:
        assert reader.seen is not None
        assert reader.state is not None
        wakes = wakes_at(reader.seen, reader.state, reader.stall_rules)
        now += timedelta(minutes=pause)
        if reader.poll_unchanged(now):
            assert wakes is not None
            assert wakes <= now


@fixed(60)
@given(*ROLLOUTS, st.floats(0, 1))
def test_what_wakes_it_is_told_at_that_very_time(name: str, seed: int, when: float) -> None:
    rollout, reader = play(name, seed), Reader()
    lasting = rollout.scenario.deleted_after or rollout.settles_after + 1
    now = rollout.moment(when * lasting * 0.999)
    reader.poll(seen_at(name, seed, when * lasting * 0.999), now)

    assert reader.seen is not None
    assert reader.state is not None
    wakes = wakes_at(reader.seen, reader.state, reader.stall_rules)

    if wakes is not None:
        assert reader.poll_unchanged(max(wakes, now)) != ()


def test_a_refused_document_between_two_polls_changes_nothing() -> None:
    rollout, reader = play("failure", 1), Reader()
    good = json.loads(json.dumps(rollout.state_at(rollout.settles_after)))
    bad = dict(good, release_steps=[*good["release_steps"], {"id": 7}])

    def read(document: Any) -> None:
        root = release_kind.decode(json.dumps(document).encode(), rollout.id, Memo())
        reader.poll(root, rollout.moment(rollout.settles_after))

    read(good)
    before = (reader.seen, reader.state)
    with pytest.raises(MalformedAnswer):
        read(bad)
    assert (reader.seen, reader.state) == before
    reported = len(reader.reported)
    read(good)
    assert len(reader.reported) == reported
