from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.compose import render
from monitor.compose.render import (
    DigestFacts,
    DigestInstall,
    DigestRollout,
    Links,
    SummaryLine,
    View,
)
from monitor.compose.templates import FilledTemplates
from monitor.kinds import every_part
from monitor.kinds import release as release_kind
from monitor.kinds.approvals import APPROVALS
from monitor.kinds.installer import APP, APP_CONFIG, INSTALLER
from monitor.kinds.parts import (
    APPROVAL,
    ARTIFACT,
    DEPLOY,
    JOB_EXECUTION,
    RUNNER_JOB,
    WORKFLOW,
    WORKFLOW_STEP,
)
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.run import BRANCH_RUN, INSTALL_GROUP, INSTALL_RUN
from monitor.kinds.wire import Memo
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import (
    Alert,
    Commit,
    Entity,
    Event,
    EventKind,
    Kind,
    Level,
    Mention,
    MentionKind,
    Message,
    Reason,
    ReasonKind,
    Snapshot,
    Target,
    TargetState,
    known_statuses,
)
from tests.support.block_kit import complaints, drawn
from tests.support.builders import (
    RELEASE_ID,
    after,
    deploy,
    fixed,
    release,
    snapshot,
    state,
    step,
)
from tests.support.clock import NOON

LINKS = Links("https://app.nuon.co", "org1")
HELM = "helm upgrade timed out after 10m0s waiting for condition"
FACTS: dict[str, Any] = {
    "created_by": "jane@acme.example",
    "revision": "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e",
    "updated_at": after(12),
}


def view(root: Entity, remembered: TargetState | None = None, **facts: Any) -> View:
    target = Target(_WATCHED_AS[root.kind], root.id)
    return View(Snapshot(target, NOON, root), remembered or state(), LINKS, **facts)


_WATCHED_AS = {
    RELEASE: "release",
    WORKFLOW: "workflow",
    BRANCH_RUN: "run",
    INSTALLER: "installer",
    APPROVALS: "approvals",
}


def entity(kind: Kind, key: str, status: str = "", *children: Entity, **facts: Any) -> Entity:
    return Entity(kind=kind, id=key, status=status, children=children, **facts)


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


def alert(alert_key: str, kind: EventKind, **facts: Any) -> Alert:
    return Alert(alert_key, kind, since=NOON, notified_at=after(240), **facts)


HUNG = Reason(ReasonKind.DEAD_END, ends=("cancelled",))
HUNG_WORDS = "will never go on: the platform does not count cancelled as an end and waits for ever"


def told(
    kind: EventKind, level: Level, entity: Entity, reason: str | Reason = "", **facts: Any
) -> Event:
    """An event; a text as its reason is the platform's own."""
    explained = Reason(said=reason) if isinstance(reason, str) else reason
    return Event(kind, level, entity, explained, **facts)


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
    stalled = alert("rel-step-2", EventKind.STALLED, reason=HUNG)

    assert lines_of(render.card(view(root, state(alerts=(stalled,))))) == [
        "⚠️ checkout-api hangs at step 2 of 3",
        "▓▓▓▓▓▓▓▓░░░░░░░░  3 of 6 installs · 1 ended otherwise · step 2 of 3 · 12 min",
        "✓ step 1 · 2 installs · 4 min",
        "⚠ step 2 · 1 of 2 installs · 1 ended otherwise · 8 min",
        "○ step 3 · 2 installs · after a delay of 5 min",
        f"⚠ step 2 of 3 {HUNG_WORDS}",
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
        "rel-step-2/hooli", EventKind.FAILED, reason=Reason(said=HELM), is_retrying=True
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


# Replies


def test_a_failure_and_its_parts_are_one_headline_with_the_installs_below() -> None:
    root = broken()
    events = [
        told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM),
        told(EventKind.FAILED, Level.STEP, root.children[1], "install deploy errored"),
        told(EventKind.FAILED, Level.ROLLOUT, root, "release step errored"),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "❌ checkout-api failed at step 2 of 3 · step 3 not attempted (2 installs)"
        "  [Open in Nuon]\n"
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
        " · step 3 not attempted (2 installs)  [Open in Nuon]"
    )


def test_progress_is_told_step_by_step_after_what_recovered() -> None:
    root = under_way(deploy("hooli", "executing"))
    events = [
        told(EventKind.PROGRESSED, Level.STEP, root.children[0], Reason(ReasonKind.DONE)),
        told(EventKind.PROGRESSED, Level.STEP, root.children[1], Reason(ReasonKind.BEGUN)),
        told(
            EventKind.RECOVERED,
            Level.UNIT,
            unit(root, "acme"),
            Reason(ReasonKind.SUCCEEDED_AFTER_FAILING),
        ),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "✓ acme succeeded after failing  [Open install]\n"
        "✓ step 1 of 3 is done · 2 installs in 4 min\n"
        "● step 2 of 3 has begun · 2 installs"
    )


