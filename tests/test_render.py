from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor import render
from monitor.kinds import release as release_kind
from monitor.kinds.wire import Memo
from monitor.model import (
    Alert,
    Entity,
    Event,
    EventKind,
    Kind,
    Level,
    Memory,
    Message,
    Stall,
    known_statuses,
)
from monitor.render import Links, View
from tests.block_kit import complaints, drawn
from tests.builders import NOON, RELEASE_ID, after, deploy, memory, release, snapshot, step

LINKS = Links("https://app.nuon.co", "org1")
HELM = "helm upgrade timed out after 10m0s waiting for condition"
FACTS: dict[str, Any] = {
    "created_by": "jane@acme.example",
    "revision": "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e",
    "updated_at": after(12),
}


def view(root: Entity, remembered: Memory | None = None, **facts: Any) -> View:
    return View(snapshot(root), remembered or memory(), LINKS, **facts)


def first_step() -> Entity:
    """Build a step that took four minutes on two installs."""
    return step(1, "active", *(deploy(name, updated_at=after(4)) for name in ("acme", "globex")))


def last_step(**facts: Any) -> Entity:
    return step(3, "queued", planned=("soylent", "tyrell"), **facts)


def second_step(status: str, *deploys: Entity, **facts: Any) -> Entity:
    done = deploy("initech", created_at=after(6), updated_at=after(8))
    return step(2, status, done, *deploys, **facts)


def under_way(*deploys: Entity, status: str = "executing_release_steps", **facts: Any) -> Entity:
    second = second_step("polling_install_deploys", *deploys)
    return release(status, first_step(), second, last_step(delay=300), **(FACTS | facts))


def broken() -> Entity:
    bad = deploy("hooli", "error", HELM, workflow_id="inw1", created_at=after(6))
    second = second_step("error", bad, description="install deploy errored")
    return release(
        "error", first_step(), second, last_step(), description="release step errored", **FACTS
    )


def unit(root: Entity, install_id: str) -> Entity:
    return next(
        entity for _, entity in root.walk() if install_id and entity.install_id == install_id
    )


def alert(place: str, kind: EventKind, **facts: Any) -> Alert:
    return Alert(place, kind, since=NOON, told_at=after(240), **facts)


def told(kind: EventKind, level: Level, entity: Entity, reason: str = "", **facts: Any) -> Event:
    return Event(kind, level, entity, reason, **facts)


# The card


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


def lines_of(message: Message) -> list[str]:
    """Return a card's lines without its facts and its footer, which are the same in most."""
    lines = drawn(message).split("\n")
    return [
        line
        for line in lines
        if line != "---" and not line.startswith(("release relk", "[Open in Nuon]"))
    ]


def test_a_card_that_can_never_go_on_says_why_and_what_to_do() -> None:
    root = under_way(deploy("hooli", "cancelled"))
    reason = "will never go on: the platform does not count cancelled as an end"
    stalled = alert("rel-step-2", EventKind.STALLED, reason=reason, stall=Stall.DEAD_END)

    assert lines_of(render.card(view(root, memory(alerts=(stalled,))))) == [
        "⚠️ checkout-api hangs at step 2 of 3",
        "▓▓▓▓▓▓▓▓░░░░░░░░  3 of 6 installs · 1 ended otherwise · step 2 of 3 · 12 min",
        "✓ step 1 · 2 installs · 4 min",
        "⚠ step 2 · 1 of 2 installs · 1 ended otherwise · 8 min",
        "○ step 3 · 2 installs · after a delay of 5 min",
        f"⚠ step 2 of 3 {reason}",
        "→ Deploy to hooli again or start a new release.  [Open install]",
        "⊘ hooli ended as cancelled  [Open install]",
    ]


