"""Installs are called by their names, whoever asks for these first."""

from __future__ import annotations

from pathlib import Path

from monitor.simulation.slack import plain_text
from tests.world import a_world


async def test_two_releases_that_fail_at_the_same_install_at_once_both_name_it(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        releases = [world.platform.add("already-failed", seed=seed) for seed in range(8)]
        async with world.monitor(*releases) as app:
            await world.look(app)

        cards = [plain_text(world.cards(release_id)[0]) for release_id in releases]
        assert [card for card in cards if "✗ inl" in card] == []