def test_installs_with_the_same_news_share_a_line() -> None:
    root = under_way(*(deploy(f"i{n}", "executing") for n in range(6)))
    events = [
        told(EventKind.PROGRESSED, Level.UNIT, one, Reason(ReasonKind.TRIED_AGAIN))
        for one in root.children[1].children[1:]
    ]

    assert drawn(render.reply(view(root), events)) == (
        "● 6 installs (i0, i1, i2, i3 and 2 more) are being tried again  [Open the first]"
    )


def test_a_reminder_says_for_how_long_it_has_stood() -> None:
    root = under_way(deploy("hooli", "pending-approval"))
    waiting = alert("rel-step-2/hooli", EventKind.WAITING)
    event = told(EventKind.WAITING, Level.UNIT, unit(root, "hooli"), is_reminder=True)

    assert drawn(render.reply(view(root, state(alerts=(waiting,))), [event])) == (
        "✋ still, for 4 h: hooli waits for an approval  [Open install]"
    )


def test_a_success_is_told_with_its_time() -> None:
    root = release("active", first_step(), updated_at=after(25))
    event = told(EventKind.SUCCEEDED, Level.ROLLOUT, root)

    assert drawn(render.reply(view(root), [event])) == (
        "✅ checkout-api is on all 2 installs, after 25 min  [Open in Nuon]"
    )


def test_a_hang_is_told_with_what_to_do() -> None:
    root = under_way(deploy("hooli", "cancelled"))
    stalled = alert("rel-step-2", EventKind.STALLED, reason=HUNG)
    event = told(EventKind.STALLED, Level.STEP, root.children[1], HUNG)

    assert drawn(render.reply(view(root, state(alerts=(stalled,))), [event])) == (
        f"⚠ step 2 of 3 {HUNG_WORDS}\n"
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


# What is drawn is called


def workflow_step(name: str, status: str, description: str = "", *children: Entity) -> Entity:
    return entity(
        WORKFLOW_STEP,
        f"iws-{name}",
        status,
        *children,
        name=name,
        slot=name,
        description=description,
        created_at=after(1),
        updated_at=after(3),
    )


def group(number: int, status: str, *steps: Entity, name: str = "") -> Entity:
    return entity(STEP_GROUP, f"inw1/{number}", status, *steps, name=name)


def workflow(status: str, *groups: Entity) -> Entity:
    return entity(
        WORKFLOW,
        "inwk2v9q7m3x8c4b6n1z5w0y2a",
        status,
        *groups,
        name="deploy of components",
        install_id="inlhooli",
        created_at=NOON,
        updated_at=after(9),
    )


NAMES = {"inlhooli": "hooli-prod", "inlacme": "acme-prod", "app1": "shop"}


def test_a_workflow_is_called_by_what_it_does_and_where_and_drawn_in_groups_and_steps() -> None:
    broken = workflow_step("apply api", "error", "no room left")
    root = workflow(
        "error",
        group(0, "success", workflow_step("apply sandbox", "success"), name="sandbox"),
        group(1, "error", workflow_step("sync and plan api", "approved"), broken),
        group(2, "not-attempted", workflow_step("apply web", "not-attempted")),
        group(3, "not-attempted", workflow_step("smoke test", "not-attempted")),
    )

    assert drawn(render.card(view(root, names=NAMES))) == (
        "❌ deploy of components on hooli-prod failed at group 2 of 4\n---\n"
        "workflow inwk2v9… · started 2025-12-01 12:00 UTC\n"
        "▓▓▓▓▓▓░░░░░░░░░░  2 of 5 steps · 1 failed · after 9 min\n---\n"
        "✓ sandbox · 1 step · 2 min\n"
        "✗ group 2 · 1 of 2 steps · 1 failed · 2 min\n"
        "○ groups 3 to 4 · 2 steps · not attempted\n---\n"
        "✗ apply api failed: no room left  [Open workflow]\n---\n"
        "[Open in Nuon] · last change 2025-12-01 12:09 UTC"
    )


def test_a_workflow_that_was_cancelled_is_not_said_to_have_failed() -> None:
    root = workflow("cancelled", group(0, "cancelled", workflow_step("apply api", "cancelled")))

    assert lines_of(render.card(view(root, names=NAMES))) == [
        "❌ deploy of components on hooli-prod was cancelled",
        "workflow inwk2v9… · started 2025-12-01 12:00 UTC",
        "░░░░░░░░░░░░░░░░  0 of 1 step · 1 ended otherwise · after 9 min",
        "⊘ group 1 · 0 of 1 step · 1 ended otherwise · 2 min",
        "⊘ apply api was cancelled  [Open workflow]",
    ]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("cancelled", "was cancelled"),
        ("approval-expired", "was not approved in time"),
        ("approval-denied", "was not approved"),
        ("error", "failed"),
    ],
)
def test_how_a_workflow_ended_badly_is_told_in_the_word_for_it(status: str, words: str) -> None:
    root = workflow(status)
    event = told(EventKind.FAILED, Level.ROLLOUT, root)

    assert drawn(render.reply(view(root, names=NAMES), [event])) == (
        f"❌ deploy of components on hooli-prod {words}  [Open in Nuon]"
    )


