"""Mutated documents: read or refused, and nothing false told. The long run is in benchmarks."""

from __future__ import annotations

import random

import msgspec
import pytest

from monitor.decide.diff import Difference, diff
from monitor.decide.events import Decision
from monitor.kinds import KINDS
from monitor.kinds.parts import RUNNER_JOB
from monitor.model import Entity, Event, EventKind, Level, Transition
from tests.benchmarks import fuzz
from tests.support.builders import deploy, release, snapshot, state, step
from tests.support.long_tests import IS_LONG


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_document_is_read_or_refused_and_tells_nothing_false(kind: str) -> None:
    few = 2_000 if kind == "release" else 300
    tally = fuzz.run(seed=20_260_302, documents=30_000 if IS_LONG else few, kind=kind)

    assert tally.broken == []
    # Both ways are gone often, or the mutations are too mild or too wild to prove anything.
    assert tally.refused > tally.mutants * 0.05
    assert tally.accepted > tally.mutants * 0.5
    assert tally.told > tally.mutants * 0.1


def test_a_life_is_the_same_again_from_its_seed() -> None:
    one, other = fuzz.Tally(), fuzz.Tally()
    fuzz.live("7/7", one)
    fuzz.live("7/7", other)

    assert one == other


def test_a_transition_from_a_status_that_was_not_seen_would_be_noticed() -> None:
    life = fuzz.Life(random.Random(1), fuzz.originals("release")[0])
    before = snapshot(release("executing", step(1, "queued", deploy("a", "queued"))))
    after = snapshot(release("executing", step(1, "queued", deploy("a", "error"))))
    difference = diff(before, after)
    life.statuses = {(e.kind, e.id): e.status for _, e in before.root.walk()}
    life._check(before, after, difference)

    forged = tuple(msgspec.structs.replace(t, before="planning") for t in difference.transitions)
    with pytest.raises(fuzz.LawBrokenError, match="the status last seen"):
        life._check(before, after, Difference(forged, has_moved=True))
    with pytest.raises(fuzz.LawBrokenError, match="lead to the status that is"):
        life._check(before, after, Difference((), has_moved=False))


def test_a_part_that_is_forgotten_would_be_noticed() -> None:
    life = fuzz.Life(random.Random(1), fuzz.originals("release")[0])
    before = snapshot(release("executing", step(1, "queued", deploy("a", "queued"))))
    life._remember(before, state())

    with pytest.raises(fuzz.LawBrokenError, match="not forgotten"):
        life._check(
            before,
            snapshot(release("executing", step(1, "queued"))),
            Difference((), has_moved=False),
        )


def test_a_success_that_a_step_contradicts_would_be_noticed_but_not_one_of_its_details() -> None:
    failed_job = Entity(kind=RUNNER_JOB, id="job1", status="failed")
    done = release("active", step(1, "active", deploy("a", children=(failed_job,))))
    failed = release("active", step(1, "active", deploy("a", "error")))

    check_success(done)
    with pytest.raises(fuzz.LawBrokenError, match="of all parts"):
        check_success(failed)


def check_success(root: Entity) -> None:
    told = Decision(state(), (Event(EventKind.SUCCEEDED, Level.ROLLOUT, root),))
    fuzz.check_events(snapshot(root), Difference((), has_moved=False), told, None)


@pytest.mark.parametrize("kind", [EventKind.FAILED, EventKind.SUCCEEDED, EventKind.WAITING])
def test_news_that_no_document_bears_out_would_be_noticed(kind: EventKind) -> None:
    seen = snapshot(release("executing", step(1, "executing", deploy("a", "executing"))))
    event = Event(kind, Level.ROLLOUT, seen.root)
    nothing: tuple[Transition, ...] = ()

    with pytest.raises(fuzz.LawBrokenError):
        fuzz.check_events(
            seen, Difference(nothing, has_moved=False), Decision(state(), (event,)), None
        )
