"""The end of a quiet window: all that it held back is told, in one message, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import event

from monitor.compose import render
from monitor.compose.render import Links
from monitor.compose.window_summary import (
    PATIENCE,
    awaits_poll,
    due_bundles,
    prolonged,
    story_of,
    summary_of,
)
from monitor.decide.dispatch import Plan
from monitor.decide.windows import Once, Window
from monitor.model import (
    Alert,
    EventKind,
    Form,
    HeldLine,
    Message,
    Notification,
    Target,
)
from monitor.service import scheduler
from monitor.service.app import App
from monitor.simulation.slack import Posted, plain_text
from monitor.store import Store
from tests.support.block_kit import drawn
from tests.support.builders import RELEASE_ID, after, deploy, release, snapshot, state, step
from tests.support.clock import NOON
from tests.support.processes import until
from tests.support.world import World, a_world

DEFAULT = "#releases"
ENDS = after(60)
TARGET = Target("release", RELEASE_ID)
FREEZE = """
[[quiet]]
name = "freeze"
from = 2025-12-01T12:00:00Z
to = 2025-12-01T{to}:00Z
"""
FOUR_HOURS = 4 * 3600


def held(kind: EventKind, words: str = "", alert_key: str = "", minutes: float = 1) -> HeldLine:
    return HeldLine(
        destination=DEFAULT,
        window="freeze",
        until=ENDS,
        target=TARGET,
        event=kind,
        alert_key=alert_key,
        title="checkout-api",
        words=words or str(kind),
        url="https://app.nuon.co/org/releases",
        at=after(minutes),
        id=round(minutes * 100) + 1,
    )


def failed(install: str, minutes: float = 1) -> HeldLine:
    return held(EventKind.FAILED, f"{install} failed", f"rel-step-1/{install}", minutes)


def active(*statuses: str, **alert: object) -> render.View:
    """Return a release whose installs a, b, … have these statuses; what is in error is told."""
    units = [deploy(name, status) for name, status in zip("abcdef", statuses, strict=False)]
    alerts = tuple(
        msgspec.structs.replace(
            Alert(f"rel-step-1/{unit.install_id}", EventKind.FAILED, NOON, NOON), **alert
        )
        for unit in units
        if unit.status == "error"
    )
    root = release("executing_release_steps", step(1, "polling_install_deploys", *units))
    return render.View(snapshot(root), state(alerts=alerts), Links("", ""))


def told(*lines: HeldLine, view: render.View | None = None, is_healed: bool = False) -> str:
    """Return what people read when a window is over that held these lines back."""
    (bundle,) = due_bundles(lines, ENDS)
    stories = [story_of(its, view, ENDS, is_healed=is_healed) for its in bundle.by_target.values()]
    summary = summary_of(bundle, stories, Plan())
    return "" if summary is None else drawn(summary.message)


# What it says


def test_an_install_that_failed_and_succeeded_in_the_window_reads_as_recovered() -> None:
    text = told(failed("a"), view=active("active", "active"))

    assert "nothing to do now" in text
    assert "✅ [checkout-api] · recovered: a failed" in text


def test_an_install_that_fails_still_is_not_told_as_over() -> None:
    text = told(failed("a"), failed("b"), view=active("error", "active"))

    assert "1 still in trouble" in text
    assert "❌ [checkout-api] · 1 of 2 installs failed, still running" in text
    assert "recovered: b failed" in text
    assert "a failed" not in text


def test_of_one_place_counts_what_was_said_last() -> None:
    again = held(EventKind.RECOVERED, "a succeeded after failing", "rel-step-1/a", 3)

    text = told(failed("a", 1), failed("a", 2), again, view=active("active"))

    assert "a failed" not in text
    assert text.count("a succeeded after failing") == 1


def test_how_a_rollout_ended_comes_before_how_it_came_there() -> None:
    begun = held(EventKind.STARTED, "has begun")
    ended = held(EventKind.SUCCEEDED, "is on all 2 installs", minutes=3)

    text = told(begun, failed("a", 2), ended, view=active("active", "active"))

    assert "✅ [checkout-api] · is on all 2 installs; recovered: a failed" in text
    assert "begun" not in text


def test_a_part_that_failed_speaks_for_the_whole() -> None:
    whole = held(EventKind.FAILED, "failed at step 1", RELEASE_ID)

    text = told(whole, failed("a"), view=active("active"))

    assert "a failed" in text
    assert "step 1" not in text


def test_many_rollouts_have_a_line_each_those_that_were_in_trouble_first() -> None:
    lines = [
        msgspec.structs.replace(
            held(EventKind.SUCCEEDED, "is on all installs"),
            target=Target("release", f"rel{number}"),
            title=f"service-{number}",
        )
        for number in range(30)
    ]
    trouble = msgspec.structs.replace(failed("a"), title="billing")

    text = told(*lines, trouble, view=active("active"))

    shown = [line for line in text.splitlines() if " · " in line]
    assert "billing" in shown[0]
    assert "… and 21 more" in text


def test_what_the_store_knows_no_more_is_told_as_it_was() -> None:
    text = told(failed("a"), view=None)

    assert "❌ [checkout-api] · a failed" in text
    assert "recovered" not in text


def test_what_is_not_watched_any_more_is_not_said_to_fail_still() -> None:
    view = active("error")
    closed = replace(view, state=msgspec.structs.replace(view.state, is_closed=True))

    text = told(failed("a"), view=closed)

    assert "still in trouble" not in text
    assert "a failed" in text


def test_what_a_newer_rollout_has_healed_reads_as_past() -> None:
    text = told(failed("a"), view=active("error", "active"), is_healed=True)

    assert "nothing to do now" in text
    assert "✅ [checkout-api] · healed by a newer rollout: a failed" in text


def test_windows_and_sinks_have_a_message_each() -> None:
    elsewhere = msgspec.structs.replace(failed("a"), destination="#oncall")
    otherwise = msgspec.structs.replace(failed("a"), window="night")
    later = msgspec.structs.replace(failed("a"), until=after(61))

    bundles = due_bundles([failed("a"), elsewhere, otherwise, failed("b"), later], ENDS)

    assert [(one.destination, one.window, len(one.lines)) for one in bundles] == [
        (DEFAULT, "freeze", 2),
        ("#oncall", "freeze", 1),
        (DEFAULT, "night", 1),
    ]


def test_it_waits_for_the_poll_that_tells_what_stands_but_not_for_ever() -> None:
    view = active("error", is_kept_back=True, look_again_at=ENDS)
    (bundle,) = due_bundles([failed("a")], ENDS)
    story = story_of(bundle.lines, view, ENDS)

    assert awaits_poll(bundle, [story], ENDS)
    assert not awaits_poll(bundle, [story], ENDS + PATIENCE)
    assert story.trouble is not None
    assert story.trouble.words == "failed on its install, still running, as last seen"


# Windows that change


def window(minutes: float, **facts: object) -> Window:
    return Window(Once(NOON, after(minutes)), **facts)  # type: ignore[arg-type]


def test_a_window_that_was_prolonged_holds_on_to_what_it_held() -> None:
    line = failed("a")

    assert prolonged([line], Plan(windows=(window(90),)), ENDS) == {after(90): [line]}
    assert prolonged([line], Plan(windows=(window(60),)), ENDS) == {}


def test_a_window_for_something_else_or_that_began_later_prolongs_nothing() -> None:
    others = (
        window(90, events=(EventKind.STARTED,)),
        window(90, routes=("on-call",)),
        Window(Once(after(30), after(90))),
    )

    assert prolonged([failed("a")], Plan(windows=others), ENDS) == {}


# In one transaction


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/monitor.db", now=NOON) as store:
        yield store


def keep(store: Store, *lines: HeldLine) -> None:
    with store._database.transaction() as connection:
        store.held.write(connection, lines)


@pytest.mark.parametrize("statement", ["INSERT INTO notification", "DELETE FROM held"])
def test_what_breaks_off_before_the_end_leaves_it_all_to_be_told(
    store: Store, statement: str
) -> None:
    keep(store, failed("a"), failed("b"))
    summary = Notification("quiet/1", DEFAULT, Form.MESSAGE, Message("over"))

    def break_off(_c: object, _u: object, text: str, *_: object) -> None:
        if text.startswith(statement):
            raise KeyboardInterrupt

    event.listen(store._database.engine, "before_cursor_execute", break_off)
    with pytest.raises(KeyboardInterrupt):
        store.held.release(store.held.load(), (summary,), ENDS)
    event.remove(store._database.engine, "before_cursor_execute", break_off)

    assert len(store.held.load()) == 2
    assert store.outbox.unsent() == ()
    store.held.release(store.held.load(), (summary,), ENDS)
    assert store.held.load() == ()
    assert [one.key for one in store.outbox.unsent()] == ["quiet/1"]


def test_an_id_that_is_given_out_again_makes_another_message(store: Store) -> None:
    keys = []
    for minutes in (1, 2):
        keep(store, failed("a", minutes))
        (bundle,) = due_bundles(store.held.load(), ENDS)
        assert bundle.lines[0].id == 1
        summary = summary_of(bundle, [story_of(bundle.lines, None, ENDS)], Plan())
        assert summary is not None
        store.held.release(bundle.lines, (summary,), ENDS)
        keys.append(summary.key)

    assert [one.key for one in store.outbox.unsent()] == keys


# From end to end


def summaries(world: World) -> list[Posted]:
    return [post for post in world.channel.posts if "are over" in post.text]


async def look(world: World, app: App, *, hours: float) -> None:
    """Look every five minutes."""
    for _ in range(round(hours * 12)):
        await world.look(app, after=300)


async def test_what_fails_still_is_told_in_its_thread_and_counted_in_one_summary(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("failure", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1.9)
            assert [post.thread_ts for post in world.channel.posts] == [None]  # the card

            await look(world, app, hours=2)

        (summary,) = summaries(world)
        (reply,) = world.replies(release_id)
        assert "1 still in trouble" in summary.text
        assert "soylent-staging failed" in plain_text(reply)


async def test_the_summary_comes_after_the_poll_that_tells_what_still_fails(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("failure", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1)
            world.clock.advance(3600)

            await app.timers.send_due()
            await app.delivery.drain()
            assert summaries(world) == []

            await world.look(app)
            assert [" are over" in post.text for post in world.channel.posts] == [
                False,  # the card
                False,  # what fails
                True,
            ]


async def test_what_ended_well_is_told_by_the_summary_alone(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("retry", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=4)

        (summary,) = summaries(world)
        assert "is on all 12 installs, after 9 min; recovered: globex-eu failed" in plain_text(
            summary
        )
        assert world.replies(release_id) == []


async def test_a_window_that_ended_while_nothing_ran_is_summed_up_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1)
        world.clock.advance(10 * 3600)

        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1)

        assert len(summaries(world)) == 1


async def test_it_is_told_once_though_it_stops_before_anything_is_sent(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1)
            world.clock.advance(FOUR_HOURS)
            await app.poll_once()
        assert summaries(world) == []

        async with world.monitor(release_id) as app:
            await look(world, app, hours=1)

        assert len(summaries(world)) == 1


async def test_a_window_prolonged_meanwhile_is_summed_up_once_at_its_new_end(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await world.look(app, after=300)
        world.more = FREEZE.format(to="15:00")

        async with world.monitor(release_id) as app:
            await look(world, app, hours=2.5)
            assert summaries(world) == []
            await look(world, app, hours=1)

        (summary,) = summaries(world)
        assert "15:00" in plain_text(summary)


async def test_a_clock_that_is_set_ahead_and_back_again_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("retry", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await world.look(app, after=120)
            world.set_by = timedelta(hours=5)
            await world.look(app, after=15)
            first = len(summaries(world))
            world.set_by = timedelta(0)
            await look(world, app, hours=4)

        said = [plain_text(post) for post in summaries(world)]
        assert (first, len(said)) == (1, 2)
        assert "is on all 12 installs" not in said[0]
        assert "is on all 12 installs" in said[1]


async def test_a_summary_for_a_channel_that_is_gone_waits_in_the_outbox(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        route = '[[route]]\nname = "old"\nwebhook_url = "{url}"\n'
        route = route.format(url=world.slack.webhook_url)
        world.more = FREEZE.format(to="14:00") + route
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1)
        world.more = FREEZE.format(to="14:00")

        async with world.monitor(release_id) as app:
            await look(world, app, hours=2)
            waiting = await app.store.call(app.store.outbox.unsent)

        assert [(one.destination, one.key[:6]) for one in waiting] == [
            ("webhook of route old", "quiet/")
        ]


async def test_without_a_window_nothing_is_summed_up(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            await look(world, app, hours=1)

        assert summaries(world) == []


# By itself


def silence(world: World, *, minutes: float) -> int:
    """Silence everything, as a person does from outside."""
    now = world.now()
    with Store.open_beside(world.store_url) as store:
        added = store.silences.add(
            {}, until=now + timedelta(minutes=minutes), author="anna", reason="upgrade", now=now
        )
    return added.id


async def test_a_silence_holds_from_when_it_is_set_until_its_end(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("slow", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)

            silence(world, minutes=30)
            await app.timers.take_silences()
            await world.look(app, after=60)
            (card,) = world.cards(release_id)
            assert "silenced until 12:30 UTC by anna: upgrade" in plain_text(card)
            assert app.metrics.registry.get_sample_value("nuon_monitor_silences") == 1

            world.clock.advance(1800)
            await app.timers.take_silences()
            await world.look(app, after=15)
            (card,) = world.cards(release_id)
            assert "silenced" not in plain_text(card)
            assert app.metrics.registry.get_sample_value("nuon_monitor_silences") == 0


async def test_a_silence_that_is_ended_by_hand_holds_no_longer(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("slow", seed=1)
        async with world.monitor(release_id) as app:
            id_ = silence(world, minutes=30)
            await app.timers.take_silences()
            before = app.context.active_silences.silences

            with Store.open_beside(world.store_url) as store:
                store.silences.end(id_, world.now())
            await app.timers.take_silences()

            assert (len(before), len(app.context.active_silences.silences)) == (1, 0)


async def test_the_daemon_looks_at_silences_and_windows_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_TAKE_SILENCES_EVERY", 0.1)
    monkeypatch.setattr(scheduler, "_SEND_DUE_EVERY", 0.1)
    async with a_world(tmp_path) as world:
        world.more = FREEZE.format(to="14:00")
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            running = asyncio.create_task(app.run())
            try:
                silence(world, minutes=300)
                await until(lambda: len(app.context.active_silences.silences) == 1)
                world.clock.advance(FOUR_HOURS)
                await until(lambda: len(summaries(world)) == 1)
            finally:
                app.daemon.stop()
                await running