def test_a_step_that_waits_says_what_is_to_be_approved_and_its_name_once() -> None:
    step = workflow_step("sync and plan api", "approval-awaiting", "the Helm changes")
    root = workflow("in-progress", group(0, "approval-awaiting", step))

    assert lines_of(render.card(view(root)))[-1] == (
        "✋ sync and plan api waits for an approval: the Helm changes  [Open workflow]"
    )


def test_what_waits_for_something_else_than_an_approval_says_for_what() -> None:
    steps = [workflow_step("stack", "awaiting-user-run"), workflow_step("api", "approval-awaiting")]
    root = workflow("in-progress", group(0, "awaiting-user-run", *steps))

    lines = lines_of(render.card(view(root, names=NAMES)))

    assert lines[0] == "✋ deploy of components on hooli-prod waits for a person at 2 steps"
    assert "✋ stack waits for a person to run it  [Open workflow]" in lines


def install_run(install_id: str, status: str, *below: Entity, **facts: Any) -> Entity:
    return entity(
        INSTALL_RUN,
        f"igr1/{install_id}",
        status,
        *below,
        install_id=install_id,
        workflow_id=f"inw{install_id}",
        created_at=after(1),
        updated_at=after(4),
        **facts,
    )


def branch_run() -> Entity:
    deep = entity(WORKFLOW_STEP, "iws1", "error", description=HELM)
    broken = entity(WORKFLOW, "inw1", "error", deep, description="error while executing steps")
    canary = entity(
        INSTALL_GROUP, "igr1", "success", install_run("inlacme", "success"), name="canary"
    )
    europe = entity(
        INSTALL_GROUP,
        "igr2",
        "error",
        install_run("inlhooli", "error", broken, description="deploy failed"),
        name="europe",
    )
    rest = entity(INSTALL_GROUP, "igr3", "pending", name="rest", planned=("i1", "i2"))
    return entity(
        BRANCH_RUN,
        "inwrun9q7m3x8",
        "failed",
        canary,
        europe,
        rest,
        name="main",
        app_id="app1",
        created_at=NOON,
        updated_at=after(12),
    )


def test_an_app_branch_run_is_drawn_like_a_release_with_its_groups_by_their_names() -> None:
    assert drawn(render.card(view(branch_run(), names=NAMES))) == (
        "❌ shop (main) failed at group europe\n---\n"
        "app branch run inwrun9… · started 2025-12-01 12:00 UTC · [app]\n"
        "▓▓▓▓░░░░░░░░░░░░  1 of 4 installs · 1 failed · after 12 min\n---\n"
        "✓ canary · 1 install · 3 min\n"
        "✗ europe · 0 of 1 install · 1 failed · 3 min\n"
        "○ rest · 2 installs · not attempted\n---\n"
        f"✗ hooli-prod failed: {HELM}  [Open install]\n---\n"
        "[Open in Nuon] · last change 2025-12-01 12:12 UTC"
    )


def test_a_group_that_is_done_or_never_begun_is_told_by_its_name() -> None:
    root = branch_run()
    events = [
        told(EventKind.FAILED, Level.ROLLOUT, root, "stopped"),
        told(EventKind.PROGRESSED, Level.STEP, root.children[0], Reason(ReasonKind.DONE)),
    ]

    assert drawn(render.reply(view(root), events)) == (
        "❌ main failed at group europe: stopped · group rest not attempted (2 installs)"
        "  [Open in Nuon]\n"
        "✓ group canary is done · 1 install in 3 min"
    )


def test_what_failed_deep_down_is_the_reason_by_which_failures_are_told_together() -> None:
    def failed(install_id: str) -> Entity:
        execution = Entity(
            kind=JOB_EXECUTION, id=f"jex{install_id}", status="failed", description=HELM
        )
        job = entity(RUNNER_JOB, f"job{install_id}", "failed", execution)
        return deploy(install_id, "error", f"install deploy {install_id} failed", children=(job,))

    root = under_way(failed("hooli"), failed("stark"))

    assert lines_of(render.card(view(root)))[-1] == (
        f"✗ 2 installs (hooli and stark) failed: {HELM}  [Open the first]"
    )


def test_of_a_long_output_the_line_that_names_the_error_comes_first() -> None:
    output = (
        "Initializing the backend...\n\n╷\n│ Error: no such bucket\n│   with aws_s3_bucket.logs\n╵"
    )
    root = under_way(deploy("hooli", "error", output))

    assert lines_of(render.card(view(root)))[-1] == (
        "✗ hooli failed: Error: no such bucket with aws_s3_bucket.logs  [Open install]"
    )


# What stands for ever


def config(number: int, status: str, description: str = "", **facts: Any) -> Entity:
    return entity(
        APP_CONFIG,
        f"cfg{number}",
        status,
        name=f"version {number}",
        slot="config",
        description=description,
        created_at=after(number),
        **facts,
    )


