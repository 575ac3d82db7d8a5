"""Replies to a card, and messages that stand alone."""

from __future__ import annotations

from monitor.compose import render
from monitor.model import EventKind, Level, Reason, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import after, deploy, release, state
from tests.support.rendering import (
    DEAD_END,
    DEAD_END_WHY,
    HELM,
    alert,
    broken,
    event_of,
    first_step,
    under_way,
    unit,
    view,
)

# Replies


def test_a_failure_and_its_parts_are_one_headline_with_the_installs_below() -> None:
    root = broken()
    events = [
        event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM),
        event_of(EventKind.FAILED, Level.STEP, root.children[1], "install deploy errored"),
        event_of(EventKind.FAILED, Level.ROLLOUT, root, "release step errored"),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "❌ checkout-api failed: 1 of 6 installs · step 2 of 3\n"
        "❌ hooli failed  [Open hooli]\n"
        f"> {HELM}\n"
        "→ The deployment did not become ready: look at its pods in the install, then retry.\n"
        "---\n"
        "[Open releases]\n"
        "---\n"
        "3 of 6 installs done · 1 failed · 2 not attempted · the release has stopped"
        " · started by jane@acme.example"
    )


def test_a_step_that_failed_is_told_by_its_install_alone() -> None:
    root = broken()
    events = [
        event_of(EventKind.FAILED, Level.STEP, root.children[1], "install deploy errored"),
        event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "❌ hooli failed · checkout-api, step 2 of 3\n"
        f"> {HELM}\n"
        "→ The deployment did not become ready: look at its pods in the install, then retry.\n"
        "---\n"
        "[Open hooli] · [Open releases]\n"
        "---\n"
        "3 of 6 installs done · 1 failed · 2 not attempted · the release has stopped"
        " · started by jane@acme.example"
    )


def test_a_release_that_failed_without_its_parts_gives_its_own_reason() -> None:
    root = broken()
    events = [event_of(EventKind.FAILED, Level.ROLLOUT, root, "release step errored")]

    assert drawn(render.reply(view(root), events)) == (
        "❌ checkout-api failed: 1 of 6 installs · step 2 of 3\n"
        "> release step errored\n"
        "---\n"
        "[Open releases]\n"
        "---\n"
        "3 of 6 installs done · 1 failed · 2 not attempted · the release has stopped"
        " · started by jane@acme.example"
    )


def test_progress_is_told_step_by_step_after_what_recovered() -> None:
    root = under_way(deploy("hooli", "executing"))
    events = [
        event_of(EventKind.PROGRESSED, Level.STEP, root.children[0], Reason(ReasonKind.DONE)),
        event_of(EventKind.PROGRESSED, Level.STEP, root.children[1], Reason(ReasonKind.BEGUN)),
        event_of(
            EventKind.RECOVERED,
            Level.UNIT,
            unit(root, "acme"),
            Reason(ReasonKind.SUCCEEDED_AFTER_FAILING),
        ),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "✅ acme succeeded after failing · checkout-api, step 1 of 3  [Open acme]\n"
        "✅ step 1 of 3 done (2 installs, 4 min)\n"
        "🔵 step 2 of 3 started (2 installs)\n"
        "---\n"
        "[Open releases]\n"
        "---\n"
        "3 of 6 installs done · started by jane@acme.example"
    )


def test_installs_with_the_same_news_share_a_line() -> None:
    root = under_way(*(deploy(f"i{n}", "executing") for n in range(6)))
    events = [
        event_of(EventKind.PROGRESSED, Level.UNIT, one, Reason(ReasonKind.TRIED_AGAIN))
        for one in root.children[1].children[1:]
    ]

    assert drawn(render.reply(view(root), events)) == (
        "🔁 6 installs are being retried (i0, i1, i2, i3 and 2 more) · checkout-api, step 2 of 3\n"
        "---\n"
        "[Open i0] · [Open releases]\n"
        "---\n"
        "3 of 11 installs done · started by jane@acme.example"
    )


