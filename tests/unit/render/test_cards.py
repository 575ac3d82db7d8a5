"""The card of a rollout: what it shows of each situation."""

from __future__ import annotations

import pytest

from monitor.compose import render
from monitor.model import EventKind, Reason, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import RELEASE_ID, after, deploy, release, state, step
from tests.support.rendering import (
    DEAD_END,
    DEAD_END_WORDS,
    HELM,
    alert,
    broken,
    first_step,
    lines_of,
    under_way,
    view,
)


def test_a_card_under_way_shows_how_far_it_is_and_how_long_it_will_take() -> None:
    root = under_way(deploy("hooli", "executing", created_at=after(6), updated_at=after(7)))

    assert drawn(render.card(view(root))) == (
        "🔵 checkout-api: 3 of 6 installs\n---\n"
        "release relk2v9… · commit 3f2a9c1 · by jane@acme.example"
        " · started 2025-12-01 12:00 UTC\n"
        "▓▓▓▓▓▓▓▓░░░░░░░░  3 of 6 installs · step 2 of 3 · 12 min, about 11 min to go\n---\n"
        "✓ step 1 · 2 installs · 4 min\n"
        "● step 2 · 1 of 2 installs · 2 min\n"
        "○ step 3 · 2 installs · after a delay of 5 min\n---\n"
        "[Open in Nuon] · last change 2025-12-01 12:12 UTC"
    )


def test_a_card_of_a_failure_says_where_and_why_and_what_was_not_attempted() -> None:
    names = {"hooli": "hooli-prod"}

    assert drawn(render.card(view(broken(), names=names))) == (
        "❌ checkout-api failed at step 2 of 3\n---\n"
        "release relk2v9… · commit 3f2a9c1 · by jane@acme.example"
        " · started 2025-12-01 12:00 UTC\n"
        "▓▓▓▓▓▓▓▓░░░░░░░░  3 of 6 installs · 1 failed · after 12 min\n---\n"
        "✓ step 1 · 2 installs · 4 min\n"
        "✗ step 2 · 1 of 2 installs · 1 failed · 2 min\n"
        "○ step 3 · 2 installs · not attempted\n---\n"
        f"✗ hooli-prod failed: {HELM}  [Open install]\n---\n"
        "[Open in Nuon] · last change 2025-12-01 12:12 UTC"
    )


def test_a_card_that_waits_says_who_waits_for_an_approval() -> None:
    root = under_way(
        deploy("hooli", "pending-approval", "2 to add"),
        deploy("stark", "pending-approval", "2 to add"),
    )

    assert lines_of(render.card(view(root))) == [
        "✋ checkout-api waits for 2 approvals",
        "▓▓▓▓▓▓░░░░░░░░░░  3 of 7 installs · 2 wait · step 2 of 3 · 12 min",
        "✓ step 1 · 2 installs · 4 min",
        "✋ step 2 · 1 of 3 installs · 2 wait · 8 min",
        "○ step 3 · 2 installs · after a delay of 5 min",
        "✋ 2 installs (hooli and stark) wait for an approval: 2 to add  [Open the first]",
    ]


def test_a_card_that_can_never_go_on_says_why_and_what_to_do() -> None:
    root = under_way(deploy("hooli", "cancelled"))
    stalled = alert("rel-step-2", EventKind.STALLED, reason=DEAD_END)

    assert lines_of(render.card(view(root, state(alerts=(stalled,))))) == [
        "⚠️ checkout-api hangs at step 2 of 3",
        "▓▓▓▓▓▓▓▓░░░░░░░░  3 of 6 installs · 1 ended otherwise · step 2 of 3 · 12 min",
        "✓ step 1 · 2 installs · 4 min",
        "⚠ step 2 · 1 of 2 installs · 1 ended otherwise · 8 min",
        "○ step 3 · 2 installs · after a delay of 5 min",
        f"⚠ step 2 of 3 {DEAD_END_WORDS}",
        "→ Deploy to hooli again or start a new release.  [Open install]",
        "⊘ hooli ended as cancelled  [Open install]",
    ]


