"""The same lives as runs, workflows and installers: what is told of each is what happened.

In CI a few small ones; with `NUON_MONITOR_LONG_TESTS=1` every scenario in every dialect.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.simulation.audit import audit, summary_due, summary_on
from monitor.simulation.scenarios import DIALECTS, Scenario
from monitor.simulation.slack import plain_text
from tests.support.expected import card_of, truth_of, unexplained, unmarked
from tests.support.long_tests import IS_LONG
from tests.support.stories import ALL, small, stories
from tests.support.world import a_world, watch

_OTHERS = sorted(DIALECTS.keys() - {"release"})


def lives(**names: str) -> list[tuple[str, str]]:
    """Return dialects with the scenarios that are named for each, in the long run with all."""
    if IS_LONG:
        return stories(*_OTHERS)
    return [(dialect, name) for dialect, all_ in names.items() for name in all_.split()]


def of(name: str) -> Scenario:
    """Return a scenario, in CI with a few installs only."""
    return ALL[name] if IS_LONG else small(name)


@pytest.mark.parametrize(
    ("dialect", "name"),
    lives(run="retry approval stopped superseded", workflow="retry drift", installer="vanishing"),
)
async def test_what_is_told_is_what_happened_each_once_over_any_restarts(
    tmp_path: Path, dialect: str, name: str
) -> None:
    async with a_world(tmp_path) as world:
        target_id = await watch(world, of(name), seed=1, dialect=dialect, every=30, restarts=0.3)

        found = audit(world.platform.rollout(target_id), world.channel)
        assert (found.lost, found.repeated, found.false) == ((), (), ())


@pytest.mark.parametrize(
    ("dialect", "name"),
    lives(run="vanishing empty-group", workflow="approval runbook", installer="retry"),
)
async def test_the_last_card_shows_the_last_snapshot_and_that_is_the_truth(
    tmp_path: Path, dialect: str, name: str
) -> None:
    async with a_world(tmp_path) as world:
        target_id = await watch(world, of(name), seed=3, dialect=dialect, every=30, restarts=0.1)

        if dialect != "installer":  # its card counts nothing
            due = summary_due(world.platform.rollout(target_id))
            assert summary_on(world.cards(target_id)[-1]) == due
        known, _ = world.stored(target_id)
        truth = await truth_of(world, known)
        assert unexplained(unmarked(known.root)) == unexplained(unmarked(truth.root))
        assert tuple(world.cards(target_id)[-1].blocks) == card_of(world, target_id)


@pytest.mark.parametrize("every", [5.0, 60.0, 300.0] if IS_LONG else [300.0])
@pytest.mark.parametrize(
    ("dialect", "name"), lives(run="failure", workflow="failure", installer="failure")
)
async def test_polling_more_rarely_tells_the_same_failures(
    tmp_path: Path, dialect: str, name: str, every: float
) -> None:
    async with a_world(tmp_path) as world:
        target_id = await watch(
            world, of(name), seed=4, dialect=dialect, every=every, beyond=every * 3
        )

        found = audit(world.platform.rollout(target_id), world.channel, knows_waits=False)
        lost = [sentence for sentence in found.lost if sentence.endswith(" failed")]
        assert (lost, found.repeated, found.false) == ([], (), ())


@pytest.mark.parametrize("dialect", ["run", "workflow"])
async def test_a_preview_is_told_as_what_changes_nothing(tmp_path: Path, dialect: str) -> None:
    async with a_world(tmp_path) as world:
        target_id = await watch(world, "preview", seed=1, dialect=dialect, every=30)

        found = audit(world.platform.rollout(target_id), world.channel)
        assert (found.lost, found.repeated, found.false) == ((), (), ())
        told = "\n".join(world.texts)
        assert "a plan only, changes nothing" in plain_text(world.cards(target_id)[-1])
        assert "✅" in told
        assert " is on " not in told


async def test_an_approval_that_waits_anywhere_is_told_once_over_restarts_and_so_is_its_answer(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.platform.add("approval", seed=1, dialect="run")
        world.more = "[[watch]]\napprovals = true"

        for _ in range(60):
            async with world.monitor() as app:
                await world.look(app, after=15)

        (card, *replies) = world.channel.posts
        told = "\n".join(plain_text(post) for post in replies)
        assert "No approvals pending" in plain_text(card)
        assert told.count("needs approval") == 2
        assert told.count("no longer needs approval") == 1
