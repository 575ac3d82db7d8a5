"""What holds for every message: Slack's rules, names, order."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec

from monitor.compose import render
from monitor.compose.render import Links
from monitor.kinds import release as release_kind
from monitor.kinds.wire import Memo
from monitor.model import EventKind, Level, Message, Reason, ReasonKind
from tests.support.block_kit import complaints, drawn
from tests.support.builders import RELEASE_ID, deploy, release, snapshot, state, step
from tests.support.rendering import HELM, broken, event_of, unit, view


def test_blocks_are_what_slack_documents() -> None:
    root = release("error", description="build failed", created_at=None)

    assert render.card(view(root)).blocks == (
        {
            "type": "header",
            "text": {"type": "plain_text", "text": "❌ checkout-api failed", "emoji": False},
        },
        {
            "type": "rich_text",
            "elements": [
                {"type": "rich_text_quote", "elements": [{"type": "text", "text": "build failed"}]}
            ],
        },
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {
                            "type": "link",
                            "url": "https://app.nuon.co/org1/releases",
                            "text": "Open releases",
                        }
                    ],
                }
            ],
        },
        {
            "type": "context",
            "elements": [
                {
                    "type": "plain_text",
                    "text": "release relk2v9q7m3x8c4b6n1z5w0y2a",
                    "emoji": False,
                },
                {
                    "type": "mrkdwn",
                    "text": (
                        "updated <!date^1764590400^{date_short_pretty} {time}|2025-12-01 12:00 UTC>"
                    ),
                },
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

    assert headline == "❌ Checkout failed: 1 of 6 installs"
    assert drawn(render.card(view(root, title="Checkout"))).startswith(f"{headline}\n")


def test_what_is_drawn_as_text_alone_has_no_blocks() -> None:
    message = render.card(view(broken()))

    plain = render.plain(message)

    assert plain.blocks == ()
    assert plain.text.split("\n")[:5] == [
        "❌ checkout-api failed: 1 of 6 installs",
        "stopped at step 2 of 3 · 2 installs not attempted · after 12 min",
        "❌ hooli failed",
        f"> {HELM}",
        "→ The deployment did not become ready: look at its pods in the install, then retry.",
    ]
    assert "<https://app.nuon.co/org1/releases|Open releases>" in plain.text


def test_of_what_is_too_much_for_text_alone_the_rest_is_counted() -> None:
    lines = [{"type": "text", "text": "x" * 99 + "\n"}] * 100

    plain = render.plain(Message("too much", (rich_text(*lines),)))

    assert len(plain.text) <= 3_030
    assert plain.text.endswith("\n… and 70 more lines")


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
    event = event_of(
        EventKind.RECOVERED,
        Level.UNIT,
        unit(root, "acme"),
        Reason(ReasonKind.SUCCEEDED_AFTER_FAILING),
    )

    assert render.shown_ids(snapshot(root), state(), [event]) == ("cmp1", "acme", "hooli")


def test_no_more_names_are_asked_for_than_a_table_has_rows() -> None:
    deploys = [deploy(f"i{n}", "error", f"reason {n}") for n in range(130)]
    root = release("executing_release_steps", step(1, "polling_install_deploys", *deploys))

    assert render.shown_ids(snapshot(root), state()) == tuple(f"i{n}" for n in range(100))


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
    words = {"type": "text", "text": "x"}
    bad = [
        Message("x <!here>", (rich_text(text, here),)),
        Message("x <!here>", (rich_text(text),)),
        Message("x <!here>", (rich_text(text), rich_text(here))),
        Message("x <!here>", (rich_text(here, text),)),
        Message("<!here> x", (rich_text(words, here),)),
        Message("x\n<!here>", (rich_text(words, here),)),
        Message("x <!here> <!here>", (rich_text(words, here),)),
    ]

    assert [message for message in bad if not complaints(message, pings=["<!here>"])] == []
    assert complaints(Message("x <!here>", (rich_text(words, here),)), pings=["<!here>"]) == []
