"""Mutated documents: read or refused, and nothing false told. The long run is in benchmarks."""

from __future__ import annotations

import os
import random

import msgspec
import pytest

from monitor.diff import Difference, diff
from monitor.model import Event, EventKind, Level, Transition
from monitor.policy import Decision
from tests.benchmarks import fuzz
from tests.builders import deploy, memory, release, snapshot, step

_DOCUMENTS = 100_000 if os.environ.get("NUON_MONITOR_LONG_TESTS") else 3_000


def test_a_mutated_document_is_read_or_refused_and_tells_nothing_false() -> None:
    tally = fuzz.run(seed=20_260_302, documents=_DOCUMENTS)

    assert tally.broken == []
    # Both ways are gone often, or the mutations are too mild or too wild to prove anything.
    assert tally.refused > tally.mutants * 0.1
    assert tally.accepted > tally.mutants * 0.5
    assert tally.told > tally.mutants * 0.1


def test_a_life_is_the_same_again_from_its_seed() -> None:
    one, other = fuzz.Tally(), fuzz.Tally()
    fuzz.live("7/7", one)
    fuzz.live("7/7", other)

    assert one == other


def test_a_transition_from_a_status_that_was_not_seen_would_be_noticed() -> None:
    life = fuzz.Life(random.Random(1), fuzz._originals()[0])
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


@pytest.mark.parametrize("kind", [EventKind.FAILED, EventKind.SUCCEEDED, EventKind.WAITING])
def test_news_that_no_document_bears_out_would_be_noticed(kind: EventKind) -> None:
    seen = snapshot(release("executing", step(1, "executing", deploy("a", "executing"))))
    event = Event(kind, Level.ROLLOUT, seen.root)
    nothing: tuple[Transition, ...] = ()

    with pytest.raises(fuzz.LawBrokenError):
        fuzz.check_events(
            seen, Difference(nothing, has_moved=False), Decision(memory(), (event,)), None
        )