@pytest.mark.parametrize(
    ("stall", "headline", "advice"),
    [
        (
            Stall.QUIET,
            "⚠️ checkout-api hangs at step 2 of 3",
            "→ Look at hooli: not done yet.  [Open install]",
        ),
        (
            Stall.GIVEN_UP,
            "⚠️ checkout-api hangs at step 2 of 3",
            (
                "→ Start a new release: this one will not go on by itself. Not done: hooli."
                "  [Open install]"
            ),
        ),
    ],
)
def test_a_card_that_hangs_says_where_to_look(stall: Stall, headline: str, advice: str) -> None:
    root = under_way(deploy("hooli", "executing"))
    stalled = alert(RELEASE_ID, EventKind.STALLED, reason="hangs", stall=stall)

    lines = lines_of(render.card(view(root, memory(alerts=(stalled,)))))

    assert lines[0] == headline
    assert lines[3].startswith("⚠ step 2")
    assert lines[-2:] == ["⚠ the release hangs", advice]


def test_a_success_that_its_parts_contradict_is_not_shown_as_one() -> None:
    root = under_way(deploy("hooli", "noop"), status="active")
    reason = "says that it succeeded, but not all of its parts did"
    stalled = alert(RELEASE_ID, EventKind.STALLED, reason=reason, stall=Stall.DISAGREES)

    lines = lines_of(render.card(view(root, memory(alerts=(stalled,)))))

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
    retried = alert("rel-step-2/hooli", EventKind.FAILED, reason=HELM, is_retrying=True)
    remembered = memory(attempt=2, alerts=(retried,))

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


# Replies


def test_a_failure_and_its_parts_are_one_headline_with_the_installs_below() -> None:
    root = broken()
    events = [
        told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM),
        told(EventKind.FAILED, Level.STEP, root.children[1], "install deploy errored"),
        told(EventKind.FAILED, Level.ROLLOUT, root, "release step errored"),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "❌ checkout-api failed at step 2 of 3 · step 3 not attempted (2 installs)\n"
        f"✗ hooli failed: {HELM}  [Open install]"
    )


def test_a_step_that_failed_is_told_by_its_install_alone() -> None:
    root = broken()
    events = [
        told(EventKind.FAILED, Level.STEP, root.children[1], "install deploy errored"),
        told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM),
    ]

    assert drawn(render.reply(view(root), events)) == f"✗ hooli failed: {HELM}  [Open install]"


def test_a_release_that_failed_without_its_parts_gives_its_own_reason() -> None:
    root = broken()
    events = [told(EventKind.FAILED, Level.ROLLOUT, root, "release step errored")]

    assert drawn(render.reply(view(root), events)) == (
        "❌ checkout-api failed at step 2 of 3: release step errored"
        " · step 3 not attempted (2 installs)"
    )


def test_progress_is_told_step_by_step_after_what_recovered() -> None:
    root = under_way(deploy("hooli", "executing"))
    events = [
        told(EventKind.PROGRESSED, Level.STEP, root.children[0], "is done"),
        told(EventKind.PROGRESSED, Level.STEP, root.children[1], "has begun"),
        told(EventKind.RECOVERED, Level.UNIT, unit(root, "acme"), "succeeded after failing"),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "✓ acme succeeded after failing  [Open install]\n"
        "✓ step 1 of 3 is done · 2 installs in 4 min\n"
        "● step 2 of 3 has begun · 2 installs"
    )


def test_installs_with_the_same_news_share_a_line() -> None:
    root = under_way(*(deploy(f"i{n}", "executing") for n in range(6)))
    events = [
        told(EventKind.PROGRESSED, Level.UNIT, one, "is being tried again")
        for one in root.children[1].children[1:]
    ]

    assert drawn(render.reply(view(root), events)) == (
        "● 6 installs (i0, i1, i2, i3 and 2 more) are being tried again  [Open the first]"
    )


def test_a_reminder_says_for_how_long_it_has_stood() -> None:
    root = under_way(deploy("hooli", "pending-approval"))
    waiting = alert("rel-step-2/hooli", EventKind.WAITING)
    event = told(EventKind.WAITING, Level.UNIT, unit(root, "hooli"), is_reminder=True)

    assert drawn(render.reply(view(root, memory(alerts=(waiting,))), [event])) == (
        "✋ still, for 4 h: hooli waits for an approval  [Open install]"
    )


def test_a_success_is_told_with_its_time() -> None:
    root = release("active", first_step(), updated_at=after(25))
    event = told(EventKind.SUCCEEDED, Level.ROLLOUT, root)

    assert drawn(render.reply(view(root), [event])) == (
        "✅ checkout-api is on all 2 installs, after 25 min"
    )


