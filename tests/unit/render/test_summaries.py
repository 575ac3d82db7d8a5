"""Window summaries, digests, and what the monitor says of itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

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
        "❌ Quiet hours “night” are over: 1 still in trouble\n"
        "---\n"
        "Still in trouble\n"
        "❌ [billing] · failed at step 2 of 3\n"
        "---\n"
        "Meanwhile\n"
        "❌ [shop] · hooli-prod failed: no room\n"
        "✅ [shop] · succeeded\n"
        "---\n"
        "from 2025-12-01 12:00 UTC to 2025-12-01 22:00 UTC"
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
        "📋 4 rollouts in 24 hours: 2 succeeded, 1 failed, 1 running; 1 still failing\n"
        "---\n"
        "Still failing\n"
        "❌ billing · hooli failed\n"
        "---\n"
        "Rollouts\n"
        "❌ billing · failed · 48 installs, 3 failed · 7 min\n"
        "🔵 shop (main) · is running · 30 installs · 50 min\n"
        "✅ checkout · succeeded · 48 installs · 25 min\n"
        "✅ web · succeeded · 48 installs · 12 min\n"
        "---\n"
        "Slowest installs\n"
        "• stark · typically 18 min · 4 times\n"
        "---\n"
        "Flakiest installs\n"
        "• hooli · failed 3 of 6 times\n"
        "---\n"
        "a success typically took 12 min, at most 25 min"
        " · from 2025-12-01 12:00 UTC to 2025-12-02 12:00 UTC"
    )


def test_a_digest_of_a_week_without_rollouts_says_so() -> None:
    message = render.digest(DigestFacts(NOON, after(7 * 24 * 60)))

    assert drawn(message).startswith("📋 No rollouts this week\n")


# What the monitor says of itself


def test_that_the_platform_cannot_be_reached_is_said_with_the_reason_and_since_when() -> None:
    message = render.unreachable("Nuon", "no answer within 30 s", NOON, is_platform=True)

    assert message.text == (
        "⚠️ Monitoring is blind: can't reach the Nuon API: no answer within 30 s (since 12:00 UTC)"
    )
    assert drawn(message) == (
        "⚠️ Monitoring is blind: can't reach the Nuon API\n"
        "> no answer within 30 s\n---\n"
        "Cards may be out of date. Nothing is lost: changes are reported once polls succeed; if"
        " this lasts, look at the platform's status and at nuon.api_token."
        " · No poll has succeeded since 2025-12-01 12:00 UTC"
    )


def test_one_target_that_cannot_be_polled_is_not_said_to_be_all_of_the_platform() -> None:
    message = render.unreachable("checkout-api", "no answer within 30 s", NOON)

    assert message.text == (
        "⚠️ checkout-api can't be polled: no answer within 30 s (since 12:00 UTC)"
    )


def test_that_the_platform_can_be_reached_again_is_said_with_how_long_it_took() -> None:
    message = render.reachable("Nuon", NOON, after(42), is_platform=True)

    assert drawn(message) == (
        "✅ Nuon API reachable again\n---\n"
        "Unreachable for 42 min. What changed meanwhile is reported now."
        " · since 2025-12-01 12:00 UTC"
    )


def test_what_comes_and_goes_is_said_once_and_when_it_is_stable_again() -> None:
    half_an_hour = timedelta(minutes=30)
    flapping = render.comes_and_goes(
        "Nuon", "no answer within 30 s", NOON, half_an_hour, is_platform=True
    )
    stable = render.stays_reachable("Nuon", NOON, half_an_hour, is_platform=True)

    assert flapping.text == (
        "⚠️ Monitoring is flapping: the Nuon API comes and goes: no answer within 30 s"
        " (since 12:00 UTC)"
    )
    assert "once polls have succeeded for 30 min on end" in drawn(flapping)
    assert stable.text == "✅ Nuon API is stable again: reachable for 30 min on end"


@pytest.mark.parametrize(
    ("was_seen", "says", "advice"),
    [
        (True, "is no longer on Nuon", "→ If it was deleted, remove its [[watch]] from the"),
        (False, "was not found on Nuon", "→ Check the ID in its [[watch]], and nuon.org_id."),
    ],
)
def test_what_is_not_on_the_platform_is_said_with_what_to_do(
    was_seen: bool, says: str, advice: str
) -> None:
    title, reason, to_do, *_ = drawn(
        render.removed("checkout-api", "not found", NOON, was_seen=was_seen)
    ).split("\n")

    assert title == f"❓ checkout-api {says}"
    assert reason == "> not found"
    assert to_do.startswith(advice)


@pytest.mark.parametrize(
    ("code", "wrong", "remedy"),
    [
        ("is_archived", "the channel is archived", "Unarchive it"),
        ("channel_not_found", "no such channel, or the app may not see it", "deleted or renamed"),
        ("not_in_channel", "the app is not in the channel", "Invite it"),
        ("token_revoked", "Slack rejects the app's token", "Reinstall the app"),
        ("missing_scope", "the app lacks a permission", "Add the scopes"),
        ("no_service", "the incoming webhook was removed or switched off", "Make a new one"),
    ],
)
def test_a_channel_that_takes_nothing_is_reported_with_the_remedy_and_not_with_the_code(
    code: str, wrong: str, remedy: str
) -> None:
    message = render.refused("#releases", f"Slack answered {code} to chat.postMessage", 3, NOON)

    assert message.text == f"⚠️ Can't post to #releases: {wrong}"
    title, why, to_do, _, waiting = drawn(message).split("\n")
    assert (title, why) == ("⚠️ Can't post to #releases", f"> {wrong}")
    assert remedy in to_do
    assert waiting == "3 messages waiting, kept in order, since 2025-12-01 12:00 UTC"
    assert code not in drawn(message)


def test_a_refusal_that_is_not_known_is_shown_as_it_is() -> None:
    message = render.refused("#releases", "Slack answered new_code to chat.postMessage", 1, NOON)

    assert "> Slack answered new_code to chat.postMessage" in drawn(message)


def test_a_test_message_names_its_channel() -> None:
    message = render.test_message("#releases", NOON)

    assert "a test for #releases · sent 2025-12-01 12:00 UTC" in drawn(message)
    assert complaints(message) == []