def test_a_reminder_says_for_how_long_it_has_stood() -> None:
    root = under_way(deploy("hooli", "pending-approval"))
    waiting = alert("rel-step-2/hooli", EventKind.WAITING)
    event = event_of(EventKind.WAITING, Level.UNIT, unit(root, "hooli"), is_reminder=True)

    assert drawn(render.reply(view(root, state(alerts=(waiting,))), [event])) == (
        "✋ still, for 4 h: hooli needs approval · checkout-api, step 2 of 3\n"
        "→ Approve or deny it in Nuon.\n"
        "---\n"
        "[Open hooli] · [Open releases]\n"
        "---\n"
        "3 of 6 installs done · started by jane@acme.example"
    )


def test_a_success_is_told_with_its_time() -> None:
    root = release("active", first_step(), updated_at=after(25))
    event = event_of(EventKind.SUCCEEDED, Level.ROLLOUT, root)

    assert drawn(render.reply(view(root), [event])) == (
        "✅ checkout-api is on all 2 installs, after 25 min\n"
        "---\n"
        "[Open releases]\n"
        "---\n"
        "2 of 2 installs done"
    )


def test_a_hang_is_told_with_what_to_do() -> None:
    root = under_way(deploy("hooli", "cancelled"))
    stalled = alert("rel-step-2", EventKind.STALLED, reason=DEAD_END)
    event = event_of(EventKind.STALLED, Level.STEP, root.children[1], DEAD_END)

    assert drawn(render.reply(view(root, state(alerts=(stalled,))), [event])) == (
        "⏸️ step 2 of 3 is stuck · checkout-api\n"
        f"> {DEAD_END_WHY}\n"
        "→ Deploy to hooli again, or start a new release.\n"
        "---\n"
        "[Open hooli] · [Open releases]\n"
        "---\n"
        "3 of 6 installs done · started by jane@acme.example"
    )


def test_a_push_notification_of_a_reply_names_the_rollout() -> None:
    root = under_way(deploy("hooli", "error", HELM))
    event = event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    assert render.reply(view(root), [event]).text == (
        "❌ checkout-api failed on hooli: helm upgrade timed out after 10m0s waiting for"
        " condition (1 of 6)\n"
        "<https://app.nuon.co/org1/releases|Open releases>"
    )


# Messages that stand alone


def test_a_message_for_a_webhook_says_what_happened_and_how_it_stands() -> None:
    old = deploy("stark", "error", "image not found", created_at=after(6))
    root = under_way(deploy("hooli", "error", HELM, created_at=after(6)), old)
    event = event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    assert drawn(render.standalone(view(root), [event])) == (
        "❌ checkout-api: 2 of 7 installs failed, still running\n"
        "---\n"
        "step 2 of 3 · running 12 min\n"
        "---\n"
        "❌ hooli failed  [Open hooli]\n"
        f"> {HELM}\n"
        "→ The deployment did not become ready: look at its pods in the install, then retry.\n"
        "❌ stark failed  [Open stark]\n"
        "> image not found\n"
        "→ Check that the image was pushed with this tag and that the install may pull it.\n"
        "---\n"
        "[Open releases]\n"
        "---\n"
        "🟩🟩🟩🟩🟥🟥⬜⬜⬜⬜  3 of 7 installs done · 2 failed · 2 to go\n"
        "✅ step 1 · 2/2 · 4 min\n"
        "❌ step 2 · 1/3 · 2 failed · 2 min\n"
        "⚪ step 3 · 2 installs · after a delay of 5 min\n"
        "---\n"
        "commit 3f2a9c1 · started by jane@acme.example · release relk2v9q7m3x8c4b6n1z5w0y2a"
        " · started 2025-12-01 12:00 UTC · updated 2025-12-01 12:12 UTC"
    )


def test_a_message_for_a_webhook_does_not_repeat_its_headline() -> None:
    root = release("active", first_step(), updated_at=after(25))
    event = event_of(EventKind.SUCCEEDED, Level.ROLLOUT, root, "release succeeded")

    assert drawn(render.standalone(view(root), [event])) == drawn(render.card(view(root)))
