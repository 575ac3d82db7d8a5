"""What lists lead to: found, followed to its end and let rest, whatever happens on the way.

Real parts: the simulated platform and Slack over loopback, an SQLite file, time set by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.service.app import App
from monitor.simulation.cast import install_of
from monitor.simulation.platform import Age
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.simulation.scenarios import SCENARIOS, Rollout, Scenario
from monitor.simulation.slack import plain_text
from monitor.store import Store
from tests.support.world import World, a_world

QUICK = replace(SCENARIOS["happy"], name="quick", steps=(1,))
FAILS = replace(SCENARIOS["retry"], name="fails", steps=(2,), retried_after=None)
RETRIED = replace(FAILS, name="retried", retried_after=6 * 3600.0)
DAY = 86400.0

LISTS: dict[str, tuple[str, Callable[[Rollout], str]]] = {
    "app": ("release", lambda rollout: rollout.cast.app_id),
    "component": ("release", lambda rollout: rollout.cast.component_id),
    "install": ("workflow", lambda _: install_of(0)[0]),
    "app_branch": ("run", lambda rollout: rollout.cast.branch_id),
}
"""By what is watched: what its list leads to, and whose list it is."""
every_list = pytest.mark.parametrize("kind", LISTS)
lists_of_all_rollouts = pytest.mark.parametrize("kind", ["app", "install", "app_branch"])


def add(
    world: World,
    kind: str = "app",
    scenario: Scenario = QUICK,
    *,
    seed: int = 1,
    starts_in: float = 0.0,
) -> str:
    """Let something begin that the list of a kind leads to, and have that list watched."""
    dialect, owner = LISTS[kind]
    target_id = world.platform.add(scenario, seed=seed, starts_in=starts_in, dialect=dialect)
    world.more = f'[[watch]]\n{kind} = "{owner(world.platform.rollout(target_id))}"'
    return target_id


def aged(scenario: Scenario, seconds: float) -> Scenario:
    return replace(scenario, age=seconds)


def successes(text: str) -> list[str]:
    """Return the lines that say a success of the whole, and not that a step or group is done."""
    return re.findall(r"^✅ (?!.* done \().*$", text, re.MULTILINE)


async def look_on(world: World, app: App, *, seconds: float, every: float = 15.0) -> None:
    """Look now, and then every so often."""
    await world.look(app)
    for _ in range(round(seconds / every)):
        await world.look(app, after=every)


def asked_of(world: World, target_id: str) -> int:
    """Return how often the platform was asked for this alone, and begin to count anew."""
    requests = [request.path for request in world.platform.requests]
    world.platform.requests.clear()
    return sum(path.endswith(f"/{target_id}") for path in requests)


# What is followed


@every_list
async def test_only_what_is_in_flight_at_first_sight_or_begins_later_gets_a_card(
    tmp_path: Path, kind: str
) -> None:
    async with a_world(tmp_path) as world:
        done = add(world, kind, aged(QUICK, DAY), seed=1)
        failed = add(world, kind, aged(FAILS, DAY), seed=2)
        in_flight = add(world, kind, aged(QUICK, 20), seed=3)
        later = add(world, kind, QUICK, seed=4, starts_in=60)
        async with world.monitor() as app:
            await look_on(world, app, seconds=90)

        assert [len(world.cards(i)) for i in (done, failed, in_flight, later)] == [0, 0, 1, 1]
        assert asked_of(world, done) + asked_of(world, failed) == 0


@lists_of_all_rollouts
async def test_what_came_to_its_end_is_not_asked_for_any_more(tmp_path: Path, kind: str) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, kind)
        async with world.monitor() as app:
            await look_on(world, app, seconds=1200, every=60)
            assert plain_text(world.cards(target_id)[0]).startswith("✅ ")
            assert asked_of(world, target_id) > 0

            await look_on(world, app, seconds=600, every=60)

        assert asked_of(world, target_id) == 0
        assert app.registry.rollout_pollers == ()


@lists_of_all_rollouts
async def test_what_began_and_ended_between_two_looks_is_told(tmp_path: Path, kind: str) -> None:
    async with a_world(tmp_path) as world:
        add(world, kind, aged(QUICK, DAY), seed=1)
        async with world.monitor() as app:
            await world.look(app)
            well, badly = add(world, kind, seed=2), add(world, kind, FAILS, seed=3)
            await world.look(app, after=3600)
            await look_on(world, app, seconds=60)

        assert [plain_text(world.cards(i)[0])[0] for i in (well, badly)] == ["✅", "❌"]
        assert [len(world.replies(i)) for i in (well, badly)] == [1, 1]


@pytest.mark.parametrize("kind", ["app", "app_branch"])
async def test_what_is_tried_again_long_after_it_failed_is_followed_again(
    tmp_path: Path, kind: str
) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, kind, RETRIED)
        async with world.monitor() as app:
            await look_on(world, app, seconds=7200, every=120)
            assert app.registry.rollout_pollers == ()
            world.clock.advance(3.5 * 3600)
            await look_on(world, app, seconds=3600, every=60)

        assert [plain_text(card)[0] for card in world.cards(target_id)] == ["❌", "✅"]
        assert app.registry.rollout_pollers == ()


async def test_what_rests_links_its_earlier_attempt_even_if_slack_was_away_all_the_time(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, scenario=replace(RETRIED, retried_after=120))
        async with world.monitor() as app:
            await world.slack.stop()
            await look_on(world, app, seconds=1200, every=60)
            await world.slack.start()
            await look_on(world, app, seconds=1800, every=300)

        first, second = world.cards(target_id)
        assert f"/p{first.ts.replace('.', '')}" in str(second.blocks)
        assert app.registry.rollout_pollers == ()


async def test_a_release_that_is_deleted_is_told_to_be_gone_once_and_left_alone(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, scenario=replace(QUICK, deleted_after=40))
        async with world.monitor() as app:
            await look_on(world, app, seconds=120)
            asked_of(world, target_id)
            await look_on(world, app, seconds=60)

        assert sum("is no longer on Nuon" in text for text in world.texts) == 1
        assert asked_of(world, target_id) == 0


# What is left out


async def test_no_more_than_the_limit_is_followed_at_a_time_and_the_others_have_their_turn(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        first, second = add(world, seed=1), add(world, seed=2, starts_in=1)
        world.more += "\nlimit = 1"
        async with world.monitor() as app:
            await look_on(world, app, seconds=30)
            assert [len(world.cards(i)) for i in (first, second)] == [1, 0]
            assert app.registry.list_pollers[0].left_out == 1

            await look_on(world, app, seconds=1200, every=30)

        assert [len(world.cards(i)) for i in (first, second)] == [1, 1]
        assert app.registry.list_pollers[0].left_out == 0


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ('include = ["check*"]', ["checkout-api"]),
        ('exclude = ["CHECK*"]', ["billing-api"]),
        ('include = ["*-api"]\nexclude = ["billing-?pi"]', ["checkout-api"]),
        ('include = ["nothing"]', []),
    ],
)
async def test_patterns_choose_among_an_apps_releases_by_the_names_of_components(
    tmp_path: Path, patterns: str, expected: list[str]
) -> None:
    async with a_world(tmp_path) as world:
        one = add(world, seed=1)
        other = add(world, scenario=replace(QUICK, component_name="billing-api"), seed=2)
        world.more += f"\n{patterns}"
        async with world.monitor() as app:
            await world.look(app)

        names = {one: "checkout-api", other: "billing-api"}
        assert [name for i, name in names.items() if world.cards(i)] == expected


@pytest.mark.parametrize("is_meant", [True, False])
async def test_patterns_know_an_install_by_its_name(tmp_path: Path, is_meant: bool) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, "install")
        _, name = install_of(0)
        world.more += f'\n{"include" if is_meant else "exclude"} = ["{name.upper()}"]'
        async with world.monitor() as app:
            await world.look(app)

        assert len(world.cards(target_id)) == is_meant


# Restarts, and lists that move


@lists_of_all_rollouts
async def test_a_restart_goes_on_quietly_with_what_was_followed(tmp_path: Path, kind: str) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, kind, replace(QUICK, steps=(1, 1)))
        async with world.monitor() as app:
            await look_on(world, app, seconds=60)
        told = len(world.channel.posts)
        async with world.monitor() as app:
            await world.look(app)
            assert len(world.channel.posts) == told
        async with world.monitor() as app:
            await look_on(world, app, seconds=1800, every=120)

        assert len(world.cards(target_id)) == 1
        assert plain_text(world.cards(target_id)[0]).startswith("✅ ")
        assert len(successes(world.thread_text(target_id))) == 1


async def test_a_restart_in_a_platforms_outage_still_polls_what_was_followed(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world)
        async with world.monitor() as app:
            await world.look(app)
        world.platform.next_faults.append(Fault(FaultKind.STATUS, status=503))
        async with world.monitor() as app:
            await look_on(world, app, seconds=900, every=60)

        assert plain_text(world.cards(target_id)[0]).startswith("✅ ")


@pytest.mark.parametrize(("keep", "days"), [("90d", 100), ("3d", 4)])
async def test_what_was_told_and_forgotten_long_ago_is_not_told_again(
    tmp_path: Path, keep: str, days: float
) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, scenario=FAILS)
        world.own["store"] = f'keep = "{keep}"'
        async with world.monitor() as app:
            await look_on(world, app, seconds=7200, every=120)
        told = len(world.channel.posts)
        assert len(world.cards(target_id)) == 1
        world.clock.advance(days * DAY)
        with Store.open(world.store_url, now=world.now()) as store:
            store.finds.forget(world.now())
            assert store.prune(world.now()) > 0

        async with world.monitor() as app:
            await world.look(app)
            await world.look(app, after=15)

        assert len(world.channel.posts) == told


async def test_rows_that_shift_between_two_pages_are_all_seen(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        thin = replace(SCENARIOS["thin"], name="old", steps=(1,))
        for number in range(58):
            # Every tenth is deleted while the list is read, and pulls up those below.
            deleted = 2 * DAY + number + 1.5 if number % 10 == 0 else None
            add(
                world,
                scenario=replace(thin, age=2 * DAY + number, deleted_after=deleted),
                seed=number,
            )
        drags_on = replace(
            SCENARIOS["slow"], steps=(1,), courses={(1, 1): SCENARIOS["slow"].courses[1, 3]}
        )
        open_ = [
            add(world, scenario=aged(drags_on, 2 * DAY + age), seed=round(age * 10))
            for age in (43.5, 47.5, 50.5, 57.5)
        ]
        new = [add(world, seed=1000 + number, starts_in=number) for number in range(3)]
        world.platform.seconds_per_answer = 1.0
        async with world.monitor() as app:
            await world.look(app)
            await world.look(app, after=15)

        assert [len(world.cards(i)) for i in (*open_, *new)] == [1] * 7


# Several watches


async def test_two_lists_that_lead_to_one_release_have_one_card_of_it(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        add(world, "component")
        by_component = world.more
        target_id = add(world, "app", seed=2)
        world.more += f"\n{by_component}"
        async with world.monitor(target_id) as app:
            await look_on(world, app, seconds=900, every=60)

        assert len(world.cards(target_id)) == 1
        assert len(successes(world.thread_text(target_id))) == 1


async def test_two_lists_with_channels_of_their_own_have_a_card_in_each(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        other = world.slack.add_channel("others")
        add(world, "component")
        by_component = world.more
        target_id = add(world, "app", seed=2)
        world.more += f'\nchannel = "{other.id}"\n{by_component}'
        async with world.monitor() as app:
            await look_on(world, app, seconds=900, every=60)

        assert len(world.cards(target_id)) == 1
        assert [plain_text(card)[0] for card in other.messages if not card.thread_ts].count(
            "✅"
        ) == 2


async def test_an_installer_leads_to_its_apps_releases_and_so_it_does_after_a_restart(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        installer_id = world.platform.add("one-by-one", seed=1, dialect="installer")
        release_id = world.platform.add(replace(QUICK, steps=(1, 1)), seed=2)
        async with world.monitor(installer_id) as app:
            await look_on(world, app, seconds=60)
        async with world.monitor(installer_id) as app:
            await look_on(world, app, seconds=1200, every=60)

        assert [plain_text(card)[0] for card in world.cards(release_id)] == ["✅"]


async def test_an_app_that_is_watched_beside_its_installer_tells_both_of_its_releases(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        other = world.slack.add_channel("others")
        installer_id = world.platform.add("one-by-one", seed=1, dialect="installer")
        release_id = add(world, "app", seed=2)
        world.more += f'\nchannel = "{other.id}"'
        async with world.monitor(installer_id) as app:
            await look_on(world, app, seconds=900, every=60)

        assert len(world.cards(release_id)) == 1
        assert sum(not post.thread_ts for post in other.messages) == 1


# What cannot be read


async def test_a_platform_without_such_a_list_is_told_once_with_the_reason(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        add(world, "component")
        world.platform.age = Age.TODAY
        async with world.monitor() as app:
            await look_on(world, app, seconds=150)
        async with world.monitor() as app:
            await look_on(world, app, seconds=150)

        (text,) = world.texts
        assert "A newer platform serves workflows" in text


async def test_a_list_that_cannot_be_read_is_told_once_and_once_when_it_can(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        target_id = add(world, scenario=aged(QUICK, DAY))
        world.platform.fault = Fault(FaultKind.TRUNCATED)
        async with world.monitor() as app:
            await look_on(world, app, seconds=600, every=60)
            assert len(world.texts) == 1
            world.platform.fault = None
            await look_on(world, app, seconds=120)

        assert len(world.texts) == 2
        assert world.cards(target_id) == []
