"""Facts, links, words of the user's own, and who is mentioned."""

from __future__ import annotations

from monitor.compose import render
from monitor.compose.render import View
from monitor.compose.templates import FilledTemplates
from monitor.kinds.parts import ARTIFACT
from monitor.model import Commit, Entity, EventKind, Level, Mention, MentionKind
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


def test_mentions_come_first_in_a_reply_and_in_a_message_that_stands_alone() -> None:
    root = broken()
    event = event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)

    for message in (
        render.reply(view(root), [event], MENTIONS),
        render.standalone(view(root), [event], MENTIONS),
    ):
        assert complaints(message, pings=PINGS) == []
        assert drawn(message).startswith("@here @U024BE7LH @S0614TZR7\n")
        assert message.text.startswith("<!here> <@U024BE7LH> <!subteam^S0614TZR7>\n")


def test_who_is_not_known_in_slack_is_named_and_not_pinged() -> None:
    root = broken()
    event = event_of(EventKind.FAILED, Level.ROLLOUT, root)
    mentions = [
        Mention(MentionKind.STARTED_BY, "jane@acme.example"),
        Mention(MentionKind.USER, "U1><!channel"),
        Mention(MentionKind.GROUP, "nobody"),
    ]

    message = render.reply(view(root), [event], mentions)

    assert complaints(message) == []
    assert drawn(message).split("\n")[0] == "jane@acme.example"


def test_an_account_that_only_has_an_id_is_asked_for_and_shown_by_its_e_mail() -> None:
    root = release("queued", created_by="acc1")
    of = View(snapshot(root), state(), LINKS, people={"acc1": "ana@example.com"})

    assert "acc1" in render.shown_ids(of.snapshot, of.state)
    assert "by ana@example.com" in render.card(of).text
