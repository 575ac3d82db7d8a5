"""An older answer is no observation: which of two answers is the newer, part by part."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.compose.observation import Seen, compare
from monitor.decide.order import Order, Staleness, order_of
from monitor.model import Entity, PastStatus, ReasonKind, Target
from tests.support.builders import (
    PATIENCE,
    RELEASE_ID,
    Reader,
    after,
    deploy,
    release,
    step,
    words,
)

TARGET = Target("release", RELEASE_ID)


def reading(*answers: Entity) -> list[list[str]]:
    """Return what each of some answers, a minute apart, leads to; they have their own times."""
    reader = Reader(stamps=None)
    return [words(reader.poll(root, after(90 + n))) for n, root in enumerate(answers)]


def unit(status: str, minutes: float | None = None, **facts: Any) -> Entity:
    """Return the deploy `a`, touched so many minutes after noon."""
    if minutes is not None:
        facts["updated_at"] = after(minutes)
    return deploy("a", status, **facts)


def on(status: str, minutes: float | None = None, *, root: str = "executing") -> Entity:
    """Return a release with a step and one deploy, all touched so many minutes after noon."""
    touched = {} if minutes is None else {"updated_at": after(minutes)}
    at_work = "active" if root == "active" else "polling_install_deploys"
    part = step(1, at_work, unit(status, minutes), **touched)
    return release(root, part, **touched)


RUNNING, DONE = on("executing", 80), on("active", 81, root="active")


@pytest.mark.parametrize(
    ("seen", "answered", "order"),
    [
        (unit("active", 2), unit("executing", 1), Order.OLDER),
        (unit("active", 1), unit("executing", 2), Order.NEWER),
        (unit("active", 1), unit("executing", 1), Order.UNKNOWN),
        (unit("active", 1), unit("executing"), Order.UNKNOWN),
        (unit("active"), unit("executing"), Order.UNKNOWN),
        (unit("x", status_at=after(2)), unit("y", status_at=after(1)), Order.OLDER),
        (unit("x", 2, status_at=after(2)), unit("y", 3, status_at=after(1)), Order.OLDER),
        (unit("x", 2, status_at=after(2)), unit("y", 3, status_at=after(2)), Order.NEWER),
        (
            unit("x", history=(PastStatus("a", after(1)), PastStatus("b", after(2)))),
            unit("y", history=(PastStatus("a", after(1)),)),
            Order.OLDER,
        ),
    ],
)
def test_order_comes_from_the_times_that_both_have(
    seen: Entity, answered: Entity, order: Order
) -> None:
    assert order_of(seen, answered) is order


# By the platform's times


def test_an_older_state_between_two_newer_ones_is_nothing() -> None:
    assert reading(RUNNING, DONE, RUNNING, DONE, RUNNING, DONE) == [
        ["started release"],
        ["progressed step 1", "succeeded release"],
        *[[]] * 4,
    ]


def test_an_older_answer_leaves_the_very_tree_that_was_seen() -> None:
    first = compare(None, TARGET, DONE, now=after(82), stall_rules=PATIENCE)
    seen = Seen(first.snapshot, first.decision.state)

    again = compare(seen, TARGET, RUNNING, now=after(83), stall_rules=PATIENCE)

    assert again.snapshot.root is seen.snapshot.root
    assert again.staleness == Staleness(3)
    assert again.difference.transitions == ()


def test_what_an_older_answer_lacks_is_not_missing() -> None:
    begun = release("executing", updated_at=after(79))
    reader = Reader(stamps=None)
    for root in (RUNNING, begun):
        reader.poll(root, after(90))

    assert reader.seen is not None
    assert reader.seen.root is RUNNING


def test_of_a_part_that_is_older_all_is_left_and_its_neighbours_are_taken() -> None:
    seen = release("executing", step(1, "executing", unit("active", 5), deploy("b", "queued")))
    mixed = release(
        "executing",
        step(
            1,
            "executing",
            unit("error", 4, description="it was not so", facts=(("tag", "1"),)),
            deploy("b", "executing", updated_at=after(6)),
            deploy("c", "queued"),
        ),
        updated_at=after(6),
    )
    seen = msgspec.structs.replace(seen, updated_at=after(5))
    reader = Reader(stamps=None)
    reader.poll(seen, after(90))

    reader.poll(mixed, after(91))

    assert reader.seen is not None
    deploys = reader.seen.root.children[0].children
    assert [one.status for one in deploys] == ["active", "executing", "queued"]
    assert deploys[0] is seen.children[0].children[0]


def test_what_is_missing_below_an_older_part_alone_is_not_missing() -> None:
    whole = release(
        "executing",
        step(1, "executing", unit("executing", 5), updated_at=after(5)),
        updated_at=after(5),
    )
    lagging = release("executing", step(1, "queued", updated_at=after(4)), updated_at=after(6))
    reader = Reader(stamps=None)
    for root in (whole, lagging):
        reader.poll(root, after(90))

    assert reader.seen is not None
    assert reader.seen.root.children[0] == whole.children[0]


def test_a_retry_with_newer_times_is_believed_at_once() -> None:
    failed = on("error", 81, root="error")

    assert reading(failed, on("error", 82, root="provisioning"))[1] == ["started release"]


def test_times_that_went_back_for_good_are_believed_by_the_third_poll_and_reported() -> None:
    reader = Reader(stamps=None)
    for root in (RUNNING, DONE, RUNNING, RUNNING):
        reader.poll(root, after(90))
    reader.reported.clear()

    told = reader.poll(RUNNING, after(91))

    assert words(told) == ["started release", "progressed release"]
    assert told[-1].reason.kind is ReasonKind.TIMES_WENT_BACK
    assert reader.poll(RUNNING, after(92)) == ()
    assert words(reader.poll(DONE, after(93))) == ["progressed step 1", "succeeded release"]


def test_older_answers_that_differ_do_not_agree() -> None:
    earlier = [on("queued", 70), on("planning", 75), on("executing", 80), on("queued", 70)]

    assert reading(*earlier[:3], DONE, *earlier, *earlier, DONE)[3:] == [
        ["progressed step 1", "succeeded release"],
        *[[]] * 9,
    ]


def test_a_replica_that_lags_is_believed_later_each_time() -> None:
    """Three answers in a row from the same replica are chance; a dozen are not."""
    lagging = [DONE, RUNNING] * 5

    assert reading(RUNNING, *lagging, DONE, *[RUNNING] * 8, DONE)[2:] == [[]] * 19


def test_what_has_gone_back_in_one_part_is_believed_while_others_move() -> None:
    """A clock of the platform that ran ahead: the failure is not ignored for ever."""

    def answer(minute: float, status: str, at: float) -> Entity:
        parts = (unit(status, at), deploy("b", f"word {minute}", updated_at=after(minute)))
        return release("executing", step(1, "executing", *parts), updated_at=after(minute))

    reported = reading(
        answer(70, "executing", 60), *(answer(71 + n, "error", 59) for n in range(4))
    )

    assert ["failed a" in one for one in reported] == [False, False, False, True, False]


def test_the_times_that_are_missing_do_not_make_an_older_part_newer() -> None:
    touched = unit("active", 5, status_at=after(5))

    assert order_of(touched, unit("executing", status_at=after(4))) is Order.OLDER


# Where there are no times


def alone(*statuses: str) -> list[list[str]]:
    return reading(*(on(status) for status in statuses))


@pytest.mark.parametrize("left", ["active", "error", "cancelled"])
def test_what_leaves_an_end_is_believed_once_three_polls_agree(left: str) -> None:
    events = alone(left, "executing", "executing", "executing", "executing")

    assert events[1] == events[2] == events[4] == []
    reader = Reader(stamps=None)
    for status in (left, "executing", "executing", "executing"):
        reader.poll(on(status), after(90))
    assert reader.seen is not None
    assert reader.seen.root.children[0].children[0].status == "executing"


def test_what_goes_on_is_believed_at_once() -> None:
    assert alone("queued", "executing", "pending-approval", "executing", "error")[2:] == [
        ["waiting a"],
        [],
        ["failed a"],
    ]


def test_what_goes_back_to_what_it_was_is_believed_once_three_polls_agree() -> None:
    waited = ("queued", "executing", "pending-approval", "executing")

    assert alone(*waited, "pending-approval", "executing", "executing", "executing")[3:] == [
        *[[]] * 4,
        ["progressed a"],
    ]


def test_what_has_begun_is_not_queued_again_before_three_polls_agree() -> None:
    reader = Reader(stamps=None)
    seen = []
    for status in ("executing", "queued", "queued", "queued"):
        reader.poll(on(status), after(90))
        assert reader.seen is not None
        seen.append(reader.seen.root.children[0].children[0].status)

    assert seen == ["executing", "executing", "executing", "queued"]


def test_facts_and_descriptions_do_not_flicker() -> None:
    reader = Reader(stamps=None)
    first, second = (release("executing", description=words) for words in ("1 of 2", "2 of 2"))
    for root in (first, second, first):
        reader.poll(root, after(90))

    assert reader.seen is not None
    assert reader.seen.root.description == "2 of 2"


def test_what_more_polls_have_to_confirm_outlives_a_restart() -> None:
    reader = Reader(stamps=None)
    for root in (on("active"), on("executing"), on("executing"), on("executing")):
        reader.restart()
        reader.poll(root, after(90))

    assert reader.seen is not None
    assert reader.seen.root.children[0].children[0].status == "executing"


def test_the_same_answer_once_more_leaves_nothing_to_confirm() -> None:
    reader = Reader(stamps=None)
    for root in (on("active"), on("executing")):
        reader.poll(root, after(90))
    assert reader.state is not None
    assert reader.state.claims

    reader.poll_unchanged(after(91))

    assert reader.state.claims == ()


def test_what_has_no_newer_times_does_not_keep_older_ones_from_being_believed() -> None:
    """A rollout that begins again without any time, on a platform whose database was restored."""
    done = on("active", 81, root="active")
    begun = release("executing", *done.children)
    reader = Reader(stamps=None)
    for root in (RUNNING, done, begun, RUNNING, RUNNING, RUNNING):
        reader.poll(root, after(90))

    assert reader.seen is not None
    assert reader.seen.root == RUNNING


# What an answer lacks

SHORT = release("active", step(1, "active", unit("active")))
LONGER = release(
    "active", *SHORT.children, step(2, "polling_install_deploys", deploy("b", "executing"))
)


def test_a_rollout_does_not_succeed_because_an_older_answer_lacks_what_is_at_work() -> None:
    assert reading(LONGER, SHORT, LONGER, SHORT, SHORT, LONGER)[1:] == [[]] * 5


def test_what_three_polls_in_a_row_lack_does_not_keep_a_rollout_from_its_end() -> None:
    assert reading(LONGER, SHORT, SHORT, SHORT)[1:] == [[], [], ["succeeded release"]]


def test_what_is_newer_lacks_a_part_at_once() -> None:
    longer = msgspec.structs.replace(LONGER, updated_at=after(5))
    shorter = msgspec.structs.replace(SHORT, updated_at=after(6))

    assert reading(longer, shorter)[1] == ["succeeded release"]


def test_a_part_that_is_below_another_one_now_is_not_missing_and_there_once() -> None:
    one, other = (step(n, "polling_install_deploys") for n in (1, 2))
    moving = deploy("b", "executing")
    reader = Reader(stamps=None)
    for steps in (
        (msgspec.structs.replace(one, children=(moving,)), other),
        (msgspec.structs.replace(other, children=(moving,)),),
    ):
        reader.poll(release("executing", *steps), after(90))

    assert reader.seen is not None
    kept, now = reader.seen.root.children
    assert (kept.id, kept.is_absent, kept.children) == (one.id, False, ())
    assert now.children == (moving,)


def test_a_dead_end_has_to_be_seen_twice_in_a_row_also_while_something_is_unsure() -> None:
    stuck = release("active", step(1, "error", unit("cancelled")))
    going_on = release("active", step(1, "active", unit("cancelled"), deploy("b", "executing")))
    stuck_again = release("active", step(1, "error", unit("cancelled"), deploy("b", "cancelled")))

    told = reading(stuck, going_on, stuck_again, stuck_again)

    assert ["stalled release" in one for one in told] == [False, False, False, True]
