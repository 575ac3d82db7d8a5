"""Every scenario, from the platform's first answer to what a person reads in the end.

The oracle is the simulated platform, which knows what happened; what was told is read off
the simulated Slack. Nothing of the monitor's own bookkeeping is believed. With
`NUON_MONITOR_LONG_TESTS=1` over more seeds.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from monitor.model import EventKind, Level
from monitor.simulation.answers import Shape
from monitor.simulation.audit import Audit, audit, summary_due, summary_on
from monitor.simulation.scenarios import HELM_ERROR, SCENARIOS
from monitor.simulation.slack import plain_text
from tests.support.expected import card_of, truth_of
from tests.support.long_tests import IS_LONG
from tests.support.world import a_world, watch

_WATCHED_FROM_THE_START = sorted(
    set(SCENARIOS) - {"already-failed", "already-done", "deleted", "thin", "large", "fat"}
)


@pytest.mark.parametrize("seed", [1, 2] if IS_LONG else [1])
@pytest.mark.parametrize("scenario", _WATCHED_FROM_THE_START)
async def test_what_is_told_is_what_happened_each_once_over_any_restarts(
    tmp_path: Path, scenario: str, seed: int
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, scenario, seed=seed, restarts=0.3)

        assert world.audit(release_id) == Audit(
            sentence_count=world.audit(release_id).sentence_count, lost=(), repeated=(), false=()
        )


@pytest.mark.parametrize("scenario", ["approval", "disagree", "flicker", "retry"])
async def test_what_is_told_is_at_each_moment_what_has_happened_by_then(
    tmp_path: Path, scenario: str
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add(scenario, seed=1)
        rollout, seconds = world.platform.rollout(release_id), 0.0
        async with world.monitor(release_id) as app:
            while seconds < rollout.settles_after:
                await world.look(app, after=15)
                seconds = world.platform.seconds_of(release_id)

                found = audit(rollout, world.channel, until=seconds)
                assert (seconds, found.lost, found.repeated, found.false) == (seconds, (), (), ())
                card = summary_on(world.cards(release_id)[-1])
                due = summary_due(rollout, seconds)
                assert (card.succeeded, card.total) == (due.succeeded, due.total)
                assert card.says_it_succeeded == due.says_it_succeeded


async def test_a_card_goes_on_showing_what_an_answer_lacks(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("vanishing", seed=1)
        rollout, shown = world.platform.rollout(release_id), []
        async with world.monitor(release_id) as app:
            while world.platform.seconds_of(release_id) < rollout.settles_after:
                await world.look(app, after=15)
                shown.append(summary_on(world.cards(release_id)[-1]))

        assert {summary.total for summary in shown} == {summary_due(rollout).total}
        succeeded = [summary.succeeded for summary in shown]
        assert succeeded == sorted(succeeded)


@pytest.mark.parametrize(
    ("scenario", "shape"),
    [
        (scenario, shape)
        for scenario in sorted(set(SCENARIOS) - {"deleted", "large", "already-done"})
        for shape in (Shape if IS_LONG or scenario in {"demo", "deep", "retry"} else [Shape.THIN])
    ],
)
async def test_the_last_card_shows_the_last_snapshot_and_that_is_the_truth(
    tmp_path: Path, scenario: str, shape: Shape
) -> None:
    async with a_world(tmp_path, shape=shape) as world:
        release_id = await watch(world, scenario, seed=3, restarts=0.1)

        rollout = world.platform.rollout(release_id)
        assert summary_on(world.cards(release_id)[-1]) == summary_due(rollout)
        known, _ = world.stored(release_id)
        parts = [part for level, part in known.root.walk() if level < Level.DETAIL]
        newest = {o.id: o.status for o in rollout.occurrences}
        assert {part.id: part.status for part in parts} == newest
        if shape is Shape.DOCUMENTED:  # thin answers are explained by others while they need it
            assert known.root == (await truth_of(world, known)).root
        assert tuple(world.cards(release_id)[-1].blocks) == card_of(world, release_id)


@pytest.mark.parametrize("scenario", ["demo", "flicker", "failure"])
@pytest.mark.parametrize("every", [5.0, 60.0, 300.0])
async def test_polling_more_rarely_tells_the_same_failures(
    tmp_path: Path, scenario: str, every: float
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, scenario, seed=4, every=every, beyond=every * 3)

        findings = audit(world.platform.rollout(release_id), world.channel, knows_waits=False)
        lost = [sentence for sentence in findings.lost if sentence.endswith(" failed")]
        assert (lost, findings.repeated, findings.false) == ([], (), ())


async def test_a_failure_is_told_with_the_reason_that_only_something_deep_down_gives(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, "deep", seed=1)

        lines = world.thread_text(release_id).splitlines()
        after_failed = [
            below
            for line, below in pairwise(lines)
            if line.startswith("❌") and " failed  Open logs" in line
        ]
        assert after_failed
        assert set(after_failed) == {f"▎ {HELM_ERROR}"}
        assert [line for line in lines if line.startswith("▎")] == after_failed


async def test_an_action_that_was_tried_again_and_is_to_be_removed_is_no_trouble(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, shape=Shape.DOCUMENTED) as world:
        release_id = await watch(world, "fat", seed=1)

        known, state = world.stored(release_id)
        words = {part.status for _, part in known.root.flat() if "action" in part.kind}
        assert words >= {"retried", "delete_queued", "finished"}
        found = world.audit(release_id)
        assert (found.lost, found.repeated, found.false) == ((), (), ())
        assert state.alerts == ()
        assert plain_text(world.cards(release_id)[-1]).startswith("✅")


@pytest.mark.parametrize("fault", ["503", "reset_after"])
async def test_what_slack_does_not_confirm_is_told_all_the_same_and_once(
    tmp_path: Path, fault: str
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("retry", seed=1)
        settles_after = world.platform.rollout(release_id).settles_after
        async with world.monitor(release_id) as app:
            while world.platform.seconds_of(release_id) < settles_after + 600:
                if not world.slack.faults:
                    world.slack.fail(fault, "chat.postMessage")
                for _ in range(4):  # of the posts in them one goes wrong
                    await world.look(app, after=15)

        assert [request.outcome for request in world.slack.requests].count(fault) > 3
        found = world.audit(release_id)
        assert (found.lost, found.repeated, found.false) == ((), (), ())
        assert len(world.cards(release_id)) == 2


async def test_a_thousand_installs_that_go_well_are_one_card(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, "large", seed=1, every=60)

        assert len(world.channel.notifications()) == 2  # the card, and the end
        (card,) = world.cards(release_id)
        assert "✅ checkout-api is on all 1,000 installs" in plain_text(card)


async def test_what_succeeded_before_it_was_watched_is_silent(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await watch(world, "already-done", seed=1)

        assert world.channel.posts == []


async def test_what_failed_before_it_was_watched_is_told_once_by_its_card(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, "already-failed", seed=1, restarts=0.5)

        assert len(world.channel.notifications()) == 1
        (card,) = world.cards(release_id)
        assert plain_text(card).startswith("❌ ")
        told = world.thread_text(release_id)
        assert told.count("❌ checkout-api failed: 1 of 24 installs") == 1
        assert told.count("❌ soylent-staging failed") == told.count("❌") - 1 == 1


@pytest.mark.parametrize("scenario", ["hang", "noop", "approval-denied"])
async def test_a_dead_end_is_told_once_and_says_that_it_will_never_go_on(
    tmp_path: Path, scenario: str
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, scenario, seed=1, beyond=600, restarts=0.2)

        assert world.thread_text(release_id).count("Nuon does not move past that") == 1
        assert plain_text(world.cards(release_id)[0]).startswith("⏸️ ")


async def test_what_the_platform_gave_up_is_told_when_it_is_quiet_and_when_it_is_dead(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, "slow", seed=1, every=60)

        text = world.thread_text(release_id)
        assert text.count("has stalled at step 1 of 2") == 1
        assert text.count("▎ No change for 30 min (limit 30 min)") == 1
        assert text.count("Nuon has stopped processing it") == 1
        assert text.count("is moving again") == 1


async def test_a_retried_release_has_a_new_card_that_links_the_old_one(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, "retry", seed=1)

        first, second = world.cards(release_id)
        assert plain_text(first).startswith("❌ ")
        assert plain_text(second).splitlines()[0].endswith("(attempt 2)")
        assert f"/archives/{world.channel.id}/p{first.ts.replace('.', '')}" in str(second.blocks)


async def test_a_release_that_the_platform_deletes_is_told_to_be_gone_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await watch(world, "deleted", seed=1, beyond=300)

        removed = [text for text in world.channel.notifications() if "is no longer on Nuon" in text]
        assert len(removed) == 1


async def test_a_webhook_gets_the_start_each_trouble_and_the_end_but_no_progress(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, has_webhook=True) as world:
        await watch(world, "demo", seed=1, restarts=0.2)

        firsts = [text.split()[0] for text in world.channel.notifications()]
        # The deploy fails, then the release; the retry begins; the failed install recovers.
        assert firsts == ["🔵", "✋", "❌", "❌", "🔵", "✅", "✅"]


async def test_names_stand_for_installs_and_a_platform_without_them_is_no_obstacle(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watch(world, "failure", seed=1)

        failed = next(
            o.install_id
            for o in world.platform.rollout(release_id).occurrences
            if o.status == "error" and o.install_id
        )
        assert failed not in world.thread_text(release_id)
        assert EventKind.FAILED in {a.kind for a in world.stored(release_id)[1].alerts}
