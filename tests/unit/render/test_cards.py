"""The card of a rollout: what it shows of each situation."""

from __future__ import annotations

import msgspec
import pytest

from monitor.compose import render
from monitor.model import EventKind, Reason, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import RELEASE_ID, after, deploy, release, state, step
from tests.support.rendering import (
    DEAD_END,
    DEAD_END_WHY,
    HELM,
    PODS,
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
        "🔵 checkout-api is running: 3 of 6 installs done\n---\n"
        "step 2 of 3 · running 12 min, about 11 min left\n---\n"
        "[Open releases]\n---\n"
        "🟩🟩🟩🟩🟩⬜⬜⬜⬜⬜  3 of 6 installs done · 1 running · 2 to go\n"
        "✅ step 1 · 2/2 · 4 min\n"
        "🔵 step 2 · 1/2 · 2 min\n"
        "⚪ step 3 · 2 installs · after a delay of 5 min\n---\n"
        "commit 3f2a9c1 · started by jane@acme.example · release relk2v9q7m3x8c4b6n1z5w0y2a"
        " · started 2025-12-01 12:00 UTC · updated 2025-12-01 12:12 UTC"
    )


def test_a_card_of_a_failure_says_where_and_why_and_what_was_not_attempted() -> None:
    names = {"hooli": "hooli-prod", "app1": "Storefront"}
    root = msgspec.structs.replace(broken(), component_id="cmp1")

    assert drawn(render.card(view(root, names=names, apps={"cmp1": "app1"}))) == (
        "❌ checkout-api failed: 1 of 6 installs\n"
        "---\n"
        "Storefront · stopped at step 2 of 3 · 2 installs not attempted · after 12 min\n"
        "---\n"
        "❌ hooli-prod failed\n"
        f"> {HELM}\n"
        f"{PODS}\n"
        "---\n"
        "[Open logs of hooli-prod] · [Open releases]\n"
        "---\n"
        "🟩🟩🟩🟩🟩🟥⬜⬜⬜⬜  3 of 6 installs done · 1 failed · 2 not attempted\n"
        "✅ step 1 · 2/2 · 4 min\n"
        "❌ step 2 · 1/2 · 1 failed · 2 min\n"
        "⚪ step 3 · 2 installs · not attempted\n"
        "---\n"
        "commit 3f2a9c1 · started by jane@acme.example · release relk2v9q7m3x8c4b6n1z5w0y2a"
        " · started 2025-12-01 12:00 UTC · updated 2025-12-01 12:12 UTC · [Open component]"
        " · [Open app]"
    )


def test_a_card_that_waits_says_who_waits_for_an_approval() -> None:
    root = under_way(
        deploy("hooli", "pending-approval", "2 to add"),
        deploy("stark", "pending-approval", "2 to add"),
    )

    assert lines_of(render.card(view(root))) == [
        "✋ checkout-api needs 2 approvals",
        "step 2 of 3 · running 12 min",
        "✋ 2 installs need approval (hooli and stark)",
        "> 2 to add",
        "→ Approve or deny it in Nuon.",
        "[Open hooli] · [Open releases]",
        "🟩🟩🟩🟩🟨🟨⬜⬜⬜⬜  3 of 7 installs done · 2 waiting · 2 to go",
        "✅ step 1 · 2/2 · 4 min",
        "✋ step 2 · 1/3 · 2 waiting · 8 min",
        "⚪ step 3 · 2 installs · after a delay of 5 min",
    ]


def test_a_card_that_can_never_go_on_says_why_and_what_to_do() -> None:
    root = under_way(deploy("hooli", "cancelled"))
    stalled = alert("rel-step-2", EventKind.STALLED, reason=DEAD_END)

    assert lines_of(render.card(view(root, state(alerts=(stalled,))))) == [
        "⏸️ checkout-api is stuck at step 2 of 3",
        "step 2 of 3 · running 12 min",
        "⏸️ step 2 of 3 is stuck",
        f"> {DEAD_END_WHY}",
        "→ Deploy to hooli again, or start a new release.  [Open hooli]",
        "⊘ hooli ended as cancelled  [Open hooli]",
        "🟩🟩🟩🟩🟩🟨⬜⬜⬜⬜  3 of 6 installs done · 1 ended otherwise · 2 to go",
        "✅ step 1 · 2/2 · 4 min",
        "⏸️ step 2 · 1/2 · 1 ended otherwise · 8 min",
        "⚪ step 3 · 2 installs · after a delay of 5 min",
    ]


@pytest.mark.parametrize(
    ("stall", "headline", "why", "advice"),
    [
        (
            Reason(ReasonKind.QUIET, silence=1860, limit=1800),
            "⏸️ checkout-api has stalled at step 2 of 3",
            "> No change for 31 min (limit 30 min). Still open: hooli (executing)",
            "→ Look at hooli and the runner there, then cancel or retry.",
        ),
        (
            Reason(ReasonKind.GIVEN_UP, silence=3600, limit=3600),
            "⏸️ checkout-api timed out at step 2 of 3",
            (
                "> No change for 1 h (limit 1 h); Nuon has stopped processing it."
                " Still open: hooli (executing)"
            ),
            "→ Start a new release: this one will not continue. Not done: hooli.",
        ),
    ],
)
def test_a_card_that_has_stalled_says_for_how_long_and_where_to_look(
    stall: Reason, headline: str, why: str, advice: str
) -> None:
    root = under_way(deploy("hooli", "executing"))
    stalled = alert(RELEASE_ID, EventKind.STALLED, reason=stall)

    lines = lines_of(render.card(view(root, state(alerts=(stalled,)))))

    assert lines[0] == headline
    assert lines[2:5] == [why, advice, "[Open hooli] · [Open releases]"]
    assert lines[-2].startswith("⏸️ step 2")


