"""Digests: what is told of a day or a week, when, and to whom; each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from monitor.compose import render
from monitor.compose.digest import (
    Account,
    Digest,
    Issue,
    Timetable,
    account_of,
    facts_of,
    is_worth_sending,
    issue_due,
    issued_until,
    may_matter,
    with_names,
)
from monitor.compose.render import DigestFacts, DigestRollout, Links
from monitor.decide.windows import EVERY_DAY
from monitor.kinds.installer import APP, INSTALLER
from monitor.kinds.parts import DEPLOY, WORKFLOW
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import (
    Alert,
    Card,
    Entity,
    EventKind,
    Form,
    Level,
    Message,
    Notification,
    Snapshot,
    Target,
    TargetState,
    Transition,
)
from monitor.simulation.slack import Posted, plain_text
from monitor.store import Observation, Store
from tests.support.builders import after, deploy, fixed, release, snapshot, state, step
from tests.support.clock import NOON
from tests.support.world import CHANNEL, World, a_world

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = Timetable(time(9), EVERY_DAY, BERLIN)
WEEKLY = Timetable(time(9), frozenset({0}), BERLIN)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ISSUE = Issue(NOON, NOON + DAY)
LINKS = Links("https://app.nuon.co", "org1")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# When

LATEST: dict[str, tuple[Timetable, str, str]] = {
    "in the morning it is yesterday's": (DAILY, "2026-01-06 07:59", "2026-01-05 08:00"),
    "at its time it is today's": (DAILY, "2026-01-06 08:00", "2026-01-06 08:00"),
    "every week it is that of its day": (WEEKLY, "2026-01-08 12:00", "2026-01-05 08:00"),
    "on its day before its time it is last week's": (
        WEEKLY, "2026-01-12 07:59", "2026-01-05 08:00"
    ),
    "in summer it is an hour earlier": (DAILY, "2026-07-06 07:00", "2026-07-06 07:00"),
    "a time that is skipped comes when it is skipped": (
        Timetable(time(2, 30), EVERY_DAY, BERLIN), "2026-03-29 12:00", "2026-03-29 01:00"
    ),
    "a time that comes twice counts when it comes first": (
        Timetable(time(2, 30), EVERY_DAY, BERLIN), "2026-10-25 12:00", "2026-10-25 00:30"
    ),
    "where it is tomorrow already it is tomorrow's": (
        Timetable(time(9), EVERY_DAY, ZoneInfo("Pacific/Kiritimati")),
        "2026-01-05 20:00", "2026-01-05 19:00",
    ),
    "where clocks went back over midnight it is today's, though it is yesterday again": (
        Timetable(time(0), EVERY_DAY, ZoneInfo("America/St_Johns")),
        "2010-11-07 02:45", "2010-11-07 02:30",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LATEST)
def test_the_latest_time_is_read_off_the_clocks_of_its_zone(case: str) -> None:
    timetable, now, expected = LATEST[case]

    assert timetable.latest(at(now)) == at(expected)


def test_one_that_never_told_begins_with_the_time_under_way() -> None:
    now = at("2026-01-06 12:00")

    told = issued_until(DAILY, None, now)

    assert told == at("2026-01-06 08:00")
    assert issue_due(DAILY, told, now) is None
    assert issue_due(DAILY, told, now + DAY) == Issue(told, told + DAY)


def test_after_a_long_stop_one_tells_of_all_that_time() -> None:
    told = at("2026-01-06 08:00")

    assert issue_due(DAILY, told, told + 5 * DAY + HOUR) == Issue(told, told + 5 * DAY)


@pytest.mark.parametrize("timetable", [DAILY, WEEKLY])
def test_a_clock_set_back_a_little_tells_nothing_twice(timetable: Timetable) -> None:
    told = at("2026-01-05 08:00")

    for minutes in range(-120, 60):
        now = told + timedelta(minutes=minutes)
        assert issued_until(timetable, told, now) == told
        assert issue_due(timetable, told, now) is None


def test_a_clock_that_was_far_ahead_and_is_set_right_skips_nothing() -> None:
    in_the_future, now = at("2026-03-01 08:00"), at("2026-01-06 12:00")

    told = issued_until(DAILY, in_the_future, now)

    assert issue_due(DAILY, told, now) is None
    assert issue_due(DAILY, told, at("2026-01-07 08:00")) == Issue(told, at("2026-01-07 08:00"))


def test_a_zone_whose_rules_change_makes_no_second_digest_of_a_day() -> None:
    told = at("2026-01-06 07:00")

    assert issue_due(DAILY, told, at("2026-01-06 08:00")) is None
    assert issue_due(DAILY, told, at("2026-01-07 08:00")) is not None


@fixed(40)
@given(
    steps=st.lists(st.integers(1, 40 * 60), min_size=1, max_size=40),
    days=st.sampled_from([EVERY_DAY, frozenset({6})]),
    hour=st.integers(0, 23),
)
def test_over_a_year_with_stops_the_digests_follow_one_another_without_gap(
    steps: list[int], days: frozenset[int], hour: int
) -> None:
    timetable, now = Timetable(time(hour, 30), days, BERLIN), at("2026-03-20 00:00")
    told = begun = issued_until(timetable, None, now)
    issues: list[Issue] = []

    for minutes in steps * 20:
        now += timedelta(minutes=minutes)
        told = issued_until(timetable, told, now)
        if issue := issue_due(timetable, told, now):
            issues.append(issue)
            told = issue.until

    assert [issue.since for issue in issues] == [begun, *(i.until for i in issues)][: len(issues)]
    assert told == timetable.latest(now)


# What


def account(
    root: Entity,
    state: TargetState,
    failures: Mapping[str, int] | None = None,
    issue: Issue = ISSUE,
) -> Account:
    view = render.View(snapshot(root), state, LINKS)
    return account_of(view, issue, url=None, failures=failures or {})


def well(minutes: float = 30, **facts: object) -> TargetState:
    return state(
        ended=EventKind.SUCCEEDED, ended_at=after(minutes), changed_at=after(minutes), **facts
    )


def in_trouble(minutes: float = 30, **facts: object) -> TargetState:
    since = after(minutes)
    alerts = (Alert("rel-step-1/a", EventKind.FAILED, since, since),)
    facts = {"changed_at": since, "alerts": alerts, **facts}
    return state(**facts)


def done(install: str, *, took: float = 5) -> Entity:
    return deploy(install, updated_at=after(took))


def rolled_out(*units: Entity, **facts: object) -> Entity:
    return release("active", step(1, "active", *units), **facts)


def test_a_rollout_that_ended_is_told_with_how_long_it_took_and_what_failed() -> None:
    root = release(
        "error", step(1, "error", done("a", took=4), deploy("b", "error", updated_at=after(7)))
    )
    ended = in_trouble(8, ended=EventKind.FAILED, ended_at=after(8))

    facts = facts_of(ISSUE, [account(root, ended)], LINKS)

    assert facts.rollouts == (
        DigestRollout("checkout-api", EventKind.FAILED, timedelta(minutes=7), installs=2, failed=1),
    )
    assert [line.words for line in facts.still_failing] == ["failed: 1 of 2 installs"]


OF_A_DAY: dict[str, tuple[TargetState, bool]] = {
    "what ended in it": (well(30), True),
    "what ended before it": (well(-1), False),
    "what ended as it began": (well(0), True),
    "what ended as the next one began": (well(24 * 60), False),
    "what is under way and moved in it": (state(changed_at=after(30)), True),
    "what is under way and did not move in it": (state(changed_at=after(-1)), False),
}


@pytest.mark.parametrize("case", OF_A_DAY)
def test_a_day_has_what_ended_or_moved_in_it(case: str) -> None:
    remembered, is_told = OF_A_DAY[case]

    facts = facts_of(ISSUE, [account(release("active"), remembered)], LINKS)

    assert bool(facts.rollouts) is is_told


def test_what_began_after_the_time_of_a_late_digest_is_for_the_next() -> None:
    root = release("executing_release_steps", created_at=ISSUE.until + HOUR)

    facts = facts_of(ISSUE, [account(root, state(changed_at=ISSUE.until + HOUR))], LINKS)

    assert facts.rollouts == ()


def test_what_has_no_end_is_no_rollout_but_its_troubles_are_told() -> None:
    app = Entity(APP, "app1", "error", name="shop")
    root = Entity(INSTALLER, "int1", name="shop", created_at=NOON, children=(app,))
    alerts = (Alert("app1", EventKind.FAILED, after(5), after(5)),)

    facts = facts_of(ISSUE, [account(root, state(alerts=alerts))], LINKS)

    assert facts.rollouts == ()
    assert [line.title for line in facts.still_failing] == ["shop"]


def test_a_workflow_of_one_install_does_not_count_its_steps_as_installs() -> None:
    root = Entity(
        WORKFLOW,
        "inw1",
        "success",
        created_at=NOON,
        updated_at=after(6),
        install_id="a",
        children=(Entity(STEP_GROUP, "g", "success", children=(deploy(""),)),),
    )

    facts = facts_of(ISSUE, [account(root, well())], LINKS)

    assert [one.installs for one in facts.rollouts] == [0]


def test_what_a_newer_one_has_healed_is_not_told_as_failing() -> None:
    failed = account(release("error"), in_trouble(ended=EventKind.FAILED, ended_at=after(30)))

    assert facts_of(ISSUE, [failed], LINKS, {failed.target}).still_failing == ()
    assert len(facts_of(ISSUE, [failed], LINKS).still_failing) == 1


def test_what_is_being_tried_again_or_failed_long_ago_is_not_told_as_failing() -> None:
    retried = in_trouble()
    (alert,) = retried.alerts
    retried = state(alerts=(msgspec.structs.replace(alert, is_retrying=True),))
    old = in_trouble(-10 * 24 * 60)

    facts = facts_of(ISSUE, [account(release("error"), one) for one in (retried, old)], LINKS)

    assert facts.still_failing == ()


def test_the_slowest_installs_are_those_that_typically_took_longest() -> None:
    roots = [
        rolled_out(done("a", took=took), done("b", took=3), done("c", took=9), done("d", took=1))
        for took in (5, 60, 6)
    ]

    facts = facts_of(ISSUE, [account(root, well()) for root in roots], LINKS)

    minutes = timedelta(minutes=1)
    assert [(one.name, one.typical, one.times) for one in facts.slowest] == [
        ("c", 9 * minutes, 3),
        ("a", 6 * minutes, 3),
        ("b", 3 * minutes, 3),
    ]


def test_the_only_install_is_not_the_slowest() -> None:
    assert facts_of(ISSUE, [account(rolled_out(done("a")), well())], LINKS).slowest == ()


def test_the_flakiest_installs_failed_and_went_well_in_the_end() -> None:
    root = release(
        "error",
        step(
            1,
            "error",
            deploy("a", "error", id="a1"),  # tried again by another deploy,
            deploy("a", id="a2", created_at=after(1)),
            deploy("b", id="b1"),  # by the same one,
            deploy("c", "error", id="c1"),  # never,
            deploy("d", id="d1"),  # and not needed
        ),
    )

    facts = facts_of(ISSUE, [account(root, well(), {"b1": 3})], LINKS)

    assert [(one.name, one.failed, one.times) for one in facts.flakiest] == [
        ("b", 3, 4),
        ("a", 1, 2),
    ]


def test_installs_are_called_by_their_names_where_these_are_known() -> None:
    root = rolled_out(done("a", took=9), done("b"))
    facts = facts_of(ISSUE, [account(root, well())], LINKS)

    named = with_names(facts, {"a": "acme-prod"})

    assert [one.name for one in named.slowest] == ["acme-prod", "b"]


def test_when_nothing_happened_a_week_says_so_and_a_day_is_silent() -> None:
    nothing = DigestFacts(NOON, NOON + DAY)
    failing = DigestFacts(NOON, NOON + DAY, still_failing=(render.SummaryLine("a", "b"),))

    assert is_worth_sending(WEEKLY, nothing)
    assert not is_worth_sending(DAILY, nothing)
    assert is_worth_sending(DAILY, failing)


def test_what_is_watched_no_more_or_ended_long_ago_does_not_matter() -> None:
    assert not may_matter(state(is_closed=True), ISSUE)
    assert not may_matter(well(-8 * 24 * 60), ISSUE)
    assert may_matter(well(-5 * 24 * 60), ISSUE)
    assert may_matter(state(changed_at=after(-60 * 24 * 60)), ISSUE)


def test_another_time_or_place_makes_another_digest() -> None:
    digests = [
        Digest("#a", DAILY, of_all=False),
        Digest("#b", DAILY, of_all=False),
        Digest("#a", WEEKLY, of_all=False),
        Digest("#a", Timetable(time(10), EVERY_DAY, BERLIN), of_all=False),
        Digest("#a", Timetable(time(9), EVERY_DAY, ZoneInfo("UTC")), of_all=False),
    ]

    assert len({one.name for one in digests}) == 5


# In the store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/monitor.db", now=NOON) as store:
        yield store


def save(store: Store, identifier: str, now: datetime = NOON, **more: object) -> Target:
    target = Target("release", identifier)
    its = Observation(Snapshot(target, now, Entity(RELEASE, identifier, "active")), state(), b"")
    values = {name: getattr(its, name) for name in its.__slots__} | more
    store.save(Observation(**values))
    return target


def notification(target: Target, destination: str) -> Notification:
    return Notification(
        f"{target}/{destination}", destination, Form.MESSAGE, Message("news"), target
    )


def test_until_when_a_digest_told_is_kept_with_what_it_told(store: Store) -> None:
    told = Notification("digest/1", "#a", Form.MESSAGE, Message("news"))

    store.digests.save_issue("one", NOON, (), NOON)
    store.digests.save_issue("one", after(1), (told,), NOON)
    store.digests.save_issue("other", NOON, (), NOON)
    store.digests.forget(["other"])

    assert store.digests.last_issues() == {"one": after(1)}
    assert [one.key for one in store.outbox.unsent()] == ["digest/1"]


@pytest.mark.parametrize("statement", ["INSERT INTO notification", "INSERT INTO digest"])
def test_what_breaks_off_before_the_end_leaves_the_digest_to_be_told(
    store: Store, statement: str
) -> None:
    told = Notification("digest/1", "#a", Form.MESSAGE, Message("news"))

    def break_off(_c: object, _u: object, text: str, *_: object) -> None:
        if text.startswith(statement):
            raise KeyboardInterrupt

    event.listen(store._database.engine, "before_cursor_execute", break_off)
    with pytest.raises(KeyboardInterrupt):
        store.digests.save_issue("one", NOON, (told,), NOON)
    event.remove(store._database.engine, "before_cursor_execute", break_off)

    assert (store.digests.last_issues(), store.outbox.unsent()) == ({}, ())


def test_a_sink_knows_what_it_was_told_of_since_a_time(store: Store) -> None:
    early, late = Target("release", "rel1"), Target("release", "rel2")
    save(store, "rel1", notifications=(notification(early, "#a"),))
    save(store, "rel2", after(5), notifications=(notification(late, "#a"),))
    save(store, "rel3", after(5), notifications=(notification(late, "#b"),))

    assert store.history.notified_targets("#a", after(1)) == {late}


def test_the_newest_card_of_a_target_is_the_one_to_link(store: Store) -> None:
    target = Target("release", "rel1")
    for attempt in (1, 2):
        save(store, "rel1", cards=(Card(target, attempt, "#a", Message("card")),))
        card = Notification(
            f"card/{attempt}", "#a", Form.CARD, Message("card"), target, attempt=attempt
        )
        save(store, "rel1", notifications=(card,))
        queued = store.outbox.next_notification("#a", NOON)
        assert queued is not None
        store.outbox.mark_sent(queued.id, now=NOON, channel_id="C1", ts=f"{attempt}.0", shown=b"")

    (card_of,) = store.cards.newest("#a").items()
    assert (card_of[0], card_of[1].ts) == (target, "2.0")


def test_failures_are_counted_by_what_failed_in_that_time(store: Store) -> None:
    def change(level: Level, identifier: str, status: str) -> Transition:
        kind = DEPLOY if level is Level.UNIT else RELEASE_STEP
        return Transition(level, Entity(kind, identifier, status), "executing", status)

    changes = (
        change(Level.UNIT, "dpl1", "error"),
        change(Level.UNIT, "dpl1", "active"),
        change(Level.UNIT, "dpl1", "error"),
        change(Level.UNIT, "dpl2", "active"),
        change(Level.STEP, "stp1", "error"),
    )
    target = save(store, "rel1", after(5), transitions=changes)
    save(store, "rel1", after(60), transitions=changes)

    assert store.history.failures(NOON, after(60)) == {target: {"dpl1": 2}}
    assert store.history.failures(NOON, after(61)) == {target: {"dpl1": 4}}


# From end to end


DAY_AT_ONE = '[[digest]]\nat = "13:00"\n'
WEEK = '[[digest]]\nevery = "week"\nat = "09:00"\non = "tue"\n'


def digests(world: World, channel: str = CHANNEL) -> list[Posted]:
    return [p for p in world.slack.channel(channel).posts if p.text.startswith("📋")]


async def test_a_day_is_told_once_over_restarts_and_names_what_was_released(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.more = DAY_AT_ONE
        well, broken = world.platform.add("retry", seed=1), world.platform.add("failure", seed=1)
        for _ in range(5):
            async with world.monitor(well, broken) as app:
                for _ in range(4):
                    await world.look(app, after=200)

        (digest,) = digests(world)
        text = plain_text(digest)
        assert "2 rollouts in 24 hours: 1 succeeded, 1 failed" in text
        assert "❌ checkout-api · failed · 24 installs, 1 failed · 10 min" in text
        assert "Still failing\n❌ checkout-api · failed: 1 of 24 installs" in text
        assert "Flakiest installs\n• globex-eu · failed 1 of 3 times" in text
        assert "inl" not in text  # names, not ids


async def test_the_next_day_tells_nothing_of_what_was_told_already(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.more = DAY_AT_ONE
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            for _ in range(49):
                await world.look(app, after=3600)

        assert len(digests(world)) == 1


async def test_a_quiet_week_says_so_and_after_a_stop_of_a_month_one_does(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.more = WEEK
        release_id = world.platform.add("already-done", seed=1)
        for days in (0, 1, 1, 30, 0):
            world.clock.advance(days * 24 * 3600)
            async with world.monitor(release_id) as app:
                await world.look(app)

        assert [digest.text.split("\n")[0] for digest in digests(world)] == [
            "📋 No rollouts this week",
            "📋 No rollouts in 28 d",
        ]


async def test_a_digest_is_not_held_by_quiet_hours(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.more = DAY_AT_ONE + (
            "[[quiet]]\nfrom = 2025-12-01T10:00:00Z\nto = 2025-12-08T10:00:00Z\n"
        )
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            for _ in range(8):
                await world.look(app, after=900)

        assert len(digests(world)) == 1


async def test_a_channel_of_its_own_is_told_of_everything_any_other_of_its_own(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.slack.add_channel("management")
        channels = f'channel = "{world.slack.channel("management").id}"\n'
        world.more = DAY_AT_ONE + channels
        release_id = world.platform.add("happy", seed=1)
        async with world.monitor(release_id) as app:
            for _ in range(8):
                await world.look(app, after=900)

        (digest,) = digests(world, "management")
        assert "1 rollout in 24 hours: 1 succeeded" in digest.text
        assert digests(world) == []