def test_a_hang_is_told_with_what_to_do() -> None:
    root = under_way(deploy("hooli", "cancelled"))
    stalled = alert("rel-step-2", EventKind.STALLED, stall=Stall.DEAD_END)
    event = told(EventKind.STALLED, Level.STEP, root.children[1], "will never go on")

    assert drawn(render.reply(view(root, memory(alerts=(stalled,))), [event])) == (
        "⚠ step 2 of 3 will never go on\n"
        "→ Deploy to hooli again or start a new release.  [Open install]"
    )


def test_a_push_notification_of_a_reply_names_the_rollout() -> None:
    root = under_way(deploy("hooli", "error", HELM))
    event = told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    assert render.reply(view(root), [event]).text == (
        f"checkout-api\n✗ hooli failed: {HELM}"
        "  <https://app.nuon.co/org1/installs/hooli|Open install>"
    )


# Messages that stand alone


def test_a_message_for_a_webhook_says_what_happened_and_how_it_stands() -> None:
    old = deploy("stark", "error", "image not found", created_at=after(6))
    root = under_way(deploy("hooli", "error", HELM, created_at=after(6)), old)
    event = told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    assert drawn(render.standalone(view(root), [event])) == (
        "❌ checkout-api: 3 of 7 installs, 2 failed\n---\n"
        f"✗ hooli failed: {HELM}  [Open install]\n---\n"
        "release relk2v9… · commit 3f2a9c1 · by jane@acme.example"
        " · started 2025-12-01 12:00 UTC\n"
        "▓▓▓▓▓▓░░░░░░░░░░  3 of 7 installs · 2 failed · step 2 of 3 · 12 min\n---\n"
        "✓ step 1 · 2 installs · 4 min\n"
        "✗ step 2 · 1 of 3 installs · 2 failed · 2 min\n"
        "○ step 3 · 2 installs · after a delay of 5 min\n---\n"
        "✗ stark failed: image not found  [Open install]\n---\n"
        "[Open in Nuon] · last change 2025-12-01 12:12 UTC"
    )


def test_a_message_for_a_webhook_does_not_repeat_its_headline() -> None:
    root = release("active", first_step(), updated_at=after(25))
    event = told(EventKind.SUCCEEDED, Level.ROLLOUT, root, "release succeeded")

    assert drawn(render.standalone(view(root), [event])) == drawn(render.card(view(root)))


def test_blindness_and_sight_and_loss_are_told_with_their_times() -> None:
    assert drawn(render.unreachable("Nuon", "no answer within 30 s", NOON)) == (
        "⚠️ Nuon cannot be seen\n---\n"
        "No poll has come through since 2025-12-01 12:00 UTC: no answer within 30 s\n"
        "What happens meanwhile is told as soon as it can be seen again."
    )
    assert drawn(render.reachable("Nuon", NOON, after(42))) == (
        "✅ Nuon can be seen again\n---\n"
        "No poll came through for 42 min, since 2025-12-01 12:00 UTC"
    )
    assert drawn(render.gone("checkout-api", "not found", NOON)) == (
        "❓ checkout-api is not on Nuon any more\n---\n"
        "Since 2025-12-01 12:00 UTC the platform answers: not found"
    )


def test_a_test_message_names_its_channel() -> None:
    message = render.test_message("#releases", NOON)

    assert "A test for #releases, sent 2025-12-01 12:00 UTC." in drawn(message)
    assert complaints(message) == []


# What holds for every message


def test_blocks_are_what_slack_documents() -> None:
    root = release("error", description="build failed", created_at=None)

    assert render.card(view(root)).blocks == (
        {
            "type": "header",
            "text": {"type": "plain_text", "text": "❌ checkout-api failed", "emoji": False},
        },
        rich_text({"type": "text", "text": "release relk2v9…"}),
        rich_text(
            {"type": "text", "text": "✗ "},
            {"type": "text", "text": "the release", "style": {"bold": True}},
            {"type": "text", "text": " failed: build failed"},
        ),
        {
            "type": "context",
            "elements": [
                {
                    "type": "mrkdwn",
                    "text": "<https://app.nuon.co/org1/releases|Open in Nuon> · last change "
                    "<!date^1764590400^{date_short_pretty} {time}|2025-12-01 12:00 UTC>",
                }
            ],
        },
    )


