"""`nuon-monitor once` and `test-notification`, against a simulated platform and Slack."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from monitor.store import Store
from tests.support.processes import Result
from tests.support.world import a_live_world

# once


async def test_once_polls_delivers_and_leaves(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"))

        ended = await world.command("once")

        assert ended == Result(0, "1 of 1 watch polled\n", "")
        assert len(world.channel.posts) == 1


async def test_once_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"))

        await world.command("once")
        await world.command("once")

        assert len(world.channel.posts) == 1


async def test_once_fails_where_a_watch_cannot_be_polled(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"), "relmissing")

        ended = await world.command("once")

    assert (ended.code, ended.out) == (1, "1 of 2 watches polled\n")
    assert json.loads(ended.err)["event"] == "poll_failed"


async def test_once_fails_where_a_message_is_not_accepted(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("happy"))
        world.slack.archive("releases")

        ended = await world.command("once")

    assert ended.code == 1
    assert ended.out.startswith("✗ #releases: not delivered: ")


async def test_a_dry_run_shows_what_would_be_sent_and_writes_nothing(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("already-failed"))

        shown = await world.command("once", "--dry-run")

        assert (shown.code, shown.err) == (0, "")
        assert "#releases" in shown.out
        assert "failed" in shown.out
        assert world.channel.posts == []
    assert [file.name for file in tmp_path.iterdir()] == ["monitor.toml"]


async def test_a_dry_run_shows_how_a_card_would_be_edited_while_the_daemon_runs(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        release_id = world.platform.add("happy")
        world.write(release_id)
        await world.command("once")
        world.platform.clock.advance(120)
        with Store.open(f"sqlite:///{tmp_path}/nuon-monitor.db", now=datetime.now(UTC)):
            shown = await world.command("once", "--dry-run")

    assert (shown.code, shown.err) == (0, "")
    assert "#releases · the card, edited" in shown.out


# test-notification


async def test_a_test_reaches_every_channel_that_can_be_reached(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.slack.add_channel("payments")
        more = '[[watch]]\nrelease = "rel2"\nchannel = "#gone"\n'
        more += '[[watch]]\nrelease = "rel3"\nchannel = "#payments"\n'
        world.write("rel1", more=more)

        sent = await world.command("test-notification")

        assert (sent.code, sent.err) == (1, "")
        marks = [line.split()[:2] for line in sent.out.splitlines()]
        assert marks == [["✓", "#releases:"], ["✗", "#gone:"], ["✓", "#payments:"]]
        assert len(world.slack.channel("payments").posts) == 1


async def test_a_test_can_go_to_one_channel_alone(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.slack.add_channel("payments")
        world.write("rel1")

        sent = await world.command("test-notification", "--channel", "#payments")

        assert sent == Result(0, "✓ #payments: sent\n", "")
        assert world.channel.posts == []