def test_a_success_that_its_parts_contradict_is_not_shown_as_one() -> None:
    root = under_way(deploy("hooli", "noop"), status="active")
    stalled = alert(RELEASE_ID, EventKind.STALLED, reason=Reason(ReasonKind.DISAGREES))

    lines = lines_of(render.card(view(root, state(alerts=(stalled,)))))

    assert lines[0] == "⏸️ checkout-api has not succeeded everywhere: 3 of 6 installs done"
    assert lines[2:5] == [
        "> Nuon reports success, but not all of its parts succeeded",
        "→ Look at hooli before you rely on this release.  [Open hooli]",
        "⊘ hooli ended as noop  [Open hooli]",
    ]


def test_a_card_of_a_success_says_that_all_installs_have_it() -> None:
    root = release("active", first_step(), updated_at=after(5))

    assert lines_of(render.card(view(root))) == [
        "✅ checkout-api is on all 2 installs",
        "took 5 min",
        "🟩🟩🟩🟩🟩🟩🟩🟩🟩🟩  2 of 2 installs done",
        "✅ step 1 · 2/2 · 4 min",
    ]


def test_a_card_never_looks_finished_while_the_rollout_is_running() -> None:
    root = release("executing_release_steps", first_step(), updated_at=after(5))

    lines = lines_of(render.card(view(root)))

    assert lines[0] == "🔵 checkout-api is finishing: 2 of 2 installs done"
    assert lines[2] == "🟩🟩🟩🟩🟩🟩🟩🟩🟩⬜  2 of 2 installs done"


def test_a_build_that_failed_is_the_reason() -> None:
    planned = [step(number, "queued", planned=(f"a{number}",)) for number in (1, 2, 3)]
    root = release("error", *planned, description="build failed", name="", updated_at=after(2))

    assert lines_of(render.card(view(root))) == [
        "❌ release relk2v9… failed before it reached any install",
        "3 installs not attempted · after 2 min",
        "> build failed",
        "⬜⬜⬜⬜⬜⬜⬜⬜⬜⬜  0 of 3 installs done · 3 not attempted",
        "⚪ steps 1 to 3 · 3 installs · not attempted",
    ]


def test_a_failure_without_a_reason_says_that_none_is_given() -> None:
    lines = lines_of(render.card(view(release("error"))))

    assert lines == [
        "❌ checkout-api failed",
        "❌ checkout-api failed, Nuon gives no reason",
    ]


def test_a_failed_step_gives_the_reason_that_its_deploys_lack() -> None:
    failed = step(1, "error", deploy("acme", "error"), description="could not create deploys")
    root = release("error", failed, description="release step errored")

    assert lines_of(render.card(view(root)))[1:4] == [
        "❌ acme failed  [Open acme]",
        "❌ step 1 of 1 failed",
        "> could not create deploys",
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
        "❓ acme has an unknown status, zap  [Open acme]",
        "❓ step 1 of 1 has an unknown status, frob",
        "🟨🟨🟨🟨🟨🟨🟨🟨🟨🟨  0 of 1 install done · 1 unknown",
        "❓ step 1 · unknown status frob · 0/1 · 1 unknown",
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

    assert lines_of(card)[:5] == [
        "🔵 Checkout is running: 3 of 6 installs done (attempt 2)",
        "checkout-api · step 2 of 3 · running 12 min, about 9 min left",
        "🔁 hooli failed and is being retried",
        f"> {HELM}",
        "[Open hooli] · [Open releases] · [Attempt before]",
    ]


def test_a_part_that_the_newest_answer_lacks_is_marked() -> None:
    root = under_way(deploy("hooli", "error", HELM, is_absent=True))

    lines = lines_of(render.card(view(root)))

    assert lines[0] == "❌ checkout-api: 1 of 6 installs failed, still running"
    assert lines[2:4] == ["❌ hooli failed (not in the newest answer)", f"> {HELM}"]


def test_a_step_that_waits_for_its_delay_says_so() -> None:
    waits = step(1, "waiting_for_delay", planned=("acme",), delay=90)

    assert "⚪ step 1 · 1 install · waits for its delay of 1 min" in lines_of(
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

    assert lines[3] == "… 17 steps done"
    assert lines[4] == "✅ step 18 · 1/1"
    assert lines[7] == "🔵 step 21 · 0/1"
    assert lines[13] == "⚪ step 27 · 1 install"
    assert lines[14] == "… 13 more steps"


def test_a_thousand_installs_with_three_hundred_failures_are_a_line_for_each_reason() -> None:
    reasons = ["quota exceeded", "quota exceeded", "no image"]
    deploys = [
        deploy(f"i{n:03}", "error", reasons[n % 10]) if n % 10 < 3 else deploy(f"i{n:03}")
        for n in range(1000)
    ]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    lines = lines_of(render.card(view(root)))

    assert lines[0] == "❌ checkout-api: 300 of 1,000 installs failed, still running"
    assert lines[1:7] == [
        "❌ 200 installs failed (i000, i001, i010, i011 and 196 more)  [Open i000]",
        "> quota exceeded",
        "→ Raise the quota or free capacity in the customer's cloud account, then retry.",
        "❌ 100 installs failed (i002, i012, i022, i032 and 96 more)  [Open i002]",
        "> no image",
        "→ Check that the image was pushed with this tag and that the install may pull it.",
    ]


def test_of_many_different_failures_the_rest_is_counted() -> None:
    deploys = [deploy(f"i{n:02}", "error", f"reason {n}") for n in range(47)]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    lines = lines_of(render.card(view(root)))

    assert lines[-5:-2] == ["❌ i09 failed  [Open i09]", "> reason 9", "… and 37 more"]