def rich_text(*elements: dict[str, Any]) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


def test_links_quote_whatever_stands_in_an_id() -> None:
    links = Links("https://app.nuon.co/", "org/1")

    assert links.install("a b?c") == "https://app.nuon.co/org%2F1/installs/a%20b%3Fc"
    assert links.workflow("i", "w|>") == "https://app.nuon.co/org%2F1/installs/i/workflows/w%7C%3E"
    assert links.releases() == "https://app.nuon.co/org%2F1/releases"


def test_the_headline_is_the_cards_first_line() -> None:
    root = broken()

    headline = render.headline(snapshot(root), memory(), title="Checkout")

    assert headline == "❌ Checkout failed at step 2 of 3"
    assert drawn(render.card(view(root, title="Checkout"))).startswith(f"{headline}\n")


def test_what_is_drawn_as_text_alone_has_no_blocks() -> None:
    message = render.card(view(broken()))

    assert render.plain(message) == Message(message.text)


def test_the_order_of_the_platforms_lists_does_not_matter() -> None:
    rows = [
        [
            {"id": f"dpl{number}{n}", "status": "error", "install_id": f"i{number}{n}"}
            for n in range(9)
        ]
        for number in range(5)
    ]
    shuffled = [random.Random(7).sample(row, len(row)) for row in rows]

    assert drawn_from_json(list(enumerate(rows))) == drawn_from_json(
        random.Random(7).sample(list(enumerate(shuffled)), len(rows))
    )


def drawn_from_json(rows: list[tuple[int, list[dict[str, str]]]]) -> Message:
    steps = [{"id": f"s{n}", "status": "error", "install_deploys": row} for n, row in rows]
    document = {"id": RELEASE_ID, "status": "error", "release_steps": steps}
    return render.card(view(release_kind.decode(json.dumps(document).encode(), RELEASE_ID, Memo())))


def test_names_are_asked_for_where_they_are_shown() -> None:
    root = msgspec.structs.replace(broken(), name="", component_id="cmp1")
    event = told(EventKind.RECOVERED, Level.UNIT, unit(root, "acme"), "succeeded after failing")

    assert render.shown_ids(snapshot(root), memory(), [event]) == ("cmp1", "acme", "hooli")


def test_no_more_than_forty_names_are_asked_for() -> None:
    deploys = [deploy(f"i{n}", "error", f"reason {n}") for n in range(100)]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    assert render.shown_ids(snapshot(root), memory()) == tuple(f"i{n}" for n in range(40))


def test_a_message_that_slack_would_refuse_or_misread_is_complained_of() -> None:
    text = {"type": "text", "text": "x"}
    bad = [
        Message(""),
        Message("x" * 3_001),
        Message("<!channel>"),
        Message("<https://evil.example|Open your bank>"),
        Message("see https://evil.example"),
        Message("*bold*"),
        Message("x", (rich_text(),)),
        Message("x", (rich_text({"type": "text", "text": ""}),)),
        Message("x", (rich_text({"type": "user", "user_id": "U1"}),)),
        Message("x", (rich_text(text | {"text": "x" * 12_000}),)),
        Message("x", (rich_text(text),) * 51),
        Message("x", ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}},)),
        Message("x", ({"type": "context", "elements": [{"type": "mrkdwn", "text": "acme"}]},)),
    ]

    assert [message for message in bad if not complaints(message)] == []


# Any tree of any text

