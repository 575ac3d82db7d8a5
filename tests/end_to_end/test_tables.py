"""A rollout of which more fails than its card has room for: the table in the card's thread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.simulation.scenarios import FAILS_SOON, SCENARIOS
from monitor.simulation.slack import Posted, plain_text
from tests.support.world import World, a_world, key_of

_MANY = replace(
    SCENARIOS["failure"],
    name="many-failures",
    steps=(40,),
    delays={},
    courses={(1, number): FAILS_SOON for number in range(1, 31)},
)


def tables(world: World) -> list[Posted]:
    return [post for post in world.channel.posts if "/table/" in key_of(post)]


async def watched(world: World) -> str:
    """Watch a release in which 30 of 40 installs fail, to its end."""
    release_id = world.platform.add(_MANY, seed=1)
    async with world.monitor(release_id) as app:
        for _ in range(12):
            await world.look(app, after=60)
    return release_id


async def test_all_that_fails_is_in_one_table_in_the_thread_to_which_the_card_leads(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watched(world)

        (table,) = tables(world)
        card = world.cards(release_id)[-1]
        assert table.thread_ts == card.ts
        assert not table.is_broadcast
        lines = plain_text(table).splitlines()
        assert lines[0].startswith("❌ 30 installs fail · ")
        rows = lines[3:]
        assert len(rows) == 30
        assert all("InstanceQuotaExceeded" in row for row in rows)
        assert f"p{table.ts.replace('.', '')}" in str(card.blocks)
        assert "See all" in plain_text(card)


async def test_a_restart_posts_no_second_table(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = await watched(world)
        async with world.monitor(release_id) as app:
            await world.look(app, after=60)
            await world.look(app, after=60)

        assert len(tables(world)) == 1


async def test_a_workspace_without_tables_has_every_name_as_text(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.slack.unknown_blocks.add("data_table")

        await watched(world)

        (table,) = tables(world)
        assert "30 installs: " in plain_text(table)
        assert len(plain_text(table).splitlines()[-1].split(", ")) == 29  # "… and the last"
        asked = [one for one in world.slack.requests if one.outcome == "invalid_blocks"]
        assert len(asked) == 1


@pytest.mark.parametrize("scenario", ["failure", "happy"])
async def test_what_the_card_has_room_for_makes_no_table(tmp_path: Path, scenario: str) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add(scenario, seed=1)
        async with world.monitor(release_id) as app:
            for _ in range(12):
                await world.look(app, after=60)

        assert tables(world) == []
