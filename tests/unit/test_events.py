"""What of a poll is worth telling, and when to look again: situations one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec
import pytest

from monitor.decide.events import wakes_at
from monitor.model import Entity, PastStatus
from tests.support.builders import Reader, after, deploy, release, step, words
from tests.support.one_step import DONE, FAILED, RUNNING, STALLED, on, rolling


def past(*entries: tuple[str, float]) -> tuple[PastStatus, ...]:
    return tuple(PastStatus(status, after(minutes)) for status, minutes in entries)


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
        (1, STALLED, ["progressed a"]),
        (2, STALLED, ["stalled step 1"]),
        (3, STALLED, []),
    ],
    "a dead end that a second poll does not confirm is not told": [
        (0, on("executing"), ["started release"]),
        (1, STALLED, ["progressed a"]),
        (2, on("executing"), []),
        (3, STALLED, ["progressed a"]),
    ],
    "a dead end that moves again has recovered": [
        (0, STALLED, ["started release"]),
        (1, STALLED, ["stalled step 1"]),
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
        (0, STALLED, ["started release"]),
        (1, STALLED, ["stalled step 1"]),
        (2, release(RUNNING), []),
        (3, STALLED, []),
        (4, STALLED, []),
    ],
    "a dead end that is missing while something else moves is still one": [
        (0, STALLED, ["started release"]),
        (1, STALLED, ["stalled step 1"]),
        (2, release(RUNNING, description="still at it"), []),
        (3, STALLED, []),
    ],
    "a dead end that was there long before is told as a dead end and nothing else": [
        (300, STALLED, ["started release"]),
        (301, STALLED, ["stalled step 1"]),
        (302, STALLED, []),
    ],
    "a dead end that fails is told failed, not recovered": [
        (0, STALLED, ["started release"]),
        (1, STALLED, ["stalled step 1"]),
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
        ([(0, STALLED)], 0),
        ([(0, STALLED), (1, STALLED)], 241),
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
