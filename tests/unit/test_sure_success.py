"""A success is believed at once where all parts have said how they ended, and else in time.

What a rollout consists of is said by several documents, of which one may be older than the others.
"""

from __future__ import annotations

import pytest

from monitor.compose.observation import Seen, compare
from monitor.kinds import KINDS
from monitor.kinds.profile import Agreement, KindProfile
from monitor.model import Entity, Event, EventKind, Phase, Target, known_statuses, phase_of
from monitor.model.tree import Kind
from tests.support.builders import PATIENCE, after

ENDING = sorted(name for name, kind in KINDS.items() if not kind.profile.root.is_perpetual)
LENIENT = [n for n in ENDING if KINDS[n].profile.agreement is Agreement.NONE_OPEN]


def word(kind: Kind, phase: Phase) -> str:
    """Return a status that means this; empty where a kind has none."""
    found = [one for one in known_statuses(kind) if phase_of(kind, one) is phase]
    plain = [one for one in found if one not in ("not-attempted", "discarded", "outdated")]
    return next(iter(plain), "")


class Story:
    """A rollout of one step with one unit, answered poll by poll, each newer than before."""

    def __init__(self, name: str, *, is_new: bool = False) -> None:
        self.name = name
        self.is_new = is_new
        self.profile: KindProfile = KINDS[name].profile
        self.seen: Seen | None = None
        self.polls = 0
        self.events: list[Event] = []

    def poll(self, phase: Phase, units: dict[str, str], *, planned: int = 0) -> bool:
        """Whether this poll says that it succeeded. `units` are the statuses of those there."""
        self.polls += 1
        now = after(self.polls)
        step, root = self.profile.step, self.profile.root
        children = tuple(
            Entity(self.profile.unit, key, status=status, install_id=key, updated_at=now)
            for key, status in units.items()
        )
        below = Entity(
            step,
            "step",
            status=word(step, phase),
            updated_at=now,
            planned=tuple(f"u{number}" for number in range(1, planned + 1)),
            children=children,
        )
        tree = Entity(root, "root", status=word(root, phase), updated_at=now, children=(below,))
        target = Target(self.name, "root")
        change = compare(self.seen, target, tree, now=now, stall_rules=PATIENCE, is_new=self.is_new)
        self.seen = Seen(change.snapshot, change.decision.state)
        self.events += change.decision.events
        return EventKind.SUCCEEDED in {event.kind for event in change.decision.events}

    def begin(self) -> None:
        running = word(self.profile.unit, Phase.RUNNING)
        assert not self.poll(Phase.RUNNING, {"u1": running, "u2": running})

    @property
    def done(self) -> str:
        return word(self.profile.unit, Phase.SUCCEEDED)


@pytest.mark.parametrize("name", ENDING)
def test_a_success_of_which_all_parts_say_so_is_told_at_once(name: str) -> None:
    story = Story(name)
    story.begin()

    assert story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": story.done})


@pytest.mark.parametrize("name", ENDING)
def test_a_success_without_a_unit_that_was_at_work_has_to_be_confirmed(name: str) -> None:
    story = Story(name)
    story.begin()

    told = [story.poll(Phase.SUCCEEDED, {"u1": story.done}) for _ in range(4)]

    assert told == [False, False, True, False]


@pytest.mark.parametrize("name", LENIENT)
def test_a_success_with_a_unit_not_known_to_have_begun_has_to_be_confirmed(name: str) -> None:
    story = Story(name)
    units = {"u1": story.done, "u2": word(story.profile.unit, Phase.PENDING)}
    assert not story.poll(Phase.RUNNING, units)

    told = [story.poll(Phase.SUCCEEDED, units) for _ in range(4)]

    assert told == [False, False, True, False]


@pytest.mark.parametrize("name", LENIENT)
def test_a_success_of_a_step_that_lacks_what_was_planned_has_to_be_confirmed(name: str) -> None:
    story = Story(name)
    assert not story.poll(Phase.RUNNING, {"u1": story.done}, planned=2)

    told = [story.poll(Phase.SUCCEEDED, {"u1": story.done}, planned=2) for _ in range(3)]

    assert told == [False, False, True]


@pytest.mark.parametrize("name", ENDING)
def test_what_was_lacking_and_then_says_how_it_ended_settles_it(name: str) -> None:
    story = Story(name)
    story.begin()
    failed = word(story.profile.unit, Phase.FAILED)

    assert not story.poll(Phase.SUCCEEDED, {"u1": story.done})
    assert not story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": failed})
    assert story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": story.done})


def test_while_it_is_not_sure_the_card_does_not_show_it() -> None:
    story = Story("run")
    story.begin()

    story.poll(Phase.SUCCEEDED, {"u1": story.done})

    assert story.seen is not None
    assert story.seen.snapshot.root.phase is Phase.RUNNING


def test_what_was_left_out_on_purpose_is_no_doubt() -> None:
    story = Story("run")
    story.begin()

    assert story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": "not-attempted"})


# At first sight


@pytest.mark.parametrize("name", ENDING)
def test_a_success_at_first_sight_of_what_is_new_is_told_at_once_if_all_parts_agree(
    name: str,
) -> None:
    story = Story(name, is_new=True)

    assert story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": story.done})


@pytest.mark.parametrize("name", ENDING)
def test_a_success_at_first_sight_that_lacks_what_was_planned_has_to_be_confirmed(
    name: str,
) -> None:
    story = Story(name, is_new=True)

    told = [story.poll(Phase.SUCCEEDED, {"u1": story.done}, planned=2) for _ in range(4)]

    assert told == [False, False, True, False]


@pytest.mark.parametrize("name", LENIENT)
def test_a_part_that_had_failed_all_the_time_is_told_instead_of_a_success_at_first_sight(
    name: str,
) -> None:
    story = Story(name)
    pending, failed = (word(story.profile.unit, one) for one in (Phase.PENDING, Phase.FAILED))

    story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": pending})
    assert story.seen is not None
    assert (story.seen.snapshot.root.phase, story.events) == (Phase.PENDING, [])
    story.poll(Phase.SUCCEEDED, {"u1": story.done, "u2": failed})

    assert [event.kind for event in story.events] == [EventKind.FAILED]


@pytest.mark.parametrize("name", ENDING)
def test_what_had_succeeded_before_it_was_watched_is_no_news_once_it_is_sure(name: str) -> None:
    story = Story(name)

    states = []
    for _ in range(4):
        story.poll(Phase.SUCCEEDED, {"u1": story.done}, planned=2)
        assert story.seen is not None
        states.append((story.seen.state.ended, story.seen.state.has_card))

    done = (EventKind.SUCCEEDED, False)
    assert states == [(None, False), (None, False), done, done]
    assert story.events == []
