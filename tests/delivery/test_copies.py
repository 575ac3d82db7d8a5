"""What was sent again and had arrived all the same: one of the two is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.simulation.slack import Posted, SimulatedSlack, plain_text
from tests.support.clock import Clock
from tests.support.delivery import (
    EDIT,
    HISTORY,
    POST,
    Interrupted,
    Monitor,
    card,
    first_card,
    kept_keys,
    life,
    notes,
    outcomes,
    reply,
)

HOUR = 3600.0
FIVE_MINUTES = 300.0


async def send_twice(monitor: Monitor) -> None:
    """Deliver what is queued; its first post arrives only after it was sent again."""
    monitor.slack.fail("reset_after", POST, stored_after=HOUR)
    await monitor.deliver()
    await monitor.wait_for_searches()
    await monitor.slack.settle()


async def live_through(monitor: Monitor) -> None:
    """Deliver what is queued until copies are removed, whatever arrives when."""
    await monitor.deliver()
    await monitor.wait_for_searches()
    await monitor.deliver(after=FIVE_MINUTES)


def visible(monitor: Monitor) -> list[Posted]:
    return monitor.slack.channel("releases").messages


async def test_a_copy_is_deleted_five_minutes_after_the_message_was_sent_again(
    monitor: Monitor,
) -> None:
    await monitor.save(*notes("a", "b"))
    await send_twice(monitor)
    assert kept_keys(monitor.slack.channel("releases")) == ["a", "b", "a"]

    await monitor.deliver(after=FIVE_MINUTES - 1)
    still = len(visible(monitor))
    await monitor.deliver(after=1)

    assert (still, kept_keys(monitor.slack.channel("releases"))) == (3, ["a", "b"])
    assert monitor.count("posts_in_doubt", outcome="resent") == 1
    assert monitor.count("posts_in_doubt", outcome="copy deleted") == 1


async def test_what_was_never_sent_again_is_not_searched_for(monitor: Monitor) -> None:
    monitor.slack.fail("reset_after", POST)
    await monitor.save(*notes("a", "b"))
    await monitor.deliver()
    await monitor.deliver(after=2)
    searched = len(outcomes(monitor.slack, HISTORY))

    await monitor.deliver(after=FIVE_MINUTES)

    assert len(outcomes(monitor.slack, HISTORY)) == searched


async def test_a_copy_that_people_reacted_to_leads_to_the_other(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    await send_twice(monitor)
    kept, copy = visible(monitor)
    monitor.slack.react(copy.ts, "eyes")

    await monitor.deliver(after=FIVE_MINUTES)

    assert visible(monitor) == [kept, copy]
    assert plain_text(kept) == "a"
    assert "Sent twice: a" in plain_text(copy)
    assert kept.ts.replace(".", "") in str(copy.blocks)
    assert monitor.count("posts_in_doubt", outcome="copy linked") == 1


async def test_a_copy_that_people_replied_to_leads_to_the_other(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    await send_twice(monitor)
    _, copy = visible(monitor)
    monitor.slack.write("releases", "on it", thread_ts=copy.ts)

    await monitor.deliver(after=FIVE_MINUTES)

    assert plain_text(copy).startswith("Sent twice: a")
    assert [plain_text(one) for one in copy.replies] == ["on it"]


async def test_a_copy_that_cannot_be_deleted_leads_to_the_other(monitor: Monitor) -> None:
    await monitor.save(*notes("a"))
    await send_twice(monitor)
    monitor.slack.fail("error:compliance_exports_prevent_deletion", "chat.delete")

    await monitor.deliver(after=FIVE_MINUTES)

    assert [plain_text(one).partition("\n")[0] for one in visible(monitor)] == [
        "a",
        "Sent twice: a",
    ]


async def test_a_copy_that_can_neither_be_deleted_nor_edited_is_left_and_counted(
    monitor: Monitor,
) -> None:
    await monitor.save(*notes("a"))
    await send_twice(monitor)
    monitor.slack.fail("error:cant_delete_message", "chat.delete")
    monitor.slack.fail("error:edit_window_closed", EDIT)

    await monitor.deliver(after=FIVE_MINUTES)
    await monitor.deliver(after=HOUR)

    assert kept_keys(monitor.slack.channel("releases")) == ["a", "a"]
    assert monitor.count("posts_in_doubt", outcome="copy left") == 1


async def test_the_copy_of_a_card_takes_no_replies_with_it(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, reply("r1"), cards=[shown])
    await send_twice(monitor)
    await monitor.save(reply("r2"), cards=[card("1 of 3")])
    await monitor.deliver()

    await monitor.deliver(after=FIVE_MINUTES)

    (kept,) = visible(monitor)
    assert plain_text(kept) == "1 of 3"
    assert [plain_text(one) for one in kept.replies] == ["r1", "r2"]


async def test_the_copy_of_a_reply_is_deleted_from_its_thread(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(reply("r1", is_broadcast=True), reply("r2"))
    await send_twice(monitor)

    await monitor.deliver(after=FIVE_MINUTES)

    (root, *_) = visible(monitor)
    assert [plain_text(one) for one in root.replies] == ["r1", "r2"]


async def test_a_copy_takes_the_place_of_a_card_that_a_person_deleted(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await send_twice(monitor)
    kept, copy = visible(monitor)
    monitor.slack.delete_message(kept.ts)

    await monitor.deliver(after=FIVE_MINUTES)
    await monitor.save(reply("r1"), cards=[card("1 of 3")])
    await monitor.deliver()

    assert visible(monitor) == [copy]
    assert plain_text(copy) == "1 of 3"
    assert [plain_text(one) for one in copy.replies] == ["r1"]


async def test_the_copy_of_a_card_that_was_replaced_meanwhile_is_deleted(monitor: Monitor) -> None:
    posted, shown = first_card()
    await monitor.save(posted, cards=[shown])
    await send_twice(monitor)
    monitor.slack.delete_message(visible(monitor)[0].ts)
    await monitor.save(reply("r1"), cards=[card("1 of 3")])
    for _ in range(3):
        await monitor.deliver(after=2)

    await monitor.deliver(after=FIVE_MINUTES)

    (only,) = visible(monitor)
    assert plain_text(only) == "1 of 3"
    assert [plain_text(one) for one in only.replies] == ["r1"]


async def test_where_nobody_may_read_copies_are_left_alone(monitor: Monitor) -> None:
    monitor.slack.scopes.remove("channels:history")
    await monitor.save(*notes("a"))
    monitor.slack.fail("reset_after", POST)
    await monitor.deliver()
    await monitor.deliver(after=2)

    await monitor.deliver(after=FIVE_MINUTES)
    await monitor.deliver(after=HOUR)

    assert kept_keys(monitor.slack.channel("releases")) == ["a", "a"]
    assert outcomes(monitor.slack, HISTORY) == ["missing_scope"] * 2


@pytest.mark.parametrize("method", [HISTORY, "chat.delete"])
@pytest.mark.parametrize("kind", ["429", "503", "reset", "hang_after", "error:token_revoked"])
async def test_what_fails_for_now_is_tried_again(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, kind: str, method: str
) -> None:
    async with life(slack, tmp_path, clock, timeout=0.5) as monitor:
        await monitor.save(*notes("a", "b"))
        await send_twice(monitor)
        slack.fail(kind, method)

        await monitor.deliver(after=FIVE_MINUTES)
        await monitor.deliver(after=60)

        assert kept_keys(slack.channel("releases")) == ["a", "b"]


@pytest.mark.parametrize(
    "moment",
    [
        "doubt",
        "due_searches",
        "search_again",
        "send_again",
        "mark_sent",
        "due_copies",
        "look_again",
    ],
)
async def test_whenever_it_dies_one_message_is_there_in_the_end(
    slack: SimulatedSlack, tmp_path: Path, clock: Clock, moment: str
) -> None:
    slack.fail("reset_after", POST, stored_after=HOUR)
    async with life(slack, tmp_path, clock) as monitor:
        await monitor.save(*notes("a", "b"))
        if moment == "doubt":
            monitor.store.broken["postpone"] = Interrupted()
            with pytest.raises(Interrupted):
                await monitor.deliver()
            del monitor.store.broken["postpone"]
        monitor.store.broken[moment] = Interrupted()
        with pytest.raises(Interrupted):
            await live_through(monitor)
        await slack.settle()

    async with life(slack, tmp_path, clock) as monitor:
        for _ in range(40):
            await monitor.deliver(after=10)

        assert await monitor.outbox() == ()
        assert kept_keys(slack.channel("releases")) in (["a", "b"], ["b", "a"])
