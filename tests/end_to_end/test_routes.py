"""Routes, quiet hours and silences as people meet them: what stands in which channel, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.service.app import App
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.simulation.scenarios import SCENARIOS
from tests.support.world import CHANNEL, World, a_world

ONCALL = "#oncall"
EVERY = 15.0


def alarm(*keys: str, event: str = "failed") -> str:
    """Return a route to those on call."""
    return "\n".join(["[[route]]", f'events = ["{event}"]', f'channel = "{ONCALL}"', *keys])


async def follow(world: World, app: App, minutes: float) -> None:
    for _ in range(int(minutes * 60 / EVERY)):
        await world.look(app, after=EVERY)


async def test_a_failure_goes_to_those_on_call_with_a_ping_and_a_link_to_the_card(
    tmp_path: Path,
) -> None:
    route = alarm('mention = ["@here"]', "continue = true")
    async with a_world(tmp_path, channels=("oncall",), more=route) as world:
        release = world.platform.add("failure", seed=1)
        async with world.monitor(release) as app:
            await follow(world, app, 20)

        alarms = world.slack.channel(ONCALL).posts
        assert alarms
        assert all(post.thread_ts in (None, post.ts) for post in alarms)
        assert all("<!here>" in post.text for post in alarms)
        assert "/archives/" in str(alarms[-1].blocks)
        assert not any("<!here>" in post.text for post in world.slack.channel(CHANNEL).posts)
        assert len(world.cards(release)) == 1


async def test_who_started_it_is_found_by_the_address_and_pinged(tmp_path: Path) -> None:
    route = alarm('mention = ["started_by"]')
    async with a_world(tmp_path, channels=("oncall",), more=route) as world:
        release = world.platform.add("failure", seed=1)
        world.slack.users["robin@example.com"] = "U0000000009"
        async with world.monitor(release) as app:
            await follow(world, app, 20)

        assert all("<@U0000000009>" in post.text for post in world.slack.channel(ONCALL).posts)
        assert world.slack.channel(ONCALL).posts


async def test_what_recovers_by_itself_wakes_nobody(tmp_path: Path) -> None:
    route = alarm('lasting = "5m"')
    async with a_world(tmp_path, channels=("oncall",), more=route) as world:
        flicker, failure = (world.platform.add(name, seed=1) for name in ("flicker", "failure"))
        async with world.monitor(flicker, failure) as app:
            await follow(world, app, 40)

        texts = [post.text for post in world.slack.channel(ONCALL).posts]
        assert texts
        assert all("helm upgrade timed out" in text for text in texts)


async def test_a_restart_while_something_waits_for_its_time_neither_forgets_nor_repeats(
    tmp_path: Path,
) -> None:
    route = alarm('lasting = "5m"')
    async with a_world(tmp_path, channels=("oncall",), more=route) as world:
        release = world.platform.add("failure", seed=1)
        for _ in range(60):
            async with world.monitor(release) as app:
                await world.look(app, after=30)

        # One install failed, and by it the release: each is told once.
        alarms = world.slack.channel(ONCALL).posts
        assert len(alarms) <= 2
        assert sum("helm upgrade timed out" in post.text for post in alarms) == 1


async def test_a_night_without_a_sound_ends_with_what_still_fails(tmp_path: Path) -> None:
    night = '[[quiet]]\nname = "night"\nfrom = "12:01"\nto = "13:00"'
    async with a_world(tmp_path, channels=("oncall",), more=night) as world:
        release = world.platform.add("failure", seed=1)
        async with world.monitor(release) as app:
            await follow(world, app, 30)
            in_the_night = [post.text for post in world.replies(release)]
            await follow(world, app, 35)

        loud = [post for post in world.replies(release) if "failed" in post.text]
        assert not any("failed" in text for text in in_the_night)
        assert len(loud) == 1
        assert "❌" in world.cards(release)[-1].text


async def test_a_silence_of_a_person_keeps_one_install_quiet_and_the_card_says_so(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        release = world.platform.add("failure", seed=1)
        async with world.monitor(release) as app:
            await world.look(app)
            silence = await app.store.call(
                app.store.silences.add,
                {"rollout": (release,)},
                until=world.now() + timedelta(hours=1),
                author="anna",
                reason="we know",
                now=world.now(),
            )
            app.context.active_silences.take((silence,))
            await follow(world, app, 20)
            assert not any("failed" in post.text for post in world.replies(release))
            assert "by anna: we know" in str(world.cards(release)[-1].blocks)

            app.context.active_silences.take(())
            world.clock.advance(3600)
            await follow(world, app, 1)

        assert sum("helm upgrade" in post.text for post in world.replies(release)) == 1
        assert "by anna" not in world.cards(release)[-1].text


async def test_a_monitor_that_is_blind_tells_those_whom_a_route_names(tmp_path: Path) -> None:
    route = alarm('mention = ["@channel"]', event="unreachable")
    always = '[[quiet]]\nfrom = "00:00"\nto = "00:00"'
    async with a_world(tmp_path, channels=("oncall",), more=f"{route}\n{always}") as world:
        release = world.platform.add("slow", seed=1)
        async with world.monitor(release) as app:
            await world.look(app)
            world.platform.next_faults.extend([Fault(FaultKind.STATUS, status=503)] * 4)
            await follow(world, app, 1)
            await follow(world, app, 2)

        unreachable, sees = world.slack.channel(ONCALL).posts
        assert "<!channel>" in unreachable.text
        assert "reachable again" in sees.text
        assert not any("can't reach" in post.text for post in world.slack.channel(CHANNEL).posts)


@pytest.mark.parametrize(
    ("slack", "url", "is_used"),
    [
        ("", "", False),
        ("use_app_webhooks = true", "", True),
        ("use_app_webhooks = true", "http://127.0.0.1:9/services/T0/B0/s3cret", False),
    ],
    ids=["not wanted", "wanted", "not one of Slack's hosts"],
)
async def test_an_apps_own_webhook_is_used_only_where_that_is_wanted_and_safe(
    tmp_path: Path, slack: str, url: str, is_used: bool
) -> None:
    async with a_world(tmp_path) as world:
        world.own["slack"] = slack
        scenario = replace(SCENARIOS["failure"], slack_webhook_url=url or world.slack.webhook_url)
        installer = world.platform.add(scenario, seed=1, dialect="installer")

        async with world.monitor(installer) as app:
            await follow(world, app, 15)

        assert any(request.method == "webhook" for request in world.slack.requests) == is_used
        assert world.slack.webhook_url.encode() not in (tmp_path / "nuon-monitor.db").read_bytes()
