"""A channel is replaced in the configuration while messages wait for it: they follow."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from monitor.service.app import App
from monitor.simulation.slack import plain_text
from monitor.store import DeliveryState, QueuedNotification, Store
from tests.support.processes import until
from tests.support.world import CHANNEL, World, a_live_world, a_world, keys_of

OLD, NEW = "old", "new"


def unsent(world: World) -> tuple[QueuedNotification, ...]:
    with Store.open_readonly(world.store_url) as store:
        return store.outbox.unsent()


async def until_its_end(world: World, app: App, release_id: str) -> None:
    while world.platform.seconds_of(release_id) < world.platform.rollout(release_id).settles_after:
        await world.look(app, after=30)
    await world.look(app, after=30)


def texts(world: World, channel: str) -> list[str]:
    return [plain_text(post) for post in world.slack.channel(channel).posts]


async def test_what_waits_for_an_archived_channel_goes_where_its_watch_leads_now(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, channels=(OLD, NEW)) as world:
        release_id = world.platform.add("failure")
        world.channel_of[release_id] = f"#{OLD}"
        world.slack.archive(OLD)
        async with world.monitor(release_id) as app:
            await until_its_end(world, app, release_id)
        assert len(unsent(world)) > 1

        world.channel_of[release_id] = f"#{NEW}"
        async with world.monitor(release_id) as app:
            await world.look(app)

        assert unsent(world) == ()
        assert texts(world, OLD) == []
        keys = keys_of(world.slack.channel(NEW).posts)
        assert len([key for key in keys if "/card/" in key]) == 1
        assert len(set(keys)) == len(keys) > 1


async def test_a_card_in_the_old_channel_stays_there_and_is_edited(tmp_path: Path) -> None:
    async with a_world(tmp_path, channels=(OLD, NEW)) as world:
        release_id = world.platform.add("failure")
        world.channel_of[release_id] = f"#{OLD}"
        async with world.monitor(release_id) as app:
            await world.look(app)
            (card,) = world.slack.channel(OLD).posts
            before = plain_text(card)
            world.slack.fail("503", times=None)
            await until_its_end(world, app, release_id)
        assert unsent(world)
        world.slack.faults.clear()

        world.channel_of[release_id] = f"#{NEW}"
        async with world.monitor(release_id) as app:
            await world.look(app, after=60)

        assert unsent(world) == ()
        (card,) = world.slack.channel(OLD).messages
        assert plain_text(card) != before
        assert any("failed" in text for text in texts(world, NEW))


async def test_what_a_route_had_sent_to_another_channel_follows_the_route(tmp_path: Path) -> None:
    async with a_world(tmp_path, channels=(OLD, NEW)) as world:
        release_id = world.platform.add("failure")
        route = '[[route]]\nname = "ops"\nevents = ["failed"]\ncontinue = true\nchannel = "#{}"\n'
        world.more = route.format(OLD)
        world.slack.archive(OLD)
        async with world.monitor(release_id) as app:
            await until_its_end(world, app, release_id)
        assert {queued.destination for queued in unsent(world)} == {f"#{OLD}"}
        told = len(texts(world, CHANNEL))

        world.more = route.format(NEW)
        async with world.monitor(release_id) as app:
            await world.look(app)

        assert unsent(world) == ()
        assert any("failed" in text for text in texts(world, NEW))
        new_texts = texts(world, CHANNEL)[told:]
        assert not any("takes no messages" in text for text in new_texts)


async def test_what_was_for_a_route_that_is_gone_is_set_aside_with_the_reason(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, channels=(OLD,)) as world:
        release_id = world.platform.add("failure")
        world.more = (
            f'[[route]]\nname = "ops"\nevents = ["failed"]\ncontinue = true\nchannel = "#{OLD}"\n'
        )
        world.slack.archive(OLD)
        async with world.monitor(release_id) as app:
            await until_its_end(world, app, release_id)

        world.more = ""
        async with world.monitor(release_id) as app:
            await world.look(app)

        kept = unsent(world)
        assert kept
        assert {one.state for one in kept} == {DeliveryState.SET_ASIDE}
        assert {one.error for one in kept} == {
            f"the configuration no longer has #{OLD}, and nothing took its place"
        }


async def test_what_may_have_arrived_in_the_old_channel_is_not_posted_in_the_new_one(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, channels=(OLD, NEW)) as world:
        release_id = world.platform.add("happy")
        world.channel_of[release_id] = f"#{OLD}"
        world.slack.fail("reset_after", "chat.postMessage")
        async with world.monitor(release_id) as app:
            await world.look(app)
        (queued,) = unsent(world)
        assert queued.in_doubt

        world.channel_of[release_id] = f"#{NEW}"
        async with world.monitor(release_id) as app:
            for _ in range(6):
                await world.look(app, after=10)

        assert unsent(world) == ()
        assert keys_of(world.slack.channel(OLD).posts) == [queued.key]


async def test_a_running_daemon_moves_them_at_a_reload(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.slack.add_channel(OLD)
        world.slack.add_channel(NEW)
        world.slack.archive(OLD)
        release_id = world.platform.add("already-failed")
        world.channel_of[release_id] = f"#{OLD}"
        async with world.daemon(release_id) as daemon:
            await daemon.logged("destination_refuses")
            world.channel_of[release_id] = f"#{NEW}"
            world.write(release_id)

            daemon.send(signal.SIGHUP)

            await daemon.logged("moved", destination=f"#{OLD}", to=f"#{NEW}")
            await until(lambda: bool(world.slack.channel(NEW).posts))
            async with asyncio.timeout(30):
                while unsent(world):
                    await asyncio.sleep(0.1)
