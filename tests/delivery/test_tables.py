"""Tables in the threads of cards, and blocks that a workspace does not take."""

from __future__ import annotations

import msgspec
import pytest

from monitor.deliver.optional_blocks import OptionalBlocks
from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal
from monitor.model import Card, Form, Message, Notification
from monitor.simulation.slack import plain_text
from tests.support.delivery import (
    EDIT,
    HOOK,
    POST,
    TARGET,
    Monitor,
    blocks,
    card,
    first_card,
    note,
    outcomes,
)


def table(*names: str) -> Message:
    """A table of names, and the text that stands for it."""
    cells = [[{"type": "raw_text", "text": name}] for name in ("Install", *names)]
    listed = {"type": "data_table", "caption": "what fails", "rows": cells}
    return Message("what fails", (*blocks("head").blocks, listed), blocks("as text").blocks)


def first_table(*names: str) -> tuple[Notification, Card]:
    posted = note(
        f"{TARGET.kind}/{TARGET.id}/1/table/0/#releases", form=Form.TABLE, message=table(*names)
    )
    return posted, Card(TARGET, 1, "#releases", table(*names), Form.TABLE)


@pytest.fixture
async def posted(monitor: Monitor) -> Monitor:
    """A card with a table in its thread."""
    (first, shown), (listed, wanted) = first_card(), first_table("acme", "hooli")
    await monitor.save(first, listed, cards=[shown, wanted])
    await monitor.deliver()
    return monitor


# Tables


async def test_a_table_stands_in_its_cards_thread_and_notifies_nobody(posted: Monitor) -> None:
    (seen,) = posted.slack.channel("releases").messages

    assert plain_text(seen) == "0 of 3"
    assert [plain_text(one) for one in seen.replies] == ["head\nwhat fails\nInstall\nacme\nhooli"]


async def test_a_table_is_edited_apart_from_its_card(posted: Monitor) -> None:
    await posted.save(cards=[card("1 of 3")])
    await posted.save(cards=[first_table("acme")[1]])
    await posted.deliver()

    (seen,) = posted.slack.channel("releases").messages
    assert plain_text(seen) == "1 of 3"
    assert [plain_text(one) for one in seen.replies] == ["head\nwhat fails\nInstall\nacme"]
    assert (len(seen.edits), len(seen.replies[0].edits)) == (1, 1)


async def test_a_table_that_changed_before_it_was_posted_is_posted_as_it_is_now(
    monitor: Monitor,
) -> None:
    (first, shown), (listed, wanted) = first_card(), first_table("acme", "hooli")
    await monitor.save(first, listed, cards=[shown, wanted])
    await monitor.save(cards=[first_table("hooli")[1]])
    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert plain_text(seen.replies[0]).endswith("Install\nhooli")
    assert seen.replies[0].edits == []


async def test_a_table_that_somebody_deleted_is_posted_again_into_the_thread(
    posted: Monitor,
) -> None:
    (seen,) = posted.slack.channel("releases").messages
    posted.slack.delete_message(seen.replies[0].ts)

    await posted.save(cards=[first_table("acme")[1]])
    await posted.deliver()
    await posted.deliver(after=10)

    assert [plain_text(one) for one in seen.replies] == ["head\nwhat fails\nInstall\nacme"]
    assert not seen.is_deleted


async def test_a_table_follows_its_card_when_somebody_deleted_that(posted: Monitor) -> None:
    (seen,) = posted.slack.channel("releases").messages
    posted.slack.delete_message(seen.ts)

    await posted.save(cards=[card("1 of 3"), first_table("acme")[1]])
    for _ in range(3):
        await posted.deliver(after=10)

    (new,) = posted.slack.channel("releases").messages
    assert plain_text(new) == "1 of 3"
    assert [plain_text(one) for one in new.replies] == ["head\nwhat fails\nInstall\nacme"]


async def test_cards_are_edited_before_tables(posted: Monitor) -> None:
    await posted.save(cards=[first_table("acme")[1]])
    await posted.save(cards=[card("1 of 3")])

    (first, second) = [await next_edit(posted) for _ in range(2)]

    assert (first, second) == (Form.CARD, Form.TABLE)


async def next_edit(monitor: Monitor) -> Form:
    """Take the next edit as made."""
    cards, now = monitor.store.cards, monitor.clock.now()
    edit, *_ = await monitor.store.call(cards.next_edits, now)
    await monitor.store.call(cards.mark_edited, edit, now)
    return edit.form


