"""What Slack refuses: the credentials, a channel or a message."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.deliver import worker as module
from monitor.model import (
    Card,
    EventKind,
    Form,
    Message,
    Outage,
)
from monitor.simulation.slack import plain_text
from monitor.store import DeliveryState, Store
from tests.support.delivery import (
    EDIT,
    HOOK,
    POST,
    TARGET,
    Monitor,
    about,
    card,
    first_card,
    keys,
    note,
    notes,
    outcomes,
    reply,
    running,
)

# Credentials


async def test_with_a_bad_token_all_is_kept_and_goes_on_when_it_is_mended(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.save(reply("r1"), note("a", "#ops"), cards=[card("1 of 3")])
    for _ in range(2):
        await monitor.deliver(after=30)
    assert "Slack answered token_revoked to chat." in (monitor.problem() or "")
    assert len(await monitor.outbox()) == 2

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    (root,) = monitor.slack.channel("releases").messages
    assert plain_text(root) == "1 of 3"
    assert [plain_text(one) for one in root.replies] == ["r1"]
    assert keys(monitor.slack.channel("ops")) == ["a"]
    assert monitor.problem() is None


async def test_a_bad_token_is_probed_once_in_a_while_only(monitor: Monitor) -> None:
    monitor.slack.revoke_token()
    await monitor.save(*notes("a", "b", "c"))

    for _ in range(60):
        await monitor.deliver(after=1)

    assert len(outcomes(monitor.slack, POST)) == 2


async def test_a_bad_token_found_by_an_edit_is_a_problem_too(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.revoke_token()
    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    assert monitor.problem() == "Slack answered token_revoked to chat.update"

    monitor.slack.restore_token()
    await monitor.deliver(after=30)

    assert monitor.problem() is None
    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"


async def test_edits_that_do_not_come_through_are_a_problem_too(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("503", EDIT)
    await monitor.save(cards=[card("1 of 3")])

    await monitor.deliver()

    assert monitor.problem() == "Slack answered HTTP 503 to chat.update"


async def test_a_revoked_webhook_keeps_all_until_it_is_restored(monitor: Monitor) -> None:
    monitor.slack.revoke_webhook()
    await monitor.save(*notes("a", "b", destination=HOOK))
    await monitor.deliver()
    assert monitor.problem() == "Slack answered no_service to the incoming webhook"

    monitor.slack.restore_webhook()
    await monitor.deliver(after=30)

    assert monitor.slack.channel("releases").notifications() == ["a", "b"]


# A channel


async def test_what_is_for_a_closed_channel_waits_and_others_go_on(monitor: Monitor) -> None:
    monitor.slack.archive("releases")
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))
    for _ in range(10):
        await monitor.deliver(after=60)
    assert keys(monitor.slack.channel("ops")) == ["c"]
    assert outcomes(monitor.slack, POST).count("is_archived") == 2

    monitor.slack.unarchive("releases")
    await monitor.deliver(after=300)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_channel_that_a_person_wants_to_be_tried_again_is_tried_at_once(
    monitor: Monitor,
) -> None:
    monitor.slack.archive("releases")
    await monitor.save(about("one", "a"), about("other", "b"))
    await monitor.deliver()
    monitor.slack.unarchive("releases")
    await monitor.deliver(after=1)
    assert keys(monitor.slack.channel("releases")) == []

    await monitor.store.call(monitor.store.outbox.retry, None, monitor.clock.now())
    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_one_closed_channel_is_no_problem_of_the_whole_but_is_visible(
    monitor: Monitor,
) -> None:
    monitor.delivery.health.problem = "cannot connect to Slack"
    monitor.slack.archive("releases")
    await monitor.save(*notes("a"))
    with capture_logs() as logs:
        await monitor.deliver()
        await monitor.deliver(after=300)
    assert monitor.problem() is None
    (refused,) = monitor.delivery.health.refusing.items()
    assert (refused[0], refused[1].reason) == (
        "#releases",
        "Slack answered is_archived to chat.postMessage",
    )
    assert [log["log_level"] for log in logs if log["event"] == "destination_refuses"] == ["error"]

    monitor.slack.unarchive("releases")
    await monitor.deliver(after=300)

    assert monitor.delivery.health.refusing == {}


async def test_a_channel_that_refuses_posts_and_takes_edits_is_not_told_to_work_again(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("error:restricted_action", POST, times=None)
    await monitor.save(reply("r1"), cards=[card("1 of 3")])

    with capture_logs() as logs:
        await monitor.deliver()
        await monitor.deliver(after=300)

    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"
    assert list(monitor.delivery.health.refusing) == ["#releases"]
    reports = [log["event"] for log in logs if log["event"].startswith("destination_")]
    assert reports == ["destination_refuses"]


async def test_a_post_that_is_found_in_a_closed_channel_does_not_mean_that_it_is_open(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a"))
    await monitor.deliver()
    monitor.slack.archive("releases")
    closed = Outage(EventKind.UNREACHABLE, monitor.clock.now(), "it is archived")
    monitor.delivery.health.refusing["#releases"] = closed

    await monitor.deliver(after=60)

    assert await monitor.outbox() == ()
    assert list(monitor.delivery.health.refusing) == ["#releases"]


async def test_what_another_process_makes_due_is_sent_while_the_loop_is_idle(
    monitor: Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    monitor.slack.fail("error:message_limit_exceeded", POST)
    await monitor.save(*notes("a"))
    async with running(monitor):
        await monitor.slack.wait_until(lambda: len(outcomes(monitor.slack, POST)) == 1)
        with Store.open_beside(f"sqlite:///{tmp_path}/store.db") as beside:
            async with asyncio.timeout(10):
                while not beside.outbox.retry(None, monitor.clock.now()):
                    await asyncio.sleep(0.01)
        await monitor.slack.wait_until(lambda: keys(monitor.slack.channel("releases")) == ["a"])


async def test_a_card_in_a_closed_channel_is_edited_when_it_is_open_again(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.archive("releases")
    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    assert list(monitor.delivery.health.refusing) == ["#releases"]

    monitor.slack.unarchive("releases")
    await monitor.deliver(after=300)

    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"
    assert monitor.delivery.health.refusing == {}


async def test_what_is_for_a_destination_that_is_not_there_is_set_aside_with_the_reason(
    monitor: Monitor,
) -> None:
    removed = monitor.destinations.pop("#ops")
    await monitor.save(*notes("a", destination="#ops"), *notes("b"))
    await monitor.deliver()
    (kept,) = await monitor.outbox()
    assert (kept.key, kept.state) == ("a", DeliveryState.SET_ASIDE)
    assert kept.error == "the configuration has no such destination now"
    assert keys(monitor.slack.channel("releases")) == ["b"]

    monitor.destinations["#ops"] = removed
    await monitor.store.call(monitor.store.outbox.retry, None, monitor.clock.now())
    await monitor.deliver()

    assert keys(monitor.slack.channel("ops")) == ["a"]


# Our message


async def test_a_message_whose_blocks_are_refused_goes_out_as_plain_text(
    monitor: Monitor,
) -> None:
    bad = note("a", message=Message("words", ({"type": "no such block"},)))
    await monitor.save(bad, *notes("b"))

    await monitor.deliver()

    first, _ = monitor.slack.channel("releases").messages
    assert (first.text, list(first.blocks)) == ("words", [])
    assert keys(monitor.slack.channel("releases")) == ["a", "b"]


async def test_a_card_posted_as_plain_text_is_not_edited_for_ever(monitor: Monitor) -> None:
    bad = Message("words", ({"type": "no such block"},))
    posted = note("card", form=Form.CARD, message=bad)
    await monitor.save(posted, cards=[Card(TARGET, 1, "#releases", bad)])

    await monitor.deliver()
    await monitor.deliver(after=3600)

    assert [request.method for request in monitor.slack.requests] == [POST, POST]


async def test_a_message_refused_twice_is_set_aside_visibly_and_others_go_on(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:msg_too_long", POST, times=2)
    await monitor.save(*notes("a", "b"))

    with capture_logs() as logs:
        await monitor.deliver()

    (aside,) = await monitor.outbox()
    assert (aside.key, str(aside.state)) == ("a", "set aside")
    assert aside.error == "Slack answered msg_too_long to chat.postMessage"
    assert keys(monitor.slack.channel("releases")) == ["b"]
    assert [log["key"] for log in logs if log["event"] == "set_aside"] == ["a"]
    assert monitor.count("delivery_failures", next="set aside") == 1


async def test_what_an_unknown_code_refuses_waits_a_while_before_it_is_set_aside(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:a_code_of_tomorrow", POST, times=None)
    await monitor.save(*notes("a", "b"), *notes("c", destination="#ops"))

    await monitor.deliver()
    for _ in range(8):
        await monitor.deliver(after=100)
    assert [str(one.state) for one in await monitor.outbox()] == ["pending"] * 3
    assert monitor.problem() == "Slack answered a_code_of_tomorrow to chat.postMessage"

    await monitor.deliver(after=300)
    waiting = {one.key: str(one.state) for one in await monitor.outbox()}
    assert waiting == {"a": "set aside", "b": "pending", "c": "set aside"}


async def test_an_unknown_code_that_passes_costs_nothing(monitor: Monitor) -> None:
    monitor.slack.fail("error:a_code_of_tomorrow", POST, times=8)
    await monitor.save(*notes("a", "b"))

    for _ in range(10):
        await monitor.deliver(after=60)

    assert keys(monitor.slack.channel("releases")) == ["a", "b"]
    assert monitor.problem() is None


async def test_what_an_unknown_code_means_by_blocks_goes_out_as_plain_text_at_once(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:blocks_of_yesterday", POST)
    await monitor.save(*notes("a"))

    await monitor.deliver()

    (post,) = monitor.slack.channel("releases").messages
    assert (post.text, list(post.blocks)) == ("a", [])


async def test_an_edit_that_an_unknown_code_refuses_is_made_when_it_passes(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail("error:a_code_of_tomorrow", EDIT, times=6)
    await monitor.save(cards=[card("1 of 3")])

    for _ in range(5):
        await monitor.deliver(after=60)

    assert plain_text(monitor.slack.channel("releases").messages[0]) == "1 of 3"


async def test_what_was_set_aside_goes_out_when_a_person_asks_for_it(monitor: Monitor) -> None:
    monitor.slack.fail("error:message_limit_exceeded", POST)
    await monitor.save(*notes("a"))
    await monitor.deliver()
    (aside,) = await monitor.outbox()
    assert str(aside.state) == "set aside"

    await monitor.store.call(monitor.store.outbox.retry, None, monitor.clock.now())
    await monitor.deliver()

    assert keys(monitor.slack.channel("releases")) == ["a"]


async def test_replies_whose_card_was_set_aside_are_told_in_the_channel(monitor: Monitor) -> None:
    posted, shown = first_card()
    monitor.slack.fail("error:message_limit_exceeded", POST)
    await monitor.save(posted, reply("r1"), cards=[shown])

    await monitor.deliver()

    assert monitor.slack.channel("releases").notifications() == ["r1"]
