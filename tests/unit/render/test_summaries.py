"""Window summaries, digests, and what the monitor says of itself."""

from __future__ import annotations

from datetime import timedelta

from monitor.compose import render
from monitor.compose.render import DigestFacts, DigestInstall, DigestRollout, SummaryLine
from monitor.model import EventKind
from tests.support.block_kit import complaints, drawn
from tests.support.builders import after
from tests.support.clock import NOON

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
    half_an_hour = timedelta(minutes=30)
    assert drawn(render.comes_and_goes("Nuon", "no answer within 30 s", NOON, half_an_hour)) == (
        "⚠️ Nuon comes and goes\n---\n"
        "It can be seen and cannot, again and again since 2025-12-01 12:00 UTC: "
        "no answer within 30 s\n"
        "The next message says that it could be seen for 30 min on end."
    )
    assert drawn(render.stays_reachable("Nuon", NOON, half_an_hour)) == (
        "✅ Nuon can be seen again\n---\n"
        "It came and went since 2025-12-01 12:00 UTC, "
        "and could be seen for the last 30 min on end."
    )
    assert drawn(render.removed("checkout-api", "not found", NOON)) == (
        "❓ checkout-api is not on Nuon any more\n---\n"
        "Since 2025-12-01 12:00 UTC the platform answers: not found"
    )


def test_a_test_message_names_its_channel() -> None:
    message = render.test_message("#releases", NOON)

    assert "A test for #releases, sent 2025-12-01 12:00 UTC." in drawn(message)
    assert complaints(message) == []
