"""Two snapshots → what changed, however often and in whatever order one looks."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decide.diff import Difference, diff, keep_absent
from monitor.kinds import release as release_kind
from monitor.kinds.parts import DEPLOY, RUNNER_JOB
from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.kinds.wire import Memo
from monitor.model import Entity, Level, PastStatus, Transition
from monitor.simulation.answers import Detail
from monitor.simulation.scenarios import SCENARIOS, Rollout, timeline
from monitor.simulation.truth import Thing
from tests.support.builders import Reader, after, deploy, fixed, release, snapshot, step
from tests.support.clock import NOON

# The platform keeps the history of a deploy, but not in answers of ids and statuses only.
WITH_HISTORY = sorted(
    name
    for name, scenario in SCENARIOS.items()
    if scenario.detail is not Detail.THIN and name != "large"
)


def changes(before: Entity, now: Entity) -> list[tuple[str, str | None, str]]:
    return [(t.entity.id, t.before, t.after) for t in between(before, now).transitions]


def between(before: Entity, now: Entity) -> Difference:
    return diff(snapshot(before), keep_absent(snapshot(before), snapshot(now)))


def unit(status: str, **facts: Any) -> Entity:
    """A release of one step with the deploy `dpl-a`."""
    running = "polling_install_deploys"
    return release("executing", step(1, running, deploy("a", status, **facts)))


def past(*entries: tuple[str, float]) -> tuple[PastStatus, ...]:
    return tuple(PastStatus(status, after(minutes)) for status, minutes in entries)


# What is a change


def test_a_first_snapshot_is_a_baseline() -> None:
    assert diff(None, snapshot(unit("error"))) == Difference((), has_moved=False)


def test_equal_snapshots_have_no_transitions() -> None:
    assert between(unit("error"), unit("error")) == Difference((), has_moved=False)


def test_a_changed_status_is_a_transition_with_all_that_the_platform_says() -> None:
    now = unit("error", description="timed out", status_at=after(5))

    (transition,) = between(unit("executing"), now).transitions

    assert transition == Transition(
        level=Level.UNIT,
        entity=now.children[0].children[0],
        before="executing",
        after="error",
        description="timed out",
        at=after(5),
    )


def test_transitions_come_parents_first() -> None:
    before = release("executing", step(1, "creating_install_deploys", deploy("a", "executing")))
    now = release("error", step(1, "error", deploy("a", "error")))

    assert [t.level for t in between(before, now).transitions] == [0, 1, 2]


def test_a_new_part_comes_from_nowhere() -> None:
    before = release("executing", step(1, "polling_install_deploys"))

    assert changes(before, unit("queued")) == [("dpl-a", None, "queued")]


def test_a_new_part_without_a_status_is_a_transition() -> None:
    before = release("executing", step(1, "polling_install_deploys"))

    assert changes(before, unit("")) == [("dpl-a", None, "")]


def test_parts_are_matched_by_id_and_not_by_position() -> None:
    one, other = deploy("a", "executing"), deploy("b", "active")
    before = release("executing", step(1, "polling_install_deploys", one, other))
    now = release("executing", step(1, "polling_install_deploys", other, one))

    assert changes(before, now) == []


def test_a_step_and_a_deploy_with_one_id_are_two_things() -> None:
    before = release("executing", step(1, "queued", deploy("a", "active", id="rel-step-1")))

    assert changes(before, before) == []


def test_a_new_description_is_movement_without_a_transition() -> None:
    difference = between(unit("executing"), unit("executing", description="helm upgrade"))

    assert difference == Difference((), has_moved=True)


def test_a_touched_part_has_not_moved() -> None:
    difference = between(unit("executing"), unit("executing", updated_at=after(9)))

    assert difference == Difference((), has_moved=False)


# What happened between two polls


def test_statuses_between_two_polls_are_read_from_the_history() -> None:
    before = unit("planning", status_at=after(1), history=past(("queued", 0)))
    now = unit(
        "active",
        status_at=after(4),
        history=past(("queued", 0), ("planning", 1), ("error", 2), ("executing", 3)),
    )

    transitions = between(before, now).transitions

    assert [(t.before, t.after, t.is_current) for t in transitions] == [
        ("planning", "error", False),
        ("error", "executing", False),
        ("executing", "active", True),
    ]
    assert [t.at for t in transitions] == [after(2), after(3), after(4)]


def test_a_new_part_brings_its_whole_history() -> None:
    before = release("executing", step(1, "polling_install_deploys"))
    now = unit("error", history=past(("queued", 0), ("planning", 1)))

    assert changes(before, now) == [
        ("dpl-a", None, "queued"),
        ("dpl-a", "queued", "planning"),
        ("dpl-a", "planning", "error"),
    ]


def test_what_failed_and_is_as_it_was_before_did_fail() -> None:
    before = unit("executing", status_at=after(1))
    now = unit("executing", status_at=after(3), history=past(("executing", 1), ("error", 2)))

    assert changes(before, now) == [
        ("dpl-a", "executing", "error"),
        ("dpl-a", "error", "executing"),
    ]


def test_statuses_within_one_second_are_told_from_what_was_seen() -> None:
    before = unit("planning", status_at=after(1))
    now = unit(
        "active",
        status_at=after(1),
        history=past(("queued", 1), ("planning", 1), ("executing", 1)),
    )

    assert changes(before, now) == [
        ("dpl-a", "planning", "executing"),
        ("dpl-a", "executing", "active"),
    ]


def test_without_a_time_the_history_goes_on_after_the_last_such_word() -> None:
    before = unit("executing")
    now = unit(
        "active",
        history=past(("executing", 1), ("error", 2), ("executing", 3), ("syncing", 4)),
    )

    assert changes(before, now) == [
        ("dpl-a", "executing", "syncing"),
        ("dpl-a", "syncing", "active"),
    ]


def test_a_history_that_does_not_hold_what_was_seen_tells_nothing() -> None:
    assert changes(unit("executing"), unit("active", history=past(("error", 2)))) == [
        ("dpl-a", "executing", "active")
    ]


def test_times_that_come_later_are_no_change() -> None:
    history = past(("executing", 1), ("error", 2))

    assert changes(unit("executing"), unit("executing", status_at=after(3), history=history)) == []


# What is missing from an answer


def seen_with(before: Entity, now: Entity) -> Entity:
    return keep_absent(snapshot(before), snapshot(now)).root


def test_a_part_that_vanishes_stands_as_it_was_last_seen() -> None:
    before = unit("executing")
    now = release("executing", step(1, "polling_install_deploys", planned=("a",)))

    (kept,) = seen_with(before, now).children[0].children

    assert (kept.status, kept.is_absent) == ("executing", True)
    assert between(before, now) == Difference((), has_moved=False)


def test_a_step_that_vanishes_keeps_its_deploys() -> None:
    kept = seen_with(unit("executing"), release("executing"))

    assert [(entity.id, entity.is_absent) for _, entity in kept.walk()][1:] == [
        ("rel-step-1", True),
        ("dpl-a", True),
    ]


def test_a_part_that_comes_back_as_it_was_is_no_change() -> None:
    reader = Reader(stamps=None)
    for root in (unit("active"), release("executing"), unit("active")):
        reader.poll(root, NOON)

    assert reader.changes == []
    assert reader.seen is not None
    assert reader.seen.root == unit("active")


def test_a_part_that_comes_back_changed_is_compared_with_what_it_was() -> None:
    reader = Reader(stamps=None)
    for root in (unit("executing"), release("executing"), unit("error")):
        reader.poll(root, NOON)

    assert [(t.before, t.after) for t in reader.changes] == [("executing", "error")]


def test_a_vanished_step_stands_among_the_others_in_the_order_of_creation() -> None:
    steps = [step(number, "queued", created_at=after(number)) for number in (1, 2, 3)]

    kept = seen_with(release("queued", *steps), release("queued", steps[0], steps[2]))

    assert [entity.id for entity in kept.children] == ["rel-step-1", "rel-step-2", "rel-step-3"]


def test_a_deploy_that_moved_to_another_step_is_not_kept_in_the_first() -> None:
    moved = deploy("a", "executing")
    before = release("executing", step(1, "queued", moved), step(2, "queued"))
    now = release("executing", step(1, "queued"), step(2, "queued", moved))

    assert [len(kept.children) for kept in seen_with(before, now).children] == [0, 1]


def test_nothing_is_kept_where_nothing_is_missing() -> None:
    now = snapshot(unit("active"))

    assert keep_absent(snapshot(unit("executing")), now) is now


@pytest.mark.parametrize("missing", ["status", "install_id", "created_at", "status_at", "history"])
def test_a_field_that_an_answer_leaves_out_stands_as_it_was(missing: str) -> None:
    full = unit("error", status_at=after(3), history=past(("executing", 1)))
    (bare,) = full.children[0].children
    default = Entity(kind=DEPLOY, id="")
    bare = msgspec.structs.replace(bare, **{missing: getattr(default, missing)})

    kept = seen_with(full, release("executing", step(1, "polling_install_deploys", bare)))

    assert kept.children[0].children == full.children[0].children


def test_a_new_status_does_not_inherit_the_words_of_the_last_one() -> None:
    before = unit("executing", description="applying", status_at=after(1))

    assert seen_with(before, unit("active")) == unit("active")


# Whole rollouts


@cache
def play(name: str, seed: int) -> Rollout:
    return timeline(SCENARIOS[name], seed)


def poll(reader: Reader, rollout: Rollout, seconds: float) -> None:
    body = msgspec.json.encode(rollout.state_at(seconds))
    reader.poll(release_kind.decode(body, rollout.id, Memo()), rollout.moment(seconds))


@fixed(120)
@given(st.sampled_from(WITH_HISTORY), st.integers(1, 5), st.lists(st.floats(0, 1), max_size=12))
def test_any_polls_see_every_status_of_every_deploy_once(
    name: str, seed: int, parts: list[float]
) -> None:
    rollout = play(name, seed)
    end = (rollout.scenario.deleted_after or rollout.settles_after + 2) - 1
    reader = Reader(stamps=None)

    for seconds in [0.0, *sorted(part * end for part in parts), end]:
        poll(reader, rollout, seconds)

    seen = defaultdict(list)
    for transition in reader.changes:
        if transition.entity.kind == DEPLOY:
            seen[transition.entity.id].append(transition.after)
    happened = defaultdict(list)
    for occurrence in rollout.occurrences:
        if occurrence.kind is Thing.INSTALL_DEPLOY and occurrence.at <= end:
            happened[occurrence.id].append(occurrence.status)
    assert seen == happened


def omissions(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (object, key) of a release, its steps and deploys, that an answer may lack."""
    for key in ("status_description", "created_at", "updated_at", "build_id", "release_steps"):
        yield document, key
    for row in document["release_steps"]:
        for key in row.keys() - {"id"}:
            yield row, key
        for deployed in row.get("install_deploys", ()):
            for key in deployed.keys() - {"id"}:
                yield deployed, key
            for key in deployed.get("status_v2", {}):
                yield deployed["status_v2"], key