def app(name: str, status: str, *units: Entity, **facts: Any) -> Entity:
    return entity(APP, f"app-{name}", status, *units, app_id=f"app-{name}", name=name, **facts)


def installer(*apps: Entity, **facts: Any) -> Entity:
    facts.setdefault("updated_at", after(30))
    return entity(INSTALLER, "intk2v9q7m3x8", "", *apps, name="Acme Cloud", **facts)


def test_an_installer_is_drawn_with_a_line_for_each_app_and_its_newest_config() -> None:
    commit = (("message", "Pay twice as fast\n\nAt last."), ("author_name", "Anna"))
    revision = "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e"
    newest = config(13, "active", revision=revision, facts=commit)
    root = installer(
        app("checkout", "active", config(12, "outdated"), newest),
        app("billing", "error", config(4, "active"), description="permission denied"),
        app("legacy", "active", is_absent=True),
        facts=(("homepage_url", "https://acme.example/"), ("demo_url", "javascript:alert(1)")),
    )
    removed = alert("app-legacy", EventKind.REMOVED)

    assert drawn(render.card(view(root, state(alerts=(removed,))))) == (
        "❌ Acme Cloud: billing is in error\n---\n"
        "installer intk2v9… · [homepage]\n---\n"
        "✓ checkout · version 13 active · commit 3f2a9c1 · “Pay twice as fast” by Anna"
        "  [Open app]\n"
        "✗ billing · in error · version 4 active  [Open app]\n"
        "⊘ legacy · removed  [Open app]\n---\n"
        "✗ billing is in error: permission denied  [Open app]\n---\n"
        "last change 2025-12-01 12:30 UTC"
    )


def branch_workflow(status: str) -> Entity:
    return entity(WORKFLOW, "inw1", status, name="manual run", slot="branch b1")


@pytest.mark.parametrize(
    ("apps", "headline"),
    [
        ([app("a", "active"), app("b", "active"), app("c", "active")], "✅ all 3 apps are active"),
        ([app("a", "active")], "✅ its app is active"),
        ([], "⚪ no apps"),
        ([app("a", "error"), app("b", "error")], "❌ a and b are in error"),
        ([app("a", "deprovisioning"), app("b", "active")], "🔵 a is deprovisioning"),
        ([app("a", "odd")], "❓ a has an unknown status, odd"),
        ([app("a", "active", config(7, "error"))], "❌ version 7 of a failed"),
        ([app("a", "active", branch_workflow("error"))], "❌ 1 branch workflow failed"),
        (
            [app("a", "active", branch_workflow("approval-awaiting"))],
            "✋ 1 branch workflow waits for an approval",
        ),
        ([app("a", "error", is_absent=True), app("b", "active")], "✅ its app is active"),
    ],
)
def test_the_headline_of_an_installer_says_the_worst(apps: list[Entity], headline: str) -> None:
    icon, _, words = headline.partition(" ")

    assert (
        drawn(render.card(view(installer(*apps)))).split("\n")[0] == f"{icon} Acme Cloud: {words}"
    )


def test_of_many_apps_those_in_trouble_are_shown_first() -> None:
    apps = [app(f"a{n:02}", "error" if n == 17 else "active") for n in range(20)]

    lines = lines_of(render.card(view(installer(*apps))))

    assert lines[2].startswith("✗ a17")
    assert "… 10 more apps" in lines


def test_an_app_that_was_taken_away_is_told_with_its_page() -> None:
    root = installer(app("legacy", "active", is_absent=True))
    event = told(EventKind.REMOVED, Level.STEP, root.children[0], Reason(ReasonKind.REMOVED))

    assert drawn(render.reply(view(root), [event])) == "⊘ legacy was removed  [Open app]"


def approvals(*workflows: Entity) -> Entity:
    return entity(APPROVALS, "org", "", *workflows, name="Pending approvals")


def pending(name: str, what: str, install_id: str, minutes: float) -> Entity:
    approval = entity(
        APPROVAL,
        f"apr-{name}",
        "approval-awaiting",
        name=name,
        description=what,
        install_id=install_id,
        workflow_id="inw1",
        created_at=after(minutes),
    )
    return entity(
        WORKFLOW,
        f"inw-{name}",
        "approval-awaiting",
        approval,
        name=name,
        install_id=install_id,
    )


def test_what_waits_in_the_whole_org_is_a_list_the_oldest_first() -> None:
    root = approvals(
        pending("sync and plan api", "the Helm changes", "inlhooli", 5),
        pending("plan sandbox", "the Terraform plan", "inlacme", 1),
    )

    assert drawn(render.card(view(root, names=NAMES))) == (
        "✋ 2 approvals wait\n---\n"
        "✋ plan sandbox on acme-prod: the Terraform plan"
        " · since 2025-12-01 12:01 UTC  [Open workflow]\n"
        "✋ sync and plan api on hooli-prod: the Helm changes"
        " · since 2025-12-01 12:05 UTC  [Open workflow]\n---\n"
        "last change 2025-12-01 12:05 UTC"
    )


