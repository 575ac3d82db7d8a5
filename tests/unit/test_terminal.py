"""What a Slack message looks like in a terminal, compared as plain text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

import pytest
from rich.console import Console, RenderableType

from monitor.compose.terminal import draw_channel, draw_message, plain_mrkdwn, plain_text
from tests.support.clock import NOON

AT_NOON = int(NOON.timestamp())


@dataclass(frozen=True)
class Seen:
    """A message as a channel shows it."""

    text: str
    ts: str = f"{AT_NOON}.000000"
    blocks: Sequence[dict[str, Any]] = ()
    is_mrkdwn: bool = True
    is_broadcast: bool = False
    replies: Sequence[Seen] = ()


@dataclass(frozen=True)
class SeenChannel:
    name: str
    messages: Sequence[Seen]


def printed(drawn: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
    console.print(drawn)
    return [line.rstrip() for line in console.export_text().splitlines()]


def as_ansi(drawn: RenderableType) -> str:
    """Return what a terminal is sent, colours and links included."""
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=True, color_system="standard").print(drawn)
    return out.getvalue()


def drawn_body(*blocks: dict[str, Any], width: int = 80) -> list[str]:
    return printed(draw_message(blocks, text="", width=width))[1:]


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def rich_text(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(elements)}


def rich_section(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def button(text: str, **more: str) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, **more}


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        pytest.param("*bold* _italic_ ~strike~", "bold italic strike", id="marks"),
        pytest.param("*_both_*", "both", id="marks within marks"),
        pytest.param("snake_case_name 2*3*4", "snake_case_name 2*3*4", id="signs within words"),
        pytest.param("* no * bold", "* no * bold", id="signs with spaces"),
        pytest.param("`a *b* c`", "a *b* c", id="code"),
        pytest.param("```\n*x*\n_y_\n```", "*x*\n_y_", id="a block of code"),
        pytest.param("<https://app.nuon.co/x|Open install>", "Open install", id="a link"),
        pytest.param(
            "<https://app.nuon.co/?a=1&amp;b=2>", "https://app.nuon.co/?a=1&b=2", id="bare"
        ),
        pytest.param("*<https://app.nuon.co|Open>*", "Open", id="a bold link"),
        pytest.param("<!channel> <!here|here>", "@channel @here", id="a broadcast"),
        pytest.param("<!subteam^S1|@oncall> <!subteam^S1>", "@oncall @S1", id="a group"),
        pytest.param("<@U1> <@U1|ann> <#C1|ops>", "@U1 @ann #ops", id="people and channels"),
        pytest.param("`<!channel>`", "@channel", id="a mention in code is one"),
        pytest.param("&lt;!channel&gt; &amp;lt;", "<!channel> &lt;", id="what is escaped is text"),
        pytest.param(":white_check_mark: :no_such_one:", "✅ :no_such_one:", id="emoji"),
        pytest.param("at 10:20:30", "at 10:20:30", id="a time of day is no emoji"),
        pytest.param(f"<!date^{AT_NOON}^{{date_num}} {{time}}|x>", "2025-12-01 12:00", id="a date"),
        pytest.param(
            f"<!date^{AT_NOON}^{{date_short_pretty}} {{time_secs}}|x>",
            "Dec 1, 2025 12:00:00",
            id="a short date",
        ),
        pytest.param("<!date^soon^{date_num}|later>", "later", id="no date"),
        pytest.param(f"<!date^{AT_NOON}^{{nonsense}}|then>", "then", id="no known format"),
        pytest.param("<!date^99999999999999^{time}|then>", "then", id="beyond all dates"),
    ],
)
def test_markup_is_shown_as_slack_shows_it(said: str, seen: str) -> None:
    assert plain_mrkdwn(said) == seen


def test_without_formatting_signs_are_text_but_mentions_still_work() -> None:
    text = "*a* `b` :x: <!here> &amp;"

    drawn = draw_message((), text=text, is_mrkdwn=False)

    assert plain_mrkdwn(text, is_formatted=False) == "*a* `b` :x: @here &"
    assert printed(drawn)[1:] == ["*a* `b` :x: @here &"]


def test_a_card_is_drawn_block_by_block() -> None:
    card = (
        {"type": "header", "text": {"type": "plain_text", "text": "checkout-api · release rel1"}},
        mrkdwn("*31 of 48* installs"),
        rich_text(
            {
                "type": "rich_text_list",
                "style": "ordered",
                "indent": 1,
                "offset": 2,
                "elements": [rich_section(words("step three")), rich_section(words("step four"))],
            },
            {"type": "rich_text_quote", "elements": [words("acme-prod:\ntimed out")]},
            {"type": "rich_text_preformatted", "elements": [words("Error:\n  FAILED")]},
            rich_section(
                {"type": "emoji", "name": "x"},
                words(" "),
                {"type": "usergroup", "usergroup_id": "S1"},
                {"type": "broadcast", "range": "here"},
                {"type": "user", "user_id": "U1"},
                {"type": "channel", "channel_id": "C1"},
                words(" "),
                {"type": "link", "url": "https://app.nuon.co/x", "text": "Open"},
                words(" "),
                {"type": "date", "timestamp": AT_NOON, "format": "{date_num}", "fallback": "x"},
            ),
        ),
        {"type": "divider"},
        {
            "type": "section",
            "fields": [{"type": "mrkdwn", "text": f"*{name}*"} for name in ("one", "two", "three")],
        },
        {"type": "image", "image_url": "https://app.nuon.co/a.png", "alt_text": "a chart"},
        {"type": "actions", "elements": [button("Open in Nuon"), button("Open install")]},
        {
            "type": "context",
            "elements": [
                {"type": "image", "image_url": "https://app.nuon.co/a.png", "alt_text": "logo"},
                {"type": "mrkdwn", "text": "last change _now_"},
            ],
        },
    )

    assert drawn_body(*card, width=40) == [
        "checkout-api · release rel1",
        "31 of 48 installs",
        "  3. step three",
        "  4. step four",
        "▎ acme-prod:",
        "▎ timed out",
        "┆ Error:",
        "┆   FAILED",
        "❌ @S1@here@U1#C1 Open 2025-12-01",
        "─" * 40,
        "one                 two",
        "three",
        "[a chart]",
        "[Open in Nuon]  [Open install]",
        "[logo]  last change now",
    ]


def test_a_message_without_blocks_is_its_text() -> None:
    drawn = draw_message((), text="*hello* &amp; goodbye", at=NOON, author="Ann")

    assert printed(drawn) == ["Ann  APP  12:00", "hello & goodbye"]


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_line_is_wrapped_under_its_bullet(width: int) -> None:
    item = {
        "type": "rich_text_list",
        "style": "bullet",
        "elements": [rich_section(words("ab " * 60))],
    }

    lines = drawn_body(rich_text(item), width=width)

    assert lines[0].startswith("• ab")
    assert all(line.startswith("  ab") for line in lines[1:])
    assert all(len(line) <= width for line in lines)


def test_quoted_lines_carry_a_bar() -> None:
    assert drawn_body(mrkdwn("before\n&gt; one\n&gt;two\nafter")) == [
        "before",
        "▎ one",
        "▎ two",
        "after",
    ]


@pytest.mark.parametrize(
    ("is_broadcast", "heading"),
    [
        (False, "Nuon releases  APP  in the thread of the run"),
        (True, "Nuon releases  APP  ↪ replied to the thread of the run"),
    ],
)
def test_a_reply_names_its_thread(is_broadcast: bool, heading: str) -> None:
    drawn = draw_message((), text="done", is_broadcast=is_broadcast, thread="the run")

    assert printed(drawn) == [heading, "done"]


def test_an_unknown_block_is_named() -> None:
    assert drawn_body({"type": "hologram"}) == ["[hologram]"]


@pytest.mark.parametrize(
    ("days", "seen"),
    [(0, "today"), (1, "yesterday"), (-1, "tomorrow"), (2, "Nov 29, 2025")],
)
def test_a_date_near_the_message_is_named(days: int, seen: str) -> None:
    timestamp = AT_NOON - days * 86_400
    text = f"<!date^{timestamp}^{{date_short_pretty}} {{time}}|x>"

    assert printed(draw_message((), text=text, at=NOON))[1] == f"{seen} 12:00"


def test_times_are_those_of_the_reader() -> None:
    tokyo = timezone(timedelta(hours=9))

    drawn = draw_message((), text=f"<!date^{AT_NOON}^{{time}}|x>", at=NOON, zone=tokyo)

    assert printed(drawn) == ["Nuon releases  APP  21:00", "21:00"]


@pytest.mark.parametrize(
    "forging",
    [
        pytest.param("\x1b[2J\x1b]0;title\x07", id="escape sequences"),
        pytest.param("\x9b2J", id="eight-bit escape sequences"),
        pytest.param("\r\x08\x7f", id="what goes back and overwrites"),
        pytest.param("\u202e\u2066", id="what turns the direction of writing"),
        pytest.param("\ud83d", id="half of a character"),
    ],
)
def test_text_cannot_forge_the_terminal(forging: str) -> None:
    blocks = (
        {"type": "header", "text": {"type": "plain_text", "text": f"a{forging}b"}},
        mrkdwn(f"a{forging}b <https://x.example/{forging}|a{forging}b>"),
        rich_text(
            rich_section(
                words(f"a{forging}b"),
                {"type": "link", "url": f"https://x.example/{forging}", "text": f"a{forging}b"},
                {"type": "emoji", "name": f"a{forging}b"},
                {"type": "user", "user_id": f"U{forging}"},
            )
        ),
        {"type": "actions", "elements": [button(f"a{forging}b", url=f"https://x/{forging}")]},
    )

    sent = as_ansi(draw_message(blocks, text="", author=f"a{forging}b"))

    assert forging not in sent
    assert forging not in plain_text(blocks, text="")


def test_links_and_buttons_can_be_opened_from_the_terminal() -> None:
    blocks = (
        mrkdwn("<https://app.nuon.co/one|one>"),
        {"type": "actions", "elements": [button("two", url="https://app.nuon.co/two")]},
    )

    sent = as_ansi(draw_message(blocks, text=""))

    assert "https://app.nuon.co/one\x1b\\" in sent
    assert "https://app.nuon.co/two\x1b\\" in sent


def test_only_addresses_of_the_web_can_be_opened() -> None:
    sent = as_ansi(draw_message((mrkdwn("<file:///etc/passwd|one>"),), text=""))

    assert "passwd" not in sent


def test_no_background_is_set_so_that_it_suits_dark_and_light() -> None:
    blocks = (mrkdwn("*a* `b` <!here> <https://x.example|c>"), {"type": "divider"})

    segments = list(Console(width=80).render(draw_message(blocks, text="")))

    assert segments
    assert all(segment.style is None or segment.style.bgcolor is None for segment in segments)


def test_a_channel_shows_its_threads_indented_and_broadcasts_twice() -> None:
    failed = Seen("acme-prod failed", is_broadcast=True)
    card = Seen("checkout-api: 31 of 48", replies=(Seen("step 1 done"), failed))

    assert printed(draw_channel(SeenChannel("releases", (card, failed)), width=50), 50) == [
        "#releases " + "─" * 40,
        "Nuon releases  APP  12:00",
        "checkout-api: 31 of 48",
        "  │ Nuon releases  APP  12:00",
        "  │ step 1 done",
        "  │ ↪ 12:00 also in the channel: acme-prod failed",
        "",
        "Nuon releases  APP  12:00  ↪ replied to a thread",
        "acme-prod failed",
        "",
    ]