@fixed(120)
@given(st.sampled_from(["demo", "retry", "flicker"]), st.randoms(), st.booleans())
def test_what_an_answer_leaves_out_is_no_transition_then_or_later(
    name: str, chance: random.Random, is_null: bool
) -> None:
    rollout = play(name, 1)
    seconds = chance.uniform(0, rollout.settles_after)
    full = json.loads(json.dumps(rollout.state_at(seconds)))
    lacking = json.loads(json.dumps(full))
    places = [place for place in omissions(lacking) if place[1] in place[0]]
    for container, key in chance.sample(places, min(len(places), 5)):
        if is_null:
            container[key] = None
        else:
            container.pop(key)
    reader = Reader(stamps=None)

    for document in (full, lacking, full):
        body = msgspec.json.encode(document)
        reader.poll(release_kind.decode(body, rollout.id, Memo()), rollout.moment(seconds))

    assert reader.changes == []
    assert reader.seen is not None
    assert reader.seen.root == release_kind.decode(msgspec.json.encode(full), rollout.id, Memo())


def test_snapshots_of_the_past_and_of_the_store_compare_alike() -> None:
    before = snapshot(unit("executing", status_at=datetime(2025, 12, 1, 12, 0, 1, 5, UTC)))
    stored = decode_snapshot(encode_snapshot(before))
    now = snapshot(unit("error"), NOON + timedelta(minutes=1))

    assert diff(stored, now) == diff(before, now)


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_moved_deploy_lacks_is_kept_below_it_wherever_it_stands_now(
    is_known: bool,
) -> None:
    job = Entity(kind=RUNNER_JOB, id="job1", status="failed")
    others = (step(2, "queued"),) if is_known else ()
    before = release("executing", step(1, "queued", deploy("a", "error", children=(job,))), *others)
    now = release("executing", step(1, "queued"), step(2, "queued", deploy("a", "error")))

    kept = keep_absent(snapshot(before), snapshot(now)).root

    (moved,) = kept.children[1].children
    assert [(part.id, part.is_absent) for part in moved.children] == [("job1", True)]
    assert changes(before, now) == ([] if is_known else [("rel-step-2", None, "queued")])


def test_parts_stay_in_the_order_of_the_answer_though_a_detail_of_one_is_missing() -> None:
    job = Entity(RUNNER_JOB, "job1", "failed")
    later, sooner = step(1, created_at=after(9)), step(2, created_at=after(1))
    explained = msgspec.structs.replace(later, children=(deploy("acme", children=(job,)),))
    bare = msgspec.structs.replace(later, children=(deploy("acme"),))

    kept = keep_absent(
        snapshot(release("active", explained, sooner)), snapshot(release("active", bare, sooner))
    )

    assert [one.id for one in kept.root.children] == [later.id, sooner.id]
    assert [part.id for _, part in kept.root.flat() if part.kind == RUNNER_JOB] == ["job1"]