def test_that_nothing_waits_in_the_org_is_said_too() -> None:
    assert drawn(render.card(view(approvals()))).startswith("✅ Nothing waits for an approval\n")
    assert drawn(render.card(view(approvals(), title="Prod"))).startswith(
        "✅ Prod: nothing waits for an approval\n"
    )


def test_an_approval_that_came_is_told_with_its_workflow_and_install() -> None:
    root = approvals(pending("plan sandbox", "the Terraform plan", "inlacme", 1))
    waiting = root.children[0].children[0]
    event = told(EventKind.WAITING, Level.UNIT, waiting, waiting.description)

    assert drawn(render.reply(view(root, names=NAMES), [event])) == (
        "✋ plan sandbox on acme-prod waits for an approval: the Terraform plan  [Open workflow]"
    )


# Facts, links and words of the user's own


def test_the_facts_name_the_commit_the_image_and_the_pages_of_what_is_rolled_out() -> None:
    image = entity(ARTIFACT, "art1", facts=(("tag", "v1.42.0"),))
    root = under_way(
        deploy("hooli", "executing", children=(image,)),
        component_id="cmp1",
        facts=(("message", "Pay twice as fast"), ("author_name", "Anna")),
    )

    lines = drawn(render.card(view(root, apps={"cmp1": "app1"}))).split("\n")

    assert lines[2:4] == [
        (
            "release relk2v9… · commit 3f2a9c1 · image v1.42.0 · by jane@acme.example"
            " · started 2025-12-01 12:00 UTC · [component] · [app]"
        ),
        "“Pay twice as fast” by Anna",
    ]


def test_a_build_is_shown_by_the_commit_that_was_found_out() -> None:
    root = release("active", first_step(), build_id="bld1")
    known = {"bld1": Commit("3f2a9c1d77e0b1a2", "Pay twice as fast", "Anna")}

    lines = drawn(render.card(view(root, commits=known))).split("\n")

    assert lines[2] == "release relk2v9… · commit 3f2a9c1 · started 2025-12-01 12:00 UTC"
    assert lines[3] == "“Pay twice as fast” by Anna"


def test_each_kind_of_rollout_leads_to_its_own_page() -> None:
    def leads_to(root: Entity) -> str:
        return render.page_of(view(root), told(EventKind.STARTED, Level.ROLLOUT, root))

    assert leads_to(release()) == "https://app.nuon.co/org1/releases"
    assert leads_to(workflow("success")) == (
        "https://app.nuon.co/org1/installs/inlhooli/workflows/inwk2v9q7m3x8c4b6n1z5w0y2a"
    )
    assert leads_to(branch_run()) == "https://app.nuon.co/org1/apps/app1"
    assert leads_to(installer(app("a", "active"))) == "https://app.nuon.co/org1/apps/app-a"
    assert leads_to(installer(app("a", "active"), app("b", "active"))) == ""
    assert leads_to(approvals()) == ""


def test_an_event_in_words_leaves_out_what_its_rollout_is_called() -> None:
    root = broken()
    failed = told(EventKind.FAILED, Level.ROLLOUT, root, "release step errored")
    hooli = told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    assert render.words_of(view(root), failed) == (
        "failed at step 2 of 3: release step errored · step 3 not attempted (2 installs)"
    )
    assert render.words_of(view(root), hooli) == f"hooli failed: {HELM}"


def test_silences_and_words_of_the_users_own_stand_below_the_facts() -> None:
    filled = FilledTemplates(
        title="Checkout, the new one",
        fields=(("Team", "payments"),),
        links=(("Runbook", "https://wiki.example/r"), ("Graphs", "https://graphs.example/")),
    )
    silence = "silenced until 18:00 UTC by anna: database upgrade"

    card = render.card(view(under_way(), filled=filled, silences=(silence,)))

    assert complaints(card, links=("Runbook", "Graphs")) == []
    lines = drawn(card).split("\n")
    assert lines[0] == "🔵 Checkout, the new one: 3 of 5 installs"
    assert lines[4:7] == [f"🔕 {silence}", "Team: payments", "[Runbook] · [Graphs]"]


def test_a_message_in_another_channel_leads_to_the_card() -> None:
    alone = render.standalone(view(under_way(), card_url="https://acme.slack.example/p1"), [])

    assert drawn(alone).endswith("[Open in Nuon] · [the card] · last change 2025-12-01 12:12 UTC")


# Mentions


MENTIONS = (
    Mention(MentionKind.HERE),
    Mention(MentionKind.USER, "U024BE7LH"),
    Mention(MentionKind.GROUP, "S0614TZR7"),
)
PINGS = ("<!here>", "<@U024BE7LH>", "<!subteam^S0614TZR7>")


