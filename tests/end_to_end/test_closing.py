"""A watch that is removed from the configuration: its card says so, until it is watched again."""

from __future__ import annotations

from pathlib import Path

from monitor.model import Target
from monitor.store import Store
from tests.support.world import World, a_world

CLOSED = "no longer watched"


async def start(world: World, *releases: str) -> None:
    """Start the daemon on these watches, let it poll each once and deliver, and leave."""
    async with world.monitor(*releases) as app:
        await app.close_removed()
        await world.look(app)


async def test_the_card_of_a_removed_watch_says_so_and_a_returning_one_does_not(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        kept, removed = world.platform.add("slow", seed=1), world.platform.add("slow", seed=2)
        await start(world, kept, removed)

        await start(world, kept)
        (closed,) = world.cards(removed)
        (open_,) = world.cards(kept)
        assert CLOSED in closed.text
        assert CLOSED not in open_.text

        await start(world, kept, removed)
        assert CLOSED not in world.cards(removed)[-1].text
        assert len(world.cards(removed)) == 1


async def test_what_came_to_its_end_needs_no_such_word(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ended, other = world.platform.add("failure", seed=1), world.platform.add("slow", seed=2)
        await start(world, ended, other)
        world.clock.advance(4 * 3600)
        await start(world, ended, other)

        await start(world, other)

        assert CLOSED not in world.cards(ended)[-1].text
        with Store.open_readonly(world.store_url) as store:
            stored = store.snapshots.load(Target("release", ended))
        assert stored is not None
        assert not stored.state.is_closed
