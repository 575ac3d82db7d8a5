"""One life in four dialects: a release, a run of an app branch, a workflow, an installer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitor.simulation.answers import Document, Shape
from monitor.simulation.audit import audit
from monitor.simulation.scenarios import (
    HELM_ERROR,
    SCENARIOS,
    SCENARIOS_OF_TODAY,
    Rollout,
    Scenario,
    timeline,
)
from monitor.simulation.slack import Channel, Posted
from monitor.simulation.truth import Meaning, Thing, meaning_of
from tests.support.clock import NOON
from tests.support.documents import contradictions, installer, omissions

TODAY = ["run", "workflow", "installer"]
QUICK = sorted(set(SCENARIOS) - {"large"})
ADDED_SINCE = {"owner_name", "step_groups", "app_branch_runs"}
"""Fields of a workflow that the platform of 2026 has beyond the documents of before."""


def play(name: str | Scenario, dialect: str, seed: int = 1) -> Rollout:
    scenario = SCENARIOS[name] if isinstance(name, str) else name
    return timeline(scenario, seed, begins_at=NOON, dialect=dialect)


def end_of(rollout: Rollout) -> float:
    """The last moment at which it exists and something changes."""
    deleted = rollout.scenario.deleted_after
    return rollout.settles_after if deleted is None else deleted - 1


def moments(rollout: Rollout, step: int = 1) -> list[float]:
    there = [o.at for o in rollout.occurrences if rollout.exists_at(o.at)]
    return [*there[::step], there[-1]]


def documented(dialect: str) -> Document:
    document = installer()
    if dialect == "installer":
        return document
    workflow: Document = document["apps"][0]["app_configs"][0]["app_branch"]["workflows"][0]
    return workflow


def rows(rollout: Rollout, seconds: float) -> list[Document]:
    steps: list[Document] = rollout.state_at(seconds).get("steps") or []
    return steps


def words(status: Document) -> list[str]:
    return [*(past["status"] for past in status.get("history", [])), status["status"]]


def when(rollout: Rollout, meaning: Meaning) -> list[float]:
    """When units came to a status that means this."""
    return sorted(
        o.at
        for step in rollout.steps
        for deploy in step.deploys
        for o in deploy.life
        if meaning_of(o.kind, o.status) is meaning
    )


# One life


@pytest.mark.parametrize("dialect", ["run", "workflow"])
@pytest.mark.parametrize("name", sorted(set(QUICK) - {"noop", "approval-denied", "build-failed"}))
def test_installs_fail_and_succeed_at_the_same_moments_in_each_dialect(
    name: str, dialect: str
) -> None:
    release, translated = play(name, "release"), play(name, dialect)

    assert when(translated, Meaning.BAD_END) == when(release, Meaning.BAD_END)
    assert when(translated, Meaning.ASKS) == when(release, Meaning.ASKS)
    assert when(translated, Meaning.GOOD_END) == when(release, Meaning.GOOD_END)


@pytest.mark.parametrize("dialect", ["run", "workflow"])
@pytest.mark.parametrize("name", QUICK)
def test_the_whole_and_its_parts_end_at_the_same_moments_in_each_dialect(
    name: str, dialect: str
) -> None:
    def ends(rollout: Rollout) -> list[tuple[float, Meaning]]:
        lives = [rollout.life, *(step.life for step in rollout.steps)]
        all_ = [(o.at, meaning_of(o.kind, o.status)) for life in lives for o in life]
        return sorted(one for one in all_ if one[1] in (Meaning.GOOD_END, Meaning.BAD_END))

    assert ends(play(name, dialect)) == ends(play(name, "release"))


@pytest.mark.parametrize("dialect", TODAY)
@pytest.mark.parametrize("name", QUICK)
def test_each_dialect_has_the_same_steps_and_ids_of_its_own(name: str, dialect: str) -> None:
    release, translated = play(name, "release"), play(name, dialect)
    ids = {o.id for o in translated.occurrences}

    assert len(translated.steps) == len(release.steps)
    assert ids.isdisjoint({o.id for o in release.occurrences})
    assert translated.kind == dialect
    assert translated.begins_at == release.begins_at


@pytest.mark.parametrize("dialect", TODAY)
@pytest.mark.parametrize("name", sorted(set(QUICK) - {"unknown-words"}))
def test_only_known_words_are_used(name: str, dialect: str) -> None:
    for o in play(name, dialect).occurrences:
        if o.kind is not Thing.INSTALLER:
            assert meaning_of(o.kind, o.status) is not Meaning.NOT_KNOWN, o


@pytest.mark.parametrize("dialect", TODAY)
def test_an_unknown_word_stays_unknown_in_each_dialect(dialect: str) -> None:
    translated = play("unknown-words", dialect).occurrences

    assert Meaning.NOT_KNOWN in {meaning_of(o.kind, o.status) for o in translated if o.status}


@pytest.mark.parametrize("dialect", TODAY)
@pytest.mark.parametrize("name", ["retry", "vanishing", "flicker", "deleted", "thin"])
def test_the_answer_changes_only_with_its_version(name: str, dialect: str) -> None:
    rollout = play(name, dialect)
    last = end_of(rollout)
    seen: dict[int, Document] = {}
    for at in (last * part / 30 for part in range(31)):
        state = rollout.state_at(at)
        assert seen.setdefault(rollout.version_at(at), state) == state
    assert len(seen) > 1


# Held to the documents


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("dialect", TODAY)
@pytest.mark.parametrize("name", [*QUICK, *SCENARIOS_OF_TODAY])
def test_every_served_field_is_in_the_documents_with_its_type(
    name: str, dialect: str, shape: Shape
) -> None:
    if name in SCENARIOS_OF_TODAY and dialect == "installer":
        return  # it has no such things
    scenario = {**SCENARIOS, **SCENARIOS_OF_TODAY}[name]
    rollout = timeline(scenario, 1, begins_at=NOON, dialect=dialect, shape=shape)
    for at in moments(rollout, 29):
        state = rollout.state_at(at)
        state = {key: value for key, value in state.items() if key not in ADDED_SINCE}
        assert list(contradictions(state, documented(dialect))) == []


@pytest.mark.parametrize("dialect", TODAY)
def test_a_fat_answer_has_every_documented_field(dialect: str) -> None:
    rollout = play("fat", dialect)
    assert list(omissions(rollout.state_at(rollout.settles_after), documented(dialect))) == []


@pytest.mark.parametrize("dialect", TODAY)
def test_a_thin_answer_is_small(dialect: str) -> None:
    thin, usual = (len(str(play(n, dialect).state_at(300))) for n in ("thin", "lagging"))

    assert thin < usual / 4


def test_what_is_zero_is_left_out_of_a_workflow_but_for_what_never_is() -> None:
    state = play("happy", "workflow").state_at(0)

    assert "finished" not in state
    assert state["plan_only"] is False
    assert [row.get("idx") for row in rows(play("happy", "workflow"), 100)[:3]] == [None, 1, 2]


# As a workflow


@pytest.mark.parametrize("name", sorted(set(QUICK) - {"vanishing"}))
def test_a_workflows_rows_are_the_newest_of_what_has_happened(name: str) -> None:
    rollout = play(name, "workflow")
    for at in moments(rollout, 23):
        happened = (o for o in rollout.occurrences if o.kind is Thing.WORKFLOW_STEP and o.at <= at)
        newest = {o.id: o.status for o in happened}
        served = {row["id"]: row["status"].get("status", "") for row in rows(rollout, at)}
        assert served == newest


def test_a_retry_leaves_a_discarded_row_and_adds_another_at_the_same_place() -> None:
    rollout = play("retry", "workflow")
    old, new = (r for r in rows(rollout, 9e5) if r["name"].startswith("deploy cluster"))

    assert (old["name"], new["name"]) == ("deploy cluster", "deploy cluster (retry 1)")
    assert (words(old["status"])[-2:], new["status"]["status"]) == (
        ["error", "discarded"],
        "success",
    )
    assert (old["idx"], old["retried"]) == (new["idx"], True)


def test_what_a_failure_leaves_behind_is_not_attempted_until_a_retry() -> None:
    rollout = play("retry", "workflow")
    failed = next(o.at for o in rollout.life if o.status == "error")

    def second_group(at: float) -> set[str]:
        return {r["status"]["status"] for r in rows(rollout, at) if r.get("group_idx") == 1}

    assert second_group(failed) == {"not-attempted"}
    assert second_group(failed + rollout.scenario.retried_after) == {"pending"}  # type: ignore[operator]  # it has one
    assert second_group(9e5) == {"success"}


def test_a_workflow_says_success_after_each_group_and_means_it_only_with_an_end() -> None:
    rollout = play("happy", "workflow")
    first, second, _ = rollout.steps
    between = rollout.state_at((first.life[-1].at + second.life[1].at) / 2)
    ended = rollout.state_at(rollout.settles_after)

    assert between["status"]["status"] == ended["status"]["status"] == "success"
    assert "finished_at" not in between
    assert ended["finished_at"]
    assert words(ended["status"]).count("success") == 4


def test_the_end_of_a_failed_workflow_is_taken_back_by_a_retry() -> None:
    rollout = play("retry", "workflow")
    failed, retried = (
        next(o.at for o in rollout.life if o.status == status) for status in ("error", "retrying")
    )

    assert "finished_at" in rollout.state_at(failed)
    assert "finished_at" not in rollout.state_at(retried)


def test_what_an_error_said_of_itself_outlives_it_in_the_metadata() -> None:
    status = play("retry", "workflow").state_at(9e5)["status"]

    assert status["status"] == "success"
    assert status["metadata"]["error_message"].startswith("terraform apply failed")


# As a run of an app branch


def test_a_run_fails_as_its_release_does_and_its_install_group_says_how_many() -> None:
    rollout = play("failure", "run")
    state = rollout.state_at(rollout.settles_after)
    (run,) = state["app_branch_runs"]

    assert (state["owner_type"], state["owner_id"]) == ("app_branches", rollout.cast.branch_id)
    assert (run["status"], run["workflow_id"]) == ("failed", rollout.id)
    assert run["id"] != rollout.id
    assert run["error_message"]
    assert run["vcs_connection_commit"]["sha"] == rollout.cast.commit


def test_the_plan_of_a_run_names_all_its_groups_in_no_order() -> None:
    rollout = play("happy", "run")
    (run,) = rollout.state_at(0)["app_branch_runs"]
    groups = run["app_branch_config"]["install_groups"]
    in_order = sorted(groups, key=lambda group: group.get("order", 0))

    assert groups != in_order
    assert [tuple(g["install_ids"]) for g in in_order] == [s.install_ids for s in rollout.steps]
    assert [g["name"] for g in in_order] == ["canary", "early-adopters", "europe"]


# As an installer


@pytest.mark.parametrize("name", sorted(set(QUICK) - {"vanishing"}))
def test_an_installers_apps_and_configs_are_the_newest_of_what_has_happened(name: str) -> None:
    rollout = play(name, "installer")
    for at in moments(rollout, 23):
        kinds = (Thing.APP, Thing.APP_CONFIG)
        newest = {o.id: o.status for o in rollout.occurrences if o.kind in kinds and o.at <= at}
        apps = rollout.state_at(at).get("apps") or []
        configs = [config for app in apps for config in app.get("app_configs") or []]
        assert {part["id"]: part["status"] for part in (*apps, *configs)} == newest


def test_apps_are_added_to_an_installer_and_its_page_changes() -> None:
    rollout = play("happy", "installer")
    before, after = rollout.state_at(0), rollout.state_at(rollout.settles_after)

    assert [app["name"] for app in before["apps"]] == ["storefront"]
    assert [app["name"] for app in after["apps"]] == ["storefront", "billing-portal", "search"]
    changed = {k for k, v in after["metadata"].items() if before["metadata"][k] != v}
    assert changed == {"documentation_url", "updated_at"}


def test_an_app_can_leave_an_installer_for_good() -> None:
    rollout = play(replace(SCENARIOS["happy"], removals={2: 600}), "installer")

    def apps(at: float) -> int:
        return len(rollout.state_at(at)["apps"])

    assert (apps(rollout.steps[1].life[0].at), apps(9e5)) == (2, 2)
    assert rollout.settles_after < 9e5


def test_each_app_has_the_webhook_that_the_vendor_set() -> None:
    rollout = play(
        replace(SCENARIOS["happy"], slack_webhook_url="https://hooks.example.com/x"), "installer"
    )
    (app,) = rollout.state_at(0)["apps"]

    assert app["notifications_config"]["slack_webhook_url"] == "https://hooks.example.com/x"


def test_a_version_that_has_to_be_approved_waits_in_its_branchs_workflow() -> None:
    rollout = play("approval", "installer")
    waits = next(o.at for o in rollout.occurrences if o.status == "approval-awaiting")
    (app,) = rollout.state_at(waits)["apps"]
    flows = {
        flow["metadata"]["workflow-name-suffix"]: flow["status"]["status"]
        for flow in app["app_configs"][0]["app_branch"]["workflows"]
    }

    assert flows["version 1002"] == "approval-awaiting"


# The reason of a failure


def deep_reasons(document: Any) -> Iterator[str]:
    """Every place of an answer that tells the true reason."""
    if isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, str) and HELM_ERROR in value:
                yield key
            yield from deep_reasons(value)
    elif isinstance(document, list):
        for row in document:
            yield from deep_reasons(row)


def test_why_a_deep_failure_happened_is_said_below_the_deploy_only() -> None:
    rollout = play("deep", "release")
    state = rollout.state_at(rollout.settles_after)
    (deploy,) = [
        d for s in state["release_steps"] for d in s.get("install_deploys", []) if "error" in str(d)
    ]

    assert "message" in deep_reasons(state)
    assert deploy["status_description"] == "job failed"
    execution = deploy["runner_jobs"][0]["executions"][0]
    assert execution["result"]["error_metadata"]["message"] == HELM_ERROR


# What was told of it


def channel(*lines: str) -> Channel:
    posts = {
        str(i): Posted(str(i), "C1", "bot", line, thread_ts="0") for i, line in enumerate(lines)
    }
    return Channel("C1", "releases", by_ts=posts)


TOLD = {
    "release": [
        *(
            "❌ acme-prod failed: no room",
            "❌ storefront failed",
            "✅ acme-prod succeeded after failing",
        ),
        *("✅ step 1 of 2 done", "✅ step 2 of 2 done (6 installs)", "✅ storefront succeeded"),
    ],
    "run": [
        *(
            "❌ acme-prod failed: no room",
            "❌ storefront failed",
            "✅ acme-prod succeeded after failing",
        ),
        *(
            "✅ group canary done",
            "✅ group 2 of 2 done (6 installs)",
            "✅ storefront succeeded",
        ),
    ],
    "workflow": [
        *("❌ deploy network failed: no room", "❌ storefront failed"),
        *("✅ deploy network (retry 1) succeeded after failing", "✅ group 1 of 2 done"),
        *("✅ group 2 of 2 done (6 steps)", "✅ storefront succeeded"),
    ],
    "installer": [
        *("❌ version 1001 failed: no room", "✅ version 1001 succeeded after failing"),
        *("❌ storefront · version 1002 failed: no room",),
    ],
}


def told_rollout(dialect: str) -> tuple[Rollout, list[str]]:
    """A rollout whose first install fails and is retried, and what people are told of it."""
    rollout = play(replace(SCENARIOS["retry"], courses=_FIRST_FAILS), dialect)
    return rollout, TOLD[dialect]


_FIRST_FAILS = {(1, 1): SCENARIOS["retry"].courses[1, 2]}


@pytest.mark.parametrize("dialect", ["release", "run", "workflow"])
def test_what_was_told_rightly_is_clean_in_each_dialect(dialect: str) -> None:
    rollout, lines = told_rollout(dialect)

    finding = audit(rollout, channel(*lines))

    assert (finding.lost, finding.repeated, finding.false) == ((), (), ())
    assert finding.sentence_count == 6


@pytest.mark.parametrize("dialect", ["release", "run", "workflow"])
def test_what_was_not_told_is_lost_in_each_dialect(dialect: str) -> None:
    rollout, lines = told_rollout(dialect)

    for line in lines:
        finding = audit(rollout, channel(*(other for other in lines if other != line)))
        assert (len(finding.lost), finding.repeated, finding.false) == (1, (), ())


@pytest.mark.parametrize("dialect", ["release", "run", "workflow"])
def test_what_was_told_twice_or_never_happened_is_found_in_each_dialect(dialect: str) -> None:
    rollout, lines = told_rollout(dialect)
    other = lines[0].replace("acme-prod", "globex-eu").replace("network", "cache")

    finding = audit(rollout, channel(*lines, lines[0], other))

    assert (finding.lost, len(finding.repeated), len(finding.false)) == ((), 1, 1)


def test_a_newer_version_makes_no_earlier_failure_good() -> None:
    rollout = play("retry", "installer")
    failed = "❌ version 1002 of Storefront failed"
    healed = "✅ version 1006 of Storefront succeeded after failing"

    assert audit(rollout, channel(failed)).false == ()
    assert audit(rollout, channel(failed, healed)).false == (
        "version 1006 succeeded after failing",
    )


def test_an_installer_is_never_done_and_its_versions_are_told() -> None:
    rollout = play("demo", "installer")
    waits = "needs approval"

    silent = audit(rollout, channel())
    right = audit(rollout, channel(f"✋ version 2005 of billing-portal {waits}"))

    # What failed was overtaken by a newer version, which speaks for the app by then.
    assert silent.lost == (f"version 2005 {waits}",)
    assert (right.lost, right.repeated, right.false) == ((), (), ())
    assert audit(rollout, channel("✅ search done")).false == ("app 3 of 3 is done",)