def test_mentions_come_first_in_a_reply_and_in_a_message_that_stands_alone() -> None:
    root = broken()
    event = told(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    for message in (
        render.reply(view(root), [event], MENTIONS),
        render.standalone(view(root), [event], MENTIONS),
    ):
        assert complaints(message, pings=PINGS) == []
        assert drawn(message).startswith("@here @U024BE7LH @S0614TZR7\n")
        assert message.text.startswith("<!here> <@U024BE7LH> <!subteam^S0614TZR7>\n")


def test_who_is_not_known_in_slack_is_named_and_not_pinged() -> None:
    root = broken()
    event = told(EventKind.FAILED, Level.ROLLOUT, root)
    mentions = [
        Mention(MentionKind.STARTED_BY, "jane@acme.example"),
        Mention(MentionKind.USER, "U1><!channel"),
        Mention(MentionKind.GROUP, "nobody"),
    ]

    message = render.reply(view(root), [event], mentions)

    assert complaints(message) == []
    assert drawn(message).split("\n")[0] == "jane@acme.example"


# Summaries


def test_the_end_of_quiet_hours_tells_first_what_is_still_in_trouble() -> None:
    page = "https://app.nuon.co/org1/releases"
    message = render.quiet_summary(
        "night",
        NOON,
        after(600),
        [
            SummaryLine("shop", "hooli-prod failed: no room", page, EventKind.FAILED),
            SummaryLine("shop", "succeeded", page, EventKind.SUCCEEDED),
        ],
        [SummaryLine("billing", "failed at step 2 of 3", page, EventKind.FAILED)],
    )

    assert complaints(message) == []
    assert drawn(message) == (
        "❌ Quiet hours “night” are over: 1 still in trouble\n---\n"
        "From 2025-12-01 12:00 UTC to 2025-12-01 22:00 UTC\n---\n"
        "Still in trouble\n"
        "✗ billing · failed at step 2 of 3  [Open]\n---\n"
        "What happened meanwhile\n"
        "✗ shop · hooli-prod failed: no room  [Open]\n"
        "✓ shop · succeeded  [Open]"
    )


def test_a_digest_tells_what_was_rolled_out_what_fails_and_which_installs_are_slow_or_flaky() -> (
    None
):
    minutes = [timedelta(minutes=n) for n in range(60)]
    facts = DigestFacts(
        since=NOON,
        until=after(24 * 60),
        rollouts=(
            DigestRollout("checkout", EventKind.SUCCEEDED, minutes[25], installs=48),
            DigestRollout("web", EventKind.SUCCEEDED, minutes[12], installs=48),
            DigestRollout("shop (main)", None, minutes[50], installs=30),
            DigestRollout("billing", EventKind.FAILED, minutes[7], installs=48, failed=3),
        ),
        still_failing=(SummaryLine("billing", "hooli failed", event=EventKind.FAILED),),
        slowest=(DigestInstall("stark", 4, minutes[18]),),
        flakiest=(DigestInstall("hooli", 6, failed=3),),
    )

    message = render.digest(facts)

    assert complaints(message) == []
    assert drawn(message) == (
        "📋 4 rollouts in a day: 2 succeeded, 1 failed, 1 under way\n---\n"
        "From 2025-12-01 12:00 UTC to 2025-12-02 12:00 UTC"
        " · a success typically took 12 min, at most 25 min\n---\n"
        "✗ billing · failed · 48 installs, 3 failed · 7 min\n"
        "● shop (main) · is under way · 30 installs · 50 min\n"
        "✓ checkout · succeeded · 48 installs · 25 min\n"
        "✓ web · succeeded · 48 installs · 12 min\n---\n"
        "Still failing\n✗ billing · hooli failed\n---\n"
        "Slowest installs\n• stark · typically 18 min · 4 times\n---\n"
        "Flakiest installs\n• hooli · failed 3 of 6 times"
    )


def test_a_digest_of_a_week_without_rollouts_says_so() -> None:
    message = render.digest(DigestFacts(NOON, after(7 * 24 * 60)))

    assert drawn(message).startswith("📋 No rollouts in a week\n")


# What the monitor says of itself


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
    assert drawn(render.removed("checkout-api", "not found", NOON)) == (
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
    assert (
        links.to("installs", "i", "workflows", "w|>")
        == "https://app.nuon.co/org%2F1/installs/i/workflows/w%7C%3E"
    )
    assert links.to("releases") == "https://app.nuon.co/org%2F1/releases"


def test_the_headline_is_the_cards_first_line() -> None:
    root = broken()

    headline = render.headline(snapshot(root), state(), title="Checkout")

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
    event = told(
        EventKind.RECOVERED,
        Level.UNIT,
        unit(root, "acme"),
        Reason(ReasonKind.SUCCEEDED_AFTER_FAILING),
    )

    assert render.shown_ids(snapshot(root), state(), [event]) == ("cmp1", "acme", "hooli")


def test_no_more_than_forty_names_are_asked_for() -> None:
    deploys = [deploy(f"i{n}", "error", f"reason {n}") for n in range(100)]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    assert render.shown_ids(snapshot(root), state()) == tuple(f"i{n}" for n in range(40))


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
        Message("x", (rich_text({"type": "broadcast", "range": "here"}),)),
        Message("x", (rich_text(text | {"text": "x" * 12_000}),)),
        Message("x", (rich_text(text),) * 51),
        Message("x", ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}},)),
        Message("x", ({"type": "context", "elements": [{"type": "mrkdwn", "text": "acme"}]},)),
    ]

    assert [message for message in bad if not complaints(message)] == []


