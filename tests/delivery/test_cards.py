"""Cards and their edits, replies in their threads, and cards that somebody removed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from monitor.deliver.pace import Pace
from monitor.errors import DestinationRejected, Refusal
from monitor.model import (
    Card,
    Message,
    MessageRef,
)
from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.clock import Clock
from tests.support.delivery import (
    EDIT,
    POST,
    TARGET,
    Monitor,
    ReplacedPost,
    card,
    first_card,
    keys,
    life,
    note,
    notes,
    outcomes,
    reply,
    running,
)

# Cards and edits


async def test_three_changes_before_delivery_are_one_edit(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    for words in ("1 of 3", "2 of 3", "3 of 3"):
        await monitor.save(cards=[card(words)])
    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "3 of 3"
    assert len(seen.edits) == 1


async def test_a_card_that_looks_the_same_is_not_edited(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    await monitor.save(cards=[card("1 of 3")])
    await monitor.save(cards=[shown])
    await monitor.deliver()

    assert outcomes(monitor.slack, EDIT) == []


async def test_a_card_is_posted_with_its_newest_content(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.save(cards=[card("2 of 3")])

    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "2 of 3"
    assert seen.edits == []


async def test_an_edit_does_not_wait_for_the_posts_that_are_queued(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=3600.0, edit=0.0)) as monitor:
        posted, shown = first_card()
        await monitor.save(posted, cards=[shown])
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)

            await monitor.save(*notes("a", "b"), cards=[card("1 of 3")])
            monitor.delivery.wake()
            await slack.wait_until(lambda: outcomes(slack, EDIT) == ["ok"])

        assert keys(slack.channel("releases")) == ["card/0/#releases"]


async def test_while_an_edit_waits_for_its_turn_a_post_goes_on(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=0.0, edit=30.0)) as monitor:
        posted, shown = first_card()
        await monitor.save(posted, cards=[shown])
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)
            for words in ("1 of 3", "2 of 3"):
                await monitor.save(cards=[card(words)])
                monitor.delivery.wake()
                await slack.wait_until(lambda: outcomes(slack, EDIT) == ["ok"])

            await monitor.save(*notes("a"))
            monitor.delivery.wake()
            await slack.wait_until(lambda: "a" in keys(slack.channel("releases")))

        assert outcomes(slack, EDIT) == ["ok"]


async def test_while_an_edit_waits_for_its_turn_the_store_is_left_alone(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock
) -> None:
    async with life(slack, tmp_path, clock, pace=Pace(post=0.0, edit=3600.0)) as monitor:
        posted, shown = first_card()
        await monitor.save(posted, cards=[shown])
        async with running(monitor):
            await slack.wait_until(lambda: len(slack.requests) == 1)
            for words in ("1 of 3", "2 of 3"):
                await monitor.save(cards=[card(words)])
                monitor.delivery.wake()
                await slack.wait_until(lambda: outcomes(slack, EDIT) == ["ok"])
            monitor.store.calls = 0

            # That nothing happens can only be seen after a while.
            await asyncio.sleep(0.5)

        assert monitor.store.calls < 12


async def test_a_limit_on_edits_holds_for_all_cards_and_for_no_post(monitor: Monitor) -> None:
    posted, shown = first_card()
    there, its = first_card(destination="#ops")
    await monitor.save(posted, there, cards=[shown, its])
    await monitor.deliver()
    monitor.slack.fail("429", EDIT, retry_after=3600)

    await monitor.save(cards=[card("1 of 3")])
    async with running(monitor):
        await monitor.slack.wait_until(lambda: outcomes(monitor.slack, EDIT) == ["429"])
        while not monitor.count("delivery_failures", next="again later"):
            await asyncio.sleep(0)
        await monitor.save(
            *notes("a"), *notes("b", destination="#ops"), cards=[card("1 of 3", "#ops")]
        )
        monitor.delivery.wake()
        await monitor.slack.wait_until(lambda: "b" in keys(monitor.slack.channel("ops")))
        await monitor.slack.wait_until(lambda: "a" in keys(monitor.slack.channel("releases")))

    await monitor.deliver(after=3599)
    assert outcomes(monitor.slack, EDIT) == ["429"]


async def test_when_the_limit_on_edits_has_passed_all_cards_are_brought_up_to_date(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    there, its = first_card(destination="#ops")
    await monitor.save(posted, there, cards=[shown, its])
    await monitor.deliver()
    monitor.slack.fail("429", EDIT, retry_after=60)
    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    await monitor.save(cards=[card("1 of 3", "#ops")])
    await monitor.deliver()
    assert outcomes(monitor.slack, EDIT) == ["429"]

    await monitor.deliver(after=60)

    for channel in ("releases", "ops"):
        assert plain_text(monitor.slack.channel(channel).messages[0]) == "1 of 3"


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "502", "500", "garbage"])
async def test_an_edit_that_failed_is_made_again(monitor: Monitor, kind: str) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    monitor.slack.fail(kind, EDIT)
    await monitor.save(cards=[card("1 of 3")])

    await monitor.deliver()
    await monitor.deliver(after=2)

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "1 of 3"
    assert outcomes(monitor.slack, EDIT) == [kind, "ok"]


async def test_an_edit_whose_blocks_are_refused_is_made_as_plain_text(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[Card(TARGET, 1, "#releases", Message("plain", ({"type": "x"},)))])

    await monitor.deliver()
    await monitor.deliver(after=3600)

    (seen,) = monitor.slack.channel("releases").messages
    assert (seen.text, plain_text(seen)) == ("plain", "plain")
    assert outcomes(monitor.slack, EDIT) == ["invalid_blocks", "ok"]


async def test_an_edit_of_rich_text_as_plain_text_loses_no_card(monitor: Monitor) -> None:
    text = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}
    rich = Message("x", ({"type": "rich_text", "elements": [text]},))
    posted, shown = first_card()
    await monitor.save(
        msgspec.structs.replace(posted, message=rich),
        cards=[msgspec.structs.replace(shown, message=rich)],
    )
    await monitor.deliver()
    words = "1 &lt; 3: <https://app.nuon.co|Open in Nuon>"
    await monitor.save(cards=[Card(TARGET, 1, "#releases", Message(words, ({"type": "x"},)))])

    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "1 < 3: Open in Nuon"
    assert outcomes(monitor.slack, EDIT) == ["invalid_blocks", "ok"]


async def test_an_edit_that_is_refused_altogether_waits_for_the_next_version(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[card("x" * 4_001)])
    await monitor.deliver()
    await monitor.deliver(after=3600)
    assert len(outcomes(monitor.slack, EDIT)) == 2

    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen) == "1 of 3"


# A card that is gone


async def test_a_card_that_is_gone_is_posted_anew_when_it_changes(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    (old,) = monitor.slack.channel("releases").messages
    monitor.slack.delete_message(old.ts)

    await monitor.save(cards=[card("1 of 3")])
    await monitor.deliver()
    await monitor.save(reply("r1"), cards=[card("2 of 3")])
    await monitor.deliver()

    (new,) = monitor.slack.channel("releases").messages
    assert plain_text(new) == "2 of 3"
    assert [plain_text(one) for one in new.replies] == ["r1"]
    assert keys(monitor.slack.channel("releases"))[1] == "card/1/#releases"


async def test_replies_to_a_card_that_is_gone_follow_a_new_one_in_order(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    (old,) = monitor.slack.channel("releases").messages
    monitor.slack.delete_message(old.ts)

    await monitor.save(reply("r1"), reply("r2"), note("m"), cards=[card("1 of 3")])
    await monitor.deliver()
    await monitor.deliver(after=2)

    assert keys(monitor.slack.channel("releases"))[1:] == [
        "card/1/#releases",
        "r1",
        "r2",
        "m",
    ]
    new = monitor.slack.channel("releases").messages[0]
    assert [plain_text(one) for one in new.replies] == ["r1", "r2"]


async def test_a_new_card_that_has_to_wait_does_not_keep_the_loop_spinning(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    (old,) = monitor.slack.channel("releases").messages
    monitor.slack.delete_message(old.ts)
    await monitor.save(reply("r1"), cards=[card("1 of 3")])
    monitor.slack.fail("error:thread_not_found", POST)
    monitor.slack.fail("429", POST, retry_after=60)

    async with asyncio.timeout(5):
        await monitor.deliver()
        await monitor.deliver(after=2)
    assert outcomes(monitor.slack, POST) == ["ok", "error:thread_not_found", "429"]

    await monitor.deliver(after=60)
    assert keys(monitor.slack.channel("releases"))[1:] == ["card/1/#releases", "r1"]


async def test_a_thread_that_never_takes_a_reply_does_not_flood_the_channel_with_cards(
    monitor: Monitor,
) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()

    async def refuse(*_: object, thread: MessageRef | None, **__: object) -> MessageRef:
        if thread is not None:
            raise DestinationRejected("no", refusal=Refusal.CARD, code="cannot_reply_to_message")
        return await real(*_, thread=thread, **__)  # type: ignore[arg-type]

    real = monitor.destinations["#releases"].post
    monitor.destinations["#releases"] = ReplacedPost(monitor.destinations["#releases"], refuse)
    await monitor.save(reply("r1"))
    async with asyncio.timeout(20):
        for _ in range(60):
            await monitor.deliver(after=1)

    assert len(monitor.slack.channel("releases").messages) < 12