_NASTY = [
    "<!channel>",
    "<@U123>",
    "<https://evil.example|your bank>",
    "https://evil.example",
    "*bold* _italic_ ~gone~ `code` ```block```",
    ":tada: @here #general",
    "> quote\n• list",
    "\u202egnp.exe\u2066",
    "\u200b",
    "\x1b[31mred",
    "e\u0301" * 400,
    "x" * 1_000_000,
    "<&>" * 300_000,
    "🚀" * 100_000,
    "漢" * 5_000,
    "../..",
]
_texts = st.one_of(
    st.sampled_from(_NASTY), st.text(st.characters(exclude_categories=()), max_size=12)
)
_times = st.none() | st.integers(1, 2**35).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_statuses = st.sampled_from([word for kind in Kind for word in known_statuses(kind)]) | _texts
_facts: dict[str, Any] = {
    "id": _texts,
    "status": _statuses,
    "description": _texts,
    "name": _texts,
    "created_at": _times,
    "updated_at": _times,
    "install_id": _texts,
    "workflow_id": _texts,
    "component_id": _texts,
    "build_id": _texts,
    "revision": _texts,
    "created_by": _texts,
    "is_absent": st.booleans(),
    "plan_only": st.booleans(),
    "delay": st.floats(0, 1e7),
    "planned": st.lists(_texts, max_size=3).map(tuple),
}


def _tree(kind: Kind, children: st.SearchStrategy[Any]) -> st.SearchStrategy[Entity]:
    return st.builds(Entity, kind=st.just(kind), **_facts, children=children)


_deploys = _tree(Kind.DEPLOY, st.just(()))
# A few different ones many times over: what has to be cut is many lines of long texts.
_many_deploys = st.lists(_deploys, max_size=3).flatmap(
    lambda some: st.sampled_from([1, 1, 20]).map(
        lambda times: tuple(
            msgspec.structs.replace(one, id=f"{one.id[:9]}{n}", description=one.description[n:])
            for one in some
            for n in range(times)
        )
    )
)
_steps = st.lists(_tree(Kind.STEP, _many_deploys), max_size=2).flatmap(
    lambda some: st.sampled_from([1, 10]).map(lambda times: tuple(some * times))
)
_releases = _tree(Kind.RELEASE, _steps)


@st.composite
def _situations(draw: st.DrawFn) -> tuple[View, list[Event]]:
    root = draw(_releases)
    entities = [(level, entity) for level, entity in root.walk() if level <= Level.UNIT]
    chosen = draw(st.lists(st.sampled_from(entities), min_size=1, max_size=30))
    events = [
        Event(draw(st.sampled_from(EventKind)), level, entity, draw(_texts), draw(st.booleans()))
        for level, entity in chosen
    ]
    alerts = tuple(
        Alert(
            draw(st.sampled_from([entity.id, f"{root.id}/{entity.install_id}"])),
            event.kind,
            NOON,
            after(60),
            reason=event.reason,
            stall=draw(st.sampled_from([None, *Stall])),
            is_retrying=draw(st.booleans()),
        )
        for event in events
        for entity in [event.entity]
    )
    remembered = memory(
        alerts=alerts,
        attempt=draw(st.integers(1, 10**6)),
        ended=draw(st.sampled_from([None, EventKind.GONE])),
    )
    names = {entity.install_id: draw(_texts) for _, entity in chosen}
    links = Links("https://app.nuon.co", draw(_texts))
    title = draw(st.none() | _texts)
    return View(snapshot(root), remembered, links, title, names, draw(st.none() | _LINKS)), events


_LINKS = st.just("https://acme.slack.example/archives/C1/p1?thread_ts=1&cid=C1")


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink texts of a megabyte takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(_situations())
def test_whatever_the_platform_says_a_message_is_within_every_limit_and_has_no_foreign_markup(
    situation: tuple[View, list[Event]],
) -> None:
    drawn_from, events = situation

    for message in (
        render.card(drawn_from),
        render.reply(drawn_from, events),
        render.standalone(drawn_from, events),
    ):
        assert complaints(message) == []
    assert render.card(drawn_from) == render.card(drawn_from)
    wanted = render.shown_ids(drawn_from.snapshot, drawn_from.memory, events)
    assert len(wanted) <= 41


@given(_texts, _texts)
def test_messages_about_sight_hold_no_foreign_markup(name: str, reason: str) -> None:
    for message in (
        render.unreachable(name, reason, NOON),
        render.reachable(name, NOON, after(1)),
        render.gone(name, reason, NOON),
        render.test_message(name, NOON),
    ):
        assert complaints(message) == []