def test_a_ping_is_complained_of_where_it_is_missing_or_not_in_the_first_line() -> None:
    here, text = {"type": "broadcast", "range": "here"}, {"type": "text", "text": "x\n"}
    bad = [
        Message("<!here> x", (rich_text(text, here),)),
        Message("<!here> x", (rich_text(text),)),
        Message("<!here> x", (rich_text(text), rich_text(here))),
        Message("x <!here>", (rich_text(here, text),)),
        Message("<!here> x <!here>", (rich_text(here, text),)),
    ]

    assert [message for message in bad if not complaints(message, pings=["<!here>"])] == []
    assert complaints(Message("<!here> x", (rich_text(here, text),)), pings=["<!here>"]) == []


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
_reasons = st.builds(
    Reason,
    kind=st.sampled_from(ReasonKind),
    said=_texts,
    status=_texts,
    before=_texts,
    fact=_texts,
    value=_texts,
    ends=st.lists(_texts, max_size=3).map(tuple),
)
_times = st.none() | st.integers(1, 2**35).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_statuses = (
    st.sampled_from([word for kind in every_part() for word in known_statuses(kind)]) | _texts
)
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
    "app_id": _texts,
    "slot": _texts,
    "facts": st.lists(
        st.tuples(
            st.sampled_from(["message", "author_name", "tag", "homepage_url", "demo_url"]),
            _texts | st.just("https://acme.example/a?b=c"),
        ),
        max_size=3,
    ).map(tuple),
}


def _tree(
    kind: st.SearchStrategy[Kind], children: st.SearchStrategy[tuple[Entity, ...]]
) -> st.SearchStrategy[Entity]:
    return st.builds(Entity, kind=kind, **_facts, children=children)


_below = st.lists(_tree(st.sampled_from([*every_part()]), st.just(())), max_size=1).map(tuple)


def _trees(root: Kind, step: Kind, *units: Kind) -> st.SearchStrategy[Entity]:
    """Build trees of which a few parts stand many times, so that there is much to be cut."""
    many_units = st.lists(_tree(st.sampled_from(units), _below), max_size=3).flatmap(
        lambda some: st.sampled_from([1, 1, 20]).map(
            lambda times: tuple(
                msgspec.structs.replace(
                    one,
                    id=f"{one.id[:9]}{n}",
                    slot=f"{one.slot[:9]}{n}",
                    description=one.description[n:],
                )
                for one in some
                for n in range(times)
            )
        )
    )
    steps = st.lists(_tree(st.just(step), many_units), max_size=2).flatmap(
        lambda some: st.sampled_from([1, 10]).map(lambda times: tuple(some * times))
    )
    return _tree(st.just(root), steps)


_rollouts = st.one_of(
    _trees(RELEASE, RELEASE_STEP, DEPLOY),
    _trees(WORKFLOW, STEP_GROUP, WORKFLOW_STEP),
    _trees(BRANCH_RUN, INSTALL_GROUP, INSTALL_RUN),
    _trees(INSTALLER, APP, APP_CONFIG, WORKFLOW),
    _trees(APPROVALS, WORKFLOW, APPROVAL),
)


@st.composite
def _situations(draw: st.DrawFn) -> tuple[View, list[Event]]:
    root = draw(_rollouts)
    entities = [(level, entity) for level, entity in root.walk() if level <= Level.UNIT]
    chosen = draw(st.lists(st.sampled_from(entities), min_size=1, max_size=30))
    events = [
        Event(draw(st.sampled_from(EventKind)), level, entity, draw(_reasons), draw(st.booleans()))
        for level, entity in chosen
    ]
    alerts = tuple(
        Alert(
            draw(st.sampled_from([entity.id, f"{root.id}/{entity.work}"])),
            event.kind,
            NOON,
            after(60),
            reason=event.reason,
            is_retrying=draw(st.booleans()),
        )
        for event in events
        for entity in [event.entity]
    )
    remembered = state(
        alerts=alerts,
        attempt=draw(st.integers(1, 10**6)),
        ended=draw(st.sampled_from([None, EventKind.REMOVED])),
    )
    text = draw(_texts)
    return View(
        snapshot=Snapshot(Target(_WATCHED_AS[root.kind], root.id), NOON, root),
        state=remembered,
        links=Links("https://app.nuon.co", draw(_texts)),
        title=draw(st.none() | _texts),
        names={entity.install_id: draw(_texts) for _, entity in chosen},
        previous_url=draw(st.none() | _LINKS),
        apps={root.component_id: draw(_texts)},
        silences=(text,) * draw(st.sampled_from([0, 1, 30])),
        filled=draw(st.none() | st.just(FilledTemplates(text, ((text, text),) * 20, _RUNBOOKS))),
        card_url=draw(st.none() | _LINKS),
        commits={root.build_id: Commit(text, text, text)},
    ), events


