"""What of a whole simulated rollout is worth telling, however it is polled."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decide.events import wakes_at
from monitor.decide.stalls import StallRules
from monitor.errors import MalformedAnswer
from monitor.kinds import release as release_kind
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.wire import Memo
from monitor.model import Entity, Event, EventKind, Level
from monitor.simulation.scenarios import SCENARIOS, Occurrence, Rollout, timeline
from monitor.simulation.truth import Thing
from tests.support.builders import Reader, fixed

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
