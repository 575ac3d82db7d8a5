"""Facts, links, words of the user's own, and who is mentioned."""

from __future__ import annotations

import json

from monitor.compose import render
from monitor.compose.render import View
from monitor.compose.templates import FilledTemplates
from monitor.kinds.parts import ARTIFACT
from monitor.model import Commit, Entity, EventKind, Level, Mention, MentionKind, Message
from tests.support.block_kit import complaints, drawn
from tests.support.builders import deploy, release, snapshot, state
from tests.support.rendering import (
    HELM,
    LINKS,
    MENTIONS,
    PINGS,
    app,
    approvals,
    branch_run,
    broken,
    entity,
    event_of,
    first_step,
    installer,
    under_way,
    unit,
    view,
    workflow,
)


def test_the_facts_name_the_commit_the_image_and_the_pages_of_what_is_rolled_out() -> None:
    image = entity(ARTIFACT, "art1", facts=(("tag", "v1.42.0"),))
    root = under_way(
        deploy("hooli", "executing", children=(image,)),
        component_id="cmp1",
        facts=(("message", "Pay twice as fast"), ("author_name", "Anna")),
    )

    *_, small_print = drawn(render.card(view(root, apps={"cmp1": "app1"}))).split("\n")

    assert small_print == (
        "commit 3f2a9c1 “Pay twice as fast” by Anna · image v1.42.0"
        " · started by jane@acme.example · release relk2v9q7m3x8c4b6n1z5w0y2a"
        " · started 2025-12-01 12:00 UTC · updated 2025-12-01 12:12 UTC"
        " · [Open component] · [Open app]"
    )


def test_a_workflow_leads_to_its_install_and_the_app_of_that() -> None:
    root = workflow("success")

    *_, small_print = drawn(render.card(view(root, apps={"inlhooli": "app1"}))).split("\n")

    assert small_print.endswith(" · [Open install] · [Open app]")


def test_a_build_is_shown_by_the_commit_that_was_found_out() -> None:
    root = release("active", first_step(), build_id="bld1")
    known = {"bld1": Commit("3f2a9c1d77e0b1a2", "Pay twice as fast", "Anna")}

    *_, small_print = drawn(render.card(view(root, commits=known))).split("\n")

    assert small_print.startswith("commit 3f2a9c1 “Pay twice as fast” by Anna · release ")


def test_each_kind_of_rollout_leads_to_its_own_page() -> None:
    def leads_to(root: Entity) -> str:
        return render.page_of(view(root), event_of(EventKind.STARTED, Level.ROLLOUT, root))

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
    failed = event_of(EventKind.FAILED, Level.ROLLOUT, root, "release step errored")
    hooli = event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    assert render.words_of(view(root), failed) == ("failed: 1 of 6 installs: release step errored")
    assert render.words_of(view(root), hooli) == f"hooli failed: {HELM}"


def test_silences_and_words_of_the_users_own_stand_with_the_facts() -> None:
    filled = FilledTemplates(
        title="Checkout, the new one",
        fields=(("Team", "payments"),),
        links=(("Runbook", "https://wiki.example/r"), ("Graphs", "https://graphs.example/")),
    )
    silence = "silenced until 18:00 UTC by anna: database upgrade"

    card = render.card(view(under_way(), filled=filled, silences=(silence,)))

    assert complaints(card, links=("Runbook", "Graphs")) == []
    lines = drawn(card).split("\n")
    assert lines[0] == "🔵 Checkout, the new one is running: 3 of 5 installs done"
    assert lines[4] == "[Open releases] · [Runbook] · [Graphs]"
    assert lines[-4:-2] == [f"🔕 {silence}", "Team: payments"]


def test_a_message_in_another_channel_leads_to_the_card() -> None:
    alone = render.standalone(view(under_way(), card_url="https://acme.slack.example/p1"), [])

    assert "[Open releases] · [Open card]" in drawn(alone)


def test_mentions_stand_behind_the_first_words_of_a_reply() -> None:
    root = broken()
    event = event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)
    other = event_of(EventKind.PROGRESSED, Level.STEP, root.children[0])

    message = render.with_mentions(render.reply(view(root), [event, other]), MENTIONS)

    assert complaints(message, pings=PINGS) == []
    first, second, *_ = drawn(message).split("\n")
    assert first == (
        "❌ hooli failed · checkout-api, step 2 of 3  [Open hooli] @here @U024BE7LH @S0614TZR7"
    )
    assert second == f"> {HELM}"
    assert message.text.split("\n")[0].endswith(" <!here> <@U024BE7LH> <!subteam^S0614TZR7>")


def test_below_a_header_which_pings_nobody_the_mentions_have_a_line_of_their_own() -> None:
    root = broken()
    alone = render.standalone(view(root), [])

    message = render.with_mentions(alone, MENTIONS)

    assert complaints(message, pings=PINGS) == []
    header, pings, *rest = drawn(message).split("\n---\n")
    assert pings == "@here @U024BE7LH @S0614TZR7"
    assert "\n---\n".join([header, *rest]) == drawn(alone)
    first, *others = message.text.split("\n")
    assert first == f"{alone.text.splitlines()[0]} <!here> <@U024BE7LH> <!subteam^S0614TZR7>"
    assert others == alone.text.splitlines()[1:]


def test_however_many_are_mentioned_a_message_stays_within_slacks_sizes() -> None:
    crowd = [Mention(MentionKind.USER, f"U{number:010}") for number in range(300)]
    blocks = tuple({"type": "divider"} for _ in range(50))
    long = Message("\n".join(["it failed", "x" * 1_900, "y" * 1_000]), blocks)

    message = render.with_mentions(long, crowd[:100])
    crowded = render.with_mentions(render.standalone(view(broken()), []), crowd)

    assert message.text.startswith("it failed <@U0000000000> ")
    assert "<@U0000000099>" in message.text
    assert message.text.endswith("x" * 1_900)
    assert len(message.text) <= 4_000
    assert len(message.blocks) == 50
    assert "<@U0000000299>" in crowded.text
    assert len(json.dumps(crowded.blocks)) <= 13_000


def test_the_first_line_of_a_message_is_read_without_markup() -> None:
    message = Message(
        "a &lt;b&gt; &amp;amp; <https://x.example|Open it> <!date^1^{time}|noon>\nmore"
    )

    assert render.first_line(message) == "a <b> &amp; Open it noon"


def test_who_is_not_known_in_slack_is_named_and_not_pinged() -> None:
    root = broken()
    event = event_of(EventKind.FAILED, Level.ROLLOUT, root)
    mentions = [
        Mention(MentionKind.STARTED_BY, "jane@acme.example"),
        Mention(MentionKind.USER, "U1><!channel"),
        Mention(MentionKind.GROUP, "nobody"),
    ]
    alone = render.reply(view(root), [event])

    message = render.with_mentions(alone, mentions)

    assert complaints(message) == []
    assert drawn(message).split("\n")[0].endswith("jane@acme.example")
    assert render.with_mentions(alone, mentions[1:]) == alone


def test_an_account_that_only_has_an_id_is_asked_for_and_shown_by_its_e_mail() -> None:
    root = release("queued", created_by="acc1")
    of = View(snapshot(root), state(), LINKS, people={"acc1": "ana@example.com"})

    assert "acc1" in render.shown_ids(of.snapshot, of.state)
    assert "started by ana@example.com" in drawn(render.card(of))
