"""What is told late, or together with others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.compose import render
from monitor.compose.render import Retold, Toll
from monitor.model import EventKind, Level, Message
from tests.support.block_kit import complaints, drawn
from tests.support.builders import after
from tests.support.clock import NOON
from tests.support.rendering import HELM, broken, event_of, unit, view

LONGEST = 300
"""Characters: the sentences of what gathers others name several rollouts, and when it was."""


def test_a_late_message_says_when_it_happened_in_text_and_blocks() -> None:
    root = broken()
    event = event_of(EventKind.FAILED, Level.UNIT, unit(root, "hooli"), HELM)
    reply = render.reply(view(root), [event])

    message = render.late(reply, NOON)

    assert complaints(message, longest_sentence=LONGEST) == []
    assert "happened 2025-12-01 12:00 UTC" in drawn(message)
    assert " · happened <!date^" in message.text.split("\n")[0]


def test_what_became_of_a_rollout_stands_below_its_first_words() -> None:
    card = render.card(view(broken()))

    message = render.retold(card, NOON, Toll(failed=12, recovered=10, failing=1))

    assert complaints(message, longest_sentence=LONGEST) == []
    counts = "12 failed, 10 recovered, 1 being tried again, 1 still failing"
    first, second, *rest = drawn(message).split("\n---\n")
    assert second == f"while Slack was away, since 2025-12-01 12:00 UTC: {counts}"
    assert "\n---\n".join([first, *rest]) == drawn(card)
    assert f": {counts}" in message.text.split("\n")[0]


def test_a_summary_has_a_line_for_each_rollout_and_counts_those_in_trouble() -> None:
    rollouts = [Retold("✅ shop: 48 installs", Toll(6, 6)), Retold("🔵 cart", url="https://a.b/c")]

    message = render.away_summary(NOON, NOON + timedelta(days=2), rollouts, 3)

    assert complaints(message, links=["Open card"], longest_sentence=LONGEST) == []
    lines = drawn(message).split("\n")
    assert lines[0].startswith("📬 While Slack was away for 2 d")
    assert lines[0].endswith("2 rollouts with nothing to do now, 3 still in trouble")
    assert "✅ shop: 48 installs · 6 failed, 6 recovered meanwhile" in lines
    assert lines[-1] == "🔵 cart  [Open card]"


@pytest.mark.parametrize("words", ["<!channel> *x* `y` :z: https://evil", "🚀" * 4_000])
def test_whatever_rollouts_are_called_what_gathers_them_is_within_every_limit(words: str) -> None:
    many = [Retold(words, Toll(1), "https://acme.slack.example/p1")] * 200

    for message in (render.gathered(many), render.away_summary(NOON, after(60), many, 0)):
        assert complaints(message, links=["Open card"], longest_sentence=LONGEST) == []
        assert drawn(message).endswith("and 190 more")


def test_one_line_below_leaves_room_for_it() -> None:
    full = Message("it failed", tuple({"type": "divider"} for _ in range(50)))

    assert len(render.late(full, NOON).blocks) == 50
