"""What happens on the simulated platform: the lives of its releases."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from monitor.simulation.scenarios import GIVES_UP_AFTER, SCENARIOS, Step
from monitor.simulation.truth import Meaning, Thing, meaning_of
from tests.support.timelines import EVERY_SCENARIO, deploys_of, play


def ends(step: Step) -> list[str]:
    return [deploy.life[-1].status for deploy in step.deploys]


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_the_same_seed_plays_the_same_release(name: str) -> None:
    assert play(name, seed=5) == play(name, seed=5)


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_another_seed_plays_another_release(name: str) -> None:
    one, other = play(name, seed=5), play(name, seed=6)

    assert one.id != other.id
    assert [o.at for o in one.occurrences] != [o.at for o in other.occurrences]


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_what_happens_is_told_in_order(name: str) -> None:
    times = [o.at for o in play(name).occurrences]

    assert times == sorted(times)


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_a_step_begins_only_after_the_one_before_has_ended_well(name: str) -> None:
    for seed in range(20):
        steps = play(name, seed).steps
        for before, after in pairwise(steps):
            if len(after.life) > 1:
                assert before.life[-1].status == "active"
                assert before.life[-1].at < after.life[1].at


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_a_step_is_active_only_when_each_install_it_looks_at_is(name: str) -> None:
    overlooked = {"disagree"}
    for step in play(name).steps:
        if step.life[-1].status == "active" and name not in overlooked:
            newest = {deploy.install_id: deploy.life[-1] for deploy in step.deploys}
            assert {end.status for end in newest.values()} == {"active"}
            assert max(end.at for end in newest.values()) < step.life[-1].at


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_a_deploy_begins_after_its_step_creates_deploys(name: str) -> None:
    for step in play(name).steps:
        for deploy in step.deploys:
            created = [o.at for o in step.life if o.status == "creating_install_deploys"]
            assert min(created) < deploy.life[0].at


@pytest.mark.parametrize("name", ["failure", "already-failed"])
def test_the_first_error_ends_the_release_and_later_steps_stay_queued(name: str) -> None:
    rollout = play(name)

    assert [step.life[-1].status for step in rollout.steps] == ["active", "error", "queued"]
    assert Counter(ends(rollout.steps[1])) == {"active": 7, "error": 1}
    assert rollout.steps[2].deploys == ()
    assert (rollout.life[-1].status, rollout.life[-1].description) == (
        "error",
        "release step errored",
    )


@pytest.mark.parametrize(
    ("name", "end"),
    [("hang", "cancelled"), ("noop", "noop"), ("approval-denied", "approval-denied")],
)
def test_a_step_waits_for_ever_for_a_deploy_that_ended_otherwise(name: str, end: str) -> None:
    rollout = play(name)
    years_later = rollout.state_at(5e8)

    assert years_later["status"] == "executing_release_steps"
    assert [d["status"] for d in deploys_of(years_later).values() if d["status"] != "active"] == [
        end
    ]
    assert "polling_install_deploys" in {s["status"] for s in years_later["release_steps"]}


@pytest.mark.parametrize(
    "name",
    [
        *("happy", "demo", "approval", "retry", "flicker", "unknown-words", "vanishing", "thin"),
        *("fat", "large", "one-by-one", "already-done", "disagree", "teardown", "lagging"),
    ],
)
def test_a_release_that_is_said_to_go_well_is_active_in_the_end(name: str) -> None:
    for seed in range(2 if name == "large" else 20):
        rollout = play(name, seed)
        assert rollout.life[-1].status == "active"
        assert {step.life[-1].status for step in rollout.steps} == {"active"}


def test_a_release_fails_when_its_build_does() -> None:
    state = play("build-failed").state_at(600)

    assert (state["status"], state["status_description"]) == ("error", "build failed")
    assert {step["status"] for step in state["release_steps"]} == {"queued"}
    assert deploys_of(state) == {}


def test_the_platform_gives_up_after_an_hour_without_a_word() -> None:
    rollout = play("slow")
    last_of_deploys = max(deploy.life[-1].at for deploy in rollout.steps[0].deploys)

    assert last_of_deploys > GIVES_UP_AFTER
    assert set(ends(rollout.steps[0])) == {"active"}
    assert rollout.life[-1].status == "executing_release_steps"
    assert rollout.steps[0].life[-1].status == "polling_install_deploys"
    times = [o.at for o in rollout.occurrences]
    quiet = max(after - before for before, after in pairwise(times))
    assert quiet > GIVES_UP_AFTER


@pytest.mark.parametrize("name", ["demo", "retry"])
def test_a_retry_replaces_the_failed_deploy_by_a_new_one_of_the_same_install(name: str) -> None:
    rollout = play(name)
    words = [o.status for o in rollout.life]
    (step,) = [s for s in rollout.steps if "error" in {o.status for o in s.life}]
    (failed,) = [d for d in step.deploys if d.life[-1].status == "error"]
    (again,) = [d for d in step.deploys if d.install_id == failed.install_id and d.id != failed.id]

    assert words[words.index("error") + 1] == "provisioning"
    assert again.life[0].at > failed.life[-1].at
    assert again.life[-1].status == "active"
    assert deploys_of(rollout.state_at(rollout.settles_after))[failed.id]["status"] == "error"


def test_the_demo_rolls_out_to_48_installs_and_waits_five_minutes_before_the_last_step() -> None:
    rollout = play("demo")
    third = rollout.steps[2]
    waits, creates = third.life[1], third.life[2]

    assert [len(step.install_ids) for step in rollout.steps] == [16, 16, 16]
    assert waits.status == "waiting_for_delay"
    assert creates.at - waits.at == pytest.approx(300)
    assert rollout.state_at(0)["release_steps"][2]["delay"] == "5m0s"
    assert "pending-approval" in {o.status for o in rollout.occurrences}


def test_a_flicker_is_over_within_seconds() -> None:
    rollout = play("flicker")
    (deploy,) = [
        d for s in rollout.steps for d in s.deploys if "error" in {o.status for o in d.life}
    ]
    words = [o.status for o in deploy.life]
    error = words.index("error")

    assert words[error - 1 : error + 3] == ["executing", "error", "executing", "active"]
    assert deploy.life[error + 2].at - deploy.life[error].at < 7


def test_unknown_words_are_seen_at_the_release_and_at_a_deploy() -> None:
    unknown = {
        o.kind
        for o in play("unknown-words").occurrences
        if meaning_of(o.kind, o.status) is Meaning.NOT_KNOWN
    }

    assert unknown == {Thing.RELEASE, Thing.INSTALL_DEPLOY}


@pytest.mark.parametrize("name", [n for n in EVERY_SCENARIO if n != "unknown-words"])
def test_every_other_scenario_uses_the_known_words(name: str) -> None:
    for o in play(name).occurrences:
        assert meaning_of(o.kind, o.status) is not Meaning.NOT_KNOWN, o


def test_what_vanishes_returns() -> None:
    rollout = play("vanishing")
    whole = {step.id for step in rollout.steps}
    seen_steps = [
        {step["id"] for step in rollout.state_at(at).get("release_steps") or []}
        for at in range(0, int(rollout.settles_after) + 60, 5)
    ]

    assert seen_steps[0] == seen_steps[-1] == whole
    assert set() in seen_steps
    assert whole - {rollout.steps[1].id} in seen_steps
    lost = rollout.steps[0].deploys[1]
    gap = next(gap for gap in rollout.gaps if lost.id in gap.ids)
    assert lost.id in deploys_of(rollout.state_at(gap.begins - 1))
    assert lost.id not in deploys_of(rollout.state_at(gap.begins))
    assert lost.id in deploys_of(rollout.state_at(gap.ends))


def test_a_release_can_be_active_while_a_deploy_still_executes() -> None:
    rollout = play("disagree")
    state = rollout.state_at(rollout.life[-1].at)

    assert state["status"] == "active"
    assert Counter(d["status"] for d in deploys_of(state).values()) == {
        "active": 7,
        "executing": 1,
    }


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_every_scenario_says_in_a_line_what_it_is(name: str) -> None:
    summary = SCENARIOS[name].summary

    assert summary
    assert len(summary) < 90