@pytest.mark.parametrize(
    ("stall", "phrase", "headline", "advice"),
    [
        (
            ReasonKind.QUIET,
            "hangs: nothing has changed for too long",
            "⚠️ checkout-api hangs at step 2 of 3",
            "→ Look at hooli: not done yet.  [Open install]",
        ),
        (
            ReasonKind.GIVEN_UP,
            (
                "is dead: nothing has changed for over 60 minutes, after which the platform stops"
                " working at a release without saying so"
            ),
            "⚠️ checkout-api hangs at step 2 of 3",
            (
                "→ Start a new release: this one will not go on by itself. Not done: hooli."
                "  [Open install]"
            ),
        ),
    ],
)
def test_a_card_that_hangs_says_where_to_look(
    stall: ReasonKind, phrase: str, headline: str, advice: str
) -> None:
    root = under_way(deploy("hooli", "executing"))
    stalled = alert(RELEASE_ID, EventKind.STALLED, reason=Reason(stall))

    lines = lines_of(render.card(view(root, state(alerts=(stalled,)))))

    assert lines[0] == headline
    assert lines[3].startswith("⚠ step 2")
    assert lines[-2:] == [f"⚠ the release {phrase}", advice]


def test_a_success_that_its_parts_contradict_is_not_shown_as_one() -> None:
    root = under_way(deploy("hooli", "noop"), status="active")
    reason = "says that it succeeded, but not all of its parts did"
    stalled = alert(RELEASE_ID, EventKind.STALLED, reason=Reason(ReasonKind.DISAGREES))

    lines = lines_of(render.card(view(root, state(alerts=(stalled,)))))

    assert lines[0] == "⚠️ checkout-api: 3 of 6 installs, though it says that it succeeded"
    assert lines[-3:] == [
        f"⚠ the release {reason}",
        "→ Look at hooli before you rely on it.  [Open install]",
        "⊘ hooli ended as noop  [Open install]",
    ]


def test_a_card_of_a_success_says_that_all_installs_have_it() -> None:
    root = release("active", first_step(), updated_at=after(5))

    assert lines_of(render.card(view(root))) == [
        "✅ checkout-api is on all 2 installs",
        "▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓  2 of 2 installs · took 5 min",
        "✓ step 1 · 2 installs · 4 min",
    ]


def test_a_build_that_failed_is_told_as_the_reason() -> None:
    planned = [step(number, "queued", planned=(f"a{number}",)) for number in (1, 2, 3)]
    root = release("error", *planned, description="build failed", name="", updated_at=after(2))

    assert lines_of(render.card(view(root))) == [
        "❌ release relk2v9… failed before it reached any install",
        "░░░░░░░░░░░░░░░░  0 of 3 installs · after 2 min",
        "○ steps 1 to 3 · 3 installs · not attempted",
        "✗ the release failed: build failed",
    ]


def test_a_failure_without_a_reason_says_that_none_is_given() -> None:
    lines = lines_of(render.card(view(release("error"))))

    assert lines == [
        "❌ checkout-api failed",
        "✗ the release failed, the platform gives no reason",
    ]


def test_a_failed_step_gives_the_reason_that_its_deploys_lack() -> None:
    failed = step(1, "error", deploy("acme", "error"), description="could not create deploys")
    root = release("error", failed, description="release step errored")

    assert lines_of(render.card(view(root)))[-2:] == [
        "✗ acme failed  [Open install]",
        "✗ step 1 of 1 failed: could not create deploys",
    ]


def test_a_release_without_installs_yet_shows_what_the_platform_says_of_it() -> None:
    root = release("provisioning", description="waiting for build")

    assert lines_of(render.card(view(root))) == [
        "🔵 checkout-api is being prepared",
        "provisioning: waiting for build",
    ]


