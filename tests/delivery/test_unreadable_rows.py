"""What is stored in a form that cannot be read costs itself only, and is there to be seen."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.simulation.slack import SimulatedSlack
from monitor.store import DeliveryState
from tests.support.clock import Clock
from tests.support.delivery import (
    FOR_PEOPLE,
    POST,
    Monitor,
    about,
    card,
    first_card,
    keys,
    life,
    outcomes,
)

BROKEN = [b"{", b'{"text": 1}', b"\xff", b'["an event of tomorrow"]']


def write(folder: Path, statement: str, *values: object) -> None:
    """Change what is stored behind the monitor's back."""
    with sqlite3.connect(folder / "store.db") as connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


async def set_aside(monitor: Monitor) -> dict[str, str]:
    outbox = await monitor.outbox()
    return {one.key: one.error for one in outbox if one.state is DeliveryState.SET_ASIDE}


@pytest.mark.parametrize("column", ["message", "mentions", "events"])
@pytest.mark.parametrize("content", BROKEN)
async def test_a_row_that_cannot_be_read_is_set_aside_and_the_others_are_sent(
    monitor: Monitor, tmp_path: Path, column: str, content: bytes
) -> None:
    await monitor.save(about("one", "broken"), about("one", "behind"), about("other", "n"))
    write(tmp_path, f"UPDATE notification SET {column} = ? WHERE key = 'broken'", content)

    await monitor.deliver()

    assert sorted(keys(monitor.slack.channel("releases"))) == ["behind", "n"]
    errors = await set_aside(monitor)
    assert errors.keys() == {"broken"}
    assert errors["broken"].startswith("it is stored in a form that cannot be read: ")

    await monitor.store.call(monitor.store.outbox.retry, None, monitor.clock.now())
    await monitor.deliver()
    assert (await set_aside(monitor)).keys() == {"broken"}
    assert outcomes(monitor.slack, POST) == ["ok", "ok"]


async def test_a_card_that_cannot_be_read_is_left_alone_until_it_changes(
    monitor: Monitor, tmp_path: Path
) -> None:
    posted, shown = first_card("0 of 3")
    await monitor.save(posted, cards=[shown])
    await monitor.deliver()
    await monitor.save(cards=[card("1 of 3")])
    write(tmp_path, "UPDATE card SET wanted = ?", b"{")

    await monitor.deliver()
    await monitor.deliver()
    (left,) = monitor.slack.channel("releases").posts
    assert left.text == "0 of 3"

    await monitor.save(cards=[card("2 of 3")])
    await monitor.deliver()
    (mended,) = monitor.slack.channel("releases").posts
    assert mended.text == "2 of 3"


async def test_a_card_is_posted_as_it_ought_to_be_whatever_its_row_holds(
    monitor: Monitor, tmp_path: Path
) -> None:
    posted, shown = first_card("0 of 3")
    await monitor.save(posted, cards=[shown])
    write(tmp_path, "UPDATE notification SET message = ?", b"{")

    await monitor.deliver()

    (one,) = monitor.slack.channel("releases").posts
    assert one.text == "0 of 3"


async def test_what_cannot_be_read_is_no_obstacle_after_an_outage(
    tmp_path: Path, clock: Clock
) -> None:
    async with (
        SimulatedSlack(("releases",), rates=False) as slack,
        life(slack, tmp_path, clock, pace=FOR_PEOPLE) as monitor,
    ):
        await monitor.save(*(about(f"r{number}", f"n{number}") for number in range(4)))
        await monitor.save(about("r9", "alone"))
        for key in ("n1", "alone"):
            write(tmp_path, "UPDATE notification SET message = ? WHERE key = ?", b"{", key)
        clock.advance(timedelta(hours=1).total_seconds())
        await monitor.deliver()

        (summary,) = slack.channel("releases").posts
        assert "5 rollouts with nothing to do now" in summary.text