async def test_where_the_tables_are_is_known_once_they_are_posted(monitor: Monitor) -> None:
    (first, shown), (listed, wanted) = first_card(), first_table("acme")
    await monitor.save(first, listed, cards=[shown, wanted])
    before = await monitor.store.call(monitor.store.cards.tables, TARGET, 1)
    await monitor.deliver()

    after = await monitor.store.call(monitor.store.cards.tables, TARGET, 1)

    (seen,) = monitor.slack.channel("releases").messages
    at = after["#releases"]
    assert before == {"#releases": None}
    assert at is not None
    assert at.ts == seen.replies[0].ts
    cards = await monitor.store.call(monitor.store.cards.posted, TARGET, 1)
    assert cards["#releases"].ts == seen.ts


# Optional blocks


async def test_a_block_that_is_refused_is_replaced_and_the_message_keeps_its_shape(
    monitor: Monitor,
) -> None:
    monitor.slack.unknown_blocks.add("data_table")

    await monitor.save(note("k", message=table("acme")))
    await monitor.deliver()

    (seen,) = monitor.slack.channel("releases").messages
    assert seen.blocks == list(blocks("as text").blocks)
    assert outcomes(monitor.slack, POST) == ["invalid_blocks", "ok"]


async def test_a_refused_block_without_anything_instead_is_left_out(monitor: Monitor) -> None:
    monitor.slack.unknown_blocks.add("data_table")

    await monitor.save(note("k", message=msgspec.structs.replace(table("acme"), instead=())))
    await monitor.deliver()

    assert monitor.slack.channel("releases").messages[0].blocks == list(blocks("head").blocks)


async def test_a_refusal_is_remembered_for_the_workspace_in_posts_and_edits(
    monitor: Monitor,
) -> None:
    monitor.slack.unknown_blocks.add("data_table")
    (first, shown), (listed, wanted) = first_card(), first_table("acme")
    await monitor.save(first, listed, cards=[shown, wanted])
    await monitor.deliver()

    other = note("k", "#ops", message=table("acme"))
    await monitor.save(other, cards=[replace_names(wanted, "hooli")])
    await monitor.deliver()

    assert sorted(outcomes(monitor.slack, POST)) == ["invalid_blocks", "ok", "ok", "ok"]
    assert set(outcomes(monitor.slack, EDIT)) <= {"ok"}


def replace_names(of: Card, *names: str) -> Card:
    return msgspec.structs.replace(of, message=table(*names))


async def test_a_webhook_s_workspace_is_remembered_apart_from_the_tokens(monitor: Monitor) -> None:
    monitor.slack.unknown_blocks.add("data_table")

    for number in range(2):
        await monitor.save(note(f"hook{number}", HOOK, message=table("acme")))
        await monitor.deliver()
    monitor.slack.unknown_blocks.clear()
    await monitor.save(note("k", message=table("acme")))
    await monitor.deliver()

    assert outcomes(monitor.slack, "webhook") == ["invalid_blocks", "ok", "ok"]
    assert outcomes(monitor.slack, POST) == ["ok"]
    assert plain_text(monitor.slack.channel("releases").messages[-1]).endswith("acme")


async def test_a_message_that_is_refused_without_them_too_says_nothing_of_the_blocks(
    monitor: Monitor,
) -> None:
    monitor.slack.fail("error:invalid_blocks", POST, times=2)

    await monitor.save(note("k", message=table("acme")), note("k2", message=table("acme")))
    await monitor.deliver()

    first, second = monitor.slack.channel("releases").messages
    assert not first.blocks
    assert second.blocks == list(table("acme").blocks)


async def test_a_workspace_is_asked_again_after_a_day() -> None:
    asked: list[bool] = []
    seconds = 0.0

    async def refuse(message: Message) -> None:
        asked.append(message.has_optional_blocks)
        if message.has_optional_blocks:
            raise DestinationRejected("no", refusal=Refusal.MESSAGE, code="invalid_blocks")

    optional = OptionalBlocks(lambda: seconds)
    for hours in (0, 1, 23, 25):
        seconds = hours * 3600.0
        await optional.send(table("acme"), refuse)

    assert asked == [True, False, False, False, True, False]


async def test_a_slack_that_is_away_says_nothing_of_the_blocks() -> None:
    asked: list[bool] = []

    async def fail(message: Message) -> None:
        asked.append(message.has_optional_blocks)
        raise DestinationUnavailable("away")

    optional = OptionalBlocks()
    for _ in range(2):
        with pytest.raises(DestinationUnavailable):
            await optional.send(table("acme"), fail)

    assert asked == [True, True]