def test_an_unknown_status_is_shown_as_it_is_and_taken_for_no_end() -> None:
    root = release("frobnicating", step(1, "frob", deploy("acme", "zap")), created_at=None)

    assert lines_of(render.card(view(root))) == [
        "❓ checkout-api has an unknown status, frobnicating",
        "░░░░░░░░░░░░░░░░  0 of 1 install · 1 unknown · step 1 of 1",
        "? step 1 · unknown status frob · 0 of 1 install · 1 unknown",
        "? acme has an unknown status, zap  [Open install]",
        "? step 1 of 1 has an unknown status, frob",
        "? the release has an unknown status, frobnicating",
    ]


def test_a_second_attempt_is_named_and_leads_to_the_one_before() -> None:
    root = under_way(deploy("hooli", "executing"))
    retried = alert(
        "rel-step-2/hooli", EventKind.FAILED, reason=Reason(description=HELM), is_retrying=True
    )
    remembered = state(attempt=2, alerts=(retried,))

    card = render.card(
        view(root, remembered, title="Checkout", previous_url="https://acme.example/p1")
    )

    lines = drawn(card).split("\n")
    assert lines[0] == "🔵 Checkout: 3 of 6 installs (attempt 2)"
    assert lines[2].startswith("checkout-api · release relk2v9…")
    assert lines[2].endswith(" · [the attempt before]")
    assert lines[-3] == f"↻ hooli failed and is being tried again: {HELM}  [Open install]"


def test_a_part_that_the_newest_answer_lacks_is_marked() -> None:
    root = under_way(deploy("hooli", "error", HELM, is_absent=True))

    lines = lines_of(render.card(view(root)))

    assert lines[0] == "❌ checkout-api: 3 of 6 installs, 1 failed"
    assert lines[-1] == f"✗ hooli failed: {HELM} (not in the newest answer)  [Open install]"


def test_a_step_that_waits_for_its_delay_says_so() -> None:
    waits = step(1, "waiting_for_delay", planned=("acme",), delay=90)

    assert "○ step 1 · 1 install · waits for its delay of 1 min" in lines_of(
        render.card(view(release("executing_release_steps", waits)))
    )


def test_a_rollout_that_only_plans_is_never_said_to_be_on_its_installs() -> None:
    root = release("active", step(1, "active", deploy("acme", plan_only=True)))

    card = drawn(render.card(view(root)))

    assert card.startswith("✅ checkout-api succeeded\n")
    assert "a plan only, changes nothing" in card


def test_of_many_steps_those_around_the_current_one_are_shown() -> None:
    done = [step(number, "active", deploy(f"a{number:02}")) for number in range(1, 21)]
    current = step(21, "polling_install_deploys", deploy("a21", "executing"))
    to_come = [step(number, "queued", planned=(f"a{number}",)) for number in range(22, 41)]
    root = release("executing_release_steps", *done, current, *to_come)

    lines = lines_of(render.card(view(root)))

    assert lines[2] == "… 17 steps done"
    assert lines[3] == "✓ step 18 · 1 install"
    assert lines[6] == "● step 21 · 0 of 1 install"
    assert lines[12] == "○ step 27 · 1 install"
    assert lines[13] == "… 13 more steps"


def test_a_thousand_installs_with_three_hundred_failures_are_a_line_for_each_reason() -> None:
    reasons = ["no room", "no room", "no image"]
    deploys = [
        deploy(f"i{n:03}", "error", reasons[n % 10]) if n % 10 < 3 else deploy(f"i{n:03}")
        for n in range(1000)
    ]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    lines = lines_of(render.card(view(root)))

    assert lines[0] == "❌ checkout-api: 700 of 1,000 installs, 300 failed"
    assert lines[-2:] == [
        "✗ 200 installs (i000, i001, i010, i011 and 196 more) failed: no room  [Open the first]",
        "✗ 100 installs (i002, i012, i022, i032 and 96 more) failed: no image  [Open the first]",
    ]


def test_of_many_different_failures_the_rest_is_counted() -> None:
    deploys = [deploy(f"i{n:02}", "error", f"reason {n}") for n in range(47)]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    lines = lines_of(render.card(view(root)))

    assert lines[-2:] == ["✗ i09 failed: reason 9  [Open install]", "… and 37 more"]
