"""The law of older answers: interleaved with a story, they change nothing of what it leads to.

A story is what the platform answers of one target, of any kind, from its beginning on. Where the
parts have times, any earlier answers may come between two of them; where they have none, single
ones.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.compose.observation import Seen, compare
from monitor.kinds import KINDS, release
from monitor.kinds.profile import KindProfile
from monitor.kinds.wire import Memo
from monitor.model import Entity, EventKind, Kind, Level, Reason, Target, known_statuses
from tests.support.builders import PATIENCE, after, fixed
from tests.support.timelines import play

_EVERY_KIND = sorted(KINDS)
_ANSWERS = 8
_POLLS_OF_EACH = 7
"""Where times are missing: three polls in a row agree on each, whatever comes between them."""

Told = tuple[str, Level, str, Reason, str]
Events = list[Told]


class Life:
    """What becomes of one made-up target, answer by answer."""

    def __init__(self, kind: str, chance: random.Random, *, has_times: bool) -> None:
        self.kind = kind
        self._profile: KindProfile = KINDS[kind].profile
        self._chance = chance
        self._has_times = has_times
        self._count = 0

    def answers(self) -> list[Entity]:
        """Return the story: in each answer something is otherwise than in the one before."""
        root = self._part(self._profile.root, "root")
        for _ in range(self._chance.randint(1, 3)):
            root = self._with_another_step(root)
        story = [root]
        while len(story) < _ANSWERS:
            changed = self._changed(story[-1])
            if changed != story[-1]:
                story.append(changed)
        return story

    def _part(self, kind: Kind, name: str, *children: Entity) -> Entity:
        self._count += 1
        return self._moved(
            Entity(kind, f"{name}-{self._count}", created_at=after(0), children=children)
        )

    def _moved(self, part: Entity) -> Entity:
        """Let something become of a part, now."""
        self._count += 1
        words = known_statuses(part.kind)
        if self._profile.is_list_of_waits:
            words = ("approval-awaiting",) if part.kind != self._profile.root else ()
        return msgspec.structs.replace(
            part,
            status=self._chance.choice(words) if words else "",
            description=self._chance.choice(["", "one", "two"]),
            facts=(("tag", self._tag()),),
            updated_at=after(self._count / 1000) if self._has_times else None,
        )

    def _tag(self) -> str:
        """Return what tells values apart; without times it makes each of them another one.

        An older answer that has by chance what the story comes back to confirms that a poll
        early, before what goes with it: a moment that no restoration of order can undo.
        """
        return self._chance.choice("xyz") if self._has_times else str(self._count)

    def _with_another_step(self, root: Entity) -> Entity:
        units = [self._part(self._profile.unit, "unit") for _ in range(self._chance.randint(1, 3))]
        step = self._part(self._profile.step, "step", *units)
        return self._with_children(root, (*root.children, step))

    def _with_children(self, part: Entity, children: tuple[Entity, ...]) -> Entity:
        return msgspec.structs.replace(part, children=children)

    def _changed(self, root: Entity) -> Entity:
        is_longer = self._chance.random() < 0.2
        if is_longer:
            root = self._with_another_step(root)
        # Also so that times order it: what lacks a step and has no older part may be the newer.
        is_ordered = self._profile.is_list_of_waits or (is_longer and self._has_times)
        if is_ordered or self._chance.random() < 0.7:
            root = self._moved(root)
        steps = tuple(self._changed_step(step) for step in root.children)
        return self._with_children(root, steps)

    def _changed_step(self, step: Entity) -> Entity:
        units = tuple(
            self._moved(unit) if self._chance.random() < 0.4 else unit for unit in step.children
        )
        step = self._with_children(step, units)
        return self._moved(step) if self._chance.random() < 0.4 else step


def events_of(kind: str, polls: Iterator[Entity] | list[Entity]) -> Events:
    """Return what people are notified of, in order; the platform is polled every second."""
    seen: Seen | None = None
    found: Events = []
    now: datetime = after(1)
    for root in polls:
        now += timedelta(seconds=1)
        target = Target(kind, root.id)
        change = compare(seen, target, root, now=now, stall_rules=PATIENCE)
        seen = Seen(change.snapshot, change.decision.state)
        found += [
            (str(event.kind), event.level, event.entity.id, event.reason, event.entity.status)
            for event in change.decision.events
        ]
    return found


def with_any_earlier(story: list[Entity], chance: random.Random) -> Iterator[Entity]:
    """Yield a story with earlier answers between its own; never thrice the same in a row."""
    for number, answer in enumerate(story):
        yield answer
        last, repeated = answer, 0
        for _ in range(chance.randint(0, 4) if number else 0):
            older = chance.choice(story[:number])
            repeated = repeated + 1 if older is last else 1
            if repeated > 2:
                break
            last = older
            yield older


def with_single_earlier(story: list[Entity], chance: random.Random) -> Iterator[Entity]:
    """Yield each answer for some polls, and once in them an earlier one."""
    for number, answer in enumerate(story):
        where = chance.randrange(1, _POLLS_OF_EACH) if number else None
        for poll in range(_POLLS_OF_EACH):
            if poll == where:
                yield chance.choice(story[:number])
            yield answer


def _unexplained(event: Told) -> Told:
    kind, level, entity, reason, status = event
    if kind in (EventKind.FAILED, EventKind.WAITING):
        reason = Reason()
    return kind, level, entity, reason, status


@pytest.mark.parametrize("kind", _EVERY_KIND)
@fixed(60)
@given(seed=st.integers(0, 1_000_000))
def test_any_earlier_answers_change_nothing_where_times_order_them(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    story = Life(kind, chance, has_times=True).answers()

    assert events_of(kind, with_any_earlier(story, chance)) == events_of(kind, story)


@pytest.mark.parametrize("kind", _EVERY_KIND)
@fixed(60)
@given(seed=st.integers(0, 1_000_000))
def test_single_earlier_answers_change_nothing_where_there_are_no_times(
    kind: str, seed: int
) -> None:
    chance = random.Random(seed)
    story = Life(kind, chance, has_times=False).answers()
    alone = [answer for answer in story for _ in range(_POLLS_OF_EACH)]

    found = events_of(kind, with_single_earlier(story, chance))

    # What is confirmed later comes later: behind what was believed at once. So a problem is
    # notified of with what explains it by then; what does so later makes no event.
    assert Counter(map(_unexplained, found)) == Counter(map(_unexplained, events_of(kind, alone)))


# A replica that lags


@pytest.mark.parametrize("name", ["retry", "flicker"])
def test_a_thousand_answers_of_two_replicas_are_told_as_those_of_one(name: str) -> None:
    """Half of them from one that is three seconds behind, and never thrice in a row."""
    rollout, chance = play(name), random.Random(name)
    every = max(rollout.settles_after + 60, 1) / 1000
    fresh = [n * every for n in range(1000)]
    mixed = [
        seconds - 2.5 * every if n % 3 and n > 3 and chance.random() < 0.7 else seconds
        for n, seconds in enumerate(fresh)
    ]

    def told(moments: list[float]) -> Counter[tuple[str, str]]:
        answers = (msgspec.json.encode(rollout.state_at(seconds)) for seconds in moments)
        trees = [release.decode(body, rollout.id, Memo()) for body in answers]
        return Counter((kind, entity) for kind, _, entity, *_ in events_of("release", trees))

    assert told(mixed) == told(fresh)