_RUNBOOKS = (("Runbook", "https://wiki.example/" + "x" * 470),) * 20
_LINKS = st.just("https://acme.slack.example/archives/C1/p1?thread_ts=1&cid=C1")


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink texts of a megabyte takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(_situations(), _texts)
def test_whatever_the_platform_says_a_message_is_within_every_limit_and_has_no_foreign_markup(
    situation: tuple[View, list[Event]], nobody: str
) -> None:
    drawn_from, events = situation
    mentions = (*MENTIONS, *(Mention(kind, f"<{nobody}") for kind in list(MentionKind)[2:]))

    card = render.card(drawn_from)
    reply = render.reply(drawn_from, events, mentions)
    alone = render.standalone(drawn_from, events, mentions)

    assert complaints(card, links=["Runbook"]) == []
    for message in (reply, alone):
        assert complaints(message, pings=PINGS, links=["Runbook"]) == []
    assert render.card(drawn_from) == card
    assert len(render.shown_ids(drawn_from.snapshot, drawn_from.state, events)) <= 44
    assert "\n" not in render.words_of(drawn_from, events[0])
    assert len(render.page_of(drawn_from, events[0])) <= 500


@pytest.mark.parametrize("kind", _WATCHED_AS)
def test_the_widest_words_in_every_place_fit(kind: Kind) -> None:
    wide = "🚀" * 1_000  # 12 characters each, as they go over the wire
    facts = tuple((name, wide) for name in ("message", "author_name", "tag"))
    words = {"description": wide, "name": wide, "facts": facts, "revision": wide, "app_id": "a"}

    def part(part_kind: Kind, number: int, *below: Entity) -> Entity:
        ids = {"install_id": f"{wide}{number}", "slot": f"{number}"}
        status = f"{wide}{number}" if number % 2 else "error"
        return entity(part_kind, f"{number}", status, *below, **words, **ids, planned=(wide,))

    children = {
        RELEASE: (RELEASE_STEP, DEPLOY),
        WORKFLOW: (STEP_GROUP, WORKFLOW_STEP),
        BRANCH_RUN: (INSTALL_GROUP, INSTALL_RUN),
        INSTALLER: (APP, APP_CONFIG),
        APPROVALS: (WORKFLOW, APPROVAL),
    }
    step_kind, unit_kind = children[kind]
    steps = [
        part(step_kind, 100 * n, *(part(unit_kind, 100 * n + i) for i in range(1, 30)))
        for n in range(1, 12)
    ]
    root = entity(kind, "root", wide, *steps, **words, created_by=wide, created_at=NOON)
    filled = FilledTemplates(wide, ((wide, wide),) * 20, _RUNBOOKS)
    stalled = alert("100", EventKind.STALLED, reason=Reason(ReasonKind.DISAGREES))
    drawn_from = view(root, state(alerts=(stalled,)), filled=filled, silences=(wide,) * 20)
    parts = [(Level.ROLLOUT, root), *((Level.STEP, s) for s in steps)]
    parts += [(Level.UNIT, unit) for step in steps for unit in step.children]
    events = [told(EventKind.STALLED, level, part, wide) for level, part in parts]

    assert complaints(render.card(drawn_from), links=["Runbook"]) == []
    assert complaints(render.reply(drawn_from, events)) == []
    assert complaints(render.standalone(drawn_from, events), links=["Runbook"]) == []


@given(_texts, _texts)
def test_messages_about_sight_hold_no_foreign_markup(name: str, reason: str) -> None:
    for message in (
        render.unreachable(name, reason, NOON),
        render.reachable(name, NOON, after(1)),
        render.removed(name, reason, NOON),
        render.test_message(name, NOON),
    ):
        assert complaints(message) == []


@fixed(20)
@given(_texts, _texts, st.none() | _LINKS, st.sampled_from([1, 50]))
def test_summaries_hold_no_foreign_markup_and_fit(
    name: str, words: str, url: str | None, times: int
) -> None:
    lines = (SummaryLine(name, words, url),) * times
    took = timedelta(minutes=5)
    facts = DigestFacts(
        NOON,
        after(60),
        rollouts=(DigestRollout(name, EventKind.FAILED, took, 10**6, 10**6, url),) * times,
        still_failing=lines,
        slowest=(DigestInstall(name, 5, took, url=url),) * times,
        flakiest=(DigestInstall(name, 5, None, 5, url),) * times,
    )

    assert complaints(render.quiet_summary(name, NOON, after(1), lines, lines)) == []
    assert complaints(render.digest(facts)) == []


def test_an_account_that_only_has_an_id_is_asked_for_and_shown_by_its_e_mail() -> None:
    root = release("queued", created_by="acc1")
    of = View(snapshot(root), state(), LINKS, people={"acc1": "ana@example.com"})

    assert "acc1" in render.shown_ids(of.snapshot, of.state)
    assert "by ana@example.com" in render.card(of).text
